//! Pool of the connections to one origin: kept, shared, bounded, and waited for in turn.
//!
//! An idle connection is taken for one exchange, and given back when the exchange's response has
//! been read to the end. A connection that was dropped instead, has bytes left over, or is no
//! longer ready is never used again: hyper closes a connection on which unsolicited bytes arrive. A
//! request that finds every connection in use waits in the [queue]. A request that is given up
//! while waiting leaves the queue, and nothing of the request is ever sent.

mod gauges;
mod pooled;
mod queue;
mod reaper;
mod shares;
mod sockets;
mod state;
#[cfg(test)]
mod tests;

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http_body::Body as _;
use tokio::sync::oneshot;

use self::gauges::DialCount;
use self::pooled::{QueuedRequest, SharedDial};
use self::queue::SkipReason;
use self::shares::Shares;
use self::state::State;
use super::connection::{Connection, SharedConnection, UploadSlot};
use super::failure::ConnectFailure;
use super::settings::{ConnectionBounds, TransportSettings};
use crate::admission::{Holding, Payer, Resource, Shortage};
use crate::downstream::RequestBody;
use crate::metrics::UpstreamMetrics;
use crate::settings::{ApiRoot, UpstreamProtocol};
use crate::worker::WorkerId;

pub(crate) use pooled::ConnectionUse;
pub(crate) use pooled::PooledConnection;
pub(super) use pooled::{Charge, DialTurn};
pub(crate) use sockets::{CountedSockets, Socket, Sockets};

/// Largest length of small content, in bytes: small beside the smallest window that a connection
/// begins with, 64 KiB (RFC 9113 section 6.9.2).
const SMALL_BYTES: u64 = 16 * 1024;

/// Bounds of a pool.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    /// Most connections, including idle connections and connections being made.
    connections: usize,
    /// Most idle connections of one worker.
    idle: usize,
    /// Places of a connection: the most streams of a connection by HTTP/2, or one.
    places: usize,
    /// Time for which an idle connection is kept.
    keep: Duration,
    /// Longest time for which a request waits.
    wait: Duration,
}

/// Pool of the connections to one origin. Idle connections are kept by worker, because a connection
/// is woken in the worker that made the connection. Made once for each origin, and shared by all
/// workers. Opens no connection itself: a [`DialTurn`] permits the connector to open one.
#[derive(Debug)]
pub(crate) struct Pool {
    /// Authority of the origin, for the log.
    origin: String,
    bounds: Bounds,
    sockets: Arc<Sockets>,
    metrics: Arc<UpstreamMetrics>,
    /// Connections that are being made.
    dialing: AtomicUsize,
    /// Open connections by HTTP/2.
    http2: AtomicUsize,
    state: Mutex<State>,
}

/// Needs of a request: the connection's kind, and room for the content.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConnectionNeed {
    pub(crate) worker: WorkerId,
    pub(crate) kind: Kind,
    pub(crate) payload: Payload,
    /// Time of asking: now, for a request that is served at once.
    pub(crate) asked: Instant,
}

/// Size of a request's content. All streams of a connection share the window that the upstream
/// gives the connection: content that the upstream leaves unread there stops the content of all
/// other streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Payload {
    None,
    /// Content that is sent at once, where nothing stops the sending.
    Small,
    /// Content that may fill a window.
    Large,
}

impl Payload {
    /// Classifies a body by the upper bound of its length; a body of unknown length is large.
    pub(crate) fn of(body: &RequestBody) -> Self {
        match body.size_hint().upper() {
            Some(0) => Self::None,
            Some(1..=SMALL_BYTES) => Self::Small,
            Some(_) | None => Self::Large,
        }
    }
}

/// Kind of connection that serves a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Any connection.
    Any,
    /// A new connection: shared connections have refused the request more than once.
    Fresh,
    /// A new connection by HTTP/1.1. An upgraded connection is never given back, so a pooled
    /// connection is never taken for an upgrade either.
    Upgrade,
}

/// Request in the queue.
#[derive(Debug)]
struct Waiter {
    need: ConnectionNeed,
    payer: Payer,
    turn: oneshot::Sender<Turn>,
}

/// Request that asks for a turn.
struct Request<'r> {
    need: ConnectionNeed,
    payer: &'r Payer,
    /// Number of waiting requests, including this request.
    waiting: usize,
}

/// Turn of a request: a connection, or permission to dial.
#[derive(Debug)]
enum Turn {
    /// A connection that exists.
    Use(Connection, Charge),
    /// Permission to make a connection.
    Connect(DialTurn),
}

/// Reason for which a request gets no connection. Nothing of the request was sent.
#[derive(Debug)]
pub(crate) enum AcquireError {
    /// The client may have no more connections.
    Shortage(Shortage),
    /// All connections that the request may have were in use for too long.
    Busy,
    /// A new connection could not be made.
    Connect(ConnectFailure),
}

impl From<Shortage> for AcquireError {
    fn from(shortage: Shortage) -> Self {
        Self::Shortage(shortage)
    }
}

impl From<ConnectFailure> for AcquireError {
    fn from(failure: ConnectFailure) -> Self {
        Self::Connect(failure)
    }
}

/// Connection for one exchange.
#[derive(Debug)]
pub(super) enum AcquiredConnection {
    /// A connection that was used before, or is shared with other exchanges.
    Pooled(PooledConnection),
    /// A connection that is to be made.
    New(DialTurn, Holding),
}

impl Pool {
    pub(super) fn new(
        settings: &TransportSettings,
        root: &ApiRoot,
        sockets: &CountedSockets,
    ) -> Arc<Self> {
        let ConnectionBounds { workers, idle, quota, per_origin, streams } = settings.bounds;
        let connections = per_origin.min(quota.total);
        let places = match settings.protocol {
            UpstreamProtocol::Negotiated if root.is_secure() => streams,
            UpstreamProtocol::Negotiated | UpstreamProtocol::Http1 => 1,
        };
        let bounds = Bounds {
            connections,
            idle: idle.div_ceil(workers.get()),
            places,
            keep: settings.times.keep,
            wait: settings.times.queue,
        };
        let pool = Arc::new(Self {
            origin: root.authority().to_string(),
            bounds,
            sockets: Arc::clone(&sockets.sockets),
            metrics: Arc::clone(&sockets.metrics),
            dialing: AtomicUsize::new(0),
            http2: AtomicUsize::new(0),
            state: Mutex::new(State::new(workers, places, Shares::of(connections, places, &quota))),
        });
        sockets.sockets.register(&pool);
        sockets.watch(&pool);
        pool
    }

    /// Acquires a connection at the expense of the exchange's payer; waits in the queue while all
    /// connections that the request may have are in use.
    pub(super) async fn acquire(
        self: &Arc<Self>,
        need: ConnectionNeed,
        exchange: &Holding,
    ) -> Result<AcquiredConnection, AcquireError> {
        let holding = exchange.take(Resource::UpstreamConnections, 1)?;
        let turn = match self.turn_at_once(need, exchange.payer()) {
            Some(turn) => turn,
            None => Box::pin(self.wait(need, exchange)).await?,
        };
        Ok(match turn {
            Turn::Use(connection, charge) => AcquiredConnection::Pooled(PooledConnection::new(
                connection,
                charge,
                holding,
                need.worker,
            )),
            Turn::Connect(opening) => AcquiredConnection::New(opening, holding),
        })
    }

    /// Returns a turn without waiting, if there is one and no request waits: no request overtakes
    /// the queue.
    fn turn_at_once(self: &Arc<Self>, need: ConnectionNeed, payer: &Payer) -> Option<Turn> {
        let mut unfit = Vec::new();
        let turn = {
            let mut state = self.state();
            if !state.queue.is_empty() {
                return None;
            }
            self.turn(&mut state, &Request { need, payer, waiting: 1 }, &mut unfit)
        };
        drop(unfit);
        turn.ok()
    }

    /// Waits in the queue for a turn, for as long as [`Bounds::wait`].
    async fn wait(
        self: &Arc<Self>,
        need: ConnectionNeed,
        exchange: &Holding,
    ) -> Result<Turn, AcquireError> {
        let _place = exchange.take(Resource::UpstreamQueue, 1)?;
        let (sender, turn) = oneshot::channel();
        let payer = exchange.payer();
        let ticket =
            self.state().queue.push(payer, Waiter { need, payer: payer.clone(), turn: sender });
        let mut waiting = QueuedRequest { pool: Arc::clone(self), ticket, turn };
        tracing::debug!(name: "request_queued", target: "magicproxy::upstream", host = self.origin, "a request waits for a connection");
        self.dispatch();
        let served = tokio::time::timeout(self.bounds.wait, &mut waiting.turn).await;
        served.ok().and_then(Result::ok).ok_or(AcquireError::Busy)
    }

    /// Gives turns after a shared connection got room for a stream though no stream has ended.
    pub(super) fn note_room(self: &Arc<Self>) {
        let is_waited_for = !self.state().queue.is_empty();
        if is_waited_for {
            self.dispatch();
        }
    }

    /// Gives a turn to every waiting request that can be served now.
    fn dispatch(self: &Arc<Self>) {
        loop {
            let mut unfit = Vec::new();
            let served = {
                let mut state = self.state();
                let mut queue = std::mem::take(&mut state.queue);
                let waiting = queue.len();
                let served = queue.serve(|Waiter { need, payer, .. }| {
                    let need = ConnectionNeed { asked: Instant::now(), ..*need };
                    self.turn(&mut state, &Request { need, payer, waiting }, &mut unfit)
                });
                state.queue = queue;
                served
            };
            drop(unfit);
            self.sockets.make_room();
            let Some((waiter, turn)) = served else { return };
            // The request was given up at this very moment.
            if let Err(turn) = waiter.turn.send(turn) {
                self.take_back(turn);
            }
        }
    }
}

impl Pool {
    /// Finds a turn for this request: a stream of a shared connection, an idle connection, or
    /// permission to make a connection.
    fn turn(
        self: &Arc<Self>,
        state: &mut State,
        request: &Request<'_>,
        unfit: &mut Vec<Connection>,
    ) -> Result<Turn, SkipReason> {
        let Bounds { places, keep, .. } = self.bounds;
        let Request { need, payer, .. } = *request;
        if need.kind == Kind::Any
            && let Some(connection) = state.stream(need.payload, keep, unfit)
        {
            let mut charge = self.charge(state, payer, self.places_of_stream(&connection))?;
            connection.streams().begin();
            charge.upload = UploadSlot::begin(connection.streams(), need.payload);
            return Ok(Turn::Use(Connection::Http2(connection), charge));
        }
        state.shares.admit(payer, places)?;
        if need.kind == Kind::Any
            && let Some(connection) = state.take_idle(need, keep, unfit)
        {
            return Ok(Turn::Use(connection, self.charge(state, payer, places)?));
        }
        self.leave_to_connect(state, request, unfit).map(Turn::Connect)
    }

    /// Permits the request to make a connection, unless the connections being made suffice for all
    /// waiting requests, or the limit of the pool or of all sockets is reached.
    fn leave_to_connect(
        self: &Arc<Self>,
        state: &mut State,
        request: &Request<'_>,
        unfit: &mut Vec<Connection>,
    ) -> Result<DialTurn, SkipReason> {
        let Request { need, payer, waiting } = *request;
        let shareable = need.kind != Kind::Upgrade && self.bounds.places > 1;
        // Each connection that is being made will carry as many more exchanges, but no more than
        // one large upload.
        let waits_for_others =
            shareable && need.kind == Kind::Any && need.payload != Payload::Large;
        if waits_for_others && waiting <= state.connecting * state.expected.saturating_sub(1) {
            return Err(SkipReason::All);
        }
        let takes_any = need.kind == Kind::Any && (!shareable || need.payload == Payload::None);
        let none = if takes_any { SkipReason::All } else { SkipReason::Line };
        if state.open >= self.bounds.connections {
            // Only a request that can use no idle connection finds one here: any other request took
            // one before.
            unfit.extend(state.evict());
            return Err(none);
        }
        if !self.sockets.take() {
            return Err(none);
        }
        state.open += 1;
        let socket = Socket { pool: Arc::clone(self) };
        let connecting = shareable.then(|| {
            state.connecting += 1;
            SharedDial { pool: Arc::clone(self) }
        });
        let places = self.bounds.places;
        state.shares.charge(payer, places);
        let charge = Charge { pool: Arc::clone(self), payer: payer.clone(), places, upload: None };
        Ok(DialTurn { charge, socket, connecting, dialing: DialCount::begin(self) })
    }

    /// Charges places to the payer, if the payer's shares allow the places.
    fn charge(
        self: &Arc<Self>,
        state: &mut State,
        payer: &Payer,
        places: usize,
    ) -> Result<Charge, SkipReason> {
        state.shares.admit(payer, places)?;
        state.shares.charge(payer, places);
        Ok(Charge { pool: Arc::clone(self), payer: payer.clone(), places, upload: None })
    }

    /// Returns the places of one stream. A stream of a connection with fewer streams than most
    /// takes more places.
    fn places_of_stream(&self, connection: &SharedConnection) -> usize {
        self.bounds.places.div_ceil(connection.streams().limit().max(1))
    }

    /// Gives the first stream of a new connection by HTTP/2 to the request that made the
    /// connection. No other request finds the connection yet.
    fn begin_first(
        &self,
        connection: SharedConnection,
        charge: &mut Charge,
        payload: Payload,
    ) -> Connection {
        let mut state = self.state();
        connection.streams().note_pool(&charge.pool);
        connection.streams().begin();
        charge.upload = UploadSlot::begin(connection.streams(), payload);
        state.expected = connection.streams().limit();
        let places = self.places_of_stream(&connection);
        state.shares.discharge(&charge.payer, charge.places.saturating_sub(places));
        charge.places = charge.places.min(places);
        Connection::Http2(connection)
    }

    /// Shares a connection by HTTP/2, so that other requests find the connection.
    fn share(&self, connection: SharedConnection) {
        self.state().shared.push(connection);
    }

    /// Takes back a connection whose exchange has ended properly.
    fn give_back(self: &Arc<Self>, connection: Connection, mut charge: Charge, worker: WorkerId) {
        let (unfit, waiting, unwatched) = {
            let mut state = self.state();
            state.shares.discharge(&charge.payer, std::mem::take(&mut charge.places));
            let unfit = match connection {
                Connection::Http1(_) => state.keep_idle(connection, worker, self),
                Connection::Http2(connection) => {
                    connection.streams().end();
                    let is_idle = connection.streams().idle_since().is_some();
                    let unwanted = is_idle && (state.is_retired || self.sockets.call_one_in());
                    if connection.is_closed() || unwanted {
                        state.forget(&connection);
                    }
                    Some(Connection::Http2(connection))
                }
            };
            (unfit, !state.queue.is_empty(), state.begin_watch())
        };
        if unwatched {
            self.watch_idle();
        }
        drop(unfit);
        if waiting {
            self.dispatch();
        }
    }

    /// Notes that a stream was ended early: the stream's places stay charged. A connection on which
    /// streams were ended early often is no longer shared, and ends when all other streams have
    /// ended.
    fn reset(self: &Arc<Self>, connection: &SharedConnection, charge: Charge) {
        connection.streams().reset(charge);
        let is_used_up = connection.streams().are_used_up() || connection.is_closed();
        self.left(connection, is_used_up);
    }

    /// Takes back a stream that was not used, or whose request the upstream has not processed.
    fn unused(self: &Arc<Self>, connection: &SharedConnection, charge: Charge) {
        connection.streams().end();
        self.left(connection, connection.is_closed());
        drop(charge);
    }

    /// Notes the end of a stream: the connection may be idle now.
    fn left(self: &Arc<Self>, connection: &SharedConnection, is_used_up: bool) {
        let unwatched = {
            let mut state = self.state();
            let is_idle = connection.streams().idle_since().is_some();
            if is_used_up || state.is_retired && is_idle {
                state.forget(connection);
            }
            state.begin_watch()
        };
        if unwatched {
            self.watch_idle();
        }
    }

    /// Closes all idle connections, and every other connection as soon as it is idle: no new
    /// request comes, because the settings of the connections have changed. Requests that still wait
    /// or run are finished.
    pub(super) fn retire(&self) {
        let mut idle = Vec::new();
        {
            let mut state = self.state();
            state.is_retired = true;
            while let Some(connection) = state.evict() {
                idle.push(connection);
            }
        }
        drop(idle);
    }

    /// Takes back a turn whose request is gone.
    fn take_back(self: &Arc<Self>, turn: Turn) {
        match turn {
            Turn::Use(connection, charge) => self.give_back(connection, charge, WorkerId::new(0)),
            Turn::Connect(opening) => drop(opening),
        }
    }

    /// Takes an idle connection out, to be closed.
    fn evict(&self) -> Option<Connection> {
        self.state().evict()
    }

    fn forget_socket(&self) {
        self.state().open -= 1;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
