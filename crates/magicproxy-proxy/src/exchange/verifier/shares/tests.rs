//! Who loses entries when a cache is full.

use super::*;

const QUOTA: Quota = Quota { total: 100, per_owner: 40, per_peer: 30, reserved: 20 };

fn holder(trust: MinterTrust) -> Holder {
    Holder { account: Arc::default(), trust }
}

fn never(_: &u32) -> bool {
    false
}

#[test]
fn whoever_fills_a_share_loses_entries_of_its_own() {
    for (trust, kept) in [(MinterTrust::Known, 4), (MinterTrust::Stranger, 3)] {
        let mut shares = Shares::new(QUOTA);
        let (one, other) = (holder(trust), holder(trust));
        assert!(shares.add(0, 10, &other, never).is_empty());
        let gone: Vec<u32> = (1..=50).flat_map(|key| shares.add(key, 10, &one, never)).collect();
        assert_eq!(
            gone,
            (1..=50 - kept).collect::<Vec<u32>>(),
            "the oldest first, and never the other's"
        );
        assert_eq!(shares.weight(), 10 * (kept as usize + 1));
    }
}

#[test]
fn the_heaviest_gives_way_when_all_are_too_many() {
    let mut shares = Shares::new(QUOTA);
    let heavy = holder(MinterTrust::Stranger);
    for key in 0..3 {
        assert!(shares.add(key, 10, &heavy, never).is_empty());
    }
    // Many peers with one entry each: until the reserve nobody loses anything, then the one that has most.
    let gone: Vec<Vec<u32>> =
        (10..17).map(|key| shares.add(key, 10, &holder(MinterTrust::Stranger), never)).collect();
    assert_eq!(gone, [vec![], vec![], vec![], vec![], vec![], vec![0], vec![1]]);
    // The reserve is for the known.
    assert!(shares.add(20, 10, &holder(MinterTrust::Known), never).is_empty());
    assert!(shares.add(21, 10, &holder(MinterTrust::Known), never).is_empty());
    assert_eq!(shares.weight(), 100);
}

#[test]
fn what_was_used_is_passed_over_once() {
    let (mut shares, own) = (Shares::new(QUOTA), holder(MinterTrust::Stranger));
    let mut used = std::collections::HashSet::from([0, 2]);
    let gone: Vec<u32> =
        (0..5).flat_map(|key| shares.add(key, 10, &own, |key| used.remove(key))).collect();
    assert_eq!(gone, [1, 3]);
    // Where everything was used, the oldest goes all the same.
    let gone = shares.add(5, 10, &own, |_| true);
    assert_eq!(gone.len(), 1);
}

#[test]
fn an_entry_heavier_than_the_share_may_stay_alone() {
    let (mut shares, own) = (Shares::new(QUOTA), holder(MinterTrust::Stranger));
    assert!(shares.add(0, 60, &own, never).is_empty());
    assert_eq!(shares.add(1, 5, &own, never), [0]);
    assert_eq!(shares.add(2, 101, &own, never), [1, 2]);
    assert_eq!((shares.weight(), shares.accounts.len()), (0, 0));
}

#[test]
fn what_has_gone_is_forgotten() {
    let (mut shares, own) = (Shares::new(QUOTA), holder(MinterTrust::Known));
    shares.add(0, 10, &own, never);
    shares.add(1, 10, &own, never);
    shares.forget(&0, &own);
    shares.forget(&0, &own);
    shares.forget(&1, &holder(MinterTrust::Known));
    assert_eq!(shares.weight(), 10);
    shares.forget(&1, &own);
    assert_eq!((shares.weight(), shares.accounts.len(), shares.known.order.len()), (0, 0, 0));
}
