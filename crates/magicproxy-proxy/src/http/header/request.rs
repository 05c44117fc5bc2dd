//! Request headers on the way up.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use http::header::{self, Entry, HeaderName};
use http::{HeaderMap, HeaderValue};
use magicproxy_core::{FieldValue, HeaderView};

use super::fields::RequestFields;
use super::protocols::STEERING_PROTOCOLS;
use super::{announced_trailers, nominated, remove_all};
use crate::peer::Peer;
use crate::settings::Forwarding;

/// Settings for preparing a request's headers for the upstream.
pub(crate) struct RequestHeaders<'a> {
    pub(crate) forwarding: Forwarding,
    /// Fields that the upstream gets.
    pub(crate) fields: &'a RequestFields,
    pub(crate) peer: Peer,
    /// True for a WebSocket handshake, which keeps `Upgrade`.
    pub(crate) upgrade: bool,
}

impl RequestHeaders<'_> {
    /// Turns the client's headers into the upstream's, without credential and `Host`: these are set
    /// last, by the holder of the permit, so that nothing here can remove credential or `Host`
    /// again. `dropped` is called with each removed field.
    ///
    /// Returns the names that the client's `Connection` nominates, which concern the trailer
    /// section too.
    pub(crate) fn prepare(
        &self,
        headers: &mut HeaderMap,
        dropped: impl FnMut(&HeaderName),
    ) -> Vec<HeaderName> {
        let named = nominated(headers);
        let trailers = announced_trailers(headers, |name| {
            self.fields.passes_as_trailer(name) && !named.contains(name)
        });
        self.keep_listed(headers, &named, dropped);
        if let Some(trailers) = trailers {
            headers.insert(header::TRAILER, trailers);
        }
        limit_codings(headers);
        if self.upgrade {
            headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            limit_protocols(headers, self.fields);
        } else {
            // Only a handshake has this field (RFC 6455 section 11.3.4), and a key in the field
            // would go up with everything else.
            headers.remove(header::SEC_WEBSOCKET_PROTOCOL);
        }
        self.set_forwarding(headers);
        named
    }

    /// Removes all fields that are not on the list, and all fields that `Connection` names.
    fn keep_listed(
        &self,
        headers: &mut HeaderMap,
        named: &[HeaderName],
        dropped: impl FnMut(&HeaderName),
    ) {
        remove_all(headers, |name| !self.fields.passes(name) || named.contains(name), dropped);
    }

    fn set_forwarding(&self, headers: &mut HeaderMap) {
        let set = |headers: &mut HeaderMap, name: &'static str, text: &str| {
            if let Ok(value) = HeaderValue::from_str(text) {
                headers.insert(name, value);
            }
        };
        let scheme = self.peer.scheme.as_str();
        match self.forwarding {
            Forwarding::None => return,
            Forwarding::Forwarded => {
                // RFC 7239 section 6: `unknown` where there is no address.
                let node = match self.peer.address {
                    None => "unknown".to_owned(),
                    Some(IpAddr::V4(address)) => address.to_string(),
                    Some(IpAddr::V6(address)) => format!("\"[{address}]\""),
                };
                set(headers, "forwarded", &format!("for={node};proto={scheme}"));
            }
            Forwarding::XForwarded => {
                if let Some(address) = self.peer.address {
                    set(headers, "x-forwarded-for", &address.to_string());
                }
                set(headers, "x-forwarded-proto", scheme);
            }
        }
        set(headers, "via", "1.1 magicproxy");
    }
}

/// Fields of a request as the upstream will get them, for the conditions of rules.
#[derive(Debug)]
pub struct SentFields<'h> {
    headers: &'h HeaderMap,
    fields: &'h RequestFields,
    /// Names from the `Connection` of the request, read when a field is first asked for: most rules
    /// ask for none.
    nominated: OnceLock<Vec<HeaderName>>,
    /// Names for which a rule has asked.
    asked: Mutex<Vec<HeaderName>>,
}

impl<'h> SentFields<'h> {
    /// Makes the view of a request's fields as received.
    #[must_use]
    pub fn of(headers: &'h HeaderMap, fields: &'h RequestFields) -> Self {
        Self { headers, fields, nominated: OnceLock::new(), asked: Mutex::default() }
    }
}

impl SentFields<'_> {
    /// Returns the names for which a rule has asked. A field of such a name is judged in the head,
    /// and so must not come in a trailer section either.
    pub(crate) fn into_asked(self) -> Vec<HeaderName> {
        self.asked.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HeaderView for SentFields<'_> {
    fn field(&self, name: &str) -> FieldValue<'_> {
        let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else { return FieldValue::Absent };
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(name.clone());
        let nominated = self.nominated.get_or_init(|| nominated(self.headers));
        if !self.fields.passes(&name) || nominated.contains(&name) {
            return FieldValue::Absent;
        }
        let mut values = self.headers.get_all(&name).into_iter();
        match (values.next(), values.next()) {
            (None, _) => FieldValue::Absent,
            (Some(value), None) => FieldValue::One(value.as_bytes()),
            (Some(_), Some(_)) => FieldValue::Several,
        }
    }
}

/// Fields that pass in the trailer section of one request.
#[derive(Debug)]
pub(crate) struct TrailerFields {
    fields: Arc<RequestFields>,
    /// Names from the head's `Connection`: such a field concerns that connection in either section
    /// (RFC 9110 section 7.6.1). And names for which rules have asked.
    named: Vec<HeaderName>,
}

impl TrailerFields {
    /// Makes the set of the fields on the list, less `named`.
    pub(crate) fn new(fields: &Arc<RequestFields>, named: Vec<HeaderName>) -> Self {
        Self { fields: Arc::clone(fields), named }
    }

    /// True if the field passes in the trailer section.
    pub(super) fn pass(&self, name: &HeaderName) -> bool {
        self.fields.passes_as_trailer(name) && !self.named.contains(name)
    }
}

/// Asks the upstream only for content codings in which an echoed credential can be found. Without
/// `Accept-Encoding`, an upstream may choose any coding (RFC 9110 section 12.5.3), and a part of a
/// compressed body cannot be searched.
fn limit_codings(headers: &mut HeaderMap) {
    let mut asked =
        headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let takes_gzip = asked.any(accepts_gzip) && !headers.contains_key(header::RANGE);
    headers.insert(
        header::ACCEPT_ENCODING,
        HeaderValue::from_static(if takes_gzip { "gzip" } else { "identity" }),
    );
}

/// True if `gzip` is listed with a weight other than zero (RFC 9110 section 12.5.3).
fn accepts_gzip(value: &str) -> bool {
    for item in value.split(',') {
        let mut parts = item.split(';').map(str::trim);
        let coding = parts.next().unwrap_or_default();
        let is_gzip = coding.eq_ignore_ascii_case("gzip") || coding.eq_ignore_ascii_case("x-gzip");
        if is_gzip && !parts.any(is_weight_of_nothing) {
            return true;
        }
    }
    false
}

/// True for `q=0`, which refuses what stands before it: RFC 9110 section 12.4.2.
fn is_weight_of_nothing(parameter: &str) -> bool {
    let Some(weight) = parameter.strip_prefix("q=").or_else(|| parameter.strip_prefix("Q=")) else {
        return false;
    };
    weight.trim().parse::<f32>().is_ok_and(|weight| weight <= 0.0)
}

/// Offers the upstream only subprotocols that are names (RFC 6455 section 1.9): no key, no account,
/// no token.
pub(super) fn limit_protocols(headers: &mut HeaderMap, fields: &RequestFields) {
    let Entry::Occupied(mut entry) = headers.entry(header::SEC_WEBSOCKET_PROTOCOL) else { return };
    let mut kept: Vec<&str> = Vec::new();
    for value in entry.iter() {
        let Ok(value) = value.to_str() else { continue };
        for item in value.split(',').map(str::trim) {
            let is_secret = fields.is_key_subprotocol(item) || holds_token(item);
            if !item.is_empty() && !is_steering_protocol(item) && !is_secret {
                kept.push(item);
            }
        }
    }
    match HeaderValue::from_str(&kept.join(", ")) {
        Ok(value) if !kept.is_empty() => drop(entry.insert(value)),
        _ => drop(entry.remove()),
    }
}

fn is_steering_protocol(item: &str) -> bool {
    STEERING_PROTOCOLS
        .iter()
        .any(|start| item.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start)))
}

/// True if a JSON object in base64url, with which tokens begin, stands at the beginning, behind a
/// dot or behind a token's prefix. No name of a subprotocol contains such an object.
fn holds_token(item: &str) -> bool {
    let begins_token = |part: &str| {
        part.starts_with("eyJ") || part.contains("mt1_eyJ") || part.contains("mt2_eyJ")
    };
    item.split('.').any(begins_token)
}

/// True if `chosen` may be the subprotocol of a WebSocket to whose client `offered` was offered
/// (RFC 6455 section 4.1). No subprotocol at all is allowed, too.
pub(crate) fn is_offered(offered: Option<&HeaderValue>, chosen: &HeaderMap) -> bool {
    let offered = offered.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut chosen = chosen.get_all(header::SEC_WEBSOCKET_PROTOCOL).into_iter();
    match (chosen.next(), chosen.next()) {
        (None, _) => true,
        (Some(chosen), None) => {
            offered.split(',').any(|item| item.trim().as_bytes() == chosen.as_bytes().trim_ascii())
        }
        (Some(_), Some(_)) => false,
    }
}

/// Removes from a request's trailer section every field that is not on the list, or could change
/// the request.
pub(crate) fn filter_request_trailers(trailers: &mut HeaderMap, fields: Option<&TrailerFields>) {
    remove_all(trailers, |name| !fields.is_some_and(|fields| fields.pass(name)), |_| {});
}
