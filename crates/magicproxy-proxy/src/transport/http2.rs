//! Connections by HTTP/2 to the upstream: windows that no stream can hold alone, and no more
//! streams than the upstream allows.
//!
//! A client that does not read a response stops only the response's stream, when the stream's
//! window is full. The connection's window has room for the windows of all streams, so that each
//! new stream still has a whole window.

mod driver;
mod exchange;
#[cfg(test)]
mod tests;
mod upload;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use h2::client;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, oneshot};

use super::connection::{SharedConnection, Streams};
use super::failure::{ConnectFailure, ConnectFault};
use super::signals::Signals;
use crate::http::MAX_HEAD_BYTES;
use driver::{Driver, DriverContext};
use wire::Wire;

pub(super) use driver::StreamRequest;
pub(super) use exchange::{StreamContent, exchange};
pub(super) use wire::WireState;

/// Bytes of a response that the upstream may send though nobody reads: as many as over HTTP/1.1.
const RESPONSE_WINDOW: u32 = 128 * 1024;
/// Largest window: RFC 9113 section 6.9.1.
const LARGEST_WINDOW: u32 = (1 << 31) - 1;
/// Most bytes of a stream that wait in the HTTP library for the upstream.
const MAX_UNSENT_REQUEST_BYTES: usize = 128 * 1024;

/// Bounds of connections by HTTP/2.
#[derive(Clone, Copy, Debug)]
pub(super) struct Http2Bounds {
    /// Most streams of one connection.
    pub(super) streams: usize,
    /// Time for which the upstream of an open stream may be silent before a PING is sent; the reply
    /// may take as long again.
    pub(super) silence: Duration,
}

/// Makes a connection, and waits until the upstream has said how many streams are allowed: a
/// request beyond the limit would wait inside the HTTP library, and be sent after the client gave
/// up.
pub(super) async fn http2_connection<S>(
    stream: S,
    signals: Arc<Signals>,
    bounds: Http2Bounds,
) -> Result<SharedConnection, ConnectFailure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Http2Bounds { streams: most, silence } = bounds;
    let window =
        u32::try_from(most).unwrap_or(u32::MAX).saturating_mul(RESPONSE_WINDOW).min(LARGEST_WINDOW);
    let streams = Arc::<Streams>::default();
    let mut builder = client::Builder::new();
    builder
        .enable_push(false)
        .max_header_list_size(MAX_HEAD_BYTES)
        .max_send_buffer_size(MAX_UNSENT_REQUEST_BYTES)
        // No stream until the upstream has announced a limit.
        .initial_max_send_streams(0)
        .initial_window_size(RESPONSE_WINDOW)
        .initial_connection_window_size(window);
    let wire = Wire::new(stream, Arc::clone(streams.wire()));
    let handshake = builder.handshake::<_, Bytes>(wire).await;
    let (sender, connection) =
        handshake.map_err(|error| ConnectFailure::because(ConnectFault::Http, error))?;
    let ((handover, requests), (agreed, agreement)) =
        (mpsc::unbounded_channel(), oneshot::channel());
    let driven = DriverContext { requests, streams: Arc::clone(&streams), most, silence, agreed };
    tokio::spawn(Driver::new(sender, connection, driven));
    agreement.await.map_err(|_| ConnectFailure::new(ConnectFault::Terminated))?;
    Ok(SharedConnection::new(handover, streams, signals))
}
