//! An upstream that speaks HTTP/2 over TLS frame by frame, as a test tells it to.

use std::io;
use std::net::SocketAddr;
use std::task::Poll;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::Setup;
use super::multiplexed::{acceptor, proxy_over_http2};
use super::{Certificate, Proxy, soon};

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const PREFACE_BYTES: usize = 24;

/// Settings of RFC 9113 section 6.5.2.
pub(crate) const MAX_CONCURRENT_STREAMS: u16 = 3;
pub(crate) const INITIAL_WINDOW_SIZE: u16 = 4;

pub(crate) struct Framed {
    pub(crate) address: SocketAddr,
    certificate: Certificate,
    acceptor: TlsAcceptor,
    listener: TcpListener,
}

impl Framed {
    pub(crate) async fn new() -> Self {
        let (certificate, listener) =
            (Certificate::new(), TcpListener::bind(("127.0.0.1", 0)).await.unwrap());
        let (address, acceptor) = (listener.local_addr().unwrap(), acceptor(&certificate));
        Self { address, certificate, acceptor, listener }
    }

    /// A proxy before it.
    pub(crate) async fn proxy(&self, change: impl FnOnce(&mut Setup)) -> Proxy {
        proxy_over_http2(self.address, &self.certificate, change).await
    }

    /// The next connection, before its TLS handshake.
    pub(crate) async fn socket(&self) -> TcpStream {
        soon(self.listener.accept()).await.unwrap().0
    }

    /// The next connection, however long that takes; none where there are no more.
    pub(crate) async fn next_socket(&self) -> Option<TcpStream> {
        self.listener.accept().await.ok().map(|(stream, _)| stream)
    }

    /// Is there a connection that nobody has accepted?
    pub(crate) async fn has_client(&self) -> bool {
        std::future::poll_fn(|context| Poll::Ready(self.listener.poll_accept(context).is_ready()))
            .await
    }

    /// Its TLS handshake. Nothing of HTTP is said yet; an error where the other side has gone.
    pub(crate) async fn handshake(&self, socket: TcpStream) -> io::Result<FramedConnection> {
        // Frames are written one by one, and none waits for the other side to acknowledge the one before.
        socket.set_nodelay(true)?;
        let stream = soon(self.acceptor.accept(socket)).await?;
        Ok(FramedConnection {
            stream,
            read: Vec::new(),
            has_preface: false,
            is_lively: true,
            is_generous: true,
            pings: 0,
            acknowledged: 0,
        })
    }

    /// The next connection, with these settings.
    pub(crate) async fn accept(&self, settings: &[(u16, u32)]) -> FramedConnection {
        let mut connection = self.handshake(self.socket().await).await.unwrap();
        connection.settings(settings).await;
        connection
    }
}

/// A frame that is neither SETTINGS nor PING nor WINDOW_UPDATE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    pub(crate) fn ends_stream(&self) -> bool {
        matches!(self.kind, DATA | HEADERS) && self.flags & END_STREAM != 0
    }
}

/// A request as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Framing {
    pub(crate) stream: u32,
    /// Is its method POST?
    pub(crate) is_post: bool,
    pub(crate) body: Vec<u8>,
}

pub(crate) struct FramedConnection {
    stream: TlsStream<TcpStream>,
    read: Vec<u8>,
    has_preface: bool,
    /// Are PINGs answered?
    pub(crate) is_lively: bool,
    /// May as much more content come as came?
    pub(crate) is_generous: bool,
    pub(crate) pings: usize,
    /// Of our settings.
    pub(crate) acknowledged: usize,
}

impl FramedConnection {
    pub(crate) async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let frame = [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat();
        // The other side may be gone.
        let _ = soon(self.stream.write_all(&frame)).await;
        let _ = soon(self.stream.flush()).await;
    }

    /// Settings, and in the same write GOAWAY.
    pub(crate) async fn settings_and_go_away(&mut self, last: u32) {
        let goaway = [&[0, 0, 8, GOAWAY, 0, 0, 0, 0, 0], &last.to_be_bytes()[..], &[0; 4]].concat();
        let frames = [&[0, 0, 0, SETTINGS, 0, 0, 0, 0, 0], &goaway[..]].concat();
        let _ = soon(self.stream.write_all(&frames)).await;
        let _ = soon(self.stream.flush()).await;
    }

    pub(crate) async fn settings(&mut self, settings: &[(u16, u32)]) {
        let bytes = |(name, value): &(u16, u32)| {
            [&name.to_be_bytes()[..], &value.to_be_bytes()[..]].concat()
        };
        self.send(SETTINGS, 0, 0, &settings.iter().flat_map(bytes).collect::<Vec<_>>()).await;
    }

    /// New settings, and waits until they hold. What comes meanwhile is lost.
    pub(crate) async fn change(&mut self, settings: &[(u16, u32)]) {
        let before = self.acknowledged;
        self.settings(settings).await;
        while self.acknowledged == before {
            self.frame().await.unwrap();
        }
    }

    pub(crate) async fn widen(&mut self, stream: u32, bytes: u32) {
        self.send(WINDOW_UPDATE, 0, stream, &bytes.to_be_bytes()).await;
    }

    /// Says that it processes nothing beyond this stream.
    pub(crate) async fn go_away(&mut self, last: u32) {
        self.send(GOAWAY, 0, 0, &[last.to_be_bytes(), [0; 4]].concat()).await;
    }

    /// Ends it as a server does that waits for what is on its way: FIN, and reads on.
    pub(crate) async fn end(mut self) {
        let _ = soon(self.stream.shutdown()).await;
        self.closed().await;
    }

    pub(crate) async fn reset(&mut self, stream: u32, code: u32) {
        self.send(RST_STREAM, 0, stream, &code.to_be_bytes()).await;
    }

    /// The head of a response with status 200.
    pub(crate) async fn respond_head(&mut self, stream: u32) {
        self.send(HEADERS, END_HEADERS, stream, &[0x88]).await;
    }

    pub(crate) async fn respond(&mut self, stream: u32) {
        self.respond_head(stream).await;
        self.send(DATA, END_STREAM, stream, b"hello").await;
    }

    /// The next frame but those that are answered here; none at the end.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        loop {
            let frame = self.frame().await?;
            if !matches!(frame.kind, SETTINGS | PING | WINDOW_UPDATE) {
                return Some(frame);
            }
        }
    }

    /// The next frame of any kind.
    pub(crate) async fn any(&mut self) {
        self.frame().await.expect("the connection ended");
    }

    /// The next request, as far as its head.
    pub(crate) async fn head(&mut self) -> Frame {
        loop {
            let frame = self.next().await.expect("the connection ended");
            if frame.kind == HEADERS {
                return frame;
            }
        }
    }

    /// The next request, whole.
    pub(crate) async fn request(&mut self) -> Framing {
        let head = self.head().await;
        let (mut body, mut ended) = (Vec::new(), head.ends_stream());
        while !ended {
            let frame = self.next().await.expect("the connection ended");
            if frame.stream == head.stream {
                ended = frame.ends_stream();
                body.extend_from_slice(if frame.kind == DATA { &frame.payload } else { &[] });
            }
        }
        // The library writes the method first, from the static table (RFC 7541 appendix A).
        Framing { stream: head.stream, is_post: head.payload[0] == 0x83, body }
    }

    /// What comes until the end.
    pub(crate) async fn closed(&mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        while let Some(frame) = self.next().await {
            frames.push(frame);
        }
        frames
    }

    async fn frame(&mut self) -> Option<Frame> {
        if !self.has_preface {
            self.bytes(PREFACE_BYTES).await?;
            self.has_preface = true;
        }
        let head = self.bytes(9).await?;
        let head: [u8; 9] = head.try_into().unwrap();
        let [high, middle, low, kind, flags, stream @ ..] = head;
        let length = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        let payload = self.bytes(length).await?;
        let frame = Frame { kind, flags, stream: u32::from_be_bytes(stream), payload };
        self.response(&frame).await;
        Some(frame)
    }

    async fn response(&mut self, frame: &Frame) {
        let is_acknowledgement = frame.flags & ACK != 0;
        match frame.kind {
            SETTINGS if is_acknowledgement => self.acknowledged += 1,
            SETTINGS => self.send(SETTINGS, ACK, 0, &[]).await,
            PING if !is_acknowledgement => {
                self.pings += 1;
                if self.is_lively {
                    self.send(PING, ACK, 0, &frame.payload).await;
                }
            }
            DATA if !frame.payload.is_empty() && self.is_generous => {
                let bytes = u32::try_from(frame.payload.len()).unwrap();
                self.widen(0, bytes).await;
                if !frame.ends_stream() {
                    self.widen(frame.stream, bytes).await;
                }
            }
            _ => {}
        }
    }

    async fn bytes(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.read.len() < count {
            match soon(self.stream.read_buf(&mut self.read)).await {
                Ok(1..) => {}
                Ok(0) | Err(_) => return None,
            }
        }
        Some(self.read.drain(..count).collect())
    }
}
