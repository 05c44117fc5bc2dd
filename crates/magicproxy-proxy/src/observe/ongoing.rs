//! A request in progress, and the one place where it ends.

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

/// A request from its beginning to its end: what is known of it, and its place among those of its connection.
///
/// Dropping it is its end, whatever the end is: its response was handed over, its client has gone, it was refused, its tunnel has
/// ended, the task that served it panicked. There is one for each request, so each ends once.
#[derive(Debug)]
pub(crate) struct OngoingRequest {
    pub(crate) record: AccessRecord,
    in_flight: InFlight,
}

impl OngoingRequest {
    /// A request of this connection begins.
    pub(crate) fn begin(connection: &Arc<Connection>, method: &Method) -> Self {
        let (in_flight, began) = connection.begin();
        #[cfg(test)]
        ended::note_begin(&in_flight);
        Self { record: AccessRecord::new(RequestId::next(), method, began), in_flight }
    }

    /// Its place among the requests of its connection.
    pub(crate) fn in_flight(&self) -> &InFlight {
        &self.in_flight
    }

    /// All of the response's content was handed over.
    pub(crate) fn completed(&mut self) {
        self.record.completed();
        self.in_flight.response_is_whole();
    }
}

impl Drop for OngoingRequest {
    fn drop(&mut self) {
        let now = Instant::now();
        // Its connection is free though writing should panic.
        let _over = RequestEnd { in_flight: &self.in_flight, now };
        #[cfg(test)]
        ended::note(&self.record, &self.in_flight, now);
        // Whatever counts requests or writes them down is told here, and knows all of the record, whatever the log shows.
        access_log::write(&self.record, now);
    }
}

/// Ends a request on its connection when it is dropped.
struct RequestEnd<'r> {
    in_flight: &'r InFlight,
    now: Instant,
}

impl Drop for RequestEnd<'_> {
    fn drop(&mut self) {
        self.in_flight.end(self.now);
    }
}
