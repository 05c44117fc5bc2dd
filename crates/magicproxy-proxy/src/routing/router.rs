//! The router: the upstream of a request, and the path there. `docs/spec/upstreams.md` sections 2
//! and 3.
//!
//! The request target is cut before anything is decoded, by prefixes compared byte for byte; the
//! rest is parsed once, decided on and sent. Nothing here trusts a request: the authority only
//! chooses among configured upstreams.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;

use crate::settings::{
    ApiRoot, HostName, OriginId, PathMapping, PathTarget, RouteSettings, UpstreamId,
    UpstreamSettings,
};

/// The table of all mounts, host names and origins of a proxy, made once of its settings.
#[derive(Debug)]
pub struct Router {
    sites: Vec<RoutedUpstream>,
}

/// The result of routing a request: upstream, origin and remaining target. Nothing is decided yet.
#[derive(Debug, PartialEq, Eq)]
pub struct Route<'t> {
    /// The upstream.
    pub upstream: UpstreamId,
    /// The upstream's origin.
    pub origin: OriginId,
    /// The target for the decision and for sending, not yet parsed; the origin's base path comes
    /// before it.
    pub target: Cow<'t, str>,
    /// The client's entry point. `None` for a client that calls the upstream by the upstream's own
    /// name, as if there were no proxy: URLs in responses lead to the proxy anyhow.
    pub entry: Option<EntryPoint>,
}

impl Route<'_> {
    /// True if the request came by the upstream's mount, not by a host name or a listener of the
    /// upstream's own.
    #[must_use]
    pub fn is_mounted(&self) -> bool {
        self.entry.is_some_and(|entry| entry.mounted)
    }
}

/// The prefixes by which a request came to its upstream. Made by the router alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EntryPoint {
    /// True at the upstream's mount, false at the root of a host or a listener of the upstream's
    /// own.
    mounted: bool,
    route: usize,
}

/// The prefixes and names that lead to an upstream.
#[derive(Debug)]
struct RoutedUpstream {
    origins: Vec<OriginNames>,
    hosts: Vec<HostName>,
    mount: String,
    /// The prefixes inside the mount, longest first; the last is empty.
    routes: Vec<PathPrefix>,
}

/// The names of an origin for clients that believe to speak to the origin itself.
#[derive(Debug)]
struct OriginNames {
    authorities: Vec<String>,
    base_path: String,
    url: String,
}

/// A path prefix inside the mount, the origin below the prefix, and the base path there.
#[derive(Debug)]
struct PathPrefix {
    prefix: String,
    origin: OriginId,
    base: String,
}

impl Router {
    /// Makes the table of these upstreams.
    #[must_use]
    pub fn new(upstreams: &[Arc<UpstreamSettings>]) -> Self {
        Self { sites: upstreams.iter().map(|upstream| RoutedUpstream::new(upstream)).collect() }
    }

    /// Routes a request by its authority and target, as received. `bound` is the upstream of a
    /// listener that serves no other.
    ///
    /// Returns `None` if the request is for no upstream.
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
        if let Some(route) = self.by_own_name(authority, target) {
            return Some(route);
        }
        for (at, site) in self.numbered() {
            if let Some(route) = site.by_host(at, authority, target) {
                return Some(route);
            }
        }
        self.by_mount(target)
    }

    /// Returns pairs of an origin's URL and the path at the proxy that leads to the origin, for
    /// URLs in the response to a request by this entry point.
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

    /// Routes by an origin's own name. The longest base path decides; two upstreams with the same
    /// origin cannot be told apart by name, so neither is chosen.
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

    /// Routes `rest`, the target behind the mount.
    fn inside<'t>(&self, upstream: UpstreamId, rest: &'t str, mounted: bool) -> Option<Route<'t>> {
        let mut routes = self.routes.iter().enumerate();
        let (at, route, rest) =
            routes.find_map(|(at, route)| Some((at, route, cut(rest, &route.prefix)?)))?;
        let entry = Some(EntryPoint { mounted, route: at });
        Some(Route { upstream, origin: route.origin, target: joined(&route.base, rest), entry })
    }

    /// Returns the prefix inside the mount under which a client of the route `used` finds an
    /// origin.
    ///
    /// A client told of `…/api/v3` refuses URLs with any other beginning, or does not recognise
    /// them as its API's.
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

/// Repeats the further origins below each other name of the API's root: a client told of `…/api/v3`
/// takes only URLs with that beginning, and follows a URL to another origin there
/// (`docs/spec/upstreams.md` section 3).
fn nested(routes: &[PathPrefix]) -> Vec<PathPrefix> {
    let mut nested = Vec::new();
    for root in routes {
        if root.origin != OriginId::ROOT || !root.base.is_empty() || root.prefix.is_empty() {
            continue;
        }
        for route in routes {
            let prefix = format!("{}{}", root.prefix, route.prefix);
            let is_known = routes.iter().any(|known| known.prefix == prefix);
            if route.origin != OriginId::ROOT && !is_known {
                nested.push(PathPrefix { prefix, origin: route.origin, base: String::new() });
            }
        }
    }
    nested
}

/// Returns the rest of the target behind a prefix, if the prefix ends at the end of a segment.
fn cut<'t>(target: &'t str, prefix: &str) -> Option<&'t str> {
    target.strip_prefix(prefix).filter(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
}

/// Joins a base path with `rest`, which is empty or begins with `/` or `?`.
fn joined<'t>(base: &str, rest: &'t str) -> Cow<'t, str> {
    match (base, rest.starts_with('/')) {
        ("", true) => Cow::Borrowed(rest),
        ("", false) => Cow::Owned(format!("/{rest}")),
        _ => Cow::Owned(format!("{base}{rest}")),
    }
}

/// Counts the segments that two prefixes have in common, from the start.
fn common_segments(one: &str, other: &str) -> usize {
    one.split('/').zip(other.split('/')).skip(1).take_while(|(one, other)| one == other).count()
}
