//! The check of the authority that a request names, against DNS rebinding: `docs/spec/upstreams.md` section 2.
//!
//! A page of an attacker's site whose name is made to resolve to the proxy's address speaks to the proxy as if it were its own
//! server, past the same-origin policy of its reader's browser. The one trace is the authority, the site's own name. Nothing
//! here resolves names or reads a token: a request is refused before anything else is done with it.

#[cfg(test)]
mod tests;

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use super::listener::tls::TlsServer;
use crate::settings::{ApiRoot, HostName, Settings};

const LOOPBACK: &str = "127.0.0.1";
const LOCALHOST: &str = "localhost";
const BELOW_LOCALHOST: &str = ".localhost";

/// The authorities that the requests of a listener may name: IP addresses, `localhost`, and names that the operator gave.
///
/// Ports are not compared, for a page can name any; an API's own authority is compared whole.
#[derive(Debug, Default)]
pub struct HostCheck {
    /// Hosts in lower case, without port and final dot.
    hosts: Vec<String>,
    /// Authorities of the APIs, as clients write them that take the proxy for the API itself.
    own: Vec<String>,
    /// The certificate whose names are good.
    certificate: Option<Arc<TlsServer>>,
}

impl HostCheck {
    /// The check for a proxy with these settings: the names of `public_access`, of the upstreams' `hosts`, and their own.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        let mut check = Self::default();
        check
            .hosts
            .extend(settings.public_access.as_ref().map(|url| folded(url.authority().as_str())));
        for upstream in &settings.upstreams {
            check.hosts.extend(upstream.routes.hosts.iter().map(|host| folded(host.as_str())));
            check.own.extend(upstream.origins().flat_map(ApiRoot::own_authorities));
        }
        check
    }

    /// The same check, which lets these pass, too; their ports say nothing.
    #[must_use]
    pub fn with_hosts<'h>(mut self, hosts: impl IntoIterator<Item = &'h HostName>) -> Self {
        self.hosts.extend(hosts.into_iter().map(|host| folded(host.as_str())));
        self
    }

    /// The same check, which lets the names of the certificate of the moment pass, too.
    #[must_use]
    pub fn with_certificate(mut self, certificate: Arc<TlsServer>) -> Self {
        self.certificate = Some(certificate);
        self
    }

    /// May a request name this authority? None at all is no good name.
    pub(crate) fn admits(&self, authority: &str) -> bool {
        let host = without_port(authority);
        // Most requests name the loopback address, which need not be parsed.
        host == LOOPBACK
            || is_address(host)
            || is_localhost(host)
            || self.own.iter().any(|own| own.eq_ignore_ascii_case(authority))
            || self.is_given(without_final_dot(host))
    }

    fn is_given(&self, host: &str) -> bool {
        let certified =
            || self.certificate.as_ref().is_some_and(|certificate| certificate.is_named(host));
        self.hosts.iter().any(|known| known.eq_ignore_ascii_case(host)) || certified()
    }
}

/// The host of an authority as it is compared.
fn folded(authority: &str) -> String {
    without_final_dot(without_port(authority)).to_ascii_lowercase()
}

/// The host alone; the brackets of an IPv6 address stay.
fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

/// `name.` and `name` are one name (RFC 1034 section 3.1).
fn without_final_dot(host: &str) -> &str {
    host.strip_suffix('.').unwrap_or(host)
}

/// Is this an address, which no DNS server has a word in? Browsers write each in this form, whatever was typed.
fn is_address(host: &str) -> bool {
    match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        // RFC 6874: a zone, for those clients that do not keep it to themselves.
        Some(address) => {
            address.split('%').next().is_some_and(|address| address.parse::<Ipv6Addr>().is_ok())
        }
        None => host.parse::<Ipv4Addr>().is_ok(),
    }
}

/// RFC 6761 section 6.3: `localhost` and names below it lead to the machine itself, and nobody can register one.
fn is_localhost(host: &str) -> bool {
    let host = without_final_dot(host);
    let ending = host
        .len()
        .checked_sub(BELOW_LOCALHOST.len())
        .filter(|start| *start > 0)
        .and_then(|start| host.get(start..));
    host.eq_ignore_ascii_case(LOCALHOST)
        || ending.is_some_and(|ending| ending.eq_ignore_ascii_case(BELOW_LOCALHOST))
}
