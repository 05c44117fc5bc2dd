//! Who waits for a lease, how long, and what it costs the store.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use super::*;

/// What one look at a future gives.
fn look<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// A request waits for leases that are under way, and for no longer: of those that came back, none is under way.
#[tokio::test]
async fn who_waits_is_woken_by_a_lease_that_came_back() {
    let pending = PendingReturns::default();
    assert_eq!(look(pin!(pending.one())), Poll::Ready(false), "none is under way");
    pending.begin();
    pending.begin();
    let mut waiting = pin!(pending.one());
    assert_eq!(look(waiting.as_mut()), Poll::Pending);
    pending.end();
    assert_eq!(look(waiting), Poll::Ready(true));
    let mut other = pin!(pending.one());
    assert_eq!(look(other.as_mut()), Poll::Pending, "one more is under way");
    pending.end();
    assert_eq!(look(other), Poll::Ready(true));
    assert_eq!(look(pin!(pending.one())), Poll::Ready(false), "both came back");
}
