//! The host of Magic API Proxy's plugins: WebAssembly components that are asked about requests.
//!
//! A plugin is a stranger's program. A plugin receives the contents of a
//! [`PluginRequest`](magicproxy_core::plugin::PluginRequest), and may call the imports of
//! `wit/since_v1`. Its time, memory and work are bounded, and any failure of a plugin is a verdict.
//!
//! # What it is not
//!
//! No plugin sees a token or a credential, changes a request, or opens a file or a connection. A
//! plugin can read and write its own entries in the state store, and nothing else. This crate
//! speaks no HTTP.
//!
//! # Where to look
//!
//! | need | where |
//! |---|---|
//! | plugins that run | [`Host`] |
//! | their bounds, and the meaning of a failure | [`PluginSettings`], [`Limits`], [`OnFailure`] |
//! | reasons why a plugin was not loaded, or a call failed | [`LoadError`], [`CallFailure`] |
//!
//! Without the feature `runtime` nothing here runs WebAssembly: settings are understood, and
//! [`Host::new`] always fails. A newcomer builds the program in this form, in a third of the time.
//!
//! Specification: `docs/spec/plugin.md`. `wit/` is frozen once published; this Rust API may change
//! with every version before 1.0.

#[cfg(not(feature = "runtime"))]
mod absent;
#[cfg(feature = "runtime")]
mod bounds;
#[cfg(feature = "runtime")]
mod cache;
#[cfg(feature = "runtime")]
mod call;
#[cfg(feature = "runtime")]
mod engine;
mod failure;
#[cfg(feature = "runtime")]
mod guest;
#[cfg(feature = "runtime")]
mod host;
#[cfg(feature = "runtime")]
mod journal;
#[cfg(feature = "runtime")]
mod load;
#[cfg(feature = "runtime")]
mod meter;
mod report;
mod settings;
#[cfg(feature = "runtime")]
mod ticker;
#[cfg(feature = "runtime")]
mod trap;
#[cfg(feature = "runtime")]
mod wit;

#[cfg(not(feature = "runtime"))]
pub use absent::Host;
pub use failure::{CallFailure, HOW_TO_BUILD, LoadError, LoadFailure};
#[cfg(feature = "runtime")]
pub use host::{Host, ReloadResult};
pub use report::{Description, Level, Line, Report};
pub use settings::{
    HostSettings, Limits, MAX_FILE_BYTES, MAX_MEMORY_BYTES, OnFailure, PluginSettings,
};
