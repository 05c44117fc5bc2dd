//! Revocations in the store: one partition, in which the entry `version` changes with each of the
//! others.

use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use magicproxy_core::UnixTime;
use magicproxy_core::state::{Change, Condition, Entry, Partition, StateStore, StoreError};
use magicproxy_proxy::clock;

use super::version::version_after;
use super::{EntryNote, FOR_GOOD, MOST, Revocation, RevokedThing};

const VERSION: &[u8] = b"version";
/// The most attempts at a change, because other processes may change the list meanwhile.
const TURNS: usize = 20;
/// The end of the version's entry, later than every other entry's.
const FOREVER: UnixTime = UnixTime(FOR_GOOD);

/// The revocations of all proxies that share a store.
#[derive(Clone, Debug)]
pub(crate) struct SharedRevocations(pub(crate) Arc<dyn StateStore>);

/// The version of the list, changed by every change of the list.
pub(crate) type Version = Option<Vec<u8>>;

impl SharedRevocations {
    pub(super) fn partition() -> Partition {
        Partition::of(&[b"revocations"])
    }

    /// Reads the version of the list.
    pub(crate) async fn version(&self, now: UnixTime) -> Result<Version, StoreError> {
        let found = self.0.read(Self::partition(), vec![VERSION.to_vec()], now).await?;
        Ok(found.into_iter().next().flatten().map(|entry| entry.value))
    }

    /// Reads all entries, and the version of the list.
    pub(crate) async fn read(
        &self,
        now: UnixTime,
    ) -> Result<(Version, Vec<Revocation>), StoreError> {
        let found = self.0.list(Self::partition(), Vec::new(), MOST + 2, now).await?;
        if found.len() > MOST + 1 {
            return Err(StoreError::Corrupt(format!("more than {MOST} revocations")));
        }
        let (mut version, mut entries) = (None, Vec::new());
        for (name, entry) in found {
            if name == VERSION {
                version = Some(entry.value);
            } else {
                entries.push(
                    parse(&name, &entry.value)
                        .ok_or_else(|| StoreError::Corrupt("a revocation".to_owned()))?,
                );
            }
        }
        Ok((version, entries))
    }

    /// Adds entries and removes others, in one step.
    pub(crate) async fn change(
        &self,
        add: &[Revocation],
        remove: &[RevokedThing],
    ) -> anyhow::Result<()> {
        ensure!(
            add.len() <= MOST,
            "more than {MOST} revocations at once: revoke keys, or all tokens before a time"
        );
        let now = clock::now();
        for _ in 0..TURNS {
            let version = self.version(now).await?;
            let mut conditions = vec![match &version {
                Some(version) => Condition::Equals(VERSION.to_vec(), version.clone()),
                None => Condition::Absent(VERSION.to_vec()),
            }];
            if !add.is_empty() {
                conditions.push(Condition::AtMost(Vec::new(), MOST - add.len()));
            }
            let mut changes = vec![put(VERSION, version_after(version.as_deref())?, FOREVER)];
            for entry in add {
                let about = serde_json::to_vec(&entry.about).context("an entry")?;
                changes.push(put(
                    entry.revoked.name().as_bytes(),
                    about,
                    UnixTime(entry.about.expires_at),
                ));
            }
            changes
                .extend(remove.iter().map(|revoked| Change::Remove(revoked.name().into_bytes())));
            if self.0.apply(Self::partition(), conditions, changes, now).await? {
                return Ok(());
            }
        }
        bail!("others change the revocations all the time, or there are {MOST} already")
    }
}

fn put(name: &[u8], value: Vec<u8>, expires_at: UnixTime) -> Change {
    Change::Put(name.to_vec(), Entry { value, expires_at })
}

fn parse(name: &[u8], value: &[u8]) -> Option<Revocation> {
    let revoked = RevokedThing::parse(std::str::from_utf8(name).ok()?)?;
    let about: EntryNote = serde_json::from_slice(value).ok()?;
    Some(Revocation { revoked, about })
}
