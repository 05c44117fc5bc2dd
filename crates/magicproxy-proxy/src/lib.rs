//! The engine of Magic API Proxy: listeners, the gate, the reverse door, the upstream, rejections, the control plane.
//!
//! [`serve::Server`] is what the binary uses. The security argument is one function, `gate::Gate::admit`; what it returns,
//! an outbound request, is the only thing that can be sent to the upstream.

mod access_log;
mod admission;
mod body;
mod carriers;
pub mod clock;
mod control;
mod cross_origin;
mod downstream;
pub mod gate;
mod header;
pub mod host_check;
pub mod https;
mod keys;
mod ledger;
mod lfs;
pub mod listener;
mod opened;
pub mod placing;
mod presented;
mod probes;
mod rejection;
mod reverse;
pub mod revocations;
pub mod rewrite;
mod scrub;
mod sender;
pub mod serve;
pub mod settings;
mod turn;
mod upstream;
mod verifier;
mod write_stall;

/// The version that answers and `GET /__magictoken` show.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
