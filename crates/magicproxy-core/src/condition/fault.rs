//! The faults of conditions as written, each with its place in the rule.

use crate::pattern::PatternError;

use super::MAX_LISTED_NAMES;
use super::git::GitFault;
use super::integer::MAX_INTEGER;
use super::parse::{
    MAX_CONDITION_BYTES, MAX_LISTED_VALUES, MAX_TEST_NESTING, MAX_TEST_TEXT, MAX_TESTS,
};

/// A fault of a rule's conditions, and its place: the member's name and the names on the way.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{place}`: {kind}")]
pub(crate) struct ConditionFault {
    pub(super) place: String,
    pub(super) kind: FaultKind,
}

/// The kinds of faults of conditions.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum FaultKind {
    #[error("expected an object of names and tests, such as {{\"base\": \"main\"}}")]
    Names,
    #[error("expected an object of names and tests, or \"any\"")]
    Query,
    #[error("expected \"none\" or \"any\"")]
    Body,
    #[error("expected a media type such as \"application/json\", or a list of them")]
    ContentType,
    #[error(
        "expected a value, a list of values, {{}}, or an object with `glob`, `pattern`, `min`, `max`, `each`, `count`, `object`, `type` or `absent`"
    )]
    Value,
    #[error("`{found}` is not a word of conditions; write {instead}")]
    Guess { found: &'static str, instead: &'static str },
    #[error("`{0}` and `{1}` do not go together")]
    Together(&'static str, &'static str),
    #[error(
        "a number is an integer from -{MAX_INTEGER} to {MAX_INTEGER}, without fraction or exponent"
    )]
    Number,
    #[error("`min` is greater than `max`")]
    Range,
    #[error("`count` is a number of elements, or an object with `min`, `max` or both")]
    Count,
    #[error(
        "`type` is one of `string`, `integer`, `number`, `boolean`, `null`, `array`, `object`, or a list of them"
    )]
    Type,
    #[error("a list of values holds 1 to {MAX_LISTED_VALUES} texts, integers, booleans or null")]
    List,
    #[error("`absent` is `true`, or is left out")]
    AbsentTrue,
    #[error("`absent` says that the name is not there, and `?` that it may be missing")]
    AbsentOptional,
    #[error("`absent` has no meaning here")]
    AbsentHere,
    #[error("`{0}` is for JSON bodies only: a value here is a text")]
    TextOnly(&'static str),
    #[error("a text has at most {MAX_TEST_TEXT} bytes, and no control characters")]
    Text,
    #[error(transparent)]
    Pattern(#[from] PatternError),
    #[error("a name has 1 to 128 bytes, and no control characters")]
    Name,
    #[error("`\\` in a name stands before `?`, `*`, `[` or `\\` only")]
    NameEscape,
    #[error("some readers take this name for `{0}`, which is listed, too")]
    Twins(String),
    #[error("some readers take this name for one that overrides the method")]
    Override,
    #[error("at most {MAX_LISTED_NAMES} names can be listed")]
    TooManyNames,
    #[error("`*` stands in `query`, `form`, `json` and `object` only")]
    RestHere,
    #[error("`[*]` stands in `query` and `form` only")]
    KeysHere,
    #[error("`?` has no meaning here: a capture is never missing")]
    OptionalHere,
    #[error("the route has no capture of this name, or its place depends on the path")]
    Capture,
    #[error("captures are those of a `route`, and this rule has a `path`")]
    NoRoute,
    #[error("names of header fields are tokens in lower case, without `_`")]
    HeaderName,
    #[error("this header field carries a token, or belongs to the connection or the body")]
    HeaderOfConnection,
    #[error("a body is `{0}` or has the tests of `{1}`, not both")]
    BodyAndShape(&'static str, &'static str),
    #[error("`content_type` stands beside `json`, `json_each`, `form` or `\"body\": \"any\"`")]
    ContentTypeAlone,
    #[error(
        "a rule with `{0}` lists methods with content; `*`, `GET`, `HEAD` and `OPTIONS` have none"
    )]
    Method(&'static str),
    #[error("an upstream with `danger_prefix_matching` takes no rules with conditions")]
    PrefixMatching,
    #[error(
        "the conditions of a rule have at most {MAX_CONDITION_BYTES} bytes, and {MAX_TESTS} tests"
    )]
    TooLarge,
    #[error("`each` and `object` go at most {MAX_TEST_NESTING} levels deep")]
    TooDeep,
    #[error(transparent)]
    Git(#[from] GitFault),
}
