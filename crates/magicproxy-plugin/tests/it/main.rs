//! The host of plugins against plugins that behave, and against those that do not.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unimplemented,
    reason = "a test may stop where it stands"
)]

mod bodies;
mod cache;
mod examples;
mod guests;
mod hostile;
mod refused;
mod reload;
mod state;
mod store;
