//! Elements: reserved, asked for at the upstream, owned before the request is sent. `state.md` section 5.

use std::sync::Arc;

use http::header::{ACCEPT, ACCEPT_ENCODING};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use magicproxy_core::rule::{Action, Document, Element, Elements, ElementsDenial};
use magicproxy_core::state::{Change, Condition, Entry, Partition};
use magicproxy_core::{Denial, EncodedSlash, Permit, RequestTarget, UnixTime};

use super::Ledger;
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
    pub(crate) upstream: &'q Upstream,
    pub(crate) worker: WorkerId,
    pub(crate) credential: &'q Arc<OpenedCredential>,
}

/// What a request does to the elements of one partition.
#[derive(Debug)]
pub(super) struct Claimed {
    partition: Partition,
    /// Names of those that it makes, which nobody had.
    new: Vec<Vec<u8>>,
    /// Names of those that it takes away.
    deleted: Vec<Vec<u8>>,
    /// What stands under a name that is reserved for it.
    reservation: Vec<u8>,
}

impl Ledger {
    /// Sections 5.1 to 5.6 up to the reservation, which the upstream's answer has not contradicted.
    pub(super) async fn reserve(
        &self,
        elements: &Elements,
        owner: Partition,
        body: &[u8],
        message: &Message,
        questions: &Questions<'_>,
        permit: &Permit,
    ) -> Result<Claimed, Rejection> {
        let touched = elements.read(body).map_err(|denial| match denial {
            ElementsDenial::Unreadable => Rejection::BodyForm,
            ElementsDenial::NotAllowed => Rejection::Denied { denial: Denial::NotAllowed, needed: Vec::new() },
        })?;
        let partition = elements.partition(&self.upstream, message.target.path());
        let new = self.unowned(&touched, partition, owner).await?;
        let deleted = touched.iter().filter(|element| element.action == Action::Delete).map(Element::name).collect();
        let claimed = Claimed {
            partition,
            new: new.iter().map(|element| element.name()).collect(),
            deleted,
            reservation: reservation(owner)?,
        };
        if !self.place_reservation(&claimed).await? {
            return Err(Rejection::NotOwned);
        }
        match questions.has_any(elements, &new, message, permit).await {
            Ok(false) => Ok(claimed),
            outcome => {
                self.withdraw(&claimed).await;
                outcome.and(Err(Rejection::NotOwned))
            }
        }
    }

    /// Those that would be made anew. All others must be the owner's.
    async fn unowned<'e>(
        &self,
        touched: &'e [Element],
        partition: Partition,
        owner: Partition,
    ) -> Result<Vec<&'e Element>, Rejection> {
        let names = touched.iter().map(Element::name).collect();
        let found = self.store()?.read(partition, names, clock::now()).await?;
        let mut new = Vec::new();
        for (element, entry) in touched.iter().zip(found) {
            match (entry, element.action) {
                (Some(entry), _) if entry.value == ownership(owner) => {}
                (None, Action::Create) => new.push(element),
                _ => return Err(Rejection::NotOwned),
            }
        }
        Ok(new)
    }

    async fn place_reservation(&self, claimed: &Claimed) -> Result<bool, Rejection> {
        if claimed.new.is_empty() {
            return Ok(true);
        }
        let now = clock::now();
        let expires_at = UnixTime(now.0.saturating_add(RESERVATION_SECONDS));
        let entry = Entry { value: claimed.reservation.clone(), expires_at };
        let absent = claimed.new.iter().cloned().map(Condition::Absent).collect();
        let put = claimed.new.iter().map(|name| Change::Put(name.clone(), entry.clone())).collect();
        Ok(self.store()?.apply(claimed.partition, absent, put, now).await?)
    }

    /// The reservation becomes the owner's, before the request is sent.
    pub(super) async fn own_elements(&self, claimed: &Claimed, owner: Partition, ends_at: UnixTime) -> Result<(), Rejection> {
        if claimed.new.is_empty() {
            return Ok(());
        }
        let reserved = claimed.new.iter().map(|name| Condition::Equals(name.clone(), claimed.reservation.clone())).collect();
        let entry = Entry { value: ownership(owner), expires_at: ends_at };
        let put = claimed.new.iter().map(|name| Change::Put(name.clone(), entry.clone())).collect();
        // It took longer than a reservation lasts.
        let owned = self.store()?.apply(claimed.partition, reserved, put, clock::now()).await?;
        if owned { Ok(()) } else { Err(Rejection::NotOwned) }
    }

    /// Nothing comes of a reservation.
    pub(super) async fn withdraw(&self, claimed: &Claimed) {
        self.remove(claimed.partition, &claimed.new, &claimed.reservation).await;
    }

    /// What the request added was refused by the upstream.
    pub(super) async fn disown(&self, claimed: &Claimed, owner: Partition) {
        self.remove(claimed.partition, &claimed.new, &ownership(owner)).await;
    }

    /// What the request took away is nobody's.
    pub(super) async fn forget(&self, claimed: &Claimed, owner: Partition) {
        self.remove(claimed.partition, &claimed.deleted, &ownership(owner)).await;
    }

    /// Removes each that still stands so. What stays for want of a store ends by itself, and is its owner's until then.
    async fn remove(&self, partition: Partition, names: &[Vec<u8>], value: &[u8]) {
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
        elements: &Elements,
        new: &[&Element],
        message: &Message,
        permit: &Permit,
    ) -> Result<bool, Rejection> {
        let mut whole = None;
        for element in new {
            let has = match elements.lookup(element) {
                Some(query) => elements.holds(&self.listing(message, &query, permit).await?, element),
                None => {
                    if whole.is_none() {
                        whole = Some(self.listing(message, "", permit).await?);
                    }
                    whole.as_ref().and_then(|listing| elements.holds(listing, element))
                }
            };
            if has.ok_or(Rejection::CannotTell)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What the upstream has at the request's path.
    async fn listing(&self, message: &Message, query: &str, permit: &Permit) -> Result<Document, Rejection> {
        let target = format!("{}{query}", message.target.path());
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let question = Message {
            method: Method::GET,
            headers,
            origin: message.origin,
            target: RequestTarget::parse(target.as_bytes(), EncodedSlash::Opaque)?,
            body: RequestBody::empty(),
            upgrade: false,
        };
        let question = OutboundRequest::question(permit, Arc::clone(self.credential), question);
        let mut answer = self.upstream.send(question, self.worker).await?.settle().await?;
        let readable = answer.response.status() == StatusCode::OK && Coding::of(answer.response.headers()) == Coding::Identity;
        if !readable {
            return Err(Rejection::CannotTell);
        }
        let ahead = Ahead::read(answer.response.body_mut(), MAX_LISTING_BYTES, self.upstream.idle).await;
        let listing = ahead.whole().and_then(|body| Document::parse(body)).ok_or(Rejection::CannotTell)?;
        answer.lease.give_back();
        Ok(listing)
    }
}

/// What stands under the name of an element that somebody owns.
fn ownership(owner: Partition) -> Vec<u8> {
    [&b"owned "[..], owner.as_bytes()].concat()
}

/// What stands under the name of one that is reserved: for one request, and for nobody else.
fn reservation(owner: Partition) -> Result<Vec<u8>, Rejection> {
    let mut nonce = [0; 16];
    aws_lc_rs::rand::fill(&mut nonce).map_err(|_| Rejection::Internal)?;
    Ok([&b"reserved "[..], owner.as_bytes(), &nonce].concat())
}
