//! The upstream that a token is for, and requests that name its API by another name than the configuration does.

use magicproxy_core::{UnnamedTokens, UnverifiedToken};
use magicproxy_proxy::router::{Route, Router};
use magicproxy_proxy::settings::{ApiRoot, UpstreamId};

use magicproxy_config::config::Config;

/// The number of the upstream that a token says it is for; whether it is right in that is decided later.
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

/// A path without a host: below the mount of an upstream it is that one's, and else the token's own upstream's.
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

/// A URL of the API that an upstream's preset is for, such as `https://api.github.com/user`, where the upstream leads elsewhere.
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
    // Two upstreams of one preset cannot be told apart by it.
    let (at, root) = named.next().filter(|_| named.next().is_none())?;
    router.route("", rest.strip_prefix(root.base_path())?, Some(at))
}
