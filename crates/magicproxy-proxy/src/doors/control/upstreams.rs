//! The facts about upstreams told by the control plane, and the clients that may be told:
//! `docs/spec/upstreams.md` section 9.
//!
//! A client without a token learns of the API at the root of the proxy, and may ask for a single
//! name at a time. The bearer of a token may know the token's upstream; everyone may know all
//! upstreams, where the operator says so.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Response};
use magicproxy_core::{AcceptedTokens, KnownNames, UnnamedTokens, UnverifiedToken, UpstreamName};
use serde_json::json;

use super::{Control, ControlHead, respond};
use crate::exchange::gate::ControlClient;
use crate::exchange::served::ServedUpstream;
use crate::rejection::Rejection;
use crate::response::body::ResponseBody;
use crate::settings::{Announcement, UpstreamSettings};
use crate::version::VERSION;

/// The facts about upstreams that a client may know. Gathered anew for each request that tells of
/// upstreams.
#[derive(Clone)]
pub(super) struct UpstreamListing {
    /// The upstreams of which everything may be told: names, mounts, API roots, names of scopes.
    known: Vec<Arc<UpstreamSettings>>,
    /// The only upstream of the proxy, whose name is no secret.
    only: Option<Arc<UpstreamSettings>>,
    /// True if the list has every upstream of the proxy.
    complete: bool,
    /// True if minting over HTTP is open for at least one upstream.
    mints_somewhere: bool,
}

impl Control {
    /// Returns the facts about upstreams that the client of this request may know.
    pub(super) async fn listing(&self, asking: ControlHead<'_>) -> UpstreamListing {
        let all = &self.settings.upstreams;
        let known = match self.settings.minting.announce {
            Announcement::All => all.clone(),
            Announcement::Root => self.of_bearer(asking).await.into_iter().collect(),
        };
        let only = all.first().filter(|_| all.len() == 1).cloned();
        let mints_somewhere = self.settings.mints_over_http();
        UpstreamListing {
            complete: known.len() == all.len() || only.is_some(),
            known,
            only,
            mints_somewhere,
        }
    }

    /// Returns the upstream of the client's token, if the token is genuine, alive and not revoked.
    ///
    /// At most one token is verified, whatever the number of upstreams: by the upstream named in
    /// the token or, for a token without a name, by the upstream that accepts such tokens.
    async fn of_bearer(&self, asking: ControlHead<'_>) -> Option<Arc<UpstreamSettings>> {
        let served = asking.named_by_token()?;
        served.ensure_bearer(asking.client()).await.ok()?;
        Some(Arc::clone(served.settings()))
    }

    /// Responds to `/upstreams` with the upstreams that the client may know, and to
    /// `/upstreams/NAME` with the tokens accepted there, if there is an upstream of that name.
    pub(super) async fn upstreams(
        &self,
        served: Option<&ServedUpstream>,
        below: &str,
        asking: ControlHead<'_>,
    ) -> Result<Response<ResponseBody>, Rejection> {
        let asked = below.strip_prefix("/upstreams").ok_or(Rejection::ControlPath)?;
        if !matches!(asking.head.method, Method::GET | Method::HEAD) {
            return Err(Rejection::ControlMethod("GET, HEAD"));
        }
        let listing = self.listing(asking).await;
        let shown = match asked.strip_prefix('/') {
            None if asked.is_empty() => {
                let names: Vec<&UpstreamName> = listing.names().collect();
                json!({ "upstreams": names, "complete": listing.complete })
            }
            None => return Err(Rejection::ControlPath),
            Some(name) => {
                let name = decoded(name);
                // Below a mount, the upstream of the mount is the only one.
                let mounted = served.map(ServedUpstream::settings);
                let mounted = mounted.filter(|upstream| !upstream.routes.mount.is_root());
                let found = self.settings.upstreams.iter().find(|upstream| {
                    let is_here = mounted.is_none_or(|mounted| mounted.name == upstream.name);
                    is_here && upstream.is_called(&name)
                });
                let Some(found) = found else {
                    let known = listing.known_names().unwrap_or_default();
                    return Err(Rejection::UnknownUpstream { known });
                };
                json!({ "upstream": found.name, "accepts": AcceptedTokens::any_of([&found.acceptance]) })
            }
        };
        Ok(respond("application/json", Bytes::from(shown.to_string())))
    }
}

impl UpstreamListing {
    /// Returns the text of the control plane of an upstream or, without `served`, of all upstreams.
    pub(super) fn about(&self, served: Option<&ServedUpstream>) -> String {
        let here = served.map(ServedUpstream::settings);
        let here = here.filter(|upstream| upstream.routes.mount.is_root() || self.knows(upstream));
        let first = match here {
            Some(upstream) => {
                format!("magic API proxy for {} version {VERSION}", upstream.api_root)
            }
            None => format!("magic API proxy version {VERSION}"),
        };
        let closed =
            !served.map_or(self.mints_somewhere, |served| served.settings().mints_over_http());
        let all_closed = closed && served.is_none();
        // Below a mount, the text is about that upstream only.
        let at_root = served.is_none_or(|served| served.settings().routes.mount.is_root());
        let mut text = first;
        if closed {
            text += "\nminting is closed";
        }
        for upstream in &self.known {
            let is_here = here.is_some_and(|here| here.name == upstream.name);
            if !at_root || is_here {
                continue;
            }
            let UpstreamSettings { name, api_root, routes, .. } = &**upstream;
            text += &format!("\n{name} at {}/ for {api_root}", routes.mount.as_str());
            if !all_closed && !upstream.mints_over_http() {
                text += ", where minting is closed";
            }
        }
        text
    }

    /// Tells whether faults of a mint request for this upstream may list its configured names.
    pub(super) fn names_of(&self, upstream: &UpstreamSettings) -> KnownNames {
        if self.knows(upstream) { KnownNames::Listed } else { KnownNames::Withheld }
    }

    /// Returns the names that may be told, if any.
    pub(super) fn known_names(&self) -> Option<Vec<UpstreamName>> {
        let names: Vec<UpstreamName> = self.names().cloned().collect();
        Some(names).filter(|names| !names.is_empty())
    }

    fn names(&self) -> impl Iterator<Item = &UpstreamName> {
        let only = self.only.iter().filter(|only| !self.knows(only));
        self.known.iter().chain(only).map(|upstream| &upstream.name)
    }

    fn knows(&self, upstream: &UpstreamSettings) -> bool {
        self.known.iter().any(|known| known.name == upstream.name)
    }
}

impl<'a> ControlHead<'a> {
    pub(super) fn client(&self) -> ControlClient<'a> {
        ControlClient { headers: &self.head.headers, client: self.client, token: self.token }
    }

    /// Returns the upstream of a bearer's question about its own token: the upstream of the path or
    /// else the upstream named in the token. The name is not believed: that upstream's gate
    /// verifies the token.
    pub(super) fn about(
        &self,
        routed: Option<&'a ServedUpstream>,
    ) -> Result<&'a ServedUpstream, Rejection> {
        routed.or_else(|| self.named_by_token()).ok_or(Rejection::NoUpstream)
    }

    /// Returns the upstream named in the client's token, or the upstream that accepts tokens
    /// without a name.
    fn named_by_token(&self) -> Option<&'a ServedUpstream> {
        self.upstreams.iter().find(|served| {
            let presented = served.presented(self.head);
            presented.is_ok_and(|token| is_for(token.as_str(), served.settings()))
        })
    }
}

/// True if the token claims to be for this upstream. Nothing in the token is believed yet.
fn is_for(token: &str, upstream: &UpstreamSettings) -> bool {
    let Ok(claims) =
        UnverifiedToken::parse(token).map(|token| token.claims_for_display().unwrap_or_default())
    else {
        return false;
    };
    match claims.get("aud").and_then(|aud| aud.as_str()) {
        Some(aud) => upstream.is_called(aud),
        None => upstream.unnamed == UnnamedTokens::Accept,
    }
}

/// Decodes a name in a path: RFC 3986 demands `[` and `]` encoded, and clients may encode `:`.
fn decoded(name: &str) -> String {
    let pairs =
        [("%5B", "["), ("%5b", "["), ("%5D", "]"), ("%5d", "]"), ("%3A", ":"), ("%3a", ":")];
    pairs.iter().fold(name.to_owned(), |name, (encoded, plain)| name.replace(encoded, plain))
}
