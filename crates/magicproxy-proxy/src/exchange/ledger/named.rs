//! Named owners: their binding to a credential, and warnings to the operator about the state of
//! such owners in the store. `state.md` section 1.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use magicproxy_core::rule::OwnerName;
use magicproxy_core::state::{Change, Entry, Partition};
use magicproxy_core::{CredentialBinding, Permit, UnixTime};

use super::Ledger;
use crate::clock;
use crate::exchange::verifier::Binder;
use crate::rejection::Rejection;

/// The name under which the store keeps the id of the secret that binds its named owners.
const SECRET: &[u8] = b"secret";
/// The latest second allowed in a token, in the year 9999.
const FOR_EVER: UnixTime = UnixTime(magicproxy_core::token::MAX_UNIX_TIME);

/// The named owners whose past this process has looked up in the store.
#[derive(Clone, Debug, Default)]
pub(super) struct KnownOwners(Arc<Mutex<HashSet<Partition>>>);

impl KnownOwners {
    /// True if the owner was not seen before.
    fn is_first(&self, partition: Partition) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(partition)
    }
}

impl Ledger {
    /// Returns the binding of the owner named by the permit's rule, if any.
    pub(super) async fn binding(
        &self,
        permit: &Permit,
        binder: Binder<'_>,
    ) -> Result<Option<CredentialBinding>, Rejection> {
        let Some(name) = permit.named_owner() else { return Ok(None) };
        let binding = binder.binding().await?;
        self.tell_of_the_past(name, binder).await;
        Ok(Some(binding))
    }

    /// Warns once of state that is no longer found. An error of the store is ignored here: a
    /// request that needs the store is refused later.
    async fn tell_of_the_past(&self, name: &OwnerName, binder: Binder<'_>) {
        let (Some(store), unbound) = (&self.store, name.unbound_owner(&self.upstream)) else {
            return;
        };
        if !self.seen.is_first(unbound) {
            return;
        }
        let left = store.list(unbound, Vec::new(), 1, clock::now()).await;
        if left.is_ok_and(|left| !left.is_empty()) {
            tracing::warn!(name: "named_owner_unbound", target: "magicproxy::state", upstream = %self.upstream, owner = %name,
                "what this named owner had before named owners were bound to credentials is nobody's any more: it ends within 30 days, and its limits begin anew");
        }
        if let Some(id) = binder.secret_id() {
            self.note_secret(id).await;
        }
    }

    /// Notes in the store the secret that binds its named owners, and reports an earlier, different
    /// secret.
    async fn note_secret(&self, id: [u8; 32]) {
        let (Some(store), partition) = (&self.store, Partition::of(&[b"named owners"])) else {
            return;
        };
        let now = clock::now();
        let Ok(found) = store.read(partition, vec![SECRET.to_vec()], now).await else { return };
        let known = found.into_iter().flatten().next();
        if known.as_ref().is_some_and(|entry| entry.value == id) {
            return;
        }
        if known.is_some() {
            tracing::error!(name: "owner_secret_differs", target: "magicproxy::state",
                "the named owners in the state store were bound by another owner secret (`owners.jwk`), so nothing of theirs is found and their limits begin anew: \
                 replicas must share one, and one that was lost is in a backup");
        }
        let change =
            Change::Put(SECRET.to_vec(), Entry { value: id.to_vec(), expires_at: FOR_EVER });
        if let Err(error) = store.apply(partition, Vec::new(), vec![change], now).await {
            tracing::warn!(name: "owner_secret_not_noted", target: "magicproxy::state", %error, "the state store does not know by which secret its named owners are bound");
        }
    }
}
