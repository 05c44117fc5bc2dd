//! `config check --connect`: are the APIs, the state store and the ACME server reached? Names are resolved, connections made,
//! TLS agreed on. No credential and no request is sent, and the store is only pinged.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use magicproxy_core::state::StateStore as _;
use magicproxy_proxy::https::{HandshakeFault, HttpsConnector};
use magicproxy_proxy::settings::ApiRoot;
use rustls_pki_types::CertificateDer;
use serde_json::{Value, json};
use tokio::net::{TcpStream, lookup_host};

use crate::config::Config;
use crate::config::listeners::TlsSource;
use crate::config::state::StoreSettings;
use crate::failure::reason;
use crate::output::harmless;
use crate::state::LazyStore;
use crate::wire;

/// One thing that the proxy connects to, and what came of it.
#[derive(Debug)]
pub(super) struct Connection {
    /// What it is: `upstream github`, `state store`.
    what: String,
    address: String,
    fault: Option<Unreached>,
}

/// How far it went.
#[derive(Debug)]
struct Unreached {
    step: Step,
    why: String,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Name,
    Tcp,
    Tls,
    Store,
}

impl Step {
    fn as_str(self) -> &'static str {
        match self {
            Self::Name => "dns",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
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
            Some(Unreached { step, why }) => {
                format!("{what}: {} is not reached ({}): {}", harmless(address), step.as_str(), harmless(why))
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

/// Tries everything, one after the other, each within the time that the proxy itself would wait.
pub(super) fn all(config: &Config) -> anyhow::Result<Vec<Connection>> {
    let runtime = wire::runtime()?;
    let connections = runtime.block_on(async {
        let mut connections = Vec::new();
        for upstream in &config.upstreams {
            for root in upstream.origins() {
                let fault = https(root, &upstream.extra_roots, config.timeouts.connect).await.err();
                connections.push(Connection { what: format!("upstream {}", upstream.name), address: root.to_string(), fault });
            }
        }
        connections.extend(store(config).await);
        connections.extend(acme(config).await);
        connections
    });
    // A store's client may keep trying.
    runtime.shutdown_background();
    Ok(connections)
}

async fn https(root: &ApiRoot, extra_roots: &[CertificateDer<'static>], limit: Duration) -> Result<(), Unreached> {
    let target = (root.host(), root.port());
    let found = tokio::time::timeout(limit, lookup_host(target)).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    let found = found.map(|mut addresses| addresses.next().is_some());
    match found {
        Ok(true) => {}
        Ok(false) => return Err(Unreached { step: Step::Name, why: "the name has no address".to_owned() }),
        Err(error) => return Err(Unreached { step: Step::Name, why: told(&error, limit) }),
    }
    let connected = tokio::time::timeout(limit, connect(root, extra_roots)).await;
    connected.unwrap_or_else(|_| Err(Unreached { step: Step::Tcp, why: told(&io::ErrorKind::TimedOut.into(), limit) }))
}

async fn connect(root: &ApiRoot, extra_roots: &[CertificateDer<'static>]) -> Result<(), Unreached> {
    let tcp = |error: &io::Error| Unreached { step: Step::Tcp, why: reason(error) };
    if !root.is_secure() {
        return TcpStream::connect((root.host(), root.port())).await.map(drop).map_err(|error| tcp(&error));
    }
    let tls = |why: String| Unreached { step: Step::Tls, why };
    let connector = HttpsConnector::new(extra_roots.to_vec()).map_err(|error| tls(error.to_string()))?;
    connector.connect(root.host(), root.port()).await.map(drop).map_err(|error| {
        match (HandshakeFault::of(&error), error.kind()) {
            (Some(fault), _) => tls(in_words(fault)),
            (None, io::ErrorKind::InvalidInput) => tls("this is no host that a certificate can be for".to_owned()),
            (None, io::ErrorKind::UnexpectedEof) => tls("the connection ended in the handshake".to_owned()),
            (None, _) => tcp(&error),
        }
    })
}

/// Why a handshake failed, and what to do.
fn in_words(fault: HandshakeFault) -> String {
    let words = match fault {
        HandshakeFault::UnknownIssuer => {
            "the certificate is not signed by an authority that the proxy trusts (`extra_ca_file` names a further one)"
        }
        HandshakeFault::SelfSigned => {
            "the certificate is an authority's own, and a server must show one that the authority signed"
        }
        HandshakeFault::Expired => "the certificate has expired",
        HandshakeFault::NotYetValid => "the certificate is not valid yet: is the clock of this machine right?",
        HandshakeFault::WrongName => "the certificate is for another name",
        HandshakeFault::NotTls => "no TLS is spoken there: is it `http://`?",
        HandshakeFault::Certificate(why) => return format!("the certificate is not accepted: {why}"),
        HandshakeFault::Other(why) => return format!("the handshake failed: {why}"),
    };
    words.to_owned()
}

fn told(error: &io::Error, limit: Duration) -> String {
    match error.kind() {
        io::ErrorKind::TimedOut => format!("no answer in {limit:?}"),
        _ => reason(error),
    }
}

/// A file is nothing to connect to.
async fn store(config: &Config) -> Option<Connection> {
    let StoreSettings::Valkey(settings) = &config.state.store else { return None };
    let store: Arc<LazyStore> = LazyStore::of(&config.state.store)?;
    let fault = store.ping().await.err().map(|error| Unreached { step: Step::Store, why: error.to_string() });
    Some(Connection { what: "state store".to_owned(), address: settings.url.to_string(), fault })
}

async fn acme(config: &Config) -> Option<Connection> {
    let Some(TlsSource::Acme(settings)) = &config.tls else { return None };
    let address = settings.directory.to_string();
    let root = format!("https://{}", settings.directory.authority()?);
    let fault = match ApiRoot::parse(&root) {
        Ok(root) => https(&root, &settings.extra_roots, config.timeouts.connect).await.err(),
        Err(error) => Some(Unreached { step: Step::Name, why: error.to_string() }),
    };
    Some(Connection { what: "ACME server".to_owned(), address, fault })
}
