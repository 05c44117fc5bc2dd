//! Kept connections: taken for one exchange, given back when its answer has been read to the end.
//!
//! A connection that was dropped instead, has bytes left over, or is no longer ready is never used again: hyper closes a
//! connection on which bytes come that nobody asked for, and [`Pool::take`] asks it whether it is still ready.

use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::{Request, Response, Version};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use pin_project_lite::pin_project;

use crate::body::RequestBody;
use crate::serve::WorkerId;

/// How long a connection that was just given back may take to get ready.
const READY_WITHIN: Duration = Duration::from_millis(20);

/// A connection to the upstream.
#[derive(Debug)]
pub(super) enum Connection {
    Http1(http1::SendRequest<RequestBody>),
    Http2(http2::SendRequest<RequestBody>),
}

/// Why a request got no answer.
pub(super) enum SendError {
    /// Not a byte of it was written.
    NotSent(Box<Request<RequestBody>>),
    /// Some of it may have been.
    Failed(hyper::Error),
}

impl Connection {
    pub(super) fn version(&self) -> Version {
        match self {
            Self::Http1(_) => Version::HTTP_11,
            Self::Http2(_) => Version::HTTP_2,
        }
    }

    /// Hands the request over at once; what is returned only waits for the answer, so that it need not hold the request.
    pub(super) fn send(
        &mut self,
        request: Request<RequestBody>,
    ) -> impl Future<Output = Result<Response<Incoming>, SendError>> + use<> {
        let sent = match self {
            Self::Http1(sender) => Sent::Http1 { waiting: sender.try_send_request(request) },
            Self::Http2(sender) => Sent::Http2 { waiting: sender.try_send_request(request) },
        };
        async move {
            sent.await.map_err(|mut error| match error.take_message() {
                Some(request) => SendError::NotSent(Box::new(request)),
                None => SendError::Failed(error.into_error()),
            })
        }
    }

    async fn is_ready(&mut self) -> bool {
        match self {
            Self::Http1(sender) if sender.is_closed() => false,
            Self::Http1(sender) if sender.is_ready() => true,
            // Its answer was just read to the end: hyper is about to notice that too.
            Self::Http1(sender) => matches!(Box::pin(tokio::time::timeout(READY_WITHIN, sender.ready())).await, Ok(Ok(()))),
            Self::Http2(sender) => sender.is_ready() && !sender.is_closed(),
        }
    }
}

/// The pools of one origin, one for each worker: a connection is woken where it was made.
#[derive(Debug)]
pub(super) struct Pools(Vec<Arc<Pool>>);

impl Pools {
    /// `capacity` is that of all together.
    pub(super) fn new(workers: NonZeroUsize, capacity: usize, keep: Duration) -> Self {
        let capacity = capacity.div_ceil(workers.get());
        Self((0..workers.get()).map(|_| Arc::new(Pool { idle: Mutex::default(), capacity, keep })).collect())
    }

    /// Where what this worker connects is kept.
    pub(super) fn own(&self, worker: WorkerId) -> &Arc<Pool> {
        #[expect(clippy::indexing_slicing, reason = "there is at least one, so the remainder is the number of one")]
        &self.0[worker % self.0.len()]
    }

    /// A connection that can be used now, if there is one: the worker's own, or else another's, which costs less than a new one.
    pub(super) async fn take(&self, worker: WorkerId) -> Option<(Connection, &Arc<Pool>)> {
        let (before, from) = self.0.split_at(worker % self.0.len());
        for pool in from.iter().chain(before) {
            if let Some(connection) = pool.take().await {
                return Some((connection, pool));
            }
        }
        None
    }
}

type Outcome = Result<Response<Incoming>, TrySendError<Request<RequestBody>>>;

pin_project! {
    /// Waits for an answer by either protocol.
    #[project = SentProjection]
    enum Sent<A, B> {
        Http1 { #[pin] waiting: A },
        Http2 { #[pin] waiting: B },
    }
}

impl<A: Future<Output = Outcome>, B: Future<Output = Outcome>> Future for Sent<A, B> {
    type Output = Outcome;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Outcome> {
        match self.project() {
            SentProjection::Http1 { waiting } => waiting.poll(context),
            SentProjection::Http2 { waiting } => waiting.poll(context),
        }
    }
}

/// Idle connections, the last used on top.
#[derive(Debug)]
pub(super) struct Pool {
    idle: Mutex<Vec<(Connection, Instant)>>,
    capacity: usize,
    keep: Duration,
}

impl Pool {
    async fn take(&self) -> Option<Connection> {
        loop {
            let (mut connection, since) = self.pop()?;
            if since.elapsed() < self.keep && connection.is_ready().await {
                self.share(&connection);
                return Some(connection);
            }
        }
    }

    /// Keeps a connection that carries many exchanges at once where others find it, from now on.
    pub(super) fn share(&self, connection: &Connection) {
        if let Connection::Http2(sender) = connection {
            self.push(Connection::Http2(sender.clone()));
        }
    }

    pub(super) fn lease(self: &Arc<Self>, connection: Connection) -> Lease {
        let exclusive = matches!(connection, Connection::Http1(_));
        Lease { pool: Arc::clone(self), connection: exclusive.then_some(connection) }
    }

    fn pop(&self) -> Option<(Connection, Instant)> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn push(&self, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < self.capacity {
            idle.push((connection, Instant::now()));
        }
    }
}

/// A connection in use; dropping it closes the connection, giving it back keeps it.
#[derive(Debug)]
pub(crate) struct Lease {
    pool: Arc<Pool>,
    connection: Option<Connection>,
}

impl Lease {
    pub(crate) fn give_back(self) {
        if let Some(connection) = self.connection {
            self.pool.push(connection);
        }
    }
}
