//! The store in Valkey or Redis: for several proxies that share their state.
//!
//! A partition is a hash under a single key, and a call is a script on this key; so each call is
//! atomic, and works in a Cluster. Durability depends on the server: with `appendonly yes` and
//! `appendfsync always` no completed call is lost, and with less some may be.

mod link;
mod reply;
mod script;
mod servers;
mod total;
mod url;

use std::fmt;
use std::time::Duration;

use magicproxy_core::UnixTime;
use magicproxy_core::state::{
    Bound, BoundedPartition, Change, Condition, Demand, Entry, Holder, Partition, RowLimits,
    StateStore, StoreError, StoreFuture, TakeResult, UnixMillis,
};
use redis::Value;
use tokio::sync::{mpsc, oneshot};

use crate::checked::{self, clock, demands, leases_name, millis, names, step};
use link::Job;
use reply::WriteResult;
use script::StoreScript;
use servers::{Client, Settings};
use total::Total;

pub use url::{ParseUrlError, ValkeyUrl};

/// The settings of a store in Valkey: its place and its use.
#[derive(Clone, Debug)]
pub struct ValkeySettings {
    /// The servers and the login.
    pub url: ValkeyUrl,
    /// The beginning of the names of our keys.
    pub prefix: String,
    /// Certificates in PEM form to trust besides the platform's.
    pub extra_roots: Option<String>,
    /// The longest time for a connection, and for a response.
    pub timeout: Duration,
}

impl ValkeySettings {
    /// Makes the usual settings: the prefix `magicproxy:`, and a second for each step.
    #[must_use]
    pub fn new(url: ValkeyUrl) -> Self {
        Self {
            url,
            prefix: "magicproxy:".to_owned(),
            extra_roots: None,
            timeout: Duration::from_secs(1),
        }
    }
}

/// A store in Valkey or Redis, for several proxies: `state-store.md` section 5.
pub struct ValkeyStore {
    jobs: mpsc::UnboundedSender<Job>,
    prefix: String,
    name: String,
    total: Total,
}

impl ValkeyStore {
    /// Makes a store without connecting; [`ping`](StateStore::ping) connects.
    ///
    /// # Errors
    /// If the certificates cannot be read, or the thread cannot be started.
    pub fn new(settings: ValkeySettings) -> Result<Self, StoreError> {
        let name = settings.url.to_string();
        let unfit = |error: &dyn fmt::Display| StoreError::Unavailable(format!("{name}: {error}"));
        let roots = settings.extra_roots.as_deref().map(all_roots);
        let client =
            Client::new(&settings.url, roots, settings.timeout).map_err(|error| unfit(&error))?;
        let jobs = link::start(Settings { client, timeout: settings.timeout, name: name.clone() });
        let jobs = jobs.map_err(|error| unfit(&error))?;
        let total = Total::new(jobs.clone(), &settings.prefix);
        Ok(Self { jobs, prefix: settings.prefix, name, total })
    }

    fn ask<'s, T: Send + 's>(
        &self,
        partition: Partition,
        script: &'static StoreScript,
        arguments: Result<Vec<Vec<u8>>, StoreError>,
        parse: impl FnOnce(Value) -> Option<T> + Send + 's,
    ) -> StoreFuture<'s, T> {
        let (reply, receiver) = oneshot::channel();
        let sent = arguments.and_then(|arguments| {
            let job = Job {
                script,
                key: format!("{}{partition}", self.prefix).into_bytes(),
                arguments,
                reply,
            };
            self.jobs.send(job).map_err(|_| stopped())
        });
        Box::pin(async move {
            sent?;
            let result = receiver.await.unwrap_or_else(|_| Err(stopped()))?;
            parse(result).ok_or_else(|| {
                StoreError::Corrupt("a script gave another response than it should".to_owned())
            })
        })
    }
}

impl ValkeyStore {
    /// Carries out a call that may add rows, within its bounds; `rest` holds the further arguments
    /// of its script.
    fn write<T: Send + 'static>(&self, call: WriteCall<T>) -> StoreFuture<'_, T> {
        Box::pin(async move {
            let WriteCall {
                target: BoundedPartition { partition, rows },
                now,
                script,
                rest,
                parse,
            } = call;
            let left = if rows.total == u64::MAX {
                u64::MAX
            } else {
                rows.total.saturating_sub(self.total.rows(now).await?)
            };
            let arguments =
                rest.map(|rest| [vec![number(now)], bounds(&rows, left), rest].concat());
            match self.ask(partition, script, arguments, parse).await? {
                WriteResult::Full(full) => Err(full.into()),
                WriteResult::Done(done, added) => {
                    if let Some(added) = added {
                        rows.allowance.iter().for_each(|allowance| {
                            allowance.spend(u64::try_from(added.added).unwrap_or(0))
                        });
                        self.total.note(&added, now);
                    }
                    Ok(done)
                }
            }
        })
    }
}

/// A call that may add rows.
struct WriteCall<T> {
    target: BoundedPartition,
    now: u64,
    script: &'static StoreScript,
    rest: Result<Vec<Vec<u8>>, StoreError>,
    parse: fn(Value) -> Option<WriteResult<T>>,
}

/// The number of rows that stands for no bound: the doubles of Lua hold the number exactly.
const MOST_ROWS: u64 = 1_000_000_000_000;

/// The bounds as arguments: rows of the partition, rows left in the store and of the allowance,
/// rows to spare.
fn bounds(rows: &RowLimits, left: u64) -> Vec<Vec<u8>> {
    let allowance = rows.allowance.as_ref().map_or(MOST_ROWS, |allowance| allowance.left());
    [rows.partition, left, allowance, rows.spare].map(|bound| number(bound.min(MOST_ROWS))).into()
}

fn stopped() -> StoreError {
    StoreError::Unavailable("its thread has stopped".to_owned())
}

/// Returns the platform's roots and the extra roots together: the library takes the given roots for
/// all roots.
fn all_roots(extra: &str) -> Vec<u8> {
    let platform = rustls_native_certs::load_native_certs().certs;
    let pems =
        platform.iter().map(|root| pem::encode(&pem::Pem::new("CERTIFICATE", root.as_ref())));
    pems.chain([extra.to_owned()]).collect::<Vec<_>>().join("\n").into_bytes()
}

impl fmt::Debug for ValkeyStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ValkeyStore")
            .field("url", &self.name)
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

impl StateStore for ValkeyStore {
    fn read(
        &self,
        partition: Partition,
        wanted: Vec<Vec<u8>>,
        now: UnixTime,
    ) -> StoreFuture<'_, Vec<Option<Entry>>> {
        let count = wanted.len();
        let arguments = names(&wanted).map(|()| [vec![number(millis(now))], wanted].concat());
        self.ask(partition, &script::READ, arguments, move |value| reply::read(value, count))
    }

    fn list(
        &self,
        partition: Partition,
        prefix: Vec<u8>,
        most: usize,
        now: UnixTime,
    ) -> StoreFuture<'_, Vec<(Vec<u8>, Entry)>> {
        let most = u64::try_from(most).map_or(checked::most(u64::MAX), checked::most);
        let arguments = names([&prefix]).map(|()| vec![number(millis(now)), prefix, number(most)]);
        self.ask(partition, &script::LIST, arguments, reply::list)
    }

    fn apply_within(
        &self,
        target: BoundedPartition,
        conditions: Vec<Condition>,
        changes: Vec<Change>,
        now: UnixTime,
    ) -> StoreFuture<'_, bool> {
        let rest = step(&conditions, &changes).map(|()| {
            let conditions_count = std::iter::once(number(conditions.len() as u64));
            let conditions = conditions.into_iter().flat_map(of_condition);
            conditions_count
                .chain(conditions)
                .chain(changes.into_iter().flat_map(of_change))
                .collect()
        });
        self.write(WriteCall {
            target,
            now: millis(now),
            script: &script::APPLY,
            rest,
            parse: reply::applied,
        })
    }

    fn take_within(
        &self,
        target: BoundedPartition,
        wanted: Vec<Demand>,
        now: UnixMillis,
    ) -> StoreFuture<'_, TakeResult> {
        let rest = demands(&wanted).map(|()| wanted.iter().flat_map(of_demand).collect());
        self.write(WriteCall {
            target,
            now: clock(now),
            script: &script::TAKE,
            rest,
            parse: reply::taken,
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
        let arguments = names([&counter]).map(|()| {
            vec![
                number(clock(now)),
                field(&leases_name(&counter)),
                hexadecimal(holder),
                number(checked::after(0, lease)),
            ]
        });
        self.ask(partition, &script::RENEW, arguments, reply::yes_or_no)
    }

    fn give_back(
        &self,
        partition: Partition,
        counter: Vec<u8>,
        holder: Holder,
    ) -> StoreFuture<'_, ()> {
        let arguments =
            names([&counter]).map(|()| vec![field(&leases_name(&counter)), hexadecimal(holder)]);
        self.ask(partition, &script::GIVE_BACK, arguments, |value| {
            reply::yes_or_no(value).map(drop)
        })
    }

    fn ping(&self) -> StoreFuture<'_, ()> {
        // Runs a script, as every call does, so that a user without the permission to run scripts
        // is found out.
        let arguments = Ok(vec![number(0), Vec::new()]);
        self.ask(Partition::of(&[b"ping"]), &script::READ, arguments, |value| {
            reply::read(value, 1).map(drop)
        })
    }
}

fn of_condition(condition: Condition) -> [Vec<u8>; 3] {
    match condition {
        Condition::Absent(name) => [b"absent".to_vec(), name, Vec::new()],
        Condition::Equals(name, value) => [b"equals".to_vec(), name, value],
        Condition::AtMost(prefix, most) => [b"most".to_vec(), prefix, number(most as u64)],
        Condition::AtMostValued(prefix, most) => [b"valued".to_vec(), prefix, number(most as u64)],
    }
}

fn of_change(change: Change) -> [Vec<u8>; 3] {
    match change {
        Change::Put(name, entry) => [number(millis(entry.expires_at)), name, entry.value],
        Change::Remove(name) => [Vec::new(), name, Vec::new()],
    }
}

fn of_demand(demand: &Demand) -> [Vec<u8>; 7] {
    let (kind, most, length, holder) = match demand.bound {
        Bound::Total(most) => ("total", most, 0, Vec::new()),
        Bound::Window(most, length) => ("window", most, checked::window(length), Vec::new()),
        Bound::Concurrent(most, holder, lease) => {
            ("leases", most, checked::after(0, lease), hexadecimal(holder))
        }
    };
    [
        field(&checked::counter_name(&demand.bound, &demand.counter)),
        kind.as_bytes().to_vec(),
        number(checked::most(most)),
        number(length),
        holder,
        number(millis(demand.expires_at)),
        number(demand.room.min(MOST_ROWS)),
    ]
}

/// Returns the field of a counter in the partition's hash.
fn field(counter_name: &[u8]) -> Vec<u8> {
    [b"c", counter_name].concat()
}

/// Returns a number in digits, for a script.
fn number(number: u64) -> Vec<u8> {
    number.to_string().into_bytes()
}

fn hexadecimal(holder: Holder) -> Vec<u8> {
    holder.0.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into_bytes()
}
