//! What a request has claimed, until its response decides what becomes of that. Where none comes, it is not kept for long.

use std::sync::Arc;

use http::StatusCode;
use magicproxy_core::UnixTime;
use magicproxy_core::state::RowLimits;
use tokio::runtime::Handle;

use super::{Claim, Failure};
use crate::exchange::ledger::Ledger;
use crate::rejection::Rejection;

/// A claim that was made. One that is dropped before its response came is given up, on another task.
#[derive(Debug)]
pub(in crate::exchange::ledger) struct ActiveClaim {
    ledger: Ledger,
    claim: Arc<Claim>,
    stage: Stage,
}

/// How far a claim, and its request, have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The store was asked, and may have done it: its response was lost.
    Asked,
    /// It is made; nothing was sent.
    Made,
    /// The request may have been sent.
    Sent,
    /// It is not, or was ended.
    Over,
}

impl ActiveClaim {
    /// Makes a claim; gives it back where somebody was faster.
    pub(in crate::exchange::ledger) async fn claim(
        ledger: &Ledger,
        claim: Claim,
        ends_at: UnixTime,
        rows: RowLimits,
    ) -> Result<Result<Self, Arc<Claim>>, Rejection> {
        let mut claimed =
            Self { ledger: ledger.clone(), claim: Arc::new(claim), stage: Stage::Asked };
        // Seen through though the client goes meanwhile: whether it was made decides how it is given up.
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

    /// From now on nobody knows what the upstream does, until it answers.
    pub(in crate::exchange::ledger) fn sent(&mut self) {
        self.stage = Stage::Sent;
    }

    /// The upstream has nothing of the request, and gets none of it.
    pub(in crate::exchange::ledger) fn not_sent(&mut self) {
        self.stage = Stage::Made;
    }

    /// Does what the response decides.
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
            // Another request of its owner may have made the same claim.
            Stage::Asked | Stage::Sent => Failure::Unknown,
            Stage::Over => return,
        };
        // Without a runtime the process is at its end: what is claimed stays its owner's, who may come again.
        let Ok(runtime) = Handle::try_current() else { return };
        let (ledger, claim) = (self.ledger.clone(), Arc::clone(&self.claim));
        runtime.spawn(async move { ledger.disown(&claim, failure).await });
    }
}
