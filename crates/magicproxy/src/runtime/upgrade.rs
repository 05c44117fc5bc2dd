//! Upgrade without a lost request: at SIGUSR2 a process starts the program on disk again, hands its
//! listening sockets and the file of its state store over, and ends once its own requests are done.
//! Specification: `upgrade.md`.
//!
//! Until the successor serves, the process goes on as before, whatever becomes of the successor.

mod channel;
mod predecessor;
mod program_file;
mod store_calls;
mod successor;
mod successor_store;
#[cfg(test)]
mod tests;

pub(crate) use predecessor::Predecessor;
pub(crate) use program_file::ProgramFile;
pub(crate) use successor::{UpgradeParts, UpgradeSignal, Upgrades};
