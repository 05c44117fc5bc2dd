//! Valkey's failures: it goes, comes back, says nothing, refuses us, holds something else.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use magicproxy_core::UnixTime;
use magicproxy_core::state::{Bound, StateStore, StoreError, TakeResult};
use magicproxy_state::{GRACE_SECONDS, ValkeySettings, ValkeyStore};

use crate::support::valkey::{Valkey, free_ports};
use crate::support::{
    LATER, NOW, apply, at, block_on, connect, demand, partition, put, take, value,
};

#[track_caller]
fn unavailable<T: std::fmt::Debug>(result: Result<T, StoreError>) -> String {
    match result {
        Err(StoreError::Unavailable(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn nobody_there_is_said_soon_and_found_when_there_is() {
    let Some(mut valkey) = Valkey::start(&[]) else { return };
    let store = connect(&valkey.url());
    block_on(async {
        assert!(apply(&*store, &[], &[put(b"a", b"1", LATER)], 0).await);
        valkey.kill();
        let started = Instant::now();
        let why = unavailable(store.ping().await);
        assert!(!why.is_empty() && started.elapsed() < Duration::from_secs(2), "{why}");
        unavailable(store.take(partition(""), vec![demand(b"a", Bound::Total(1))], at(0)).await);
        valkey.start_again();
        tokio::time::sleep(Duration::from_millis(150)).await;
        // Nothing was kept on a disk, and the scripts are gone as well.
        assert_eq!(value(&*store, b"a", 0).await, None);
        assert_eq!(
            take(&*store, &[demand(b"a", Bound::Total(1))], 0).await,
            TakeResult::All(vec![0])
        );
    });
}

#[test]
fn an_idle_connection_that_was_cut_costs_nobody_anything() {
    let Some(valkey) = Valkey::start(&[]) else { return };
    let store = connect(&valkey.url());
    block_on(async {
        for _ in 0..5 {
            assert!(apply(&*store, &[], &[put(b"a", b"1", LATER)], 0).await);
            valkey.raw::<i64>(&["CLIENT", "KILL", "TYPE", "normal"]);
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        valkey.raw::<()>(&["SCRIPT", "FLUSH"]);
        assert_eq!(value(&*store, b"a", 0).await.unwrap(), b"1");
    });
}

#[test]
fn silence_is_an_error_after_the_time_out() {
    // It accepts, and never says a word.
    let silent = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("redis://127.0.0.1:{}", silent.local_addr().unwrap().port());
    let settings = ValkeySettings {
        timeout: Duration::from_millis(200),
        ..ValkeySettings::new(url.parse().unwrap())
    };
    let store = ValkeyStore::new(settings).unwrap();
    let started = Instant::now();
    block_on(async {
        // All wait for the same attempt, and not one after the other.
        let pings: Vec<_> = (0..20).map(|_| store.ping()).collect();
        for ping in pings {
            unavailable(ping.await);
        }
    });
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
}

#[test]
fn a_busy_server_is_an_error_after_the_time_out() {
    let Some(valkey) = Valkey::start(&["--enable-debug-command", "yes"]) else { return };
    let mut settings = ValkeySettings::new(valkey.url().parse().unwrap());
    settings.timeout = Duration::from_millis(200);
    let store = ValkeyStore::new(settings).unwrap();
    block_on(async {
        store.ping().await.unwrap();
        let url = valkey.url();
        let sleeper = std::thread::spawn(move || {
            crate::support::valkey::raw::<()>(&url, &["DEBUG", "SLEEP", "1"])
        });
        tokio::time::sleep(Duration::from_millis(100)).await;
        let why = unavailable(
            store.take(partition(""), vec![demand(b"a", Bound::Total(1))], at(0)).await,
        );
        assert!(why.contains("no response within"), "{why}");
        sleeper.join().unwrap();
        // Whether it was carried out nobody knows; it was not twice.
        tokio::time::sleep(Duration::from_millis(100)).await;
        let TakeResult::All(left) =
            store.take(partition(""), vec![demand(b"a", Bound::Total(3))], at(0)).await.unwrap()
        else {
            panic!()
        };
        assert!(left[0] >= 1, "{left:?}");
    });
}

#[test]
fn a_user_who_may_do_no_more_than_is_needed_can_do_it() {
    let Some(valkey) = Valkey::start(&[]) else { return };
    let commands = "+evalsha +eval +hget +hset +hdel +hkeys +hmget +hrandfield +pexpireat +client|setinfo +hello";
    let words: Vec<&str> = ["ACL", "SETUSER", "mp", "on", ">p@ss:w", "~magicproxy:*"]
        .into_iter()
        .chain(commands.split(' '))
        .collect();
    valkey.raw::<()>(&words);
    valkey.raw::<()>(&["ACL", "SETUSER", "default", "off"]);
    let with = |login: &str| connect(&format!("{}?{login}", valkey.url()));
    block_on(async {
        let store = with("user=mp&password=p%40ss:w");
        store.ping().await.unwrap();
        assert!(apply(&*store, &[], &[put(b"a", b"1", LATER)], 0).await);
        assert_eq!(
            take(&*store, &[demand(b"a", Bound::Window(2, 1000))], 0).await,
            TakeResult::All(vec![1])
        );
        assert_eq!(store.list(partition(""), vec![], 9, UnixTime(NOW)).await.unwrap().len(), 1);
        for login in ["", "user=mp&password=wrong", "password=p%40ss:w"] {
            let why = unavailable(with(login).ping().await);
            assert!(!why.contains("wrong&") && !why.contains("p@ss"), "{why}");
        }
        let mut other = ValkeySettings::new(
            format!("{}?user=mp&password=p%40ss:w", valkey.url()).parse().unwrap(),
        );
        other.prefix = "other:".to_owned();
        let why = unavailable(ValkeyStore::new(other).unwrap().ping().await);
        assert!(why.contains("NOPERM") || why.contains("permission"), "{why}");
    });
}

#[test]
fn a_key_of_another_kind_or_content_is_said_to_be_corrupt() {
    let Some(valkey) = Valkey::start(&[]) else { return };
    let store = connect(&valkey.url());
    let key = format!("magicproxy:{}", partition(""));
    let corrupt = |words: Vec<&str>| {
        valkey.raw::<redis::Value>(&["DEL", &key]);
        valkey.raw::<redis::Value>(&words);
        let results = block_on(async {
            let read =
                store.read(partition(""), vec![b"a".to_vec()], UnixTime(NOW)).await.map(drop);
            let taken = store
                .take(partition(""), vec![demand(b"a", Bound::Total(1))], at(0))
                .await
                .map(drop);
            let listed = store.list(partition(""), vec![], 1, UnixTime(NOW)).await.map(drop);
            [read, taken, listed]
        });
        assert!(
            results.iter().any(|result| matches!(result, Err(StoreError::Corrupt(_)))),
            "{words:?}: {results:?}"
        );
    };
    corrupt(vec!["SET", &key, "x"]);
    corrupt(vec!["HSET", &key, "t", "yesterday"]);
    corrupt(vec!["HSET", &key, "na", "some day"]);
    corrupt(vec!["HSET", &key, "cna", "1"]);
    corrupt(vec!["HSET", &key, "cna", "99999999999999;x"]);
}

#[test]
fn a_key_ends_a_while_after_its_last_entry() {
    let Some(valkey) = Valkey::start(&[]) else { return };
    let store = connect(&valkey.url());
    let ends = || valkey.raw::<u64>(&["PEXPIRETIME", &format!("magicproxy:{}", partition(""))]);
    block_on(async {
        apply(&*store, &[], &[put(b"a", b"1", NOW + 50), put(b"b", b"1", NOW + 20)], 0).await;
        assert_eq!(ends(), (NOW + 50 + GRACE_SECONDS) * 1000);
        apply(&*store, &[], &[put(b"a", b"1", NOW + 30)], 0).await;
        assert_eq!(ends(), (NOW + 50 + GRACE_SECONDS) * 1000);
        take(&*store, &[demand(b"a", Bound::Total(1))], 0).await;
        assert_eq!(ends(), (LATER + GRACE_SECONDS) * 1000);
    });
}

#[test]
fn what_has_ended_is_swept_from_a_key_that_lives_on() {
    let Some(valkey) = Valkey::start(&[]) else { return };
    let store = connect(&valkey.url());
    block_on(async {
        for number in 0..600u64 {
            let second = number * 60;
            apply(&*store, &[], &[put(&number.to_be_bytes(), b"x", NOW + second + 1)], second)
                .await;
        }
    });
    let fields = valkey.raw::<u64>(&["HLEN", &format!("magicproxy:{}", partition(""))]);
    assert!(fields < 150, "{fields} fields are left of 1,200");
}

#[test]
fn the_prefix_keeps_installations_apart() {
    let Some(valkey) = Valkey::start(&[]) else { return };
    let with = |prefix: &str| {
        let mut settings = ValkeySettings::new(valkey.url().parse().unwrap());
        settings.prefix = prefix.to_owned();
        ValkeyStore::new(settings).unwrap()
    };
    let (one, other) = (with("one:"), with("other:"));
    block_on(async {
        assert!(apply(&one, &[], &[put(b"a", b"1", LATER)], 0).await);
        assert_eq!(value(&other, b"a", 0).await, None);
    });
    let keys: Vec<String> = valkey.raw(&["KEYS", "*"]);
    assert!(keys.contains(&format!("one:{}", partition(""))), "{keys:?}");
    assert!(keys.iter().all(|key| key.starts_with("one:")), "{keys:?}");
}

#[test]
fn a_store_outlives_the_runtimes_that_ask_it() {
    let Some(valkey) = Valkey::start(&[]) else { return };
    let store = connect(&valkey.url());
    for number in 0..5 {
        assert_eq!(
            block_on(take(&*store, &[demand(b"a", Bound::Total(5))], 0)),
            TakeResult::All(vec![4 - number])
        );
    }
}

#[test]
fn a_port_that_refuses_is_named_without_the_password() {
    let [port] = free_ports();
    let store = connect(&format!("redis://me:very-secret@127.0.0.1:{port}"));
    let why = unavailable(block_on(store.ping()));
    assert!(
        why.contains(&format!("redis://127.0.0.1:{port}")) && !why.contains("very-secret"),
        "{why}"
    );
    assert!(!format!("{store:?}").contains("very-secret"));
}
