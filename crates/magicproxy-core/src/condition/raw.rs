//! The members of a rule for its conditions, as written and not yet checked. `conditions.md`
//! section 1.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::json::UniqueValue;
use crate::json::form::ValueFault;

/// The members of a rule for its conditions, as JSON in which no object has a repeated member.
/// Parsing a rule checks them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ConditionMembers {
    /// Tests of the captures of the rule's `route`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub captures: Option<Value>,
    /// Tests of the parameters of the query, or `"any"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<Value>,
    /// Tests of header fields.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers: Option<Value>,
    /// Tests of the members of a JSON object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub json: Option<Value>,
    /// The test of each element of a JSON list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub json_each: Option<Value>,
    /// Tests of the fields of a form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub form: Option<Value>,
    /// `"none"` or `"any"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
    /// The media type of the body, or a list of media types.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<Value>,
}

impl ConditionMembers {
    /// True if the rule has no conditions.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members().all(|(_, value)| value.is_none())
    }

    /// Finds a member of another JSON type than conditions have there: a question of the JSON, as
    /// with the other members of a rule, and not of the rule (`token-v2.md` section 2.1).
    pub(crate) fn fault_of_kinds(&self) -> Option<ValueFault> {
        let Self { captures, query, headers, json, json_each: _, form, body, content_type } = self;
        let is_word = |value: &Value, words: &[&str]| {
            value.as_str().is_some_and(|word| words.contains(&word))
        };
        let are_texts = |value: &Value| match value {
            Value::Array(types) => types.iter().all(Value::is_string),
            other => other.is_string(),
        };
        if [captures, headers, json, form].into_iter().flatten().any(|names| !names.is_object()) {
            return Some(ValueFault::ConditionNames);
        }
        if query.as_ref().is_some_and(|query| !query.is_object() && !is_word(query, &["any"])) {
            return Some(ValueFault::ConditionQuery);
        }
        if body.as_ref().is_some_and(|body| !is_word(body, &["none", "any"])) {
            return Some(ValueFault::ConditionBody);
        }
        let is_faulty = content_type.as_ref().is_some_and(|types| !are_texts(types));
        is_faulty.then_some(ValueFault::ConditionType)
    }

    /// Returns the members with their names, in the order of the specification.
    pub(crate) fn members(&self) -> impl Iterator<Item = (&'static str, Option<&Value>)> {
        let Self { captures, query, headers, json, json_each, form, body, content_type } = self;
        [
            ("captures", captures),
            ("query", query),
            ("headers", headers),
            ("json", json),
            ("json_each", json_each),
            ("form", form),
            ("body", body),
            ("content_type", content_type),
        ]
        .into_iter()
        .map(|(name, value)| (name, value.as_ref()))
    }
}

/// Prints each member with its JSON, for a list of rules.
impl fmt::Display for ConditionMembers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in self.members() {
            if let Some(value) = value {
                write!(formatter, " {name} {value}")?;
            }
        }
        Ok(())
    }
}

/// Reads a member of any JSON value. A present null is a value, too.
pub(crate) fn present_value<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Value>, D::Error> {
    UniqueValue::deserialize(deserializer).map(|value| Some(value.0))
}
