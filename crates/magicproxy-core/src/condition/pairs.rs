//! Judging the parameters of a query and the fields of a form. `conditions.md` section 4.2.

use super::names::NamesTest;
use super::outcome::{Outcome, Reason};

/// The meaning of `+` in a query, to the server of an upstream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PlusReading {
    /// A blank.
    Blank,
    /// A plus.
    Plus,
    /// Either: a query is allowed only where both readings are.
    #[default]
    Both,
}

pub(super) fn judge_query(_: &NamesTest, _: Option<&str>, _: PlusReading) -> Outcome {
    Outcome::Unknown(Reason::QuerySyntax)
}

pub(super) fn judge_form(_: &NamesTest, _: &[u8], _: &[String]) -> Outcome {
    Outcome::Unknown(Reason::FormSyntax)
}
