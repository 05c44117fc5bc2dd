//! Request headers on their way up.

use std::net::IpAddr;

use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue};

use super::{HOP_BY_HOP, announced_trailers, nominated};
use crate::listener::Peer;
use crate::rejection::Rejection;
use crate::settings::{Forwarding, UpstreamSettings};

/// Fields that make some servers take another method or path than the one that was decided on.
const OVERRIDES: [&str; 25] = [
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
    "x-http-methodoverride",
    "x-override-method",
    "x-original-method",
    "x-real-method",
    "_method",
    "x-original-url",
    "x-rewrite-url",
    "x-rewrite-uri",
    "x-override-url",
    "x-original-uri",
    "x-original-path",
    "x-envoy-original-path",
    "x-http-destinationurl",
    "x-proxy-url",
    "x-accel-redirect",
    "request-uri",
    "x-request-uri",
    "x-uri",
    "x-path",
    "base-url",
    "x-waws-unencoded-url",
    "x-arbitrary-url",
];

/// Fields that claim who the caller is, where it came from, for whom it acts (GitLab, Gerrit, Redmine, Elasticsearch,
/// Dynamics, SendGrid, Grafana's stores, Trino) or (WebDAV) where something goes to that no rule saw.
const CLAIMS: [&str; 32] = [
    "forwarded",
    "via",
    "x-real-ip",
    "x-client-ip",
    "true-client-ip",
    "client-ip",
    "cf-connecting-ip",
    "x-originating-ip",
    "x-remote-ip",
    "x-remote-addr",
    "x-cluster-client-ip",
    "x-host",
    "x-original-host",
    "x-http-host-override",
    "front-end-https",
    "x-ssl-client-dn",
    "x-sendfile",
    "destination",
    "sudo",
    "x-gerrit-runas",
    "x-redmine-switch-user",
    "es-security-runas-user",
    "mscrmcallerid",
    "callerobjectid",
    "on-behalf-of",
    "x-forwarded",
    "x-original-forwarded-for",
    "fastly-client-ip",
    "x-scope-orgid",
    "x-trino-user",
    "cf-access-authenticated-user-email",
    "cf-access-jwt-assertion",
];

/// Prefixes of such fields; `impersonate-` is Kubernetes's, the others are those of proxies that log people in (oauth2-proxy, Kong,
/// Google, Azure, AWS, Tailscale, authentik, Pomerium, Vouch).
const CLAIM_PREFIXES: [&str; 17] = [
    "x-forwarded-",
    "x-remote-",
    "remote-",
    "x-auth-request-",
    "x-webauth-",
    "x-ssl-",
    "impersonate-",
    "x-authenticated-",
    "x-consumer-",
    "x-goog-authenticated-user-",
    "x-goog-iap-",
    "x-ms-client-principal",
    "x-amzn-oidc-",
    "tailscale-user-",
    "x-authentik-",
    "x-pomerium-",
    "x-vouch-",
];

/// Fields in which clients carry credentials. The upstream gets ours and no other.
const CARRIERS: [&str; 17] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "cookie2",
    "private-token",
    "job-token",
    "deploy-token",
    "x-api-key",
    "api-key",
    "apikey",
    "x-auth-key",
    "x-auth-email",
    "x-auth-token",
    "x-access-token",
    "x-goog-api-key",
    "x-vault-token",
    "x-consul-token",
];

/// Refuses a request whose headers try to override its method or its path.
///
/// Names are compared with `_` and `-` as one: CGI-like servers see no difference.
pub(crate) fn refuse_overrides(headers: &HeaderMap) -> Result<(), Rejection> {
    let overriding = |name: &&HeaderName| {
        OVERRIDES.contains(&name.as_str())
            || (name.as_str().contains('_') && OVERRIDES.contains(&name.as_str().replace('_', "-").as_str()))
    };
    match headers.keys().find(overriding) {
        Some(name) => Err(Rejection::OverrideHeader(name.clone())),
        None => Ok(()),
    }
}

/// What is needed to prepare a request's headers for the upstream.
pub(crate) struct RequestHeaders<'a> {
    pub(crate) upstream: &'a UpstreamSettings,
    /// Fields in which tokens and credentials stand, by configuration.
    pub(crate) stripped: &'a [HeaderName],
    pub(crate) peer: Peer,
    /// A WebSocket handshake keeps its `Upgrade`.
    pub(crate) upgrade: bool,
}

impl RequestHeaders<'_> {
    /// Turns the caller's headers into the upstream's, without credential and `Host`: those are set last, by the one who
    /// holds the permit, so that nothing here can take them away again.
    pub(crate) fn prepare(&self, headers: &mut HeaderMap) {
        let named = nominated(headers);
        let trailers = announced_trailers(headers, self.stripped);
        let dropped: Vec<HeaderName> = headers.keys().filter(|name| self.drops(name) || named.contains(name)).cloned().collect();
        for name in dropped {
            headers.remove(name);
        }
        if let Some(trailers) = trailers {
            headers.insert(header::TRAILER, trailers);
        }
        limit_codings(headers);
        if self.upgrade {
            headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        }
        self.set_forwarding(headers);
    }

    fn drops(&self, name: &HeaderName) -> bool {
        HOP_BY_HOP.contains(name)
            || matches!(*name, header::HOST | header::CONTENT_LENGTH | header::EXPECT | header::MAX_FORWARDS)
            || name.as_str() == "http2-settings"
            || steers(name)
            || self.stripped.contains(name)
            || self.upstream.drop_request_headers.contains(name)
    }

    fn set_forwarding(&self, headers: &mut HeaderMap) {
        let set = |headers: &mut HeaderMap, name: &'static str, text: &str| {
            if let Ok(value) = HeaderValue::from_str(text) {
                headers.insert(name, value);
            }
        };
        let scheme = self.peer.scheme.as_str();
        match self.upstream.forwarding {
            Forwarding::None => return,
            Forwarding::Forwarded => {
                // RFC 7239 section 6: `unknown` where there is no address.
                let node = match self.peer.address {
                    None => "unknown".to_owned(),
                    Some(IpAddr::V4(address)) => address.to_string(),
                    Some(IpAddr::V6(address)) => format!("\"[{address}]\""),
                };
                set(headers, "forwarded", &format!("for={node};proto={scheme}"));
            }
            Forwarding::XForwarded => {
                if let Some(address) = self.peer.address {
                    set(headers, "x-forwarded-for", &address.to_string());
                }
                set(headers, "x-forwarded-proto", scheme);
            }
        }
        set(headers, "via", "1.1 magicproxy");
    }
}

/// Fields of HTTP itself that describe or guard a request, or name its caller: a secret in one of them would be lost or wrong.
/// With them go all that begin with one of [`DESCRIBING_PREFIXES`].
const DESCRIBING: [&str; 12] = [
    "host",
    "cookie",
    "cookie2",
    "set-cookie",
    "expect",
    "max-forwards",
    "range",
    "user-agent",
    "date",
    "origin",
    "x-auth-email",
    "referer",
];
const DESCRIBING_PREFIXES: [&str; 7] = ["content-", "accept", "if-", "sec-", "proxy-", "cache-", "http2-"];

/// May a token or a credential stand in this field, where an operator says so? `Authorization` has carriers of its own.
pub(crate) fn may_carry_secret(name: &HeaderName) -> bool {
    let text = name.as_str();
    !HOP_BY_HOP.contains(name)
        && !DESCRIBING.contains(&text)
        && !DESCRIBING_PREFIXES.iter().any(|prefix| text.starts_with(prefix))
        && !misleads(name)
}

/// Would this field change who the caller is, or what is done, at a server that believes it? In a trailer it would too.
pub(crate) fn steers(name: &HeaderName) -> bool {
    CARRIERS.contains(&name.as_str()) || misleads(name)
}

/// [`steers`], without the fields that carry credentials by profession.
fn misleads(name: &HeaderName) -> bool {
    let text = name.as_str();
    text.contains('_')
        || CLAIMS.contains(&text)
        || OVERRIDES.contains(&text)
        || CLAIM_PREFIXES.iter().any(|prefix| text.starts_with(prefix))
}

/// Asks the upstream for no other content coding than the ones in which an echoed credential can be found. An upstream that is not
/// asked may choose any (RFC 9110 section 12.5.3), and a part of a compressed body cannot be searched.
fn limit_codings(headers: &mut HeaderMap) {
    let mut asked = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let takes_gzip = asked.any(accepts_gzip) && !headers.contains_key(header::RANGE);
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(if takes_gzip { "gzip" } else { "identity" }));
}

/// RFC 9110 section 12.5.3: is `gzip` listed with a weight other than zero?
fn accepts_gzip(value: &str) -> bool {
    value.split(',').any(|item| {
        let mut parts = item.split(';').map(str::trim);
        let coding = parts.next().unwrap_or_default();
        let refused = parts.any(|parameter| {
            let weight = parameter.strip_prefix("q=").or_else(|| parameter.strip_prefix("Q="));
            weight.is_some_and(|weight| weight.trim().parse::<f32>().is_ok_and(|weight| weight <= 0.0))
        });
        (coding.eq_ignore_ascii_case("gzip") || coding.eq_ignore_ascii_case("x-gzip")) && !refused
    })
}
