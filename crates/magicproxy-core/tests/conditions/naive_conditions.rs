//! A second, naive evaluator of conditions: builds trees, compares text with text, and was written
//! from the specification alone. The evaluator of the proxy is held against this one.
//!
//! Reads rules that the proxy accepts; a rule of another form ends the test.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

#[path = "naive/body.rs"]
mod body;
#[path = "naive/names.rs"]
mod names;
#[path = "naive/parameters.rs"]
mod parameters;
#[path = "naive/strict_json.rs"]
mod strict_json;
#[path = "naive/tests_of_values.rs"]
mod tests_of_values;

pub(crate) use names::{fold, root};
pub(crate) use parameters::Plus;

/// The verdict of a rule's conditions. An unknown one holds each reason that was met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    True,
    False,
    Unknown(BTreeSet<&'static str>),
}

impl Outcome {
    pub(crate) fn of(holds: bool) -> Outcome {
        if holds { Outcome::True } else { Outcome::False }
    }

    pub(crate) fn unknown(code: &'static str) -> Outcome {
        Outcome::Unknown(BTreeSet::from([code]))
    }

    /// Kleene's "and": false beats unknown.
    pub(crate) fn and(self, other: Outcome) -> Outcome {
        match (self, other) {
            (Outcome::False, _) | (_, Outcome::False) => Outcome::False,
            (Outcome::True, other) => other,
            (unknown, Outcome::True) => unknown,
            (Outcome::Unknown(mut codes), Outcome::Unknown(others)) => {
                codes.extend(others);
                Outcome::Unknown(codes)
            }
        }
    }
}

/// `and` over all; true if there is none.
pub(crate) fn all(outcomes: impl IntoIterator<Item = Outcome>) -> Outcome {
    outcomes.into_iter().fold(Outcome::True, Outcome::and)
}

/// The parts of a request that conditions speak of.
#[derive(Debug, Clone, Default)]
pub(crate) struct SampleRequest {
    /// The bytes behind `?`; `None` without a `?`.
    pub(crate) query: Option<Vec<u8>>,
    /// Names in lower case, each line of the head by itself.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) captures: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
    pub(crate) plus: Plus,
}

impl SampleRequest {
    /// The values of a field, one for each line.
    fn fields<'r>(&'r self, name: &'r str) -> impl Iterator<Item = &'r str> {
        self.headers
            .iter()
            .filter(move |(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

/// The members of a rule that are conditions.
pub(crate) const MEMBERS: [&str; 8] =
    ["captures", "query", "headers", "json", "json_each", "form", "body", "content_type"];

/// Judges a request by the conditions among a rule's members; true if there are none.
pub(crate) fn judge(rule: &Value, request: &SampleRequest) -> Outcome {
    let rule = with_defaults(rule);
    let mut parts = vec![names_in_both(&rule, request)];
    if let Some(captures) = rule.get("captures") {
        let found: Vec<_> =
            request.captures.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        parts.push(names::fields(captures, &found, &names::TARGET));
    }
    if let Some(headers) = rule.get("headers") {
        let found: Vec<_> = request
            .headers
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str()))
            .collect();
        parts.push(names::fields(headers, &found, &names::HEADER));
    }
    if let Some(query) = rule.get("query").filter(|query| **query != "any") {
        let bytes = request.query.as_deref().unwrap_or_default();
        parts.push(parameters::query(query, bytes, request.plus));
    }
    parts.push(body::judge(&rule, request));
    all(parts)
}

/// Adds the defaults, "so that no door is forgotten".
fn with_defaults(rule: &Value) -> Map<String, Value> {
    let mut rule = rule.as_object().unwrap().clone();
    let reads_body = ["json", "json_each", "form"].iter().any(|member| rule.contains_key(*member));
    if reads_body && !rule.contains_key("query") {
        rule.insert("query".to_owned(), json!({}));
    }
    let says_nothing = !reads_body && !rule.contains_key("content_type");
    if rule.contains_key("query") && says_nothing && !rule.contains_key("body") {
        rule.insert("body".to_owned(), json!("none"));
    }
    rule
}

/// Unknown if a name that the rule lists stands in the query and in the body: an API that mixes
/// both takes one of the two.
fn names_in_both(rule: &Map<String, Value>, request: &SampleRequest) -> Outcome {
    let listed: Vec<String> = ["query", "json", "form"]
        .iter()
        .filter_map(|member| rule.get(*member)?.as_object())
        .flat_map(|names| names.keys().map(|name| root(names::without_mark(name))))
        .collect();
    let of_query: BTreeSet<String> = request
        .query
        .iter()
        .flat_map(|query| parameters::names_however_split(query))
        .map(|name| root(&name))
        .collect();
    let of_body: BTreeSet<String> =
        body::names(rule, request).iter().map(|name| root(name)).collect();
    let doubtful = listed.iter().any(|name| of_query.contains(name) && of_body.contains(name));
    if doubtful { Outcome::unknown("body_twice") } else { Outcome::True }
}
