//! Many at once, from several runtimes and clients: exactly as many as there may be.

use std::sync::Arc;
use std::time::Duration;

use magicproxy_core::UnixTime;
use magicproxy_core::state::{Bound, Condition, Demand, StateStore, TakeResult};

use crate::support::valkey::Valkey;
use crate::support::{
    Fixture, LATER, NOW, absent, at, block_on, connect, demand, holder, partition, put, value,
};

type Store = Arc<dyn StateStore>;

/// From four runtimes with so many tasks each; how many said yes.
fn crowd<F: Future<Output = bool> + Send + 'static>(
    stores: &[Store],
    each: usize,
    ask: impl Fn(Store, u64) -> F + Sync,
) -> usize {
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|thread| {
                let ask = &ask;
                scope.spawn(move || {
                    block_on(async {
                        let store = |task| Arc::clone(&stores[(thread + task) % stores.len()]);
                        let tasks: Vec<_> = (0..each)
                            .map(|task| {
                                tokio::spawn(ask(store(task), (thread * each + task) as u64))
                            })
                            .collect();
                        let mut yes = 0;
                        for task in tasks {
                            yes += usize::from(task.await.unwrap());
                        }
                        yes
                    })
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    })
}

fn takes(stores: &[Store], counter: &'static [u8], bound: impl Fn(u64) -> Bound + Sync) -> usize {
    crowd(stores, 25, |store, number| {
        let demands = vec![demand(counter, bound(number))];
        async move {
            matches!(store.take(partition(""), demands, at(0)).await.unwrap(), TakeResult::All(_))
        }
    })
}

fn exactly(fixture: Option<Fixture>, more: impl Fn(&Fixture) -> Vec<Store>) {
    let Some(fixture) = fixture else { return };
    let mut stores = vec![Arc::clone(&fixture.store)];
    stores.extend(more(&fixture));
    assert_eq!(takes(&stores, b"total", |_| Bound::Total(3)), 3);
    assert_eq!(takes(&stores, b"total", |_| Bound::Total(3)), 0);
    assert_eq!(takes(&stores, b"window", |_| Bound::Window(7, 60_000)), 7);
    assert_eq!(takes(&stores, b"leases", |number| Bound::Concurrent(5, holder(number), 60_000)), 5);
    // One of a hundred puts an entry that nobody has put.
    let put_first = |store: Store, number: u64| async move {
        let change = put(b"first", &number.to_be_bytes(), LATER);
        store
            .apply(partition(""), vec![absent(b"first")], vec![change], UnixTime(NOW))
            .await
            .unwrap()
    };
    assert_eq!(crowd(&stores, 25, put_first), 1);
    // Ten of a hundred fit.
    let put_own = |store: Store, number: u64| async move {
        let change = put(format!("own/{number}").as_bytes(), b"", LATER);
        let conditions = vec![Condition::AtMost(b"own/".to_vec(), 9)];
        store.apply(partition(""), conditions, vec![change], UnixTime(NOW)).await.unwrap()
    };
    assert_eq!(crowd(&stores, 25, put_own), 10);
}

#[test]
fn memory_gives_exactly_as_many() {
    exactly(Fixture::memory(), |_| vec![]);
}

#[test]
fn redb_gives_exactly_as_many() {
    exactly(Fixture::redb(), |_| vec![]);
}

#[test]
fn valkey_gives_exactly_as_many_to_several_clients() {
    exactly(Fixture::valkey(), |fixture| match &fixture.home {
        crate::support::Home::Valkey(valkey) => {
            vec![connect(&valkey.url()), connect(&valkey.url())]
        }
        _ => vec![],
    });
}

#[test]
fn clients_of_one_valkey_see_what_each_other_did() {
    let Some(valkey) = Valkey::start(&[]) else { return };
    let (one, other) = (connect(&valkey.url()), connect(&valkey.url()));
    block_on(async {
        assert!(
            one.apply(partition(""), vec![], vec![put(b"a", b"1", LATER)], UnixTime(NOW))
                .await
                .unwrap()
        );
        assert_eq!(value(&*other, b"a", 0).await.unwrap(), b"1");
        let three = || vec![demand(b"c", Bound::Total(3))];
        assert_eq!(
            one.take(partition(""), three(), at(0)).await.unwrap(),
            TakeResult::All(vec![2])
        );
        assert_eq!(
            other.take(partition(""), three(), at(0)).await.unwrap(),
            TakeResult::All(vec![1])
        );
        // The later clock holds for both.
        one.apply(partition(""), vec![], vec![put(b"b", b"1", NOW + 10)], UnixTime(NOW))
            .await
            .unwrap();
        other
            .apply(partition(""), vec![], vec![put(b"c", b"1", LATER)], UnixTime(NOW + 10))
            .await
            .unwrap();
        assert_eq!(value(&*one, b"b", 0).await, None);
    });
}

#[test]
fn a_dropped_future_does_no_harm() {
    for fixture in [Fixture::memory(), Fixture::redb(), Fixture::valkey()].into_iter().flatten() {
        block_on(async {
            for number in 0..50u64 {
                let demands = vec![Demand {
                    expires_at: UnixTime(LATER),
                    ..demand(b"a", Bound::Total(1_000))
                }];
                let taking = fixture.store.take(partition(""), demands, at(0));
                // Some are dropped before they were asked for anything, some while they wait.
                if number % 2 == 0 {
                    drop(tokio::time::timeout(Duration::from_micros(number), taking).await);
                }
            }
            let demands = vec![demand(b"a", Bound::Total(1_000))];
            let TakeResult::All(left) =
                fixture.store.take(partition(""), demands, at(0)).await.unwrap()
            else {
                panic!()
            };
            assert!(left[0] >= 949, "{left:?}");
        });
    }
}
