//! Connections by HTTP/2 to the upstream: windows that no stream can hold for itself, and no more streams than the upstream allows.
//!
//! A client that does not read its response stops its own stream when that stream's window is full. The connection's window has
//! room for all windows of streams, so that each new one still has its own.

mod driver;
mod exchange;
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

/// What the upstream may send of a response that nobody reads: as much as of one by HTTP/1.1.
const RESPONSE_WINDOW: u32 = 128 * 1024;
/// The largest window there is: RFC 9113 section 6.9.1.
const LARGEST_WINDOW: u32 = (1 << 31) - 1;
/// What a stream may have waiting in the HTTP library for the upstream to take it.
const MAX_UNSENT_REQUEST_BYTES: usize = 128 * 1024;

/// How connections by HTTP/2 are bounded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Http2Bounds {
    /// The most streams of one.
    pub(super) streams: usize,
    /// How long the upstream of an open stream may be silent before it is asked whether it is there; it has as long to answer.
    pub(super) silence: Duration,
}

/// Makes a connection. It is there when the upstream has said how many streams it allows: a request beyond those would wait inside
/// of the HTTP library, and be sent after it was given up.
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
        // Until the upstream has spoken.
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
