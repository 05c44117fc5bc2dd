//! A request that may go to the upstream.

use std::sync::Arc;

use http::{HeaderMap, Method};
use magicproxy_core::{Permit, RequestTarget};

use crate::body::RequestBody;
use crate::opened::{OpenedCredential, QueryCredential};
use crate::scrub::Needle;

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
/// INVARIANT: its one constructor consumes a [`Permit`]; `upstream::Upstream::send` takes nothing else.
///
/// It can be named, and nobody outside of the gate can make one:
///
/// ```
/// fn named(_: magicproxy_proxy::gate::OutboundRequest) {}
/// ```
/// ```compile_fail,E0624
/// let forged = magicproxy_proxy::gate::OutboundRequest::new(todo!(), todo!(), todo!());
/// ```
/// ```compile_fail,E0451
/// let forged = magicproxy_proxy::gate::OutboundRequest { permit: todo!(), credential: todo!(), message: todo!() };
/// ```
#[derive(Debug)]
pub struct OutboundRequest {
    permit: Permit,
    credential: Arc<OpenedCredential>,
    message: Message,
}

impl OutboundRequest {
    pub(super) fn new(permit: Permit, credential: Arc<OpenedCredential>, message: Message) -> Self {
        Self { permit, credential, message }
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

    pub(crate) fn body(&self) -> &RequestBody {
        &self.message.body
    }

    /// Sets the credential, after everything of the caller's was taken away, and lets go of the permit: it admits one request.
    ///
    /// What goes behind the query comes beside the message: a target is text that may be printed.
    pub(crate) fn into_message(self) -> (Message, Option<QueryCredential>) {
        let mut message = self.message;
        let parameter = self.credential.place(&mut message.headers);
        drop(self.permit);
        (message, parameter)
    }
}
