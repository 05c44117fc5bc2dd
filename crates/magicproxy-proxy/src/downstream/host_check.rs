//! The check of the authority that a request names, against DNS rebinding: `docs/spec/upstreams.md`
//! section 2.
//!
//! An attacker can make the name of a web site resolve to the proxy's address. The site's pages
//! then speak to the proxy as to their own server, past the same-origin policy of the browser. The
//! only trace is the authority, the site's own name. The check resolves no names and reads no
//! token: a request is refused before anything else is done.

#[cfg(test)]
mod tests;

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use super::listener::tls::TlsServer;
use crate::settings::{ApiRoot, HostName, Settings};

const LOOPBACK: &str = "127.0.0.1";
const LOCALHOST: &str = "localhost";
const BELOW_LOCALHOST: &str = ".localhost";

/// The authorities that the requests of a listener may name: IP addresses, `localhost`, and names
/// from the operator.
///
/// Ports are not compared, because a page can name any port; an API's own authority is compared
/// whole.
#[derive(Debug, Default)]
pub struct HostCheck {
    /// Hosts in lower case, without port and final dot.
    hosts: Vec<String>,
    /// Authorities of the APIs, as written by clients that take the proxy for the API.
    own: Vec<String>,
    /// The certificate whose names are allowed.
    certificate: Option<Arc<TlsServer>>,
}

impl HostCheck {
    /// Makes the check for a proxy with these settings: the names in `public_access`, in the
    /// upstreams' `hosts`, and the authorities of their API roots.
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

    /// Allows these hosts in addition; ports are ignored.
    #[must_use]
    pub fn with_hosts<'h>(mut self, hosts: impl IntoIterator<Item = &'h HostName>) -> Self {
        self.hosts.extend(hosts.into_iter().map(|host| folded(host.as_str())));
        self
    }

    /// Allows the names of the current certificate in addition.
    #[must_use]
    pub fn with_certificate(mut self, certificate: Arc<TlsServer>) -> Self {
        self.certificate = Some(certificate);
        self
    }

    /// True if a request may name this authority. An empty authority is refused.
    #[must_use]
    pub fn admits(&self, authority: &str) -> bool {
        let host = without_port(authority);
        // Most requests name the loopback address, for which no parsing is needed.
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

/// Returns the host of an authority in the form in which hosts are compared.
fn folded(authority: &str) -> String {
    without_final_dot(without_port(authority)).to_ascii_lowercase()
}

/// Returns the host without the port; the brackets of an IPv6 address stay.
fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

/// Removes a final dot: `name.` and `name` are the same name (RFC 1034 section 3.1).
fn without_final_dot(host: &str) -> &str {
    host.strip_suffix('.').unwrap_or(host)
}

/// True if the host is an IP address, over which no DNS server has power. Browsers write every
/// address in this form, whatever the user typed.
fn is_address(host: &str) -> bool {
    match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        // RFC 6874: a zone, from the few clients that send the zone.
        Some(address) => {
            address.split('%').next().is_some_and(|address| address.parse::<Ipv6Addr>().is_ok())
        }
        None => host.parse::<Ipv4Addr>().is_ok(),
    }
}

/// True for `localhost` and names below (RFC 6761 section 6.3), which lead to the machine itself,
/// and which nobody can register.
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
