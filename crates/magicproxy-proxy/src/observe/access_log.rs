//! The record of each request, complete at every log level, and the log line written at the
//! request's end: `docs/guide/life-of-a-request.md` lists the fields.
//!
//! Queries, header values, tokens and credentials are never logged. A path segment as long as a
//! token is cut.

mod limits;
mod measured;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{Method, StatusCode, Version};
use magicproxy_core::limit::Limit;
use magicproxy_core::{KeyId, VerifiedToken};

use crate::downstream::Progress;
use crate::http::body::BodyError;
use crate::metrics::UpstreamMetrics;
use crate::rejection::Rejection;
use crate::request_id::RequestId;
use crate::settings::{OriginId, UpstreamSettings};

use limits::LimitBalanceList;

const MAX_SEGMENT: usize = 96;
/// Methods are ASCII; longer ones are cut.
const MAX_LOGGED_METHOD: usize = 32;

/// The end in the log of a response whose token was revoked meanwhile.
const ENDED_WITH_TOKEN: &str = "token_revoked";
/// The decision in the log if the client left before a decision was made.
const UNDECIDED: &str = "undecided";

/// The names of one upstream in log lines, and its metrics.
#[derive(Debug)]
pub(crate) struct UpstreamNames {
    name: Box<str>,
    /// The host, perhaps with a port, of each of the upstream's origins.
    hosts: Vec<Box<str>>,
    metrics: Arc<UpstreamMetrics>,
}

impl UpstreamNames {
    pub(crate) fn of(upstream: &UpstreamSettings, metrics: Arc<UpstreamMetrics>) -> Arc<Self> {
        let hosts = upstream.origins().map(|root| root.authority().as_str().into()).collect();
        Arc::new(Self { name: upstream.name.as_str().into(), hosts, metrics })
    }
}

/// The upstream of a request, and the origin in it.
#[derive(Debug)]
struct UpstreamLabel {
    names: Arc<UpstreamNames>,
    origin: OriginId,
}

impl UpstreamLabel {
    /// Returns the upstream's name, and the origin's host.
    fn of(&self) -> (&str, &str) {
        (&self.names.name, self.names.hosts.get(self.origin.place()).map_or("", |host| host))
    }
}

/// The record of one request, filled step by step.
#[derive(Debug)]
pub(crate) struct AccessRecord {
    pub(crate) id: RequestId,
    /// The sender whom a trusted proxy names. In a box: no other deployment has such a sender.
    client: Option<Box<IpAddr>>,
    started: Instant,
    upstream: Option<UpstreamLabel>,
    method: Method,
    version: Version,
    path: Option<String>,
    token: Option<Arc<VerifiedToken>>,
    rule: Option<Arc<str>>,
    limits: Option<Box<LimitBalanceList>>,
    decision: &'static str,
    /// The error between the proxy and the upstream.
    error: Option<&'static str>,
    status: u16,
    head_after: Option<Duration>,
    request_body: Option<Arc<Progress>>,
    bytes_out: u64,
    aborted: Option<Cow<'static, str>>,
    /// True if the proxy ended the response early, because of its token.
    is_ended_with_token: bool,
    /// For a WebSocket: the bytes that the client sent, and the reason of the end.
    tunnel: Option<Box<(u64, &'static str)>>,
}

impl AccessRecord {
    /// Makes the record of a request whose head was read at `started`.
    pub(crate) fn new(id: RequestId, method: &Method, started: Instant) -> Self {
        Self {
            id,
            client: None,
            started,
            upstream: None,
            method: method.clone(),
            version: Version::HTTP_11,
            path: None,
            token: None,
            rule: None,
            limits: None,
            decision: UNDECIDED,
            error: None,
            status: 0,
            head_after: None,
            request_body: None,
            bytes_out: 0,
            // A response counts as aborted until its end.
            aborted: Some("the client went away".into()),
            is_ended_with_token: false,
            tunnel: None,
        }
    }

    /// Notes the upstream and the origin of the request.
    pub(crate) fn upstream(&mut self, names: &Arc<UpstreamNames>, origin: OriginId) {
        self.upstream = Some(UpstreamLabel { names: Arc::clone(names), origin });
    }

    /// Notes the version of HTTP in which the request came.
    pub(crate) fn version(&mut self, version: Version) {
        self.version = version;
    }

    /// Notes the sender whom a trusted proxy names.
    pub(crate) fn named_client(&mut self, client: Option<IpAddr>) {
        self.client = client.map(Box::new);
    }

    /// Returns the time at which the request's head was read.
    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    /// Returns the sender whom a trusted proxy names.
    pub(crate) fn client(&self) -> Option<IpAddr> {
        self.client.as_deref().copied()
    }

    pub(crate) fn path(&mut self, canonical: &str) {
        self.path = Some(canonical.to_owned());
    }

    pub(crate) fn token(&mut self, token: &Arc<VerifiedToken>) {
        self.token = Some(Arc::clone(token));
    }

    pub(crate) fn permitted(&mut self, rule: &Arc<str>) {
        self.rule = Some(Arc::clone(rule));
        self.decision = "allowed";
    }

    /// Notes the limits of which the request took one each, with the number left of each.
    pub(crate) fn took(&mut self, limits: &[(Limit, u64)]) {
        self.limits = LimitBalanceList::of(limits).map(Box::new);
    }

    pub(crate) fn control(&mut self) {
        self.decision = "control";
    }

    /// Notes a CORS preflight: a web page asks for leave to send a request.
    pub(crate) fn preflight(&mut self) {
        self.decision = "preflight";
    }

    /// Notes the rejection, which is the reason for a response of the proxy's own.
    pub(crate) fn rejected(&mut self, rejection: &Rejection) {
        self.decision = rejection.code();
        self.error = rejection.upstream_error();
        if let Rejection::Limit(limit, after) = rejection {
            self.limits = Some(Box::new(LimitBalanceList::reached(*limit, *after)));
        }
        match rejection {
            Rejection::Store(error) => {
                tracing::warn!(name: "store_failed", target: "magicproxy::state", request_id = %self.id, %error, "the state store did not answer");
            }
            Rejection::Connect(failure) => self.warn(failure, failure.cause()),
            other if other.is_upstream_s_fault() => self.warn(other, None),
            _ => {}
        }
    }

    /// Warns the operator of an upstream that failed.
    fn warn(&self, failure: &dyn std::error::Error, cause: Option<&str>) {
        let (upstream, host) = self.upstream.as_ref().map(UpstreamLabel::of).unzip();
        let (request_id, error) = (self.id, self.error);
        tracing::warn!(name: "upstream_failed", target: "magicproxy::upstream", %request_id, upstream, host, error, cause, "{failure}");
    }

    /// Notes that the response begins. If no content can follow the head (RFC 9110 section 6.4.1),
    /// the HTTP library asks for no content, so that nobody would note the end; the response is
    /// therefore complete.
    pub(crate) fn head(&mut self, status: StatusCode) {
        let no_content = status.is_informational()
            || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        if no_content || self.method == Method::HEAD {
            self.completed();
        }
        self.status = status.as_u16();
        self.head_after.get_or_insert_with(|| self.started.elapsed());
    }

    /// Notes that the head of the upstream's response came at `arrived`.
    pub(crate) fn response_came(&mut self, arrived: Instant) {
        self.head_after = Some(arrived.saturating_duration_since(self.started));
    }

    pub(crate) fn sent(&mut self, bytes: usize) {
        self.bytes_out += bytes as u64;
    }

    /// Notes that a WebSocket has ended: the bytes passed up and down, and the reason.
    pub(crate) fn tunnel(&mut self, [up, down]: [u64; 2], end: &'static str) {
        (self.tunnel, self.bytes_out) = (Some(Box::new((up, end))), down);
    }

    pub(crate) fn receives(&mut self, body: Arc<Progress>) {
        self.request_body = Some(body);
    }

    /// True if nothing of the response is still to come.
    pub(crate) fn is_complete(&self) -> bool {
        self.aborted.is_none()
    }

    pub(crate) fn completed(&mut self) {
        self.aborted = None;
    }

    /// Returns the values that a metric could count.
    #[cfg(test)]
    pub(super) fn summary(&self, now: Instant) -> String {
        let upstream = self.upstream.as_ref().map(|upstream| &*upstream.names.name);
        let (path, token, rule) = (
            self.path.as_deref(),
            self.token.as_ref().map(|token| token.id()),
            self.rule.as_deref(),
        );
        let (decision, status, aborted, tunnel) =
            (self.decision, self.status, self.aborted.as_deref(), self.tunnel.as_deref());
        let timed = self.head_after.is_some_and(|head| self.started + head <= now);
        format!(
            "{decision} {status} {upstream:?} {} {path:?} {rule:?} token={} aborted={aborted:?} tunnel={tunnel:?} timed={timed} in={} out={}",
            self.method,
            token.is_some(),
            self.bytes_in(),
            self.bytes_out
        )
    }

    /// Returns the number of bytes that went up: of the client's content, or of the client's side
    /// of a tunnel.
    fn bytes_in(&self) -> u64 {
        let tunnelled = self.tunnel.as_deref().map(|(sent_up, _)| *sent_up);
        tunnelled.unwrap_or_else(|| self.request_body.as_ref().map_or(0, |body| body.bytes()))
    }

    /// Notes that the response broke off after its head: the upstream ended it, or the proxy.
    pub(crate) fn failed(&mut self, cause: &BodyError) {
        self.error = cause.upstream_error();
        self.is_ended_with_token = matches!(cause, BodyError::Token(_));
        self.aborted = Some(cause.to_string().into());
    }
}

/// Writes the log line of a request that ends now. `peer` is the address at the other end of the
/// connection.
pub(super) fn write(record: &AccessRecord, peer: Option<IpAddr>, now: Instant) {
    let token = record.token.as_deref();
    let ended = record
        .tunnel
        .as_deref()
        .map(|(_, ended)| *ended)
        .or(record.is_ended_with_token.then_some(ENDED_WITH_TOKEN));
    let micros = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    tracing::info!(
        name: "request",
        target: "magicproxy::access",
        request_id = %record.id,
        peer = peer.map(|peer| tracing::field::display(peer.to_canonical())),
        client = record.client.as_deref().map(tracing::field::display),
        jti = token.map(VerifiedToken::id),
        version = token.map(|token| token.version().as_str()),
        kid = token.map(|token| token.key().as_str()),
        minter = token.and_then(VerifiedToken::minter).map(KeyId::as_str),
        owner = token.map(|token| tracing::field::display(token.owner())),
        chain = token.map(|token| tracing::field::display(token.chain().id())),
        sub = token.and_then(VerifiedToken::label),
        upstream = record.upstream.as_ref().map(|upstream| &*upstream.names.name),
        method = record.method.as_str().get(..MAX_LOGGED_METHOD).unwrap_or(record.method.as_str()),
        path = record.path.as_deref().map(shorten_segments).as_deref(),
        rule = record.rule.as_deref(),
        limits = record.limits.as_deref().map(tracing::field::display),
        decision = record.decision,
        error = record.error,
        status = record.status,
        head_us = record.head_after.map(micros),
        total_us = micros(now.saturating_duration_since(record.started)),
        bytes_in = record.bytes_in(),
        bytes_out = record.bytes_out,
        aborted = record.aborted.as_deref(),
        ended,
    );
}

/// Returns a path that may be logged: a segment as long as a token is replaced by its length.
pub(crate) fn shorten_segments(path: &str) -> Cow<'_, str> {
    if path.split('/').all(|segment| segment.len() <= MAX_SEGMENT) {
        return Cow::Borrowed(path);
    }
    let cut = |segment: &str| {
        if segment.len() <= MAX_SEGMENT {
            segment.to_owned()
        } else {
            format!("<{} bytes>", segment.len())
        }
    };
    Cow::Owned(path.split('/').map(cut).collect::<Vec<_>>().join("/"))
}
