//! The magic token sent by a client: in `Authorization`, or in a carrier configured for the
//! upstream.
//!
//! `docs/spec/upstreams.md` section 4; RFC 6750 section 2.1, RFC 7617. Refused, because doubt is
//! denial: two different fields of `Authorization`, an ambiguous field, two different tokens, and a
//! token beside an `Authorization` without a token.

#[cfg(test)]
mod tests;

use std::ops::{Range, RangeInclusive};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};
use http::{HeaderMap, HeaderValue};
use magicproxy_core::{RequestTarget, is_armoured, unarmoured};
use zeroize::Zeroizing;

use crate::credential::carriers::Carriers;
use crate::rejection::{CarrierName, CarrierValue, Conflict, Rejection};

/// A magic token as sent by a client. Only the form was checked; nothing about the token is known
/// yet. Never printed.
pub(crate) struct BearerToken(TokenText);

/// The text of a token.
///
/// INVARIANT: not empty, and made of [`is_token_byte`]s only.
enum TokenText {
    /// A part of a field, sharing the field's memory: the common case copies nothing.
    Field(HeaderValue, Range<usize>),
    /// A copy: decoded, without its armour, or from the query.
    Own(Zeroizing<String>),
}

impl BearerToken {
    /// Finds the token of a request, in header fields and query, and takes the token out of the
    /// target.
    pub(crate) fn from_request(
        headers: &HeaderMap,
        target: &mut RequestTarget,
        carriers: &Carriers,
    ) -> Result<Self, Rejection> {
        let mut found = CarrierValues::default();
        found.in_headers(headers, carriers)?;
        for name in carriers.parameters() {
            found.parameter(name, target)?;
        }
        found.token()
    }

    /// Finds the token in header fields alone. A token in the query is not looked for.
    pub(crate) fn from_headers(
        headers: &HeaderMap,
        carriers: &Carriers,
    ) -> Result<Self, Rejection> {
        let mut found = CarrierValues::default();
        found.in_headers(headers, carriers)?;
        found.token()
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            TokenText::Field(field, range) => {
                field.as_bytes().get(range.clone()).unwrap_or_default()
            }
            TokenText::Own(text) => text.as_bytes(),
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    fn from_authorization(headers: &HeaderMap) -> Result<Option<Self>, Rejection> {
        let mut fields = headers.get_all(AUTHORIZATION).into_iter();
        let Some(field) = fields.next() else { return Ok(None) };
        if fields.any(|another| another != field) {
            return Err(Rejection::TokenForm);
        }
        let text = field.as_bytes().trim_ascii();
        let Some(blank) = text.iter().position(|byte| is_blank(*byte)) else {
            return Self::without_scheme(field).map(Some);
        };
        let (scheme, rest) = text.split_at(blank);
        let rest = rest.trim_ascii();
        if scheme.eq_ignore_ascii_case(b"bearer") || scheme.eq_ignore_ascii_case(b"token") {
            let end = field.as_bytes().trim_ascii_end().len();
            Self::in_field(field, end - rest.len()..end).map(Some)
        } else if scheme.eq_ignore_ascii_case(b"basic") {
            Self::from_basic(rest).map(Some)
        } else {
            Err(Rejection::TokenForm)
        }
    }

    /// Reads a field without a scheme, as clients of the Python program may send: a token and
    /// nothing else. Only the form of a token is taken, so neither the name of a scheme nor another
    /// key passes for a token.
    fn without_scheme(field: &HeaderValue) -> Result<Self, Rejection> {
        let end = field.as_bytes().trim_ascii_end().len();
        let start = end - field.as_bytes().trim_ascii().len();
        let text =
            field.to_str().ok().and_then(|text| text.get(start..end)).filter(|text| is_token(text));
        text.ok_or(Rejection::TokenForm).and_then(|_| Self::in_field(field, start..end))
    }

    /// Reads the password, or the user where the password is empty or `x-oauth-basic`, by the
    /// custom of git hosts.
    fn from_basic(encoded: &[u8]) -> Result<Self, Rejection> {
        let decoded =
            STANDARD.decode(encoded).map(Zeroizing::new).map_err(|_| Rejection::TokenForm)?;
        let pair = std::str::from_utf8(&decoded).map_err(|_| Rejection::TokenForm)?;
        match pair.split_once(':').ok_or(Rejection::TokenForm)? {
            (user, "" | "x-oauth-basic") => Self::new(user),
            (_, password) => Self::new(password),
        }
    }

    /// Takes base64url and dots, and nothing else. Armour, if any, is removed.
    fn new(text: &str) -> Result<Self, Rejection> {
        if is_armoured(text) {
            return unarmoured(text)
                .map(|jwt| Self(TokenText::Own(jwt)))
                .ok_or(Rejection::TokenForm);
        }
        are_token_bytes(text.as_bytes())
            .then(|| Self(TokenText::Own(Zeroizing::new(text.to_owned()))))
            .ok_or(Rejection::TokenForm)
    }

    /// Takes a token at `range` of a field, under the same conditions.
    fn in_field(field: &HeaderValue, range: Range<usize>) -> Result<Self, Rejection> {
        let text = field.as_bytes().get(range.clone()).unwrap_or_default();
        if is_armoured(text) {
            return Self::new(std::str::from_utf8(text).map_err(|_| Rejection::TokenForm)?);
        }
        if are_token_bytes(text) {
            Ok(Self(TokenText::Field(field.clone(), range)))
        } else {
            Err(Rejection::TokenForm)
        }
    }
}

/// The content of all carriers in a request, gathered before anything is decided about the token.
#[derive(Default)]
struct CarrierValues<'c> {
    token: Option<(BearerToken, CarrierName<'c>)>,
    /// The refusal for an `Authorization` without a token.
    refused: Option<(Rejection, CarrierValue)>,
    /// True if some carrier holds something other than a token.
    other: bool,
    /// A parameter without a token, which cannot be removed without changing the meaning of the
    /// request.
    parameter: Option<String>,
}

impl<'c> CarrierValues<'c> {
    fn in_headers(&mut self, headers: &HeaderMap, carriers: &'c Carriers) -> Result<(), Rejection> {
        match BearerToken::from_authorization(headers) {
            Ok(token) => self.token = token.map(|token| (token, CarrierName::Authorization)),
            Err(rejection) => self.refused = Some((rejection, held_by_authorization(headers))),
        }
        for name in carriers.headers() {
            for value in headers.get_all(name) {
                match value.to_str().ok().filter(|text| is_token(text)) {
                    Some(text) => self.take(text, CarrierName::Header(name))?,
                    None => self.other = true,
                }
            }
        }
        if !carriers.subprotocols().is_empty() {
            self.in_subprotocols(headers, carriers)?;
        }
        Ok(())
    }

    /// Reads the items of a WebSocket handshake that begin with a prefix of the upstream's keys.
    /// Browsers can set no other field.
    fn in_subprotocols(
        &mut self,
        headers: &HeaderMap,
        carriers: &Carriers,
    ) -> Result<(), Rejection> {
        for value in headers.get_all(SEC_WEBSOCKET_PROTOCOL) {
            let Ok(value) = value.to_str() else { continue };
            for item in value.split(',').map(str::trim) {
                match carriers.subprotocols().iter().find_map(|prefix| prefix.key_in(item)) {
                    Some(key) if is_token(key) => self.take(key, CarrierName::Subprotocol)?,
                    Some(_) => self.other = true,
                    None => {}
                }
            }
        }
        Ok(())
    }

    /// Takes a token, perhaps repeated in several places. Two different values are refused, and
    /// never resolved by a guess.
    fn take(&mut self, text: &str, carrier: CarrierName<'c>) -> Result<(), Rejection> {
        let token = BearerToken::new(text)?;
        let first = match (&self.refused, &self.token) {
            (Some((_, held)), _) => (CarrierName::Authorization, *held),
            (None, Some((known, _))) if known.as_str() == token.as_str() => return Ok(()),
            (None, Some((known, first))) => (*first, held_in(known.as_str())),
            (None, None) => {
                self.token = Some((token, carrier));
                return Ok(());
            }
        };
        Err(Rejection::Conflict(Box::new(Conflict::between(first, (carrier, held_in(text))))))
    }

    fn parameter(&mut self, name: &'c str, target: &mut RequestTarget) -> Result<(), Rejection> {
        let value = target
            .query_parameter(name)
            .map_err(|_| Rejection::CarrierParameter(name.to_owned()))?;
        match value {
            None => return Ok(()),
            Some(value) if is_token(value) => self.take(value, CarrierName::Parameter(name))?,
            // Asterisks stand for a credential masked in a response, in the URL of a next page for
            // instance.
            Some(value) if !value.is_empty() && value.bytes().all(|byte| byte == b'*') => {}
            Some(_) => self.parameter = Some(name.to_owned()),
        }
        target.drop_query_parameters(&[name.to_owned()]);
        Ok(())
    }

    fn token(self) -> Result<BearerToken, Rejection> {
        match (self.refused, self.token, self.parameter) {
            (Some((rejection, _)), ..) => Err(rejection),
            (None, Some((token, _)), None) => Ok(token),
            (None, Some(_), Some(name)) => Err(Rejection::CarrierParameter(name)),
            (None, None, None) if !self.other => Err(Rejection::NoToken),
            (None, None, _) => Err(Rejection::TokenForm),
        }
    }
}

/// Returns the kind of value in an `Authorization` without a token.
fn held_by_authorization(headers: &HeaderMap) -> CarrierValue {
    let mut fields = headers.get_all(AUTHORIZATION).into_iter();
    match (fields.next().and_then(|field| field.to_str().ok()), fields.next()) {
        (Some(text), None) => match text.trim().split_once([' ', '\t']) {
            None if ["", "bearer", "token", "basic"]
                .iter()
                .any(|scheme| text.trim().eq_ignore_ascii_case(scheme)) =>
            {
                CarrierValue::Nothing
            }
            _ => CarrierValue::NoToken,
        },
        _ => CarrierValue::NoToken,
    }
}

/// Returns the kind of a value in a carrier, by form alone: nothing is verified.
fn held_in(text: &str) -> CarrierValue {
    if text.trim().is_empty() {
        CarrierValue::Nothing
    } else if !is_token(text) {
        CarrierValue::NoToken
    } else if text.starts_with("mt2") {
        CarrierValue::SealedToken
    } else if is_armoured(text) || is_signed_as_ours(text) {
        CarrierValue::SignedToken
    } else {
        CarrierValue::ForeignJwt
    }
}

/// True if the header names the algorithm of our signed tokens (`token-v1.md` section 2).
fn is_signed_as_ours(text: &str) -> bool {
    let header = text.split('.').next().unwrap_or_default();
    let Ok(json) = URL_SAFE_NO_PAD.decode(header) else { return false };
    let Ok(header) = serde_json::from_slice::<serde_json::Value>(&json) else { return false };
    header.get("alg").is_some_and(|algorithm| algorithm == "RS256")
}

/// True if a text has the form of a magic token, of either version. Clients send other keys in the
/// same header fields, and beside tokens.
fn is_token(text: &str) -> bool {
    if is_armoured(text) {
        return unarmoured(text).is_some_and(|jwt| has_parts(&jwt, 3..=3));
    }
    if let Some(behind) = text.strip_prefix("mt2_") {
        return has_parts(behind, 3..=usize::MAX) && !behind.contains(['-', '_']);
    }
    // The forms before the first release are taken for tokens, so they are refused with an
    // explanation.
    let parts = if text.starts_with("mt2.") { 4..=usize::MAX } else { 3..=3 };
    has_parts(text, parts)
}

/// True if the text has a number of base64url parts within `count`.
fn has_parts(text: &str, count: RangeInclusive<usize>) -> bool {
    count.contains(&text.split('.').count())
        && text.split('.').all(|part| !part.is_empty())
        && are_token_bytes(text.as_bytes())
}

/// True if all bytes are a token's. Inspects every byte, whatever the first is: without an early
/// exit the compiler takes many bytes at once.
fn are_token_bytes(text: &[u8]) -> bool {
    !text.is_empty()
        && text.iter().fold(0, |others, byte| others | u8::from(!is_token_byte(*byte))) == 0
}

/// True for `A-Z a-z 0-9 - _ .`: `-`, `.`, `/` and the digits follow each other, so a comparison of
/// ranges settles most.
fn is_token_byte(byte: u8) -> bool {
    let is_letter = (byte | 0x20).wrapping_sub(b'a') < 26;
    let is_digit_dash_or_dot = (byte.wrapping_sub(b'-') < 13) & (byte != b'/');
    is_letter | is_digit_dash_or_dot | (byte == b'_')
}

/// True for the whitespace of RFC 9110 section 5.6.3; a field value has no line ends.
fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}
