//! The binding of a token's named owners to its credential, made with the keys once for each token.
//! `docs/spec/state.md` section 1.

use std::sync::Arc;

use magicproxy_core::{CredentialBinding, OwnerSecret};

use super::{CachedToken, Verifier};
use crate::rejection::Rejection;

/// The maker of the binding of a verified token that was not revoked. The binding tells owners of
/// the same name apart.
#[derive(Clone, Copy)]
pub(crate) struct Binder<'v> {
    verifier: &'v Verifier,
    entry: &'v CachedToken,
}

impl Verifier {
    pub(crate) fn binder<'v>(&'v self, entry: &'v CachedToken) -> Binder<'v> {
        Binder { verifier: self, entry }
    }
}

impl Binder<'_> {
    /// Returns the owner secret's binding of the token's credential, opening the credential if
    /// needed.
    ///
    /// An error if there is no owner secret, or if the credential does not open.
    pub(crate) async fn binding(self) -> Result<CredentialBinding, Rejection> {
        let Self { verifier, entry } = self;
        if let Some(binding) = entry.binding.get() {
            return Ok(*binding);
        }
        let binding = async {
            // Opening is work with a private key, and takes its turn like the opening for a
            // permitted request.
            let slot = verifier.inner.shared.lanes.quick.enter(entry.payer()).await?;
            let (inner, token) = (Arc::clone(&verifier.inner), Arc::clone(entry.token()));
            let binding = slot.work(move || inner.keys.current().bind(&token)).await??;
            Ok(*entry.binding.get_or_init(|| binding))
        };
        entry.binding_flights.outcome((), binding).await
    }

    /// Returns the id of the owner secret, if there is a secret.
    pub(crate) fn secret_id(self) -> Option<[u8; 32]> {
        self.verifier.inner.keys.current().owner_secret().map(OwnerSecret::id)
    }
}

impl std::fmt::Debug for Binder<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Binder").finish_non_exhaustive()
    }
}
