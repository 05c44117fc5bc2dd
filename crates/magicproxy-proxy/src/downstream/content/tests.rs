//! How much of a request's content is read that nobody wants.

use std::collections::VecDeque;
use std::convert::Infallible;

use super::*;

/// Content that comes in parts of these lengths.
struct Parts<'c>(&'c mut VecDeque<usize>);

impl Body for Parts<'_> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|length| Ok(Frame::data(Bytes::from(vec![b'x'; length])))))
    }
}

/// Of a stream, parts are read as long as no more than a MiB was read of it.
#[tokio::test]
async fn a_stream_is_read_up_to_a_mib() {
    for (parts, unread) in [
        (vec![1_048_576, 7, 7], 1),
        (vec![1_048_577, 7, 7], 2),
        (vec![524_288, 524_288, 0, 1, 7], 1),
        (vec![0, 1_048_575, 1, 1, 7], 1),
        (vec![7, 7], 0),
    ] {
        let mut content = VecDeque::from(parts.clone());
        discard_rest_of_stream(Parts(&mut content)).await;
        assert_eq!(content.len(), unread, "{parts:?}");
    }
}

/// Chunks are read up to 256 KiB; what ends there has ended.
#[test]
fn chunks_are_read_up_to_256_kib() {
    for (read, left, expected) in [
        (262_144, UNKNOWN, UNKNOWN),
        (262_145, UNKNOWN, UNREAD),
        (262_144, 5, 5),
        (262_145, 5, UNREAD),
        (262_145, 0, 0),
        (0, UNREAD, UNREAD),
    ] {
        assert_eq!(left_behind(read, left), expected, "{read} {left}");
    }
}
