//! Bodies in transit: streamed, timed, counted, never buffered.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use magicproxy_core::plugin::MAX_PLUGIN_RESPONSE_BYTES;
use tokio::time::Sleep;

use crate::services::revocations::RevocationError;
use crate::services::token_watch::{LOOK, TokenWatch};

/// Longest response that is read whole for a rule or a plugin, in bytes. Requests have a bound of
/// their upstream's: `UpstreamSettings::max_inspected_body`.
pub(crate) const MAX_RESPONSE_BYTES: usize = MAX_PLUGIN_RESPONSE_BYTES;

/// Longest list of Git LFS objects that is read whole, in bytes. A list of a hundred objects, the
/// most that clients ask for at once, has some hundred kilobytes.
pub(crate) const MAX_OBJECTS_BYTES: usize = 2 * 1024 * 1024;
/// Bytes of one stream's content that a client may send ahead of the reader. The content's owner
/// pays for the bytes ([`crate::downstream::RequestBody::hold_window`]).
pub(crate) const REQUEST_WINDOW: u32 = 256 * 1024;

/// Detection of the credential in a compressed body, where the credential cannot be masked without
/// changing the body's length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the upstream's response holds the credential")]
pub(crate) struct ReflectedCredential;

/// Fault of a body that is announced as gzip, and is no gzip, breaks off, or has other bytes behind
/// the gzip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the upstream's response is not the gzip that it says it is")]
pub(crate) struct GzipError;

/// Reason for which a body ended early.
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
    #[error(transparent)]
    Token(#[from] RevocationError),
}

impl BodyError {
    /// Returns the error type of RFC 9209 section 2.3, for a response of the upstream that ended
    /// early; none for a response that the proxy ended because of its token.
    pub(crate) fn upstream_error(&self) -> Option<&'static str> {
        match self {
            Self::Idle => Some("connection_read_timeout"),
            Self::Total => Some("http_response_timeout"),
            Self::Connection(_) | Self::Stream(_) | Self::Truncated | Self::Reset => {
                Some("http_response_incomplete")
            }
            Self::Reflected(_) => Some("credential_echoed"),
            Self::NotGzip(_) => Some("http_response_content_coding"),
            Self::Token(_) => None,
        }
    }
}

/// Time for which a short end of a piece is held back that may be the beginning of the credential.
/// Longer than the pauses between the parts of one write of the upstream, and too short to be
/// noticed by a reader of events.
const MOMENT: Duration = Duration::from_millis(20);

/// Timer that ends a wait of [`MOMENT`]. No timer runs until there is something to wait for.
#[derive(Debug, Default)]
pub(crate) struct MomentTimer(Option<Pin<Box<Sleep>>>);

impl MomentTimer {
    /// Ready when a moment has passed since the first poll.
    pub(crate) fn poll_passed(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let sleep = self.0.get_or_insert_with(|| Box::pin(tokio::time::sleep(MOMENT)));
        std::task::ready!(sleep.as_mut().poll(context));
        self.reset();
        Poll::Ready(())
    }

    /// Makes another moment begin at the next poll.
    pub(crate) fn reset(&mut self) {
        self.0 = None;
    }
}

/// Early end of a response, as told to the HTTP library. The cause is in the log, and nowhere else:
/// an error code of the upstream's HTTP/2 connection would go on to the client, for whom the code
/// has another meaning (RFC 9113 section 8.7).
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct TruncatedBody(pub(crate) BodyError);

/// Timer that ends too long a wait, and looks at the token of a body meanwhile. Until there is
/// something to wait for, the clock is not read, and no timer runs; the timer is moved only when the
/// timer fires.
#[derive(Debug)]
pub(crate) struct IdleTimer {
    limit: Duration,
    end: Option<Instant>,
    /// Token on whose behalf the bytes pass. No byte passes once it is revoked.
    watch: Option<TokenWatch>,
    /// Time since which nothing has come.
    waiting: Option<Instant>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl IdleTimer {
    pub(crate) fn new(limit: Duration, end: Option<Instant>) -> Self {
        Self { limit, end, watch: None, waiting: None, sleep: None }
    }

    /// Looks at a token from now on: each second of a wait, and whenever
    /// [asked](Self::ensure_live).
    pub(crate) fn watching(mut self, watch: TokenWatch) -> Self {
        self.watch(watch);
        self
    }

    /// Looks at a token from now on.
    pub(crate) fn watch(&mut self, watch: TokenWatch) {
        (self.watch, self.sleep) = (Some(watch), None);
    }

    /// Shortens the limit from now on.
    pub(crate) fn shorten(&mut self, limit: Duration) {
        self.limit = self.limit.min(limit);
        self.sleep = None;
    }

    /// Notes that something came.
    pub(crate) fn progress(&mut self) {
        self.waiting = None;
    }

    /// Checks that the token was not revoked meanwhile, before a part of the body passes.
    pub(crate) fn ensure_live(&mut self) -> Result<(), BodyError> {
        Ok(self.watch.as_mut().map_or(Ok(()), TokenWatch::look_if_changed)?)
    }

    /// Ready when nothing has come for too long, or the token is no longer accepted. Arranges to be
    /// polled again at the time limit, or for the next look at the token.
    pub(crate) fn poll_expired(&mut self, context: &mut Context<'_>) -> Poll<BodyError> {
        let since = *self.waiting.get_or_insert_with(Instant::now);
        let idle_until = since + self.limit;
        let until = self.end.map_or(idle_until, |end| end.min(idle_until));
        let mut wakes_at = wake_within(&self.watch, since, until);
        loop {
            let sleep = self
                .sleep
                .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(wakes_at.into())));
            std::task::ready!(sleep.as_mut().poll(context));
            if let Some(Err(refused)) = self.watch.as_ref().map(TokenWatch::look) {
                return Poll::Ready(refused.into());
            }
            let now = Instant::now();
            if now >= until {
                return Poll::Ready(if until == idle_until {
                    BodyError::Idle
                } else {
                    BodyError::Total
                });
            }
            wakes_at = wake_within(&self.watch, now, until);
            sleep.as_mut().reset(wakes_at.into());
        }
    }
}

/// Returns the next time at which to wake in a wait until `until`.
fn wake_within(watch: &Option<TokenWatch>, now: Instant, until: Instant) -> Instant {
    if watch.is_some() { until.min(now + LOOK) } else { until }
}
