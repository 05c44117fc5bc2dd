//! Where clients connect: TCP and Unix sockets, with and without TLS, each perhaps bound to one upstream.
//!
//! Sockets come from the client, already bound. This module accepts on all of them at once, in turn, so that no listener
//! starves another.

pub mod tls;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::header::HOST;
use http::request::Parts;
use magicproxy_core::UpstreamName;
use tokio::net::TcpListener;
#[cfg(unix)]
use tokio::net::UnixListener;

use super::Transport;
use super::host_check::HostCheck;
use crate::admission::PeerKey;
use crate::peer::{Peer, Scheme};
use tls::TlsServer;

/// How long nothing is accepted after a failure, such as too many open files: time for others to close some.
const PAUSE: Duration = Duration::from_millis(20);
/// Failures to accept are logged once in this time.
const LOGGED_EVERY: Duration = Duration::from_secs(10);

/// A socket that clients connect to, and what holds for everyone who does.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    entrance: ListenerContext,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(UnixListener),
}

impl Listener {
    /// Listens on TCP, in the clear unless [`Self::with_tls`].
    pub fn tcp(socket: TcpListener) -> Self {
        Self { socket: Socket::Tcp(socket), entrance: ListenerContext::default() }
    }

    /// Listens on a Unix socket. Whoever made its file takes it away again.
    #[cfg(unix)]
    pub fn unix(socket: UnixListener) -> Self {
        Self { socket: Socket::Unix(socket), entrance: ListenerContext::default() }
    }

    /// Clients must speak TLS.
    #[must_use]
    pub fn with_tls(mut self, tls: Arc<TlsServer>) -> Self {
        self.entrance.tls = Some(tls);
        self
    }

    /// Requests that come here are for this upstream and no other.
    #[must_use]
    pub fn bound_to(mut self, upstream: UpstreamName) -> Self {
        self.entrance.door = DoorKind::Reverse { only: Some(upstream) };
        self
    }

    /// Requests that name another authority than this lets pass are refused: 421.
    #[must_use]
    pub fn checking_hosts(mut self, check: Arc<HostCheck>) -> Self {
        self.entrance.host_check = Some(check);
        self
    }

    /// The address, where it is one of TCP; with port 0 the system chose one.
    ///
    /// # Errors
    /// Those of the system.
    pub fn local_addr(&self) -> io::Result<Option<SocketAddr>> {
        match &self.socket {
            Socket::Tcp(socket) => socket.local_addr().map(Some),
            #[cfg(unix)]
            Socket::Unix(_) => Ok(None),
        }
    }
}

/// What the connections of one listener share.
#[derive(Debug, Default)]
pub(crate) struct ListenerContext {
    pub(crate) tls: Option<Arc<TlsServer>>,
    /// What its clients speak to.
    pub(crate) door: DoorKind,
    /// Which authorities requests may name; any, without it.
    pub(crate) host_check: Option<Arc<HostCheck>>,
}

/// What the clients of a listener speak to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DoorKind {
    /// The proxy, as if it were the API: of all upstreams, or of `only` one.
    Reverse { only: Option<UpstreamName> },
}

impl Default for DoorKind {
    fn default() -> Self {
        Self::Reverse { only: None }
    }
}

impl ListenerContext {
    /// May a request that came here name this authority? `Host` decides nothing beside `:authority`, and must be as good.
    pub(crate) fn admits(&self, authority: &str, head: &Parts) -> bool {
        let Some(check) = &self.host_check else { return true };
        let beside = head.uri.authority().and_then(|_| head.headers.get(HOST));
        check.admits(authority)
            && beside.is_none_or(|host| host.to_str().is_ok_and(|host| check.admits(host)))
    }

    pub(crate) fn scheme(&self) -> Scheme {
        if self.tls.is_some() { Scheme::Https } else { Scheme::Http }
    }
}

/// A connection that has just come.
#[derive(Debug)]
pub(crate) struct AcceptedConnection {
    pub(crate) transport: Transport,
    pub(crate) peer: Option<SocketAddr>,
    /// Who connected by a Unix socket.
    pub(crate) user: Option<u32>,
    pub(crate) entrance: Arc<ListenerContext>,
}

impl AcceptedConnection {
    /// Who is charged for it, as long as no token says more.
    pub(crate) fn peer_key(&self) -> PeerKey {
        self.user.map_or_else(|| PeerKey::of(self.peer.map(|address| address.ip())), PeerKey::User)
    }

    /// Who is at the other end, as far as the connection tells.
    pub(crate) fn peer(&self) -> Peer {
        Peer { address: self.peer.map(|address| address.ip()), scheme: self.entrance.scheme() }
    }
}

/// The address as the client has it: a socket of both families says `::ffff:192.0.2.1` for 192.0.2.1.
fn canonical(peer: SocketAddr) -> SocketAddr {
    match peer.ip().to_canonical() {
        IpAddr::V4(address) => SocketAddr::new(address.into(), peer.port()),
        // With its scope.
        IpAddr::V6(_) => peer,
    }
}

/// Every listener of a server.
#[derive(Debug)]
pub(crate) struct Listeners {
    sockets: Vec<(Socket, Arc<ListenerContext>)>,
    /// Which is asked first.
    first: usize,
    /// When a failure was last logged.
    logged: Option<Instant>,
}

impl Listeners {
    pub(crate) fn new(listeners: Vec<Listener>) -> Self {
        let sockets = listeners
            .into_iter()
            .map(|listener| (listener.socket, Arc::new(listener.entrance)))
            .collect();
        Self { sockets, first: 0, logged: None }
    }

    /// Accepts, and survives what goes wrong with it (a peer that left at once, too many open files): `make_room` may close
    /// something then.
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
            tracing::warn!(target: "magicproxy::serve", %error, "a connection could not be accepted; closing idle ones");
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
