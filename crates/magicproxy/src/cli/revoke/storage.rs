//! The place of the entries in the configuration: a file, or the store shared by proxies.

use std::sync::Arc;

use magicproxy_proxy::clock;

use crate::runtime::revocations::{Revocation, RevocationFile, RevokedThing, SharedRevocations};
use crate::runtime::{state, wire};
use magicproxy_config::config::StorageSettings;

/// The file or the store that holds the entries.
pub(super) struct RevocationStorage {
    pub(super) place: String,
    kind: StorageKind,
}

enum StorageKind {
    File(RevocationFile),
    Shared(SharedRevocations, tokio::runtime::Runtime),
}

impl RevocationStorage {
    pub(super) fn of(settings: &StorageSettings) -> anyhow::Result<Self> {
        if let Some(path) = &settings.revocations.file {
            let place = format!("`{}`", path.display());
            return Ok(Self { place, kind: StorageKind::File(RevocationFile(path.clone())) });
        }
        let store = state::open(&settings.state.store)?;
        let place = "the state store".to_owned();
        Ok(Self {
            place,
            kind: StorageKind::Shared(SharedRevocations(Arc::clone(&store)), wire::runtime()?),
        })
    }

    pub(super) fn read(&self) -> anyhow::Result<Vec<Revocation>> {
        match &self.kind {
            StorageKind::File(file) => file.read(),
            StorageKind::Shared(shared, runtime) => {
                Ok(runtime.block_on(shared.read(clock::now()))?.1)
            }
        }
    }

    pub(super) fn add(&self, entries: &[Revocation]) -> anyhow::Result<()> {
        match &self.kind {
            StorageKind::File(file) => file.change(|all| {
                let now = clock::now().0;
                all.retain(|old| {
                    old.about.expires_at > now
                        && entries.iter().all(|new| new.revoked != old.revoked)
                });
                all.extend_from_slice(entries);
            }),
            StorageKind::Shared(shared, runtime) => runtime.block_on(shared.change(entries, &[])),
        }
    }

    pub(super) fn remove(&self, revoked: &[RevokedThing]) -> anyhow::Result<()> {
        match &self.kind {
            StorageKind::File(file) => {
                file.change(|all| all.retain(|entry| !revoked.contains(&entry.revoked)))
            }
            StorageKind::Shared(shared, runtime) => runtime.block_on(shared.change(&[], revoked)),
        }
    }
}
