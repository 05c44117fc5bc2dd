//! `config check --connect`: connections to the APIs, the state store and the ACME server. Names
//! are resolved, connections made, TLS agreed on. No credential and no request is sent, and the
//! store is only pinged.

use std::sync::Arc;

use magicproxy_core::state::StateStore as _;
use magicproxy_proxy::https::{self, Probe, ProbeStep};
use magicproxy_proxy::settings::{ApiRoot, Outbound, UpstreamProtocol};
use serde_json::{Value, json};

use crate::runtime::state::LazyStore;
use crate::runtime::wire;
use magicproxy_config::config::state::StoreSettings;
use magicproxy_config::config::tls::TlsSource;
use magicproxy_config::config::{Config, accepted};
use magicproxy_config::ground::text::harmless;

/// A server that the proxy connects to, and the outcome of the attempt.
#[derive(Debug)]
pub(super) struct Connection {
    /// The server's role: `upstream github`, `state store`.
    what: String,
    address: String,
    fault: Option<ProbeFailure>,
}

/// The step at which an attempt failed, and the reason.
#[derive(Debug)]
struct ProbeFailure {
    step: Step,
    why: String,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Name,
    Tcp,
    Proxy,
    Tls,
    Http,
    Store,
}

impl From<https::ProbeFailure> for ProbeFailure {
    fn from(unreached: https::ProbeFailure) -> Self {
        let step = match unreached.step {
            ProbeStep::Name => Step::Name,
            ProbeStep::Tcp => Step::Tcp,
            ProbeStep::Proxy => Step::Proxy,
            ProbeStep::Tls => Step::Tls,
            ProbeStep::Http => Step::Http,
        };
        Self { step, why: unreached.reason }
    }
}

impl Step {
    fn as_str(self) -> &'static str {
        match self {
            Self::Name => "dns",
            Self::Tcp => "tcp",
            Self::Proxy => "proxy",
            Self::Tls => "tls",
            Self::Http => "http",
            Self::Store => "store",
        }
    }
}

impl Connection {
    pub(super) fn is_made(&self) -> bool {
        self.fault.is_none()
    }

    pub(super) fn describe(&self) -> String {
        let Self { what, address, fault } = self;
        match fault {
            None => format!("{what}: {} is reached", harmless(address)),
            Some(ProbeFailure { step, why }) => {
                format!(
                    "{what}: {} is not reached ({}): {}",
                    harmless(address),
                    step.as_str(),
                    harmless(why)
                )
            }
        }
    }

    pub(super) fn to_json(&self) -> Value {
        let fault = self.fault.as_ref();
        json!({
            "what": self.what,
            "address": self.address,
            "reached": self.is_made(),
            "step": fault.map(|fault| fault.step.as_str()),
            "reason": fault.map(|fault| fault.why.clone()),
        })
    }
}

/// Tries everything, one after the other, each within the proxy's own time limit.
pub(super) fn all(config: &Config) -> anyhow::Result<Vec<Connection>> {
    let runtime = wire::runtime()?;
    let connections = runtime.block_on(async {
        let mut connections = Vec::new();
        for upstream in &config.upstreams {
            for root in upstream.origins() {
                let (protocol, extra_roots) = (upstream.protocol, upstream.extra_roots.as_slice());
                let outbound = &upstream.outbound;
                let probe =
                    Probe { root, protocol, extra_roots, outbound, limit: config.timeouts.connect };
                let fault = probe.reach().await.err().map(ProbeFailure::from);
                connections.push(Connection {
                    what: format!("upstream {}", upstream.name),
                    address: root.to_string(),
                    fault,
                });
            }
        }
        connections.extend(store(config).await);
        connections.extend(acme(config).await);
        connections
    });
    // The store's client may still be trying.
    runtime.shutdown_background();
    Ok(connections)
}

/// Warns of upstreams for which anyone can mint, and whose name this machine resolves to a private
/// address. Upstreams behind another proxy are left out, because the name is resolved there.
pub(super) fn inside(config: &Config) -> anyhow::Result<Vec<String>> {
    let runtime = wire::runtime()?;
    let mut warnings = Vec::new();
    for upstream in &config.upstreams {
        for root in upstream.origins().filter(|root| upstream.outbound.proxy(root).is_none()) {
            let Some(name) = accepted::name_to_resolve(root) else { continue };
            let private = runtime.block_on(async {
                let resolving = tokio::net::lookup_host((name, root.port()));
                let found = tokio::time::timeout(config.timeouts.connect, resolving).await;
                found.is_ok_and(|found| {
                    found.is_ok_and(|mut found| {
                        found.any(|address| accepted::is_private_address(address.ip()))
                    })
                })
            });
            warnings.extend(
                Some(root).filter(|_| private).and_then(|root| accepted::open_to(upstream, root)),
            );
        }
    }
    runtime.shutdown_background();
    Ok(warnings)
}

/// Pings the store; a store in a file needs no connection.
async fn store(config: &Config) -> Option<Connection> {
    let StoreSettings::Valkey(settings) = &config.state.store else { return None };
    let store: Arc<LazyStore> = LazyStore::of(&config.state.store)?;
    let fault = store
        .ping()
        .await
        .err()
        .map(|error| ProbeFailure { step: Step::Store, why: error.to_string() });
    Some(Connection { what: "state store".to_owned(), address: settings.url.to_string(), fault })
}

async fn acme(config: &Config) -> Option<Connection> {
    let Some(TlsSource::Acme(settings)) = &config.tls else { return None };
    let address = settings.directory.to_string();
    let root = format!("https://{}", settings.directory.authority()?);
    let fault = match ApiRoot::parse(&root) {
        Ok(root) => {
            let (protocol, extra_roots) =
                (UpstreamProtocol::Http1, settings.extra_roots.as_slice());
            let outbound = &Outbound::Direct;
            let probe = Probe {
                root: &root,
                protocol,
                extra_roots,
                outbound,
                limit: config.timeouts.connect,
            };
            probe.reach().await.err().map(ProbeFailure::from)
        }
        Err(error) => Some(ProbeFailure { step: Step::Name, why: error.to_string() }),
    };
    Some(Connection { what: "ACME server".to_owned(), address, fault })
}
