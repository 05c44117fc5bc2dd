//! The seam between this crate and the engine: the listeners, the runtime and the signals come from
//! here.

pub(crate) mod bind;
pub(crate) mod listening;
pub(crate) mod passed;
mod signals;
pub(crate) mod socket_file;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use magicproxy_core::plugin::PluginHost;
use magicproxy_proxy::host_check::HostCheck;
use magicproxy_proxy::listener::tls::TlsServer;
use magicproxy_proxy::listener::{Listener, ListenerDoor};
use magicproxy_proxy::server::{
    NextSettings, Reconfigurator, ReconfigureError, ReplacementReport, Server, Stop, WorkerPulse,
};
use magicproxy_proxy::services::Services;
use magicproxy_proxy::settings::{HostName, Settings};
use tokio::runtime::Runtime;

use crate::ground::failure::Failure;
use magicproxy_config::config::Config;
use magicproxy_config::config::address::ListenAddress;
use magicproxy_config::config::listeners::{HostCheckChoice, HostSettings, ListenerSettings};
use magicproxy_config::ground::fault::{Fault, Faults, Origin};
use magicproxy_config::ground::scheme::{Scheme, is_loopback_address};
use magicproxy_config::ground::text::quoted;

use listening::{BoundSocket, HeldSocket, OpenedSocket};
use passed::PassedSockets;

pub(crate) use signals::{EndSignals, Hangups, survive_others, survive_upgrades};

/// The parts of a server.
pub(crate) struct Engine {
    pub(crate) settings: Settings,
    pub(crate) services: Services,
}

/// The listeners of a server, as the configuration has them.
#[derive(Clone, Copy)]
pub(crate) struct ListenerPlan<'a> {
    pub(crate) listeners: &'a [ListenerSettings],
    pub(crate) hosts: &'a HostSettings,
    /// The certificate; needed by listeners that speak TLS.
    pub(crate) tls: Option<&'a Arc<TlsServer>>,
}

/// The engine, ready to serve, on addresses already taken.
pub(crate) struct BoundServer {
    server: Server,
    places: Vec<BoundListener>,
    held: Vec<Arc<HeldSocket>>,
    /// Warnings about the listeners.
    pub(crate) warnings: Vec<String>,
}

/// Collects the names by which requests may call the proxy on listeners that check names.
fn host_check(settings: &Settings, plan: &ListenerPlan<'_>) -> HostCheck {
    // The name of a listener's address is allowed: the operator has chosen it.
    let listeners = plan.listeners.iter();
    let named: Vec<_> =
        listeners.filter_map(|listener| HostName::parse(listener.listen.host())).collect();
    let check = HostCheck::new(settings).with_hosts(&plan.hosts.allowed).with_hosts(&named);
    match plan.tls {
        Some(tls) => check.with_certificate(Arc::clone(tls)),
        None => check,
    }
}

/// The engine of a proxy that runs, as a change of the configuration reaches it.
#[derive(Clone, Debug)]
pub(crate) struct RunningEngine {
    reconfigurator: Reconfigurator,
    /// The addresses of TCP of the listeners; `None` for a Unix socket.
    addresses: Vec<Option<SocketAddr>>,
    tls: Option<Arc<TlsServer>>,
}

impl RunningEngine {
    /// Finds the listeners on which another configuration may not be served: `listeners` are those
    /// of the running proxy, with what the other configuration says of them.
    pub(crate) fn exposures(&self, listeners: &[ListenerSettings]) -> Vec<Fault> {
        let places = listeners.iter().zip(&self.addresses);
        places
            .filter_map(|(listener, address)| {
                listener.exposure_at(address.as_ref()?.ip(), &Origin::Default)
            })
            .collect()
    }

    /// Returns the drain timeout of the configuration in force.
    pub(crate) fn drain_timeout(&self) -> Duration {
        self.reconfigurator.drain_timeout()
    }

    /// Gives the running proxy another configuration. `plugins` is the host of its plugins, if it is
    /// another one.
    ///
    /// # Errors
    /// The upstreams cannot be set up, and nothing has changed.
    pub(crate) fn replace(
        &self,
        config: Config,
        plugins: Option<Option<Arc<dyn PluginHost>>>,
    ) -> Result<ReplacementReport, ReconfigureError> {
        let (listeners, hosts) = (config.listeners.clone(), config.hosts.clone());
        let settings = config.into_settings();
        let plan = ListenerPlan { listeners: &listeners, hosts: &hosts, tls: self.tls.as_ref() };
        let check = Arc::new(host_check(&settings, &plan));
        let places = listeners.iter().zip(&self.addresses);
        let entrances = places.map(|(listener, address)| {
            let entrance = match &listener.upstream {
                Some(upstream) => ListenerDoor::default().bound_to(upstream.clone()),
                None => ListenerDoor::default(),
            };
            if is_checked(*address, hosts.checked) {
                entrance.checking_hosts(Arc::clone(&check))
            } else {
                entrance
            }
        });
        let next = NextSettings::new(settings).with_entrances(entrances.collect());
        self.reconfigurator.replace(match plugins {
            Some(plugins) => next.with_plugins(plugins),
            None => next,
        })
    }
}

/// True if requests on a listener at this address must call the proxy by one of its own names.
fn is_checked(address: Option<SocketAddr>, checked: HostCheckChoice) -> bool {
    address.is_some_and(|address| {
        checked == HostCheckChoice::Everywhere || is_loopback_address(address.ip())
    })
}

/// A listener, and the ways to reach it.
struct BoundListener {
    listener: Listener,
    /// The bound address of TCP.
    address: Option<SocketAddr>,
    /// True if no IPv4 client can connect, although the listener is bound to every address.
    is_ipv6_only: bool,
    url: String,
    /// The path of the Unix socket, absent from the URL.
    socket: Option<String>,
}

impl BoundServer {
    /// Takes the addresses, from `passed` where it has them, and prepares the engine.
    ///
    /// # Errors
    /// The system's errors, and a fault of the configuration, if a name turns out to lead to an
    /// address not served without TLS.
    pub(crate) async fn open(
        engine: Engine,
        plan: ListenerPlan<'_>,
        passed: &mut PassedSockets,
    ) -> Result<Self, Failure> {
        let check = Arc::new(host_check(&engine.settings, &plan));
        let (mut places, mut held, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
        for listener in plan.listeners {
            let opened = OpenedSocket::open(&listener.listen, listener.mode, passed)
                .await
                .with_context(|| format!("cannot listen on `{}`", listener.listen))?;
            held.push(Arc::new(opened.held));
            let place = BoundListener::of(listener, opened.socket)?;
            if let Some(fault) = place
                .address
                .and_then(|address| listener.exposure_at(address.ip(), &Origin::Default))
            {
                return Err(Faults::one(fault).into());
            }
            warnings.extend(place.address.and_then(|address| listener.warning_at(address.ip())));
            let place = place.with(listener, plan.tls)?;
            places.push(if is_checked(place.address, plan.hosts.checked) {
                place.checking(&check)
            } else {
                place
            });
        }
        let server = Server::new(engine.settings, engine.services).context("cannot start")?;
        Ok(Self { server, places, held, warnings })
    }

    /// Returns the second handles on the listening sockets. They are dropped when the server stops
    /// to accept, and so belong into its `shutdown`.
    pub(crate) fn take_held_sockets(&mut self) -> Vec<Arc<HeldSocket>> {
        std::mem::take(&mut self.held)
    }

    /// Returns a way to ask whether the worker threads still work.
    pub(crate) fn pulse(&self) -> WorkerPulse {
        self.server.pulse()
    }

    /// Returns the engine as a change of the configuration reaches it, once it serves. `tls` is that
    /// of the listeners.
    pub(crate) fn running(&self, tls: Option<&Arc<TlsServer>>) -> RunningEngine {
        RunningEngine {
            reconfigurator: self.server.reconfigurator(),
            addresses: self.places.iter().map(|place| place.address).collect(),
            tls: tls.cloned(),
        }
    }

    /// Returns the URL of the first listener for a program on the same machine.
    pub(crate) fn url(&self) -> String {
        self.places.first().map(|place| place.url.clone()).unwrap_or_default()
    }

    /// Returns the further option that `curl` needs to reach the first listener.
    pub(crate) fn curl_option(&self) -> String {
        let socket = self.places.first().and_then(|place| place.socket.as_deref());
        socket.map(|path| format!(" --unix-socket {}", quoted(path))).unwrap_or_default()
    }

    /// Returns the bound addresses of TCP.
    pub(crate) fn tcp_addresses(&self) -> Vec<SocketAddr> {
        self.places.iter().filter_map(|place| place.address).collect()
    }

    /// Describes in words how to reach each listener.
    pub(crate) fn addresses(&self) -> Vec<String> {
        self.places.iter().map(BoundListener::shown).collect()
    }

    /// Serves until `shutdown` is done and the responses in flight are sent.
    pub(crate) async fn serve(self, shutdown: impl Future<Output = Stop> + Send) {
        let listeners = self.places.into_iter().map(|place| place.listener).collect();
        self.server.run(listeners, shutdown).await;
    }
}

impl BoundListener {
    fn of(settings: &ListenerSettings, socket: BoundSocket) -> anyhow::Result<Self> {
        let url = |port| settings.listen.url(settings.scheme, port);
        match socket {
            BoundSocket::Tcp(socket) => {
                let bound = socket.local_addr()?;
                let is_ipv6_only = bind::is_ipv6_only(&socket) && bound.ip().is_unspecified();
                let loopback = || {
                    format!(
                        "{}://[{}]:{}",
                        settings.scheme.as_str(),
                        Ipv6Addr::LOCALHOST,
                        bound.port()
                    )
                };
                Ok(Self {
                    listener: Listener::tcp(socket),
                    address: Some(bound),
                    is_ipv6_only,
                    url: if is_ipv6_only { loopback() } else { url(Some(bound.port())) },
                    socket: None,
                })
            }
            BoundSocket::Unix(socket) => Ok(Self {
                listener: Listener::unix(socket),
                address: None,
                is_ipv6_only: false,
                url: url(None),
                socket: match &settings.listen {
                    ListenAddress::Unix(path) => Some(path.display().to_string()),
                    ListenAddress::Tcp(_) => None,
                },
            }),
        }
    }

    fn checking(mut self, check: &Arc<HostCheck>) -> Self {
        self.listener = self.listener.checking_hosts(Arc::clone(check));
        self
    }

    /// Describes the listener for others: the bound address, in the form of a URL.
    fn shown(&self) -> String {
        let scheme = self.url.split(':').next().unwrap_or_default();
        match (&self.socket, self.address) {
            (Some(path), _) => format!("{} on the Unix socket {path}", self.url),
            (None, None) => self.url.clone(),
            (None, Some(address)) => {
                let every = match address.ip() {
                    IpAddr::V4(ip) if ip.is_unspecified() => {
                        " (every IPv4 address of this machine)"
                    }
                    IpAddr::V6(_) if self.is_ipv6_only => " (every IPv6 address of this machine)",
                    IpAddr::V6(ip) if ip.is_unspecified() => " (every address of this machine)",
                    _ => "",
                };
                let bound = format!("{scheme}://{address}");
                let named = self.url != bound && every.is_empty();
                if named { format!("{} ({address})", self.url) } else { format!("{bound}{every}") }
            }
        }
    }

    fn with(
        mut self,
        settings: &ListenerSettings,
        tls: Option<&Arc<TlsServer>>,
    ) -> anyhow::Result<Self> {
        if settings.scheme == Scheme::Https {
            // A listener for TLS without a certificate is refused, so that nothing is sent in the
            // clear by mistake.
            let tls = tls.context("there is no certificate")?;
            self.listener = self.listener.with_tls(Arc::clone(tls));
        }
        if let Some(upstream) = &settings.upstream {
            self.listener = self.listener.bound_to(upstream.clone());
        }
        Ok(self)
    }
}

/// Makes the runtime of the long-running commands. The runtime accepts connections, waits for
/// signals and keeps files fresh; the server's workers serve.
pub(crate) fn runtime() -> anyhow::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")
}

/// Raises the soft limit of open files to the hard limit: each connection takes a file, and the
/// usual 1,024 are soon gone. Returns the resulting limit, if any.
#[cfg(unix)]
pub(crate) fn raise_open_file_limit() -> Option<usize> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::debug!(name: "file_limit_unchanged", target: "magicproxy::wire", %error, "the limit of open files stays as it is");
    }
    getrlimit(Resource::Nofile).current.and_then(|files| usize::try_from(files).ok())
}

#[cfg(not(unix))]
pub(crate) fn raise_open_file_limit() -> Option<usize> {
    None
}
