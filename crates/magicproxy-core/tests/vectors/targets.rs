//! `request-target.json`.

use std::collections::BTreeSet;

use magicproxy_core::{EncodedSlash, PathReading, PathSettings, RequestTarget};
use serde::Deserialize;

use crate::files;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "specification")]
    _specification: String,
    #[serde(rename = "note")]
    _note: String,
    cases: Vec<Case>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    #[serde(rename = "section")]
    _section: String,
    #[serde(rename = "why")]
    _why: Option<String>,
    target: Option<String>,
    target_hex: Option<String>,
    target_repeat: Option<(String, String, usize, String)>,
    encoded_slash: Option<String>,
    path_reading: Option<String>,
    path: Option<String>,
    query: Option<String>,
    readings: Option<Vec<String>>,
    error: Option<String>,
}

#[test]
fn request_targets() {
    let file: File = files::read("vectors/request-target.json");
    assert!(file.cases.len() > 150);
    let failures: Vec<String> = file.cases.iter().filter_map(|case| run(case).err()).collect();
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

fn run(case: &Case) -> Result<(), String> {
    let modes = match &case.encoded_slash {
        Some(name) => vec![files::encoded_slash(name)],
        None => vec![EncodedSlash::Refuse, EncodedSlash::Both, EncodedSlash::Opaque],
    };
    let reading = case.path_reading.as_deref().map_or(PathReading::Strict, files::path_reading);
    modes
        .into_iter()
        .try_for_each(|encoded_slash| run_in(case, PathSettings { encoded_slash, reading }))
}

fn run_in(case: &Case, mode: PathSettings) -> Result<(), String> {
    let text = target_of(case);
    let shown = String::from_utf8_lossy(&text).chars().take(60).collect::<String>();
    let differs = |what: &str| Err(format!("{shown:?} {mode:?}: {what}"));
    let target = match (RequestTarget::parse(&text, mode), &case.error) {
        (Err(error), Some(expected)) if error.code() == expected => return Ok(()),
        (Err(error), _) => {
            return differs(&format!("refused {}, expected {:?}", error.code(), case.error));
        }
        (Ok(_), Some(expected)) => return differs(&format!("accepted, expected {expected}")),
        (Ok(target), None) => target,
    };
    if case.target_repeat.is_some() {
        return Ok(());
    }
    let path = case.path.as_ref().or(case.target.as_ref()).unwrap();
    if target.path() != path || target.query() != case.query.as_deref() {
        return differs(&format!("became {target}"));
    }
    // The order of the further readings says nothing; the first is what is sent.
    let readings: Vec<&str> = target.readings().collect();
    let expected: Vec<&str> = case
        .readings
        .as_ref()
        .map_or(vec![path.as_str()], |all| all.iter().map(String::as_str).collect());
    if readings.first() != expected.first()
        || BTreeSet::from_iter(&readings) != BTreeSet::from_iter(&expected)
    {
        return differs(&format!("reads as {readings:?}"));
    }
    Ok(())
}

fn target_of(case: &Case) -> Vec<u8> {
    match (&case.target, &case.target_hex, &case.target_repeat) {
        (Some(text), None, None) => text.clone().into_bytes(),
        (None, Some(hex), None) => hex
            .as_bytes()
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect(),
        (None, None, Some((start, unit, times, end))) => {
            format!("{start}{}{end}", unit.repeat(*times)).into_bytes()
        }
        _ => panic!("exactly one target: {case:?}"),
    }
}
