//! The engine of Magic API Proxy: listeners, the gate, the reverse door, the upstream, rejections, the control plane.
//!
//! [`server::Server`] is what the binary uses. The security argument is one function, `exchange::gate::Gate::admit`; what it returns,
//! an outbound request, is the only thing that can be sent to the upstream.

mod admission;
pub mod clock;
mod credential;
mod doors;
mod downstream;
mod exchange;
mod field_names;
mod http;
pub mod https;
mod mask;
mod members;
mod observe;
mod peer;
mod plugins;
mod rejection;
mod request_id;
mod response;
mod routing;
pub mod server;
pub mod services;
pub mod settings;
mod transport;
mod version;
mod worker;

pub use crate::http::header;
pub use credential::source;
pub use downstream::{host_check, listener};
pub use exchange::gate;
pub use response::rewrite;
pub use routing::placing;
pub use version::VERSION;
