//! What tokens own and how often they may be used, through the whole engine, on real stores.

mod claims;
mod elements;
mod histories;
mod limits;
mod log;
mod named;
mod ownership;
mod plugins;
pub(crate) mod receipts;
mod remade;
mod rounds;
mod rows;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use magicproxy_core::UnixTime;
use magicproxy_core::state::{
    BoundedPartition, Change, Condition, Demand, Entry, Holder, Partition, StateStore, StoreError, StoreFuture, Taken, UnixMillis,
};
use magicproxy_state::MemoryStore;
use serde_json::{Value, json};

use crate::support::{Answer, Client, Proxy, Reply, Seen, Upstream, request};

/// The rule of the design: make records, and change or delete what was made.
fn makes_records() -> Value {
    json!([
        "GET /v2/domains/example.com/records",
        { "method": "POST", "route": "/v2/domains/example.com/records",
          "grants": ["GET|PUT|DELETE /v2/domains/example.com/records/{response.domain_record.id}"] },
    ])
}

/// An API that makes a record with the next number at each `POST`, from 101 on, and says yes to everything else.
async fn digitalocean() -> Upstream {
    let made = std::sync::atomic::AtomicU64::new(101);
    Upstream::scripted(move |seen| match seen.method.as_str() {
        "POST" => {
            let id = made.fetch_add(1, Ordering::SeqCst);
            Reply::with("201 Created", &["Content-Type: application/json"], created(id))
        }
        "DELETE" => Reply::with("204 No Content", &[], ""),
        _ => Reply::ok("{}"),
    })
    .await
}

fn created(id: u64) -> String {
    json!({ "domain_record": { "id": id, "type": "TXT" } }).to_string()
}

/// A proxy with this store.
async fn proxy(upstream: &Upstream, store: Arc<dyn StateStore>) -> Proxy {
    Proxy::with(upstream, |settings| settings.services.state = Some(store)).await
}

/// A proxy with a store of its own in memory.
async fn stateful(upstream: &Upstream) -> Proxy {
    proxy(upstream, Arc::new(MemoryStore::new())).await
}

async fn ask(proxy: &Proxy, line: &str, token: &str) -> Answer {
    Client::ask(proxy, request(line, token, &[], "")).await
}

/// With a JSON body.
async fn post(proxy: &Proxy, line: &str, token: &str, body: &str) -> Answer {
    let lines = ["Content-Type: application/json", &format!("Content-Length: {}", body.len())];
    Client::ask(proxy, request(line, token, &lines, body)).await
}

async fn create(proxy: &Proxy, token: &str) -> Answer {
    post(proxy, "POST /v2/domains/example.com/records", token, r#"{"type":"TXT"}"#).await
}

fn methods(seen: &[Seen]) -> Vec<String> {
    seen.iter().map(|seen| format!("{} {}", seen.method, seen.target)).collect()
}

/// A store that is there, and then is not.
#[derive(Debug)]
struct Failing {
    store: MemoryStore,
    writes: AtomicBool,
    reads: AtomicBool,
    /// What is taken is taken, and nobody hears of it.
    answers: AtomicBool,
}

impl Failing {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            store: MemoryStore::new(),
            writes: AtomicBool::new(false),
            reads: AtomicBool::new(false),
            answers: AtomicBool::new(false),
        })
    }

    fn fail(&self, reads: bool, writes: bool) {
        self.reads.store(reads, Ordering::SeqCst);
        self.writes.store(writes, Ordering::SeqCst);
    }
}

fn unless<'s, T: Send + 's>(fails: &AtomicBool, call: impl FnOnce() -> StoreFuture<'s, T>) -> StoreFuture<'s, T> {
    if fails.load(Ordering::SeqCst) {
        return Box::pin(async { Err(StoreError::Unavailable("pulled out".to_owned())) });
    }
    call()
}

impl StateStore for Failing {
    fn read(&self, partition: Partition, names: Vec<Vec<u8>>, now: UnixTime) -> StoreFuture<'_, Vec<Option<Entry>>> {
        unless(&self.reads, || self.store.read(partition, names, now))
    }

    fn list(&self, partition: Partition, prefix: Vec<u8>, most: usize, now: UnixTime) -> StoreFuture<'_, Vec<(Vec<u8>, Entry)>> {
        unless(&self.reads, || self.store.list(partition, prefix, most, now))
    }

    fn apply_within(
        &self,
        target: BoundedPartition,
        conditions: Vec<Condition>,
        changes: Vec<Change>,
        now: UnixTime,
    ) -> StoreFuture<'_, bool> {
        unless(&self.writes, || self.store.apply_within(target, conditions, changes, now))
    }

    fn take_within(&self, target: BoundedPartition, demands: Vec<Demand>, now: UnixMillis) -> StoreFuture<'_, Taken> {
        let taken = unless(&self.writes, || self.store.take_within(target, demands, now));
        if self.answers.load(Ordering::SeqCst) { unless(&self.answers, || taken) } else { taken }
    }

    fn renew(
        &self,
        partition: Partition,
        counter: Vec<u8>,
        holder: Holder,
        lease: u64,
        now: UnixMillis,
    ) -> StoreFuture<'_, bool> {
        unless(&self.writes, || self.store.renew(partition, counter, holder, lease, now))
    }

    fn give_back(&self, partition: Partition, counter: Vec<u8>, holder: Holder) -> StoreFuture<'_, ()> {
        unless(&self.writes, || self.store.give_back(partition, counter, holder))
    }

    fn ping(&self) -> StoreFuture<'_, ()> {
        unless(&self.reads, || self.store.ping())
    }
}
