//! The body: its type, its coding, and what it is.

use serde_json::{Map, Value};

use super::names::{Depth, JSON, object};
use super::strict_json::{Json, parse};
use super::tests_of_values::{Found, test};
use super::{Outcome, SampleRequest, all, parameters};

/// How a body is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Json,
    Form,
}

/// Judges type and coding, and then the body; nothing, if the rule says nothing of the body.
pub(crate) fn judge(rule: &Map<String, Value>, request: &SampleRequest) -> Vec<Outcome> {
    let inspects = ["json", "json_each", "form"].iter().any(|member| rule.contains_key(*member));
    match rule.get("body").and_then(Value::as_str) {
        Some("none") => vec![Outcome::of(request.body.is_empty())],
        Some(_) => {
            rule.get("content_type").map(|wanted| fixed_type(wanted, request)).into_iter().collect()
        }
        None if inspects => vec![inspected(rule, request)],
        None => Vec::new(),
    }
}

fn fixed_type(wanted: &Value, request: &SampleRequest) -> Outcome {
    match request.fields("content-type")[..] {
        [] => Outcome::False,
        [field] => MediaType::parse(field).map_or_else(
            || Outcome::unknown("body_type"),
            |found| Outcome::of(found.is_one_of(wanted)),
        ),
        _ => Outcome::unknown("body_type"),
    }
}

fn inspected(rule: &Map<String, Value>, request: &SampleRequest) -> Outcome {
    let Some(kind) = kind(rule, request).filter(|_| !request.body.is_empty()) else {
        return Outcome::unknown("body_type");
    };
    if !request.fields("content-encoding").is_empty() {
        return Outcome::unknown("body_coding");
    }
    match kind {
        Kind::Form => parameters::form(&rule["form"], &request.body),
        Kind::Json => of_json(rule, &request.body),
    }
}

fn of_json(rule: &Map<String, Value>, body: &[u8]) -> Outcome {
    match (parse(body), rule.get("json"), rule.get("json_each")) {
        (None, ..) => Outcome::unknown(JSON.syntax),
        (Some(Json::Object(members)), Some(names), _) => object(names, &members, Depth::Top),
        (Some(Json::List(list)), _, Some(each)) => {
            all(list.iter().map(|element| test(each, Found::Json(element), &JSON)))
        }
        _ => Outcome::unknown(JSON.value),
    }
}

/// How the body is read: by the one content type, if the rule is about such a body.
fn kind(rule: &Map<String, Value>, request: &SampleRequest) -> Option<Kind> {
    let [field] = request.fields("content-type")[..] else {
        return None;
    };
    let found = MediaType::parse(field)?;
    if !(found.parameters.is_empty() || found.parameters == ["charset=utf-8"]) {
        return None;
    }
    let reads = |member: &str| rule.contains_key(member);
    let json = reads("json") || reads("json_each");
    if let Some(wanted) = rule.get("content_type") {
        let kind = if json { Kind::Json } else { Kind::Form };
        return found.is_one_of(wanted).then_some(kind);
    }
    if json && found.is_json() {
        return Some(Kind::Json);
    }
    (reads("form") && found.name == "application/x-www-form-urlencoded").then_some(Kind::Form)
}

/// A media type in lower case.
struct MediaType {
    name: String,
    parameters: Vec<String>,
}

impl MediaType {
    fn parse(field: &str) -> Option<MediaType> {
        let mut parts =
            field.split(';').map(|part| part.trim_matches([' ', '\t']).to_ascii_lowercase());
        let name = parts.next()?;
        let token = |text: &str| {
            !text.is_empty()
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
        };
        let (top, sub) = name.split_once('/')?;
        let readable = token(top) && token(sub);
        readable.then(|| MediaType { name: name.clone(), parameters: parts.collect() })
    }

    fn is_json(&self) -> bool {
        let subtype = self.name.strip_prefix("application/").unwrap_or_default();
        let is_misread = subtype.starts_with("x-www-form") || subtype.ends_with("patch+json");
        subtype == "json" || subtype.ends_with("+json") && !is_misread
    }

    fn is_one_of(&self, wanted: &Value) -> bool {
        match wanted {
            Value::Array(list) => list.iter().any(|one| *one == self.name.as_str()),
            one => *one == self.name.as_str(),
        }
    }
}
