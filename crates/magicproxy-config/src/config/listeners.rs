//! The listeners of the proxy, and the names by which clients may call the proxy: from the written
//! to the checked settings.

use std::net::IpAddr;
use std::sync::Arc;

use magicproxy_core::UpstreamName;
use magicproxy_proxy::settings::{HostName, UpstreamSettings};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::address::ListenAddress;
use super::check::{Checker, list, said};
use super::raw::RawConfig;
use super::setting::{GivenValue, Section as _, Setting, choices, section};
use crate::ground::fault::{Fault, Origin};
use crate::ground::scheme::{Scheme, is_loopback_address};
use crate::ground::suggest;

/// The default mode of a socket's file: the owner and the group may connect.
const SOCKET_MODE: u32 = 0o660;

section! {
    /// A listener: an address on which the proxy listens, and its settings.
    RawListener {
        /// The address: `HOST:PORT` or `unix:PATH`.
        listen: String,
        /// The name of the one upstream for all requests on this listener. By default mounts and
        /// host names decide.
        upstream: String,
        /// Requires TLS of clients. By default true on TCP, if there is a certificate.
        tls: bool,
        /// The mode of a Unix socket's file, in octal: `"0660"`.
        mode: String,
    }
}

/// The listeners on TCP on which a request must call the proxy by a known name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum HostCheckChoice {
    /// Listeners with a loopback address.
    #[default]
    Loopback,
    /// All listeners on TCP.
    Everywhere,
}

choices!(HostCheckChoice);

/// The names by which requests may call the proxy, and the listeners on which names are checked.
#[derive(Clone, Debug)]
pub struct HostSettings {
    /// The names in addition to those given by other settings.
    pub allowed: Vec<HostName>,
    /// The listeners where the name is checked.
    pub checked: HostCheckChoice,
}

/// A listener, checked.
#[derive(Clone, Debug)]
pub struct ListenerSettings {
    /// The address.
    pub listen: ListenAddress,
    /// The scheme that clients use.
    pub scheme: Scheme,
    /// The one upstream for all requests; `None` lets mounts and host names decide.
    pub upstream: Option<UpstreamName>,
    /// The mode of a Unix socket's file.
    pub mode: u32,
    /// The clients that may reach the listener without TLS.
    pub plain_http: PlainHttp,
}

/// The clients that may reach a listener on TCP without TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlainHttp {
    /// Programs on this machine only, because minting is open, and credentials travel to the
    /// listener.
    Loopback,
    /// Any client, because nobody mints over HTTP; only tokens travel to the listener.
    NothingMinted,
    /// Any client, because the operator accepts the danger.
    Accepted,
}

impl ListenerSettings {
    /// Returns the reason for which the listener must not be served, if any. The address behind a
    /// host name is known only after binding.
    pub(super) fn exposure(&self, origin: &Origin) -> Option<Fault> {
        let ListenAddress::Tcp(address) = &self.listen else { return None };
        self.exposure_at(address.host.parse().ok()?, origin)
    }

    /// Returns the reason for which a listener bound to this address must not be served, if any.
    pub fn exposure_at(&self, address: IpAddr, origin: &Origin) -> Option<Fault> {
        let exposed = self.plain_http == PlainHttp::Loopback && self.is_open_at(address);
        let message = || {
            let listen = &self.listen;
            format!(
                "listen `{listen}`: without TLS others than this machine could mint there, with credentials in the clear"
            )
        };
        exposed.then(|| Fault::new(message(), origin.clone()).help(WAYS_OUT_OF_EXPOSURE))
    }

    /// Returns a warning on a listener that is served at this address, if tokens travel in the
    /// clear.
    pub fn warning_at(&self, address: IpAddr) -> Option<String> {
        let clear = self.plain_http == PlainHttp::NothingMinted && self.is_open_at(address);
        clear.then(|| {
            format!("listen `{}`: without TLS tokens travel in the clear, for others on the network to use", self.listen)
        })
    }

    /// True if the listener would speak plain HTTP to other machines at this address.
    fn is_open_at(&self, address: IpAddr) -> bool {
        self.scheme == Scheme::Http && !is_loopback_address(address)
    }
}

const WAYS_OUT_OF_EXPOSURE: &str = "where something in front speaks TLS, as for containers, write `danger_plain_http = true` \
    (MAGICPROXY_DANGER_PLAIN_HTTP=true, --danger-plain-http); else give a certificate (`[tls]`, `[acme]`), listen on 127.0.0.1 or \
    unix:PATH, or close minting (`mint.policy = \"closed\"`)";

impl Checker<'_> {
    /// Checks all listeners; `None` if one has a fault.
    pub(super) fn listeners(
        &mut self,
        raw: &RawConfig,
        upstreams: Option<&[Arc<UpstreamSettings>]>,
    ) -> Option<Vec<(ListenerSettings, Origin)>> {
        let said = raw.listeners.is_empty()
            || raw.listen.given().is_some_and(|given| given.origin != Origin::Default);
        let first =
            said.then(|| RawListener { listen: raw.listen.clone(), ..RawListener::default() });
        let first = first.iter().map(|listener| ("listen".to_owned(), listener));
        let further =
            raw.listeners.iter().map(|listener| ("listeners.listen".to_owned(), listener));
        let checked: Vec<_> = first
            .chain(further)
            .map(|(key, listener)| {
                let settings = self.listener(&key, listener, raw, upstreams)?;
                Some((settings, listener.listen.given()?.origin.clone()))
            })
            .collect();
        let listeners: Vec<_> = checked.into_iter().collect::<Option<_>>()?;
        self.distinct_addresses(&listeners);
        Some(listeners)
    }

    /// Checks the names by which requests may call the proxy.
    pub(super) fn hosts(&mut self, raw: &RawConfig) -> HostSettings {
        let mut allowed = Vec::new();
        for given in list(&raw.allowed_hosts) {
            match HostName::parse(&given.value) {
                Some(host) => allowed.push(host),
                None => self.fault(
                    format!(
                        "allowed_hosts `{}`: expected a host such as `proxy.example.com`",
                        given.value
                    ),
                    &given.origin,
                ),
            }
        }
        HostSettings { allowed, checked: said(&raw.check_host) }
    }

    fn listener(
        &mut self,
        key: &str,
        listener: &RawListener,
        raw: &RawConfig,
        upstreams: Option<&[Arc<UpstreamSettings>]>,
    ) -> Option<ListenerSettings> {
        if listener.listen.given().is_none() {
            let origin =
                listener.entries("").first().map_or(Origin::Default, |entry| entry.origin.clone());
            self.fault("listeners.listen is needed: `HOST:PORT` or `unix:PATH`", &origin);
        }
        let listen =
            match (self.text(key, &listener.listen, ListenAddress::parse), listener.listen.given())
            {
                (Some(ListenAddress::Unix(path)), Some(given)) => {
                    Some(ListenAddress::Unix(self.sources.absolute(path, &given.origin)))
                }
                (listen, _) => listen,
            };
        let is_unix = matches!(listen, Some(ListenAddress::Unix(_)));
        let mode = self.mode(&listener.mode, is_unix);
        let scheme = self.scheme(&listener.tls, raw, is_unix);
        let upstream = match (listener.upstream.given(), upstreams) {
            (Some(given), Some(upstreams)) => Some(self.bound(given, upstreams)?),
            _ => None,
        };
        let plain_http = match upstreams {
            _ if said(&raw.danger_plain_http) => PlainHttp::Accepted,
            Some(upstreams) if !upstreams.iter().any(|upstream| upstream.mints_over_http()) => {
                PlainHttp::NothingMinted
            }
            _ => PlainHttp::Loopback,
        };
        Some(ListenerSettings {
            listen: listen?,
            scheme: scheme?,
            upstream,
            mode: mode?,
            plain_http,
        })
    }

    fn mode(&mut self, setting: &Setting<String>, is_unix: bool) -> Option<u32> {
        let Some(given) = setting.given() else { return Some(SOCKET_MODE) };
        let mode = self.octal_mode("listeners.mode", given);
        if mode.is_some() && !is_unix {
            self.fault("listeners.mode: only a Unix socket has one", &given.origin);
        }
        mode
    }

    /// Reads the mode of a socket's file.
    pub(super) fn octal_mode(&mut self, key: &str, given: &GivenValue<String>) -> Option<u32> {
        let octal = |text: &str| {
            matches!(text.len(), 3 | 4) && text.bytes().all(|byte| (b'0'..=b'7').contains(&byte))
        };
        let mode = u32::from_str_radix(&given.value, 8)
            .ok()
            .filter(|mode| octal(&given.value) && *mode <= 0o777);
        if mode.is_none() {
            self.fault(
                format!("{key} `{}`: expected octal digits such as `0660`", given.value),
                &given.origin,
            );
        }
        mode
    }

    fn scheme(
        &mut self,
        setting: &Setting<bool>,
        raw: &RawConfig,
        is_unix: bool,
    ) -> Option<Scheme> {
        let certificate = raw.tls.certificate.given().is_some()
            || raw.acme.domains.given().is_some()
            || said(&raw.tls.dev);
        match setting.given() {
            Some(GivenValue { value: true, origin }) if !certificate => {
                let fault = Fault::new("listeners.tls: there is no certificate", origin.clone());
                self.faults.push(
                    fault.help("name one: `[tls] certificate = \"…\"` and `private_key = \"…\"`"),
                );
                None
            }
            Some(GivenValue { value: true, .. }) => Some(Scheme::Https),
            None if certificate && !is_unix => Some(Scheme::Https),
            _ => Some(Scheme::Http),
        }
    }

    fn bound(
        &mut self,
        given: &GivenValue<String>,
        upstreams: &[Arc<UpstreamSettings>],
    ) -> Option<UpstreamName> {
        let names = || upstreams.iter().map(|upstream| upstream.name.as_str());
        let found = upstreams.iter().find(|upstream| upstream.is_called(&given.value));
        if found.is_none() {
            let help = match suggest::nearest(&given.value, names()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("expected one of `{}`", names().collect::<Vec<_>>().join("`, `")),
            };
            let fault = Fault::new(
                format!("listeners.upstream `{}`: there is no such upstream", given.value),
                given.origin.clone(),
            );
            self.faults.push(fault.help(help));
        }
        found.map(|upstream| upstream.name.clone())
    }

    fn distinct_addresses(&mut self, listeners: &[(ListenerSettings, Origin)]) {
        for (at, (listener, origin)) in listeners.iter().enumerate() {
            let mut earlier = listeners.iter().take(at);
            if earlier.any(|(other, _)| other.listen.excludes(&listener.listen)) {
                self.fault(
                    format!("listeners.listen `{}`: another listener is there", listener.listen),
                    origin,
                );
            }
        }
    }
}
