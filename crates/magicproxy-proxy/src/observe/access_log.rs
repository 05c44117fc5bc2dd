//! One log line for each request, written when its response ends: `docs/guide/life-of-a-request.md` has its fields.
//!
//! Never in it: queries, header values, tokens, credentials. A path segment as long as a token is cut.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use magicproxy_core::{KeyId, VerifiedToken};

use crate::downstream::Progress;
use crate::http::body::BodyError;
use crate::rejection::Rejection;
use crate::request_id::RequestId;
use crate::settings::UpstreamSettings;

const MAX_SEGMENT: usize = 96;
/// Methods are ASCII; longer ones are cut.
const MAX_LOGGED_METHOD: usize = 32;

/// What stands for a decision where the client left before there was one.
const UNDECIDED: &str = "undecided";

/// The names of one upstream in log lines.
#[derive(Debug)]
pub(crate) struct UpstreamNames {
    name: Box<str>,
    /// The host, perhaps with a port, of each of its origins.
    hosts: Vec<Box<str>>,
}

impl UpstreamNames {
    pub(crate) fn of(upstream: &UpstreamSettings) -> Arc<Self> {
        let hosts = upstream.origins().map(|root| root.authority().as_str().into()).collect();
        Arc::new(Self { name: upstream.name.as_str().into(), hosts })
    }
}

/// The upstream of a request, and the number of its origin.
#[derive(Debug)]
struct UpstreamLabel {
    names: Arc<UpstreamNames>,
    origin: usize,
}

impl UpstreamLabel {
    /// The upstream's name, and the host that was to be reached.
    fn of(&self) -> (&str, &str) {
        (&self.names.name, self.names.hosts.get(self.origin).map_or("", |host| host))
    }
}

/// What is known of one request; dropped when the exchange is over, and logged then.
#[derive(Debug)]
pub(crate) struct AccessRecord {
    pub(crate) id: RequestId,
    /// `None` where nobody reads it: then nothing is copied for it, nor timed.
    started: Option<Instant>,
    upstream: Option<UpstreamLabel>,
    method: Method,
    path: Option<String>,
    token: Option<Arc<VerifiedToken>>,
    rule: Option<Arc<str>>,
    decision: &'static str,
    /// What went wrong between the proxy and the upstream.
    error: Option<&'static str>,
    status: u16,
    head_after: Option<Duration>,
    request_body: Option<Arc<Progress>>,
    bytes_out: u64,
    aborted: Option<Cow<'static, str>>,
    /// Of a WebSocket: bytes that its client sent, and why it ended.
    tunnel: Option<Box<(u64, &'static str)>>,
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
            decision: UNDECIDED,
            error: None,
            status: 0,
            head_after: None,
            request_body: None,
            bytes_out: 0,
            // Until a response ends, it has not.
            aborted: Some("the client went away".into()),
            tunnel: None,
        }
    }

    /// The request is for this upstream, and for the origin of that number.
    pub(crate) fn upstream(&mut self, names: &Arc<UpstreamNames>, origin: usize) {
        self.upstream = Some(UpstreamLabel { names: Arc::clone(names), origin });
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

    /// A page asks whether it may send a request.
    pub(crate) fn preflight(&mut self) {
        self.decision = "preflight";
    }

    /// The proxy writes the response: this is why.
    pub(crate) fn rejected(&mut self, rejection: &Rejection) {
        self.decision = rejection.code();
        self.error = rejection.upstream_error();
        match rejection {
            Rejection::Store(error) => {
                tracing::warn!(target: "magicproxy::state", request_id = %self.id, %error, "the state store did not answer");
            }
            Rejection::Connect(failure) => self.warn(failure, failure.cause()),
            other if other.is_upstream_s_fault() => self.warn(other, None),
            _ => {}
        }
    }

    /// Tells the operator about an upstream that failed.
    fn warn(&self, failure: &dyn std::error::Error, cause: Option<&str>) {
        let (upstream, host) = self.upstream.as_ref().map(UpstreamLabel::of).unzip();
        let (request_id, error) = (self.id, self.error);
        tracing::warn!(target: "magicproxy::upstream", %request_id, upstream, host, error, cause, "{failure}");
    }

    /// The response begins. Where nothing can follow its head (RFC 9110 section 6.4.1), the HTTP library asks for no content, and
    /// so nobody tells of its end.
    pub(crate) fn head(&mut self, status: StatusCode) {
        let no_content = status.is_informational() || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        if no_content || self.method == Method::HEAD {
            self.completed();
        }
        self.status = status.as_u16();
        self.head_after = self.started.map(|started| started.elapsed());
    }

    pub(crate) fn sent(&mut self, bytes: usize) {
        self.bytes_out += bytes as u64;
    }

    /// A WebSocket has ended: what passed up and down, and why.
    pub(crate) fn tunnel(&mut self, [up, down]: [u64; 2], end: &'static str) {
        (self.tunnel, self.bytes_out) = (Some(Box::new((up, end))), down);
    }

    pub(crate) fn receives(&mut self, body: Arc<Progress>) {
        self.request_body = Some(body);
    }

    /// Is nothing of the response still to come?
    pub(crate) fn is_complete(&self) -> bool {
        self.aborted.is_none()
    }

    pub(crate) fn completed(&mut self) {
        self.aborted = None;
    }

    /// The upstream's response ended before its end, behind its head.
    pub(crate) fn failed(&mut self, cause: &BodyError) {
        self.error = Some(cause.upstream_error());
        self.aborted = Some(cause.to_string().into());
    }
}

impl Drop for AccessRecord {
    fn drop(&mut self) {
        let Some(started) = self.started else { return };
        let token = self.token.as_deref();
        let (sent_up, ended) = self.tunnel.as_deref().copied().unzip();
        let micros = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        tracing::info!(
            target: "magicproxy::access",
            request_id = %self.id,
            jti = token.map(VerifiedToken::id),
            version = token.map(|token| token.version().as_str()),
            kid = token.map(|token| token.key().as_str()),
            minter = token.and_then(VerifiedToken::minter).map(KeyId::as_str),
            owner = token.map(|token| tracing::field::display(token.owner())),
            chain = token.map(|token| tracing::field::display(token.chain().id())),
            sub = token.and_then(VerifiedToken::label),
            upstream = self.upstream.as_ref().map(|upstream| &*upstream.names.name),
            method = self.method.as_str().get(..MAX_LOGGED_METHOD).unwrap_or(self.method.as_str()),
            path = self.path.as_deref(),
            rule = self.rule.as_deref(),
            decision = self.decision,
            error = self.error,
            status = self.status,
            head_us = self.head_after.map(micros),
            total_us = micros(started.elapsed()),
            bytes_in = sent_up.unwrap_or_else(|| self.request_body.as_ref().map_or(0, |body| body.bytes())),
            bytes_out = self.bytes_out,
            aborted = self.aborted.as_deref(),
            ended,
        );
    }
}

/// A path as a log line may have it: a segment as long as a token is cut away.
pub(crate) fn shorten_segments(path: &str) -> String {
    if path.split('/').all(|segment| segment.len() <= MAX_SEGMENT) {
        return path.to_owned();
    }
    let cut =
        |segment: &str| if segment.len() <= MAX_SEGMENT { segment.to_owned() } else { format!("<{} bytes>", segment.len()) };
    path.split('/').map(cut).collect::<Vec<_>>().join("/")
}
