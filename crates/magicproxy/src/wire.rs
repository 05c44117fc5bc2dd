//! The seam between this crate and the engine: the listener, the runtime and the signals come from here.

use std::future::Future;

use anyhow::Context as _;
use magicproxy_proxy::listener::Listener;
use magicproxy_proxy::serve::Server;
use magicproxy_proxy::settings::Settings;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::config::address::Listen;

/// The engine, ready to serve, on an address that is already taken.
pub(crate) struct Door {
    server: Server,
    listener: TcpListener,
}

impl Door {
    /// Binds the address and prepares the engine.
    pub(crate) async fn open(settings: Settings, listen: &Listen) -> anyhow::Result<Self> {
        let bound = TcpListener::bind((listen.host.as_str(), listen.port)).await;
        let listener = bound.with_context(|| format!("cannot listen on `{listen}`"))?;
        let server = Server::new(settings).context("cannot start")?;
        Ok(Self { server, listener })
    }

    /// The port that was taken.
    pub(crate) fn port(&self) -> anyhow::Result<u16> {
        Ok(self.listener.local_addr()?.port())
    }

    /// Serves until `shutdown` is done and the answers in flight are out.
    pub(crate) async fn serve(self, shutdown: impl Future<Output = ()> + Send) {
        self.server.run(vec![Listener::tcp(self.listener)], shutdown).await;
    }
}

/// The runtime of the long-running commands.
pub(crate) fn runtime() -> anyhow::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")
}

/// Done at the first SIGTERM or SIGINT; the second one ends the process at once.
pub(crate) async fn shutdown() {
    let Some(mut signals) = Signals::listen() else { return std::future::pending().await };
    signals.next().await;
    tracing::info!("stopping: finishing the answers in flight; a second signal stops at once");
    tokio::spawn(async move {
        signals.next().await;
        std::process::exit(1);
    });
}

#[cfg(unix)]
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn listen() -> Option<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Some(Self { terminate: signal(SignalKind::terminate()).ok()?, interrupt: signal(SignalKind::interrupt()).ok()? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn listen() -> Option<Self> {
        Some(Self)
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Raises the soft limit of open files to the hard one: each connection takes a file, and the usual 1,024 are soon gone.
#[cfg(unix)]
pub(crate) fn raise_open_file_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::debug!(%error, "the limit of open files stays as it is");
    }
}

#[cfg(not(unix))]
pub(crate) fn raise_open_file_limit() {}
