//! Listeners: TCP and Unix sockets, with and without TLS, each perhaps bound to one upstream.
//!
//! The sockets are already bound. This module accepts on all sockets at once, in turn, so that no
//! listener starves another.

pub mod tls;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use magicproxy_core::UpstreamName;
use tokio::net::TcpListener;
#[cfg(unix)]
use tokio::net::UnixListener;

use super::Transport;
use super::host_check::HostCheck;
use crate::admission::PeerKey;
use crate::peer::{Peer, Scheme};
use tls::TlsServer;

/// The pause in accepting after a failure, such as too many open files, so that other connections
/// may close.
const PAUSE: Duration = Duration::from_millis(20);
/// The interval in which at most one failure to accept is logged.
const LOGGED_EVERY: Duration = Duration::from_secs(10);

/// A socket on which clients connect, with the settings of all connections.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    tls: Option<Arc<TlsServer>>,
    entrance: ListenerDoor,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(UnixListener),
}

impl Listener {
    /// Returns TLS towards clients, if the listener speaks TLS.
    pub(crate) fn tls(&self) -> Option<&Arc<TlsServer>> {
        self.tls.as_ref()
    }

    /// Makes a listener on TCP, without TLS unless [`Self::with_tls`] is called.
    pub fn tcp(socket: TcpListener) -> Self {
        Self { socket: Socket::Tcp(socket), tls: None, entrance: ListenerDoor::default() }
    }

    /// Makes a listener on a Unix socket. The maker of the socket's file removes the file again.
    #[cfg(unix)]
    pub fn unix(socket: UnixListener) -> Self {
        Self { socket: Socket::Unix(socket), tls: None, entrance: ListenerDoor::default() }
    }

    /// Requires TLS of clients.
    #[must_use]
    pub fn with_tls(mut self, tls: Arc<TlsServer>) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Binds the listener to this upstream, so that every request on the listener is for this
    /// upstream.
    #[must_use]
    pub fn bound_to(self, upstream: UpstreamName) -> Self {
        let entrance = self.entrance.bound_to(upstream);
        Self { entrance, ..self }
    }

    /// Refuses requests with an authority outside this check, by status 421.
    #[must_use]
    pub fn checking_hosts(self, check: Arc<HostCheck>) -> Self {
        let entrance = self.entrance.checking_hosts(check);
        Self { entrance, ..self }
    }

    /// Returns the address of a TCP listener; with port 0, the port is the system's choice.
    ///
    /// # Errors
    /// The errors of the system.
    pub fn local_addr(&self) -> io::Result<Option<SocketAddr>> {
        match &self.socket {
            Socket::Tcp(socket) => socket.local_addr().map(Some),
            #[cfg(unix)]
            Socket::Unix(_) => Ok(None),
        }
    }
}

/// The settings shared by all connections of one listener.
#[derive(Debug, Default)]
pub(crate) struct ListenerContext {
    pub(crate) tls: Option<Arc<TlsServer>>,
    /// The place of the listener among all listeners.
    pub(crate) number: usize,
    /// The entrance behind the listener, until the configuration changes.
    pub(crate) entrance: ListenerDoor,
}

/// The part of a listener's settings that may change while the listener is open: the door behind
/// the listener, and the names by which requests may call the proxy.
#[derive(Clone, Debug, Default)]
pub struct ListenerDoor {
    pub(crate) door: DoorKind,
    /// The check of the authorities that requests may name; without a check, any authority.
    pub(crate) host_check: Option<Arc<HostCheck>>,
}

impl ListenerDoor {
    /// Binds the entrance to this upstream, so that every request is for this upstream.
    #[must_use]
    pub fn bound_to(self, upstream: UpstreamName) -> Self {
        Self { door: DoorKind::Reverse { only: Some(upstream) }, ..self }
    }

    /// Refuses requests with an authority outside this check, by status 421.
    #[must_use]
    pub fn checking_hosts(self, check: Arc<HostCheck>) -> Self {
        Self { host_check: Some(check), ..self }
    }
}

/// The door behind a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DoorKind {
    /// The reverse door, which looks like the API: of all upstreams, or of the upstream `only`.
    Reverse { only: Option<UpstreamName> },
}

impl Default for DoorKind {
    fn default() -> Self {
        Self::Reverse { only: None }
    }
}

impl ListenerContext {
    pub(crate) fn scheme(&self) -> Scheme {
        if self.tls.is_some() { Scheme::Https } else { Scheme::Http }
    }
}

/// A connection that was just accepted.
#[derive(Debug)]
pub(crate) struct AcceptedConnection {
    pub(crate) transport: Transport,
    pub(crate) peer: Option<SocketAddr>,
    /// The user id of the peer on a Unix socket.
    pub(crate) user: Option<u32>,
    pub(crate) entrance: Arc<ListenerContext>,
}

impl AcceptedConnection {
    /// Returns the peer that is charged for the connection until a token names an owner.
    pub(crate) fn peer_key(&self) -> PeerKey {
        self.user.map_or_else(|| PeerKey::of(self.peer.map(|address| address.ip())), PeerKey::User)
    }

    /// Returns the peer, as far as the connection tells.
    pub(crate) fn peer(&self) -> Peer {
        Peer { address: self.peer.map(|address| address.ip()), scheme: self.entrance.scheme() }
    }
}

/// Returns the address as the client knows it: a socket of both families reports 192.0.2.1 as
/// `::ffff:192.0.2.1`.
fn canonical(peer: SocketAddr) -> SocketAddr {
    match peer.ip().to_canonical() {
        IpAddr::V4(address) => SocketAddr::new(address.into(), peer.port()),
        // Keeps the scope of the address.
        IpAddr::V6(_) => peer,
    }
}

/// All listeners of a server.
#[derive(Debug)]
pub(crate) struct Listeners {
    sockets: Vec<(Socket, Arc<ListenerContext>)>,
    /// The index of the listener to poll first.
    first: usize,
    /// The time at which a failure was last logged.
    logged: Option<Instant>,
}

impl Listeners {
    pub(crate) fn new(listeners: Vec<Listener>) -> Self {
        let sockets = listeners
            .into_iter()
            .enumerate()
            .map(|(number, Listener { socket, tls, entrance })| {
                (socket, Arc::new(ListenerContext { tls, number, entrance }))
            })
            .collect();
        Self { sockets, first: 0, logged: None }
    }

    /// Accepts a connection. A failure (a peer that left at once, too many open files) is survived:
    /// `make_room` may close connections then.
    pub(crate) async fn accept(&mut self, make_room: impl Fn()) -> AcceptedConnection {
        loop {
            match std::future::poll_fn(|context| self.poll_accept(context)).await {
                Ok(accepted) => return accepted,
                Err(error) => {
                    make_room();
                    self.log(&error);
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    fn log(&mut self, error: &io::Error) {
        if self.logged.is_none_or(|logged| logged.elapsed() >= LOGGED_EVERY) {
            self.logged = Some(Instant::now());
            tracing::warn!(name: "accept_failed", target: "magicproxy::serve", %error, "a connection could not be accepted; closing idle ones");
        }
    }

    fn poll_accept(&mut self, context: &mut Context<'_>) -> Poll<io::Result<AcceptedConnection>> {
        let (before, after) = self.sockets.split_at(self.first.min(self.sockets.len()));
        for (at, (socket, entrance)) in after.iter().chain(before).enumerate() {
            if let Poll::Ready(accepted) = socket.poll_accept(context) {
                self.first = (self.first + at + 1) % self.sockets.len();
                let entrance = Arc::clone(entrance);
                return Poll::Ready(accepted.map(|(transport, peer)| {
                    let user = transport.user();
                    AcceptedConnection { transport, peer, user, entrance }
                }));
            }
        }
        Poll::Pending
    }
}

impl Socket {
    fn poll_accept(
        &self,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<(Transport, Option<SocketAddr>)>> {
        match self {
            Self::Tcp(socket) => socket.poll_accept(context).map_ok(|(stream, peer)| {
                let _ = stream.set_nodelay(true);
                (Transport::Tcp(stream), Some(canonical(peer)))
            }),
            #[cfg(unix)]
            Self::Unix(socket) => {
                socket.poll_accept(context).map_ok(|(stream, _)| (Transport::Unix(stream), None))
            }
        }
    }
}
