//! Kept connections: taken for one exchange, given back when its answer has been read to the end.
//!
//! A connection that was dropped instead, has bytes left over, or is no longer ready is never used again: hyper closes a
//! connection on which bytes come that nobody asked for, and [`Pool::take`] asks it whether it is still ready.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::{Request, Response, Version};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};

use crate::body::RequestBody;

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

    pub(super) async fn send(&mut self, request: Request<RequestBody>) -> Result<Response<Incoming>, SendError> {
        let sent = match self {
            Self::Http1(sender) => sender.try_send_request(request).await,
            Self::Http2(sender) => sender.try_send_request(request).await,
        };
        sent.map_err(|mut error| match error.take_message() {
            Some(request) => SendError::NotSent(Box::new(request)),
            None => SendError::Failed(error.into_error()),
        })
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

/// Idle connections, the last used on top.
#[derive(Debug)]
pub(super) struct Pool {
    idle: Mutex<Vec<(Connection, Instant)>>,
    capacity: usize,
    keep: Duration,
}

impl Pool {
    pub(super) fn new(capacity: usize, keep: Duration) -> Self {
        Self { idle: Mutex::default(), capacity, keep }
    }

    /// A connection that can be used now, if there is one.
    pub(super) async fn take(&self) -> Option<Connection> {
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
