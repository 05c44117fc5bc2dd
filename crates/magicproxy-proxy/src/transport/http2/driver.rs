//! Task of one connection by HTTP/2. The task alone opens streams, so that a request is sent when
//! there is room, or not at all.
//!
//! A request that waits here can still be given up: nothing of the request is with the HTTP
//! library, which sends everything that was once handed over.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use h2::client::{Connection, ResponseFuture, SendRequest};
use h2::{Ping, PingPong, SendStream};
use http::Request;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, oneshot, watch};

use super::wire::{Wire, WireState};
use crate::http::body::IdleTimer;
use crate::transport::connection::{DecisionAge, Streams};

/// Factor by which the silence before the next PING grows after a PING ended a silence: some
/// servers close connections on which PINGs come often.
const PING_BACKOFF: u32 = 4;
/// Longest silence, as a multiple of the shortest.
const MAX_PING_BACKOFF: u32 = 64;

/// Request for a stream. The request is not sent once nobody waits for the reply.
#[derive(Debug)]
pub(in crate::transport) struct StreamRequest {
    pub(super) head: Request<()>,
    pub(super) has_body: bool,
    /// Signal that the exchange was given up: once the sender of this channel is gone, the request
    /// is no longer to be sent.
    pub(super) given_up: Option<watch::Receiver<()>>,
    /// The decision on the request; once it is over, the request is no longer to be sent.
    pub(super) decision: Option<DecisionAge>,
    /// Receiver of the stream; dropped where no stream was opened, and then nothing was sent.
    pub(super) reply: oneshot::Sender<OpenedStream>,
}

impl StreamRequest {
    /// True if the request is no longer to be sent, or is to be looked at again before.
    fn is_over(&self) -> bool {
        self.reply.is_closed()
            || self.decision.as_ref().is_some_and(DecisionAge::is_over)
            || self.given_up.as_ref().is_some_and(|client| client.has_changed().is_err())
    }
}

/// Stream that the HTTP library has opened or opens next, or that failed with the connection.
#[derive(Debug)]
pub(super) struct OpenedStream {
    pub(super) response: ResponseFuture,
    pub(super) body: SendStream<Bytes>,
}

/// Future that runs a connection.
pub(super) struct Driver<S> {
    connection: Connection<Wire<S>, Bytes>,
    /// Sender of requests; none when no further stream is wanted.
    sender: Option<SendRequest<Bytes>>,
    requests: mpsc::UnboundedReceiver<StreamRequest>,
    /// Stream that the HTTP library has not opened yet, and the receiver of the stream.
    opening: Option<(oneshot::Sender<OpenedStream>, OpenedStream)>,
    streams: Arc<Streams>,
    /// Most streams, whatever the upstream allows.
    most: usize,
    /// True if the socket took nothing more when the driver ran last.
    was_clogged: bool,
    pings: Pings,
    /// Signal that the upstream has said how many streams are allowed.
    agreed: Option<oneshot::Sender<()>>,
}

/// Context of a driver, besides the connection.
pub(super) struct DriverContext {
    pub(super) requests: mpsc::UnboundedReceiver<StreamRequest>,
    pub(super) streams: Arc<Streams>,
    pub(super) most: usize,
    /// Time without any bytes after which a PING is sent, and after the PING the time until the
    /// upstream is taken to be gone.
    pub(super) silence: Duration,
    pub(super) agreed: oneshot::Sender<()>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Driver<S> {
    pub(super) fn new(
        sender: SendRequest<Bytes>,
        mut connection: Connection<Wire<S>, Bytes>,
        driven: DriverContext,
    ) -> Self {
        let DriverContext { requests, streams, most, silence, agreed } = driven;
        let pings = Pings::new(connection.ping_pong(), silence);
        Self {
            connection,
            sender: Some(sender),
            requests,
            opening: None,
            streams,
            most,
            was_clogged: false,
            pings,
            agreed: Some(agreed),
        }
    }

    fn poll_connection(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let ended = ready!(Pin::new(&mut self.connection).poll(context));
        if let Err(error) = ended {
            tracing::debug!(name: "upstream_connection_ended", target: "magicproxy::upstream", %error, "a connection to the upstream ended");
        }
        Poll::Ready(())
    }

    /// Writes the heads of new requests before reading anything that could leave the heads waiting
    /// in the HTTP library.
    fn poll_writes(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let signals = Arc::clone(self.streams.wire());
        signals.holding_reads(|| self.poll_connection(context))
    }

    fn note_what_was_said(&mut self) {
        if self.streams.wire().is_closing() {
            self.streams.retire();
        }
        let Some(sender) = &self.sender else { return };
        let allowed = sender.current_max_send_streams();
        let limit = allowed.min(self.most);
        let was_clogged =
            std::mem::replace(&mut self.was_clogged, self.streams.wire().is_clogged());
        let is_clear = was_clogged && !self.was_clogged;
        if self.streams.set_limit(limit) < limit || is_clear {
            self.streams.tell_of_room();
        }
        if allowed > 0
            && let Some(agreed) = self.agreed.take()
        {
            let _ = agreed.send(());
        }
    }

    /// Opens streams for waiting requests. True if the connection is to be polled again.
    fn open_streams(&mut self, context: &mut Context<'_>) -> bool {
        let mut opened = false;
        loop {
            let Some(sender) = &mut self.sender else { return opened };
            let is_ready = sender.poll_ready(context);
            if is_ready.is_ready() {
                self.hand_out();
            }
            // Behind a socket that takes nothing, a request would wait in the HTTP library. A
            // retired connection opens no stream.
            let must_wait = is_ready.is_pending() || self.streams.wire().is_clogged();
            if must_wait && !self.streams.is_retired() {
                return opened;
            }
            match self.requests.poll_recv(context) {
                Poll::Pending => return opened,
                Poll::Ready(Some(handover)) => opened |= self.open(handover),
                Poll::Ready(None) => {
                    self.sender = None;
                    self.hand_out();
                    return true;
                }
            }
        }
    }

    fn open(&mut self, handover: StreamRequest) -> bool {
        let is_over = handover.is_over();
        let StreamRequest { head, has_body, reply, .. } = handover;
        let Some(sender) = &mut self.sender else { return false };
        if is_over || self.streams.is_retired() || self.streams.are_too_many() {
            return false;
        }
        match sender.send_request(head, !has_body) {
            Ok((response, body)) => {
                self.pings.expect();
                self.opening = Some((reply, OpenedStream { response, body }));
                true
            }
            Err(error) => {
                tracing::debug!(name: "upstream_connection_closing", target: "magicproxy::upstream", %error, "a connection to the upstream takes no further request");
                self.streams.retire();
                false
            }
        }
    }
}

impl<S> Driver<S> {
    /// Hands over the stream that was opened last, once `SendRequest::poll_ready` no longer waits
    /// for the stream.
    ///
    /// The HTTP library keeps one waker per stream for the sending side. Before a stream that uses
    /// up the upstream's limit is open, `poll_ready` puts the driver's waker there. An exchange
    /// that waited for the stream's window at the same time would lose its waker to the driver's,
    /// and never hear that the content may be sent.
    fn hand_out(&mut self) {
        if let Some((reply, opened)) = self.opening.take() {
            // The stream is reset where nobody waits for the stream any more.
            let _ = reply.send(opened);
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Future for Driver<S> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        this.streams.note_driver(context.waker());
        loop {
            if this.poll_connection(context).is_ready() {
                return Poll::Ready(());
            }
            this.note_what_was_said();
            let is_used = this.streams.are_open();
            if this.pings.poll_gone(context, is_used, this.streams.wire()).is_ready() {
                tracing::debug!(name: "upstream_connection_silent", target: "magicproxy::upstream", "a connection to the upstream is silent");
                return Poll::Ready(());
            }
            if !this.open_streams(context) {
                return Poll::Pending;
            }
            if this.poll_writes(context).is_ready() {
                return Poll::Ready(());
            }
        }
    }
}

impl<S> Drop for Driver<S> {
    fn drop(&mut self) {
        // The head of the request may have been sent: the stream's error tells.
        self.hand_out();
        if self.streams.wire().is_closing()
            && let Some(agreed) = self.agreed.take()
        {
            // The upstream refused all requests before announcing a limit: the request that made
            // the connection must hear that it was not sent.
            let _ = agreed.send(());
        }
        self.streams.end_all();
    }
}

/// Detector of a silent upstream that is gone (RFC 9113 section 6.7). While no stream is open, no
/// PING is sent: the request that opens the next stream finds out.
struct Pings {
    pings: Option<PingPong>,
    silence: Duration,
    backoff: u32,
    timer: IdleTimer,
    /// Count of reads at the last check.
    reads: u64,
    /// True if a PING was sent that nothing followed.
    asked: bool,
}

impl Pings {
    fn new(pings: Option<PingPong>, silence: Duration) -> Self {
        Self {
            pings,
            silence,
            backoff: 1,
            timer: IdleTimer::new(silence, None),
            reads: 0,
            asked: false,
        }
    }

    /// Expects bytes from the upstream from now on.
    fn expect(&mut self) {
        if !self.asked {
            self.wait(1);
        }
    }

    fn wait(&mut self, backoff: u32) {
        if self.backoff == backoff {
            self.timer.progress();
        } else {
            self.begin(backoff);
        }
    }

    fn begin(&mut self, backoff: u32) {
        self.backoff = backoff;
        self.timer = IdleTimer::new(self.silence.saturating_mul(backoff), None);
    }

    /// Ready when nothing has come for too long, not even the reply to a PING.
    fn poll_gone(
        &mut self,
        context: &mut Context<'_>,
        is_used: bool,
        signals: &WireState,
    ) -> Poll<()> {
        if let Some(pings) = &mut self.pings {
            let _ = pings.poll_pong(context);
        }
        let reads = signals.reads();
        if reads != self.reads {
            self.reads = reads;
            match std::mem::take(&mut self.asked) {
                true => self.begin(self.backoff.saturating_mul(PING_BACKOFF).min(MAX_PING_BACKOFF)),
                false => self.wait(1),
            }
        }
        if !is_used {
            self.asked = false;
            self.wait(1);
            return Poll::Pending;
        }
        loop {
            ready!(self.timer.poll_expired(context));
            if self.asked {
                return Poll::Ready(());
            }
            if let Some(pings) = &mut self.pings {
                let _ = pings.send_ping(Ping::opaque());
            }
            self.asked = true;
            // The PING is written when the connection is polled next.
            context.waker().wake_by_ref();
            self.timer = IdleTimer::new(self.silence, None);
        }
    }
}
