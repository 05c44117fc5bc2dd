//! The state stores of Magic API Proxy, behind the contract of [`magicproxy_core::state`]: memory, one file, Valkey or Redis.
//!
//! All of them pass the same tests (`tests/contract`), and random histories leave all of them where one simple model is.
//! What is stored means nothing here. Specification: `docs/spec/state-store.md`.

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
