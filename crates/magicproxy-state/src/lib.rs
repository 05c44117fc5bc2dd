//! The state stores of Magic API Proxy: memory, one file (redb), Valkey or Redis.
//!
//! A store keeps what a stateless proxy cannot know: how often a token was used, what it created,
//! what was revoked. The three implement one contract, [`magicproxy_core::state`], and pass the
//! same tests (`tests/contract`). Random histories leave all of them where one simple model is.
//!
//! | store | for |
//! |---|---|
//! | [`MemoryStore`] | tests and trials: what it holds ends with the process |
//! | [`RedbStore`] | one proxy: a file, durable when a call has returned |
//! | [`ValkeyStore`] | several proxies that share what they know |
//!
//! # What it is not
//!
//! What is stored means nothing here: entries are bytes under names, with an end. A store sees no
//! request, no token and no credential, and decides nothing. It never makes up a response: what
//! cannot be read or written is an error, and the proxy denies.
//!
//! Specification: `docs/spec/state-store.md`. What a store holds is read by later versions; this
//! Rust API may change with every version before 1.0.

mod checked;
mod counter;
mod memory;
mod redb;
mod rows;
mod steps;
mod valkey;

pub use checked::{GRACE_SECONDS, LATEST_SECONDS};
pub use memory::MemoryStore;
pub use redb::{OpenError, RedbStore};
pub use valkey::{ParseUrlError, ValkeySettings, ValkeyStore, ValkeyUrl};
