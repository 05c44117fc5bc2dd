//! Notifications to systemd, or to another service manager that speaks its protocol
//! (`sd_notify(3)`): that the proxy serves, reads its configuration again, stops, is alive.
//!
//! Datagrams on the socket that `NOTIFY_SOCKET` names. Without the variable nothing is sent. A
//! failure to send is logged and never ends the proxy.

#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::io;
use std::os::unix::net::UnixDatagram;
use std::sync::OnceLock;
use std::time::Duration;

use magicproxy_config::ground::environment::Environment;
use magicproxy_proxy::server::WorkerPulse;
use rustix::net::SendFlags;

/// The longest wait for room in the socket of the service manager.
const PATIENCE: Duration = Duration::from_secs(1);

/// The service manager of this process, if there is one.
#[derive(Debug)]
pub(crate) struct ServiceManager {
    socket: Option<UnixDatagram>,
    /// The longest silence before the service manager takes the process for dead.
    watchdog: Option<Duration>,
    /// What was said when the proxy began to serve.
    readiness: OnceLock<String>,
}

impl ServiceManager {
    /// Finds the service manager that the environment names.
    pub(crate) fn of(environment: &Environment) -> Self {
        let socket = environment.var("NOTIFY_SOCKET").and_then(|name| {
            connected(name)
                .inspect_err(|error| {
                    tracing::warn!(name: "service_manager_not_used", target: "magicproxy::service_manager",
                        "NOTIFY_SOCKET `{name}`: {error}; the service manager is told nothing");
                })
                .ok()
        });
        let watchdog = socket.as_ref().and_then(|_| watchdog(environment));
        Self { socket, watchdog, readiness: OnceLock::new() }
    }

    /// Says that the proxy serves, and where.
    pub(crate) fn ready(&self, addresses: &str) {
        let readiness = self.readiness.get_or_init(|| status(&format!("serving on {addresses}")));
        self.send(&["READY=1", readiness]);
    }

    /// Says that the configuration is being read again; [`reloaded`](Self::reloaded) ends this.
    /// Says nothing before the proxy serves.
    pub(crate) fn reloading(&self) {
        if self.readiness.get().is_none() {
            return;
        }
        let mut monotonic = String::from("MONOTONIC_USEC=");
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let _ = write!(monotonic, "{}", now.tv_sec * 1_000_000 + now.tv_nsec / 1_000);
        self.send(&["RELOADING=1", &monotonic, &status("reading the configuration again")]);
    }

    /// Says that the reading has ended, whatever came of it: the proxy serves, as before.
    pub(crate) fn reloaded(&self) {
        if let Some(readiness) = self.readiness.get() {
            self.send(&["READY=1", readiness]);
        }
    }

    /// Says that the proxy stops.
    pub(crate) fn stopping(&self) {
        self.send(&["STOPPING=1", &status("finishing the requests in progress")]);
    }

    /// Says that another process is the main one of the service from now on. Only the main process
    /// may say so.
    pub(crate) fn replaced_by(&self, process: u32) {
        self.send(&[&format!("MAINPID={process}")]);
    }

    /// Says, twice in the longest allowed silence, that the proxy is alive, as long as every worker
    /// thread answers. Without a watchdog it returns at once.
    pub(crate) async fn keep_alive(&self, pulse: WorkerPulse) {
        let Some(silence) = self.watchdog else { return };
        let rest = silence / 2;
        let mut beat = tokio::time::interval(rest);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            beat.tick().await;
            // Less than the time to the next sign of life, which is then in time again.
            let silent = pulse.silent_workers(rest / 2).await;
            if silent.is_empty() {
                self.beat();
            } else {
                tracing::error!(name: "workers_silent", target: "magicproxy::service_manager", workers = ?silent,
                    "worker threads do not answer: the watchdog of the service manager gets no sign of life");
            }
        }
    }

    /// Gives a sign of life, without waiting for a service manager that does not read.
    fn beat(&self) {
        let Some(socket) = &self.socket else { return };
        if let Err(error) = rustix::net::send(socket, b"WATCHDOG=1\n", SendFlags::DONTWAIT) {
            tracing::debug!(name: "service_manager_not_told", target: "magicproxy::service_manager", %error, "a sign of life was not taken");
        }
    }

    fn send(&self, states: &[&str]) {
        let Some(socket) = &self.socket else { return };
        if let Err(error) = socket.send(format!("{}\n", states.join("\n")).as_bytes()) {
            tracing::warn!(name: "service_manager_not_told", target: "magicproxy::service_manager", %error, "the service manager was not told `{}`", states.join(" "));
        }
    }
}

fn status(text: &str) -> String {
    format!("STATUS={}", text.replace('\n', " "))
}

/// Connects to the path, or to the abstract name that begins with `@`.
fn connected(name: &str) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    match name.strip_prefix('@') {
        #[cfg(target_os = "linux")]
        Some(name) => {
            use std::os::linux::net::SocketAddrExt as _;
            let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
            socket.connect_addr(&address)?;
        }
        #[cfg(not(target_os = "linux"))]
        Some(_) => return Err(io::ErrorKind::Unsupported.into()),
        None if name.starts_with('/') => socket.connect(name)?,
        None => {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "expected a path, or `@` and a name",
            ));
        }
    }
    socket.set_write_timeout(Some(PATIENCE))?;
    Ok(socket)
}

/// Returns the longest silence of a watchdog that watches this process.
fn watchdog(environment: &Environment) -> Option<Duration> {
    let process = environment.var("WATCHDOG_PID");
    if process.is_some_and(|process| process != std::process::id().to_string()) {
        return None;
    }
    let microseconds: u64 = environment.var("WATCHDOG_USEC")?.parse().ok()?;
    (microseconds > 0).then(|| Duration::from_micros(microseconds))
}
