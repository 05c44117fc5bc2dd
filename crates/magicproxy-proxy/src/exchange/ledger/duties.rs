//! Duties: everything due once the response to a permitted request has come, before any of the
//! response is passed down.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use magicproxy_core::UnixTime;
use magicproxy_core::limit::Limit;
use magicproxy_core::rule::{Document, Facts, HeldGrant, NewGrant, NoGrant, RuleEffects};
use magicproxy_core::state::{BoundedPartition, Change, Condition, Entry, Partition, RowLimits};

use super::claims::{ActiveClaim, Claim};
use super::limits::TakenLimits;
use super::{Consultation, Ledger, MAX_OWNER_GRANTS, work_aside};
use crate::admission::{Holding, Resource};
use crate::clock;
use crate::exchange::response::CommittedResponse;
use crate::exchange::verifier::Receipts;
use crate::http::body::MAX_RESPONSE_BYTES;
use crate::mask::SecretMask;
use crate::observe::access_log::shorten_segments;
use crate::rejection::Rejection;
use crate::response::header::{Coding, RECEIPT};
use crate::transport::Content;

/// The duties of a request; none for most requests.
#[derive(Debug)]
pub(in crate::exchange) struct Duties(Option<Box<Duty>>);

/// Everything due for a request once its response has come, with the resources taken for the
/// request. Made by [`Ledger::reserve`] alone.
pub(super) struct Duty {
    pub(super) ledger: Ledger,
    pub(super) owner: Partition,
    pub(super) ends_at: UnixTime,
    pub(super) outcome: Outcome,
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) receipts: Receipts,
    pub(super) consultation: Consultation,
    /// The credential, masked in plugin views and refused in grants, because an upstream may echo
    /// it.
    pub(super) secret_mask: Option<SecretMask>,
    pub(super) taken: TakenLimits,
    /// The most rows in the store for grants of the response.
    pub(super) rows: RowLimits,
    /// The memory for the response's content, if the content must be read first.
    pub(super) buffered: Holding,
}

/// The effect of a request, decided by its response.
#[derive(Debug)]
pub(super) enum Outcome {
    Nothing,
    /// The grants or receipt of this rule, upon success. The values come from the request's JSON
    /// content, among others.
    Grants(Arc<RuleEffects>, Option<Bytes>),
    /// A claim to list items, not yet made.
    ListItems(Arc<RuleEffects>, Claim),
    /// List items claimed for the owner. The response decides how long the owner keeps them.
    Claimed(ActiveClaim),
    /// A grant to take away, because a deletion used it.
    Consumes(HeldGrant),
}

impl fmt::Debug for Duty {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Duty")
            .field("owner", &self.owner)
            .field("outcome", &self.outcome)
            .finish_non_exhaustive()
    }
}

impl Duties {
    /// Makes the duties of a request without state.
    pub(in crate::exchange) fn none() -> Self {
        Self(None)
    }

    pub(super) fn of(duty: Duty) -> Self {
        Self(Some(Box::new(duty)))
    }

    /// Returns the limits of which the request took one each, with the number left of each.
    pub(super) fn limits_left(&self) -> &[(Limit, u64)] {
        self.0.as_ref().map_or(&[], |duty| duty.taken.left())
    }

    /// True if nothing is due, whatever comes of the request.
    pub(in crate::exchange) fn are_none(&self) -> bool {
        self.0.is_none()
    }

    /// True if the exchange must go on even if its client has gone.
    pub(in crate::exchange) fn are_due(&self) -> bool {
        // A request that is only counted needs nobody to see it through: a client that goes away
        // breaks the request off, like any other.
        self.0.as_ref().is_some_and(|duty| {
            !matches!(duty.outcome, Outcome::Nothing) || !duty.consultation.is_empty()
        })
    }
}

impl Duties {
    /// Discharges the duties for a response that has come.
    ///
    /// # Errors
    /// The upstream carried the request out, and the effects could not be recorded.
    pub(in crate::exchange) async fn commit(
        self,
        committed: CommittedResponse,
    ) -> Result<CommittedResponse, Rejection> {
        match self.0 {
            None => Ok(committed),
            Some(duty) => Box::pin(duty.fulfil(committed)).await,
        }
    }

    /// Notes that the request may be sent from now on.
    pub(in crate::exchange) fn sent(&mut self) {
        self.claimed().into_iter().for_each(ActiveClaim::sent);
    }

    /// Notes that the request was not sent after all, and is not going to be.
    pub(in crate::exchange) fn not_sent(&mut self) {
        self.claimed().into_iter().for_each(ActiveClaim::not_sent);
    }

    fn claimed(&mut self) -> Option<&mut ActiveClaim> {
        match &mut self.0.as_mut()?.outcome {
            Outcome::Claimed(claimed) => Some(claimed),
            _ => None,
        }
    }
}

impl Duty {
    async fn fulfil(
        mut self: Box<Self>,
        mut committed: CommittedResponse,
    ) -> Result<CommittedResponse, Rejection> {
        let status = committed.status();
        self.taken.show(committed.headers_mut());
        let body = if self.reads(&committed) {
            let room = self.buffered.take(Resource::BufferedBytes, 0)?;
            let buffered = std::mem::replace(&mut self.buffered, room);
            committed.read_prefix(buffered).await
        } else {
            None
        };
        match std::mem::replace(&mut self.outcome, Outcome::Nothing) {
            Outcome::Nothing => {}
            Outcome::Grants(state, request) if status.is_success() => {
                let response = body.clone().filter(|_| state.reads_response());
                self.give(&state, Bodies { request, response }, committed.headers_mut()).await?;
            }
            Outcome::Grants(..) => {}
            Outcome::ListItems(..) => return Err(Rejection::Internal),
            Outcome::Claimed(claimed) => claimed.commit(status, self.ends_at).await,
            Outcome::Consumes(held) => self.consume(&held, status).await,
        }
        self.consultation
            .tell(committed.response(), body.as_deref(), self.secret_mask.as_ref())
            .await?;
        if let Some(leases) = self.taken.leases.take() {
            committed.hold(Box::new(leases));
        }
        Ok(committed)
    }

    /// True if the response's content must be read before being passed on. Content that may never
    /// end is not read.
    fn reads(&self, committed: &CommittedResponse) -> bool {
        let headers = committed.headers();
        let granting = match &self.outcome {
            Outcome::Grants(state, _) => {
                state.reads_response()
                    && committed.status().is_success()
                    && is_read_as_json(headers)
            }
            _ => false,
        };
        let readable = Coding::of(headers) == Coding::Identity;
        readable
            && (granting
                || self.consultation.reads_response()
                    && (is_read_as_json(headers) || is_short(committed.response())))
    }

    /// Stores the grants of a success, or makes a receipt of them.
    async fn give(
        &self,
        state: &Arc<RuleEffects>,
        bodies: Bodies,
        headers: &mut HeaderMap,
    ) -> Result<(), Rejection> {
        let location = match headers.get(LOCATION).map(HeaderValue::to_str) {
            Some(Ok(location)) => Some(location.to_owned()),
            Some(Err(_)) | None => None,
        };
        let (path, of_rule) = (self.path.clone(), Arc::clone(state));
        let granted = work_aside(bodies.length(), move || {
            bodies.granted(&of_rule, &path, location.as_deref())
        })
        .await?;
        let granted = match granted {
            Ok(granted) => granted,
            Err(reason) => {
                tracing::warn!(name: "grant_missing", target: "magicproxy::state", owner = %self.owner, method = %self.method, path = &*shorten_segments(&self.path), %reason, "a response gave no grant");
                return Ok(());
            }
        };
        // An upstream may echo the credential, which must not get into a receipt, a log or the
        // store.
        if granted.iter().any(|grant| self.holds_secret(grant.path())) {
            tracing::warn!(name: "grant_withheld", target: "magicproxy::state", owner = %self.owner, path = &*shorten_segments(&self.path), "a response would have given a grant with the credential in it");
            return Ok(());
        }
        if !state.gives_receipt() {
            return self.record(&granted).await;
        }
        match self.receipts.make(granted).await {
            Ok(token) => {
                let mut value = HeaderValue::from_str(&token).map_err(|_| Rejection::Internal)?;
                value.set_sensitive(true);
                headers.insert(RECEIPT, value);
            }
            Err(reason) => {
                tracing::warn!(name: "receipt_missing", target: "magicproxy::state", path = &*shorten_segments(&self.path), %reason, "a response has no receipt")
            }
        }
        Ok(())
    }

    /// True if a text holds the credential.
    fn holds_secret(&self, text: &str) -> bool {
        let Some(secret_mask) = &self.secret_mask else { return false };
        secret_mask.masked(text.as_bytes()).is_some()
    }

    async fn record(&self, granted: &[NewGrant]) -> Result<(), Rejection> {
        let room = MAX_OWNER_GRANTS.saturating_sub(granted.len());
        let (mut changes, mut grants) = (Vec::new(), Vec::new());
        for grant in granted {
            let entry = Entry { value: grant.methods().into_bytes(), expires_at: self.ends_at };
            changes.push(Change::Put(grant.name(), entry));
            grants.push(format!("{} {}", grant.methods(), grant.path()));
        }
        let conditions = vec![Condition::AtMost(HeldGrant::PREFIX.to_vec(), room)];
        let recorded = match self.ledger.store() {
            Ok(store) => {
                let target = BoundedPartition { partition: self.owner, rows: self.rows.clone() };
                let recorded = store.apply_within(target, conditions, changes, clock::now()).await;
                recorded.map_err(|error| error.to_string())
            }
            Err(rejection) => Err(rejection.to_string()),
        };
        let reason = match recorded {
            Ok(true) => return Ok(()),
            Ok(false) => format!("its owner holds {MAX_OWNER_GRANTS} already"),
            Err(reason) => reason,
        };
        // The facts for an operator who must clean up by hand.
        let grants = grants.join(", ");
        tracing::error!(name: "grant_not_recorded", target: "magicproxy::state", owner = %self.owner, method = %self.method, path = &*shorten_segments(&self.path), grants, reason,
            "the upstream created what could not be recorded");
        Err(Rejection::NotRecorded)
    }

    /// Takes a grant away whose resource was deleted, or is not there (`state.md` section 3.6).
    async fn consume(&self, held: &HeldGrant, status: StatusCode) {
        if !status.is_success() && status != StatusCode::NOT_FOUND && status != StatusCode::GONE {
            return;
        }
        let Ok(store) = self.ledger.store() else { return };
        let remove = vec![Change::Remove(HeldGrant::name(&self.path))];
        if let Err(error) = store.apply(held.owner(), Vec::new(), remove, clock::now()).await {
            tracing::warn!(name: "grant_not_removed", target: "magicproxy::state", owner = %held.owner(), path = &*shorten_segments(&self.path), %error, "a grant that was used up stays");
        }
    }
}

/// The bodies of a request and its response, if a rule looks for values inside.
struct Bodies {
    request: Option<Bytes>,
    response: Option<Bytes>,
}

impl Bodies {
    fn length(&self) -> usize {
        [&self.request, &self.response].into_iter().flatten().map(Bytes::len).sum()
    }

    fn granted(
        &self,
        state: &RuleEffects,
        path: &str,
        location: Option<&str>,
    ) -> Result<Vec<NewGrant>, NoGrant> {
        let document = |body: &Option<Bytes>| body.as_deref().and_then(Document::parse);
        let (request, response) = (document(&self.request), document(&self.response));
        state.granted(&Facts {
            path,
            request: request.as_ref(),
            response: response.as_ref(),
            location,
        })
    }
}

/// True if a message is read as JSON: `application/json`, or a media type ending in `+json`.
pub(super) fn is_read_as_json(headers: &HeaderMap) -> bool {
    let essence = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next());
    essence.is_some_and(|essence| {
        let essence = essence.trim().to_ascii_lowercase();
        essence == "application/json" || essence.ends_with("+json")
    })
}

/// True if the end of the content is known and near.
fn is_short(response: &Response<Content>) -> bool {
    http_body::Body::size_hint(response.body())
        .upper()
        .is_some_and(|bytes| bytes <= MAX_RESPONSE_BYTES as u64)
}
