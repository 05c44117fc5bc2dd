//! Elements: reserved, asked for at the upstream, owned before the request is sent. `state.md` section 5.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use magicproxy_core::rule::{Action, Element, ElementsDenial, Stateful};
use magicproxy_core::state::{BoundedPartition, Change, Condition, Entry, Partition};
use magicproxy_core::{Denial, PathSettings, Permit, RequestTarget, UnixTime};

use super::{Ledger, MAX_GRANTS, work_aside};
use crate::admission::{Holding, Resource};
use crate::body::{Ahead, RequestBody};
use crate::clock;
use crate::gate::{Message, OutboundRequest};
use crate::header::Coding;
use crate::opened::OpenedCredential;
use crate::rejection::Rejection;
use crate::serve::WorkerId;
use crate::upstream::Upstream;

/// How long a reservation lasts at most, in seconds.
const RESERVATION_SECONDS: u64 = 60;
/// The most that is read of the upstream's answer to the question what it has.
const MAX_LISTING_BYTES: usize = 4 * 1024 * 1024;

/// How the upstream is asked what it has, with the credential of the request that wants to know.
pub(crate) struct Questions<'q> {
    pub(crate) upstream: &'q Arc<Upstream>,
    pub(crate) worker: WorkerId,
    pub(crate) credential: &'q Arc<OpenedCredential>,
    /// The exchange that asks, at whose payer's expense the question is.
    pub(crate) exchange: &'q Holding,
}

/// What a request does to the elements of one partition.
#[derive(Debug)]
pub(super) struct Claimed {
    partition: Partition,
    /// Those that it makes, which nobody had.
    new: Vec<Element>,
    /// Names of those that its owner had.
    held: Vec<Vec<u8>>,
    /// Names of those that it takes away.
    deleted: Vec<Vec<u8>>,
    /// What stands under a name that is reserved for it.
    reservation: Vec<u8>,
    /// What stands under a name that is its owner's.
    ownership: Vec<u8>,
    /// What that begins with, however the path was spelt.
    of_owner: Vec<u8>,
}

impl Claimed {
    fn new_names(&self) -> impl Iterator<Item = Vec<u8>> {
        self.new.iter().map(Element::name)
    }
}

impl Ledger {
    /// Sections 5.1 to 5.4, and the reservation.
    pub(super) async fn reserve(
        &self,
        state: &Arc<Stateful>,
        owner: Partition,
        body: Bytes,
        message: &Message,
        exchange: &Holding,
    ) -> Result<Claimed, Rejection> {
        let elements = state.elements().ok_or(Rejection::Internal)?;
        let not_allowed = || Rejection::Denied { denial: Denial::NotAllowed, needed: Vec::new() };
        let path = message.target.path();
        let partition = elements.partition(&self.upstream, path).ok_or_else(not_allowed)?;
        let reading = Arc::clone(state);
        let touched = work_aside(body.len(), move || reading.elements().map(|elements| elements.read(&body))).await?;
        let touched = touched.ok_or(Rejection::Internal)?.map_err(|denial| match denial {
            ElementsDenial::Unreadable => Rejection::BodyForm,
            ElementsDenial::NotAllowed => not_allowed(),
        })?;
        let deleted = touched.iter().filter(|element| element.action == Action::Delete).map(Element::name).collect();
        let (reservation, ownership) = (reservation(owner)?, ownership(owner, path));
        let of_owner = ownership_of(owner);
        let mut claimed = Claimed { partition, new: Vec::new(), held: Vec::new(), deleted, reservation, ownership, of_owner };
        self.sort_out(touched, &mut claimed).await?;
        self.place_reservation(&claimed, exchange).await?;
        Ok(claimed)
    }

    /// Which would be made anew? All others must be the owner's.
    async fn sort_out(&self, touched: Vec<Element>, claimed: &mut Claimed) -> Result<(), Rejection> {
        let names = touched.iter().map(Element::name).collect();
        let found = self.store()?.read(claimed.partition, names, clock::now()).await?;
        for (element, entry) in touched.into_iter().zip(found) {
            match (entry, element.action) {
                (Some(entry), _) if entry.value == claimed.ownership => claimed.held.push(element.name()),
                (None, Action::Create) => claimed.new.push(element),
                _ => return Err(Rejection::NotOwned),
            }
        }
        Ok(())
    }

    /// Section 5.5: does the upstream have none of those that are to be made?
    pub(super) async fn ensure_new(
        &self,
        state: &Arc<Stateful>,
        claimed: &Claimed,
        message: &Message,
        questions: &Questions<'_>,
        permit: &Permit,
    ) -> Result<(), Rejection> {
        let has_any = questions.has_any(state, &claimed.new, message, permit).await?;
        if has_any { Err(Rejection::NotOwned) } else { Ok(()) }
    }

    /// What nobody has, and of which the owner may have more.
    async fn place_reservation(&self, claimed: &Claimed, exchange: &Holding) -> Result<(), Rejection> {
        if claimed.new.is_empty() {
            return Ok(());
        }
        let now = clock::now();
        let expires_at = UnixTime(now.0.saturating_add(RESERVATION_SECONDS));
        let entry = Entry { value: claimed.reservation.clone(), expires_at };
        let absent = claimed.new_names().map(Condition::Absent);
        let room = Condition::AtMostValued(claimed.of_owner.clone(), MAX_GRANTS.saturating_sub(claimed.new.len()));
        let put = claimed.new_names().map(|name| Change::Put(name, entry.clone())).collect();
        let store = self.store()?;
        let target = BoundedPartition { partition: claimed.partition, rows: exchange.row_limits() };
        if store.apply_within(target, absent.chain([room.clone()]).collect(), put, now).await? {
            return Ok(());
        }
        let has_room = store.apply(claimed.partition, vec![room], Vec::new(), now).await?;
        Err(if has_room { Rejection::NotOwned } else { Rejection::TooManyGrants(MAX_GRANTS) })
    }

    /// The reservation becomes the owner's, before the request is sent, and what it had is still its own: another request of
    /// its may have deleted that meanwhile, and somebody else made it anew.
    pub(super) async fn own_elements(&self, claimed: &Claimed, ends_at: UnixTime) -> Result<(), Rejection> {
        let reserved = claimed.new_names().map(|name| Condition::Equals(name, claimed.reservation.clone()));
        let held = claimed.held.iter().map(|name| Condition::Equals(name.clone(), claimed.ownership.clone()));
        let entry = Entry { value: claimed.ownership.clone(), expires_at: ends_at };
        let put = claimed.new_names().map(|name| Change::Put(name, entry.clone())).collect();
        let owned = self.store()?.apply(claimed.partition, reserved.chain(held).collect(), put, clock::now()).await?;
        if owned {
            return Ok(());
        }
        // It took longer than a reservation lasts, or something is no longer its owner's.
        self.withdraw(claimed).await;
        Err(Rejection::NotOwned)
    }

    /// Nothing comes of a reservation.
    pub(super) async fn withdraw(&self, claimed: &Claimed) {
        self.remove(claimed.partition, claimed.new_names(), &claimed.reservation).await;
    }

    /// What the request added was refused by the upstream.
    pub(super) async fn disown(&self, claimed: &Claimed) {
        self.remove(claimed.partition, claimed.new_names(), &claimed.ownership).await;
    }

    /// What the request took away is nobody's.
    pub(super) async fn forget(&self, claimed: &Claimed) {
        self.remove(claimed.partition, claimed.deleted.iter().cloned(), &claimed.ownership).await;
    }

    /// Removes each that still stands so. What stays for want of a store ends by itself, and is its owner's until then.
    async fn remove(&self, partition: Partition, names: impl Iterator<Item = Vec<u8>>, value: &[u8]) {
        let Some(store) = &self.store else { return };
        for name in names {
            let still = vec![Condition::Equals(name.clone(), value.to_vec())];
            if let Err(error) = store.apply(partition, still, vec![Change::Remove(name.clone())], clock::now()).await {
                tracing::warn!(target: "magicproxy::state", %error, "an element that is no more stays its owner's");
            }
        }
    }
}

impl Questions<'_> {
    /// Does the upstream have one of these already?
    async fn has_any(
        &self,
        state: &Arc<Stateful>,
        new: &[Element],
        message: &Message,
        permit: &Permit,
    ) -> Result<bool, Rejection> {
        let elements = state.elements().ok_or(Rejection::Internal)?;
        let whole = new.first().is_some_and(|element| elements.lookup(element).is_none());
        // All of them in one answer, or one in each.
        for asked in new.chunks(if whole { new.len() } else { 1 }) {
            let query = asked.first().and_then(|element| elements.lookup(element)).unwrap_or_default();
            let listing = self.listing(message, &query, permit).await?;
            let (state, asked) = (Arc::clone(state), asked.to_vec());
            let search = move || {
                let body = listing.whole()?;
                state.elements()?.hold_any(body, &asked)
            };
            if work_aside(MAX_LISTING_BYTES, search).await?.ok_or(Rejection::CannotTell)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What the upstream has at the request's path.
    async fn listing(&self, message: &Message, query: &str, permit: &Permit) -> Result<Ahead, Rejection> {
        let target = format!("{}{query}", message.target.path());
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let question = Message {
            method: Method::GET,
            headers,
            origin: message.origin,
            target: RequestTarget::parse(target.as_bytes(), PathSettings::LENIENT)?,
            body: RequestBody::empty(),
            upgrade: false,
        };
        let exchange = self.exchange.take(Resource::Exchanges, 1)?;
        let buffered = self.exchange.take(Resource::BufferedBytes, MAX_LISTING_BYTES)?;
        let question = OutboundRequest::question(permit, Arc::clone(self.credential), question, exchange);
        let mut answer = self.upstream.connect(question, self.worker).await?.send().await?.settle().await?;
        let readable = answer.response.status() == StatusCode::OK && Coding::of(answer.response.headers()) == Coding::Identity;
        if !readable {
            return Err(Rejection::CannotTell);
        }
        let listing = Ahead::read(answer.response.body_mut(), buffered, self.upstream.idle).await;
        if listing.whole().is_some() {
            answer.lease.give_back();
        }
        Ok(listing)
    }
}

/// What stands under the name of an element that somebody owns: with the path as it was spelt, since only that is sure to lead
/// to this element.
fn ownership(owner: Partition, path: &str) -> Vec<u8> {
    [&ownership_of(owner), path.as_bytes()].concat()
}

fn ownership_of(owner: Partition) -> Vec<u8> {
    [&b"owned "[..], owner.as_bytes()].concat()
}

/// What stands under the name of one that is reserved: for one request, and for nobody else.
fn reservation(owner: Partition) -> Result<Vec<u8>, Rejection> {
    let mut nonce = [0; 16];
    aws_lc_rs::rand::fill(&mut nonce).map_err(|_| Rejection::Internal)?;
    Ok([&b"reserved "[..], owner.as_bytes(), &nonce].concat())
}
