//! Flights: work needed by several requests at a time. A single request works, and the others share
//! the outcome, good or bad, all at once. Nobody waits in line for others to fail in turn.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use magicproxy_core::{OpenError, VerifyError};
use tokio::sync::OnceCell;

use crate::rejection::Rejection;

/// The most flights that a request waits for: a second flight if the first failed for a reason that
/// concerned only its leader.
const MAX_FLIGHTS: usize = 2;

/// The flights under way, by key.
#[derive(Debug)]
pub(super) struct Flights<K, T> {
    under_way: Mutex<HashMap<K, Arc<Flight<T>>>>,
}

/// The outcome of the work: of the leader or, if the leader goes away before the end, of the next.
type Flight<T> = OnceCell<Result<T, Option<TokenFault>>>;

/// A fault of the token itself, alike for all requests: asking again would gain nothing. Any other
/// failure (no room, no turn in time) concerns only the request that led the flight.
#[derive(Clone, Debug)]
enum TokenFault {
    Token(VerifyError),
    Credential(OpenError),
    NoOwnerSecret,
}

impl<K, T> Default for Flights<K, T> {
    fn default() -> Self {
        Self { under_way: Mutex::default() }
    }
}

impl<K: Copy + Eq + Hash, T: Clone> Flights<K, T> {
    /// Returns the outcome of the work for this key: of `work`, or of the flight under way. The
    /// work itself must keep a good outcome, so the next request finds the outcome.
    ///
    /// # Errors
    /// A fault of the token goes to all that wait; a failure of the leading request, to that
    /// request only. [`Rejection::Busy`] if two others were refused for reasons of their own.
    pub(super) async fn outcome(
        &self,
        key: K,
        work: impl Future<Output = Result<T, Rejection>>,
    ) -> Result<T, Rejection> {
        let mut work = Some(work);
        for _ in 0..MAX_FLIGHTS {
            let mut refused = None;
            let leading = async {
                let Some(work) = work.take() else { return Err(None) };
                work.await.map_err(|rejection| TokenFault::of(refused.insert(rejection)))
            };
            let seat = self.board(key);
            let outcome = seat.flight.get_or_init(|| leading).await.clone();
            match (outcome, refused) {
                (Ok(done), _) => return Ok(done),
                (Err(_), Some(rejection)) => return Err(rejection),
                (Err(Some(fault)), None) => return Err(fault.into()),
                (Err(None), None) => {}
            }
        }
        Err(Rejection::Busy)
    }

    /// Joins the flight under way, or begins a flight.
    fn board(&self, key: K) -> Seat<'_, K, T> {
        let mut under_way = self.under_way();
        let flight = under_way.entry(key).or_default();
        if flight.initialized() {
            *flight = Arc::default();
        }
        Seat { flights: self, key, flight: Arc::clone(flight) }
    }

    fn under_way(&self) -> MutexGuard<'_, HashMap<K, Arc<Flight<T>>>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts the flights under way.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.under_way().len()
    }
}

/// A request's part in a flight. The flight is forgotten when the last seat is left, or any seat
/// after the flight has ended.
struct Seat<'f, K: Copy + Eq + Hash, T: Clone> {
    flights: &'f Flights<K, T>,
    key: K,
    flight: Arc<Flight<T>>,
}

impl<K: Copy + Eq + Hash, T: Clone> Drop for Seat<'_, K, T> {
    fn drop(&mut self) {
        let mut under_way = self.flights.under_way();
        // The references of the table and of this seat; seats are taken and left under the lock.
        let is_last = Arc::strong_count(&self.flight) <= 2;
        let is_this =
            under_way.get(&self.key).is_some_and(|flight| Arc::ptr_eq(flight, &self.flight));
        if is_this && (is_last || self.flight.initialized()) {
            under_way.remove(&self.key);
        }
    }
}

impl TokenFault {
    fn of(rejection: &Rejection) -> Option<Self> {
        match rejection {
            Rejection::Token(error) => Some(Self::Token(error.clone())),
            Rejection::Credential(error) => Some(Self::Credential(*error)),
            Rejection::NoOwnerSecret => Some(Self::NoOwnerSecret),
            _ => None,
        }
    }
}

impl From<TokenFault> for Rejection {
    fn from(fault: TokenFault) -> Self {
        match fault {
            TokenFault::Token(error) => Self::Token(error),
            TokenFault::Credential(error) => Self::Credential(error),
            TokenFault::NoOwnerSecret => Self::NoOwnerSecret,
        }
    }
}

#[cfg(test)]
mod tests;
