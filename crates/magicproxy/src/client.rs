//! A small HTTP/1.1 client for talking to a proxy from the command line: one request, one connection.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context as _, bail};
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::TokioIo;
use magicproxy_proxy::https::HttpsConnector;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::config::address::Scheme;

const TIMEOUT: Duration = Duration::from_secs(30);
const MAX_BODY_BYTES: usize = 1024 * 1024;

/// An origin and a base path.
#[derive(Debug)]
pub(crate) struct Peer {
    scheme: Scheme,
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
        let (scheme, port) = match uri.scheme_str() {
            Some("http") => (Scheme::Http, 80),
            Some("https") => (Scheme::Https, 443),
            _ => return Err(expected()),
        };
        let host = uri.host().map(|host| host.trim_matches(['[', ']']).to_owned()).ok_or_else(expected)?;
        Ok(Self { scheme, host, port: uri.port_u16().unwrap_or(port), base: uri.path().trim_end_matches('/').to_owned() })
    }

    /// Reads the URL of a proxy that is to be told a secret: it must be on this machine, or its user must say otherwise.
    pub(crate) fn for_secrets(url: &str, danger_plain_http: bool) -> Result<Self, String> {
        let peer = Self::parse(url)?;
        if peer.is_private() || danger_plain_http {
            return Ok(peer);
        }
        Err(format!("proxy `{url}`: a secret would travel unencrypted; run this beside the proxy, or say --danger-plain-http"))
    }

    /// Nobody on the way reads or changes what is said: it is TLS, or this machine.
    pub(crate) fn is_private(&self) -> bool {
        self.scheme == Scheme::Https || is_loopback(&self.host)
    }

    /// Host and port, as they name it.
    pub(crate) fn authority(&self) -> String {
        let bracketed = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        format!("{bracketed}:{}", self.port)
    }

    /// Which proxy this is, in one word.
    pub(crate) fn place(&self) -> String {
        format!("{}_{}{}", self.scheme.as_str(), self.authority(), self.base)
    }

    /// Sends one request to a path below the base.
    pub(crate) async fn send(&self, path: &str, mut request: Request<Full<Bytes>>) -> anyhow::Result<Answer> {
        let authority = self.authority();
        *request.uri_mut() = format!("{}{path}", self.base).parse().with_context(|| format!("path `{path}`"))?;
        request.headers_mut().insert(http::header::HOST, authority.parse()?);
        let answered = tokio::time::timeout(TIMEOUT, self.exchange(request)).await;
        answered
            .unwrap_or_else(|_| bail!("no answer in {} s", TIMEOUT.as_secs()))
            .with_context(|| format!("{}://{authority}", self.scheme.as_str()))
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> anyhow::Result<Answer> {
        let response = match self.scheme {
            Scheme::Http => over(TcpStream::connect((self.host.as_str(), self.port)).await?, request).await?,
            Scheme::Https => over(HttpsConnector::new(Vec::new())?.connect(&self.host, self.port).await?, request).await?,
        };
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_BODY_BYTES).collect().await;
        let body = body.map_err(|_| anyhow::anyhow!("the answer broke off, or is longer than {MAX_BODY_BYTES} bytes"))?;
        Ok(Answer { status, body: String::from_utf8_lossy(&body.to_bytes()).into_owned() })
    }
}

async fn over<S>(stream: S, request: Request<Full<Bytes>>) -> anyhow::Result<Response<Incoming>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender.send_request(request).await?)
}

/// Is this host the machine itself?
pub(crate) fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
