//! The body: its type, its coding, and what it is.

use serde_json::{Map, Value};

use super::names::{BODY, object};
use super::strict_json::{Json, parse};
use super::tests_of_values::{Found, test};
use super::{Outcome, SampleRequest, all, parameters};

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// How a body is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Json,
    Form,
}

pub(crate) fn judge(rule: &Map<String, Value>, request: &SampleRequest) -> Outcome {
    match rule.get("body").and_then(Value::as_str) {
        Some("none") => Outcome::of(request.body.is_empty()),
        Some(_) => fixed_type(rule, request),
        None if reads(rule, "json") || reads(rule, "json_each") || reads(rule, "form") => {
            inspected(rule, request)
        }
        None => fixed_type(rule, request),
    }
}

/// The names of a body's members or parameters, where the rule looks at the body.
pub(crate) fn names(rule: &Map<String, Value>, request: &SampleRequest) -> Vec<String> {
    match kind(rule, request) {
        Some(Kind::Form) => parameters::names_however_split(&request.body),
        Some(Kind::Json) => match parse(&request.body) {
            Some(Json::Object(members)) => {
                members.into_iter().filter_map(|(name, _)| name).collect()
            }
            _ => Vec::new(),
        },
        None => Vec::new(),
    }
}

fn reads(rule: &Map<String, Value>, member: &str) -> bool {
    rule.contains_key(member)
}

fn fixed_type(rule: &Map<String, Value>, request: &SampleRequest) -> Outcome {
    match rule.get("content_type") {
        Some(wanted) if !is_one_of(wanted, request) => Outcome::unknown("body_type"),
        _ => Outcome::True,
    }
}

fn inspected(rule: &Map<String, Value>, request: &SampleRequest) -> Outcome {
    if request.body.is_empty() {
        return Outcome::False;
    }
    if request.fields("content-encoding").next().is_some() {
        return Outcome::unknown("body_coding");
    }
    match kind(rule, request) {
        None => Outcome::unknown("body_type"),
        Some(Kind::Form) => parameters::form(&rule["form"], &request.body),
        Some(Kind::Json) => of_json(rule, &request.body),
    }
}

fn of_json(rule: &Map<String, Value>, body: &[u8]) -> Outcome {
    match (parse(body), rule.get("json"), rule.get("json_each")) {
        (None, ..) => Outcome::unknown(BODY.syntax),
        (Some(Json::Object(members)), Some(names), _) => object(names, &members),
        (Some(Json::List(list)), _, Some(each)) => {
            all(list.iter().map(|element| test(each, Found::Json(element), &BODY)))
        }
        _ => Outcome::unknown(BODY.value),
    }
}

fn kind(rule: &Map<String, Value>, request: &SampleRequest) -> Option<Kind> {
    let is = |usual: &str| {
        is_one_of(rule.get("content_type").unwrap_or(&Value::from(usual)), request)
    };
    if (reads(rule, "json") || reads(rule, "json_each")) && is(JSON) {
        return Some(Kind::Json);
    }
    (reads(rule, "form") && is(FORM)).then_some(Kind::Form)
}

/// True if the request has one type, and the type is the wanted one or one of those, with no
/// parameter but one `charset=utf-8`.
fn is_one_of(wanted: &Value, request: &SampleRequest) -> bool {
    let mut fields = request.fields("content-type");
    let (Some(field), None) = (fields.next(), fields.next()) else {
        return false;
    };
    let mut parts = field.split(';').map(|part| part.trim_matches([' ', '\t']));
    let found = parts.next().unwrap().to_ascii_lowercase();
    let parameters: Vec<String> = parts.map(str::to_ascii_lowercase).collect();
    let utf8 = parameters.is_empty() || parameters == ["charset=utf-8"];
    let listed = match wanted {
        Value::Array(list) => list.iter().any(|one| *one == found.as_str()),
        one => *one == found.as_str(),
    };
    utf8 && listed
}
