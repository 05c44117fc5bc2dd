//! Selection of the header fields that pass, in both directions: the client's fields cannot steer
//! the upstream, and the upstream's fields cannot confuse the client.
//!
//! Of a request, the fields on the upstream's list pass (`fields`); of a response, all fields that
//! no table forbids. Framing fields are never copied; the HTTP library sets the framing. RFC 9110
//! section 7.6.1, RFC 9112 section 9.6.

mod dropped;
mod fields;
mod protocols;
mod request;
mod standard;
mod stripped;
#[cfg(test)]
mod tests;
mod verdict;

use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue};

pub(crate) use dropped::DroppedFields;
pub use fields::{FieldTreatment, ListingSource, RequestFields};
pub use request::SentFields;
pub(crate) use request::{RequestHeaders, TrailerFields, filter_request_trailers, is_offered};
pub(crate) use stripped::StrippedCarriers;
pub use verdict::FieldVerdict;

use crate::field_names::{HOP_BY_HOP, is_override, steers};

/// Returns the names that `Connection` nominates as hop-by-hop.
pub(crate) fn nominated(headers: &HeaderMap) -> Vec<HeaderName> {
    // Most messages have no such field, and a search that finds nothing costs the least.
    if !headers.contains_key(header::CONNECTION) {
        return Vec::new();
    }
    // Bytes, not text: unreadable bytes beside a name must not hide the name.
    let values = headers.get_all(header::CONNECTION).into_iter().map(HeaderValue::as_bytes);
    let items = values.flat_map(|value| value.split(|byte| *byte == b','));
    items.filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok()).collect()
}

/// Removes fields by their names, each with all lines. `removed` is called with each name.
pub(crate) fn remove_all(
    headers: &mut HeaderMap,
    drops: impl Fn(&HeaderName) -> bool,
    mut removed: impl FnMut(&HeaderName),
) {
    const AT_ONCE: usize = 8;
    loop {
        // On the stack: nearly every message loses a few fields, and hardly any message loses many.
        let mut goes: [Option<HeaderName>; AT_ONCE] = Default::default();
        let dropped = headers.keys().filter(|name| drops(name));
        let count =
            goes.iter_mut().zip(dropped).map(|(place, name)| *place = Some(name.clone())).count();
        for name in goes.iter_mut().map_while(Option::take) {
            removed(&name);
            headers.remove(name);
        }
        if count < AT_ONCE {
            return;
        }
    }
}

/// Returns the names that `Trailer` announces, as far as the names pass: hyper writes no trailer
/// that is not announced.
pub(crate) fn announced_trailers(
    headers: &HeaderMap,
    passes: impl Fn(&HeaderName) -> bool,
) -> Option<HeaderValue> {
    if !headers.contains_key(header::TRAILER) {
        return None;
    }
    let mut passed = Vec::new();
    for value in headers.get_all(header::TRAILER) {
        let Ok(value) = value.to_str() else { continue };
        for name in value.split(',') {
            let Ok(name) = name.trim().parse::<HeaderName>() else { continue };
            if passes(&name) {
                passed.push(name.to_string());
            }
        }
    }
    if passed.is_empty() {
        return None;
    }
    HeaderValue::from_str(&passed.join(", ")).ok()
}

/// True if this field, in a trailer section, would change the framing, routing or reading of the
/// message.
pub(crate) fn is_forbidden_trailer(name: &HeaderName) -> bool {
    HOP_BY_HOP.contains(name)
        || steers(name)
        || matches!(
            *name,
            header::CONTENT_LENGTH
                | header::CONTENT_ENCODING
                | header::CONTENT_TYPE
                | header::CONTENT_RANGE
                | header::HOST
                | header::SET_COOKIE
                | header::CACHE_CONTROL
                | header::LOCATION
                | header::WWW_AUTHENTICATE
                | header::EXPECT
                | header::RANGE
        )
}

/// Field of a request that overrides the method or the path.
#[derive(Debug)]
pub(crate) struct OverrideField(pub(crate) HeaderName);

/// Refuses a request whose headers try to override the method or the path.
pub(crate) fn refuse_overrides(headers: &HeaderMap) -> Result<(), OverrideField> {
    match headers.keys().find(|name| is_override(name.as_str())) {
        Some(name) => Err(OverrideField(name.clone())),
        None => Ok(()),
    }
}
