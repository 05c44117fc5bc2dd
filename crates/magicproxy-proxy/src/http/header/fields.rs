//! The list of request fields that pass to an upstream, compiled once. `docs/spec/upstreams.md` section 10.
//!
//! A field that is not on it is dropped, from the head and from the trailer section. Tokens and rules never add to it.

use std::collections::HashMap;
use std::sync::Arc;

use http::HeaderName;

use super::is_forbidden_trailer;
use super::standard::STANDARD;
use super::stripped::StrippedCarriers;
use crate::field_names::Meaning;
use crate::settings::{CarrierSubprotocol, PassedHeader, UpstreamSettings};

/// Who put a field on the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListingSource {
    /// Every upstream gets it.
    Standard,
    /// The upstream's preset.
    Preset,
    /// The operator: `pass_request_headers`.
    Operator,
}

/// What becomes of a client's request field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// It is passed on.
    Passes(ListingSource),
    /// It is not on the list.
    Unlisted,
    /// The operator drops it: `drop_request_headers`.
    Dropped,
    /// No upstream ever gets it.
    Never(Meaning),
}

/// The request fields that one upstream gets, as a set.
#[derive(Debug, Default)]
pub struct RequestFields {
    names: Names,
    /// Of the preset.
    prefixes: Vec<String>,
    /// What the operator drops.
    dropped: Vec<HeaderName>,
    /// Where tokens and credentials of any upstream stand.
    carriers: Arc<[HeaderName]>,
    /// What subprotocols of a WebSocket begin with in which tokens of any upstream stand.
    subprotocols: Arc<[CarrierSubprotocol]>,
}

impl RequestFields {
    /// The list of `upstream`, which is one of `all`.
    #[must_use]
    pub fn of(upstream: &UpstreamSettings, all: &[Arc<UpstreamSettings>]) -> Self {
        Self::new(upstream, &StrippedCarriers::new(upstream, all))
    }

    /// The list of an upstream, without the fields in which tokens and credentials stand.
    pub(crate) fn new(upstream: &UpstreamSettings, stripped: &StrippedCarriers) -> Self {
        let carriers = &stripped.headers;
        let listed = |headers: &[PassedHeader], by: ListingSource| {
            headers
                .iter()
                .filter_map(|header| header.name().cloned())
                .map(|name| (name, by))
                .collect::<Vec<_>>()
        };
        let mut names: HashMap<HeaderName, ListingSource> = HashMap::new();
        names.extend(listed(&upstream.pass_request_headers, ListingSource::Operator));
        names.extend(listed(&upstream.preset_request_headers, ListingSource::Preset));
        names.extend(STANDARD.map(|name| (HeaderName::from_static(name), ListingSource::Standard)));
        let dropped = upstream.drop_request_headers.clone();
        names.retain(|name, _| !dropped.contains(name) && !carriers.contains(name));
        let prefixes = upstream
            .preset_request_headers
            .iter()
            .filter_map(|header| header.prefix().map(str::to_owned));
        Self {
            names: Names::of(names),
            prefixes: prefixes.collect(),
            dropped,
            carriers: Arc::clone(carriers),
            subprotocols: Arc::clone(&stripped.subprotocols),
        }
    }

    /// Does the upstream get this field?
    pub(crate) fn passes(&self, name: &HeaderName) -> bool {
        self.names.get(name).is_some() || self.passes_by_prefix(name)
    }

    /// Does the upstream get this field in a trailer section?
    pub(crate) fn passes_as_trailer(&self, name: &HeaderName) -> bool {
        self.passes(name) && !is_forbidden_trailer(name) && !modifies_request(name)
    }

    fn passes_by_prefix(&self, name: &HeaderName) -> bool {
        self.prefixes.iter().any(|prefix| name.as_str().starts_with(prefix.as_str()))
            && Meaning::of(name).is_none()
            && !self.dropped.contains(name)
            && !self.carriers.contains(name)
    }

    /// Does the operator drop this field?
    pub(crate) fn is_dropped_by_operator(&self, name: &HeaderName) -> bool {
        self.dropped.contains(name)
    }

    /// Do tokens or credentials of a configured upstream stand in this field?
    pub(crate) fn carries_tokens(&self, name: &HeaderName) -> bool {
        self.carriers.contains(name)
    }

    /// Is this item of `Sec-WebSocket-Protocol` a key in the place of a name, for any configured upstream?
    pub(super) fn is_key_subprotocol(&self, item: &str) -> bool {
        self.subprotocols.iter().any(|prefix| prefix.key_in(item).is_some())
    }

    /// What becomes of a field, and why. A field that `Connection` names is dropped besides.
    #[must_use]
    pub fn treatment(&self, name: &HeaderName) -> Treatment {
        if let Some(by) = self.names.get(name) {
            return Treatment::Passes(by);
        }
        if self.passes_by_prefix(name) {
            return Treatment::Passes(ListingSource::Preset);
        }
        match Meaning::of(name) {
            Some(meaning) => Treatment::Never(meaning),
            None if self.carriers.contains(name) => Treatment::Never(Meaning::Carrier),
            None if self.dropped.contains(name) => Treatment::Dropped,
            None => Treatment::Unlisted,
        }
    }

    /// The list, sorted; `PREFIX-*` for the fields of one client library.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let names = self.names.iter().map(ToString::to_string);
        let mut names: Vec<String> =
            names.chain(self.prefixes.iter().map(|prefix| format!("{prefix}*"))).collect();
        names.sort_unstable();
        names
    }
}

/// Names with who listed them, by the length of their texts: names of one length are few, and comparing them costs less than
/// hashing one.
#[derive(Debug, Default)]
struct Names(Vec<Vec<(HeaderName, ListingSource)>>);

impl Names {
    fn of(listed: HashMap<HeaderName, ListingSource>) -> Self {
        let longest = listed.keys().map(|name| name.as_str().len()).max().unwrap_or_default();
        let of_length =
            |length| listed.iter().filter(move |(name, _)| name.as_str().len() == length);
        Self(
            (0..=longest)
                .map(|length| of_length(length).map(|(name, by)| (name.clone(), *by)).collect())
                .collect(),
        )
    }

    fn get(&self, name: &HeaderName) -> Option<ListingSource> {
        let same_length = self.0.get(name.as_str().len())?;
        same_length.iter().find(|(listed, _)| listed == name).map(|(_, by)| *by)
    }

    fn iter(&self) -> impl Iterator<Item = &HeaderName> {
        self.0.iter().flatten().map(|(name, _)| name)
    }
}

/// RFC 9110 section 6.5.1: what decides how a request is carried out cannot come behind it.
fn modifies_request(name: &HeaderName) -> bool {
    let text = name.as_str();
    matches!(text, "idempotency-key" | "prefer" | "early-data" | "pragma" | "origin")
        || ["accept", "if-", "sec-", "mcp-"].iter().any(|prefix| text.starts_with(prefix))
}
