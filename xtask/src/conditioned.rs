//! Requests that rules with conditions decide, for whoever counts or measures what that costs.

use serde_json::{Value, json};

/// A path and query that [`query_rule`] allows.
pub(crate) const QUERY: &str = "/repos/acme/rocket/issues?state=open&per_page=50";

/// Returns a rule with a condition on each of two query parameters.
pub(crate) fn query_rule() -> Value {
    json!({
        "method": "GET",
        "path": "/repos/[^/]+/[^/]+/issues",
        "query": { "state": ["open", "closed"], "per_page?": { "min": 1, "max": 100 } },
    })
}

/// Returns a rule with a condition on each member of [`content`], at every depth.
pub(crate) fn json_rule() -> Value {
    let comment = json!({ "author": {}, "line": { "min": 1 }, "text": {} });
    json!({
        "method": "POST",
        "path": "/repos/[^/]+/[^/]+/issues",
        "json": {
            "title": { "glob": "Release *" },
            "labels": { "each": ["bug", "triage"] },
            "comments": { "each": { "object": comment } },
        },
    })
}

/// Writes JSON of so many bytes: mostly short objects, as clients send, and spaces at the end.
pub(crate) fn content(length: usize) -> String {
    let begin = r#"{"title":"Release 1.0","labels":["bug","triage"],"comments":["#;
    let comment =
        r#"{"author":"octocat","line":42,"text":"Please say \"why\" here.\nThe rest is fine."}"#;
    let end = "]}";
    let count = length.saturating_sub(begin.len() + end.len() - 1) / (comment.len() + 1);
    let body = format!("{begin}{}{end}", vec![comment; count].join(","));
    format!("{body:length$}")
}
