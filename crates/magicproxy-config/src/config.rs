//! The configuration: found, read, layered and checked, with every fault reported at once.
//!
//! [`raw`] holds the configuration as written, [`Config`] the checked values. No other module of
//! this crate reads a file or a variable for settings. Operators' documentation:
//! `docs/guide/configuration.md`.

pub mod accepted;
pub mod address;
pub mod admin;
pub mod change;
mod check;
pub mod contents;
mod defaults;
mod duration;
pub mod environment;
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
mod unseen_headers;
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
pub use unseen_headers::unseen_headers;

use crate::ground::fault::Fault;
use crate::ground::scheme::Scheme;
use crate::ground::text::harmless;
use address::{ListenAddress, PublicAccess};
use admin::AdminSettings;
use contents::FileContents;
use keys::KeySettings;
use listeners::{HostSettings, ListenerSettings};
use log::LogSettings;
use plugins::PluginsSettings;
use state::{RevocationSettings, StateSettings};
use tls::{AuthoritySettings, TlsSource};

/// The checked configuration.
#[derive(Debug)]
pub struct Config {
    /// The listeners; at least one.
    pub listeners: Vec<ListenerSettings>,
    /// The names by which clients may call the proxy, and the listeners that check names.
    pub hosts: HostSettings,
    /// The source of the certificate; `None` without TLS.
    pub tls: Option<TlsSource>,
    /// The URL by which clients reach the proxy, if the operator has named a URL.
    pub public_access: Option<PublicAccess>,
    /// The files and settings of the signing and sealing keys.
    pub keys: KeySettings,
    /// The upstreams; at least one.
    pub upstreams: Vec<Arc<UpstreamSettings>>,
    /// Lifetimes of minted tokens, and the announcement of upstreams.
    pub minting: MintSettings,
    /// The state store.
    pub state: StateSettings,
    /// The place of the revocation list.
    pub revocations: RevocationSettings,
    /// The proxies in front of this proxy whose forwarding headers are believed.
    pub trusted_proxies: TrustedProxies,
    /// The time limits of the parts of an exchange.
    pub timeouts: Timeouts,
    /// The limits on each resource, with the shares of clients.
    pub limits: Limits,
    /// The settings of the log.
    pub log: LogSettings,
    /// The admin listener.
    pub admin: AdminSettings,
    /// The plugins that rules may ask.
    pub plugins: PluginsSettings,
    /// The faults for which the proxy is not served, though other commands may use the
    /// configuration.
    exposed: Vec<Fault>,
    /// True if no upstream is configured, so that the only upstream is the default.
    pub upstream_assumed: bool,
    /// The API root of each upstream's preset, even if the upstream's own root differs.
    pub preset_roots: Vec<Option<&'static str>>,
    /// The files that the check has read.
    pub contents: FileContents,
}

/// The places of keys, state and revocations, which can be used while other settings have faults.
#[derive(Clone, Debug)]
pub struct StorageSettings {
    /// The files and settings of the signing and sealing keys.
    pub keys: KeySettings,
    /// The state store.
    pub state: StateSettings,
    /// The place of the revocation list.
    pub revocations: RevocationSettings,
}

impl Config {
    /// Returns the places of keys, state and revocations.
    pub fn storage(&self) -> StorageSettings {
        StorageSettings {
            keys: self.keys.clone(),
            state: self.state.clone(),
            revocations: self.revocations.clone(),
        }
    }

    /// Returns the URL by which clients reach the proxy: the operator's, else a URL made from the
    /// first listener.
    pub fn public_access(&self) -> PublicAccess {
        let first =
            |listener: &ListenerSettings| PublicAccess::of(&listener.listen, listener.scheme);
        self.public_access.clone().or_else(|| self.listeners.first().map(first)).unwrap_or_default()
    }

    /// Returns the name or address by which clients reach the proxy: the operator's, else the first
    /// listener's.
    pub fn host(&self) -> &str {
        let first = self.listeners.first().map_or("localhost", |listener| listener.listen.host());
        self.public_access.as_ref().map_or(first, |public| &public.host)
    }

    /// Returns the settings of this machine's own certificate authority, even if no such authority
    /// exists yet.
    pub fn own_authority(&self) -> AuthoritySettings<'_> {
        AuthoritySettings { folder: self.keys.files.folder(), host: self.host() }
    }

    /// Returns the file of the certificate that clients must trust in addition, if this machine's
    /// own authority signs the proxy's certificate.
    pub fn development_authority(&self) -> Option<PathBuf> {
        matches!(self.tls, Some(TlsSource::Dev)).then(|| self.own_authority().certificate())
    }

    /// Returns a Unix socket without TLS on which the upstream can be called by its own name.
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

    /// Returns the upstream of tokens with this `aud`, or without `aud`. If no upstream is
    /// configured, every name selects the default.
    ///
    /// # Errors
    /// A message that lists the known upstreams.
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

    /// Returns a note on the API that a command assumes, if no upstream is configured.
    pub fn unchecked(&self) -> Option<String> {
        let upstream = self.upstreams.first().filter(|_| self.upstream_assumed)?;
        let UpstreamSettings { name, api_root, .. } = &**upstream;
        Some(format!(
            "no configuration names an API, so the default is used: `{name}` ({api_root}); `--config FILE` or `--api-root URL` names another"
        ))
    }

    /// Returns the upstream's name to show for this token: the token's own upstream, if no upstream
    /// is configured.
    pub fn name_for<'a>(
        &self,
        token: &'a VerifiedToken,
        upstream: &'a UpstreamSettings,
    ) -> &'a UpstreamName {
        token.upstream().filter(|_| self.upstream_assumed).unwrap_or(&upstream.name)
    }

    /// Returns everything that at least one upstream accepts, as published in the key set.
    pub fn accepts(&self) -> AcceptedTokens {
        AcceptedTokens::any_of(self.upstreams.iter().map(|upstream| &upstream.acceptance))
    }

    /// Returns the ids of keys whose tokens no upstream accepts.
    pub fn denied_keys(&self) -> Vec<String> {
        Acceptance::denied_everywhere(self.upstreams.iter().map(|upstream| &upstream.acceptance))
    }

    /// Returns the upstream's settings that verification needs.
    pub fn verify_context(upstream: &UpstreamSettings, now: UnixTime) -> VerifyContext<'_> {
        VerifyContext {
            now,
            scopes: &upstream.scopes,
            patterns: upstream.patterns,
            acceptance: &upstream.acceptance,
        }
    }

    /// True if the proxy would refuse the request, because the store would have to keep rows for a
    /// token that anyone can mint.
    pub fn keeps_nothing_for(&self, prospect: RulesDecision<'_>) -> bool {
        let stranger = prospect.token().provenance() == Provenance::Anyone;
        stranger && self.state.unlisted_minters == StrangerState::Refuse && prospect.keeps_rows()
    }

    /// Returns the settings of the engine.
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
