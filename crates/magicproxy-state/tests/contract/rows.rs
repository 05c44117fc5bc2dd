//! How many rows there may be: of a partition, of the store, and of whoever pays.

use std::sync::Arc;

use magicproxy_core::UnixTime;
use magicproxy_core::state::{
    Bound, BoundedPartition, Change, Condition, Demand, FullScope, RowAllowance, RowLimits,
    StateStore, StoreError, TakeResult,
};
use magicproxy_state::GRACE_SECONDS;

use crate::support::{LATER, NOW, absent, at, demand, partition, put, remove};

type Store = Arc<dyn StateStore>;

crate::on_every_store![
    a_partition_holds_no_more_rows_than_it_may,
    entries_and_counters_are_rows_alike,
    what_adds_no_row_is_never_refused_for_room,
    what_has_ended_makes_room,
    the_store_holds_no_more_rows_than_it_may,
    counters_whose_end_moves_on_are_counted_once,
    an_allowance_is_spent_by_further_rows_alone,
    a_call_that_finds_no_room_changes_nothing,
    room_can_be_asked_for,
    values_are_counted_by_their_beginning,
];

fn limits(partition: u64) -> RowLimits {
    RowLimits { partition, ..RowLimits::UNBOUNDED }
}

async fn write(
    store: &dyn StateStore,
    name: &str,
    rows: RowLimits,
    changes: Vec<Change>,
    second: u64,
) -> Result<bool, StoreError> {
    let target = BoundedPartition { partition: partition(name), rows };
    store.apply_within(target, Vec::new(), changes, UnixTime(NOW + second)).await
}

async fn count(
    store: &dyn StateStore,
    rows: RowLimits,
    demands: Vec<Demand>,
) -> Result<TakeResult, StoreError> {
    store.take_within(BoundedPartition { partition: partition(""), rows }, demands, at(0)).await
}

fn full(what: FullScope) -> StoreError {
    StoreError::Full(what)
}

async fn a_partition_holds_no_more_rows_than_it_may(store: Store) {
    for name in [b"a", b"b", b"c"] {
        assert_eq!(
            write(&*store, "one", limits(3), vec![put(name, b"", LATER)], 0).await,
            Ok(true)
        );
    }
    assert_eq!(
        write(&*store, "one", limits(3), vec![put(b"d", b"", LATER)], 0).await,
        Err(full(FullScope::Partition))
    );
    assert_eq!(
        write(&*store, "two", limits(3), vec![put(b"d", b"", LATER)], 0).await,
        Ok(true),
        "another partition"
    );
    assert_eq!(write(&*store, "one", limits(3), vec![remove(b"a")], 0).await, Ok(true));
    assert_eq!(write(&*store, "one", limits(3), vec![put(b"d", b"", LATER)], 0).await, Ok(true));
    assert_eq!(
        write(&*store, "one", limits(3), vec![put(b"e", b"", LATER)], 0).await,
        Err(full(FullScope::Partition))
    );
    assert_eq!(
        write(&*store, "none", limits(0), vec![put(b"a", b"", LATER)], 0).await,
        Err(full(FullScope::Partition))
    );
}

async fn entries_and_counters_are_rows_alike(store: Store) {
    let one = |name: &[u8]| vec![demand(name, Bound::Total(9))];
    assert_eq!(write(&*store, "", limits(3), vec![put(b"a", b"", LATER)], 0).await, Ok(true));
    assert_eq!(count(&*store, limits(3), one(b"a")).await, Ok(TakeResult::All(vec![8])));
    let two = [one(b"b"), vec![demand(b"b", Bound::Window(9, 60_000))]].concat();
    assert_eq!(count(&*store, limits(3), two.clone()).await, Err(full(FullScope::Partition)));
    assert_eq!(count(&*store, limits(4), two).await, Ok(TakeResult::All(vec![8, 8])));
    assert_eq!(count(&*store, limits(4), one(b"c")).await, Err(full(FullScope::Partition)));
}

async fn what_adds_no_row_is_never_refused_for_room(store: Store) {
    assert_eq!(write(&*store, "", limits(2), vec![put(b"a", b"1", LATER)], 0).await, Ok(true));
    assert_eq!(
        count(&*store, limits(2), vec![demand(b"n", Bound::Total(9))]).await,
        Ok(TakeResult::All(vec![8]))
    );
    let none = RowLimits {
        partition: 0,
        total: 0,
        spare: 0,
        allowance: Some(Arc::new(RowAllowance::new(0))),
    };
    assert_eq!(
        count(&*store, none.clone(), vec![demand(b"n", Bound::Total(9))]).await,
        Ok(TakeResult::All(vec![7]))
    );
    assert_eq!(write(&*store, "", none.clone(), vec![put(b"a", b"2", LATER)], 0).await, Ok(true));
    assert_eq!(
        write(&*store, "", none.clone(), vec![remove(b"a"), put(b"b", b"", LATER)], 0).await,
        Ok(true),
        "one for another"
    );
    assert_eq!(
        write(&*store, "", none.clone(), vec![put(b"c", b"", LATER), remove(b"c")], 0).await,
        Ok(true)
    );
    assert_eq!(
        write(&*store, "", none.clone(), vec![put(b"c", b"", NOW)], 0).await,
        Ok(true),
        "it has ended already"
    );
    assert_eq!(write(&*store, "", none, vec![remove(b"b")], 0).await, Ok(true));
}

async fn what_has_ended_makes_room(store: Store) {
    let short = |name| vec![put(name, b"", NOW + 1)];
    assert_eq!(write(&*store, "", limits(2), short(b"a"), 0).await, Ok(true));
    assert_eq!(write(&*store, "", limits(2), vec![put(b"b", b"", LATER)], 0).await, Ok(true));
    assert_eq!(
        write(&*store, "", limits(2), vec![put(b"c", b"", LATER)], 0).await,
        Err(full(FullScope::Partition))
    );
    let later = GRACE_SECONDS + 2;
    assert_eq!(write(&*store, "", limits(2), vec![put(b"c", b"", LATER)], later).await, Ok(true));
    assert_eq!(
        write(&*store, "", limits(2), vec![put(b"d", b"", LATER)], later).await,
        Err(full(FullScope::Partition))
    );
}

/// A server's total is as old as a second, so it is shown by rows that were there before.
async fn the_store_holds_no_more_rows_than_it_may(store: Store) {
    let names: Vec<Vec<u8>> = (0..20_u8).map(|number| vec![number]).collect();
    let rows = names.iter().map(|name| put(name, b"", LATER)).collect();
    assert_eq!(write(&*store, "one", RowLimits::UNBOUNDED, rows, 0).await, Ok(true));
    let bounded = |total| RowLimits { total, ..RowLimits::UNBOUNDED };
    let asked = |total| RowLimits { spare: 1, ..bounded(total) };
    crate::support::until(async || {
        write(&*store, "two", asked(10), vec![], 0).await == Err(full(FullScope::Store))
    })
    .await;
    assert_eq!(
        write(&*store, "two", bounded(10), vec![put(b"a", b"", LATER)], 0).await,
        Err(full(FullScope::Store))
    );
    assert_eq!(
        write(&*store, "one", bounded(10), vec![put(&names[0], b"x", LATER)], 0).await,
        Ok(true),
        "no further row"
    );
    assert_eq!(write(&*store, "two", bounded(100), vec![put(b"a", b"", LATER)], 0).await, Ok(true));
    assert_eq!(
        write(&*store, "one", bounded(10), names.iter().map(|name| remove(name)).collect(), 0)
            .await,
        Ok(true)
    );
    crate::support::until(async || write(&*store, "three", asked(10), vec![], 0).await == Ok(true))
        .await;
    assert_eq!(
        write(&*store, "three", bounded(10), vec![put(b"a", b"", LATER)], 0).await,
        Ok(true)
    );
}

/// A window that is used day after day ends later with each use: its row is one of the store all the time, and only one.
async fn counters_whose_end_moves_on_are_counted_once(store: Store) {
    const DAY: u64 = 24 * 60 * 60;
    let windows =
        || (0..20_u8).map(|number| demand(&[number], Bound::Window(90, 2 * DAY * 1_000))).collect();
    for day in 0..6 {
        let taken = store.take(partition("one"), windows(), at(day * DAY * 1_000)).await.unwrap();
        assert!(matches!(taken, TakeResult::All(_)), "{taken:?}");
    }
    let asked = |total| RowLimits { spare: 1, total, ..RowLimits::UNBOUNDED };
    let room = async |total| write(&*store, "two", asked(total), vec![], 5 * DAY).await;
    crate::support::until(async || {
        room(30).await == Ok(true) && room(20).await == Err(full(FullScope::Store))
    })
    .await;
}

async fn an_allowance_is_spent_by_further_rows_alone(store: Store) {
    let allowance = Arc::new(RowAllowance::new(3));
    let paid = || RowLimits { allowance: Some(Arc::clone(&allowance)), ..RowLimits::UNBOUNDED };
    assert_eq!(
        write(&*store, "one", paid(), vec![put(b"a", b"", LATER), put(b"b", b"", LATER)], 0).await,
        Ok(true)
    );
    assert_eq!(allowance.left(), 1);
    assert_eq!(
        write(&*store, "one", paid(), vec![put(b"a", b"x", LATER), remove(b"z")], 0).await,
        Ok(true)
    );
    assert_eq!(
        write(&*store, "two", paid(), vec![put(b"a", b"", LATER), put(b"b", b"", LATER)], 0).await,
        Err(full(FullScope::Allowance))
    );
    assert_eq!(allowance.left(), 1, "what was refused is not paid for");
    assert_eq!(
        count(&*store, paid(), vec![demand(b"n", Bound::Total(9))]).await,
        Ok(TakeResult::All(vec![8]))
    );
    assert_eq!(
        count(&*store, paid(), vec![demand(b"n", Bound::Total(9))]).await,
        Ok(TakeResult::All(vec![7]))
    );
    assert_eq!(
        count(&*store, paid(), vec![demand(b"m", Bound::Total(9))]).await,
        Err(full(FullScope::Allowance))
    );
    assert_eq!(allowance.left(), 0);
}

async fn a_call_that_finds_no_room_changes_nothing(store: Store) {
    assert_eq!(write(&*store, "", limits(1), vec![put(b"a", b"old", LATER)], 0).await, Ok(true));
    let changes = vec![put(b"a", b"new", LATER), put(b"b", b"", LATER)];
    assert_eq!(write(&*store, "", limits(1), changes, 5).await, Err(full(FullScope::Partition)));
    let found =
        store.read(partition(""), vec![b"a".to_vec(), b"b".to_vec()], UnixTime(NOW)).await.unwrap();
    assert_eq!(
        found
            .iter()
            .map(|entry| entry.as_ref().map(|entry| entry.value.clone()))
            .collect::<Vec<_>>(),
        [Some(b"old".to_vec()), None]
    );
    let twice = vec![demand(b"n", Bound::Total(1)), demand(b"m", Bound::Total(1))];
    assert_eq!(count(&*store, limits(2), twice.clone()).await, Err(full(FullScope::Partition)));
    assert_eq!(
        count(&*store, limits(3), twice).await,
        Ok(TakeResult::All(vec![0, 0])),
        "neither was taken before"
    );
    // A condition that does not hold is told first.
    let target = BoundedPartition { partition: partition(""), rows: limits(1) };
    let refused = store
        .apply_within(target, vec![absent(b"a")], vec![put(b"z", b"", LATER)], UnixTime(NOW))
        .await;
    assert_eq!(refused, Ok(false));
}

async fn room_can_be_asked_for(store: Store) {
    let spare = |spare| RowLimits { spare, ..limits(3) };
    assert_eq!(write(&*store, "", spare(3), vec![], 0).await, Ok(true));
    assert_eq!(write(&*store, "", spare(4), vec![], 0).await, Err(full(FullScope::Partition)));
    assert_eq!(write(&*store, "", spare(2), vec![put(b"a", b"", LATER)], 0).await, Ok(true));
    assert_eq!(
        write(&*store, "", spare(2), vec![put(b"b", b"", LATER)], 0).await,
        Err(full(FullScope::Partition))
    );
    assert_eq!(write(&*store, "", spare(2), vec![], 0).await, Ok(true));
    let allowance = Arc::new(RowAllowance::new(1));
    let paid = |spare| RowLimits {
        spare,
        allowance: Some(Arc::clone(&allowance)),
        ..RowLimits::UNBOUNDED
    };
    assert_eq!(write(&*store, "", paid(1), vec![], 0).await, Ok(true));
    assert_eq!(write(&*store, "", paid(2), vec![], 0).await, Err(full(FullScope::Allowance)));
    assert_eq!(allowance.left(), 1, "room that was asked for is not taken");
}

async fn values_are_counted_by_their_beginning(store: Store) {
    let p = partition("");
    let rows = vec![
        put(b"a", b"me 1", LATER),
        put(b"b", b"you 1", LATER),
        put(b"c", b"me 2", LATER),
        put(b"d", b"me 3", NOW + 1),
    ];
    assert!(store.apply(p, vec![], rows, UnixTime(NOW)).await.unwrap());
    for (prefix, most, second, holds) in [
        ("me ", 3, 0, true),
        ("me ", 2, 0, false),
        ("me ", 2, 1, true),
        ("me ", 1, 1, false),
        ("", 3, 1, true),
        ("x", 0, 0, true),
    ] {
        let condition = Condition::AtMostValued(prefix.into(), most);
        let found = store.apply(p, vec![condition], vec![], UnixTime(NOW + second)).await.unwrap();
        assert_eq!(found, holds, "{prefix} {most} {second}");
    }
}
