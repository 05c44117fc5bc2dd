//! The upstreams of a proxy, as its doors see them, and the steps of an exchange with one.
//!
//! An exchange is one value at a time, and each step consumes the one before: [`ServedUpstream::admit`] makes an [`AdmittedRequest`],
//! [`AdmittedRequest::send`] sends it, commits what it does, and makes a [`ExchangeOutcome`], of which only what may pass comes out as a response.
//! Whichever door runs it, no step can be left out.

use std::sync::Arc;

use http::StatusCode;
use http::request::Parts;
use magicproxy_core::{RequestTarget, UpstreamName};
use zeroize::Zeroizing;

use super::gate::{
    Client, ControlClient, ExplainedRequest, Explanation, Gate, InboundRequest, OutboundRequest,
};
use super::response::{ResponseContext, UnfilteredResponse, UpgradedResponse};
use super::sending::carry_out;
use super::upstream::Upstream;
use super::verifier::{Lanes, Reissue, SharedServices};
use crate::admission::{Budget, Holding, Payer, Resource};
use crate::credential::bearer_token::BearerToken;
use crate::http::header::is_offered;
use crate::observe::access_log::{AccessRecord, UpstreamNames};
use crate::peer::TrustedProxies;
use crate::rejection::Rejection;
use crate::routing::lfs::LfsClient;
use crate::services::Services;
use crate::settings::{Settings, UpstreamId, UpstreamSettings};
use crate::transport::Sockets;
use crate::worker::WorkerId;

/// All upstreams of a proxy, in the order of its settings, and what they share.
#[derive(Debug)]
pub(crate) struct Upstreams {
    served: Vec<ServedUpstream>,
    shared: SharedServices,
    trusted_proxies: TrustedProxies,
}

/// One upstream: how it is reached, and the gate before it.
#[derive(Debug)]
pub(crate) struct ServedUpstream {
    settings: Arc<UpstreamSettings>,
    gate: Gate,
    upstream: Arc<Upstream>,
    names: Arc<UpstreamNames>,
}

/// Why upstreams cannot be served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SetupError {
    #[error("TLS towards an upstream cannot be set up")]
    Tls(#[from] rustls::Error),
    #[error("the system gives no random numbers")]
    Random(#[from] aws_lc_rs::error::Unspecified),
}

impl Upstreams {
    /// Sets them all up. Nothing is connected before a request needs it.
    pub(crate) fn new(settings: &Settings, services: Services) -> Result<Self, SetupError> {
        let shared = SharedServices::new(&settings.limits, services);
        let sockets = Sockets::new(settings.limits.upstream_connections.total);
        let served = |upstream| ServedUpstream::new(settings, upstream, &shared, &sockets);
        let served = settings.upstreams.iter().map(served).collect::<Result<_, _>>()?;
        Ok(Self { served, shared, trusted_proxies: settings.trusted_proxies.clone() })
    }

    /// The upstream of this number.
    pub(crate) fn get(&self, upstream: UpstreamId) -> Result<&ServedUpstream, Rejection> {
        let Some(served) = self.served.get(upstream.place()) else {
            return Err(Rejection::Internal);
        };
        Ok(served)
    }

    /// The upstream of this name, if it is served.
    pub(crate) fn named(&self, name: &UpstreamName) -> Option<UpstreamId> {
        self.served.iter().position(|served| served.settings.name == *name).map(UpstreamId::new)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &ServedUpstream> {
        self.served.iter()
    }

    /// What all clients share.
    pub(crate) fn budget(&self) -> &Arc<Budget> {
        &self.shared.budget
    }

    /// Keys, revocations, the store and plugins.
    pub(crate) fn services(&self) -> &Services {
        &self.shared.services
    }

    /// Where costly work has its turn.
    pub(crate) fn lanes(&self) -> &Lanes {
        &self.shared.lanes
    }

    /// A place among the exchanges in progress for a request that no token pays for.
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
        shared: &SharedServices,
        sockets: &Arc<Sockets>,
    ) -> Result<Self, SetupError> {
        let upstream = Upstream::new(settings, own, sockets)?;
        let gate = Gate::new(settings, own, shared, Arc::clone(&upstream))?;
        Ok(Self { gate, upstream, names: UpstreamNames::of(own), settings: Arc::clone(own) })
    }

    pub(crate) fn settings(&self) -> &Arc<UpstreamSettings> {
        &self.settings
    }

    /// What log lines call it.
    pub(crate) fn names(&self) -> &Arc<UpstreamNames> {
        &self.names
    }

    /// Reads a target, once: what is decided on is what will be sent.
    pub(crate) fn read_target(&self, text: &str) -> Result<RequestTarget, Rejection> {
        self.gate.read_target(text)
    }

    /// The LFS client that sends this request, if one does, with the token that the request bears.
    pub(crate) fn lfs_client(&self, head: &Parts) -> Option<LfsClient> {
        self.gate.lfs_client(head)
    }

    /// The first step of an exchange: the gate decides.
    #[inline]
    pub(crate) async fn admit(
        &self,
        inbound: InboundRequest<'_>,
        record: &mut AccessRecord,
    ) -> Result<AdmittedRequest<'_>, Rejection> {
        let (method, end, worker) = (inbound.head.method.clone(), inbound.end, inbound.worker);
        let outbound = self.gate.admit(inbound, record).await?;
        Ok(AdmittedRequest {
            upstream: &self.upstream,
            outbound,
            worker,
            expected: ResponseContext { method, end },
        })
    }

    /// The token that a request to the control plane bears. Nothing in it is believed.
    pub(crate) fn presented(&self, head: &Parts) -> Result<BearerToken, Rejection> {
        self.gate.presented(&head.headers)
    }

    /// Is the bearer's token genuine, alive and for this upstream?
    pub(crate) async fn ensure_bearer(&self, client: ControlClient<'_>) -> Result<(), Rejection> {
        self.gate.ensure_bearer(client).await
    }

    /// Makes the bearer's own token anew.
    pub(crate) async fn reissue(
        &self,
        client: ControlClient<'_>,
        how: Reissue,
    ) -> Result<Zeroizing<String>, Rejection> {
        self.gate.reissue(client, how).await
    }

    /// What would be decided on a request of the bearer's.
    pub(crate) async fn explain(
        &self,
        client: ControlClient<'_>,
        question: &ExplainedRequest,
    ) -> Result<Explanation, Rejection> {
        self.gate.explain(client, question).await
    }
}

/// A request that the gate admitted and that is still to be sent.
pub(crate) struct AdmittedRequest<'s> {
    upstream: &'s Arc<Upstream>,
    outbound: OutboundRequest,
    worker: WorkerId,
    expected: ResponseContext,
}

/// What came of an exchange, everything done that was due.
pub(crate) enum ExchangeOutcome {
    /// The upstream answered.
    Answered(UnfilteredResponse),
    /// It goes on with the protocol that it was asked for.
    Switched(UpgradedResponse),
}

impl AdmittedRequest<'_> {
    /// The second step: sends the request, and records what the upstream did.
    #[inline]
    pub(crate) async fn send(self) -> Result<ExchangeOutcome, Rejection> {
        let Self { upstream, mut outbound, worker, expected } = self;
        let (secret_mask, upgrade) = (outbound.secret_mask(), outbound.take_upgrade());
        let committed = carry_out(upstream, outbound, worker).await?;
        if committed.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Ok(ExchangeOutcome::Answered(UnfilteredResponse::new(
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
