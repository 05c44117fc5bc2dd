//! What a call of a plugin costs: the Rust example, on a runtime as each of the proxy's workers has one.

#![allow(
    clippy::unwrap_used,
    clippy::unimplemented,
    reason = "a benchmark may stop where it stands"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use divan::Bencher;
use magicproxy_core::UnixTime;
use magicproxy_core::plugin::{PluginHost as _, PluginName, PluginRequest, PluginScope, Verdict};
use magicproxy_core::state::{
    BoundedPartition, Change, Condition, Demand, Entry, Holder, Partition, RowLimits, StateStore,
    StoreFuture, TakeResult, UnixMillis,
};
use magicproxy_plugin::{Host, HostSettings, PluginSettings};
use tokio::runtime::Runtime;

fn main() {
    divan::main();
}

/// A decision about a request with a body, without state.
#[divan::bench]
fn decide_create(bencher: Bencher) {
    let body = br#"{"type": "TXT", "name": "_acme-challenge.www", "data": "VDUzWyZ", "ttl": 30}"#;
    decide(bencher, &request("POST", "", Some(body)), &Verdict::Allow);
}

/// A decision that asks the store, in memory here, once.
#[divan::bench]
fn decide_delete(bencher: Bencher) {
    decide(bencher, &request("DELETE", "/28448433", None), &Verdict::Abstain);
}

/// A request that is none of its business.
#[divan::bench]
fn decide_other(bencher: Bencher) {
    decide(bencher, &request("GET", "/28448433", None), &Verdict::Abstain);
}

fn decide(bencher: Bencher, request: &PluginRequest, expected: &Verdict) {
    let (host, name, runtime) = (host(), name(), runtime());
    let scope = PluginScope {
        owner: Partition::of(&[b"owner"]),
        ends_at: UnixTime(2),
        now: UnixTime(1),
        rows: RowLimits::UNBOUNDED,
    };
    assert_eq!(runtime.block_on(host.decide(&name, request, scope.clone())), *expected);
    bencher.bench_local(|| runtime.block_on(host.decide(&name, request, scope.clone())));
}

fn host() -> Host {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../examples/plugins/do_lets_encrypt/do_lets_encrypt.wasm");
    let plugins = vec![PluginSettings::new(name(), file)];
    Host::new(HostSettings { plugins, cache: None, state: Some(Arc::new(Memory::default())) })
        .unwrap()
}

fn name() -> PluginName {
    PluginName::parse("do_lets_encrypt").unwrap()
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn request(method: &str, rest: &str, body: Option<&[u8]>) -> PluginRequest {
    PluginRequest {
        upstream: "digitalocean".to_owned(),
        method: method.to_owned(),
        path: format!("/v2/domains/example.com/records{rest}"),
        query: None,
        headers: Vec::new(),
        body: body.map(Into::into),
        sender: Some([127, 0, 0, 1].into()),
        token_id: "4f1c2d".to_owned(),
        labels: Vec::new(),
    }
}

#[derive(Debug, Default)]
struct Memory(Mutex<BTreeMap<Vec<u8>, Entry>>);

impl StateStore for Memory {
    fn read(
        &self,
        _: Partition,
        names: Vec<Vec<u8>>,
        _: UnixTime,
    ) -> StoreFuture<'_, Vec<Option<Entry>>> {
        let entries = self.0.lock().unwrap();
        let found = names.iter().map(|name| entries.get(name).cloned()).collect();
        Box::pin(std::future::ready(Ok(found)))
    }

    fn list(
        &self,
        _: Partition,
        _: Vec<u8>,
        _: usize,
        _: UnixTime,
    ) -> StoreFuture<'_, Vec<(Vec<u8>, Entry)>> {
        unimplemented!("plugins do not list")
    }

    fn apply_within(
        &self,
        _: BoundedPartition,
        _: Vec<Condition>,
        _: Vec<Change>,
        _: UnixTime,
    ) -> StoreFuture<'_, bool> {
        Box::pin(std::future::ready(Ok(true)))
    }

    fn take_within(
        &self,
        _: BoundedPartition,
        _: Vec<Demand>,
        _: UnixMillis,
    ) -> StoreFuture<'_, TakeResult> {
        unimplemented!("plugins take nothing")
    }

    fn renew(
        &self,
        _: Partition,
        _: Vec<u8>,
        _: Holder,
        _: u64,
        _: UnixMillis,
    ) -> StoreFuture<'_, bool> {
        unimplemented!("plugins hold no leases")
    }

    fn give_back(&self, _: Partition, _: Vec<u8>, _: Holder) -> StoreFuture<'_, ()> {
        unimplemented!("plugins hold no leases")
    }

    fn ping(&self) -> StoreFuture<'_, ()> {
        Box::pin(std::future::ready(Ok(())))
    }
}
