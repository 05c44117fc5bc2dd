//! Runs `testdata/recorded`: what rules make of the requests of real clients.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::naive_conditions::{Outcome, Plus, SampleRequest, judge};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/recorded")
}

fn read(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// The recorded requests by the names of their files.
fn recorded() -> BTreeMap<String, Value> {
    let files = fs::read_dir(folder().join("requests")).unwrap().map(|file| file.unwrap().path());
    files
        .map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), read(&path)))
        .collect()
}

fn outcomes(wish: &Value) -> Vec<(String, String)> {
    let allowed = wish["allows"].as_array().unwrap().iter();
    let refused = wish.get("refuses").and_then(Value::as_object).into_iter().flatten();
    let allowed = allowed.map(|name| (name.as_str().unwrap().to_owned(), "true".to_owned()));
    allowed
        .chain(refused.map(|(name, why)| (name.clone(), why[0].as_str().unwrap().to_owned())))
        .collect()
}

#[test]
fn recorded_requests_are_judged_as_listed() {
    let recorded = recorded();
    let rules = read(&folder().join("rules.json"));
    let mut used = BTreeSet::new();
    for wish in rules["wishes"].as_array().unwrap() {
        for (name, expected) in outcomes(wish) {
            let request = sample(&recorded[&name], wish);
            let outcome = judge(&wish["rule"], &request);
            assert_eq!(outcome.kind(), expected, "{name}, {}: {outcome:?}", wish["wish"]);
            used.insert(name);
        }
    }
    let all: BTreeSet<String> = recorded.into_keys().collect();
    assert_eq!(used, all, "each recorded request is one of a wish");
}

/// A request with another type or coding is refused, whatever was recorded.
#[test]
fn a_recorded_body_under_another_type_is_unknown() {
    let recorded = recorded();
    let rules = read(&folder().join("rules.json"));
    for wish in rules["wishes"].as_array().unwrap() {
        let inspects =
            ["json", "json_each", "form"].iter().any(|kind| wish["rule"].get(*kind).is_some());
        for name in wish["allows"].as_array().unwrap().iter().filter(|_| inspects) {
            let request = sample(&recorded[name.as_str().unwrap()], wish);
            for fields in [
                vec![("content-type", "text/plain")],
                vec![],
                vec![("content-type", "application/json"), ("content-type", "application/json")],
                vec![("content-type", "application/json; charset=utf-16")],
            ] {
                let headers =
                    fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
                let changed = SampleRequest { headers: headers.collect(), ..request.clone() };
                assert_eq!(
                    judge(&wish["rule"], &changed),
                    Outcome::Unknown(vec!["body_type"]),
                    "{name}, {}",
                    wish["wish"]
                );
            }
        }
    }
}

fn sample(recorded: &Value, wish: &Value) -> SampleRequest {
    let target = recorded["target"].as_str().unwrap();
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query.as_bytes().to_vec())),
        None => (target, None),
    };
    let headers: &Map<String, Value> = recorded["headers"].as_object().unwrap();
    let headers =
        headers.iter().map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()));
    let body = match recorded.get("body") {
        Some(text) => text.as_str().unwrap().as_bytes().to_vec(),
        // No body of another kind is inspected.
        None => recorded["body_base64"].as_str().unwrap().as_bytes().to_vec(),
    };
    SampleRequest {
        query,
        headers: headers.collect(),
        captures: wish["rule"]["route"]
            .as_str()
            .map(|route| captures(route, path))
            .unwrap_or_default(),
        body,
        plus: if wish.get("query_plus").is_some() { Plus::Blank } else { Plus::Both },
    }
}

/// The captures of a template, of which `{x*}` is the last.
fn captures(route: &str, path: &str) -> BTreeMap<String, String> {
    let mut rest = path.split('/');
    let mut found = BTreeMap::new();
    for segment in route.split('/') {
        let next = rest.next().unwrap();
        let Some(name) = segment.strip_prefix('{').and_then(|name| name.strip_suffix('}')) else {
            assert_eq!(segment, next, "{path} is none of {route}");
            continue;
        };
        let all = std::iter::once(next).chain(rest.clone());
        match name.strip_suffix('*') {
            Some(name) => {
                found.insert(name.to_owned(), all.collect::<Vec<_>>().join("/"));
                return found;
            }
            None => drop(found.insert(name.to_owned(), next.to_owned())),
        }
    }
    assert_eq!(rest.next(), None, "{path} is none of {route}");
    found
}
