//! Bodies in transit: streamed, timed, counted, never buffered.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use magicproxy_core::plugin::MAX_PLUGIN_BODY_BYTES;
use tokio::time::Sleep;

/// The most that is read of a body that a rule or a plugin must see whole, in bytes.
pub(crate) const MAX_BODY_BYTES: usize = MAX_PLUGIN_BODY_BYTES;
/// The same, in KiB.
pub(crate) const MAX_BODY_KIB: usize = MAX_BODY_BYTES / 1024;

/// The longest list of objects of Git LFS that is read whole. One that tells of a hundred objects, as many as clients ask for at
/// once, has some hundred kilobytes.
pub(crate) const MAX_OBJECTS_BYTES: usize = 2 * 1024 * 1024;
/// What a client may send of one stream's content that nobody takes yet. Its owner pays for it ([`crate::downstream::RequestBody::hold_window`]).
pub(crate) const REQUEST_WINDOW: u32 = 256 * 1024;

/// The credential showed in a compressed body, which cannot be masked without changing its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the upstream's response holds the credential")]
pub(crate) struct ReflectedCredential;

/// A body that is announced as gzip is none, breaks off, or has something else behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the upstream's response is not the gzip that it says it is")]
pub(crate) struct GzipError;

/// Why a body ended before its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("no byte came in time")]
    Idle,
    #[error("the exchange took too long")]
    Total,
    #[error("the connection broke: {0}")]
    Connection(#[from] hyper::Error),
    #[error("the stream broke: {0}")]
    Stream(#[from] h2::Error),
    #[error("the upstream broke the response off")]
    Truncated,
    #[error("the client reset its stream")]
    Reset,
    #[error(transparent)]
    Reflected(#[from] ReflectedCredential),
    #[error(transparent)]
    NotGzip(#[from] GzipError),
}

impl BodyError {
    /// What went wrong between the proxy and the upstream, whose response ended so: the error type of RFC 9209 section 2.3.
    pub(crate) fn upstream_error(&self) -> &'static str {
        match self {
            Self::Idle => "connection_read_timeout",
            Self::Total => "http_response_timeout",
            Self::Connection(_) | Self::Stream(_) | Self::Truncated | Self::Reset => {
                "http_response_incomplete"
            }
            Self::Reflected(_) => "credential_echoed",
            Self::NotGzip(_) => "http_response_content_coding",
        }
    }
}

/// How long a short end of a piece is held back that may be the beginning of the credential. Longer than the parts of one write
/// of the upstream's are apart, and too short to be noticed by who reads events.
const MOMENT: Duration = Duration::from_millis(20);

/// Ends a wait of a moment. There is no timer until something has to be waited for.
#[derive(Debug, Default)]
pub(crate) struct MomentTimer(Option<Pin<Box<Sleep>>>);

impl MomentTimer {
    /// Has a moment passed since this was asked for the first time?
    pub(crate) fn poll_passed(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let sleep = self.0.get_or_insert_with(|| Box::pin(tokio::time::sleep(MOMENT)));
        std::task::ready!(sleep.as_mut().poll(context));
        self.reset();
        Poll::Ready(())
    }

    /// Another moment begins when this is asked for the next time.
    pub(crate) fn reset(&mut self) {
        self.0 = None;
    }
}

/// The end of a response before its end, as the HTTP library is told of it. What caused it is in the log, and nowhere else: an error
/// code of the upstream's HTTP/2 connection would go on to the client, to whom it means something else (RFC 9113 section 8.7).
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct TruncatedBody(pub(crate) BodyError);

/// Ends a wait that lasts too long. The clock is not read, and there is no timer, until something has to be waited for; the
/// timer is moved only when it fires.
#[derive(Debug)]
pub(crate) struct IdleTimer {
    limit: Duration,
    end: Option<Instant>,
    /// Since when nothing has come.
    waiting: Option<Instant>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl IdleTimer {
    pub(crate) fn new(limit: Duration, end: Option<Instant>) -> Self {
        Self { limit, end, waiting: None, sleep: None }
    }

    /// A shorter limit holds from now on.
    pub(crate) fn shorten(&mut self, limit: Duration) {
        self.limit = self.limit.min(limit);
        self.sleep = None;
    }

    /// Something came.
    pub(crate) fn progress(&mut self) {
        self.waiting = None;
    }

    /// Nothing came: has it been too long? Arranges to be asked again when it will have been.
    pub(crate) fn poll_expired(&mut self, context: &mut Context<'_>) -> Poll<BodyError> {
        let idle_until = *self.waiting.get_or_insert_with(Instant::now) + self.limit;
        let until = self.end.map_or(idle_until, |end| end.min(idle_until));
        loop {
            let sleep =
                self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until.into())));
            std::task::ready!(sleep.as_mut().poll(context));
            if Instant::now() >= until {
                return Poll::Ready(if until == idle_until {
                    BodyError::Idle
                } else {
                    BodyError::Total
                });
            }
            sleep.as_mut().reset(until.into());
        }
    }
}
