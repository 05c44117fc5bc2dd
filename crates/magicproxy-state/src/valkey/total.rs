//! The number of rows in the server, as known by a single proxy. A script sees a single partition,
//! so the rows of all partitions are added up under a key of their own, after each call that adds
//! or removes rows: a proxy's number is as old as its last such call, or a second. So all proxies
//! together may exceed a bound on the total by the rows that they add within a second.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use magicproxy_core::state::{Partition, StoreError};
use redis::Value;
use tokio::sync::{Mutex, mpsc, oneshot};

use super::link::Job;
use super::reply::{self, Rows};
use super::{number, script, stopped};

/// The age after which the count is asked for again.
const FRESH: Duration = Duration::from_secs(1);
/// Milliseconds of a day.
pub(super) const DAY: u64 = 24 * 60 * 60 * 1000;

type Reply = oneshot::Receiver<Result<Value, StoreError>>;

/// The number of rows of all partitions.
#[derive(Clone)]
pub(super) struct Total {
    jobs: mpsc::UnboundedSender<Job>,
    key: Arc<[u8]>,
    rows: Arc<AtomicU64>,
    /// The time of the last question to the server; locked while a call asks.
    asked: Arc<Mutex<Option<Instant>>>,
}

impl Total {
    pub(super) fn new(jobs: mpsc::UnboundedSender<Job>, prefix: &str) -> Self {
        let key = format!("{prefix}{}", Partition::of(&[b"rows"])).into_bytes();
        Self { jobs, key: key.into(), rows: Arc::default(), asked: Arc::default() }
    }

    /// Returns the number of rows, at most a second old.
    pub(super) async fn rows(&self, now: u64) -> Result<u64, StoreError> {
        let mut asked = self.asked.lock().await;
        if asked.is_none_or(|at| at.elapsed() > FRESH) {
            self.heard(self.ask(vec![number(now / DAY)])?).await?;
            *asked = Some(Instant::now());
        }
        Ok(self.rows.load(Ordering::Relaxed))
    }

    /// Tells the server of rows that a call added or removed, or whose end moved to another day.
    pub(super) fn note(&self, rows: &Rows, now: u64) {
        let ends = rows
            .ends
            .iter()
            .flat_map(|(end, more)| [number(end / DAY), more.to_string().into_bytes()]);
        let arguments = std::iter::once(number(now / DAY)).chain(ends).collect();
        // Sent at once: the runtime of the caller may end before the server has replied.
        let asked = self.ask(arguments);
        let total = self.clone();
        tokio::spawn(async move {
            let heard = match asked {
                Ok(receiver) => total.heard(receiver).await,
                Err(error) => Err(error),
            };
            if let Err(error) = heard {
                tracing::warn!(name: "rows_not_counted", %error, "rows of the state store were not counted");
            }
        });
    }

    fn ask(&self, arguments: Vec<Vec<u8>>) -> Result<Reply, StoreError> {
        let (reply, receiver) = oneshot::channel();
        let job = Job { script: &script::TOTAL, key: self.key.to_vec(), arguments, reply };
        self.jobs.send(job).map_err(|_| stopped())?;
        Ok(receiver)
    }

    async fn heard(&self, receiver: Reply) -> Result<(), StoreError> {
        let value = receiver.await.unwrap_or_else(|_| Err(stopped()))?;
        let rows = reply::total(&value)
            .ok_or_else(|| StoreError::Corrupt("the number of rows is none".to_owned()))?;
        self.rows.store(rows, Ordering::Relaxed);
        Ok(())
    }
}
