//! Runs `testdata/vectors/*.json`: the specifications made executable.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may stop where they stand"
)]

#[path = "vectors/armour.rs"]
mod armour;
#[path = "vectors/conditions.rs"]
mod conditions;
#[path = "vectors/decisions.rs"]
mod decisions;
#[path = "vectors/doors.rs"]
mod doors;
#[path = "vectors/exact_rules.rs"]
mod exact_rules;
#[path = "vectors/files.rs"]
mod files;
#[path = "vectors/git.rs"]
mod git;
#[path = "vectors/key_set.rs"]
mod key_set;
#[path = "vectors/make_revocation.rs"]
mod make_revocation;
#[path = "vectors/make_sealed.rs"]
mod make_sealed;
#[path = "vectors/make_signatures.rs"]
mod make_signatures;
#[path = "vectors/make_spellings.rs"]
mod make_spellings;
#[path = "vectors/make_tokens.rs"]
mod make_tokens;
#[path = "vectors/members.rs"]
mod members;
#[path = "conditions/naive_conditions.rs"]
mod naive_conditions;
#[path = "vectors/recorded.rs"]
mod recorded;
#[path = "vectors/revocation.rs"]
mod revocation;
#[path = "vectors/rules.rs"]
mod rules;
#[path = "vectors/scanners.rs"]
mod scanners;
#[path = "vectors/sealed.rs"]
mod sealed;
#[path = "vectors/state.rs"]
mod state;
#[path = "vectors/targets.rs"]
mod targets;
#[path = "vectors/tokens.rs"]
mod tokens;
#[path = "conditions/verdict.rs"]
mod verdict;
