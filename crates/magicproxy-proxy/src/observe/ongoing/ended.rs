//! Requests that have begun and ended in this process, for tests that count requests by the
//! client's address. Ports are left out, because the kernel reuses a port, even at the same time
//! for a connection to another destination.

use std::net::IpAddr;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::watch;

use crate::downstream::InFlight;
use crate::observe::access_log::AccessRecord;

/// A request that has ended.
#[derive(Clone, Debug)]
pub(crate) struct EndedRequest {
    /// The address of the client.
    client: Option<IpAddr>,
    /// The record at the end of the request, as text.
    pub(crate) record: String,
}

static BEGUN: Mutex<Vec<IpAddr>> = Mutex::new(Vec::new());
static ENDED: Mutex<Vec<EndedRequest>> = Mutex::new(Vec::new());
static CHANGED: LazyLock<watch::Sender<()>> = LazyLock::new(watch::Sender::default);

pub(super) fn note_begin(in_flight: &InFlight) {
    BEGUN.lock().unwrap_or_else(PoisonError::into_inner).extend(in_flight.client());
    CHANGED.send_replace(());
}

pub(super) fn note(record: &AccessRecord, in_flight: &InFlight, now: Instant) {
    let ended = EndedRequest { client: in_flight.client(), record: record.summary(now) };
    ENDED.lock().unwrap_or_else(PoisonError::into_inner).push(ended);
    CHANGED.send_replace(());
}

/// Waits until `count` requests of the client have begun.
pub(crate) async fn wait_begun(client: IpAddr, count: usize) {
    let mut changes = CHANGED.subscribe();
    let begun = || {
        BEGUN
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .filter(|begun| **begun == client)
            .count()
    };
    while begun() < count {
        changes.changed().await.unwrap();
    }
}

/// Waits until `count` requests of the client have ended. Returns the ended requests.
pub(crate) async fn wait(client: IpAddr, count: usize) -> Vec<EndedRequest> {
    let mut changes = CHANGED.subscribe();
    loop {
        let found = of(client);
        if found.len() >= count {
            return found;
        }
        changes.changed().await.unwrap();
    }
}

fn of(client: IpAddr) -> Vec<EndedRequest> {
    let ended = ENDED.lock().unwrap_or_else(PoisonError::into_inner);
    ended.iter().filter(|ended| ended.client == Some(client)).cloned().collect()
}
