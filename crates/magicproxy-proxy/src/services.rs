//! Services: the parts that live as long as the process and may change meanwhile: keys,
//! revocations, the state store, plugins.

pub(crate) mod keys;
pub(crate) mod revocations;
pub(crate) mod token_watch;

use std::sync::Arc;

use magicproxy_core::plugin::PluginHost;
use magicproxy_core::state::StateStore;

use crate::metrics::Metrics;

pub use keys::SharedKeys;
pub use revocations::{MintSuspension, RevocationList, RevocationTrust, Revocations, TokenIssuer};

/// The live parts of a [`Server`](crate::server::Server), besides the settings.
#[derive(Clone, Debug)]
pub struct Services {
    /// The keys.
    pub keys: Arc<SharedKeys>,
    /// The state store. Without a store, tokens that need state are refused.
    pub state: Option<Arc<dyn StateStore>>,
    /// The list of genuine tokens that are no longer accepted.
    pub revocations: Arc<Revocations>,
    /// The plugins that scopes may name.
    pub plugins: Option<Arc<dyn PluginHost>>,
    /// The metrics of the process.
    pub metrics: Arc<Metrics>,
}

impl Services {
    /// Makes services of keys alone: nothing is revoked, and no store and no plugin exists.
    #[must_use]
    pub fn of_keys(keys: Arc<SharedKeys>) -> Self {
        Self {
            keys,
            state: None,
            revocations: Arc::default(),
            plugins: None,
            metrics: Arc::default(),
        }
    }
}
