//! Rejection as an HTTP response.

use bytes::Bytes;
use http::header::{
    ACCEPT, ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderName, RETRY_AFTER,
    WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use hyper::ext::ReasonPhrase;

use super::Rejection;
use super::shape::Problem;
use crate::request_id::RequestId;
use crate::settings::{RefusalMedia, RefusalShape};

/// Field that SDKs made by Stainless heed, including the SDKs of OpenAI, Anthropic and Cloudflare;
/// other clients do not know the field.
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
/// Field of RFC 9209 with the reason of the refusal.
const PROXY_STATUS: HeaderName = HeaderName::from_static("proxy-status");
/// Longest reason phrase, in bytes: a status line is short.
const MAX_REASON_PHRASE: usize = 200;
/// Prefix of the problem type of RFC 9457; the code follows.
pub(super) const TYPE_BASE: &str = "urn:magicproxy:problem:";

/// Media type under which a client reads a problem.
///
/// RFC 9457 has a separate media type, but octokit, for instance, reads JSON only under the types
/// of its `Accept`: a client whose `Accept` does not admit the problem type gets the same body as
/// `application/json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProblemType {
    Problem,
    Json,
}

impl ProblemType {
    fn accepted(headers: &HeaderMap) -> Self {
        if !headers.contains_key(ACCEPT) {
            return Self::Problem;
        }
        for value in headers.get_all(ACCEPT) {
            let Ok(value) = value.to_str() else { continue };
            if value.split(',').any(admits_problem) {
                return Self::Problem;
            }
        }
        Self::Json
    }

    fn as_value(self) -> HeaderValue {
        match self {
            Self::Problem => HeaderValue::from_static("application/problem+json"),
            Self::Json => HeaderValue::from_static("application/json"),
        }
    }
}

/// True for a media range of `Accept` that `application/problem+json` is in.
fn admits_problem(range: &str) -> bool {
    let essence = range.split(';').next().unwrap_or_default().trim();
    let ranges = ["application/problem+json", "application/*", "*/*"];
    ranges.iter().any(|known| known.eq_ignore_ascii_case(essence))
}

/// Schemes of `Authorization` in the challenges of a 401 (RFC 9110 section 11.6.1). The proxy
/// accepts every scheme, whichever is named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Challenge {
    #[default]
    BearerOrBasic,
    /// `Basic` alone, for an upstream whose own clients send passwords. Where `Bearer` is named,
    /// clients of container registries take the realm for the URL of a token service, and never
    /// send their password.
    Basic,
}

/// Form of a refusal for one client of one upstream. The status and all other header fields are the
/// same in every form.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RefusalForm {
    media: ProblemType,
    pub(crate) shape: RefusalShape,
    pub(crate) challenge: Challenge,
}

impl RefusalForm {
    /// Makes the form for a request with these headers, until the request's upstream is known.
    pub(crate) fn accepted(headers: &HeaderMap) -> Self {
        let media = ProblemType::accepted(headers);
        Self { media, shape: RefusalShape::default(), challenge: Challenge::default() }
    }

    /// Returns the content type: the problem type only for a body that is RFC 9457 in substance.
    fn content_type(self) -> HeaderValue {
        match self.shape.media {
            RefusalMedia::Problem => self.media.as_value(),
            RefusalMedia::Json => ProblemType::Json.as_value(),
        }
    }
}

impl Rejection {
    /// Makes the response to the client.
    pub(crate) fn to_response(&self, id: RequestId, form: RefusalForm) -> Response<Bytes> {
        let (status, code) = self.status_and_code();
        let error = self.error_type();
        let detail = self.to_string();
        let problem = Problem {
            r#type: format!("{TYPE_BASE}{code}"),
            title: title(status),
            status,
            detail: &detail,
            code,
            request_id: id.to_string(),
            message: format!("magicproxy: {detail}"),
            errors: self.errors(),
        };
        let mut response = Response::new(Bytes::from(problem.body(form.shape)));
        *response.status_mut() = status;
        if let Some(reason) = reason_phrase(status, &problem.message) {
            response.extensions_mut().insert(reason);
        }
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, form.content_type());
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Ok(value) =
            HeaderValue::from_str(&format!("magicproxy; error={error}; details=\"{code} {id}\""))
        {
            headers.insert(PROXY_STATUS, value);
        }
        if status == StatusCode::UNAUTHORIZED {
            for challenge in self.challenges(form.challenge) {
                headers.append(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
            }
        }
        if let Some(after) = self.retry_after() {
            // Whole seconds, and never too early.
            headers.insert(
                RETRY_AFTER,
                HeaderValue::from(after.as_millis().div_ceil(1_000).try_into().unwrap_or(u64::MAX)),
            );
        }
        if let Self::ControlMethod(known) = self {
            headers.insert(ALLOW, HeaderValue::from_static(known));
        }
        if !self.may_help_to_repeat() {
            headers.insert(SHOULD_RETRY, HeaderValue::from_static("false"));
        }
        if self.closes() {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    /// Returns the challenges. RFC 6750 section 3: no error code where no token was sent. Clients
    /// such as git send a password only when asked for a password.
    fn challenges(&self, challenge: Challenge) -> &'static [&'static str] {
        match (challenge, self) {
            (Challenge::Basic, _) => &["Basic realm=\"magicproxy\", charset=\"UTF-8\""],
            (Challenge::BearerOrBasic, Self::NoToken) => {
                &["Bearer realm=\"magicproxy\"", "Basic realm=\"magicproxy\", charset=\"UTF-8\""]
            }
            (Challenge::BearerOrBasic, _) => {
                &["Bearer realm=\"magicproxy\", error=\"invalid_token\""]
            }
        }
    }

    /// True if the same request may fare better when sent again. False where the request itself is
    /// at fault. False also where the upstream was asked already: the work asked for is being done,
    /// and paid for, and another request would have the work done once more.
    fn may_help_to_repeat(&self) -> bool {
        let status = self.status();
        let at_fault = status.is_client_error()
            // A client may have a fresh token by then.
            && !matches!(status, StatusCode::UNAUTHORIZED | StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS);
        let asked = matches!(
            self,
            Self::ResponseTimeout
                | Self::ExchangeTimeout
                | Self::NotRecorded
                | Self::PluginFailed
                | Self::UnaskedCoding
        );
        !at_fault && !asked
    }

    fn errors(&self) -> Vec<String> {
        match self {
            Self::MintRequest(faults) => faults.iter().map(ToString::to_string).collect(),
            Self::Question(fault) => fault.each(),
            Self::Conflict(conflict) => conflict.each(),
            _ => Vec::new(),
        }
    }
}

/// Returns the refusal for the status line of HTTP/1.1 (RFC 9112 section 4): clients that never
/// read the body of an error, such as users of `raise_for_status` of Python's requests, show the
/// reason phrase.
fn reason_phrase(status: StatusCode, message: &str) -> Option<ReasonPhrase> {
    let visible = |character: &char| character.is_ascii_graphic() || *character == ' ';
    let phrase = format!("{} ({message})", status.canonical_reason().unwrap_or_default());
    let phrase: String = phrase.chars().filter(visible).take(MAX_REASON_PHRASE).collect();
    ReasonPhrase::try_from(phrase).ok()
}

fn title(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => "the proxy does not accept this token",
        StatusCode::FORBIDDEN => "the proxy does not allow this request",
        StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => {
            "the upstream did not give a usable response"
        }
        StatusCode::INTERNAL_SERVER_ERROR => "the proxy failed",
        StatusCode::SERVICE_UNAVAILABLE => "the proxy cannot decide now",
        StatusCode::TOO_MANY_REQUESTS => "a limit is reached",
        _ => "the proxy does not take this request",
    }
}
