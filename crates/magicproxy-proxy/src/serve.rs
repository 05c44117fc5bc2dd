//! Listening: accepts connections, serves each in its own task, drains when told to stop.
//!
//! The caller passes the listeners and the shutdown; nothing here reads configuration or signals.

mod workers;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::{Semaphore, watch};

use crate::admission::PeerKey;
use crate::downstream::{ConnectedClient, Connection, DownstreamIo, Opened, Protocol, Socket, Stream, Streams, noted, open};
use crate::listener::{Accepted, Listener, Listeners};
use crate::reverse::ReverseDoor;
use crate::settings::Settings;
use workers::Workers;

pub(crate) use workers::WorkerId;

/// Request heads above this get 431, and so do those with more than 100 fields: that is hyper's own limit, and the one for
/// which it needs no memory besides the stack.
const MAX_HEAD_BYTES: usize = 64 * 1024;
const MAX_STREAMS: u32 = 100;
const MAX_RESET_STREAMS: usize = 20;
/// What one stream's answer may have waiting for a slow HTTP/2 caller.
const MAX_SEND_BYTES: usize = 64 * 1024;

/// A proxy that is ready to serve.
#[derive(Debug)]
pub struct Server {
    door: Arc<ReverseDoor>,
    settings: Arc<Settings>,
    workers: Workers,
}

/// Why a server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// TLS towards the upstream cannot be set up, for instance for want of trust roots.
    #[error("TLS towards the upstream cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    Random,
    /// A worker thread cannot be started.
    #[error("a worker thread cannot be started: {0}")]
    Worker(#[from] std::io::Error),
}

impl Server {
    /// Puts the parts together, and starts the worker threads.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn new(settings: Settings) -> Result<Self, StartError> {
        let settings = Arc::new(settings);
        let door = Arc::new(ReverseDoor::new(Arc::clone(&settings))?);
        let workers = Workers::start(settings.limits.workers)?;
        Ok(Self { door, settings, workers })
    }

    /// Serves on every listener until `shutdown` ends, then finishes what is in flight, within the drain timeout. The
    /// listeners share the limit of open connections, and the worker threads. Nothing is served on the caller's runtime.
    pub async fn run(self, listeners: Vec<Listener>, shutdown: impl Future<Output = ()> + Send) {
        let (stop, stopped) = watch::channel(());
        let slots = Arc::new(Semaphore::new(self.settings.limits.connections));
        let mut listeners = Listeners::new(listeners);
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            let next = async { (Arc::clone(&slots).acquire_owned().await, listeners.accept().await) };
            let (slot, accepted) = tokio::select! {
                () = &mut shutdown => break,
                next = next => next,
            };
            let Accepted { transport, peer, entrance } = accepted;
            // It is to be woken by its worker's runtime.
            let transport = match transport.park() {
                Ok(parked) => parked,
                Err(error) => {
                    log_end(&error, peer);
                    continue;
                }
            };
            self.workers.give(|worker| {
                let (door, settings) = (Arc::clone(&self.door), Arc::clone(&self.settings));
                let served = ServedConnection { door, settings, worker, stopped: stopped.clone() };
                async move {
                    match transport.unpark() {
                        Ok(transport) => served.serve(Accepted { transport, peer, entrance }).await,
                        Err(error) => log_end(&error, peer),
                    }
                    drop(slot);
                }
            });
        }
        drop(listeners);
        drop(stopped);
        // Every connection holds a receiver until it ends.
        let _ = stop.send(());
        let drained = tokio::time::timeout(self.settings.timeouts.drain, stop.closed()).await;
        if drained.is_err() {
            tracing::warn!(target: "magicproxy::serve", connections = stop.receiver_count(), "closing connections that did not finish in time");
        }
    }
}

struct ServedConnection {
    door: Arc<ReverseDoor>,
    settings: Arc<Settings>,
    worker: WorkerId,
    stopped: watch::Receiver<()>,
}

impl ServedConnection {
    async fn serve(mut self, connection: Accepted) {
        let Accepted { transport, peer, entrance } = connection;
        let (since, timeouts) = (Instant::now(), self.settings.timeouts);
        let opening = open(Socket::new(transport, timeouts.body_idle), entrance.tls.as_deref());
        let opened = tokio::select! {
            _ = self.stopped.changed() => return,
            opened = tokio::time::timeout(timeouts.header, opening) => opened.unwrap_or_else(|late| Err(late.into())),
        };
        let Opened { stream, protocol, prefix } = match opened {
            Ok(opened) => opened,
            Err(error) => return log_end(&error, peer),
        };
        let account = self.door.budget().accounts().of_peer(PeerKey::of(peer.map(|address| address.ip())));
        let client = ConnectedClient { address: peer, account };
        let connection = Connection::new(client, entrance, protocol, self.worker);
        let io = TokioIo::new(DownstreamIo::new(stream, prefix, Arc::clone(&connection), timeouts, since));
        // Boxed: a connection that has not spoken yet stays small.
        let ended = match protocol {
            Protocol::Http1 => Box::pin(self.http1(io, &connection)).await,
            Protocol::Http2 => Box::pin(self.http2(io, &connection)).await,
        };
        if let Err(error) = ended {
            log_end(&error, peer);
        }
    }

    async fn http1(mut self, io: TokioIo<DownstreamIo<Stream>>, connection: &Arc<Connection>) -> hyper::Result<()> {
        let door = &self.door;
        let service = service_fn(move |request| async move { Ok::<_, Infallible>(door.answer(request, connection).await) });
        let mut builder = http1::Builder::new();
        // Heads are timed by `DownstreamIo`, which knows an idle connection from a slow head.
        builder.timer(TokioTimer::new()).header_read_timeout(None).max_header_size(MAX_HEAD_BYTES);
        let mut serving = std::pin::pin!(builder.serve_connection(io, service).with_upgrades());
        tokio::select! {
            biased;
            ended = serving.as_mut() => ended,
            _ = self.stopped.changed() => {
                serving.as_mut().graceful_shutdown();
                serving.await
            }
        }
    }

    async fn http2(mut self, io: TokioIo<DownstreamIo<Stream>>, connection: &Arc<Connection>) -> hyper::Result<()> {
        let (door, shared) = (Arc::clone(&self.door), Arc::clone(connection));
        let service = service_fn(move |request| {
            let (door, shared) = (Arc::clone(&door), Arc::clone(&shared));
            async move {
                let mut answer = std::pin::pin!(door.answer(request, &shared));
                Ok::<_, Infallible>(std::future::poll_fn(|context| noted(answer.as_mut().poll(context))).await)
            }
        });
        let mut builder = http2::Builder::new(Streams { idle: self.settings.timeouts.body_idle });
        builder
            .timer(TokioTimer::new())
            .max_concurrent_streams(MAX_STREAMS)
            .max_header_list_size(64 * 1024)
            .max_pending_accept_reset_streams(MAX_RESET_STREAMS)
            .max_local_error_reset_streams(1024)
            .max_send_buf_size(MAX_SEND_BYTES)
            .keep_alive_interval(Duration::from_secs(20));
        let mut serving = std::pin::pin!(builder.serve_connection(io, service));
        tokio::select! {
            biased;
            ended = serving.as_mut() => ended,
            _ = self.stopped.changed() => {
                serving.as_mut().graceful_shutdown();
                serving.await
            }
        }
    }
}

fn log_end(error: &dyn std::error::Error, peer: Option<SocketAddr>) {
    let peer = peer.map(tracing::field::display);
    tracing::debug!(target: "magicproxy::serve", peer, %error, "a connection ended");
}
