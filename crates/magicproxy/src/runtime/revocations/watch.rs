//! A watch that keeps the list of a running proxy equal to the file or the store.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use magicproxy_core::state::StoreError;
use magicproxy_proxy::clock;
use magicproxy_proxy::services::Revocations;

use super::file::{RevocationFile, Stamp};
use super::known::{KnownEntries, Succession};
use super::shared::{SharedRevocations, Version};
use super::version::came_by_changes;
use super::{Revocation, in_force};
use crate::runtime::freshness::Freshness;
use magicproxy_config::ground::text::harmless;

/// The time between two looks at the list.
const INTERVAL: Duration = Duration::from_millis(300);
// The guide promises that a revocation holds within a second.
const _: () = assert!(INTERVAL.as_millis() <= 500);
/// The time within which a list read from the store counts as fresh.
const FRESH: Duration = Duration::from_millis(2_000);
/// The most entries that one line of the log names.
const MOST_NAMED: usize = 16;
/// The number of looks after which ended entries are forgotten.
const ANEW: u32 = 200;

/// A watch on the revocations of a server.
pub(crate) struct RevocationWatch {
    revocations: Arc<Revocations>,
    source: Source,
    freshness: Freshness,
}

enum Source {
    File(RevocationFile, FileState),
    Shared(SharedRevocations, SharedState),
}

struct FileState {
    seen: Stamp,
    faulty: bool,
    told: ReportedEntries,
}

#[derive(Default)]
struct SharedState {
    /// The version of the list in use, once read.
    seen: Option<Version>,
    /// The time beyond [`FRESH`] during which the list is still trusted.
    stale: Duration,
    faulty: bool,
    looks: u32,
    told: ReportedEntries,
    known: KnownEntries,
}

impl RevocationWatch {
    /// Reads the file, perhaps missing but never faulty, and watches it from then on.
    pub(crate) fn of_file(file: RevocationFile) -> anyhow::Result<Self> {
        // Before the file is read, so that a change during the reading is noticed later.
        let seen = file.stamp();
        let revocations = Arc::new(Revocations::default());
        let entries = file.read()?;
        let mut told = ReportedEntries::default();
        told.tell(&entries);
        revocations.replace(in_force(&entries, clock::now()));
        if seen.is_some() {
            file.note_existence();
        }
        let freshness = Freshness::default();
        freshness.note_good(Instant::now());
        Ok(Self {
            revocations,
            freshness,
            source: Source::File(file, FileState { seen, faulty: false, told }),
        })
    }

    /// Watches the store; no entry is known yet.
    pub(crate) fn of_store(shared: SharedRevocations, stale: Duration) -> Self {
        let state = SharedState { stale, ..SharedState::default() };
        Self {
            revocations: Arc::new(Revocations::unknown()),
            source: Source::Shared(shared, state),
            freshness: Freshness::default(),
        }
    }

    /// Returns the notes on the looks at the list.
    pub(crate) fn freshness(&self) -> Freshness {
        self.freshness.clone()
    }

    /// Returns the list for the engine.
    pub(crate) fn revocations(&self) -> Arc<Revocations> {
        Arc::clone(&self.revocations)
    }

    /// Looks at the list again and again; never ends.
    pub(crate) async fn keep_fresh(mut self) {
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.look().await;
        }
    }

    /// Looks at the list once.
    pub(crate) async fn look(&mut self) {
        let then = Instant::now();
        let looked = match &mut self.source {
            // On the event loop: the file is small, and mostly only its stamp is read.
            Source::File(file, state) => {
                look_at_file(&self.revocations, file, state).map(|()| None)
            }
            Source::Shared(shared, state) => look_at_store(&self.revocations, shared, state).await,
        };
        match looked {
            Ok(warning) => self.freshness.note_readable(then, warning),
            Err(fault) => self.freshness.note_fault(then, fault),
        }
    }
}

/// The entries that the log has told of.
#[derive(Default)]
struct ReportedEntries {
    /// The names of all entries of the last look; `None` before the first look.
    names: Option<BTreeSet<String>>,
    /// The meaningless entries, taken by somebody for revocations; each is named once in the log.
    idle: BTreeSet<String>,
}

impl ReportedEntries {
    /// Logs the entries that have come and gone since the last look, and warns of meaningless
    /// entries. The first look tells of no change.
    fn tell(&mut self, entries: &[Revocation]) {
        self.warn(entries);
        let names: BTreeSet<String> =
            entries.iter().map(|entry| harmless(&entry.revoked.shown())).collect();
        let Some(before) = self.names.replace(names.clone()) else { return };
        let (added, removed) =
            (listed(names.difference(&before)), listed(before.difference(&names)));
        if added.is_some() || removed.is_some() {
            tracing::info!(name: "revocations_changed", target: "magicproxy::revocations::watch",
                added, removed, entries = entries.len(), "the revocations have changed");
        }
    }

    fn warn(&mut self, entries: &[Revocation]) {
        let idle: BTreeSet<String> = entries
            .iter()
            .filter(|entry| entry.revoked.means_nothing())
            .map(|entry| harmless(&entry.revoked.shown()))
            .collect();
        for name in idle.difference(&self.idle) {
            tracing::warn!(name: "revocation_meaningless", target: "magicproxy::revocations::watch",
                "the revocation `{name}` refuses nothing: no token and no key is called so; see `magicproxy revoke --repair`"
            );
        }
        self.idle = idle;
    }
}

/// Writes the first names, and the number of the others; `None` without names.
fn listed<'n>(names: impl Iterator<Item = &'n String>) -> Option<String> {
    let names: Vec<&str> = names.map(String::as_str).collect();
    let shown = names.iter().take(MOST_NAMED).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(MOST_NAMED) {
        0 => (!names.is_empty()).then_some(shown),
        more => Some(format!("{shown} and {more} more")),
    }
}

/// Reads a changed file. An unreadable file leaves the old list in force, and is read again at each
/// look.
///
/// # Errors
/// The reason for which the list is not the file's.
fn look_at_file(
    revocations: &Revocations,
    file: &RevocationFile,
    state: &mut FileState,
) -> Result<(), String> {
    let stamp = file.stamp();
    if stamp == state.seen && !state.faulty {
        return Ok(());
    }
    let first = !state.faulty;
    // A missing file is an error: an operator undoes entries, and does not take the file away to
    // allow the revoked tokens.
    let read = if stamp.is_none() {
        Err(anyhow::anyhow!("`{}` is gone", file.0.display()))
    } else {
        file.read()
    };
    state.seen = stamp;
    state.faulty = read.is_err();
    match read {
        Ok(entries) => {
            revocations.replace(in_force(&entries, clock::now()));
            state.told.tell(&entries);
            Ok(())
        }
        Err(error) => {
            let error = format!("{error:#}");
            if first {
                tracing::error!(name: "revocations_not_readable", target: "magicproxy::revocations::watch",
                    "the revocations have changed and cannot be read, so the old ones stay: {error}");
            }
            Err(error)
        }
    }
}

/// Looks at the store.
///
/// # Errors
/// The reason for which the list is not the store's.
async fn look_at_store(
    revocations: &Revocations,
    shared: &SharedRevocations,
    state: &mut SharedState,
) -> Result<Option<String>, String> {
    let then = Instant::now();
    let trust = FRESH + state.stale;
    state.looks = (state.looks + 1) % ANEW;
    match news(shared, state).await {
        Ok(None) => revocations.confirm(then, trust),
        Ok(Some((version, entries))) => {
            state.told.tell(&entries);
            let (now, succession) = (clock::now(), succession(state.seen.as_ref(), &version));
            state.known.take(entries, succession, now);
            revocations.refresh(in_force(&state.known.all(), now), then, trust);
            state.seen = Some(version);
        }
        Err(error) => {
            if !state.faulty {
                tracing::error!(name: "revocations_not_readable", target: "magicproxy::revocations::watch", "the revocations cannot be read: {error}");
            }
            state.faulty = true;
            return Err(error.to_string());
        }
    }
    if state.faulty {
        tracing::info!(name: "revocations_readable", target: "magicproxy::revocations::watch", "the revocations can be read again");
        state.faulty = false;
    }
    Ok(state.known.warning())
}

/// Tells how the list of the version `new` came after the list of the version `seen`.
fn succession(seen: Option<&Version>, new: &Version) -> Succession {
    match (seen, new) {
        // Nothing was known.
        (None | Some(None), _) => Succession::Changed,
        (Some(Some(old)), Some(new)) if came_by_changes(old, new) => Succession::Changed,
        (Some(Some(_)), _) => Succession::Interrupted,
    }
}

/// Reads the entries if their version changed, and at every [`ANEW`]th look.
async fn news(
    shared: &SharedRevocations,
    state: &SharedState,
) -> Result<Option<(Version, Vec<Revocation>)>, StoreError> {
    let now = clock::now();
    if state.looks != 0
        && state.seen.is_some()
        && state.seen.as_ref() == Some(&shared.version(now).await?)
    {
        return Ok(None);
    }
    shared.read(now).await.map(Some)
}

#[cfg(test)]
mod tests;
