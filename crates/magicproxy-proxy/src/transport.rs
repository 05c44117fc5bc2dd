//! Transport to upstreams: connections that are dialled, secured, kept in pools and shared.
//!
//! Decides nothing about requests. Requests come from `exchange::upstream` alone, which takes
//! nothing but an `OutboundRequest`.

mod age;
pub(crate) mod connect;
pub(crate) mod connection;
mod content;
pub(crate) mod dial;
mod failure;
mod http2;
mod io;
mod origin;
pub(crate) mod pool;
pub(crate) mod resend;
mod settings;
mod signals;
#[cfg(test)]
mod tests;
pub(crate) mod trust;
mod tunnel;

pub(crate) use content::Content;
pub(crate) use failure::{ConnectFailure, ConnectStep};
pub(crate) use origin::{Origin, Origins};
pub(crate) use pool::{AcquireError, CountedSockets, PooledConnection, Sockets};
pub(crate) use settings::{ConnectionTimes, TransportSettings};
