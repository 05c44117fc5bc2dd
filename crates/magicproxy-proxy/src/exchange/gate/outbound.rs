//! Requests that may go to the upstream.

use std::sync::Arc;

use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, header};
use magicproxy_core::{Permit, RequestTarget, VerifiedToken};

use crate::admission::Holding;
use crate::credential::attached::{AttachedCredential, QueryCredential};
use crate::downstream::RequestBody;
use crate::exchange::ledger::{Duties, Reservation};
use crate::mask::SecretMask;
use crate::services::token_watch::TokenWatch;
use crate::settings::OriginId;

/// The parts of a request, prepared by the gate.
#[derive(Debug)]
pub(in crate::exchange) struct Message {
    pub(in crate::exchange) method: Method,
    pub(in crate::exchange) headers: HeaderMap,
    /// The upstream's origin to which the request goes.
    pub(in crate::exchange) origin: OriginId,
    /// The target in the client's own memory, present only if the client spelt the target exactly
    /// like `target`: a token removed from `target` is therefore not in here either.
    pub(in crate::exchange) came: Option<PathAndQuery>,
    pub(in crate::exchange) target: RequestTarget,
    pub(in crate::exchange) body: RequestBody,
    /// The token, looked at again until the end of the exchange.
    pub(in crate::exchange) watch: TokenWatch,
    /// True if the request asks for another protocol on its connection.
    pub(in crate::exchange) upgrade: bool,
}

/// A question to the upstream about a list. The method is always `GET` and the content empty, so
/// neither is a member.
pub(in crate::exchange) struct ListQuery {
    pub(in crate::exchange) headers: HeaderMap,
    /// The upstream's origin to which the question goes.
    pub(in crate::exchange) origin: OriginId,
    pub(in crate::exchange) target: RequestTarget,
    pub(in crate::exchange) watch: TokenWatch,
}

/// A permitted request with its credential, made by the gate alone.
///
/// INVARIANT: the constructor consumes a `ledger::Reservation`, the form of a [`Permit`] after
/// everything due was taken from the store; the argument of `upstream::Upstream::connect` is made
/// of an `OutboundRequest` alone.
///
/// The type can be named, but nobody outside of the gate can make a value:
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
    /// Boxed, because the message is moved about before being sent.
    message: Box<Message>,
    duties: Duties,
    /// The token of a request that may open a WebSocket. The WebSocket ends with the token.
    upgrader: Option<Arc<VerifiedToken>>,
    exchange: Holding,
}

/// A permitted request as sent, its credential set.
///
/// INVARIANT: made by [`OutboundRequest::into_dispatch`] alone; an upstream sends nothing else.
pub(in crate::exchange) struct Dispatch {
    message: Box<Message>,
    /// The credential of a query carrier. A target is text that may be printed, so the credential
    /// is kept beside the message.
    parameter: Option<QueryCredential>,
    exchange: Holding,
}

/// Leave to open a WebSocket, held by a request with a permit.
#[derive(Debug)]
pub(in crate::exchange) struct Upgrade {
    /// The token whose end is the end of the WebSocket.
    pub(in crate::exchange) token: Arc<VerifiedToken>,
    /// The subprotocols from which the upstream may choose.
    pub(in crate::exchange) offered: Option<HeaderValue>,
}

impl OutboundRequest {
    /// Joins a reservation, a credential and the prepared message. Called by `Gate::admit` alone.
    pub(super) fn new(
        reservation: Reservation,
        credential: Arc<AttachedCredential>,
        message: Box<Message>,
        exchange: Holding,
    ) -> Self {
        let (permit, duties) = reservation.into_parts();
        // The permit ends here: a permit admits a single request, this one.
        let upgrader = message.upgrade.then(|| Arc::clone(permit.token()));
        Self { credential, message, duties, upgrader, exchange }
    }

    /// Makes a question that a permitted request needs answered before being sent. The question
    /// only reads, at the origin of that request.
    pub(in crate::exchange) fn question(
        _permit: &Permit,
        credential: Arc<AttachedCredential>,
        question: ListQuery,
        exchange: Holding,
    ) -> Self {
        let ListQuery { headers, origin, target, watch } = question;
        let (method, body) = (Method::GET, RequestBody::empty());
        let (came, upgrade) = (None, false);
        let message = Message { method, headers, origin, came, target, body, watch, upgrade };
        let message = Box::new(message);
        Self { credential, message, duties: Duties::none(), upgrader: None, exchange }
    }

    /// Returns the mask of the credential, applied to the response.
    pub(in crate::exchange) fn secret_mask(&self) -> Option<SecretMask> {
        self.credential.secret_mask().cloned()
    }

    /// Takes the leave to open a WebSocket, if the request has any.
    pub(in crate::exchange) fn take_upgrade(&mut self) -> Option<Upgrade> {
        let token = self.upgrader.take()?;
        Some(Upgrade {
            token,
            offered: self.message.headers.get(header::SEC_WEBSOCKET_PROTOCOL).cloned(),
        })
    }

    /// Sets the credential, after all of the client's own secrets were removed. Returns the request
    /// to send, and the duties due once the response has come.
    #[inline]
    pub(in crate::exchange) fn into_dispatch(self) -> (Dispatch, Duties) {
        let Self { credential, mut message, duties, exchange, .. } = self;
        let parameter = credential.place(&mut message.headers);
        (Dispatch { message, parameter, exchange }, duties)
    }
}

impl Dispatch {
    /// Returns the upstream's origin to which the request goes.
    pub(in crate::exchange) fn origin(&self) -> OriginId {
        self.message.origin
    }

    /// True if the request asks for another protocol on its connection.
    pub(in crate::exchange) fn is_upgrade(&self) -> bool {
        self.message.upgrade
    }

    /// Returns the token's watch.
    pub(in crate::exchange) fn watch(&self) -> &TokenWatch {
        &self.message.watch
    }

    pub(in crate::exchange) fn target(&self) -> &RequestTarget {
        &self.message.target
    }

    /// Returns the method. Method and content together decide on the kind of connection.
    pub(in crate::exchange) fn method(&self) -> &Method {
        &self.message.method
    }

    /// Returns the header fields, with the credential.
    pub(in crate::exchange) fn headers(&self) -> &HeaderMap {
        &self.message.headers
    }

    pub(in crate::exchange) fn body(&self) -> &RequestBody {
        &self.message.body
    }

    /// Returns the request's place among the exchanges in progress.
    pub(in crate::exchange) fn exchange(&self) -> &Holding {
        &self.exchange
    }

    /// Returns the message, the credential of a query carrier, and the place among the exchanges in
    /// progress.
    pub(in crate::exchange) fn into_parts(
        self,
    ) -> (Box<Message>, Option<QueryCredential>, Holding) {
        (self.message, self.parameter, self.exchange)
    }
}
