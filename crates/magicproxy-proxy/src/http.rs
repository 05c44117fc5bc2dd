//! HTTP itself, in both directions: fields of requests, bodies in transit, turns and time limits of
//! sockets.

pub(crate) mod body;
pub mod header;
pub(crate) mod probes;
pub(crate) mod turn;
pub(crate) mod write_stall;

/// Longest head of a message in bytes, from clients, from upstreams, and from outbound proxies. A
/// request with a longer head gets 431, and so does a request with more than 100 fields: 100 is
/// hyper's own limit, for which hyper needs no memory besides the stack.
pub(crate) const MAX_HEAD_BYTES: u32 = 64 * 1024;
/// Length in bytes of a frame's header in HTTP/2 (RFC 9113 section 4.1).
pub(crate) const FRAME_HEADER_BYTES: usize = 9;
