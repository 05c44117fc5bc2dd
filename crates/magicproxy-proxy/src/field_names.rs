//! Fields that no client's request brings to an upstream, whatever is configured, and why.
//!
//! The list of fields that pass (`http::header`) decides on requests. These tables decide what may be put on that list, which requests
//! are refused, and what the log and `explain` say of a dropped field. `docs/spec/upstreams.md` sections 4 and 10.

mod names;
pub(crate) mod table;

use std::fmt;

use http::header::{self, HeaderName};

#[cfg(test)]
pub(crate) use names::REASONS;
use names::{CARRIER_PARTS, CARRIERS, CLAIM_PREFIXES, CLAIMS, DESCRIBING, DESCRIBING_PREFIXES};
pub(crate) use names::{HOP_BY_HOP, OVERRIDES};

/// What the names in [`OVERRIDES`] begin with.
const OVERRIDE_INITIALS: [char; 4] = ['_', 'b', 'r', 'x'];

/// Why a client's field never reaches an upstream, whatever the configuration says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// It concerns one connection only (RFC 9110 section 7.6.1).
    Connection,
    /// It frames or addresses the message; the proxy writes its own.
    Message,
    /// It takes another method or path than the one that was decided on. Requests with it are refused.
    Override,
    /// It claims who the client is, where it comes from or for whom it acts.
    Claim,
    /// Tokens and credentials stand in it. The upstream gets the proxy's and no other.
    Carrier,
    /// Servers like CGI see no difference between `_` and `-`, and so none between this name and another one.
    Underscore,
}

impl Meaning {
    /// The meaning of a field, if it has one that keeps it from every upstream.
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

/// The reason, as half a sentence.
impl fmt::Display for Meaning {
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

/// Does the proxy read, answer or write this field itself? Every request has some of them.
pub(crate) fn is_of_the_exchange(name: &HeaderName) -> bool {
    frames_or_addresses(name) || *name == header::AUTHORIZATION || HOP_BY_HOP.contains(name)
}

fn frames_or_addresses(name: &HeaderName) -> bool {
    matches!(*name, header::HOST | header::CONTENT_LENGTH | header::EXPECT | header::MAX_FORWARDS)
}

/// Names are compared with `_` and `-` as one: servers like CGI see no difference.
pub(crate) fn is_override(name: &str) -> bool {
    // Every request's names are looked at, and hardly any begins as these do.
    name.starts_with(OVERRIDE_INITIALS)
        && (OVERRIDES.contains(&name)
            || (name.contains('_') && OVERRIDES.contains(&name.replace('_', "-").as_str())))
}

/// May a token or a credential stand in this field, where an operator says so? `Authorization` has carriers of its own.
pub(crate) fn may_carry_secret(name: &HeaderName) -> bool {
    let text = name.as_str();
    !HOP_BY_HOP.contains(name)
        && !DESCRIBING.contains(&text)
        && !DESCRIBING_PREFIXES.iter().any(|prefix| text.starts_with(prefix))
        && !misleads(name)
}

/// Would this field change who the client is, or what is done, at a server that believes it? Responses and trailers are looked at so:
/// there is no list of the fields of a response.
pub(crate) fn steers(name: &HeaderName) -> bool {
    CARRIERS.contains(&name.as_str()) || misleads(name)
}

/// [`steers`], without the fields that carry credentials by profession.
fn misleads(name: &HeaderName) -> bool {
    let text = name.as_str();
    text.contains('_')
        || CLAIMS.contains(&text)
        || OVERRIDES.contains(&text)
        || CLAIM_PREFIXES.iter().any(|prefix| text.starts_with(prefix))
}
