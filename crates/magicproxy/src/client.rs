//! A small HTTP/1.1 client for requests from the command line to a proxy: one request, one
//! connection, no redirects.

pub(crate) mod admin_listener;
mod fault;
mod request_secrets;

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use http::header::{CONTENT_TYPE, HOST, LOCATION};
use http::{HeaderMap, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::TokioIo;
use magicproxy_proxy::https::HttpsConnector;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use magicproxy_config::ground::scheme::{Scheme, is_loopback_host};
use magicproxy_config::ground::text::harmless;

pub(crate) use fault::{ClientFault, ClientFaultKind};
use request_secrets::RequestSecrets;

const TIMEOUT: Duration = Duration::from_secs(30);
const MAX_CONTROL_RESPONSE_BYTES: usize = 1024 * 1024;

/// A proxy as the peer of a connection: an origin, a base path, and the authorities trusted to sign
/// its certificate.
#[derive(Debug)]
pub(crate) struct Peer {
    scheme: Scheme,
    host: String,
    port: u16,
    base: String,
    /// Certificate authorities trusted besides the system's.
    roots: Vec<CertificateDer<'static>>,
}

/// A response, read to its end.
#[derive(Debug)]
pub(crate) struct ProxyResponse {
    pub(crate) status: StatusCode,
    pub(crate) body: String,
    /// The media type in lower case, without parameters.
    media_type: String,
    location: Option<String>,
    /// The URL of the request.
    url: String,
    /// The request's secrets, masked in messages about the response, because any server may echo
    /// them.
    sent: RequestSecrets,
}

impl Peer {
    /// Reads the URL of a proxy.
    pub(crate) fn parse(url: &str) -> Result<Self, String> {
        let expected =
            || format!("proxy `{}`: expected a URL such as `http://127.0.0.1:5000`", harmless(url));
        let uri: Uri = url.parse().map_err(|_| expected())?;
        let (scheme, port) = match uri.scheme_str() {
            Some("http") => (Scheme::Http, 80),
            Some("https") => (Scheme::Https, 443),
            _ => return Err(expected()),
        };
        let host = uri
            .host()
            .map(|host| host.trim_matches(['[', ']']).to_ascii_lowercase())
            .ok_or_else(expected)?;
        let base = uri.path().trim_end_matches('/').to_owned();
        Ok(Self { scheme, host, port: uri.port_u16().unwrap_or(port), base, roots: Vec::new() })
    }

    /// Reads the URL of a proxy for a request that holds a secret. Refuses plain HTTP to another
    /// machine, unless the user accepts the danger.
    pub(crate) fn for_secrets(url: &str, danger_plain_http: bool) -> Result<Self, String> {
        let peer = Self::parse(url)?;
        if peer.is_private() || danger_plain_http {
            return Ok(peer);
        }
        let url = harmless(&peer.url());
        Err(format!(
            "proxy `{url}`: a secret would travel unencrypted; run this beside the proxy, or say --danger-plain-http"
        ))
    }

    /// Returns the same peer, with the authorities of a PEM file trusted as well.
    pub(crate) fn trusting(self, ca_file: &Path) -> anyhow::Result<Self> {
        let named = || format!("--ca-file `{}`", ca_file.display());
        let pem = std::fs::read(ca_file).with_context(named)?;
        match CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>() {
            Ok(roots) if !roots.is_empty() => Ok(Self { roots, ..self }),
            _ => anyhow::bail!("{}: expected certificates in PEM", named()),
        }
    }

    /// True if nobody on the way can read or change the exchange: TLS, or a connection inside the
    /// machine.
    pub(crate) fn is_private(&self) -> bool {
        self.scheme == Scheme::Https || is_loopback_host(&self.host)
    }

    /// Returns host and port, as in a URL.
    pub(crate) fn authority(&self) -> String {
        let bracketed =
            if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        format!("{bracketed}:{}", self.port)
    }

    /// Returns a name for the proxy in one word, for a file name.
    pub(crate) fn place(&self) -> String {
        format!("{}_{}{}", self.scheme.as_str(), self.authority(), self.base)
    }

    /// Returns the proxy's URL as the user gave it.
    pub(crate) fn url(&self) -> String {
        format!("{}://{}{}", self.scheme.as_str(), self.authority(), self.base)
    }

    /// Sends a GET request to a path below the base.
    pub(crate) async fn get(&self, path: &str) -> Result<ProxyResponse, ClientFault> {
        self.send(path, Request::new(Full::new(Bytes::new()))).await
    }

    /// Sends one request to a path below the base.
    pub(crate) async fn send(
        &self,
        path: &str,
        mut request: Request<Full<Bytes>>,
    ) -> Result<ProxyResponse, ClientFault> {
        let fault = |what: &str| ClientFault::unusable(format!("{}: {what}", self.url()));
        *request.uri_mut() = format!("{}{path}", self.base)
            .parse()
            .map_err(|_| fault("this is no path of a URL"))?;
        let authority = self.authority().parse().map_err(|_| fault("this is no host"))?;
        request.headers_mut().insert(HOST, authority);
        let response = tokio::time::timeout(TIMEOUT, self.exchange(path, request)).await;
        response.unwrap_or_else(|_| {
            Err(ClientFault::unreachable(self, format!("no response in {} s", TIMEOUT.as_secs())))
        })
    }

    async fn exchange(
        &self,
        path: &str,
        request: Request<Full<Bytes>>,
    ) -> Result<ProxyResponse, ClientFault> {
        let sent = RequestSecrets::of(&request).await;
        let addresses = tokio::net::lookup_host((self.host.as_str(), self.port)).await;
        let addresses: Vec<_> =
            addresses.map_err(|error| ClientFault::of_lookup(self, &error))?.collect();
        let response = match self.scheme {
            Scheme::Http => {
                let stream = TcpStream::connect(addresses.as_slice())
                    .await
                    .map_err(|error| ClientFault::of_io(self, &error))?;
                over(stream, request).await
            }
            Scheme::Https => {
                let connector = HttpsConnector::new(self.roots.clone());
                let connector = connector
                    .map_err(|error| ClientFault::without_roots(self, &error.to_string()))?;
                let stream = connector
                    .connect(&self.host, self.port)
                    .await
                    .map_err(|error| ClientFault::of_tls(self, &error))?;
                over(stream, request).await
            }
        };
        let (head, body) =
            response.map_err(|error| ClientFault::of_http(self, &error))?.into_parts();
        let body = Limited::new(body, MAX_CONTROL_RESPONSE_BYTES).collect().await;
        let body = body.map_err(|_| {
            ClientFault::unusable(format!(
                "{}: the response broke off, or is longer than {MAX_CONTROL_RESPONSE_BYTES} bytes",
                self.url()
            ))
        })?;
        Ok(ProxyResponse {
            status: head.status,
            body: String::from_utf8_lossy(&body.to_bytes()).into_owned(),
            media_type: field(&head.headers, &CONTENT_TYPE)
                .split(';')
                .next()
                .unwrap_or_default()
                .trim()
                .to_ascii_lowercase(),
            location: head.headers.contains_key(LOCATION).then(|| field(&head.headers, &LOCATION)),
            url: format!("{}{path}", self.url()),
            sent,
        })
    }
}

impl ProxyResponse {
    /// Returns the content of a response with status 200 and the given media type; otherwise an
    /// error.
    pub(crate) fn content(self, media_type: &str) -> anyhow::Result<String> {
        if self.status == StatusCode::OK && self.media_type == media_type {
            Ok(self.body)
        } else {
            Err(self.fault())
        }
    }

    /// Returns the stable code of a refusal.
    pub(crate) fn code(&self) -> Option<String> {
        Some(self.json()?.get("code")?.as_str()?.to_owned())
    }

    /// Describes a failed response: the proxy's refusal, or the response of another server.
    pub(crate) fn fault(&self) -> anyhow::Error {
        let (status, url) = (self.status.as_u16(), harmless(&self.url));
        if self.status.is_redirection() {
            let to = self
                .location
                .as_deref()
                .map_or_else(String::new, |to| format!(" to `{}`", harmless(&self.sent.mask(to))));
            return anyhow::anyhow!(
                "`{url}` answered {status}, a redirect{to}, which is not followed: name the URL of the proxy itself"
            );
        }
        let body = self.sent.mask(&self.body);
        let problem: Value = serde_json::from_str(&body).unwrap_or_default();
        let plain = (self.media_type == "text/plain").then(|| body.lines().next()).flatten();
        let plain = plain.map(|line| line.chars().take(200).collect::<String>());
        let detail = ["detail", "message", "title"]
            .iter()
            .find_map(|name| problem.get(name)?.as_str())
            .or(plain.as_deref());
        match (detail, problem.get("code").and_then(Value::as_str)) {
            (Some(detail), Some(code)) => {
                anyhow::anyhow!(
                    "the proxy answered {status} ({}): {}",
                    harmless(code),
                    harmless(detail)
                )
            }
            (Some(detail), None) => {
                anyhow::anyhow!("`{url}` answered {status}: {}", harmless(detail))
            }
            (None, _) => {
                let what = match self.media_type.as_str() {
                    "" => "something without a media type",
                    "text/html" => "a web page",
                    other => &format!("`{}`", harmless(other)),
                };
                anyhow::anyhow!(
                    "`{url}` answered {status} with {what}: is this the URL of a magicproxy, with its mount?"
                )
            }
        }
    }

    fn json(&self) -> Option<Value> {
        serde_json::from_str(&self.body).ok()
    }
}

fn field(headers: &HeaderMap, name: &http::HeaderName) -> String {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

async fn over<S>(stream: S, request: Request<Full<Bytes>>) -> hyper::Result<Response<Incoming>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    sender.send_request(request).await
}
