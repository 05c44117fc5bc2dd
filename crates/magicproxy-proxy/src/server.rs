//! The server: accepts connections, serves each in its own task, and drains when told to stop.
//!
//! The listeners and the shutdown are passed in; this module reads neither configuration nor
//! signals.

mod reconfiguration;
#[cfg(test)]
mod tests;
mod workers;

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderValue, Response, StatusCode, header};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::watch;

use crate::admission::{Budget, Shortage};
use crate::doors::{ConnectionDoor, CurrentDoors, Doors};
use crate::downstream::connections::{ConnectionSlot, Connections, PeerShare};
use crate::downstream::listener::{AcceptedConnection, Listener, ListenerContext, Listeners};
use crate::downstream::{
    Bounds, ConnectedClient, Connection, DownstreamIo, NegotiatedConnection, Protocol, Socket,
    StopSignal, StopTimes, Streams, Transport, noted, open, stop_times,
};
use crate::exchange::served::SetupError;
use crate::http::MAX_HEAD_BYTES;
use crate::http::body::REQUEST_WINDOW;
use crate::metrics::Metrics;
use crate::services::Services;
use crate::settings::{Settings, Timeouts};
use crate::worker::WorkerId;
use workers::Workers;

pub use crate::doors::ReplacementReport;
pub use crate::exchange::served::{Continuity, RenewedUpstream};
pub use reconfiguration::{NextSettings, Reconfigurator, ReconfigureError};
pub use workers::WorkerPulse;

/// The most bytes that one HTTP/1.1 connection reads ahead, and the most that wait for a client to
/// read. A response that nobody takes holds no more.
const MAX_BUFFERED_BYTES: usize = 128 * 1024;
const MAX_STREAMS: u32 = 100;
const MAX_RESET_STREAMS: usize = 20;
/// Room for the windows of all streams: a client's stuck upload holds only its own window, and not
/// the other streams of the connection.
const CONNECTION_WINDOW: u32 = MAX_STREAMS * REQUEST_WINDOW;
/// The most bytes of one stream's response waiting for a slow HTTP/2 client.
const MAX_UNSENT_RESPONSE_BYTES: usize = 64 * 1024;

/// The response, in the clear, to a client for whose connection no slot is free.
const TURNED_AWAY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\n\
    Content-Length: 49\r\nRetry-After: 1\r\nConnection: close\r\n\r\nmagicproxy: too many connections are open; retry\n";

/// The stream of a connection, for the HTTP library.
type Io = TokioIo<DownstreamIo>;

/// A proxy that is ready to serve: the doors of the current configuration, and the worker threads.
#[derive(Debug)]
pub struct Server {
    doors: Arc<CurrentDoors>,
    connections: Arc<Connections>,
    budget: Arc<Budget>,
    metrics: Arc<Metrics>,
    workers: Workers,
}

/// The fate of a proxy that stops, and so of the WebSockets and kept connections it serves. Every
/// kind of stop finishes the requests in progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Somebody at a terminal waits for the end: WebSockets are closed at once, and so are
    /// connections without a request.
    Interrupted,
    /// The proxy ends: WebSockets are closed at once, so that their clients connect elsewhere.
    /// Connections without a request are served once more, for a sixth of the drain timeout, so that
    /// no client loses a request that is on its way.
    Ending,
    /// Another process serves on the same listeners. WebSockets go on until shortly before the end
    /// of the drain timeout. Connections without a request are served once more, for a third of it.
    Replaced,
}

impl From<()> for Stop {
    fn from((): ()) -> Self {
        Self::Ending
    }
}

/// The time that closing WebSockets have before the drain timeout cuts them.
const TUNNELS_CLOSE_BEFORE: Duration = Duration::from_secs(5);

/// The longest wait, at the end of a server, for tasks that the last requests have left behind.
const LAST_TASKS: Duration = Duration::from_secs(1);

/// A reason for which a server cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// TLS towards the upstream cannot be set up, for instance because no trust roots were found.
    #[error("TLS towards the upstream cannot be set up")]
    Tls(#[from] rustls::Error),
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    Random,
    /// A worker thread cannot be started.
    #[error("a worker thread cannot be started")]
    Worker(#[from] std::io::Error),
}

impl From<SetupError> for StartError {
    fn from(error: SetupError) -> Self {
        match error {
            SetupError::Tls(error) => Self::Tls(error),
            SetupError::Random(_) => Self::Random,
        }
    }
}

impl Server {
    /// Makes a server from settings and services, and starts the worker threads.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn new(settings: Settings, services: Services) -> Result<Self, StartError> {
        let workers = settings.limits.workers;
        let connections = Connections::new(&settings.limits);
        let metrics = Arc::clone(&services.metrics);
        let doors = Doors::new(Arc::new(settings), services)?;
        let (budget, workers) = (Arc::clone(doors.budget()), Workers::start(workers)?);
        Ok(Self { doors: CurrentDoors::new(doors), connections, budget, metrics, workers })
    }

    /// Returns the handle by which the running server gets another configuration.
    #[must_use]
    pub fn reconfigurator(&self) -> Reconfigurator {
        Reconfigurator::new(Arc::clone(&self.doors), Arc::clone(&self.connections))
    }

    /// Returns a way to ask whether the worker threads still work.
    pub fn pulse(&self) -> WorkerPulse {
        self.workers.pulse()
    }

    /// Serves on every listener until `shutdown` ends, then finishes the requests in flight, within
    /// the drain timeout; the result of `shutdown` says how. The listeners share the limit of open
    /// connections, and the worker threads. Nothing is served on the runtime that calls this
    /// function.
    pub async fn run<S: Into<Stop>>(
        self,
        listeners: Vec<Listener>,
        shutdown: impl Future<Output = S> + Send,
    ) {
        let (stop, stopped) = watch::channel(None);
        let connections = &self.connections;
        self.metrics.watch(connections);
        listeners.iter().filter_map(Listener::tls).for_each(|tls| self.metrics.watch(tls));
        let mut listeners = Listeners::new(listeners);
        let mut shutdown = std::pin::pin!(shutdown);
        let fate = loop {
            let accepted = tokio::select! {
                fate = &mut shutdown => break fate.into(),
                accepted = listeners.accept(|| connections.make_room()) => accepted,
            };
            match connections.open(accepted.peer_key(), self.peer_share(&accepted)) {
                Ok(slot) => self.give(accepted, slot, stopped.clone()),
                Err(shortage) => {
                    connections.note_refused(shortage);
                    turn_away(&accepted, shortage);
                }
            }
        };
        drop(listeners);
        drop(stopped);
        // Every connection holds a receiver until its end.
        let _ = stop.send(Some(self.stop_times(fate)));
        let drained = tokio::time::timeout(self.drain_timeout(), stop.closed()).await;
        if drained.is_err() {
            tracing::warn!(name: "connections_cut", target: "magicproxy::serve", connections = stop.receiver_count(), "closing connections that did not finish in time");
        }
        // The last requests have left tasks behind, such as the return of a lease. A worker that
        // answers has begun all of them.
        let _ = self.workers.pulse().silent_workers(LAST_TASKS).await;
    }

    fn drain_timeout(&self) -> Duration {
        self.doors.get().settings().timeouts.drain
    }

    fn stop_times(&self, fate: Stop) -> StopTimes {
        let (now, drain) = (Instant::now(), self.drain_timeout());
        match fate {
            Stop::Interrupted => StopTimes { idle: now, tunnels: now },
            Stop::Ending => StopTimes { idle: now + drain / 6, tunnels: now },
            Stop::Replaced => StopTimes {
                idle: now + drain / 3,
                tunnels: now + drain.saturating_sub(TUNNELS_CLOSE_BEFORE),
            },
        }
    }

    fn peer_share(&self, accepted: &AcceptedConnection) -> PeerShare {
        let trusted = self.doors.get();
        let exempt = trusted.settings().trusted_proxies.speaks_for_others(&accepted.peer());
        if exempt { PeerShare::Exempt } else { PeerShare::Counted }
    }

    /// Hands the connection to a worker.
    fn give(&self, accepted: AcceptedConnection, slot: ConnectionSlot, stopped: StopSignal) {
        let peer_key = accepted.peer_key();
        let AcceptedConnection { transport, peer, entrance, .. } = accepted;
        // The worker's runtime is to wake the socket.
        let transport = match transport.park() {
            Ok(parked) => parked,
            Err(error) => return log_end(&error, peer),
        };
        let (doors, budget) = (Arc::clone(&self.doors), Arc::clone(&self.budget));
        let (account, metrics) = (budget.accounts().of_peer(peer_key), Arc::clone(&self.metrics));
        let client = ConnectedClient { address: peer, account, slot, stopped, metrics };
        self.workers.give(|worker| async move {
            match transport.unpark() {
                Ok(transport) => {
                    ServedConnection { doors, budget, worker }
                        .serve(transport, client, entrance)
                        .await
                }
                Err(error) => log_end(&error, peer),
            }
        });
    }
}

/// Closes a connection for which no slot is free. A client without TLS gets a response if the
/// socket takes it at once.
fn turn_away(accepted: &AcceptedConnection, shortage: Shortage) {
    tracing::debug!(name: "connection_refused", target: "magicproxy::serve", peer = accepted.peer.map(tracing::field::display), reason = %shortage, "a connection was turned away");
    if accepted.entrance.tls.is_none() {
        let _ = accepted.transport.try_write(TURNED_AWAY);
    }
}

struct ServedConnection {
    doors: Arc<CurrentDoors>,
    budget: Arc<Budget>,
    worker: WorkerId,
}

impl ServedConnection {
    async fn serve(
        self,
        transport: Transport,
        client: ConnectedClient,
        entrance: Arc<ListenerContext>,
    ) {
        // The timeouts of the connection itself stay; those of a request come with its door.
        let (timeouts, peer) = (self.doors.get().settings().timeouts, client.address);
        let (activity, stopped) = (Arc::clone(client.slot.activity()), client.stopped.clone());
        let socket = Socket::new(transport, timeouts.body_idle, Arc::clone(&client.metrics));
        let opening = open(socket, entrance.tls.as_deref());
        let opened = tokio::select! {
            () = no_longer_waiting(stopped.clone()) => return,
            () = poll_fn(|context| activity.poll_ending(context)) => return,
            opened = tokio::time::timeout(timeouts.header, opening) => opened.unwrap_or_else(|late| Err(late.into())),
        };
        let NegotiatedConnection { stream, protocol, prefix } = match opened {
            Ok(opened) => opened,
            Err(error) => return log_end(&error, peer),
        };
        let door = ConnectionDoor::new(self.doors, Arc::clone(&entrance));
        let connection = Connection::new(client, entrance, protocol, self.worker);
        // The first byte has come just now.
        let bounds = Bounds { timeouts, first_byte: Instant::now(), budget: self.budget };
        let io = TokioIo::new(DownstreamIo::new(stream, prefix, Arc::clone(&connection), bounds));
        // Boxed, so that a connection without a first byte stays small.
        let ended = match protocol {
            Protocol::Http1 => Box::pin(http1(io, door, &connection, stopped)).await,
            Protocol::Http2 => {
                Box::pin(http2(io, Http2Service { door, timeouts }, &connection, stopped)).await
            }
        };
        if let Err(error) = ended {
            log_end(&error, peer);
        }
    }
}

async fn http1(
    io: Io,
    door: ConnectionDoor,
    connection: &Arc<Connection>,
    mut stopped: StopSignal,
) -> hyper::Result<()> {
    let service = service_fn(move |request| {
        let door = door.get();
        async move {
            let response = door.respond(request, connection).await;
            Ok::<_, Infallible>(last_if_stopping(response, connection))
        }
    });
    let mut builder = http1::Builder::new();
    // `DownstreamIo` times heads, because it can tell an idle connection from a slow head.
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .max_header_size(MAX_HEAD_BYTES as usize);
    builder.max_buf_size(MAX_BUFFERED_BYTES);
    let mut serving = std::pin::pin!(builder.serve_connection(io, service).with_upgrades());
    tokio::select! {
        biased;
        ended = serving.as_mut() => ended,
        _ = stopped.changed() => {
            let idle = stop_times(&stopped).idle.into();
            if let Ok(ended) = tokio::time::timeout_at(idle, serving.as_mut()).await {
                return ended;
            }
            // The HTTP library would wait for the first head to be complete.
            if !connection.has_begun() {
                return Ok(());
            }
            serving.as_mut().graceful_shutdown();
            serving.await
        }
        () = poll_fn(|context| connection.poll_ending(context)) => {
            if connection.is_idle() {
                return Ok(());
            }
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    }
}

/// The service of a connection by HTTP/2, and its time limits.
struct Http2Service {
    door: ConnectionDoor,
    timeouts: Timeouts,
}

async fn http2(
    io: Io,
    service: Http2Service,
    connection: &Arc<Connection>,
    mut stopped: StopSignal,
) -> hyper::Result<()> {
    let (Http2Service { door, timeouts }, shared) = (service, Arc::clone(connection));
    let service = service_fn(move |request| {
        let (door, shared) = (door.get(), Arc::clone(&shared));
        async move {
            let mut respond = std::pin::pin!(door.respond(request, &shared));
            Ok::<_, Infallible>(poll_fn(|context| noted(respond.as_mut().poll(context))).await)
        }
    });
    let mut builder =
        http2::Builder::new(Streams { idle: timeouts.body_idle, refusal: timeouts.refusal });
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .initial_stream_window_size(REQUEST_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(MAX_HEAD_BYTES)
        .max_pending_accept_reset_streams(MAX_RESET_STREAMS)
        .max_local_error_reset_streams(1024)
        .max_send_buf_size(MAX_UNSENT_RESPONSE_BYTES)
        .keep_alive_interval(Duration::from_secs(20));
    let mut serving = std::pin::pin!(builder.serve_connection(io, service));
    tokio::select! {
        biased;
        ended = serving.as_mut() => ended,
        _ = stopped.changed() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
        () = poll_fn(|context| connection.poll_ending(context)) => {
            if connection.is_evicted() && connection.is_idle() {
                return Ok(());
            }
            serving.as_mut().graceful_shutdown();
            // A client that is told to leave has the refusal timeout to go. Later, only a
            // connection with a request in progress, and with an admitted request before, is
            // served to its end.
            let going = tokio::time::timeout(timeouts.refusal, serving.as_mut()).await;
            match going {
                Ok(ended) => ended,
                Err(_) if connection.is_idle() || !connection.had_admitted() => Ok(()),
                Err(_) => serving.await,
            }
        }
    }
}

/// Waits until the proxy is to stop, and has no more time for a connection without a request.
async fn no_longer_waiting(mut stopped: StopSignal) {
    let _ = stopped.changed().await;
    tokio::time::sleep_until(stop_times(&stopped).idle.into()).await;
}

/// Tells the client of a proxy that stops that the response is the last of its connection
/// (HTTP/1.1), so that the client sends its next request on another one.
fn last_if_stopping<B>(mut response: Response<B>, connection: &Connection) -> Response<B> {
    if connection.is_stopping() && response.status() != StatusCode::SWITCHING_PROTOCOLS {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

fn log_end(error: &dyn std::error::Error, peer: Option<SocketAddr>) {
    let peer = peer.map(tracing::field::display);
    tracing::debug!(name: "connection_ended", target: "magicproxy::serve", peer, %error, "a connection ended");
}
