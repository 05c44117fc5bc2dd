//! The entries of a store's list that are in force in a running proxy: those of the list, and those
//! that the store has lost.
//! `docs/spec/state-store.md` section 6, rule 7.

use std::collections::BTreeSet;

use magicproxy_core::UnixTime;

use super::{Revocation, RevokedThing};
use magicproxy_config::ground::text::harmless;

/// The most entries that a line of the log names.
const MOST_NAMED: usize = 100;

/// How a list came after the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Succession {
    /// By changes: what is gone was undone, or has ended.
    Changed,
    /// The store has another, older or empty list: what is gone is lost.
    Interrupted,
}

/// The entries in force.
#[derive(Debug, Default)]
pub(super) struct KnownEntries {
    /// The entries of the latest list.
    listed: Vec<Revocation>,
    /// The entries that the list has lost.
    lost: Vec<Revocation>,
}

impl KnownEntries {
    /// Takes a list over, and keeps what it has lost. A lost entry that is on the list again is
    /// lost no more. Logs what was lost now.
    pub(super) fn take(&mut self, entries: Vec<Revocation>, succession: Succession, now: UnixTime) {
        let names: BTreeSet<&RevokedThing> = entries.iter().map(|entry| &entry.revoked).collect();
        let is_gone =
            |entry: &Revocation| entry.about.expires_at > now.0 && !names.contains(&entry.revoked);
        self.lost.retain(is_gone);
        if succession == Succession::Interrupted {
            let known: BTreeSet<RevokedThing> =
                self.lost.iter().map(|entry| entry.revoked.clone()).collect();
            let lost = self.listed.drain(..).filter(is_gone);
            let lost: Vec<_> = lost.filter(|entry| !known.contains(&entry.revoked)).collect();
            warn(&lost);
            self.lost.extend(lost);
        }
        self.listed = entries;
    }

    /// Returns all entries in force.
    pub(super) fn all(&self) -> Vec<Revocation> {
        self.listed.iter().chain(&self.lost).cloned().collect()
    }

    /// Describes what is lost; `None` if nothing is.
    pub(super) fn warning(&self) -> Option<String> {
        let number = self.lost.len();
        (number > 0).then(|| {
            format!(
                "the store has lost {number} revocations, which stay in force until this proxy ends, and not in a proxy that starts now: put them back (the log names them, and so does the last \
                 copy of `revoke --list --json`)"
            )
        })
    }
}

fn warn(lost: &[Revocation]) {
    if lost.is_empty() {
        return;
    }
    let names: Vec<String> =
        lost.iter().take(MOST_NAMED).map(|entry| harmless(&entry.revoked.shown())).collect();
    tracing::warn!(name: "revocations_lost", target: "magicproxy::revocations::watch",
        lost = lost.len(), entries = names.join(", "),
        "the store has lost revocations that nobody has undone: they stay in force in this proxy only, so put them back");
}
