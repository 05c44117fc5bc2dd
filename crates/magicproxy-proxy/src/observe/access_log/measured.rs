//! The metrics of a request that has ended, from its record.

use std::time::Instant;

use super::AccessRecord;
use crate::downstream::InFlight;
use crate::metrics::{
    DecisionCode, EndedRequest, ErrorLabel, MethodLabel, RequestLabels, StatusLabel, VersionLabel,
};

impl AccessRecord {
    /// Counts a request that begins.
    pub(in crate::observe) fn count_begin(&self, in_flight: &InFlight) {
        in_flight.metrics().began(MethodLabel::of(&self.method), in_flight.scheme());
    }

    /// Counts the request, which ends now.
    pub(in crate::observe) fn count_end(&self, in_flight: &InFlight, now: Instant) {
        let (metrics, scheme) = (in_flight.metrics(), in_flight.scheme());
        let method = MethodLabel::of(&self.method);
        metrics.no_longer_active(method, scheme);
        let upstream = match &self.upstream {
            Some(upstream) => &upstream.names.metrics,
            None => metrics.unrouted(),
        };
        let (decision, status) = (DecisionCode::of(self.decision), StatusLabel::of(self.status));
        let labels = RequestLabels {
            method,
            scheme,
            version: VersionLabel::of(self.version),
            status,
            error: self.failure(decision, status),
        };
        let duration = now.saturating_duration_since(self.started);
        upstream.ended(EndedRequest { decision, labels, duration });
    }

    /// Returns the reason why the request failed, if it failed.
    fn failure(&self, decision: DecisionCode, status: StatusLabel) -> ErrorLabel {
        if status.is_server_error() && decision.is_refusal() {
            // Whoever did not wait for the refusal did not cause the refusal.
            return ErrorLabel::Code(decision);
        }
        if self.is_ended_with_token {
            return ErrorLabel::Code(DecisionCode::of("revoked_token"));
        }
        match (&self.aborted, self.error) {
            (Some(_), Some(_)) => ErrorLabel::UpstreamAborted,
            (Some(_), None) => ErrorLabel::ClientAborted,
            (None, _) if status.is_server_error() => ErrorLabel::Status,
            (None, _) => ErrorLabel::None,
        }
    }
}
