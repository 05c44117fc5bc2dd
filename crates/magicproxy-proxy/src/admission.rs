//! Admission: how much of the proxy's resources one owner, one peer and all clients together may hold at a time.
//!
//! A total alone lets one client take everything. So each resource has a share for the owner of the token that pays for it and
//! for the peer that sends the request, and a reserve that tokens which a stranger can mint never touch. A stranger makes any
//! number of owners, but not of addresses: such tokens are charged to their peer as well. `docs/guide/configuration.md` tells operators.
//!
//! What is held is a [`Holding`]; dropping it gives it back. Nothing here waits: whoever wants to queue does so above.

mod account;
mod rows;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use magicproxy_core::Provenance;
use magicproxy_core::state::RowLimits;

pub(crate) use account::{Account, Accounts, PeerKey};

use crate::settings::{HttpMint, Limits, Quota};
use rows::RowAccounts;

/// A table of accounts is looked through for those that nobody needs when it has doubled, and not below this size.
const LEAST_SWEPT: usize = 1_024;
/// When to come again after a shortage: nobody knows when others end, so a second must do.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Something of which the proxy has only so much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resource {
    /// Requests from their admission to the end of their response; a WebSocket counts until it closes.
    Exchanges,
    /// Connections to upstreams that an exchange uses, of all origins; over HTTP/2 a stream of one.
    UpstreamConnections,
    /// Requests that wait for a connection to an upstream.
    UpstreamQueue,
    /// Bytes of bodies that are read whole before they go on, and of heads that are not complete.
    BufferedBytes,
    /// Responses of the proxy's own words (refusals, the control plane) over HTTP/2 that their client has not taken yet.
    OwnResponses,
}

impl Resource {
    /// How many there are.
    pub(crate) const COUNT: usize = 5;
    /// All of them, in the order of their numbers.
    const ALL: [Self; Self::COUNT] = [
        Self::Exchanges,
        Self::UpstreamConnections,
        Self::UpstreamQueue,
        Self::BufferedBytes,
        Self::OwnResponses,
    ];

    fn quota(self, limits: &Limits) -> Quota {
        match self {
            Self::Exchanges => limits.exchanges,
            Self::UpstreamConnections => limits.upstream_connections,
            Self::UpstreamQueue => limits.upstream_queue,
            Self::BufferedBytes => limits.buffered_bytes,
            Self::OwnResponses => limits.own_responses,
        }
    }
}

/// Whether a stranger could have minted the token that pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MinterTrust {
    /// Only someone whom the operator knows mints such tokens: the reserve is open to them, and their peer is not charged.
    Known,
    /// Anyone mints such tokens, or there is no token at all.
    Stranger,
}

impl MinterTrust {
    /// The standing of a token where anyone may request tokens over HTTP, or nobody may.
    pub(crate) fn of(provenance: Provenance, http_mint: HttpMint) -> Self {
        match (provenance, http_mint) {
            (Provenance::ListedMinter, _) | (Provenance::Proxy, HttpMint::Closed) => Self::Known,
            (Provenance::Proxy, HttpMint::Open) | (Provenance::Anyone, _) => Self::Stranger,
        }
    }
}

/// Who is charged for what a request holds.
#[derive(Clone, Debug)]
pub(crate) struct Payer {
    /// The owner of the token; none while there is no token.
    pub(crate) owner: Option<Arc<Account>>,
    /// The peer that sent the request.
    pub(crate) peer: Arc<Account>,
    pub(crate) standing: MinterTrust,
}

impl Payer {
    /// A peer of which no token is known, or not yet.
    pub(crate) fn anonymous(peer: Arc<Account>) -> Self {
        Self { owner: None, peer, standing: MinterTrust::Stranger }
    }
}

/// Whose share is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Shortage {
    /// The token's owner holds its share.
    #[error(
        "the token's owner has as much in progress as one owner may have; try again when some of it has ended"
    )]
    Owner,
    /// The peer holds its share.
    #[error(
        "this address has as much in progress as one address may have; try again when some of it has ended"
    )]
    Peer,
    /// All clients together hold what there is, less the reserve.
    #[error("the proxy has as much in progress as it may have; try again")]
    Total,
}

/// The budget of one process.
#[derive(Debug)]
pub(crate) struct Budget {
    quotas: [Quota; Resource::COUNT],
    held: [AtomicUsize; Resource::COUNT],
    accounts: Accounts,
    rows: RowAccounts,
}

impl Budget {
    pub(crate) fn new(limits: &Limits) -> Arc<Self> {
        Arc::new(Self {
            quotas: Resource::ALL.map(|resource| resource.quota(limits)),
            held: Default::default(),
            accounts: Accounts::default(),
            rows: RowAccounts::new(limits.state_rows),
        })
    }

    /// The accounts of owners and peers.
    pub(crate) fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    /// Takes this much of a resource at the payer's expense, or none of it.
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

    /// How much of a resource all hold together.
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
        self.quotas[resource as usize]
    }

    fn charge(&self, resource: Resource, amount: usize, payer: &Payer) -> Result<(), Shortage> {
        let quota = self.quota(resource);
        let owner = payer.owner.as_ref().map(|owner| owner.counter(resource));
        let peer = (payer.standing == MinterTrust::Stranger).then(|| payer.peer.counter(resource));
        let total = match payer.standing {
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
                charges.iter().take(at).for_each(|(counter, ..)| give_back(*counter, amount));
                return Err(*shortage);
            }
        }
        Ok(())
    }

    fn discharge(&self, resource: Resource, amount: usize, payer: &Payer) {
        give_back(payer.owner.as_ref().map(|owner| owner.counter(resource)), amount);
        give_back(
            (payer.standing == MinterTrust::Stranger).then(|| payer.peer.counter(resource)),
            amount,
        );
        give_back(Some(self.counter(resource)), amount);
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

/// A part of a resource that somebody holds and pays for; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Holding {
    budget: Arc<Budget>,
    payer: Payer,
    resource: Resource,
    amount: usize,
}

impl Holding {
    /// Takes more of the same, at the same payer's expense; nothing changes where that fails.
    pub(crate) fn grow(&mut self, more: usize) -> Result<(), Shortage> {
        self.budget.charge(self.resource, more, &self.payer)?;
        self.amount += more;
        Ok(())
    }

    /// Gives back what is beyond this.
    pub(crate) fn shrink_to(&mut self, amount: usize) {
        let less = self.amount.saturating_sub(amount);
        self.budget.discharge(self.resource, less, &self.payer);
        self.amount -= less;
    }

    /// How much it is.
    pub(crate) fn amount(&self) -> usize {
        self.amount
    }

    /// How many rows of the state store there may be, at the same payer's expense.
    pub(crate) fn row_limits(&self) -> RowLimits {
        self.budget.rows.limits(&self.payer, Instant::now())
    }

    /// Who pays.
    pub(crate) fn payer(&self) -> &Payer {
        &self.payer
    }

    /// Takes something else, at the same payer's expense.
    pub(crate) fn take(&self, resource: Resource, amount: usize) -> Result<Self, Shortage> {
        self.budget.take(resource, amount, &self.payer)
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        self.budget.discharge(self.resource, self.amount, &self.payer);
    }
}
