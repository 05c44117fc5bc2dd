//! Shares, the reserve, and accounts that end with those who refer to them.

use super::*;

const QUOTA: Quota = Quota { total: 10, per_owner: 3, per_peer: 5, reserved: 2 };

fn budget() -> Arc<Budget> {
    Budget::new(&Limits { exchanges: QUOTA, ..Limits::default() })
}

fn payer(owner: Option<&Arc<Account>>, peer: &Arc<Account>, trust: MinterTrust) -> Payer {
    Payer { owner: owner.cloned(), peer: Arc::clone(peer), trust }
}

/// Takes until that fails, and gives the holdings with what it failed for.
fn exhaust(budget: &Arc<Budget>, mut payer: impl FnMut() -> Payer) -> (Vec<Holding>, Shortage) {
    let mut holdings = Vec::new();
    loop {
        match budget.take(Resource::Exchanges, 1, &payer()) {
            Ok(holding) => holdings.push(holding),
            Err(shortage) => return (holdings, shortage),
        }
    }
}

#[test]
fn an_owner_has_a_share() {
    let (budget, owner) = (budget(), Arc::default());
    for trust in [MinterTrust::Known, MinterTrust::Stranger] {
        let (holdings, shortage) = exhaust(&budget, || payer(Some(&owner), &Arc::default(), trust));
        assert_eq!((holdings.len(), shortage), (3, Shortage::Owner));
        let other = payer(Some(&Arc::default()), &Arc::default(), trust);
        assert!(budget.take(Resource::Exchanges, 3, &other).is_ok());
    }
    assert_eq!(budget.held(Resource::Exchanges), 0);
}

/// Anyone makes endless owners: their peer pays for all of them.
#[test]
fn a_peer_of_endless_owners_has_a_share() {
    let (budget, peer) = (budget(), Arc::default());
    let (holdings, shortage) =
        exhaust(&budget, || payer(Some(&Arc::default()), &peer, MinterTrust::Stranger));
    assert_eq!((holdings.len(), shortage), (5, Shortage::Peer));
    assert!(
        budget.take(Resource::Exchanges, 1, &payer(None, &peer, MinterTrust::Stranger)).is_err()
    );
    // Behind the same address, a token that no stranger can mint is not in their way.
    assert!(
        budget
            .take(Resource::Exchanges, 1, &payer(Some(&Arc::default()), &peer, MinterTrust::Known))
            .is_ok()
    );
}

#[test]
fn the_reserve_is_for_tokens_that_no_stranger_mints() {
    let budget = budget();
    let (strangers, shortage) =
        exhaust(&budget, || payer(None, &Arc::default(), MinterTrust::Stranger));
    assert_eq!((strangers.len(), shortage), (8, Shortage::Total));
    let (known, shortage) =
        exhaust(&budget, || payer(Some(&Arc::default()), &Arc::default(), MinterTrust::Known));
    assert_eq!((known.len(), shortage), (2, Shortage::Total));
    drop(strangers);
    assert_eq!(budget.held(Resource::Exchanges), 2);
}

#[test]
fn a_refused_charge_leaves_no_trace() {
    let (budget, owner, peer) = (budget(), Arc::default(), Arc::default());
    let stranger = payer(Some(&owner), &peer, MinterTrust::Stranger);
    let mut holding = budget.take(Resource::Exchanges, 2, &stranger).unwrap();
    assert_eq!(holding.grow(2), Err(Shortage::Owner));
    assert_eq!(holding.grow(usize::MAX), Err(Shortage::Owner));
    assert_eq!(holding.grow(1), Ok(()));
    assert_eq!(holding.take(Resource::BufferedBytes, 7).unwrap().amount, 7);
    drop(holding);
    assert_eq!(owner.counter(Resource::Exchanges).load(Ordering::Relaxed), 0);
    assert_eq!(peer.counter(Resource::Exchanges).load(Ordering::Relaxed), 0);
    assert_eq!(budget.held(Resource::BufferedBytes), 0);
}

#[test]
fn peers_are_what_networks_are_given() {
    let key = |text: &str| PeerKey::of(Some(text.parse().unwrap()));
    assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff::"));
    assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
    assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
    assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
    assert_eq!(PeerKey::of(None), PeerKey::Unknown);
}

#[test]
fn accounts_end_with_those_who_refer_to_them() {
    let accounts = Accounts::default();
    let kept = accounts.of_peer(PeerKey::Unknown);
    for number in 0..10_000_u32 {
        drop(accounts.of_peer(PeerKey::of(Some(number.to_be_bytes().into()))));
    }
    assert!(accounts.len() <= 1_025, "{}", accounts.len());
    assert!(Arc::ptr_eq(&kept, &accounts.of_peer(PeerKey::Unknown)));
}
