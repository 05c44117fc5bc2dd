//! The token of a request in progress, looked at while bytes pass: whoever holds a connection open
//! keeps nothing by it once the token is revoked.

use std::sync::Arc;
use std::time::Duration;

use magicproxy_core::{Denial, UnixTime, VerifiedToken};

use super::revocations::{RevocationError, Revocations};

/// The longest time between two looks at the token of a request in progress.
pub(crate) const LOOK: Duration = Duration::from_secs(1);

/// The token of a request in progress, and the list of revocations.
///
/// Whatever takes long looks once in [`LOOK`], and before a part of a body passes. The second look
/// costs an atomic load as long as the list has not changed.
#[derive(Clone, Debug)]
pub(crate) struct TokenWatch {
    revocations: Arc<Revocations>,
    token: Arc<VerifiedToken>,
    /// The number of changes of the list before the last look.
    seen: u64,
}

impl TokenWatch {
    /// Makes a watch that has seen the list of now. Made before the token is looked up in the list,
    /// so that no change is missed.
    pub(crate) fn new(revocations: &Arc<Revocations>, token: &Arc<VerifiedToken>) -> Self {
        let seen = revocations.changes();
        Self { revocations: Arc::clone(revocations), token: Arc::clone(token), seen }
    }

    pub(crate) fn token(&self) -> &Arc<VerifiedToken> {
        &self.token
    }

    /// Refuses a token that was revoked since, and every token while the list cannot be trusted.
    pub(crate) fn look(&self) -> Result<(), RevocationError> {
        self.revocations.ensure_live(&self.token)
    }

    /// Refuses a token whose time is over.
    pub(crate) fn ensure_not_ended(&self, now: UnixTime) -> Result<(), Denial> {
        self.token.ensure_live(now)
    }

    /// True if the list was changed since the last look.
    pub(crate) fn has_changed(&self) -> bool {
        self.revocations.changes() != self.seen
    }

    /// Refuses a token that was revoked since. Looks only where the list was changed since the last
    /// look.
    pub(crate) fn look_if_changed(&mut self) -> Result<(), RevocationError> {
        let changes = self.revocations.changes();
        if changes == self.seen {
            return Ok(());
        }
        self.look()?;
        // Only a look that found nothing is remembered: a refused token stays refused.
        self.seen = changes;
        Ok(())
    }
}
