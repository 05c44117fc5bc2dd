//! The metrics of one upstream. Counted with atomic additions alone; made once for each upstream, so
//! that a request looks nothing up by name.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use magicproxy_core::TokenVersion;
use magicproxy_core::limit::Limit;

use super::codes::DecisionCode;
use super::histogram::{REQUEST_BOUNDS, RequestHistogram};
use super::requests::{Admission, Durations, RequestLabels};

/// The metrics of one upstream, or of requests that reached none.
///
/// Contention: all workers add to the same counters. A request adds to about a dozen, next to
/// budgets and pools that all workers share as well; counters of each worker's own were not worth
/// their memory.
#[derive(Debug)]
pub(crate) struct UpstreamMetrics {
    /// The upstream's name in the configuration; empty for no upstream.
    name: Box<str>,
    pub(super) decisions: [AtomicU64; DecisionCode::COUNT],
    pub(super) server: Durations,
    pub(super) client: Durations,
    pub(super) opens: [[AtomicU64; TokenOpening::COUNT]; TokenVersion::ALL.len()],
    pub(super) waits: RequestHistogram,
    pub(super) limits: [[AtomicU64; LimitOutcome::COUNT]; LIMITS.len()],
    pub(super) traffic: Traffic,
}

/// Bytes of one side's connections.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    pub(super) received: AtomicU64,
    pub(super) sent: AtomicU64,
}

impl Traffic {
    pub(crate) fn received(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn sent(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

/// The way in which a token was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenOpening {
    /// Found in the cache.
    Hit,
    /// Verified.
    Miss,
    /// Verified for another request at the same time.
    Shared,
}

impl TokenOpening {
    pub(super) const COUNT: usize = 3;
    pub(super) const ALL: [Self; Self::COUNT] = [Self::Hit, Self::Miss, Self::Shared];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Shared => "shared",
        }
    }
}

/// The result of asking for a unit of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LimitOutcome {
    /// A unit was taken.
    Taken,
    /// The limit is used up.
    Refused,
}

impl LimitOutcome {
    pub(super) const COUNT: usize = 2;
    pub(super) const ALL: [Self; Self::COUNT] = [Self::Taken, Self::Refused];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Refused => "refused",
        }
    }
}

/// Kinds of limits, as rules spell them.
pub(super) const LIMITS: [&str; 3] = ["total", "requests", "concurrent"];

impl UpstreamMetrics {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            decisions: [const { AtomicU64::new(0) }; DecisionCode::COUNT],
            server: Durations::new(),
            client: Durations::new(),
            opens: Default::default(),
            waits: RequestHistogram::new(&REQUEST_BOUNDS),
            limits: Default::default(),
            traffic: Traffic::default(),
        }
    }

    /// Makes metrics that nobody reads.
    #[cfg(test)]
    pub(crate) fn unread() -> std::sync::Arc<Self> {
        std::sync::Arc::new(Self::new("test"))
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Counts a request of a client that has ended.
    pub(crate) fn ended(&self, ended: EndedRequest) {
        let EndedRequest { decision, labels, duration } = ended;
        if let Some(count) = self.decisions.get(usize::from(decision.number())) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.server.observe(labels, decision.admission(), duration);
    }

    /// Counts a request to the upstream, with a response or without.
    pub(super) fn sent(&self, labels: RequestLabels, duration: Duration) {
        self.client.observe(labels, Admission::Allowed, duration);
    }

    /// Counts the opening of a token.
    pub(crate) fn opened(&self, version: TokenVersion, opening: TokenOpening) {
        let counts = self.opens.get(version as usize);
        if let Some(count) = counts.and_then(|counts| counts.get(opening as usize)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a request that waited for a connection to the upstream.
    pub(crate) fn waited(&self, duration: Duration) {
        self.waits.observe(duration);
    }

    /// Counts a unit of a limit that was asked for.
    pub(crate) fn limited(&self, limit: Limit, outcome: LimitOutcome) {
        let kind = match limit {
            Limit::Total(_) => 0,
            Limit::Requests(..) => 1,
            Limit::Concurrent(_) => 2,
        };
        let counts = self.limits.get(kind);
        if let Some(count) = counts.and_then(|counts: &[AtomicU64; 2]| counts.get(outcome as usize))
        {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns the counter of bytes on connections to the upstream.
    pub(crate) fn traffic(&self) -> &Traffic {
        &self.traffic
    }
}

/// A request of a client, at its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EndedRequest {
    pub(crate) decision: DecisionCode,
    pub(crate) labels: RequestLabels,
    pub(crate) duration: Duration,
}
