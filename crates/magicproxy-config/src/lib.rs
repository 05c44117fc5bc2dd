//! The configuration of Magic API Proxy: found, read, layered and checked, as plain data.
//!
//! Flags, environment, files, presets and defaults are layers. Each value keeps the place where it
//! was written, so that a fault names its line. All faults are reported together. An unknown key is
//! a fault, too.
//!
//! # Limits of the crate
//!
//! The crate runs nothing: no listener, no store, no plugin. The crate reads the files of the
//! configuration, and files that a setting names for its value. The binary reads the keys and the
//! certificate of the proxy. The values of secret settings are never repeated in a message.
//!
//! # Where to look
//!
//! | need | where |
//! |---|---|
//! | the keys that an operator may write, and the checked values | [`config`] |
//! | the known APIs: a file each | [`providers`] |
//! | faults with their places, the environment, text for people | [`ground`] |
//! | the check of one text, for a fuzz target | [`check_configuration`] |
//!
//! The keys of the configuration and their meaning are stable (`RELEASING.md`); this Rust API may
//! change with every version before 1.0.

pub mod config;
pub mod ground;
pub mod providers;

pub use config::{ConfigurationForm, check_configuration};
