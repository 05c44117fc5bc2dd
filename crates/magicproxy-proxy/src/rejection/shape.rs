//! The shapes that refusals can take: the one of the API behind, so that its clients show what the proxy says.
//!
//! `docs/spec/upstreams.md` section 8.

use http::StatusCode;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use crate::settings::RefusalShape;

/// RFC 9457, with the members that API clients look for: what every shape is made of.
#[derive(Serialize)]
pub(super) struct Problem<'a> {
    pub(super) r#type: String,
    pub(super) title: &'a str,
    #[serde(serialize_with = "number")]
    pub(super) status: StatusCode,
    pub(super) detail: &'a str,
    pub(super) code: &'a str,
    pub(super) request_id: String,
    /// GitHub's and many other clients show this.
    pub(super) message: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) errors: Vec<String>,
}

impl RefusalShape {
    /// Is the body a problem of RFC 9457, perhaps with further members?
    pub(super) fn is_problem(self) -> bool {
        matches!(self, Self::Problem | Self::Github)
    }

    /// The body, in JSON.
    pub(super) fn body(self, problem: &Problem<'_>) -> Vec<u8> {
        if self == Self::Problem {
            return serde_json::to_vec(problem).unwrap_or_default();
        }
        let Ok(Value::Object(mut members)) = serde_json::to_value(problem) else { return Vec::new() };
        members.extend(self.further_members(problem));
        serde_json::to_vec(&members).unwrap_or_default()
    }

    /// What this shape has besides the members of a problem, or in place of them.
    fn further_members(self, problem: &Problem<'_>) -> Map<String, Value> {
        let Problem { r#type, status, code, message, .. } = problem;
        let members = match self {
            Self::Problem => Value::Null,
            Self::Github => json!({ "documentation_url": r#type }),
            Self::Gitlab | Self::Powerdns => json!({ "error": message }),
            Self::Digitalocean => json!({ "id": code }),
            Self::Cloudflare => json!({
                "success": false,
                "errors": [{ "code": cloudflare_code(*status), "message": message }],
                "messages": [],
                "result": null,
            }),
            Self::Openai => json!({
                "error": { "message": message, "type": error_type(*status), "param": null, "code": code },
            }),
            Self::Anthropic => json!({
                "type": "error",
                "error": { "type": error_type(*status), "message": message },
            }),
        };
        match members {
            Value::Object(members) => members,
            _ => Map::new(),
        }
    }
}

/// Cloudflare's numbers for a token that it does not know, and for one that does not suffice.
fn cloudflare_code(status: StatusCode) -> u16 {
    match status {
        StatusCode::UNAUTHORIZED => 10000,
        StatusCode::FORBIDDEN => 9109,
        other => other.as_u16(),
    }
}

/// The words that OpenAI and Anthropic have for a status.
fn error_type(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => "authentication_error",
        StatusCode::FORBIDDEN => "permission_error",
        StatusCode::NOT_FOUND => "not_found_error",
        StatusCode::PAYLOAD_TOO_LARGE => "request_too_large",
        other if other.is_server_error() => "api_error",
        _ => "invalid_request_error",
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn number<S: Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}
