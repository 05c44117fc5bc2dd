//! TCP's own probes, for connections on which nothing need be said for long: a peer that vanished without a word is found by them.

use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

/// Without a byte for this long, the peer is asked whether it is there.
const ASKED_AFTER: Duration = Duration::from_secs(30);
const ASKED_EVERY: Duration = Duration::from_secs(10);

/// Ends the connection when its peer has acknowledged nothing for about as long as this. A system that does not know the options
/// leaves it to the other time limits.
pub(crate) fn probe(stream: &TcpStream, limit: Duration) {
    let socket = SockRef::from(stream);
    let _ = socket.set_tcp_keepalive(
        &TcpKeepalive::new().with_time(ASKED_AFTER.min(limit)).with_interval(ASKED_EVERY),
    );
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let _ = socket.set_tcp_user_timeout(Some(limit));
}
