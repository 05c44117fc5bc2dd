//! HTTP itself, in both directions: fields of requests, bodies in transit, turns and time limits of sockets.

pub(crate) mod body;
pub mod header;
pub(crate) mod probes;
pub(crate) mod turn;
pub(crate) mod write_stall;
