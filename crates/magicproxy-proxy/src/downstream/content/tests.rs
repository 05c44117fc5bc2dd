//! How much of a request's content is read that nobody wants.

use std::collections::VecDeque;
use std::convert::Infallible;

use super::*;

/// Content that comes in parts of these lengths.
struct Parts<'c>(&'c mut VecDeque<usize>);

impl Body for Parts<'_> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(
            self.0.pop_front().map(|length| Ok(Frame::data(Bytes::from(vec![b'x'; length])))),
        )
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
        discard_rest_of_stream(Parts(&mut content), None).await;
        assert_eq!(content.len(), unread, "{parts:?}");
    }
}

/// Chunks are read up to 256 KiB; what ends there has ended.
#[test]
fn chunks_are_read_up_to_256_kib() {
    for (read, left, expected) in [
        (262_144, RemainingLength::Unknown, RemainingLength::Unknown),
        (262_145, RemainingLength::Unknown, RemainingLength::Unread),
        (262_144, RemainingLength::Bytes(5), RemainingLength::Bytes(5)),
        (262_145, RemainingLength::Bytes(5), RemainingLength::Unread),
        (262_145, RemainingLength::Bytes(0), RemainingLength::Bytes(0)),
        (0, RemainingLength::Unread, RemainingLength::Unread),
    ] {
        assert_eq!(left_behind(read, MAX_DISCARDED, left), expected, "{read} {left:?}");
    }
}

/// "Not known" is no number of bytes: a bound is there only where the end of the content is known and more of it is to come.
#[test]
fn reading_is_bounded_where_the_end_is_known() {
    let rest = RemainingContent::default();
    for (left, most) in [
        (RemainingLength::Bytes(0), None),
        (RemainingLength::Bytes(1), Some(1)),
        (RemainingLength::Bytes(u64::MAX - 2), Some(u64::MAX - 2)),
        (RemainingLength::Unknown, None),
        (RemainingLength::Unread, None),
        (RemainingLength::of_length(None), None),
        (RemainingLength::of_length(Some(5)), Some(5)),
        // Longer than any content, and nothing that may be taken for it.
        (RemainingLength::of_length(Some(u64::MAX - 1)), None),
        (RemainingLength::of_length(Some(u64::MAX)), None),
    ] {
        rest.begin(left);
        assert_eq!(rest.most(), most, "{left:?}");
        assert_eq!(RemainingLength::from_number(left.to_number()), left);
    }
}

#[test]
fn what_was_read_lowers_the_bound() {
    let rest = RemainingContent::default();
    rest.begin(RemainingLength::Bytes(10));
    rest.was_read(10, 4);
    assert_eq!(rest.most(), Some(6));
    rest.set(RemainingLength::Bytes(5));
    assert_eq!((rest.most(), rest.is_to_come()), (Some(5), true));
    rest.was_read(5, 5);
    assert_eq!((rest.most(), rest.is_to_come(), rest.is_over()), (None, false, false));
    rest.begin(RemainingLength::Bytes(7));
    assert_eq!(rest.most(), Some(7), "the next request begins anew");
}

#[test]
fn only_a_known_length_is_within_a_bound() {
    for (left, is_within) in [
        (RemainingLength::Bytes(0), true),
        (RemainingLength::Bytes(9), true),
        (RemainingLength::Bytes(10), false),
    ] {
        assert_eq!(left.is_within(9), is_within, "{left:?}");
    }
    assert!(
        !RemainingLength::Unknown.is_within(u64::MAX)
            && !RemainingLength::Unread.is_within(u64::MAX)
    );
}
