//! One log line for each request, written when its answer ends.
//!
//! Never in it: queries, header values, tokens, credentials. A path segment as long as a token is cut.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use magicproxy_core::{Label, VerifiedToken};

use crate::body::Progress;
use crate::rejection::{Rejection, RequestId};

const MAX_SEGMENT: usize = 96;
/// Methods are ASCII; longer ones are cut.
const MAX_METHOD: usize = 32;

/// What is known of one request; dropped when the exchange is over, and logged then.
#[derive(Debug)]
pub(crate) struct AccessRecord {
    pub(crate) id: RequestId,
    /// `None` where nobody reads it: then nothing is copied for it, nor timed.
    started: Option<Instant>,
    upstream: Option<Arc<str>>,
    method: Method,
    path: Option<String>,
    token: Option<Arc<VerifiedToken>>,
    rule: Option<Arc<str>>,
    decision: &'static str,
    status: u16,
    head_after: Option<Duration>,
    request_body: Option<Arc<Progress>>,
    bytes_out: u64,
    aborted: Option<Cow<'static, str>>,
}

impl AccessRecord {
    pub(crate) fn new(id: RequestId, method: &Method) -> Self {
        Self {
            id,
            started: tracing::enabled!(target: "magicproxy::access", tracing::Level::INFO).then(Instant::now),
            upstream: None,
            method: method.clone(),
            path: None,
            token: None,
            rule: None,
            decision: "refused",
            status: 0,
            head_after: None,
            request_body: None,
            bytes_out: 0,
            // Until an answer ends, it has not.
            aborted: Some("the caller went away".into()),
        }
    }

    pub(crate) fn upstream(&mut self, name: &Arc<str>) {
        self.upstream = Some(Arc::clone(name));
    }

    pub(crate) fn path(&mut self, canonical: &str) {
        self.path = self.started.map(|_| shorten_segments(canonical));
    }

    pub(crate) fn token(&mut self, token: &Arc<VerifiedToken>) {
        self.token = self.started.map(|_| Arc::clone(token));
    }

    pub(crate) fn permitted(&mut self, rule: &Arc<str>) {
        self.rule = Some(Arc::clone(rule));
        self.decision = "allowed";
    }

    pub(crate) fn control(&mut self) {
        self.decision = "control";
    }

    pub(crate) fn rejected(&mut self, rejection: &Rejection) {
        if let Rejection::Store(error) = rejection {
            tracing::warn!(target: "magicproxy::state", request_id = %self.id, %error, "the state store did not answer");
        }
        // An upstream that fails does not change that the request was allowed.
        if self.decision != "allowed" {
            self.decision = rejection.code();
        } else {
            self.aborted = Some(rejection.code().into());
        }
    }

    pub(crate) fn head(&mut self, status: StatusCode) {
        self.status = status.as_u16();
        self.head_after = self.started.map(|started| started.elapsed());
    }

    pub(crate) fn sent(&mut self, bytes: usize) {
        self.bytes_out += bytes as u64;
    }

    pub(crate) fn receives(&mut self, body: Arc<Progress>) {
        self.request_body = Some(body);
    }

    pub(crate) fn completed(&mut self) {
        self.aborted = None;
    }

    pub(crate) fn failed(&mut self, cause: &dyn std::error::Error) {
        self.aborted = Some(cause.to_string().into());
    }
}

impl Drop for AccessRecord {
    fn drop(&mut self) {
        let Some(started) = self.started else { return };
        let labels = self.token.as_ref().and_then(|token| labels(token.labels()));
        let micros = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        tracing::info!(
            target: "magicproxy::access",
            request_id = %self.id,
            jti = self.token.as_ref().map(|token| token.id()),
            chain = self.token.as_ref().map(|token| tracing::field::display(token.chain().id())),
            sub = labels,
            upstream = self.upstream.as_deref(),
            method = self.method.as_str().get(..MAX_METHOD).unwrap_or(self.method.as_str()),
            path = self.path.as_deref(),
            rule = self.rule.as_deref(),
            decision = self.decision,
            status = self.status,
            head_us = self.head_after.map(micros),
            total_us = micros(started.elapsed()),
            bytes_in = self.request_body.as_ref().map_or(0, |body| body.bytes()),
            bytes_out = self.bytes_out,
            aborted = self.aborted.as_deref(),
        );
    }
}

/// Whom the token is for, then those to whom its holders gave it: none of them can write in another's name.
fn labels(labels: &[Label]) -> Option<String> {
    (!labels.is_empty()).then(|| labels.iter().map(Label::as_str).collect::<Vec<_>>().join(">"))
}

fn shorten_segments(path: &str) -> String {
    if path.split('/').all(|segment| segment.len() <= MAX_SEGMENT) {
        return path.to_owned();
    }
    let cut =
        |segment: &str| if segment.len() <= MAX_SEGMENT { segment.to_owned() } else { format!("<{} bytes>", segment.len()) };
    path.split('/').map(cut).collect::<Vec<_>>().join("/")
}
