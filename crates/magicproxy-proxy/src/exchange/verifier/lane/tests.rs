//! Whose turn it is.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::*;

const QUOTA: Quota = Quota { total: 20, per_owner: 6, per_peer: 12, reserved: 4 };

type Entering<'l> = Pin<Box<dyn Future<Output = Result<Slot, Rejection>> + 'l>>;

fn stranger(peer: &Arc<Account>) -> Payer {
    Payer::anonymous(Arc::clone(peer))
}

fn known() -> Payer {
    Payer { owner: Some(Arc::default()), peer: Arc::default(), trust: MinterTrust::Known }
}

/// Begins to wait, in this order.
fn begin<'l>(lane: &'l Lane, payer: &'l Payer) -> Entering<'l> {
    let mut entering: Entering<'l> = Box::pin(lane.enter(payer));
    assert!(now(&mut entering).is_none());
    entering
}

fn now(entering: &mut Entering<'_>) -> Option<Result<Slot, Rejection>> {
    match entering.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(entered) => Some(entered),
        Poll::Pending => None,
    }
}

/// Passes the slot on until it is given to `wanted`; how many had it before.
fn turns_until(slot: Slot, others: &mut Vec<Entering<'_>>, mut wanted: Entering<'_>) -> usize {
    let mut slot = Some(slot);
    for turns in 0.. {
        drop(slot.take());
        if now(&mut wanted).is_some() {
            return turns;
        }
        let next = others.iter_mut().enumerate().find_map(|(at, other)| Some((at, now(other)?)));
        let (at, next) = next.expect("somebody has the slot");
        slot = Some(next.unwrap());
        drop(others.remove(at));
    }
    unreachable!()
}

async fn full(lane: &Lane) -> Slot {
    lane.enter(&known()).await.unwrap()
}

/// However many places an attacker has, and however early: one of them is before another's.
#[tokio::test]
async fn one_peer_waits_behind_one_thing_of_another() {
    let lane = Lane::new("test", 1, QUOTA, 0);
    let slot = full(&lane).await;
    let (attacker, honest) = (stranger(&Arc::default()), stranger(&Arc::default()));
    let mut attacks: Vec<_> = (0..10).map(|_| begin(&lane, &attacker)).collect();
    let waiting = begin(&lane, &honest);
    assert_eq!(turns_until(slot, &mut attacks, waiting), 1);
}

/// However many addresses an attacker has.
#[tokio::test]
async fn every_other_turn_is_of_those_whom_no_stranger_can_be() {
    let lane = Lane::new("test", 1, QUOTA, 0);
    let slot = full(&lane).await;
    let peers: Vec<Payer> = (0..10).map(|_| stranger(&Arc::default())).collect();
    let (one, other) = (known(), known());
    let mut attacks: Vec<_> = peers.iter().map(|peer| begin(&lane, peer)).collect();
    attacks.push(begin(&lane, &one));
    // The first, and one of the strangers, are before the second.
    assert_eq!(turns_until(slot, &mut attacks, begin(&lane, &other)), 2);
}

#[tokio::test]
async fn an_account_has_so_many_places() {
    let lane = Lane::new("test", 1, QUOTA, 0);
    let _slot = full(&lane).await;
    let (peer, owner) = (stranger(&Arc::default()), known());
    let strangers: Vec<_> = (0..12).map(|_| begin(&lane, &peer)).collect();
    assert!(matches!(lane.enter(&peer).await, Err(Rejection::Shortage(Shortage::Peer))));
    let owners: Vec<_> = (0..6).map(|_| begin(&lane, &owner)).collect();
    assert!(matches!(lane.enter(&owner).await, Err(Rejection::Shortage(Shortage::Owner))));
    assert_eq!(lane.counts().1, 18);
    // Who does not wait any more has no place.
    drop((strangers, owners));
    drop(begin(&lane, &peer));
    drop(begin(&lane, &owner));
}

/// A lane that others have filled has a place for one who has fewer.
#[tokio::test]
async fn whoever_has_most_places_gives_way() {
    let lane = Lane::new("test", 1, QUOTA, 0);
    let _slot = full(&lane).await;
    let (heavy, other) = (stranger(&Arc::default()), stranger(&Arc::default()));
    let mut most: Vec<_> = (0..12).map(|_| begin(&lane, &heavy)).collect();
    let less: Vec<_> = (0..4).map(|_| begin(&lane, &other)).collect();
    let newcomer = stranger(&Arc::default());
    let waiting = begin(&lane, &newcomer);
    let given_way = most.iter_mut().filter_map(now).collect::<Vec<_>>();
    assert!(matches!(given_way.as_slice(), [Err(Rejection::Shortage(Shortage::Total))]));
    assert_eq!((lane.counts().1, less.len()), (16, 4));
    drop(waiting);
}

#[tokio::test]
async fn what_nobody_waits_for_is_given_to_the_next() {
    let lane = Lane::new("test", 1, QUOTA, 0);
    let slot = full(&lane).await;
    let (gone, here) = (stranger(&Arc::default()), stranger(&Arc::default()));
    let left: Vec<_> = (0..5).map(|_| begin(&lane, &gone)).collect();
    let mut waiting = begin(&lane, &here);
    drop(left);
    drop(slot);
    let slot = now(&mut waiting).unwrap().unwrap();
    // Given, and not taken.
    let unaware = begin(&lane, &gone);
    drop(slot);
    drop(unaware);
    assert!(lane.enter(&here).await.is_ok());
}

/// What must be done is done, though the account has no more places.
#[tokio::test]
async fn what_must_be_done_is_not_refused() {
    let lane = Lane::new("test", 1, QUOTA, 0);
    let slot = full(&lane).await;
    let owner = known();
    let places: Vec<_> = (0..6).map(|_| begin(&lane, &owner)).collect();
    let mut surely: Entering<'_> = Box::pin(lane.enter_surely(&owner));
    assert!(now(&mut surely).is_none());
    drop(places);
    drop(slot);
    assert!(now(&mut surely).unwrap().is_ok());
}

/// Work in progress and work that waits, as the metrics show it.
#[tokio::test]
async fn the_metrics_see_whose_turn_it_is() {
    let (lane, metrics) = (Lane::new("test", 2, QUOTA, 0), Arc::<Metrics>::default());
    metrics.watch(&lane.0);
    let seen = || {
        let document = metrics.encode(None).1;
        ["running", "waiting"].map(|what| {
            let begin = format!("magicproxy_verifications_{what}{{lane=\"test\"}} ");
            document.lines().find_map(|line| line.strip_prefix(&begin)?.parse::<u32>().ok())
        })
    };
    assert_eq!(seen(), [Some(0), Some(0)]);
    let slot = full(&lane).await;
    assert_eq!(seen(), [Some(1), Some(0)]);
    let other = full(&lane).await;
    let (payer, stranger) = (known(), stranger(&Arc::default()));
    let waiting = [begin(&lane, &payer), begin(&lane, &stranger), begin(&lane, &stranger)];
    assert_eq!(seen(), [Some(2), Some(3)]);
    drop(waiting);
    drop((slot, other));
    assert_eq!(seen(), [Some(0), Some(0)]);
}
