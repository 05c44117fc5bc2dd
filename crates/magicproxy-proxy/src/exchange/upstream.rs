//! The upstream: sends what the gate let through, over pooled connections, and nowhere else.
//!
//! Redirects are answers like others and never followed. A request is sent twice only as [resend](crate::transport::resend) says.

mod outgoing;

use std::error::Error as _;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, Method, Request, Response, StatusCode, Version, header};
use tokio::sync::watch;
use tokio::time::Instant;

use outgoing::{SendAttempt, Spare};

use crate::admission::{Holding, Resource};
use crate::downstream::{Progress, RequestBody};
use crate::exchange::gate::Dispatch;
use crate::http::body::BodyError;
use crate::rejection::Rejection;
use crate::settings::{OriginId, Settings, UpstreamSettings};
use crate::transport::connection::{SendError, StreamOptions};
use crate::transport::pool::{ConnectionNeed, ConnectionUse, Kind, Payload};
use crate::transport::resend::{Attempt, AttemptEnd, Idempotency, ResponseBytes};
use crate::transport::{ConnectFailure, Content, Origin, PooledConnection, Sockets};
use crate::worker::WorkerId;

/// One upstream: its origins, and how long it is waited for.
#[derive(Debug)]
pub(in crate::exchange) struct Upstream {
    origins: Vec<Origin>,
    response: Duration,
    /// How long a response may be silent.
    idle: Duration,
    /// What the operator lets no client see.
    dropped: Arc<[HeaderName]>,
}

/// An upstream's response as it came, less the fields that the operator lets no client see. Nothing was done for it yet.
#[derive(Debug)]
pub(in crate::exchange) struct UpstreamResponse {
    pub(in crate::exchange) response: Response<Content>,
    /// The connection that its content comes on.
    pub(in crate::exchange) lease: PooledConnection,
    /// How long the content may be silent.
    pub(in crate::exchange) idle: Duration,
    /// What the operator lets no client see.
    pub(in crate::exchange) dropped: Arc<[HeaderName]>,
    /// The exchange's place among those in progress.
    pub(in crate::exchange) place: Holding,
}

/// Why no response came, and how far its request had come by then.
#[derive(Debug)]
pub(in crate::exchange) struct FailedExchange {
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

/// A connection for one request, and what it was asked for.
pub(in crate::exchange) struct Leased {
    need: ConnectionNeed,
    lease: PooledConnection,
    /// When the request can be handed to it, where that is known.
    began: Option<Instant>,
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
        let (idle, dropped) =
            (settings.timeouts.response_idle, Arc::from(upstream.drop_response_headers.as_slice()));
        Ok(Arc::new(Self { origins, response, idle, dropped }))
    }

    /// Waits for a connection for a permitted request, which this worker serves. A request that is given up meanwhile is not sent.
    pub(in crate::exchange) async fn lease(
        &self,
        request: &Dispatch,
        worker: WorkerId,
    ) -> Result<Leased, Rejection> {
        let kind = if request.is_upgrade() { Kind::Upgrade } else { Kind::Any };
        let need = ConnectionNeed {
            worker,
            kind,
            payload: Payload::of(request.body()),
            asked: Instant::now().into_std(),
        };
        let acquiring = self.origin(request.origin())?.acquire(need, request.exchange());
        let (lease, waited) = noting_wait(pin!(acquiring)).await;
        // Who had to wait looks at the clock again.
        Ok(Leased { need, lease: lease?, began: (!waited).then(|| Instant::from_std(need.asked)) })
    }

    /// The request on its connection.
    pub(in crate::exchange) fn connect(
        self: &Arc<Self>,
        request: Dispatch,
        leased: Leased,
    ) -> Result<ConnectedRequest, Rejection> {
        let Leased { need, lease, began } = leased;
        let number = request.origin();
        let once = may_be_left_unread(request.method(), request.body());
        let (message, parameter, place) = request.into_parts();
        let progress = message.body.progress();
        Ok(ConnectedRequest {
            number,
            need,
            outgoing: Some(SendAttempt::new(
                message,
                parameter.as_ref(),
                self.origin(number)?.root(),
            )?),
            spare: None,
            lease: Some(lease),
            place,
            given_up: None,
            progress,
            once,
            unprocessed: 0,
            has_begun: false,
            began,
            upstream: Arc::clone(self),
        })
    }

    fn origin(&self, origin: OriginId) -> Result<&Origin, Rejection> {
        let Some(origin) = self.origins.get(origin.place()) else {
            return Err(Rejection::Internal);
        };
        Ok(origin)
    }
}

/// A permitted request on the connection that it goes out on. It is kept here and not in the futures below, which would each make
/// room for it.
pub(in crate::exchange) struct ConnectedRequest {
    upstream: Arc<Upstream>,
    /// Which of the upstream's origins it goes to.
    number: OriginId,
    need: ConnectionNeed,
    /// What is to be sent next.
    outgoing: Option<SendAttempt>,
    /// What is to be sent once more, should the connection turn out to be no more.
    spare: Option<Spare>,
    /// What it is sent on next, or was sent on.
    lease: Option<PooledConnection>,
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
    pub(in crate::exchange) async fn send(&mut self) -> Result<Response<Content>, FailedExchange> {
        match self.await_response().await {
            Ok(response)
                if response.status() == StatusCode::SWITCHING_PROTOCOLS
                    && self.need.kind != Kind::Upgrade =>
            {
                Err(self.unanswered(Rejection::UnexpectedUpgrade))
            }
            Ok(response) => Ok(response),
            Err(rejection) => Err(self.unanswered(rejection)),
        }
    }

    /// The response that it got, with the connection that its content comes on.
    pub(in crate::exchange) fn arrived(
        self,
        mut response: Response<Content>,
    ) -> Result<Box<UpstreamResponse>, Rejection> {
        let Self { upstream, lease: Some(mut lease), place, progress, once, .. } = self else {
            return Err(Rejection::Internal);
        };
        // An upstream that has answered may leave unread what is yet to come.
        if once || !progress.is_done() {
            lease.end_with_exchange();
        }
        lease.uploads(progress);
        for name in upstream.dropped.iter() {
            response.headers_mut().remove(name);
        }
        let (idle, dropped) = (upstream.idle, Arc::clone(&upstream.dropped));
        Ok(Box::new(UpstreamResponse { response, lease, idle, dropped, place }))
    }

    fn unanswered(&self, rejection: Rejection) -> FailedExchange {
        let progress = if self.has_begun { SendProgress::MayBeSent } else { SendProgress::NotSent };
        FailedExchange { rejection, progress }
    }

    async fn await_response(&mut self) -> Result<Response<Content>, Rejection> {
        loop {
            if self.lease.is_none() {
                // Boxed, like everything that a warm request does not do: hyper moves the future of each request.
                self.lease = Some(Box::pin(self.further_lease()).await?);
            }
            let (sent, attempt) = self.hand_over()?;
            let began = self.began.take().unwrap_or_else(Instant::now);
            let Some(sent) =
                within((began, self.upstream.response), &self.progress, pin!(sent)).await
            else {
                self.retire_connection();
                return Err(Rejection::ResponseTimeout);
            };
            match sent {
                Ok(response) => return check_framing(&response).map(|()| response),
                Err(error) => self.failed(error, &attempt)?,
            }
        }
    }

    /// Another connection, where the one before was no more.
    async fn further_lease(&mut self) -> Result<PooledConnection, Rejection> {
        self.need.asked = Instant::now().into_std();
        let acquiring = self.upstream.origin(self.number)?.acquire(self.need, &self.place);
        let Some(given_up) = &mut self.given_up else { return Ok(acquiring.await?) };
        tokio::select! {
            biased;
            _ = given_up.changed() => Err(Rejection::Closed),
            acquired = acquiring => Ok(acquired?),
        }
    }

    /// Gives the request up that got no response, unless it may be sent once more, over another connection.
    fn failed(&mut self, error: SendError, attempt: &Attempt) -> Result<(), Rejection> {
        let Some(mut lease) = self.lease.take() else { return Err(Rejection::Internal) };
        match error {
            SendError::NotSent(request) => {
                // A new connection of HTTP/2 has said that it takes nothing before it took anything.
                let is_refused = lease.pooled == ConnectionUse::No
                    && lease.connection().is_some_and(|it| it.version() == Version::HTTP_2);
                lease.discard();
                let ending =
                    if is_refused { AttemptEnd::Unprocessed } else { AttemptEnd::Unwritten };
                self.unprocessed += usize::from(is_refused);
                self.again(Some(request), ending.allows(attempt), Rejection::Closed)
            }
            SendError::Unprocessed(request) => {
                lease.discard();
                self.unprocessed += 1;
                if self.unprocessed > 1 && self.need.kind == Kind::Any {
                    // A server that takes few requests of each connection may refuse it on one after another that others use, too.
                    self.need.kind = Kind::Fresh;
                }
                self.again(request, AttemptEnd::Unprocessed.allows(attempt), Rejection::Unprocessed)
            }
            SendError::Content(error) => Err(error.into()),
            SendError::Stream(error, heard)
                if AttemptEnd::of_stream(&error, heard).allows(attempt) =>
            {
                Ok(())
            }
            SendError::Stream(error, _) => Err(stream_failure(&error)),
            SendError::Failed(error) => {
                let heard = lease.connection().ok_or(Rejection::Internal)?.heard();
                if AttemptEnd::of(&error, heard).allows(attempt) {
                    Ok(())
                } else if attempt.pooled == ConnectionUse::No && heard == ResponseBytes::Nothing {
                    Err(first_failure(&error))
                } else {
                    Err(failure(&error))
                }
            }
        }
    }

    /// Hands the request over to its connection, which is kept until the response has come.
    #[inline]
    fn hand_over(
        &mut self,
    ) -> Result<
        (impl Future<Output = Result<Response<Content>, SendError>> + use<>, Attempt),
        Rejection,
    > {
        if self.given_up.as_ref().is_some_and(is_gone) {
            if let Some(lease) = self.lease.take() {
                lease.discard();
            }
            return Err(Rejection::Closed);
        }
        self.has_begun = true;
        let outgoing = self.outgoing.take().or_else(|| self.spare.take().map(SendAttempt::from));
        let (Some(outgoing), Some(lease)) = (outgoing, &mut self.lease) else {
            return Err(Rejection::Internal);
        };
        let twice = Idempotency::of(&outgoing.method, &outgoing.body);
        let attempt = Attempt { pooled: lease.pooled, twice, unprocessed: self.unprocessed };
        let upload = lease.take_upload();
        let Some(connection) = lease.connection() else { return Err(Rejection::Internal) };
        if AttemptEnd::Unanswered.allows(&attempt) {
            self.spare = Some(outgoing.spare());
        } else if attempt.pooled == ConnectionUse::Yes {
            connection.look_first();
        }
        let version = connection.version();
        let request = outgoing.into_request(self.upstream.origin(self.number)?.root(), version)?;
        // A stream may have to be begun again.
        let keeps = version == Version::HTTP_2 && !request.body().is_empty();
        let memory = keeps.then(|| self.place.take(Resource::BufferedBytes, 0)).transpose()?;
        let sending = StreamOptions { memory, upload, given_up: self.given_up.clone() };
        let sent = connection.send(request, sending);
        lease.share();
        Ok((sent, attempt))
    }

    /// Keeps a request that came back for another connection, or gives it up for this reason.
    fn again(
        &mut self,
        request: Option<Box<Request<RequestBody>>>,
        is_allowed: bool,
        otherwise: Rejection,
    ) -> Result<(), Rejection> {
        let request = request.filter(|_| is_allowed).ok_or(otherwise)?;
        self.outgoing = Some(SendAttempt::from_request(*request));
        Ok(())
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

/// A response whose length is given in two ways, or in a coding that nobody asked for, is no response (RFC 9112 section 6.3):
/// hyper would read on to the end of the connection.
fn check_framing(response: &Response<Content>) -> Result<(), Rejection> {
    let headers = response.headers();
    if !headers.contains_key(header::TRANSFER_ENCODING) {
        return Ok(());
    }
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).into_iter();
    let Some(first) = codings.next() else { return Ok(()) };
    let only_chunked =
        first.as_bytes().eq_ignore_ascii_case(b"chunked") && codings.next().is_none();
    if only_chunked && !headers.contains_key(header::CONTENT_LENGTH) {
        Ok(())
    } else {
        Err(Rejection::BadAnswer)
    }
}

/// What this gives, and whether it had to be waited for.
async fn noting_wait<T>(mut future: Pin<&mut impl Future<Output = T>>) -> (T, bool) {
    let mut waited = false;
    let polling = poll_fn(|context| {
        let polled = future.as_mut().poll(context);
        waited |= polled.is_pending();
        polled
    });
    let output = polling.await;
    (output, waited)
}

/// Bounds the wait for the head of a response: by this time from the end of the request, or from when the upstream last took some of
/// it. While the client is to send more, its own limit holds instead. `None`: it has passed.
async fn within<T>(
    (began, limit): (Instant, Duration),
    progress: &Progress,
    mut response: Pin<&mut impl Future<Output = T>>,
) -> Option<T> {
    let mut deadline = began + limit;
    loop {
        if let Ok(response) = tokio::time::timeout_at(deadline, response.as_mut()).await {
            return Some(response);
        }
        let since = progress.last_moved().map_or(began, |moved| moved.max(began));
        if since + limit > deadline {
            deadline = since + limit;
        } else if progress.is_waiting() {
            deadline += limit;
        } else {
            return None;
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
