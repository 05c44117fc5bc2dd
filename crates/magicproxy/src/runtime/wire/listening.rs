//! Sockets that listen on the addresses of the configuration: opened by this process, or passed to
//! it.

use std::os::fd::{AsFd, OwnedFd};

use magicproxy_config::config::address::ListenAddress;
use tokio::net::{TcpListener, UnixListener};

use super::bind;
use super::passed::{PassedListener, PassedSocket, PassedSockets, SocketSource};
use super::socket_file::SocketFile;

/// A socket that listens on an address of the configuration, with the part of it that is kept until
/// the process stops.
#[derive(Debug)]
pub(crate) struct OpenedSocket {
    pub(crate) socket: BoundSocket,
    pub(crate) held: HeldSocket,
}

/// The socket for the task that accepts connections.
#[derive(Debug)]
pub(crate) enum BoundSocket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// A second handle on a listening socket, for a process that takes over, and the file of a Unix
/// socket, which is taken away when the value is dropped.
///
/// While the value lives, connections wait at the socket even if nobody accepts: whoever stops to
/// accept drops the value.
#[derive(Debug)]
pub(crate) struct HeldSocket {
    /// The address, as the configuration has it.
    pub(crate) listen: ListenAddress,
    pub(crate) socket: OwnedFd,
    pub(crate) file: Option<SocketFile>,
}

impl OpenedSocket {
    /// Takes the socket with this address from `passed`, or listens at the address.
    ///
    /// # Errors
    /// The system's errors; another program that listens there; a file in place of a socket.
    pub(crate) async fn open(
        listen: &ListenAddress,
        mode: u32,
        passed: &mut PassedSockets,
    ) -> anyhow::Result<Self> {
        let (socket, file) = match (passed.take(listen), listen) {
            (Some(socket), _) => of_passed(socket, mode)?,
            (None, ListenAddress::Tcp(address)) => {
                (BoundSocket::Tcp(bind::listen(address).await?), None)
            }
            (None, ListenAddress::Unix(path)) => {
                let (socket, file) = SocketFile::bind(path, mode)?;
                (BoundSocket::Unix(socket), Some(file))
            }
        };
        let second = match &socket {
            BoundSocket::Tcp(socket) => socket.as_fd().try_clone_to_owned()?,
            BoundSocket::Unix(socket) => socket.as_fd().try_clone_to_owned()?,
        };
        Ok(Self { socket, held: HeldSocket { listen: listen.clone(), socket: second, file } })
    }
}

fn of_passed(socket: PassedSocket, mode: u32) -> anyhow::Result<(BoundSocket, Option<SocketFile>)> {
    let PassedSocket { listener, passed_by } = socket;
    Ok(match listener {
        PassedListener::Tcp(listener) => {
            listener.set_nonblocking(true)?;
            (BoundSocket::Tcp(TcpListener::from_std(listener)?), None)
        }
        PassedListener::Unix(listener) => {
            listener.set_nonblocking(true)?;
            let file = match passed_by {
                SocketSource::Predecessor {
                    listen: ListenAddress::Unix(path),
                    file: Some(file),
                } => Some(SocketFile::take_over(path, file, mode)?),
                SocketSource::Predecessor { .. } | SocketSource::ServiceManager { .. } => None,
            };
            (BoundSocket::Unix(UnixListener::from_std(listener)?), file)
        }
    })
}
