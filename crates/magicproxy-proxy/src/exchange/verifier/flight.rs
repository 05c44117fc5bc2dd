//! One flight for each thing that several requests want at a time: one of them works, and the others share the outcome, good or bad,
//! all at once. Nobody waits in line for others to fail one after the other.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use magicproxy_core::{OpenError, VerifyError};
use tokio::sync::OnceCell;

use crate::rejection::Rejection;

/// How many flights a request waits for: the second one where the first failed for a reason that was only its leader's.
const MAX_FLIGHTS: usize = 2;

/// The flights that are under way, by what they are for.
#[derive(Debug)]
pub(super) struct Flights<K, T> {
    under_way: Mutex<HashMap<K, Arc<Flight<T>>>>,
}

/// What comes of the work: first of whoever leads, and when that one goes away before, of the next.
type Flight<T> = OnceCell<Result<T, Option<TokenFault>>>;

/// What is wrong with the token itself, whoever asks: nothing is gained by asking again. Whatever else goes wrong (no room, no turn
/// in time) is the matter of the request that led the flight.
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
    /// What comes of the work for this key: of this one, or of the one that is under way. Good outcomes must be kept by the work
    /// itself, where the next request finds them.
    ///
    /// # Errors
    /// What the work says of the token, to all who wait for it; what it says of the request that does it, to that one.
    /// [`Rejection::Busy`] where two others were refused for reasons of their own.
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

    /// Joins the flight that is under way, or begins one.
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

    /// How many flights are under way.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.under_way().len()
    }
}

/// A request's part in a flight. Whoever leaves last, or when it has ended, forgets the flight.
struct Seat<'f, K: Copy + Eq + Hash, T: Clone> {
    flights: &'f Flights<K, T>,
    key: K,
    flight: Arc<Flight<T>>,
}

impl<K: Copy + Eq + Hash, T: Clone> Drop for Seat<'_, K, T> {
    fn drop(&mut self) {
        let mut under_way = self.flights.under_way();
        // Those of the table and of this seat; seats are taken and left under the lock.
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
