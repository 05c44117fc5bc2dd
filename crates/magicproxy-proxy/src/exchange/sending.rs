//! From a request that may be sent to its response: sent, and everything done that is due before any of the response is passed down.

use std::sync::Arc;

use tokio::sync::watch;

use super::gate::OutboundRequest;
use super::ledger::Duties;
use super::response::{CommittedResponse, PendingResponse};
use super::upstream::{ConnectedRequest, FailedExchange, SendProgress, Upstream};
use crate::rejection::Rejection;
use crate::worker::WorkerId;

/// Sends a request over a connection of this worker, and does what is due.
#[inline]
pub(in crate::exchange) async fn carry_out(
    upstream: &Arc<Upstream>,
    request: OutboundRequest,
    worker: WorkerId,
) -> Result<CommittedResponse, Rejection> {
    let (dispatch, duties) = request.into_dispatch();
    let leased = upstream.lease(&dispatch, worker).await?;
    let request = upstream.connect(dispatch, leased)?;
    if !duties.are_due() {
        return committed(request, duties).await;
    }
    // What the upstream does is recorded, though the client should go away meanwhile.
    let (_here, gone) = watch::channel(());
    let exchange = tokio::spawn(committed(request.unless(gone), duties));
    exchange.await.map_err(|_| Rejection::Internal)?
}

async fn committed(
    mut request: ConnectedRequest,
    mut duties: Duties,
) -> Result<CommittedResponse, Rejection> {
    duties.sent();
    let response = request.send().await.map_err(|unanswered| failed(unanswered, &mut duties))?;
    PendingResponse::new(request.arrived(response)?, duties).commit().await
}

fn failed(unanswered: FailedExchange, duties: &mut Duties) -> Rejection {
    if unanswered.progress == SendProgress::NotSent {
        duties.not_sent();
    }
    unanswered.rejection
}
