//! A recording upstream: either it answers by a script, or a test holds each of its connections and writes every byte.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::{find, parse_head, soon, values};

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Counted from zero.
    pub(crate) connection: usize,
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Vec<(String, String)>,
}

impl Seen {
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        values(&self.fields, name)
    }

    pub(crate) fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.fields.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names
    }
}

type Script = Arc<dyn Fn(&Seen) -> Reply + Send + Sync>;

/// What a script answers.
pub(crate) struct Reply {
    bytes: Vec<u8>,
    close: bool,
}

impl Reply {
    /// These bytes, and the connection stays.
    pub(crate) fn bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self { bytes: bytes.into(), close: false }
    }

    /// These bytes, and the connection ends.
    pub(crate) fn last(bytes: impl Into<Vec<u8>>) -> Self {
        Self { bytes: bytes.into(), close: true }
    }

    /// 200 with a body.
    pub(crate) fn ok(body: impl AsRef<[u8]>) -> Self {
        Self::with("200 OK", &[], body)
    }

    /// A status, header lines, a body with its length.
    pub(crate) fn with(status: &str, lines: &[&str], body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        let mut bytes =
            format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n", body.len()).into_bytes();
        for line in lines {
            bytes.extend_from_slice(format!("{line}\r\n").as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(body);
        Self::bytes(bytes)
    }
}

/// The upstream.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    listener: Option<TcpListener>,
    seen: Arc<Mutex<Vec<Seen>>>,
    /// Raw bytes of each connection of a scripted upstream.
    raw: Arc<Mutex<Vec<Vec<u8>>>>,
    accepted: usize,
    serving: Option<JoinHandle<()>>,
}

impl Upstream {
    /// One whose connections the test takes with [`Upstream::accept`].
    pub(crate) async fn held() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        Self {
            address: listener.local_addr().unwrap(),
            listener: Some(listener),
            seen: Arc::default(),
            raw: Arc::default(),
            accepted: 0,
            serving: None,
        }
    }

    /// One that answers by a script.
    pub(crate) async fn scripted(script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let mut upstream = Self::held().await;
        let listener = upstream.listener.take().unwrap();
        let (seen, raw) = (Arc::clone(&upstream.seen), Arc::clone(&upstream.raw));
        let script: Script = Arc::new(script);
        upstream.serving = Some(tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let index = {
                    let mut raw = raw.lock().unwrap();
                    raw.push(Vec::new());
                    raw.len() - 1
                };
                let connection = UpstreamConnection::new(stream, index, Some(Arc::clone(&raw)));
                tokio::spawn(response(connection, Arc::clone(&script), Arc::clone(&seen)));
            }
        }));
        upstream
    }

    /// One that answers everything with 200 and `hello`.
    pub(crate) async fn hello() -> Self {
        Self::scripted(|_| Reply::ok("hello")).await
    }

    /// One on a port where nothing listens.
    pub(crate) async fn absent() -> Self {
        let mut upstream = Self::held().await;
        upstream.listener = None;
        upstream
    }

    /// The next connection of the proxy.
    pub(crate) async fn accept(&mut self) -> UpstreamConnection {
        let (stream, _) = soon(self.listener.as_ref().unwrap().accept()).await.unwrap();
        self.accepted += 1;
        UpstreamConnection::new(stream, self.accepted - 1, None)
    }

    /// Has the proxy opened a connection that nobody took yet?
    pub(crate) fn has_client(&self) -> bool {
        let accepting = std::pin::pin!(self.listener.as_ref().unwrap().accept());
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        accepting.poll(&mut context).is_ready()
    }

    /// Requests so far, of a scripted upstream.
    pub(crate) fn requests(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Requests since the last time, of a scripted upstream.
    pub(crate) fn take_requests(&self) -> Vec<Seen> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }

    /// The one request so far.
    #[track_caller]
    pub(crate) fn only_request(&self) -> Seen {
        let mut requests = self.requests();
        assert_eq!(requests.len(), 1, "{requests:?}");
        requests.remove(0)
    }

    /// Raw bytes of every connection so far, of a scripted upstream.
    pub(crate) fn raw(&self) -> Vec<Vec<u8>> {
        self.raw.lock().unwrap().clone()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        if let Some(serving) = &self.serving {
            serving.abort();
        }
    }
}

async fn response(mut connection: UpstreamConnection, script: Script, log: Arc<Mutex<Vec<Seen>>>) {
    while let Some(seen) = connection.try_request().await {
        let reply = script(&seen);
        log.lock().unwrap().push(seen);
        if connection.stream.write_all(&reply.bytes).await.is_err() || reply.close {
            return;
        }
    }
}

/// One connection of the proxy to the upstream.
pub(crate) struct UpstreamConnection {
    pub(crate) stream: TcpStream,
    buffer: Vec<u8>,
    index: usize,
    raw: Option<Arc<Mutex<Vec<Vec<u8>>>>>,
}

impl UpstreamConnection {
    fn new(stream: TcpStream, index: usize, raw: Option<Arc<Mutex<Vec<Vec<u8>>>>>) -> Self {
        Self { stream, buffer: Vec::new(), index, raw }
    }

    /// The next request, whole.
    pub(crate) async fn request(&mut self) -> Seen {
        soon(self.try_request())
            .await
            .expect("the proxy closed the connection instead of sending a request")
    }

    /// The head of the next request; its body stays to be read.
    pub(crate) async fn head(&mut self) -> Seen {
        soon(self.try_head())
            .await
            .expect("the proxy closed the connection instead of sending a request")
    }

    /// Waits until something has come, or the end.
    pub(crate) async fn readable(&mut self) {
        soon(self.stream.readable()).await.unwrap();
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        soon(self.stream.write_all(bytes.as_ref())).await.unwrap();
    }

    /// Sends to a proxy that may have left.
    pub(crate) async fn try_send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = soon(self.stream.write_all(bytes.as_ref())).await;
    }

    /// Reads until these bytes have come, and takes everything up to their end.
    pub(crate) async fn until(&mut self, needle: &[u8]) -> Vec<u8> {
        soon(async {
            loop {
                if let Some(at) = find(&self.buffer, needle) {
                    return self.buffer.drain(..at + needle.len()).collect();
                }
                let buffered = String::from_utf8_lossy(&self.buffer).into_owned();
                assert!(self.fill().await, "the proxy closed the connection after {buffered:?}");
            }
        })
        .await
    }

    /// So many bytes.
    pub(crate) async fn exactly(&mut self, length: usize) -> Vec<u8> {
        soon(self.take(length)).await.expect("the proxy closed the connection")
    }

    /// Waits until the proxy closes, and gives what came before.
    pub(crate) async fn closed(&mut self) -> Vec<u8> {
        soon(async { while self.fill().await {} }).await;
        std::mem::take(&mut self.buffer)
    }

    /// What has come so far, once the proxy has closed or, for a moment, sent nothing.
    pub(crate) async fn until_closed_or_idle(&mut self) -> Vec<u8> {
        let moment = std::time::Duration::from_millis(200);
        while tokio::time::timeout(moment, self.fill()).await.unwrap_or(false) {}
        std::mem::take(&mut self.buffer)
    }

    async fn fill(&mut self) -> bool {
        let mut bytes = vec![0; 64 * 1024];
        let Ok(read @ 1..) = self.stream.read(&mut bytes).await else { return false };
        self.buffer.extend_from_slice(&bytes[..read]);
        if let Some(raw) = &self.raw {
            raw.lock().unwrap()[self.index].extend_from_slice(&bytes[..read]);
        }
        true
    }

    async fn take(&mut self, length: usize) -> Option<Vec<u8>> {
        while self.buffer.len() < length {
            if !self.fill().await {
                return None;
            }
        }
        Some(self.buffer.drain(..length).collect())
    }

    async fn line(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(at) = find(&self.buffer, b"\r\n") {
                return self.take(at + 2).await;
            }
            if !self.fill().await {
                return None;
            }
        }
    }

    async fn try_head(&mut self) -> Option<Seen> {
        let end = loop {
            if let Some(at) = find(&self.buffer, b"\r\n\r\n") {
                break at + 4;
            }
            if !self.fill().await {
                return None;
            }
        };
        let (first, fields) = parse_head(&self.take(end).await?);
        let mut words = first.split(' ').map(str::to_owned);
        Some(Seen {
            connection: self.index,
            method: words.next().unwrap_or_default(),
            target: words.next().unwrap_or_default(),
            fields,
            body: Vec::new(),
            trailers: Vec::new(),
        })
    }

    async fn try_request(&mut self) -> Option<Seen> {
        let mut seen = self.try_head().await?;
        if !seen.all("transfer-encoding").is_empty() {
            loop {
                let line = self.line().await?;
                let size =
                    usize::from_str_radix(std::str::from_utf8(&line).unwrap().trim(), 16).unwrap();
                if size == 0 {
                    break;
                }
                seen.body.extend(self.take(size).await?);
                assert_eq!(self.take(2).await?, b"\r\n");
            }
            let mut section = Vec::new();
            loop {
                let line = self.line().await?;
                if line == b"\r\n" {
                    break;
                }
                section.extend(line);
            }
            seen.trailers = parse_head(&[b"trailers\r\n", section.as_slice()].concat()).1;
        } else if let Some(length) = seen.all("content-length").first() {
            let length = length.parse().unwrap();
            seen.body = self.take(length).await?;
        }
        Some(seen)
    }
}
