//! The calls of one process on the store of another are the calls that the store gets.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use magicproxy_core::UnixTime;
use magicproxy_core::state::{
    Bound, BoundedPartition, Change, Condition, Demand, Entry, Holder, MAX_ENTRY_NAME_BYTES,
    Partition, RowAllowance, RowLimits, StateStore, StoreError, UnixMillis,
};
use magicproxy_state::MemoryStore;
use tokio::net::UnixStream;

use super::store_calls;
use super::successor_store::SuccessorStore;

const NOW: u64 = 1_000_000;

/// A store, and the same kind of store at the other end of a channel.
struct Pair {
    here: Arc<dyn StateStore>,
    there: SuccessorStore,
}

impl Pair {
    fn new() -> Self {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let elsewhere: Arc<dyn StateStore> = Arc::new(MemoryStore::new());
        tokio::spawn(async move { store_calls::answer(&mut theirs, Some(&elsewhere)).await });
        Self { here: Arc::new(MemoryStore::new()), there: SuccessorStore::new(ours) }
    }

    /// Does the same on both stores, with limits of rows of their own.
    async fn check<T: Debug>(
        &self,
        rows: impl Fn() -> RowLimits,
        does: impl AsyncFn(&dyn StateStore, RowLimits) -> Result<T, StoreError>,
        expected: &str,
    ) {
        let (here, there) = (rows(), rows());
        let left = [here.allowance.clone(), there.allowance.clone()];
        let done = [does(&*self.here, here).await, does(&self.there, there).await];
        let [here, there] = done.map(|done| format!("{done:?}"));
        assert_eq!(here, there);
        assert!(here.contains(expected), "{expected} in {here}");
        let [here, there] = left.map(|left| left.map(|left| left.left()));
        assert_eq!(here, there, "rows are charged alike");
    }
}

fn unbounded() -> RowLimits {
    RowLimits::UNBOUNDED
}

fn allowed(rows: u64) -> impl Fn() -> RowLimits {
    move || RowLimits { allowance: Some(Arc::new(RowAllowance::new(rows))), ..RowLimits::UNBOUNDED }
}

fn partition() -> Partition {
    Partition::of(&[b"owner", b"\xff"])
}

fn put(name: &[u8]) -> Change {
    Change::Put(
        name.to_vec(),
        Entry { value: b"\0value\xff".to_vec(), expires_at: UnixTime(NOW + 60) },
    )
}

fn demand(bound: Bound, room: u64) -> Demand {
    Demand { counter: b"counter\0".to_vec(), bound, expires_at: UnixTime(NOW + 60), room }
}

fn apply(
    conditions: Vec<Condition>,
    changes: Vec<Change>,
) -> impl AsyncFn(&dyn StateStore, RowLimits) -> Result<bool, StoreError> {
    async move |store: &dyn StateStore, rows| {
        let target = BoundedPartition { partition: partition(), rows };
        store.apply_within(target, conditions.clone(), changes.clone(), UnixTime(NOW)).await
    }
}

fn take(
    demands: Vec<Demand>,
) -> impl AsyncFn(&dyn StateStore, RowLimits) -> Result<magicproxy_core::state::TakeResult, StoreError>
{
    async move |store: &dyn StateStore, rows| {
        let target = BoundedPartition { partition: partition(), rows };
        store.take_within(target, demands.clone(), UnixMillis(NOW * 1_000)).await
    }
}

#[tokio::test]
async fn entries_pass_as_they_are() {
    let pair = Pair::new();
    let name = || b"a\xffname".to_vec();
    let value = || b"\0value\xff".to_vec();
    pair.check(allowed(2), apply(vec![Condition::Absent(name())], vec![put(&name())]), "Ok(true)")
        .await;
    for (condition, expected) in [
        (Condition::Absent(name()), "Ok(false)"),
        (Condition::Equals(name(), value()), "Ok(true)"),
        (Condition::Equals(name(), b"other".to_vec()), "Ok(false)"),
        (Condition::AtMost(b"a".to_vec(), 0), "Ok(false)"),
        (Condition::AtMost(b"a".to_vec(), 9), "Ok(true)"),
        (Condition::AtMostValued(b"\0".to_vec(), 0), "Ok(false)"),
        (Condition::AtMostValued(b"\0".to_vec(), 9), "Ok(true)"),
    ] {
        pair.check(allowed(3), apply(vec![condition], vec![put(b"a"), put(b"b")]), expected).await;
    }
    let read = async |store: &dyn StateStore, _| {
        let names = vec![b"a\xffname".to_vec(), b"missing".to_vec()];
        store.read(partition(), names, UnixTime(NOW)).await
    };
    pair.check(unbounded, read, "Some(Entry").await;
    let list = async |store: &dyn StateStore, _| {
        store.list(partition(), b"a".to_vec(), 1, UnixTime(NOW)).await
    };
    pair.check(unbounded, list, "[([97], Entry").await;
    pair.check(unbounded, apply(Vec::new(), vec![Change::Remove(name())]), "Ok(true)").await;
    pair.check(unbounded, async |store: &dyn StateStore, _| store.ping().await, "Ok(())").await;
}

#[tokio::test]
async fn counts_and_leases_pass_as_they_are() {
    let pair = Pair::new();
    let (holder, other) = (Holder([7; 16]), Holder([255; 16]));
    for (bound, expected) in [
        (Bound::Total(2), "Ok(All([1]))"),
        (Bound::Total(2), "Ok(All([0]))"),
        (Bound::Total(2), "Ok(Not { demand: 0, retry_after: None })"),
        (Bound::Window(1, 60_000), "Ok(All([0]))"),
        (Bound::Window(1, 60_000), "retry_after: Some("),
        (Bound::Concurrent(1, holder, 30_000), "Ok(All([0]))"),
        (Bound::Concurrent(1, other, 30_000), "Ok(Not {"),
    ] {
        pair.check(allowed(5), take(vec![demand(bound, u64::MAX)]), expected).await;
    }
    for (holder, expected) in [(holder, "Ok(true)"), (other, "Ok(false)")] {
        let renew = async |store: &dyn StateStore, _| {
            let now = UnixMillis(NOW * 1_000 + 1);
            store.renew(partition(), b"counter\0".to_vec(), holder, 30_000, now).await
        };
        pair.check(unbounded, renew, expected).await;
    }
    let give_back = async |store: &dyn StateStore, _| {
        store.give_back(partition(), b"counter\0".to_vec(), holder).await
    };
    pair.check(unbounded, give_back, "Ok(())").await;
    let taken = demand(Bound::Concurrent(1, other, 30_000), u64::MAX);
    pair.check(unbounded, take(vec![taken]), "Ok(All([0]))").await;
}

#[tokio::test]
async fn refusals_pass_as_they_are() {
    let pair = Pair::new();
    let long = vec![b'x'; MAX_ENTRY_NAME_BYTES + 1];
    pair.check(unbounded, apply(Vec::new(), vec![put(&long)]), "Err(TooLong)").await;
    let within =
        |partition, total, spare| move || RowLimits { partition, total, spare, allowance: None };
    for (rows, expected) in [
        (within(0, 9, 0), "Err(Full(Partition))"),
        (within(9, 0, 0), "Err(Full(Store))"),
        (within(1, 9, 1), "Err(Full(Partition))"),
    ] {
        pair.check(rows, apply(Vec::new(), vec![put(b"a")]), expected).await;
    }
    pair.check(allowed(0), apply(Vec::new(), vec![put(b"a")]), "Err(Full(Allowance))").await;
    let counter = demand(Bound::Total(1), 0);
    pair.check(unbounded, take(vec![counter]), "Err(Full(Counters))").await;
}

/// A client that goes away drops its call at any time. The answer is no other call's.
#[tokio::test]
async fn responses_belong_to_their_calls() {
    let pair = Pair::new();
    for round in 0..50_u64 {
        let name = round.to_be_bytes().to_vec();
        let dropped = apply(Vec::new(), vec![put(&name)]);
        tokio::select! {
            biased;
            _ = dropped(&pair.there, unbounded()) => {}
            () = tokio::task::yield_now() => {}
        }
        let read = pair.there.read(partition(), vec![b"missing".to_vec()], UnixTime(NOW)).await;
        assert_eq!(read, Ok(vec![None]));
    }
}

#[tokio::test]
async fn a_process_that_has_gone_is_a_store_that_cannot_be_reached() {
    for waits in [true, false] {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let store = SuccessorStore::new(ours);
        if waits {
            // It reads the call and answers nothing.
            tokio::spawn(async move {
                let _ = theirs.readable().await;
                drop(theirs);
            });
        } else {
            drop(theirs);
        }
        for _ in 0..2 {
            let asked = tokio::time::timeout(Duration::from_secs(60), store.ping()).await.unwrap();
            assert!(matches!(asked, Err(StoreError::Unavailable(_))), "{asked:?}");
        }
    }
}

#[tokio::test]
async fn a_successor_without_a_store_says_so() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    tokio::spawn(async move { store_calls::answer(&mut theirs, None).await });
    let asked = SuccessorStore::new(ours).ping().await;
    assert!(matches!(asked, Err(StoreError::Unavailable(_))), "{asked:?}");
}
