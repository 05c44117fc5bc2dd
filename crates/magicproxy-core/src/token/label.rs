//! Labels: the names of token holders in the audit log. `token-v2.md` section 2.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::json::form::ValueFault;

/// The `sub` of a token or of a caveat: 1 to 128 characters of visible ASCII without `"`, `\`, `>`
/// and `,`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Label(String);

/// The placeholder for the label of claims without a label.
const NOBODY: &str = "-";

impl Label {
    /// Reads a label.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let legal = |byte: u8| byte.is_ascii_graphic() && !b"\"\\>,".contains(&byte);
        ((1..=128).contains(&text.len()) && text.bytes().all(legal)).then(|| Self(text.to_owned()))
    }

    /// Reads the label of claims, or of a mint request for claims. The placeholder `-` is refused.
    #[must_use]
    pub fn parse_subject(text: &str) -> Option<Self> {
        Self::parse(text).filter(|label| label.as_str() != NOBODY)
    }

    /// Returns the label as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Label {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Label {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom(ValueFault::Label))
    }
}

/// Reads the label of claims: see [`Label::parse_subject`].
pub(super) fn present_subject<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Label>, D::Error> {
    let label = Label::deserialize(deserializer)?;
    if label.as_str() == NOBODY {
        return Err(D::Error::custom(ValueFault::NoLabel));
    }
    Ok(Some(label))
}

/// Joins the labels of claims and caveats by `>`, as logs show them. The first place always belongs
/// to the claims, so that no holder's label passes for the label that the minter wrote.
pub(super) fn in_logs(subject: Option<&Label>, holders: &[Label]) -> Option<Box<str>> {
    if subject.is_none() && holders.is_empty() {
        return None;
    }
    let first = subject.map_or(NOBODY, Label::as_str);
    let labels: Vec<&str> =
        std::iter::once(first).chain(holders.iter().map(Label::as_str)).collect();
    Some(labels.join(">").into())
}
