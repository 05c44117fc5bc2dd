//! What tokens own and how often they may be used, through the whole engine, on real stores.

mod claims;
mod conditioned_items;
mod costs;
mod histories;
mod limits;
mod list_items;
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
use magicproxy_core::state::{Change, Entry, Partition, StateStore, StoreError, StoreFuture};
use magicproxy_state::MemoryStore;
use serde_json::{Value, json};

use crate::support::{
    Call, Client, ClientResponse, Proxy, Reply, Seen, Upstream, Watch, WatchedStore, request,
};

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

async fn ask(proxy: &Proxy, line: &str, token: &str) -> ClientResponse {
    Client::ask(proxy, request(line, token, &[], "")).await
}

/// With a JSON body.
async fn post(proxy: &Proxy, line: &str, token: &str, body: &str) -> ClientResponse {
    let lines = ["Content-Type: application/json", &format!("Content-Length: {}", body.len())];
    Client::ask(proxy, request(line, token, &lines, body)).await
}

async fn create(proxy: &Proxy, token: &str) -> ClientResponse {
    post(proxy, "POST /v2/domains/example.com/records", token, r#"{"type":"TXT"}"#).await
}

fn methods(seen: &[Seen]) -> Vec<String> {
    seen.iter().map(|seen| format!("{} {}", seen.method, seen.target)).collect()
}

/// A store that is there, and then is not.
#[derive(Debug)]
struct Failing {
    writes: AtomicBool,
    reads: AtomicBool,
    /// What is taken is taken, and nobody hears of it.
    responses: AtomicBool,
}

impl Failing {
    fn new() -> Arc<WatchedStore<Self>> {
        let (writes, reads, responses) =
            (AtomicBool::new(false), AtomicBool::new(false), AtomicBool::new(false));
        Arc::new(WatchedStore::new(Self { writes, reads, responses }))
    }

    fn fail(&self, reads: bool, writes: bool) {
        self.reads.store(reads, Ordering::SeqCst);
        self.writes.store(writes, Ordering::SeqCst);
    }
}

impl Watch for Failing {
    fn before(&self, call: Call) -> StoreFuture<'_, ()> {
        let fails =
            if matches!(call, Call::Read | Call::Ping) { &self.reads } else { &self.writes };
        let fails = fails.load(Ordering::SeqCst);
        Box::pin(async move { if fails { Err(pulled_out()) } else { Ok(()) } })
    }

    fn after(&self, call: Call) -> Result<(), StoreError> {
        if call == Call::Take && self.responses.load(Ordering::SeqCst) {
            Err(pulled_out())
        } else {
            Ok(())
        }
    }
}

fn pulled_out() -> StoreError {
    StoreError::Unavailable("pulled out".to_owned())
}
