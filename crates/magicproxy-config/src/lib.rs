//! The configuration of Magic API Proxy: found, read, layered and checked, as plain data.
//!
//! Flags, environment, files, presets and defaults are layers. Each value keeps the place where it
//! was written, so that a fault names its line. All faults are reported together, and an unknown
//! key is one.
//!
//! # What it is not
//!
//! Nothing runs here: no listener, no store, no plugin. The files of the configuration are read,
//! and those that a setting names for its value. Keys, and the certificate that the proxy shows,
//! are not: they are the binary's to read. The values of secret settings are never repeated in a
//! message.
//!
//! # Where to look
//!
//! | need | where |
//! |---|---|
//! | what an operator may write, and what then holds | [`config`] |
//! | what is known of an API: a file each | [`providers`] |
//! | faults with their places, the environment, text for people | [`ground`] |
//! | a check of one text, for a fuzz target | [`check_configuration`] |
//!
//! The keys of the configuration and their meaning are stable (`RELEASING.md`); this Rust API may
//! change with every version before 1.0.

pub mod config;
pub mod ground;
pub mod providers;

pub use config::{ConfigurationForm, check_configuration};
