use super::*;

/// "Not known" is no number of bytes: a bound is there only where the end of the content is known and more of it is to come.
#[test]
fn reading_is_bounded_where_the_end_is_known() {
    let rest = Rest::default();
    for (left, most) in [
        (Left::Bytes(0), None),
        (Left::Bytes(1), Some(1)),
        (Left::Bytes(u64::MAX - 2), Some(u64::MAX - 2)),
        (Left::Unknown, None),
        (Left::Unread, None),
        (Left::of_length(None), None),
        (Left::of_length(Some(5)), Some(5)),
        // Longer than any content, and nothing that may be taken for it.
        (Left::of_length(Some(u64::MAX - 1)), None),
        (Left::of_length(Some(u64::MAX)), None),
    ] {
        rest.begin(left);
        assert_eq!(rest.most(), most, "{left:?}");
        assert_eq!(Left::from_number(left.to_number()), left);
    }
}

#[test]
fn what_was_read_lowers_the_bound() {
    let rest = Rest::default();
    rest.begin(Left::Bytes(10));
    rest.was_read(10, 4);
    assert_eq!(rest.most(), Some(6));
    rest.set(Left::Bytes(5));
    assert_eq!((rest.most(), rest.is_to_come()), (Some(5), true));
    rest.was_read(5, 5);
    assert_eq!((rest.most(), rest.is_to_come(), rest.is_over()), (None, false, false));
    rest.begin(Left::Bytes(7));
    assert_eq!(rest.most(), Some(7), "the next request begins anew");
}

#[test]
fn only_a_known_length_is_within_a_bound() {
    for (left, is_within) in [(Left::Bytes(0), true), (Left::Bytes(9), true), (Left::Bytes(10), false)] {
        assert_eq!(left.is_within(9), is_within, "{left:?}");
    }
    assert!(!Left::Unknown.is_within(u64::MAX) && !Left::Unread.is_within(u64::MAX));
}
