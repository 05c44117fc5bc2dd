//! The proof that a permitted request may be sent: nothing is left to be taken for it.

#[cfg(test)]
mod tests;

use magicproxy_core::Permit;

use super::duties::{Duties, Duty};
use crate::plugins::Consultation;

/// A permitted request for which everything was taken that it takes.
///
/// INVARIANT: made by [`Reservation::empty`], for a permit that takes nothing, and by [`Reservation::new`], for which the ledger took
/// what the permit takes. A stateful permit cannot be sent otherwise.
#[derive(Debug)]
pub(in crate::exchange) struct Reservation {
    permit: Permit,
    duties: Duties,
}

impl Reservation {
    /// Of a permit that asks for no state, and of which no plugin wants to know more.
    ///
    /// # Errors
    /// Any other comes back.
    pub(in crate::exchange) fn empty(
        permit: Permit,
        consultation: &Consultation,
    ) -> Result<Self, Permit> {
        if permit.is_stateful() || !consultation.is_empty() {
            Err(permit)
        } else {
            Ok(Self { permit, duties: Duties::none() })
        }
    }

    /// Of a permit for which this was taken; what was taken is part of the duty.
    pub(super) fn new(permit: Permit, duty: Duty) -> Self {
        Self { permit, duties: Duties::of(duty) }
    }

    /// The permit, and what is left to be done when the response has come.
    pub(in crate::exchange) fn into_parts(self) -> (Permit, Duties) {
        (self.permit, self.duties)
    }
}
