//! The canonical form of the request target: the rules see the very bytes that the upstream
//! receives.
//!
//! Never repair a spelling here: a target that two servers could read in two ways is refused.
//! Specification: `request-target.md`.

mod hidden;
mod ignorable;
mod lookalike;
mod path;
pub(crate) use ignorable::without_ignorables;
pub(crate) use path::is_unreserved;
mod query;
pub use query::AmbiguousParameter;
pub(crate) use query::{DotReading, is_same_name, lenient_characters, names_method, root};
mod reading;
pub use reading::{EncodedSlash, PathReading, PathSettings};
#[cfg(test)]
mod tests;

use std::fmt;

/// The longest target, path and query together, in bytes.
pub const MAX_TARGET_BYTES: usize = 8 * 1024;
/// The longest path, in bytes.
pub const MAX_PATH_BYTES: usize = 4 * 1024;

/// A request target in canonical form: the path and query on which rules decide, and which the
/// upstream receives byte for byte.
///
/// INVARIANT: `path` begins with `/`, obeys section 2 of the specification, and so does every entry
/// of `further_readings`; `query` obeys section 3. [`RequestTarget::parse`] is the only maker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestTarget {
    path: String,
    query: Option<String>,
    further_readings: Vec<String>,
}

impl RequestTarget {
    /// Reads a target in origin form, as in the request line or in HTTP/2's `:path`, for an
    /// upstream that reads paths as in `settings`.
    ///
    /// # Errors
    /// [`ParseTargetError`]: the target has no single meaning, or is too long.
    pub fn parse(text: &[u8], settings: impl Into<PathSettings>) -> Result<Self, ParseTargetError> {
        Self::parse_for(text, settings.into())
    }

    fn parse_for(text: &[u8], settings: PathSettings) -> Result<Self, ParseTargetError> {
        if text.len() > MAX_TARGET_BYTES {
            return Err(ParseTargetError::TooLong);
        }
        if text.first() != Some(&b'/') {
            return Err(ParseTargetError::Form);
        }
        let (path, query) = split_query(text);
        if path.len() > MAX_PATH_BYTES {
            return Err(ParseTargetError::TooLong);
        }
        let path = path::canonicalise(path, settings)?;
        let further_readings = path::further_readings(&path, settings)?;
        let query = query.map(query::check).transpose()?.map(str::to_owned);
        Ok(Self { path, query, further_readings })
    }

    /// The canonical path: percent-encoded, beginning with `/`, without query.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The query as received, without the `?`.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.query.as_deref()
    }

    /// Returns the target as sent, the same text as by [`Display`](fmt::Display). Without a query
    /// nothing is copied.
    #[must_use]
    pub fn into_text(self) -> String {
        match &self.query {
            Some(_) => self.to_string(),
            None => self.path,
        }
    }

    /// True if the target is [sent](Self::into_text) in the very bytes of `text`.
    #[must_use]
    pub fn is_spelt(&self, text: &str) -> bool {
        match (text.strip_prefix(self.path.as_str()), &self.query) {
            (Some(behind), Some(query)) => behind.strip_prefix('?') == Some(query),
            (Some(behind), None) => behind.is_empty(),
            (None, _) => false,
        }
    }

    /// Returns every reading that a sane upstream may make of the path; the canonical path is the
    /// first. All must be allowed: section 4.
    pub fn readings(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.path.as_str()).chain(self.further_readings.iter().map(String::as_str))
    }

    /// Returns the raw value of the query parameter of this name (compared as in section 3); the
    /// empty text for a parameter without `=`.
    ///
    /// # Errors
    /// [`AmbiguousParameter`]: several parameters have the name, in any spellings, or the parameter
    /// exists only for a server that splits at `;`.
    pub fn query_parameter(&self, name: &str) -> Result<Option<&str>, AmbiguousParameter> {
        self.query.as_deref().map_or(Ok(None), |query| query::value(query, name))
    }

    /// Removes the query parameters with these names (compared as in section 3); the others keep
    /// bytes and order.
    pub fn drop_query_parameters(&mut self, names: &[String]) {
        if let Some(query) = &self.query {
            self.query = query::without(query, names);
        }
    }
}

/// Prints the target as sent, without the upstream's base path.
impl fmt::Display for RequestTarget {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.query {
            Some(query) => write!(formatter, "{}?{query}", self.path),
            None => formatter.write_str(&self.path),
        }
    }
}

fn split_query(text: &[u8]) -> (&[u8], Option<&[u8]>) {
    match text.iter().position(|byte| *byte == b'?') {
        Some(at) => {
            let (path, query) = text.split_at(at);
            (path, query.get(1..))
        }
        None => (text, None),
    }
}

/// The reasons why a target is refused. Each reason has a stable [code](Self::code).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseTargetError {
    /// A target in another form than the origin form.
    #[error("the request target must be a path that begins with `/`")]
    Form,
    /// A target longer than [`MAX_TARGET_BYTES`], or a path longer than [`MAX_PATH_BYTES`].
    #[error(
        "the request target is too long: at most {MAX_TARGET_BYTES} bytes, {MAX_PATH_BYTES} of them path"
    )]
    TooLong,
    /// A raw byte that RFC 3986 does not allow there.
    #[error("the request target holds a raw character that must be percent-encoded")]
    Character,
    /// A `%` without two hex digits.
    #[error(
        "the request target holds a `%` that is not followed by two hex digits (a `%` itself is written `%25`)"
    )]
    Encoding,
    /// A `%25` while the upstream's setting is [`PathReading::Strict`].
    #[error(
        "the path holds an encoded `%`, which this upstream is not configured to take (`path_reading`)"
    )]
    EncodedPercent,
    /// A path that is percent-encoded again and again, in more layers than are looked through.
    #[error("the path is percent-encoded too many times over")]
    Layers,
    /// An encoded control character: `%00`, `%0A` and their kin.
    #[error("the request target holds an encoded control character")]
    Control,
    /// A segment `.` or `..` in any spelling, further layers of encoding and look-alikes included.
    #[error("the path holds a dot segment")]
    DotSegment,
    /// An empty segment: `//`.
    #[error(
        "the path holds an empty segment: two slashes in a row, often behind a base URL that ends in `/`"
    )]
    EmptySegment,
    /// A backslash: `\` or `%5C`.
    #[error("the path holds a backslash")]
    Backslash,
    /// A `;` or `%3B` while the upstream's setting is [`PathReading::Strict`].
    #[error("the path holds a `;`, which this upstream is not configured to take (`path_reading`)")]
    Parameter,
    /// A `%2F` while the upstream's setting is [`EncodedSlash::Refuse`].
    #[error(
        "the path holds an encoded slash, which this upstream is not configured to take (`encoded_slash`)"
    )]
    EncodedSlash,
    /// A decoded path that is not UTF-8.
    #[error("the percent-encoded path is not valid UTF-8 text")]
    Utf8,
    /// A character that normalises to a dot, a slash, a backslash or a `%`, for an upstream that
    /// may normalise.
    #[error(
        "the path holds a look-alike of a dot, a slash or a `%`, which this upstream is not configured to take (`path_reading`)"
    )]
    Lookalike,
    /// A segment that begins or ends with a blank.
    #[error("a path segment begins or ends with a blank")]
    Blank,
    /// A query parameter such as `_method`.
    #[error("a query parameter that overrides the method is not passed on")]
    MethodOverride,
}

impl ParseTargetError {
    /// The stable code in a rejection.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Form => "target_form",
            Self::TooLong => "target_too_long",
            Self::Character => "target_character",
            Self::Encoding | Self::EncodedPercent | Self::Layers => "target_encoding",
            Self::Control => "target_control",
            Self::DotSegment => "target_dot_segment",
            Self::EmptySegment => "target_empty_segment",
            Self::Backslash => "target_backslash",
            Self::Parameter => "target_parameter",
            Self::EncodedSlash => "target_encoded_slash",
            Self::Utf8 => "target_utf8",
            Self::Lookalike => "target_lookalike",
            Self::Blank => "target_blank",
            Self::MethodOverride => "method_override",
        }
    }
}
