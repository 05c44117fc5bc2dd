//! Sockets of TCP to listen on.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use socket2::SockRef;
use tokio::net::{TcpListener, TcpSocket};

use magicproxy_config::config::address::{Address, Families};

/// The most connections waiting to be accepted.
const BACKLOG: u32 = 1024;

/// Listens at the address.
///
/// # Errors
/// The system's errors.
pub(crate) async fn listen(address: &Address) -> io::Result<TcpListener> {
    match address.families {
        Families::Every => every_address(address.port)?.listen(BACKLOG),
        Families::OfHost => TcpListener::bind((address.host.as_str(), address.port)).await,
    }
}

/// Binds a socket to every address of IPv6 and IPv4, whatever the system makes of `::`
/// (`net.ipv6.bindv6only`); to every address of IPv4, if there is no IPv6.
///
/// # Errors
/// The system's errors.
pub(crate) fn every_address(port: u16) -> io::Result<TcpSocket> {
    or_of_ipv4(both_families(port), || {
        bound(TcpSocket::new_v4()?, (Ipv4Addr::UNSPECIFIED, port).into())
    })
}

fn both_families(port: u16) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v6()?;
    SockRef::from(&socket).set_only_v6(false)?;
    bound(socket, (Ipv6Addr::UNSPECIFIED, port).into())
}

/// True for a socket of IPv6 that takes no connections of IPv4.
pub(super) fn is_ipv6_only(listener: &TcpListener) -> bool {
    // An error means a socket of IPv4, which has no such option.
    SockRef::from(listener).only_v6().unwrap_or(false)
}

/// Falls back to IPv4 on a system without IPv6. An address in use, or forbidden to the user, is so
/// in IPv4, too, and stays an error.
fn or_of_ipv4<S>(found: io::Result<S>, of_ipv4: impl FnOnce() -> io::Result<S>) -> io::Result<S> {
    match found {
        Err(error)
            if !matches!(
                error.kind(),
                io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied
            ) =>
        {
            of_ipv4()
        }
        found => found,
    }
}

/// Binds the socket to an address that may have been in use a moment ago.
///
/// # Errors
/// The system's errors.
pub(crate) fn bound(socket: TcpSocket, address: SocketAddr) -> io::Result<TcpSocket> {
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_alone_is_found_by_both_families() {
        let listener = every_address(0).unwrap().listen(BACKLOG).unwrap();
        let port = listener.local_addr().unwrap().port();
        // Without IPv6 there is nothing more to check.
        if listener.local_addr().unwrap().is_ipv6() {
            assert!(
                !SockRef::from(&listener).only_v6().unwrap(),
                "though the system may be set otherwise"
            );
            std::net::TcpStream::connect((Ipv6Addr::LOCALHOST, port)).unwrap();
        }
        std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    }

    /// The errors of a kernel without IPv6, and of an interface without IPv6.
    #[test]
    fn without_ipv6_there_is_ipv4() {
        for kind in [
            io::ErrorKind::Unsupported,
            io::ErrorKind::AddrNotAvailable,
            io::ErrorKind::InvalidInput,
            io::ErrorKind::Other,
        ] {
            assert_eq!(or_of_ipv4(Err(kind.into()), || Ok(4)).unwrap(), 4, "{kind}");
        }
        for kind in [io::ErrorKind::AddrInUse, io::ErrorKind::PermissionDenied] {
            assert_eq!(or_of_ipv4(Err(kind.into()), || Ok(4)).unwrap_err().kind(), kind);
        }
        assert_eq!(or_of_ipv4(Ok(6), || Ok(4)).unwrap(), 6);
    }
}
