//! The change from the upstreams of one configuration to the upstreams of the next: the parts that
//! go on, and the parts that are made anew.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use magicproxy_core::UpstreamName;

use super::{ServedUpstream, Upstreams};
use crate::exchange::gate::KeptParts;

/// The effect of a change of the configuration on one upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenewedUpstream {
    /// The upstream's name.
    pub name: UpstreamName,
    /// [`Continuity::New`] if no upstream of this name was served before.
    pub upstream: Continuity,
    /// The effect on the verified tokens.
    pub tokens: Continuity,
    /// The effect on the connections to the API.
    pub connections: Continuity,
}

/// The relation of a part of the proxy to the part before a change of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Continuity {
    /// The part goes on: nothing on which the part depends has changed.
    Kept,
    /// The part was made anew, empty.
    New,
}

/// The consent of the configuration to the tunnels of an upstream, which are open for longer than a
/// configuration may last.
#[derive(Debug, Default)]
pub(crate) struct TunnelConsent {
    is_withdrawn: AtomicBool,
}

impl TunnelConsent {
    /// True if the tunnels are to end: the upstream is served no more, or lets no WebSocket pass.
    pub(crate) fn is_withdrawn(&self) -> bool {
        self.is_withdrawn.load(Ordering::Relaxed)
    }
}

impl Upstreams {
    /// Returns the parts of the upstream of this name that may go on.
    pub(super) fn kept_parts(&self, name: &UpstreamName) -> KeptParts {
        self.served_as(name).map(|served| served.gate.parts()).unwrap_or_default()
    }

    /// Returns the consent to the tunnels of the upstream of this name: the same consent as long as
    /// WebSockets pass.
    pub(super) fn consent_of(&self, name: &UpstreamName) -> Option<Arc<TunnelConsent>> {
        let served = self.served_as(name)?;
        Some(Arc::clone(&served.consent)).filter(|_| served.settings.websocket)
    }

    /// Describes the effect on each of these upstreams, which follow `before`.
    pub(crate) fn renewed_since(&self, before: &Self) -> Vec<RenewedUpstream> {
        let renewed = |served: &ServedUpstream| {
            let (now, then) = (served.gate.parts(), before.kept_parts(&served.settings.name));
            RenewedUpstream {
                name: served.settings.name.clone(),
                upstream: if then.is_empty() { Continuity::New } else { Continuity::Kept },
                tokens: continuity(now.verifier.as_ref(), then.verifier.as_ref()),
                connections: continuity(now.origins.as_ref(), then.origins.as_ref()),
            }
        };
        self.served.iter().map(renewed).collect()
    }

    /// Returns the names of the upstreams that were served before, and are no longer.
    pub(crate) fn removed_since(&self, before: &Self) -> Vec<UpstreamName> {
        let names = before.served.iter().map(|served| &served.settings.name);
        names.filter(|name| self.served_as(name).is_none()).cloned().collect()
    }

    /// Ends the parts of these upstreams that do not go on in `next`: verified tokens are forgotten,
    /// connections that become idle are closed, and so are tunnels to which the configuration no
    /// longer consents.
    pub(crate) fn retire_for(&self, next: &Self) {
        for served in &self.served {
            let name = &served.settings.name;
            let (parts, kept) = (served.gate.parts(), next.kept_parts(name));
            if let Some(origins) =
                parts.origins.filter(|own| !is_same(Some(own), kept.origins.as_ref()))
            {
                origins.retire();
            }
            if let Some(verifier) =
                parts.verifier.filter(|own| !is_same(Some(own), kept.verifier.as_ref()))
            {
                verifier.retire();
            }
            let consents =
                next.consent_of(name).is_some_and(|consent| Arc::ptr_eq(&consent, &served.consent));
            served.consent.is_withdrawn.store(!consents, Ordering::Relaxed);
        }
    }

    fn served_as(&self, name: &UpstreamName) -> Option<&ServedUpstream> {
        self.served.iter().find(|served| served.settings.name == *name)
    }
}

fn continuity<T>(now: Option<&Arc<T>>, before: Option<&Arc<T>>) -> Continuity {
    if is_same(now, before) { Continuity::Kept } else { Continuity::New }
}

fn is_same<T>(one: Option<&Arc<T>>, other: Option<&Arc<T>>) -> bool {
    one.zip(other).is_some_and(|(one, other)| Arc::ptr_eq(one, other))
}
