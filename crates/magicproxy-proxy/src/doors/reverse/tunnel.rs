//! The tunnel of a WebSocket. The bytes inside are the affair of client and upstream.
//!
//! A tunnel counts as an exchange and as a connection until its end: when either side ends, when
//! the token expires or is revoked, after a time without a byte, at the deadline of exchanges, and
//! when the proxy stops: at once, or shortly before the end of the drain timeout where another
//! process serves on. If the proxy ends the tunnel, or the upstream has gone without a Close
//! frame, the proxy sends a Close frame, between two frames of the sender.

mod direction;
mod frames;

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::{HeaderValue, Response, header};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt as _;

use crate::clock;
use crate::downstream::{Connection, StopSignal, stop_times};
use crate::exchange::response::{TunnelEnds, UpgradedResponse};
use crate::exchange::served::TunnelConsent;
use crate::observe::access_log::AccessRecord;
use crate::observe::ongoing::OngoingRequest;
use crate::response::body::ResponseBody;
use crate::services::revocations::Revocations;
use crate::services::token_watch::{LOOK, TokenWatch};
use direction::{Direction, DirectionEnd};
use frames::{CloseCode, Sender};

/// The time for both sides to close once a side has ended, or the proxy has closed both.
const CLOSING: Duration = Duration::from_secs(2);

/// The client's side of a WebSocket, made by the reverse door before the upgrade.
pub(super) struct Tunnel {
    on_upgrade: OnUpgrade,
    bounds: TunnelBounds,
    stopped: StopSignal,
}

/// The bounds of every tunnel.
pub(super) struct TunnelBounds {
    pub(super) revocations: Arc<Revocations>,
    /// The configuration's consent to tunnels to the upstream.
    pub(super) consent: Arc<TunnelConsent>,
    /// The longest time without a byte in either direction.
    pub(super) idle: Duration,
}

/// The bounds of a particular tunnel.
struct Bounds {
    idle: Duration,
    consent: Arc<TunnelConsent>,
    /// The token that opened the tunnel.
    watch: TokenWatch,
    /// The deadline of the exchange that began with the upgrade.
    end: Option<Instant>,
    /// The time to close, once the proxy stops.
    stop: Option<Instant>,
}

impl Tunnel {
    /// Begins the tunnel of a connection, before the client is told of the upgrade.
    pub(super) fn new(
        on_upgrade: OnUpgrade,
        connection: &Arc<Connection>,
        bounds: TunnelBounds,
    ) -> Self {
        connection.begin_tunnel();
        Self { on_upgrade, bounds, stopped: connection.stopped() }
    }
}

/// Passes the upstream's consent down, and joins the two connections.
pub(super) fn open(switched: UpgradedResponse, tunnel: Tunnel) -> Response<ResponseBody> {
    let TunnelEnds { mut head, upstream, token, end, held } = switched.into_tunnel();
    head.headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    head.headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    let Tunnel { on_upgrade, bounds, stopped } = tunnel;
    let TunnelBounds { revocations, consent, idle } = bounds;
    let watch = TokenWatch::new(&revocations, &token);
    let mut bounds = Bounds { idle, consent, watch, end, stop: None };
    let serve = move |mut request: OngoingRequest| {
        tokio::spawn(async move {
            match tokio::join!(on_upgrade, upstream) {
                (Ok(downstream), Ok(upstream)) => {
                    TunnelStreams::new(downstream, upstream)
                        .run(&mut bounds, stopped, &mut request.record)
                        .await
                }
                (Err(_), _) => request.record.tunnel([0; 2], TunnelEnd::ClientGone.name()),
                (Ok(_), Err(_)) => request.record.tunnel([0; 2], TunnelEnd::UpstreamGone.name()),
            }
            // Until here neither connection counts as idle.
            drop((held, request));
        });
    };
    Response::from_parts(head, ResponseBody::followed_by(serve))
}

/// The reason for the end of a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TunnelEnd {
    /// Either side sent a Close frame.
    Closed,
    ClientGone,
    UpstreamGone,
    Idle,
    TooLong,
    TokenExpired,
    TokenRevoked,
    /// The configuration was changed, and no longer lets tunnels to the upstream pass.
    Reconfigured,
    Stopped,
}

impl TunnelEnd {
    /// Returns the name of the reason in the access log.
    fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::ClientGone => "client_gone",
            Self::UpstreamGone => "upstream_gone",
            Self::Idle => "idle",
            Self::TooLong => "total",
            Self::TokenExpired => "token_expired",
            Self::TokenRevoked => "token_revoked",
            Self::Reconfigured => "reconfigured",
            Self::Stopped => "stopped",
        }
    }

    /// Returns code and reason of the proxy's Close frame. Clients connect again after `GoingAway`,
    /// and not after `PolicyViolation`.
    fn close(self) -> (CloseCode, &'static str) {
        match self {
            Self::Closed | Self::ClientGone | Self::UpstreamGone => {
                (CloseCode::GoingAway, "the other side has gone")
            }
            Self::Idle => (CloseCode::GoingAway, "no byte came for too long"),
            Self::TooLong => (CloseCode::GoingAway, "it was open for as long as it may be"),
            Self::Stopped => (CloseCode::GoingAway, "the proxy stops"),
            Self::TokenExpired => (CloseCode::PolicyViolation, "the token has expired"),
            Self::TokenRevoked => (CloseCode::PolicyViolation, "the token has been revoked"),
            Self::Reconfigured => (
                CloseCode::PolicyViolation,
                "the proxy lets no WebSocket to this API pass any more",
            ),
        }
    }
}

impl Bounds {
    /// Returns the reason for which the tunnel must end now, if any.
    fn reached(&self, last_moved: Instant) -> Option<TunnelEnd> {
        if clock::now() >= self.watch.token().refused_from() {
            return Some(TunnelEnd::TokenExpired);
        }
        if self.watch.look().is_err() {
            return Some(TunnelEnd::TokenRevoked);
        }
        if self.consent.is_withdrawn() {
            return Some(TunnelEnd::Reconfigured);
        }
        if self.end.is_some_and(|end| end <= Instant::now()) {
            return Some(TunnelEnd::TooLong);
        }
        (last_moved.elapsed() >= self.idle).then_some(TunnelEnd::Idle)
    }

    fn next_look(&self, last_moved: Instant) -> Instant {
        let next = (Instant::now() + LOOK).min(last_moved + self.idle);
        // A tunnel that is closing already has no need to wake for the stop again.
        let stop = self.stop.filter(|stop| *stop > Instant::now());
        [self.end, stop].into_iter().flatten().fold(next, Instant::min)
    }
}

/// Both sides of a tunnel, and the bytes on their way between the sides.
struct TunnelStreams {
    client: TokioIo<Upgraded>,
    upstream: TokioIo<Upgraded>,
    up: Direction,
    down: Direction,
    up_has_ended: bool,
    down_has_ended: bool,
    end: Option<TunnelEnd>,
    /// The time at which the connections are closed, whatever is still on its way.
    deadline: Option<Instant>,
}

impl TunnelStreams {
    fn new(client: Upgraded, upstream: Upgraded) -> Self {
        let (code, reason) = TunnelEnd::UpstreamGone.close();
        Self {
            client: TokioIo::new(client),
            upstream: TokioIo::new(upstream),
            up: Direction::of(Sender::Client),
            down: Direction::of(Sender::Server).tells_at_end(code, reason),
            up_has_ended: false,
            down_has_ended: false,
            end: None,
            deadline: None,
        }
    }

    /// Passes frames in both directions until the tunnel ends, and records the reason.
    async fn run(
        mut self,
        bounds: &mut Bounds,
        mut stopped: StopSignal,
        record: &mut AccessRecord,
    ) {
        loop {
            let look = self.deadline.unwrap_or_else(|| bounds.next_look(self.last_moved()));
            tokio::select! {
                biased;
                () = poll_fn(|context| self.poll(context)) => {}
                _ = stopped.changed(), if bounds.stop.is_none() => {
                    bounds.stop = Some(stop_times(&stopped).tunnels);
                    self.close_if_stopped(bounds, record);
                }
                () = tokio::time::sleep_until(look.into()) => {
                    if self.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                        break;
                    }
                    if self.end.is_some() && self.up.is_closed() && self.down.is_closed() {
                        self.closes_soon();
                    }
                    if let Some(end) = bounds.reached(self.last_moved()).filter(|_| self.end.is_none()) {
                        self.close(end);
                    }
                    self.close_if_stopped(bounds, record);
                }
            }
            if self.is_over() {
                break;
            }
        }
        if self.closes_itself() {
            let shut_down =
                async { tokio::join!(self.client.shutdown(), self.upstream.shutdown()) };
            let _ = tokio::time::timeout(LOOK, shut_down).await;
        }
        self.record_in(record);
    }

    /// Closes both sides if the proxy stops and the tunnel has no more time.
    fn close_if_stopped(&mut self, bounds: &Bounds, record: &mut AccessRecord) {
        let is_over = bounds.stop.is_some_and(|stop| stop <= Instant::now());
        if is_over && self.end.is_none() {
            self.close(TunnelEnd::Stopped);
            // The process may end before this task: the end is recorded now.
            self.record_in(record);
        }
    }

    fn record_in(&self, record: &mut AccessRecord) {
        record.tunnel(
            [self.up.passed(), self.down.passed()],
            self.end.unwrap_or(TunnelEnd::Closed).name(),
        );
    }

    /// Ready once a direction has ended, or both sides have closed.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let mut ready = false;
        if !self.down_has_ended
            && let Poll::Ready(end) = self.down.poll(context, &mut self.upstream, &mut self.client)
        {
            (self.down_has_ended, ready) = (true, true);
            self.gone(if end == DirectionEnd::Source {
                TunnelEnd::UpstreamGone
            } else {
                TunnelEnd::ClientGone
            });
        }
        if !self.up_has_ended
            && let Poll::Ready(end) = self.up.poll(context, &mut self.client, &mut self.upstream)
        {
            (self.up_has_ended, ready) = (true, true);
            self.gone(if end == DirectionEnd::Source {
                TunnelEnd::ClientGone
            } else {
                TunnelEnd::UpstreamGone
            });
        }
        if self.deadline.is_none() && self.up.has_closed() && self.down.has_closed() {
            self.ends(TunnelEnd::Closed);
            ready = true;
        }
        if ready || self.is_over() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Notes the end of a side.
    fn gone(&mut self, who: TunnelEnd) {
        let closed = self.up.has_closed() || self.down.has_closed();
        self.ends(if closed { TunnelEnd::Closed } else { who });
        if who == TunnelEnd::UpstreamGone {
            let (code, reason) = who.close();
            self.down.close(code, reason);
        }
    }

    /// Closes both sides on the proxy's behalf.
    fn close(&mut self, end: TunnelEnd) {
        let (code, reason) = end.close();
        for direction in [&mut self.up, &mut self.down] {
            match end {
                // No byte passes without a live token, not even the rest of a frame.
                TunnelEnd::TokenExpired | TunnelEnd::TokenRevoked => direction.stop(code, reason),
                _ => direction.close(code, reason),
            }
        }
        self.ends(end);
    }

    fn ends(&mut self, end: TunnelEnd) {
        self.end.get_or_insert(end);
        // A frame on its way when the proxy stops may end, within the time left to the proxy.
        if end != TunnelEnd::Stopped {
            self.closes_soon();
        }
    }

    fn closes_soon(&mut self) {
        self.deadline.get_or_insert_with(|| Instant::now() + CLOSING);
    }

    /// True if each side has both received and sent a Close frame.
    fn both_have_closed(&self) -> bool {
        let directions = [&self.up, &self.down];
        directions.iter().all(|direction| direction.is_closed() && direction.has_closed())
    }

    /// True if nothing is left to wait for. Where the sides have closed by themselves, the upstream
    /// ends its connection first (RFC 6455 section 7.1.1).
    fn is_over(&self) -> bool {
        let ended = self.up_has_ended && self.down_has_ended;
        ended
            || self.end == Some(TunnelEnd::ClientGone) && self.up_has_ended
            || self.both_have_closed() && self.closes_itself()
    }

    fn closes_itself(&self) -> bool {
        !matches!(
            self.end,
            None | Some(TunnelEnd::Closed | TunnelEnd::ClientGone | TunnelEnd::UpstreamGone)
        )
    }

    fn last_moved(&self) -> Instant {
        self.up.last_moved().max(self.down.last_moved())
    }
}
