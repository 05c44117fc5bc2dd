//! Lists of commands and packs, held against git itself. Without git, the tests say that they are
//! skipped.
//!
//! `MAGICPROXY_GIT_LISTS` and `MAGICPROXY_GIT_HISTORIES` set how many lists and histories are tried.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may stop where they stand"
)]

#[path = "git/histories.rs"]
mod histories;
#[path = "git/lists.rs"]
mod lists;
#[path = "git/program.rs"]
mod program;
#[path = "git/push.rs"]
mod push;
#[path = "git/random.rs"]
mod random;
#[path = "git/shallow.rs"]
mod shallow;

/// Returns the number that an environment variable has, or the usual one.
fn number(variable: &str, usual: u64) -> u64 {
    std::env::var(variable).map_or(usual, |text| text.parse().expect("a number"))
}
