//! Decisions foreseen: on a request that somebody describes and nobody sends. Made by the functions
//! that decide on requests; `explain` only.

use std::sync::Arc;

use magicproxy_git::{CommandListBounds, CommandListFault, CommandListReader, Reading};

use super::decision::{BodyQuestion, Decision, PushQuestion, Question};
use super::{AccessRequest, Denial, DeniedRequest};
use crate::condition::{ContentView, Push, PushView, RequestParts};
use crate::policy::{DecisionSteps, UnmetRule};
use crate::token::VerifiedToken;

/// The body of a described request.
#[derive(Clone, Copy, Debug)]
pub struct DescribedBody<'a> {
    /// The body. `None` where nobody said whether there is one.
    pub body: Option<&'a [u8]>,
    /// The longest body into which rules look, in bytes.
    pub longest: usize,
    /// Names that override the method or carry a credential by the settings of the upstream.
    pub guarded: &'a [String],
    /// The push, where it is described instead of its body.
    pub push: Option<&'a Push>,
}

/// The decision that would be made on a described request.
#[derive(Debug)]
pub enum Foreseen {
    /// The decision, and the rules that would lift a denial but for their conditions.
    Decided(Decision, Vec<UnmetRule>),
    /// A rule looks into the body, and nobody said what the body is.
    NeedsBody,
    /// A rule looks into the body, which is too long for that.
    TooLong,
    /// A rule looks at the commands of a push, and nobody said what they are.
    NeedsCommands,
}

impl VerifiedToken {
    /// Decides a described request as the request itself would be decided, by its body as well. No
    /// grant is looked up, and no plugin is asked.
    #[must_use]
    pub fn foresee(
        self: &Arc<Self>,
        access: &AccessRequest<'_>,
        described: DescribedBody<'_>,
    ) -> Foreseen {
        let content = match described.body {
            Some([]) => ContentView::Empty,
            Some(_) | None => ContentView::Unread,
        };
        let unread = with_content(access, content);
        match (self.decide(&unread), described.body) {
            (Decision::Needs(Question::Body(question)), Some(body)) => {
                self.foresee_by_body(question, &unread, (body, described))
            }
            (Decision::Needs(Question::Body(_)), None) => self.foresee_without_body(access),
            (Decision::Needs(Question::Push(question)), _) => {
                self.foresee_push(question, &unread, described)
            }
            (decision, _) => self.foreseen(decision, &unread, described),
        }
    }

    /// Judges the whole body at once.
    fn foresee_by_body(
        self: &Arc<Self>,
        question: BodyQuestion,
        access: &AccessRequest<'_>,
        (body, described): (&[u8], DescribedBody<'_>),
    ) -> Foreseen {
        if body.len() > described.longest {
            return Foreseen::TooLong;
        }
        let tests = match question.tests(access) {
            Ok(tests) => tests,
            Err(denial) => return Foreseen::Decided(Decision::Denied(denial), Vec::new()),
        };
        let mut judge = tests.judge(body, access.parts.headers, described.guarded);
        while !judge.advance(usize::MAX) {}
        let judged = judge.finish();
        let (steps, content) = (DecisionSteps::new(), ContentView::Judged(&judged));
        let access = AccessRequest { steps: &steps, ..with_content(access, content) };
        let decision = question.decide(&access);
        self.foreseen(decision, &access, described)
    }

    /// Decides a push by the description of its commands, or by those in its body. Of an update in a
    /// body nobody knows whether it is a fast-forward.
    fn foresee_push(
        self: &Arc<Self>,
        question: PushQuestion,
        access: &AccessRequest<'_>,
        described: DescribedBody<'_>,
    ) -> Foreseen {
        let read = match (described.push, described.body) {
            (Some(push), _) => Ok(push.clone()),
            (None, Some(body)) => push_of_body(body),
            (None, None) => return Foreseen::NeedsCommands,
        };
        let view = match &read {
            Ok(push) => PushView::Listed(push),
            Err(fault) => PushView::Unreadable(*fault),
        };
        let steps = DecisionSteps::new();
        let parts = RequestParts { push: view, ..access.parts };
        let access = AccessRequest { parts, steps: &steps, ..*access };
        match (question.decide(&access), described.body) {
            (Decision::Needs(Question::Body(question)), Some(body)) => {
                self.foresee_by_body(question, &access, (body, described))
            }
            (Decision::Needs(Question::Body(_)), None) => Foreseen::NeedsBody,
            (decision, _) => self.foreseen(decision, &access, described),
        }
    }

    /// Decides a request whose body nobody knows: only what is allowed without a body is decided.
    fn foresee_without_body(self: &Arc<Self>, access: &AccessRequest<'_>) -> Foreseen {
        let steps = DecisionSteps::new();
        let access = AccessRequest { steps: &steps, ..with_content(access, ContentView::Empty) };
        let decision = self.decide(&access);
        match decision.by_rules() {
            Ok(_) => Foreseen::Decided(decision, Vec::new()),
            Err(_) => Foreseen::NeedsBody,
        }
    }

    fn foreseen(
        &self,
        decision: Decision,
        access: &AccessRequest<'_>,
        described: DescribedBody<'_>,
    ) -> Foreseen {
        let DescribedBody { body, guarded, .. } = described;
        let unmet = |denial: &Denial| {
            let access = AccessRequest { steps: &DecisionSteps::new(), ..*access };
            self.unmet_rules(&access, &DeniedRequest { denial, body, guarded })
        };
        let unmet = decision.by_rules().map_or_else(|denial| unmet(&denial), |_| Vec::new());
        Foreseen::Decided(decision, unmet)
    }
}

/// Reads the commands at the beginning of a body.
fn push_of_body(body: &[u8]) -> Result<Push, CommandListFault> {
    let mut reader = CommandListReader::new(CommandListBounds::default());
    match reader.read(body)? {
        Reading::Whole { list, length } if list.is_probe() && length < body.len() => {
            Err(CommandListFault::Ended)
        }
        Reading::Whole { list, .. } => Ok(Push::new(list).with_fast_forwards(|_| false)),
        Reading::More => Err(CommandListFault::CutShort),
    }
}

fn with_content<'a>(access: &AccessRequest<'a>, content: ContentView<'a>) -> AccessRequest<'a> {
    let parts = RequestParts { content, ..access.parts };
    AccessRequest { parts, ..*access }
}
