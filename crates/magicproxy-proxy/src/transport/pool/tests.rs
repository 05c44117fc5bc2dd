//! Turns and shares, without a connection.

use std::sync::Arc;

use super::queue::Queue;
use super::*;
use crate::admission::{Account, MinterTrust};
use crate::settings::{Quota, RouteSettings, fixture};

fn payer(owner: &Arc<Account>, peer: &Arc<Account>, trust: MinterTrust) -> Payer {
    Payer { owner: Some(Arc::clone(owner)), peer: Arc::clone(peer), trust }
}

fn known() -> Payer {
    payer(&account(), &account(), MinterTrust::Known)
}

/// One that lives until the tests have ended, so that no other one has its address.
fn account() -> Arc<Account> {
    let account = Arc::<Account>::default();
    std::mem::forget(Arc::clone(&account));
    account
}

/// Serves everyone whom `turn` lets, and gives the order.
fn order(
    queue: &mut Queue<&'static str>,
    mut turn: impl FnMut(&str) -> Result<(), SkipReason>,
) -> String {
    let served = std::iter::from_fn(|| queue.serve(|name| turn(name)).map(|(name, ())| name));
    served.collect::<Vec<_>>().join(" ")
}

#[test]
fn owners_take_turns() {
    let (mut queue, many, few) = (Queue::default(), known(), known());
    for name in ["m1", "m2", "m3", "m4"] {
        queue.push(&many, name);
    }
    queue.push(&few, "f1");
    queue.push(&few, "f2");
    assert_eq!(order(&mut queue, |_| Ok(())), "m1 f1 m2 f2 m3 m4");
    assert!(queue.is_empty());
}

/// One peer makes any number of owners: they have one turn between them, and take turns for it.
#[test]
fn endless_owners_of_one_peer_are_one_group() {
    let (mut queue, peer, honest) = (Queue::default(), account(), known());
    let (one, two) = (account(), account());
    for (owner, name) in [(&one, "a1"), (&one, "a2"), (&two, "b1"), (&account(), "c1")] {
        queue.push(&payer(owner, &peer, MinterTrust::Stranger), name);
    }
    queue.push(&honest, "h1");
    queue.push(&payer(&two, &account(), MinterTrust::Stranger), "other peer");
    assert_eq!(order(&mut queue, |_| Ok(())), "a1 h1 other peer b1 c1 a2");
}

#[test]
fn who_has_a_share_is_passed_over() {
    let (mut queue, peer) = (Queue::default(), account());
    for name in ["short 1", "next"] {
        queue.push(&payer(&account(), &peer, MinterTrust::Stranger), name);
    }
    queue.push(&known(), "all");
    let by_name = |skip: SkipReason| {
        move |name: &str| if name.starts_with("short") { Err(skip) } else { Ok(()) }
    };
    assert_eq!(order(&mut queue, by_name(SkipReason::All)), "");
    assert_eq!(
        queue.serve(|name| by_name(SkipReason::Group)(name)).map(|(name, ())| name),
        Some("all")
    );
    assert_eq!(order(&mut queue, by_name(SkipReason::Line)), "next");
    assert_eq!(queue.len(), 1);
}

#[test]
fn who_gives_up_leaves_no_trace() {
    let (mut queue, owner) = (Queue::default(), known());
    let tickets = ["a", "b", "c"].map(|name| queue.push(&owner, name));
    let other = queue.push(&known(), "d");
    assert_eq!(queue.remove(tickets[1]), Some("b"));
    assert_eq!(queue.remove(tickets[1]), None);
    assert_eq!(queue.remove(other), Some("d"));
    assert_eq!(order(&mut queue, |_| Ok(())), "a c");
    assert_eq!(queue.remove(tickets[0]), None);
    assert!(queue.is_empty());
}

fn exhaust(shares: &mut Shares, payer: &Payer) -> (usize, SkipReason) {
    let mut taken = 0;
    loop {
        match shares.admit(payer, 1) {
            Ok(()) => shares.charge(payer, 1),
            Err(skip) => return (taken, skip),
        }
        taken += 1;
    }
}

#[test]
fn an_origin_has_the_shares_of_the_whole() {
    let quota = Quota { total: 4_096, per_owner: 1_024, per_peer: 2_048, reserved: 512 };
    let mut shares = Shares::of(16, 2, &quota);
    let (peer, owner) = (account(), account());
    let stranger = payer(&owner, &peer, MinterTrust::Stranger);
    assert_eq!(exhaust(&mut shares, &stranger), (8, SkipReason::Line));
    let others: usize = (0..5)
        .map(|_| exhaust(&mut shares, &payer(&account(), &peer, MinterTrust::Stranger)).0)
        .sum();
    assert_eq!(others, 8);
    assert_eq!(exhaust(&mut shares, &payer(&account(), &account(), MinterTrust::Stranger)).0, 8);
    // What is left but the reserve.
    assert_eq!(
        exhaust(&mut shares, &payer(&account(), &account(), MinterTrust::Stranger)),
        (4, SkipReason::Group)
    );
    assert_eq!(exhaust(&mut shares, &known()), (8, SkipReason::Line));
    shares.discharge(&stranger, 12);
    assert_eq!(
        exhaust(&mut shares, &payer(&account(), &account(), MinterTrust::Stranger)),
        (4, SkipReason::Group)
    );
}

/// However small the shares are.
#[test]
fn everyone_may_have_one_connection() {
    let mut shares = Shares::of(1, 32, &Quota::of(4_096));
    let stranger = payer(&account(), &account(), MinterTrust::Stranger);
    assert_eq!(shares.admit(&stranger, 32), Ok(()));
    shares.charge(&stranger, 32);
    assert_eq!(shares.admit(&stranger, 1), Err(SkipReason::Line));
}

/// A stream that was ended early counts as several, for the payer too, and all of the places come
/// back at the end of the connection.
#[test]
fn a_multiplied_charge_is_held_and_given_back_whole() {
    let settings = fixture::settings(Vec::new());
    let root = ApiRoot::parse("https://api.example").unwrap();
    let own = fixture::upstream("api", "https://api.example", RouteSettings::default());
    let transport = TransportSettings::of(&settings, &own);
    let pool = Pool::new(&transport, &root, &CountedSockets::unread(9));
    let payer = known();
    let held = || {
        let state = pool.state();
        state.shares.held_by(payer.owner.as_ref().unwrap())
    };
    for (places, times, expected) in [(3, 2, 6), (3, 1, 3), (1, 5, 5), (4, 0, 4)] {
        let mut charge = pool.charge(&mut pool.state(), &payer, places).unwrap();
        charge.multiply(times);
        assert_eq!((held(), charge.places), (expected, expected), "{places} {times}");
        drop(charge);
        assert_eq!(held(), 0);
    }
}
