//! From a request that may be sent to its answer: sent, and everything done that is due before any of the answer is passed down.

use std::sync::Arc;

use tokio::sync::watch;

use super::answer::{Answer, Unsettled};
use super::gate::OutboundRequest;
use super::ledger::Duties;
use super::upstream::{ConnectedRequest, SendProgress, Unanswered, Upstream};
use crate::rejection::Rejection;
use crate::worker::WorkerId;

/// Sends a request over a connection of this worker, and does what is due.
#[inline]
pub(in crate::exchange) async fn carry_out(
    upstream: &Arc<Upstream>,
    request: OutboundRequest,
    worker: WorkerId,
) -> Result<Answer, Rejection> {
    let (dispatch, duties) = request.into_dispatch();
    let leased = upstream.lease(&dispatch, worker).await?;
    let request = upstream.connect(dispatch, leased)?;
    if !duties.are_due() {
        return settled(request, duties).await;
    }
    // What the upstream does is recorded, though the client should go away meanwhile.
    let (_here, gone) = watch::channel(());
    let exchange = tokio::spawn(settled(request.unless(gone), duties));
    exchange.await.map_err(|_| Rejection::Internal)?
}

async fn settled(mut request: ConnectedRequest, mut duties: Duties) -> Result<Answer, Rejection> {
    duties.sent();
    let response = request.send().await.map_err(|unanswered| failed(unanswered, &mut duties))?;
    Unsettled::new(request.arrived(response)?, duties).settle().await
}

fn failed(unanswered: Unanswered, duties: &mut Duties) -> Rejection {
    if unanswered.progress == SendProgress::NotSent {
        duties.not_sent();
    }
    unanswered.rejection
}
