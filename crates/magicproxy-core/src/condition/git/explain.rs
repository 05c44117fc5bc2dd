//! The places of a request at which a rule for git is not true, for `explain`.

use magicproxy_git::Change;

use super::endpoint::Endpoint;
use super::push::{Push, PushTest};
use super::{GitAsked, GitTest, PUSH_TYPE, RECEIVE_PACK, UPLOAD_PACK, ask_push};
use crate::condition::explain::ExplainedView;
use crate::condition::finding::{Finding, Findings, FoundValue};
use crate::condition::outcome::{Outcome, Reason};
use crate::condition::rule::Asked;
use crate::condition::view::{FieldValue, PushView};
use crate::condition::words::{Expected, NOT_NAMED};

/// The words for something that a rule does not say.
const NOT_SAID: &str = "is not in the rule";

impl GitTest {
    /// Adds the places that are not true. Returns true where a batch of LFS is to be explained by
    /// its query and its body.
    pub(in crate::condition) fn explain(
        &self,
        view: &ExplainedView<'_>,
        findings: &mut Findings,
    ) -> bool {
        let asked = self.ask((view.method, view.reading), view.query, view.parts);
        let GitAsked::Asked(asked) = asked else { return true };
        let Asked::Outcome(outcome) = asked else { return false };
        if outcome == Outcome::True {
            return false;
        }
        let test = match (self, Endpoint::of(view.reading)) {
            (Self::Push(test), Some(Endpoint::ReceivePack)) if view.method == "POST" => test,
            (_, endpoint) => {
                findings.add(outcome, || self.of_head(view, endpoint));
                return false;
            }
        };
        match view.parts.push {
            PushView::Listed(push) if is_of_commands(test, view) => {
                test.explain(push, findings);
            }
            _ => findings.add(outcome, || self.of_content(view, outcome)),
        }
        false
    }

    /// Makes the finding for a method, a path or a query.
    fn of_head(&self, view: &ExplainedView<'_>, endpoint: Option<Endpoint>) -> Finding {
        let service = match self {
            Self::Push(_) => Some(RECEIVE_PACK),
            Self::Fetch => Some(UPLOAD_PACK),
            Self::Lfs(_) => None,
        };
        let is_read = matches!(view.method, "GET" | "HEAD");
        match (service, endpoint) {
            (Some(service), Some(Endpoint::InfoRefs)) if is_read => {
                let found = view.query.map_or(FoundValue::Absent, FoundValue::of_text);
                finding("query", Outcome::False, found, format!("must be {service}"))
            }
            _ => finding(
                "request",
                Outcome::False,
                FoundValue::Unread,
                "is not one of those that the rule is for".to_owned(),
            ),
        }
    }

    /// Makes the finding for content that is no push, or that cannot be read.
    fn of_content(&self, view: &ExplainedView<'_>, outcome: Outcome) -> Finding {
        match outcome {
            Outcome::Unknown(Reason::BodyType) => {
                let found = match view.parts.headers.field("content-type") {
                    FieldValue::Absent => FoundValue::Absent,
                    FieldValue::One(_) | FieldValue::Several => FoundValue::Unread,
                };
                let expected = format!("must be {PUSH_TYPE}, once");
                finding("content_type", outcome, found, expected)
            }
            Outcome::Unknown(reason) => {
                finding("push", outcome, FoundValue::Unread, format!("cannot be judged: {reason}"))
            }
            Outcome::True | Outcome::False => {
                finding("query", outcome, FoundValue::Unread, "must be absent".to_owned())
            }
        }
    }
}

/// True if the fields of the request are those of a push, so that its commands are to blame.
fn is_of_commands(test: &PushTest, view: &ExplainedView<'_>) -> bool {
    let any = PushTest { force: true, ..test.clone() };
    let has_no_query = view.query.is_none_or(str::is_empty);
    let of_fields = |asked: &Asked| {
        !matches!(asked, Asked::Outcome(Outcome::Unknown(Reason::BodyType | Reason::BodyCoding)))
    };
    has_no_query && of_fields(&ask_push(&any, view.parts))
}

impl PushTest {
    /// Adds the commands and options that are not allowed.
    fn explain(&self, push: &Push, findings: &mut Findings) {
        let list = push.list();
        let count = list.commands().len();
        findings.add(Outcome::of(count <= self.max_commands), || {
            let expected = format!("must be at most {}", self.max_commands);
            finding("commands", Outcome::False, FoundValue::Shown(count.to_string()), expected)
        });
        for option in list.options() {
            let outcome = self.of_option(option);
            let expected = || match &self.options {
                Some(test) => Expected(test).to_string(),
                None => NOT_NAMED.to_owned(),
            };
            findings.add(outcome, || {
                finding("options", outcome, FoundValue::of_text(option), expected())
            });
        }
        for (number, command) in list.commands().iter().enumerate() {
            let name = command.name().as_str();
            let outcome = self.of_name(command);
            if outcome != Outcome::True {
                let expected = Expected(&self.refs).to_string();
                findings
                    .add(outcome, || finding("refs", outcome, FoundValue::of_text(name), expected));
                continue;
            }
            let (word, outcome, expected) = match command.change() {
                Change::Create => ("create", Outcome::of(self.create), NOT_SAID.to_owned()),
                Change::Delete => ("delete", Outcome::of(self.delete), NOT_SAID.to_owned()),
                Change::Update if !self.of_change(command) => {
                    ("force", Outcome::False, NOT_SAID.to_owned())
                }
                Change::Update => {
                    let outcome = match self.is_forward(push, number) {
                        true => Outcome::True,
                        false => Outcome::Unknown(Reason::NotFastForward),
                    };
                    ("force", outcome, format!("{NOT_SAID}, and this is not a proved fast-forward"))
                }
            };
            findings.add(outcome, || Finding {
                place: format!("{word} of {name}"),
                ..finding(word, outcome, FoundValue::Unread, expected)
            });
        }
    }
}

/// Makes a finding at a place that the rule names.
fn finding(place: &str, outcome: Outcome, found: FoundValue, expected: String) -> Finding {
    Finding { place: place.to_owned(), place_in_rule: place.to_owned(), outcome, found, expected }
}
