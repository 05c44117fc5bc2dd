//! A small HTTP/1.1 client for talking to a proxy from the command line: one request, one connection, plain http.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context as _, bail};
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

const TIMEOUT: Duration = Duration::from_secs(30);
const MAX_BODY_BYTES: usize = 1024 * 1024;

/// A plain http origin and a base path.
#[derive(Debug)]
pub(crate) struct Peer {
    host: String,
    port: u16,
    base: String,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: String,
}

impl Peer {
    /// Reads the URL of a proxy.
    pub(crate) fn parse(url: &str) -> Result<Self, String> {
        let expected = || format!("proxy `{url}`: expected a URL such as `http://127.0.0.1:5000`");
        let uri: Uri = url.parse().map_err(|_| expected())?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => {
                return Err(format!(
                    "proxy `{url}`: https is not spoken here yet: run this beside the proxy, over http, or mint offline"
                ));
            }
            _ => return Err(expected()),
        }
        let host = uri.host().map(|host| host.trim_matches(['[', ']']).to_owned()).ok_or_else(expected)?;
        Ok(Self { host, port: uri.port_u16().unwrap_or(80), base: uri.path().trim_end_matches('/').to_owned() })
    }

    /// Reads the URL of a proxy that is to be told a secret: it must be on this machine, or its user must say otherwise.
    pub(crate) fn for_secrets(url: &str, danger_plain_http: bool) -> Result<Self, String> {
        let peer = Self::parse(url)?;
        if is_loopback(&peer.host) || danger_plain_http {
            return Ok(peer);
        }
        Err(format!("proxy `{url}`: a secret would travel unencrypted; run this beside the proxy, or say --danger-plain-http"))
    }

    /// Sends one request to a path below the base.
    pub(crate) async fn send(&self, path: &str, mut request: Request<Full<Bytes>>) -> anyhow::Result<Answer> {
        let bracketed = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let authority = format!("{bracketed}:{}", self.port);
        *request.uri_mut() = format!("{}{path}", self.base).parse().with_context(|| format!("path `{path}`"))?;
        request.headers_mut().insert(http::header::HOST, authority.parse()?);
        let answered = tokio::time::timeout(TIMEOUT, self.exchange(request)).await;
        answered.unwrap_or_else(|_| bail!("no answer in {} s", TIMEOUT.as_secs())).with_context(|| format!("http://{authority}"))
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> anyhow::Result<Answer> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_BODY_BYTES).collect().await;
        let body = body.map_err(|_| anyhow::anyhow!("the answer broke off, or is longer than {MAX_BODY_BYTES} bytes"))?;
        Ok(Answer { status, body: String::from_utf8_lossy(&body.to_bytes()).into_owned() })
    }
}

/// Is this host the machine itself?
pub(crate) fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
