//! Counters: totals, windows, leases.

use std::sync::Arc;

use magicproxy_core::UnixTime;
use magicproxy_core::state::{
    Bound, BoundedPartition, Demand, FullScope, RowLimits, StateStore, StoreError, TakeResult,
};
use magicproxy_state::GRACE_SECONDS;

use crate::support::{LATER, NOW, apply, at, demand, holder, partition, put, take, value};

type Store = Arc<dyn StateStore>;

crate::on_every_store![
    a_total_is_never_given_back,
    all_demands_or_none,
    counters_and_entries_share_no_names,
    a_counter_of_another_kind_is_another,
    a_counter_ends_and_begins_anew,
    the_latest_end_of_a_counter_counts,
    what_has_ended_is_not_given,
    the_same_counter_twice_takes_two,
    nothing_asked_is_nothing_taken,
    a_window_holds_no_more,
    a_part_of_a_window_counts_whole,
    a_window_says_when_there_may_be_one,
    a_window_lives_through_a_clock_that_goes_back,
    leases_are_bounded_and_given_back,
    a_lease_ends_unless_it_is_renewed,
    a_holder_has_one_lease,
    another_number_is_the_same_counter,
    so_many_counters_live,
    what_counts_no_longer_makes_room,
    a_counter_that_ended_gives_no_more_than_a_window_holds,
    what_counts_no_longer_is_no_row,
];

const NONE: TakeResult = TakeResult::Not { demand: 0, retry_after: None };

fn left(numbers: &[u64]) -> TakeResult {
    TakeResult::All(numbers.to_vec())
}

async fn a_total_is_never_given_back(store: Store) {
    let three = [demand(b"a", Bound::Total(3))];
    for expected in [left(&[2]), left(&[1]), left(&[0]), NONE, NONE] {
        assert_eq!(take(&*store, &three, 0).await, expected);
    }
    assert_eq!(take(&*store, &three, 900_000_000).await, NONE);
    store.give_back(partition(""), b"a".to_vec(), holder(1)).await.unwrap();
    assert_eq!(take(&*store, &three, 900_000_000).await, NONE);
}

async fn all_demands_or_none(store: Store) {
    let demands = [
        demand(b"a", Bound::Total(5)),
        demand(b"b", Bound::Window(1, 60_000)),
        demand(b"c", Bound::Total(2)),
    ];
    assert_eq!(take(&*store, &demands, 0).await, left(&[4, 0, 1]));
    assert!(matches!(
        take(&*store, &demands, 0).await,
        TakeResult::Not { demand: 1, retry_after: Some(_) }
    ));
    assert_eq!(take(&*store, &demands[..1], 0).await, left(&[3]));
    assert_eq!(take(&*store, &demands[2..], 0).await, left(&[0]));
    let reversed = [demands[2].clone(), demands[1].clone(), demands[0].clone()];
    assert_eq!(take(&*store, &reversed, 0).await, NONE);
}

async fn counters_and_entries_share_no_names(store: Store) {
    apply(
        &*store,
        &[],
        &[put(b"a", b"entry", LATER), put(b"na", b"entry", LATER), put(b"t", b"entry", LATER)],
        0,
    )
    .await;
    for name in [b"a".as_slice(), b"na", b"t", b""] {
        assert_eq!(take(&*store, &[demand(name, Bound::Total(1))], 0).await, left(&[0]));
        assert_eq!(take(&*store, &[demand(name, Bound::Total(1))], 0).await, NONE);
    }
    assert_eq!(value(&*store, b"a", 0).await.unwrap(), b"entry");
    assert_eq!(store.list(partition(""), vec![], 100, UnixTime(NOW)).await.unwrap().len(), 3);
}

async fn a_counter_of_another_kind_is_another(store: Store) {
    let bounds = [
        Bound::Total(1),
        Bound::Window(1, 60_000),
        Bound::Window(1, 60_001),
        Bound::Concurrent(1, holder(1), 60_000),
    ];
    for bound in bounds {
        assert_eq!(take(&*store, &[demand(b"a", bound)], 0).await, left(&[0]), "{bound:?}");
    }
    assert_eq!(
        take(&*store, &[demand(b"a", Bound::Concurrent(1, holder(2), 60_000))], 0).await,
        NONE
    );
}

async fn a_counter_ends_and_begins_anew(store: Store) {
    let until =
        |second| [Demand { expires_at: UnixTime(NOW + second), ..demand(b"a", Bound::Total(1)) }];
    assert_eq!(take(&*store, &until(10), 0).await, left(&[0]));
    assert_eq!(take(&*store, &until(10), 9_999).await, NONE);
    assert_eq!(take(&*store, &until(20), 10_000).await, left(&[0]));
    assert_eq!(take(&*store, &until(20), 10_000).await, NONE);
}

async fn the_latest_end_of_a_counter_counts(store: Store) {
    let until =
        |second| [Demand { expires_at: UnixTime(NOW + second), ..demand(b"a", Bound::Total(2)) }];
    assert_eq!(take(&*store, &until(100), 0).await, left(&[1]));
    // One whose own end is nearer does not make the others' count end.
    assert_eq!(take(&*store, &until(10), 0).await, left(&[0]));
    assert_eq!(take(&*store, &until(100), 50_000).await, NONE);
    assert_eq!(take(&*store, &until(200), 100_000).await, left(&[1]));
}

async fn what_has_ended_is_not_given(store: Store) {
    // Nobody would remember that it was taken.
    let ended = [
        demand(b"a", Bound::Total(5)),
        Demand { expires_at: UnixTime(NOW), ..demand(b"b", Bound::Total(5)) },
    ];
    assert_eq!(take(&*store, &ended, 0).await, TakeResult::Not { demand: 1, retry_after: None });
    assert_eq!(take(&*store, &ended[..1], 0).await, left(&[4]));
}

async fn the_same_counter_twice_takes_two(store: Store) {
    let twice = [demand(b"a", Bound::Total(3)), demand(b"a", Bound::Total(3))];
    assert_eq!(take(&*store, &twice, 0).await, left(&[2, 1]));
    assert_eq!(take(&*store, &twice, 0).await, TakeResult::Not { demand: 1, retry_after: None });
    assert_eq!(take(&*store, &twice[..1], 0).await, left(&[0]));
}

async fn nothing_asked_is_nothing_taken(store: Store) {
    assert_eq!(take(&*store, &[], 0).await, left(&[]));
}

async fn a_window_holds_no_more(store: Store) {
    let ten = [demand(b"a", Bound::Window(10, 60_000))];
    for left_over in (0..10).rev() {
        assert_eq!(take(&*store, &ten, 500).await, left(&[left_over]));
    }
    assert!(matches!(take(&*store, &ten, 500).await, TakeResult::Not { .. }));
    assert!(matches!(take(&*store, &ten, 60_500).await, TakeResult::Not { .. }));
    // The tests begin at a whole second, so the part is from 0 to 1,000.
    assert!(matches!(take(&*store, &ten, 60_999).await, TakeResult::Not { .. }));
    assert_eq!(take(&*store, &ten, 61_000).await, left(&[9]));
}

async fn a_part_of_a_window_counts_whole(store: Store) {
    let two = [demand(b"a", Bound::Window(2, 60_000))];
    take(&*store, &two, 0).await;
    take(&*store, &two, 1_000).await;
    assert_eq!(
        take(&*store, &two, 60_999).await,
        TakeResult::Not { demand: 0, retry_after: Some(1) }
    );
    assert_eq!(take(&*store, &two, 61_000).await, left(&[0]));
    assert_eq!(
        take(&*store, &two, 61_500).await,
        TakeResult::Not { demand: 0, retry_after: Some(500) }
    );
    assert_eq!(take(&*store, &two, 62_000).await, left(&[0]));
    assert_eq!(take(&*store, &two, 200_000).await, left(&[1]));
}

async fn a_window_says_when_there_may_be_one(store: Store) {
    // Lengths that sixty does not divide; the tests' beginning is somewhere in a part.
    for length in [1_000, 1_001, 59_999, 86_400_001, 2_678_399_999] {
        let p = partition(&length.to_string());
        let one = vec![Demand {
            expires_at: UnixTime(NOW + 10_000_000),
            ..demand(b"a", Bound::Window(1, length))
        }];
        assert_eq!(store.take(p, one.clone(), at(0)).await.unwrap(), left(&[0]));
        let TakeResult::Not { retry_after: Some(after), .. } =
            store.take(p, one.clone(), at(3)).await.unwrap()
        else {
            panic!("{length}");
        };
        assert!(after + 3 > length && after + 3 <= length + length / 60 + 1, "{length} {after}");
        let early = store.take(p, one.clone(), at(3 + after - 1)).await.unwrap();
        assert_eq!(early, TakeResult::Not { demand: 0, retry_after: Some(1) }, "{length}");
        assert_eq!(store.take(p, one, at(3 + after)).await.unwrap(), left(&[0]), "{length}");
    }
}

async fn a_window_lives_through_a_clock_that_goes_back(store: Store) {
    let one = [demand(b"a", Bound::Window(1, 60_000))];
    assert_eq!(take(&*store, &one, 100_000).await, left(&[0]));
    assert!(matches!(take(&*store, &one, 0).await, TakeResult::Not { .. }));
    assert!(matches!(take(&*store, &one, 160_000).await, TakeResult::Not { .. }));
    assert_eq!(take(&*store, &one, 161_000).await, left(&[0]));
}

async fn leases_are_bounded_and_given_back(store: Store) {
    let by = |number| [demand(b"a", Bound::Concurrent(2, holder(number), 60_000))];
    assert_eq!(take(&*store, &by(1), 0).await, left(&[1]));
    assert_eq!(take(&*store, &by(2), 0).await, left(&[0]));
    assert_eq!(take(&*store, &by(3), 0).await, NONE);
    store.give_back(partition(""), b"a".to_vec(), holder(9)).await.unwrap();
    assert_eq!(take(&*store, &by(3), 0).await, NONE);
    store.give_back(partition(""), b"a".to_vec(), holder(1)).await.unwrap();
    store.give_back(partition(""), b"a".to_vec(), holder(1)).await.unwrap();
    assert_eq!(take(&*store, &by(3), 0).await, left(&[0]));
    assert_eq!(take(&*store, &by(1), 0).await, NONE);
    store.give_back(partition(""), b"never".to_vec(), holder(1)).await.unwrap();
}

async fn a_lease_ends_unless_it_is_renewed(store: Store) {
    let by = |number| [demand(b"a", Bound::Concurrent(1, holder(number), 1_000))];
    let renew = |number, lease, millis| {
        store.renew(partition(""), b"a".to_vec(), holder(number), lease, at(millis))
    };
    assert!(!renew(1, 1_000, 0).await.unwrap());
    assert_eq!(take(&*store, &by(1), 0).await, left(&[0]));
    assert_eq!(take(&*store, &by(2), 999).await, NONE);
    assert!(renew(1, 1_500, 999).await.unwrap());
    assert!(!renew(2, 1_500, 999).await.unwrap());
    assert_eq!(take(&*store, &by(2), 2_498).await, NONE);
    assert!(!renew(1, 1_500, 2_499).await.unwrap());
    assert_eq!(take(&*store, &by(2), 2_499).await, left(&[0]));
    // What has ended does not come to life again.
    assert!(!renew(1, 1_000, 2_499).await.unwrap());
    assert!(renew(2, 0, 2_499).await.unwrap());
    assert_eq!(take(&*store, &by(3), 2_499).await, left(&[0]));
}

async fn a_holder_has_one_lease(store: Store) {
    let by = |number, lease| [demand(b"a", Bound::Concurrent(2, holder(number), lease))];
    assert_eq!(take(&*store, &by(1, 1_000), 0).await, left(&[1]));
    assert_eq!(take(&*store, &by(1, 5_000), 0).await, left(&[1]));
    assert_eq!(take(&*store, &by(2, 5_000), 0).await, left(&[0]));
    assert_eq!(take(&*store, &by(1, 5_000), 0).await, left(&[0]));
    assert_eq!(take(&*store, &by(3, 5_000), 4_999).await, NONE);
}

async fn another_number_is_the_same_counter(store: Store) {
    assert_eq!(take(&*store, &[demand(b"a", Bound::Total(5))], 0).await, left(&[4]));
    assert_eq!(take(&*store, &[demand(b"a", Bound::Total(1))], 0).await, NONE);
    assert_eq!(take(&*store, &[demand(b"a", Bound::Total(2))], 0).await, left(&[0]));
    for _ in 0..3 {
        take(&*store, &[demand(b"w", Bound::Window(3, 60_000))], 0).await;
    }
    take(&*store, &[demand(b"w", Bound::Window(4, 60_000))], 2_000).await;
    // The first three must have gone before there is one of two.
    let two = take(&*store, &[demand(b"w", Bound::Window(2, 60_000))], 2_000).await;
    assert_eq!(two, TakeResult::Not { demand: 0, retry_after: Some(59_000) });
}

/// A counter of which its partition may have so many beside it.
fn roomed(counter: &[u8], bound: Bound, room: u64) -> Demand {
    Demand { room, ..demand(counter, bound) }
}

async fn ask(
    store: &dyn StateStore,
    demands: &[Demand],
    millis: u64,
) -> Result<TakeResult, StoreError> {
    store.take(partition(""), demands.to_vec(), at(millis)).await
}

async fn so_many_counters_live(store: Store) {
    let total = |counter: &[u8], room| roomed(counter, Bound::Total(5), room);
    let full = || Err(StoreError::Full(FullScope::Counters));
    apply(&*store, &[], &[put(b"a", b"entry", LATER), put(b"b", b"entry", LATER)], 0).await;
    assert_eq!(ask(&*store, &[total(b"a", 2)], 0).await, Ok(left(&[4])), "entries are no counters");
    assert_eq!(ask(&*store, &[total(b"b", 2), total(b"c", 2)], 0).await, full());
    assert_eq!(
        ask(&*store, &[total(b"b", 2), total(b"b", 2)], 0).await,
        Ok(left(&[4, 3])),
        "the same one, and nothing was taken before"
    );
    assert_eq!(ask(&*store, &[total(b"c", 2)], 0).await, full());
    assert_eq!(
        ask(&*store, &[total(b"a", 0), total(b"b", 1)], 0).await,
        Ok(left(&[3, 2])),
        "they are there"
    );
    assert_eq!(
        ask(&*store, &[roomed(b"a", Bound::Window(5, 60_000), 2)], 0).await,
        full(),
        "another kind is another counter"
    );
    assert_eq!(ask(&*store, &[total(b"c", 3), total(b"a", 2)], 0).await, Ok(left(&[4, 2])));
    assert_eq!(ask(&*store, &[total(b"d", u64::MAX)], 0).await, Ok(left(&[4])), "nobody asks");
    let another = store.take(partition("another"), vec![total(b"a", 1)], at(0)).await;
    assert_eq!(another, Ok(left(&[4])));
    // What is spent is told first: it would be refused in any case.
    assert_eq!(ask(&*store, &[roomed(b"e", Bound::Total(0), 1)], 0).await, Ok(NONE));
}

async fn what_counts_no_longer_makes_room(store: Store) {
    let window = |counter: &[u8]| roomed(counter, Bound::Window(5, 60_000), 2);
    let lease = |counter: &[u8], by| roomed(counter, Bound::Concurrent(5, holder(by), 10_000), 2);
    let full = || Err(StoreError::Full(FullScope::Counters));
    assert_eq!(ask(&*store, &[window(b"w")], 500).await, Ok(left(&[4])));
    assert_eq!(ask(&*store, &[lease(b"l", 1)], 500).await, Ok(left(&[4])));
    assert_eq!(ask(&*store, &[window(b"x")], 10_499).await, full());
    assert!(store.renew(partition(""), b"l".to_vec(), holder(1), 10_000, at(5_000)).await.unwrap());
    assert_eq!(ask(&*store, &[window(b"x")], 14_999).await, full());
    assert_eq!(ask(&*store, &[window(b"x")], 15_000).await, Ok(left(&[4])), "the lease is over");
    assert_eq!(ask(&*store, &[lease(b"l", 2)], 15_000).await, full());
    // The tests begin at a whole second: what was taken in the first counts until 61 seconds.
    assert_eq!(ask(&*store, &[lease(b"l", 2)], 60_999).await, full());
    assert_eq!(ask(&*store, &[lease(b"l", 2)], 61_000).await, Ok(left(&[4])));
    // A total lives on.
    assert_eq!(
        store.take(partition("t"), vec![roomed(b"t", Bound::Total(5), 1)], at(0)).await,
        Ok(left(&[4]))
    );
    assert_eq!(
        store.take(partition("t"), vec![roomed(b"u", Bound::Total(5), 1)], at(900_000_000)).await,
        full()
    );
}

/// At whatever moments takes are tried, none is given that a counter without end would refuse.
async fn a_counter_that_ended_gives_no_more_than_a_window_holds(store: Store) {
    for length in [1_000, 1_001, 59_999, 60_000] {
        let name = length.to_string();
        let demand = [Demand {
            expires_at: UnixTime(NOW + 900_000),
            ..demand(b"a", Bound::Window(2, length))
        }];
        let (mut given, mut moment) = (Vec::new(), 0);
        // Steps around the length and the sixtieths of it, in no rhythm with either.
        for step in (0..400).map(|number: u64| (number * 7919) % (length + length / 30) / 3 + 1) {
            moment += step;
            if matches!(
                store.take(partition(&name), demand.to_vec(), at(moment)).await.unwrap(),
                TakeResult::All(_)
            ) {
                given.push(moment);
            }
        }
        assert!(given.len() > 20, "{given:?}");
        assert!(given.windows(3).all(|three| three[2] - three[0] > length), "{length}: {given:?}");
    }
}

async fn what_counts_no_longer_is_no_row(store: Store) {
    let one = RowLimits { partition: 1, ..RowLimits::UNBOUNDED };
    let count = async |counter: &[u8], millis| {
        let target = BoundedPartition { partition: partition(""), rows: one.clone() };
        store.take_within(target, vec![demand(counter, Bound::Window(5, 1_000))], at(millis)).await
    };
    assert_eq!(count(b"a", 0).await, Ok(left(&[4])));
    assert_eq!(count(b"b", 1_000).await, Err(StoreError::Full(FullScope::Partition)));
    assert_eq!(count(b"b", 1_000 * (GRACE_SECONDS + 3)).await, Ok(left(&[4])));
}
