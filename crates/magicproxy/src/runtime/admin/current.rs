//! The configuration of the admin listener, as it is now: everything of it that a reload changes.
//! What is taken over at the start is the addresses, and the mode of a socket's file.

use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};

use magicproxy_config::config::Config;
use magicproxy_config::config::listeners::HostCheckChoice;
use magicproxy_config::ground::scheme::is_loopback_address;
use magicproxy_core::TokenVersion;
use magicproxy_proxy::host_check::HostCheck;
use magicproxy_proxy::settings::{AdminToken, HostName};

/// What the pages take from the configuration.
#[derive(Debug)]
pub(crate) struct AdminConfig {
    /// The token that clients over TCP show; `None` if there is none to show.
    pub(super) token: Option<AdminToken>,
    /// The names by which requests may call the listener.
    hosts: HostCheck,
    checked: HostCheckChoice,
    /// The versions of tokens that at least one upstream accepts.
    pub(super) versions: Vec<TokenVersion>,
}

/// The configuration of the admin listener in force, shared by all that read it.
#[derive(Clone, Debug)]
pub(crate) struct CurrentAdminConfig(Arc<RwLock<Arc<AdminConfig>>>);

impl CurrentAdminConfig {
    pub(crate) fn new(config: AdminConfig) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(config))))
    }

    pub(super) fn get(&self) -> Arc<AdminConfig> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the configuration: requests that come from now on have the new one.
    pub(crate) fn replace(&self, config: AdminConfig) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
    }
}

impl AdminConfig {
    /// Takes what the admin listener needs.
    pub(crate) fn of(config: &Config) -> Self {
        let listen = config.admin.listen.iter();
        let named: Vec<_> = listen.filter_map(|listen| HostName::parse(listen.host())).collect();
        Self {
            token: config.admin.token.clone(),
            hosts: HostCheck::default().with_hosts(&config.hosts.allowed).with_hosts(&named),
            checked: config.hosts.checked,
            versions: config.accepts().versions,
        }
    }

    /// Returns the names by which requests to this bound address may call the listener; `None` for
    /// any name.
    pub(super) fn hosts_at(&self, ip: IpAddr) -> Option<&HostCheck> {
        let is_checked = self.checked == HostCheckChoice::Everywhere || is_loopback_address(ip);
        is_checked.then_some(&self.hosts)
    }
}
