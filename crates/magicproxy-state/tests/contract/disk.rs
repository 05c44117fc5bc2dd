//! What may be wrong with the file and its folder, and how it is said.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use magicproxy_core::UnixTime;
use magicproxy_core::state::{Bound, StateStore, StoreError, TakeResult};
use magicproxy_state::{OpenError, RedbStore};

use crate::support::{LATER, NOW, at, block_on, demand, partition, put};

fn open(path: &Path) -> Result<RedbStore, String> {
    RedbStore::open(path).map_err(|error| error.to_string())
}

#[test]
fn what_was_stored_is_there_when_it_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.redb");
    for round in 0..5 {
        let store = open(&path).unwrap();
        block_on(async {
            let taken = store
                .take(partition(""), vec![demand(b"a", Bound::Total(5))], at(0))
                .await
                .unwrap();
            assert_eq!(taken, TakeResult::All(vec![4 - round]));
        });
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    }
    let left: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["state.redb"]);
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("no/state.redb");
    assert_eq!(
        open(&path).unwrap_err(),
        format!("cannot open the state store `{}`: its folder is not there", path.display())
    );
    let file = folder.path().join("file");
    std::fs::write(&file, "x").unwrap();
    assert!(matches!(RedbStore::open(&file.join("state.redb")), Err(OpenError::NoFolder(_))));
}

#[test]
fn a_folder_that_may_not_be_written_is_named() {
    // Whoever runs the tests may write where the mode says no; nobody may write here.
    let error = RedbStore::open(Path::new("/proc/self/state.redb")).unwrap_err();
    assert!(matches!(error, OpenError::NotWritable(..) | OpenError::NoFolder(_)), "{error}");
    assert!(matches!(
        RedbStore::open(Path::new("/proc/version")),
        Err(OpenError::NotWritable(..) | OpenError::NotAStore(..) | OpenError::Io(..))
    ));
    let folder = tempfile::tempdir().unwrap();
    assert!(open(folder.path()).unwrap_err().contains("it is a folder"));
}

#[test]
fn another_file_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.redb");
    for content in
        ["", "x", "something else entirely, and longer than a header ".repeat(1000).as_str()]
    {
        std::fs::write(&path, content).unwrap();
        let error = RedbStore::open(&path).unwrap_err();
        assert!(matches!(error, OpenError::NotAStore(..)), "{error}");
        assert!(matches!(StoreError::from(error), StoreError::Corrupt(_)));
        // One that is empty becomes a file of redb, and is no store all the same.
        assert!(content.is_empty() || std::fs::read_to_string(&path).unwrap() == content);
    }
}

#[test]
fn a_store_of_another_program_or_a_newer_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let foreign = folder.path().join("foreign.redb");
    let table: redb::TableDefinition<'_, u64, u64> = redb::TableDefinition::new("theirs");
    write(&foreign, |transaction| drop(transaction.open_table(table).unwrap()));
    assert!(open(&foreign).unwrap_err().contains("another program"));
    let newer = folder.path().join("newer.redb");
    drop(open(&newer).unwrap());
    let meta: redb::TableDefinition<'_, &str, u64> = redb::TableDefinition::new("magicproxy-state");
    write(&newer, |transaction| drop(transaction.open_table(meta).unwrap().insert("schema", 2)));
    let error = RedbStore::open(&newer).unwrap_err();
    assert!(
        error.to_string().contains("has the form 2, of a newer magicproxy; this one knows form 1"),
        "{error}"
    );
    assert!(matches!(StoreError::from(error), StoreError::Corrupt(_)));
}

fn write(path: &Path, change: impl FnOnce(&redb::WriteTransaction)) {
    let database = redb::Database::create(path).unwrap();
    let transaction = database.begin_write().unwrap();
    change(&transaction);
    transaction.commit().unwrap();
}

/// A child that does one thing with the file, and says how it went.
#[test]
fn child() {
    let Some(path) = std::env::var_os("MAGICPROXY_TEST_DISK") else { return };
    let store = match open(Path::new(&path)) {
        Ok(store) => Arc::new(store),
        Err(error) => return println!("cannot open: {error}"),
    };
    block_on(async {
        let value = vec![7; 60_000];
        for number in 0..200u64 {
            let change = put(&number.to_be_bytes(), &value, LATER);
            if let Err(error) =
                store.apply(partition("big"), vec![], vec![change], UnixTime(NOW)).await
            {
                println!("failed after {number}: {error}");
                let again =
                    store.take(partition(""), vec![demand(b"a", Bound::Total(1))], at(0)).await;
                let read = store
                    .read(partition("big"), vec![0u64.to_be_bytes().to_vec()], UnixTime(NOW))
                    .await;
                tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
                let later = store
                    .read(partition("big"), vec![0u64.to_be_bytes().to_vec()], UnixTime(NOW))
                    .await;
                println!(
                    "take: {}, read: {}, later: {}",
                    again.is_ok(),
                    read.is_ok(),
                    later.is_ok()
                );
                return;
            }
        }
        println!("all is well");
    });
}

/// A child that fills the disk with small rows, and asks how the store is; then there is room again.
#[test]
fn child_that_asks() {
    let Some(path) = std::env::var_os("MAGICPROXY_TEST_DISK") else { return };
    let store = open(Path::new(&path)).unwrap();
    block_on(async {
        assert_eq!(store.ping().await, Ok(()));
        let value = vec![7; 3_000];
        let mut number = 0u64;
        let error = loop {
            let change = put(&number.to_be_bytes(), &value, LATER);
            match store.apply(partition("small"), vec![], vec![change], UnixTime(NOW)).await {
                Ok(_) => number += 1,
                Err(error) => break error,
            }
        };
        println!("failed after {number}: {error}");
        // However often somebody asks, and though a failed file is opened again after a second.
        for turn in 0..4 {
            println!("full, turn {turn}: {}", store.ping().await.is_ok());
            tokio::time::sleep(std::time::Duration::from_millis(600)).await;
        }
        let id = std::process::id().to_string();
        let raised =
            Command::new("prlimit").args(["--pid", &id, "--fsize=unlimited:unlimited"]).status();
        if !raised.is_ok_and(|status| status.success()) {
            return println!("no way to make room");
        }
        for _ in 0..600 {
            if store.ping().await.is_ok() {
                let left = store.list(partition("small"), vec![], 100_000, UnixTime(NOW)).await;
                return println!("room again, {} rows", left.unwrap().len());
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    });
}

fn in_child(path: &Path, limit: &str) -> String {
    child_named("child", path, limit)
}

fn child_named(name: &str, path: &Path, limit: &str) -> String {
    let mut command = Command::new("sh");
    // A signal that is ignored stays so in the program that takes the shell's place.
    command.args([
        "-c",
        &format!("trap '' XFSZ; {limit} exec \"$0\" --exact disk::{name} --nocapture"),
    ]);
    let output = command
        .arg(std::env::current_exe().unwrap())
        .env("MAGICPROXY_TEST_DISK", path)
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_second_process_is_told_that_the_file_is_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.redb");
    let store = open(&path).unwrap();
    assert!(in_child(&path, "").contains("is in use by another process"));
    drop(store);
    assert!(in_child(&path, "").contains("all is well"));
}

#[test]
fn a_full_disk_is_an_error_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.redb");
    // In blocks of 512 bytes, or of 1,024: there is room for the first values, not for all.
    let said = in_child(&path, "ulimit -f 8000;");
    let (_, failure) = said.split_once("failed after ").expect(&said);
    let number: u64 = failure.split(':').next().unwrap().parse().unwrap();
    assert!(failure.contains("the state store is not available"), "{said}");
    assert!(said.contains("later: true"), "{said}");
    let store = open(&path).unwrap();
    block_on(async {
        let found = store.list(partition("big"), vec![], 1_000, UnixTime(NOW)).await.unwrap();
        // The one that failed may or may not be there.
        assert!(
            found.len() as u64 == number || found.len() as u64 == number + 1,
            "{} of {number}",
            found.len()
        );
    });
}

/// Whoever asks a store on a full disk is not told that all is well, because a write of nothing
/// needs no room.
#[test]
fn a_full_disk_is_told_to_whoever_asks_until_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.redb");
    let said = child_named("child_that_asks", &path, "ulimit -S -f 8000;");
    assert!(said.contains("failed after "), "{said}");
    for turn in 0..4 {
        assert!(said.contains(&format!("full, turn {turn}: false")), "{said}");
    }
    assert!(said.contains("room again") || said.contains("no way to make room"), "{said}");
}

#[test]
fn what_has_ended_is_swept_and_its_room_is_used_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.redb");
    let store = open(&path).unwrap();
    block_on(async {
        let value = vec![7; 10_000];
        for hour in 0..40u64 {
            let now = NOW + hour * 3600;
            let changes = (0..10u64)
                .map(|n| put(&[hour.to_be_bytes(), n.to_be_bytes()].concat(), &value, now + 60))
                .collect();
            let p = partition(&hour.to_string());
            assert!(store.apply(p, vec![], changes, UnixTime(now)).await.unwrap());
        }
    });
    drop(store);
    let database = redb::Database::open(&path).unwrap();
    let transaction = redb::ReadableDatabase::begin_read(&database).unwrap();
    let rows: redb::TableDefinition<'_, &[u8], &[u8]> = redb::TableDefinition::new("rows");
    let ends: redb::TableDefinition<'_, &[u8], ()> = redb::TableDefinition::new("ends");
    let rows = redb::ReadableTableMetadata::len(&transaction.open_table(rows).unwrap()).unwrap();
    let ends = redb::ReadableTableMetadata::len(&transaction.open_table(ends).unwrap()).unwrap();
    assert!(rows <= 22, "{rows} rows are left");
    assert_eq!(rows, ends);
    assert!(std::fs::metadata(&path).unwrap().len() < 4_000_000);
}

#[test]
fn many_calls_share_a_commit() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(open(&folder.path().join("state.redb")).unwrap());
    let timed = |each: usize| {
        let store = Arc::clone(&store);
        let started = std::time::Instant::now();
        block_on(async move {
            let tasks: Vec<_> = (0..each)
                .map(|_| {
                    let store = Arc::clone(&store);
                    tokio::spawn(async move {
                        store
                            .take(partition(""), vec![demand(b"a", Bound::Total(10_000))], at(0))
                            .await
                            .unwrap()
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
        });
        started.elapsed()
    };
    let one: std::time::Duration = (0..10).map(|_| timed(1)).sum();
    let hundred = timed(100);
    println!("10 takes after one another: {one:?}; 100 at once: {hundred:?}");
    // Ten times as many, and not longer (with much room for a busy machine).
    assert!(hundred < one * 5, "{hundred:?} {one:?}");
}

/// Whatever becomes of the file, nobody else has the store as long as it is open, and nothing is
/// left beside it afterwards.
#[cfg(unix)]
#[test]
fn an_open_store_is_locked_though_its_file_is_gone() {
    use magicproxy_state::StoreLock;
    let folder = tempfile::tempdir().unwrap();
    let (path, other) = (folder.path().join("state.redb"), folder.path().join("other"));
    let names = || {
        let entries = std::fs::read_dir(folder.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    let fates: [fn(&Path, &Path); 3] = [
        |_, _| {},
        |path, _| std::fs::remove_file(path).unwrap(),
        |path, other| std::fs::rename(other, path).unwrap(),
    ];
    for fate in fates {
        std::fs::write(&other, "something else").unwrap();
        let store = RedbStore::open(&path).unwrap();
        fate(&path, &other);
        let before = names();
        assert!(before.contains(&"state.redb.lock".to_owned()), "{before:?}");
        for _ in 0..2 {
            assert!(matches!(RedbStore::open(&path), Err(OpenError::InUse(_))));
            assert!(matches!(StoreLock::take(&path), Err(OpenError::InUse(_))));
        }
        assert_eq!(names(), before, "nothing is made");
        drop(store);
        drop(StoreLock::take(&path).unwrap());
        assert!(!names().iter().any(|name| name.ends_with(".lock")), "{:?}", names());
        drop(std::fs::remove_file(&path));
    }
}

/// Links in the places where files are made: whoever may write the folder could put them there.
#[cfg(unix)]
#[test]
fn no_link_is_followed_where_a_file_is_made() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().unwrap();
    let name = |name: &str| folder.path().join(name);
    let victim = name("victim");
    std::fs::write(&victim, "untouched").unwrap();
    symlink(&victim, name(&format!("state.redb.{}.new", std::process::id()))).unwrap();
    symlink(&victim, name("state.redb.lock")).unwrap();
    // The lock cannot be made; the file has one of its own.
    let store = RedbStore::open(&name("state.redb")).unwrap();
    assert!(matches!(RedbStore::open(&name("state.redb")), Err(OpenError::InUse(_))));
    drop(store);
    assert!(name("state.redb").symlink_metadata().unwrap().is_file());
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "untouched");
    assert!(name("state.redb.lock").symlink_metadata().unwrap().is_symlink(), "left alone");
}

/// Many at once for one lock, each of which takes its file away: never two have it.
#[cfg(unix)]
#[test]
fn a_lock_is_one_processs_at_a_time() {
    use magicproxy_state::StoreLock;
    use std::sync::atomic::{AtomicUsize, Ordering};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.redb");
    let (holders, taken) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while taken.load(Ordering::SeqCst) < 500 {
                    let Ok(lock) = StoreLock::take(&path) else { continue };
                    assert_eq!(holders.fetch_add(1, Ordering::SeqCst), 0);
                    taken.fetch_add(1, Ordering::SeqCst);
                    std::thread::yield_now();
                    holders.fetch_sub(1, Ordering::SeqCst);
                    drop(lock);
                }
            });
        }
    });
}
