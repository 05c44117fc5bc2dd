//! The parts of a gate that go on when the configuration changes, each exactly as long as nothing on
//! which the part depends has changed.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::Gate;
use crate::exchange::ledger::Ledger;
use crate::exchange::succession::Generation;
use crate::exchange::verifier::{SharedWork, TokenBasis, Verifier};
use crate::services::Services;
use crate::settings::{Quota, Settings, StrangerState, UpstreamSettings};
use crate::transport::{CountedSockets, Origins, TransportSettings};

/// Everything of which a gate is made, besides its upstream.
pub(in crate::exchange) struct GateSetup<'s> {
    pub(in crate::exchange) settings: &'s Settings,
    pub(in crate::exchange) services: &'s Services,
    pub(in crate::exchange) shared: &'s SharedWork,
    /// The parts of the upstream of the same name before the change.
    pub(in crate::exchange) kept: KeptParts,
    pub(in crate::exchange) generation: Generation,
}

/// The parts of an upstream that may go on.
#[derive(Debug, Default)]
pub(in crate::exchange) struct KeptParts {
    /// The verified tokens, with their opened credentials.
    pub(in crate::exchange) verifier: Option<Arc<Verifier>>,
    /// The connections to the API.
    pub(in crate::exchange) origins: Option<Arc<Origins>>,
    /// The memory of the store's use: nothing that decides.
    ledger: Option<Ledger>,
}

impl KeptParts {
    /// True if there was no upstream of this name.
    pub(in crate::exchange) fn is_empty(&self) -> bool {
        self.verifier.is_none()
    }

    /// Returns the verifier, if its tokens depend on exactly these settings.
    pub(super) fn verifier_of(&self, basis: &TokenBasis) -> Option<Arc<Verifier>> {
        self.verifier.as_ref().filter(|kept| kept.basis() == basis).map(Arc::clone)
    }

    /// Returns the origins with their connections, if the connections depend on exactly these
    /// settings, or makes other origins.
    pub(in crate::exchange) fn origins(
        &self,
        settings: TransportSettings,
        sockets: &CountedSockets,
    ) -> Result<Arc<Origins>, rustls::Error> {
        match self.origins.as_ref().filter(|kept| *kept.settings() == settings) {
            Some(kept) => Ok(Arc::clone(kept)),
            None => Origins::new(settings, sockets),
        }
    }

    pub(super) fn ledger(
        &self,
        services: &Services,
        strangers: StrangerState,
        upstream: &UpstreamSettings,
    ) -> Ledger {
        let metrics = services.metrics.upstream(upstream.name.as_str());
        let ledger = Ledger::new(services.state.clone(), strangers, upstream, metrics);
        match &self.ledger {
            Some(before) => ledger.remembering(before),
            None => ledger,
        }
    }
}

impl Gate {
    /// Returns the parts that may go on.
    pub(in crate::exchange) fn parts(&self) -> KeptParts {
        KeptParts {
            verifier: Some(Arc::clone(&self.verifier)),
            origins: Some(Arc::clone(self.asked.origins())),
            ledger: Some(self.ledger.clone()),
        }
    }

    /// Changes the upstream's share of the cache of verified tokens.
    pub(in crate::exchange) fn change_memory(&self, memory: Quota) {
        self.verifier.change_memory(memory);
    }
}
