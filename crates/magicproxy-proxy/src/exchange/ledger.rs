//! The ledger: asks the state store on behalf of a request, before the request is sent and once the
//! response has come.
//!
//! `docs/spec/state.md`. Doubt is denial: a request is not allowed if the store cannot be asked,
//! and an effect at the upstream that cannot be recorded is not passed on as if nothing had
//! happened. A request without state never comes here.

mod aside;
mod claims;
mod duties;
mod grants;
mod limits;
mod list_items;
mod named;
mod reservation;

use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use magicproxy_core::rule::{self, EffectInput, EffectInputFault, HeldGrant, RuleEffects};
use magicproxy_core::state::{BoundedPartition, Condition, Partition, RowLimits, StateStore};
use magicproxy_core::{
    Basis, Denial, OwnerContext, Permit, Provenance, RequestView, RulesDecision, UpstreamName,
    VerifiedToken,
};

use crate::admission::{Holding, Resource};
use crate::clock;
use crate::exchange::gate::Message;
use crate::exchange::unread::UnreadRequest;
use crate::exchange::verifier::{Binder, Receipts};
use crate::http::body::MAX_RESPONSE_BYTES;
use crate::metrics::UpstreamMetrics;
use crate::plugins::Consultation;
use crate::rejection::Rejection;
use crate::settings::{StrangerState, UpstreamSettings};

pub(crate) use aside::work as work_aside;
pub(in crate::exchange) use duties::Duties;
pub(in crate::exchange) use list_items::ListLookups;
pub(in crate::exchange) use reservation::Reservation;

use duties::{Duty, Outcome};
use list_items::LookupRequest;

/// The most grants that an owner may hold.
const MAX_OWNER_GRANTS: usize = 1_000;

/// The ledger of an upstream. Reserves before a request is sent, commits or releases after the
/// response.
#[derive(Clone, Debug)]
pub(in crate::exchange) struct Ledger {
    store: Option<Arc<dyn StateStore>>,
    upstream: UpstreamName,
    strangers: StrangerState,
    pending: limits::PendingReturns,
    seen: named::KnownOwners,
    /// The longest body of a request that rules may look into, in bytes.
    longest_body: usize,
    metrics: Arc<UpstreamMetrics>,
}

/// A permitted request about to be sent, with everything needed to reserve its state.
pub(in crate::exchange) struct PermittedRequest<'s> {
    pub(in crate::exchange) permit: Permit,
    pub(in crate::exchange) message: &'s mut Message,
    /// The lookups of list items at the upstream.
    pub(in crate::exchange) questions: ListLookups<'s>,
    /// The maker of tokens for things created by the request.
    pub(in crate::exchange) receipts: Receipts,
    /// The plugins that were asked about the request, and are to be told of the response.
    pub(in crate::exchange) consultation: Consultation,
    /// The credential to which a named owner is bound.
    pub(in crate::exchange) binder: Binder<'s>,
}

impl Ledger {
    pub(in crate::exchange) fn new(
        store: Option<Arc<dyn StateStore>>,
        strangers: StrangerState,
        upstream: &UpstreamSettings,
        metrics: Arc<UpstreamMetrics>,
    ) -> Self {
        Self {
            store,
            upstream: upstream.stored_name().clone(),
            strangers,
            pending: limits::PendingReturns::default(),
            seen: named::KnownOwners::default(),
            longest_body: upstream.max_inspected_body,
            metrics,
        }
    }

    /// Returns the ledger with the memory of the ledger before a change of the configuration, if
    /// both keep the same rows: leases on their way back are waited for, and nothing is reported
    /// twice.
    pub(in crate::exchange) fn remembering(self, before: &Self) -> Self {
        if self.upstream != before.upstream {
            return self;
        }
        Self { pending: before.pending.clone(), seen: before.seen.clone(), ..self }
    }

    fn store(&self) -> Result<&Arc<dyn StateStore>, Rejection> {
        self.store.as_ref().ok_or(Rejection::NoStore)
    }

    /// Refuses a request for which rows would be kept, if anyone can mint its token and the
    /// operator refuses state for such tokens.
    pub(in crate::exchange) fn ensure_may_keep(
        &self,
        prospect: RulesDecision<'_>,
    ) -> Result<(), Rejection> {
        let refused = self.refuses(prospect.token()) && prospect.keeps_rows();
        if refused { Err(Rejection::StateNeedsMinter) } else { Ok(()) }
    }

    fn refuses(&self, token: &VerifiedToken) -> bool {
        self.strangers == StrangerState::Refuse && token.provenance() == Provenance::Anyone
    }

    /// Returns the most rows that plugins may leave in the store at the expense of this exchange's
    /// payer.
    pub(in crate::exchange) fn plugin_rows(
        &self,
        token: &VerifiedToken,
        exchange: &Holding,
    ) -> RowLimits {
        if self.refuses(token) {
            RowLimits { partition: 0, ..RowLimits::UNBOUNDED }
        } else {
            exchange.row_limits()
        }
    }

    /// Takes everything from the store that the permit takes, and returns the reservation with the
    /// duties due once the response has come.
    pub(in crate::exchange) async fn reserve(
        &self,
        sending: PermittedRequest<'_>,
    ) -> Result<Reservation, Rejection> {
        let PermittedRequest { permit, message, questions, receipts, consultation, binder } =
            sending;
        self.ensure_may_keep(permit.prospect())?;
        let now = clock::now();
        let binding = self.binding(&permit, binder).await?;
        let place = OwnerContext { upstream: &self.upstream, binding: binding.as_ref() };
        let (owner, ends_at) = permit.owner(place, now).ok_or(Rejection::Internal)?;
        let outcome = match permit.basis() {
            Basis::Rule(Some(state)) => {
                self.prepare(state, owner, message, questions.exchange).await?
            }
            Basis::Grant(held) if message.method == http::Method::DELETE => {
                Outcome::Consumes(held.clone())
            }
            Basis::Rule(None) | Basis::Grant(_) | Basis::Plugin(_) => Outcome::Nothing,
        };
        let reads_response = consultation.reads_response()
            || matches!(&outcome, Outcome::Grants(state, _) if state.reads_response());
        // Taken before the request is sent: a response to read must find room after the upstream
        // has acted.
        let room = if reads_response { MAX_RESPONSE_BYTES } else { 0 };
        let buffered = questions.exchange.take(Resource::BufferedBytes, room)?;
        // Counted before the upstream is asked anything, because a lookup is a request, too.
        let taken = self.take(&permit, place, questions.exchange).await?;
        let outcome = match outcome {
            Outcome::ListItems(state, claim) => {
                let asking = LookupRequest { questions: &questions, message, permit: &permit };
                Outcome::Claimed(self.own(&state, claim, ends_at, asking).await?)
            }
            outcome => outcome,
        };
        if reads_response {
            // An encoded response cannot be read.
            message.headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        let duty = Duty {
            ledger: self.clone(),
            owner,
            ends_at,
            outcome,
            method: message.method.clone(),
            path: message.target.path().to_owned(),
            receipts,
            consultation,
            secret_mask: questions.credential.secret_mask().cloned(),
            taken,
            rows: questions.exchange.row_limits(),
            buffered,
        };
        Ok(Reservation::new(permit, duty))
    }

    /// Reads the parts of the request needed by a stateful rule, and checks permission and room.
    /// Nothing is kept yet.
    async fn prepare(
        &self,
        state: &Arc<RuleEffects>,
        owner: Partition,
        message: &mut Message,
        exchange: &Holding,
    ) -> Result<Outcome, Rejection> {
        if state.records() {
            self.ensure_room(owner, exchange).await?;
        }
        Ok(match self.find(state, message, exchange).await? {
            (EffectInput::Items(list_items), _) => {
                let claim = self.claim_to(state, owner, list_items, message).await?;
                self.ensure_list_room(&claim, exchange.row_limits()).await?;
                Outcome::ListItems(Arc::clone(state), claim)
            }
            // The text is kept, not its parsed form, which takes many times the memory.
            (EffectInput::Values, body) => Outcome::Grants(Arc::clone(state), body),
            (EffectInput::Nothing, _) if state.records() || state.gives_receipt() => {
                Outcome::Grants(Arc::clone(state), None)
            }
            (EffectInput::Nothing, _) => Outcome::Nothing,
        })
    }

    /// Finds the input of a rule's effects in the request. Returns the body as well, if read for the
    /// rule.
    async fn find(
        &self,
        state: &Arc<RuleEffects>,
        message: &mut Message,
        exchange: &Holding,
    ) -> Result<(EffectInput, Option<Bytes>), Rejection> {
        let mut body: Option<Bytes> = None;
        loop {
            let finding = match &body {
                Some(body) => find_in(state, message, body.clone()).await?,
                None => state.find(&RequestView::unread(message.method.as_str(), &message.target)),
            };
            match finding {
                Ok(found) => return Ok((found, body)),
                Err(EffectInputFault::Needs(part)) if body.is_none() => {
                    let Message { headers, body: content, .. } = &mut *message;
                    let longest_body = self.longest_body;
                    let mut unread =
                        UnreadRequest { headers, body: content, exchange, longest_body };
                    body = Some(unread.read(part).await?);
                    send_as_json(headers);
                }
                Err(EffectInputFault::NotAllowed) => {
                    return Err(Denial::NotAllowed.into());
                }
                Err(EffectInputFault::Unreadable) => return Err(Rejection::BodyForm),
                // The body was read already.
                Err(EffectInputFault::Needs(_)) => return Err(Rejection::Internal),
            }
        }
    }

    /// Refuses a request whose grants would find no room.
    async fn ensure_room(&self, owner: Partition, exchange: &Holding) -> Result<(), Rejection> {
        let rows = RowLimits { spare: rule::MAX_RULE_GRANTS as u64, ..exchange.row_limits() };
        let room = vec![Condition::AtMost(HeldGrant::PREFIX.to_vec(), MAX_OWNER_GRANTS - 1)];
        let target = BoundedPartition { partition: owner, rows };
        let has_room = self.store()?.apply_within(target, room, Vec::new(), clock::now()).await?;
        if has_room { Ok(()) } else { Err(Rejection::TooManyGrants(MAX_OWNER_GRANTS)) }
    }
}

/// Sets `Content-Type` to JSON for content that was read as JSON, whatever type the client named.
/// Defends against an upstream that takes forms, too, and would find other values in the content.
fn send_as_json(headers: &mut HeaderMap) {
    let said_once = headers.get_all(CONTENT_TYPE).iter().count() == 1;
    let plain = |value: &HeaderValue| value.to_str().is_ok_and(|text| !text.contains([';', ',']));
    if !(said_once
        && duties::is_read_as_json(headers)
        && headers.get(CONTENT_TYPE).is_some_and(plain))
    {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
}

/// Finds the input in the request's body, beside the event loop if long.
async fn find_in(
    state: &Arc<RuleEffects>,
    message: &Message,
    body: Bytes,
) -> Result<Result<EffectInput, EffectInputFault>, Rejection> {
    let (rule, method, target) =
        (Arc::clone(state), message.method.clone(), message.target.clone());
    let bytes = body.len();
    let find = move || rule.find(&RequestView::unread(method.as_str(), &target).with_body(&body));
    aside::work(bytes, find).await
}
