//! Claims: what stands in the partition of one list, and how a list item becomes its owner's. `state.md` section 5.6.
//!
//! Nothing is held for whoever only asks: a list item is claimed once the upstream has said that it has none, and only if
//! since before that question nobody else had it. Nothing is taken away from its owner while another of the owner's requests
//! may rely on it.

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

/// How old what was read before the question may be when the list item is claimed.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a claim leaves something to be seen, in seconds, however it ends: longer than [`PATIENCE`], and than clocks of
/// replicas are apart.
const TRACE_SECONDS: u64 = 15 * 60;

/// How often the end of a request is noted anew, where others are faster.
const CONCLUSIONS: usize = 16;

/// The list items of one request, in one list, for one owner.
#[derive(Clone, Debug)]
pub(super) struct TouchedItems {
    /// That of the list.
    pub(super) partition: Partition,
    pub(super) owner: Partition,
    /// The path as the request spells it, since only that is sure to lead to these list items.
    pub(super) path: String,
    pub(super) list_items: Vec<ListItem>,
}

/// What was found of a request's list items, and when.
#[derive(Debug)]
pub(super) struct Claim {
    touched: TouchedItems,
    /// What tells its request from the others of its owner.
    request: Nonce,
    /// Those that the request makes, which nobody has.
    new: Vec<UnownedItem>,
    /// Those that its owner has.
    held: Vec<OwnedItem>,
    /// Those that the request makes, and somebody else has.
    foreign: Vec<ListItem>,
    looked_at: Instant,
    /// The same, by the clock that entries end by: a machine that slept has not moved the other one.
    read_at: UnixTime,
}

/// A list item that nobody has.
#[derive(Debug)]
struct UnownedItem {
    element: ListItem,
    /// What a claim that came to nothing left under its name.
    trace: Option<Vec<u8>>,
}

/// A list item that the request's owner has.
#[derive(Debug)]
struct OwnedItem {
    name: Vec<u8>,
    /// Who else relied on it when it was looked at.
    reliance: Reliance,
    expires_at: UnixTime,
}

/// What the end of a request makes of one of its list items.
#[derive(Clone, Copy, Debug)]
enum Conclusion {
    /// It was made, and is its owner's until then.
    Made(UnixTime),
    /// It was taken away.
    Gone,
    /// It was to be made, and was not.
    Refused,
    /// Whether it was made, or will be yet, nobody knows.
    Unknown,
    /// It is as before: its owner's until then.
    Unchanged(UnixTime),
}

/// What is known of a request that wanted to make something, and did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// It was not sent, or the upstream refused it.
    Refused,
    /// Whether something was done, or will be yet, nobody knows.
    Unknown,
}

impl Failure {
    /// What a response says that is no success.
    pub(super) fn of(status: StatusCode) -> Self {
        if status.is_server_error() { Self::Unknown } else { Self::Refused }
    }
}

/// Until when what is claimed or relied on now can be seen at least.
fn trace_end(now: UnixTime) -> UnixTime {
    UnixTime(now.0.saturating_add(TRACE_SECONDS))
}

impl Claim {
    /// Those of which the upstream must have none, and those of somebody else: who may not ask for them does not hear that they are
    /// somebody's.
    pub(super) fn asked(&self) -> Vec<ListItem> {
        self.new.iter().map(|unowned| &unowned.element).chain(&self.foreign).cloned().collect()
    }

    /// How long ago it was looked, by whichever clock says more.
    fn age(&self, now: UnixTime) -> Duration {
        self.looked_at.elapsed().max(Duration::from_secs(now.0.saturating_sub(self.read_at.0)))
    }

    /// Has somebody else one that the request would make?
    pub(super) fn is_foreign(&self) -> bool {
        !self.foreign.is_empty()
    }

    fn new_names(&self) -> impl Iterator<Item = Vec<u8>> {
        self.new.iter().map(|unowned| unowned.element.name())
    }

    /// Makes this request one that relies on what its owner has, and nothing where that is seen already: the others need not look
    /// again on its account.
    fn reliance_on(&self, held: &OwnedItem, seen_until: UnixTime) -> Option<Change> {
        let reliance = held.reliance.with(self.request);
        let is_seen = reliance == held.reliance && held.expires_at >= seen_until;
        let entry = Entry {
            value: self.touched.ownership(reliance),
            expires_at: held.expires_at.max(seen_until),
        };
        (!is_seen).then(|| Change::Put(held.name.clone(), entry))
    }

    /// What a conclusion comes to, where nobody else relies on the list item.
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

    /// The same, where others do: until whatever is on its way has come to its end, it stays its owner's; and what one of them has
    /// made stays so, whatever becomes of those that wanted to make it, too.
    fn among_others(
        &self,
        name: Vec<u8>,
        conclusion: Conclusion,
        others: Reliance,
    ) -> Option<Change> {
        // Whoever looked before this may be let through for so long, and is not seen by what it puts: the value is the same.
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

    /// What a conclusion comes to, where this stands under the name.
    fn among(&self, name: Vec<u8>, conclusion: Conclusion, value: &[u8]) -> Option<Change> {
        match self.touched.reliance(value)? {
            Reliance::One(request) if request == self.request => Some(self.alone(name, conclusion)),
            others @ (Reliance::Several | Reliance::SeveralMade) => {
                self.among_others(name, conclusion, others)
            }
            Reliance::Nobody | Reliance::One(_) => None,
        }
    }

    /// There is room for so many more among what one owner may have of one list.
    fn room(&self) -> Condition {
        Condition::AtMostValued(
            self.touched.of_owner(),
            MAX_OWNER_GRANTS.saturating_sub(self.new.len()),
        )
    }
}

impl Ledger {
    /// Section 5.4: which would be made anew? What is deleted must be the owner's.
    pub(super) async fn look(&self, touched: TouchedItems) -> Result<Claim, Rejection> {
        // Before it is read: the claim must not be later than this by more than `PATIENCE`.
        let looked_at = Instant::now();
        let request = nonce().ok_or(Rejection::Internal)?;
        let names = touched.list_items.iter().map(ListItem::name).collect();
        let read_at = clock::now();
        let found = self.store()?.read(touched.partition, names, read_at).await?;
        let (mut new, mut held, mut foreign) = (Vec::new(), Vec::new(), Vec::new());
        for (element, entry) in touched.list_items.iter().zip(found) {
            let own = entry
                .as_ref()
                .and_then(|entry| Some((touched.reliance(&entry.value)?, entry.expires_at)));
            if let Some((reliance, expires_at)) = own {
                held.push(OwnedItem { name: element.name(), reliance, expires_at });
                continue;
            }
            match (entry, element.action) {
                (None, ItemAction::Create) => {
                    new.push(UnownedItem { element: element.clone(), trace: None })
                }
                (Some(entry), ItemAction::Create) if is_trace(&entry.value) => {
                    new.push(UnownedItem { element: element.clone(), trace: Some(entry.value) });
                }
                (Some(_), ItemAction::Create) => foreign.push(element.clone()),
                (_, ItemAction::Delete) => return Err(Rejection::NotOwned),
            }
        }
        Ok(Claim { touched, request, new, held, foreign, looked_at, read_at })
    }

    /// Looks again, where a claim was not to be. What the owner had is still its own: another request of its may have deleted that
    /// meanwhile, and somebody else made it anew.
    pub(super) async fn look_again(&self, claim: &Claim) -> Result<Claim, Rejection> {
        let again = self.look(claim.touched.clone()).await?;
        let kept =
            claim.held.iter().all(|held| again.held.iter().any(|other| other.name == held.name));
        if kept && !again.is_foreign() { Ok(again) } else { Err(Rejection::NotOwned) }
    }

    /// Refuses what finds no room, before it is counted and the upstream is asked.
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

    /// Makes what the upstream has not the owner's, before the request is sent; says whether it did.
    ///
    /// It does not where since [`Self::look`] somebody else had one of the new list items, where one is no longer its owner's, or
    /// where another request of its owner relies on one since then.
    pub(super) async fn claim(
        &self,
        claim: &Claim,
        ends_at: UnixTime,
        rows: RowLimits,
    ) -> Result<bool, Rejection> {
        let now = clock::now();
        if claim.age(now) > PATIENCE {
            // What happened meanwhile may have left no trace any more.
            return Err(Rejection::CannotTell);
        }
        let unchanged = claim.new.iter().map(|unowned| match &unowned.trace {
            None => Condition::Absent(unowned.element.name()),
            Some(trace) => Condition::Equals(unowned.element.name(), trace.clone()),
        });
        let held = claim.held.iter().map(|held| {
            Condition::Equals(held.name.clone(), claim.touched.ownership(held.reliance))
        });
        let mut conditions: Vec<Condition> = unchanged.chain(held).collect();
        if !claim.new.is_empty() {
            conditions.push(claim.room());
        }
        // INVARIANT: what a request relies on can be seen for longer than others who have looked before may still claim, and than
        // the request is on its way.
        let seen_until = trace_end(now);
        let value = claim.touched.ownership(Reliance::One(claim.request));
        let made = Entry { value, expires_at: ends_at.max(seen_until) };
        let made = claim.new_names().map(|name| Change::Put(name, made.clone()));
        let relied = claim.held.iter().filter_map(|held| claim.reliance_on(held, seen_until));
        let target = BoundedPartition { partition: claim.touched.partition, rows };
        Ok(self
            .store()?
            .apply_within(target, conditions, made.chain(relied).collect(), now)
            .await?)
    }

    /// What the request wanted to make is nobody's; where nobody knows whether that was made, it stays its owner's for a while. What
    /// its owner had stays as it was.
    pub(super) async fn disown(&self, claim: &Claim, failure: Failure) {
        let conclusion =
            if failure == Failure::Refused { Conclusion::Refused } else { Conclusion::Unknown };
        let new = claim.new_names().map(|name| (name, conclusion));
        // Of what may be on its way yet, the mark stays.
        let held = claim.held.iter().filter(|_| failure == Failure::Refused);
        let held = held.map(|held| (held.name.clone(), Conclusion::Unchanged(held.expires_at)));
        self.conclude(claim, new.chain(held).collect()).await;
    }

    /// The request succeeded: what it took away is nobody's, and what it made is its owner's until that ends.
    pub(super) async fn confirm(&self, claim: &Claim, ends_at: UnixTime) {
        let conclusions = claim.touched.list_items.iter().map(|item| match item.action {
            ItemAction::Create => (item.name(), Conclusion::Made(ends_at)),
            ItemAction::Delete => (item.name(), Conclusion::Gone),
        });
        self.conclude(claim, conclusions.collect()).await;
    }

    /// Makes of list items what the end of the request makes of them. What stays for want of a store ends by itself.
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
            tracing::warn!(target: "magicproxy::state", %error, "the end of a request is not noted with its list items: one may stay its owner's, or be nobody's, too early or too late");
        }
    }
}

/// Concludes all list items of a request in one step; says whether nobody else relied on any of them.
async fn conclude_alone(
    store: &Arc<dyn StateStore>,
    claim: &Claim,
    conclusions: &[(Vec<u8>, Conclusion)],
) -> Result<bool, StoreError> {
    // INVARIANT: alone only while the one request that is known to rely on them is this one. What several relied on is never
    // again what one does.
    let own = claim.touched.ownership(Reliance::One(claim.request));
    let still =
        conclusions.iter().map(|(name, _)| Condition::Equals(name.clone(), own.clone())).collect();
    let changes = conclusions
        .iter()
        .map(|(name, conclusion)| claim.alone(name.clone(), *conclusion))
        .collect();
    store.apply(claim.touched.partition, still, changes, clock::now()).await
}

/// Concludes one list item, on which others may rely. Those are its owner's own: whoever makes this begin again is one of them.
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
