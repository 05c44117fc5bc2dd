//! An upstream's connection that ends as a test says: in the clear, in TLS, by HTTP/2, with every kind of end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use magicproxy_proxy::settings::{ApiRoot, UpstreamProtocol};
use rustls::crypto::aws_lc_rs;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::Setup;
use super::proxy::{OnlyUpstream as _, settings};
use super::{Certificate, Duplex, Proxy, find, soon};

/// What a link is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Clear,
    Tls,
    Http2,
}

impl Transport {
    /// The one that can end so.
    pub(crate) fn of_end(end: &str) -> Self {
        match end {
            "close_notify" | "tls-fin" | "tls-rst" => Self::Tls,
            end if end.starts_with("h2-") => Self::Http2,
            _ => Self::Clear,
        }
    }
}

/// An upstream whose connections the test takes and ends.
pub(crate) struct LinkedUpstream {
    transport: Transport,
    address: SocketAddr,
    listener: TcpListener,
    certificate: Certificate,
    acceptor: TlsAcceptor,
}

impl LinkedUpstream {
    pub(crate) async fn over(transport: Transport) -> Self {
        let certificate = Certificate::new();
        let builder =
            rustls::ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let mut config = builder
            .with_single_cert(vec![certificate.der.clone()], certificate.key.clone_key())
            .unwrap();
        let protocol: &[u8] = if transport == Transport::Http2 { b"h2" } else { b"http/1.1" };
        config.alpn_protocols = vec![protocol.to_vec()];
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        Self {
            transport,
            address,
            listener,
            certificate,
            acceptor: TlsAcceptor::from(Arc::new(config)),
        }
    }

    /// A proxy before it.
    pub(crate) async fn proxy(&self, change: impl FnOnce(&mut Setup)) -> Proxy {
        let mut settings = settings(self.address, "");
        let upstream = settings.upstream_mut();
        if self.transport != Transport::Clear {
            upstream.api_root = ApiRoot::parse(&format!("https://{}", self.address)).unwrap();
            upstream.extra_roots = vec![self.certificate.der.clone()];
        }
        if self.transport == Transport::Http2 {
            upstream.protocol = UpstreamProtocol::Negotiated;
        }
        change(&mut settings);
        Proxy::start(settings).await
    }

    pub(crate) async fn accept(&mut self) -> Link {
        let (stream, _) = soon(self.listener.accept()).await.unwrap();
        // What was written is on its way when the connection is reset.
        stream.set_nodelay(true).unwrap();
        let wire = match self.transport {
            Transport::Clear => Wire::Clear(stream),
            _ => Wire::Tls(Box::new(soon(self.acceptor.accept(stream)).await.unwrap())),
        };
        let mut link =
            Link { wire, buffer: Vec::new(), is_http2: self.transport == Transport::Http2 };
        if link.is_http2 {
            link.take(24).await.unwrap();
            // SETTINGS with nothing in it.
            link.send([0, 0, 0, 4, 0, 0, 0, 0, 0]).await;
        }
        link
    }

    /// Has the proxy opened a connection that nobody took yet?
    pub(crate) fn has_client(&self) -> bool {
        let accepting = std::pin::pin!(self.listener.accept());
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        accepting.poll(&mut context).is_ready()
    }
}

enum Wire {
    Clear(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// One connection of the proxy.
pub(crate) struct Link {
    wire: Wire,
    buffer: Vec<u8>,
    is_http2: bool,
}

impl Link {
    fn stream(&mut self) -> &mut dyn Duplex {
        match &mut self.wire {
            Wire::Clear(stream) => stream,
            Wire::Tls(stream) => stream,
        }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        soon(self.stream().write_all(bytes.as_ref())).await.unwrap();
        soon(self.stream().flush()).await.unwrap();
    }

    async fn fill(&mut self) -> Option<()> {
        let mut bytes = [0; 16 * 1024];
        let read = soon(self.stream().read(&mut bytes)).await.unwrap_or(0);
        self.buffer.extend_from_slice(&bytes[..read]);
        (read > 0).then_some(())
    }

    async fn take(&mut self, length: usize) -> Option<Vec<u8>> {
        while self.buffer.len() < length {
            self.fill().await?;
        }
        Some(self.buffer.drain(..length).collect())
    }

    async fn until(&mut self, needle: &[u8]) -> Option<()> {
        while !needle.is_empty() {
            if let Some(at) = find(&self.buffer, needle) {
                self.buffer.drain(..at + needle.len());
                break;
            }
            self.fill().await?;
        }
        Some(())
    }

    /// Reads a request up to the end of its head and of this content. Gives its stream's number.
    pub(crate) async fn request(&mut self, content: &str) -> u32 {
        let request = self.request_with(content).await;
        request.unwrap_or_else(|| {
            panic!(
                "the proxy closed the connection after {:?}",
                String::from_utf8_lossy(&self.buffer)
            )
        })
    }

    /// The same of one without content, where the proxy may also close the connection.
    pub(crate) async fn try_request(&mut self) -> Option<u32> {
        self.request_with("").await
    }

    /// Waits until the proxy closes it.
    pub(crate) async fn closed(&mut self) {
        while self.fill().await.is_some() {}
    }

    async fn request_with(&mut self, content: &str) -> Option<u32> {
        if !self.is_http2 {
            self.until(b"\r\n\r\n").await?;
            self.until(content.as_bytes()).await?;
            return Some(0);
        }
        const END_STREAM: u8 = 1;
        loop {
            let frame = self.take(9).await?;
            let length = u32::from_be_bytes([0, frame[0], frame[1], frame[2]]);
            self.take(length as usize).await?;
            let stream = u32::from_be_bytes([frame[5], frame[6], frame[7], frame[8]]);
            match (frame[3], frame[4]) {
                // SETTINGS are acknowledged.
                (4, 0) => self.send([0, 0, 0, 4, 1, 0, 0, 0, 0]).await,
                (0 | 1, flags) if flags & END_STREAM != 0 => return Some(stream),
                _ => {}
            }
        }
    }

    /// Answers 200 without content. Of HTTP/1.1, the connection is kept where `fields` do not say otherwise.
    pub(crate) async fn response(&mut self, stream: u32, fields: &str) {
        if !self.is_http2 {
            return self
                .send(format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n{fields}\r\n"))
                .await;
        }
        // HEADERS with END_HEADERS and END_STREAM: `:status: 200` stands in the static table.
        self.send(frame(1, 5, stream, &[0x88])).await;
    }

    /// Ends it so.
    pub(crate) async fn end(self, how: &str) {
        match (self.wire, how) {
            (Wire::Clear(stream), "fin") => drop(stream),
            (Wire::Clear(stream), "rst") => reset(stream),
            (Wire::Tls(mut stream), "close_notify" | "h2-close_notify") => {
                soon(stream.shutdown()).await.unwrap();
            }
            (Wire::Tls(stream), "tls-fin" | "h2-fin") => drop(stream.into_inner()),
            (Wire::Tls(stream), "tls-rst" | "h2-rst") => reset(stream.into_inner().0),
            (_, how) => panic!("{how} is no end of this transport"),
        }
    }
}

/// A frame of HTTP/2.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

fn reset(stream: TcpStream) {
    #[expect(deprecated, reason = "nothing is unsent, so that closing does not block")]
    stream.set_linger(Some(Duration::ZERO)).unwrap();
    drop(stream);
}
