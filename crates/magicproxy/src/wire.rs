//! The seam between this crate and the engine: the listeners, the runtime and the signals come from here.

#[cfg(unix)]
mod socket_file;
#[cfg(all(test, unix))]
mod tests;

use std::future::Future;
use std::sync::Arc;

use anyhow::Context as _;
use magicproxy_proxy::listener::Listener;
use magicproxy_proxy::listener::tls::TlsServer;
use magicproxy_proxy::serve::Server;
use magicproxy_proxy::settings::Settings;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::config::address::{Listen, Scheme};
use crate::config::listeners::ListenerSettings;
use crate::output::quoted;

/// The engine, ready to serve, on addresses that are already taken.
pub(crate) struct Door {
    server: Server,
    places: Vec<Place>,
}

/// A listener, and how it is reached.
struct Place {
    listener: Listener,
    url: String,
    /// Where it is, where that is not in the URL.
    socket: Option<String>,
    #[cfg(unix)]
    file: Option<socket_file::SocketFile>,
}

impl Door {
    /// Takes the addresses and prepares the engine. Listeners that speak TLS need `tls`.
    pub(crate) async fn open(
        settings: Settings,
        listeners: &[ListenerSettings],
        tls: Option<&Arc<TlsServer>>,
    ) -> anyhow::Result<Self> {
        let mut places = Vec::new();
        for listener in listeners {
            let place = Place::take(listener).await.with_context(|| format!("cannot listen on `{}`", listener.listen))?;
            places.push(place.with(listener, tls)?);
        }
        let server = Server::new(settings).context("cannot start")?;
        Ok(Self { server, places })
    }

    /// How a program on this machine reaches the first listener.
    pub(crate) fn url(&self) -> String {
        self.places.first().map(|place| place.url.clone()).unwrap_or_default()
    }

    /// What `curl` has to be told besides, to reach the first listener.
    pub(crate) fn curl_option(&self) -> String {
        let socket = self.places.first().and_then(|place| place.socket.as_deref());
        socket.map(|path| format!(" --unix-socket {}", quoted(path))).unwrap_or_default()
    }

    /// How each listener is reached, in words.
    pub(crate) fn addresses(&self) -> Vec<String> {
        let address = |place: &Place| match &place.socket {
            Some(path) => format!("{} on the Unix socket {path}", place.url),
            None => place.url.clone(),
        };
        self.places.iter().map(address).collect()
    }

    /// Serves until `shutdown` is done and the answers in flight are out.
    pub(crate) async fn serve(self, shutdown: impl Future<Output = ()> + Send) {
        let mut listeners = Vec::new();
        #[cfg(unix)]
        let mut files = Vec::new();
        for place in self.places {
            listeners.push(place.listener);
            #[cfg(unix)]
            files.extend(place.file);
        }
        let shutdown = async move {
            shutdown.await;
            // Nobody new is to come.
            #[cfg(unix)]
            drop(files);
        };
        self.server.run(listeners, shutdown).await;
    }
}

impl Place {
    async fn take(settings: &ListenerSettings) -> anyhow::Result<Self> {
        let url = |port| settings.listen.url(settings.scheme, port);
        match &settings.listen {
            Listen::Tcp(address) => {
                let socket = TcpListener::bind((address.host.as_str(), address.port)).await?;
                let url = url(Some(socket.local_addr()?.port()));
                Ok(Self {
                    listener: Listener::tcp(socket),
                    url,
                    socket: None,
                    #[cfg(unix)]
                    file: None,
                })
            }
            #[cfg(unix)]
            Listen::Unix(path) => {
                let (socket, file) = socket_file::SocketFile::bind(path, settings.mode)?;
                let socket_path = Some(path.display().to_string());
                Ok(Self { listener: Listener::unix(socket), url: url(None), socket: socket_path, file: Some(file) })
            }
            #[cfg(not(unix))]
            Listen::Unix(_) => anyhow::bail!("there are no Unix sockets on this system"),
        }
    }

    fn with(mut self, settings: &ListenerSettings, tls: Option<&Arc<TlsServer>>) -> anyhow::Result<Self> {
        if settings.scheme == Scheme::Https {
            // Never in the clear by mistake.
            let tls = tls.context("there is no certificate")?;
            self.listener = self.listener.with_tls(Arc::clone(tls));
        }
        if let Some(upstream) = &settings.upstream {
            self.listener = self.listener.bound_to(upstream.clone());
        }
        Ok(self)
    }
}

/// The runtime of the long-running commands. It accepts, waits for signals and keeps files fresh; the server's workers serve.
pub(crate) fn runtime() -> anyhow::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start the runtime")
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

/// Raises the soft limit of open files to the hard one: each connection takes a file, and the usual 1,024 are soon gone. Gives
/// the limit that holds, if there is one.
#[cfg(unix)]
pub(crate) fn raise_open_file_limit() -> Option<usize> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::debug!(%error, "the limit of open files stays as it is");
    }
    getrlimit(Resource::Nofile).current.and_then(|files| usize::try_from(files).ok())
}

#[cfg(not(unix))]
pub(crate) fn raise_open_file_limit() -> Option<usize> {
    None
}
