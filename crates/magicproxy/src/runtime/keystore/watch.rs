//! A watch on the key folder of a running proxy, read again after a change: a rotation needs no
//! restart.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use magicproxy_core::KeyRing;
use magicproxy_proxy::services::SharedKeys;

use super::{Keys, Keystore, Purposes};
use crate::runtime::freshness::Freshness;
use magicproxy_config::ground::fault::{Fault, Faults, Origin, Sources};

/// The time between two looks at the folder.
const INTERVAL: Duration = Duration::from_secs(1);

/// The stamps of the ring's files: a changed stamp shows that a file was written, replaced or taken
/// away.
type Stamps = Vec<(PathBuf, Option<SystemTime>, u64)>;

/// A watch that keeps the ring of a server equal to the files.
pub(crate) struct KeyWatch {
    keystore: Keystore,
    keys: Arc<SharedKeys>,
    purposes: Purposes,
    seen: Stamps,
    /// True if the files were no usable ring at the last look.
    faulty: bool,
    freshness: Freshness,
}

impl KeyWatch {
    /// Watches from now on. `keys` were read after `seen` was taken.
    pub(crate) fn new(
        keystore: Keystore,
        keys: Arc<SharedKeys>,
        purposes: Purposes,
        seen: Stamps,
    ) -> Self {
        let freshness = Freshness::default();
        freshness.note_good(Instant::now());
        Self { keystore, keys, purposes, seen, faulty: false, freshness }
    }

    /// Returns the notes on the looks at the folder.
    pub(crate) fn freshness(&self) -> Freshness {
        self.freshness.clone()
    }

    /// Reads the keys from the files, and checks them for their purposes.
    fn load(&self) -> Result<Keys, Faults> {
        let keys = self.keystore.load_existing()?;
        let faults = self.purposes.faults(&keys);
        if faults.is_empty() { Ok(keys) } else { Err(Faults::new(faults, Sources::default())) }
    }

    /// Looks at the files again and again; never ends.
    pub(crate) async fn keep_fresh(mut self) {
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            // Files are read off the event loop.
            let looked = tokio::task::spawn_blocking(move || {
                self.look();
                self
            });
            match looked.await {
                Ok(watch) => self = watch,
                Err(_) => {
                    return tracing::error!(name: "key_watch_ended", target: "magicproxy::keystore::watch", "the keys are not looked at any more");
                }
            }
        }
    }

    /// Looks at the files, and takes a changed ring over. An unusable ring is read again at each
    /// look: a file may be half-written within one tick of the files' clock.
    pub(crate) fn look(&mut self) {
        let then = Instant::now();
        let stamps = self.keystore.stamps();
        if stamps == self.seen && !self.faulty {
            return self.freshness.note_good(then);
        }
        self.seen = stamps;
        let first = !self.faulty;
        match self.load().and_then(|keys| self.keeps_owners(keys)) {
            Ok(keys) => {
                self.faulty = false;
                self.freshness.note_good(then);
                keys.warnings.iter().for_each(
                    |warning| tracing::warn!(name: "key_warning", target: "magicproxy::keystore::watch", "{warning}"),
                );
                tell_of_change(&self.keys.current(), &keys.ring);
                self.keys.replace(keys.ring);
            }
            Err(faults) => {
                self.faulty = true;
                self.freshness.note_fault(then, faults.summary());
                if first {
                    tracing::error!(name: "keys_refused", target: "magicproxy::keystore::watch",
                        "the keys have changed and are not usable, so the old ones stay: {}", faults.summary());
                }
            }
        }
    }
}

/// Logs the keys that have come and gone.
fn tell_of_change(old: &KeyRing, new: &KeyRing) {
    let (before, after) = (ids(old), ids(new));
    let listed = |ids: Vec<&str>| (!ids.is_empty()).then(|| ids.join(", "));
    let added = listed(after.difference(&before).map(String::as_str).collect());
    let removed = listed(before.difference(&after).map(String::as_str).collect());
    tracing::info!(
        name: "keys_changed",
        target: "magicproxy::keystore::watch",
        active = %new.active().public().id(),
        added,
        removed,
        keys = after.len(),
        "the keys have changed"
    );
}

/// Returns the ids of all keys of a ring: those that sign tokens, open seals and sign the key set.
fn ids(ring: &KeyRing) -> BTreeSet<String> {
    let signing = ring.keys().map(|key| key.public().id().to_string());
    let sealing = ring.sealing().iter().map(|key| key.public().id().to_string());
    let key_set = ring.key_set().iter().map(|key| key.id().to_string());
    signing.chain(sealing).chain(key_set).collect()
}

impl KeyWatch {
    /// Refuses keys without the owner secret in use: the state of named owners would not be found
    /// any more.
    fn keeps_owners(&self, keys: Keys) -> Result<Keys, Faults> {
        let ring = self.keys.current();
        match (ring.owner_secret(), keys.ring.owner_secret()) {
            (Some(_), None) => {
                let message = format!(
                    "the owner secret `{}` is gone",
                    self.keystore.owner_secret().display()
                );
                Err(Faults::one(Fault::new(message, Origin::Default).help("put it back")))
            }
            (Some(old), Some(new)) if !old.is_same(new) => {
                tracing::warn!(name: "owner_secret_changed", target: "magicproxy::keystore::watch",
                    "the owner secret is another one: what named owners have is not found any more, and their limits begin anew"
                );
                Ok(keys)
            }
            _ => Ok(keys),
        }
    }
}

impl Keystore {
    /// Returns the stamps of the ring's files.
    pub(crate) fn stamps(&self) -> Stamps {
        let retired = self.retired().unwrap_or_default();
        let sealing = self.files_named("sealing-", ".jwk").unwrap_or_default();
        let key_set = self.files_named("keyset-", ".jwk").unwrap_or_default();
        let stamp = |path: PathBuf| {
            let metadata = std::fs::metadata(&path).ok();
            (
                path,
                metadata.as_ref().and_then(|data| data.modified().ok()),
                metadata.map_or(0, |data| data.len()),
            )
        };
        [self.files.private.clone(), self.owner_secret()]
            .into_iter()
            .chain(retired)
            .chain(sealing)
            .chain(key_set)
            .map(stamp)
            .collect()
    }
}
