//! The memory of a held body: paid for before it is taken, and given back with the last clone.

use std::sync::Arc;

use super::*;
use crate::admission::{Budget, MinterTrust, Payer};
use crate::settings::{Limits, Quota};

const KIB: usize = 1024;

/// A budget of which one owner may hold this much, and an exchange of such an owner.
fn exchange(per_owner: usize) -> (Arc<Budget>, Holding) {
    let quota = Quota { total: 1 << 30, per_owner, per_peer: 1 << 30, reserved: 0 };
    let budget = Budget::new(&Limits { inspected_bytes: quota, ..Limits::default() });
    let payer =
        Payer { owner: Some(Arc::default()), peer: Arc::default(), trust: MinterTrust::Stranger };
    let exchange = budget.take(Resource::Exchanges, 1, &payer).unwrap();
    (budget, exchange)
}

/// A client is refused for what it announces, and pays for what it sends.
#[test]
fn a_body_of_known_length_must_find_room_and_pays_as_it_comes() {
    const LENGTH: usize = 60 * KIB;
    let (budget, exchange) = exchange(100 * KIB);
    let mut held = HeldBody::new(Some(LENGTH), 1 << 20, &exchange).unwrap();
    assert_eq!(budget.held(Resource::InspectedBytes), FIRST_BYTES);
    let refused = HeldBody::new(Some(100 * KIB - FIRST_BYTES + 1), 1 << 20, &exchange);
    assert_eq!(refused.err(), Some(Shortage::Owner));
    assert_eq!(budget.held(Resource::InspectedBytes), FIRST_BYTES, "a refusal holds nothing");
    assert!(HeldBody::new(Some(100 * KIB - FIRST_BYTES), 1 << 20, &exchange).is_ok());
    let mut paid = vec![FIRST_BYTES];
    for _ in 0..LENGTH / KIB {
        held.append(&[b'x'; KIB]).unwrap();
        paid.push(budget.held(Resource::InspectedBytes));
        assert_eq!(paid.last(), Some(&held.bytes.capacity()));
    }
    paid.dedup();
    assert_eq!(paid, [16 * KIB, 32 * KIB, LENGTH]);
    assert!(matches!(held.append(b"x"), Err(ReadError::TooLong(LENGTH))));
    drop(held);
    assert_eq!(budget.held(Resource::InspectedBytes), 0);
}

/// A body whose room went to others meanwhile is refused, and gives back what it had.
#[test]
fn room_that_is_gone_refuses_the_rest() {
    let (budget, exchange) = exchange(100 * KIB);
    let mut held = HeldBody::new(Some(80 * KIB), 1 << 20, &exchange).unwrap();
    let other = HeldBody::new(Some(FIRST_BYTES), 1 << 20, &exchange).unwrap();
    held.append(&[b'x'; 60 * KIB]).unwrap();
    let refused = held.append(&[b'x'; 20 * KIB]);
    assert!(matches!(refused, Ok(())), "{refused:?}");
    drop(held);
    let mut held = HeldBody::new(Some(84 * KIB), 1 << 20, &exchange).unwrap();
    let third = HeldBody::new(Some(FIRST_BYTES), 1 << 20, &exchange).unwrap();
    let refused = held.append(&[b'x'; 84 * KIB]);
    assert!(matches!(refused, Err(ReadError::Shortage(Shortage::Owner))), "{refused:?}");
    drop((held, other, third));
    assert_eq!(budget.held(Resource::InspectedBytes), 0);
}

/// The time of a body grows with what has come, a MiB at a time.
#[test]
fn the_time_of_a_body_grows_with_it() {
    let (since, limit) = (Instant::now(), Duration::from_secs(30));
    let pace = Pace::new(since, limit);
    for (bytes, turns) in [
        (0, 1),
        (1, 1),
        (PACE_BYTES - 1, 1),
        (PACE_BYTES, 2),
        (2 * PACE_BYTES - 1, 2),
        (64 * PACE_BYTES, 65),
    ] {
        assert_eq!(pace.deadline(bytes), since + turns * limit, "{bytes}");
    }
    let year = Duration::from_secs(366 * 24 * 60 * 60);
    assert_eq!(Pace::new(since, Duration::MAX).deadline(usize::MAX), since + year);
}

/// A body that tells no length pays for what it takes and at most as much again; what it pays is
/// what is allocated.
#[test]
fn a_body_of_unknown_length_pays_in_steps() {
    const MOST: usize = 100 * KIB;
    let (budget, exchange) = exchange(MOST);
    let mut held = HeldBody::new(None, MOST, &exchange).unwrap();
    let mut paid = vec![0];
    for length in 1..=MOST / KIB {
        held.append(&[b'x'; KIB]).unwrap();
        let now = budget.held(Resource::InspectedBytes);
        assert_eq!(now, held.bytes.capacity());
        assert!(now >= length * KIB && now <= (2 * length * KIB).max(FIRST_BYTES), "{length}");
        paid.push(now);
    }
    paid.dedup();
    assert_eq!(paid, [0, 16 * KIB, 32 * KIB, 64 * KIB, MOST]);
    assert!(matches!(held.append(b"x"), Err(ReadError::TooLong(MOST))));
    assert_eq!(held.into_bytes().len(), MOST);
    assert_eq!(budget.held(Resource::InspectedBytes), 0);
}

#[test]
fn what_cannot_be_paid_is_not_taken() {
    let (budget, exchange) = exchange(40 * KIB);
    let mut held = HeldBody::new(None, 1 << 20, &exchange).unwrap();
    held.append(&[b'x'; 30 * KIB]).unwrap();
    let paid = budget.held(Resource::InspectedBytes);
    let refused = held.append(&[b'x'; 11 * KIB]);
    assert!(matches!(refused, Err(ReadError::Shortage(Shortage::Owner))), "{refused:?}");
    assert_eq!((held.bytes.len(), budget.held(Resource::InspectedBytes)), (30 * KIB, paid));
}

#[test]
fn the_memory_is_held_until_the_last_clone_is_gone() {
    let (budget, exchange) = exchange(1 << 20);
    let mut held = HeldBody::new(Some(5), 5, &exchange).unwrap();
    held.append(b"hello").unwrap();
    let body = held.into_bytes();
    drop(exchange);
    let (clone, piece) = (body.clone(), body.slice(1..2));
    for bytes in [body, clone] {
        drop(bytes);
        assert_eq!(budget.held(Resource::InspectedBytes), 5);
    }
    drop(piece);
    assert_eq!(budget.held(Resource::InspectedBytes), 0);
    let empty = HeldBody::new(None, 1, &self::exchange(1).1).unwrap();
    assert!(empty.into_bytes().is_empty());
}
