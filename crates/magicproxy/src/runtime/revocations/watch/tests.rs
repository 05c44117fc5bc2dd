use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use magicproxy_core::UnixTime;
use magicproxy_core::state::{Change, Entry};
use magicproxy_state::MemoryStore;

use super::{RevocationWatch, Source};
use crate::runtime::revocations::{EntryNote, Revocation, RevokedThing, SharedRevocations};

const NOW: UnixTime = UnixTime(1_800_000_000);

fn key(name: &str) -> RevokedThing {
    RevokedThing::Key(name.to_owned())
}

fn entry(name: &str) -> Revocation {
    let about = EntryNote { revoked_at: 1, expires_at: super::super::FOR_GOOD, reason: None };
    Revocation { revoked: key(name), about }
}

/// A proxy that has read the entries `a` and `b` of a store.
struct Watched {
    store: SharedRevocations,
    watch: RevocationWatch,
}

impl Watched {
    async fn new() -> Self {
        let store = SharedRevocations(Arc::new(MemoryStore::new()));
        store.change(&[entry("a")], &[]).await.unwrap();
        store.change(&[entry("b")], &[]).await.unwrap();
        let watch = RevocationWatch::of_store(store.clone(), Duration::ZERO);
        let mut watched = Self { store, watch };
        watched.holds(&["a", "b"], false).await;
        watched
    }

    /// Writes past everybody's back.
    async fn set(&self, changes: Vec<Change>) {
        let partition = SharedRevocations::partition();
        assert!(self.store.0.apply(partition, Vec::new(), changes, NOW).await.unwrap());
    }

    async fn has_version(&self, version: &str) {
        let value = version.as_bytes().to_vec();
        let expires_at = UnixTime(super::super::FOR_GOOD);
        self.set(vec![Change::Put(b"version".to_vec(), Entry { value, expires_at })]).await;
    }

    async fn forgets(&self, names: &[&str]) {
        self.set(names.iter().map(|name| Change::Remove(name.as_bytes().to_vec())).collect()).await;
    }

    /// Looks, and holds which keys are revoked then, and whether something is lost.
    async fn holds(&mut self, expected: &[&str], warns: bool) {
        self.watch.look().await;
        let Source::Shared(_, state) = &self.watch.source else { panic!("no store") };
        let found: BTreeSet<RevokedThing> =
            state.known.all().into_iter().map(|entry| entry.revoked).collect();
        assert_eq!(found, expected.iter().map(|name| key(name)).collect());
        let noted = self.watch.freshness().noted();
        assert_eq!((noted.fault, noted.warning.is_some()), (None, warns));
    }
}

#[tokio::test]
async fn what_a_store_loses_stays_in_force() {
    let empty: &[&str] = &["version", "kid:a", "kid:b"];
    for (forgotten, version) in [
        (empty, None),
        (&["version", "kid:a"], None),
        // Older copies.
        (&["kid:a"], Some("1")),
        (&["kid:a", "kid:b"], Some("1")),
        // The same version over fewer entries.
        (&["kid:a"], Some("2")),
    ] {
        let mut watched = Watched::new().await;
        watched.forgets(forgotten).await;
        if let Some(version) = version {
            watched.has_version(version).await;
        }
        // A list of the same version is read again now and then.
        for _ in 0..=super::ANEW {
            watched.watch.look().await;
        }
        watched.holds(&["a", "b"], true).await;
        // Whoever revokes something else, on the empty list, puts nothing back.
        watched.store.change(&[entry("c")], &[]).await.unwrap();
        watched.holds(&["a", "b", "c"], true).await;
        watched.store.change(&[], &[key("c")]).await.unwrap();
        watched.holds(&["a", "b"], true).await;
        // Put back, it is as every other entry is.
        watched.store.change(&[entry("a"), entry("b")], &[]).await.unwrap();
        watched.holds(&["a", "b"], false).await;
        watched.store.change(&[], &[key("a")]).await.unwrap();
        watched.holds(&["b"], false).await;
    }
}

#[tokio::test]
async fn what_is_undone_is_not_lost() {
    let mut watched = Watched::new().await;
    watched.store.change(&[], &[key("a")]).await.unwrap();
    watched.holds(&["b"], false).await;
    watched.store.change(&[entry("c")], &[key("b")]).await.unwrap();
    watched.holds(&["c"], false).await;
    watched.store.change(&[], &[key("c")]).await.unwrap();
    watched.holds(&[], false).await;
}

/// A list that began anew, or an older copy, on which others were busy before this proxy looked.
#[tokio::test]
async fn a_list_that_was_changed_after_a_loss_is_read_at_once_and_revives_nothing() {
    for older_copy in [None, Some("1.00112233aabbccdd"), Some("1")] {
        for changes in 1..5 {
            let mut watched = Watched::new().await;
            watched.forgets(&["version", "kid:a", "kid:b"]).await;
            if let Some(version) = older_copy {
                watched.has_version(version).await;
            }
            for _ in 0..changes {
                watched.store.change(&[entry("c")], &[]).await.unwrap();
            }
            watched.holds(&["a", "b", "c"], true).await;
        }
    }
}

/// The first look after the change of the builds, in either direction.
#[tokio::test]
async fn lists_of_older_builds_go_on() {
    let mut watched = Watched::new().await;
    watched.has_version("7").await;
    watched.holds(&["a", "b"], false).await;
    watched.store.change(&[], &[key("a")]).await.unwrap();
    watched.holds(&["b"], false).await;
    // An older build reads no number, and begins anew.
    watched.has_version("1").await;
    watched.forgets(&["kid:b"]).await;
    watched.holds(&["b"], true).await;
}
