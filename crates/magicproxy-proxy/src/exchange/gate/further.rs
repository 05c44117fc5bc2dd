//! Decisions that need more than the rules: grants of the token's owner, and verdicts of plugins.
//! Most requests never come here.

use http::request::Parts;
use magicproxy_core::plugin::{PluginBody, PluginName, Verdict};
use magicproxy_core::{
    AccessRequest, BodyQuestion, ContentView, Decision, DecisionSteps, Denial, DeniedRequest, Part,
    Permit, Question, RequestParts, RuleOrigin, UnmetRule, VerifiedToken,
};

use super::{Gate, wants_websocket};
use crate::admission::Holding;
use crate::downstream::RequestBody;
use crate::exchange::unread::UnreadRequest;
use crate::exchange::verifier::Binder;
use crate::peer::Peer;
use crate::plugins::{Consultation, PluginInquiry};
use crate::rejection::Rejection;

/// The bytes of a body that are judged before other requests get their turn: under a millisecond.
const JUDGED_AT_ONCE: usize = 64 * 1024;

/// The longest body that a refusal explains, in bytes: it is read again for each of a few rules.
const EXPLAINED_AT_ONCE: usize = 16 * 1024;

/// Returns the rules that the holder of a token that explains may know: not those of the ceiling.
pub(super) fn told(unmet: Vec<UnmetRule>) -> Vec<UnmetRule> {
    unmet.into_iter().filter(|rule| rule.origin != RuleOrigin::Ceiling).collect()
}

/// The token and the peer behind a question, and the exchange that pays.
#[derive(Clone, Copy)]
pub(super) struct QuestionContext<'a> {
    pub(super) token: &'a VerifiedToken,
    pub(super) peer: Peer,
    pub(super) exchange: &'a Holding,
    /// The credential to which named owners are bound.
    pub(super) binder: Binder<'a>,
    /// The body, once it was judged.
    pub(super) judged: Option<&'a [u8]>,
}

impl<'a> QuestionContext<'a> {
    /// Returns the token and the body, for the explanation of a denial.
    fn shown(self) -> (&'a VerifiedToken, Option<&'a [u8]>) {
        (self.token, self.judged)
    }
}

impl Gate {
    /// Answers the questions of a decision, and decides again, until the request is allowed or
    /// denied.
    pub(super) async fn ask_further(
        &self,
        mut decision: Decision,
        access: &AccessRequest<'_>,
        head: &Parts,
        asker: QuestionContext<'_>,
        body: &mut RequestBody,
    ) -> Result<(Permit, Consultation), Rejection> {
        let mut consultation = Consultation::default();
        loop {
            decision = match decision {
                Decision::Allowed(permit) => return Ok((permit, consultation)),
                Decision::Denied(denial) => return Err(self.denied(denial, access, asker.shown())),
                Decision::Needs(Question::Grants(question)) => {
                    self.ledger.look_for_grant(question, access, asker.binder).await?
                }
                Decision::Needs(Question::Plugins(question)) => {
                    let (said, asked) = self.consult(access, head, asker, body).await?;
                    consultation = asked;
                    question.with_verdicts(access, &said)
                }
                // The commands of a push are not read yet, and doubt is denial.
                Decision::Needs(Question::Push(_)) => {
                    return Err(self.denied(Denial::NotAllowed, access, asker.shown()));
                }
                Decision::Needs(Question::Body(question)) => {
                    let asker = (head, asker);
                    return Box::pin(self.decide_on_body(question, access, asker, body)).await;
                }
            };
        }
    }

    /// Reads and judges the body, and decides the request anew: once, with steps of its own.
    async fn decide_on_body(
        &self,
        question: BodyQuestion,
        access: &AccessRequest<'_>,
        (head, asker): (&Parts, QuestionContext<'_>),
        body: &mut RequestBody,
    ) -> Result<(Permit, Consultation), Rejection> {
        let steps = DecisionSteps::new();
        let gathering = AccessRequest { steps: &steps, ..*access };
        let tests = question
            .tests(&gathering)
            .map_err(|denial| self.denied(denial, access, asker.shown()))?;
        let longest_body = self.upstream.max_inspected_body;
        let (headers, exchange) = (&head.headers, asker.exchange);
        let mut unread = UnreadRequest { headers, body, exchange, longest_body };
        let bytes = unread.read(Part::Body).await?;
        let mut judge = tests.judge(&bytes, access.parts.headers, &self.guarded);
        while !judge.advance(JUDGED_AT_ONCE) {
            tokio::task::yield_now().await;
        }
        let judged = judge.finish();
        let parts = RequestParts { content: ContentView::Judged(&judged), ..access.parts };
        let access = AccessRequest { parts, steps: &DecisionSteps::new(), ..*access };
        let decision = question.decide(&access);
        let asker = QuestionContext { judged: Some(&bytes), ..asker };
        self.ask_further(decision, &access, head, asker, body).await
    }

    /// Makes the rejection for a denial. Rules are told only to the holder of a token that explains,
    /// and never those of the ceiling, which are the operator's.
    pub(super) fn denied(
        &self,
        denial: Denial,
        access: &AccessRequest<'_>,
        (token, judged): (&VerifiedToken, Option<&[u8]>),
    ) -> Rejection {
        if !token.explains() {
            return denial.into();
        }
        let needed = match denial {
            Denial::NotAllowed => {
                token.policy().missing(access.method, access.target, access.steps)
            }
            _ => Vec::new(),
        };
        let body = judged.filter(|body| body.len() <= EXPLAINED_AT_ONCE);
        let denied = DeniedRequest { denial: &denial, body, guarded: &self.guarded };
        let unmet = told(token.unmet_rules(access, &denied)).into();
        Rejection::Denied { denial, needed, unmet }
    }

    /// Asks the token's plugins, with the parts of the request demanded by any plugin.
    async fn consult(
        &self,
        access: &AccessRequest<'_>,
        head: &Parts,
        asker: QuestionContext<'_>,
        body: &mut RequestBody,
    ) -> Result<(Vec<(PluginName, Verdict)>, Consultation), Rejection> {
        let QuestionContext { token, peer, exchange, .. } = asker;
        let shown = match self.plugins.longest_body(token) {
            Some(longest) => {
                let longest_body = longest.min(self.upstream.max_inspected_body);
                let headers = &head.headers;
                let mut unread = UnreadRequest { headers, body, exchange, longest_body };
                Some(unread.read(Part::Body).await?)
            }
            None => None,
        };
        // A header field that is not passed on is not shown to plugins either.
        let mut headers = head.headers.clone();
        self.headers(peer, wants_websocket(head, body)).prepare(&mut headers, |_| ());
        let rows = &self.ledger.plugin_rows(token, exchange);
        let (target, sender) = (access.target, access.sender);
        let inquiry =
            PluginInquiry { token, method: &head.method, headers: &headers, target, sender, rows };
        self.plugins.ask(inquiry, shown.map(PluginBody::new)).await
    }
}
