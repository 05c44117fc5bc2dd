//! The verdict of `explain`, printed in words and as JSON.

use std::fmt::Write as _;

use magicproxy_config::ground::text::harmless;
use magicproxy_proxy::gate::UnmetVerdict;
use magicproxy_proxy::header::FieldVerdict;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::client::ProxyResponse;

/// The decision.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Outcome {
    #[default]
    Allowed,
    /// The code and the reason of a refusal.
    Denied { code: String, reason: String },
    /// A rule looks into the body, and the question has none.
    NeedsBody,
    /// A rule looks at the references of a push, and the question has none.
    NeedsCommands,
}

/// The decision and its reasons.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    pub(super) outcome: Outcome,
    /// The rule that allows the request.
    pub(super) rule: Option<String>,
    /// The rules that would allow the request.
    pub(super) needed: Vec<String>,
    /// The rules that would allow the request but for their conditions.
    pub(super) unmet: Vec<UnmetVerdict>,
    /// The rules of the token.
    pub(super) rules: Vec<String>,
    /// The verdicts on the headers of `--header`, if any were given and the proxy judges headers.
    pub(super) headers: Option<Vec<FieldVerdict>>,
    /// The upstream, if found here.
    pub(super) upstream: Option<String>,
    /// The names of the plugins that the proxy would ask and `explain` does not, as far as known.
    pub(super) plugins: Option<Vec<String>>,
}

impl Verdict {
    pub(super) fn refused(code: &str, reason: impl ToString) -> Self {
        let (code, reason) = (code.to_owned(), reason.to_string());
        Self { outcome: Outcome::Denied { code, reason }, ..Self::default() }
    }

    pub(super) fn needing_body() -> Self {
        Self { outcome: Outcome::NeedsBody, ..Self::default() }
    }

    pub(super) fn needing_commands() -> Self {
        Self { outcome: Outcome::NeedsCommands, ..Self::default() }
    }

    /// Reads the proxy's response: its explanation, or the problem in place of an explanation, a
    /// refusal too.
    pub(super) fn of_response(response: &ProxyResponse) -> anyhow::Result<Self> {
        #[derive(Deserialize)]
        struct ExplainBody {
            #[serde(default)]
            decision: String,
            rule: Option<String>,
            needs: Option<String>,
            code: Option<String>,
            #[serde(alias = "detail")]
            reason: Option<String>,
            #[serde(default)]
            needed: Vec<String>,
            #[serde(default)]
            unmet: Vec<UnmetVerdict>,
            headers: Option<Vec<FieldVerdict>>,
            plugins: Option<Vec<String>>,
        }
        let told: ExplainBody =
            serde_json::from_str(&response.body).map_err(|_| response.fault())?;
        if told.decision.is_empty() && told.code.is_none() {
            return Err(response.fault());
        }
        let outcome = match told.decision.as_str() {
            "allowed" => Outcome::Allowed,
            "undecided" if told.needs.as_deref() == Some("push") => Outcome::NeedsCommands,
            "undecided" => Outcome::NeedsBody,
            _ => Outcome::Denied {
                code: told.code.unwrap_or_default(),
                reason: told.reason.unwrap_or_default(),
            },
        };
        Ok(Self {
            outcome,
            rule: told.rule,
            needed: told.needed,
            unmet: told.unmet,
            headers: told.headers,
            plugins: told.plugins,
            ..Self::default()
        })
    }
}

impl Verdict {
    /// Describes the verdict on a request in lines.
    pub(super) fn describe(&self, asked: &str) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let mut line = |line: String| {
            let _ = writeln!(text, "{line}");
        };
        match &self.outcome {
            Outcome::Allowed => {
                let by = self
                    .rule
                    .as_ref()
                    .map(|rule| format!("\n  by the rule `{}`", harmless(rule)))
                    .unwrap_or_default();
                let unless = if self.plugins.is_some() { " by the rules" } else { "" };
                line(format!("allowed{unless}: {asked}{by}"));
            }
            Outcome::Denied { code, reason } => {
                line(format!("denied: {asked}\n  {}: {}", harmless(code), harmless(reason)))
            }
            Outcome::NeedsBody => line(format!(
                "not decided: {asked}\n  a rule looks into the body: `--body FILE` gives it"
            )),
            Outcome::NeedsCommands => line(format!(
                "not decided: {asked}\n  a rule looks at the references of a push: `explain TOKEN git push REPOSITORY REF…` asks about them"
            )),
        }
        self.unmet.iter().for_each(|rule| line(described(rule)));
        let beyond =
            matches!(&self.outcome, Outcome::Denied { code, .. } if code == "beyond_ceiling");
        let who = if beyond { "the ceiling would need" } else { "the token would need" };
        self.needed.iter().for_each(|rule| line(format!("  {who} `{rule}`")));
        if let Some(upstream) = &self.upstream {
            line(format!("  at the upstream `{}`", harmless(upstream)));
        }
        if let Some(plugins) = &self.plugins {
            let names: Vec<String> =
                plugins.iter().map(|name| format!("`{}`", harmless(name))).collect();
            let who = if names.is_empty() {
                "plugins decide".to_owned()
            } else {
                format!("the plugins {} decide", names.join(", "))
            };
            line(format!(
                "  {who} as well, which are not asked here: they may deny what the rules allow, and allow what they do not"
            ));
            line("  (`magicproxy plugin run FILE --request REQUEST` asks one)".to_owned());
        }
        if self.outcome != Outcome::Allowed {
            self.rules
                .iter()
                .take(20)
                .for_each(|rule| line(format!("  the token allows `{}`", harmless(rule))));
        }
        text
    }

    pub(super) fn to_json(&self) -> Value {
        let (decision, refusal) = match &self.outcome {
            Outcome::Allowed => ("allowed", None),
            Outcome::Denied { code, reason } => ("denied", Some((code, reason))),
            Outcome::NeedsBody | Outcome::NeedsCommands => ("undecided", None),
        };
        json!({
            "decision": decision,
            "rule": self.rule,
            "code": refusal.map(|(code, _)| code),
            "reason": refusal.map(|(_, reason)| reason),
            "needed": self.needed,
            "unmet": self.unmet,
            "rules": self.rules,
            "headers": self.headers,
            "upstream": self.upstream,
            "plugins": self.plugins.as_ref().map_or_else(|| json!([]), |names| json!(names)),
            "plugins_asked": self.plugins.is_none(),
        })
    }
}

/// Describes a rule that would allow the request but for its conditions.
fn described(unmet: &UnmetVerdict) -> String {
    let UnmetVerdict { rule, number, list, ends, findings } = unmet;
    let of = match list.as_str() {
        "caveat" => " of a caveat",
        "ceiling" => " of the ceiling",
        _ => "",
    };
    // Behind method and path come the conditions, which the findings tell. A rule for git is short.
    let words = if rule.starts_with("git ") { usize::MAX } else { 2 };
    let target: Vec<&str> = rule.split(' ').take(words).collect();
    let mut text = format!("  rule {number}{of} `{}` would, but", harmless(&target.join(" ")));
    for finding in findings {
        let (place, expected) = (harmless(&finding.place), harmless(&finding.expected));
        // Writing to a string does not fail.
        let _ = match &finding.found {
            Some(found) => write!(text, "\n    {place} is {}; {expected}", harmless(found)),
            None => write!(text, "\n    {place} {expected}"),
        };
    }
    if *ends {
        text.push_str("\n    it has an effect and cannot be judged, so no later rule was tried");
    }
    text
}
