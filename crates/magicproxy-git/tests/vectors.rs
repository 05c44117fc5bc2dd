//! Runs `testdata/vectors/git-push.json`: `docs/spec/git.md` sections 4 and 5 made executable.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may stop where they stand"
)]

#[path = "vectors/lists.rs"]
mod lists;
#[path = "vectors/packs.rs"]
mod packs;

use serde::de::DeserializeOwned;
use serde_json::Value;

/// Returns the cases of one part of the file.
fn vectors<T: DeserializeOwned>(part: &str) -> Vec<T> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/vectors/git-push.json");
    let text = std::fs::read_to_string(path).unwrap();
    let mut file: Value = serde_json::from_str(&text).unwrap();
    let cases: Vec<T> = serde_json::from_value(file[part].take()).unwrap();
    assert!(!cases.is_empty());
    cases
}
