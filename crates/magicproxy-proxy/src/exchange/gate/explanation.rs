//! Explanations: the gate's decision on a request that nobody sends, and the fate of the header
//! fields.

mod question;
mod unmet;

use std::net::IpAddr;
use std::sync::Arc;

use magicproxy_core::{
    AccessRequest, DecisionSteps, Denial, DescribedBody, Foreseen, RequestParts, VerifiedToken,
};

pub(crate) use question::ExplainedRequest;
pub use unmet::{UnmetFinding, UnmetVerdict};

use super::further::told;
use super::{ControlClient, Gate, VerifiedClient};
use crate::http::header::{FieldVerdict, SentFields, refuse_overrides};
use crate::rejection::Rejection;
use question::DescribedParts;

impl Gate {
    /// Decides on a request described by a question. Requires the token itself, sends nothing, and
    /// opens no credential.
    pub(in crate::exchange) async fn explain(
        &self,
        client: ControlClient<'_>,
        question: &ExplainedRequest,
    ) -> Result<Explanation, Rejection> {
        let described = question.described()?;
        let VerifiedClient { entry, sender, .. } = self.bearer(client).await?;
        let (decision, unmet) = match refuse_overrides(&described.headers) {
            Err(overriding) => (ExplainedDecision::Denied(overriding.into()), Vec::new()),
            Ok(()) => self.would_decide(entry.token(), sender, (question, &described))?,
        };
        let (explains, names) = (entry.token().explains(), entry.token().plugins());
        let headers = explains
            .then(|| question.headers().iter().map(|name| self.fields.verdict(name)).collect());
        let plugins = match (names.is_empty(), explains) {
            (true, _) => None,
            (false, true) => Some(names.iter().map(ToString::to_string).collect()),
            (false, false) => Some(Vec::new()),
        };
        Ok(Explanation { decision, headers, plugins, unmet })
    }

    fn would_decide(
        &self,
        token: &Arc<VerifiedToken>,
        sender: Option<IpAddr>,
        (question, described): (&ExplainedRequest, &DescribedParts),
    ) -> Result<(ExplainedDecision, Vec<UnmetVerdict>), Rejection> {
        let mut target = self.read_target(question.target())?;
        // A parameter that carries a token never reaches the upstream.
        target.drop_query_parameters(&self.guarded);
        let (steps, sent) =
            (DecisionSteps::new(), SentFields::of(&described.headers, &self.fields));
        let access = self.access(question.method(), &target, sender, &steps);
        let access =
            AccessRequest { parts: RequestParts { headers: &sent, ..access.parts }, ..access };
        let longest = self.upstream.max_inspected_body;
        let (body, push) = (described.body.as_deref(), described.push.as_ref());
        let body = DescribedBody { body, longest, guarded: &self.guarded, push };
        // Nobody looks for a grant, and no plugin is asked.
        let (decision, unmet) = match token.foresee(&access, body) {
            Foreseen::Decided(decision, unmet) => (decision, unmet),
            Foreseen::NeedsBody => return Ok((ExplainedDecision::NeedsBody, Vec::new())),
            Foreseen::NeedsCommands => return Ok((ExplainedDecision::NeedsCommands, Vec::new())),
            Foreseen::TooLong => {
                let refused = ExplainedDecision::Denied(Rejection::BodyTooLong(longest));
                return Ok((refused, Vec::new()));
            }
        };
        // The rules of a scope are the operator's; a token that does not explain does not show the
        // rules.
        let explains = token.explains();
        let decision = match decision.by_rules() {
            Ok(prospect) => match self.ledger.ensure_may_keep(prospect) {
                Ok(()) => ExplainedDecision::Allowed {
                    rule: explains.then(|| prospect.rule().to_string()),
                },
                Err(rejection) => ExplainedDecision::Denied(rejection),
            },
            Err(denial) => {
                let needed = if explains && denial == Denial::NotAllowed {
                    token.policy().missing(access.method, access.target, access.steps)
                } else {
                    Vec::new()
                };
                let unmet = Box::default();
                ExplainedDecision::Denied(Rejection::Denied { denial, needed, unmet })
            }
        };
        let unmet = if explains { told(unmet) } else { Vec::new() };
        Ok((decision, unmet.iter().map(UnmetVerdict::of).collect()))
    }
}

/// The decision that the gate would make.
#[derive(Debug)]
pub(crate) enum ExplainedDecision {
    Allowed {
        rule: Option<String>,
    },
    Denied(Rejection),
    /// A rule looks into the body, and the question has none.
    NeedsBody,
    /// A rule looks at the commands of a push, and the question has none.
    NeedsCommands,
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
    /// The rules that would allow the request but for their conditions. None for a token that does
    /// not explain.
    pub(crate) unmet: Vec<UnmetVerdict>,
}
