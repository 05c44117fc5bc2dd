use std::collections::BTreeSet;
use std::sync::Arc;

use magicproxy_core::state::{Change, Entry};
use magicproxy_state::MemoryStore;

use super::file::RevocationFile;
use super::shared::SharedRevocations;
use super::{EntryNote, Revocation, RevokedThing, in_force};
use magicproxy_core::{ChainId, KeyRing, PrivateKey, UnixTime, UnverifiedNames, UnverifiedToken};

fn entry(revoked: RevokedThing, expires_at: u64) -> Revocation {
    Revocation {
        revoked,
        about: EntryNote { revoked_at: 1, expires_at, reason: Some("why".to_owned()) },
    }
}

#[test]
fn names_are_read_as_they_are_written() {
    let chain = RevokedThing::Chain(ChainId::parse("00112233445566778899aabbccddeeff").unwrap());
    let all = [
        chain,
        RevokedThing::Id("a:b".to_owned()),
        RevokedThing::Owner(magicproxy_core::state::Partition::from_bytes([0xa7; 32])),
        RevokedThing::Key("k".to_owned()),
        RevokedThing::Before(17),
    ];
    for revoked in all {
        assert_eq!(RevokedThing::parse(&revoked.name()), Some(revoked.clone()), "{revoked:?}");
    }
    for name in [
        "", "jti", "jti:", "kid:", "owner:", "owner:a7", "owner:+1", "before:", "before:x",
        "chain:", "chain:a7", "who:me",
    ] {
        assert_eq!(RevokedThing::parse(name), None, "{name}");
    }
    assert_eq!(RevokedThing::parse(&format!("owner:{}", "0a".repeat(33))), None);
    assert_eq!(RevokedThing::parse(&format!("owner:{}0", "0a".repeat(32))), None);
}

#[test]
fn what_has_ended_is_not_in_force_and_the_latest_time_is() {
    let entries = [
        entry(RevokedThing::Id("old".to_owned()), 100),
        entry(RevokedThing::Id("new".to_owned()), 101),
        entry(RevokedThing::Before(7), 1_000),
        entry(RevokedThing::Before(9), 1_000),
        entry(RevokedThing::Before(8), 1_000),
    ];
    let list = in_force(&entries, UnixTime(100));
    assert!(list.ids.contains("new") && list.ids.len() == 1);
    assert_eq!(list.before, Some(UnixTime(9)));
}

#[test]
fn a_file_is_changed_by_many_at_once_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = RevocationFile(folder.path().join("revocations.json"));
    assert!(file.read().unwrap().is_empty());
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let file = &file;
            scope.spawn(move || {
                for number in 0..10 {
                    let revoked = RevokedThing::Id(format!("{thread}-{number}"));
                    file.change(|entries| entries.push(entry(revoked, 100))).unwrap();
                }
            });
        }
    });
    assert_eq!(file.read().unwrap().len(), 80);
    file.change(Vec::clear).unwrap();
    assert!(file.read().unwrap().is_empty());
    const TWICE: &str = r#"{"revocations": {"jti:a": {"revoked_at": 1, "expires_at": 9}, "jti:a": {"revoked_at": 1, "expires_at": 2}}}"#;
    for text in [
        "",
        "{}",
        r#"{"revocations": {"x": {"revoked_at": 1, "expires_at": 2}}}"#,
        r#"{"revocations": {}, "more": 1}"#,
        TWICE,
    ] {
        std::fs::write(&file.0, text).unwrap();
        assert!(file.read().is_err(), "{text}");
    }
}

fn vectors() -> serde_json::Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/vectors/revocation.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn names_mean_what_the_vectors_say() {
    let vectors = vectors();
    let entries = vectors["entries"].as_object().unwrap();
    assert!(entries.len() > 20);
    for (name, expected) in entries {
        let found = match RevokedThing::parse(name) {
            None => "fault",
            Some(revoked) if revoked.means_nothing() => "nothing",
            Some(RevokedThing::Chain(_)) => "chain",
            Some(RevokedThing::Id(_)) => "jti",
            Some(RevokedThing::Minted(_)) => "minted",
            Some(RevokedThing::Owner(_)) => "owner",
            Some(RevokedThing::Key(_)) => "kid",
            Some(RevokedThing::Before(_)) => "before",
        };
        assert_eq!(found, expected, "{name}");
    }
}

/// Each name of each token, and no other: whatever else has the same `jti`.
#[test]
fn each_name_means_the_tokens_that_the_vectors_say() {
    let vectors = vectors();
    let pem = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/keys/test-only-first.pem");
    let ring = KeyRing::new(
        PrivateKey::from_pem(&std::fs::read_to_string(pem).unwrap()).unwrap(),
        Vec::new(),
    )
    .unwrap();
    let tokens = vectors["tokens"].as_array().unwrap();
    let texts = |token: &serde_json::Value, name: &str| -> BTreeSet<String> {
        token[name]
            .as_array()
            .unwrap()
            .iter()
            .map(|name| name.as_str().unwrap().to_owned())
            .collect()
    };
    let names_of = |token: &serde_json::Value| -> BTreeSet<String> {
        let chains = texts(token, "ids").into_iter().map(|id| format!("chain:{id}"));
        chains.chain(texts(token, "refused_by")).collect()
    };
    let all: BTreeSet<String> = tokens.iter().flat_map(names_of).collect();
    assert!(all.len() > 30);
    for token in tokens {
        let parsed = UnverifiedToken::parse(token["token"].as_str().unwrap()).unwrap();
        let names = UnverifiedNames::of(&parsed, Some(&ring)).unwrap();
        let refuses = |name: &&String| {
            entry(RevokedThing::parse(name).unwrap(), 100).refuses(&names.names(), UnixTime(99))
        };
        assert_eq!(
            all.iter().filter(refuses).cloned().collect::<BTreeSet<_>>(),
            names_of(token),
            "{}",
            token["name"]
        );
        // Both at once, as a proxy has them.
        let entries: Vec<_> =
            all.iter().map(|name| entry(RevokedThing::parse(name).unwrap(), 100)).collect();
        let others: Vec<_> = entries
            .iter()
            .filter(|entry| !names_of(token).contains(&entry.revoked.name()))
            .cloned()
            .collect();
        assert!(
            in_force(&entries, UnixTime(99)).refuses(&names.names())
                && !in_force(&others, UnixTime(99)).refuses(&names.names())
        );
        assert!(!in_force(&entries, UnixTime(100)).refuses(&names.names()));
    }
}

/// One list, kept in a file and in a store, refuses the same tokens.
#[tokio::test]
async fn a_file_and_a_store_say_the_same() {
    let vectors = vectors();
    let folder = tempfile::tempdir().unwrap();
    let file = RevocationFile(folder.path().join("revocations.json"));
    std::fs::write(&file.0, vectors["file"].to_string()).unwrap();
    let shared = SharedRevocations(Arc::new(MemoryStore::new()));
    let now = UnixTime(1_795_000_000);
    let entries = vectors["store"].as_array().unwrap().iter().map(|entry| {
        let text = |name: &str| entry[name].as_str().unwrap().as_bytes().to_vec();
        let expires_at = UnixTime(entry["expires_at"].as_u64().unwrap());
        Change::Put(text("name"), Entry { value: text("value"), expires_at })
    });
    let partition = SharedRevocations::partition();
    assert!(
        shared
            .0
            .apply(partition, Vec::new(), entries.collect(), UnixTime(1_780_000_000))
            .await
            .unwrap()
    );
    let refused: Vec<&str> =
        vectors["refused"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    for entries in [file.read().unwrap(), shared.read(now).await.unwrap().1] {
        assert_eq!(entries.iter().filter(|entry| entry.revoked.means_nothing()).count(), 1);
        let list = in_force(&entries, now);
        let found: Vec<&str> = vectors["tokens"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|token| {
                let chain = UnverifiedToken::parse(token["token"].as_str().unwrap())
                    .unwrap()
                    .chain()
                    .unwrap();
                chain.ids().iter().any(|id| list.chains.contains(id))
            })
            .map(|token| token["name"].as_str().unwrap())
            .collect();
        assert_eq!(found, refused);
    }
}

/// What is written for the vectors is what a store and a file then hold.
#[tokio::test]
async fn entries_are_written_as_the_vectors_say() {
    let vectors = vectors();
    let entries: Vec<Revocation> = vectors["file"]["revocations"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, about)| Revocation {
            revoked: RevokedThing::parse(name).unwrap(),
            about: serde_json::from_value(about.clone()).unwrap(),
        })
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let file = RevocationFile(folder.path().join("revocations.json"));
    file.change(|all| all.extend_from_slice(&entries)).unwrap();
    let written: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(&file.0).unwrap()).unwrap();
    assert_eq!(written, vectors["file"]);
    let shared = SharedRevocations(Arc::new(MemoryStore::new()));
    shared.change(&entries, &[]).await.unwrap();
    // What has ended is not kept.
    let ended = |entry: &&serde_json::Value| entry["expires_at"] == 1_790_000_000;
    for entry in vectors["store"].as_array().unwrap().iter().filter(|entry| !ended(entry)) {
        let name = entry["name"].as_str().unwrap().as_bytes().to_vec();
        let kept = shared
            .0
            .read(SharedRevocations::partition(), vec![name], UnixTime(1_780_000_000))
            .await
            .unwrap();
        let kept: serde_json::Value =
            serde_json::from_slice(&kept[0].as_ref().unwrap().value).unwrap();
        assert_eq!(
            kept,
            serde_json::from_str::<serde_json::Value>(entry["value"].as_str().unwrap()).unwrap()
        );
    }
}

/// A link in the place of the lock is not followed: commands would wait for each other at another
/// place, or lock a file of somebody else's.
#[cfg(unix)]
#[test]
fn a_link_is_no_lock() {
    let folder = tempfile::tempdir().unwrap();
    let file = RevocationFile(folder.path().join("revocations.json"));
    let (victim, lock) =
        (folder.path().join("victim"), folder.path().join("revocations.json.lock"));
    let revoke = || file.change(|entries| entries.push(entry(RevokedThing::Before(7), 100)));
    revoke().unwrap();
    std::fs::remove_file(&lock).unwrap();
    std::fs::write(&victim, "untouched").unwrap();
    std::os::unix::fs::symlink(&victim, &lock).unwrap();
    let error = format!("{:#}", revoke().unwrap_err());
    assert!(error.contains("revocations.json.lock"), "{error}");
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "untouched");
    assert!(error.contains("symbolic links"), "{error}");
}
