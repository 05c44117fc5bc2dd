//! The engine of Magic API Proxy: from a client's connection to the response of the API.
//!
//! A client connects to a listener and sends its request to a door. The exchange verifies the magic
//! token, decides on the request, swaps in the credential and sends the request to the upstream.
//! The response comes back filtered, the credential masked, the links leading to the proxy.
//!
//! The whole security argument is a single function, `exchange::gate::Gate::admit`. The outbound
//! request returned by `admit` is the only thing sent to an upstream, and nobody else can make an
//! outbound request.
//!
//! # Inputs, and limits of the engine
//!
//! The embedding program passes checked [`settings`], [`services`] replaceable while the proxy runs
//! (keys, revocations, a store, plugins), the listeners, and the signal to end. The engine reads no
//! configuration file, no environment and no key file, installs no signal handler, and prints
//! nothing. The engine knows the contracts of stores and plugins, and none of their
//! implementations.
//!
//! # Where to look
//!
//! | need | module |
//! |---|---|
//! | a proxy that serves | [`server::Server`] |
//! | the operator's settings, as plain values | [`settings`] |
//! | what is counted, for a Prometheus server | [`metrics`] |
//! | keys, revocations, store and plugins, replaceable at run time | [`services`] |
//! | addresses, Unix sockets, TLS towards clients | [`listener`] |
//! | the proof of a permitted request, which only the gate can make | [`gate`] |
//! | sources of credentials | [`source`] |
//! | requests of the operator's own, to a server of the operator's choice | [`https`] |
//!
//! `docs/guide/life-of-a-request.md` follows a request through all modules. This Rust API may
//! change with every version before 1.0; the behaviour seen by clients is stable (`RELEASING.md`).

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
pub mod metrics;
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
