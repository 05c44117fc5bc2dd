//! The chain ids of `revocation.json`. What its entries mean is tested where they are kept: in the binary.

use std::collections::BTreeSet;

use magicproxy_core::{ChainId, UnverifiedToken};
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
}

#[test]
fn chain_ids() {
    let file: File = files::read("vectors/revocation.json");
    assert!(file.tokens.len() > 10);
    for Token { name, token, id, ids } in &file.tokens {
        let chain = UnverifiedToken::parse(token).unwrap().chain().unwrap();
        assert_eq!(chain.ids().iter().map(ToString::to_string).collect::<Vec<_>>(), *ids, "{name}");
        assert_eq!((chain.id().to_string(), chain.root().to_string()), (id.clone(), ids[0].clone()), "{name}");
        assert!(ids.iter().all(|id| ChainId::parse(id).is_some_and(|parsed| parsed.to_string() == *id)), "{name}");
    }
    let all: BTreeSet<&String> = file.tokens.iter().map(|token| &token.id).collect();
    assert_eq!(all.len(), file.tokens.len(), "each token is another chain");
}
