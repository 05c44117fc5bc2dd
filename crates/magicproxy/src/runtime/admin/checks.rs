//! The checks of readiness, each with its state, its age and a line: `docs/spec/admin.md` section
//! 4.2. A check never waits for an API, and for nothing longer than a moment.

use std::sync::Arc;
use std::time::{Duration, Instant};

use magicproxy_config::ground::userinfo::without_userinfo;
use magicproxy_core::{KeyId, TokenVersion};
use magicproxy_proxy::clock;
use magicproxy_proxy::listener::tls::TlsServer;
use magicproxy_proxy::services::{RevocationTrust, Revocations, SharedKeys};
use serde_json::{Value, json};

use super::{CurrentAdminConfig, Drain, StoreCheck};
use crate::runtime::freshness::Freshness;
use crate::runtime::tls::CertificateEnd;

/// The time without a look from which a watch counts as stuck.
const STUCK: Duration = Duration::from_secs(30);

/// All checks of a proxy.
#[derive(Debug)]
pub(crate) struct Checks {
    pub(crate) keys: KeysCheck,
    /// The check of the store; `None` without a store.
    pub(crate) store: Option<StoreCheck>,
    pub(crate) revocations: RevocationsCheck,
    /// The check of the certificate; `None` without TLS.
    pub(crate) certificate: Option<CertificateCheck>,
    pub(crate) drain: Drain,
}

/// The result of one check.
#[derive(Debug)]
pub(super) struct Check {
    name: &'static str,
    state: CheckState,
    /// The time since the facts were last found good.
    age: Option<Duration>,
    /// The facts, in one line.
    detail: String,
}

/// The state that a check finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CheckState {
    Ok,
    /// Something is to be seen to, and requests are served.
    Warning,
    /// Requests are refused, or some of them.
    Failing,
}

/// The results of all checks.
#[derive(Debug)]
pub(super) struct Findings(Vec<Check>);

impl CheckState {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failing => "failing",
        }
    }
}

impl Check {
    pub(super) fn new(name: &'static str, state: CheckState, detail: impl Into<String>) -> Self {
        // Faults may name URLs of servers.
        let detail = without_userinfo(&detail.into()).into_owned();
        Self { name, state, age: None, detail }
    }

    /// Sets the age: the time since `since`.
    pub(super) fn aged(self, since: Option<Instant>) -> Self {
        Self { age: since.map(|since| since.elapsed()), ..self }
    }

    fn line(&self) -> String {
        let age = self.age.map_or_else(|| "-".to_owned(), |age| format!("{}s", age.as_secs()));
        // Errors of others may have several lines.
        let detail = self.detail.split_whitespace().collect::<Vec<_>>().join(" ");
        format!("{} {} {age} {detail}\n", self.name, self.state.as_str())
    }

    fn to_json(&self) -> Value {
        json!({
            "name": self.name,
            "state": self.state.as_str(),
            "age_seconds": self.age.map(|age| age.as_secs()),
            "detail": self.detail,
        })
    }
}

impl Checks {
    /// Runs every check.
    pub(super) async fn run(&self) -> Findings {
        let mut found = vec![self.draining(), self.keys.check()];
        if let Some(store) = &self.store {
            found.push(store.check().await);
        }
        found.push(self.revocations.check());
        found.extend(self.certificate.as_ref().map(CertificateCheck::check));
        Findings(found)
    }

    fn draining(&self) -> Check {
        match self.drain.since() {
            None => Check::new("draining", CheckState::Ok, "no"),
            since @ Some(_) => {
                let detail = "the proxy is ending: no new connections are taken";
                Check::new("draining", CheckState::Failing, detail).aged(since)
            }
        }
    }
}

impl Findings {
    /// True if no check fails.
    pub(super) fn are_ready(&self) -> bool {
        self.0.iter().all(|check| check.state != CheckState::Failing)
    }

    /// Returns a line for each check.
    pub(super) fn lines(&self) -> String {
        self.0.iter().map(Check::line).collect()
    }

    pub(super) fn to_json(&self) -> Value {
        self.0.iter().map(Check::to_json).collect()
    }
}

/// The check of the keys: whether the ring is that of the files, and opens what the proxy accepts.
#[derive(Debug)]
pub(crate) struct KeysCheck {
    pub(crate) keys: Arc<SharedKeys>,
    pub(crate) freshness: Freshness,
    pub(crate) revocations: Arc<Revocations>,
    pub(crate) config: CurrentAdminConfig,
}

impl KeysCheck {
    fn check(&self) -> Check {
        let (ring, now, looks) = (self.keys.current(), clock::now(), self.freshness.noted());
        let usable = ring.sealing().iter().filter(|key| key.is_usable(now)).count();
        let revoked = &self.revocations.current().keys;
        let is_revoked = |id: &KeyId| revoked.contains(id.as_str());
        let published = ring.published(now).filter(|key| !is_revoked(key.id())).count();
        let config = self.config.get();
        let accepts = |version| config.versions.contains(&version);
        let seals = accepts(TokenVersion::V2);
        let (state, detail) = if let Some(fault) = looks.fault {
            let detail = format!(
                "the files have changed and are not usable, the keys read before are in use: {fault}"
            );
            (CheckState::Warning, detail)
        } else if looks.latest.is_none_or(|latest| latest.elapsed() > STUCK) {
            (CheckState::Warning, "the files are not looked at any more".to_owned())
        } else if usable == 0 && seals && !accepts(TokenVersion::V1) {
            (
                CheckState::Failing,
                "no sealing key opens anything any more, and only sealed tokens are accepted"
                    .to_owned(),
            )
        } else if usable == 0 && seals {
            (
                CheckState::Warning,
                "no sealing key opens anything any more: every sealed token is refused (`magicproxy keys generate` makes new keys)"
                    .to_owned(),
            )
        } else if published == 0 && seals {
            (
                CheckState::Warning,
                "no sealing key is published, so that nobody mints with the public key: all are retired or revoked (`magicproxy keys rotate` makes new ones)"
                    .to_owned(),
            )
        } else if accepts(TokenVersion::V1) && is_revoked(ring.active().public().id()) {
            (
                CheckState::Warning,
                "the signing key is revoked, so that the proxy mints nothing (`magicproxy keys rotate` makes a new one)".to_owned(),
            )
        } else {
            let active = ring.active().public().id();
            let detail = format!(
                "signing key {active}, {usable} sealing keys, {published} of them published"
            );
            (CheckState::Ok, detail)
        };
        Check::new("keys", state, detail).aged(looks.good)
    }
}

/// The check of the revocations: whether tokens are accepted on the ground of the list.
#[derive(Debug)]
pub(crate) struct RevocationsCheck {
    pub(crate) revocations: Arc<Revocations>,
    pub(crate) freshness: Freshness,
}

impl RevocationsCheck {
    fn check(&self) -> Check {
        let looks = self.freshness.noted();
        let is_stuck = looks.latest.is_none_or(|latest| latest.elapsed() > STUCK);
        let because =
            |fault: Option<String>| fault.map(|fault| format!(": {fault}")).unwrap_or_default();
        let (state, detail) = match self.revocations.trust() {
            RevocationTrust::Lost => {
                let detail = format!(
                    "the list has not been read for too long, every token is refused{}",
                    because(looks.fault)
                );
                (CheckState::Failing, detail)
            }
            _ if is_stuck => (
                CheckState::Failing,
                "the list is not looked at any more: what is revoked now stays accepted".to_owned(),
            ),
            RevocationTrust::Until(left) if looks.fault.is_some() => {
                let detail = format!(
                    "the list cannot be read and is trusted for {} s more{}",
                    left.as_secs(),
                    because(looks.fault)
                );
                (CheckState::Warning, detail)
            }
            _ if looks.fault.is_some() => (
                CheckState::Warning,
                format!(
                    "the list cannot be read, the one read before is in force{}",
                    because(looks.fault)
                ),
            ),
            _ => looks.warning.map_or_else(
                || (CheckState::Ok, "the list is fresh".to_owned()),
                |warning| (CheckState::Warning, warning),
            ),
        };
        Check::new("revocations", state, detail).aged(looks.good)
    }
}

/// The check of the certificate that clients see. It never fails: whether a client minds an old
/// certificate is known to the client alone, and a proxy that all balancers leave serves nobody.
#[derive(Debug)]
pub(crate) struct CertificateCheck(pub(crate) Arc<TlsServer>);

impl CertificateCheck {
    fn check(&self) -> Check {
        let (state, detail) = match self.0.certificate() {
            None => (CheckState::Warning, "there is none yet: no handshake succeeds".to_owned()),
            Some(der) => CertificateEnd::of(&der).map_or_else(
                || (CheckState::Warning, "its end cannot be read".to_owned()),
                |end| {
                    let state = if end.is_soon() { CheckState::Warning } else { CheckState::Ok };
                    (state, end.to_string())
                },
            ),
        };
        Check::new("certificate", state, detail)
    }
}
