//! A request that may go to the upstream.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method, header};
use magicproxy_core::{Permit, RequestTarget, VerifiedToken};

use crate::admission::Holding;
use crate::credential::opened::{OpenedCredential, QueryCredential};
use crate::downstream::RequestBody;
use crate::exchange::ledger::{Duties, Settled};
use crate::mask::Needle;

/// The parts of a request that the gate prepared.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
    /// Which of the upstream's origins it goes to.
    pub(crate) origin: usize,
    pub(crate) target: RequestTarget,
    pub(crate) body: RequestBody,
    pub(crate) upgrade: bool,
}

/// A permitted request with its credential.
///
/// INVARIANT: its constructor consumes what a [`Permit`] became once everything was taken that it takes
/// (`ledger::Settled`); `upstream::Upstream::send` takes nothing else.
///
/// It can be named, and nobody outside of the gate can make one:
///
/// ```
/// fn named(_: magicproxy_proxy::gate::OutboundRequest) {}
/// ```
/// ```compile_fail,E0624
/// let forged = magicproxy_proxy::gate::OutboundRequest::new(todo!(), todo!(), todo!(), todo!());
/// ```
/// ```compile_fail,E0451
/// let forged = magicproxy_proxy::gate::OutboundRequest { credential: todo!(), message: todo!(), duties: todo!(), upgrader: todo!(), exchange: todo!() };
/// ```
#[derive(Debug)]
pub struct OutboundRequest {
    credential: Arc<OpenedCredential>,
    message: Message,
    duties: Duties,
    /// The token of a request that may open a WebSocket, which lives no longer than it.
    upgrader: Option<Arc<VerifiedToken>>,
    exchange: Holding,
}

/// What is sent, and what goes with it to its answer.
pub(crate) struct Dispatch {
    pub(crate) message: Message,
    /// The credential, where it goes behind the query: a target is text that may be printed, so it comes beside the message.
    pub(crate) parameter: Option<QueryCredential>,
    pub(crate) duties: Duties,
    pub(crate) exchange: Holding,
}

impl OutboundRequest {
    pub(super) fn new(settled: Settled, credential: Arc<OpenedCredential>, message: Message, exchange: Holding) -> Self {
        let (permit, duties) = settled.into_parts();
        // The permit ends here: it admits one request, and this is it.
        let upgrader = message.upgrade.then(|| Arc::clone(permit.token()));
        Self { credential, message, duties, upgrader, exchange }
    }

    /// A question that a permitted request needs answered before it is sent: it only reads, at the path of that request.
    pub(crate) fn question(_permit: &Permit, credential: Arc<OpenedCredential>, message: Message, exchange: Holding) -> Self {
        Self { credential, message, duties: Duties::none(), upgrader: None, exchange }
    }

    /// What to look for in the answer.
    pub(crate) fn needle(&self) -> Option<Needle> {
        self.credential.needle().cloned()
    }

    pub(crate) fn origin(&self) -> usize {
        self.message.origin
    }

    pub(crate) fn is_upgrade(&self) -> bool {
        self.message.upgrade
    }

    /// The subprotocols that the upstream of a WebSocket may choose from.
    pub(crate) fn offered_subprotocols(&self) -> Option<HeaderValue> {
        self.message.headers.get(header::SEC_WEBSOCKET_PROTOCOL).cloned()
    }

    /// The token with whose end a WebSocket ends that this request opens.
    pub(crate) fn take_upgrader(&mut self) -> Option<Arc<VerifiedToken>> {
        self.upgrader.take()
    }

    pub(crate) fn body(&self) -> &RequestBody {
        &self.message.body
    }

    /// Sets the credential, after everything of the caller's was taken away.
    pub(crate) fn into_dispatch(self) -> Dispatch {
        let Self { credential, mut message, duties, exchange, .. } = self;
        let parameter = credential.place(&mut message.headers);
        Dispatch { message, parameter, duties, exchange }
    }
}
