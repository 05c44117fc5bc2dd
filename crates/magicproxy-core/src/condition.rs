//! Conditions: the tests of a rule on the captures of its route, and on the query, the header
//! fields and the body of a request, and on the commands of a push. Specification: `conditions.md`,
//! `git.md`.

mod body;
mod captures;
mod explain;
mod fault;
mod finding;
mod folded;
mod git;
mod integer;
mod json;
mod least;
mod media_type;
mod names;
mod outcome;
mod pairs;
mod parse;
mod raw;
mod rule;
mod steps;
mod value;
mod view;
mod words;

use names::twin_key;

pub use body::{BodyJudge, BodyTests, JudgedBody};
pub(crate) use captures::CapturePlace;
pub(crate) use explain::ExplainedView;
pub(crate) use fault::ConditionFault;
pub use finding::{Finding, FoundValue};
pub(crate) use git::CommandVerdict;
pub use git::{GitMembers, Push, PushWordsFault};
pub(crate) use least::LeastParts;
pub use outcome::{Outcome, Reason};
pub use pairs::PlusReading;
pub use raw::ConditionMembers;
pub(crate) use raw::present_value;
pub(crate) use rule::{Asked, Conditions, NeededPart, RuleFrame};
pub use view::{ContentView, FieldValue, HeaderView, PushView, RequestParts};

/// The most bytes of a text that is matched by a glob or a pattern.
const MAX_TESTED_TEXT: usize = 8 * 1024;
/// The most names in one set of names. A bit of a `u64` for each tells which were seen.
const MAX_LISTED_NAMES: usize = 64;
