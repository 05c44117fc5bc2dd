//! Operations that change a running proxy: asked for on the admin listener's Unix socket or by a
//! signal, carried out by one task, one after the other (`docs/spec/admin.md` section 5).
//!
//! This module has the two ends of the way between them and decides nothing. Who may ask is decided
//! where the request comes in.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::{mpsc, oneshot};

/// The most requests that wait for their turn.
const WAITING: usize = 4;
/// The longest time until the report of one request, its turn included.
const PATIENCE: Duration = Duration::from_secs(60);

/// The end for whoever asks; may be cloned.
#[derive(Clone, Debug)]
pub(crate) struct ReloadHandle(mpsc::Sender<ReloadRequest>);

/// The end for the task that reads the configuration again.
#[derive(Debug)]
pub(crate) struct ReloadRequests(mpsc::Receiver<ReloadRequest>);

/// One request to read the configuration again.
#[derive(Debug)]
pub(crate) struct ReloadRequest {
    pub(crate) trigger: ReloadTrigger,
    report: oneshot::Sender<ReloadReport>,
}

/// The source of a request to reload, for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReloadTrigger {
    /// SIGHUP.
    Signal,
    /// `POST /reload` on a Unix socket of the admin listener.
    AdminSocket,
}

impl ReloadTrigger {
    /// Returns the trigger's name in the log.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Signal => "signal",
            Self::AdminSocket => "admin socket",
        }
    }
}

/// The report on one reload: its outcome, and lines for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct ReloadReport {
    pub(crate) outcome: ReloadOutcome,
    /// Changes in force, settings that need a restart, and warnings; one fact a line.
    pub(crate) lines: Vec<String>,
    /// Every fault of the new configuration; empty unless the outcome is
    /// [`ReloadOutcome::Refused`].
    pub(crate) faults: Vec<String>,
    /// The faults with excerpts of the files, as `config check` shows them; empty without faults.
    pub(crate) drawing: String,
}

/// The outcome of a reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ReloadOutcome {
    /// The new configuration is in force.
    Changed,
    /// The new configuration says what the old one said.
    Unchanged,
    /// The new configuration has faults, and the old one stays in force.
    Refused,
}

/// A reason for which there is no report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReloadError {
    /// Too many requests wait already.
    Busy,
    /// The report did not come in time; the reload may still take place.
    Late,
    /// Nothing reloads any more, because the proxy is ending.
    Ending,
}

impl fmt::Display for ReloadError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy => write!(formatter, "{WAITING} reloads wait already: ask again later"),
            Self::Late => write!(
                formatter,
                "there is no report after {} s: the log tells how the reload ends",
                PATIENCE.as_secs()
            ),
            Self::Ending => formatter.write_str("the proxy is ending"),
        }
    }
}

/// Makes the two ends.
pub(crate) fn reloads() -> (ReloadHandle, ReloadRequests) {
    let (ask, asked) = mpsc::channel(WAITING);
    (ReloadHandle(ask), ReloadRequests(asked))
}

impl ReloadHandle {
    /// Asks for a reload, and waits for its report.
    ///
    /// # Errors
    /// [`ReloadError`].
    pub(crate) async fn reload(&self, trigger: ReloadTrigger) -> Result<ReloadReport, ReloadError> {
        let (report, reported) = oneshot::channel();
        self.0.try_send(ReloadRequest { trigger, report }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => ReloadError::Busy,
            mpsc::error::TrySendError::Closed(_) => ReloadError::Ending,
        })?;
        let reported = tokio::time::timeout(PATIENCE, reported).await;
        reported.map_err(|_| ReloadError::Late)?.map_err(|_| ReloadError::Ending)
    }
}

impl ReloadRequests {
    /// Returns a request that waits already, if any.
    pub(crate) fn next_waiting(&mut self) -> Option<ReloadRequest> {
        self.0.try_recv().ok()
    }

    /// Waits for the next request; `None` once nobody can ask any more.
    pub(crate) async fn next(&mut self) -> Option<ReloadRequest> {
        self.0.recv().await
    }
}

impl ReloadRequest {
    /// Hands the report to whoever asked.
    pub(crate) fn respond(self, report: ReloadReport) {
        // Whoever asked may have left.
        let _ = self.report.send(report);
    }
}
