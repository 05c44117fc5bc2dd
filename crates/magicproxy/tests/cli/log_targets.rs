//! The `target` of a log line is what operators filter by: no module that moves takes it along.

use std::collections::BTreeSet;
use std::path::Path;

/// All that there are.
const TARGETS: [&str; 28] = [
    "magicproxy::access",
    "magicproxy::cli::serve",
    "magicproxy::config",
    "magicproxy::config::fault",
    "magicproxy::failure",
    "magicproxy::headers",
    "magicproxy::keystore::watch",
    "magicproxy::logging",
    "magicproxy::mint",
    "magicproxy::plugin",
    "magicproxy::reload",
    "magicproxy::revocations::watch",
    "magicproxy::serve",
    "magicproxy::service_manager",
    "magicproxy::state",
    "magicproxy::tls::acme",
    "magicproxy::tls::dev",
    "magicproxy::tls::files",
    "magicproxy::upgrade",
    "magicproxy::upstream",
    "magicproxy::wire",
    "magicproxy::wire::signals",
    "magicproxy_plugin::cache",
    "magicproxy_plugin::guest",
    "magicproxy_plugin::host",
    "magicproxy_state::redb::shared",
    "magicproxy_state::redb::worker",
    "magicproxy_state::valkey::total",
];

/// Calls that write a line.
const EVENTS: [&str; 5] = ["error!(", "warn!(", "info!(", "debug!(", "trace!("];

#[test]
fn targets_stay_when_modules_move() {
    let mut found = BTreeSet::new();
    for package in [
        "magicproxy",
        "magicproxy-config",
        "magicproxy-plugin",
        "magicproxy-proxy",
        "magicproxy-state",
    ] {
        let sources =
            Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(package).join("src");
        look_into(&sources, &package.replace('-', "_"), &mut found);
    }
    assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), TARGETS);
}

fn look_into(folder: &Path, module: &str, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let inner = if ["lib", "main"].contains(&name.as_str()) {
            module.to_owned()
        } else {
            format!("{module}::{name}")
        };
        if name == "tests" {
            continue;
        }
        if path.is_dir() {
            look_into(&path, &inner, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            note_events(&std::fs::read_to_string(path).unwrap(), &inner, found);
        }
    }
}

/// What an event says of its target, or its module, which is its target then.
fn note_events(source: &str, module: &str, found: &mut BTreeSet<String>) {
    let source = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    for call in source.split("tracing::").skip(1) {
        let Some(arguments) = EVENTS.iter().find_map(|event| call.strip_prefix(event)) else {
            continue;
        };
        let arguments = arguments.trim_start();
        let unnamed = arguments.strip_prefix("name: \"").and_then(|named| named.split_once("\","));
        let arguments = unnamed.map_or(arguments, |(_, rest)| rest.trim_start());
        match arguments.strip_prefix("target: ").map(|said| said.strip_prefix('"')) {
            Some(Some(said)) => found.insert(said.split('"').next().unwrap_or_default().to_owned()),
            // A constant moves with nothing.
            Some(None) => continue,
            None => found.insert(module.to_owned()),
        };
    }
}
