//! List of the request fields that pass to an upstream, compiled once. `docs/spec/upstreams.md`
//! section 10.
//!
//! A field that is not on the list is dropped, from the head and from the trailer section. Tokens
//! and rules never add to the list.

use std::collections::HashMap;
use std::sync::Arc;

use http::HeaderName;

use super::is_forbidden_trailer;
use super::standard::STANDARD;
use super::stripped::StrippedCarriers;
use crate::field_names::FieldMeaning;
use crate::settings::{CarrierSubprotocol, PassedHeader, UpstreamSettings};

/// Origin of a field's place on the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListingSource {
    /// The standard list, for every upstream.
    Standard,
    /// The upstream's preset.
    Preset,
    /// The operator: `pass_request_headers`.
    Operator,
}

/// Treatment of a client's request field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldTreatment {
    /// The field is passed on.
    Passes(ListingSource),
    /// The field is not on the list.
    Unlisted,
    /// The operator drops the field: `drop_request_headers`.
    Dropped,
    /// No upstream ever gets the field.
    Never(FieldMeaning),
}

/// Request fields that one upstream gets, as a set. Made once for each upstream. Credential and
/// `Host` are not in the set: the proxy sets both.
#[derive(Debug, Default)]
pub struct RequestFields {
    names: Names,
    /// Prefixes of names, from the preset.
    prefixes: Vec<String>,
    /// Fields that the operator drops.
    dropped: Vec<HeaderName>,
    /// Fields that carry tokens and credentials of any upstream.
    carriers: Arc<[HeaderName]>,
    /// Prefixes of WebSocket subprotocols that carry tokens of any upstream.
    subprotocols: Arc<[CarrierSubprotocol]>,
}

impl RequestFields {
    /// Makes the list of `upstream`, which is a member of `all`.
    #[must_use]
    pub fn of(upstream: &UpstreamSettings, all: &[Arc<UpstreamSettings>]) -> Self {
        Self::new(upstream, &StrippedCarriers::new(upstream, all))
    }

    /// Makes the list of an upstream, without the fields that carry tokens and credentials.
    pub(crate) fn new(upstream: &UpstreamSettings, stripped: &StrippedCarriers) -> Self {
        let carriers = &stripped.headers;
        let lists: [(&[PassedHeader], ListingSource); 2] = [
            (&upstream.pass_request_headers, ListingSource::Operator),
            (&upstream.preset_request_headers, ListingSource::Preset),
        ];
        let mut names: HashMap<HeaderName, ListingSource> = HashMap::new();
        for (headers, by) in lists {
            for name in headers.iter().filter_map(PassedHeader::name) {
                names.insert(name.clone(), by);
            }
        }
        names.extend(STANDARD.map(|name| (HeaderName::from_static(name), ListingSource::Standard)));
        let dropped = upstream.drop_request_headers.clone();
        names.retain(|name, _| !dropped.contains(name) && !carriers.contains(name));
        let presets = upstream.preset_request_headers.iter();
        let prefixes = presets.filter_map(PassedHeader::prefix).map(str::to_owned).collect();
        Self {
            names: Names::of(names),
            prefixes,
            dropped,
            carriers: Arc::clone(carriers),
            subprotocols: Arc::clone(&stripped.subprotocols),
        }
    }

    /// True if the upstream gets this field.
    pub(crate) fn passes(&self, name: &HeaderName) -> bool {
        self.names.get(name).is_some() || self.passes_by_prefix(name)
    }

    /// True if the upstream gets this field in a trailer section.
    pub(crate) fn passes_as_trailer(&self, name: &HeaderName) -> bool {
        self.passes(name) && !is_forbidden_trailer(name) && !modifies_request(name)
    }

    fn passes_by_prefix(&self, name: &HeaderName) -> bool {
        self.prefixes.iter().any(|prefix| name.as_str().starts_with(prefix.as_str()))
            && FieldMeaning::of(name).is_none()
            && !self.dropped.contains(name)
            && !self.carriers.contains(name)
    }

    /// True if the operator drops this field.
    pub(crate) fn is_dropped_by_operator(&self, name: &HeaderName) -> bool {
        self.dropped.contains(name)
    }

    /// True if this field carries tokens or credentials of a configured upstream.
    pub(crate) fn carries_tokens(&self, name: &HeaderName) -> bool {
        self.carriers.contains(name)
    }

    /// True if this item of `Sec-WebSocket-Protocol` is a key in the place of a name, for any
    /// configured upstream.
    pub(super) fn is_key_subprotocol(&self, item: &str) -> bool {
        self.subprotocols.iter().any(|prefix| prefix.key_in(item).is_some())
    }

    /// Returns the treatment of a field, and the reason. A field that `Connection` names is dropped
    /// besides.
    #[must_use]
    pub fn treatment(&self, name: &HeaderName) -> FieldTreatment {
        if let Some(by) = self.names.get(name) {
            return FieldTreatment::Passes(by);
        }
        if self.passes_by_prefix(name) {
            return FieldTreatment::Passes(ListingSource::Preset);
        }
        match FieldMeaning::of(name) {
            Some(meaning) => FieldTreatment::Never(meaning),
            None if self.carriers.contains(name) => FieldTreatment::Never(FieldMeaning::Carrier),
            None if self.dropped.contains(name) => FieldTreatment::Dropped,
            None => FieldTreatment::Unlisted,
        }
    }

    /// Returns the list, sorted; `PREFIX-*` for the fields of one client library.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let names = self.names.iter().map(ToString::to_string);
        let mut names: Vec<String> =
            names.chain(self.prefixes.iter().map(|prefix| format!("{prefix}*"))).collect();
        names.sort_unstable();
        names
    }
}

/// Names with the origin of each, grouped by length: names of one length are few, and comparing a
/// few names costs less than hashing.
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

/// True if the field decides how a request is carried out, and so cannot come behind the request's
/// content (RFC 9110 section 6.5.1).
fn modifies_request(name: &HeaderName) -> bool {
    let text = name.as_str();
    matches!(text, "idempotency-key" | "prefer" | "early-data" | "pragma" | "origin")
        || ["accept", "if-", "sec-", "mcp-"].iter().any(|prefix| text.starts_with(prefix))
}
