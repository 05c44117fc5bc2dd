//! Every cap, at it and one past it: what is as long, as many or as late as may be is taken, and one more is not.
//!
//! The numbers are those of the specifications, written out: a cap that moves is a change of the format.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may stop where they stand"
)]

#[path = "caps/decisions.rs"]
mod decisions;
#[path = "caps/keys.rs"]
mod keys;
#[path = "caps/memory.rs"]
mod memory;
#[path = "caps/rules.rs"]
mod rules;
#[path = "caps/state.rs"]
mod state;
#[path = "caps/targets.rs"]
mod targets;
#[path = "caps/tokens.rs"]
mod tokens;

/// Checks that `most` is taken, and one more is not.
#[track_caller]
fn at_most(most: usize, what: &str, takes: impl Fn(usize) -> bool) {
    assert!(takes(most), "{what}: {most}");
    assert!(!takes(most + 1), "{what}: {}", most + 1);
}

/// Checks that one to `most` are taken, and neither none nor one more is.
#[track_caller]
fn one_to(most: usize, what: &str, takes: impl Fn(usize) -> bool) {
    assert!(!takes(0) && takes(1), "{what}: none, or not one");
    at_most(most, what, takes);
}
