//! From an outbound request to its response: the request is sent, and every duty done, before any
//! of the response is passed down.

use std::sync::Arc;

use tokio::sync::watch;

use super::gate::{FinalCheck, OutboundRequest};
use super::ledger::Duties;
use super::response::{CommittedResponse, PendingResponse};
use super::upstream::{ConnectedRequest, FailedExchange, SendProgress, Upstream};
use crate::rejection::Rejection;
use crate::worker::WorkerId;

/// Sends a request over a connection of `worker`, and does the duties of the exchange.
#[inline]
pub(in crate::exchange) async fn carry_out(
    upstream: &Arc<Upstream>,
    request: OutboundRequest,
    worker: WorkerId,
    look: FinalCheck<'_>,
) -> Result<CommittedResponse, Rejection> {
    let (dispatch, duties) = request.into_dispatch();
    let mut leased = upstream.lease(&dispatch, worker).await?;
    if let Err(rejection) = look.confirm(&dispatch, leased.ready()).await {
        leased.give_back();
        return Err(rejection);
    }
    let request = upstream.connect(dispatch, leased)?;
    if !duties.are_due() {
        return committed(request, duties).await;
    }
    // The effects at the upstream are recorded even if the client goes away meanwhile.
    let (_here, gone) = watch::channel(());
    let exchange = tokio::spawn(committed(request.unless(gone), duties));
    exchange.await.map_err(|_| Rejection::Internal)?
}

async fn committed(
    mut request: ConnectedRequest,
    mut duties: Duties,
) -> Result<CommittedResponse, Rejection> {
    duties.sent();
    let response = request.send().await.map_err(|failure| failed(failure, &mut duties))?;
    PendingResponse::new(request.arrived(response)?, duties).commit().await
}

fn failed(failure: FailedExchange, duties: &mut Duties) -> Rejection {
    if failure.progress == SendProgress::NotSent {
        duties.not_sent();
    }
    failure.rejection
}
