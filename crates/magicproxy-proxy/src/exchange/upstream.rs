//! An upstream as the sender sees it: requests admitted by the gate go out over pooled connections,
//! to the upstream's own origins and nowhere else.
//!
//! Redirects are passed on like other responses, and never followed. A request is sent a second
//! time only under the conditions of [resend](crate::transport::resend).

mod counted;
mod outgoing;

use std::error::Error as _;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, Method, Request, Response, StatusCode, Version, header};
use tokio::sync::watch;
use tokio::time::Instant;

use outgoing::{SendAttempt, SpareRequest};

use crate::admission::{Holding, Resource};
use crate::clock;
use crate::downstream::{Progress, RequestBody};
use crate::exchange::gate::Dispatch;
use crate::exchange::succession::Generation;
use crate::http::body::BodyError;
use crate::metrics::{ClientExchange, StatusLabel, UpstreamMetrics, VersionLabel};
use crate::rejection::Rejection;
use crate::services::token_watch::{LOOK, TokenWatch};
use crate::settings::{OriginId, Settings, UpstreamSettings};
use crate::transport::connection::{DecisionAge, SendError, StreamOptions};
use crate::transport::pool::{ConnectionNeed, ConnectionUse, Kind, Payload};
use crate::transport::resend::{Attempt, AttemptEnd, Idempotency, ResponseBytes};
use crate::transport::{AcquireError, ConnectFailure, Content, Origin, Origins, PooledConnection};
use crate::worker::WorkerId;

/// The sending side of an upstream: its origins with their pools, and the limits on waiting for a
/// response. Made anew with every configuration; the origins may go on.
#[derive(Debug)]
pub(in crate::exchange) struct Upstream {
    origins: Arc<Origins>,
    response: Duration,
    /// The longest silence inside a response's content.
    idle: Duration,
    /// Header fields of responses hidden from clients by the operator.
    dropped: Arc<[HeaderName]>,
    metrics: Arc<UpstreamMetrics>,
    generation: Generation,
}

/// The parts of an upstream that are not made of its settings alone.
pub(in crate::exchange) struct UpstreamParts {
    pub(in crate::exchange) origins: Arc<Origins>,
    pub(in crate::exchange) metrics: Arc<UpstreamMetrics>,
    pub(in crate::exchange) generation: Generation,
}

/// An upstream's response as received, less the header fields hidden by the operator. No duty has
/// been done yet for the response.
#[derive(Debug)]
pub(in crate::exchange) struct UpstreamResponse {
    pub(in crate::exchange) response: Response<Content>,
    /// The connection on which the content arrives.
    pub(in crate::exchange) lease: PooledConnection,
    /// The longest silence inside the content.
    pub(in crate::exchange) idle: Duration,
    /// Header fields hidden from clients by the operator, in trailers too.
    pub(in crate::exchange) dropped: Arc<[HeaderName]>,
    /// The exchange's place among those in progress.
    pub(in crate::exchange) place: Holding,
    /// The time at which the head came; `None` once the head waits for duties.
    pub(in crate::exchange) came: Option<std::time::Instant>,
    /// The token. No more of the content passes once it is revoked.
    pub(in crate::exchange) watch: TokenWatch,
}

/// The failure of an exchange without a response: the rejection, and how far the request had come.
#[derive(Debug)]
pub(in crate::exchange) struct FailedExchange {
    pub(in crate::exchange) rejection: Rejection,
    pub(in crate::exchange) progress: SendProgress,
}

/// The farthest point reached by a request without a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::exchange) enum SendProgress {
    /// The request was handed to no connection, and is not going to be.
    NotSent,
    /// The upstream may have seen a part of the request.
    MayBeSent,
}

/// A connection for a request, and the need stated to the pool.
pub(in crate::exchange) struct LeasedConnection {
    need: ConnectionNeed,
    lease: PooledConnection,
    /// The time at which the request can be handed to the connection. `None` after a wait, because
    /// the time is out of date.
    began: Option<Instant>,
}

impl LeasedConnection {
    /// Returns the time at which the request had its connection.
    pub(in crate::exchange) fn ready(&mut self) -> std::time::Instant {
        self.began.get_or_insert_with(Instant::now).into_std()
    }

    /// Gives the connection back: the request is not sent.
    pub(in crate::exchange) fn give_back(self) {
        self.lease.give_back();
    }
}

impl Upstream {
    /// Makes the upstream with its own origins.
    pub(in crate::exchange) fn new(
        settings: &Settings,
        upstream: &UpstreamSettings,
        parts: UpstreamParts,
    ) -> Arc<Self> {
        let UpstreamParts { origins, metrics, generation } = parts;
        let response = upstream.response_timeout.unwrap_or(settings.timeouts.response);
        let (idle, dropped) =
            (settings.timeouts.response_idle, Arc::from(upstream.drop_response_headers.as_slice()));
        Arc::new(Self { origins, response, idle, dropped, metrics, generation })
    }

    /// Returns the origins, with their connections.
    pub(in crate::exchange) fn origins(&self) -> &Arc<Origins> {
        &self.origins
    }

    /// Waits for a connection for a permitted request served by `worker`. A request given up
    /// meanwhile is not sent.
    pub(in crate::exchange) async fn lease(
        &self,
        request: &Dispatch,
        worker: WorkerId,
    ) -> Result<LeasedConnection, Rejection> {
        let kind = if request.is_upgrade() { Kind::Upgrade } else { Kind::Any };
        let need = ConnectionNeed {
            worker,
            kind,
            payload: Payload::of(request.body()),
            asked: Instant::now().into_std(),
        };
        let acquiring = self.origin(request.origin())?.acquire(need, request.exchange());
        let (lease, waited) = noting_wait(pin!(acquiring)).await;
        if waited {
            self.metrics.waited(need.asked.elapsed());
        }
        if let Err(AcquireError::Connect(failure)) = &lease {
            self.count_unconnected(request, need, failure)?;
        }
        // After a wait, the clock is read anew when the request is handed over.
        Ok(LeasedConnection {
            need,
            lease: lease?,
            began: (!waited).then(|| Instant::from_std(need.asked)),
        })
    }

    /// Puts the request on its leased connection. Nothing is sent yet.
    pub(in crate::exchange) fn connect(
        self: &Arc<Self>,
        request: Dispatch,
        leased: LeasedConnection,
    ) -> Result<ConnectedRequest, Rejection> {
        let LeasedConnection { need, lease, began } = leased;
        let number = request.origin();
        let once = may_be_left_unread(request.method(), request.body());
        let exchange = self.counted(&request)?;
        let (message, parameter, place) = request.into_parts();
        let (progress, watch) = (message.body.progress(), message.watch.clone());
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
            exchange,
            watch,
            since: need.asked,
            upstream: Arc::clone(self),
        })
    }

    fn origin(&self, origin: OriginId) -> Result<&Origin, Rejection> {
        let Some(origin) = self.origins.get(origin) else {
            return Err(Rejection::Internal);
        };
        Ok(origin)
    }
}

/// A permitted request on its connection, from before the first attempt until the head of the
/// response. The state is kept in this struct and not in the futures of the functions below, each
/// of which would make room for a copy.
pub(in crate::exchange) struct ConnectedRequest {
    upstream: Arc<Upstream>,
    /// The upstream's origin to which the request goes.
    number: OriginId,
    need: ConnectionNeed,
    /// The message of the next attempt.
    outgoing: Option<SendAttempt>,
    /// A copy for another attempt, should the connection turn out to be closed.
    spare: Option<SpareRequest>,
    /// The connection of the next attempt, or of the current attempt.
    lease: Option<PooledConnection>,
    /// The request's place among those in progress.
    place: Holding,
    /// A channel that closes once the client is gone; present for a request whose exchange must
    /// outlive the client.
    given_up: Option<watch::Receiver<()>>,
    /// Progress of the request's content.
    progress: Arc<Progress>,
    /// True if a connection of HTTP/1.1 ends with this exchange, because content may be left
    /// unread.
    once: bool,
    /// Number of times the upstream said that the request was not processed.
    unprocessed: usize,
    /// True once the request was handed to a connection.
    has_begun: bool,
    /// The time at which the request can be handed to its first connection, where known.
    began: Option<Instant>,
    /// The latest attempt, as the metrics count the attempt.
    exchange: ClientExchange,
    /// The token, looked at again until the end of the exchange.
    watch: TokenWatch,
    /// The time at which the request first asked for a connection.
    since: std::time::Instant,
}

impl ConnectedRequest {
    /// Binds the request to the other side of a channel: once that side is gone, the request is no
    /// longer sent and waits for no further connection.
    pub(in crate::exchange) fn unless(mut self, given_up: watch::Receiver<()>) -> Self {
        self.given_up = Some(given_up);
        self
    }

    /// Sends the request, and waits for the head of the response. Refuses a switch of protocols
    /// without an upgrade in the request.
    pub(in crate::exchange) async fn send(&mut self) -> Result<Response<Content>, FailedExchange> {
        let outcome = self.await_response().await;
        if let Err(rejection) = &outcome {
            self.upstream.metrics.sent_in_vain(&self.exchange, rejection.code());
        }
        match outcome {
            Ok(response)
                if response.status() == StatusCode::SWITCHING_PROTOCOLS
                    && self.need.kind != Kind::Upgrade =>
            {
                Err(self.failure(Rejection::UnexpectedUpgrade))
            }
            Ok(response) => Ok(response),
            Err(rejection) => Err(self.failure(rejection)),
        }
    }

    /// Joins the response with the connection of its content, and removes the fields hidden by the
    /// operator.
    pub(in crate::exchange) fn arrived(
        self,
        mut response: Response<Content>,
    ) -> Result<Box<UpstreamResponse>, Rejection> {
        let Self {
            upstream, lease: Some(mut lease), place, progress, once, exchange, watch, ..
        } = self
        else {
            return Err(Rejection::Internal);
        };
        let came = exchange.came();
        // After its response, an upstream may leave the rest of the request's content unread.
        if once || !progress.is_done() {
            lease.end_with_exchange();
        }
        lease.uploads(progress);
        for name in upstream.dropped.iter() {
            response.headers_mut().remove(name);
        }
        let (idle, dropped) = (upstream.idle, Arc::clone(&upstream.dropped));
        Ok(Box::new(UpstreamResponse { response, lease, idle, dropped, place, came, watch }))
    }

    fn failure(&self, rejection: Rejection) -> FailedExchange {
        let progress = if self.has_begun { SendProgress::MayBeSent } else { SendProgress::NotSent };
        FailedExchange { rejection, progress }
    }

    async fn await_response(&mut self) -> Result<Response<Content>, Rejection> {
        loop {
            if self.lease.is_none() {
                // Boxed, like everything that a warm request skips: hyper moves the future of each
                // request.
                self.lease = Some(Box::pin(self.further_lease()).await?);
            }
            let (sent, attempt) = self.hand_over()?;
            let began = self.began.take().unwrap_or_else(Instant::now);
            self.exchange.begin(began.into_std());
            let wait = ResponseWait { began, limit: self.upstream.response, watch: &self.watch };
            let sent = match wait.until(&self.progress, pin!(sent)).await {
                Ok(sent) => sent,
                Err(rejection) => {
                    self.retire_connection();
                    return Err(rejection);
                }
            };
            match sent {
                Ok(response) => {
                    check_framing(&response)?;
                    let status = StatusLabel::of(response.status().as_u16());
                    self.upstream.metrics.responded(&mut self.exchange, status);
                    return Ok(response);
                }
                Err(error) => self.failed(error, &attempt)?,
            }
        }
    }

    /// Leases another connection for another attempt, after the attempt before failed.
    async fn further_lease(&mut self) -> Result<PooledConnection, Rejection> {
        self.need.asked = Instant::now().into_std();
        let acquiring = self.upstream.origin(self.number)?.acquire(self.need, &self.place);
        let acquired = match &mut self.given_up {
            None => acquiring.await?,
            Some(given_up) => tokio::select! {
                biased;
                _ = given_up.changed() => return Err(Rejection::Closed),
                acquired = acquiring => acquired?,
            },
        };
        match self.look_again() {
            Ok(()) => Ok(acquired),
            Err(rejection) => {
                acquired.give_back();
                Err(rejection)
            }
        }
    }

    /// Checks that the request may be sent again, by the token and the configuration of now.
    fn look_again(&self) -> Result<(), Rejection> {
        self.watch.look()?;
        self.watch.ensure_not_ended(clock::now())?;
        if self.since.elapsed() >= LOOK && self.upstream.generation.is_replaced() {
            return Err(Rejection::Reconfigured);
        }
        Ok(())
    }

    /// Gives a request without a response up, unless another attempt over another connection is
    /// allowed.
    fn failed(&mut self, error: SendError, attempt: &Attempt) -> Result<(), Rejection> {
        let Some(mut lease) = self.lease.take() else { return Err(Rejection::Internal) };
        match error {
            SendError::NotSent(request) => {
                // A new HTTP/2 connection without room for a request has refused before taking
                // anything.
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
                    // A server that takes few requests of each connection may refuse the request on
                    // shared connections again and again. A fresh connection is used by nobody
                    // else.
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

    /// Hands the request to its connection. The connection is kept until the response has come.
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
        // What waits for a stream from now on is sent by what is known now.
        if let Err(refused) = self.watch.look_if_changed() {
            if let Some(lease) = self.lease.take() {
                lease.discard();
            }
            return Err(refused.into());
        }
        let began = *self.began.get_or_insert_with(Instant::now);
        self.has_begun = true;
        let outgoing = self.outgoing.take().or_else(|| self.spare.take().map(SendAttempt::from));
        let (Some(outgoing), Some(lease)) = (outgoing, &mut self.lease) else {
            return Err(Rejection::Internal);
        };
        let twice = Idempotency::of(&outgoing.method, &outgoing.body);
        let attempt = Attempt { pooled: lease.pooled, twice, unprocessed: self.unprocessed };
        let upload = lease.take_upload();
        let Some(connection) = lease.connection() else { return Err(Rejection::Internal) };
        if AttemptEnd::NoResponse.allows(&attempt) {
            self.spare = Some(outgoing.spare());
        } else if attempt.pooled == ConnectionUse::Yes {
            connection.look_first();
        }
        let version = connection.version();
        self.exchange.goes_by(VersionLabel::of(version));
        let request = outgoing.into_request(self.upstream.origin(self.number)?.root(), version)?;
        // A stream may have to be begun again: the content sent so far is kept, at the request's
        // expense.
        let keeps = version == Version::HTTP_2 && !request.body().is_empty();
        let memory = keeps.then(|| self.place.take(Resource::BufferedBytes, 0)).transpose()?;
        let decision = (version == Version::HTTP_2)
            .then(|| DecisionAge::new(self.watch.clone(), began.into_std()));
        let sending = StreamOptions { memory, upload, given_up: self.given_up.clone(), decision };
        let sent = connection.send(request, sending);
        lease.share();
        Ok((sent, attempt))
    }

    /// Keeps a request returned by a connection for another attempt, or gives the request up with
    /// the reason `otherwise`.
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

    /// Takes the request's connection out of use for other requests.
    fn retire_connection(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.retire();
        }
    }
}

/// True if servers may leave the request's content unread, because the method gives content no
/// meaning, or none known to the server (RFC 9110 section 9.3.1). Defends against request
/// smuggling: such a server reads the content as the next request on the connection, and another
/// client's request as a part of that content.
fn may_be_left_unread(method: &Method, body: &RequestBody) -> bool {
    !body.is_empty() && !matches!(*method, Method::POST | Method::PUT | Method::PATCH)
}

/// Refuses a response with two statements of its length, or in a transfer coding that nobody asked
/// for (RFC 9112 section 6.3): hyper would read on to the end of the connection.
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
        Err(Rejection::BadResponse)
    }
}

/// Awaits a future. Returns its output, and true if the future was not ready at once.
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

/// The wait for the head of a response.
struct ResponseWait<'r> {
    began: Instant,
    limit: Duration,
    watch: &'r TokenWatch,
}

impl ResponseWait<'_> {
    /// Bounds the wait. The limit counts from the end of the request, or from the time when the
    /// upstream last took a part of the content. While the client is to send more, the client's own
    /// limit holds instead. While the upstream is to take more, the token is looked at: nobody else
    /// looks at it where the upstream takes nothing.
    async fn until<T>(
        self,
        progress: &Progress,
        mut response: Pin<&mut impl Future<Output = T>>,
    ) -> Result<T, Rejection> {
        let Self { began, limit, watch } = self;
        let mut deadline = began + limit;
        loop {
            let look =
                if progress.is_done() { deadline } else { deadline.min(Instant::now() + LOOK) };
            if let Ok(response) = tokio::time::timeout_at(look, response.as_mut()).await {
                return Ok(response);
            }
            if look < deadline {
                watch.look()?;
                continue;
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
}

/// Names the failure of the first request on a connection from which no byte came: perhaps a late
/// TLS alert.
fn first_failure(error: &hyper::Error) -> Rejection {
    ConnectFailure::of_late_alert(error).map_or_else(|| failure(error), Rejection::Connect)
}

fn failure(error: &hyper::Error) -> Rejection {
    tracing::debug!(name: "exchange_failed", target: "magicproxy::upstream", %error, "the exchange with the upstream failed");
    if error.is_user() || error.is_body_write_aborted() {
        // The client's content broke off; the upstream did nothing wrong. The library hands the
        // cause on.
        let why = error.source().and_then(|cause| cause.downcast_ref::<BodyError>());
        return why.map_or(Rejection::RequestBody, Rejection::from);
    }
    if error.is_parse() { Rejection::BadResponse } else { Rejection::Closed }
}

fn stream_failure(error: &h2::Error) -> Rejection {
    tracing::debug!(name: "exchange_failed", target: "magicproxy::upstream", %error, "the exchange with the upstream failed");
    // A stream ended by the library means a fault of the upstream.
    if error.is_library() { Rejection::BadResponse } else { Rejection::Closed }
}

/// True if nobody waits for the response any more.
fn is_gone(client: &watch::Receiver<()>) -> bool {
    client.has_changed().is_err()
}
