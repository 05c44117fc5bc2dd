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

#[test]
fn a_body_of_known_length_is_paid_for_before_it_comes() {
    let (budget, exchange) = exchange(100 * KIB);
    let held = HeldBody::new(Some(60 * KIB), &exchange).unwrap();
    assert_eq!(budget.held(Resource::InspectedBytes), 60 * KIB);
    assert_eq!(HeldBody::new(Some(40 * KIB + 1), &exchange).err(), Some(Shortage::Owner));
    assert_eq!(budget.held(Resource::InspectedBytes), 60 * KIB, "what was refused holds nothing");
    assert!(HeldBody::new(Some(40 * KIB), &exchange).is_ok());
    drop(held);
    assert_eq!(budget.held(Resource::InspectedBytes), 0);
}

/// A body that tells no length pays for what it takes and at most as much again; what it pays is
/// what is allocated.
#[test]
fn a_body_of_unknown_length_pays_in_steps() {
    const MOST: usize = 100 * KIB;
    let (budget, exchange) = exchange(MOST);
    let mut held = HeldBody::new(None, &exchange).unwrap();
    let mut paid = vec![0];
    for length in 1..=MOST / KIB {
        held.append(&[b'x'; KIB], MOST).unwrap();
        let now = budget.held(Resource::InspectedBytes);
        assert_eq!(now, held.bytes.capacity());
        assert!(now >= length * KIB && now <= (2 * length * KIB).max(FIRST_BYTES), "{length}");
        paid.push(now);
    }
    paid.dedup();
    assert_eq!(paid, [0, 16 * KIB, 32 * KIB, 64 * KIB, MOST]);
    assert!(matches!(held.append(b"x", MOST), Err(ReadError::TooLong(MOST))));
    assert_eq!(held.into_bytes().len(), MOST);
    assert_eq!(budget.held(Resource::InspectedBytes), 0);
}

#[test]
fn what_cannot_be_paid_is_not_taken() {
    let (budget, exchange) = exchange(40 * KIB);
    let mut held = HeldBody::new(None, &exchange).unwrap();
    held.append(&[b'x'; 30 * KIB], 1 << 20).unwrap();
    let paid = budget.held(Resource::InspectedBytes);
    let refused = held.append(&[b'x'; 11 * KIB], 1 << 20);
    assert!(matches!(refused, Err(ReadError::Shortage(Shortage::Owner))), "{refused:?}");
    assert_eq!((held.bytes.len(), budget.held(Resource::InspectedBytes)), (30 * KIB, paid));
}

#[test]
fn the_memory_is_held_until_the_last_clone_is_gone() {
    let (budget, exchange) = exchange(1 << 20);
    let mut held = HeldBody::new(Some(5), &exchange).unwrap();
    held.append(b"hello", 5).unwrap();
    let body = held.into_bytes();
    drop(exchange);
    let (clone, piece) = (body.clone(), body.slice(1..2));
    for bytes in [body, clone] {
        drop(bytes);
        assert_eq!(budget.held(Resource::InspectedBytes), 5);
    }
    drop(piece);
    assert_eq!(budget.held(Resource::InspectedBytes), 0);
    let empty = HeldBody::new(None, &self::exchange(1).1).unwrap();
    assert!(empty.into_bytes().is_empty());
}
