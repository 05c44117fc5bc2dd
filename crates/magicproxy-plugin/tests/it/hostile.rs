//! One hostile guest for each bound: it fails, and the host goes on.

use std::cell::Cell;
use std::time::{Duration, Instant};

use magicproxy_core::plugin::{PluginHost, Verdict};
use magicproxy_plugin::{CallFailure, OnFailure};

use crate::guests::{ABSTAIN, ALLOW, Fixture, Parts, component, request, response, run, scope};

/// The guest fails in this way, quickly, and it does so again: its failure has changed nothing.
#[track_caller]
fn check(parts: &Parts, expected: impl Fn(&CallFailure) -> bool) {
    let fixture = Fixture::of(parts);
    run(async {
        for _ in 0..3 {
            let began = Instant::now();
            let report = fixture.host.ask(&fixture.name, &request("GET", "/"), scope("one")).await;
            let failure = report.outcome.expect_err("a verdict from a hostile guest");
            assert!(expected(&failure), "{failure:?}");
            assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
            let verdict =
                fixture.host.decide(&fixture.name, &request("GET", "/"), scope("one")).await;
            assert_eq!(verdict, Verdict::Deny("the plugin failed".to_owned()));
        }
    });
    // Counted for the metrics, in words that they list.
    let failed = fixture.host.failed_calls();
    let page = include_str!("../../../../docs/reference/metrics.md");
    let row = page.lines().find(|line| line.contains("`magicproxy_plugin_failures_total` | `"));
    for calls in &failed {
        assert_eq!(calls.plugin, fixture.name);
        assert!(row.unwrap().contains(&format!("`{}`", calls.reason)), "{}", calls.reason);
    }
    assert_eq!(failed.iter().map(|calls| calls.count).sum::<u64>(), 3, "{failed:?}");
}

/// One of the bounds ended it; on a machine with too much to do, it may be the clock on the wall.
fn is_bounded(outcome: &Result<Verdict, CallFailure>) -> bool {
    matches!(
        outcome,
        Err(CallFailure::OutOfFuel(_) | CallFailure::OutOfTime(_) | CallFailure::OutOfPatience(_))
    )
}

#[test]
fn infinite_loop_without_fuel() {
    check(&Parts { decide: "(loop $l (br $l)) (unreachable)", ..Parts::default() }, |failure| {
        matches!(failure, CallFailure::OutOfFuel(50_000_000) | CallFailure::OutOfTime(_))
    });
}

#[test]
fn infinite_loop_with_much_fuel() {
    let guest = component(&Parts { decide: "(loop $l (br $l)) (unreachable)", ..Parts::default() });
    let fixture = Fixture::with(&guest, |plugin| plugin.limits.fuel = u64::MAX);
    let report = run(fixture.host.ask(&fixture.name, &request("GET", "/"), scope("one")));
    assert_eq!(report.outcome, Err(CallFailure::OutOfTime(Duration::from_millis(20))));
    assert!(
        (Duration::from_millis(20)..Duration::from_millis(200)).contains(&report.spent),
        "{:?}",
        report.spent
    );
}

#[test]
fn a_busy_guest_gives_way() {
    let guest = component(&Parts { decide: "(loop $l (br $l)) (unreachable)", ..Parts::default() });
    let fixture = Fixture::with(&guest, |plugin| {
        plugin.limits.fuel = u64::MAX;
        plugin.limits.time = Duration::from_millis(300);
    });
    run(async {
        let request = request("GET", "/");
        let ended = Cell::new(false);
        let busy = async {
            let report = fixture.host.ask(&fixture.name, &request, scope("one")).await;
            ended.set(true);
            report
        };
        let others = async {
            let mut turns = 0;
            while !ended.get() {
                tokio::task::yield_now().await;
                turns += 1;
            }
            turns
        };
        let (report, turns) = tokio::join!(busy, others);
        assert!(is_bounded(&report.outcome), "{report:?}");
        // A millisecond or two on a quiet machine; this one need not be. What is counted is the thread's own time.
        let stretch = report.spent / turns;
        assert!(stretch < Duration::from_millis(15), "{turns} turns in {:?}", report.spent);
    });
}

#[test]
fn unreachable() {
    check(&Parts { decide: "(unreachable)", ..Parts::default() }, |failure| {
        matches!(failure, CallFailure::Trapped(_))
    });
}

#[test]
fn access_out_of_bounds() {
    check(
        &Parts { decide: "(i32.load (i32.const -4))", ..Parts::default() },
        |failure| matches!(failure, CallFailure::Trapped(text) if text.contains("out of bounds")),
    );
}

#[test]
fn stack_overflow() {
    let parts = Parts {
        module: "(func $f (call $f) (call $f))",
        decide: "(call $f) (unreachable)",
        ..Parts::default()
    };
    check(&parts, |failure| *failure == CallFailure::StackOverflow);
}

#[test]
fn memory_bomb() {
    let decide =
        "(loop $l (br_if $l (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) (unreachable)";
    check(&Parts { decide, ..Parts::default() }, |failure| {
        *failure == CallFailure::OutOfMemory(16 * 1024 * 1024)
    });
}

#[test]
fn memory_is_had_up_to_the_limit_and_no_further() {
    // 4 pages at first, 256 are allowed: 252 more go, and then not one.
    let decide = "(if (i32.ne (memory.grow (i32.const 252)) (i32.const 4)) (then (unreachable)))
        (i32.store (i32.const 0xfffffc) (i32.const 7))
        (if (i32.ne (memory.grow (i32.const 1)) (i32.const -1)) (then (unreachable)))";
    let fixture = Fixture::of(&Parts { decide: &format!("{decide} {ALLOW}"), ..Parts::default() });
    let report = run(fixture.host.ask(&fixture.name, &request("GET", "/"), scope("one")));
    assert_eq!(report.outcome, Ok(Verdict::Allow));
}

#[test]
fn table_bomb() {
    let parts = Parts {
        module: "(table $t 1 funcref)",
        decide: "(loop $l (br_if $l (i32.ne (table.grow $t (ref.null func) (i32.const 1000)) (i32.const -1)))) (unreachable)",
        ..Parts::default()
    };
    check(&parts, |failure| matches!(failure, CallFailure::Trapped(_)));
}

const GET: &str =
    r#"(import "magicproxy:plugin/state@1.0.0" "get" (func $get (param i32 i32 i32)))"#;
const WRITE: &str =
    r#"(import "magicproxy:plugin/log@1.0.0" "write" (func $write (param i32 i32 i32)))"#;
const NOW: &str = r#"(import "magicproxy:plugin/clock@1.0.0" "now" (func $now (result i64)))"#;

#[test]
fn flood_of_state_calls() {
    let decide =
        "(loop $l (call $get (i32.const 64) (i32.const 1) (i32.const 512)) (br $l)) (unreachable)";
    check(&Parts { module: GET, decide, ..Parts::default() }, |failure| {
        *failure == CallFailure::TooManyStateCalls(64)
    });
}

#[test]
fn flood_of_the_log() {
    let decide = "(loop $l (call $write (i32.const 1) (i32.const 256) (i32.const 5000)) (br $l)) (unreachable)";
    let parts = Parts { module: WRITE, decide, ..Parts::default() };
    check(&parts, |failure| *failure == CallFailure::LogFlood);
    let fixture = Fixture::of(&parts);
    let report = run(fixture.host.ask(&fixture.name, &request("GET", "/"), scope("one")));
    assert_eq!(report.lines.len(), 17);
    assert!(report.lines.iter().all(|line| line.text.len() <= 1024 && !line.text.contains('\0')));
}

#[test]
fn flood_of_cheap_calls() {
    let decide = "(loop $l (drop (call $now)) (br $l)) (unreachable)";
    check(&Parts { module: NOW, decide, ..Parts::default() }, |failure| {
        matches!(failure, CallFailure::OutOfTime(_) | CallFailure::OutOfFuel(_))
    });
}

#[test]
fn strings_that_are_too_long_or_nowhere() {
    let long = "(call $write (i32.const 1) (i32.const 0) (i32.const 200000)) (unreachable)";
    let trapped = |failure: &CallFailure| matches!(failure, CallFailure::Trapped(_));
    check(&Parts { module: WRITE, decide: long, ..Parts::default() }, trapped);
    let gigabyte = "(call $write (i32.const 1) (i32.const 0) (i32.const 0x40000000)) (unreachable)";
    check(&Parts { module: WRITE, decide: gigabyte, ..Parts::default() }, trapped);
    let no_text = r#"(i32.store8 (i32.const 512) (i32.const 0xff))
        (call $write (i32.const 1) (i32.const 512) (i32.const 1)) (unreachable)"#;
    check(&Parts { module: WRITE, decide: no_text, ..Parts::default() }, trapped);
}

/// A verdict at 512 that denies, with so many bytes of zeros as its reason.
fn long_reason(bytes: u32) -> String {
    format!(
        "(i32.store8 (i32.const 512) (i32.const 1)) (i32.store (i32.const 516) (i32.const 65536))
         (i32.store (i32.const 520) (i32.const {bytes})) (i32.const 512)"
    )
}

#[test]
fn reasons_without_end() {
    let fixture = Fixture::of(&Parts { decide: &long_reason(100_000), ..Parts::default() });
    let report = run(fixture.host.ask(&fixture.name, &request("GET", "/"), scope("one")));
    assert!(
        matches!(&report.outcome, Ok(Verdict::Deny(reason)) if reason.len() <= 512 && reason.contains("u{0}")),
        "{report:?}"
    );
    for bytes in [200_000, 0x4000_0000, u32::MAX] {
        check(&Parts { decide: &long_reason(bytes), ..Parts::default() }, |failure| {
            matches!(failure, CallFailure::Trapped(_))
        });
    }
}

#[test]
fn a_verdict_that_is_none() {
    let decide = "(i32.store8 (i32.const 512) (i32.const 9)) (i32.const 512)";
    check(&Parts { decide, ..Parts::default() }, |failure| {
        matches!(failure, CallFailure::Trapped(_))
    });
    check(&Parts { decide: "(i32.const 0x7ffffff0)", ..Parts::default() }, |failure| {
        matches!(failure, CallFailure::Trapped(_))
    });
}

#[test]
fn nothing_goes_from_one_call_to_the_next() {
    // It allows the second request that it sees, and no request is ever its second.
    let decide = format!(
        "(i32.store (i32.const 512) (i32.add (i32.load (i32.const 512)) (i32.const 1)))
         (if (result i32) (i32.eq (i32.load (i32.const 512)) (i32.const 1)) (then {ABSTAIN}) (else {ALLOW}))"
    );
    let fixture = Fixture::of(&Parts { decide: &decide, ..Parts::default() });
    run(async {
        for _ in 0..600 {
            let verdict =
                fixture.host.decide(&fixture.name, &request("GET", "/"), scope("one")).await;
            assert_eq!(verdict, Verdict::Abstain);
        }
    });
}

#[test]
fn memory_that_was_grown_is_wiped() {
    let decide = format!(
        "(drop (memory.grow (i32.const 200)))
         (if (result i32) (i32.load (i32.const 0x800000)) (then {ALLOW})
            (else (i32.store (i32.const 0x800000) (i32.const 1)) {ABSTAIN}))"
    );
    let fixture = Fixture::of(&Parts { decide: &decide, ..Parts::default() });
    run(async {
        for _ in 0..600 {
            let verdict =
                fixture.host.decide(&fixture.name, &request("GET", "/"), scope("one")).await;
            assert_eq!(verdict, Verdict::Abstain);
        }
    });
}

#[test]
fn hundreds_of_hostile_calls_at_once() {
    let guest = component(&Parts { decide: "(loop $l (br $l)) (unreachable)", ..Parts::default() });
    let fixture = Fixture::with(&guest, |plugin| plugin.limits.fuel = 1_000_000);
    run(async {
        let mut calls = tokio::task::JoinSet::new();
        for _ in 0..600 {
            let (host, name) = (fixture.host.clone(), fixture.name.clone());
            calls.spawn(async move {
                host.ask(&name, &request("GET", "/"), scope("one")).await.outcome
            });
        }
        while let Some(outcome) = calls.join_next().await {
            let outcome = outcome.unwrap();
            assert!(is_bounded(&outcome), "{outcome:?}");
        }
    });
}

#[test]
fn a_failure_abstains_where_that_is_configured() {
    let parts = Parts { decide: "(unreachable)", observe: "(unreachable)", ..Parts::default() };
    let fixture =
        Fixture::with(&component(&parts), |plugin| plugin.on_failure = OnFailure::Abstain);
    run(async {
        let (request, response) = (request("GET", "/"), response(200, ""));
        assert_eq!(
            fixture.host.decide(&fixture.name, &request, scope("one")).await,
            Verdict::Abstain
        );
        assert!(fixture.host.observe(&fixture.name, &request, &response, scope("one")).await);
    });
    let fixture = Fixture::of(&parts);
    assert!(!run(fixture.host.observe(
        &fixture.name,
        &request("GET", "/"),
        &response(200, ""),
        scope("one")
    )));
}

#[test]
fn an_error_that_is_returned_is_never_passed_over() {
    let observe = "(i32.store8 (i32.const 512) (i32.const 1)) (i32.const 512)";
    let guest = component(&Parts { observe, ..Parts::default() });
    let fixture = Fixture::with(&guest, |plugin| plugin.on_failure = OnFailure::Abstain);
    assert!(!run(fixture.host.observe(
        &fixture.name,
        &request("GET", "/"),
        &response(200, ""),
        scope("one")
    )));
}
