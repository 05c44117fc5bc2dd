//! The addresses of the admin listener, taken, compared with those of the API, and served until the
//! proxy has ended.

use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use anyhow::Context as _;
use magicproxy_config::config::address::ListenAddress;
use magicproxy_config::config::admin::AdminSettings;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::AdminParts;
use super::access::AccessAddress;
use super::connections::{AdminAddress, AdminSocket};
use crate::runtime::wire::listening::{BoundSocket, HeldSocket, OpenedSocket};
use crate::runtime::wire::passed::PassedSockets;

/// The bits of the mode of a Unix socket whose users may connect to it: those that may write.
const MAY_CONNECT: u32 = 0o222;

/// The admin listener on addresses already taken.
pub(crate) struct BoundAdmin {
    addresses: Vec<AdminAddress>,
    /// How to reach each address, for people.
    shown: Vec<String>,
    held: Vec<Arc<HeldSocket>>,
}

/// The admin listener at work.
pub(crate) struct RunningAdmin {
    tasks: JoinSet<()>,
    end: watch::Sender<()>,
    held: Vec<Arc<HeldSocket>>,
}

impl BoundAdmin {
    /// Takes the addresses, from `passed` where it has them. `api` has the addresses on which
    /// clients of the API connect.
    ///
    /// # Errors
    /// The system's errors, and an address that turns out to be one of the API's.
    pub(crate) async fn open(
        settings: &AdminSettings,
        api: &[SocketAddr],
        passed: &mut PassedSockets,
    ) -> anyhow::Result<Self> {
        let mut bound = Self { addresses: Vec::new(), shown: Vec::new(), held: Vec::new() };
        for listen in &settings.listen {
            let named = || format!("cannot listen on `{listen}` (admin.listen)");
            let opened = OpenedSocket::open(listen, settings.mode, passed);
            let OpenedSocket { socket, held } = opened.await.with_context(named)?;
            ensure_closed_to_others(&held, settings.mode).with_context(named)?;
            bound.held.push(Arc::new(held));
            match socket {
                BoundSocket::Tcp(socket) => {
                    bound.tcp(socket, api).with_context(named)?;
                }
                BoundSocket::Unix(socket) => bound.unix(socket, listen),
            }
        }
        Ok(bound)
    }

    /// Returns the second handles on the listening sockets.
    pub(crate) fn held_sockets(&self) -> Vec<Arc<HeldSocket>> {
        self.held.clone()
    }

    /// Describes in words how to reach each address.
    pub(crate) fn shown(&self) -> Option<String> {
        (!self.shown.is_empty())
            .then(|| format!("the admin listener is at {}", self.shown.join(" and ")))
    }

    /// Begins to serve, on the current runtime.
    pub(crate) fn start(self, parts: AdminParts) -> RunningAdmin {
        let (parts, (end, ended)) = (Arc::new(parts), watch::channel(()));
        let mut tasks = JoinSet::new();
        for address in self.addresses {
            let mut ended = ended.clone();
            // An error means that the sender is gone, which is an end as well.
            let end = async move { drop(ended.changed().await) };
            tasks.spawn(address.serve(Arc::clone(&parts), end));
        }
        RunningAdmin { tasks, end, held: self.held }
    }

    fn tcp(&mut self, socket: tokio::net::TcpListener, api: &[SocketAddr]) -> anyhow::Result<()> {
        let address = socket.local_addr()?;
        if let Some(other) = api.iter().find(|other| overlap(**other, address)) {
            anyhow::bail!(
                "clients of the API connect there ({other}): the admin listener needs an address of its own"
            );
        }
        self.shown.push(format!("http://{address}"));
        self.addresses.push(AdminAddress {
            socket: AdminSocket::Tcp(socket),
            access: AccessAddress::Tcp(address.ip()),
        });
        Ok(())
    }

    fn unix(&mut self, socket: tokio::net::UnixListener, listen: &ListenAddress) {
        self.shown.push(listen.to_string());
        self.addresses.push(AdminAddress {
            socket: AdminSocket::Unix(socket),
            access: AccessAddress::Socket,
        });
    }
}

impl RunningAdmin {
    /// Ends the listener: the requests in progress are answered, for a moment.
    pub(crate) async fn end(mut self) {
        // Taken away first, so that no new client comes.
        drop(self.held);
        let _ = self.end.send(());
        while self.tasks.join_next().await.is_some() {}
    }
}

/// Refuses the file of a socket that the service manager has passed, if more users may connect to it
/// than the configuration lets: whoever connects is trusted.
fn ensure_closed_to_others(held: &HeldSocket, mode: u32) -> anyhow::Result<()> {
    let ListenAddress::Unix(path) = &held.listen else { return Ok(()) };
    let found = std::fs::metadata(path)?.permissions().mode();
    anyhow::ensure!(
        found & MAY_CONNECT & !mode == 0,
        "the mode of the socket is {:04o}, and `admin.mode` is {mode:04o}: give the socket unit `SocketMode={mode:04o}`",
        found & 0o7777
    );
    Ok(())
}

/// True if a client of one of the two bound addresses could come to the other.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let (a, b): (IpAddr, IpAddr) = (one.ip().to_canonical(), other.ip().to_canonical());
    one.port() == other.port() && (a == b || a.is_unspecified() || b.is_unspecified())
}

#[cfg(test)]
mod tests {
    use super::overlap;

    #[test]
    fn a_wildcard_is_every_address() {
        for (one, other, expected) in [
            ("127.0.0.1:1", "127.0.0.1:1", true),
            ("127.0.0.1:1", "127.0.0.1:2", false),
            ("127.0.0.1:1", "127.0.0.2:1", false),
            ("0.0.0.0:1", "127.0.0.2:1", true),
            ("127.0.0.2:1", "[::]:1", true),
            ("[::ffff:127.0.0.1]:1", "127.0.0.1:1", true),
            ("[::1]:1", "127.0.0.1:1", false),
        ] {
            let pair = (one.parse().unwrap(), other.parse().unwrap());
            assert_eq!(overlap(pair.0, pair.1), expected, "{one} {other}");
            assert_eq!(overlap(pair.1, pair.0), expected, "{other} {one}");
        }
    }
}
