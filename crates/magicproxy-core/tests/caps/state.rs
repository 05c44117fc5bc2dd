//! Caps of state: `state.md` sections 2 and 6, `state-store.md`.

use std::sync::Arc;

use magicproxy_core::limit::{Limit, Period};
use magicproxy_core::state::{Bound, FullScope, Holder, RowAllowance, RowCount, RowLimits};

use crate::one_to;

#[test]
fn numbers_and_lengths_of_a_limit() {
    let read = |text: String| text.parse::<Limit>().is_ok();
    for kind in ["total=", "concurrent="] {
        one_to(1_000_000_000, kind, |count| read(format!("{kind}{count}")));
    }
    one_to(1_000_000_000, "requests", |count| read(format!("requests={count}/1h")));
    for (most, unit) in [(31, "d"), (744, "h"), (44_640, "m"), (2_678_400, "s")] {
        one_to(most, unit, |length| Period::parse(&format!("{length}{unit}")).is_some());
    }
}

/// What a store is asked for is what the limit says, in its units.
#[test]
fn a_limit_is_asked_for_in_full() {
    let holder = Holder([7; 16]);
    let bound = |text: &str| text.parse::<Limit>().unwrap().bound(holder);
    assert_eq!(bound("requests=3/1h"), Bound::Window(3, 3_600_000));
    assert_eq!(bound("requests=1/31d"), Bound::Window(1, 2_678_400_000));
    assert_eq!(bound("total=4"), Bound::Total(4));
    assert_eq!(bound("concurrent=2"), Bound::Concurrent(2, holder, 60_000));
}

/// As many rows as there may be, of a partition, of the store and of what somebody may add, each by itself.
#[test]
fn rows_beside_those_that_are_there() {
    #[track_caller]
    fn check(bounds: (u64, u64, u64), held: (u64, u64), expected: Result<(), FullScope>) {
        let (partition, total, spare) = bounds;
        let rows = RowLimits { partition, total, spare, allowance: None };
        assert_eq!(rows.admit(2, &RowCount { partition: held.0, total: held.1 }), expected);
    }
    check((10, 100, 0), (8, 98), Ok(()));
    check((10, 100, 0), (9, 98), Err(FullScope::Partition));
    check((10, 100, 0), (8, 99), Err(FullScope::Store));
    check((10, 100, 3), (5, 95), Ok(()));
    check((10, 100, 3), (6, 95), Err(FullScope::Partition));
    check((10, 100, 3), (5, 96), Err(FullScope::Store));
    check((u64::MAX, u64::MAX, u64::MAX), (u64::MAX, u64::MAX), Ok(()));
    // Whoever adds nothing is not refused, whatever there is.
    let full = RowLimits {
        partition: 0,
        total: 0,
        spare: 0,
        allowance: Some(Arc::new(RowAllowance::new(0))),
    };
    assert_eq!(full.admit(0, &RowCount { partition: 9, total: 9 }), Ok(()));
}

#[test]
fn rows_that_somebody_may_add() {
    let allowance = Arc::new(RowAllowance::new(5));
    let rows = |spare: u64| RowLimits {
        partition: 100,
        total: 100,
        spare,
        allowance: Some(Arc::clone(&allowance)),
    };
    let held = RowCount { partition: 0, total: 0 };
    assert_eq!(rows(3).admit(3, &held), Err(FullScope::Allowance));
    assert_eq!(allowance.left(), 5);
    // What must still fit is not taken.
    assert_eq!(rows(3).admit(2, &held), Ok(()));
    assert_eq!(allowance.left(), 3);
    assert_eq!(rows(0).admit(4, &held), Err(FullScope::Allowance));
    assert_eq!(rows(0).admit(3, &held), Ok(()));
    assert_eq!(allowance.left(), 0);
    allowance.restore(7, 6);
    assert_eq!(allowance.left(), 6);
    assert!(!allowance.take(7) && allowance.take(1) && allowance.left() == 5);
    allowance.spend(9);
    assert_eq!(allowance.left(), 0);
}
