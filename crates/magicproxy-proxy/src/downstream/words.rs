//! Responses of the proxy's own words over HTTP/2: refusals, and what the control plane says.
//!
//! A client that leaves its window closed does not take the content of a response, and its stream stays in memory. So only few
//! such streams may wait, charged to the peer; beyond that a refusal has no content, and its stream ends with its head.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Connection;
use crate::admission::{Budget, Holding, Payer, Resource, Shortage};

/// Own responses of one connection that may wait for their client, while no request of it was admitted.
const MAX_UNTAKEN: usize = 8;
/// The same from then on.
const MAX_UNTAKEN_OF_ADMITTED: usize = 32;

/// A response of the proxy's own words whose client has not taken it yet.
#[derive(Debug)]
pub(crate) struct UnreadResponse {
    connection: Arc<Connection>,
    _holding: Holding,
}

impl UnreadResponse {
    /// Room for one more on this connection; none is needed over HTTP/1, which has one response at a time.
    ///
    /// # Errors
    /// [`Shortage`] of the connection, its peer, or all.
    pub(crate) fn on(
        connection: &Arc<Connection>,
        budget: &Arc<Budget>,
    ) -> Result<Option<Self>, Shortage> {
        if connection.is_http1() {
            return Ok(None);
        }
        let most =
            if connection.activity.had_admitted() { MAX_UNTAKEN_OF_ADMITTED } else { MAX_UNTAKEN };
        let payer = Payer::anonymous(Arc::clone(connection.account()));
        let holding = budget.take(Resource::OwnResponses, 1, &payer)?;
        if connection.untaken.fetch_add(1, Ordering::Relaxed) >= most {
            connection.untaken.fetch_sub(1, Ordering::Relaxed);
            return Err(Shortage::Peer);
        }
        Ok(Some(Self { connection: Arc::clone(connection), _holding: holding }))
    }
}

impl Drop for UnreadResponse {
    fn drop(&mut self) {
        self.connection.untaken.fetch_sub(1, Ordering::Relaxed);
    }
}
