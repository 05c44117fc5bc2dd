//! Active claims: list items claimed by a request, until the response decides their fate. If no
//! response comes, the claim does not last long.

use std::sync::Arc;

use http::StatusCode;
use magicproxy_core::UnixTime;
use magicproxy_core::state::RowLimits;
use tokio::runtime::Handle;

use super::{Claim, Failure};
use crate::exchange::ledger::Ledger;
use crate::rejection::Rejection;

/// A claim written to the store, made by [`ActiveClaim::claim`]. A claim dropped before the
/// response came is given up, on another task.
#[derive(Debug)]
pub(in crate::exchange::ledger) struct ActiveClaim {
    ledger: Ledger,
    claim: Arc<Claim>,
    stage: Stage,
}

/// The progress of a claim and its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The store was asked, and may have made the claim: the store's response was lost.
    Asked,
    /// The claim is made, and the request was not sent.
    Made,
    /// The request may have been sent.
    Sent,
    /// No claim was made, or the claim was ended.
    Over,
}

impl ActiveClaim {
    /// Makes a claim. Returns the unmade claim, to look again, if another request was faster.
    pub(in crate::exchange::ledger) async fn claim(
        ledger: &Ledger,
        claim: Claim,
        ends_at: UnixTime,
        rows: RowLimits,
    ) -> Result<Result<Self, Arc<Claim>>, Rejection> {
        let mut claimed =
            Self { ledger: ledger.clone(), claim: Arc::new(claim), stage: Stage::Asked };
        // Seen through even if the client goes away meanwhile: the way to give the claim up depends
        // on its success.
        let claiming = tokio::spawn(async move {
            let made = claimed.ledger.claim(&claimed.claim, ends_at, rows).await;
            claimed.stage = match made {
                Ok(true) => Stage::Made,
                Err(Rejection::Store(_)) => Stage::Asked,
                Ok(false) | Err(_) => Stage::Over,
            };
            Ok(if made? { Ok(claimed) } else { Err(Arc::clone(&claimed.claim)) })
        });
        claiming.await.map_err(|_| Rejection::Internal)?
    }

    /// Notes that the upstream may act on the request from now on. Until the response, nobody
    /// knows.
    pub(in crate::exchange::ledger) fn sent(&mut self) {
        self.stage = Stage::Sent;
    }

    /// Notes that the upstream has nothing of the request, and gets nothing.
    pub(in crate::exchange::ledger) fn not_sent(&mut self) {
        self.stage = Stage::Made;
    }

    /// Concludes the claim as the response decides.
    pub(in crate::exchange::ledger) async fn commit(
        mut self,
        status: StatusCode,
        ends_at: UnixTime,
    ) {
        self.stage = Stage::Over;
        if status.is_success() {
            self.ledger.confirm(&self.claim, ends_at).await;
        } else {
            self.ledger.disown(&self.claim, Failure::of(status)).await;
        }
    }
}

impl Drop for ActiveClaim {
    fn drop(&mut self) {
        let failure = match self.stage {
            Stage::Made => Failure::Refused,
            // Another request of the owner may have made the same claim.
            Stage::Asked | Stage::Sent => Failure::Unknown,
            Stage::Over => return,
        };
        // Without a runtime the process is at its end: claimed items stay the owner's, who may come
        // again.
        let Ok(runtime) = Handle::try_current() else { return };
        let (ledger, claim) = (self.ledger.clone(), Arc::clone(&self.claim));
        runtime.spawn(async move { ledger.disown(&claim, failure).await });
    }
}
