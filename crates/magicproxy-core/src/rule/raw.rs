//! Rules as they are written. `rules.md` section 1.

use std::fmt;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::json::present;

/// A rule as it is written: not yet checked. [`Rule::parse`](super::Rule::parse) makes a [`Rule`](super::Rule) of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum RawRule {
    /// `METHOD PATTERN`.
    Text(String),
    /// `{ "method": …, "path": … }` or `{ "method": …, "route": … }`.
    Object(RuleObject),
}

/// The object form of a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleObject {
    /// One method, a list of methods, or `*`.
    pub method: OneOrMany,
    /// A pattern.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// A route template.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
}

/// One word or a list of words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum OneOrMany {
    /// `"GET"`
    One(String),
    /// `["GET", "PUT"]`
    Many(Vec<String>),
}

/// Not `untagged`, whose errors speak of our types.
impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Form;
        impl<'de> Visitor<'de> for Form {
            type Value = OneOrMany;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a method or a list of methods")
            }
            fn visit_str<E>(self, text: &str) -> Result<OneOrMany, E> {
                Ok(OneOrMany::One(text.to_owned()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<OneOrMany, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(list)).map(OneOrMany::Many)
            }
        }
        deserializer.deserialize_any(Form)
    }
}

/// Not `untagged`, so that an object keeps the strictness of [`RuleObject`] and its error messages.
impl<'de> Deserialize<'de> for RawRule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Form;
        impl<'de> Visitor<'de> for Form {
            type Value = RawRule;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a rule: `METHOD /pattern`, or an object with `method` and `path` or `route`")
            }
            fn visit_str<E>(self, text: &str) -> Result<RawRule, E> {
                Ok(RawRule::Text(text.to_owned()))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawRule, A::Error> {
                RuleObject::deserialize(MapAccessDeserializer::new(map)).map(RawRule::Object)
            }
        }
        deserializer.deserialize_any(Form)
    }
}

impl fmt::Display for RawRule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => formatter.write_str(text),
            Self::Object(object) => {
                let target = object.route.as_deref().or(object.path.as_deref()).unwrap_or_default();
                match &object.method {
                    OneOrMany::One(method) => write!(formatter, "{method} {target}"),
                    OneOrMany::Many(methods) => write!(formatter, "{} {target}", methods.join("|")),
                }
            }
        }
    }
}
