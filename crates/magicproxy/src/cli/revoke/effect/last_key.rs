//! Remarks on the revocation of a key in use, without which nothing is minted.

use magicproxy_core::TokenVersion;

use super::KnownIds;
use crate::runtime::revocations::{Revocation, RevokedThing};

/// Warns of keys that leave no other of their kind to mint with.
pub(super) fn remarks(revoked: &RevokedThing, beside: &KnownIds<'_>) -> Vec<String> {
    let (RevokedThing::Key(id), Some(keys), Some(config)) = (revoked, beside.keys, beside.config)
    else {
        return Vec::new();
    };
    let accepts = config.accepts();
    let live = |entry: &&Revocation| entry.about.expires_at > beside.now.0;
    let known = beside.known.iter().filter(live);
    let mut ended: Vec<&str> = known
        .filter_map(|entry| match &entry.revoked {
            RevokedThing::Key(id) => Some(id.as_str()),
            _ => None,
        })
        .collect();
    let denied = config.denied_keys();
    ended.extend(denied.iter().map(String::as_str));
    let published = || {
        let published = keys.ring.published(beside.now);
        published.filter(|key| accepts.kems.contains(&key.kem())).map(|key| key.id().as_str())
    };
    let mut said = Vec::new();
    let mut others = published().filter(|other| other != id && !ended.contains(other));
    if accepts.versions.contains(&TokenVersion::V2)
        && published().any(|other| other == id)
        && others.next().is_none()
    {
        said.push("leaves no sealing key, so that nobody can mint with the public key: `magicproxy keys rotate` makes new ones".to_owned());
    }
    if accepts.versions.contains(&TokenVersion::V1)
        && keys.ring.active().public().id().as_str() == id
    {
        said.push("is the key that signs: the proxy mints nothing until `magicproxy keys rotate` makes a new one".to_owned());
    }
    said
}
