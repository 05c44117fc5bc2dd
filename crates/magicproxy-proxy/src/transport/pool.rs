//! The connections to one origin: kept, shared, bounded, and waited for in turn.
//!
//! An idle connection is taken for one exchange and given back when its response has been read to the end. One that was dropped
//! instead, has bytes left over, or is no longer ready is never used again: hyper closes a connection on which bytes come that
//! nobody asked for. A request that finds every connection in use waits in the [queue]; one that is given up while it waits
//! leaves the queue, and nothing of it is ever sent.

mod pooled;
mod queue;
mod reaper;
mod shares;
mod sockets;
mod state;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http_body::Body as _;
use tokio::sync::oneshot;

use self::pooled::{QueuedRequest, SharedDial};
use self::queue::SkipReason;
use self::shares::Shares;
use self::state::State;
use super::connection::{Connection, SharedConnection, UploadSlot};
use super::failure::ConnectFailure;
use crate::admission::{Holding, Payer, Resource, Shortage};
use crate::downstream::RequestBody;
use crate::settings::{ApiRoot, Limits, Settings, UpstreamProtocol};
use crate::worker::WorkerId;

pub(crate) use pooled::ConnectionUse;
pub(crate) use pooled::PooledConnection;
pub(super) use pooled::{Charge, DialTurn};
pub(crate) use sockets::{Socket, Sockets};

/// Content up to here is small beside the smallest window that a connection begins with, 64 KiB (RFC 9113 section 6.9.2).
const SMALL_BYTES: u64 = 16 * 1024;

/// How a pool is bounded.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    /// Connections, idle ones and those being made among them.
    connections: usize,
    /// Idle connections of one worker.
    idle: usize,
    /// Places of a connection: as many streams as it may have at most, or one.
    places: usize,
    /// How long an idle connection is kept.
    keep: Duration,
    /// How long a request waits.
    wait: Duration,
}

/// The pool of one origin. A connection is woken where it was made, so that idle ones are kept by worker.
#[derive(Debug)]
pub(crate) struct Pool {
    /// Where the connections lead, for the log.
    origin: String,
    bounds: Bounds,
    sockets: Arc<Sockets>,
    state: Mutex<State>,
}

/// What a request needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConnectionNeed {
    pub(crate) worker: WorkerId,
    pub(crate) kind: Kind,
    pub(crate) payload: Payload,
    /// Now, for a request that is served at once.
    pub(crate) asked: Instant,
}

/// How much content a request brings. All streams of a connection share the window that the upstream gives the connection: content
/// that the upstream leaves there stops that of all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Payload {
    None,
    /// It is sent at once, where nothing stops it.
    Small,
    /// It may fill a window.
    Large,
}

impl Payload {
    pub(crate) fn of(body: &RequestBody) -> Self {
        match body.size_hint().upper() {
            Some(0) => Self::None,
            Some(1..=SMALL_BYTES) => Self::Small,
            Some(_) | None => Self::Large,
        }
    }
}

/// Which connections serve a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Any.
    Any,
    /// A new one: those that others use too have refused it more than once.
    Fresh,
    /// A new one by HTTP/1.1: an upgraded connection is never given back, so it is never taken from the pool either.
    Upgrade,
}

/// A request in the queue.
#[derive(Debug)]
struct Waiter {
    need: ConnectionNeed,
    payer: Payer,
    turn: oneshot::Sender<Turn>,
}

/// A request that asks for its turn.
struct Request<'r> {
    need: ConnectionNeed,
    payer: &'r Payer,
    /// How many wait, this one among them.
    waiting: usize,
}

/// What a request gets when it is its turn.
#[derive(Debug)]
enum Turn {
    /// A connection that is there.
    Use(Connection, Charge),
    /// Leave to make one.
    Connect(DialTurn),
}

/// Why there is no connection for a request.
#[derive(Debug)]
pub(crate) enum AcquireError {
    /// Its client may have no more.
    Shortage(Shortage),
    /// All were in use for too long that it may have.
    Busy,
    /// A new one could not be made.
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

/// A connection for one exchange.
#[derive(Debug)]
pub(super) enum AcquiredConnection {
    /// One that was used before, or is used by others too.
    Pooled(PooledConnection),
    /// One that is to be made.
    New(DialTurn, Holding),
}

impl Pool {
    pub(super) fn new(
        settings: &Settings,
        protocol: UpstreamProtocol,
        root: &ApiRoot,
        sockets: &Arc<Sockets>,
    ) -> Arc<Self> {
        let Limits { workers, idle_upstream_connections, upstream_connections: quota, .. } =
            settings.limits;
        let connections = settings.limits.upstream_connections_per_origin.min(quota.total);
        let places = match protocol {
            UpstreamProtocol::Negotiated if root.is_secure() => {
                settings.limits.upstream_streams_per_connection
            }
            UpstreamProtocol::Negotiated | UpstreamProtocol::Http1 => 1,
        };
        let bounds = Bounds {
            connections,
            idle: idle_upstream_connections.div_ceil(workers.get()),
            places,
            keep: settings.timeouts.keep_alive,
            wait: settings.timeouts.upstream_queue,
        };
        let pool = Arc::new(Self {
            origin: root.authority().to_string(),
            bounds,
            sockets: Arc::clone(sockets),
            state: Mutex::new(State::new(workers, places, Shares::of(connections, places, &quota))),
        });
        sockets.register(&pool);
        pool
    }

    /// A connection at the expense of the exchange's payer; waits in the queue where all are in use that it may have.
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

    /// Nobody overtakes those who wait.
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
        tracing::debug!(target: "magicproxy::upstream", origin = self.origin, "a request waits for a connection");
        self.dispatch();
        let served = tokio::time::timeout(self.bounds.wait, &mut waiting.turn).await;
        served.ok().and_then(Result::ok).ok_or(AcquireError::Busy)
    }

    /// Gives everyone their turn who can have it now.
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
            // It has gone in this very moment.
            if let Err(turn) = waiter.turn.send(turn) {
                self.take_back(turn);
            }
        }
    }
}

impl Pool {
    /// What there is for this request: a stream of a connection that others use too, an idle connection, or leave to make one.
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

    fn leave_to_connect(
        self: &Arc<Self>,
        state: &mut State,
        request: &Request<'_>,
        unfit: &mut Vec<Connection>,
    ) -> Result<DialTurn, SkipReason> {
        let Request { need, payer, waiting } = *request;
        let shareable = need.kind != Kind::Upgrade && self.bounds.places > 1;
        // Those that are being made will carry as many more, but no more than one large upload each.
        let waits_for_others =
            shareable && need.kind == Kind::Any && need.payload != Payload::Large;
        if waits_for_others && waiting <= state.connecting * state.expected.saturating_sub(1) {
            return Err(SkipReason::All);
        }
        let takes_any = need.kind == Kind::Any && (!shareable || need.payload == Payload::None);
        let none = if takes_any { SkipReason::All } else { SkipReason::Line };
        if state.open >= self.bounds.connections {
            // Only who can use no idle one finds one here.
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
        Ok(DialTurn { charge, socket, connecting })
    }

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

    /// A connection with fewer streams than most has larger ones.
    fn places_of_stream(&self, connection: &SharedConnection) -> usize {
        self.bounds.places.div_ceil(connection.streams().limit().max(1))
    }

    /// Gives the first stream of a new connection of HTTP/2 to who made it. Nobody else finds the connection yet.
    fn begin_first(
        &self,
        connection: SharedConnection,
        charge: &mut Charge,
        payload: Payload,
    ) -> Connection {
        let mut state = self.state();
        connection.streams().begin();
        charge.upload = UploadSlot::begin(connection.streams(), payload);
        state.expected = connection.streams().limit();
        let places = self.places_of_stream(&connection);
        state.shares.discharge(&charge.payer, charge.places.saturating_sub(places));
        charge.places = charge.places.min(places);
        Connection::Http2(connection)
    }

    /// Keeps a connection of HTTP/2 where others find it.
    fn share(&self, connection: SharedConnection) {
        self.state().shared.push(connection);
    }

    /// Takes back a connection whose exchange has ended as it should.
    fn give_back(self: &Arc<Self>, connection: Connection, mut charge: Charge, worker: WorkerId) {
        let (unfit, waiting, unwatched) = {
            let mut state = self.state();
            state.shares.discharge(&charge.payer, std::mem::take(&mut charge.places));
            let unfit = match connection {
                Connection::Http1(_) => state.keep_idle(connection, worker, self),
                Connection::Http2(connection) => {
                    connection.streams().end();
                    let is_idle = connection.streams().idle_since().is_some();
                    if connection.is_closed() || is_idle && self.sockets.call_one_in() {
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

    /// A stream was ended early: its places stay charged. A connection on which that was often is no longer shared, and ends when
    /// its other streams have ended.
    fn reset(self: &Arc<Self>, connection: &SharedConnection, charge: Charge) {
        connection.streams().reset(charge);
        let is_used_up = connection.streams().are_used_up() || connection.is_closed();
        self.left(connection, is_used_up);
    }

    /// A stream was not used, or the upstream has not processed what came on it.
    fn unused(self: &Arc<Self>, connection: &SharedConnection, charge: Charge) {
        connection.streams().end();
        self.left(connection, connection.is_closed());
        drop(charge);
    }

    /// A stream has gone: its connection may be idle now.
    fn left(self: &Arc<Self>, connection: &SharedConnection, is_used_up: bool) {
        let unwatched = {
            let mut state = self.state();
            if is_used_up {
                state.forget(connection);
            }
            state.begin_watch()
        };
        if unwatched {
            self.watch_idle();
        }
    }

    fn take_back(self: &Arc<Self>, turn: Turn) {
        match turn {
            Turn::Use(connection, charge) => self.give_back(connection, charge, WorkerId::new(0)),
            Turn::Connect(opening) => drop(opening),
        }
    }

    /// An idle connection, to be closed.
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
