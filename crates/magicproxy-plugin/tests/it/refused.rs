//! Components that are refused before they are asked anything.

use magicproxy_plugin::LoadError;

use crate::guests::{Fixture, Parts, component};

#[track_caller]
fn check(bytes: &[u8], expected: &str) {
    let errors = Fixture::try_with(bytes, |_| {}).err().expect("it was loaded");
    let messages: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert!(matches!(errors.as_slice(), [LoadError::Plugin { .. }]), "{messages:?}");
    assert!(messages.concat().contains(expected), "{messages:?}");
    assert!(!messages.concat().contains('\n'), "{messages:?}");
}

#[test]
fn what_is_no_component() {
    check(b"", "not a component that can be run");
    check(b"#!/bin/sh\n", "not a component that can be run");
    check(&wat::parse_str("(module)").unwrap(), "core module, not a component");
    check(&wat::parse_str("(component)").unwrap(), "does not fit the world");
    let whole = component(&Parts::default());
    check(&whole[..whole.len() / 2], "not a component that can be run");
}

#[test]
fn damaged_components_are_loaded_or_refused_and_nothing_worse() {
    let whole = component(&Parts::default());
    for at in (8..whole.len()).step_by(7) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x41;
        let _ = Fixture::try_with(&damaged, |_| {});
    }
}

#[test]
fn machine_code_is_not_run() {
    let mut engine = wasmtime::Config::new();
    engine.epoch_interruption(true).consume_fuel(true);
    let engine = wasmtime::Engine::new(&engine).unwrap();
    check(
        &engine.precompile_component(&component(&Parts::default())).unwrap(),
        "it is machine code",
    );
}

#[test]
fn imports_that_plugins_do_not_have() {
    let wasi = r#"(component (import "wasi:filesystem/preopens@0.2.3" (instance)))"#;
    check(
        &wat::parse_str(wasi).unwrap(),
        "imports `wasi:filesystem/preopens@0.2.3`, which a plugin does not have; build it without WASI",
    );
    let other = r#"(component (import "magicproxy:plugin/network@1.0.0" (instance)))"#;
    check(&wat::parse_str(other).unwrap(), "imports `magicproxy:plugin/network@1.0.0`");
    let newer = r#"(component (import "magicproxy:plugin/state@2.0.0" (instance)))"#;
    check(&wat::parse_str(newer).unwrap(), "this proxy knows version 1.0.0");
    let bare = r#"(component (import "secret" (func)))"#;
    check(&wat::parse_str(bare).unwrap(), "imports `secret`");
}

#[test]
fn more_of_webassembly_than_plugins_have() {
    for module in ["(memory $m i64 1)", "(memory $m 1)", "(type $a (array i8))"] {
        let text = format!(r#"(component (core module (memory 1) {module}))"#);
        check(&wat::parse_str(text).unwrap(), "not a component that can be run");
    }
    check(
        &wat::parse_str(r#"(component (core module (memory 1 1 shared)))"#).unwrap(),
        "not a component that can be run",
    );
}

#[test]
fn memory_beyond_the_limit_at_the_start() {
    check(&component(&Parts { pages: 300, ..Parts::default() }), "it");
    let errors =
        Fixture::try_with(&component(&Parts { pages: 17, ..Parts::default() }), |plugin| {
            plugin.limits.memory = 1024 * 1024;
        });
    assert!(errors.is_err());
}

#[test]
fn interests_that_trap_or_never_end() {
    check(
        &component(&Parts { interests: "(unreachable)", ..Parts::default() }),
        "asked for its interests, it stopped",
    );
    check(
        &component(&Parts { interests: "(loop $l (br $l))", ..Parts::default() }),
        "asked for its interests, it did more than",
    );
}

/// The list of request fields has one member, which is this text.
fn interested_in(name: &str) -> Vec<u8> {
    let parts = Parts {
        module: &format!(r#"(data (i32.const 2048) "{name}")"#),
        interests: &format!(
            "(i32.store (i32.const 128) (i32.const 1024)) (i32.store (i32.const 132) (i32.const 1))
             (i32.store (i32.const 1024) (i32.const 2048)) (i32.store (i32.const 1028) (i32.const {}))",
            name.len()
        ),
        ..Parts::default()
    };
    component(&parts)
}

#[test]
fn interest_in_what_is_never_shown() {
    assert!(Fixture::try_with(&interested_in("user-agent"), |_| {}).is_ok());
    check(&interested_in("authorization"), "the field `authorization`, which can bear a token");
    check(&interested_in("cookie"), "never shown");
    check(&interested_in("Accept"), "not the name of a field");
    check(&interested_in("a b"), "not the name of a field");
    check(&interested_in(""), "not the name of a field");
}

#[test]
fn interest_in_too_much() {
    let many =
        "(i32.store (i32.const 128) (i32.const 1024)) (i32.store (i32.const 132) (i32.const 33))";
    check(
        &component(&Parts { interests: many, ..Parts::default() }),
        "33 fields; expected at most 32",
    );
    let endless = "(i32.store (i32.const 128) (i32.const 1024)) (i32.store (i32.const 132) (i32.const 0x1fffffff))";
    check(
        &component(&Parts { interests: endless, ..Parts::default() }),
        "asked for its interests, it stopped",
    );
}

#[cfg(unix)]
#[test]
fn files_that_are_not_the_operators() {
    use std::os::unix::fs::PermissionsExt;

    let fixture = Fixture::of(&Parts::default());
    let file = fixture.folder.path().join("guest.wasm");
    let load = |file: &std::path::Path| {
        let name = fixture.name.clone();
        let plugin = magicproxy_plugin::PluginSettings::new(name, file.to_owned());
        let settings =
            magicproxy_plugin::HostSettings { plugins: vec![plugin], ..Default::default() };
        magicproxy_plugin::Host::new(settings)
            .err()
            .map(|errors| errors[0].to_string())
            .unwrap_or_default()
    };
    assert_eq!(load(&file), "");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o666)).unwrap();
    assert!(load(&file).contains("everybody may write to it"));
    assert!(load(fixture.folder.path()).contains("not a regular file"));
    assert!(load("/dev/zero".as_ref()).contains("not a regular file"));
    assert!(load(&fixture.folder.path().join("none")).contains("cannot read it"));
}
