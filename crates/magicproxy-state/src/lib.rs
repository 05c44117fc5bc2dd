//! The state stores of Magic API Proxy: memory, a single file (redb), Valkey or Redis.
//!
//! A store keeps the state that a stateless proxy cannot know: the uses of a token, the resources
//! that its requests created, and the revocations. The three stores implement the same contract,
//! [`magicproxy_core::state`], and pass the same tests (`tests/contract`). Random histories leave
//! all three in the state of a single simple model.
//!
//! | store | for |
//! |---|---|
//! | [`MemoryStore`] | tests and trials: its rows end with the process |
//! | [`RedbStore`] | a single proxy: a file, durable when a call has returned |
//! | [`ValkeyStore`] | several proxies that share their state |
//!
//! # What it is not
//!
//! Stored values mean nothing here: entries are bytes under names, with an end. A store sees no
//! request, no token and no credential, and decides nothing. A store never makes up a result: a
//! failure to read or write is an error, and the proxy denies.
//!
//! Specification: `docs/spec/state-store.md`. The rows of a store are read by later versions; this
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
pub use redb::{FileIdentity, OpenError, RedbStore, StoreCopy, StoreLock};
pub use valkey::{ParseUrlError, ValkeySettings, ValkeyStore, ValkeyUrl};
