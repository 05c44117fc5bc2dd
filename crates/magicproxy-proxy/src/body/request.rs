//! The caller's body on its way up.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderName;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::{BodyError, IdleTimer};
use crate::header::filter_request_trailers;

/// How far a request body has come: for the response timeout and the log.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    bytes: AtomicU64,
    done: AtomicBool,
    waiting: AtomicBool,
}

impl Progress {
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Has the whole body been handed to the upstream's connection?
    pub(crate) fn is_done(&self) -> bool {
        self.done.load(Ordering::Relaxed)
    }

    /// Is the caller to send more? It has a time limit of its own.
    pub(crate) fn is_waiting(&self) -> bool {
        self.waiting.load(Ordering::Relaxed)
    }
}

/// A request body.
#[derive(Debug)]
pub(crate) struct RequestBody {
    incoming: Option<Incoming>,
    progress: Arc<Progress>,
    idle: IdleTimer,
    /// Trailers that do not go up, besides those that never do.
    stripped: Arc<[HeaderName]>,
}

impl RequestBody {
    pub(crate) fn new(incoming: Incoming, idle: Duration) -> Self {
        let done = incoming.is_end_stream();
        let progress = Arc::new(Progress { done: AtomicBool::new(done), ..Progress::default() });
        Self { incoming: (!done).then_some(incoming), progress, idle: IdleTimer::new(idle, None), stripped: Arc::default() }
    }

    /// No body: what a retry of a request without a body carries.
    pub(crate) fn empty() -> Self {
        let progress = Arc::new(Progress { done: AtomicBool::new(true), ..Progress::default() });
        Self { incoming: None, progress, idle: IdleTimer::new(Duration::MAX / 4, None), stripped: Arc::default() }
    }

    /// The body without these fields in its trailer section.
    pub(crate) fn without_trailers(mut self, stripped: Arc<[HeaderName]>) -> Self {
        self.stripped = stripped;
        self
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.incoming.is_none()
    }

    pub(crate) fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let Some(incoming) = &mut this.incoming else { return Poll::Ready(None) };
        let polled = Pin::new(incoming).poll_frame(context);
        this.progress.waiting.store(polled.is_pending(), Ordering::Relaxed);
        match polled {
            Poll::Ready(Some(Ok(mut frame))) => {
                this.idle.progress();
                if let Some(data) = frame.data_ref() {
                    this.progress.bytes.fetch_add(data.len() as u64, Ordering::Relaxed);
                }
                if let Some(trailers) = frame.trailers_mut() {
                    filter_request_trailers(trailers, &this.stripped);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(error.into()))),
            Poll::Ready(None) => {
                this.progress.done.store(true, Ordering::Relaxed);
                Poll::Ready(None)
            }
            Poll::Pending => this.idle.poll_expired(context).map(|error| Some(Err(error))),
        }
    }

    fn is_end_stream(&self) -> bool {
        let ended = self.incoming.as_ref().is_none_or(Body::is_end_stream);
        if ended {
            self.progress.done.store(true, Ordering::Relaxed);
        }
        ended
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}
