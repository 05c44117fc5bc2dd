//! TCP's own probes, for connections that may be silent for long: probes find a peer that vanished
//! without closing.

use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

/// Time without a byte after which a probe is sent to the peer.
const ASKED_AFTER: Duration = Duration::from_secs(30);
/// Time between two probes.
const ASKED_EVERY: Duration = Duration::from_secs(10);

/// Ends the connection when the peer has acknowledged nothing for about `limit`. A system that does
/// not know the options leaves the connection to the other time limits.
pub(crate) fn probe(stream: &TcpStream, limit: Duration) {
    let socket = SockRef::from(stream);
    let _ = socket.set_tcp_keepalive(
        &TcpKeepalive::new().with_time(ASKED_AFTER.min(limit)).with_interval(ASKED_EVERY),
    );
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let _ = socket.set_tcp_user_timeout(Some(limit));
}
