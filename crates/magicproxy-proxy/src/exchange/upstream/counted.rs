//! Requests to an upstream, counted by the metrics.

use super::Upstream;
use crate::exchange::gate::Dispatch;
use crate::metrics::{ClientExchange, MethodLabel, SchemeLabel};
use crate::rejection::Rejection;
use crate::transport::ConnectFailure;
use crate::transport::pool::ConnectionNeed;

impl Upstream {
    /// Begins to count a request.
    pub(super) fn counted(&self, request: &Dispatch) -> Result<ClientExchange, Rejection> {
        let root = self.origin(request.origin())?.root();
        let scheme = if root.is_secure() { SchemeLabel::Https } else { SchemeLabel::Http };
        Ok(ClientExchange::new(MethodLabel::of(request.method()), scheme))
    }

    /// Counts a request for which no connection could be made.
    pub(super) fn count_unconnected(
        &self,
        request: &Dispatch,
        need: ConnectionNeed,
        failure: &ConnectFailure,
    ) -> Result<(), Rejection> {
        let mut exchange = self.counted(request)?;
        exchange.begin(need.asked);
        self.metrics.sent_in_vain(&exchange, failure.status_and_code().1);
        Ok(())
    }
}
