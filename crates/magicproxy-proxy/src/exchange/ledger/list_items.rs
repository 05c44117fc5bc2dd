//! List items: read from a request's body, looked up at the upstream, and owned before the request
//! is sent. `state.md` section 5.

use std::sync::Arc;

use http::header::{ACCEPT, ACCEPT_ENCODING};
use http::{HeaderMap, HeaderValue, StatusCode};
use magicproxy_core::rule::{ListItem, RuleEffects};
use magicproxy_core::state::Partition;
use magicproxy_core::{PathSettings, Permit, RequestTarget, UnixTime};

use super::claims::{ActiveClaim, Claim, TouchedItems};
use super::{Ledger, work_aside};
use crate::admission::{Holding, Resource};
use crate::credential::attached::AttachedCredential;
use crate::exchange::gate::{FinalCheck, ListQuery, Message, OutboundRequest};
use crate::exchange::sending::carry_out;
use crate::exchange::upstream::Upstream;
use crate::rejection::Rejection;
use crate::response::buffered_prefix::BufferedPrefix;
use crate::response::header::Coding;
use crate::worker::WorkerId;

/// The most bytes read of the upstream's response to a lookup.
const MAX_LISTING_BYTES: usize = 4 * 1024 * 1024;
/// The most lookups at the upstream for a request, if others are faster each time.
const QUESTIONS: usize = 3;
/// The most reads of the store for a request, if others are faster each time. For items of the
/// owner, the upstream is not asked.
const LOOKS: usize = 16;

/// The lookups at the upstream, with the credential of the request that needs a response.
pub(in crate::exchange) struct ListLookups<'q> {
    pub(in crate::exchange) upstream: &'q Arc<Upstream>,
    pub(in crate::exchange) worker: WorkerId,
    pub(in crate::exchange) credential: &'q Arc<AttachedCredential>,
    /// The exchange behind the lookup, whose payer pays.
    pub(in crate::exchange) exchange: &'q Holding,
    /// The last look at the request, before each lookup.
    pub(in crate::exchange) look: FinalCheck<'q>,
}

impl Ledger {
    /// Reads the owners of the list items (section 5.4). Nothing is kept yet.
    pub(super) async fn claim_to(
        &self,
        state: &RuleEffects,
        owner: Partition,
        list_items: Vec<ListItem>,
        message: &Message,
    ) -> Result<Claim, Rejection> {
        let path = message.target.path();
        let partition =
            state.list_items().and_then(|list_items| list_items.partition(&self.upstream, path));
        let partition = partition.ok_or(Rejection::Internal)?;
        self.read_claim(TouchedItems { partition, owner, path: path.to_owned(), list_items }).await
    }

    /// Asks the upstream, and gives the owner the list items that the upstream does not have
    /// (sections 5.5 and 5.6).
    pub(super) async fn own(
        &self,
        state: &Arc<RuleEffects>,
        mut claim: Claim,
        ends_at: UnixTime,
        asking: LookupRequest<'_>,
    ) -> Result<ActiveClaim, Rejection> {
        let mut questions = 0;
        for _ in 0..LOOKS {
            let asked = claim.asked();
            questions += usize::from(!asked.is_empty());
            if questions > QUESTIONS {
                break;
            }
            let is_there =
                asking.questions.has_any(state, &asked, asking.message, asking.permit).await?;
            if is_there || claim.is_foreign() {
                return Err(Rejection::NotOwned);
            }
            let rows = asking.questions.exchange.row_limits();
            claim = match ActiveClaim::claim(self, claim, ends_at, rows).await? {
                Ok(claimed) => return Ok(claimed),
                // Another request was faster: the current owner is read. If there is none, the
                // upstream's response is too old, and the upstream is asked again.
                Err(claim) => self.read_claim_again(&claim).await?,
            };
            self.ensure_list_room(&claim, asking.questions.exchange.row_limits()).await?;
        }
        Err(Rejection::NotOwned)
    }
}

/// A request that needs a lookup at the upstream before being sent.
#[derive(Clone, Copy)]
pub(super) struct LookupRequest<'a> {
    pub(super) questions: &'a ListLookups<'a>,
    pub(super) message: &'a Message,
    pub(super) permit: &'a Permit,
}

impl ListLookups<'_> {
    /// True if the upstream already has any of these list items.
    async fn has_any(
        &self,
        state: &Arc<RuleEffects>,
        new: &[ListItem],
        message: &Message,
        permit: &Permit,
    ) -> Result<bool, Rejection> {
        let list_items = state.list_items().ok_or(Rejection::Internal)?;
        let whole = new.first().is_some_and(|item| list_items.lookup(item).is_none());
        // All list items in a single response, or a response for each.
        for asked in new.chunks(if whole { new.len() } else { 1 }) {
            let query = asked.first().and_then(|item| list_items.lookup(item)).unwrap_or_default();
            let listing = self.listing(message, &query, permit).await?;
            let (state, asked) = (Arc::clone(state), asked.to_vec());
            let search = move || {
                let body = listing.whole()?;
                state.list_items()?.hold_any(body, &asked)
            };
            if work_aside(MAX_LISTING_BYTES, search).await?.ok_or(Rejection::CannotTell)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Reads the upstream's list at the path of the request.
    async fn listing(
        &self,
        message: &Message,
        query: &str,
        permit: &Permit,
    ) -> Result<BufferedPrefix, Rejection> {
        let target = format!("{}{query}", message.target.path());
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let target = RequestTarget::parse(target.as_bytes(), PathSettings::LENIENT)?;
        let (origin, watch) = (message.origin, message.watch.clone());
        let question = ListQuery { headers, origin, target, watch };
        let exchange = self.exchange.take(Resource::Exchanges, 1)?;
        let buffered = self.exchange.take(Resource::BufferedBytes, MAX_LISTING_BYTES)?;
        let decided = Some((&message.method, &message.target));
        let look = FinalCheck { decided, ..self.look };
        let question =
            OutboundRequest::question(permit, Arc::clone(self.credential), question, exchange);
        let committed = carry_out(self.upstream, question, self.worker, look).await?;
        let readable = committed.status() == StatusCode::OK
            && Coding::of(committed.headers()) == Coding::Identity;
        if readable { Ok(committed.read(buffered).await) } else { Err(Rejection::CannotTell) }
    }
}
