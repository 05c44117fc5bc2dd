//! The upstream: sends what the gate let through, over pooled connections, and nowhere else.
//!
//! Redirects are answers like others and never followed. A request is sent twice only when not a byte of the first was
//! written, or when it is idempotent, has no body, and a pooled connection turned out to be stale.

pub(crate) mod connect;
mod io;
mod pool;
pub(crate) mod root;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, Version, header};
use hyper::body::Incoming;
use magicproxy_core::RequestTarget;

use crate::admission::Holding;
use crate::body::{Ahead, Held, Progress, RequestBody};
use crate::gate::{Dispatch, Message, OutboundRequest};
use crate::ledger::Unsettled;
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
    /// How long an answer may be silent.
    pub(crate) idle: Duration,
    /// What the operator lets no caller see.
    dropped: Vec<HeaderName>,
}

/// One origin of an upstream, with its own connections.
#[derive(Debug)]
struct Origin {
    root: ApiRoot,
    connector: Connector,
    pools: Pools,
}

/// The upstream's answer, for which everything was done that was due: made by [`Unsettled::settle`].
pub(crate) struct Answer {
    pub(crate) response: Response<Incoming>,
    /// The connection that its body comes on.
    pub(crate) lease: Lease,
    /// What was read of its body already.
    pub(crate) ahead: Option<Box<Ahead>>,
    /// What the exchange holds until it was passed down.
    pub(crate) held: Option<Held>,
    /// Its place among those in progress.
    pub(crate) exchange: Holding,
}

/// An answer as it comes.
struct Arrived {
    response: Response<Incoming>,
    lease: Lease,
}

impl Upstream {
    pub(crate) fn new(settings: &Settings, upstream: &UpstreamSettings) -> Result<Self, rustls::Error> {
        let origins = upstream.origins().map(|root| Origin::new(settings, upstream, root)).collect::<Result<_, _>>()?;
        let response = upstream.response_timeout.unwrap_or(settings.timeouts.response);
        let (idle, dropped) = (settings.timeouts.response_idle, upstream.drop_response_headers.clone());
        Ok(Self { origins, response, idle, dropped })
    }

    /// Sends a permitted request, which this worker serves, and waits for the head of its answer.
    pub(crate) async fn send(&self, request: OutboundRequest, worker: WorkerId) -> Result<Unsettled, Rejection> {
        let upgrade = request.is_upgrade();
        let progress = request.body().progress();
        let origin = self.origins.get(request.origin()).ok_or(Rejection::Internal)?;
        let Dispatch { message, parameter, duties, exchange: place } = request.into_dispatch();
        let mut exchange = self.exchange(origin, message, parameter.as_ref(), worker)?;
        let Arrived { mut response, lease } = within(self.response, &progress, std::pin::pin!(exchange.answer())).await?;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS && !upgrade {
            return Err(Rejection::UnexpectedUpgrade);
        }
        for name in &self.dropped {
            response.headers_mut().remove(name);
        }
        Ok(Unsettled { response, lease, duties, idle: self.idle, exchange: place })
    }

    fn exchange<'u>(
        &self,
        origin: &'u Origin,
        message: Message,
        parameter: Option<&QueryCredential>,
        worker: WorkerId,
    ) -> Result<Exchange<'u>, Rejection> {
        let upgrade = message.upgrade;
        let outgoing = Outgoing::new(message, parameter, &origin.root)?;
        Ok(Exchange { origin, worker, upgrade, outgoing: Some(outgoing) })
    }
}

/// One request and its answer. The request is kept here and not in the futures below, which would each make room for it.
struct Exchange<'u> {
    origin: &'u Origin,
    worker: WorkerId,
    upgrade: bool,
    /// What is to be sent, perhaps for a second time.
    outgoing: Option<Outgoing>,
}

impl Exchange<'_> {
    async fn answer(&mut self) -> Result<Arrived, Rejection> {
        let origin = self.origin;
        // An upgraded connection is never given back, so it is never taken from the pool either.
        if !self.upgrade {
            while let Some((connection, pool)) = origin.pools.take(self.worker).await {
                if let Some(answer) = self.attempt(connection, pool, true).await? {
                    return Ok(answer);
                }
            }
        }
        // Boxed, like everything that a warm request does not do: hyper moves the future of each request.
        let connection = Box::pin(origin.connector.connect(self.upgrade)).await?;
        let pool = origin.pools.own(self.worker);
        pool.share(&connection);
        self.attempt(connection, pool, false).await?.ok_or(Rejection::Closed)
    }

    /// `None`: the pooled connection was no more, and the request is there for another one.
    async fn attempt(
        &mut self,
        mut connection: Connection,
        pool: &Arc<Pool>,
        pooled: bool,
    ) -> Result<Option<Arrived>, Rejection> {
        let sent = connection.send(self.request(connection.version(), pooled)?);
        match sent.await {
            Ok(response) => {
                check_framing(&response)?;
                Ok(Some(Arrived { response, lease: pool.lease(connection) }))
            }
            Err(SendError::NotSent(request)) if pooled => {
                self.outgoing = Some(Outgoing::from_request(*request));
                Ok(None)
            }
            Err(SendError::NotSent(_)) => Err(Rejection::Closed),
            Err(SendError::Failed(error)) if self.outgoing.is_some() && is_stale(&error) => Ok(None),
            Err(SendError::Failed(error)) => Err(failure(&error)),
        }
    }

    /// The request in the form of this protocol. Where it may be sent twice and perhaps must, a copy stays behind.
    fn request(&mut self, version: Version, pooled: bool) -> Result<Request<RequestBody>, Rejection> {
        let outgoing = self.outgoing.take().ok_or(Rejection::Internal)?;
        self.outgoing = if pooled { outgoing.replay() } else { None };
        self.origin.request(outgoing, version)
    }
}

impl Origin {
    fn new(settings: &Settings, upstream: &UpstreamSettings, root: &ApiRoot) -> Result<Self, rustls::Error> {
        let connector = Connector::new(settings.timeouts, upstream, root)?;
        let limits = &settings.limits;
        let pools = Pools::new(limits.workers, limits.idle_upstream_connections, settings.timeouts.keep_alive);
        Ok(Self { root: root.clone(), connector, pools })
    }

    /// The request as this connection's protocol wants it. Framing fields are the HTTP library's.
    fn request(&self, outgoing: Outgoing, version: Version) -> Result<Request<RequestBody>, Rejection> {
        let root = &self.root;
        let Outgoing { method, mut headers, path, body } = outgoing;
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

/// A request that is being sent, perhaps for the second time.
struct Outgoing {
    method: Method,
    headers: HeaderMap,
    /// With the base path and, where it goes there, the credential.
    path: PathAndQuery,
    body: RequestBody,
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
        let Message { method, headers, target, body, .. } = message;
        Ok(Self { method, headers, path: sent_path(root, &target, parameter)?, body })
    }

    fn from_request(request: Request<RequestBody>) -> Self {
        let (head, body) = request.into_parts();
        let path = head.uri.into_parts().path_and_query.unwrap_or_else(|| PathAndQuery::from_static("/"));
        Self { method: head.method, headers: head.headers, path, body }
    }

    /// The same request once more, where sending it twice does no harm.
    fn replay(&self) -> Option<Self> {
        (self.method.is_idempotent() && self.body.is_empty()).then(|| Self {
            method: self.method.clone(),
            headers: self.headers.clone(),
            path: self.path.clone(),
            body: RequestBody::empty(),
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
    mut exchange: Pin<&mut impl Future<Output = Result<T, Rejection>>>,
) -> Result<T, Rejection> {
    let mut seen = (progress.bytes(), progress.is_done());
    loop {
        match tokio::time::timeout(limit, exchange.as_mut()).await {
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
