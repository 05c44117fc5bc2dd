//! The rules by which bodies and queries are judged: each word of the language, closed and open.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::naive_conditions::{Plus, SampleRequest};

pub(crate) const PATH: &str = "/x";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Json,
    Form,
    Query,
}

/// A rule with conditions on one part of a request.
#[derive(Debug)]
pub(crate) struct SampleRule {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) rule: Value,
}

impl SampleRule {
    /// The rule with the method and the path of its requests.
    pub(crate) fn whole(&self) -> Value {
        let mut rule = self.rule.clone();
        rule["method"] = json!(self.method());
        rule["path"] = json!(PATH);
        rule
    }

    /// A method whose requests have the content that the rule speaks of.
    pub(crate) fn method(&self) -> &'static str {
        if self.kind == Kind::Query { "GET" } else { "POST" }
    }

    /// The NAMES of a form or a query.
    pub(crate) fn names(&self) -> &Map<String, Value> {
        let member = if self.kind == Kind::Form { "form" } else { "query" };
        self.rule[member].as_object().unwrap()
    }

    /// A request with this body or query.
    pub(crate) fn request(&self, bytes: &[u8]) -> SampleRequest {
        let content_type = |kind: &str| vec![("content-type".to_owned(), kind.to_owned())];
        let usual = SampleRequest { plus: Plus::Both, ..SampleRequest::default() };
        match self.kind {
            Kind::Json => SampleRequest {
                headers: content_type("application/json"),
                body: bytes.to_vec(),
                ..usual
            },
            Kind::Form => SampleRequest {
                headers: content_type("application/x-www-form-urlencoded"),
                body: bytes.to_vec(),
                ..usual
            },
            Kind::Query => SampleRequest { query: Some(bytes.to_vec()), ..usual },
        }
    }

    /// The line for the readers.
    pub(crate) fn question(&self, bytes: &[u8]) -> String {
        let kind = match self.kind {
            Kind::Json => "json",
            Kind::Form => "form",
            Kind::Query => "query",
        };
        let shape = match self.rule.get("json_each") {
            Some(each) => json!([shape(each)]),
            None => self.rule.get("json").map_or(Value::Null, names_of),
        };
        let question = json!({"kind": kind, "bytes": STANDARD.encode(bytes), "shape": shape});
        format!("{question}\n")
    }
}

/// The names that a VALUE looks for.
fn shape(value: &Value) -> Value {
    match (value.get("object"), value.get("each")) {
        (Some(names), _) => names_of(names),
        (None, Some(each)) => json!([shape(each)]),
        (None, None) => Value::Null,
    }
}

fn names_of(names: &Value) -> Value {
    let named = names.as_object().unwrap().iter().filter(|(name, _)| *name != "*");
    let shapes = named.map(|(name, value)| (name.trim_end_matches('?').to_owned(), shape(value)));
    Value::Object(shapes.collect())
}

pub(crate) fn rules() -> Vec<SampleRule> {
    let of = |name, kind, rule| SampleRule { name, kind, rule };
    [json_rules(), form_rules(), query_rules()]
        .into_iter()
        .flatten()
        .map(|(name, kind, rule)| of(name, kind, rule))
        .collect()
}

type Written = (&'static str, Kind, Value);

fn json_rules() -> Vec<Written> {
    vec![
        (
            "pull request",
            Kind::Json,
            json!({"json": {"base": "main", "head": {"glob": "agent/*"}, "title": {}, "body?": {}, "draft?": [true, null]}}),
        ),
        (
            "one model",
            Kind::Json,
            json!({"json": {"model": ["gpt-5-mini", "gpt-5-nano"], "max_completion_tokens": {"min": 1, "max": 2000}, "messages": {}, "stream?": {"type": "boolean"}}}),
        ),
        (
            "zone",
            Kind::Json,
            json!({"json": {"rrsets": {"count": {"min": 1, "max": 3}, "each": {"object": {"name": "_acme-challenge.www.", "type": ["TXT", 16], "changetype": ["REPLACE", "DELETE"], "records?": {}}}}}}),
        ),
        (
            "tools",
            Kind::Json,
            json!({"json": {"model": "gpt", "tools?": {"each": {"object": {"type": "function", "function": {"object": {"name": ["get_time"], "*": {}}}}}}, "*": {}}}),
        ),
        (
            "optional, open",
            Kind::Json,
            json!({"json": {"branch?": {"glob": "agent/*"}, "user_id?": 7, "force": {"absent": true}, "*": {}}}),
        ),
        ("list of labels", Kind::Json, json!({"json_each": ["bug", "triage", 3, null]})),
        (
            "list of objects",
            Kind::Json,
            json!({"json_each": {"object": {"subname": "www", "ttl": {"min": 60}, "*": {"type": ["string", "integer"]}}}}),
        ),
    ]
}

fn form_rules() -> Vec<Written> {
    vec![
        (
            "refund",
            Kind::Form,
            json!({"form": {"payment_intent": {"glob": "pi_*"}, "amount": {"min": 1, "max": 5000}, "metadata[*]": {}}}),
        ),
        (
            "refund, open",
            Kind::Form,
            json!({"form": {"amount": {"max": 5000}, "user_id": 7, "charge": {"absent": true}, "*": {}}}),
        ),
        (
            "keys",
            Kind::Form,
            json!({"form": {"m[order]": ["5", "a b"], "m[*]": {"glob": "x*"}, "ids[]?": {"each": [1, 2, 3]}, "to?": {"each": {}, "count": {"max": 2}}}}),
        ),
        ("key, open", Kind::Form, json!({"form": {"m[order]": 5, "m[*]": {}, "*": {}}})),
    ]
}

fn query_rules() -> Vec<Written> {
    vec![
        ("service", Kind::Query, json!({"query": {"service": "git-upload-pack"}})),
        (
            "search",
            Kind::Query,
            json!({"query": {"q": ["repo:acme/site", "repo:acme/site is:open"], "per_page?": {"min": 1, "max": 100}}}),
        ),
        (
            "search, open",
            Kind::Query,
            json!({"query": {"user_id?": [7, 8], "flag": true, "to": {"absent": true}, "*": {}}}),
        ),
    ]
}
