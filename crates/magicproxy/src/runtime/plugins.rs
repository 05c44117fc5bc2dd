//! Plugins: from the configuration to a host that runs them.

use std::sync::Arc;

use magicproxy_core::state::StateStore;
use magicproxy_plugin::{Host, HostSettings, LoadError};

use magicproxy_config::config::plugins::PluginsSettings;
use magicproxy_config::ground::fault::{Fault, Faults, Origin};

/// Makes the host of the configured plugins; `None`, if no plugin is configured, and then no part
/// of the host runs.
pub(crate) fn load(
    settings: &PluginsSettings,
    state: Option<Arc<dyn StateStore>>,
) -> Result<Option<Arc<Host>>, Faults> {
    if settings.plugins.is_empty() {
        return Ok(None);
    }
    let host = Host::new(HostSettings {
        plugins: settings.plugins.clone(),
        cache: settings.cache.clone(),
        state,
    });
    host.map(|host| Some(Arc::new(host))).map_err(|errors| faults(&errors))
}

fn faults(errors: &[LoadError]) -> Faults {
    let faults =
        errors.iter().map(|error| Fault::new(error.to_string(), Origin::Default)).collect();
    Faults { faults, sources: Default::default() }
}
