//! The key folder of a running proxy, read again when it changes: a rotation needs no restart.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use magicproxy_proxy::services::SharedKeys;

use super::{Keys, Keystore, Purposes};
use magicproxy_config::ground::fault::{Fault, Faults, Origin, Sources};

/// How often the folder is looked at.
const INTERVAL: Duration = Duration::from_secs(1);

/// What changes when a file of the ring is written, replaced or taken away.
type Stamps = Vec<(PathBuf, Option<SystemTime>, u64)>;

/// Keeps the ring of a server what the files say.
pub(crate) struct KeyWatch {
    keystore: Keystore,
    keys: Arc<SharedKeys>,
    purposes: Purposes,
    seen: Stamps,
    /// What was there at the last look was no ring.
    faulty: bool,
}

impl KeyWatch {
    /// Watches from now on. `keys` were read after `seen` was taken.
    pub(crate) fn new(
        keystore: Keystore,
        keys: Arc<SharedKeys>,
        purposes: Purposes,
        seen: Stamps,
    ) -> Self {
        Self { keystore, keys, purposes, seen, faulty: false }
    }

    /// The keys of the files, if they are fit for what they are used for.
    fn load(&self) -> Result<Keys, Faults> {
        let keys = self.keystore.load_existing()?;
        let faults = self.purposes.faults(&keys);
        if faults.is_empty() { Ok(keys) } else { Err(Faults::new(faults, Sources::default())) }
    }

    /// Looks again and again; never ends.
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
                    return tracing::error!(target: "magicproxy::keystore::watch", "the keys are not looked at any more");
                }
            }
        }
    }

    /// What is no ring is read again at each look: it may be half-written within one tick of the files' clock.
    pub(crate) fn look(&mut self) {
        let stamps = self.keystore.stamps();
        if stamps == self.seen && !self.faulty {
            return;
        }
        self.seen = stamps;
        let first = !self.faulty;
        match self.load().and_then(|keys| self.keeps_owners(keys)) {
            Ok(keys) => {
                self.faulty = false;
                keys.warnings.iter().for_each(
                    |warning| tracing::warn!(target: "magicproxy::keystore::watch", "{warning}"),
                );
                tracing::info!(target: "magicproxy::keystore::watch",
                    active = %keys.ring.active().public().id(), sealing = keys.ring.sealing().len(), "the keys have changed");
                self.keys.replace(keys.ring);
            }
            Err(faults) => {
                self.faulty = true;
                if first {
                    tracing::error!(target: "magicproxy::keystore::watch",
                        "the keys have changed and are not usable, so the old ones stay: {}", faults.summary());
                }
            }
        }
    }
}

impl KeyWatch {
    /// Without the owner secret that is in use, what named owners have would not be found any more.
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
                tracing::warn!(target: "magicproxy::keystore::watch",
                    "the owner secret is another one: what named owners have is not found any more, and their limits begin anew"
                );
                Ok(keys)
            }
            _ => Ok(keys),
        }
    }
}

impl Keystore {
    /// The files of the ring, as they are now.
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
