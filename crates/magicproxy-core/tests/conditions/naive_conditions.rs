//! A second, naive evaluator of conditions: builds trees, compares text with text, and was written
//! from `docs/spec/conditions.md` alone. The evaluator of the proxy is held against this one.
//!
//! Reads rules that the proxy accepts; a rule of another form ends the test.

#![allow(dead_code, unused_imports, reason = "each of several test programs uses its part")]

use std::collections::BTreeMap;

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

pub(crate) use parameters::Plus;
pub(crate) use strict_json::{Json, parse};

/// The verdict of a rule's conditions. An unknown one holds the reasons that were met in the first
/// part of the request that has one, in no order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    True,
    False,
    Unknown(Vec<&'static str>),
}

impl Outcome {
    pub(crate) fn of(holds: bool) -> Outcome {
        if holds { Outcome::True } else { Outcome::False }
    }

    pub(crate) fn unknown(code: &'static str) -> Outcome {
        Outcome::Unknown(vec![code])
    }

    /// The same without the reasons.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Outcome::True => "true",
            Outcome::False => "false",
            Outcome::Unknown(_) => "unknown",
        }
    }
}

/// Kleene's "and" within a part of a request; true if there is nothing to judge.
pub(crate) fn all(outcomes: impl IntoIterator<Item = Outcome>) -> Outcome {
    outcomes.into_iter().fold(Outcome::True, |one, other| match (one, other) {
        (Outcome::False, _) | (_, Outcome::False) => Outcome::False,
        (Outcome::True, other) => other,
        (unknown, Outcome::True) => unknown,
        (Outcome::Unknown(mut codes), Outcome::Unknown(others)) => {
            codes.extend(others);
            Outcome::Unknown(codes)
        }
    })
}

/// Kleene's "and" of the parts in their order: the first unknown part gives the reason.
fn all_parts(parts: Vec<Outcome>) -> Outcome {
    if parts.contains(&Outcome::False) {
        return Outcome::False;
    }
    parts.into_iter().find(|part| *part != Outcome::True).unwrap_or(Outcome::True)
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
    fn fields(&self, name: &str) -> Vec<&str> {
        self.headers
            .iter()
            .filter(|(known, _)| known == name)
            .map(|(_, value)| value.trim_matches([' ', '\t']))
            .collect()
    }
}

/// Judges a request by the conditions among a rule's members; true if there are none.
pub(crate) fn judge(rule: &Value, request: &SampleRequest) -> Outcome {
    let rule = with_defaults(rule);
    let mut parts = Vec::new();
    if let Some(captures) = rule.get("captures") {
        let found =
            |name: &str| request.captures.get(name).map(String::as_str).into_iter().collect();
        parts.push(names::fields(captures, found, &names::PATH));
    }
    if let Some(query) = rule.get("query").filter(|query| **query != "any") {
        let bytes = request.query.as_deref().unwrap_or_default();
        parts.push(parameters::query(query, bytes, request.plus));
    }
    parts.push(parameters::in_both(&rule, request.query.as_deref().unwrap_or_default()));
    if let Some(headers) = rule.get("headers") {
        parts.push(names::fields(headers, |name| request.fields(name), &names::HEADER));
    }
    // Nobody reads the body of a request of which something else is unknown.
    match all_parts(parts) {
        Outcome::True => all_parts(body::judge(&rule, request)),
        judged => judged,
    }
}

/// Sections 1.2 and 1.3.
fn with_defaults(rule: &Value) -> Map<String, Value> {
    let mut rule = rule.as_object().unwrap().clone();
    let says = |rule: &Map<String, Value>| {
        ["json", "json_each", "form", "body"].iter().any(|member| rule.contains_key(*member))
    };
    if says(&rule) && !rule.contains_key("query") {
        rule.insert("query".to_owned(), json!({}));
    }
    if rule.contains_key("query") && !says(&rule) {
        rule.insert("body".to_owned(), json!("none"));
    }
    rule
}
