//! State of a pool's connections, behind the pool's lock.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::queue::Queue;
use super::shares::Shares;
use super::{ConnectionNeed, Payload, Pool, Waiter};
use crate::transport::connection::{Connection, SharedConnection};
use crate::worker::WorkerId;

/// State of one origin's connections. Closes no open connection: connections to be closed are
/// handed out, so that closing happens outside the pool's lock.
#[derive(Debug)]
pub(super) struct State {
    /// Sockets: in use, idle, being connected.
    pub(super) open: usize,
    /// Connections that are being made and may carry many exchanges.
    pub(super) connecting: usize,
    /// Expected number of exchanges of a connection that is being made; known once a connection was
    /// made.
    pub(super) expected: usize,
    /// Idle connections by HTTP/1.1, by worker, the last used on top.
    pub(super) idle: Vec<Vec<(Connection, Instant)>>,
    /// Connections by HTTP/2, as long as they may have further streams.
    pub(super) shared: Vec<SharedConnection>,
    pub(super) shares: Shares,
    pub(super) queue: Queue<Waiter>,
    /// True if a task closes idle connections in time.
    pub(super) is_watched: bool,
    /// True if no idle connection is kept any more.
    pub(super) is_retired: bool,
}

/// Returns the time at which a connection is closed that has been idle since `since`.
fn due(keep: Duration, since: Instant, retires_at: Option<Instant>) -> Option<Instant> {
    let idle = since.checked_add(keep);
    [idle, retires_at].into_iter().flatten().min()
}

impl State {
    pub(super) fn new(workers: NonZeroUsize, places: usize, shares: Shares) -> Self {
        Self {
            open: 0,
            connecting: 0,
            expected: places,
            idle: (0..workers.get()).map(|_| Vec::new()).collect(),
            shared: Vec::new(),
            shares,
            queue: Queue::default(),
            is_watched: false,
            is_retired: false,
        }
    }

    /// Finds a connection with room for one more stream.
    pub(super) fn stream(
        &mut self,
        payload: Payload,
        keep: Duration,
        unfit: &mut Vec<Connection>,
    ) -> Option<SharedConnection> {
        if self.shared.is_empty() {
            return None;
        }
        let now = Instant::now();
        let is_usable = |connection: &mut SharedConnection| {
            let end = due(
                keep,
                connection.streams().idle_since().unwrap_or(now),
                connection.retires_at(),
            );
            !connection.is_closed() && end.is_none_or(|end| end > now)
        };
        unfit.extend(
            self.shared.extract_if(.., |connection| !is_usable(connection)).map(Connection::Http2),
        );
        self.shared.iter().find(|connection| connection.streams().have_room(payload)).cloned()
    }

    /// Takes the worker's own idle connection, or else another worker's, which costs less than a
    /// new connection.
    pub(super) fn take_idle(
        &mut self,
        need: ConnectionNeed,
        keep: Duration,
        unfit: &mut Vec<Connection>,
    ) -> Option<Connection> {
        let (own, now) = (need.worker.shelf_of(self.idle.len()), need.asked);
        let (before, from) = self.idle.split_at_mut_checked(own)?;
        for idle in from.iter_mut().chain(before) {
            while let Some((connection, since)) = idle.pop() {
                if !connection.is_closed()
                    && due(keep, since, connection.retires_at()).is_none_or(|end| end > now)
                {
                    return Some(connection);
                }
                unfit.push(connection);
            }
        }
        None
    }

    /// Keeps an idle connection. Returns the connection if there are enough, or if another request
    /// needs the connection's socket.
    pub(super) fn keep_idle(
        &mut self,
        connection: Connection,
        worker: WorkerId,
        pool: &Pool,
    ) -> Option<Connection> {
        let own = worker.shelf_of(self.idle.len());
        let Some(idle) = self.idle.get_mut(own) else { return Some(connection) };
        let now = Instant::now();
        let is_retired = connection.retires_at().is_some_and(|then| then <= now);
        if self.is_retired
            || is_retired
            || idle.len() >= pool.bounds.idle
            || pool.sockets.call_one_in()
        {
            return Some(connection);
        }
        idle.push((connection, now));
        None
    }

    /// Notes that a task closes idle connections in time. True if no task did so before.
    pub(super) fn begin_watch(&mut self) -> bool {
        !std::mem::replace(&mut self.is_watched, true)
    }

    /// Takes out the idle connections that are due, and returns the time at which the next
    /// connection is due.
    pub(super) fn take_due(
        &mut self,
        keep: Duration,
        due_now: &mut Vec<Connection>,
    ) -> Option<Instant> {
        let (now, mut next) = (Instant::now(), None::<Instant>);
        let mut is_due = |since, retires_at| {
            let Some(end) = due(keep, since, retires_at) else { return false };
            if end > now {
                next = Some(next.map_or(end, |next| next.min(end)));
            }
            end <= now
        };
        for idle in &mut self.idle {
            let is_over = |(connection, since): &mut (Connection, Instant)| {
                is_due(*since, connection.retires_at())
            };
            due_now.extend(idle.extract_if(.., is_over).map(|(connection, _)| connection));
        }
        let is_over = |connection: &mut SharedConnection| {
            connection
                .streams()
                .idle_since()
                .is_some_and(|since| is_due(since, connection.retires_at()))
        };
        due_now.extend(self.shared.extract_if(.., is_over).map(Connection::Http2));
        next
    }

    /// Takes out the connection that has been idle for longest, among connections that still hold a
    /// socket.
    pub(super) fn evict(&mut self) -> Option<Connection> {
        self.idle
            .iter_mut()
            .for_each(|idle| idle.retain(|(connection, _)| !connection.is_closed()));
        self.shared.retain(|connection| !connection.is_closed());
        let longest = self
            .idle
            .iter_mut()
            .filter(|idle| !idle.is_empty())
            .min_by_key(|idle| idle.first().map(|(_, since)| *since));
        if let Some(idle) = longest {
            return Some(idle.remove(0).0);
        }
        let unused = self
            .shared
            .iter()
            .position(|connection| connection.streams().idle_since().is_some())?;
        Some(Connection::Http2(self.shared.remove(unused)))
    }

    /// Removes a connection from the shared connections, so that the connection gets no further
    /// stream.
    pub(super) fn forget(&mut self, connection: &SharedConnection) {
        self.shared.retain(|known| !Arc::ptr_eq(known.streams(), connection.streams()));
    }
}
