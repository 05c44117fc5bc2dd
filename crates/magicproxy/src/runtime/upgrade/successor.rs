//! The predecessor's side: the program started again, and what it is handed.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail, ensure};
use magicproxy_config::config::environment::PREDECESSOR;
use magicproxy_core::state::StateStore;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::channel::{MAX_SOCKETS, Message, PROTOCOL, SocketDescription, send_descriptor};
use super::program_file::ProgramFile;
use super::successor_store::SuccessorStore;
use crate::runtime::freshness::{Freshness, FreshnessNotes};
use crate::runtime::service_manager::ServiceManager;
use crate::runtime::state::{LazyStore, ReleasedStore};
use crate::runtime::wire::listening::HeldSocket;

/// The longest time for a successor to read and check everything. Meanwhile this process serves as
/// before, and a new version may have plugins to compile.
const PREPARING: Duration = Duration::from_secs(120);
/// The longest time for a successor to serve once this process has closed the file of the state
/// store. Meanwhile requests that need the store wait.
const TAKING_OVER: Duration = Duration::from_secs(15);
/// The longest time for a successor to end that has said that it ends.
const ENDING: Duration = Duration::from_secs(2);

const ENDED: &str = "it ended before it served; its own lines in the log say why";

/// The parts of a process that a successor takes over.
pub(crate) struct UpgradeParts {
    /// The file to start, or the reason for which it is not known.
    pub(crate) program: io::Result<ProgramFile>,
    pub(crate) held: Vec<Arc<HeldSocket>>,
    pub(crate) store: Option<Arc<LazyStore>>,
    /// The latest looks at the revocations.
    pub(crate) revocations: Freshness,
    pub(crate) manager: Arc<ServiceManager>,
}

/// SIGUSR2, caught from the making of the value on.
pub(crate) struct UpgradeSignal(Signal);

/// Upgrades of this process, asked for by SIGUSR2.
pub(crate) struct Upgrades {
    signal: Signal,
    parts: UpgradeParts,
}

/// A successor that was started and does not serve yet.
struct Successor {
    process: StartedProcess,
    stream: tokio::net::UnixStream,
}

/// A process that is killed when the value is dropped: a successor that was given up must not accept
/// connections.
struct StartedProcess(Option<Child>);

/// A successor that serves. Its channel is open as long as the value lives, so that the successor
/// notices the end of this process.
struct ServingSuccessor {
    process: u32,
    channel: Arc<SuccessorStore>,
}

impl UpgradeSignal {
    /// Catches SIGUSR2 from now on.
    ///
    /// # Errors
    /// The system's errors.
    pub(crate) fn listen() -> io::Result<Self> {
        signal(SignalKind::user_defined2()).map(Self)
    }
}

impl Upgrades {
    /// Prepares upgrades. A signal that has come already asks for one.
    pub(crate) fn new(UpgradeSignal(signal): UpgradeSignal, parts: UpgradeParts) -> Self {
        Self { signal, parts }
    }

    /// Waits for SIGUSR2 and starts a successor, until one serves. Unix sockets that the successor
    /// has taken over keep their files.
    pub(crate) async fn replaced(mut self) {
        let ServingSuccessor { process, channel } = loop {
            self.signal.recv().await;
            tracing::info!(name: "upgrade_begun", target: "magicproxy::upgrade", "SIGUSR2: starting the program again, to serve in this one's place");
            let mut upgrade = std::pin::pin!(self.parts.upgrade());
            let upgraded = loop {
                tokio::select! {
                    upgraded = &mut upgrade => break upgraded,
                    _ = self.signal.recv() => tracing::warn!(name: "signal_ignored", target: "magicproxy::upgrade",
                        "SIGUSR2: nothing to do; a successor is being started already"),
                }
            };
            match upgraded {
                Ok(successor) => break successor,
                Err(error) => {
                    tracing::error!(name: "upgrade_failed", target: "magicproxy::upgrade",
                    "no successor: {}; this process goes on", crate::ground::failure::chain(&error))
                }
            }
        };
        tracing::info!(name: "upgrade_done", target: "magicproxy::upgrade", "process {process} serves; this one finishes its requests");
        tokio::spawn(async move {
            let _open = channel;
            while self.signal.recv().await.is_some() {
                tracing::warn!(name: "signal_ignored", target: "magicproxy::upgrade", "SIGUSR2: nothing to do; process {process} serves already");
            }
        });
    }
}

impl UpgradeParts {
    /// Starts a successor, and hands everything over.
    async fn upgrade(&mut self) -> anyhow::Result<ServingSuccessor> {
        ensure!(
            std::process::id() != 1,
            "this is the first process of a container, which ends with it: replace the container"
        );
        self.ensure_nothing_is_lost()?;
        let mut successor = self.start()?;
        let wanted = successor.hears(PREPARING, |message| match message {
            Message::Prepared { store } => Some(store),
            _ => None,
        });
        let wanted = wanted.await?;
        let store = self.store.as_ref().filter(|store| is_file_of(store, wanted.as_deref()));
        // From here on, requests that need the store wait.
        let released = match store {
            Some(store) => Some(store.release().await),
            None => None,
        };
        match successor.takes_over(released.is_some()).await {
            Ok(taken) => Ok(self.hand_over(successor, released, &taken).await),
            Err(error) => {
                // First, so that nothing has the file open.
                drop(successor);
                drop(released);
                Err(error)
            }
        }
    }

    /// Refuses where only this process has what the successor would need: the rows of a store whose
    /// file was deleted, and revocations that a shared store has lost.
    fn ensure_nothing_is_lost(&self) -> anyhow::Result<()> {
        if let Some(store) = self.store.as_ref().filter(|store| store.is_open())
            && let Some(file) = store.file()
        {
            let loss = store.fate_of_file().loss();
            ensure!(
                loss.is_none(),
                "`{}` {}, and its rows are lost when this process closes it: `magicproxy backup` first",
                file.display(),
                loss.unwrap_or_default()
            );
        }
        let FreshnessNotes { warning, fault, .. } = self.revocations.noted();
        if let Some(reason) = warning.or(fault) {
            bail!("this process knows revocations that a new one would not: {reason}");
        }
        Ok(())
    }

    fn start(&self) -> anyhow::Result<Successor> {
        let program = self.program.as_ref();
        let path = program.map_err(|error| anyhow!("the file of the program: {error}"))?.path();
        ensure!(self.held.len() <= MAX_SOCKETS, "there are more than {MAX_SOCKETS} sockets");
        let (ours, theirs) = UnixStream::pair()?;
        let mut command = Command::new(path);
        command
            .args(std::env::args_os().skip(1))
            .env(PREDECESSOR, std::process::id().to_string())
            // The successor is the process that the watchdog watches, and has systemd's sockets
            // from here.
            .env_remove("WATCHDOG_PID")
            .env_remove("LISTEN_PID")
            .env_remove("LISTEN_FDS")
            .env_remove("LISTEN_FDNAMES")
            .stdin(Stdio::from(OwnedFd::from(theirs)));
        let child =
            command.spawn().with_context(|| format!("cannot start `{}`", path.display()))?;
        // Its handle on the other end would hide that the successor has ended.
        drop(command);
        let process = StartedProcess(Some(child));
        // An error means that the other end is closed.
        self.send_sockets(&ours).map_err(|_| anyhow!(ENDED))?;
        ours.set_nonblocking(true)?;
        Ok(Successor { process, stream: tokio::net::UnixStream::from_std(ours)? })
    }

    fn send_sockets(&self, stream: &UnixStream) -> anyhow::Result<()> {
        let described = self.held.iter().map(|held| SocketDescription {
            listen: held.listen.to_string(),
            file: held.file.as_ref().map(|file| file.identity()),
        });
        let version = env!("CARGO_PKG_VERSION").to_owned();
        Message::Sockets { protocol: PROTOCOL, version, sockets: described.collect() }
            .write(stream)?;
        for held in &self.held {
            send_descriptor(stream, held.socket.as_fd())?;
        }
        Ok(())
    }

    /// Leaves everything to a successor that serves.
    async fn hand_over(
        &mut self,
        successor: Successor,
        released: Option<ReleasedStore>,
        taken: &[String],
    ) -> ServingSuccessor {
        let Successor { process, mut stream } = successor;
        let process = process.leave();
        self.manager.replaced_by(process);
        for held in self.held.drain(..) {
            let is_taken = taken.contains(&held.listen.to_string());
            if let Some(file) = held.file.as_ref().filter(|_| is_taken) {
                file.leave();
            }
        }
        // A successor that has ended since has left its reason in the log.
        let _ = Message::Replaced.send(&mut stream).await;
        let channel = Arc::new(SuccessorStore::new(stream));
        if let Some(released) = released {
            let store: Arc<dyn StateStore> = Arc::<SuccessorStore>::clone(&channel);
            released.hand_over(store);
        }
        ServingSuccessor { process, channel }
    }
}

/// True if the store is in this file.
fn is_file_of(store: &LazyStore, file: Option<&str>) -> bool {
    let (Some(own), Some(file)) = (store.file(), file.map(Path::new)) else { return false };
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    own == file || real(own) == real(file)
}

impl Successor {
    /// Waits for a message of the successor, at most so long.
    async fn hears<T>(
        &mut self,
        patience: Duration,
        expected: impl FnOnce(Message) -> Option<T>,
    ) -> anyhow::Result<T> {
        let heard = tokio::time::timeout(patience, Message::receive(&mut self.stream)).await;
        match heard {
            Err(_) => bail!("it did not come up within {} seconds", patience.as_secs()),
            Ok(Ok(Message::Failed { reason })) => {
                // It has lines of its own to write.
                let _ = tokio::time::timeout(ENDING, Message::receive(&mut self.stream)).await;
                bail!("{reason}")
            }
            Ok(Ok(message)) => expected(message).context("it said something unexpected"),
            Ok(Err(_)) => bail!(ENDED),
        }
    }

    async fn takes_over(&mut self, store: bool) -> anyhow::Result<Vec<String>> {
        let released = Message::Released { store };
        released.send(&mut self.stream).await.map_err(|_| anyhow!(ENDED))?;
        self.hears(TAKING_OVER, |message| match message {
            Message::Serving { taken } => Some(taken),
            _ => None,
        })
        .await
    }
}

impl StartedProcess {
    /// Lets the process live for itself, and returns its number.
    fn leave(mut self) -> u32 {
        self.0.take().map(|child| child.id()).unwrap_or_default()
    }
}

impl Drop for StartedProcess {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill();
            // At once, as it is killed or has ended already.
            let _ = child.wait();
        }
    }
}
