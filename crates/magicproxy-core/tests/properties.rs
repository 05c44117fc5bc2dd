//! Properties: what holds for every target, every list of rules and every token, against naive second opinions.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may stop where they stand"
)]

#[path = "properties/chains.rs"]
mod chains;
#[path = "properties/conditional_chains.rs"]
mod conditional_chains;
#[path = "properties/decisions.rs"]
mod decisions;
#[path = "properties/git_chains.rs"]
mod git_chains;
#[path = "properties/json.rs"]
mod json;
#[path = "properties/policies.rs"]
mod policies;
#[path = "properties/schema.rs"]
mod schema;
#[path = "properties/targets.rs"]
mod targets;
#[path = "properties/tokens.rs"]
mod tokens;
