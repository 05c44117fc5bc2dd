//! The host of Magic API Proxy's plugins: WebAssembly components that are asked about requests.
//!
//! A plugin is a stranger's program: it is told what [`PluginRequest`](magicproxy_core::plugin::PluginRequest) holds, may
//! call what `wit/since_v1` imports, and whatever goes wrong with it is a verdict. This crate speaks no HTTP and sees no
//! token and no credential. Specification: `docs/spec/plugin.md`.
//!
//! Without the feature `runtime` nothing here runs WebAssembly: settings are understood, and [`Host::new`] always fails. That
//! is the program that a newcomer builds, in a third of the time.

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
pub use host::{Host, Reloaded};
pub use report::{Description, Level, Line, Report};
pub use settings::{HostSettings, Limits, MAX_FILE_BYTES, MAX_MEMORY_BYTES, OnFailure, PluginSettings};
