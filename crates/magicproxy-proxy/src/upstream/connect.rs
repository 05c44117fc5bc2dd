//! New connections to the upstream: TCP, TLS where the API root says so, and HTTP/1.1, or HTTP/2 by ALPN where that is configured.

use std::net::SocketAddr;
use std::sync::Arc;

use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs;
use rustls_pki_types::{CertificateDer, ServerName};
use rustls_platform_verifier::Verifier;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use super::connection::{Connection, Exclusive, Multiplexed};
use super::failure::{ConnectFailure, ConnectFault};
use super::http2::http2_connection;
use super::io::UpstreamIo;
use super::pool::{Kind, Socket};
use super::signals::{Listened, Signals};
use crate::settings::{ApiRoot, Settings, Timeouts, UpstreamProtocol, UpstreamSettings};

/// Heads of answers above this are refused, and so are those with more than 100 fields, hyper's own limit.
const MAX_HEAD_BYTES: usize = 64 * 1024;
/// So much of an answer is read at once. More would not fit the core's cache, from which it is to be sent on.
const READ_BYTES: usize = 128 * 1024;

pub(super) struct Connector {
    root: ApiRoot,
    timeouts: Timeouts,
    /// The most streams of a connection by HTTP/2.
    streams: usize,
    tls: Option<Tls>,
}

/// A connection that was just made.
pub(super) enum Connected {
    Http1(Connection),
    Http2(Multiplexed),
}

struct Tls {
    /// Offers what is configured.
    any: TlsConnector,
    /// An upgrade needs HTTP/1.1.
    http1: TlsConnector,
    name: ServerName<'static>,
}

impl Connector {
    pub(super) fn new(settings: &Settings, upstream: &UpstreamSettings, root: &ApiRoot) -> Result<Self, rustls::Error> {
        let tls = if root.is_secure() { Some(Tls::new(upstream, root)?) } else { None };
        let streams = settings.limits.upstream_streams_per_connection;
        Ok(Self { root: root.clone(), timeouts: settings.timeouts, streams, tls })
    }

    /// Connects within the time allowed for it.
    pub(super) async fn connect(&self, kind: Kind, socket: Socket) -> Result<Connected, ConnectFailure> {
        let deadline = Instant::now() + self.timeouts.connect;
        let resolved = tokio::time::timeout_at(deadline, self.resolve()).await;
        let addresses = resolved.unwrap_or_else(|_| Err(ConnectFailure::new(ConnectFault::DnsTimeout)))?;
        let connected = tokio::time::timeout_at(deadline, self.connect_to(&addresses, kind, socket)).await;
        connected.unwrap_or_else(|_| Err(ConnectFailure::new(ConnectFault::Timeout)))
    }

    async fn resolve(&self) -> Result<Vec<SocketAddr>, ConnectFailure> {
        let found = tokio::net::lookup_host((self.root.host(), self.root.port())).await;
        let addresses: Vec<_> = found.map_err(|error| ConnectFailure::because(ConnectFault::Dns, error))?.collect();
        if addresses.is_empty() { Err(ConnectFailure::new(ConnectFault::Dns)) } else { Ok(addresses) }
    }

    async fn connect_to(&self, addresses: &[SocketAddr], kind: Kind, socket: Socket) -> Result<Connected, ConnectFailure> {
        let stream = TcpStream::connect(addresses).await.map_err(|error| ConnectFailure::of_tcp(&error))?;
        stream.set_nodelay(true).map_err(|error| ConnectFailure::of_tcp(&error))?;
        let stream = UpstreamIo::new(stream, self.timeouts.body_idle, socket);
        let signals = stream.signals();
        let Some(tls) = &self.tls else { return http1_connection(stream, signals).await };
        let connector = if kind == Kind::Upgrade { &tls.http1 } else { &tls.any };
        let stream = connector.connect(tls.name.clone(), stream).await.map_err(|error| ConnectFailure::of_tls(&error))?;
        if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
            return http2_connection(stream, self.streams).await.map(Connected::Http2);
        }
        http1_connection(stream, signals).await
    }
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Connector").field("tls", &self.tls.is_some()).finish_non_exhaustive()
    }
}

impl Tls {
    fn new(upstream: &UpstreamSettings, root: &ApiRoot) -> Result<Self, rustls::Error> {
        let name = ServerName::try_from(root.host().to_owned());
        let name = name.map_err(|_| rustls::Error::General("the upstream's host is no server name".to_owned()))?;
        let config = client_config(upstream.extra_roots.clone())?;
        let with_protocols = |protocols: &[&[u8]]| {
            let mut config = config.clone();
            config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
            TlsConnector::from(Arc::new(config))
        };
        let http1 = with_protocols(&[b"http/1.1"]);
        let any = match upstream.protocol {
            UpstreamProtocol::Http1 => http1.clone(),
            UpstreamProtocol::Http2 => with_protocols(&[b"h2", b"http/1.1"]),
        };
        Ok(Self { any, http1, name })
    }
}

/// TLS 1.2 and 1.3, the platform's roots and the operator's.
pub(crate) fn client_config(roots: Vec<CertificateDer<'static>>) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Verifier::new_with_extra_roots(roots, Arc::clone(&provider))?;
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(config.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth())
}

async fn http1_connection<S>(stream: S, signals: Arc<Signals>) -> Result<Connected, ConnectFailure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = http1::Builder::new();
    builder.max_header_size(MAX_HEAD_BYTES).max_buf_size(READ_BYTES);
    // RFC 9112 section 5.1: in a response, a blank before a field's colon is taken away, and its field read like any other, the
    // ones for framing included. (In a request it is refused.)
    builder.allow_spaces_after_header_name_in_responses(true);
    let stream = TokioIo::new(Listened::new(stream, Arc::clone(&signals)));
    let (sender, connection) = builder.handshake(stream).await.map_err(|error| handshake_failure(&error))?;
    tokio::spawn(async move {
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!(target: "magicproxy::upstream", %error, "a connection to the upstream ended");
        }
    });
    Ok(Connected::Http1(Connection::Http1(Exclusive::new(sender, signals))))
}

pub(super) fn handshake_failure(error: &hyper::Error) -> ConnectFailure {
    ConnectFailure::because(ConnectFault::Http, error)
}
