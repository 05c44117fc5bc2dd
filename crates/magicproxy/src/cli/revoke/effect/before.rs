//! The reach of a `before:` beyond tokens minted before, and its limits.

use magicproxy_core::{TokenVersion, UnixTime};

use super::KnownIds;
use crate::cli::time;
use magicproxy_config::config::Config;

/// Lists the remarks on a new entry.
pub(super) fn remarks(moment: UnixTime, beside: &KnownIds<'_>) -> Vec<String> {
    let mut said = Vec::new();
    if moment > beside.now {
        let (date, seconds) = (time::date(moment), moment.0 - beside.now.0);
        said.push(format!(
            "means tokens that are minted until {date}, too, for clocks may be so far apart: mint new ones in {seconds} s"
        ));
    }
    let seals = |version: &TokenVersion| *version == TokenVersion::V2;
    let accepts_sealed = |config: &Config| {
        config.upstreams.iter().any(|upstream| upstream.acceptance.versions.iter().any(seals))
    };
    // Without a configuration that can be read, sealed tokens may be accepted.
    if beside.config.is_none_or(accepts_sealed) {
        said.extend(sealed(moment, beside));
    }
    said
}

/// Lists the remarks on sealed tokens, whose makers choose the `iat` freely.
fn sealed(moment: UnixTime, beside: &KnownIds<'_>) -> Vec<String> {
    let retired_by_then =
        |retired: Option<UnixTime>| retired.is_some_and(|retired| retired <= moment);
    let keys = beside.keys.map(|keys| keys.ring.sealing()).unwrap_or_default();
    let (over, in_use): (Vec<_>, Vec<_>) = keys
        .iter()
        .filter(|key| key.is_usable(beside.now))
        .partition(|key| retired_by_then(key.lifetime().retired));
    let ids = |keys: &[_]| {
        keys.iter()
            .map(|key: &&magicproxy_core::SealingKey| key.public().id().to_string())
            .collect::<Vec<_>>()
            .join(", ")
    };
    let mut said = Vec::new();
    if !over.is_empty() {
        said.push(format!(
            "means all sealed tokens of keys that were retired by then, whatever they say: {}",
            ids(&over)
        ));
    }
    if !in_use.is_empty() || beside.keys.is_none() {
        let named = if in_use.is_empty() { String::new() } else { format!(" ({})", ids(&in_use)) };
        said.push(format!(
            "does not reach sealed tokens whose maker wrote a later `iat`, as whoever had the public key could, while their key is in \
             use{named}: `magicproxy keys rotate` and then `magicproxy revoke --before now` does, and so does `--key` of the old one"
        ));
    }
    said
}
