//! Requests that were held between the decision and the sending, and are looked at again: a client
//! may have its request wait for content, and a store, a plugin or the queue for connections may
//! take long. What was revoked, has ended or was forbidden meanwhile is not sent.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use http::Method;
use magicproxy_core::{
    AccessRequest, ContentView, Decision, DecisionSteps, Denial, RequestParts, RequestTarget,
};

use super::{Client, Dispatch, Gate};
use crate::clock;
use crate::credential::bearer_token::BearerToken;
use crate::exchange::verifier::CachedToken;
use crate::http::header::SentFields;
use crate::rejection::Rejection;
use crate::services::token_watch::LOOK;

/// The record of an admitted request: by which token it was admitted, from whom it comes, and since
/// when it waits.
pub(in crate::exchange) struct AdmissionRecord<'c> {
    pub(super) entry: Arc<CachedToken>,
    pub(super) presented: BearerToken,
    pub(super) client: Client<'c>,
    pub(super) sender: Option<IpAddr>,
    /// The time at which the request's head was read.
    pub(super) since: Instant,
    /// True if the rules alone allowed the request, and nothing is taken or recorded for it.
    pub(super) is_plain: bool,
}

impl<'c> AdmissionRecord<'c> {
    /// Makes the record of a request that the rules alone allowed.
    pub(super) fn new(
        entry: Arc<CachedToken>,
        presented: BearerToken,
        (client, sender): (Client<'c>, Option<IpAddr>),
        since: Instant,
    ) -> Self {
        Self { entry, presented, client, sender, since, is_plain: true }
    }
}

/// The final check of an admitted request, before anything is sent on its behalf.
#[derive(Clone, Copy)]
pub(in crate::exchange) struct FinalCheck<'l> {
    pub(in crate::exchange) gate: &'l Gate,
    pub(in crate::exchange) standing: &'l AdmissionRecord<'l>,
    /// The method and the target of the decision, where another request is sent on behalf of the
    /// admitted one.
    pub(in crate::exchange) decided: Option<(&'l Method, &'l RequestTarget)>,
}

impl FinalCheck<'_> {
    /// Checks that a request may still be sent that has its connection at the time `ready`. A
    /// request that was held for less than [`LOOK`] keeps its decision, unless the list of
    /// revocations has changed.
    ///
    /// # Errors
    /// The rejection by the token, the revocations and the configuration of now.
    #[inline]
    pub(in crate::exchange) async fn confirm(
        self,
        dispatch: &Dispatch,
        ready: Instant,
    ) -> Result<(), Rejection> {
        let was_held = ready.saturating_duration_since(self.standing.since) >= LOOK;
        if was_held || dispatch.watch().has_changed() {
            Box::pin(self.look_again(dispatch)).await?;
        }
        Ok(())
    }

    async fn look_again(self, dispatch: &Dispatch) -> Result<(), Rejection> {
        let Self { gate, standing, decided } = self;
        let watch = dispatch.watch();
        watch.look()?;
        watch.ensure_not_ended(clock::now())?;
        if !gate.generation.is_replaced() {
            return Ok(());
        }
        let (method, target) = decided.unwrap_or((dispatch.method(), dispatch.target()));
        let sent = SentFields::of(dispatch.headers(), &gate.fields);
        let content =
            if dispatch.body().is_empty() { ContentView::Empty } else { ContentView::Unread };
        // The fields and the content are not those of the decision where another request is sent.
        let parts = match decided {
            None => RequestParts { headers: &sent, content, ..RequestParts::default() },
            Some(_) => RequestParts::default(),
        };
        let is_upgrade = dispatch.is_upgrade();
        let held = HeldRequest { standing, method, target, parts, is_upgrade };
        // No gate: the upstream is served no more.
        let current = gate.generation.current().ok_or(Rejection::Reconfigured)?;
        let next = current.gate_of(&gate.upstream.name).ok_or(Rejection::Reconfigured)?;
        next.decide_again(gate, held).await
    }
}

/// A request that the gate of an earlier configuration admitted, and that was not sent yet.
#[derive(Clone, Copy)]
struct HeldRequest<'h> {
    standing: &'h AdmissionRecord<'h>,
    method: &'h Method,
    target: &'h RequestTarget,
    /// The parts that conditions see, as far as they are known.
    parts: RequestParts<'h>,
    is_upgrade: bool,
}

impl Gate {
    /// Decides again on a request that the gate `before` admitted. The request goes on as it was
    /// prepared, so whatever cannot be told of it any more is refused.
    async fn decide_again(&self, before: &Self, held: HeldRequest<'_>) -> Result<(), Rejection> {
        let HeldRequest { standing, method, target, parts, is_upgrade } = held;
        if !self.prepares_like(before) {
            return Err(Rejection::Reconfigured);
        }
        if is_upgrade && !self.upstream.websocket {
            return Err(Rejection::WebSocket);
        }
        let payer = || self.peer_account(standing.client, standing.sender);
        let entry = self.verifier.verify(&standing.presented, payer).await?;
        self.revocations.ensure_live(entry.token())?;
        let steps = DecisionSteps::new();
        let parts = RequestParts { plus: self.upstream.query_plus, ..parts };
        let access = AccessRequest {
            parts,
            ..self.access(method.as_str(), target, standing.sender, &steps)
        };
        let has_same_rules = Arc::ptr_eq(&self.verifier, &before.verifier);
        match entry.token().decide(&access) {
            // A body that a rule looks into was judged by the rules of before.
            Decision::Denied(Denial::Unknown(_)) => Err(Rejection::Reconfigured),
            Decision::Denied(denial) => Err(self.denied(denial, &access, (entry.token(), None))),
            Decision::Allowed(permit)
                if has_same_rules || (standing.is_plain && !permit.is_stateful()) =>
            {
                Ok(())
            }
            // What was taken for the request, and which plugins were asked, is another matter now.
            Decision::Allowed(_) | Decision::Needs(_) => Err(Rejection::Reconfigured),
        }
    }

    /// True if this gate reads targets, drops parts of requests and sets the credential like
    /// `before`, and sends to the same place.
    fn prepares_like(&self, before: &Self) -> bool {
        let (own, old) = (&self.upstream, &before.upstream);
        Arc::ptr_eq(self.asked.origins(), before.asked.origins())
            && own.credential == old.credential
            && own.path_settings() == old.path_settings()
            && own.drop_query_parameters == old.drop_query_parameters
            && own.drop_request_headers == old.drop_request_headers
            && own.pass_request_headers == old.pass_request_headers
            && own.query_plus == old.query_plus
    }
}
