//! A client that writes raw bytes and reads answers strictly.

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Proxy, find, parse_head, soon, values, watch};

/// A request in HTTP/1.1 with `Host` and a token.
pub(crate) fn request(line: &str, token: &str, lines: &[&str], body: &str) -> Vec<u8> {
    let mut text = format!("{line} HTTP/1.1\r\nHost: proxy.test\r\n");
    if !token.is_empty() {
        text.push_str(&format!("Authorization: Bearer {token}\r\n"));
    }
    for line in lines {
        text.push_str(line);
        text.push_str("\r\n");
    }
    text.push_str("\r\n");
    text.push_str(body);
    text.into_bytes()
}

/// A response as it arrived.
#[derive(Debug)]
pub(crate) struct ClientResponse {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Vec<(String, String)>,
    /// Did the body end as its framing says?
    pub(crate) complete: bool,
}

impl ClientResponse {
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        values(&self.fields, name)
    }

    pub(crate) fn one(&self, name: &str) -> Option<&str> {
        let values = self.all(name);
        assert!(values.len() <= 1, "{name}: {values:?}");
        values.first().copied()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The stable code of a rejection.
    pub(crate) fn code(&self) -> String {
        self.json()["code"].as_str().unwrap().to_owned()
    }

    /// Is this a refusal by the proxy with this status and code?
    #[track_caller]
    pub(crate) fn assert_rejected(&self, status: u16, code: &str) {
        assert_eq!(
            (self.status, self.one("content-type")),
            (status, Some("application/problem+json")),
            "{}",
            self.text()
        );
        assert_eq!(self.code(), code, "{}", self.text());
        assert!(self.all("x-magic-api-proxy").is_empty(), "a refusal says that it went through");
        assert!(self.complete);
    }
}

/// What bytes travel on.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Duplex for S {}

/// A client's connection.
pub(crate) struct Client {
    pub(crate) stream: Box<dyn Duplex>,
    buffer: Vec<u8>,
}

impl Client {
    pub(crate) async fn connect(proxy: &Proxy) -> Self {
        Self::over(soon(TcpStream::connect(proxy.address)).await.unwrap())
    }

    /// On a connection that is there.
    pub(crate) fn over(stream: impl Duplex + 'static) -> Self {
        Self { stream: Box::new(stream), buffer: Vec::new() }
    }

    /// One request on a connection of its own.
    pub(crate) async fn ask(proxy: &Proxy, request: impl AsRef<[u8]>) -> ClientResponse {
        let mut client = Self::connect(proxy).await;
        client.send(&request).await;
        client.response_to(request.as_ref().starts_with(b"HEAD ")).await
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        soon(self.stream.write_all(bytes.as_ref())).await.unwrap();
    }

    /// Sends as far as the proxy takes it: one that refused may have closed.
    pub(crate) async fn try_send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = soon(self.stream.write_all(bytes.as_ref())).await;
    }

    /// Sends a request and reads its response.
    pub(crate) async fn exchange(&mut self, request: impl AsRef<[u8]>) -> ClientResponse {
        self.send(&request).await;
        self.response_to(request.as_ref().starts_with(b"HEAD ")).await
    }

    /// The status of the response, where the proxy may also have closed the connection.
    pub(crate) async fn try_exchange(&mut self, request: impl AsRef<[u8]>) -> Option<u16> {
        self.try_send(request).await;
        self.response_or_end().await.map(|response| response.status)
    }

    /// The response to a request that was not `HEAD`.
    pub(crate) async fn response(&mut self) -> ClientResponse {
        self.response_to(false).await
    }

    /// The same, where the proxy may also close the connection without a word.
    pub(crate) async fn response_or_end(&mut self) -> Option<ClientResponse> {
        if self.buffer.is_empty() && !self.fill().await {
            return None;
        }
        Some(self.response().await)
    }

    async fn response_to(&mut self, head: bool) -> ClientResponse {
        let mut response = self.response_head().await;
        let bodiless = head || matches!(response.status, 100..200 | 204 | 304);
        let proxys_own = response.all("x-magic-api-proxy").is_empty();
        if !bodiless {
            self.body(&mut response).await;
        }
        if proxys_own && response.one("content-type").is_none_or(|value| value != "application/jwt")
        {
            watch::assert_no_secret(format!("{:?}", response.fields).as_bytes());
            watch::assert_no_secret(&response.body);
        }
        response
    }

    /// The head of the next response, interim ones included.
    pub(crate) async fn response_head(&mut self) -> ClientResponse {
        let head = self.until(b"\r\n\r\n").await;
        let (first, fields) = parse_head(&head);
        let status = first
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .unwrap_or_else(|| panic!("{first:?}"));
        ClientResponse { status, fields, body: Vec::new(), trailers: Vec::new(), complete: true }
    }

    /// The fields and the body of a response whose status line was taken.
    pub(crate) async fn response_fields(&mut self) -> ClientResponse {
        let head = self.until(b"\r\n\r\n").await;
        let (_, fields) = parse_head(&[b"status\r\n", head.as_slice()].concat());
        let mut response = ClientResponse {
            status: 0,
            fields,
            body: Vec::new(),
            trailers: Vec::new(),
            complete: true,
        };
        self.body(&mut response).await;
        response
    }

    /// The body that follows a head.
    pub(crate) async fn body(&mut self, response: &mut ClientResponse) {
        let complete = if response.one("transfer-encoding").is_some() {
            assert!(
                response.one("content-length").is_none(),
                "two framings: {:?}",
                response.fields
            );
            self.chunks(response).await.is_some()
        } else if let Some(length) = response.one("content-length") {
            let length = length.parse().unwrap();
            while self.buffer.len() < length && self.fill().await {}
            response.body = self.buffer.drain(..length.min(self.buffer.len())).collect();
            response.body.len() == length
        } else {
            while self.fill().await {}
            response.body = std::mem::take(&mut self.buffer);
            true
        };
        response.complete = complete;
    }

    async fn chunks(&mut self, response: &mut ClientResponse) -> Option<()> {
        loop {
            let size = usize::from_str_radix(self.line().await?.trim(), 16).unwrap();
            if size == 0 {
                break;
            }
            while self.buffer.len() < size + 2 {
                if !self.fill().await {
                    response.body.append(&mut self.buffer);
                    return None;
                }
            }
            response.body.extend(self.buffer.drain(..size));
            assert_eq!(self.buffer.drain(..2).collect::<Vec<u8>>(), b"\r\n");
        }
        loop {
            let line = self.line().await?;
            match line.trim_end().split_once(':') {
                None => return Some(()),
                Some((name, value)) => {
                    response.trailers.push((name.to_ascii_lowercase(), value.trim().to_owned()))
                }
            }
        }
    }

    async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(at) = find(&self.buffer, b"\r\n") {
                return Some(self.buffer.drain(..at + 2).map(char::from).collect());
            }
            if !self.fill().await {
                return None;
            }
        }
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
        while self.buffer.len() < length {
            assert!(self.fill().await, "the proxy closed the connection");
        }
        self.buffer.drain(..length).collect()
    }

    /// Waits until the proxy closes, and gives what came before.
    pub(crate) async fn closed(&mut self) -> Vec<u8> {
        while self.fill().await {}
        std::mem::take(&mut self.buffer)
    }

    /// Waits for more bytes, or the end, and takes what there is.
    pub(crate) async fn some(&mut self) -> Vec<u8> {
        self.fill().await;
        std::mem::take(&mut self.buffer)
    }

    async fn fill(&mut self) -> bool {
        let mut bytes = vec![0; 64 * 1024];
        let Ok(read @ 1..) = soon(self.stream.read(&mut bytes)).await else { return false };
        self.buffer.extend_from_slice(&bytes[..read]);
        true
    }
}
