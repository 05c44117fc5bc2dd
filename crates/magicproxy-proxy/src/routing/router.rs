//! Which upstream a request is for, and which of its paths: `docs/spec/upstreams.md` sections 2 and 3.
//!
//! The request target is cut before anything in it is decoded, by prefixes that are compared byte for byte; what is left is
//! parsed once, decided on and sent. Nothing here trusts a request: the authority chooses among configured upstreams only.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;

use crate::settings::{
    ApiRoot, HostName, OriginId, PathMapping, PathTarget, RouteSettings, UpstreamId,
    UpstreamSettings,
};

/// Where the upstreams of a proxy are found.
#[derive(Debug)]
pub struct Router {
    sites: Vec<RoutedUpstream>,
}

/// A request in its place.
#[derive(Debug, PartialEq, Eq)]
pub struct Route<'t> {
    /// The upstream.
    pub upstream: UpstreamId,
    /// Which of the upstream's origins.
    pub origin: OriginId,
    /// The target that is decided on and sent, not yet parsed; the origin's base path comes before it.
    pub target: Cow<'t, str>,
    /// The client's way in. `None` for one who speaks to the upstream by its own name, and whose URLs lead here anyhow.
    pub entry: Option<EntryPoint>,
}

impl Route<'_> {
    /// Did the request come by the upstream's mount, rather than by a name or a listener of the upstream's own?
    #[must_use]
    pub fn is_mounted(&self) -> bool {
        self.entry.is_some_and(|entry| entry.mounted)
    }
}

/// By which prefixes a request came to its upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EntryPoint {
    /// At the upstream's mount, or at the root of a host or a listener of its own?
    mounted: bool,
    route: usize,
}

/// One upstream, as the prefixes and names that lead to it.
#[derive(Debug)]
struct RoutedUpstream {
    origins: Vec<OriginNames>,
    hosts: Vec<HostName>,
    mount: String,
    /// The longest prefix first; the last one is empty.
    routes: Vec<PathPrefix>,
}

/// The names by which clients who believe that they speak to an origin itself call it.
#[derive(Debug)]
struct OriginNames {
    authorities: Vec<String>,
    base_path: String,
    url: String,
}

#[derive(Debug)]
struct PathPrefix {
    prefix: String,
    origin: OriginId,
    base: String,
}

impl Router {
    /// The places of these upstreams.
    #[must_use]
    pub fn new(upstreams: &[Arc<UpstreamSettings>]) -> Self {
        Self { sites: upstreams.iter().map(|upstream| RoutedUpstream::new(upstream)).collect() }
    }

    /// Places a request by its authority and target, as they came. `bound` is the upstream of a listener that serves no other.
    ///
    /// `None`: the request is for no upstream.
    #[must_use]
    pub fn route<'t>(
        &self,
        authority: &str,
        target: &'t str,
        bound: Option<UpstreamId>,
    ) -> Option<Route<'t>> {
        if let Some(bound) = bound {
            let site = self.sites.get(bound.place())?;
            return site
                .by_own_name(bound, authority, target)
                .or_else(|| site.at_root(bound, target));
        }
        let sites = || self.numbered();
        self.by_own_name(authority, target)
            .or_else(|| sites().find_map(|(at, site)| site.by_host(at, authority, target)))
            .or_else(|| self.by_mount(target))
    }

    /// Pairs of an origin's URL and the path at the proxy that leads to it, for URLs in a response to a request that came this way.
    #[must_use]
    pub fn public_links(&self, upstream: UpstreamId, entry: EntryPoint) -> Vec<(&str, String)> {
        let Some(site) = self.sites.get(upstream.place()) else { return Vec::new() };
        let mount = if entry.mounted { site.mount.as_str() } else { "" };
        let origins = site.origins.iter().enumerate();
        origins
            .filter_map(|(at, own)| {
                Some((
                    own.url.as_str(),
                    format!("{mount}{}", site.prefix_to(OriginId::new(at), entry.route)?),
                ))
            })
            .collect()
    }

    /// The longest base path decides; two upstreams with one and the same origin cannot be told apart this way.
    fn by_own_name<'t>(&self, authority: &str, target: &'t str) -> Option<Route<'t>> {
        let mut named =
            self.numbered().filter_map(|(at, site)| site.by_own_name(at, authority, target));
        let (mut nearest, mut tied) = (named.next()?, false);
        for route in named {
            match route.target.len().cmp(&nearest.target.len()) {
                Ordering::Less => (nearest, tied) = (route, false),
                Ordering::Equal => tied = true,
                Ordering::Greater => {}
            }
        }
        (!tied).then_some(nearest)
    }

    fn numbered(&self) -> impl Iterator<Item = (UpstreamId, &RoutedUpstream)> {
        self.sites.iter().enumerate().map(|(at, site)| (UpstreamId::new(at), site))
    }

    fn by_mount<'t>(&self, target: &'t str) -> Option<Route<'t>> {
        let found =
            self.numbered().filter_map(|(at, site)| Some((at, site, cut(target, &site.mount)?)));
        let (at, site, rest) = found.max_by_key(|(_, site, _)| site.mount.len())?;
        site.inside(at, rest, true)
    }
}

impl RoutedUpstream {
    fn new(upstream: &UpstreamSettings) -> Self {
        let origins = upstream.origins().map(OriginNames::new).collect();
        let mut further = (1..).map(OriginId::new);
        let mut routes =
            vec![PathPrefix { prefix: String::new(), origin: OriginId::ROOT, base: String::new() }];
        for PathMapping { prefix, to } in &upstream.routes.paths {
            let prefix = prefix.as_str().to_owned();
            routes.push(match to {
                PathTarget::Path(base) => {
                    PathPrefix { prefix, origin: OriginId::ROOT, base: base.as_str().to_owned() }
                }
                PathTarget::Origin(_) => PathPrefix {
                    prefix,
                    origin: further.next().unwrap_or(OriginId::ROOT),
                    base: String::new(),
                },
            });
        }
        let nested = nested(&routes);
        routes.extend(nested);
        routes.sort_by_key(|route| std::cmp::Reverse(route.prefix.len()));
        let RouteSettings { mount, hosts, .. } = &upstream.routes;
        Self { origins, hosts: hosts.clone(), mount: mount.as_str().to_owned(), routes }
    }

    fn by_own_name<'t>(
        &self,
        upstream: UpstreamId,
        authority: &str,
        target: &'t str,
    ) -> Option<Route<'t>> {
        self.origins.iter().enumerate().find_map(|(origin, own)| {
            let named = own.authorities.iter().any(|known| known.eq_ignore_ascii_case(authority));
            let rest = cut(target, &own.base_path).filter(|_| named)?;
            Some(Route {
                upstream,
                origin: OriginId::new(origin),
                target: joined("", rest),
                entry: None,
            })
        })
    }

    fn by_host<'t>(
        &self,
        upstream: UpstreamId,
        authority: &str,
        target: &'t str,
    ) -> Option<Route<'t>> {
        self.hosts
            .iter()
            .any(|host| host.matches(authority))
            .then(|| self.at_root(upstream, target))?
    }

    fn at_root<'t>(&self, upstream: UpstreamId, target: &'t str) -> Option<Route<'t>> {
        self.inside(upstream, target, false)
    }

    /// `rest` is what follows the mount.
    fn inside<'t>(&self, upstream: UpstreamId, rest: &'t str, mounted: bool) -> Option<Route<'t>> {
        let mut routes = self.routes.iter().enumerate();
        let (at, route, rest) =
            routes.find_map(|(at, route)| Some((at, route, cut(rest, &route.prefix)?)))?;
        let entry = Some(EntryPoint { mounted, route: at });
        Some(Route { upstream, origin: route.origin, target: joined(&route.base, rest), entry })
    }

    /// The prefix inside the mount under which a client who came by the route `used` finds an origin.
    ///
    /// A client that was told `…/api/v3` refuses, or does not recognise as its API's, a URL that does not begin with it.
    fn prefix_to(&self, origin: OriginId, used: usize) -> Option<&str> {
        let used = self.routes.get(used)?;
        let leading =
            self.routes.iter().filter(|route| route.origin == origin && route.base.is_empty());
        let kin = |route: &&PathPrefix| {
            (common_segments(&route.prefix, &used.prefix), std::cmp::Reverse(route.prefix.len()))
        };
        leading.max_by_key(kin).map(|route| route.prefix.as_str())
    }
}

impl OriginNames {
    fn new(root: &ApiRoot) -> Self {
        Self {
            authorities: root.own_authorities(),
            base_path: root.base_path().to_owned(),
            url: root.to_string(),
        }
    }
}

/// The further origins once more, below each other name of the API's root: a client that was told `…/api/v3` takes no URL but those
/// that begin with it, and follows one to another origin there (`docs/spec/upstreams.md` section 3).
fn nested(routes: &[PathPrefix]) -> Vec<PathPrefix> {
    let roots = routes.iter().filter(|route| {
        route.origin == OriginId::ROOT && route.base.is_empty() && !route.prefix.is_empty()
    });
    let further = || routes.iter().filter(|route| route.origin != OriginId::ROOT);
    let below = |root: &PathPrefix, route: &PathPrefix| PathPrefix {
        prefix: format!("{}{}", root.prefix, route.prefix),
        origin: route.origin,
        base: String::new(),
    };
    let all = roots.flat_map(|root| further().map(move |route| below(root, route)));
    all.filter(|route| routes.iter().all(|known| known.prefix != route.prefix)).collect()
}

/// What follows a prefix that ends where a segment ends.
fn cut<'t>(target: &'t str, prefix: &str) -> Option<&'t str> {
    target.strip_prefix(prefix).filter(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
}

/// `rest` is empty, or begins with `/` or `?`.
fn joined<'t>(base: &str, rest: &'t str) -> Cow<'t, str> {
    match (base, rest.starts_with('/')) {
        ("", true) => Cow::Borrowed(rest),
        ("", false) => Cow::Owned(format!("/{rest}")),
        _ => Cow::Owned(format!("{base}{rest}")),
    }
}

/// How many segments two prefixes have in common, from the start.
fn common_segments(one: &str, other: &str) -> usize {
    one.split('/').zip(other.split('/')).skip(1).take_while(|(one, other)| one == other).count()
}
