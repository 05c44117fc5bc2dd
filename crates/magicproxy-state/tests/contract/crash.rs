//! `kill -9` at random moments: what was acknowledged is there, and nothing is counted that was not asked for.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use magicproxy_core::UnixTime;
use magicproxy_core::state::{Bound, StateStore, TakeResult};
use magicproxy_state::RedbStore;

use crate::support::valkey::Valkey;
use crate::support::{LATER, NOW, at, block_on, connect, demand, partition, put};

const ALL: u64 = 1_000_000;
/// How many calls are under way at once, at most.
const TASKS: u64 = 8;

/// What was acknowledged: takes, and the latest value under each name.
#[derive(Debug, Default)]
struct Acknowledged {
    takes: u64,
    values: HashMap<u64, u64>,
}

/// Takes and puts for ever, and says so of each when it is done.
async fn work(store: Arc<dyn StateStore>, task: u64, from: u64, say: impl Fn(&str) -> bool) {
    for number in from.. {
        let taken =
            store.take(partition(""), vec![demand(b"count", Bound::Total(ALL))], at(0)).await;
        if !matches!(taken, Ok(TakeResult::All(_))) || !say("take") {
            return;
        }
        let change = put(&task.to_be_bytes(), &number.to_be_bytes(), LATER);
        if store.apply(partition(""), vec![], vec![change], UnixTime(NOW)).await != Ok(true)
            || !say(&format!("put {task} {number}"))
        {
            return;
        }
    }
}

/// The child: works in the folder that its environment names, until it is killed.
#[test]
fn child() {
    let Some(folder) = std::env::var_os("MAGICPROXY_TEST_CRASH") else { return };
    let store: Arc<dyn StateStore> =
        Arc::new(RedbStore::open(&Path::new(&folder).join("state.redb")).unwrap());
    let from: u64 = std::env::var("MAGICPROXY_TEST_FROM").unwrap().parse().unwrap();
    let say = |line: &str| {
        let mut output = std::io::stdout().lock();
        writeln!(output, "ack {line}").and_then(|()| output.flush()).is_ok()
    };
    block_on(async {
        let tasks: Vec<_> = (0..TASKS)
            .map(|task| tokio::spawn(work(Arc::clone(&store), task, from, say)))
            .collect();
        for task in tasks {
            drop(task.await);
        }
    });
}

fn start_child(folder: &Path, from: u64) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "crash::child", "--nocapture"]).env("MAGICPROXY_TEST_CRASH", folder);
    command
        .env("MAGICPROXY_TEST_FROM", from.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

impl Acknowledged {
    fn hear(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().skip_while(|word| *word != "ack").collect();
        match words.as_slice() {
            ["ack", "take"] => self.takes += 1,
            ["ack", "put", task, number] => {
                _ = self.values.insert(task.parse().unwrap(), number.parse().unwrap());
            }
            _ => {}
        }
    }

    /// `unknown` calls were under way when it was killed, each time.
    fn check(&self, store: &dyn StateStore, unknown: u64) {
        block_on(async {
            let taken = store
                .take(partition(""), vec![demand(b"count", Bound::Total(ALL))], at(0))
                .await
                .unwrap();
            let TakeResult::All(left) = taken else { panic!("all is spent") };
            let count = ALL - left[0] - 1;
            assert!(
                count >= self.takes,
                "{} takes were acknowledged, {count} are there",
                self.takes
            );
            assert!(
                count <= self.takes + unknown,
                "{} takes were acknowledged, {count} are there",
                self.takes
            );
            for (task, number) in &self.values {
                let found = store
                    .read(partition(""), vec![task.to_be_bytes().to_vec()], UnixTime(NOW))
                    .await
                    .unwrap();
                let found = u64::from_be_bytes(
                    found[0].as_ref().unwrap().value.as_slice().try_into().unwrap(),
                );
                assert!(
                    found >= *number,
                    "task {task}: {number} was acknowledged, {found} is there"
                );
            }
        });
    }
}

#[test]
fn redb_loses_nothing_that_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = Acknowledged::default();
    let mut from = 0;
    for round in 0..12u64 {
        let mut child = start_child(folder.path(), from);
        let output = BufReader::new(child.stdout.take().unwrap());
        let killer = std::thread::spawn(move || {
            // From before the file is made, in the first round, to the middle of the work.
            std::thread::sleep(Duration::from_millis(3 + round * round * 5));
            child.kill().unwrap();
            child.wait().unwrap();
        });
        output.lines().map_while(Result::ok).for_each(|line| acknowledged.hear(&line));
        killer.join().unwrap();
        let store = RedbStore::open(&folder.path().join("state.redb")).unwrap();
        // Our own look takes one, too.
        acknowledged.check(&store, (round + 1) * (TASKS + 1));
        acknowledged.takes += 1;
        from = acknowledged.values.values().max().copied().unwrap_or(0) + 2;
    }
    println!("{} takes were acknowledged in 12 lives", acknowledged.takes);
    assert!(acknowledged.takes > 100 && !acknowledged.values.is_empty(), "{acknowledged:?}");
}

#[test]
fn valkey_with_an_append_only_file_loses_nothing_that_was_acknowledged() {
    let Some(mut valkey) = Valkey::start(&["--appendonly", "yes", "--appendfsync", "always"])
    else {
        return;
    };
    let (sender, heard) = std::sync::mpsc::channel::<String>();
    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::new(AtomicU64::new(0));
    let url = valkey.url();
    let worker = std::thread::spawn({
        let (stop, asked) = (Arc::clone(&stop), Arc::clone(&asked));
        move || {
            block_on(async {
                let store = connect(&url);
                let tasks: Vec<_> = (0..TASKS)
                    .map(|task| {
                        let (store, stop, sender, asked) = (
                            Arc::clone(&store),
                            Arc::clone(&stop),
                            sender.clone(),
                            Arc::clone(&asked),
                        );
                        tokio::spawn(async move {
                            while !stop.load(Ordering::Relaxed) {
                                let from = asked.fetch_add(1_000_000, Ordering::Relaxed);
                                // It returns when the server goes; another goes on.
                                work(Arc::clone(&store), task, from, |line| {
                                    sender.send(format!("ack {line}")).is_ok()
                                })
                                .await;
                                tokio::time::sleep(Duration::from_millis(5)).await;
                            }
                        })
                    })
                    .collect();
                for task in tasks {
                    if !stop.load(Ordering::Relaxed) {
                        task.await.unwrap();
                    }
                }
            });
        }
    });
    for round in 1..6u64 {
        std::thread::sleep(Duration::from_millis(40 + round * 37));
        valkey.kill();
        valkey.start_again();
    }
    std::thread::sleep(Duration::from_millis(200));
    stop.store(true, Ordering::Relaxed);
    valkey.kill();
    worker.join().unwrap();
    valkey.start_again();
    let mut acknowledged = Acknowledged::default();
    heard.iter().for_each(|line| acknowledged.hear(&line));
    println!("{} takes were acknowledged in 6 lives", acknowledged.takes);
    assert!(acknowledged.takes > 100);
    acknowledged.check(&*connect(&valkey.url()), 6 * TASKS);
}
