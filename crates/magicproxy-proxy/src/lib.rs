//! The engine of Magic API Proxy: from a connection of a client to a response of the API.
//!
//! A client connects to a listener and asks at a door. The exchange verifies the magic token,
//! decides on the request, swaps in the credential and sends the request to the upstream. The
//! response comes back filtered, the credential masked, its links leading to the proxy.
//!
//! The whole security argument is one function, `exchange::gate::Gate::admit`. The outbound request
//! that it returns is the only thing that can be sent to an upstream, and nobody else can make one.
//!
//! # What it is given, and what it does not do
//!
//! The client passes checked [`settings`], [`services`] that may change while the proxy runs (keys,
//! revocations, a store, plugins), the listeners, and the end. The engine reads no configuration
//! file, no environment and no key file, installs no signal handler, and prints nothing. It knows
//! the contracts of stores and plugins, and none of their implementations.
//!
//! # Where to look
//!
//! | need | where |
//! |---|---|
//! | a proxy that serves | [`server::Server`] |
//! | what an operator sets, as plain values | [`settings`] |
//! | what may be replaced while it runs | [`services`] |
//! | addresses, Unix sockets, TLS towards clients | [`listener`] |
//! | what the gate would decide, without a request | [`gate`] |
//! | where credentials come from | [`source`] |
//! | requests of the operator's own, to a server of the operator's choice | [`https`] |
//!
//! `docs/guide/life-of-a-request.md` follows a request through all of it. This Rust API may change
//! with every version before 1.0; what clients see is stable (`RELEASING.md`).

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
pub use routing::router;
pub use version::VERSION;
