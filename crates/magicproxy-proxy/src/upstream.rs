//! The upstream: sends what the gate let through, over pooled connections, and nowhere else.
//!
//! Redirects are answers like others and never followed. A request is sent twice only when not a byte of the first was
//! written, or when it is idempotent, has no body, and a pooled connection turned out to be stale.

pub(crate) mod connect;
mod io;
mod pool;
pub(crate) mod root;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, Version, header};
use hyper::body::Incoming;
use magicproxy_core::RequestTarget;

use crate::body::{Progress, RequestBody};
use crate::gate::{Message, OutboundRequest};
use crate::opened::QueryCredential;
use crate::rejection::Rejection;
use crate::serve::WorkerId;
use crate::settings::{ApiRoot, Settings, UpstreamSettings};
use connect::Connector;
use pool::{Connection, Pool, Pools, SendError};

pub(crate) use pool::Lease;

/// One upstream: its origins, and how long it is waited for.
#[derive(Debug)]
pub(crate) struct Upstream {
    origins: Vec<Origin>,
    response: Duration,
}

/// One origin of an upstream, with its own connections.
#[derive(Debug)]
struct Origin {
    root: ApiRoot,
    connector: Connector,
    pools: Pools,
}

/// The upstream's answer, and the connection that its body comes on.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) response: Response<Incoming>,
    pub(crate) lease: Lease,
}

impl Upstream {
    pub(crate) fn new(settings: &Settings, upstream: &UpstreamSettings) -> Result<Self, rustls::Error> {
        let origins = upstream.origins().map(|root| Origin::new(settings, upstream, root)).collect::<Result<_, _>>()?;
        let response = upstream.response_timeout.unwrap_or(settings.timeouts.response);
        Ok(Self { origins, response })
    }

    /// Sends a permitted request, which this worker serves, and waits for the head of its answer.
    pub(crate) async fn send(&self, request: OutboundRequest, worker: WorkerId) -> Result<Answer, Rejection> {
        let upgrade = request.is_upgrade();
        let progress = request.body().progress();
        let origin = self.origins.get(request.origin()).ok_or(Rejection::Internal)?;
        let (message, parameter) = request.into_message();
        let exchange = origin.exchange(Outgoing::new(message, parameter.as_ref(), &origin.root)?, worker);
        let answer = within(self.response, &progress, exchange).await?;
        if answer.response.status() == StatusCode::SWITCHING_PROTOCOLS && !upgrade {
            return Err(Rejection::UnexpectedUpgrade);
        }
        Ok(answer)
    }
}

impl Origin {
    fn new(settings: &Settings, upstream: &UpstreamSettings, root: &ApiRoot) -> Result<Self, rustls::Error> {
        let connector = Connector::new(settings.timeouts, upstream, root)?;
        let limits = &settings.limits;
        let pools = Pools::new(limits.workers, limits.idle_upstream_connections, settings.timeouts.keep_alive);
        Ok(Self { root: root.clone(), connector, pools })
    }

    async fn exchange(&self, mut outgoing: Outgoing, worker: WorkerId) -> Result<Answer, Rejection> {
        // An upgraded connection is never given back, so it is never taken from the pool either.
        if !outgoing.upgrade {
            while let Some((connection, pool)) = self.pools.take(worker).await {
                match self.attempt(connection, outgoing, pool, true).await? {
                    Attempt::Answered(answer) => return Ok(answer),
                    Attempt::Stale(again) => outgoing = again,
                }
            }
        }
        // Boxed, like everything that a warm request does not do: hyper moves the future of each request.
        let connection = Box::pin(self.connector.connect(outgoing.upgrade)).await?;
        let pool = self.pools.own(worker);
        pool.share(&connection);
        match self.attempt(connection, outgoing, pool, false).await? {
            Attempt::Answered(answer) => Ok(answer),
            Attempt::Stale(_) => Err(Rejection::Closed),
        }
    }

    async fn attempt(
        &self,
        mut connection: Connection,
        outgoing: Outgoing,
        pool: &Arc<Pool>,
        pooled: bool,
    ) -> Result<Attempt, Rejection> {
        let replay = if pooled { outgoing.replay() } else { None };
        let request = self.request(outgoing, connection.version())?;
        match connection.send(request).await {
            Ok(response) => {
                check_framing(&response)?;
                Ok(Attempt::Answered(Answer { response, lease: pool.lease(connection) }))
            }
            Err(SendError::NotSent(request)) if pooled => Ok(Attempt::Stale(Outgoing::from_request(*request))),
            Err(SendError::NotSent(_)) => Err(Rejection::Closed),
            Err(SendError::Failed(error)) => match replay {
                Some(replay) if is_stale(&error) => Ok(Attempt::Stale(replay)),
                _ => Err(failure(&error)),
            },
        }
    }

    /// The request as this connection's protocol wants it. Framing fields are the HTTP library's.
    fn request(&self, outgoing: Outgoing, version: Version) -> Result<Request<RequestBody>, Rejection> {
        let root = &self.root;
        let Outgoing { method, mut headers, path, body, .. } = outgoing;
        let uri = if version == Version::HTTP_2 {
            headers.remove(header::HOST);
            let scheme = if root.is_secure() { "https" } else { "http" };
            let uri = Uri::builder().scheme(scheme).authority(root.authority().clone()).path_and_query(path).build();
            uri.map_err(|_| Rejection::Internal)?
        } else {
            headers.insert(header::HOST, root.host_field().clone());
            Uri::from(path)
        };
        // RFC 9110 section 8.6: some servers answer 411 to such a request without a length. Of a body hyper says it itself.
        if body.is_empty() && matches!(method, Method::POST | Method::PUT | Method::PATCH) {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        Ok(request)
    }
}

enum Attempt {
    Answered(Answer),
    /// The pooled connection was no more: the same request, for another one.
    Stale(Outgoing),
}

/// A request that is being sent, perhaps for the second time.
struct Outgoing {
    method: Method,
    headers: HeaderMap,
    /// With the base path and, where it goes there, the credential.
    path: PathAndQuery,
    body: RequestBody,
    upgrade: bool,
}

/// What stands in the request line: the one place where a credential is part of a target.
fn sent_path(root: &ApiRoot, target: &RequestTarget, parameter: Option<&QueryCredential>) -> Result<PathAndQuery, Rejection> {
    let parts = [root.base_path(), target.path(), target.query().map_or("", |_| "?"), target.query().unwrap_or_default()];
    let text = parts.concat();
    let bytes = match parameter {
        Some(parameter) => parameter.append_to(&text),
        None => Bytes::from(text),
    };
    PathAndQuery::from_maybe_shared(bytes).map_err(|_| Rejection::Internal)
}

impl Outgoing {
    fn new(message: Message, parameter: Option<&QueryCredential>, root: &ApiRoot) -> Result<Self, Rejection> {
        let Message { method, headers, target, body, upgrade, .. } = message;
        Ok(Self { method, headers, path: sent_path(root, &target, parameter)?, body, upgrade })
    }

    fn from_request(request: Request<RequestBody>) -> Self {
        let (head, body) = request.into_parts();
        let path = head.uri.into_parts().path_and_query.unwrap_or_else(|| PathAndQuery::from_static("/"));
        Self { method: head.method, headers: head.headers, path, body, upgrade: false }
    }

    /// The same request once more, where sending it twice does no harm.
    fn replay(&self) -> Option<Self> {
        (self.method.is_idempotent() && self.body.is_empty()).then(|| Self {
            method: self.method.clone(),
            headers: self.headers.clone(),
            path: self.path.clone(),
            body: RequestBody::empty(),
            upgrade: false,
        })
    }
}

/// An answer whose length is given in two ways, or in a coding that nobody asked for, is no answer (RFC 9112 section 6.3):
/// hyper would read on to the end of the connection.
fn check_framing(response: &Response<Incoming>) -> Result<(), Rejection> {
    let headers = response.headers();
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).into_iter();
    let Some(first) = codings.next() else { return Ok(()) };
    let only_chunked = first.as_bytes().eq_ignore_ascii_case(b"chunked") && codings.next().is_none();
    if only_chunked && !headers.contains_key(header::CONTENT_LENGTH) { Ok(()) } else { Err(Rejection::BadAnswer) }
}

/// Bounds the wait for an answer's head. The clock stands still while the request body is moving, or its caller slow.
async fn within<T>(
    limit: Duration,
    progress: &Progress,
    exchange: impl Future<Output = Result<T, Rejection>>,
) -> Result<T, Rejection> {
    let mut exchange = std::pin::pin!(exchange);
    let mut seen = (progress.bytes(), progress.is_done());
    loop {
        match tokio::time::timeout(limit, &mut exchange).await {
            Ok(result) => return result,
            Err(_) if progress.is_waiting() || (progress.bytes(), progress.is_done()) != seen => {
                seen = (progress.bytes(), progress.is_done())
            }
            Err(_) => return Err(Rejection::ResponseTimeout),
        }
    }
}

/// Did the connection end before a byte of an answer came, as one that idled too long does?
fn is_stale(error: &hyper::Error) -> bool {
    error.is_incomplete_message()
        || error.is_closed()
        || error.is_canceled()
        || has_io_kind(error, std::io::ErrorKind::ConnectionReset)
}

fn failure(error: &hyper::Error) -> Rejection {
    tracing::debug!(target: "magicproxy::upstream", %error, "the exchange with the upstream failed");
    if error.is_user() || error.is_body_write_aborted() {
        // The caller's body broke, not the upstream.
        return Rejection::RequestBody;
    }
    if error.is_parse() { Rejection::BadAnswer } else { Rejection::Closed }
}

fn has_io_kind(error: &hyper::Error, kind: std::io::ErrorKind) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == kind) {
            return true;
        }
        cause = error.source();
    }
    false
}
