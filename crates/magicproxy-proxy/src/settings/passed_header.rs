//! Request fields that an upstream gets in addition to the fields that every upstream gets:
//! `docs/spec/upstreams.md` section 10.

use std::fmt;

use http::HeaderName;

use crate::field_names::FieldMeaning;

/// The name of a request field, or a prefix of such names, that passes to an upstream in addition
/// to the fields that pass to all.
///
/// INVARIANT: no field with a [`FieldMeaning`] is named; a prefix may match one, and whoever matches
/// by prefix checks each name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassedHeader(NamePattern);

#[derive(Clone, Debug, PartialEq, Eq)]
enum NamePattern {
    One(HeaderName),
    /// Every name with this prefix.
    Prefix(String),
}

impl PassedHeader {
    /// Reads the name of one field, as written by an operator.
    ///
    /// # Errors
    /// [`ParsePassedHeaderError`] says why a client's field with the name may not pass.
    pub fn parse(text: &str) -> Result<Self, ParsePassedHeaderError> {
        if text.contains('*') {
            return Err(ParsePassedHeaderError::Pattern);
        }
        let name: HeaderName = text.parse().map_err(|_| ParsePassedHeaderError::Name)?;
        match FieldMeaning::of(&name) {
            Some(meaning) => Err(ParsePassedHeaderError::Forbidden(meaning)),
            None => Ok(Self(NamePattern::One(name))),
        }
    }

    /// Reads an entry of a preset: a name, or `PREFIX-*` for the fields of one client library.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn parse_preset(text: &str) -> Result<Self, ParsePassedHeaderError> {
        match text.strip_suffix("-*") {
            None => Self::parse(text),
            Some(stem) => Self::parse(stem)
                .map(|_| Self(NamePattern::Prefix(format!("{}-", stem.to_ascii_lowercase())))),
        }
    }

    /// Returns the field's name; `None` for a prefix.
    #[must_use]
    pub fn name(&self) -> Option<&HeaderName> {
        match &self.0 {
            NamePattern::One(name) => Some(name),
            NamePattern::Prefix(_) => None,
        }
    }

    /// Returns the prefix of the fields' names; `None` for a single field.
    pub(crate) fn prefix(&self) -> Option<&str> {
        match &self.0 {
            NamePattern::Prefix(prefix) => Some(prefix),
            NamePattern::One(_) => None,
        }
    }
}

/// Writes the name in lower case; a prefix ends with `*`.
impl fmt::Display for PassedHeader {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            NamePattern::One(name) => formatter.write_str(name.as_str()),
            NamePattern::Prefix(prefix) => write!(formatter, "{prefix}*"),
        }
    }
}

/// A reason for which a text names no field that may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParsePassedHeaderError {
    /// Not a field name of RFC 9110.
    #[error("expected the name of a header")]
    Name,
    /// A pattern, which would pass fields that nobody thought of.
    #[error("expected the name of one header, without `*`")]
    Pattern,
    /// A field that never passes.
    #[error("{0}, so that no setting lets it pass")]
    Forbidden(FieldMeaning),
}
