//! The chain ids of `revocation.json`. What its entries mean is tested where they are kept: in the binary.

use std::collections::BTreeSet;

use magicproxy_core::{
    ChainId, KeyRing, PrivateKey, TokenVersion, UnverifiedNames, UnverifiedToken,
};
use serde::Deserialize;

use crate::files;

#[derive(Deserialize)]
struct File {
    tokens: Vec<Token>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Token {
    name: String,
    token: String,
    id: String,
    ids: Vec<String>,
    refused_by: Vec<String>,
}

#[test]
fn chain_ids() {
    let file: File = files::read("vectors/revocation.json");
    assert!(file.tokens.len() > 10);
    for Token { name, token, id, ids, .. } in &file.tokens {
        let chain = UnverifiedToken::parse(token).unwrap().chain().unwrap();
        assert_eq!(chain.ids().iter().map(ToString::to_string).collect::<Vec<_>>(), *ids, "{name}");
        assert_eq!(
            (chain.id().to_string(), chain.root().to_string()),
            (id.clone(), ids[0].clone()),
            "{name}"
        );
        assert!(
            ids.iter().all(|id| ChainId::parse(id).is_some_and(|parsed| parsed.to_string() == *id)),
            "{name}"
        );
    }
    let all: BTreeSet<&String> = file.tokens.iter().map(|token| &token.id).collect();
    assert_eq!(all.len(), file.tokens.len(), "each token is another chain");
}

/// Each name of each token, and whom else it means. The parsing of names is the binary's.
#[test]
fn names() {
    let file: File = files::read("vectors/revocation.json");
    let pem = std::fs::read_to_string(files::path("keys/test-only-first.pem")).unwrap();
    let ring = KeyRing::new(PrivateKey::from_pem(&pem).unwrap(), Vec::new()).unwrap();
    let all: BTreeSet<&String> = file.tokens.iter().flat_map(|token| &token.refused_by).collect();
    for Token { name, token, refused_by, .. } in &file.tokens {
        let unverified =
            UnverifiedNames::of(&UnverifiedToken::parse(token).unwrap(), Some(&ring)).unwrap();
        let names = unverified.names();
        let refuses = |entry: &str| match entry.split(':').collect::<Vec<_>>().as_slice() {
            ["owner", digits] => names.has_owner(|owner| owner.to_string() == *digits),
            ["kid", kid] => names.has_key(|key| key == *kid),
            ["jti", id] => names.id == *id,
            ["jti", "v1", kid, id] => {
                names.version == TokenVersion::V1 && names.id == *id && names.was_minted(kid, None)
            }
            ["jti", "v2", kid, minter, id] => {
                let minter = Some(*minter).filter(|minter| *minter != "none");
                names.version == TokenVersion::V2
                    && names.id == *id
                    && names.was_minted(kid, minter)
            }
            _ => panic!("{entry}"),
        };
        let found: BTreeSet<&String> = all.iter().copied().filter(|entry| refuses(entry)).collect();
        assert_eq!(found, refused_by.iter().collect(), "{name}");
    }
}
