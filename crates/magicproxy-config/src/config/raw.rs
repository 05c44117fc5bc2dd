//! The configuration as written, checked for its form alone. The module `check` checks the values.
//!
//! Each layer (flags, environment, files, defaults) has one [`RawConfig`]. Editors show the doc
//! comments of the fields, by way of `magicproxy config schema`. Each section is defined in the
//! module with its check.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::admin::RawAdmin;
use super::keys::RawKeys;
use super::limits::RawLimits;
use super::listeners::{HostCheckChoice, RawListener};
use super::log::RawLog;
use super::mint::RawMint;
use super::outbound::{OutboundText, RawProxies};
use super::plugins::RawPlugin;
use super::scopes::RawRuleSetting;
use super::setting::{Entry, FromText, GivenValue, Section, Setting};
use super::state::RawState;
use super::timeouts::RawTimeouts;
use super::tls::{RawAcme, RawTls};
use super::tokens::RawTokens;
use super::upstream::RawUpstream;
use crate::ground::fault::Origin;

/// Configuration of Magic API Proxy.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct RawConfig {
    /// The address on which the proxy listens: `HOST:PORT`, `:PORT` for every address, or
    /// `unix:PATH`.
    #[serde(default)]
    pub listen: Setting<String>,
    /// Further addresses to listen on. If `listen` is missing, the list stands alone.
    #[serde(default)]
    pub listeners: Vec<RawListener>,
    /// Further names by which clients may call the proxy. Other settings name some already.
    /// `check_host` selects the listeners on which names are checked.
    #[serde(default)]
    pub allowed_hosts: Setting<Vec<GivenValue<String>>>,
    /// The listeners on which a request must call the proxy by a name of its own.
    #[serde(default)]
    pub check_host: Setting<HostCheckChoice>,
    /// Lets other machines reach the proxy, and mint, without TLS. For containers behind a server
    /// that speaks TLS.
    #[serde(default)]
    pub danger_plain_http: Setting<bool>,
    /// TLS towards clients.
    #[serde(default)]
    pub tls: RawTls,
    /// A certificate from an ACME server, such as Let's Encrypt. Naming domains means agreeing to
    /// the server's terms of service.
    #[serde(default)]
    pub acme: RawAcme,
    /// The URL by which clients reach the proxy. Its host is the name in the certificate beside the
    /// keys.
    #[serde(default)]
    pub public_access: Setting<String>,
    /// The signing keys.
    #[serde(default)]
    pub keys: RawKeys,
    /// The clients that may mint, and the lifetimes of their tokens.
    #[serde(default)]
    pub mint: RawMint,
    /// The tokens that are accepted.
    #[serde(default)]
    pub tokens: RawTokens,
    /// The store for facts that the proxy cannot read from tokens.
    #[serde(default)]
    pub state: RawState,
    /// The proxy by which APIs are reached, with `CONNECT`.
    #[serde(default)]
    pub outbound_proxy: Setting<OutboundText>,
    /// A file that holds the URL of the outbound proxy. The URL may name a password.
    #[serde(default)]
    pub outbound_proxy_file: Setting<String>,
    /// The outbound proxies that the environment names.
    #[serde(skip)]
    pub proxies: RawProxies,
    /// The API at the root of the proxy.
    #[serde(default)]
    pub upstream: RawUpstream,
    /// Further APIs, by name. Each is found at `/NAME` unless its table has another `mount`.
    #[serde(default)]
    pub upstreams: BTreeMap<String, RawUpstream>,
    /// The time limits of the proxy.
    #[serde(default)]
    pub timeouts: RawTimeouts,
    /// The limits on connections, memory and requests.
    #[serde(default)]
    pub limits: RawLimits,
    /// The lines that the proxy writes to standard error.
    #[serde(default)]
    pub log: RawLog,
    /// The admin listener: health, readiness, version and metrics of the proxy, on addresses of its
    /// own.
    #[serde(default)]
    pub admin: RawAdmin,
    /// Plugins by name: WebAssembly components that the rules of a scope may ask.
    #[serde(default)]
    pub plugins: BTreeMap<String, RawPlugin>,
    /// The folder of compiled plugins.
    #[serde(default)]
    pub plugin_cache: Setting<String>,
    /// Named lists of rules that tokens may refer to.
    #[serde(default)]
    pub scopes: BTreeMap<String, Vec<GivenValue<RawRuleSetting>>>,
}

/// Applies a macro to each section, so that the list of sections is written once.
macro_rules! each_section {
    ($config:expr, $do:ident $(, $extra:expr)*) => {
        $do!($config, tls $(, $extra)*);
        $do!($config, acme $(, $extra)*);
        $do!($config, keys $(, $extra)*);
        $do!($config, mint $(, $extra)*);
        $do!($config, tokens $(, $extra)*);
        $do!($config, state $(, $extra)*);
        $do!($config, upstream $(, $extra)*);
        $do!($config, timeouts $(, $extra)*);
        $do!($config, limits $(, $extra)*);
        $do!($config, log $(, $extra)*);
        $do!($config, admin $(, $extra)*);
    };
}

impl RawConfig {
    /// Completes this layer by a lower layer. Scopes are completed by name.
    pub fn or(self, lower: Self) -> Self {
        let mut scopes = lower.scopes;
        scopes.extend(self.scopes);
        let mut upstreams = lower.upstreams;
        for (name, upstream) in self.upstreams {
            let below = upstreams.remove(&name).unwrap_or_default();
            upstreams.insert(name, upstream.or(below));
        }
        let mut plugins = lower.plugins;
        for (name, plugin) in self.plugins {
            let below = plugins.remove(&name).unwrap_or_default();
            plugins.insert(name, plugin.or(below));
        }
        Self {
            listen: self.listen.or(lower.listen),
            listeners: if self.listeners.is_empty() { lower.listeners } else { self.listeners },
            allowed_hosts: self.allowed_hosts.or(lower.allowed_hosts),
            check_host: self.check_host.or(lower.check_host),
            danger_plain_http: self.danger_plain_http.or(lower.danger_plain_http),
            tls: self.tls.or(lower.tls),
            acme: self.acme.or(lower.acme),
            public_access: self.public_access.or(lower.public_access),
            keys: self.keys.or(lower.keys),
            mint: self.mint.or(lower.mint),
            tokens: self.tokens.or(lower.tokens),
            state: self.state.or(lower.state),
            outbound_proxy: self.outbound_proxy.or(lower.outbound_proxy),
            outbound_proxy_file: self.outbound_proxy_file.or(lower.outbound_proxy_file),
            proxies: if self.proxies == RawProxies::default() {
                lower.proxies
            } else {
                self.proxies
            },
            upstream: self.upstream.or(lower.upstream),
            upstreams,
            timeouts: self.timeouts.or(lower.timeouts),
            limits: self.limits.or(lower.limits),
            log: self.log.or(lower.log),
            admin: self.admin.or(lower.admin),
            plugins,
            plugin_cache: self.plugin_cache.or(lower.plugin_cache),
            scopes,
        }
    }

    /// Returns all given settings, for `config show`.
    pub fn entries(&self) -> Vec<Entry<'_>> {
        let mut entries = Vec::new();
        entries.extend(entry("listen", &self.listen));
        entries.extend(entry("allowed_hosts", &self.allowed_hosts));
        entries.extend(entry("check_host", &self.check_host));
        entries.extend(entry("danger_plain_http", &self.danger_plain_http));
        entries.extend(entry("public_access", &self.public_access));
        entries.extend(entry("plugin_cache", &self.plugin_cache));
        entries.extend(entry("outbound_proxy", &self.outbound_proxy));
        entries.extend(entry("outbound_proxy_file", &self.outbound_proxy_file));
        let listeners = self.listeners.iter().zip(1..);
        entries.extend(
            listeners
                .flat_map(|(listener, number)| listener.entries(&format!("listeners.{number}"))),
        );
        macro_rules! list {
            ($config:expr, $name:ident) => {
                entries.extend($config.$name.entries(stringify!($name)));
            };
        }
        each_section!(self, list);
        entries.extend(
            self.upstreams
                .iter()
                .flat_map(|(name, upstream)| upstream.entries(&format!("upstreams.{name}"))),
        );
        entries.extend(
            self.plugins
                .iter()
                .flat_map(|(name, plugin)| plugin.entries(&format!("plugins.{name}"))),
        );
        for (name, rules) in &self.scopes {
            let origin = rules.first().map_or(&Origin::Default, |rule| &rule.origin);
            entries.push(Entry::listed(&format!("scopes.{name}"), rules, origin));
        }
        entries
    }

    /// Returns the keys of all settings that text can give: `listen`, `keys.folder`, ….
    pub fn keys() -> Vec<String> {
        let mut keys: Vec<String> = TOP_LEVEL.map(str::to_owned).into();
        macro_rules! list {
            ($config:expr, $name:ident) => {
                keys.extend(
                    section_keys(&$config.$name)
                        .iter()
                        .map(|key| format!("{}.{key}", stringify!($name))),
                );
            };
        }
        let config = Self::default();
        each_section!(config, list);
        keys
    }

    /// True if a setting of this name, in some section, may hold a secret.
    pub fn may_hold_secret(name: &str) -> bool {
        let mut found = name == "outbound_proxy" && OutboundText::MAY_HOLD_SECRET;
        macro_rules! ask {
            ($config:expr, $section:ident) => {
                found |= section_may_hold_secret(&$config.$section, name);
            };
        }
        let config = Self::default();
        each_section!(config, ask);
        found
    }

    /// Sets one of [`Self::keys`] from text.
    ///
    /// # Errors
    /// The message says what was expected.
    pub fn set(&mut self, key: &str, text: &str, origin: Origin) -> Result<(), String> {
        match key {
            "listen" => self.listen = Setting::new(text.to_owned(), origin),
            "outbound_proxy" => {
                self.outbound_proxy = Setting::new(OutboundText::from_text(text)?, origin)
            }
            "outbound_proxy_file" => {
                self.outbound_proxy_file = Setting::new(text.to_owned(), origin)
            }
            "plugin_cache" => self.plugin_cache = Setting::new(text.to_owned(), origin),
            "public_access" => self.public_access = Setting::new(text.to_owned(), origin),
            "check_host" => {
                self.check_host = Setting::new(HostCheckChoice::from_text(text)?, origin)
            }
            "danger_plain_http" => {
                self.danger_plain_http = Setting::new(bool::from_text(text)?, origin)
            }
            _ => return self.set_in_section(key, text, origin),
        }
        Ok(())
    }

    fn set_in_section(&mut self, key: &str, text: &str, origin: Origin) -> Result<(), String> {
        let (section, key) = key.split_once('.').unwrap_or((key, ""));
        macro_rules! set {
            ($config:expr, $name:ident) => {
                if section == stringify!($name) {
                    return $config.$name.set(key, text, origin);
                }
            };
        }
        each_section!(self, set);
        Err("there is no such setting".to_owned())
    }
}

/// The settings outside of all tables that text can give.
const TOP_LEVEL: [&str; 7] = [
    "listen",
    "plugin_cache",
    "public_access",
    "check_host",
    "danger_plain_http",
    "outbound_proxy",
    "outbound_proxy_file",
];

/// Returns the line of `config show` for a setting outside of all tables.
fn entry<'s, T: Serialize + FromText>(key: &str, setting: &'s Setting<T>) -> Option<Entry<'s>> {
    setting.given().map(|given| Entry::of(key, given))
}

fn section_may_hold_secret<S: Section>(_: &S, name: &str) -> bool {
    S::may_hold_secret(name)
}

fn section_keys<S: Section>(_: &S) -> &'static [&'static str] {
    S::KEYS
}
