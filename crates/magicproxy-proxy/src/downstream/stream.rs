//! Streams of an HTTP/2 connection, each ended if the client does not take the response.
//!
//! HTTP polls no response body while the client's window is closed, so the body's own timer stands
//! still, and no byte is written by which a slow socket could be noticed. This module times each
//! stream by the reason for which the last poll was pending.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::rt::Executor;

use crate::http::body::IdleTimer;

/// The last activity of the stream being polled on this thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Activity {
    /// Nothing noted: the stream waits for the client.
    None,
    /// The stream took a part of the response.
    Took,
    /// The stream waits for the proxy, the upstream, or the client's body, each of which has a
    /// timer.
    Waits,
}

thread_local! {
    static LAST: Cell<Activity> = const { Cell::new(Activity::None) };
    /// True if the stream being polled on this thread has a response in the proxy's own words.
    static OWN_WORDS: Cell<bool> = const { Cell::new(false) };
}

/// Notes that the stream being polled has a response in the proxy's own words, for which the client
/// has less time.
pub(crate) fn noted_own_words() {
    OWN_WORDS.set(true);
}

/// Notes the result of a poll of a response or of its body.
pub(crate) fn noted<T>(poll: Poll<T>) -> Poll<T> {
    LAST.set(if poll.is_pending() { Activity::Waits } else { Activity::Took });
    poll
}

/// Runs each stream of a connection in its own task, as long as the client takes something of the
/// response within the limit.
#[derive(Clone, Debug)]
pub(crate) struct Streams {
    pub(crate) idle: Duration,
    /// The limit for responses of the proxy's own words.
    pub(crate) refusal: Duration,
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        let (mut idle, refusal) = (IdleTimer::new(self.idle, None), self.refusal);
        tokio::spawn(async move {
            let mut stream = pin!(stream);
            // Dropping the stream resets the stream, and closes the upstream connection of its
            // response.
            poll_fn(|context| poll_timed(stream.as_mut(), &mut idle, refusal, context)).await;
        });
    }
}

fn poll_timed(
    stream: Pin<&mut impl Future<Output = ()>>,
    idle: &mut IdleTimer,
    refusal: Duration,
    context: &mut Context<'_>,
) -> Poll<()> {
    LAST.set(Activity::None);
    OWN_WORDS.set(false);
    if stream.poll(context).is_ready() {
        return Poll::Ready(());
    }
    if OWN_WORDS.get() {
        idle.shorten(refusal);
    }
    let last = LAST.get();
    if last != Activity::None {
        idle.progress();
    }
    if last == Activity::Waits {
        return Poll::Pending;
    }
    idle.poll_expired(context).map(drop)
}
