//! Fields that no client's request brings to an upstream, whatever is configured, and the reasons.
//!
//! The list of fields that pass (`http::header`) decides on requests. The tables here decide which
//! fields may be put on the list, which requests are refused, and which reason the log and
//! `explain` give for a dropped field. `docs/spec/upstreams.md` sections 4 and 10.

mod names;
pub(crate) mod table;

use std::fmt;

use http::header::{self, HeaderName};

#[cfg(test)]
pub(crate) use names::REASONS;
use names::{CARRIER_PARTS, CARRIERS, CLAIM_PREFIXES, CLAIMS, DESCRIBING, DESCRIBING_PREFIXES};
pub(crate) use names::{HOP_BY_HOP, OVERRIDES};

/// Initials of the names in [`OVERRIDES`].
const OVERRIDE_INITIALS: [char; 4] = ['_', 'b', 'r', 'x'];

/// Reason for which a client's field never reaches an upstream, whatever the configuration says. A
/// field with a meaning can be put on no list, by no setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldMeaning {
    /// The field concerns one connection only (RFC 9110 section 7.6.1).
    Connection,
    /// The field frames or addresses the message; the proxy writes its own.
    Message,
    /// The field makes servers take another method or path than the rules decided on. Requests with
    /// such a field are refused.
    Override,
    /// The field claims who the client is, where the client comes from or for whom the client acts.
    Claim,
    /// The field carries tokens and credentials. The upstream gets the proxy's credential and no
    /// other.
    Carrier,
    /// The name has a `_`. Servers like CGI see no difference between `_` and `-`, and so none
    /// between this name and another name.
    Underscore,
}

impl FieldMeaning {
    /// Returns the meaning of a field, if the meaning keeps the field from every upstream.
    pub(crate) fn of(name: &HeaderName) -> Option<Self> {
        let text = name.as_str();
        if HOP_BY_HOP.contains(name) || text.starts_with("proxy-") || text == "http2-settings" {
            return Some(Self::Connection);
        }
        if frames_or_addresses(name) {
            return Some(Self::Message);
        }
        if is_override(text) {
            return Some(Self::Override);
        }
        if text.contains('_') {
            return Some(Self::Underscore);
        }
        if CARRIERS.contains(&text) || CARRIER_PARTS.iter().any(|part| text.contains(part)) {
            return Some(Self::Carrier);
        }
        misleads(name).then_some(Self::Claim)
    }
}

/// Writes the reason, as half a sentence.
impl fmt::Display for FieldMeaning {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Connection => "it concerns one connection only (RFC 9110 section 7.6.1)",
            Self::Message => "it frames or addresses the message, and the proxy writes its own",
            Self::Override => "it overrides the method or the path that was decided on",
            Self::Claim => "it claims who the client is, or for whom it acts",
            Self::Carrier => "tokens and credentials stand in it, and the API gets the proxy's credential and no other",
            Self::Underscore => "there is a `_` in its name, which some servers read as `-`",
        })
    }
}

/// True if the proxy itself reads, responds to or writes this field. Every request has some such
/// fields.
pub(crate) fn is_of_the_exchange(name: &HeaderName) -> bool {
    frames_or_addresses(name) || *name == header::AUTHORIZATION || HOP_BY_HOP.contains(name)
}

fn frames_or_addresses(name: &HeaderName) -> bool {
    matches!(*name, header::HOST | header::CONTENT_LENGTH | header::EXPECT | header::MAX_FORWARDS)
}

/// True if the field overrides the method or the target. Names are compared with `_` and `-` as
/// one: servers like CGI see no difference.
pub(crate) fn is_override(name: &str) -> bool {
    // Every request's names are checked here, and hardly any name begins with these initials.
    name.starts_with(OVERRIDE_INITIALS)
        && (OVERRIDES.contains(&name)
            || (name.contains('_') && OVERRIDES.contains(&name.replace('_', "-").as_str())))
}

/// True if a token or a credential may be carried in this field, where an operator says so.
/// `Authorization` has carriers of its own.
pub(crate) fn may_carry_secret(name: &HeaderName) -> bool {
    let text = name.as_str();
    !HOP_BY_HOP.contains(name)
        && !DESCRIBING.contains(&text)
        && !DESCRIBING_PREFIXES.iter().any(|prefix| text.starts_with(prefix))
        && !misleads(name)
}

/// True if this field would change the client's identity, or the action, at a server that believes
/// the field. Used for responses and trailers, because responses have no list of passing fields.
pub(crate) fn steers(name: &HeaderName) -> bool {
    CARRIERS.contains(&name.as_str()) || misleads(name)
}

/// Like [`steers`], without the fields made to carry credentials.
fn misleads(name: &HeaderName) -> bool {
    let text = name.as_str();
    text.contains('_')
        || CLAIMS.contains(&text)
        || OVERRIDES.contains(&text)
        || CLAIM_PREFIXES.iter().any(|prefix| text.starts_with(prefix))
}
