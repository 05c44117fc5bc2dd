//! Responses of the proxy's own words over HTTP/2: refusals, and responses of the control plane.
//!
//! A client that leaves its window closed does not take the content of a response, and the stream
//! stays in memory. So only few such streams may wait, charged to the peer. Beyond the limit a
//! refusal has no content, and its stream ends with the head.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Connection;
use crate::admission::{Budget, Holding, Payer, Resource, Shortage};

/// Own responses of one connection that may wait for the client, before a request of the connection
/// was admitted.
const MAX_UNTAKEN: usize = 8;
/// Own responses of one connection that may wait for the client, after a request of the connection
/// was admitted.
const MAX_UNTAKEN_OF_ADMITTED: usize = 32;

/// A response of the proxy's own words that the client has not taken yet.
#[derive(Debug)]
pub(crate) struct UnreadResponse {
    connection: Arc<Connection>,
    _holding: Holding,
}

impl UnreadResponse {
    /// Reserves room for one more response on this connection. HTTP/1 needs no room, because a
    /// connection has one response at a time.
    ///
    /// # Errors
    /// [`Shortage`] of the connection, of the peer, or of all together.
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
