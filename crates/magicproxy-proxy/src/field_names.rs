//! Fields that no client's request brings to an upstream, whatever is configured, and why.
//!
//! The list of fields that pass (`http::header`) decides on requests. These tables decide what may be put on that list, which requests
//! are refused, and what the log and `explain` say of a dropped field. `docs/spec/upstreams.md` sections 4 and 10.

use std::fmt;

use http::header::{self, HeaderName};

/// Fields that concern one connection only.
pub(crate) const HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// Fields that make some servers take another method or path than the one that was decided on.
pub(crate) const OVERRIDES: [&str; 46] = [
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
    "x-http-path-override",
    "x-path-override",
    "x-override-path",
    "x-rewrite-path",
    "x-http-url-override",
    "x-url-override",
    "x-http-uri-override",
    "x-uri-override",
    "x-override-uri",
    "x-http-destination-url",
    "x-original-request-uri",
    "x-original-request-url",
    "x-request-url",
    "x-request-path",
    "x-http-verb",
    "x-http-verb-override",
    "x-verb-override",
    "x-request-method",
    "x-http-request-method",
    "x-method-name",
    // Rest.li: the method of the resource, whatever the method of the request is.
    "x-restli-method",
];

/// What the names in [`OVERRIDES`] begin with.
const OVERRIDE_INITIALS: [char; 4] = ['_', 'b', 'r', 'x'];

/// Fields that claim who the caller is, where it came from, for whom it acts (GitLab, Gerrit, Redmine, Elasticsearch,
/// Dynamics, SendGrid, Grafana's stores, Trino) or (WebDAV) where something goes to that no rule saw.
const CLAIMS: [&str; 42] = [
    "forwarded",
    // To CGI and its likes this is HTTP_PROXY, which HTTP libraries believe (CVE-2016-5385).
    "proxy",
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
    "x-http-host",
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
    "x-on-behalf-of",
    "x-act-as",
    "x-acting-as",
    "x-run-as",
    "x-runas-user",
    "x-switch-user",
    "x-sudo",
    "x-effective-user",
];

/// Prefixes of such fields; `impersonate-` is Kubernetes's, the others are those of proxies that log people in (oauth2-proxy, Kong,
/// Google, Azure, AWS, Tailscale, authentik, Pomerium, Vouch).
const CLAIM_PREFIXES: [&str; 19] = [
    "x-forwarded-",
    "x-remote-",
    "remote-",
    "x-auth-request-",
    "x-webauth-",
    "x-ssl-",
    "impersonate-",
    "x-impersonate-",
    "gitlab-workhorse-",
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
const CARRIERS: [&str; 41] = [
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
    "x-authorization",
    "x-redmine-api-key",
    "x-jfrog-art-api",
    "x-gitlab-static-object-token",
    "gitlab-shell-api-request",
    "runner-token",
    "x-auth-user-service-key",
    "x-shopify-access-token",
    "x-figma-token",
    "dd-api-key",
    "dd-application-key",
    "circle-token",
    "fastly-key",
    "x-nuget-apikey",
    "x-plex-token",
    "x-functions-key",
    "ocp-apim-subscription-key",
    "x-rapidapi-key",
    "x-subscription-token",
    "x-honeycomb-team",
    "x-github-otp",
    "x-amz-security-token",
    "signature",
    "dpop",
];

/// Parts of names in which clients of APIs that no table lists carry credentials.
const CARRIER_PARTS: [&str; 8] =
    ["authorization", "api-key", "apikey", "api-token", "access-token", "auth-token", "secret", "password"];

/// Why a client's field never reaches an upstream, whatever the configuration says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// It concerns one connection only (RFC 9110 section 7.6.1).
    Connection,
    /// It frames or addresses the message; the proxy writes its own.
    Message,
    /// It takes another method or path than the one that was decided on. Requests with it are refused.
    Override,
    /// It claims who the client is, where it comes from or for whom it acts.
    Claim,
    /// Tokens and credentials stand in it. The upstream gets the proxy's and no other.
    Carrier,
    /// Servers like CGI see no difference between `_` and `-`, and so none between this name and another one.
    Underscore,
}

impl Meaning {
    /// The meaning of a field, if it has one that keeps it from every upstream.
    pub(crate) fn of(name: &HeaderName) -> Option<Self> {
        let text = name.as_str();
        if HOP_BY_HOP.contains(name) || text.starts_with("proxy-") || text == "http2-settings" {
            return Some(Self::Connection);
        }
        if frames_or_addresses(name) {
            return Some(Self::Message);
        }
        if is_override(text) {
            return Some(Self::Override);
        }
        if text.contains('_') {
            return Some(Self::Underscore);
        }
        if CARRIERS.contains(&text) || CARRIER_PARTS.iter().any(|part| text.contains(part)) {
            return Some(Self::Carrier);
        }
        misleads(name).then_some(Self::Claim)
    }
}

/// The reason, as half a sentence.
impl fmt::Display for Meaning {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Connection => "it concerns one connection only (RFC 9110 section 7.6.1)",
            Self::Message => "it frames or addresses the message, and the proxy writes its own",
            Self::Override => "it overrides the method or the path that was decided on",
            Self::Claim => "it claims who the client is, or for whom it acts",
            Self::Carrier => "tokens and credentials stand in it, and the API gets the proxy's credential and no other",
            Self::Underscore => "there is a `_` in its name, which some servers read as `-`",
        })
    }
}

/// Does the proxy read, answer or write this field itself? Every request has some of them.
pub(crate) fn is_of_the_exchange(name: &HeaderName) -> bool {
    frames_or_addresses(name) || *name == header::AUTHORIZATION || HOP_BY_HOP.contains(name)
}

fn frames_or_addresses(name: &HeaderName) -> bool {
    matches!(*name, header::HOST | header::CONTENT_LENGTH | header::EXPECT | header::MAX_FORWARDS)
}

/// Names are compared with `_` and `-` as one: servers like CGI see no difference.
pub(crate) fn is_override(name: &str) -> bool {
    // Every request's names are looked at, and hardly any begins as these do.
    name.starts_with(OVERRIDE_INITIALS)
        && (OVERRIDES.contains(&name) || (name.contains('_') && OVERRIDES.contains(&name.replace('_', "-").as_str())))
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

/// Would this field change who the client is, or what is done, at a server that believes it? Responses and trailers are looked at so:
/// there is no list of the fields of an answer.
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
