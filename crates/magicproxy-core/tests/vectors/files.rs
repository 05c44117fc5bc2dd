//! Where the vectors are, and the words that they share.

use std::path::PathBuf;

use magicproxy_core::{EncodedSlash, PathReading, PatternMode};
use serde::de::DeserializeOwned;

pub(crate) fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../testdata").join(name)
}

pub(crate) fn read<T: DeserializeOwned>(name: &str) -> T {
    let text = std::fs::read_to_string(path(name)).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

pub(crate) fn encoded_slash(name: &str) -> EncodedSlash {
    match name {
        "refuse" => EncodedSlash::Refuse,
        "both" => EncodedSlash::Both,
        "opaque" => EncodedSlash::Opaque,
        other => panic!("encoded_slash `{other}`"),
    }
}

pub(crate) fn path_reading(name: &str) -> PathReading {
    match name {
        "strict" => PathReading::Strict,
        "decode-once" => PathReading::DecodeOnce,
        "servlet" => PathReading::Servlet,
        "normalize" => PathReading::Normalize,
        other => panic!("path_reading `{other}`"),
    }
}

pub(crate) fn pattern_mode(name: Option<&str>) -> PatternMode {
    match name {
        None | Some("whole") => PatternMode::Whole,
        Some("danger_prefix") => PatternMode::DangerPrefix,
        Some(other) => panic!("mode `{other}`"),
    }
}
