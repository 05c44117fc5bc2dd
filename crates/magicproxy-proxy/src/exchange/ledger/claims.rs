//! Claims: what stands in the partition of one list, and how an element becomes its owner's. `state.md` section 5.6.
//!
//! Nothing is held for whoever only asks: an element is claimed once the upstream has said that it has none, and only if
//! since before that question nobody else had it.

mod claimed;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use http::StatusCode;
use magicproxy_core::UnixTime;
use magicproxy_core::rule::{Action, Element};
use magicproxy_core::state::{BoundedPartition, Change, Condition, Entry, Partition, RowLimits, StoreError};

use super::{Ledger, MAX_OWNER_GRANTS};
use crate::clock;
use crate::rejection::Rejection;

pub(super) use claimed::Claimed;

/// How old what was read before the question may be when the element is claimed.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a claim leaves something to be seen, in seconds, however it ends: longer than [`PATIENCE`], and than clocks of
/// replicas are apart.
const TRACE_SECONDS: u64 = 15 * 60;

/// The elements of one request, in one list, for one owner.
#[derive(Clone, Debug)]
pub(super) struct Touched {
    /// That of the list.
    pub(super) partition: Partition,
    pub(super) owner: Partition,
    /// The path as the request spells it, since only that is sure to lead to these elements.
    pub(super) path: String,
    pub(super) elements: Vec<Element>,
}

/// What was found of a request's elements, and when.
#[derive(Debug)]
pub(super) struct Claim {
    touched: Touched,
    /// Those that the request makes, which nobody has.
    new: Vec<Unowned>,
    /// Those that its owner has.
    held: Vec<Held>,
    /// Those that the request makes, and somebody else has.
    foreign: Vec<Element>,
    looked_at: Instant,
}

/// An element that nobody has.
#[derive(Debug)]
struct Unowned {
    element: Element,
    /// What a claim that came to nothing left under its name.
    trace: Option<Vec<u8>>,
}

/// An element that the request's owner has.
#[derive(Debug)]
struct Held {
    name: Vec<u8>,
    expires_at: UnixTime,
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
    /// What an answer says that is no success.
    pub(super) fn of(status: StatusCode) -> Self {
        if status.is_server_error() { Self::Unknown } else { Self::Refused }
    }
}

impl Touched {
    /// What stands under the name of an element that its owner has, however the path was spelt.
    fn of_owner(&self) -> Vec<u8> {
        [&b"owned "[..], self.owner.as_bytes()].concat()
    }

    /// What stands under the name of one that is its owner's by this path.
    fn ownership(&self) -> Vec<u8> {
        [&self.of_owner(), self.path.as_bytes()].concat()
    }

    /// What a claim that comes to nothing leaves: something new each time, which counts as its owner's among the rows.
    fn trace(&self) -> Option<Vec<u8>> {
        let mut nonce = [0; 16];
        aws_lc_rs::rand::fill(&mut nonce).ok()?;
        Some([&self.of_owner(), &b"!"[..], &nonce].concat())
    }
}

/// A path begins with a slash, so this is no ownership.
fn is_trace(value: &[u8]) -> bool {
    value.strip_prefix(b"owned ").and_then(|rest| rest.get(32..)).is_some_and(|rest| rest.starts_with(b"!"))
}

/// Until when what is claimed or relied on now can be seen at least.
fn trace_end(now: UnixTime) -> UnixTime {
    UnixTime(now.0.saturating_add(TRACE_SECONDS))
}

impl Claim {
    /// Those of which the upstream must have none, and those of somebody else: who may not ask for them does not hear that they are
    /// somebody's.
    pub(super) fn asked(&self) -> Vec<Element> {
        self.new.iter().map(|unowned| &unowned.element).chain(&self.foreign).cloned().collect()
    }

    /// Has somebody else one that the request would make?
    pub(super) fn is_foreign(&self) -> bool {
        !self.foreign.is_empty()
    }

    fn new_names(&self) -> impl Iterator<Item = Vec<u8>> {
        self.new.iter().map(|unowned| unowned.element.name())
    }

    /// Is this the owner's, for too short a time, or the trace of another request of its own?
    fn is_to_last(&self, entry: &Entry, ends_at: UnixTime) -> bool {
        let short = entry.value == self.touched.ownership() && entry.expires_at < ends_at;
        short || is_trace(&entry.value) && entry.value.starts_with(&self.touched.of_owner())
    }

    /// There is room for so many more among what one owner may have of one list.
    fn room(&self) -> Condition {
        Condition::AtMostValued(self.touched.of_owner(), MAX_OWNER_GRANTS.saturating_sub(self.new.len()))
    }
}

impl Ledger {
    /// Section 5.4: which would be made anew? What is deleted must be the owner's.
    pub(super) async fn look(&self, touched: Touched) -> Result<Claim, Rejection> {
        // Before it is read: the claim must not be later than this by more than `PATIENCE`.
        let looked_at = Instant::now();
        let names = touched.elements.iter().map(Element::name).collect();
        let found = self.store()?.read(touched.partition, names, clock::now()).await?;
        let ownership = touched.ownership();
        let (mut new, mut held, mut foreign) = (Vec::new(), Vec::new(), Vec::new());
        for (element, entry) in touched.elements.iter().zip(found) {
            match (entry, element.action) {
                (Some(entry), _) if entry.value == ownership => {
                    held.push(Held { name: element.name(), expires_at: entry.expires_at });
                }
                (None, Action::Create) => new.push(Unowned { element: element.clone(), trace: None }),
                (Some(entry), Action::Create) if is_trace(&entry.value) => {
                    new.push(Unowned { element: element.clone(), trace: Some(entry.value) });
                }
                (Some(_), Action::Create) => foreign.push(element.clone()),
                (_, Action::Delete) => return Err(Rejection::NotOwned),
            }
        }
        Ok(Claim { touched, new, held, foreign, looked_at })
    }

    /// Looks again, where a claim was not to be. What the owner had is still its own: another request of its may have deleted that
    /// meanwhile, and somebody else made it anew.
    pub(super) async fn look_again(&self, claim: &Claim) -> Result<Claim, Rejection> {
        let again = self.look(claim.touched.clone()).await?;
        let kept = claim.held.iter().all(|held| again.held.iter().any(|other| other.name == held.name));
        if kept && !again.is_foreign() { Ok(again) } else { Err(Rejection::NotOwned) }
    }

    /// Refuses what finds no room, before it is counted and the upstream is asked.
    pub(super) async fn ensure_list_room(&self, claim: &Claim, rows: RowLimits) -> Result<(), Rejection> {
        if claim.new.is_empty() {
            return Ok(());
        }
        let spare = claim.new.iter().filter(|unowned| unowned.trace.is_none()).count() as u64;
        let target = BoundedPartition { partition: claim.touched.partition, rows: RowLimits { spare, ..rows } };
        let has_room = self.store()?.apply_within(target, vec![claim.room()], Vec::new(), clock::now()).await?;
        if has_room { Ok(()) } else { Err(Rejection::TooManyGrants(MAX_OWNER_GRANTS)) }
    }

    /// Makes what the upstream has not the owner's, before the request is sent; says whether it did.
    ///
    /// It does not where since [`Self::look`] somebody else had one of the new elements, or one is no longer its owner's.
    pub(super) async fn claim(&self, claim: &Claim, ends_at: UnixTime, rows: RowLimits) -> Result<bool, Rejection> {
        let now = clock::now();
        if claim.looked_at.elapsed() > PATIENCE {
            // What happened meanwhile may have left no trace any more.
            return Err(Rejection::CannotTell);
        }
        let ownership = claim.touched.ownership();
        let unchanged = claim.new.iter().map(|unowned| match &unowned.trace {
            None => Condition::Absent(unowned.element.name()),
            Some(trace) => Condition::Equals(unowned.element.name(), trace.clone()),
        });
        let held = claim.held.iter().map(|held| Condition::Equals(held.name.clone(), ownership.clone()));
        let mut conditions: Vec<Condition> = unchanged.chain(held).collect();
        if !claim.new.is_empty() {
            conditions.push(claim.room());
        }
        // INVARIANT: what a request relies on can be seen for longer than others who have looked before may still claim, and than
        // the request is on its way.
        let seen_until = trace_end(now);
        let made = claim.new_names().map(|name| (name, ends_at.max(seen_until)));
        let ending = claim.held.iter().filter(|held| held.expires_at < seen_until);
        let puts = made.chain(ending.map(|held| (held.name.clone(), seen_until)));
        let puts = puts.map(|(name, expires_at)| Change::Put(name, Entry { value: ownership.clone(), expires_at })).collect();
        let target = BoundedPartition { partition: claim.touched.partition, rows };
        Ok(self.store()?.apply_within(target, conditions, puts, now).await?)
    }

    /// What the request wanted to make is nobody's; where nobody knows whether that was made, it stays its owner's for a while.
    pub(super) async fn disown(&self, claim: &Claim, failure: Failure) {
        let trace = if failure == Failure::Refused { claim.touched.trace() } else { None };
        let value = trace.unwrap_or_else(|| claim.touched.ownership());
        let expires_at = trace_end(clock::now());
        for name in claim.new_names() {
            self.change(claim, Change::Put(name, Entry { value: value.clone(), expires_at })).await;
        }
    }

    /// The request succeeded: what it took away is nobody's, and what it made is its owner's until that ends.
    pub(super) async fn confirm(&self, claim: &Claim, ends_at: UnixTime) {
        self.forget(claim).await;
        self.prolong(claim, ends_at).await;
    }

    /// What was its owner's already, and is made anew: it may have been that only for a while, or another request's refusal may have
    /// taken it away meanwhile.
    async fn prolong(&self, claim: &Claim, ends_at: UnixTime) {
        let is_held = |name: &Vec<u8>| claim.held.iter().any(|held| held.name == *name);
        let made = claim.touched.elements.iter().filter(|element| element.action == Action::Create).map(Element::name);
        let made: Vec<Vec<u8>> = made.filter(is_held).collect();
        let Some(store) = self.store.as_ref().filter(|_| !made.is_empty()) else { return };
        let partition = claim.touched.partition;
        let prolonging = async {
            let found = store.read(partition, made.clone(), clock::now()).await?;
            for (name, entry) in made.into_iter().zip(found) {
                let Some(entry) = entry.filter(|entry| claim.is_to_last(entry, ends_at)) else { continue };
                let still = vec![Condition::Equals(name.clone(), entry.value)];
                let owned = Entry { value: claim.touched.ownership(), expires_at: ends_at };
                store.apply(partition, still, vec![Change::Put(name, owned)], clock::now()).await?;
            }
            Ok::<_, StoreError>(())
        };
        if let Err(error) = prolonging.await {
            tracing::warn!(target: "magicproxy::state", %error, "an element that was made anew may be nobody's before its owner ends");
        }
    }

    /// What the request took away is nobody's.
    async fn forget(&self, claim: &Claim) {
        for element in claim.touched.elements.iter().filter(|element| element.action == Action::Delete) {
            self.change(claim, Change::Remove(element.name())).await;
        }
    }

    /// Makes a change of one element that is still its owner's. What stays for want of a store ends by itself.
    async fn change(&self, claim: &Claim, change: Change) {
        let (Some(store), Change::Put(name, _) | Change::Remove(name)) = (&self.store, &change) else { return };
        let still = vec![Condition::Equals(name.clone(), claim.touched.ownership())];
        if let Err(error) = store.apply(claim.touched.partition, still, vec![change], clock::now()).await {
            tracing::warn!(target: "magicproxy::state", %error, "an element that is no more stays its owner's");
        }
    }
}
