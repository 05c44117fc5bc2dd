//! The upstream: sends what the gate let through, over pooled connections, and nowhere else.
//!
//! Redirects are answers like others and never followed. A request is sent twice only as [resend](crate::transport::resend) says.

use std::error::Error as _;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, Version, header};
use magicproxy_core::RequestTarget;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::admission::{Holding, Resource};
use crate::credential::opened::QueryCredential;
use crate::downstream::{Progress, RequestBody};
use crate::exchange::gate::{Dispatch, Message};
use crate::http::body::BodyError;
use crate::rejection::Rejection;
use crate::settings::{ApiRoot, OriginId, Settings, UpstreamSettings};
use crate::transport::connection::{SendError, Sending};
use crate::transport::pool::{Kind, Need, Payload, Pooled};
use crate::transport::resend::{Attempt, Ending, Heard, Twice};
use crate::transport::{ConnectFailure, Content, Lease, Origin, Sockets};
use crate::worker::WorkerId;

/// One upstream: its origins, and how long it is waited for.
#[derive(Debug)]
pub(in crate::exchange) struct Upstream {
    origins: Vec<Origin>,
    response: Duration,
    /// How long an answer may be silent.
    idle: Duration,
    /// What the operator lets no client see.
    dropped: Arc<[HeaderName]>,
}

/// An upstream's response as it came, less the fields that the operator lets no client see. Nothing was done for it yet.
#[derive(Debug)]
pub(in crate::exchange) struct Arrived {
    pub(in crate::exchange) response: Response<Content>,
    /// The connection that its content comes on.
    pub(in crate::exchange) lease: Lease,
    /// How long the content may be silent.
    pub(in crate::exchange) idle: Duration,
    /// What the operator lets no client see.
    pub(in crate::exchange) dropped: Arc<[HeaderName]>,
    /// The exchange's place among those in progress.
    pub(in crate::exchange) place: Holding,
}

/// Why no response came, and how far its request had come by then.
#[derive(Debug)]
pub(in crate::exchange) struct Unanswered {
    pub(in crate::exchange) rejection: Rejection,
    pub(in crate::exchange) progress: SendProgress,
}

/// How far a request came that got no response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::exchange) enum SendProgress {
    /// It was handed to no connection, and is not going to be.
    NotSent,
    /// The upstream may have seen some of it.
    MayBeSent,
}

/// The head of a response, and the connection that its content comes on.
struct Head {
    response: Response<Content>,
    lease: Lease,
}

impl Upstream {
    /// The upstream with pools of its own; `sockets` are those of all upstreams.
    pub(in crate::exchange) fn new(
        settings: &Settings,
        upstream: &UpstreamSettings,
        sockets: &Arc<Sockets>,
    ) -> Result<Arc<Self>, rustls::Error> {
        let origin = |root| Origin::new(settings, upstream, root, sockets);
        let origins = upstream.origins().map(origin).collect::<Result<_, _>>()?;
        let response = upstream.response_timeout.unwrap_or(settings.timeouts.response);
        let (idle, dropped) = (settings.timeouts.response_idle, Arc::from(upstream.drop_response_headers.as_slice()));
        Ok(Arc::new(Self { origins, response, idle, dropped }))
    }

    /// Waits for a connection for a permitted request, which this worker serves. A request that is given up meanwhile is not sent.
    pub(in crate::exchange) async fn connect(
        self: &Arc<Self>,
        request: Dispatch,
        worker: WorkerId,
    ) -> Result<ConnectedRequest, Rejection> {
        let kind = if request.is_upgrade() { Kind::Upgrade } else { Kind::Any };
        let need = Need { worker, kind, payload: Payload::of(request.body()), asked: Instant::now().into_std() };
        let (progress, number) = (request.body().progress(), request.origin());
        let origin = self.origin(number)?;
        let once = may_be_left_unread(request.method(), request.body());
        let (message, parameter, place) = request.into_parts();
        let outgoing = Some(Outgoing::new(message, parameter.as_ref(), origin.root())?);
        let (lease, waited) = noting_wait(origin.acquire(need, &place)).await;
        // Who had to wait looks at the clock again.
        let (lease, began) = (Some(lease?), (!waited).then(|| Instant::from_std(need.asked)));
        let upstream = Arc::clone(self);
        Ok(ConnectedRequest {
            upstream,
            number,
            need,
            outgoing,
            lease,
            place,
            given_up: None,
            progress,
            once,
            unprocessed: 0,
            has_begun: false,
            began,
        })
    }

    fn origin(&self, origin: OriginId) -> Result<&Origin, Rejection> {
        self.origins.get(origin.place()).ok_or(Rejection::Internal)
    }
}

/// A permitted request on the connection that it goes out on. It is kept here and not in the futures below, which would each make
/// room for it.
pub(in crate::exchange) struct ConnectedRequest {
    upstream: Arc<Upstream>,
    /// Which of the upstream's origins it goes to.
    number: OriginId,
    need: Need,
    /// What is to be sent, perhaps for a second time.
    outgoing: Option<Outgoing>,
    /// What it is sent on next, or was sent on.
    lease: Option<Lease>,
    /// Its place among those in progress.
    place: Holding,
    given_up: Option<watch::Receiver<()>>,
    /// Of the request's content.
    progress: Arc<Progress>,
    /// Does a connection of HTTP/1.1 end with this exchange?
    once: bool,
    /// How often the upstream said that it has not processed the request.
    unprocessed: usize,
    /// Was it handed to a connection?
    has_begun: bool,
    /// When it can be handed to the first connection, where that is known.
    began: Option<Instant>,
}

impl ConnectedRequest {
    /// Once the other side of this is gone, the request is no longer sent, and waits for no further connection.
    pub(in crate::exchange) fn unless(mut self, given_up: watch::Receiver<()>) -> Self {
        self.given_up = Some(given_up);
        self
    }

    /// Sends it, and waits for the head of its response.
    pub(in crate::exchange) async fn send(mut self) -> Result<Arrived, Unanswered> {
        let Head { mut response, lease } = match self.answer().await {
            Ok(head) => head,
            Err(rejection) => return Err(self.unanswered(rejection)),
        };
        if response.status() == StatusCode::SWITCHING_PROTOCOLS && self.need.kind != Kind::Upgrade {
            return Err(self.unanswered(Rejection::UnexpectedUpgrade));
        }
        let Self { upstream, place, progress, once, .. } = self;
        // An upstream that has answered may leave unread what is yet to come.
        let once = once || !progress.is_done();
        let lease = if once { lease.once() } else { lease }.uploads(progress);
        for name in upstream.dropped.iter() {
            response.headers_mut().remove(name);
        }
        let (idle, dropped) = (upstream.idle, Arc::clone(&upstream.dropped));
        Ok(Arrived { response, lease, idle, dropped, place })
    }

    fn unanswered(&self, rejection: Rejection) -> Unanswered {
        let progress = if self.has_begun { SendProgress::MayBeSent } else { SendProgress::NotSent };
        Unanswered { rejection, progress }
    }

    async fn answer(&mut self) -> Result<Head, Rejection> {
        loop {
            let lease = match self.lease.take() {
                Some(lease) => lease,
                // Boxed, like everything that a warm request does not do: hyper moves the future of each request.
                None => Box::pin(self.further_lease()).await?,
            };
            if let Some(answer) = self.attempt(lease).await? {
                return Ok(answer);
            }
        }
    }

    /// Another connection, where the one before was no more.
    async fn further_lease(&mut self) -> Result<Lease, Rejection> {
        self.need.asked = Instant::now().into_std();
        let acquiring = self.upstream.origin(self.number)?.acquire(self.need, &self.place);
        let Some(given_up) = &mut self.given_up else { return Ok(acquiring.await?) };
        tokio::select! {
            biased;
            _ = given_up.changed() => Err(Rejection::Closed),
            acquired = acquiring => Ok(acquired?),
        }
    }

    /// `None`: the request is to be sent once more, and there for another connection.
    async fn attempt(&mut self, lease: Lease) -> Result<Option<Head>, Rejection> {
        if self.given_up.as_ref().is_some_and(is_gone) {
            lease.discard();
            return Err(Rejection::Closed);
        }
        self.has_begun = true;
        let (sent, attempt) = self.hand_over(lease)?;
        let began = self.began.take().unwrap_or_else(Instant::now);
        let Ok(sent) = within((began, self.upstream.response), &self.progress, std::pin::pin!(sent)).await else {
            self.retire_connection();
            return Err(Rejection::ResponseTimeout);
        };
        let mut lease = self.lease.take().ok_or(Rejection::Internal)?;
        match sent {
            Ok(response) => {
                check_framing(&response)?;
                Ok(Some(Head { response, lease }))
            }
            Err(SendError::NotSent(request)) => {
                // A new connection of HTTP/2 has said that it takes nothing before it took anything.
                let is_refused =
                    lease.pooled == Pooled::No && lease.connection().is_some_and(|it| it.version() == Version::HTTP_2);
                lease.discard();
                let ending = if is_refused { Ending::Unprocessed } else { Ending::Unwritten };
                self.unprocessed += usize::from(is_refused);
                self.again(Some(request), ending.allows(&attempt), Rejection::Closed)
            }
            Err(SendError::Unprocessed(request)) => {
                lease.discard();
                self.unprocessed += 1;
                if self.unprocessed > 1 && self.need.kind == Kind::Any {
                    // A server that takes few requests of each connection may refuse it on one after another that others use, too.
                    self.need.kind = Kind::Fresh;
                }
                self.again(request, Ending::Unprocessed.allows(&attempt), Rejection::Unprocessed)
            }
            Err(SendError::Content(error)) => Err(error.into()),
            Err(SendError::Stream(error, heard)) => {
                if Ending::of_stream(&error, heard).allows(&attempt) {
                    Ok(None)
                } else {
                    Err(stream_failure(&error))
                }
            }
            Err(SendError::Failed(error)) => {
                let heard = lease.connection().ok_or(Rejection::Internal)?.heard();
                if Ending::of(&error, heard).allows(&attempt) {
                    Ok(None)
                } else if attempt.pooled == Pooled::No && heard == Heard::Nothing {
                    Err(first_failure(&error))
                } else {
                    Err(failure(&error))
                }
            }
        }
    }

    /// Hands the request over to this connection, which is kept until the response has come.
    #[inline]
    fn hand_over(
        &mut self,
        lease: Lease,
    ) -> Result<(impl Future<Output = Result<Response<Content>, SendError>> + use<>, Attempt), Rejection> {
        let outgoing = self.outgoing.take().ok_or(Rejection::Internal)?;
        let twice = Twice::of(&outgoing.method, &outgoing.body);
        let attempt = Attempt { pooled: lease.pooled, twice, unprocessed: self.unprocessed };
        let lease = self.lease.insert(lease);
        let upload = lease.take_upload();
        let connection = lease.connection().ok_or(Rejection::Internal)?;
        if Ending::Unanswered.allows(&attempt) {
            self.outgoing = Some(outgoing.copy());
        } else if attempt.pooled == Pooled::Yes {
            connection.look_first();
        }
        let version = connection.version();
        let request = outgoing.into_request(self.upstream.origin(self.number)?.root(), version)?;
        // A stream may have to be begun again.
        let keeps = version == Version::HTTP_2 && !request.body().is_empty();
        let memory = keeps.then(|| self.place.take(Resource::BufferedBytes, 0)).transpose()?;
        let sending = Sending { memory, upload, given_up: self.given_up.clone() };
        let sent = connection.send(request, sending);
        lease.share();
        Ok((sent, attempt))
    }

    /// Keeps a request that came back for another connection, or gives it up for this reason.
    fn again<T>(
        &mut self,
        request: Option<Box<Request<RequestBody>>>,
        is_allowed: bool,
        otherwise: Rejection,
    ) -> Result<Option<T>, Rejection> {
        let request = request.filter(|_| is_allowed).ok_or(otherwise)?;
        self.outgoing = Some(Outgoing::from_request(*request));
        Ok(None)
    }

    /// Has others use the connection no more that the request is waiting on.
    fn retire_connection(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.retire();
        }
    }
}

/// Is there content that servers may leave where it is, because the method gives it no meaning, or none that they know (RFC 9110
/// section 9.3.1)? Such a server reads it as the next request on the connection, and what another client sends as a part of that.
fn may_be_left_unread(method: &Method, body: &RequestBody) -> bool {
    !body.is_empty() && !matches!(*method, Method::POST | Method::PUT | Method::PATCH)
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
fn sent_path(root: &ApiRoot, target: RequestTarget, parameter: Option<&QueryCredential>) -> Result<PathAndQuery, Rejection> {
    let text = match root.base_path() {
        "" => target.into_text(),
        base => [base, &target.into_text()].concat(),
    };
    let bytes = match parameter {
        Some(parameter) => parameter.append_to(&text),
        None => Bytes::from(text),
    };
    PathAndQuery::from_maybe_shared(bytes).map_err(|_| Rejection::Internal)
}

impl Outgoing {
    fn new(message: Message, parameter: Option<&QueryCredential>, root: &ApiRoot) -> Result<Self, Rejection> {
        let Message { method, headers, target, body, .. } = message;
        Ok(Self { method, headers, path: sent_path(root, target, parameter)?, body })
    }

    /// The request as this connection's protocol wants it. Framing fields are the HTTP library's.
    fn into_request(self, root: &ApiRoot, version: Version) -> Result<Request<RequestBody>, Rejection> {
        let Outgoing { method, mut headers, path, body } = self;
        let uri = if version == Version::HTTP_2 {
            headers.remove(header::HOST);
            headers.remove(header::TRANSFER_ENCODING);
            headers.remove(header::CONNECTION);
            let scheme = if root.is_secure() { "https" } else { "http" };
            let uri = Uri::builder().scheme(scheme).authority(root.named().clone()).path_and_query(path).build();
            uri.map_err(|_| Rejection::Internal)?
        } else {
            headers.insert(header::HOST, root.host_field().clone());
            Uri::from(path)
        };
        // RFC 9110 section 8.6: some servers answer 411 to such a request without a length. Of a body hyper says it itself.
        if body.is_empty() && matches!(method, Method::POST | Method::PUT | Method::PATCH) {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        // With these methods hyper sends no content of unknown length, unless it is told to.
        if version == Version::HTTP_11 && body.has_unknown_length() && matches!(method, Method::GET | Method::HEAD) {
            headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        if version == Version::HTTP_11 && may_be_left_unread(&method, &body) {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        Ok(request)
    }

    fn from_request(request: Request<RequestBody>) -> Self {
        let (head, body) = request.into_parts();
        let path = head.uri.into_parts().path_and_query.unwrap_or_else(|| PathAndQuery::from_static("/"));
        Self { method: head.method, headers: head.headers, path, body }
    }

    /// The same request once more. It has no content.
    fn copy(&self) -> Self {
        Self { method: self.method.clone(), headers: self.headers.clone(), path: self.path.clone(), body: RequestBody::empty() }
    }
}

/// An answer whose length is given in two ways, or in a coding that nobody asked for, is no answer (RFC 9112 section 6.3):
/// hyper would read on to the end of the connection.
fn check_framing(response: &Response<Content>) -> Result<(), Rejection> {
    let headers = response.headers();
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).into_iter();
    let Some(first) = codings.next() else { return Ok(()) };
    let only_chunked = first.as_bytes().eq_ignore_ascii_case(b"chunked") && codings.next().is_none();
    if only_chunked && !headers.contains_key(header::CONTENT_LENGTH) { Ok(()) } else { Err(Rejection::BadAnswer) }
}

/// What this gives, and whether it had to be waited for.
async fn noting_wait<T>(future: impl Future<Output = T>) -> (T, bool) {
    let (mut future, mut waited) = (std::pin::pin!(future), false);
    let polling = poll_fn(|context| {
        let polled = future.as_mut().poll(context);
        waited |= polled.is_pending();
        polled
    });
    let output = polling.await;
    (output, waited)
}

/// Bounds the wait for the head of a response: by this time from the end of the request, or from when the upstream last took some of
/// it. While the client is to send more, its own limit holds instead.
async fn within<T>(
    (began, limit): (Instant, Duration),
    progress: &Progress,
    mut response: Pin<&mut impl Future<Output = T>>,
) -> Result<T, Rejection> {
    let mut deadline = began + limit;
    loop {
        if let Ok(response) = tokio::time::timeout_at(deadline, response.as_mut()).await {
            return Ok(response);
        }
        let since = progress.last_moved().map_or(began, |moved| moved.max(began));
        if since + limit > deadline {
            deadline = since + limit;
        } else if progress.is_waiting() {
            deadline += limit;
        } else {
            return Err(Rejection::ResponseTimeout);
        }
    }
}

/// Of the first request on a connection, to which nothing came.
fn first_failure(error: &hyper::Error) -> Rejection {
    ConnectFailure::of_late_alert(error).map_or_else(|| failure(error), Rejection::Connect)
}

fn failure(error: &hyper::Error) -> Rejection {
    tracing::debug!(target: "magicproxy::upstream", %error, "the exchange with the upstream failed");
    if error.is_user() || error.is_body_write_aborted() {
        // The client's content broke, not the upstream. The library hands on why.
        let why = error.source().and_then(|cause| cause.downcast_ref::<BodyError>());
        return why.map_or(Rejection::RequestBody, Rejection::from);
    }
    if error.is_parse() { Rejection::BadAnswer } else { Rejection::Closed }
}

fn stream_failure(error: &h2::Error) -> Rejection {
    tracing::debug!(target: "magicproxy::upstream", %error, "the exchange with the upstream failed");
    // What the library ended, the upstream has done wrong.
    if error.is_library() { Rejection::BadAnswer } else { Rejection::Closed }
}

/// Does nobody wait for the response any more?
fn is_gone(client: &watch::Receiver<()>) -> bool {
    client.has_changed().is_err()
}
