//! Who may read which page of the admin listener, and by which names and pages of browsers it may
//! be called: `docs/spec/admin.md` sections 2 and 3.

use http::header::{AUTHORIZATION, HOST, HeaderName, ORIGIN};
use http::request::Parts;
use magicproxy_config::ground::scheme::is_loopback_address;
use magicproxy_proxy::settings::AdminToken;
use std::net::IpAddr;

use super::current::AdminConfig;

/// The field by which browsers tell whose page sends a request (Fetch Metadata).
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// An address of the admin listener, as far as it decides who may read.
#[derive(Clone, Copy, Debug)]
pub(super) enum AccessAddress {
    /// A Unix socket: the mode of its file decides.
    Socket,
    /// The bound address of TCP.
    Tcp(IpAddr),
}

/// A client, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reader {
    /// Reads everything.
    Trusted,
    /// Has shown no token, or a wrong one. Reads the plain status.
    WithoutToken,
    /// Comes from another machine, and there is no token to show. Reads the plain status.
    FromElsewhere,
}

impl AccessAddress {
    /// Tells who the client is. `Authorization` says nothing on a Unix socket.
    pub(super) fn reader(self, token: Option<&AdminToken>, head: &Parts) -> Reader {
        match (self, token) {
            (Self::Socket, _) => Reader::Trusted,
            (Self::Tcp(_), Some(token)) => {
                let shown = bearer(head).is_some_and(|shown| token.is(shown));
                if shown { Reader::Trusted } else { Reader::WithoutToken }
            }
            (Self::Tcp(ip), None) if is_loopback_address(ip) => Reader::Trusted,
            (Self::Tcp(_), None) => Reader::FromElsewhere,
        }
    }

    /// True if the request calls the listener by one of its own names, wherever it says a name.
    pub(super) fn is_called_by_name(self, config: &AdminConfig, head: &Parts) -> bool {
        let Self::Tcp(ip) = self else { return true };
        let Some(hosts) = config.hosts_at(ip) else { return true };
        let named = head.uri.authority().map(http::uri::Authority::as_str);
        let mut fields = head.headers.get_all(HOST).iter();
        let admitted = |host: &str| hosts.admits(host);
        match (fields.next().map(http::HeaderValue::to_str), fields.next()) {
            (Some(Ok(host)), None) => admitted(host) && named.is_none_or(admitted),
            // A page of a browser always says a name; who says none says too little.
            (None, _) | (Some(_), _) => false,
        }
    }

    /// True on a Unix socket, where operations are taken.
    pub(super) fn takes_operations(self) -> bool {
        matches!(self, Self::Socket)
    }
}

/// True if a browser sends the request for a page of another origin.
pub(super) fn is_of_another_origin(head: &Parts) -> bool {
    let site = head.headers.get(FETCH_SITE).map(http::HeaderValue::as_bytes);
    head.headers.contains_key(ORIGIN)
        || site.is_some_and(|site| site != b"none" && site != b"same-origin")
}

/// Returns the token of the one field `Authorization: Bearer`.
fn bearer(head: &Parts) -> Option<&str> {
    let mut fields = head.headers.get_all(AUTHORIZATION).iter();
    let (field, None) = (fields.next()?.to_str().ok()?, fields.next()) else { return None };
    let (scheme, token) = field.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_start_matches(' '))
}
