//! Named owners: whose they are, and what an operator should know of the store in which they have something. `state.md` section 1.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use magicproxy_core::rule::OwnerName;
use magicproxy_core::state::{Change, Entry, Partition};
use magicproxy_core::{CredentialBinding, Permit, UnixTime};

use super::Ledger;
use crate::clock;
use crate::exchange::verifier::Binder;
use crate::rejection::Rejection;

/// The name under which the store says which secret its named owners are bound by.
const SECRET: &[u8] = b"secret";
/// The latest second that a token may name, in the year 9999.
const FOR_EVER: UnixTime = UnixTime(magicproxy_core::token::MAX_UNIX_TIME);

/// The named owners of which this process has looked what the store has.
#[derive(Clone, Debug, Default)]
pub(super) struct KnownOwners(Arc<Mutex<HashSet<Partition>>>);

impl KnownOwners {
    /// Is it the first time?
    fn is_first(&self, partition: Partition) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(partition)
    }
}

impl Ledger {
    /// Whose the owner is that the permit's rule names; nothing where it names none.
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

    /// Warns once of what is not found any more. An error of the store is none here: whoever needs it is told then.
    async fn tell_of_the_past(&self, name: &OwnerName, binder: Binder<'_>) {
        let (Some(store), unbound) = (&self.store, name.unbound_owner(&self.upstream)) else {
            return;
        };
        if !self.seen.is_first(unbound) {
            return;
        }
        let left = store.list(unbound, Vec::new(), 1, clock::now()).await;
        if left.is_ok_and(|left| !left.is_empty()) {
            tracing::warn!(target: "magicproxy::state", upstream = %self.upstream, owner = %name,
                "what this named owner had before named owners were bound to credentials is nobody's any more: it ends within 30 days, and its limits begin anew");
        }
        if let Some(id) = binder.secret_id() {
            self.note_secret(id).await;
        }
    }

    /// Notes in the store by which secret its named owners are bound, and says so where that was another one.
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
            tracing::error!(target: "magicproxy::state",
                "the named owners in the state store were bound by another owner secret (`owners.jwk`), so nothing of theirs is found and their limits begin anew: \
                 replicas must share one, and one that was lost is in a backup");
        }
        let change =
            Change::Put(SECRET.to_vec(), Entry { value: id.to_vec(), expires_at: FOR_EVER });
        if let Err(error) = store.apply(partition, Vec::new(), vec![change], now).await {
            tracing::warn!(target: "magicproxy::state", %error, "the state store does not know by which secret its named owners are bound");
        }
    }
}
