use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::*;

#[test]
fn the_table_of_the_specification() {
    let attempt = |pooled, twice, unprocessed| Attempt { pooled, twice, unprocessed };
    for (pooled, twice) in [
        (ConnectionUse::Yes, Idempotency::Harmless),
        (ConnectionUse::Yes, Idempotency::Harmful),
        (ConnectionUse::No, Idempotency::Harmless),
        (ConnectionUse::No, Idempotency::Harmful),
    ] {
        for unprocessed in 0..5 {
            let attempt = attempt(pooled, twice, unprocessed);
            let allowed = |ending: AttemptEnd| ending.allows(&attempt);
            assert_eq!(allowed(AttemptEnd::Unwritten), pooled == ConnectionUse::Yes, "{attempt:?}");
            assert_eq!(allowed(AttemptEnd::Unprocessed), unprocessed < 3, "{attempt:?}");
            assert_eq!(
                allowed(AttemptEnd::NoResponse),
                pooled == ConnectionUse::Yes && twice == Idempotency::Harmless,
                "{attempt:?}"
            );
            assert!(!allowed(AttemptEnd::Failed), "{attempt:?}");
        }
    }
}

/// Takes everything that is written; then says a few bytes, and fails or ends.
struct Peer {
    says: &'static [u8],
    fails: Option<io::ErrorKind>,
    has_heard: bool,
}

impl AsyncRead for Peer {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.has_heard {
            return Poll::Pending;
        }
        buffer.put_slice(std::mem::take(&mut self.says));
        match self.fails.filter(|_| buffer.filled().is_empty()) {
            Some(kind) => Poll::Ready(Err(kind.into())),
            None => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncWrite for Peer {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.has_heard = true;
        context.waker().wake_by_ref();
        Poll::Ready(Ok(bytes.len()))
    }
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// How a request to such a peer ends, of whose response nothing was heard.
async fn ending(says: &'static [u8], fails: Option<io::ErrorKind>) -> AttemptEnd {
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(Peer { says, fails, has_heard: false })).await.unwrap();
    let served = tokio::spawn(connection);
    let error = sender.send_request(http::Request::new(Empty::<Bytes>::new())).await.unwrap_err();
    let _ = served.await;
    AttemptEnd::of(&error, ResponseBytes::Nothing)
}

/// A connection that ends was perhaps closed before the request came; one that says nothing in time, or nonsense, was not.
#[tokio::test]
async fn what_ends_a_connection_decides() {
    for kind in [
        io::ErrorKind::ConnectionReset,
        io::ErrorKind::BrokenPipe,
        io::ErrorKind::ConnectionAborted,
        // TLS without `close_notify`.
        io::ErrorKind::UnexpectedEof,
        io::ErrorKind::NotConnected,
        io::ErrorKind::Other,
    ] {
        assert_eq!(ending(b"", Some(kind)).await, AttemptEnd::NoResponse, "{kind:?}");
    }
    assert_eq!(ending(b"", None).await, AttemptEnd::NoResponse);
    assert_eq!(ending(b"", Some(io::ErrorKind::TimedOut)).await, AttemptEnd::Failed);
    assert_eq!(ending(b"nonsense\r\n\r\n", None).await, AttemptEnd::Failed);
}
