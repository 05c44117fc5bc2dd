//! Public links: the URLs of the proxy that replace URLs of an upstream, for a client of a given
//! entry point. `docs/spec/rewriting.md`.

use std::sync::Arc;

use http::header::HOST;
use http::request::Parts;
use http::uri::{Authority, PathAndQuery};
use http::{HeaderValue, Uri};
use quick_cache::Equivalent;
use quick_cache::sync::Cache;

use crate::peer::Scheme;
use crate::response::rewrite::{LinkMap, Members, Rewriting};
use crate::routing::router::{EntryPoint, Route, Router};
use crate::settings::{Links, OriginId, Settings, UpstreamId, UpstreamSettings};

/// The most link maps kept. Clients of a proxy call the proxy by few names; for a client that makes
/// up more names, maps are made anew each time.
const KEPT: usize = 64;

/// The maker of link maps. Keeps the maps in use.
#[derive(Debug)]
pub(super) struct PublicLinks {
    /// The URL by which clients reach the proxy, if set by the operator.
    public: Option<Arc<str>>,
    maps: Cache<Key, Arc<LinkMap>>,
}

/// The base of the links in a response: the URL of the proxy and the client's entry point. The
/// links lead back the way that the client came.
pub(super) struct LinkBase {
    members: Arc<Members>,
    /// The target asked for by the client, if links to pages depend on the target.
    asked: Option<PathAndQuery>,
    upstream: UpstreamId,
    origin: OriginId,
    entry: EntryPoint,
    base: BaseUrl,
}

/// The URL of the proxy, as set by the operator or as called by the client.
enum BaseUrl {
    Public(Arc<str>),
    /// The name by which the client called the proxy, if the operator set no URL.
    Called(Scheme, Name),
}

/// The name of the proxy in a request, in the request's own memory.
enum Name {
    Host(HeaderValue),
    Authority(Authority),
}

/// The facts on which a link map depends.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Key {
    upstream: UpstreamId,
    origin: OriginId,
    entry: EntryPoint,
    scheme: Option<Scheme>,
    name: String,
}

/// A borrowed [`Key`]. Hashes alike, because the fields are the same in the same order.
#[derive(Hash)]
struct KeyRef<'a> {
    upstream: UpstreamId,
    origin: OriginId,
    entry: EntryPoint,
    scheme: Option<Scheme>,
    name: &'a str,
}

impl PublicLinks {
    pub(super) fn new(settings: &Settings) -> Self {
        let public = settings.public_access.as_ref().map(|url| url.to_string().into());
        Self { public, maps: Cache::new(KEPT) }
    }

    /// Returns the base of public links for a client of this route, if links are rewritten.
    pub(super) fn link_base(
        &self,
        upstream: &UpstreamSettings,
        route: &Route<'_>,
        head: &Parts,
        scheme: Scheme,
    ) -> Option<LinkBase> {
        let Links::Rewrite(members) = &upstream.links else { return None };
        let entry = route.entry?;
        // The public URL leads to the mounts. A client of a host name or listener of the upstream's
        // own stays there.
        let base = match self.public.as_ref().filter(|_| route.is_mounted()) {
            Some(public) => BaseUrl::Public(Arc::clone(public)),
            None => BaseUrl::Called(scheme, Name::of(&head.uri, head.headers.get(HOST))?),
        };
        let asked = if members.has_pages() { head.uri.path_and_query().cloned() } else { None };
        let members = Arc::clone(members);
        Some(LinkBase {
            members,
            asked,
            upstream: route.upstream,
            origin: route.origin,
            entry,
            base,
        })
    }

    /// Returns the link map of this base, kept or made anew, with the target asked for.
    pub(super) fn rewriting(&self, router: &Router, link_base: LinkBase) -> Rewriting {
        let key = link_base.key();
        let links = self.maps.get(&key).unwrap_or_else(|| {
            let map = Arc::new(link_base.map(router));
            self.maps.insert(key.to_owned(), Arc::clone(&map));
            map
        });
        Rewriting { links, asked: link_base.asked }
    }
}

impl LinkBase {
    fn key(&self) -> KeyRef<'_> {
        let Self { upstream, origin, entry, base, .. } = self;
        let (scheme, name) = match base {
            BaseUrl::Public(url) => (None, &**url),
            BaseUrl::Called(scheme, name) => (Some(*scheme), name.as_str()),
        };
        KeyRef { upstream: *upstream, origin: *origin, entry: *entry, scheme, name }
    }

    fn map(&self, router: &Router) -> LinkMap {
        let base = match &self.base {
            BaseUrl::Public(url) => url.to_string(),
            BaseUrl::Called(scheme, name) => format!("{}://{}", scheme.as_str(), name.as_str()),
        };
        let public_links = router.public_links(self.upstream, self.entry);
        let asked = match public_links.get(self.origin.place()) {
            Some((url, _)) => (*url).to_owned(),
            None => String::new(),
        };
        let (mut links, mut links_in_clear) = (Vec::new(), Vec::new());
        for (url, path) in public_links {
            let public = format!("{base}{path}");
            if let Some(url_in_clear) = in_clear(url) {
                links_in_clear.push((url_in_clear, public.clone()));
            }
            links.push((url.to_owned(), public));
        }
        // The first of two links with the same origin wins.
        LinkMap::new(links.into_iter().chain(links_in_clear))
            .with_origin(&asked)
            .behind(&base)
            .following(Arc::clone(&self.members))
    }
}

/// Returns the same URL without TLS. APIs behind a terminator of TLS use such URLs of themselves,
/// and a client that follows would send its token in clear.
fn in_clear(url: &str) -> Option<String> {
    let rest = url.strip_prefix("https://")?;
    let (authority, _) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let port = authority.rsplit(']').next().unwrap_or_default().contains(':');
    (!port).then(|| format!("http://{rest}"))
}

impl Name {
    /// Returns the name taken by `read_head` for the request's authority.
    fn of(uri: &Uri, host: Option<&HeaderValue>) -> Option<Self> {
        let authority = uri.authority().cloned().map(Self::Authority);
        authority.or_else(|| host.cloned().map(Self::Host)).filter(|name| !name.as_str().is_empty())
    }

    fn as_str(&self) -> &str {
        match self {
            Self::Host(value) => value.to_str().unwrap_or_default(),
            Self::Authority(authority) => authority.as_str(),
        }
    }
}

impl KeyRef<'_> {
    fn to_owned(&self) -> Key {
        let Self { upstream, origin, entry, scheme, name } = *self;
        Key { upstream, origin, entry, scheme, name: name.to_owned() }
    }
}

impl Equivalent<Key> for KeyRef<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        let Key { upstream, origin, entry, scheme, name } = key;
        (self.upstream, self.origin, self.entry, self.scheme, self.name)
            == (*upstream, *origin, *entry, *scheme, name.as_str())
    }
}
