//! Explanations: the gate's decision on a request that nobody sends, and the fate of the header
//! fields.

use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use magicproxy_core::json::form::{Form, Kind, Member, Presence};
use magicproxy_core::{DecisionSteps, VerifiedToken};
use serde::Deserialize;

use super::{ControlClient, Gate, VerifiedClient, denied};
use crate::http::header::{FieldVerdict, refuse_overrides};
use crate::rejection::{QuestionFault, Rejection};

impl Gate {
    /// Decides on a request described by a question. Requires the token itself, sends nothing, and
    /// opens no credential.
    pub(in crate::exchange) async fn explain(
        &self,
        client: ControlClient<'_>,
        question: &ExplainedRequest,
    ) -> Result<Explanation, Rejection> {
        question.check_headers()?;
        let VerifiedClient { entry, sender, .. } = self.bearer(client).await?;
        let decision = match question.overriding() {
            Some(rejection) => ExplainedDecision::Denied(rejection),
            None => self.would_decide(entry.token(), sender, question)?,
        };
        let (explains, names) = (entry.token().explains(), entry.token().plugins());
        let headers = explains
            .then(|| question.headers.iter().map(|name| self.fields.verdict(name)).collect());
        let plugins = match (names.is_empty(), explains) {
            (true, _) => None,
            (false, true) => Some(names.iter().map(ToString::to_string).collect()),
            (false, false) => Some(Vec::new()),
        };
        Ok(Explanation { decision, headers, plugins })
    }

    fn would_decide(
        &self,
        token: &Arc<VerifiedToken>,
        sender: Option<IpAddr>,
        question: &ExplainedRequest,
    ) -> Result<ExplainedDecision, Rejection> {
        let target = self.read_target(&question.target)?;
        let steps = DecisionSteps::new();
        let access = self.access(&question.method, &target, sender, &steps);
        // Nobody looks for a grant, and no plugin is asked.
        let decision = token.decide(&access);
        Ok(match decision.by_rules() {
            Ok(prospect) => match self.ledger.ensure_may_keep(prospect) {
                // The rules of a scope are the operator's; a token that does not explain does not
                // show the rules.
                Ok(()) => ExplainedDecision::Allowed {
                    rule: token.explains().then(|| prospect.rule().to_string()),
                },
                Err(rejection) => ExplainedDecision::Denied(rejection),
            },
            Err(denial) => ExplainedDecision::Denied(denied(denial, token, &access)),
        })
    }
}

/// A question about a request, sent to `/__magictoken/explain` as JSON.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExplainedRequest {
    method: String,
    target: String,
    /// Names of the header fields of the request.
    #[serde(default)]
    headers: Vec<String>,
}

/// The most header fields named in a question.
const MAX_ASKED_HEADERS: usize = 64;
/// The longest name of a header field in a question, in bytes.
const MAX_ASKED_NAME_BYTES: usize = 128;

/// The form of a question, with the texts of its faults.
static QUESTION: Form = Form {
    expected: "a JSON object such as {\"method\": \"GET\", \"target\": \"/path\"}",
    kind: Kind::Object(&[
        Member::new("method", &METHOD, Presence::Needed),
        Member::new("target", &TARGET, Presence::Needed),
        Member::new("headers", &HEADERS, Presence::Optional),
    ]),
};
static METHOD: Form = Form { expected: "a method such as `GET`, as a text", kind: Kind::Text };
static TARGET: Form =
    Form { expected: "a path such as `/repos/acme?page=2`, as a text", kind: Kind::Text };
static HEADERS: Form = Form { expected: "a list of names of headers", kind: Kind::List(&HEADER) };
static HEADER: Form = Form { expected: "the name of a header, as a text", kind: Kind::Text };

impl ExplainedRequest {
    /// Reads the content of a question.
    pub(crate) fn from_json(json: &[u8]) -> Result<Self, Rejection> {
        QUESTION.read(json).map_err(|faults| Rejection::Question(QuestionFault::Form(faults)))
    }

    /// Refuses names longer than any in use, and too many names.
    fn check_headers(&self) -> Result<(), Rejection> {
        let sensible = self.headers.iter().all(|name| name.len() <= MAX_ASKED_NAME_BYTES);
        if !sensible || self.headers.len() > MAX_ASKED_HEADERS {
            let fault =
                QuestionFault::Headers { names: MAX_ASKED_HEADERS, bytes: MAX_ASKED_NAME_BYTES };
            return Err(Rejection::Question(fault));
        }
        Ok(())
    }

    /// Returns the rejection of the whole request because of an overriding header field, if any.
    fn overriding(&self) -> Option<Rejection> {
        let names = self.headers.iter().filter_map(|name| name.parse().ok());
        refuse_overrides(
            &names.map(|name: HeaderName| (name, HeaderValue::from_static(""))).collect(),
        )
        .err()
        .map(Rejection::from)
    }

    /// Strips the mount from a question whose path is a path of the proxy.
    pub(crate) fn below(mut self, mount: &str) -> Self {
        let rest = self
            .target
            .strip_prefix(mount)
            .filter(|rest| rest.is_empty() || rest.starts_with(['/', '?']));
        if let Some(rest) = rest.filter(|_| !mount.is_empty()) {
            self.target = if rest.starts_with('/') { rest.to_owned() } else { format!("/{rest}") };
        }
        self
    }
}

/// The decision that the gate would make.
#[derive(Debug)]
pub(crate) enum ExplainedDecision {
    Allowed { rule: Option<String> },
    Denied(Rejection),
}

/// The rules' decision, the plugins asked besides, and the fate of the header fields in the
/// question.
#[derive(Debug)]
pub(crate) struct Explanation {
    pub(crate) decision: ExplainedDecision,
    /// The fate of each header field. `None` for a token that does not explain: the fields let
    /// through by an operator are the operator's matter.
    pub(crate) headers: Option<Vec<FieldVerdict>>,
    /// The plugins that would be asked, without names where the token does not explain. No plugin
    /// is asked now.
    pub(crate) plugins: Option<Vec<String>>,
}

#[cfg(test)]
mod tests {
    use super::ExplainedRequest;

    #[test]
    fn a_question_names_a_bounded_number_of_headers() {
        let asked = |headers: Vec<String>| {
            ExplainedRequest { method: "GET".to_owned(), target: "/".to_owned(), headers }
                .check_headers()
                .is_ok()
        };
        let names = |count: usize, length: usize| vec!["a".repeat(length); count];
        for (headers, sensible) in [
            (names(64, 128), true),
            (names(65, 1), false),
            (names(1, 129), false),
            (names(0, 0), true),
            ([names(63, 1), names(1, 129)].concat(), false),
        ] {
            assert_eq!(
                asked(headers.clone()),
                sensible,
                "{} of {:?}",
                headers.len(),
                headers.last().map(String::len)
            );
        }
    }

    #[test]
    fn a_question_is_asked_below_its_mount() {
        let below = |target: &str, mount: &str| {
            ExplainedRequest {
                method: "GET".to_owned(),
                target: target.to_owned(),
                headers: Vec::new(),
            }
            .below(mount)
            .target
        };
        for (target, mount, at) in [
            ("/api/x", "/api", "/x"),
            ("/api", "/api", "/"),
            ("/api?a=b", "/api", "/?a=b"),
            ("/apis/x", "/api", "/apis/x"),
            ("/x", "/api", "/x"),
            ("/x", "", "/x"),
            ("x", "", "x"),
        ] {
            assert_eq!(below(target, mount), at, "{target} at {mount}");
        }
    }
}
