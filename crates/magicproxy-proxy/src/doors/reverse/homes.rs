//! Where URLs of an upstream lead at the proxy, for a caller who came a certain way.

use std::sync::Arc;

use http::header::HOST;
use http::request::Parts;
use http::uri::{Authority, PathAndQuery};
use http::{HeaderValue, Uri};
use quick_cache::Equivalent;
use quick_cache::sync::Cache;

use crate::peer::Scheme;
use crate::response::rewrite::{LinkMap, Members, Rewriting};
use crate::routing::placing::{Place, Places, Way};
use crate::settings::{Links, OriginId, Settings, UpstreamId, UpstreamSettings};

/// Maps that are kept. Callers of one proxy call it by few names; whoever makes up more gets maps that are made anew.
const KEPT: usize = 64;

/// Makes link maps, and keeps the ones in use.
#[derive(Debug)]
pub(super) struct Homes {
    /// The URL by which callers reach the proxy, where the operator says so.
    public: Option<Arc<str>>,
    maps: Cache<Key, Arc<LinkMap>>,
}

/// The way that a caller came, from the proxy's own URL on.
pub(super) struct Home {
    members: Arc<Members>,
    /// What the caller asked for, where that matters.
    asked: Option<PathAndQuery>,
    upstream: UpstreamId,
    origin: OriginId,
    way: Way,
    base: Base,
}

enum Base {
    Public(Arc<str>),
    /// Without a name of its own the proxy is called what the caller called it.
    Called(Scheme, Name),
}

/// Shares the request's memory.
enum Name {
    Host(HeaderValue),
    Authority(Authority),
}

/// What a map depends on.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Key {
    upstream: UpstreamId,
    origin: OriginId,
    way: Way,
    scheme: Option<Scheme>,
    name: String,
}

/// The same, borrowed; hashed alike, for its fields are the same in the same order.
#[derive(Hash)]
struct KeyRef<'a> {
    upstream: UpstreamId,
    origin: OriginId,
    way: Way,
    scheme: Option<Scheme>,
    name: &'a str,
}

impl Homes {
    pub(super) fn new(settings: &Settings) -> Self {
        let public = settings.public_access.as_ref().map(|url| url.to_string().into());
        Self { public, maps: Cache::new(KEPT) }
    }

    /// Where URLs of the upstream lead a caller who came this way, if they are rewritten.
    pub(super) fn home(&self, upstream: &UpstreamSettings, place: &Place<'_>, head: &Parts, scheme: Scheme) -> Option<Home> {
        let Links::Rewrite(members) = &upstream.links else { return None };
        let way = place.way?;
        // The public URL is that of the mounts; who came by a name of the upstream's own stays there.
        let base = match self.public.as_ref().filter(|_| place.is_mounted()) {
            Some(public) => Base::Public(Arc::clone(public)),
            None => Base::Called(scheme, Name::of(&head.uri, head.headers.get(HOST))?),
        };
        let asked = if members.has_pages() { head.uri.path_and_query().cloned() } else { None };
        let members = Arc::clone(members);
        Some(Home { members, asked, upstream: place.upstream, origin: place.origin, way, base })
    }

    pub(super) fn rewriting(&self, places: &Places, home: Home) -> Rewriting {
        let key = home.key();
        let links = self.maps.get(&key).unwrap_or_else(|| {
            let map = Arc::new(home.map(places));
            self.maps.insert(key.to_owned(), Arc::clone(&map));
            map
        });
        Rewriting { links, asked: home.asked }
    }
}

impl Home {
    fn key(&self) -> KeyRef<'_> {
        let Self { upstream, origin, way, base, .. } = self;
        let (scheme, name) = match base {
            Base::Public(url) => (None, &**url),
            Base::Called(scheme, name) => (Some(*scheme), name.as_str()),
        };
        KeyRef { upstream: *upstream, origin: *origin, way: *way, scheme, name }
    }

    fn map(&self, places: &Places) -> LinkMap {
        let base = match &self.base {
            Base::Public(url) => url.to_string(),
            Base::Called(scheme, name) => format!("{}://{}", scheme.as_str(), name.as_str()),
        };
        let homes = places.homes(self.upstream, self.way);
        let asked = homes.get(self.origin.place()).map(|(url, _)| (*url).to_owned()).unwrap_or_default();
        let homes: Vec<(String, String)> =
            homes.into_iter().map(|(url, path)| (url.to_owned(), format!("{base}{path}"))).collect();
        let in_clear: Vec<_> = homes.iter().filter_map(|(url, to)| Some((in_clear(url)?, to.clone()))).collect();
        // The first of two with the same `from` wins.
        LinkMap::new(homes.into_iter().chain(in_clear)).with_origin(&asked).behind(&base).following(Arc::clone(&self.members))
    }
}

/// The same URL without TLS: APIs behind something that ends TLS for them call themselves so, and whoever follows that sends a token
/// in clear.
fn in_clear(url: &str) -> Option<String> {
    let rest = url.strip_prefix("https://")?;
    let (authority, _) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let port = authority.rsplit(']').next().unwrap_or_default().contains(':');
    (!port).then(|| format!("http://{rest}"))
}

impl Name {
    /// What `read_head` takes for the request's authority.
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
        let Self { upstream, origin, way, scheme, name } = *self;
        Key { upstream, origin, way, scheme, name: name.to_owned() }
    }
}

impl Equivalent<Key> for KeyRef<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        let Key { upstream, origin, way, scheme, name } = key;
        (self.upstream, self.origin, self.way, self.scheme, self.name) == (*upstream, *origin, *way, *scheme, name.as_str())
    }
}
