//! Streams of an HTTP/2 connection: one whose client does not take its response is ended.
//!
//! HTTP asks a response's body for nothing while the client's window is closed, so the body's own timer stands still, and no
//! byte is written that a socket could be slow with. Here each stream is timed by what its last poll waited for.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::rt::Executor;

use crate::http::body::IdleTimer;

/// What the stream that is polled on this thread did last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Activity {
    /// Nothing that we saw: it waits for its client.
    None,
    /// It took a part of the response.
    Took,
    /// It waits for what has a timer of its own: the proxy, the upstream, the client's body.
    Waits,
}

thread_local! {
    static LAST: Cell<Activity> = const { Cell::new(Activity::None) };
    /// The stream that is polled on this thread was answered in the proxy's own words.
    static OWN_WORDS: Cell<bool> = const { Cell::new(false) };
}

/// Notes that the stream that is being polled is answered in the proxy's own words, which wait for their client for less long.
pub(crate) fn noted_own_words() {
    OWN_WORDS.set(true);
}

/// Notes what a poll of a response, or of its body, came to.
pub(crate) fn noted<T>(poll: Poll<T>) -> Poll<T> {
    LAST.set(if poll.is_pending() { Activity::Waits } else { Activity::Took });
    poll
}

/// Runs each stream of a connection in its own task, for as long as its client takes something of it within the limit.
#[derive(Clone, Debug)]
pub(crate) struct Streams {
    pub(crate) idle: Duration,
    /// The same for responses of the proxy's own words.
    pub(crate) refusal: Duration,
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        let (mut idle, refusal) = (IdleTimer::new(self.idle, None), self.refusal);
        tokio::spawn(async move {
            let mut stream = pin!(stream);
            // Dropping the stream resets it, and closes the connection to the upstream that its response comes on.
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
