//! `explain --header`: the headers of a request that would reach the API, and the rule for each.

use std::fmt::Write as _;

use magicproxy_proxy::header::{FieldVerdict, RequestFields};
use serde_json::{Value, json};

use super::Verdict;
use magicproxy_config::ground::text::harmless;

/// The header names of `--header`.
pub(super) struct Headers(Vec<String>);

impl Headers {
    /// Takes the names. A value, copied along with its header, is left out: nobody needs it here.
    pub(super) fn new(given: &[String]) -> Self {
        let name = |text: &String| text.split(':').next().unwrap_or_default().trim().to_owned();
        Self(given.iter().map(name).collect())
    }

    /// Adds the names to the question for a proxy. An older proxy ignores them.
    pub(super) fn put_in(&self, mut question: Value) -> Value {
        if let (false, Some(members)) = (self.0.is_empty(), question.as_object_mut()) {
            members.insert("headers".to_owned(), json!(self.0));
        }
        question
    }

    /// Judges the headers by an upstream's list. A header that overrides the method or the path
    /// refuses the whole request.
    pub(super) fn decide(&self, verdict: Verdict, fields: &RequestFields) -> Verdict {
        let headers: Vec<FieldVerdict> = self.0.iter().map(|name| fields.verdict(name)).collect();
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
