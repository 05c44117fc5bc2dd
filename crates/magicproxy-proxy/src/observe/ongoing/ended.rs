//! Requests that have begun and ended in this process, for tests that count them by the address of their client, without its
//! port: the kernel gives a port again, to a connection to another place even at the same time.

use std::net::IpAddr;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::watch;

use crate::downstream::InFlight;
use crate::observe::access_log::AccessRecord;

/// One that has ended.
#[derive(Clone, Debug)]
pub(crate) struct EndedRequest {
    /// Who sent it.
    client: Option<IpAddr>,
    /// Its record, as it was then.
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

/// Waits until so many of this client have begun.
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

/// Those of this client, once there are so many.
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
