//! One log line for each request, written when its answer ends.
//!
//! Never in it: queries, header values, tokens, credentials. A path segment as long as a token is cut.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::StatusCode;
use magicproxy_core::{Label, VerifiedToken};

use crate::body::Progress;
use crate::rejection::{Rejection, RequestId};

const MAX_SEGMENT: usize = 96;

/// What is known of one request; dropped when the exchange is over, and logged then.
#[derive(Debug)]
pub(crate) struct AccessRecord {
    pub(crate) id: RequestId,
    started: Instant,
    upstream: Option<Arc<str>>,
    method: String,
    path: Option<String>,
    token: Option<String>,
    labels: Option<String>,
    rule: Option<Arc<str>>,
    decision: &'static str,
    status: u16,
    head_after: Option<Duration>,
    request_body: Option<Arc<Progress>>,
    bytes_out: u64,
    aborted: Option<String>,
}

impl AccessRecord {
    pub(crate) fn new(id: RequestId, method: &http::Method) -> Self {
        Self {
            id,
            started: Instant::now(),
            upstream: None,
            method: method.as_str().chars().take(32).collect(),
            path: None,
            token: None,
            labels: None,
            rule: None,
            decision: "refused",
            status: 0,
            head_after: None,
            request_body: None,
            bytes_out: 0,
            // Until an answer ends, it has not.
            aborted: Some("the caller went away".to_owned()),
        }
    }

    pub(crate) fn upstream(&mut self, name: &Arc<str>) {
        self.upstream = Some(Arc::clone(name));
    }

    pub(crate) fn path(&mut self, canonical: &str) {
        self.path = Some(shorten_segments(canonical));
    }

    pub(crate) fn token(&mut self, token: &VerifiedToken) {
        self.token = Some(token.id().to_owned());
        self.labels = (!token.labels().is_empty()).then(|| labels(token.labels()));
    }

    pub(crate) fn permitted(&mut self, rule: &Arc<str>) {
        self.rule = Some(Arc::clone(rule));
        self.decision = "allowed";
    }

    pub(crate) fn control(&mut self) {
        self.decision = "control";
    }

    pub(crate) fn rejected(&mut self, rejection: &Rejection) {
        // An upstream that fails does not change that the request was allowed.
        if self.decision != "allowed" {
            self.decision = rejection.code();
        } else {
            self.aborted = Some(rejection.code().to_owned());
        }
    }

    pub(crate) fn head(&mut self, status: StatusCode) {
        self.status = status.as_u16();
        self.head_after = Some(self.started.elapsed());
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
        self.aborted = Some(cause.to_string());
    }
}

impl Drop for AccessRecord {
    fn drop(&mut self) {
        let micros = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        tracing::info!(
            target: "magicproxy::access",
            request_id = %self.id,
            jti = self.token.as_deref(),
            sub = self.labels.as_deref(),
            upstream = self.upstream.as_deref(),
            method = self.method,
            path = self.path.as_deref(),
            rule = self.rule.as_deref(),
            decision = self.decision,
            status = self.status,
            head_us = self.head_after.map(micros),
            total_us = micros(self.started.elapsed()),
            bytes_in = self.request_body.as_ref().map_or(0, |body| body.bytes()),
            bytes_out = self.bytes_out,
            aborted = self.aborted.as_deref(),
        );
    }
}

/// Whom the token is for, then those to whom its holders gave it: none of them can write in another's name.
fn labels(labels: &[Label]) -> String {
    labels.iter().map(Label::as_str).collect::<Vec<_>>().join(">")
}

fn shorten_segments(path: &str) -> String {
    if path.split('/').all(|segment| segment.len() <= MAX_SEGMENT) {
        return path.to_owned();
    }
    let cut =
        |segment: &str| if segment.len() <= MAX_SEGMENT { segment.to_owned() } else { format!("<{} bytes>", segment.len()) };
    path.split('/').map(cut).collect::<Vec<_>>().join("/")
}
