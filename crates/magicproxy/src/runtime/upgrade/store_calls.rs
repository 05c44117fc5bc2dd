//! Calls on the state store of a successor, by the requests that its predecessor still serves.
//! `upgrade.md` section 4.
//!
//! Only one process may have the file open. So what a request has taken or created is recorded where
//! the next request looks, whichever process serves it.

use std::sync::Arc;

use magicproxy_core::UnixTime;
use magicproxy_core::state::{
    Bound, BoundedPartition, Change, Condition, Demand, Entry, FullScope, Holder, Partition,
    RowAllowance, RowLimits, StateStore, StoreError, TakeResult, UnixMillis,
};
use serde::{Deserialize, Serialize};
use tokio::net::UnixStream;

use super::channel::Message;

type Bytes = Vec<u8>;

/// A call of [`StateStore`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum StoreCall {
    Read {
        partition: String,
        names: Vec<Bytes>,
        now: u64,
    },
    List {
        partition: String,
        prefix: Bytes,
        most: usize,
        now: u64,
    },
    Apply {
        target: Target,
        conditions: Vec<WrittenCondition>,
        changes: Vec<WrittenChange>,
        now: u64,
    },
    Take {
        target: Target,
        demands: Vec<WrittenDemand>,
        now: u64,
    },
    Renew {
        partition: String,
        counter: Bytes,
        holder: [u8; 16],
        lease: u64,
        now: u64,
    },
    GiveBack {
        partition: String,
        counter: Bytes,
        holder: [u8; 16],
    },
    Ping,
}

/// The result of a call.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum StoreReply {
    /// Of `read`: the value and the end of each entry.
    Entries(Vec<Option<(Bytes, u64)>>),
    /// Of `list`: the name, the value and the end of each entry.
    Listed(Vec<(Bytes, Bytes, u64)>),
    /// Of `apply` and `renew`, with the rows taken from the allowance.
    Done {
        done: bool,
        rows: u64,
    },
    /// Of `take`, with the rows taken from the allowance.
    Taken {
        left: Vec<u64>,
        rows: u64,
    },
    NotTaken {
        demand: usize,
        retry_after: Option<u64>,
    },
    /// Of `give_back` and `ping`.
    Nothing,
    Full(WrittenScope),
    Unavailable(String),
    Corrupt(String),
    TooLong,
}

/// [`BoundedPartition`]; the allowance is the number of rows that are left.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Target {
    partition: String,
    most: [u64; 3],
    allowance: Option<u64>,
}

/// [`Condition`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum WrittenCondition {
    Absent(Bytes),
    Equals(Bytes, Bytes),
    AtMost(Bytes, usize),
    AtMostValued(Bytes, usize),
}

/// [`Change`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum WrittenChange {
    Put(Bytes, Bytes, u64),
    Remove(Bytes),
}

/// [`Demand`].
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct WrittenDemand {
    counter: Bytes,
    bound: WrittenBound,
    expires_at: u64,
    room: u64,
}

/// [`Bound`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum WrittenBound {
    Total(u64),
    Window(u64, u64),
    Concurrent(u64, [u8; 16], u64),
}

/// [`FullScope`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum WrittenScope {
    Partition,
    Store,
    Counters,
    Allowance,
}

/// Answers calls on the store until the other process ends.
pub(super) async fn answer(stream: &mut UnixStream, store: Option<&Arc<dyn StateStore>>) {
    while let Ok(message) = Message::receive(stream).await {
        let reply = match (message, store) {
            (Message::Call(call), Some(store)) => perform(call, &**store).await,
            _ => StoreReply::Unavailable("the process that serves now has none".to_owned()),
        };
        if Message::Reply(reply).send(stream).await.is_err() {
            return;
        }
    }
}

async fn perform(call: StoreCall, store: &dyn StateStore) -> StoreReply {
    let performed = try_perform(call, store).await;
    performed.unwrap_or_else(|error| match error {
        StoreError::Full(scope) => StoreReply::Full(scope.into()),
        StoreError::Unavailable(why) => StoreReply::Unavailable(why),
        StoreError::Corrupt(why) => StoreReply::Corrupt(why),
        StoreError::TooLong => StoreReply::TooLong,
    })
}

async fn try_perform(call: StoreCall, store: &dyn StateStore) -> Result<StoreReply, StoreError> {
    Ok(match call {
        StoreCall::Read { partition, names, now } => {
            let entries = store.read(named(&partition)?, names, UnixTime(now)).await?;
            let entry = |entry: Entry| (entry.value, entry.expires_at.0);
            StoreReply::Entries(entries.into_iter().map(|found| found.map(entry)).collect())
        }
        StoreCall::List { partition, prefix, most, now } => {
            let listed = store.list(named(&partition)?, prefix, most, UnixTime(now)).await?;
            let entry = |(name, entry): (Bytes, Entry)| (name, entry.value, entry.expires_at.0);
            StoreReply::Listed(listed.into_iter().map(entry).collect())
        }
        StoreCall::Apply { target, conditions, changes, now } => {
            let (target, allowance) = target.read()?;
            let conditions = conditions.into_iter().map(Into::into).collect();
            let changes = changes.into_iter().map(Into::into).collect();
            let done = store.apply_within(target, conditions, changes, UnixTime(now)).await?;
            StoreReply::Done { done, rows: allowance.spent() }
        }
        StoreCall::Take { target, demands, now } => {
            let (target, allowance) = target.read()?;
            let demands = demands.into_iter().map(Into::into).collect();
            match store.take_within(target, demands, UnixMillis(now)).await? {
                TakeResult::All(left) => StoreReply::Taken { left, rows: allowance.spent() },
                TakeResult::Not { demand, retry_after } => {
                    StoreReply::NotTaken { demand, retry_after }
                }
            }
        }
        StoreCall::Renew { partition, counter, holder, lease, now } => {
            let renewed =
                store.renew(named(&partition)?, counter, Holder(holder), lease, UnixMillis(now));
            StoreReply::Done { done: renewed.await?, rows: 0 }
        }
        StoreCall::GiveBack { partition, counter, holder } => {
            store.give_back(named(&partition)?, counter, Holder(holder)).await?;
            StoreReply::Nothing
        }
        StoreCall::Ping => {
            store.ping().await?;
            StoreReply::Nothing
        }
    })
}

fn named(partition: &str) -> Result<Partition, StoreError> {
    Partition::parse(partition)
        .ok_or_else(|| StoreError::Unavailable("a call is no call".to_owned()))
}

/// The rows that a payer of the other process may still add.
struct Allowance {
    rows: Option<Arc<RowAllowance>>,
    before: u64,
}

impl Allowance {
    fn spent(&self) -> u64 {
        self.rows.as_ref().map_or(0, |rows| self.before.saturating_sub(rows.left()))
    }
}

impl Target {
    pub(super) fn of(target: &BoundedPartition) -> Self {
        let RowLimits { partition, total, spare, allowance } = &target.rows;
        Self {
            partition: target.partition.to_string(),
            most: [*partition, *total, *spare],
            allowance: allowance.as_ref().map(|allowance| allowance.left()),
        }
    }

    fn read(self) -> Result<(BoundedPartition, Allowance), StoreError> {
        let partition = named(&self.partition)?;
        let allowance = self.allowance.map(|rows| Arc::new(RowAllowance::new(rows)));
        let [most, total, spare] = self.most;
        let rows = RowLimits { partition: most, total, spare, allowance: allowance.clone() };
        let allowance = Allowance { rows: allowance, before: self.allowance.unwrap_or_default() };
        Ok((BoundedPartition { partition, rows }, allowance))
    }
}

impl From<Condition> for WrittenCondition {
    fn from(condition: Condition) -> Self {
        match condition {
            Condition::Absent(name) => Self::Absent(name),
            Condition::Equals(name, value) => Self::Equals(name, value),
            Condition::AtMost(prefix, most) => Self::AtMost(prefix, most),
            Condition::AtMostValued(prefix, most) => Self::AtMostValued(prefix, most),
        }
    }
}

impl From<WrittenCondition> for Condition {
    fn from(condition: WrittenCondition) -> Self {
        match condition {
            WrittenCondition::Absent(name) => Self::Absent(name),
            WrittenCondition::Equals(name, value) => Self::Equals(name, value),
            WrittenCondition::AtMost(prefix, most) => Self::AtMost(prefix, most),
            WrittenCondition::AtMostValued(prefix, most) => Self::AtMostValued(prefix, most),
        }
    }
}

impl From<Change> for WrittenChange {
    fn from(change: Change) -> Self {
        match change {
            Change::Put(name, Entry { value, expires_at }) => Self::Put(name, value, expires_at.0),
            Change::Remove(name) => Self::Remove(name),
        }
    }
}

impl From<WrittenChange> for Change {
    fn from(change: WrittenChange) -> Self {
        match change {
            WrittenChange::Put(name, value, end) => {
                Self::Put(name, Entry { value, expires_at: UnixTime(end) })
            }
            WrittenChange::Remove(name) => Self::Remove(name),
        }
    }
}

impl From<Demand> for WrittenDemand {
    fn from(Demand { counter, bound, expires_at, room }: Demand) -> Self {
        let bound = match bound {
            Bound::Total(most) => WrittenBound::Total(most),
            Bound::Window(most, length) => WrittenBound::Window(most, length),
            Bound::Concurrent(most, holder, lease) => {
                WrittenBound::Concurrent(most, holder.0, lease)
            }
        };
        Self { counter, bound, expires_at: expires_at.0, room }
    }
}

impl From<WrittenDemand> for Demand {
    fn from(WrittenDemand { counter, bound, expires_at, room }: WrittenDemand) -> Self {
        let bound = match bound {
            WrittenBound::Total(most) => Bound::Total(most),
            WrittenBound::Window(most, length) => Bound::Window(most, length),
            WrittenBound::Concurrent(most, holder, lease) => {
                Bound::Concurrent(most, Holder(holder), lease)
            }
        };
        Self { counter, bound, expires_at: UnixTime(expires_at), room }
    }
}

impl From<FullScope> for WrittenScope {
    fn from(scope: FullScope) -> Self {
        match scope {
            FullScope::Partition => Self::Partition,
            FullScope::Store => Self::Store,
            FullScope::Counters => Self::Counters,
            FullScope::Allowance => Self::Allowance,
        }
    }
}

impl From<WrittenScope> for FullScope {
    fn from(scope: WrittenScope) -> Self {
        match scope {
            WrittenScope::Partition => Self::Partition,
            WrittenScope::Store => Self::Store,
            WrittenScope::Counters => Self::Counters,
            WrittenScope::Allowance => Self::Allowance,
        }
    }
}
