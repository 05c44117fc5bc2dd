//! Admission: the amount of the proxy's resources that one owner, one peer and all clients together
//! may hold at a time.
//!
//! A total alone would let one client take everything. So each resource has a share for the owner
//! of the token that pays and for the peer that sends the request, and a reserve for tokens that no
//! stranger can mint. A stranger can make any number of owners, but not of addresses: tokens that a
//! stranger can mint are charged to their peer as well. `docs/guide/configuration.md` tells
//! operators.
//!
//! A [`Holding`] is the held part of a resource; dropping the holding gives the part back. Taking
//! never waits: queues are built on top.

mod account;
mod quota;
mod rows;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use magicproxy_core::Provenance;
use magicproxy_core::state::RowLimits;

pub(crate) use account::{Account, Accounts, PeerKey};
pub(crate) use quota::SharedQuota;

use crate::metrics::{Gauges, Samples, families};
use crate::settings::{HttpMint, Limits, Quota};
use rows::RowAccounts;

/// The least size at which a table of accounts is swept for unused accounts. A table is swept when
/// its size has doubled.
const LEAST_SWEPT: usize = 1_024;
/// The time after which a client may retry after a shortage. Nobody knows when other requests end,
/// so the time is a guess.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A resource of which the proxy has a limited amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resource {
    /// Requests from admission to the end of the response; a WebSocket counts until it closes.
    Exchanges,
    /// Connections to upstreams in use by exchanges, for all origins; over HTTP/2, streams.
    UpstreamConnections,
    /// Requests that wait for a connection to an upstream.
    UpstreamQueue,
    /// Bytes of responses that are read whole before they are passed on, of incomplete heads, and
    /// of windows of uploads over HTTP/2.
    BufferedBytes,
    /// Bytes of request bodies that are held whole, for a decision on them, until they are sent.
    InspectedBytes,
    /// Responses of the proxy's own words (refusals, the control plane) over HTTP/2 that the client
    /// has not taken yet.
    OwnResponses,
}

impl Resource {
    pub(crate) const COUNT: usize = 6;
    /// All resources, in the order of their numbers.
    const ALL: [Self; Self::COUNT] = [
        Self::Exchanges,
        Self::UpstreamConnections,
        Self::UpstreamQueue,
        Self::BufferedBytes,
        Self::InspectedBytes,
        Self::OwnResponses,
    ];

    /// The name of the resource: the key of its limits in the configuration.
    fn as_str(self) -> &'static str {
        match self {
            Self::Exchanges => "exchanges",
            Self::UpstreamConnections => "upstream_connections",
            Self::UpstreamQueue => "upstream_queue",
            Self::BufferedBytes => "buffered_bytes",
            Self::InspectedBytes => "inspected_bytes",
            Self::OwnResponses => "own_responses",
        }
    }

    fn quota(self, limits: &Limits) -> Quota {
        match self {
            Self::Exchanges => limits.exchanges,
            Self::UpstreamConnections => limits.upstream_connections,
            Self::UpstreamQueue => limits.upstream_queue,
            Self::BufferedBytes => limits.buffered_bytes,
            Self::InspectedBytes => limits.inspected_bytes,
            Self::OwnResponses => limits.own_responses,
        }
    }
}

/// The trust in the minter of the token that pays: a stranger's token is charged to the sending
/// peer, too, and never gets the reserve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MinterTrust {
    /// Only minters whom the operator knows can make the token. The reserve is open to the request,
    /// and the peer is not charged.
    Known,
    /// Anyone can make the token, or the request has no token.
    Stranger,
}

impl MinterTrust {
    /// Returns the trust in a token of this provenance, while minting over HTTP is open to anyone
    /// or closed.
    pub(crate) fn of(provenance: Provenance, http_mint: HttpMint) -> Self {
        match (provenance, http_mint) {
            (Provenance::ListedMinter, _) | (Provenance::Proxy, HttpMint::Closed) => Self::Known,
            (Provenance::Proxy, HttpMint::Open) | (Provenance::Anyone, _) => Self::Stranger,
        }
    }
}

/// The accounts that are charged for a request.
#[derive(Clone, Debug)]
pub(crate) struct Payer {
    /// The owner of the token; `None` for a request without a token.
    pub(crate) owner: Option<Arc<Account>>,
    /// The peer that sent the request.
    pub(crate) peer: Arc<Account>,
    pub(crate) trust: MinterTrust,
}

impl Payer {
    /// Makes a payer from a peer whose token is absent or not yet known.
    pub(crate) fn anonymous(peer: Arc<Account>) -> Self {
        Self { owner: None, peer, trust: MinterTrust::Stranger }
    }
}

/// The share that is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Shortage {
    /// The token's owner has reached its share.
    #[error(
        "the token's owner has as much in progress as one owner may have; try again when some of it has ended"
    )]
    Owner,
    /// The peer has reached its share.
    #[error(
        "this address has as much in progress as one address may have; try again when some of it has ended"
    )]
    Peer,
    /// All clients together have reached the total, less the reserve.
    #[error("the proxy has as much in progress as it may have; try again")]
    Total,
}

/// The resources of one process, with the amounts in use.
#[derive(Debug)]
pub(crate) struct Budget {
    quotas: [SharedQuota; Resource::COUNT],
    held: [AtomicUsize; Resource::COUNT],
    refused: [RefusedTakings; Resource::COUNT],
    accounts: Accounts,
    rows: RowAccounts,
}

impl Budget {
    pub(crate) fn new(limits: &Limits) -> Arc<Self> {
        Arc::new(Self {
            quotas: Resource::ALL.map(|resource| SharedQuota::new(resource.quota(limits))),
            held: Default::default(),
            refused: Default::default(),
            accounts: Accounts::default(),
            rows: RowAccounts::new(limits.state_rows),
        })
    }

    /// Changes the limits. Everything that is held stays held, and counted.
    pub(crate) fn change_limits(&self, limits: &Limits) {
        for (resource, quota) in Resource::ALL.into_iter().zip(&self.quotas) {
            quota.change(resource.quota(limits));
        }
        self.rows.change_quota(limits.state_rows);
    }

    /// Returns the accounts of owners and peers.
    pub(crate) fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    /// Takes this amount of a resource at the payer's expense.
    ///
    /// # Errors
    /// The share that is used up; nothing is taken then.
    pub(crate) fn take(
        self: &Arc<Self>,
        resource: Resource,
        amount: usize,
        payer: &Payer,
    ) -> Result<Holding, Shortage> {
        let mut holding =
            Holding { budget: Arc::clone(self), payer: payer.clone(), resource, amount: 0 };
        holding.grow(amount)?;
        Ok(holding)
    }

    /// Returns the amount of a resource that is in use.
    #[cfg(test)]
    pub(crate) fn held(&self, resource: Resource) -> usize {
        self.counter(resource).load(Ordering::Relaxed)
    }

    #[expect(clippy::indexing_slicing, reason = "there is one counter for each resource")]
    fn counter(&self, resource: Resource) -> &AtomicUsize {
        &self.held[resource as usize]
    }

    #[expect(clippy::indexing_slicing, reason = "there is one quota for each resource")]
    fn quota(&self, resource: Resource) -> Quota {
        self.quotas[resource as usize].current()
    }

    fn charge(&self, resource: Resource, amount: usize, payer: &Payer) -> Result<(), Shortage> {
        let quota = self.quota(resource);
        let owner = payer.owner.as_ref().map(|owner| owner.counter(resource));
        let peer = (payer.trust == MinterTrust::Stranger).then(|| payer.peer.counter(resource));
        let total = match payer.trust {
            MinterTrust::Known => quota.total,
            MinterTrust::Stranger => quota.total.saturating_sub(quota.reserved),
        };
        let charges = [
            (owner, quota.per_owner, Shortage::Owner),
            (peer, quota.per_peer, Shortage::Peer),
            (Some(self.counter(resource)), total, Shortage::Total),
        ];
        for (at, (counter, limit, shortage)) in charges.iter().enumerate() {
            if counter.is_some_and(|counter| !add_within(counter, amount, *limit)) {
                for (charged, ..) in charges.iter().take(at) {
                    give_back(*charged, amount);
                }
                self.count_refused(resource, *shortage);
                return Err(*shortage);
            }
        }
        Ok(())
    }

    fn count_refused(&self, resource: Resource, shortage: Shortage) {
        let Some(RefusedTakings { owner, peer, total }) = self.refused.get(resource as usize)
        else {
            return;
        };
        let count = match shortage {
            Shortage::Owner => owner,
            Shortage::Peer => peer,
            Shortage::Total => total,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    fn discharge(&self, resource: Resource, amount: usize, payer: &Payer) {
        give_back(payer.owner.as_ref().map(|owner| owner.counter(resource)), amount);
        give_back(
            (payer.trust == MinterTrust::Stranger).then(|| payer.peer.counter(resource)),
            amount,
        );
        give_back(Some(self.counter(resource)), amount);
    }
}

/// The number of times that a resource was refused, by the share that was used up.
#[derive(Debug, Default)]
struct RefusedTakings {
    owner: AtomicU64,
    peer: AtomicU64,
    total: AtomicU64,
}

impl Gauges for Budget {
    fn sample(&self, samples: &mut Samples) {
        for resource in Resource::ALL {
            let labels = [("resource", resource.as_str())];
            let held = self.counter(resource).load(Ordering::Relaxed);
            samples.add(&families::ADMISSION_HELD, &labels, held as f64);
            let limit = self.quota(resource).total;
            samples.add(&families::ADMISSION_LIMIT, &labels, limit as f64);
        }
        for (resource, refused) in Resource::ALL.into_iter().zip(&self.refused) {
            let RefusedTakings { owner, peer, total } = refused;
            for (share, count) in [("owner", owner), ("peer", peer), ("total", total)] {
                let labels = [("resource", resource.as_str()), ("share", share)];
                let count = count.load(Ordering::Relaxed) as f64;
                samples.add(&families::ADMISSION_REFUSED, &labels, count);
            }
        }
    }
}

fn add_within(counter: &AtomicUsize, amount: usize, limit: usize) -> bool {
    let more = |held: usize| held.checked_add(amount).filter(|sum| *sum <= limit);
    counter.try_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
}

fn give_back(counter: Option<&AtomicUsize>, amount: usize) {
    if let Some(counter) = counter {
        counter.fetch_sub(amount, Ordering::Relaxed);
    }
}

/// A part of a resource that is held and paid for; given back when dropped.
#[derive(Debug)]
pub(crate) struct Holding {
    budget: Arc<Budget>,
    payer: Payer,
    resource: Resource,
    amount: usize,
}

impl Holding {
    /// Takes more of the resource at the same payer's expense. On an error the holding does not
    /// change.
    pub(crate) fn grow(&mut self, more: usize) -> Result<(), Shortage> {
        self.budget.charge(self.resource, more, &self.payer)?;
        self.amount += more;
        Ok(())
    }

    /// Gives back the part beyond this amount.
    pub(crate) fn shrink_to(&mut self, amount: usize) {
        let less = self.amount.saturating_sub(amount);
        self.budget.discharge(self.resource, less, &self.payer);
        self.amount -= less;
    }

    pub(crate) fn amount(&self) -> usize {
        self.amount
    }

    /// Returns the limits on rows of the state store at the same payer's expense.
    pub(crate) fn row_limits(&self) -> RowLimits {
        self.budget.rows.limits(&self.payer, Instant::now())
    }

    pub(crate) fn payer(&self) -> &Payer {
        &self.payer
    }

    /// Takes an amount of another resource at the same payer's expense.
    pub(crate) fn take(&self, resource: Resource, amount: usize) -> Result<Self, Shortage> {
        self.budget.take(resource, amount, &self.payer)
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        self.budget.discharge(self.resource, self.amount, &self.payer);
    }
}
