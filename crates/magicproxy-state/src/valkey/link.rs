//! The link to the server: a connection, and a thread with a runtime of its own, because the
//! runtimes of the callers come and go.
//!
//! A call that changes the state is never sent twice, unless the server says that the call was not
//! done: a lost call may have been carried out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use magicproxy_core::state::StoreError;
use redis::aio::MultiplexedConnection;
use redis::cluster_async::ClusterConnection;
use redis::{AsyncConnectionConfig, Cmd, PushKind, RedisError, ServerErrorKind, Value};
use tokio::sync::{Mutex, mpsc, oneshot};

use super::script::StoreScript;
use super::servers::{Client, Settings};

/// The most times that a server may say "not here" to a call.
const TURNS: u32 = 4;
/// The time in which a failure to connect fails other calls too.
const FRESH: Duration = Duration::from_millis(100);

/// A call of a script.
pub(super) struct Job {
    pub(super) script: &'static StoreScript,
    pub(super) key: Vec<u8>,
    pub(super) arguments: Vec<Vec<u8>>,
    pub(super) reply: oneshot::Sender<Result<Value, StoreError>>,
}

pub(super) struct Link {
    settings: Settings,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    connected: Option<OpenLink>,
    failed: Option<(Instant, StoreError)>,
}

/// A connection, until its end.
#[derive(Clone)]
struct OpenLink {
    connection: Connection,
    ended: Arc<AtomicBool>,
}

#[derive(Clone)]
enum Connection {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

/// Starts the thread, which ends when all senders are gone.
pub(super) fn start(settings: Settings) -> std::io::Result<mpsc::UnboundedSender<Job>> {
    let (sender, mut jobs) = mpsc::unbounded_channel::<Job>();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let link = Arc::new(Link { settings, state: Mutex::default() });
    let work = async move {
        while let Some(job) = jobs.recv().await {
            tokio::spawn(Arc::clone(&link).carry_out(job));
        }
    };
    std::thread::Builder::new()
        .name("state-valkey".to_owned())
        .spawn(move || runtime.block_on(work))?;
    Ok(sender)
}

impl Link {
    async fn carry_out(self: Arc<Self>, job: Job) {
        let mut result = self.ask(&job).await;
        if job.script.only_reads && matches!(result, Err(Failure::Lost(_))) {
            result = self.ask(&job).await;
        }
        // The caller of the store may have gone.
        drop(job.reply.send(result.map_err(Failure::error)));
    }

    async fn ask(&self, job: &Job) -> Result<Value, Failure> {
        let mut turn = 0;
        loop {
            let mut connected = self.connected().await.map_err(Failure::NotSent)?;
            let error = match connected.run(job).await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            if has_ended(&error) {
                connected.ended.store(true, Ordering::Release);
            }
            turn += 1;
            if !is_elsewhere(&error) || turn == TURNS {
                return Err(Failure::of(&error, self.settings.timeout));
            }
            tokio::time::sleep(Duration::from_millis(20) * turn).await;
        }
    }

    /// Returns the connection; a new connection, if none is open. A single task connects, and the
    /// others wait.
    async fn connected(&self) -> Result<OpenLink, StoreError> {
        let mut state = self.state.lock().await;
        if let Some(connected) =
            state.connected.as_ref().filter(|connected| !connected.ended.load(Ordering::Acquire))
        {
            return Ok(connected.clone());
        }
        if let Some((_, error)) = state.failed.as_ref().filter(|(at, _)| at.elapsed() < FRESH) {
            return Err(error.clone());
        }
        let connected = self.connect().await;
        state.connected = connected.as_ref().ok().cloned();
        state.failed = connected.as_ref().err().map(|error| (Instant::now(), error.clone()));
        connected
    }

    async fn connect(&self) -> Result<OpenLink, StoreError> {
        let ended = Arc::new(AtomicBool::new(false));
        let settings = &self.settings;
        // Sentinels and Clusters are asked before; each step has a time-out of its own.
        let patience = settings.timeout * 3;
        let connecting = async {
            match &settings.client {
                Client::One(client) => {
                    let config = config(settings.timeout, &ended);
                    client
                        .get_multiplexed_async_connection_with_config(&config)
                        .await
                        .map(Connection::One)
                }
                Client::Sentinel(client) => {
                    let config = config(settings.timeout, &ended);
                    client
                        .lock()
                        .await
                        .get_async_connection_with_config(&config)
                        .await
                        .map(Connection::One)
                }
                Client::Cluster(client) => {
                    client.get_async_connection().await.map(Connection::Cluster)
                }
            }
        };
        match tokio::time::timeout(patience, connecting).await {
            Ok(Ok(connection)) => Ok(OpenLink { connection, ended }),
            Ok(Err(error)) => Err(StoreError::Unavailable(format!(
                "cannot connect to {}: {error}",
                settings.name
            ))),
            Err(_) => Err(StoreError::Unavailable(format!(
                "cannot connect to {}: no response in time",
                settings.name
            ))),
        }
    }
}

/// Returns the settings of a connection that reports its own end, so that nothing is sent into an
/// ended connection.
fn config(timeout: Duration, ended: &Arc<AtomicBool>) -> AsyncConnectionConfig {
    let ended = Arc::clone(ended);
    let told = move |push: redis::PushInfo| {
        if push.kind == PushKind::Disconnection {
            ended.store(true, Ordering::Release);
        }
        Ok::<_, redis::aio::SendError>(())
    };
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(timeout))
        .set_response_timeout(Some(timeout));
    config.set_push_sender(told)
}

impl OpenLink {
    /// Runs a script by its digest; sends the whole script if the server does not have it (any
    /// more).
    async fn run(&mut self, job: &Job) -> Result<Value, RedisError> {
        let short = command("EVALSHA", job.script.script.get_hash(), job);
        match self.send(&short).await {
            Err(error) if error.kind() == ServerErrorKind::NoScript.into() => {
                self.send(&command("EVAL", job.script.text, job)).await
            }
            result => result,
        }
    }

    async fn send(&mut self, command: &Cmd) -> Result<Value, RedisError> {
        match &mut self.connection {
            Connection::One(connection) => command.query_async(connection).await,
            Connection::Cluster(connection) => command.query_async(connection).await,
        }
    }
}

fn command(name: &str, script: &str, job: &Job) -> Cmd {
    let mut command = redis::cmd(name);
    command.arg(script).arg(1).arg(&job.key);
    for argument in &job.arguments {
        command.arg(argument);
    }
    command
}

/// The reasons why a response is missing.
enum Failure {
    NotSent(StoreError),
    /// A lost call, which may or may not have been done.
    Lost(StoreError),
    Refused(StoreError),
}

impl Failure {
    fn of(error: &RedisError, timeout: Duration) -> Self {
        if error.is_timeout() {
            return Self::Lost(StoreError::Unavailable(format!("no response within {timeout:?}")));
        }
        if error.is_io_error() || error.is_connection_dropped() {
            return Self::Lost(StoreError::Unavailable(format!(
                "the connection was lost: {error}"
            )));
        }
        let text = error.to_string();
        if text.contains("CORRUPT: ") || error.code() == Some("WRONGTYPE") {
            return Self::Refused(StoreError::Corrupt(text));
        }
        Self::Refused(StoreError::Unavailable(text))
    }

    fn error(self) -> StoreError {
        match self {
            Self::NotSent(error) | Self::Lost(error) | Self::Refused(error) => error,
        }
    }
}

/// True if the server says that another server must do the call. Nothing was done then.
fn is_elsewhere(error: &RedisError) -> bool {
    use ServerErrorKind::{Ask, Moved, ReadOnly, TryAgain};
    [Moved, Ask, TryAgain, ReadOnly].into_iter().any(|kind| error.kind() == kind.into())
}

/// True if the next call needs another connection. A server that only reads is no longer the
/// master.
fn has_ended(error: &RedisError) -> bool {
    error.is_connection_dropped()
        || error.is_timeout()
        || error.kind() == ServerErrorKind::ReadOnly.into()
}
