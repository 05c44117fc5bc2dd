//! Carriers: the places of a request in which a magic token may stand, and the place in which the
//! upstream's credential goes out.
//!
//! `docs/spec/upstreams.md` sections 4 and 5. No error repeats a text that could not be read,
//! because an operator may have written a secret in place of a carrier's name.

#[cfg(test)]
mod tests;

use std::fmt;

use http::HeaderName;
use magicproxy_core::{Credential, Weakness};

use crate::field_names::may_carry_secret;

/// The longest user of `basic:USER` and name of `query:NAME`, in bytes.
const MAX_CARRIER_BYTES: usize = 128;

/// The place of the upstream's credential in a request to the upstream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CredentialCarrier {
    /// `Authorization: Bearer CREDENTIAL` (RFC 6750 section 2.1).
    #[default]
    Bearer,
    /// `Authorization: token CREDENTIAL`.
    Token,
    /// `Authorization: Basic base64(CREDENTIAL)` (RFC 7617); the credential is a pair
    /// `user:password`.
    BasicPair,
    /// `Authorization: Basic base64(USER:CREDENTIAL)` (RFC 7617).
    Basic(BasicUser),
    /// `NAME: CREDENTIAL`.
    Header(CarrierHeader),
    /// `NAME=CREDENTIAL`, appended to the client's query.
    Query(CarrierParameter),
}

impl CredentialCarrier {
    /// True if the credential goes out as a password (RFC 7617).
    #[must_use]
    pub fn is_basic(&self) -> bool {
        matches!(self, Self::BasicPair | Self::Basic(_))
    }

    /// Reads `bearer`, `token`, `basic`, `basic:USER`, `header:NAME` or `query:NAME`.
    ///
    /// # Errors
    /// [`ParseCarrierError`] says what was expected and does not repeat the text.
    pub fn parse(text: &str) -> Result<Self, ParseCarrierError> {
        match text.split_once(':') {
            None if text == "bearer" => Ok(Self::Bearer),
            None if text == "token" => Ok(Self::Token),
            None if text == "basic" => Ok(Self::BasicPair),
            Some(("basic", user)) => BasicUser::parse(user).map(Self::Basic),
            Some(("header", name)) => CarrierHeader::parse(name).map(Self::Header),
            Some(("query", name)) => CarrierParameter::parse(name).map(Self::Query),
            _ => Err(ParseCarrierError::Credential),
        }
    }

    /// Checks that the credential can stand in this carrier.
    ///
    /// # Errors
    /// [`UnfitCredential`] says what the carrier requires of a credential.
    pub fn check(&self, credential: &Credential) -> Result<(), UnfitCredential> {
        match self {
            Self::BasicPair if !credential.expose().contains(':') => Err(UnfitCredential::NoPair),
            _ => Ok(()),
        }
    }

    /// Returns the reason for which this credential, in this carrier, cannot be masked reliably in
    /// responses; `None` if the credential is strong enough.
    #[must_use]
    pub fn weakness_of(&self, credential: &Credential) -> Option<Weakness> {
        if *self == Self::BasicPair { credential.weakness_of_pair() } else { credential.weakness() }
    }

    /// Returns the header in which the credential goes out. Clients of the upstream may send their
    /// token in the same header.
    #[must_use]
    pub fn header(&self) -> Option<&HeaderName> {
        match self {
            Self::Header(name) => Some(name.name()),
            _ => None,
        }
    }

    /// Returns the query parameter in which the credential goes out.
    #[must_use]
    pub fn parameter(&self) -> Option<&CarrierParameter> {
        match self {
            Self::Query(name) => Some(name),
            _ => None,
        }
    }
}

/// Writes the carrier as in the configuration.
impl fmt::Display for CredentialCarrier {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bearer => formatter.write_str("bearer"),
            Self::Token => formatter.write_str("token"),
            Self::BasicPair => formatter.write_str("basic"),
            Self::Basic(user) => write!(formatter, "basic:{}", user.as_str()),
            Self::Header(name) => write!(formatter, "header:{}", name.name()),
            Self::Query(name) => write!(formatter, "query:{}", name.as_str()),
        }
    }
}

/// A place in which clients may put a magic token, in addition to the places that every upstream
/// reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenCarrier {
    /// The value of a header.
    Header(CarrierHeader),
    /// The value of a query parameter.
    Query(CarrierParameter),
    /// The rest of an item of `Sec-WebSocket-Protocol` that begins with this prefix.
    Subprotocol(CarrierSubprotocol),
}

impl TokenCarrier {
    /// Reads `header:NAME`, `query:NAME` or `subprotocol:PREFIX`.
    ///
    /// # Errors
    /// [`ParseCarrierError`] says what was expected and does not repeat the text.
    pub fn parse(text: &str) -> Result<Self, ParseCarrierError> {
        match text.split_once(':') {
            Some(("header", name)) => CarrierHeader::parse(name).map(Self::Header),
            Some(("query", name)) => CarrierParameter::parse(name).map(Self::Query),
            Some(("subprotocol", prefix)) => {
                CarrierSubprotocol::parse(prefix).map(Self::Subprotocol)
            }
            _ if matches!(text, "bearer" | "token" | "basic") => {
                Err(ParseCarrierError::AlwaysTaken)
            }
            _ => Err(ParseCarrierError::Token),
        }
    }

    /// Returns the header's name; `None` for other carriers.
    #[must_use]
    pub fn header(&self) -> Option<&HeaderName> {
        match self {
            Self::Header(name) => Some(name.name()),
            Self::Query(_) | Self::Subprotocol(_) => None,
        }
    }
}

/// Writes the carrier as in the configuration.
impl fmt::Display for TokenCarrier {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(name) => write!(formatter, "header:{}", name.name()),
            Self::Query(name) => write!(formatter, "query:{}", name.as_str()),
            Self::Subprotocol(prefix) => write!(formatter, "subprotocol:{}", prefix.as_str()),
        }
    }
}

/// The user of `basic:USER`: visible ASCII without `:` (RFC 7617 section 2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BasicUser(String);

impl BasicUser {
    fn parse(text: &str) -> Result<Self, ParseCarrierError> {
        let legal = |byte: u8| byte.is_ascii_graphic() && byte != b':';
        if text.is_empty() || text.len() > MAX_CARRIER_BYTES || !text.bytes().all(legal) {
            return Err(ParseCarrierError::User);
        }
        Ok(Self(text.to_owned()))
    }

    /// The user's name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A header that may carry a token or a credential; never a field that frames, routes or describes
/// the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CarrierHeader(HeaderName);

impl CarrierHeader {
    fn parse(text: &str) -> Result<Self, ParseCarrierError> {
        let name: HeaderName = text.parse().map_err(|_| ParseCarrierError::HeaderName)?;
        if name == http::header::AUTHORIZATION {
            return Err(ParseCarrierError::Authorization);
        }
        if may_carry_secret(&name) {
            Ok(Self(name))
        } else {
            Err(ParseCarrierError::ForbiddenHeader)
        }
    }

    /// The header's name.
    #[must_use]
    pub fn name(&self) -> &HeaderName {
        &self.0
    }
}

/// The name of a query parameter that may carry a token or a credential: unreserved characters (RFC
/// 3986 section 2.3), so that the name has one spelling only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CarrierParameter(String);

impl CarrierParameter {
    fn parse(text: &str) -> Result<Self, ParseCarrierError> {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if text.is_empty() || text.len() > MAX_CARRIER_BYTES || !text.bytes().all(legal) {
            return Err(ParseCarrierError::ParameterName);
        }
        Ok(Self(text.to_owned()))
    }

    /// The parameter's name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The prefix of an item of `Sec-WebSocket-Protocol` that holds a key: characters of a token (RFC
/// 9110 section 5.6.2).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CarrierSubprotocol(String);

impl CarrierSubprotocol {
    pub(crate) fn parse(text: &str) -> Result<Self, ParseCarrierError> {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if text.is_empty() || text.len() > MAX_CARRIER_BYTES || !text.bytes().all(legal) {
            return Err(ParseCarrierError::Subprotocol);
        }
        Ok(Self(text.to_owned()))
    }

    /// The prefix.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the text behind the prefix in this item. The prefix is compared without regard to
    /// case.
    pub(crate) fn key_in<'i>(&self, item: &'i str) -> Option<&'i str> {
        let (start, key) = item.split_at_checked(self.0.len())?;
        start.eq_ignore_ascii_case(&self.0).then_some(key)
    }
}

/// A reason for which a text names no carrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseCarrierError {
    /// Not a carrier of a credential.
    #[error("expected `bearer`, `token`, `basic`, `basic:USER`, `header:NAME` or `query:NAME`")]
    Credential,
    /// Not a carrier of a token.
    #[error("expected `header:NAME`, `query:NAME` or `subprotocol:PREFIX`")]
    Token,
    /// `Authorization`, which need not be named.
    #[error(
        "expected `header:NAME`, `query:NAME` or `subprotocol:PREFIX`; a token in `Authorization` is always taken"
    )]
    AlwaysTaken,
    /// Not a user-id of RFC 7617.
    #[error(
        "expected a user of 1 to {MAX_CARRIER_BYTES} visible ASCII characters without `:` behind `basic:`"
    )]
    User,
    /// Not a field name of RFC 9110.
    #[error("expected the name of a header behind `header:`")]
    HeaderName,
    /// `Authorization`, for which carriers with a scheme exist.
    #[error(
        "`Authorization` is written with its scheme: `bearer`, `token`, `basic` or `basic:USER`"
    )]
    Authorization,
    /// A header with another meaning.
    #[error("this header cannot carry a secret: it has another meaning, or a `_` in its name")]
    ForbiddenHeader,
    /// Not a name of unreserved characters.
    #[error(
        "expected a name of 1 to {MAX_CARRIER_BYTES} characters `A-Z a-z 0-9 - . _ ~` behind `query:`"
    )]
    ParameterName,
    /// Not the beginning of a subprotocol's name.
    #[error(
        "expected what the keys in `Sec-WebSocket-Protocol` begin with, of 1 to {MAX_CARRIER_BYTES} characters of a name, behind \
         `subprotocol:`"
    )]
    Subprotocol,
}

/// A requirement of a carrier that a credential does not meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnfitCredential {
    /// `basic` requires a pair `user:password`.
    #[error("the credential goes out as `Basic`: expected a pair `user:password`")]
    NoPair,
}
