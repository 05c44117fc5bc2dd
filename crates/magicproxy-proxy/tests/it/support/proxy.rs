//! The proxy under test, on a free port.

use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use magicproxy_core::{Policy, ScopeName, Scopes, UnnamedTokens, UpstreamName};
use magicproxy_proxy::listener::Listener;
use magicproxy_proxy::rewrite::Members;
use magicproxy_proxy::server::{NextSettings, Reconfigurator, ReplacementReport, Server, Stop};
use magicproxy_proxy::services::Services;
use magicproxy_proxy::settings::{
    ApiRoot, HttpMint, Links, PassedHeader, Settings, Timeouts, UpstreamSettings,
};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::keys::{keys, parse};
use super::{Upstream, soon, watch};

/// The upstream's name.
pub(crate) const NAME: &str = "api.test";

/// What a proxy is made of. Tests change its settings as if it were them.
pub(crate) struct Setup {
    pub(crate) settings: Settings,
    pub(crate) services: Services,
}

impl Deref for Setup {
    type Target = Settings;

    fn deref(&self) -> &Settings {
        &self.settings
    }
}

impl DerefMut for Setup {
    fn deref_mut(&mut self) -> &mut Settings {
        &mut self.settings
    }
}

/// A running proxy; dropping it aborts its accept loop.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    stop: Arc<Notify>,
    replace: Arc<Notify>,
    end: Arc<Notify>,
    running: JoinHandle<()>,
    pub(crate) reconfigurator: Reconfigurator,
}

impl Proxy {
    /// Ordinary settings.
    pub(crate) async fn before(upstream: &Upstream) -> Self {
        Self::with(upstream, |_| ()).await
    }

    /// Settings that a test changed.
    pub(crate) async fn with(upstream: &Upstream, change: impl FnOnce(&mut Setup)) -> Self {
        let mut settings = settings(upstream.address, "");
        change(&mut settings);
        Self::start(settings).await
    }

    pub(crate) async fn start(setup: Setup) -> Self {
        Self::listening(setup, |listener| vec![listener]).await
    }

    /// On the listeners that a test makes of a socket on a free port.
    pub(crate) async fn listening(
        setup: Setup,
        listeners: impl FnOnce(Listener) -> Vec<Listener>,
    ) -> Self {
        watch::install();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let listeners = listeners(Listener::tcp(listener));
        let (stop, replace) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let end = Arc::new(Notify::new());
        let (stopped, replaced) = (Arc::clone(&stop), Arc::clone(&replace));
        let ending = Arc::clone(&end);
        let server = Server::new(setup.settings, setup.services).unwrap();
        let shutdown = async move {
            tokio::select! {
                () = stopped.notified() => Stop::Interrupted,
                () = ending.notified() => Stop::Ending,
                () = replaced.notified() => Stop::Replaced,
            }
        };
        let reconfigurator = server.reconfigurator();
        let running = tokio::spawn(async move { server.run(listeners, shutdown).await });
        Self { address, stop, replace, end, running, reconfigurator }
    }

    /// Tells the proxy that another process serves in its place.
    pub(crate) fn replaced(&self) {
        self.replace.notify_one();
    }

    /// Gives the running proxy these settings.
    pub(crate) fn reconfigure(&self, setup: Setup) -> ReplacementReport {
        self.reconfigurator.replace(NextSettings::new(setup.settings)).unwrap()
    }

    /// Tells the proxy to stop, as SIGINT would.
    pub(crate) fn shut_down(&self) {
        self.stop.notify_one();
    }

    /// Tells the proxy to end, as SIGTERM would.
    pub(crate) fn terminate(&self) {
        self.end.notify_one();
    }

    /// Waits until the proxy has ended.
    pub(crate) async fn ended(&mut self) {
        soon(&mut self.running).await.unwrap();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.running.abort();
        if !std::thread::panicking() {
            watch::assert_clean();
        }
    }
}

/// Ordinary settings for an upstream at `address` with a base path.
pub(crate) fn settings(address: SocketAddr, base_path: &str) -> Setup {
    let mut scopes = Scopes::default();
    scopes.insert(
        ScopeName::parse("reading").unwrap(),
        parse(&["GET /read/.*", "GET /user"]).try_into().unwrap(),
    );
    scopes
        .insert(ScopeName::parse("writing").unwrap(), parse(&["POST /write"]).try_into().unwrap());
    let api_root = ApiRoot::parse(&format!("http://{address}{base_path}")).unwrap();
    let upstream = UpstreamSettings {
        unnamed: UnnamedTokens::Accept,
        scopes: Arc::new(scopes),
        links: Links::Rewrite(Arc::new(Members::parse(["**"]).unwrap())),
        ..UpstreamSettings::new(UpstreamName::parse(NAME).unwrap(), api_root)
    };
    let settings = Settings { timeouts: patient(), ..Settings::new(vec![Arc::new(upstream)]) };
    Setup { settings, services: Services::of_keys(keys()) }
}

/// Timeouts that no slow machine reaches: a test of one sets it.
fn patient() -> Timeouts {
    const LONG: Duration = Duration::from_secs(600);
    // Each by its name: a new one is thought of here.
    Timeouts {
        connect: LONG,
        upstream_queue: LONG,
        header: LONG,
        response: LONG,
        body_idle: LONG,
        inspected_body: LONG,
        response_idle: LONG,
        keep_alive: LONG,
        upstream_connection_age: LONG,
        refusal: LONG,
        websocket_idle: LONG,
        total: None,
        drain: LONG,
    }
}

/// The only upstream of settings that nobody else has yet.
pub(crate) trait OnlyUpstream {
    fn upstream_mut(&mut self) -> &mut UpstreamSettings;
    /// Nobody mints over HTTP.
    fn close_mint(&mut self);
}

impl OnlyUpstream for Setup {
    fn upstream_mut(&mut self) -> &mut UpstreamSettings {
        Arc::get_mut(&mut self.upstreams[0]).unwrap()
    }

    fn close_mint(&mut self) {
        for upstream in &mut self.upstreams {
            Arc::get_mut(upstream).unwrap().http_mint = HttpMint::Closed;
        }
    }
}

/// Names of request headers that an operator lets pass.
pub(crate) fn listed(names: &[&str]) -> Vec<PassedHeader> {
    names.iter().map(|name| PassedHeader::parse(name).unwrap()).collect()
}

/// A compiled list of rules.
pub(crate) fn rules(rules: &[&str]) -> Policy {
    Policy::compile(&parse(rules)).unwrap()
}
