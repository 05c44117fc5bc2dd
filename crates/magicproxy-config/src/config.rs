//! The configuration: found, read, layered and checked, with every fault reported at once.
//!
//! [`raw`] is what was written, [`Config`] what holds; nothing else in this crate reads a file or a variable for settings.
//! Operators' documentation: `docs/guide/configuration.md`.

pub mod accepted;
pub mod address;
mod check;
mod defaults;
mod duration;
mod environment;
mod found;
pub mod keys;
mod layers;
mod limits;
pub mod lint;
pub mod listeners;
pub mod log;
mod mint;
mod native;
pub mod outbound;
pub mod plugins;
mod preset;
mod python;
pub mod raw;
mod scopes;
pub mod setting;
mod size;
pub mod state;
#[cfg(test)]
mod tests;
mod timeouts;
pub mod tls;
mod tokens;
pub mod upstream;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use magicproxy_core::{
    Acceptance, AcceptedTokens, Provenance, RulesDecision, UnixTime, UnnamedTokens, UpstreamName,
    VerifiedToken, VerifyContext,
};
use magicproxy_proxy::settings::{
    ApiRoot, Limits, MintSettings, Settings, StrangerState, Timeouts, TrustedProxies,
    UpstreamSettings,
};

pub use duration::parse_duration;
pub use layers::{
    ConfigurationForm, Flags, Layers, WorkingDirectory, check_configuration, unknown_keys,
};

use crate::ground::fault::Fault;
use crate::ground::scheme::Scheme;
use crate::ground::text::harmless;
use address::{ListenAddress, PublicAccess};
use keys::KeySettings;
use listeners::{HostSettings, ListenerSettings};
use log::LogSettings;
use plugins::PluginsSettings;
use state::{RevocationSettings, StateSettings};
use tls::{AuthoritySettings, TlsSource};

/// The checked configuration.
#[derive(Debug)]
pub struct Config {
    /// At least one.
    pub listeners: Vec<ListenerSettings>,
    /// Which names clients may call it by there.
    pub hosts: HostSettings,
    /// Where the certificate comes from, if there is one.
    pub tls: Option<TlsSource>,
    /// What the operator said about it.
    pub public_access: Option<PublicAccess>,
    /// Where the keys are.
    pub keys: KeySettings,
    /// At least one.
    pub upstreams: Vec<Arc<UpstreamSettings>>,
    /// What minters may have.
    pub minting: MintSettings,
    /// Where state is kept.
    pub state: StateSettings,
    /// Where revocations are kept.
    pub revocations: RevocationSettings,
    /// Proxies in front of this one.
    pub trusted_proxies: TrustedProxies,
    /// How long each part of an exchange may take.
    pub timeouts: Timeouts,
    /// How much of each resource there is, and what one client may hold of it.
    pub limits: Limits,
    /// What is logged.
    pub log: LogSettings,
    /// The plugins that rules may ask.
    pub plugins: PluginsSettings,
    /// Why it is not served as it stands; other commands may go by it all the same.
    exposed: Vec<Fault>,
    /// Nobody has said which API this is for: the only upstream is the default one.
    pub upstream_assumed: bool,
    /// For each upstream the root of the API that its preset is for, whatever its own root is.
    pub preset_roots: Vec<Option<&'static str>>,
}

impl Config {
    /// The URL by which clients reach the proxy, as far as anybody knows.
    pub fn public_access(&self) -> PublicAccess {
        let first =
            |listener: &ListenerSettings| PublicAccess::of(&listener.listen, listener.scheme);
        self.public_access.clone().or_else(|| self.listeners.first().map(first)).unwrap_or_default()
    }

    /// The name or address by which clients reach the proxy, as far as anybody knows.
    pub fn host(&self) -> &str {
        let first = self.listeners.first().map_or("localhost", |listener| listener.listen.host());
        self.public_access.as_ref().map_or(first, |public| &public.host)
    }

    /// What the certificate authority of this machine's own is made of, if there is one.
    pub fn own_authority(&self) -> AuthoritySettings<'_> {
        AuthoritySettings { folder: self.keys.files.folder(), host: self.host() }
    }

    /// What clients must trust besides, where the certificate is signed by this machine's own authority.
    pub fn development_authority(&self) -> Option<PathBuf> {
        matches!(self.tls, Some(TlsSource::Dev)).then(|| self.own_authority().certificate())
    }

    /// A Unix socket on which an upstream is found by its own name, in the clear.
    pub fn socket_of(&self, upstream: &UpstreamName) -> Option<&Path> {
        let leads =
            |bound: &Option<UpstreamName>| bound.as_ref().is_none_or(|bound| bound == upstream);
        self.listeners.iter().find_map(|listener| match &listener.listen {
            ListenAddress::Unix(path)
                if listener.scheme == Scheme::Http && leads(&listener.upstream) =>
            {
                Some(path.as_path())
            }
            _ => None,
        })
    }

    /// The upstream of tokens with this `aud`, or with none. Where nobody has said which API this is for, any name will do.
    pub fn upstream_named(&self, aud: Option<&str>) -> Result<&UpstreamSettings, String> {
        let mut upstreams = self.upstreams.iter();
        let found = match aud {
            Some(_) if self.upstream_assumed => upstreams.next(),
            Some(aud) => upstreams.find(|upstream| upstream.is_called(aud)),
            None => upstreams.find(|upstream| upstream.unnamed == UnnamedTokens::Accept),
        };
        found.map(|upstream| &**upstream).ok_or_else(|| {
            let known: Vec<String> =
                self.upstreams.iter().map(|upstream| format!("`{}`", upstream.name)).collect();
            let known = known.join(", ");
            match aud {
                Some(aud) => format!(
                    "`{}` is no upstream of this configuration, which has {known}",
                    harmless(aud)
                ),
                None => {
                    format!("an upstream must be named (`--aud`): this configuration has {known}")
                }
            }
        })
    }

    /// What a command without a proxy to ask cannot check.
    pub fn unchecked(&self) -> Option<String> {
        let upstream = self.upstreams.first().filter(|_| self.upstream_assumed)?;
        let UpstreamSettings { name, api_root, .. } = &**upstream;
        Some(format!(
            "not checked: no configuration says which API the proxy serves; this is as for `{name}` ({api_root})"
        ))
    }

    /// The name of the upstream that a look at this token is about: where nobody has said which, the one it names.
    pub fn name_for<'a>(
        &self,
        token: &'a VerifiedToken,
        upstream: &'a UpstreamSettings,
    ) -> &'a UpstreamName {
        token.upstream().filter(|_| self.upstream_assumed).unwrap_or(&upstream.name)
    }

    /// What is accepted by at least one upstream, as the key set tells it.
    pub fn accepts(&self) -> AcceptedTokens {
        AcceptedTokens::any_of(self.upstreams.iter().map(|upstream| &upstream.acceptance))
    }

    /// The ids of keys whose tokens no upstream accepts.
    pub fn denied_keys(&self) -> Vec<String> {
        Acceptance::denied_everywhere(self.upstreams.iter().map(|upstream| &upstream.acceptance))
    }

    /// What verification needs to know.
    pub fn verify_context(upstream: &UpstreamSettings, now: UnixTime) -> VerifyContext<'_> {
        VerifyContext {
            now,
            scopes: &upstream.scopes,
            patterns: upstream.patterns,
            acceptance: &upstream.acceptance,
        }
    }

    /// Is this a request for which the store would keep something, with a token for which it keeps nothing?
    pub fn keeps_nothing_for(&self, prospect: RulesDecision<'_>) -> bool {
        let stranger = prospect.token().provenance() == Provenance::Anyone;
        stranger && self.state.unlisted_minters == StrangerState::Refuse && prospect.keeps_rows()
    }

    /// What the engine is told.
    pub fn into_settings(self) -> Settings {
        Settings {
            strangers: self.state.unlisted_minters,
            upstreams: self.upstreams,
            public_access: self.public_access.and_then(|public| ApiRoot::parse(&public.url).ok()),
            minting: self.minting,
            trusted_proxies: self.trusted_proxies,
            timeouts: self.timeouts,
            limits: self.limits,
        }
    }
}
