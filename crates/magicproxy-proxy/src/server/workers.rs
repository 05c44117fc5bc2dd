//! Worker threads: each has its own runtime, and serves its connections from beginning to end.
//!
//! A request and its connection to the upstream stay on one thread, so that no other thread is
//! woken on a warm request's way. Measured with 32 connections on one core, the cost is an eighth
//! less than in a runtime whose threads share tasks.

use std::io;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::worker::WorkerId;

type Job = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The worker threads of a server. When dropped, the threads end, and with them the connections
/// still served.
#[derive(Debug)]
pub(super) struct Workers {
    workers: Vec<Worker>,
}

#[derive(Debug)]
struct Worker {
    jobs: mpsc::UnboundedSender<Job>,
    /// The number of connections that the worker serves.
    load: Arc<AtomicUsize>,
}

impl Workers {
    pub(super) fn start(count: NonZeroUsize) -> io::Result<Self> {
        Ok(Self {
            workers: (0..count.get())
                .map(WorkerId::new)
                .map(Worker::start)
                .collect::<io::Result<_>>()?,
        })
    }

    /// Returns a way to ask whether the workers still work.
    pub(super) fn pulse(&self) -> WorkerPulse {
        WorkerPulse { jobs: self.workers.iter().map(|worker| worker.jobs.downgrade()).collect() }
    }

    /// Gives a connection to the worker with the fewest connections. `serve` makes the future that
    /// serves the connection.
    pub(super) fn give<F>(&self, serve: impl FnOnce(WorkerId) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let loads = self.workers.iter().enumerate().map(|(at, worker)| (WorkerId::new(at), worker));
        let Some((id, worker)) =
            loads.min_by_key(|(_, worker)| worker.load.load(Ordering::Relaxed))
        else {
            return;
        };
        let load = Load::more(&worker.load);
        let serving = serve(id);
        let job = Box::pin(async move {
            serving.await;
            drop(load);
        });
        if worker.jobs.send(job).is_err() {
            tracing::error!(name: "worker_ended", target: "magicproxy::serve", worker = %id, "a worker thread has ended");
        }
    }
}

/// A question to the worker threads of a server, whether they still work. It keeps no thread alive.
#[derive(Clone, Debug)]
pub struct WorkerPulse {
    jobs: Vec<mpsc::WeakUnboundedSender<Job>>,
}

impl WorkerPulse {
    /// Gives every worker a task that only answers, and waits for the answers, at most `patience` in
    /// all. Returns the numbers of the workers without an answer; their threads are called
    /// `worker-0` and so on.
    pub async fn silent_workers(&self, patience: Duration) -> Vec<usize> {
        let deadline = Instant::now() + patience;
        let answers: Vec<_> = self.jobs.iter().map(ask).collect();
        let mut silent = Vec::new();
        for (number, answer) in answers.into_iter().enumerate() {
            if !matches!(tokio::time::timeout_at(deadline, answer).await, Ok(Ok(()))) {
                silent.push(number);
            }
        }
        silent
    }
}

/// Gives a worker a task that answers. The answer of a worker that has ended is an error.
fn ask(jobs: &mpsc::WeakUnboundedSender<Job>) -> oneshot::Receiver<()> {
    let (answer, answered) = oneshot::channel();
    if let Some(jobs) = jobs.upgrade() {
        let _ = jobs.send(Box::pin(async move {
            let _ = answer.send(());
        }));
    }
    answered
}

impl Worker {
    fn start(id: WorkerId) -> io::Result<Self> {
        let (jobs, mut given) = mpsc::unbounded_channel::<Job>();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        thread::Builder::new().name(format!("worker-{id}")).spawn(move || {
            runtime.block_on(async {
                while let Some(job) = given.recv().await {
                    tokio::spawn(job);
                }
            });
            // Tasks that still run have no server any more.
            runtime.shutdown_background();
        })?;
        Ok(Self { jobs, load: Arc::default() })
    }
}

/// A guard that counts a connection in a worker's load until dropped.
struct Load(Arc<AtomicUsize>);

impl Load {
    fn more(load: &Arc<AtomicUsize>) -> Self {
        load.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(load))
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::{mpsc, oneshot};

    use super::*;

    #[tokio::test]
    async fn the_idlest_worker_gets_the_next_connection() {
        let workers = Workers::start(NonZeroUsize::new(2).unwrap()).unwrap();
        let (said, mut heard) = mpsc::unbounded_channel();
        let mut ends = Vec::new();
        for _ in 0..4 {
            let (said, (end, ended)) = (said.clone(), oneshot::channel::<()>());
            ends.push(end);
            workers.give(move |id| async move {
                said.send((id, thread::current().name().map(str::to_owned))).unwrap();
                let _ = ended.await;
            });
        }
        let mut ids = Vec::new();
        for _ in 0..4 {
            let (id, name) =
                tokio::time::timeout(Duration::from_secs(10), heard.recv()).await.unwrap().unwrap();
            assert_eq!(name.as_deref(), Some(format!("worker-{id}").as_str()));
            ids.push(id);
        }
        ids.sort_unstable();
        assert_eq!(ids, [0, 0, 1, 1].map(WorkerId::new));
    }

    #[tokio::test]
    async fn a_connection_that_panics_harms_no_other() {
        let workers = Workers::start(NonZeroUsize::MIN).unwrap();
        workers.give(|_| async { panic!("on purpose") });
        let (said, heard) = oneshot::channel();
        workers.give(|id| async move { said.send(id).unwrap() });
        assert_eq!(
            tokio::time::timeout(Duration::from_secs(10), heard).await.unwrap().unwrap(),
            WorkerId::new(0)
        );
        assert!(workers.workers[0].load.load(Ordering::Relaxed) <= 1);
    }

    #[tokio::test]
    async fn a_worker_that_is_stuck_is_told_from_those_that_answer() {
        const LONG: Duration = Duration::from_secs(600);
        let workers = Workers::start(NonZeroUsize::new(3).unwrap()).unwrap();
        let pulse = workers.pulse();
        assert!(pulse.silent_workers(LONG).await.is_empty(), "all work");
        // A task that holds its thread, as an endless loop does, until the test lets go.
        let (let_go, held) = std::sync::mpsc::channel::<()>();
        let (began, has_begun) = oneshot::channel();
        workers.give(move |id| async move {
            began.send(id).unwrap();
            let _ = held.recv();
        });
        let stuck = has_begun.await.unwrap();
        let silent = pulse.silent_workers(Duration::from_millis(50)).await;
        assert!(silent.iter().any(|number| WorkerId::new(*number) == stuck), "{silent:?}");
        let_go.send(()).unwrap();
        assert!(pulse.silent_workers(LONG).await.is_empty(), "it works again");
        drop(workers);
        assert_eq!(
            pulse.silent_workers(LONG).await,
            [0, 1, 2],
            "nobody is kept alive by the question"
        );
    }
}
