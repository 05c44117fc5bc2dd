//! What a decision needs besides the rules: what the token's owner made, and what plugins say. Most requests never come here.

use http::request::Parts;
use magicproxy_core::plugin::{PluginName, Verdict};
use magicproxy_core::{AccessRequest, Decision, Permit, Question, VerifiedToken};

use super::{Gate, denied, wants_websocket};
use crate::admission::Holding;
use crate::downstream::RequestBody;
use crate::exchange::unread::UnreadRequest;
use crate::exchange::verifier::Binder;
use crate::peer::Peer;
use crate::plugins::{Consultation, PluginInquiry};
use crate::rejection::Rejection;

/// Who asks, and the exchange that pays.
#[derive(Clone, Copy)]
pub(super) struct QuestionContext<'a> {
    pub(super) token: &'a VerifiedToken,
    pub(super) peer: Peer,
    pub(super) exchange: &'a Holding,
    /// By whose credential named owners are meant.
    pub(super) binder: Binder<'a>,
}

impl Gate {
    /// Answers what the decision asks, and asks again, until the request is allowed or denied.
    pub(super) async fn ask_further(
        &self,
        mut judgement: Decision,
        access: &AccessRequest<'_>,
        head: &Parts,
        asker: QuestionContext<'_>,
        body: &mut RequestBody,
    ) -> Result<(Permit, Consultation), Rejection> {
        let mut consultation = Consultation::default();
        loop {
            judgement = match judgement {
                Decision::Allowed(permit) => return Ok((permit, consultation)),
                Decision::Denied(denial) => return Err(denied(denial, asker.token, access)),
                Decision::Needs(Question::Grants(question)) => {
                    self.ledger.look_for_grant(question, access, asker.binder).await?
                }
                Decision::Needs(Question::Plugins(question)) => {
                    let (said, asked) = self.consult(access, head, asker, body).await?;
                    consultation = asked;
                    question.answered(access, &said)
                }
            };
        }
    }

    /// Asks the token's plugins, with the parts of the request that they want to see.
    async fn consult(
        &self,
        access: &AccessRequest<'_>,
        head: &Parts,
        asker: QuestionContext<'_>,
        body: &mut RequestBody,
    ) -> Result<(Vec<(PluginName, Verdict)>, Consultation), Rejection> {
        let QuestionContext { token, peer, exchange, .. } = asker;
        let shown = match self.plugins.needs(token) {
            Some(part) => {
                Some(UnreadRequest { headers: &head.headers, body, exchange }.read(part).await?)
            }
            None => None,
        };
        // What goes no further is not shown either.
        let mut headers = head.headers.clone();
        self.headers(peer, wants_websocket(head, body)).prepare(&mut headers, |_| ());
        let rows = &self.ledger.plugin_rows(token, exchange);
        let (target, sender) = (access.target, access.sender);
        let inquiry =
            PluginInquiry { token, method: &head.method, headers: &headers, target, sender, rows };
        self.plugins.ask(inquiry, shown.as_deref()).await
    }
}
