//! Counts: taken before a request is sent. Leases are given back once the response was passed down.
//! `state.md` section 6.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderValue};
use magicproxy_core::limit::{LEASE_MILLIS, Limit};
use magicproxy_core::state::{BoundedPartition, Demand, Holder, Partition, StateStore, TakeResult};
use magicproxy_core::{Count, OwnerContext, Permit};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use super::Ledger;
use crate::admission::Holding;
use crate::clock;
use crate::metrics::LimitOutcome;
use crate::rejection::Rejection;
use crate::response::header::{RATE_LIMIT, RATE_LIMIT_POLICY};

/// The longest wait of a request for leases being given back on this replica.
const MAX_PATIENCE: Duration = Duration::from_secs(1);

/// The counts taken for a request: all that the permit takes.
///
/// INVARIANT: made by [`Ledger::take`] alone.
#[derive(Debug)]
pub(in crate::exchange) struct TakenLimits {
    pub(super) leases: Option<Leases>,
    /// The limit on requests with the fewest left, and the number left.
    tightest: Option<(Limit, u64)>,
    /// All limits, and the number left of each.
    left: Vec<(Limit, u64)>,
}

impl TakenLimits {
    /// Returns all limits, with the number left of each.
    pub(super) fn left(&self) -> &[(Limit, u64)] {
        &self.left
    }

    /// Tells the client the number of requests left, in place of the upstream's own limits.
    pub(super) fn show(&self, headers: &mut HeaderMap) {
        let Some((Limit::Requests(quota, period), left)) = self.tightest else { return };
        let policy = format!("\"magicproxy\";q={quota};w={}", period.seconds());
        let state = format!("\"magicproxy\";r={left}");
        for (name, text) in [(RATE_LIMIT_POLICY, policy), (RATE_LIMIT, state)] {
            if let Ok(value) = HeaderValue::from_str(&text) {
                headers.insert(name, value);
            }
        }
    }
}

/// Leases being given back by this process. A client that ends a request and begins the next finds
/// the place free.
#[derive(Clone, Debug, Default)]
pub(super) struct PendingReturns(Arc<ReturnCount>);

/// The number of returns under way, and the signal that a return was done.
#[derive(Debug, Default)]
struct ReturnCount {
    under_way: AtomicUsize,
    done: Notify,
}

impl PendingReturns {
    fn begin(&self) {
        self.0.under_way.fetch_add(1, Ordering::SeqCst);
    }

    fn end(&self) {
        self.0.under_way.fetch_sub(1, Ordering::SeqCst);
        self.0.done.notify_waiters();
    }

    /// Waits until a lease was given back. Returns false if none is under way, or none came in
    /// time.
    async fn one(&self) -> bool {
        let done = self.0.done.notified();
        if self.0.under_way.load(Ordering::SeqCst) == 0 {
            return false;
        }
        tokio::time::timeout(MAX_PATIENCE, done).await.is_ok()
    }
}

impl Ledger {
    /// Takes a unit of every limit of the permit, all limits of an owner in a single step.
    pub(super) async fn take(
        &self,
        permit: &Permit,
        place: OwnerContext<'_>,
        exchange: &Holding,
    ) -> Result<TakenLimits, Rejection> {
        let counts = permit.counts(place).ok_or(Rejection::Internal)?;
        let mut counted = TakenLimits { leases: None, tightest: None, left: Vec::new() };
        let mut rest = counts.as_slice();
        while let Some(first) = rest.first() {
            let same = rest.iter().take_while(|count| count.owner == first.owner).count();
            let (group, further) = rest.split_at(same);
            self.take_of(group, &mut counted, exchange).await?;
            rest = further;
        }
        Ok(counted)
    }

    async fn take_of(
        &self,
        counts: &[Count],
        counted: &mut TakenLimits,
        exchange: &Holding,
    ) -> Result<(), Rejection> {
        let Some(owner) = counts.first().map(|count| count.owner) else { return Ok(()) };
        let store = self.store()?;
        let holder = holder()?;
        let mut held: Vec<(Partition, Vec<u8>)> = Vec::new();
        for count in counts {
            if matches!(count.limit, Limit::Concurrent(_)) {
                held.push((owner, count.counter.clone()));
            }
        }
        // Made before anything is taken, so neither a client that goes away meanwhile nor a lost
        // response of the store leaves a lease behind.
        let mut leases =
            (!held.is_empty()).then(|| Leases::keep(store, held, holder, self.pending.clone()));
        // Bounded even if others keep giving back, because each try costs the store a step.
        let until = Instant::now() + MAX_PATIENCE;
        let left = loop {
            let target = BoundedPartition { partition: owner, rows: exchange.row_limits() };
            let demands = counts.iter().map(|count| demand(count, holder)).collect();
            match store.take_within(target, demands, clock::now_millis()).await? {
                TakeResult::All(left) => break left,
                TakeResult::Not { demand, retry_after } => {
                    let limit = counts.get(demand).map_or(Limit::Total(1), |count| count.limit);
                    let waits = matches!(limit, Limit::Concurrent(_))
                        && Instant::now() < until
                        && self.pending.one().await;
                    if !waits {
                        self.metrics.limited(limit, LimitOutcome::Refused);
                        if let Some(leases) = &mut leases {
                            leases.held.clear();
                        }
                        return Err(Rejection::Limit(limit, patience(limit, retry_after)));
                    }
                }
            }
        };
        for (count, left) in counts.iter().zip(left) {
            self.metrics.limited(count.limit, LimitOutcome::Taken);
            counted.left.push((count.limit, left));
            let tighter = counted.tightest.is_none_or(|(_, fewest)| left < fewest);
            if matches!(count.limit, Limit::Requests(..)) && tighter {
                counted.tightest = Some((count.limit, left));
            }
        }
        if let Some(mut leases) = leases {
            leases.further = counted.leases.take().map(Box::new);
            counted.leases = Some(leases);
        }
        Ok(())
    }
}

fn demand(count: &Count, holder: Holder) -> Demand {
    Demand {
        counter: count.counter.clone(),
        bound: count.limit.bound(holder),
        expires_at: count.expires_at,
        room: count.room,
    }
}

fn holder() -> Result<Holder, Rejection> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| Rejection::Internal)?;
    Ok(Holder(bytes))
}

/// Returns the time after which to try again, if trying again can help. Nobody knows when a lease
/// ends, so a second must do.
fn patience(limit: Limit, retry_after: Option<u64>) -> Option<Duration> {
    match limit {
        Limit::Total(_) => None,
        Limit::Requests(..) | Limit::Concurrent(_) => {
            Some(Duration::from_millis(retry_after.unwrap_or(1_000).max(1)))
        }
    }
}

/// The leases of an exchange: renewed while the exchange lasts, given back when dropped.
#[derive(Debug)]
pub(super) struct Leases {
    store: Arc<dyn StateStore>,
    held: Vec<(Partition, Vec<u8>)>,
    holder: Holder,
    renewal: AbortHandle,
    pending: PendingReturns,
    /// The leases of another owner.
    further: Option<Box<Leases>>,
}

impl Leases {
    fn keep(
        store: &Arc<dyn StateStore>,
        held: Vec<(Partition, Vec<u8>)>,
        holder: Holder,
        pending: PendingReturns,
    ) -> Self {
        let renewal = tokio::spawn(renew(Arc::clone(store), held.clone(), holder)).abort_handle();
        Self { store: Arc::clone(store), held, holder, renewal, pending, further: None }
    }
}

async fn renew(store: Arc<dyn StateStore>, held: Vec<(Partition, Vec<u8>)>, holder: Holder) {
    loop {
        tokio::time::sleep(Duration::from_millis(LEASE_MILLIS / 3)).await;
        for (owner, counter) in &held {
            // An error is no reason to stop: the next renewal may succeed, and the lease lasts for
            // three periods.
            let renewed = store
                .renew(*owner, counter.clone(), holder, LEASE_MILLIS, clock::now_millis())
                .await;
            if !matches!(renewed, Ok(true)) {
                let error = renewed.err().map(tracing::field::display);
                tracing::warn!(name: "lease_not_renewed", target: "magicproxy::state", error, "a lease of a limit on concurrent requests was not renewed");
            }
        }
    }
}

impl Drop for Leases {
    fn drop(&mut self) {
        self.renewal.abort();
        if self.held.is_empty() {
            return;
        }
        // Without a runtime the process is at its end, and the leases expire by themselves.
        let Ok(runtime) = Handle::try_current() else { return };
        let (store, held, holder, pending) = (
            Arc::clone(&self.store),
            std::mem::take(&mut self.held),
            self.holder,
            self.pending.clone(),
        );
        pending.begin();
        runtime.spawn(async move {
            for (owner, counter) in held {
                if let Err(error) = store.give_back(owner, counter, holder).await {
                    tracing::warn!(name: "lease_not_returned", target: "magicproxy::state", %error, "a lease of a limit on concurrent requests was not given back");
                }
            }
            pending.end();
        });
    }
}
