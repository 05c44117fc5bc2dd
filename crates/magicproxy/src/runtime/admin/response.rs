//! Responses of the admin listener: their forms as text and as JSON, and the fields of each
//! (`docs/spec/admin.md` section 4).

use std::io;

use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, WWW_AUTHENTICATE,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{Response, StatusCode};
use http_body_util::BodyExt as _;
use http_body_util::Full;
use http_body_util::combinators::BoxBody;
use hyper::body::Bytes;
use serde_json::{Value, json};

use super::file_content::FileContent;
use crate::runtime::backup::BackupFile;

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
const OCTETS: &str = "application/octet-stream";
const PROBLEM: &str = "application/problem+json";
/// Keeps pages of other origins from taking a response as an image or a script.
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// The form that a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Text,
    Json,
}

/// The content of a response, for the HTTP library.
pub(super) type ResponseContent = BoxBody<Bytes, io::Error>;

/// The content of a response before it is written.
#[derive(Debug)]
pub(super) enum PageContent {
    Text(String),
    /// A file, which is sent from its beginning.
    File(BackupFile),
}

impl PageContent {
    fn into_body(self) -> ResponseContent {
        match self {
            Self::Text(text) => {
                Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed()
            }
            Self::File(backup) => FileContent::of(backup).boxed(),
        }
    }
}

/// A response before it is written.
#[derive(Debug)]
pub(super) struct PageResponse {
    pub(super) status: StatusCode,
    pub(super) media_type: &'static str,
    pub(super) content: PageContent,
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
        Self { status, media_type, content: PageContent::Text(content), allow: None }
    }

    /// Makes a response of a backup.
    pub(super) fn backup(backup: BackupFile) -> Self {
        let content = PageContent::File(backup);
        Self { status: StatusCode::OK, media_type: OCTETS, content, allow: None }
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
    pub(super) fn into_response(self) -> Response<ResponseContent> {
        let mut response = Response::new(self.content.into_body());
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
