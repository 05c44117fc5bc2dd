//! Claims: what stands in the partition of one list, and how an element becomes its owner's. `state.md` section 5.6.
//!
//! Nothing is held for whoever only asks: an element is claimed once the upstream has said that it has none, and only if
//! since before that question nobody else had it.

#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use http::StatusCode;
use magicproxy_core::UnixTime;
use magicproxy_core::rule::{Action, Element};
use magicproxy_core::state::{BoundedPartition, Change, Condition, Entry, Partition, RowLimits};

use super::{Ledger, MAX_GRANTS};
use crate::clock;
use crate::rejection::Rejection;

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
    /// Names of those that its owner has.
    held: Vec<Vec<u8>>,
    looked_at: Instant,
}

/// An element that nobody has.
#[derive(Debug)]
struct Unowned {
    element: Element,
    /// What a claim that came to nothing left under its name.
    trace: Option<Vec<u8>>,
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

impl Claim {
    /// Those of which the upstream must have none.
    pub(super) fn new_elements(&self) -> Vec<Element> {
        self.new.iter().map(|unowned| unowned.element.clone()).collect()
    }

    fn new_names(&self) -> impl Iterator<Item = Vec<u8>> {
        self.new.iter().map(|unowned| unowned.element.name())
    }

    /// There is room for so many more among what one owner may have of one list.
    fn room(&self) -> Condition {
        Condition::AtMostValued(self.touched.of_owner(), MAX_GRANTS.saturating_sub(self.new.len()))
    }
}

impl Ledger {
    /// Section 5.4: which would be made anew? All others must be the owner's.
    pub(super) async fn look(&self, touched: Touched) -> Result<Claim, Rejection> {
        // Before it is read: the claim must not be later than this by more than `PATIENCE`.
        let looked_at = Instant::now();
        let names = touched.elements.iter().map(Element::name).collect();
        let found = self.store()?.read(touched.partition, names, clock::now()).await?;
        let ownership = touched.ownership();
        let (mut new, mut held) = (Vec::new(), Vec::new());
        for (element, entry) in touched.elements.iter().zip(found) {
            match (entry.map(|entry| entry.value), element.action) {
                (Some(value), _) if value == ownership => held.push(element.name()),
                (None, Action::Create) => new.push(Unowned { element: element.clone(), trace: None }),
                (Some(value), Action::Create) if is_trace(&value) => {
                    new.push(Unowned { element: element.clone(), trace: Some(value) });
                }
                _ => return Err(Rejection::NotOwned),
            }
        }
        Ok(Claim { touched, new, held, looked_at })
    }

    /// Looks again, where a claim was not to be. What the owner had is still its own: another request of its may have deleted that
    /// meanwhile, and somebody else made it anew.
    pub(super) async fn look_again(&self, claim: Claim) -> Result<Claim, Rejection> {
        let again = self.look(claim.touched).await?;
        let kept = claim.held.iter().all(|name| again.held.contains(name));
        if kept { Ok(again) } else { Err(Rejection::NotOwned) }
    }

    /// Refuses what finds no room, before it is counted and the upstream is asked.
    pub(super) async fn ensure_list_room(&self, claim: &Claim, rows: RowLimits) -> Result<(), Rejection> {
        if claim.new.is_empty() {
            return Ok(());
        }
        let spare = claim.new.iter().filter(|unowned| unowned.trace.is_none()).count() as u64;
        let target = BoundedPartition { partition: claim.touched.partition, rows: RowLimits { spare, ..rows } };
        let has_room = self.store()?.apply_within(target, vec![claim.room()], Vec::new(), clock::now()).await?;
        if has_room { Ok(()) } else { Err(Rejection::TooManyGrants(MAX_GRANTS)) }
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
        let held = claim.held.iter().map(|name| Condition::Equals(name.clone(), ownership.clone()));
        // INVARIANT: it can be seen for longer than others who have looked before may still claim.
        let expires_at = ends_at.max(UnixTime(now.0.saturating_add(TRACE_SECONDS)));
        let entry = Entry { value: ownership.clone(), expires_at };
        let put = claim.new_names().map(|name| Change::Put(name, entry.clone())).collect();
        let mut conditions: Vec<Condition> = unchanged.chain(held).collect();
        if !claim.new.is_empty() {
            conditions.push(claim.room());
        }
        let target = BoundedPartition { partition: claim.touched.partition, rows };
        Ok(self.store()?.apply_within(target, conditions, put, now).await?)
    }

    /// The upstream did not do what the request wanted to make. After a refusal it is nobody's; where it is not known whether
    /// something was done, or will be yet, it stays its owner's for a while.
    pub(super) async fn disown(&self, claim: &Claim, status: StatusCode) {
        let refused = if status.is_server_error() { None } else { claim.touched.trace() };
        let value = refused.unwrap_or_else(|| claim.touched.ownership());
        let expires_at = UnixTime(clock::now().0.saturating_add(TRACE_SECONDS));
        for name in claim.new_names() {
            self.change(claim, Change::Put(name, Entry { value: value.clone(), expires_at })).await;
        }
    }

    /// What the request took away is nobody's.
    pub(super) async fn forget(&self, claim: &Claim) {
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
