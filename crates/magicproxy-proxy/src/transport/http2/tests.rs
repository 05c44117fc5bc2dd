//! Streams that use up the upstream's limit: whoever gets one hears when content may be sent.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use http::Method;
use tokio::io::{AsyncWriteExt as _, DuplexStream};
use tokio::sync::oneshot;

use super::driver::OpenedStream;
use super::*;
use crate::transport::tests::{absolute, heads_until_silence, now, piped};

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// An exchange that gets its stream, and waits for the stream's window, in the very moment in which the driver hands the stream over:
/// as one does that another thread runs.
struct Eager {
    waiting: Mutex<Option<oneshot::Receiver<OpenedStream>>>,
    opened: Mutex<Option<OpenedStream>>,
    /// Has it heard that there is room for content?
    has_heard: Arc<Woken>,
}

impl Wake for Eager {
    fn wake(self: Arc<Self>) {
        let Some(mut waiting) = self.waiting.lock().unwrap().take() else { return };
        let Ok(mut opened) = waiting.try_recv() else { return };
        let waker = Waker::from(Arc::clone(&self.has_heard));
        let mut context = Context::from_waker(&waker);
        opened.body.reserve_capacity(1);
        let has_failed = opened.body.poll_reset(&mut context).is_ready();
        if has_failed || opened.body.poll_capacity(&mut context).is_ready() {
            self.has_heard.0.store(true, Ordering::SeqCst);
        }
        *self.opened.lock().unwrap() = Some(opened);
    }
}

impl Eager {
    /// Hands over a request with content, and gives the driver many turns.
    async fn begin(connection: &SharedConnection) -> Arc<Self> {
        let (reply, mut waiting) = oneshot::channel();
        let eager = Arc::new(Self {
            waiting: Mutex::default(),
            opened: Mutex::default(),
            has_heard: Arc::default(),
        });
        let waker = Waker::from(Arc::clone(&eager));
        assert!(Pin::new(&mut waiting).poll(&mut Context::from_waker(&waker)).is_pending());
        *eager.waiting.lock().unwrap() = Some(waiting);
        let head = absolute(Method::POST).map(|_| ());
        let request = StreamRequest { head, has_body: true, given_up: None, decision: None, reply };
        assert!(connection.hand_over(request));
        turns().await;
        eager
    }

    fn has_heard(&self) -> bool {
        self.has_heard.0.load(Ordering::SeqCst)
    }
}

async fn turns() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

/// Makes the driver run: PING, and SETTINGS with `SETTINGS_MAX_CONCURRENT_STREAMS`.
async fn disturb(far: &mut DuplexStream, limit: u32) {
    far.write_all(&[0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]).await.unwrap();
    let limit = limit.to_be_bytes();
    far.write_all(&[&[0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3], &limit[..]].concat()).await.unwrap();
    turns().await;
}

/// Ends the first stream: RST_STREAM.
async fn end_first(far: &mut DuplexStream) {
    far.write_all(&[0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 0]).await.unwrap();
    turns().await;
}

/// A connection that allows one stream, with one that is open and one that waits in the library: which counts as open what we count
/// no more.
async fn with_one_that_waits() -> (SharedConnection, DuplexStream, [Arc<Eager>; 2]) {
    let (connection, mut far) = piped(1).await;
    connection.streams().begin();
    let begun = [Eager::begin(&connection).await, Eager::begin(&connection).await];
    for _ in 0..3 {
        disturb(&mut far, 1).await;
    }
    assert_eq!(begun.each_ref().map(|eager| eager.has_heard()), [true, false]);
    (connection, far, begun)
}

#[tokio::test]
async fn whoever_gets_the_last_stream_hears_of_room() {
    for limit in [1, 2, 3] {
        let (connection, mut far) = piped(limit).await;
        for number in 0..limit {
            connection.streams().begin();
            let eager = Eager::begin(&connection).await;
            assert!(eager.has_heard(), "stream {number} of {limit}");
        }
        assert_eq!(heads_until_silence(&mut far).await.len(), limit as usize);
    }
}

#[tokio::test]
async fn whoever_waits_for_a_stream_hears_of_room_once_it_opens() {
    for is_raised in [false, true] {
        let (_connection, mut far, [_, waits]) = with_one_that_waits().await;
        match is_raised {
            true => disturb(&mut far, 2).await,
            false => end_first(&mut far).await,
        }
        assert!(waits.has_heard(), "{is_raised}");
        assert_eq!(heads_until_silence(&mut far).await, [1, 3]);
    }
}

/// Its head may have been sent when the connection ended.
#[tokio::test]
async fn whoever_waits_for_a_stream_hears_that_the_connection_has_ended() {
    let (_connection, far, [_, waits]) = with_one_that_waits().await;
    drop(far);
    turns().await;
    let opened = waits.opened.lock().unwrap().take();
    let mut opened = opened.expect("the request would be sent again");
    assert!(matches!(now(Pin::new(&mut opened.response)), Poll::Ready(Err(_))));
}

#[tokio::test]
async fn a_stream_that_is_given_up_while_it_waits_leaves_the_connection_to_others() {
    let (connection, mut far, [_, given_up]) = with_one_that_waits().await;
    *given_up.waiting.lock().unwrap() = None;
    end_first(&mut far).await;
    let next = Eager::begin(&connection).await;
    assert!(next.has_heard(), "the stream that was given up is open");
    assert_eq!(heads_until_silence(&mut far).await, [1, 3, 5]);
}
