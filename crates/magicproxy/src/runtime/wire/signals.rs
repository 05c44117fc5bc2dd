//! The signals of a long-running command: SIGTERM and SIGINT end it; SIGHUP, SIGUSR1 and SIGUSR2, which would end it by default, do not.

use crate::ground::output::LastWords;

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that end a command, caught since this was made.
#[cfg(unix)]
pub(crate) struct EndSignals {
    terminate: Signal,
    interrupt: Signal,
}

#[cfg(unix)]
impl EndSignals {
    /// Catches them from now on.
    ///
    /// # Errors
    /// Those of the system.
    pub(crate) fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// The signals that end a command.
#[cfg(not(unix))]
pub(crate) struct EndSignals;

#[cfg(not(unix))]
impl EndSignals {
    /// Catches them from now on.
    pub(crate) fn listen() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl EndSignals {
    /// Done at the first of them; the second one ends the process at once.
    pub(crate) async fn shutdown(mut self) {
        self.next().await;
        tracing::info!(target: "magicproxy::wire::signals",
            "stopping: finishing the responses in flight; a second signal stops at once");
        tokio::spawn(async move {
            self.next().await;
            drop(LastWords);
            std::process::exit(1);
        });
    }
}

/// Catches the signals that would else end a server by surprise, and says in the log what becomes of them.
///
/// # Errors
/// Those of the system.
#[cfg(unix)]
pub(crate) fn survive_others() -> std::io::Result<()> {
    let (mut hangup, mut first, mut second) = (
        signal(SignalKind::hangup())?,
        signal(SignalKind::user_defined1())?,
        signal(SignalKind::user_defined2())?,
    );
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = hangup.recv() => tracing::info!(target: "magicproxy::wire::signals",
                    "SIGHUP: nothing to do; restart to change the configuration; keys, revocations and certificates are read when they change"
                ),
                _ = first.recv() => tracing::info!(target: "magicproxy::wire::signals", "SIGUSR1 means nothing here"),
                _ = second.recv() => tracing::info!(target: "magicproxy::wire::signals", "SIGUSR2 means nothing here"),
            }
        }
    });
    Ok(())
}

/// There are no others.
#[cfg(not(unix))]
pub(crate) fn survive_others() -> std::io::Result<()> {
    Ok(())
}
