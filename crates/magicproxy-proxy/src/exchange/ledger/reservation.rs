//! The proof that a permitted request may be sent: nothing is left to be taken for the request.

#[cfg(test)]
mod tests;

use magicproxy_core::Permit;
use magicproxy_core::limit::Limit;

use super::duties::{Duties, Duty};
use crate::plugins::Consultation;

/// A permitted request for which everything was taken from the store that the permit takes.
///
/// INVARIANT: made by [`Reservation::empty`], for a permit that takes nothing, and by
/// [`Reservation::new`], after the ledger took everything that the permit takes. A stateful permit
/// cannot be sent otherwise.
#[derive(Debug)]
pub(in crate::exchange) struct Reservation {
    permit: Permit,
    duties: Duties,
}

impl Reservation {
    /// Makes the reservation of a permit without state, if no plugin is to be told of the response.
    ///
    /// # Errors
    /// Any other permit is returned.
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

    /// Makes the reservation of a permit after everything was taken; the duty holds everything
    /// taken.
    pub(super) fn new(permit: Permit, duty: Duty) -> Self {
        Self { permit, duties: Duties::of(duty) }
    }

    /// Returns the limits of which the request took one each, with the number left of each.
    pub(in crate::exchange) fn limits_left(&self) -> &[(Limit, u64)] {
        self.duties.limits_left()
    }

    /// Returns the permit, and the duties left for the response.
    pub(in crate::exchange) fn into_parts(self) -> (Permit, Duties) {
        (self.permit, self.duties)
    }
}
