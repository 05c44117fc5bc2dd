//! Body of a refusal, in the shape of the upstream's API, so that the API's clients show the
//! proxy's message.
//!
//! Shapes are data: [`RefusalShape`]. `docs/spec/upstreams.md` section 8.

use http::StatusCode;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::settings::{RefusalPart, RefusalShape, StatusWords};

/// Problem of RFC 9457, with members that API clients look for; the material of every shape.
#[derive(Serialize)]
pub(super) struct Problem<'a> {
    pub(super) r#type: String,
    pub(super) title: &'a str,
    #[serde(serialize_with = "number")]
    pub(super) status: StatusCode,
    pub(super) detail: &'a str,
    pub(super) code: &'a str,
    pub(super) request_id: String,
    /// Message that many clients show.
    pub(super) message: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) errors: Vec<String>,
}

impl Problem<'_> {
    /// Writes the body in this shape, in JSON.
    pub(super) fn body(&self, shape: RefusalShape) -> Vec<u8> {
        if shape.members.is_empty() {
            return serde_json::to_vec(self).unwrap_or_default();
        }
        let Ok(Value::Object(mut members)) = serde_json::to_value(self) else { return Vec::new() };
        members.extend(self.object(shape.members));
        serde_json::to_vec(&members).unwrap_or_default()
    }

    fn object(&self, members: &[(&str, RefusalPart)]) -> Map<String, Value> {
        members.iter().map(|(name, part)| ((*name).to_owned(), self.value(part))).collect()
    }

    fn value(&self, part: &RefusalPart) -> Value {
        match part {
            RefusalPart::Null => Value::Null,
            RefusalPart::False => false.into(),
            RefusalPart::Text(text) => (*text).into(),
            RefusalPart::Type => self.r#type.as_str().into(),
            RefusalPart::Code => self.code.into(),
            RefusalPart::Message => self.message.as_str().into(),
            RefusalPart::StatusNumber(numbers) => {
                of_status(numbers, self.status).unwrap_or(self.status.as_u16()).into()
            }
            RefusalPart::StatusWord(words) => word(words, self.status).into(),
            RefusalPart::List(parts) => parts.iter().map(|part| self.value(part)).collect(),
            RefusalPart::Object(members) => self.object(members).into(),
        }
    }
}

fn word(words: &StatusWords, status: StatusCode) -> &'static str {
    let general = if status.is_server_error() { words.server } else { words.other };
    of_status(words.known, status).unwrap_or(general)
}

/// Returns the table's value for a status.
fn of_status<T: Copy>(table: &[(u16, T)], status: StatusCode) -> Option<T> {
    table.iter().find(|(known, _)| *known == status.as_u16()).map(|(_, value)| *value)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn number<S: Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}
