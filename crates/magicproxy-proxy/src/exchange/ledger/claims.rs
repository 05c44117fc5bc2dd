//! Claims: the rows in the partition of a list, and how a list item comes to belong to an owner.
//! `state.md` section 5.6.
//!
//! Asking holds nothing: a list item is claimed only once the upstream has said that no such item
//! exists, and only if nobody else had the item since before that question. Nothing is taken away
//! from an owner while another of the owner's requests may rely on it.

mod claimed;
mod ownership;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::StatusCode;
use magicproxy_core::UnixTime;
use magicproxy_core::rule::{ItemAction, ListItem};
use magicproxy_core::state::{
    BoundedPartition, Change, Condition, Entry, Partition, RowLimits, StateStore, StoreError,
};

use super::{Ledger, MAX_OWNER_GRANTS};
use crate::clock;
use crate::rejection::Rejection;

pub(super) use claimed::ActiveClaim;

use ownership::{Nonce, Reliance, is_trace, nonce};

/// The longest time from the read of the store, before the question to the upstream, to the claim.
const PATIENCE: Duration = Duration::from_secs(60);
/// The shortest time for which a claim stays visible, in seconds, however the claim ends: longer
/// than [`PATIENCE`], and than the clocks of replicas are apart.
const TRACE_SECONDS: u64 = 15 * 60;

/// The most attempts to note the end of a request on a list item, if others are faster each time.
const CONCLUSIONS: usize = 16;

/// The list items of a request, in a single list, for a single owner.
#[derive(Clone, Debug)]
pub(super) struct TouchedItems {
    /// The partition of the list.
    pub(super) partition: Partition,
    pub(super) owner: Partition,
    /// The path as spelt by the request, since only that spelling is sure to lead to these list
    /// items.
    pub(super) path: String,
    pub(super) list_items: Vec<ListItem>,
}

/// The list items of a request as found in the store, with the time of the read. Nothing is written
/// yet: [`ActiveClaim`] is a claim after the write.
#[derive(Debug)]
pub(super) struct Claim {
    touched: TouchedItems,
    /// The nonce that tells this request from others of the owner.
    request: Nonce,
    /// Items that the request creates and that nobody owns.
    new: Vec<UnownedItem>,
    /// Items owned by the request's owner.
    held: Vec<OwnedItem>,
    /// Items that the request creates and that somebody else owns.
    foreign: Vec<ListItem>,
    looked_at: Instant,
    /// The time of the read by the clock that ends rows. While a machine sleeps, the clock of
    /// `looked_at` stands still.
    read_at: UnixTime,
}

/// A list item without an owner.
#[derive(Debug)]
struct UnownedItem {
    item: ListItem,
    /// The trace of a claim that came to nothing, under the item's name.
    trace: Option<Vec<u8>>,
}

/// A list item of the request's owner.
#[derive(Debug)]
struct OwnedItem {
    name: Vec<u8>,
    /// The other requests that relied on the item at the time of the read.
    reliance: Reliance,
    expires_at: UnixTime,
}

/// The effect of a request's end on a list item.
#[derive(Clone, Copy, Debug)]
enum Conclusion {
    /// The item was created, and is the owner's until this time.
    Made(UnixTime),
    /// The item was deleted.
    Gone,
    /// The item was to be created, and was not.
    Refused,
    /// The item may have been created, or may be yet: nobody knows.
    Unknown,
    /// The item is as before: the owner's until this time.
    Unchanged(UnixTime),
}

/// The outcome, as far as known, of a request that was to create something and did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The request was not sent, or the upstream refused the request.
    Refused,
    /// Something may have been done, or may be yet: nobody knows.
    Unknown,
}

impl Failure {
    /// Classifies a response other than a success.
    pub(super) fn of(status: StatusCode) -> Self {
        if status.is_server_error() { Self::Unknown } else { Self::Refused }
    }
}

/// Returns the time until which anything claimed or relied on now stays visible at least.
fn trace_end(now: UnixTime) -> UnixTime {
    UnixTime(now.0.saturating_add(TRACE_SECONDS))
}

impl Claim {
    /// Returns the items about which the upstream is asked: new items, which must not exist there,
    /// and items of others. So a client without the right to ask does not learn that an item has an
    /// owner.
    pub(super) fn asked(&self) -> Vec<ListItem> {
        self.new.iter().map(|unowned| &unowned.item).chain(&self.foreign).cloned().collect()
    }

    /// Returns the time since the read, by whichever clock says more.
    fn age(&self, now: UnixTime) -> Duration {
        self.looked_at.elapsed().max(Duration::from_secs(now.0.saturating_sub(self.read_at.0)))
    }

    /// True if the request would create an item of somebody else.
    pub(super) fn is_foreign(&self) -> bool {
        !self.foreign.is_empty()
    }

    fn new_names(&self) -> impl Iterator<Item = Vec<u8>> {
        self.new.iter().map(|unowned| unowned.item.name())
    }

    /// Returns the change by which this request relies on an item of its owner. `None` if the
    /// change would show nothing new: other requests need not look again on its account.
    fn reliance_on(&self, held: &OwnedItem, seen_until: UnixTime) -> Option<Change> {
        let reliance = held.reliance.with(self.request);
        let is_seen = reliance == held.reliance && held.expires_at >= seen_until;
        let entry = Entry {
            value: self.touched.ownership(reliance),
            expires_at: held.expires_at.max(seen_until),
        };
        (!is_seen).then(|| Change::Put(held.name.clone(), entry))
    }

    /// Returns the change for a conclusion, if nobody else relies on the list item.
    fn alone(&self, name: Vec<u8>, conclusion: Conclusion) -> Change {
        let put = |value, expires_at| Change::Put(name.clone(), Entry { value, expires_at });
        let touched = &self.touched;
        let (nobody, end) = (Reliance::Nobody, trace_end(clock::now()));
        match conclusion {
            Conclusion::Made(ends_at) | Conclusion::Unchanged(ends_at) => {
                put(touched.ownership(nobody), ends_at.max(end))
            }
            Conclusion::Gone => Change::Remove(name),
            Conclusion::Refused => {
                put(touched.trace().unwrap_or_else(|| touched.ownership(nobody)), end)
            }
            Conclusion::Unknown => put(touched.ownership(Reliance::One(self.request)), end),
        }
    }

    /// Returns the change for a conclusion, if others rely on the list item: the item stays the
    /// owner's until every request on its way has ended. An item created by any of these requests
    /// stays so, even if another request that wanted to create the item was refused.
    fn among_others(
        &self,
        name: Vec<u8>,
        conclusion: Conclusion,
        others: Reliance,
    ) -> Option<Change> {
        // A request that looked before this change may be let through for so long. Its own write
        // does not show, because the value is the same.
        let end = trace_end(UnixTime(clock::now().0.saturating_add(PATIENCE.as_secs())));
        let (reliance, expires_at) = match conclusion {
            Conclusion::Made(ends_at) => (Reliance::SeveralMade, ends_at.max(end)),
            Conclusion::Gone => (Reliance::Several, end),
            Conclusion::Refused | Conclusion::Unknown if others == Reliance::Several => {
                (Reliance::Several, end)
            }
            Conclusion::Refused | Conclusion::Unknown | Conclusion::Unchanged(_) => return None,
        };
        Some(Change::Put(name, Entry { value: self.touched.ownership(reliance), expires_at }))
    }

    /// Returns the change for a conclusion, if `value` is under the name. `None` if nothing is to
    /// change.
    fn among(&self, name: Vec<u8>, conclusion: Conclusion, value: &[u8]) -> Option<Change> {
        match self.touched.reliance(value)? {
            Reliance::One(request) if request == self.request => Some(self.alone(name, conclusion)),
            others @ (Reliance::Several | Reliance::SeveralMade) => {
                self.among_others(name, conclusion, others)
            }
            Reliance::Nobody | Reliance::One(_) => None,
        }
    }

    /// Returns the condition that the owner has room for the new items among its items of the list.
    fn room(&self) -> Condition {
        Condition::AtMostValued(
            self.touched.of_owner(),
            MAX_OWNER_GRANTS.saturating_sub(self.new.len()),
        )
    }
}

impl Ledger {
    /// Reads the list items, and tells new items from owned items (section 5.4). An item to delete
    /// must be the owner's.
    pub(super) async fn read_claim(&self, touched: TouchedItems) -> Result<Claim, Rejection> {
        // Taken before the read: the claim must not be later than this time by more than
        // `PATIENCE`.
        let looked_at = Instant::now();
        let request = nonce().ok_or(Rejection::Internal)?;
        let names = touched.list_items.iter().map(ListItem::name).collect();
        let read_at = clock::now();
        let found = self.store()?.read(touched.partition, names, read_at).await?;
        let (mut new, mut held, mut foreign) = (Vec::new(), Vec::new(), Vec::new());
        for (item, entry) in touched.list_items.iter().zip(found) {
            let own = entry
                .as_ref()
                .and_then(|entry| Some((touched.reliance(&entry.value)?, entry.expires_at)));
            if let Some((reliance, expires_at)) = own {
                held.push(OwnedItem { name: item.name(), reliance, expires_at });
                continue;
            }
            match (entry, item.action) {
                (None, ItemAction::Create) => {
                    new.push(UnownedItem { item: item.clone(), trace: None })
                }
                (Some(entry), ItemAction::Create) if is_trace(&entry.value) => {
                    new.push(UnownedItem { item: item.clone(), trace: Some(entry.value) });
                }
                (Some(_), ItemAction::Create) => foreign.push(item.clone()),
                (_, ItemAction::Delete) => return Err(Rejection::NotOwned),
            }
        }
        Ok(Claim { touched, request, new, held, foreign, looked_at, read_at })
    }

    /// Reads the list items again, after a claim was not made. Every item of the owner must still
    /// be the owner's: another request of the owner may have deleted the item meanwhile, and
    /// somebody else created it anew.
    pub(super) async fn read_claim_again(&self, claim: &Claim) -> Result<Claim, Rejection> {
        let again = self.read_claim(claim.touched.clone()).await?;
        let kept =
            claim.held.iter().all(|held| again.held.iter().any(|other| other.name == held.name));
        if kept && !again.is_foreign() { Ok(again) } else { Err(Rejection::NotOwned) }
    }

    /// Refuses items without room, before the request is counted and the upstream is asked.
    pub(super) async fn ensure_list_room(
        &self,
        claim: &Claim,
        rows: RowLimits,
    ) -> Result<(), Rejection> {
        if claim.new.is_empty() {
            return Ok(());
        }
        let spare = claim.new.iter().filter(|unowned| unowned.trace.is_none()).count() as u64;
        let target = BoundedPartition {
            partition: claim.touched.partition,
            rows: RowLimits { spare, ..rows },
        };
        let has_room = self
            .store()?
            .apply_within(target, vec![claim.room()], Vec::new(), clock::now())
            .await?;
        if has_room { Ok(()) } else { Err(Rejection::TooManyGrants(MAX_OWNER_GRANTS)) }
    }

    /// Gives the owner the items that the upstream does not have, before the request is sent.
    /// Returns true if the claim was made.
    ///
    /// The claim is not made if since [`Self::read_claim`] somebody else had any of the new items,
    /// if an item is no longer the owner's, or if another request of the owner has relied on an
    /// item.
    pub(super) async fn claim(
        &self,
        claim: &Claim,
        ends_at: UnixTime,
        rows: RowLimits,
    ) -> Result<bool, Rejection> {
        let now = clock::now();
        if claim.age(now) > PATIENCE {
            // Events in the meantime may have left no trace any more.
            return Err(Rejection::CannotTell);
        }
        let mut conditions = Vec::new();
        for unowned in &claim.new {
            conditions.push(match &unowned.trace {
                None => Condition::Absent(unowned.item.name()),
                Some(trace) => Condition::Equals(unowned.item.name(), trace.clone()),
            });
        }
        for held in &claim.held {
            let ownership = claim.touched.ownership(held.reliance);
            conditions.push(Condition::Equals(held.name.clone(), ownership));
        }
        if !claim.new.is_empty() {
            conditions.push(claim.room());
        }
        // INVARIANT: the reliance of a request stays visible for longer than others that have
        // looked before may still claim, and for longer than the request is on its way.
        let seen_until = trace_end(now);
        let value = claim.touched.ownership(Reliance::One(claim.request));
        let made = Entry { value, expires_at: ends_at.max(seen_until) };
        let mut changes = Vec::new();
        for name in claim.new_names() {
            changes.push(Change::Put(name, made.clone()));
        }
        for held in &claim.held {
            changes.extend(claim.reliance_on(held, seen_until));
        }
        let target = BoundedPartition { partition: claim.touched.partition, rows };
        Ok(self.store()?.apply_within(target, conditions, changes, now).await?)
    }

    /// Gives up the new items of a failed request. If nobody knows whether the items were created,
    /// they stay the owner's for a while. Items that the owner had before stay unchanged.
    pub(super) async fn disown(&self, claim: &Claim, failure: Failure) {
        let conclusion =
            if failure == Failure::Refused { Conclusion::Refused } else { Conclusion::Unknown };
        let new = claim.new_names().map(|name| (name, conclusion));
        // A request that may still be on its way keeps its mark.
        let held = claim.held.iter().filter(|_| failure == Failure::Refused);
        let held = held.map(|held| (held.name.clone(), Conclusion::Unchanged(held.expires_at)));
        self.conclude(claim, new.chain(held).collect()).await;
    }

    /// Concludes a successful request: deleted items are nobody's, and created items are the
    /// owner's until `ends_at`.
    pub(super) async fn confirm(&self, claim: &Claim, ends_at: UnixTime) {
        let mut conclusions = Vec::new();
        for item in &claim.touched.list_items {
            let conclusion = match item.action {
                ItemAction::Create => Conclusion::Made(ends_at),
                ItemAction::Delete => Conclusion::Gone,
            };
            conclusions.push((item.name(), conclusion));
        }
        self.conclude(claim, conclusions).await;
    }

    /// Writes the effect of a request's end on its list items. An item left behind for want of a
    /// store ends by itself.
    async fn conclude(&self, claim: &Claim, conclusions: Vec<(Vec<u8>, Conclusion)>) {
        let Some(store) = self.store.as_ref().filter(|_| !conclusions.is_empty()) else { return };
        let concluding = async {
            if conclude_alone(store, claim, &conclusions).await? {
                return Ok(());
            }
            for (name, conclusion) in conclusions {
                conclude_among_others(store, claim, name, conclusion).await?;
            }
            Ok::<_, StoreError>(())
        };
        if let Err(error) = concluding.await {
            tracing::warn!(name: "claim_end_not_recorded", target: "magicproxy::state", %error, "the end of a request is not noted with its list items: one may stay its owner's, or be nobody's, too early or too late");
        }
    }
}

/// Concludes all list items of a request in a single step. Returns true if nobody else relied on
/// any item; otherwise nothing was changed.
async fn conclude_alone(
    store: &Arc<dyn StateStore>,
    claim: &Claim,
    conclusions: &[(Vec<u8>, Conclusion)],
) -> Result<bool, StoreError> {
    // INVARIANT: alone only while this request is the only request known to rely on the items. An
    // item relied on by several requests is never again relied on by a single request.
    let own = claim.touched.ownership(Reliance::One(claim.request));
    let still =
        conclusions.iter().map(|(name, _)| Condition::Equals(name.clone(), own.clone())).collect();
    let changes = conclusions
        .iter()
        .map(|(name, conclusion)| claim.alone(name.clone(), *conclusion))
        .collect();
    store.apply(claim.touched.partition, still, changes, clock::now()).await
}

/// Concludes a list item on which others may rely. All others are requests of the same owner, so
/// only the owner can make this loop begin again.
async fn conclude_among_others(
    store: &Arc<dyn StateStore>,
    claim: &Claim,
    name: Vec<u8>,
    conclusion: Conclusion,
) -> Result<(), StoreError> {
    let partition = claim.touched.partition;
    for _ in 0..CONCLUSIONS {
        let found = store.read(partition, vec![name.clone()], clock::now()).await?.pop().flatten();
        let Some(entry) = found else { return Ok(()) };
        let Some(change) = claim.among(name.clone(), conclusion, &entry.value) else {
            return Ok(());
        };
        let still = vec![Condition::Equals(name.clone(), entry.value)];
        if store.apply(partition, still, vec![change], clock::now()).await? {
            return Ok(());
        }
    }
    Ok(())
}
