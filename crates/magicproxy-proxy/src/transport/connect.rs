//! New connections to the upstream: TCP, TLS where the API root says so, and HTTP/1.1, or HTTP/2 by
//! ALPN where HTTP/2 is configured.

use std::io;
use std::sync::Arc;

use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use super::age::Ages;
use super::connection::{Connection, ExclusiveConnection, SharedConnection};
use super::dial::{Candidates, Dialer};
use super::failure::{ConnectFailure, ConnectFault, ProxyFault};
use super::http2::{Http2Bounds, http2_connection};
use super::io::UpstreamIo;
use super::pool::{Kind, Socket};
use super::signals::{Signals, WatchedStream};
use super::trust::client_config;
use super::tunnel;
use crate::downstream::RequestBody;
use crate::http::MAX_HEAD_BYTES;
use crate::http::probes::probe;
use crate::settings::{
    ApiRoot, Outbound, OutboundProxy, Timeouts, UpstreamProtocol, UpstreamSettings,
};

/// Most bytes of a response that are read at once. More would not fit the cache of the processor's
/// core, from which the bytes are sent on.
const READ_BYTES: usize = 128 * 1024;

/// Settings of an origin that a connector needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Destination<'d> {
    pub(crate) root: &'d ApiRoot,
    pub(crate) protocol: UpstreamProtocol,
    /// Certificates trusted besides the platform's roots.
    pub(crate) extra_roots: &'d [CertificateDer<'static>],
    pub(crate) outbound: &'d Outbound,
}

impl<'d> Destination<'d> {
    pub(crate) fn of(upstream: &'d UpstreamSettings, root: &'d ApiRoot) -> Self {
        Self {
            root,
            protocol: upstream.protocol,
            extra_roots: &upstream.extra_roots,
            outbound: &upstream.outbound,
        }
    }
}

/// Connector of one origin: makes connections, and keeps none.
pub(crate) struct Connector {
    root: ApiRoot,
    /// Dialer to the outbound proxy, where there is a proxy, or to the origin.
    dialer: Dialer,
    proxy: Option<Arc<OutboundProxy>>,
    /// Environment variable that names a proxy which is not used.
    unheeded: Option<&'static str>,
    timeouts: Timeouts,
    /// Most streams of a connection by HTTP/2.
    streams: usize,
    tls: Option<Tls>,
    ages: Ages,
}

/// Connection that was just made. Not in a pool yet, and no request was sent on the connection.
pub(super) enum NewConnection {
    Http1(Connection),
    Http2(SharedConnection),
}

/// TLS towards one origin: two connectors, and the server's name.
struct Tls {
    /// TLS that offers the configured protocols.
    any: TlsConnector,
    /// TLS that offers HTTP/1.1 only, for upgrades.
    http1: TlsConnector,
    name: ServerName<'static>,
}

impl Connector {
    /// Makes a connector whose HTTP/2 connections have at most `streams` streams.
    ///
    /// # Errors
    /// Returns the errors of TLS: a host that is no server name, roots that cannot be read, or no
    /// roots.
    pub(crate) fn new(
        destination: &Destination<'_>,
        timeouts: Timeouts,
        streams: usize,
    ) -> Result<Self, rustls::Error> {
        let root = destination.root;
        let tls = if root.is_secure() { Some(Tls::new(destination)?) } else { None };
        let proxy = destination.outbound.proxy(root).cloned();
        let dialer = match &proxy {
            Some(proxy) => Dialer::new(proxy.host(), proxy.port()),
            None => Dialer::new(root.host(), root.port()),
        };
        let ages = Ages::new(timeouts.upstream_connection_age);
        let unheeded = destination.outbound.unheeded_variable(root);
        Ok(Self { root: root.clone(), dialer, proxy, unheeded, timeouts, streams, tls, ages })
    }

    /// Connects within the time allowed, however many addresses are tried: the connection takes one
    /// place, and one socket of the pool. `socket` is given back when the connection is closed.
    pub(super) async fn connect(
        &self,
        kind: Kind,
        socket: Option<Socket>,
    ) -> Result<NewConnection, ConnectFailure> {
        self.connect_to_one(kind, socket).await.map_err(|failure| match self.unheeded {
            Some(variable) => failure.hinting_at(variable),
            None => failure,
        })
    }

    async fn connect_to_one(
        &self,
        kind: Kind,
        socket: Option<Socket>,
    ) -> Result<NewConnection, ConnectFailure> {
        let deadline = Instant::now() + self.timeouts.connect;
        let resolved = timeout_at(deadline, self.dialer.resolve()).await;
        let resolved =
            resolved.unwrap_or_else(|_| Err(ConnectFailure::new(ConnectFault::DnsTimeout)));
        let mut candidates = resolved.map_err(|failure| self.at_first_hop(failure))?;
        let socket = socket.map(Arc::new);
        let mut dead = None;
        loop {
            let dialed = timeout_at(deadline, self.dialer.connect(&mut candidates)).await;
            let dialed = dialed.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
            let (stream, address) = match (dialed, dead) {
                (Ok(dialed), _) => dialed,
                (Err(_), Some(failure)) => return Err(failure),
                (Err(error), None) => return Err(self.at_first_hop(ConnectFailure::of_tcp(&error))),
            };
            if kind == Kind::Upgrade {
                probe(&stream, self.timeouts.body_idle);
            }
            let stream = UpstreamIo::new(stream, self.timeouts.body_idle, socket.clone());
            let end = share_of(deadline, &candidates);
            let opened = timeout_at(end, self.open(stream, kind)).await;
            match opened.unwrap_or_else(|_| Err(ConnectFailure::new(self.silence()))) {
                Err(failure) if failure.is_of_address() && !candidates.is_empty() => {
                    self.dialer.failed(address);
                    dead = Some(failure);
                }
                Err(failure) if failure.is_of_address() => {
                    self.dialer.failed(address);
                    return Err(failure);
                }
                opened => return opened,
            }
        }
    }

    /// Makes a connection as for a request, and closes the connection.
    pub(crate) async fn reach(&self) -> Result<(), ConnectFailure> {
        self.connect(Kind::Any, None).await.map(drop)
    }

    /// Begins TLS and HTTP on a connection of TCP. Nothing of a request is sent.
    async fn open(&self, stream: UpstreamIo, kind: Kind) -> Result<NewConnection, ConnectFailure> {
        stream.set_nodelay().map_err(|error| ConnectFailure::of_tcp(&error))?;
        let stream = match &self.proxy {
            Some(proxy) => tunnel::through(stream, proxy, &self.root).await?,
            None => stream,
        };
        let signals = stream.signals();
        let Some(tls) = &self.tls else { return self.http1(stream, signals).await };
        let connector = if kind == Kind::Upgrade { &tls.http1 } else { &tls.any };
        let stream = connector
            .connect(tls.name.clone(), stream)
            .await
            .map_err(|error| ConnectFailure::of_tls(&error))?;
        if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
            // An upstream that accepts a connection within this time answers a PING within the same
            // time, too.
            let bounds = Http2Bounds { streams: self.streams, silence: self.timeouts.connect };
            let connection = http2_connection(stream, signals, bounds).await?;
            return Ok(NewConnection::Http2(connection.retiring(self.ages.retirement())));
        }
        self.http1(stream, signals).await
    }

    async fn http1<S>(
        &self,
        stream: S,
        signals: Arc<Signals>,
    ) -> Result<NewConnection, ConnectFailure>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let sender = http1_connection(WatchedStream::new(stream, Arc::clone(&signals))).await?;
        Ok(NewConnection::Http1(Connection::Http1(ExclusiveConnection::new(
            sender,
            signals,
            self.ages.retirement(),
        ))))
    }

    /// Returns the failure of the first connection of TCP, as a failure of the outbound proxy where
    /// the connection led there.
    fn at_first_hop(&self, failure: ConnectFailure) -> ConnectFailure {
        if self.proxy.is_some() { failure.of_proxy() } else { failure }
    }

    /// Returns the fault of an address that takes connections and stays silent.
    fn silence(&self) -> ConnectFault {
        match (&self.proxy, &self.tls) {
            (Some(_), _) => ConnectFault::Proxy(ProxyFault::Timeout),
            (None, Some(_)) => ConnectFault::TlsTimeout,
            (None, None) => ConnectFault::Timeout,
        }
    }
}

/// Returns the deadline of an address for the steps after TCP: half of the time left, as long as
/// other addresses remain.
fn share_of(deadline: Instant, others: &Candidates) -> Instant {
    if others.is_empty() {
        return deadline;
    }
    Instant::now() + deadline.saturating_duration_since(Instant::now()) / 2
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Connector")
            .field("tls", &self.tls.is_some())
            .finish_non_exhaustive()
    }
}

impl Tls {
    fn new(destination: &Destination<'_>) -> Result<Self, rustls::Error> {
        let name = ServerName::try_from(destination.root.host().to_owned());
        let name = name.map_err(|_| {
            rustls::Error::General("the upstream's host is no server name".to_owned())
        })?;
        let config = client_config(destination.extra_roots.to_vec())?;
        let with_protocols = |protocols: &[&[u8]]| {
            let mut config = config.clone();
            config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
            TlsConnector::from(Arc::new(config))
        };
        let http1 = with_protocols(&[b"http/1.1"]);
        let any = match destination.protocol {
            UpstreamProtocol::Http1 => http1.clone(),
            UpstreamProtocol::Negotiated => with_protocols(&[b"h2", b"http/1.1"]),
        };
        Ok(Self { any, http1, name })
    }
}

async fn http1_connection<S>(stream: S) -> Result<SendRequest<RequestBody>, ConnectFailure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = http1::Builder::new();
    builder.max_header_size(MAX_HEAD_BYTES as usize).max_buf_size(READ_BYTES);
    // RFC 9112 section 5.1: in a response, a blank before a field's colon is removed, and the field
    // is read like any other, framing fields included. (In a request such a blank is refused.)
    builder.allow_spaces_after_header_name_in_responses(true);
    let handshake = builder.handshake(TokioIo::new(stream)).await;
    let (sender, connection) =
        handshake.map_err(|error| ConnectFailure::because(ConnectFault::Http, error))?;
    tokio::spawn(async move {
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!(name: "upstream_connection_ended", target: "magicproxy::upstream", %error, "a connection to the upstream ended");
        }
    });
    Ok(sender)
}
