//! Entries: what stands under names, conditions and changes, ends.

use std::sync::Arc;

use magicproxy_core::UnixTime;
use magicproxy_core::state::{Change, Condition, Entry, StateStore};
use magicproxy_state::{GRACE_SECONDS, LATEST_SECONDS};

use crate::support::{LATER, NOW, absent, apply, equals, partition, put, remove, value};

type Store = Arc<dyn StateStore>;

crate::on_every_store![
    an_empty_store_has_nothing,
    what_is_put_is_read,
    order_and_repetition_of_names_are_kept,
    conditions_decide,
    all_conditions_or_nothing,
    changes_are_made_in_their_order,
    an_entry_ends_in_its_second,
    what_has_ended_is_as_if_it_had_never_been,
    putting_what_has_ended_removes,
    the_number_of_entries_is_bounded,
    a_list_is_ordered_by_bytes_and_bounded,
    partitions_share_nothing,
    names_are_bytes,
    values_are_bytes,
    time_does_not_go_back,
    time_goes_back_within_grace_and_everything_is_there,
    far_ends_are_kept,
    many_changes_at_once,
    ping_is_answered,
];

async fn an_empty_store_has_nothing(store: Store) {
    assert_eq!(value(&*store, b"a", 0).await, None);
    assert_eq!(store.read(partition(""), vec![], UnixTime(NOW)).await.unwrap(), vec![]);
    assert_eq!(store.list(partition(""), vec![], 10, UnixTime(NOW)).await.unwrap(), vec![]);
    assert!(apply(&*store, &[absent(b"a")], &[], 0).await);
    assert!(apply(&*store, &[], &[remove(b"a")], 0).await);
    assert!(!apply(&*store, &[equals(b"a", b"")], &[put(b"b", b"", LATER)], 0).await);
}

async fn what_is_put_is_read(store: Store) {
    assert!(apply(&*store, &[], &[put(b"a", b"1", LATER), put(b"b", b"2", NOW + 5)], 0).await);
    let found = store
        .read(partition(""), vec![b"b".to_vec(), b"c".to_vec(), b"a".to_vec()], UnixTime(NOW))
        .await
        .unwrap();
    let entry =
        |value: &[u8], end| Some(Entry { value: value.to_vec(), expires_at: UnixTime(end) });
    assert_eq!(found, [entry(b"2", NOW + 5), None, entry(b"1", LATER)]);
    assert!(apply(&*store, &[], &[put(b"a", b"3", NOW + 9)], 0).await);
    assert_eq!(value(&*store, b"a", 0).await.unwrap(), b"3");
    assert_eq!(value(&*store, b"a", 9).await, None);
}

async fn order_and_repetition_of_names_are_kept(store: Store) {
    apply(&*store, &[], &[put(b"a", b"1", LATER)], 0).await;
    let names = [b"a", b"b", b"a"].map(|name| name.to_vec()).to_vec();
    let found = store.read(partition(""), names, UnixTime(NOW)).await.unwrap();
    assert_eq!(found.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false, true]);
    let many = (0..300u32).map(|n| n.to_be_bytes().to_vec()).chain([b"a".to_vec()]).collect();
    let found = store.read(partition(""), many, UnixTime(NOW)).await.unwrap();
    assert_eq!((found.len(), found.iter().flatten().count(), found[300].is_some()), (301, 1, true));
}

async fn conditions_decide(store: Store) {
    assert!(apply(&*store, &[absent(b"a")], &[put(b"a", b"1", LATER)], 0).await);
    assert!(!apply(&*store, &[absent(b"a")], &[put(b"a", b"2", LATER)], 0).await);
    assert!(!apply(&*store, &[equals(b"a", b"2")], &[put(b"a", b"3", LATER)], 0).await);
    assert!(!apply(&*store, &[equals(b"a", b"")], &[put(b"a", b"3", LATER)], 0).await);
    assert!(apply(&*store, &[equals(b"a", b"1")], &[put(b"a", b"4", LATER)], 0).await);
    assert_eq!(value(&*store, b"a", 0).await.unwrap(), b"4");
    // An empty value is a value.
    apply(&*store, &[], &[put(b"e", b"", LATER)], 0).await;
    assert!(apply(&*store, &[equals(b"e", b"")], &[], 0).await);
    assert!(!apply(&*store, &[absent(b"e")], &[], 0).await);
}

async fn all_conditions_or_nothing(store: Store) {
    apply(&*store, &[], &[put(b"a", b"1", LATER)], 0).await;
    let changes = [put(b"b", b"x", LATER), remove(b"a")];
    assert!(!apply(&*store, &[absent(b"b"), equals(b"a", b"1"), absent(b"a")], &changes, 0).await);
    assert_eq!(value(&*store, b"b", 0).await, None);
    assert_eq!(value(&*store, b"a", 0).await.unwrap(), b"1");
    assert!(apply(&*store, &[absent(b"b"), equals(b"a", b"1")], &changes, 0).await);
    assert_eq!(value(&*store, b"a", 0).await, None);
    // Conditions see what was there before the changes.
    assert!(
        apply(&*store, &[absent(b"a")], &[put(b"a", b"1", LATER), put(b"a", b"2", LATER)], 0).await
    );
}

async fn changes_are_made_in_their_order(store: Store) {
    apply(
        &*store,
        &[],
        &[put(b"a", b"1", LATER), remove(b"a"), put(b"b", b"1", LATER), put(b"b", b"2", LATER)],
        0,
    )
    .await;
    assert_eq!(value(&*store, b"a", 0).await, None);
    assert_eq!(value(&*store, b"b", 0).await.unwrap(), b"2");
    apply(&*store, &[], &[remove(b"b"), put(b"b", b"3", LATER)], 0).await;
    assert_eq!(value(&*store, b"b", 0).await.unwrap(), b"3");
}

async fn an_entry_ends_in_its_second(store: Store) {
    apply(&*store, &[], &[put(b"a", b"1", NOW + 10)], 0).await;
    assert_eq!(value(&*store, b"a", 9).await.unwrap(), b"1");
    assert_eq!(value(&*store, b"a", 10).await, None);
    assert_eq!(store.list(partition(""), vec![], 9, UnixTime(NOW + 9)).await.unwrap().len(), 1);
    assert_eq!(store.list(partition(""), vec![], 9, UnixTime(NOW + 10)).await.unwrap().len(), 0);
}

async fn what_has_ended_is_as_if_it_had_never_been(store: Store) {
    apply(&*store, &[], &[put(b"a", b"1", NOW + 10)], 0).await;
    assert!(!apply(&*store, &[equals(b"a", b"1")], &[], 10).await);
    assert!(apply(&*store, &[Condition::AtMost(vec![], 0)], &[], 10).await);
    assert!(apply(&*store, &[absent(b"a")], &[put(b"a", b"2", LATER)], 10).await);
    assert_eq!(value(&*store, b"a", 10).await.unwrap(), b"2");
}

async fn putting_what_has_ended_removes(store: Store) {
    apply(&*store, &[], &[put(b"a", b"1", LATER)], 0).await;
    assert!(apply(&*store, &[], &[put(b"a", b"2", NOW)], 0).await);
    assert_eq!(value(&*store, b"a", 0).await, None);
    assert!(apply(&*store, &[], &[put(b"b", b"2", 0)], 0).await);
    assert_eq!(value(&*store, b"b", 0).await, None);
}

async fn the_number_of_entries_is_bounded(store: Store) {
    let most = |number| [Condition::AtMost(b"g".to_vec(), number)];
    apply(
        &*store,
        &[],
        &[put(b"f", b"", LATER), put(b"h", b"", LATER), put(b"g0", b"", NOW + 5)],
        0,
    )
    .await;
    assert!(!apply(&*store, &most(0), &[], 0).await);
    assert!(apply(&*store, &most(1), &[put(b"g1", b"", LATER), put(b"g2", b"", LATER)], 0).await);
    assert!(!apply(&*store, &most(2), &[put(b"g3", b"", LATER)], 0).await);
    assert!(apply(&*store, &most(3), &[], 0).await);
    assert!(apply(&*store, &most(2), &[put(b"g3", b"", LATER)], 5).await);
    assert!(apply(&*store, &[Condition::AtMost(vec![], usize::MAX)], &[], 5).await);
    assert!(apply(&*store, &[Condition::AtMost(b"nothing".to_vec(), 0)], &[], 5).await);
}

async fn a_list_is_ordered_by_bytes_and_bounded(store: Store) {
    // In the order of most languages some of these would stand elsewhere.
    let names: [&[u8]; 9] =
        [b"p", b"p\x00", b"p\x00b", b"p-", b"pA", b"p_a", b"pa", b"pb", b"p\xff\xff"];
    let mut changes: Vec<Change> = names.iter().rev().map(|name| put(name, name, LATER)).collect();
    changes.extend([
        put(b"o", b"", LATER),
        put(b"q", b"", LATER),
        put(b"P", b"", LATER),
        put(b"pz", b"", NOW + 1),
    ]);
    apply(&*store, &[], &changes, 0).await;
    for most in [0, 1, 3, 8, 9, 10, usize::MAX] {
        let found =
            store.list(partition(""), b"p".to_vec(), most, UnixTime(NOW + 1)).await.unwrap();
        let expected = names.iter().take(most).map(|name| name.to_vec());
        assert_eq!(
            found.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>(),
            expected.collect::<Vec<_>>(),
            "{most}"
        );
        assert!(
            found
                .iter()
                .all(|(name, entry)| *name == entry.value && entry.expires_at == UnixTime(LATER))
        );
    }
    assert_eq!(store.list(partition(""), vec![], 100, UnixTime(NOW)).await.unwrap().len(), 13);
}

async fn partitions_share_nothing(store: Store) {
    let (one, other) = (partition("one"), partition("other"));
    store.apply(one, vec![], vec![put(b"a", b"1", LATER)], UnixTime(NOW)).await.unwrap();
    assert!(store.apply(other, vec![absent(b"a")], vec![], UnixTime(NOW)).await.unwrap());
    assert_eq!(store.list(other, vec![], 10, UnixTime(NOW)).await.unwrap(), vec![]);
    // Neither does the time: what is late for one is not for the other.
    store.apply(one, vec![], vec![put(b"b", b"1", LATER)], UnixTime(NOW + 100)).await.unwrap();
    store.apply(other, vec![], vec![put(b"a", b"1", NOW + 50)], UnixTime(NOW)).await.unwrap();
    assert!(store.read(other, vec![b"a".to_vec()], UnixTime(NOW)).await.unwrap()[0].is_some());
}

async fn names_are_bytes(store: Store) {
    let all: Vec<u8> = (0..=255).collect();
    let names: [&[u8]; 12] = [
        b"",
        b"\0",
        b"\0\0",
        b"\xff",
        &all,
        b"t",
        b"x",
        b"n",
        b"v",
        b"e",
        b"\r\n$3\r\n",
        b"]] redis.call('FLUSHALL') --",
    ];
    let changes: Vec<Change> = names
        .iter()
        .enumerate()
        .map(|(at, name)| put(name, &[u8::try_from(at).unwrap()], LATER))
        .collect();
    apply(&*store, &[], &changes, 0).await;
    for (at, name) in names.iter().enumerate() {
        assert_eq!(value(&*store, name, 0).await.unwrap(), [u8::try_from(at).unwrap()], "{name:?}");
    }
    apply(&*store, &[], &[remove(b"")], 0).await;
    assert_eq!(
        store.list(partition(""), vec![], 100, UnixTime(NOW)).await.unwrap().len(),
        names.len() - 1
    );
}

async fn values_are_bytes(store: Store) {
    let all: Vec<u8> = (0..=255).cycle().take(64 * 1024).collect();
    for value_of in [b"".as_slice(), b"\0", b"1e400", b"nil", b"false", &all] {
        apply(&*store, &[], &[put(b"a", value_of, LATER)], 0).await;
        assert_eq!(value(&*store, b"a", 0).await.unwrap(), value_of);
        assert!(apply(&*store, &[equals(b"a", value_of)], &[], 0).await);
    }
}

async fn time_does_not_go_back(store: Store) {
    apply(&*store, &[], &[put(b"a", b"1", NOW + 10), put(b"b", b"1", LATER)], 0).await;
    // A reader's time is nobody else's.
    assert_eq!(value(&*store, b"a", 20).await, None);
    assert_eq!(value(&*store, b"a", 0).await.unwrap(), b"1");
    // A change's is.
    apply(&*store, &[], &[put(b"c", b"", LATER)], 20).await;
    assert_eq!(value(&*store, b"a", 0).await, None);
    assert!(apply(&*store, &[absent(b"a")], &[put(b"a", b"2", NOW + 15)], 0).await);
    assert_eq!(value(&*store, b"a", 0).await, None);
    assert_eq!(value(&*store, b"b", 0).await.unwrap(), b"1");
}

async fn time_goes_back_within_grace_and_everything_is_there(store: Store) {
    let (one, other) = (partition("one"), partition("other"));
    store.apply(one, vec![], vec![put(b"a", b"1", NOW + 10)], UnixTime(NOW)).await.unwrap();
    for second in 0..50 {
        let now = UnixTime(NOW + GRACE_SECONDS + 9 - second);
        store.apply(other, vec![], vec![put(b"b", b"1", LATER)], now).await.unwrap();
    }
    assert!(store.read(one, vec![b"a".to_vec()], UnixTime(NOW + 9)).await.unwrap()[0].is_some());
}

async fn far_ends_are_kept(store: Store) {
    let ends = [LATEST_SECONDS - 1, LATEST_SECONDS, LATEST_SECONDS + 1, u64::MAX];
    for end in ends {
        apply(&*store, &[], &[put(b"a", b"1", end)], 0).await;
        let found = store.read(partition(""), vec![b"a".to_vec()], UnixTime(NOW)).await.unwrap();
        assert_eq!(found[0].as_ref().unwrap().expires_at, UnixTime(end.min(LATEST_SECONDS)));
    }
    assert!(
        store.read(partition(""), vec![b"a".to_vec()], UnixTime(u64::MAX)).await.unwrap()[0]
            .is_none()
    );
}

async fn many_changes_at_once(store: Store) {
    let name = |number: u32| [b"many/".as_slice(), &number.to_be_bytes()].concat();
    let changes: Vec<Change> =
        (0..10_000).map(|number| put(&name(number), &number.to_be_bytes(), LATER)).collect();
    assert!(apply(&*store, &[Condition::AtMost(b"many/".to_vec(), 0)], &changes, 0).await);
    let found = store.list(partition(""), b"many/".to_vec(), 20_000, UnixTime(NOW)).await.unwrap();
    assert!(found.iter().map(|(name, _)| name.clone()).eq((0..10_000).map(name)));
    let found = store.list(partition(""), b"many/".to_vec(), 3, UnixTime(NOW)).await.unwrap();
    assert!(found.iter().map(|(name, _)| name.clone()).eq((0..3).map(name)));
    assert!(!apply(&*store, &[Condition::AtMost(b"many/".to_vec(), 9_999)], &[], 0).await);
    assert!(apply(&*store, &[Condition::AtMost(b"many/".to_vec(), 10_000)], &[], 0).await);
}

async fn ping_is_answered(store: Store) {
    store.ping().await.unwrap();
}
