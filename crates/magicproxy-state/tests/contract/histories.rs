//! Random histories of all calls, with a clock that moves both ways, over all stores and the model at once.

use std::sync::Arc;

use magicproxy_core::UnixTime;
use magicproxy_core::state::{
    Bound, Change, Condition, Demand, Entry, Partition, StateStore, TakeResult, UnixMillis,
};
use magicproxy_state::{MemoryStore, RedbStore};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::model::Model;
use crate::support::valkey::Valkey;
use crate::support::{NOW, block_on, connect, holder, partition};

/// How far the clock may be behind the latest that it ever was, in milliseconds.
const BACK: u64 = 200_000;

#[derive(Clone, Debug)]
enum Call {
    Read(u8, Vec<u8>),
    List(u8, Vec<u8>, usize),
    Apply(u8, Vec<(u8, u8, u8)>, Vec<(u8, Option<(u8, u64)>)>),
    Take(u8, Vec<(u8, u8, u64, u64, u64)>),
    Renew(u8, u8, u64, u64),
    GiveBack(u8, u8, u64),
    Forward(u64),
    Back(u64),
    Reopen,
}

fn call() -> impl Strategy<Value = Call> {
    let part = 0..2u8;
    let name = 0..6u8;
    let lives = prop_oneof![Just(0), 1..4u64, 5..400u64, Just(100_000)];
    let steps = prop_oneof![0..20u64, 100..2_000u64, 10_000..70_000u64, 500_000..2_000_000u64];
    let conditions = vec((0..3u8, name.clone(), 0..4u8), 0..3);
    let changes = vec((name.clone(), prop::option::weighted(0.7, (0..4u8, lives.clone()))), 0..4);
    let demands = vec((0..4u8, 0..3u8, 1..4u64, 0..4u64, lives), 0..4);
    prop_oneof![
        2 => (part.clone(), vec(name.clone(), 0..4)).prop_map(|(part, names)| Call::Read(part, names)),
        1 => (part.clone(), vec(b'a'..b'c', 0..2), 0..5usize).prop_map(|(part, prefix, most)| Call::List(part, prefix, most)),
        4 => (part.clone(), conditions, changes).prop_map(|(part, conditions, changes)| Call::Apply(part, conditions, changes)),
        6 => (part.clone(), demands).prop_map(|(part, demands)| Call::Take(part, demands)),
        2 => (part.clone(), 0..3u8, 0..4u64, 0..3_000u64).prop_map(|(part, counter, by, lease)| Call::Renew(part, counter, by, lease)),
        2 => (part, 0..3u8, 0..4u64).prop_map(|(part, counter, by)| Call::GiveBack(part, counter, by)),
        4 => steps.prop_map(Call::Forward),
        1 => (1..BACK).prop_map(Call::Back),
        1 => Just(Call::Reopen),
    ]
}

/// Some begin with others, and one is empty.
fn name(number: u8) -> Vec<u8> {
    [b"".as_slice(), b"a", b"ab", b"a\0", b"b", b"\xff\n"][usize::from(number) % 6].to_vec()
}

#[derive(Debug, PartialEq)]
enum CallResult {
    Read(Vec<Option<Entry>>),
    List(Vec<(Vec<u8>, Entry)>),
    Did(bool),
    Taken(TakeResult),
    Nothing,
}

/// A call with its time, as stores and model are asked it.
struct Asked<'c> {
    call: &'c Call,
    now: u64,
}

impl Asked<'_> {
    fn partition(part: u8) -> Partition {
        partition(&part.to_string())
    }

    fn conditions(given: &[(u8, u8, u8)]) -> Vec<Condition> {
        let one = |(kind, of, value): &(u8, u8, u8)| match kind {
            0 => Condition::Absent(name(*of)),
            1 => Condition::Equals(name(*of), vec![*value]),
            _ => Condition::AtMost(name(*of), usize::from(*value)),
        };
        given.iter().map(one).collect()
    }

    fn changes(&self, given: &[(u8, Option<(u8, u64)>)]) -> Vec<Change> {
        let one = |(of, entry): &(u8, Option<(u8, u64)>)| match entry {
            Some((value, lives)) => Change::Put(
                name(*of),
                Entry { value: vec![*value], expires_at: UnixTime(self.now / 1000 + lives) },
            ),
            None => Change::Remove(name(*of)),
        };
        given.iter().map(one).collect()
    }

    fn demands(&self, given: &[(u8, u8, u64, u64, u64)]) -> Vec<Demand> {
        let one = |(kind, counter, number, by, lives): &(u8, u8, u64, u64, u64)| Demand {
            counter: name(*counter),
            bound: match kind {
                0 => Bound::Total(*number),
                1 => Bound::Window(*number, 1_000),
                2 => Bound::Window(*number, 61_003),
                _ => Bound::Concurrent(*number, holder(*by), 700 * (by + 1)),
            },
            expires_at: UnixTime(self.now / 1000 + lives),
            room: u64::MAX,
        };
        given.iter().map(one).collect()
    }

    async fn of(&self, store: &dyn StateStore) -> CallResult {
        let (second, millis) = (UnixTime(self.now / 1000), UnixMillis(self.now));
        match self.call {
            Call::Read(part, names) => {
                let names = names.iter().map(|number| name(*number)).collect();
                CallResult::Read(store.read(Self::partition(*part), names, second).await.unwrap())
            }
            Call::List(part, prefix, most) => CallResult::List(
                store.list(Self::partition(*part), prefix.clone(), *most, second).await.unwrap(),
            ),
            Call::Apply(part, conditions, changes) => {
                let (conditions, changes) = (Self::conditions(conditions), self.changes(changes));
                CallResult::Did(
                    store.apply(Self::partition(*part), conditions, changes, second).await.unwrap(),
                )
            }
            Call::Take(part, demands) => CallResult::Taken(
                store.take(Self::partition(*part), self.demands(demands), millis).await.unwrap(),
            ),
            Call::Renew(part, counter, by, lease) => CallResult::Did(
                store
                    .renew(Self::partition(*part), name(*counter), holder(*by), *lease, millis)
                    .await
                    .unwrap(),
            ),
            Call::GiveBack(part, counter, by) => {
                store.give_back(Self::partition(*part), name(*counter), holder(*by)).await.unwrap();
                CallResult::Nothing
            }
            Call::Forward(_) | Call::Back(_) | Call::Reopen => CallResult::Nothing,
        }
    }

    fn of_model(&self, model: &mut Model) -> CallResult {
        let second = UnixTime(self.now / 1000);
        match self.call {
            Call::Read(part, names) => {
                let names: Vec<_> = names.iter().map(|number| name(*number)).collect();
                CallResult::Read(model.read(Self::partition(*part), &names, second))
            }
            Call::List(part, prefix, most) => {
                CallResult::List(model.list(Self::partition(*part), prefix, *most, second))
            }
            Call::Apply(part, conditions, changes) => CallResult::Did(model.apply(
                Self::partition(*part),
                &Self::conditions(conditions),
                &self.changes(changes),
                second,
            )),
            Call::Take(part, demands) => CallResult::Taken(model.take(
                Self::partition(*part),
                &self.demands(demands),
                self.now,
            )),
            Call::Renew(part, counter, by, lease) => CallResult::Did(model.renew(
                Self::partition(*part),
                &name(*counter),
                holder(*by),
                *lease,
                self.now,
            )),
            Call::GiveBack(part, counter, by) => {
                model.give_back(Self::partition(*part), &name(*counter), holder(*by));
                CallResult::Nothing
            }
            Call::Forward(_) | Call::Back(_) | Call::Reopen => CallResult::Nothing,
        }
    }
}

/// Stores of one kind, which a history may open anew.
type Open<'o> = &'o mut dyn FnMut(&mut Option<Arc<dyn StateStore>>);

fn agree(history: &[Call], open: Open<'_>) {
    let mut store = None;
    open(&mut store);
    let mut model = Model::default();
    let (mut now, mut latest) = (NOW * 1000, NOW * 1000);
    block_on(async {
        for (at, call) in history.iter().enumerate() {
            match call {
                Call::Forward(millis) => now += millis,
                Call::Back(millis) => now = now.saturating_sub(*millis).max(latest - BACK),
                Call::Reopen => open(&mut store),
                _ => {}
            }
            latest = latest.max(now);
            let asked = Asked { call, now };
            let given = asked.of(store.as_deref().unwrap()).await;
            assert_eq!(given, asked.of_model(&mut model), "call {at}, {call:?}, at {now}");
        }
    });
}

/// Shrinks what goes wrong, by itself.
fn histories(cases: u32, mut test: impl FnMut(&[Call])) {
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        max_shrink_iters: 2_000,
        ..ProptestConfig::default()
    };
    let test = std::cell::RefCell::new(&mut test);
    let run = |history: Vec<Call>| {
        let mut test = test.borrow_mut();
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| test(&history)));
        done.map_err(|panic| {
            TestCaseError::fail(panic.downcast_ref::<String>().cloned().unwrap_or_default())
        })
    };
    TestRunner::new(config).run(&vec(call(), 1..120), run).unwrap();
}

#[test]
fn memory_is_as_the_model_says() {
    histories(600, |history| {
        // What is in memory cannot be opened anew.
        agree(history, &mut |store| {
            store.get_or_insert_with(|| Arc::new(MemoryStore::new()));
        });
    });
}

#[test]
fn redb_is_as_the_model_says() {
    histories(40, |history| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.redb");
        agree(history, &mut |store| {
            *store = None;
            *store = Some(Arc::new(RedbStore::open(&path).unwrap()));
        });
    });
}

#[test]
fn valkey_is_as_the_model_says() {
    let Some(valkey) = Valkey::start(&[]) else { return };
    histories(200, |history| {
        valkey.raw::<()>(&["FLUSHALL"]);
        agree(history, &mut |store| *store = Some(connect(&valkey.url())));
    });
}

#[test]
fn no_window_of_the_length_ever_holds_more() {
    let config =
        ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() };
    let strategy = (1..6u64, 1_000..200_000u64, vec((any::<bool>(), 0..1_000_000u64), 1..200));
    TestRunner::new(config)
        .run(&strategy, |(number, length, steps)| {
            let store = MemoryStore::new();
            let mut taken = Vec::new();
            let mut now = NOW * 1000;
            for (near, step) in steps {
                now += step % if near { length / 50 } else { length * 2 };
                let demands = vec![crate::support::demand(b"w", Bound::Window(number, length))];
                match block_on(store.take(partition("w"), demands, UnixMillis(now))).unwrap() {
                    TakeResult::All(_) => taken.push(now),
                    TakeResult::Not { retry_after, .. } => {
                        // It is not refused for longer than a part more than the length.
                        prop_assert!(retry_after.unwrap() <= length + length / 60 + 1);
                        let recent = taken
                            .iter()
                            .filter(|at| **at + length + length / 60 + 1 >= now)
                            .count() as u64;
                        prop_assert!(recent >= number);
                    }
                }
            }
            for (at, first) in taken.iter().enumerate() {
                let within =
                    taken[at..].iter().take_while(|other| **other < first + length).count() as u64;
                prop_assert!(within <= number, "{within} in the {length} ms from {first}");
            }
            Ok(())
        })
        .unwrap();
}
