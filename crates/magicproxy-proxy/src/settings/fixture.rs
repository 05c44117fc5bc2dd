//! Settings for unit tests.

use std::sync::Arc;

use magicproxy_core::UpstreamName;

use super::{ApiRoot, RouteSettings, Settings, UpstreamSettings};

/// Makes settings with the defaults for the given upstreams.
pub(crate) fn settings(upstreams: Vec<Arc<UpstreamSettings>>) -> Settings {
    Settings::new(upstreams)
}

/// Makes the settings of an upstream, with the defaults except for the routes.
pub(crate) fn upstream(name: &str, root: &str, routes: RouteSettings) -> Arc<UpstreamSettings> {
    let settings =
        UpstreamSettings::new(UpstreamName::parse(name).unwrap(), ApiRoot::parse(root).unwrap());
    Arc::new(UpstreamSettings { routes, ..settings })
}
