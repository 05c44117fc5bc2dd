//! A response on its way down: only the permitted fields pass, the credential masked, at every
//! door.

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

/// The facts needed to read a response: the method of the request, and the deadline of the
/// exchange.
#[derive(Clone, Debug)]
pub(in crate::exchange) struct ResponseContext {
    pub(in crate::exchange) method: Method,
    pub(in crate::exchange) end: Option<Instant>,
}

/// The response to an admitted request before filtering, with the mask of the credential.
pub(crate) struct UnfilteredResponse {
    committed: CommittedResponse,
    expected: ResponseContext,
    /// The mask of the credential sent with the request.
    secret_mask: Option<SecretMask>,
}

/// A response with a filtered head. The credential is still to be masked in the content.
struct FilteredResponse {
    head: Parts,
    /// The content coding of the response.
    coding: Coding,
    received: ReceivedBody,
    filter: ResponseFilter,
    idle: IdleTimer,
    secret_mask: Option<SecretMask>,
}

/// A response that a door reads whole and makes anew.
pub(crate) struct MaskedResponse {
    pub(crate) head: Parts,
    /// The content, inflated, and the credential masked.
    pub(crate) body: UpstreamBody,
    /// The mask to apply again to the content made by the door.
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

    /// Returns the response as sent by the upstream, for the choice of how to pass the response
    /// down.
    pub(crate) fn response(&self) -> &Response<Content> {
        self.committed.response()
    }

    /// Returns the time at which the head of the upstream's response came, if the head was passed
    /// on at once.
    pub(crate) fn came(&self) -> Option<Instant> {
        self.committed.came()
    }

    pub(crate) fn method(&self) -> &Method {
        &self.expected.method
    }

    /// Takes this amount of a resource, at the expense of the exchange's payer.
    pub(crate) fn take(&self, resource: Resource, amount: usize) -> Result<Holding, Shortage> {
        self.committed.arrived.place.take(resource, amount)
    }

    /// Passes the response down while the content arrives. `rewriting` is asked for the client's
    /// links only where the response may hold URLs.
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

    /// Prepares the response for a door that reads the content whole and makes the response anew.
    pub(crate) fn searched(self) -> Result<MaskedResponse, Rejection> {
        let FilteredResponse { head, coding, received, filter, idle, secret_mask } =
            self.filtered()?;
        let pipeline = Pipeline::searching(coding, secret_mask.clone());
        let body = UpstreamBody::new(received, BodyTreatment { pipeline, filter, idle });
        Ok(MaskedResponse { head, body, secret_mask })
    }

    /// Filters the head. In the content, the credential is still to be masked.
    fn filtered(self) -> Result<FilteredResponse, Rejection> {
        let Self { committed, expected: ResponseContext { method, end }, secret_mask } = self;
        let CommittedResponse { arrived, prefix, held } = committed;
        let UpstreamResponse { response, lease, idle, dropped, place, watch, .. } = *arrived;
        let (mut head, incoming) = response.into_parts();
        let coding = Coding::of(&head.headers);
        if !is_searchable(&head, coding)
            && !has_no_content(&head, &method)
            && !incoming.is_end_stream()
        {
            return Err(Rejection::UnaskedCoding);
        }
        let received =
            ReceivedBody { incoming, version: head.version, lease, prefix, held, exchange: place };
        let mut filter = ResponseFilter::new(secret_mask.clone(), dropped);
        filter.head(&mut head, &method);
        Ok(FilteredResponse {
            head,
            coding,
            received,
            filter,
            idle: IdleTimer::new(idle, end).watching(watch),
            secret_mask,
        })
    }
}

/// The response of an upstream that switches to the requested protocol.
pub(crate) struct UpgradedResponse {
    committed: CommittedResponse,
    expected: ResponseContext,
    secret_mask: Option<SecretMask>,
    token: Arc<VerifiedToken>,
}

/// The upstream's side of a tunnel.
pub(crate) struct TunnelEnds {
    /// The head as passed down.
    pub(crate) head: Parts,
    /// The upstream's connection.
    pub(crate) upstream: OnUpgrade,
    /// The token that opened the tunnel. The tunnel ends with the token.
    pub(crate) token: Arc<VerifiedToken>,
    /// The deadline of the exchange.
    pub(crate) end: Option<Instant>,
    /// The exchange's resources, held until the end of the tunnel: until then neither connection
    /// counts as idle.
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

    /// Passes the filtered head down. The bytes after the head are not inspected.
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
