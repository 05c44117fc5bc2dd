//! Holdings of a request in a pool: permission to make a connection, a connection in use, a
//! position in the queue; and the charge for each.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::gauges::DialCount;
use super::queue::Ticket;
use super::{ConnectionNeed, Pool, Socket, Turn};
use crate::admission::{Holding, Payer};
use crate::downstream::Progress;
use crate::transport::connection::{Connection, SharedConnection, UploadSlot};
use crate::worker::WorkerId;

/// Permission to make one connection. Dropping the permission gives the places and the socket back.
#[derive(Debug)]
pub(in crate::transport) struct DialTurn {
    pub(super) charge: Charge,
    pub(super) socket: Socket,
    pub(super) connecting: Option<SharedDial>,
    pub(super) dialing: DialCount,
}

impl DialTurn {
    /// Splits the permission into the socket for the connector, and the charge and waiters for
    /// later.
    pub(in crate::transport) fn into_parts(self) -> (Socket, DialWaiters) {
        let Self { charge, socket, connecting, dialing } = self;
        (socket, DialWaiters { charge, connecting, _dialing: dialing })
    }
}

/// Charge and waiters of a connection that is being made.
pub(in crate::transport) struct DialWaiters {
    charge: Charge,
    connecting: Option<SharedDial>,
    _dialing: DialCount,
}

impl DialWaiters {
    /// Turns a new connection by HTTP/1.1 into a connection in use.
    pub(in crate::transport) fn http1(
        self,
        connection: Connection,
        holding: Holding,
        worker: WorkerId,
    ) -> PooledConnection {
        if self.connecting.is_some() {
            // The upstream does not speak HTTP/2 after all.
            self.charge.pool.state().expected = 1;
        }
        drop(self.connecting);
        PooledConnection::new(connection, self.charge, holding, worker).fresh()
    }

    /// Turns a new connection by HTTP/2 into a connection in use, with the first stream for the
    /// request that made the connection.
    pub(in crate::transport) fn http2(
        mut self,
        connection: SharedConnection,
        holding: Holding,
        need: ConnectionNeed,
    ) -> PooledConnection {
        let pool = Arc::clone(&self.charge.pool);
        let connection = pool.begin_first(connection, &mut self.charge, need.payload);
        let mut lease =
            PooledConnection::new(connection, self.charge, holding, need.worker).fresh();
        lease.unshared = Some(UnsharedConnection { _connecting: self.connecting });
        lease
    }
}

/// Connection that is being made, and will carry many exchanges.
#[derive(Debug)]
pub(super) struct SharedDial {
    pub(super) pool: Arc<Pool>,
}

impl Drop for SharedDial {
    fn drop(&mut self) {
        self.pool.state().connecting -= 1;
        self.pool.dispatch();
    }
}

/// Places that are charged to a payer; dropping the charge gives the places back.
#[derive(Debug)]
pub(in crate::transport) struct Charge {
    pub(super) pool: Arc<Pool>,
    pub(super) payer: Payer,
    pub(super) places: usize,
    /// On a connection by HTTP/2, the slot of content that may fill the connection's window.
    pub(super) upload: Option<UploadSlot>,
}

impl Charge {
    /// Ends the upload; the charge outlasts the upload.
    pub(in crate::transport) fn end_upload(&mut self) {
        self.upload = None;
    }

    /// Multiplies the charge by `times`, whatever the payer already holds.
    pub(in crate::transport) fn multiply(&mut self, times: usize) {
        let more = self.places * times.saturating_sub(1);
        self.pool.state().shares.charge(&self.payer, more);
        self.places += more;
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        if self.places == 0 {
            return;
        }
        let waiting = {
            let mut state = self.pool.state();
            state.shares.discharge(&self.payer, self.places);
            !state.queue.is_empty()
        };
        if waiting {
            self.pool.dispatch();
        }
    }
}

/// Request in the queue, held by the request's own task; dropping the value takes the request out.
pub(super) struct QueuedRequest {
    pub(super) pool: Arc<Pool>,
    pub(super) ticket: Ticket,
    pub(super) turn: oneshot::Receiver<Turn>,
}

impl Drop for QueuedRequest {
    fn drop(&mut self) {
        let left = self.pool.state().queue.remove(self.ticket);
        drop(left);
        self.turn.close();
        if let Ok(turn) = self.turn.try_recv() {
            self.pool.take_back(turn);
        }
    }
}

/// Guard of a new connection that no other request finds yet; dropping the guard gives a turn to
/// the requests that wait for the connection.
#[derive(Debug)]
struct UnsharedConnection {
    _connecting: Option<SharedDial>,
}

/// Earlier use of a connection by other requests, after which the connection may be stale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConnectionUse {
    Yes,
    No,
}

/// Connection in use. Made by a pool from a pooled connection, or by [`DialWaiters`] from a new
/// connection. Giving back keeps the connection; dropping closes a connection by HTTP/1.1, and
/// resets the stream of a connection by HTTP/2.
#[derive(Debug)]
pub(crate) struct PooledConnection {
    used: Option<(Connection, Charge)>,
    worker: WorkerId,
    pub(crate) pooled: ConnectionUse,
    /// Progress of the request's body.
    upload: Option<Arc<Progress>>,
    /// True if a connection by HTTP/1.1 is not to be used again.
    once: bool,
    /// Guard of a new connection by HTTP/2 which no other request finds yet.
    unshared: Option<UnsharedConnection>,
    _holding: Holding,
}

impl PooledConnection {
    pub(super) fn new(
        connection: Connection,
        charge: Charge,
        holding: Holding,
        worker: WorkerId,
    ) -> Self {
        let used = Some((connection, charge));
        Self {
            used,
            worker,
            pooled: ConnectionUse::Yes,
            upload: None,
            once: false,
            unshared: None,
            _holding: holding,
        }
    }

    fn fresh(mut self) -> Self {
        self.pooled = ConnectionUse::No;
        self
    }

    pub(crate) fn connection(&mut self) -> Option<&mut Connection> {
        self.used.as_mut().map(|(connection, _)| connection)
    }

    /// Lets other requests find a new connection by HTTP/2. To be called when the connection's
    /// first request was handed over: upstreams that take few requests of each connection would
    /// refuse the first request behind the others.
    pub(crate) fn share(&mut self) {
        let Some(unshared) = self.unshared.take() else { return };
        if let Some((Connection::Http2(connection), charge)) = &self.used {
            charge.pool.share(connection.clone());
        }
        drop(unshared);
    }

    /// Takes the slot of the content among the uploads of the connection; the slot ends when all of
    /// the content was sent.
    pub(crate) fn take_upload(&mut self) -> Option<UploadSlot> {
        self.used.as_mut().and_then(|(_, charge)| charge.upload.take())
    }

    /// Notes the body that goes up: a stream lasts until both bodies have ended.
    pub(crate) fn uploads(&mut self, body: Arc<Progress>) {
        self.upload = Some(body);
    }

    /// Makes a connection by HTTP/1.1 end with this exchange.
    pub(crate) fn end_with_exchange(&mut self) {
        self.once = true;
    }

    /// Gives the connection back, after the response has ended properly.
    pub(crate) fn give_back(mut self) {
        let is_http2 = matches!(self.used, Some((Connection::Http2(_), _)));
        if self.once && !is_http2 {
            return;
        }
        if is_http2 && self.upload.as_ref().is_some_and(|body| !body.is_done()) {
            // The upstream responded before the whole request was sent: the stream is still open,
            // and is dropped like a stream that was reset.
            return;
        }
        if let Some((connection, charge)) = self.used.take() {
            let pool = Arc::clone(&charge.pool);
            pool.give_back(connection, charge, self.worker);
        }
    }

    /// Retires the connection, on which the upstream sent no response: a connection by HTTP/2 gets
    /// no further stream, and ends with the other streams.
    pub(crate) fn retire(self) {
        if let Some((Connection::Http2(connection), _)) = &self.used {
            connection.streams().retire();
        }
    }

    /// Drops the connection, on which nothing further can be sent. The upstream has processed
    /// nothing of the request, if any of it was sent.
    pub(crate) fn discard(mut self) {
        self.share();
        if let Some((Connection::Http2(connection), charge)) = self.used.take() {
            let pool = Arc::clone(&charge.pool);
            pool.unused(&connection, charge);
        }
    }
}

impl Drop for PooledConnection {
    fn drop(&mut self) {
        if let Some((Connection::Http2(connection), charge)) = self.used.take() {
            let pool = Arc::clone(&charge.pool);
            pool.reset(&connection, charge);
        }
    }
}
