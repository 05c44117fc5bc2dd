//! `explain --header`: the headers of a request that would reach the API, and the rule for each.

use std::fmt::Write as _;

use http::{HeaderMap, HeaderName, HeaderValue};
use magicproxy_config::ground::text::harmless;
use magicproxy_proxy::header::{FieldVerdict, RequestFields};
use serde_json::{Value, json};

use super::Verdict;
use crate::ground::failure::Failure;
use crate::ground::output::remark;

/// The headers of `--header`.
pub(super) struct Headers(Vec<GivenHeader>);

struct GivenHeader {
    name: String,
    /// The value. `None` where only the name is given, and for a header that carries a credential.
    value: Option<String>,
}

impl Headers {
    /// Reads `Name: value` and `Name`. The value of a header that carries tokens or credentials is
    /// left out: no rule sees it.
    pub(super) fn new(given: &[String], fields: &RequestFields) -> Result<Self, Failure> {
        let read = |text: &String| {
            let (name, value) = match text.split_once(':') {
                Some((name, value)) => (name.trim(), Some(value.trim())),
                None => (text.trim(), None),
            };
            if value.is_some_and(|value| HeaderValue::from_str(value).is_err()) {
                return Err(Failure::usage(format!(
                    "the header `{}`: expected a value in one line",
                    harmless(name)
                )));
            }
            let carries = fields.verdict(name).rule == "carrier"
                || name.eq_ignore_ascii_case("proxy-authorization");
            if carries && value.is_some() {
                remark(&format!(
                    "the value of `{}` is left out: it carries a credential, and no rule sees it",
                    harmless(name)
                ));
            }
            let value = value.filter(|_| !carries).map(str::to_owned);
            Ok(GivenHeader { name: name.to_owned(), value })
        };
        Ok(Self(given.iter().map(read).collect::<Result<_, _>>()?))
    }

    /// Returns the names, each once.
    fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for GivenHeader { name, .. } in &self.0 {
            if !names.iter().any(|known| known.eq_ignore_ascii_case(name)) {
                names.push(name);
            }
        }
        names
    }

    /// True if a header of this name is given.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|given| given.name.eq_ignore_ascii_case(name))
    }

    /// Returns the names that are given without a value, in lower case.
    pub(super) fn without_value(&self) -> impl Iterator<Item = String> {
        let nameless = self.0.iter().filter(|given| given.value.is_none());
        nameless.map(|given| given.name.to_ascii_lowercase())
    }

    /// Returns the header fields as a request has them; one without a value is empty.
    pub(super) fn described(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for GivenHeader { name, value } in &self.0 {
            let value = HeaderValue::from_str(value.as_deref().unwrap_or_default());
            if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value) {
                headers.append(name, value);
            }
        }
        headers
    }

    /// Adds names and values to the question for a proxy.
    pub(super) fn put_in(&self, question: &mut Value) {
        let Some(members) = question.as_object_mut().filter(|_| !self.0.is_empty()) else { return };
        members.insert("headers".to_owned(), json!(self.names()));
        let valued = self.0.iter().filter_map(|given| {
            let name = given.name.parse::<HeaderName>().ok()?;
            Some(json!({ "name": name.as_str(), "value": given.value.as_ref()? }))
        });
        let fields: Vec<Value> = valued.collect();
        if !fields.is_empty() {
            members.insert("fields".to_owned(), json!(fields));
        }
    }

    /// Judges the headers by an upstream's list. A header that overrides the method or the path
    /// refuses the whole request.
    pub(super) fn decide(&self, verdict: Verdict, fields: &RequestFields) -> Verdict {
        let headers: Vec<FieldVerdict> =
            self.names().into_iter().map(|name| fields.verdict(name)).collect();
        let overriding = headers.iter().find(|header| header.rule == "override");
        let refused = overriding.map(|header| {
            Verdict::refused(
                "override_header",
                format!("the header `{}` overrides the method or the path", harmless(&header.name)),
            )
        });
        let headers = (!headers.is_empty()).then_some(headers);
        Verdict { headers, ..refused.unwrap_or(verdict) }
    }

    /// Describes each header in a line.
    pub(super) fn describe(&self, judged: Option<&[FieldVerdict]>) -> String {
        let mut text = String::new();
        for header in judged.into_iter().flatten() {
            let what = if header.passes { "passes" } else { "is dropped" };
            // Writing to a string does not fail.
            let _ = writeln!(
                text,
                "  header `{}` {what}: {}",
                harmless(&header.name),
                harmless(&header.reason)
            );
        }
        if judged.is_none() && !self.0.is_empty() {
            text.push_str("  the proxy says what becomes of headers only for tokens that were minted with `--explain`\n");
        }
        text
    }
}
