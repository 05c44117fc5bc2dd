//! Services: what lives as long as the process and may change meanwhile, keys, revocations, the state store, plugins.

pub(crate) mod keys;
pub(crate) mod revocations;

use std::sync::Arc;

use magicproxy_core::plugin::PluginHost;
use magicproxy_core::state::StateStore;

pub use keys::SharedKeys;
pub use revocations::{RevocationList, Revocations, TokenIssuer};

/// The live parts that a [`Server`](crate::server::Server) is given besides its settings.
#[derive(Clone, Debug)]
pub struct Services {
    /// The keys.
    pub keys: Arc<SharedKeys>,
    /// Where state is kept. Without it, tokens that need state are refused.
    pub state: Option<Arc<dyn StateStore>>,
    /// Which genuine tokens are no longer accepted.
    pub revocations: Arc<Revocations>,
    /// The plugins that scopes may name.
    pub plugins: Option<Arc<dyn PluginHost>>,
}

impl Services {
    /// Keys alone: nothing is revoked, and there is neither store nor plugin.
    #[must_use]
    pub fn of_keys(keys: Arc<SharedKeys>) -> Self {
        Self { keys, state: None, revocations: Arc::default(), plugins: None }
    }
}
