//! HTTP itself, in both directions: fields of requests, bodies in transit, turns and time limits of sockets.

pub(crate) mod body;
pub mod header;
pub(crate) mod probes;
pub(crate) mod turn;
pub(crate) mod write_stall;

/// The longest head of a message, of clients as of upstreams, and of proxies on the way. Of requests, a longer one gets 431, and so
/// does one with more than 100 fields: that is hyper's own limit, and the one for which it needs no memory besides the stack.
pub(crate) const MAX_HEAD_BYTES: u32 = 64 * 1024;
/// The length of the header of a frame of HTTP/2 (RFC 9113 section 4.1).
pub(crate) const FRAME_HEADER_BYTES: usize = 9;
