//! The state store of a successor, as its predecessor sees it.

use std::fmt;

use magicproxy_core::UnixTime;
use magicproxy_core::state::{
    BoundedPartition, Change, Condition, Demand, Entry, Holder, Partition, StateStore, StoreError,
    StoreFuture, TakeResult, UnixMillis,
};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot};

use super::channel::Message;
use super::store_calls::{StoreCall, StoreReply, Target};

/// The most calls that wait for their turn; further callers wait themselves.
const WAITING: usize = 64;

/// A store that another process has open. Calls are done one after the other: there are few, for the
/// requests that are in progress when the successor takes over.
pub(super) struct SuccessorStore {
    calls: mpsc::Sender<(StoreCall, oneshot::Sender<StoreReply>)>,
}

impl SuccessorStore {
    /// Makes the store of the process at the other end, which is free until the first call.
    pub(super) fn new(mut stream: UnixStream) -> Self {
        let (calls, mut waiting) =
            mpsc::channel::<(StoreCall, oneshot::Sender<StoreReply>)>(WAITING);
        tokio::spawn(async move {
            while let Some((call, reply)) = waiting.recv().await {
                // A caller that has gone does not stop its call: the answer belongs to it alone.
                let answered = match Message::Call(call).send(&mut stream).await {
                    Ok(()) => Message::receive(&mut stream).await,
                    Err(error) => Err(error),
                };
                // After a failure the answers no longer belong to the calls.
                let Ok(Message::Reply(answered)) = answered else { return };
                let _ = reply.send(answered);
            }
        });
        Self { calls }
    }

    async fn ask(&self, call: StoreCall) -> Result<StoreReply, StoreError> {
        let (reply, answered) = oneshot::channel();
        self.calls.send((call, reply)).await.map_err(|_| gone())?;
        match answered.await.map_err(|_| gone())? {
            StoreReply::Full(scope) => Err(StoreError::Full(scope.into())),
            StoreReply::Unavailable(why) => Err(StoreError::Unavailable(why)),
            StoreReply::Corrupt(why) => Err(StoreError::Corrupt(why)),
            StoreReply::TooLong => Err(StoreError::TooLong),
            reply => Ok(reply),
        }
    }

    async fn is_done(&self, call: StoreCall) -> Result<(bool, u64), StoreError> {
        match self.ask(call).await? {
            StoreReply::Done { done, rows } => Ok((done, rows)),
            _ => Err(gone()),
        }
    }

    async fn nothing(&self, call: StoreCall) -> Result<(), StoreError> {
        match self.ask(call).await? {
            StoreReply::Nothing => Ok(()),
            _ => Err(gone()),
        }
    }
}

fn gone() -> StoreError {
    StoreError::Unavailable("the process that has it open does not answer".to_owned())
}

/// Takes the rows that a call added from the allowance of its payer.
fn spend(target: &BoundedPartition, rows: u64) {
    if let Some(allowance) = &target.rows.allowance {
        allowance.spend(rows);
    }
}

impl fmt::Debug for SuccessorStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SuccessorStore").finish_non_exhaustive()
    }
}

impl StateStore for SuccessorStore {
    fn read(
        &self,
        partition: Partition,
        names: Vec<Vec<u8>>,
        now: UnixTime,
    ) -> StoreFuture<'_, Vec<Option<Entry>>> {
        let call = StoreCall::Read { partition: partition.to_string(), names, now: now.0 };
        let entry = |(value, end)| Entry { value, expires_at: UnixTime(end) };
        Box::pin(async move {
            match self.ask(call).await? {
                StoreReply::Entries(entries) => {
                    Ok(entries.into_iter().map(|found| found.map(entry)).collect())
                }
                _ => Err(gone()),
            }
        })
    }

    fn list(
        &self,
        partition: Partition,
        prefix: Vec<u8>,
        most: usize,
        now: UnixTime,
    ) -> StoreFuture<'_, Vec<(Vec<u8>, Entry)>> {
        let partition = partition.to_string();
        let call = StoreCall::List { partition, prefix, most, now: now.0 };
        let entry = |(name, value, end)| (name, Entry { value, expires_at: UnixTime(end) });
        Box::pin(async move {
            match self.ask(call).await? {
                StoreReply::Listed(listed) => Ok(listed.into_iter().map(entry).collect()),
                _ => Err(gone()),
            }
        })
    }

    fn apply_within(
        &self,
        target: BoundedPartition,
        conditions: Vec<Condition>,
        changes: Vec<Change>,
        now: UnixTime,
    ) -> StoreFuture<'_, bool> {
        let call = StoreCall::Apply {
            target: Target::of(&target),
            conditions: conditions.into_iter().map(Into::into).collect(),
            changes: changes.into_iter().map(Into::into).collect(),
            now: now.0,
        };
        Box::pin(async move {
            let (done, rows) = self.is_done(call).await?;
            spend(&target, rows);
            Ok(done)
        })
    }

    fn take_within(
        &self,
        target: BoundedPartition,
        demands: Vec<Demand>,
        now: UnixMillis,
    ) -> StoreFuture<'_, TakeResult> {
        let call = StoreCall::Take {
            target: Target::of(&target),
            demands: demands.into_iter().map(Into::into).collect(),
            now: now.0,
        };
        Box::pin(async move {
            match self.ask(call).await? {
                StoreReply::Taken { left, rows } => {
                    spend(&target, rows);
                    Ok(TakeResult::All(left))
                }
                StoreReply::NotTaken { demand, retry_after } => {
                    Ok(TakeResult::Not { demand, retry_after })
                }
                _ => Err(gone()),
            }
        })
    }

    fn renew(
        &self,
        partition: Partition,
        counter: Vec<u8>,
        holder: Holder,
        lease: u64,
        now: UnixMillis,
    ) -> StoreFuture<'_, bool> {
        let (partition, holder, now) = (partition.to_string(), holder.0, now.0);
        let call = StoreCall::Renew { partition, counter, holder, lease, now };
        Box::pin(async move { Ok(self.is_done(call).await?.0) })
    }

    fn give_back(
        &self,
        partition: Partition,
        counter: Vec<u8>,
        holder: Holder,
    ) -> StoreFuture<'_, ()> {
        let partition = partition.to_string();
        let call = StoreCall::GiveBack { partition, counter, holder: holder.0 };
        Box::pin(self.nothing(call))
    }

    fn ping(&self) -> StoreFuture<'_, ()> {
        Box::pin(self.nothing(StoreCall::Ping))
    }
}
