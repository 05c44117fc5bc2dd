//! The host of Magic API Proxy's plugins: WebAssembly components that are asked about requests.
//!
//! A plugin is a stranger's program: it is told what [`PluginRequest`](magicproxy_core::plugin::PluginRequest) holds, may
//! call what `wit/since_v1` imports, and whatever goes wrong with it is a verdict. This crate speaks no HTTP and sees no
//! token and no credential. Specification: `docs/spec/plugin.md`.

mod bounds;
mod cache;
mod call;
mod engine;
mod failure;
mod guest;
mod host;
mod journal;
mod load;
mod meter;
mod settings;
mod ticker;
mod wit;

pub use call::Report;
pub use failure::{CallFailure, LoadError, LoadFailure};
pub use host::{Description, Host, Reloaded};
pub use journal::{Level, Line};
pub use settings::{HostSettings, Limits, MAX_FILE_BYTES, MAX_MEMORY_BYTES, OnFailure, PluginSettings};
