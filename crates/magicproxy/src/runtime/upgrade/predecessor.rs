//! The successor's side: the process that this one replaces.

use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use magicproxy_config::config::address::ListenAddress;
use magicproxy_config::config::environment::PREDECESSOR;
use magicproxy_config::ground::environment::Environment;
use magicproxy_core::state::StateStore;
use rustix::net::sockopt::socket_peercred;
use tokio::task::JoinHandle;

use super::channel::{MAX_SOCKETS, Message, PROTOCOL, receive_descriptor};
use super::store_calls;
use crate::runtime::wire::passed::{PassedListener, PassedSocket, PassedSockets, SocketSource};

/// The longest wait for the sockets, which a predecessor sends before it starts the successor.
const PATIENCE: Duration = Duration::from_secs(10);

/// The process that this one replaces, before this process has shown that it can.
#[derive(Debug)]
pub(crate) struct Predecessor {
    stream: UnixStream,
    process: u32,
}

/// The predecessor's consent: it has closed the file of its state store.
#[derive(Debug)]
pub(crate) struct Approval {
    stream: tokio::net::UnixStream,
    process: u32,
}

impl Predecessor {
    /// Takes the sockets of the process that started this one as its successor; `None` if no such
    /// process did. Standard input is the channel, and empty afterwards.
    ///
    /// # Errors
    /// If the predecessor speaks another version of the messages, or says nothing.
    pub(crate) fn of_process(
        environment: &Environment,
    ) -> anyhow::Result<Option<(Self, PassedSockets)>> {
        let process = environment.var(PREDECESSOR).and_then(|process| process.parse().ok());
        let Some((process, stream)) =
            process.and_then(|process| Some((process, channel(process)?)))
        else {
            return Ok(None);
        };
        rustix::stdio::dup2_stdin(std::fs::File::open("/dev/null")?)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let sockets = sockets(&stream).with_context(|| {
            format!("the sockets of process {process}, which this one replaces")
        })?;
        stream.set_read_timeout(None)?;
        Ok(Some((Self { stream, process }, PassedSockets::of_predecessor(sockets))))
    }

    /// Says that everything is read and checked, and waits until the predecessor has closed this
    /// file of its state store.
    ///
    /// # Errors
    /// If the predecessor has gone, or has given this process up.
    pub(crate) async fn prepared(self, store: Option<&Path>) -> anyhow::Result<Approval> {
        let store = store.map(|path| path.display().to_string());
        self.stream.set_nonblocking(true)?;
        let mut stream = tokio::net::UnixStream::from_std(self.stream)?;
        let released = async {
            Message::Prepared { store }.send(&mut stream).await?;
            Message::receive(&mut stream).await
        };
        match released.await.with_context(|| format!("process {} has gone", self.process))? {
            Message::Released { .. } => Ok(Approval { stream, process: self.process }),
            other => bail!("process {} said something unexpected: {other:?}", self.process),
        }
    }

    /// Says that this process ends, and why.
    pub(crate) fn failed(&self, reason: &str) {
        let _ = Message::Failed { reason: reason.to_owned() }.write(&self.stream);
    }
}

impl Approval {
    /// Says that this process ends, and why.
    pub(crate) async fn failed(mut self, reason: &str) {
        let _ = Message::Failed { reason: reason.to_owned() }.send(&mut self.stream).await;
    }

    /// Says that this process serves, on these addresses among those handed over, and answers the
    /// predecessor's calls on `store` until the predecessor ends, in the task that is returned.
    /// `main` runs once this process is the main one of the service.
    pub(crate) async fn serving(
        mut self,
        taken: Vec<String>,
        store: Option<Arc<dyn StateStore>>,
        main: impl FnOnce() + Send + 'static,
    ) -> JoinHandle<()> {
        let process = self.process;
        let serving = Message::Serving { taken };
        if serving.send(&mut self.stream).await.is_ok() {
            tracing::info!(name: "upgrade_taken_over", target: "magicproxy::upgrade", "serving in place of process {process}, which finishes its requests");
        }
        tokio::spawn(async move {
            let replaced = Message::receive(&mut self.stream).await;
            main();
            if replaced.is_ok() {
                store_calls::answer(&mut self.stream, store.as_ref()).await;
            }
            tracing::info!(name: "predecessor_ended", target: "magicproxy::upgrade", "process {process}, which this one replaced, has ended");
        })
    }
}

/// Returns the channel to the predecessor, if standard input is one: a socket that this very process
/// has made. The variable alone says little, for it is passed on to any program.
fn channel(process: u32) -> Option<UnixStream> {
    let stdin = std::io::stdin().as_fd().try_clone_to_owned().ok()?;
    let peer = socket_peercred(&stdin).ok()?;
    let is_of = u32::try_from(peer.pid.as_raw_nonzero().get()).is_ok_and(|peer| peer == process);
    is_of.then(|| stdin.into())
}

fn sockets(stream: &UnixStream) -> anyhow::Result<Vec<PassedSocket>> {
    let (protocol, version, described) = match Message::read(stream)? {
        Message::Sockets { protocol, version, sockets } => (protocol, version, sockets),
        other => bail!("unexpected: {other:?}"),
    };
    if protocol != PROTOCOL || described.len() > MAX_SOCKETS {
        bail!(
            "version {version} hands over in another way (protocol {protocol}, here {PROTOCOL}): restart instead"
        );
    }
    let passed = described.into_iter().map(|described| {
        let socket = receive_descriptor(stream)?;
        let listener = PassedListener::of_socket(socket).context("this is no listening socket")?;
        let listen = ListenAddress::parse(&described.listen).map_err(anyhow::Error::msg)?;
        let passed_by = SocketSource::Predecessor { listen, file: described.file };
        Ok(PassedSocket { listener, passed_by })
    });
    passed.collect()
}
