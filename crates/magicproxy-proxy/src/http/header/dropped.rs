//! Log of dropped request fields: names, never values.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use http::HeaderName;
use magicproxy_core::UpstreamName;

use super::fields::RequestFields;
use crate::field_names::{FieldMeaning, is_of_the_exchange};
use crate::request_id::RequestId;

/// Most names of one upstream for which a warning is logged. Names come from clients.
const MOST: usize = 64;
/// Longest name that is shown, in bytes: a longer name may be a secret that somebody wrote into the
/// wrong place.
const MAX_LOGGED_NAME_BYTES: usize = 64;

/// Names for which the operator of one upstream was warned.
///
/// Reading takes no lock, and a name is added once in the life of the proxy.
#[derive(Debug)]
pub(crate) struct DroppedFields {
    upstream: UpstreamName,
    warned: [OnceLock<HeaderName>; MOST],
    full: AtomicBool,
}

impl DroppedFields {
    pub(crate) fn new(upstream: UpstreamName) -> Self {
        Self { upstream, warned: [const { OnceLock::new() }; MOST], full: AtomicBool::new(false) }
    }

    /// Makes a log of the fields that one request loses.
    pub(crate) fn of_request<'a>(
        &'a self,
        fields: &'a RequestFields,
        id: RequestId,
    ) -> DroppedOfRequest<'a> {
        let listing = tracing::enabled!(target: "magicproxy::headers", tracing::Level::DEBUG);
        DroppedOfRequest { all: self, fields, id, names: listing.then(String::new) }
    }

    /// Warns of a name, unless a warning was logged before.
    fn warn_once(&self, name: &HeaderName, fields: &RequestFields) {
        let (upstream, header) = (self.upstream.as_str(), name.as_str());
        if header.len() > MAX_LOGGED_NAME_BYTES
            || fields.passes(name)
            || fields.is_dropped_by_operator(name)
            || !self.is_new(name)
        {
            return;
        }
        match FieldMeaning::of(name) {
            None => tracing::warn!(
                name: "header_dropped",
                target: "magicproxy::headers", upstream, header,
                "clients send a header that the API does not get: `pass_request_headers` of its upstream would let it pass"
            ),
            Some(meaning) => tracing::warn!(
                name: "header_dropped",
                target: "magicproxy::headers", upstream, header, "clients send a header that no API gets: {meaning}"
            ),
        }
    }

    /// Remembers a name; false if the name was known, or if there is no place left.
    fn is_new(&self, name: &HeaderName) -> bool {
        for place in &self.warned {
            match place.get() {
                Some(known) if known == name => return false,
                Some(_) => {}
                None if place.set(name.clone()).is_ok() => return true,
                // Another worker was faster, perhaps with this very name.
                None if place.get() == Some(name) => return false,
                None => {}
            }
        }
        if !self.full.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                name: "headers_dropped_beyond_count",
                target: "magicproxy::headers", upstream = self.upstream.as_str(),
                "clients send more than {MOST} headers that the API does not get: further names are in the debug log only"
            );
        }
        false
    }
}

/// Log of the fields that one request loses. Dropping the value writes the line of the debug log.
pub(crate) struct DroppedOfRequest<'a> {
    all: &'a DroppedFields,
    fields: &'a RequestFields,
    id: RequestId,
    /// Names of the fields; `None` where the debug log is off.
    names: Option<String>,
}

impl DroppedOfRequest<'_> {
    /// Notes a field that does not pass.
    pub(crate) fn note(&mut self, name: &HeaderName) {
        if is_of_the_exchange(name) || self.fields.carries_tokens(name) {
            return;
        }
        self.all.warn_once(name, self.fields);
        if let Some(names) = &mut self.names {
            let separator = if names.is_empty() { "" } else { ", " };
            names.push_str(separator);
            match name.as_str() {
                long if long.len() > MAX_LOGGED_NAME_BYTES => {
                    names.push_str(&format!("<{} bytes>", long.len()))
                }
                text => names.push_str(text),
            }
        }
    }
}

impl Drop for DroppedOfRequest<'_> {
    fn drop(&mut self) {
        if let Some(names) = self.names.as_deref().filter(|names| !names.is_empty()) {
            tracing::debug!(
                name: "request_headers_dropped",
                target: "magicproxy::headers", request_id = %self.id, upstream = self.all.upstream.as_str(), headers = names,
                "dropped request headers"
            );
        }
    }
}
