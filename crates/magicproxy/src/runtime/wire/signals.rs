//! The signals of a long-running command: SIGTERM and SIGINT end it; SIGHUP asks for a reload;
//! SIGUSR1 and SIGUSR2, which would end it by default, do not. `serve` has a use for SIGUSR2 of its
//! own (`runtime::upgrade`).

use magicproxy_proxy::server::Stop;

use crate::ground::output::LastWords;

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that end a command, caught from the making of the value on.
#[cfg(unix)]
pub(crate) struct EndSignals {
    terminate: Signal,
    interrupt: Signal,
}

#[cfg(unix)]
impl EndSignals {
    /// Catches the signals from now on.
    ///
    /// # Errors
    /// The system's errors.
    pub(crate) fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> Stop {
        tokio::select! {
            _ = self.terminate.recv() => Stop::Ending,
            _ = self.interrupt.recv() => Stop::Interrupted,
        }
    }
}

/// The signals that end a command.
#[cfg(not(unix))]
pub(crate) struct EndSignals;

#[cfg(not(unix))]
impl EndSignals {
    /// Catches the signals from now on.
    pub(crate) fn listen() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> Stop {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        Stop::Interrupted
    }
}

impl EndSignals {
    /// Waits for the first signal; the second signal ends the process at once.
    pub(crate) async fn shutdown(mut self) {
        self.first().await;
        self.leave_the_second();
    }

    /// Waits for a signal, and returns the kind of stop that it asks for.
    pub(crate) async fn first(&mut self) -> Stop {
        let fate = self.next().await;
        tracing::info!(name: "stopping", target: "magicproxy::wire::signals",
            "stopping: finishing the responses in flight; a second signal stops at once");
        fate
    }

    /// Ends the process at the next signal.
    pub(crate) fn leave_the_second(mut self) {
        tokio::spawn(async move {
            self.next().await;
            tracing::warn!(name: "stopped_at_once", target: "magicproxy::wire::signals",
                "stopped at once by a second signal: responses in flight are broken off");
            drop(LastWords);
            std::process::exit(1);
        });
    }

    /// Ends the process at the second signal from now on. The process stops already, for another
    /// reason than a signal.
    pub(crate) fn leave_both(mut self) {
        tokio::spawn(async move {
            self.first().await;
            self.leave_the_second();
        });
    }
}

/// The signal SIGHUP, caught from the making of the value on: it asks for the configuration to be
/// read again. Signals that come close together are one.
#[derive(Debug)]
pub(crate) struct Hangups {
    #[cfg(unix)]
    signal: Signal,
}

impl Hangups {
    /// Waits for the next signal, which may have come before.
    #[cfg(unix)]
    pub(crate) async fn next(&mut self) {
        if self.signal.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }

    /// Waits for ever: the system has no such signal.
    #[cfg(not(unix))]
    pub(crate) async fn next(&mut self) {
        std::future::pending::<()>().await;
    }
}

/// Catches the signals that would otherwise end a server by surprise, and logs the effect of those
/// without one. Returns the signals that ask for a reload.
///
/// # Errors
/// The system's errors.
#[cfg(unix)]
pub(crate) fn survive_others() -> std::io::Result<Hangups> {
    let (hangup, mut first) = (signal(SignalKind::hangup())?, signal(SignalKind::user_defined1())?);
    tokio::spawn(async move {
        while first.recv().await.is_some() {
            tracing::info!(name: "signal_ignored", target: "magicproxy::wire::signals", "SIGUSR1 means nothing here");
        }
    });
    Ok(Hangups { signal: hangup })
}

/// Catches SIGUSR2, in a command that cannot be upgraded while it runs.
///
/// # Errors
/// The system's errors.
#[cfg(unix)]
pub(crate) fn survive_upgrades() -> std::io::Result<()> {
    let mut second = signal(SignalKind::user_defined2())?;
    tokio::spawn(async move {
        while second.recv().await.is_some() {
            tracing::info!(name: "signal_ignored", target: "magicproxy::wire::signals", "SIGUSR2 means nothing here");
        }
    });
    Ok(())
}

/// Catches nothing: the system has no further signals.
#[cfg(not(unix))]
pub(crate) fn survive_others() -> std::io::Result<Hangups> {
    Ok(Hangups {})
}
