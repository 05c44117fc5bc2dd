//! A response on its way down: the fields that may pass, and the credential masked, whichever door it passes.

use std::sync::Arc;
use std::time::Instant;

use http::response::Parts;
use http::{Method, Response};
use http_body::Body as _;
use hyper::upgrade::OnUpgrade;
use magicproxy_core::VerifiedToken;

use super::CommittedResponse;
use crate::admission::{Holding, Resource, Shortage};
use crate::exchange::upstream::UpstreamResponse;
use crate::http::body::IdleTimer;
use crate::mask::SecretMask;
use crate::rejection::Rejection;
use crate::response::body::{BodyTreatment, ReceivedBody, ResponseBody, UpstreamBody};
use crate::response::buffered_prefix::ExchangeGuard;
use crate::response::header::{Coding, ResponseFilter, has_no_content, is_searchable};
use crate::response::pipeline::Pipeline;
use crate::response::rewrite::{self, Rewriting};
use crate::transport::Content;

/// What decides how a response is read: the method of its request, and when the exchange must be over.
#[derive(Clone, Debug)]
pub(in crate::exchange) struct ResponseContext {
    pub(in crate::exchange) method: Method,
    pub(in crate::exchange) end: Option<Instant>,
}

/// The response to an admitted request, with what is looked for in it.
pub(crate) struct UnfilteredResponse {
    committed: CommittedResponse,
    expected: ResponseContext,
    /// The credential that it was sent with.
    secret_mask: Option<SecretMask>,
}

/// A response whose head was filtered. Its body is still to be searched for the credential.
struct FilteredResponse {
    head: Parts,
    /// In which its body comes.
    coding: Coding,
    received: ReceivedBody,
    filter: ResponseFilter,
    idle: IdleTimer,
    secret_mask: Option<SecretMask>,
}

/// A response that is read whole and made anew by its door.
pub(crate) struct MaskedResponse {
    pub(crate) head: Parts,
    /// Inflated, and searched for the credential.
    pub(crate) body: UpstreamBody,
    /// What is to be looked for again in what is made of it.
    pub(crate) secret_mask: Option<SecretMask>,
}

impl UnfilteredResponse {
    pub(in crate::exchange) fn new(
        committed: CommittedResponse,
        expected: ResponseContext,
        secret_mask: Option<SecretMask>,
    ) -> Self {
        Self { committed, expected, secret_mask }
    }

    /// The response as the upstream sent it: to choose how it is passed down.
    pub(crate) fn response(&self) -> &Response<Content> {
        self.committed.response()
    }

    /// The method of its request.
    pub(crate) fn method(&self) -> &Method {
        &self.expected.method
    }

    /// Takes so much of a resource, at the expense of who pays for the exchange.
    pub(crate) fn take(&self, resource: Resource, amount: usize) -> Result<Holding, Shortage> {
        self.committed.arrived.place.take(resource, amount)
    }

    /// Passes it down while it comes. Where the client's URLs lead is asked where the response may hold some.
    #[inline]
    pub(crate) fn pass(
        self,
        rewriting: impl FnOnce() -> Option<Rewriting>,
    ) -> Result<Response<ResponseBody>, Rejection> {
        let FilteredResponse { mut head, coding, received, filter, idle, secret_mask } =
            self.filtered()?;
        let plan = rewrite::apply(&mut head, coding, rewriting);
        let pipeline = Pipeline::new(coding, secret_mask, plan);
        let body = UpstreamBody::new(received, BodyTreatment { pipeline, filter, idle });
        Ok(Response::from_parts(head, ResponseBody::upstream(body)))
    }

    /// Has it read whole by a door that makes it anew.
    pub(crate) fn searched(self) -> Result<MaskedResponse, Rejection> {
        let FilteredResponse { head, coding, received, filter, idle, secret_mask } =
            self.filtered()?;
        let pipeline = Pipeline::searching(coding, secret_mask.clone());
        let body = UpstreamBody::new(received, BodyTreatment { pipeline, filter, idle });
        Ok(MaskedResponse { head, body, secret_mask })
    }

    /// Nothing passes that should not, but for the body, in which the credential is still to be looked for.
    fn filtered(self) -> Result<FilteredResponse, Rejection> {
        let Self { committed, expected: ResponseContext { method, end }, secret_mask } = self;
        let CommittedResponse { arrived, ahead, held } = committed;
        let UpstreamResponse { response, lease, idle, dropped, place } = *arrived;
        let (mut head, incoming) = response.into_parts();
        let coding = Coding::of(&head.headers);
        if !is_searchable(&head, coding)
            && !has_no_content(&head, &method)
            && !incoming.is_end_stream()
        {
            return Err(Rejection::UnaskedCoding);
        }
        let received =
            ReceivedBody { incoming, version: head.version, lease, ahead, held, exchange: place };
        let mut filter = ResponseFilter::new(secret_mask.clone(), dropped);
        filter.head(&mut head, &method);
        Ok(FilteredResponse {
            head,
            coding,
            received,
            filter,
            idle: IdleTimer::new(idle, end),
            secret_mask,
        })
    }
}

/// The response of an upstream that goes on with another protocol, as it was asked to.
pub(crate) struct UpgradedResponse {
    committed: CommittedResponse,
    expected: ResponseContext,
    secret_mask: Option<SecretMask>,
    token: Arc<VerifiedToken>,
}

/// What a tunnel is made of on the upstream's side.
pub(crate) struct TunnelEnds {
    /// The head as it is passed down.
    pub(crate) head: Parts,
    /// The upstream's connection.
    pub(crate) upstream: OnUpgrade,
    /// The token that opened the tunnel, with whose end it ends.
    pub(crate) token: Arc<VerifiedToken>,
    /// When the exchange must be over.
    pub(crate) end: Option<Instant>,
    /// Held until the tunnel has ended: until then neither connection counts as idle.
    pub(crate) held: ExchangeGuard,
}

impl UpgradedResponse {
    pub(in crate::exchange) fn new(
        committed: CommittedResponse,
        expected: ResponseContext,
        secret_mask: Option<SecretMask>,
        token: Arc<VerifiedToken>,
    ) -> Self {
        Self { committed, expected, secret_mask, token }
    }

    /// Passes the head down; what follows it is not looked at.
    pub(crate) fn into_tunnel(self) -> TunnelEnds {
        let Self { committed, expected, secret_mask, token } = self;
        let UpstreamResponse { mut response, lease, dropped, place, .. } = *committed.arrived;
        let upstream = hyper::upgrade::on(&mut response);
        let (mut head, _) = response.into_parts();
        ResponseFilter::new(secret_mask, dropped).head(&mut head, &expected.method);
        TunnelEnds {
            head,
            upstream,
            token,
            end: expected.end,
            held: Box::new((lease, committed.held, place)),
        }
    }
}
