//! The upstream of a token, and requests that name the upstream's API by another name than the
//! configuration.

use magicproxy_core::{UnnamedTokens, UnverifiedToken};
use magicproxy_proxy::router::{Route, Router};
use magicproxy_proxy::settings::{ApiRoot, UpstreamId};

use magicproxy_config::config::Config;

/// Returns the number of the upstream claimed by a token; the claim is verified later.
pub(super) fn upstream_of(token: &str, config: &Config) -> Option<UpstreamId> {
    let aud = UnverifiedToken::parse(token).ok()?.audience()?;
    let mut upstreams = config.upstreams.iter();
    match aud {
        Some(_) if config.upstream_assumed => Some(UpstreamId::new(0)),
        Some(name) => upstreams.position(|upstream| upstream.is_called(&name)).map(UpstreamId::new),
        None => upstreams
            .position(|upstream| upstream.unnamed == UnnamedTokens::Accept)
            .map(UpstreamId::new),
    }
}

/// Finds the route of a path without a host: below the mount of an upstream, and else at the
/// token's own upstream.
pub(super) fn place_of_path<'u>(
    router: &Router,
    path: &'u str,
    own: Option<UpstreamId>,
    config: &Config,
) -> Option<Route<'u>> {
    let placed = router.route("", path, None);
    let Some(own) = own else { return placed };
    let elsewhere = placed.as_ref().is_some_and(|route| {
        let mount =
            config.upstreams.get(route.upstream.place()).map(|upstream| &upstream.routes.mount);
        route.upstream == own || mount.is_some_and(|mount| !mount.is_root())
    });
    if elsewhere { placed } else { router.route("", path, Some(own)) }
}

/// Finds the route of a URL of the preset's API, such as `https://api.github.com/user`, for an
/// upstream that leads elsewhere.
pub(super) fn place_by_preset<'u>(
    router: &Router,
    authority: &str,
    rest: &'u str,
    config: &Config,
) -> Option<Route<'u>> {
    let roots = config
        .preset_roots
        .iter()
        .enumerate()
        .filter_map(|(at, root)| Some((UpstreamId::new(at), ApiRoot::parse((*root)?).ok()?)));
    let mut named =
        roots.filter(|(_, root)| root.authority().as_str().eq_ignore_ascii_case(authority));
    // Two upstreams of one preset cannot be told apart by the URL.
    let (at, root) = named.next().filter(|_| named.next().is_none())?;
    router.route("", rest.strip_prefix(root.base_path())?, Some(at))
}
