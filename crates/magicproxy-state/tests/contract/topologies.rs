//! More than one server: TLS before it, a Cluster, Sentinels and a failover.

use std::time::{Duration, Instant};

use magicproxy_core::UnixTime;
use magicproxy_core::state::{Bound, StateStore, StoreError, TakeResult};
use magicproxy_state::{ValkeySettings, ValkeyStore};

use crate::support::tls::TlsFront;
use crate::support::valkey::{Valkey, free_ports, raw, try_raw, wait_for};
use crate::support::{
    LATER, NOW, apply, at, block_on, connect, demand, partition, put, take, value,
};

/// A server on this port of this machine.
fn on_port(port: u16, arguments: &[&str]) -> Option<(Valkey, String)> {
    let port = port.to_string();
    let own = ["--port", port.as_str(), "--bind", "127.0.0.1"];
    let valkey = Valkey::start_in(tempfile::tempdir().unwrap(), &[&own, arguments].concat())?;
    let url = format!("redis://127.0.0.1:{port}");
    wait_for(&url);
    Some((valkey, url))
}

#[test]
fn tls_is_spoken_and_the_server_must_prove_itself() {
    let Some(valkey) = Valkey::start(&[]) else { return };
    let front = TlsFront::start(valkey.folder().join("s"));
    let store = |roots: Option<String>| {
        let url = format!("rediss://localhost:{}", front.port).parse().unwrap();
        ValkeyStore::new(ValkeySettings { extra_roots: roots, ..ValkeySettings::new(url) }).unwrap()
    };
    block_on(async {
        let trusted = store(Some(front.authority.clone()));
        assert!(apply(&trusted, &[], &[put(b"a", b"1", LATER)], 0).await);
        assert_eq!(value(&trusted, b"a", 0).await.unwrap(), b"1");
        for strange in [None, Some(TlsFront::authority_of_somebody_else())] {
            assert!(matches!(store(strange).ping().await, Err(StoreError::Unavailable(_))));
        }
        // The name must be right as well.
        let url = format!("rediss://127.0.0.1:{}", front.port).parse().unwrap();
        let misnamed = ValkeySettings {
            extra_roots: Some(front.authority.clone()),
            ..ValkeySettings::new(url)
        };
        assert!(matches!(
            ValkeyStore::new(misnamed).unwrap().ping().await,
            Err(StoreError::Unavailable(_))
        ));
    });
}

#[test]
fn certificates_that_are_none_are_refused_at_once() {
    let url = "rediss://localhost".parse().unwrap();
    let settings = ValkeySettings {
        extra_roots: Some("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----".to_owned()),
        ..ValkeySettings::new(url)
    };
    assert!(ValkeyStore::new(settings).is_err());
}

#[test]
fn a_cluster_is_found_from_one_of_its_servers() {
    let ports: [u16; 4] = free_ports();
    let start = |port: u16, bus: u16| {
        on_port(
            port,
            &[
                "--cluster-enabled",
                "yes",
                "--cluster-port",
                &bus.to_string(),
                "--cluster-require-full-coverage",
                "no",
            ],
        )
    };
    let Some((one, one_url)) = start(ports[0], ports[1]) else { return };
    let (other, other_url) = start(ports[2], ports[3]).unwrap();
    raw::<()>(&one_url, &["CLUSTER", "ADDSLOTSRANGE", "0", "8191"]);
    raw::<()>(&other_url, &["CLUSTER", "ADDSLOTSRANGE", "8192", "16383"]);
    raw::<()>(
        &one_url,
        &["CLUSTER", "MEET", "127.0.0.1", &ports[2].to_string(), &ports[3].to_string()],
    );
    let deadline = Instant::now() + Duration::from_secs(20);
    while [&one_url, &other_url].iter().any(|url| !knows_all(url)) {
        assert!(Instant::now() < deadline, "the cluster does not come together");
        std::thread::sleep(Duration::from_millis(50));
    }
    let store = connect(&format!("redis+cluster://127.0.0.1:{}", ports[0]));
    block_on(async {
        for number in 0..40u32 {
            let p = partition(&number.to_string());
            assert!(
                store
                    .apply(p, vec![], vec![put(b"a", &number.to_be_bytes(), LATER)], UnixTime(NOW))
                    .await
                    .unwrap()
            );
            assert_eq!(
                store.take(p, vec![demand(b"a", Bound::Total(2))], at(0)).await.unwrap(),
                TakeResult::All(vec![1])
            );
            let found = store.read(p, vec![b"a".to_vec()], UnixTime(NOW)).await.unwrap();
            assert_eq!(found[0].as_ref().unwrap().value, number.to_be_bytes());
        }
    });
    // One of each partition, and one with the number of all rows.
    let counts = [&one_url, &other_url].map(|url| raw::<u64>(url, &["DBSIZE"]));
    assert!(
        counts[0] > 1 && counts[1] > 1 && (40..=41).contains(&(counts[0] + counts[1])),
        "{counts:?}"
    );
    drop((one, other));
}

fn knows_all(url: &str) -> bool {
    let info: String = raw(url, &["CLUSTER", "INFO"]);
    info.contains("cluster_state:ok")
        && info.contains("cluster_slots_ok:16384")
        && info.contains("cluster_known_nodes:2")
}

#[test]
fn sentinels_say_who_the_master_is_and_who_it_has_become() {
    let [port, replica_port, sentinel_port] = free_ports();
    let Some((mut master, master_url)) = on_port(port, &[]) else { return };
    let (replica, replica_url) = on_port(
        replica_port,
        &["--replicaof", "127.0.0.1", &port.to_string(), "--repl-diskless-sync-delay", "0"],
    )
    .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sentinel.conf");
    let text = format!(
        "port {sentinel_port}\nbind 127.0.0.1\nsentinel monitor main 127.0.0.1 {port} 1\n\
         sentinel down-after-milliseconds main 3000\nsentinel failover-timeout main 3000\n"
    );
    std::fs::write(&file, text).unwrap();
    let sentinel = Valkey::start_in(folder, &["{dir}/sentinel.conf", "--sentinel"]).unwrap();
    let sentinel_url = format!("redis://127.0.0.1:{sentinel_port}");
    wait_for(&sentinel_url);
    let deadline = Instant::now() + Duration::from_secs(120);
    let until = |what: &str, holds: &dyn Fn() -> bool| {
        while !holds() {
            assert!(Instant::now() < deadline, "{what}");
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    until("the replica does not follow", &|| {
        raw::<String>(&replica_url, &["INFO", "replication"]).contains("master_link_status:up")
    });
    until("the sentinel does not see the replica", &|| {
        raw::<Vec<redis::Value>>(&sentinel_url, &["SENTINEL", "REPLICAS", "main"]).len() == 1
    });
    let store = connect(&format!("redis+sentinel://127.0.0.1:{sentinel_port}/main"));
    block_on(async {
        assert_eq!(
            take(&*store, &[demand(b"a", Bound::Total(5))], 0).await,
            TakeResult::All(vec![4])
        );
    });
    // The partition, and the sum of all rows.
    for url in [&master_url, &replica_url] {
        until("the master or the replica does not have both rows", &|| {
            try_raw::<u64>(url, &["DBSIZE"]).is_ok_and(|count| count == 2)
        });
    }
    master.kill();
    block_on(async {
        let taken = loop {
            match store.take(partition(""), vec![demand(b"a", Bound::Total(5))], at(0)).await {
                Ok(taken) => break taken,
                Err(error) => assert!(Instant::now() < deadline, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        assert_eq!(taken, TakeResult::All(vec![3]));
    });
    drop((replica, sentinel));
}
