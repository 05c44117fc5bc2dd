//! A check that the listeners' addresses are free. Each address is bound for a moment and never
//! listened on, so that no client connects.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::Path;

use tokio::net::TcpSocket;

use super::{Readiness, obstacle};
use crate::runtime::wire::bind::{bound, every_address};
use magicproxy_config::config::Config;
use magicproxy_config::config::address::{Address, Families, ListenAddress};
use magicproxy_config::ground::text::reason;

/// Tries every listener's address. An address in use is a warning: the running proxy may use it.
pub(crate) fn addresses(config: &Config, readiness: &mut Readiness) {
    let api = config.listeners.iter().map(|listener| &listener.listen);
    for listen in api.chain(&config.admin.listen) {
        let shown = format!("cannot listen on `{listen}`");
        let found = match listen {
            ListenAddress::Tcp(address) => tcp(address),
            ListenAddress::Unix(path) => unix(path),
        };
        match found {
            Ok(()) => {}
            Err(Obstacle::InUse) => {
                readiness.warnings.push(format!(
                    "`{listen}` is in use: if not by this proxy, `serve` cannot listen there"
                ));
            }
            Err(Obstacle::Other(why)) => readiness.fault(format!("{shown}: {why}")),
        }
    }
}

enum Obstacle {
    InUse,
    Other(String),
}

fn tcp(address: &Address) -> Result<(), Obstacle> {
    let other = |error: &io::Error| Obstacle::Other(reason(error));
    if address.families == Families::Every {
        return every_address(address.port).map(drop).map_err(|error| match error.kind() {
            io::ErrorKind::AddrInUse => Obstacle::InUse,
            _ => other(&error),
        });
    }
    let target = (address.host.as_str(), address.port);
    let addresses: Vec<SocketAddr> =
        target.to_socket_addrs().map_err(|error| other(&error))?.collect();
    let mut last = Obstacle::Other("there is no such host".to_owned());
    // Like the listener, which takes the first free address.
    for address in addresses {
        match bind(address) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => last = Obstacle::InUse,
            Err(error) => last = other(&error),
        }
    }
    Err(last)
}

fn bind(address: SocketAddr) -> io::Result<()> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    bound(socket, address).map(drop)
}

#[cfg(unix)]
fn unix(path: &Path) -> Result<(), Obstacle> {
    use std::os::unix::fs::FileTypeExt as _;
    use std::os::unix::net::{SocketAddr, UnixStream};
    let parent =
        path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !parent.exists() {
        return Err(Obstacle::Other(format!("there is no folder `{}`", parent.display())));
    }
    if let Some(obstacle) = obstacle(parent) {
        return Err(Obstacle::Other(format!("`{}` {obstacle}", parent.display())));
    }
    // A socket is made in a folder beside its final place; the folder's name holds a process id.
    if SocketAddr::from_pathname(parent.join(".4294967295-99/s")).is_err()
        || SocketAddr::from_pathname(path).is_err()
    {
        return Err(Obstacle::Other("the path is too long for a Unix socket".to_owned()));
    }
    match std::fs::symlink_metadata(path) {
        Err(_) => Ok(()),
        Ok(metadata) if !metadata.file_type().is_socket() => {
            Err(Obstacle::Other("there is a file that is no socket".to_owned()))
        }
        Ok(_) if UnixStream::connect(path).is_ok() => Err(Obstacle::InUse),
        Ok(_) => Ok(()),
    }
}

#[cfg(not(unix))]
fn unix(_: &Path) -> Result<(), Obstacle> {
    Err(Obstacle::Other("there are no Unix sockets on this system".to_owned()))
}
