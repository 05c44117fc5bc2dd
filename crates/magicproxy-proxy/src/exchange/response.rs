//! The response to a permitted request, from its arrival until any of the response may be passed
//! down.
//!
//! An upstream's response is a [`PendingResponse`] until every duty was done: new grants recorded,
//! and plugins told. Only [`PendingResponse::commit`] makes a [`CommittedResponse`], and only
//! [`UnfilteredResponse`] and [`UpgradedResponse`] pass any of a committed response down.

mod passing;

use std::time::Instant;

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

/// An upstream's response whose duties are still to be done.
#[derive(Debug)]
pub(in crate::exchange) struct PendingResponse {
    arrived: Box<UpstreamResponse>,
    duties: Duties,
}

/// An upstream's response after every duty was done, made by [`PendingResponse::commit`].
pub(in crate::exchange) struct CommittedResponse {
    /// Boxed, because the response is moved about before being passed down.
    arrived: Box<UpstreamResponse>,
    /// The part of the content read already.
    prefix: Option<Box<BufferedPrefix>>,
    /// Everything held by the exchange until the response was passed down.
    held: Option<ExchangeGuard>,
}

impl PendingResponse {
    /// Joins a response with the duties of its request.
    pub(in crate::exchange) fn new(arrived: Box<UpstreamResponse>, duties: Duties) -> Self {
        Self { arrived, duties }
    }

    /// Discharges the duties of the exchange.
    ///
    /// # Errors
    /// The upstream carried the request out, and the effects could not be recorded.
    pub(in crate::exchange) async fn commit(self) -> Result<CommittedResponse, Rejection> {
        let Self { mut arrived, duties } = self;
        // Only the proxy gives receipts.
        arrived.response.headers_mut().remove(RECEIPT);
        arrived.came = arrived.came.filter(|_| duties.are_none());
        let committed = CommittedResponse { arrived, prefix: None, held: None };
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

    /// Returns the response, whose content may have been read ahead.
    pub(in crate::exchange) fn response(&self) -> &Response<Content> {
        &self.arrived.response
    }

    /// Returns the time at which the head came, if the head was passed on at once.
    fn came(&self) -> Option<Instant> {
        self.arrived.came
    }

    /// Reads as much of the content as there is room for, before any is passed down. Returns the
    /// whole content, if there was room for all.
    pub(in crate::exchange) async fn read_prefix(&mut self, buffered: Holding) -> Option<Bytes> {
        let UpstreamResponse { response, idle, .. } = &mut *self.arrived;
        let prefix = BufferedPrefix::read(response.body_mut(), buffered, *idle).await;
        self.prefix.insert(Box::new(prefix)).whole().cloned()
    }

    /// Keeps `held` until the response was passed down.
    pub(in crate::exchange) fn hold(&mut self, held: ExchangeGuard) {
        self.held = Some(held);
    }

    /// Reads as much of the content as there is room for, of a response of which nothing is passed
    /// down.
    pub(in crate::exchange) async fn read(self, buffered: Holding) -> BufferedPrefix {
        let UpstreamResponse { mut response, lease, idle, .. } = *self.arrived;
        let read = BufferedPrefix::read(response.body_mut(), buffered, idle).await;
        if read.whole().is_some() {
            lease.give_back();
        }
        read
    }
}
