//! The proxy under test, its upstream, its clients.

mod client;
mod framed;
mod keys;
mod link;
mod multiplexed;
mod proxy;
mod tls;
mod upstream;
mod waiting;
mod watch;
mod watched_store;

use std::task::Poll;
use std::time::Duration;

pub(crate) use client::{Client, ClientResponse, Duplex, request};
pub(crate) use framed::{
    DATA, Frame, Framed, FramedConnection, Framing, HEADERS, INITIAL_WINDOW_SIZE,
    MAX_CONCURRENT_STREAMS, RST_STREAM,
};
pub(crate) use keys::{CREDENTIAL, Token, keys, now, parse, seal_to};
pub(crate) use link::{Link, LinkedUpstream, Transport, frame};
pub(crate) use multiplexed::Multiplexed;
pub(crate) use proxy::{NAME, OnlyUpstream, Proxy, Setup, listed, rules, settings};
pub(crate) use tls::Certificate;
pub(crate) use upstream::{Reply, Seen, Upstream, UpstreamConnection};
pub(crate) use waiting::{AllowingPlugin, Checkpoint, SlowTakes};
pub(crate) use watch::{assert_clean, events_come, events_named, guard, has_secret};
pub(crate) use watched_store::{Call, Watch, WatchedStore};

/// A test that waits longer than this has found something. Generous, because builds share the machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Waits for what must come.
#[track_caller]
pub(crate) fn soon<T>(future: impl Future<Output = T>) -> impl Future<Output = T> {
    let place = std::panic::Location::caller();
    async move {
        match tokio::time::timeout(PATIENCE, future).await {
            Ok(value) => value,
            Err(_) => panic!("nothing came, waited for at {place}"),
        }
    }
}

/// A test in which something must be done within a limit, by the test or by the proxy: where that fails, the machine may have been
/// slow, so it is tried again with longer limits. What fails however long they are is a fault.
pub(crate) async fn in_time(limit: Duration, attempt: impl AsyncFn(Duration)) {
    const LONGEST: u32 = 32;
    let mut times = 1;
    while times < LONGEST {
        let mut trying = std::pin::pin!(attempt(limit * times));
        let tried = std::future::poll_fn(|context| {
            let polled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                trying.as_mut().poll(context)
            }));
            polled.map_or_else(|_| Poll::Ready(false), |polled| polled.map(|()| true))
        });
        if tried.await {
            return;
        }
        times *= 2;
    }
    attempt(limit * LONGEST).await;
}

/// Runs futures side by side, and gives what they come to, in the order in which they end.
pub(crate) async fn all<T>(futures: Vec<impl Future<Output = T>>) -> Vec<T> {
    let mut pending: Vec<_> = futures.into_iter().map(Box::pin).collect();
    let mut done = Vec::new();
    std::future::poll_fn(|context| {
        pending.retain_mut(|future| match future.as_mut().poll(context) {
            Poll::Ready(value) => {
                done.push(value);
                false
            }
            Poll::Pending => true,
        });
        if pending.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    done
}

/// The parts of a head: its first line and its fields, names in lower case.
pub(crate) fn parse_head(head: &[u8]) -> (String, Vec<(String, String)>) {
    let text: String = head.iter().map(|byte| char::from(*byte)).collect();
    let mut lines = text.split("\r\n").filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default().to_owned();
    let field = |line: &str| {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        (name.to_ascii_lowercase(), value.trim().to_owned())
    };
    (first, lines.map(field).collect())
}

/// All values of a field.
pub(crate) fn values<'f>(fields: &'f [(String, String)], name: &str) -> Vec<&'f str> {
    fields.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect()
}

pub(crate) fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
