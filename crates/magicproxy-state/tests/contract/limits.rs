//! What is too long, and numbers at the ends of their ranges.

use std::sync::Arc;

use magicproxy_core::UnixTime;
use magicproxy_core::state::{
    Bound, Change, Condition, Demand, MAX_ENTRY_NAME_BYTES, MAX_ENTRY_VALUE_BYTES, StateStore,
    StoreError, TakeResult, UnixMillis,
};

use crate::support::{LATER, NOW, apply, at, demand, holder, partition, put, take, value};

type Store = Arc<dyn StateStore>;

crate::on_every_store![
    the_longest_name_and_value_fit,
    longer_ones_are_refused_and_nothing_is_changed,
    numbers_out_of_range_are_no_way_around,
    the_end_of_time,
];

async fn the_longest_name_and_value_fit(store: Store) {
    let name = vec![0xfe; MAX_ENTRY_NAME_BYTES];
    let long = vec![7; MAX_ENTRY_VALUE_BYTES];
    assert!(apply(&*store, &[], &[put(&name, &long, LATER)], 0).await);
    assert_eq!(value(&*store, &name, 0).await.unwrap(), long);
    assert_eq!(take(&*store, &[demand(&name, Bound::Total(1))], 0).await, TakeResult::All(vec![0]));
    assert_eq!(
        take(&*store, &[demand(&name, Bound::Window(1, 1000))], 0).await,
        TakeResult::All(vec![0])
    );
    assert_eq!(store.list(partition(""), name.clone(), 2, UnixTime(NOW)).await.unwrap().len(), 1);
}

async fn longer_ones_are_refused_and_nothing_is_changed(store: Store) {
    let (p, now) = (partition(""), UnixTime(NOW));
    let name = vec![0; MAX_ENTRY_NAME_BYTES + 1];
    let long = vec![0; MAX_ENTRY_VALUE_BYTES + 1];
    let too_long = Err(StoreError::TooLong);
    assert_eq!(
        store.read(p, vec![b"a".to_vec(), name.clone()], now).await,
        Err(StoreError::TooLong)
    );
    assert_eq!(store.list(p, name.clone(), 1, now).await, Err(StoreError::TooLong));
    for condition in [
        Condition::Absent(name.clone()),
        Condition::Equals(b"a".to_vec(), long.clone()),
        Condition::AtMost(name.clone(), 1),
    ] {
        assert_eq!(store.apply(p, vec![condition], vec![], now).await, too_long);
    }
    for change in [put(&name, b"", LATER), put(b"b", &long, LATER), Change::Remove(name.clone())] {
        assert_eq!(
            store.apply(p, vec![], vec![put(b"a", b"", LATER), change], now).await,
            too_long
        );
    }
    let demands = vec![demand(b"a", Bound::Total(1)), demand(&name, Bound::Total(1))];
    assert_eq!(store.take(p, demands, at(0)).await, Err(StoreError::TooLong));
    assert_eq!(store.renew(p, name.clone(), holder(1), 1, at(0)).await, too_long);
    assert_eq!(store.give_back(p, name.clone(), holder(1)).await, Err(StoreError::TooLong));
    assert_eq!(value(&*store, b"a", 0).await, None);
    assert_eq!(take(&*store, &[demand(b"a", Bound::Total(1))], 0).await, TakeResult::All(vec![0]));
}

async fn numbers_out_of_range_are_no_way_around(store: Store) {
    let not = |demand| TakeResult::Not { demand, retry_after: None };
    for bound in [Bound::Total(0), Bound::Window(0, 1000), Bound::Concurrent(0, holder(1), 1000)] {
        assert_eq!(take(&*store, &[demand(b"none", bound)], 0).await, not(0), "{bound:?}");
    }
    // More than a billion is a billion; a window of no length is one of a second.
    assert_eq!(
        take(&*store, &[demand(b"many", Bound::Total(u64::MAX))], 0).await,
        TakeResult::All(vec![999_999_999])
    );
    assert_eq!(
        take(&*store, &[demand(b"many", Bound::Window(u64::MAX, u64::MAX))], 0).await,
        TakeResult::All(vec![999_999_999])
    );
    assert_eq!(
        take(&*store, &[demand(b"w", Bound::Window(1, 0))], 0).await,
        TakeResult::All(vec![0])
    );
    assert!(matches!(
        take(&*store, &[demand(b"w", Bound::Window(1, 0))], 999).await,
        TakeResult::Not { .. }
    ));
    let long = Bound::Concurrent(1, holder(1), u64::MAX);
    assert_eq!(take(&*store, &[demand(b"l", long)], 0).await, TakeResult::All(vec![0]));
    assert_eq!(
        take(&*store, &[demand(b"l", Bound::Concurrent(1, holder(2), 1))], 500_000).await,
        not(0)
    );
    assert!(store.renew(partition(""), b"l".to_vec(), holder(1), u64::MAX, at(0)).await.unwrap());
}

async fn the_end_of_time(store: Store) {
    let demands = vec![Demand {
        counter: b"a".to_vec(),
        bound: Bound::Window(1, 2_678_400_000),
        expires_at: UnixTime(u64::MAX),
        room: u64::MAX,
    }];
    let p = partition("far");
    // Everything has ended by then, and what has ended is not given.
    let taken = store.take(p, demands.clone(), UnixMillis(u64::MAX)).await.unwrap();
    assert_eq!(taken, TakeResult::Not { demand: 0, retry_after: None });
    let last = UnixMillis(magicproxy_state::LATEST_SECONDS * 1000 - 1);
    assert_eq!(store.take(p, demands.clone(), last).await.unwrap(), TakeResult::All(vec![0]));
    // The counter ends before there is one again.
    assert_eq!(
        store.take(p, demands, last).await.unwrap(),
        TakeResult::Not { demand: 0, retry_after: Some(1) }
    );
}
