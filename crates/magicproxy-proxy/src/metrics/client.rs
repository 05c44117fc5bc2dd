//! Requests to upstreams, as the metrics see them.

use std::time::Instant;

use super::codes::DecisionCode;
use super::labels::{ErrorLabel, MethodLabel, SchemeLabel, StatusLabel, VersionLabel};
use super::requests::RequestLabels;
use super::upstream::UpstreamMetrics;

/// A request to an upstream: its latest attempt, until the head of the response.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientExchange {
    method: MethodLabel,
    scheme: SchemeLabel,
    version: VersionLabel,
    began: Option<Instant>,
    came: Option<Instant>,
}

impl ClientExchange {
    pub(crate) fn new(method: MethodLabel, scheme: SchemeLabel) -> Self {
        Self { method, scheme, version: VersionLabel::Unknown, began: None, came: None }
    }

    /// Notes that an attempt began at `then`.
    pub(crate) fn begin(&mut self, then: Instant) {
        self.began = Some(then);
    }

    /// Notes the version of HTTP of the attempt's connection.
    pub(crate) fn goes_by(&mut self, version: VersionLabel) {
        self.version = version;
    }

    /// The time at which the head of the response came.
    pub(crate) fn came(&self) -> Option<Instant> {
        self.came
    }

    fn labels(&self, status: StatusLabel, error: ErrorLabel) -> RequestLabels {
        let Self { method, scheme, version, .. } = *self;
        RequestLabels { method, scheme, version, status, error }
    }
}

impl UpstreamMetrics {
    /// Counts a request whose response's head came just now.
    pub(crate) fn responded(&self, exchange: &mut ClientExchange, status: StatusLabel) {
        let now = Instant::now();
        exchange.came = Some(now);
        let error = if status.is_error() { ErrorLabel::Status } else { ErrorLabel::None };
        let began = exchange.began.unwrap_or(now);
        self.sent(exchange.labels(status, error), now.saturating_duration_since(began));
    }

    /// Counts a request that was sent, or for which a connection was to be made, and that got no
    /// response, for the reason of this code.
    pub(crate) fn sent_in_vain(&self, exchange: &ClientExchange, code: &str) {
        let Some(began) = exchange.began else { return };
        let error = ErrorLabel::Code(DecisionCode::of(code));
        self.sent(exchange.labels(StatusLabel::NONE, error), began.elapsed());
    }
}
