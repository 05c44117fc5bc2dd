//! What a call of a store costs: `cargo bench -p magicproxy-state`. Valkey is the one that `MAGICPROXY_TEST_VALKEY` names,
//! on a Unix socket, without and with an append-only file that is synced at each call.
//!
//! Each sample is one call after the other, or 100 at once; the latter shows what commits that are shared give.

#![allow(clippy::unwrap_used, reason = "a benchmark may stop where it stands")]

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use divan::Bencher;
use divan::counter::ItemsCount;
use magicproxy_core::UnixTime;
use magicproxy_core::state::{Bound, Change, Demand, Entry, Partition, StateStore, UnixMillis};
use magicproxy_state::{MemoryStore, RedbStore, ValkeySettings, ValkeyStore};
use tempfile::TempDir;
use tokio::runtime::Runtime;

const NOW: u64 = 1_900_000_000;
const STORES: [Kind; 4] = [Kind::Memory, Kind::Redb, Kind::Valkey, Kind::ValkeySynced];

#[derive(Clone, Copy, Debug)]
enum Kind {
    Memory,
    Redb,
    Valkey,
    ValkeySynced,
}

/// A store, and what must live as long.
struct Home {
    store: Arc<dyn StateStore>,
    runtime: Runtime,
    server: Option<Child>,
    _folder: TempDir,
}

impl Drop for Home {
    fn drop(&mut self) {
        if let Some(server) = &mut self.server {
            drop(server.kill());
            drop(server.wait());
        }
    }
}

fn main() {
    divan::main();
}

fn home(kind: Kind) -> Option<Home> {
    let folder = tempfile::tempdir().unwrap();
    let mut server = None;
    let store: Arc<dyn StateStore> = match kind {
        Kind::Memory => Arc::new(MemoryStore::new()),
        Kind::Redb => Arc::new(RedbStore::open(&folder.path().join("state.redb")).unwrap()),
        Kind::Valkey => Arc::new(valkey(&folder, &mut server, "no")?),
        Kind::ValkeySynced => Arc::new(valkey(&folder, &mut server, "yes")?),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    Some(Home { store, runtime, server, _folder: folder })
}

fn valkey(folder: &TempDir, server: &mut Option<Child>, synced: &str) -> Option<ValkeyStore> {
    let program = std::env::var_os("MAGICPROXY_TEST_VALKEY")?;
    let socket = folder.path().join("s");
    let mut command = Command::new(program);
    command
        .args(["--port", "0", "--save", "", "--appendonly", synced, "--appendfsync", "always"])
        .arg("--dir")
        .arg(folder.path());
    *server = Some(command.arg("--unixsocket").arg(&socket).stdout(Stdio::null()).spawn().unwrap());
    while !socket.exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(50));
    Some(
        ValkeyStore::new(ValkeySettings::new(
            format!("unix:{}", socket.display()).parse().unwrap(),
        ))
        .unwrap(),
    )
}

fn partition() -> Partition {
    Partition::of(&[b"bench"])
}

fn demands() -> Vec<Demand> {
    let demand = |counter: &[u8], bound| Demand {
        counter: counter.to_vec(),
        bound,
        expires_at: UnixTime(NOW + 3600),
        room: u64::MAX,
    };
    vec![
        demand(b"total", Bound::Total(1_000_000_000)),
        demand(b"window", Bound::Window(1_000_000_000, 3_600_000)),
    ]
}

#[divan::bench(args = STORES, sample_count = 200)]
fn take(bencher: Bencher<'_, '_>, kind: Kind) {
    let Some(home) = home(kind) else { return };
    bencher.bench_local(|| {
        home.runtime
            .block_on(home.store.take(partition(), demands(), UnixMillis(NOW * 1000)))
            .unwrap()
    });
}

#[divan::bench(args = STORES, sample_count = 50)]
fn take_100_at_once(bencher: Bencher<'_, '_>, kind: Kind) {
    let Some(home) = home(kind) else { return };
    bencher.counter(ItemsCount::new(100_u32)).bench_local(|| {
        home.runtime.block_on(async {
            let calls: Vec<_> = (0..100)
                .map(|_| home.store.take(partition(), demands(), UnixMillis(NOW * 1000)))
                .collect();
            for call in calls {
                call.await.unwrap();
            }
        });
    });
}

#[divan::bench(args = STORES, sample_count = 200)]
fn apply(bencher: Bencher<'_, '_>, kind: Kind) {
    let Some(home) = home(kind) else { return };
    let mut number = 0_u64;
    bencher.bench_local(|| {
        number += 1;
        let entry = Entry { value: b"GET PUT DELETE".to_vec(), expires_at: UnixTime(NOW + 3600) };
        let name = format!("grant /v2/domains/example.com/records/{}", number % 1_000);
        home.runtime
            .block_on(home.store.apply(
                partition(),
                vec![],
                vec![Change::Put(name.into_bytes(), entry)],
                UnixTime(NOW),
            ))
            .unwrap()
    });
}

#[divan::bench(args = STORES, sample_count = 200)]
fn read(bencher: Bencher<'_, '_>, kind: Kind) {
    let Some(home) = home(kind) else { return };
    let entry = Entry { value: b"GET PUT DELETE".to_vec(), expires_at: UnixTime(NOW + 3600) };
    let put = (0..1_000_u32)
        .map(|number| Change::Put(number.to_string().into_bytes(), entry.clone()))
        .collect();
    home.runtime.block_on(home.store.apply(partition(), vec![], put, UnixTime(NOW))).unwrap();
    bencher.bench_local(|| {
        home.runtime
            .block_on(home.store.read(partition(), vec![b"500".to_vec()], UnixTime(NOW)))
            .unwrap()
    });
}
