//! Responses of the admin listener: their forms as text and as JSON, and the fields of each
//! (`docs/spec/admin.md` section 4).

use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, WWW_AUTHENTICATE,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{Response, StatusCode};
use http_body_util::Full;
use hyper::body::Bytes;
use serde_json::{Value, json};

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
const PROBLEM: &str = "application/problem+json";
/// Keeps pages of other origins from taking a response as an image or a script.
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// The form that a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Text,
    Json,
}

/// A response before it is written.
#[derive(Debug)]
pub(super) struct PageResponse {
    pub(super) status: StatusCode,
    pub(super) media_type: &'static str,
    pub(super) content: String,
    /// The methods that the page takes, for status 405.
    pub(super) allow: Option<&'static str>,
}

impl PageResponse {
    /// Makes a response that says the same in both forms.
    pub(super) fn of(
        form: Form,
        status: StatusCode,
        text: impl FnOnce() -> String,
        json: impl FnOnce() -> Value,
    ) -> Self {
        match form {
            Form::Text => Self::plain(status, TEXT, text()),
            Form::Json => Self::plain(status, JSON, format!("{}\n", json())),
        }
    }

    /// Makes a response of another media type.
    pub(super) fn plain(status: StatusCode, media_type: &'static str, content: String) -> Self {
        Self { status, media_type, content, allow: None }
    }

    /// Makes a refusal; `detail` says why in one line.
    pub(super) fn refusal(form: Form, status: StatusCode, detail: &str) -> Self {
        match form {
            Form::Text => Self::plain(status, TEXT, format!("{detail}\n")),
            Form::Json => {
                let title = status.canonical_reason().unwrap_or_default();
                let problem =
                    json!({ "status": status.as_u16(), "title": title, "detail": detail });
                Self::plain(status, PROBLEM, format!("{problem}\n"))
            }
        }
    }

    /// Writes the response.
    pub(super) fn into_response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(Bytes::from(self.content)));
        *response.status_mut() = self.status;
        let fields = response.headers_mut();
        fields.insert(CONTENT_TYPE, HeaderValue::from_static(self.media_type));
        fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        fields.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        fields.insert(RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
        if let Some(methods) = self.allow {
            fields.insert(ALLOW, HeaderValue::from_static(methods));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Bearer realm=\"magicproxy admin\"");
            fields.insert(WWW_AUTHENTICATE, challenge);
        }
        response
    }
}
