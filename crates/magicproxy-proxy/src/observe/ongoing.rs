//! Requests in progress. The end of a request is noted in this module alone.

#[cfg(test)]
pub(crate) mod ended;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Instant;

use http::Method;

use super::access_log::{self, AccessRecord};
use crate::downstream::{Connection, InFlight};
use crate::request_id::RequestId;

/// A request from beginning to end: the record, and the place among the requests of its connection.
///
/// Dropping the value ends the request, whatever the reason: the response was handed over, the
/// client left, the request was refused, the tunnel ended, the serving task panicked. Each request
/// has one value, so that each request ends once.
#[derive(Debug)]
pub(crate) struct OngoingRequest {
    pub(crate) record: AccessRecord,
    in_flight: InFlight,
}

impl OngoingRequest {
    /// Begins a request of this connection.
    pub(crate) fn begin(connection: &Arc<Connection>, method: &Method) -> Self {
        let (in_flight, began) = connection.begin();
        #[cfg(test)]
        ended::note_begin(&in_flight);
        let record = AccessRecord::new(RequestId::next(), method, began);
        record.count_begin(&in_flight);
        Self { record, in_flight }
    }

    /// Returns the request's place among the requests of the connection.
    pub(crate) fn in_flight(&self) -> &InFlight {
        &self.in_flight
    }

    /// Notes that all of the response's content was handed over.
    pub(crate) fn completed(&mut self) {
        self.record.completed();
        self.in_flight.response_is_whole();
    }
}

impl Drop for OngoingRequest {
    fn drop(&mut self) {
        let now = Instant::now();
        // Frees the connection even if the writing of the log panics.
        let _over = RequestEnd { in_flight: &self.in_flight, now };
        #[cfg(test)]
        ended::note(&self.record, &self.in_flight, now);
        // Every count and every record of requests is made here, from the whole record, whatever
        // the log level.
        self.record.count_end(&self.in_flight, now);
        access_log::write(&self.record, self.in_flight.peer(), now);
    }
}

/// A guard that ends a request on the connection when dropped.
struct RequestEnd<'r> {
    in_flight: &'r InFlight,
    now: Instant,
}

impl Drop for RequestEnd<'_> {
    fn drop(&mut self) {
        self.in_flight.end(self.now);
    }
}
