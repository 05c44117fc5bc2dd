//! Settings for unit tests.

use std::sync::Arc;

use magicproxy_core::UpstreamName;

use super::{ApiRoot, RouteSettings, Settings, UpstreamSettings};

/// Ordinary settings for these upstreams.
pub(crate) fn settings(upstreams: Vec<Arc<UpstreamSettings>>) -> Settings {
    Settings::new(upstreams)
}

/// An upstream with ordinary settings.
pub(crate) fn upstream(name: &str, root: &str, routes: RouteSettings) -> Arc<UpstreamSettings> {
    let settings =
        UpstreamSettings::new(UpstreamName::parse(name).unwrap(), ApiRoot::parse(root).unwrap());
    Arc::new(UpstreamSettings { routes, ..settings })
}
