//! Grants that the success of a request gives. `state.md` section 3.

#[cfg(test)]
mod tests;

use std::fmt;

use serde_json::Value;

use super::route;
use super::shorten;
use crate::condition::CapturePlace;
use crate::json::{LenientNames, UniqueValue};
use crate::method::{Method, ParseMethodError};
use crate::state::Partition;
use crate::target::{EncodedSlash, RequestTarget, is_unreserved};

/// The most values in a grant.
const MAX_SOURCES: usize = 8;
/// The most member names in a source.
const MAX_NAMES: usize = 8;
/// The longest value, in bytes.
const MAX_GRANT_VALUE_BYTES: usize = 256;
/// The most values of a document, those inside of lists and objects included.
const MAX_DOCUMENT_VALUES: usize = 65_536;

/// A JSON value in which no object has a repeated member: two readers of a repeated member could
/// find different values for a grant.
#[derive(Debug)]
pub struct Document(pub(super) serde_json::Value);

impl Document {
    /// Reads a body. Returns `None` if the body is not JSON, has a repeated member, or has more than
    /// `MAX_DOCUMENT_VALUES` values.
    #[must_use]
    pub fn parse(json: &[u8]) -> Option<Self> {
        UniqueValue::within(json, MAX_DOCUMENT_VALUES).ok().map(|UniqueValue(value)| Self(value))
    }

    /// Returns the value at this place; `None` if the place is empty.
    fn at(&self, place: &ValuePath) -> Result<Option<&Value>, AmbiguousMember> {
        let mut found = &self.0;
        for name in &place.0 {
            let inner = match found {
                Value::Object(members) => {
                    let names = LenientNames::of(members).filter(|names| !names.misspell(name));
                    names.ok_or(AmbiguousMember).map(|_| members.get(name))?
                }
                Value::Array(values) => index(name).and_then(|index| values.get(index)),
                _ => None,
            };
            let Some(inner) = inner else { return Ok(None) };
            found = inner;
        }
        Ok(Some(found))
    }
}

/// Ambiguity of a member on the way to a value: an object has members that a server could take for
/// the same member, or the sought member in another spelling.
struct AmbiguousMember;

/// Reads an index as in RFC 6901 section 4: no leading zeros, and no signs, which no [`ValuePath`]
/// holds.
fn index(name: &str) -> Option<usize> {
    if name.starts_with('0') && name != "0" { None } else { name.parse().ok() }
}

/// The sources of a grant's values: the request, and the response to the request. `state.md`
/// section 3.2.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'f> {
    /// The request's canonical path.
    pub path: &'f str,
    /// The request's body, if read and JSON.
    pub request: Option<&'f Document>,
    /// The response's body, if read and JSON.
    pub response: Option<&'f Document>,
    /// The response's `Location`.
    pub location: Option<&'f str>,
}

/// A grant as written in a rule: `METHODS TEMPLATE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GrantTemplate {
    methods: Vec<Method>,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    Value(Source),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    Response(ValuePath),
    Request(ValuePath),
    Location,
    Path(CapturePlace),
}

/// The place of a value in a [`Document`]: names of members, and indices of lists.
#[derive(Clone, Debug, PartialEq, Eq)]
struct ValuePath(Vec<String>);

impl GrantTemplate {
    /// Reads a grant; `route` is the route of the grant's rule.
    pub(super) fn parse(text: &str, route: Option<&str>) -> Result<Self, GrantFault> {
        let (methods, template) =
            text.split_once(' ').ok_or_else(|| GrantFault::Form(shorten(text)))?;
        let methods = methods.split('|').map(Method::parse).collect::<Result<Vec<_>, _>>()?;
        let parts = parts(template, route)?;
        let sources = parts.iter().filter(|part| matches!(part, Part::Value(_))).count();
        if !(1..=MAX_SOURCES).contains(&sources) {
            return Err(GrantFault::Sources(shorten(text)));
        }
        let template = Self { methods, parts };
        // The text around the values must be canonical for all values.
        let example = template.written(|_| Ok("x".to_owned())).unwrap_or_default();
        if canonical(&example).is_none() {
            return Err(GrantFault::Path(shorten(text)));
        }
        Ok(template)
    }

    pub(super) fn reads_request(&self) -> bool {
        self.requested().next().is_some()
    }

    /// True if all servers can be expected to find the same values in the request, or to miss the
    /// same values.
    pub(super) fn understands(&self, request: &Document) -> bool {
        self.requested().all(|place| request.at(place).is_ok())
    }

    /// The places in the request that the grant reads.
    fn requested(&self) -> impl Iterator<Item = &ValuePath> {
        self.parts.iter().filter_map(|part| match part {
            Part::Value(Source::Request(place)) => Some(place),
            _ => None,
        })
    }

    pub(super) fn reads_response(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Value(Source::Response(_))))
    }

    /// Returns the grant with its values filled in.
    pub(super) fn fill(&self, facts: &Facts<'_>) -> Result<NewGrant, NoGrant> {
        let path = self.written(|source| source.value(facts))?;
        let path = canonical(&path).ok_or(NoGrant::Path)?;
        Ok(NewGrant { path, methods: self.methods.clone() })
    }

    fn written(
        &self,
        value: impl Fn(&Source) -> Result<String, NoGrant>,
    ) -> Result<String, NoGrant> {
        let mut path = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(text) => path.push_str(text),
                Part::Value(source) => path.push_str(&value(source)?),
            }
        }
        Ok(path)
    }
}

/// Returns the path if canonical: with a single reading, and in the spelling in which requests
/// arrive.
fn canonical(path: &str) -> Option<String> {
    let target = RequestTarget::parse(path.as_bytes(), EncodedSlash::Refuse).ok()?;
    (target.path() == path).then(|| path.to_owned())
}

fn parts(template: &str, route: Option<&str>) -> Result<Vec<Part>, GrantFault> {
    let mut parts = Vec::new();
    let mut rest = template;
    while let Some((literal, behind)) = rest.split_once('{') {
        let (source, further) =
            behind.split_once('}').ok_or_else(|| GrantFault::Source(shorten(behind)))?;
        if !literal.is_empty() {
            parts.push(Part::Literal(literal.to_owned()));
        }
        parts.push(Part::Value(Source::parse(source, route)?));
        rest = further;
    }
    if !rest.is_empty() {
        parts.push(Part::Literal(rest.to_owned()));
    }
    Ok(parts)
}

impl Source {
    fn parse(text: &str, route: Option<&str>) -> Result<Self, GrantFault> {
        let fault = || GrantFault::Source(shorten(text));
        if text == "location" {
            return Ok(Self::Location);
        }
        let (kind, rest) = text.split_once('.').ok_or_else(fault)?;
        match kind {
            "response" => Ok(Self::Response(ValuePath::parse(rest).ok_or_else(fault)?)),
            "request" => Ok(Self::Request(ValuePath::parse(rest).ok_or_else(fault)?)),
            "path" => {
                let capture = route.and_then(|route| route::capture(route, rest));
                capture.map(Self::Path).ok_or_else(|| GrantFault::Capture(shorten(rest)))
            }
            _ => Err(fault()),
        }
    }

    fn value(&self, facts: &Facts<'_>) -> Result<String, NoGrant> {
        let found = match self {
            Self::Response(place) => self.scalar(facts.response, place)?,
            Self::Request(place) => self.scalar(facts.request, place)?,
            Self::Location => facts.location.and_then(last_segment),
            Self::Path(capture) => capture.of(facts.path).map(str::to_owned),
        };
        let found = found.ok_or_else(|| NoGrant::Missing(self.to_string()))?;
        let fits =
            (1..=MAX_GRANT_VALUE_BYTES).contains(&found.len()) && found.bytes().all(is_unreserved);
        if fits { Ok(found) } else { Err(NoGrant::Unfit(self.to_string())) }
    }

    fn scalar(
        &self,
        document: Option<&Document>,
        place: &ValuePath,
    ) -> Result<Option<String>, NoGrant> {
        let Some(document) = document else { return Ok(None) };
        Ok(
            match document
                .at(place)
                .map_err(|AmbiguousMember| NoGrant::Ambiguous(self.to_string()))?
            {
                Some(Value::String(text)) => Some(text.clone()),
                Some(Value::Number(number)) => number.as_u64().map(|number| number.to_string()),
                _ => None,
            },
        )
    }
}

/// Prints the place of a value for the log, and never the value.
impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Response(place) => write!(formatter, "response.{}", place.0.join(".")),
            Self::Request(place) => write!(formatter, "request.{}", place.0.join(".")),
            Self::Location => formatter.write_str("location"),
            Self::Path(_) => formatter.write_str("path"),
        }
    }
}

impl ValuePath {
    /// Reads a place such as `a.b.0`.
    fn parse(names: &str) -> Option<Self> {
        let legal = |name: &str| {
            (1..=64).contains(&name.len())
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
        };
        let names: Vec<&str> = names.split('.').collect();
        let is_place = names.len() <= MAX_NAMES && names.iter().all(|name| legal(name));
        is_place.then(|| Self(names.into_iter().map(str::to_owned).collect()))
    }
}

/// Returns the last segment of a URL or a path.
fn last_segment(location: &str) -> Option<String> {
    let path = location.split(['?', '#']).next()?;
    let (before, last) = path.rsplit_once('/')?;
    // `https://host` has no path.
    (!before.ends_with('/')).then(|| last.to_owned())
}

/// A new grant, from the response to a successful request: methods on a path. Nobody holds the
/// grant before the store has it, or a receipt carries it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewGrant {
    path: String,
    methods: Vec<Method>,
}

impl NewGrant {
    #[cfg(test)]
    pub(crate) fn of(path: &str, methods: &[Method]) -> Self {
        Self { path: path.to_owned(), methods: methods.to_vec() }
    }

    /// The canonical path.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The name under which the owner keeps the grant.
    #[must_use]
    pub fn name(&self) -> Vec<u8> {
        HeldGrant::name(&self.path)
    }

    /// The methods in their stored form: `DELETE|GET`.
    #[must_use]
    pub fn methods(&self) -> String {
        self.methods.iter().map(|method| method.as_str()).collect::<Vec<_>>().join("|")
    }

    /// The rules that allow exactly this grant: for a receipt.
    #[must_use]
    pub(crate) fn rules(&self) -> Vec<String> {
        let pattern = regex_syntax::escape(&self.path);
        self.methods.iter().map(|method| format!("{} {pattern}", method.as_str())).collect()
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.methods.extend(&other.methods);
        self.methods.sort_unstable();
        self.methods.dedup();
    }
}

/// A grant that an owner holds, read from the store: methods on exactly this path.
///
/// INVARIANT: made only of rows read from the owner's partition; nothing else proves a grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldGrant {
    owner: Partition,
    path: String,
    methods: Vec<Method>,
}

impl HeldGrant {
    /// The beginning of the names of all grants.
    pub const PREFIX: &[u8] = b"grant ";

    /// The name under which an owner keeps the grant of a path.
    #[must_use]
    pub fn name(path: &str) -> Vec<u8> {
        [Self::PREFIX, path.as_bytes()].concat()
    }

    /// Reads the grant of a path from the value stored under [`Self::name`] in the owner's
    /// partition. `None` if the value is no grant.
    #[must_use]
    pub fn from_store(owner: Partition, path: &str, value: &[u8]) -> Option<Self> {
        let methods = std::str::from_utf8(value)
            .ok()?
            .split('|')
            .map(Method::parse)
            .collect::<Result<_, _>>()
            .ok()?;
        Some(Self { owner, path: path.to_owned(), methods })
    }

    /// The owner of the grant.
    #[must_use]
    pub fn owner(&self) -> Partition {
        self.owner
    }

    /// True if the grant allows this method on this path.
    pub(crate) fn allows(&self, method: &str, path: &str) -> bool {
        self.path == path && self.methods.iter().any(|held| held.admits(method))
    }
}

/// The reasons why a response gave no grant. A reason names the place of a value, and never the
/// value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoGrant {
    /// A place without a string or number.
    #[error("there is no value at `{0}`")]
    Missing(String),
    /// An object on the way to this place whose members some reader takes for the same member.
    #[error("on the way to `{0}`, the names of members differ only in case or in `_`")]
    Ambiguous(String),
    /// A value that does not fit into a path.
    #[error("the value at `{0}` does not fit into a path")]
    Unfit(String),
    /// Values that make no canonical path.
    #[error("the values make no path")]
    Path,
}

/// The faults of a grant as written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum GrantFault {
    /// A grant without a blank.
    #[error(
        "`{0}`: expected `METHODS /path/{{source}}`, for instance `GET|DELETE /things/{{response.id}}`"
    )]
    Form(String),
    /// A word that is no method.
    #[error(transparent)]
    Method(#[from] ParseMethodError),
    /// A grant without sources, or with too many.
    #[error("`{0}`: a grant holds 1 to {MAX_SOURCES} sources in braces")]
    Sources(String),
    /// Text in braces that is no source.
    #[error("`{0}` is no source: expected `response.…`, `request.…`, `path.…` or `location`")]
    Source(String),
    /// A source that names no capture of a single segment.
    #[error("`path.{0}`: the rule has no route with a capture of one segment of that name")]
    Capture(String),
    /// A path around the sources that is not canonical.
    #[error("`{0}`: the path must be in the form in which paths arrive")]
    Path(String),
}
