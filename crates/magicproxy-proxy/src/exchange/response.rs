//! The response to a permitted request, from when it came until it may be passed down.
//!
//! What an upstream sent is [`PendingResponse`] until everything due was done: recorded what it made, told whoever was to be told.
//! Nothing but [`PendingResponse::commit`] makes an [`CommittedResponse`], and nothing of one is passed down but by [`UnfilteredResponse`] and [`UpgradedResponse`].

mod passing;

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};

use crate::admission::Holding;
use crate::exchange::ledger::Duties;
use crate::exchange::upstream::UpstreamResponse;
use crate::rejection::Rejection;
use crate::response::buffered_prefix::{BufferedPrefix, ExchangeGuard};
use crate::response::header::RECEIPT;
use crate::transport::Content;

pub(in crate::exchange) use passing::ResponseContext;
pub(crate) use passing::{MaskedResponse, TunnelEnds, UnfilteredResponse, UpgradedResponse};

/// An upstream's response for which the duties are still to be done.
#[derive(Debug)]
pub(in crate::exchange) struct PendingResponse {
    arrived: Box<UpstreamResponse>,
    duties: Duties,
}

/// An upstream's response for which everything was done that was due.
pub(in crate::exchange) struct CommittedResponse {
    /// In a box: it is moved about before it is passed down.
    arrived: Box<UpstreamResponse>,
    /// What was read of its body already.
    ahead: Option<Box<BufferedPrefix>>,
    /// What the exchange holds until the response was passed down.
    held: Option<ExchangeGuard>,
}

impl PendingResponse {
    pub(in crate::exchange) fn new(arrived: Box<UpstreamResponse>, duties: Duties) -> Self {
        Self { arrived, duties }
    }

    /// Does what is due.
    ///
    /// # Errors
    /// The upstream carried the request out, and that could not be recorded.
    pub(in crate::exchange) async fn commit(self) -> Result<CommittedResponse, Rejection> {
        let Self { mut arrived, duties } = self;
        // Only the proxy gives receipts.
        arrived.response.headers_mut().remove(RECEIPT);
        let committed = CommittedResponse { arrived, ahead: None, held: None };
        if duties.are_none() { Ok(committed) } else { Box::pin(duties.commit(committed)).await }
    }
}

impl CommittedResponse {
    pub(in crate::exchange) fn status(&self) -> StatusCode {
        self.arrived.response.status()
    }

    pub(in crate::exchange) fn headers(&self) -> &HeaderMap {
        self.arrived.response.headers()
    }

    pub(in crate::exchange) fn headers_mut(&mut self) -> &mut HeaderMap {
        self.arrived.response.headers_mut()
    }

    /// The response, whose content may have been read ahead.
    pub(in crate::exchange) fn response(&self) -> &Response<Content> {
        &self.arrived.response
    }

    /// Reads as much of the body as there is room for before anything is passed down. All of it, where that is enough.
    pub(in crate::exchange) async fn read_ahead(&mut self, buffered: Holding) -> Option<Bytes> {
        let UpstreamResponse { response, idle, .. } = &mut *self.arrived;
        let ahead = BufferedPrefix::read(response.body_mut(), buffered, *idle).await;
        self.ahead.insert(Box::new(ahead)).whole().cloned()
    }

    /// Holds this until the response was passed down.
    pub(in crate::exchange) fn hold(&mut self, held: ExchangeGuard) {
        self.held = Some(held);
    }

    /// Reads as much of the body as there is room for, of a response of which nothing is passed down.
    pub(in crate::exchange) async fn read(self, buffered: Holding) -> BufferedPrefix {
        let UpstreamResponse { mut response, lease, idle, .. } = *self.arrived;
        let read = BufferedPrefix::read(response.body_mut(), buffered, idle).await;
        if read.whole().is_some() {
            lease.give_back();
        }
        read
    }
}
