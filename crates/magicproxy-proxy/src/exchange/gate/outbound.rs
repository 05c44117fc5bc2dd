//! A request that may go to the upstream.

use std::sync::Arc;

use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, header};
use magicproxy_core::{Permit, RequestTarget, VerifiedToken};

use crate::admission::Holding;
use crate::credential::attached::{AttachedCredential, QueryCredential};
use crate::downstream::RequestBody;
use crate::exchange::ledger::{Duties, Reservation};
use crate::mask::SecretMask;
use crate::settings::OriginId;

/// The parts of a request that the gate prepared.
#[derive(Debug)]
pub(in crate::exchange) struct Message {
    pub(in crate::exchange) method: Method,
    pub(in crate::exchange) headers: HeaderMap,
    /// Which of the upstream's origins it goes to.
    pub(in crate::exchange) origin: OriginId,
    /// The target in the client's own memory, where it spelt it so; a token that stood in it is in no other spelling.
    pub(in crate::exchange) came: Option<PathAndQuery>,
    pub(in crate::exchange) target: RequestTarget,
    pub(in crate::exchange) body: RequestBody,
    /// Does it ask for another protocol on its connection?
    pub(in crate::exchange) upgrade: bool,
}

/// What a question asks for. There is no more to it: it has neither another method than `GET` nor content.
pub(in crate::exchange) struct ListQuery {
    pub(in crate::exchange) headers: HeaderMap,
    /// Which of the upstream's origins it goes to.
    pub(in crate::exchange) origin: OriginId,
    pub(in crate::exchange) target: RequestTarget,
}

/// A permitted request with its credential.
///
/// INVARIANT: its constructor consumes what a [`Permit`] became once everything was taken that it takes
/// (`ledger::Reservation`); what `upstream::Upstream::connect` takes is made of it alone.
///
/// It can be named, and nobody outside of the gate can make one:
///
/// ```
/// fn named(_: magicproxy_proxy::gate::OutboundRequest) {}
/// ```
/// ```compile_fail,E0624
/// let forged = magicproxy_proxy::gate::OutboundRequest::new(todo!(), todo!(), todo!(), todo!());
/// ```
/// ```compile_fail,E0624
/// let forged = magicproxy_proxy::gate::OutboundRequest::question(todo!(), todo!(), todo!(), todo!());
/// ```
/// ```compile_fail,E0277
/// fn of_request(request: http::Request<()>) -> magicproxy_proxy::gate::OutboundRequest {
///     request.into()
/// }
/// ```
/// ```compile_fail,E0451
/// let forged = magicproxy_proxy::gate::OutboundRequest { credential: todo!(), message: todo!(), duties: todo!(), upgrader: todo!(), exchange: todo!() };
/// ```
#[derive(Debug)]
pub struct OutboundRequest {
    credential: Arc<AttachedCredential>,
    /// In a box: it is moved about before it is sent.
    message: Box<Message>,
    duties: Duties,
    /// The token of a request that may open a WebSocket, which lives no longer than it.
    upgrader: Option<Arc<VerifiedToken>>,
    exchange: Holding,
}

/// A permitted request as it is sent, its credential set.
///
/// INVARIANT: made by [`OutboundRequest::into_dispatch`] alone; an upstream sends nothing else.
pub(in crate::exchange) struct Dispatch {
    message: Box<Message>,
    /// The credential, where it goes behind the query: a target is text that may be printed, so it comes beside the message.
    parameter: Option<QueryCredential>,
    exchange: Holding,
}

/// Leave to open a WebSocket, of a request that may.
#[derive(Debug)]
pub(in crate::exchange) struct Upgrade {
    /// The token with whose end the WebSocket ends.
    pub(in crate::exchange) token: Arc<VerifiedToken>,
    /// The subprotocols that the upstream may choose from.
    pub(in crate::exchange) offered: Option<HeaderValue>,
}

impl OutboundRequest {
    pub(super) fn new(
        reservation: Reservation,
        credential: Arc<AttachedCredential>,
        message: Box<Message>,
        exchange: Holding,
    ) -> Self {
        let (permit, duties) = reservation.into_parts();
        // The permit ends here: it admits one request, and this is it.
        let upgrader = message.upgrade.then(|| Arc::clone(permit.token()));
        Self { credential, message, duties, upgrader, exchange }
    }

    /// A question that a permitted request needs answered before it is sent: it only reads, where that request goes.
    pub(in crate::exchange) fn question(
        _permit: &Permit,
        credential: Arc<AttachedCredential>,
        question: ListQuery,
        exchange: Holding,
    ) -> Self {
        let ListQuery { headers, origin, target } = question;
        let (method, body) = (Method::GET, RequestBody::empty());
        let message =
            Box::new(Message { method, headers, origin, came: None, target, body, upgrade: false });
        Self { credential, message, duties: Duties::none(), upgrader: None, exchange }
    }

    /// What to look for in the response.
    pub(in crate::exchange) fn secret_mask(&self) -> Option<SecretMask> {
        self.credential.secret_mask().cloned()
    }

    /// The WebSocket that this request may open.
    pub(in crate::exchange) fn take_upgrade(&mut self) -> Option<Upgrade> {
        let token = self.upgrader.take()?;
        Some(Upgrade {
            token,
            offered: self.message.headers.get(header::SEC_WEBSOCKET_PROTOCOL).cloned(),
        })
    }

    /// Sets the credential, after everything of the client's was taken away. Beside what is sent stands what is to be done once the
    /// answer has come.
    #[inline]
    pub(in crate::exchange) fn into_dispatch(self) -> (Dispatch, Duties) {
        let Self { credential, mut message, duties, exchange, .. } = self;
        let parameter = credential.place(&mut message.headers);
        (Dispatch { message, parameter, exchange }, duties)
    }
}

impl Dispatch {
    /// Which of the upstream's origins it goes to.
    pub(in crate::exchange) fn origin(&self) -> OriginId {
        self.message.origin
    }

    /// Does it ask for another protocol on its connection?
    pub(in crate::exchange) fn is_upgrade(&self) -> bool {
        self.message.upgrade
    }

    /// The method, which with the content decides on what connection it is sent.
    pub(in crate::exchange) fn method(&self) -> &Method {
        &self.message.method
    }

    /// The content.
    pub(in crate::exchange) fn body(&self) -> &RequestBody {
        &self.message.body
    }

    /// Its place among the exchanges in progress.
    pub(in crate::exchange) fn exchange(&self) -> &Holding {
        &self.exchange
    }

    /// The message, the credential that goes behind its query, and its place among the exchanges in progress.
    pub(in crate::exchange) fn into_parts(
        self,
    ) -> (Box<Message>, Option<QueryCredential>, Holding) {
        (self.message, self.parameter, self.exchange)
    }
}
