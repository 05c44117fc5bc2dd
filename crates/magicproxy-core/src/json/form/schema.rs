//! A form as a JSON Schema (draft 2020-12). Conditions beyond a schema, such as the spelling of a
//! pattern, are left open.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{Form, Kind, Member, Presence};

impl Form {
    /// Returns the schema of the texts that an operator may write: every text that can be read is
    /// valid by the schema.
    #[must_use]
    pub fn to_schema(&self) -> Value {
        let mut schema = self.kind.to_schema();
        if let Some(members) = schema.as_object_mut() {
            members.insert("description".to_owned(), Value::from(self.expected));
        }
        schema
    }
}

impl Kind {
    fn to_schema(&self) -> Value {
        match self {
            Self::Text => json!({ "type": "string" }),
            Self::TextLike(pattern) => json!({ "type": "string", "pattern": pattern }),
            Self::Flag => json!({ "type": "boolean" }),
            Self::True => json!({ "const": true }),
            Self::Any => json!({}),
            Self::Number => json!({ "type": "integer", "minimum": 0 }),
            Self::NumberWithin(least, most) => {
                json!({ "type": "integer", "minimum": least, "maximum": most })
            }
            Self::NumberOrText => {
                json!({ "anyOf": [Self::Number.to_schema(), Self::Text.to_schema()] })
            }
            Self::List(form) => json!({ "type": "array", "items": form.to_schema() }),
            Self::Many(form) => one_or(form, json!({ "type": "array", "items": form.to_schema() })),
            Self::UpTo(most, form) => one_or(
                form,
                json!({ "type": "array", "items": form.to_schema(), "minItems": 1, "maxItems": most }),
            ),
            Self::TextOrObject(text, members) => {
                json!({ "anyOf": [text.to_schema(), object(members)] })
            }
            Self::TextOrEither(text, members, marked) => {
                json!({ "anyOf": [text.to_schema(), object(members), object(marked)] })
            }
            Self::Object(members) => object(members),
            Self::Map(form) => {
                json!({ "type": "object", "additionalProperties": form.to_schema() })
            }
        }
    }
}

/// Returns the schema of a list, or of a single value in place of a list with one item.
fn one_or(form: &Form, list: Value) -> Value {
    json!({ "anyOf": [list, form.to_schema()] })
}

fn object(members: &[Member]) -> Value {
    let properties: Map<String, Value> =
        members.iter().map(|member| (member.name.to_owned(), member.to_schema())).collect();
    let needed = members.iter().filter(|member| member.presence == Presence::Needed);
    let required: Vec<&str> = needed.map(|member| member.name).collect();
    let mut schema = json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false });
    let alternatives = alternatives(members);
    if let Some(schema) = schema.as_object_mut().filter(|_| !alternatives.is_empty()) {
        schema.insert("oneOf".to_owned(), Value::from(alternatives));
    }
    schema
}

/// Returns a schema for each alternative: all its members are present, and no member of another
/// alternative.
fn alternatives(members: &[Member]) -> Vec<Value> {
    let numbers: BTreeSet<u8> = members.iter().filter_map(number_of_alternative).collect();
    numbers.into_iter().map(|chosen| alternative(members, chosen)).collect()
}

fn number_of_alternative(member: &Member) -> Option<u8> {
    match member.presence {
        Presence::Alternative(number) => Some(number),
        _ => None,
    }
}

/// Returns the schema of one alternative: the members of the other alternatives are absent.
fn alternative(members: &[Member], chosen: u8) -> Value {
    let (mut required, mut absent) = (Vec::new(), Map::new());
    for member in members {
        match number_of_alternative(member) {
            Some(number) if number == chosen => required.push(member.name),
            Some(_) => drop(absent.insert(member.name.to_owned(), Value::from(false))),
            None => {}
        }
    }
    json!({ "required": required, "properties": absent })
}

impl Member {
    fn to_schema(&self) -> Value {
        match self.presence {
            Presence::Nullable => json!({ "anyOf": [self.form.to_schema(), { "type": "null" }] }),
            _ => self.form.to_schema(),
        }
    }
}
