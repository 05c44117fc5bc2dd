//! What plugins remember: for whom, for how long, how much, and what happens when the store does not answer.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use magicproxy_core::UnixTime;
use magicproxy_core::plugin::{PluginHost, Verdict};
use magicproxy_plugin::CallFailure;

use crate::guests::{ABSTAIN, ALLOW, Fixture, NOW, Parts, request, response, run, scope};

/// `GET` allows what `on-response` has set; the entry's name is the byte at 64, its value 4 zero bytes.
fn remembers() -> Fixture {
    let module = r#"
        (import "magicproxy:plugin/state@1.0.0" "get" (func $get (param i32 i32 i32)))
        (import "magicproxy:plugin/state@1.0.0" "set" (func $set (param i32 i32 i32 i32 i32 i64 i32)))"#;
    // result<option<list<u8>>, error>: 0 at 512 is ok, 1 at 516 is some.
    let decide = format!(
        "(call $get (i32.const 64) (i32.const 1) (i32.const 512))
         (if (i32.load8_u (i32.const 512)) (then (unreachable)))
         (if (result i32) (i32.load8_u (i32.const 516)) (then {ALLOW}) (else {ABSTAIN}))"
    );
    // For 60 seconds. What `set` returns is what is returned, but for an error that becomes an empty reason.
    let observe =
        "(call $set (i32.const 64) (i32.const 1) (i32.const 600) (i32.const 4) (i32.const 1) (i64.const 60) (i32.const 512))
         (i32.store (i32.const 516) (i32.const 0)) (i32.store (i32.const 520) (i32.const 0)) (i32.const 512)";
    Fixture::of(&Parts { module, decide: &decide, observe, ..Parts::default() })
}

#[test]
fn it_is_the_owners_alone_and_ends() {
    let Fixture { host, name, .. } = &remembers();
    run(async {
        let (request, response) = (request("GET", "/"), response(201, ""));
        let mut one = scope("one");
        assert_eq!(host.decide(name, &request, one.clone()).await, Verdict::Abstain);
        assert!(host.observe(name, &request, &response, one.clone()).await);
        assert_eq!(host.decide(name, &request, one.clone()).await, Verdict::Allow);
        assert_eq!(host.decide(name, &request, scope("two")).await, Verdict::Abstain);
        one.now = UnixTime(NOW.0 + 59);
        assert_eq!(host.decide(name, &request, one.clone()).await, Verdict::Allow);
        one.now = UnixTime(NOW.0 + 60);
        assert_eq!(host.decide(name, &request, one.clone()).await, Verdict::Abstain);
    });
}

#[test]
fn it_ends_with_the_token() {
    let Fixture { host, name, .. } = &remembers();
    run(async {
        let mut short = scope("one");
        short.ends_at = UnixTime(NOW.0 + 10);
        assert!(host.observe(name, &request("GET", "/"), &response(201, ""), short.clone()).await);
        short.now = UnixTime(NOW.0 + 10);
        assert_eq!(host.decide(name, &request("GET", "/"), short).await, Verdict::Abstain);
    });
}

#[test]
fn a_store_that_fails_is_told_to_the_plugin() {
    let Fixture { host, name, store, .. } = &remembers();
    store.broken.store(true, Ordering::SeqCst);
    run(async {
        assert!(matches!(
            host.decide(name, &request("GET", "/"), scope("one")).await,
            Verdict::Deny(_)
        ));
        assert!(!host.observe(name, &request("GET", "/"), &response(201, ""), scope("one")).await);
    });
}

#[test]
fn a_store_that_hangs_is_not_waited_for() {
    let Fixture { host, name, store, .. } = &remembers();
    store.stuck.store(true, Ordering::SeqCst);
    let began = Instant::now();
    let report = run(host.ask(name, &request("GET", "/"), scope("one")));
    assert_eq!(report.outcome, Err(CallFailure::OutOfPatience(Duration::from_millis(2020))));
    assert!(began.elapsed() < Duration::from_secs(4));
    // Waiting is not running.
    assert!(report.spent < Duration::from_millis(20), "{:?}", report.spent);
    store.stuck.store(false, Ordering::SeqCst);
    assert_eq!(
        run(host.ask(name, &request("GET", "/"), scope("one"))).outcome,
        Ok(Verdict::Abstain)
    );
}

/// It sets 400 entries, and allows if it is told at some time that there is no more room; that it may not do it anew.
#[test]
fn there_is_an_end_to_it() {
    let module = r#"(import "magicproxy:plugin/state@1.0.0" "set" (func $set (param i32 i32 i32 i32 i32 i64 i32)))"#;
    let decide = format!(
        "(local $i i32)
         (block $full (loop $more
            (i32.store (i32.const 700) (i32.add (i32.const 0x2020) (i32.add
                (i32.and (local.get $i) (i32.const 63)) (i32.shl (i32.shr_u (local.get $i) (i32.const 6)) (i32.const 8)))))
            (call $set (i32.const 700) (i32.const 2) (i32.const 600) (i32.const 4) (i32.const 0) (i64.const 0) (i32.const 512))
            (br_if $full (i32.load8_u (i32.const 512)))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $more (i32.lt_u (local.get $i) (i32.const 400)))))
         (if (result i32) (i32.eq (i32.load8_u (i32.const 513)) (i32.const 3)) (then {ALLOW}) (else {ABSTAIN}))"
    );
    let guest = crate::guests::component(&Parts { module, decide: &decide, ..Parts::default() });
    let fixture = Fixture::with(&guest, |plugin| {
        plugin.limits.state_calls = 1000;
        plugin.limits.time = Duration::from_secs(5);
    });
    run(async {
        for _ in 0..2 {
            let report = fixture.host.ask(&fixture.name, &request("GET", "/"), scope("one")).await;
            assert_eq!(report.outcome, Ok(Verdict::Allow));
            assert_eq!(fixture.store.len(), 256);
        }
    });
}
