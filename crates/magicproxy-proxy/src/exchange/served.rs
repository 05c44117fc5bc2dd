//! The upstreams of a proxy as seen by the doors, and the steps of an exchange.
//!
//! An exchange is a single value at a time, and each step consumes the value before:
//! [`ServedUpstream::admit`] makes an [`AdmittedRequest`]. [`AdmittedRequest::send`] sends the
//! request, commits its effects, and makes an [`ExchangeOutcome`], from which only permitted parts
//! come out as a response. No door can leave a step out.

mod renewal;

use std::sync::Arc;

use http::StatusCode;
use http::request::Parts;
use magicproxy_core::{RequestTarget, UpstreamName};
use zeroize::Zeroizing;

use super::gate::{
    AdmissionRecord, Client, ControlClient, ExplainedRequest, Explanation, FinalCheck, Gate,
    GateSetup, InboundRequest, OutboundRequest,
};
use super::response::{ResponseContext, UnfilteredResponse, UpgradedResponse};
use super::sending::carry_out;
use super::succession::Generation;
use super::upstream::{Upstream, UpstreamParts};
use super::verifier::{Lanes, Reissue, SharedWork, part};
use crate::admission::{Budget, Holding, Payer, Resource};
use crate::credential::bearer_token::BearerToken;
use crate::downstream::{PushListener, PushTap, RequestBody, is_push};
use crate::http::header::is_offered;
use crate::observe::access_log::{AccessRecord, UpstreamNames};
use crate::peer::TrustedProxies;
use crate::rejection::Rejection;
use crate::routing::lfs::LfsClient;
use crate::services::Services;
use crate::settings::{Limits, Settings, UpstreamId, UpstreamSettings};
use crate::transport::{CountedSockets, Sockets, TransportSettings};
use crate::worker::WorkerId;

pub(crate) use renewal::TunnelConsent;
pub use renewal::{Continuity, RenewedUpstream};

/// All upstreams of one configuration, in the order of the settings, and everything shared by the
/// upstreams.
#[derive(Debug)]
pub(crate) struct Upstreams {
    served: Vec<ServedUpstream>,
    services: Services,
    shared: SharedWork,
    sockets: Arc<Sockets>,
    trusted_proxies: TrustedProxies,
    generation: Generation,
}

/// An upstream as the doors see it: the connections, and the gate before them.
#[derive(Debug)]
pub(crate) struct ServedUpstream {
    settings: Arc<UpstreamSettings>,
    gate: Gate,
    upstream: Arc<Upstream>,
    names: Arc<UpstreamNames>,
    consent: Arc<TunnelConsent>,
}

/// The reason why upstreams cannot be served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SetupError {
    #[error("TLS towards an upstream cannot be set up")]
    Tls(#[from] rustls::Error),
    #[error("the system gives no random numbers")]
    Random(#[from] aws_lc_rs::error::Unspecified),
}

impl Upstreams {
    /// Sets all upstreams up. Nothing is connected before a request needs a connection.
    pub(crate) fn new(settings: &Settings, services: Services) -> Result<Self, SetupError> {
        let shared = SharedWork::new(&settings.limits, &services);
        let state = services.metrics.measured(&services.state);
        let none = Self {
            served: Vec::new(),
            services: Services { state, ..services },
            shared,
            sockets: Sockets::new(settings.limits.upstream_connections.total),
            trusted_proxies: TrustedProxies::default(),
            generation: Generation::before_the_first(),
        };
        let first = none.followed_by(settings, none.services.clone())?;
        first.watch_plugins();
        Ok(first)
    }

    /// Counts the plugins of these upstreams from now on.
    fn watch_plugins(&self) {
        if let Some(plugins) = &self.services.plugins {
            self.services.metrics.watch_plugins(plugins);
        }
    }

    /// Sets the upstreams of the next configuration up. Whatever depends on nothing that has
    /// changed goes on: verified tokens, connections. These upstreams serve on, and no limit changes
    /// before [`Self::begin`].
    pub(crate) fn followed_by(
        &self,
        settings: &Settings,
        services: Services,
    ) -> Result<Self, SetupError> {
        let (shared, sockets) = (self.shared.clone(), Arc::clone(&self.sockets));
        let generation = self.generation.next();
        let served = |own| ServedUpstream::new(settings, own, &services, (self, &generation));
        let served = settings.upstreams.iter().map(served).collect::<Result<_, _>>()?;
        let trusted_proxies = settings.trusted_proxies.clone();
        Ok(Self { served, services, shared, sockets, trusted_proxies, generation })
    }

    /// Changes the limits to those of the settings of these upstreams. Everything that is held stays
    /// held, and counted.
    pub(crate) fn begin(self: &Arc<Self>, limits: &Limits) {
        self.generation.begin(self);
        self.watch_plugins();
        self.shared.change_limits(limits);
        self.sockets.change_total(limits.upstream_connections.total);
        let memory = part(limits.token_cache_bytes, self.served.len());
        self.served.iter().for_each(|served| served.gate.change_memory(memory));
    }

    pub(crate) fn get(&self, upstream: UpstreamId) -> Result<&ServedUpstream, Rejection> {
        let Some(served) = self.served.get(upstream.place()) else {
            return Err(Rejection::Internal);
        };
        Ok(served)
    }

    /// Returns the number of the upstream of this name, if served.
    pub(crate) fn named(&self, name: &UpstreamName) -> Option<UpstreamId> {
        self.served.iter().position(|served| served.settings.name == *name).map(UpstreamId::new)
    }

    /// Returns the gate of the upstream of this name, if served.
    pub(in crate::exchange) fn gate_of(&self, name: &UpstreamName) -> Option<&Gate> {
        self.served.iter().find(|served| served.settings.name == *name).map(|served| &served.gate)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &ServedUpstream> {
        self.served.iter()
    }

    /// Returns the budget shared by all clients.
    pub(crate) fn budget(&self) -> &Arc<Budget> {
        &self.shared.budget
    }

    /// Returns keys, revocations, the store and plugins.
    pub(crate) fn services(&self) -> &Services {
        &self.services
    }

    /// Returns the lanes in which costly work takes turns.
    pub(crate) fn lanes(&self) -> &Lanes {
        &self.shared.lanes
    }

    /// Lets the commands of a push be known to a refusal, at the expense of the sender's address.
    /// Without memory for that, a refusal names no reference.
    pub(crate) fn tap_push(
        &self,
        client: Client<'_>,
        head: &Parts,
        body: &mut RequestBody,
    ) -> Option<PushListener> {
        if body.is_empty() || !is_push(head) {
            return None;
        }
        let sender = self.trusted_proxies.sender(&client.peer, &head.headers);
        let peer = client.account_of(sender, &self.trusted_proxies, self.budget());
        let payer = Payer::anonymous(peer);
        let take = |resource, amount| self.budget().take(resource, amount, &payer);
        Some(match PushTap::new(take) {
            Ok((tap, listener)) => {
                body.tap(tap);
                listener
            }
            Err(_) => PushListener::deaf(),
        })
    }

    /// Takes a place among the exchanges in progress for a request without a token, at the expense
    /// of the sender's address.
    pub(crate) fn anonymous_exchange(
        &self,
        client: Client<'_>,
        head: &Parts,
    ) -> Result<Holding, Rejection> {
        let sender = self.trusted_proxies.sender(&client.peer, &head.headers);
        let peer = client.account_of(sender, &self.trusted_proxies, self.budget());
        Ok(self.budget().take(Resource::Exchanges, 1, &Payer::anonymous(peer))?)
    }
}

impl ServedUpstream {
    fn new(
        settings: &Settings,
        own: &Arc<UpstreamSettings>,
        services: &Services,
        (before, generation): (&Upstreams, &Generation),
    ) -> Result<Self, SetupError> {
        let kept = before.kept_parts(&own.name);
        let counted = CountedSockets::of(&before.sockets, &services.metrics, own.name.as_str());
        let origins = kept.origins(TransportSettings::of(settings, own), &counted)?;
        let metrics = Arc::clone(&counted.metrics);
        let parts = UpstreamParts { origins, metrics, generation: generation.clone() };
        let upstream = Upstream::new(settings, own, parts);
        let (shared, generation) = (&before.shared, generation.clone());
        let setup = GateSetup { settings, services, shared, kept, generation };
        Ok(Self {
            gate: Gate::new(own, setup, Arc::clone(&upstream))?,
            upstream,
            names: UpstreamNames::of(own, counted.metrics),
            consent: before.consent_of(&own.name).unwrap_or_default(),
            settings: Arc::clone(own),
        })
    }

    pub(crate) fn settings(&self) -> &Arc<UpstreamSettings> {
        &self.settings
    }

    /// Returns the consent of the configuration to tunnels.
    pub(crate) fn consent(&self) -> &Arc<TunnelConsent> {
        &self.consent
    }

    /// Returns the upstream's names in log lines.
    pub(crate) fn names(&self) -> &Arc<UpstreamNames> {
        &self.names
    }

    /// Reads a target, once, so the target of the decision is the target sent.
    pub(crate) fn read_target(&self, text: &str) -> Result<RequestTarget, Rejection> {
        self.gate.read_target(text)
    }

    /// Returns the Git LFS client behind the request, if any, with the token borne by the request.
    pub(crate) fn lfs_client(&self, head: &Parts) -> Option<LfsClient> {
        self.gate.lfs_client(head)
    }

    /// Makes the first step of an exchange: the gate decides.
    #[inline]
    pub(crate) async fn admit<'s>(
        &'s self,
        inbound: InboundRequest<'s>,
        record: &mut AccessRecord,
    ) -> Result<AdmittedRequest<'s>, Rejection> {
        let (method, end, worker) = (inbound.head.method.clone(), inbound.end, inbound.worker);
        let (outbound, standing) = self.gate.admit(inbound, record).await?;
        Ok(AdmittedRequest {
            upstream: &self.upstream,
            gate: &self.gate,
            standing,
            outbound,
            worker,
            expected: ResponseContext { method, end },
        })
    }

    /// Reads the token borne by a request to the control plane. Nothing in the token is believed.
    pub(crate) fn presented(&self, head: &Parts) -> Result<BearerToken, Rejection> {
        self.gate.presented(&head.headers)
    }

    /// Checks that the client's token is genuine, alive and for this upstream.
    pub(crate) async fn ensure_bearer(&self, client: ControlClient<'_>) -> Result<(), Rejection> {
        self.gate.ensure_bearer(client).await
    }

    /// Makes the client's own token anew.
    pub(crate) async fn reissue(
        &self,
        client: ControlClient<'_>,
        how: Reissue,
    ) -> Result<Zeroizing<String>, Rejection> {
        self.gate.reissue(client, how).await
    }

    /// Explains the decision that a request with the client's token would get.
    pub(crate) async fn explain(
        &self,
        client: ControlClient<'_>,
        question: &ExplainedRequest,
    ) -> Result<Explanation, Rejection> {
        self.gate.explain(client, question).await
    }
}

/// A request admitted by the gate, and still to be sent.
pub(crate) struct AdmittedRequest<'s> {
    upstream: &'s Arc<Upstream>,
    gate: &'s Gate,
    standing: AdmissionRecord<'s>,
    outbound: OutboundRequest,
    worker: WorkerId,
    expected: ResponseContext,
}

/// The result of an exchange, after every duty was done.
pub(crate) enum ExchangeOutcome {
    /// A response of the upstream, in HTTP.
    Response(UnfilteredResponse),
    /// A switch of the connection to the requested protocol.
    Switched(UpgradedResponse),
}

impl AdmittedRequest<'_> {
    /// Makes the second step of an exchange: sends the request, and records the effects at the
    /// upstream.
    #[inline]
    pub(crate) async fn send(self) -> Result<ExchangeOutcome, Rejection> {
        let Self { upstream, gate, standing, mut outbound, worker, expected } = self;
        let look = FinalCheck { gate, standing: &standing, decided: None };
        let (secret_mask, upgrade) = (outbound.secret_mask(), outbound.take_upgrade());
        let committed = carry_out(upstream, outbound, worker, look).await?;
        if committed.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Ok(ExchangeOutcome::Response(UnfilteredResponse::new(
                committed,
                expected,
                secret_mask,
            )));
        }
        let upgrade =
            upgrade.filter(|upgrade| is_offered(upgrade.offered.as_ref(), committed.headers()));
        let token = upgrade.ok_or(Rejection::UnexpectedUpgrade)?.token;
        Ok(ExchangeOutcome::Switched(UpgradedResponse::new(
            committed,
            expected,
            secret_mask,
            token,
        )))
    }
}
