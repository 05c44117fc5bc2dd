//! The order of the families in a document, and their series.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use magicproxy_core::TokenVersion;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::codes::DecisionCode;
use super::exposition::{Samples, labels, number};
use super::families::{self, Family};
use super::labels::{MethodLabel, SchemeLabel};
use super::upstream::{LIMITS, LimitOutcome, TokenOpening, Traffic, UpstreamMetrics};
use super::{ConfigMetrics, Metrics};
use crate::version::VERSION;

/// The families whose numbers are looked up when somebody asks.
static SAMPLED: &[&Family] = &[
    &families::VERIFICATIONS_RUNNING,
    &families::VERIFICATIONS_WAITING,
    &families::ADMISSION_HELD,
    &families::ADMISSION_LIMIT,
    &families::ADMISSION_REFUSED,
    &families::CLIENT_CONNECTIONS,
    &families::CLIENT_CONNECTIONS_LIMIT,
    &families::CLIENT_CONNECTIONS_REFUSED,
    &families::UPSTREAM_CONNECTIONS,
    &families::UPSTREAM_WAITING,
    &families::PLUGIN_FAILURES,
    &families::CERTIFICATE_START,
    &families::CERTIFICATE_EXPIRY,
    &families::KEYS,
    &families::KEY_AGE,
    &families::REVOCATIONS,
    &families::REVOCATIONS_AGE,
];

/// The upstreams of a document.
type Upstreams = [Arc<UpstreamMetrics>];

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
        let (upstreams, samples) = (self.all_upstreams(), self.samples());
        self.process(&mut encoder)?;
        self.requests(&upstreams, &mut encoder)?;
        connections(&upstreams, self, &mut encoder)?;
        self.store.encode(&mut encoder)?;
        self.plugins.encode(&mut encoder)?;
        sampled(&samples, &mut encoder)
    }
}

impl Metrics {
    fn process(&self, encoder: &mut DescriptorEncoder<'_>) -> std::fmt::Result {
        families::BUILD.begin(encoder)?.encode_info(&[("version", VERSION)])?;
        one(&families::PROCESS_START, self.started.0, encoder)?;
        let ConfigMetrics { loaded, refused, loaded_at, is_refused } = &self.config;
        let mut metric = families::CONFIG_RELOADS.begin(encoder)?;
        for (result, count) in [("success", loaded), ("failure", refused)] {
            let count = count.load(Ordering::Relaxed) as f64;
            number(&mut metric, &families::CONFIG_RELOADS, &[("result", result)], count)?;
        }
        let is_successful = 1 - is_refused.load(Ordering::Relaxed).min(1);
        one(&families::CONFIG_SUCCESSFUL, is_successful, encoder)?;
        one(&families::CONFIG_TIME, loaded_at.load(Ordering::Relaxed), encoder)
    }

    fn requests(
        &self,
        upstreams: &Upstreams,
        encoder: &mut DescriptorEncoder<'_>,
    ) -> std::fmt::Result {
        let mut metric = families::SERVER_ACTIVE.begin(encoder)?;
        for (method, counts) in MethodLabel::ALL.into_iter().zip(&self.active) {
            for (scheme, count) in SchemeLabel::ALL.into_iter().zip(counts) {
                let labels =
                    [("http_request_method", method.as_str()), ("url_scheme", scheme.as_str())];
                // A request may end between its two additions on two threads.
                let count = count.load(Ordering::Relaxed).max(0) as f64;
                number(&mut metric, &families::SERVER_ACTIVE, &labels, count)?;
            }
        }
        let mut metric = families::SERVER_DURATION.begin(encoder)?;
        for upstream in upstreams {
            upstream.server.encode(upstream.name(), &mut metric)?;
        }
        let mut metric = families::CLIENT_DURATION.begin(encoder)?;
        for upstream in upstreams {
            upstream.client.encode(upstream.name(), &mut metric)?;
        }
        decisions(upstreams, encoder)?;
        opens(upstreams, encoder)?;
        limits(upstreams, encoder)
    }
}

/// Writes a family of a single number.
fn one(
    family: &'static Family,
    value: u64,
    encoder: &mut DescriptorEncoder<'_>,
) -> std::fmt::Result {
    number(&mut family.begin(encoder)?, family, &[], value as f64)
}

/// Writes a counter, unless nothing was counted.
fn counted(
    metric: &mut prometheus_client::encoding::MetricEncoder<'_>,
    family: &Family,
    labels: &[(&'static str, &str)],
    count: &AtomicU64,
) -> std::fmt::Result {
    match count.load(Ordering::Relaxed) {
        0 => Ok(()),
        count => number(metric, family, labels, count as f64),
    }
}

/// Writes the decisions. Those that alerts ask for are there from the start: of a series that begins
/// at 1, Prometheus does not see the increase.
fn decisions(upstreams: &Upstreams, encoder: &mut DescriptorEncoder<'_>) -> std::fmt::Result {
    let family = &families::DECISIONS;
    let mut metric = family.begin(encoder)?;
    for upstream in upstreams {
        for (code, count) in DecisionCode::all().zip(&upstream.decisions) {
            let labels = [("upstream", upstream.name()), ("code", code)];
            if DecisionCode::is_always_told(code) && !upstream.name().is_empty() {
                number(&mut metric, family, &labels, count.load(Ordering::Relaxed) as f64)?;
            } else {
                counted(&mut metric, family, &labels, count)?;
            }
        }
    }
    Ok(())
}

fn opens(upstreams: &Upstreams, encoder: &mut DescriptorEncoder<'_>) -> std::fmt::Result {
    let family = &families::TOKEN_OPENS;
    let mut metric = family.begin(encoder)?;
    for upstream in upstreams {
        for (version, counts) in TokenVersion::ALL.into_iter().zip(&upstream.opens) {
            for (opening, count) in TokenOpening::ALL.into_iter().zip(counts) {
                let labels = [
                    ("upstream", upstream.name()),
                    ("version", version.as_str()),
                    ("cache", opening.as_str()),
                ];
                counted(&mut metric, family, &labels, count)?;
            }
        }
    }
    Ok(())
}

fn limits(upstreams: &Upstreams, encoder: &mut DescriptorEncoder<'_>) -> std::fmt::Result {
    let family = &families::LIMIT_TAKES;
    let mut metric = family.begin(encoder)?;
    for upstream in upstreams {
        for (limit, counts) in LIMITS.into_iter().zip(&upstream.limits) {
            for (outcome, count) in LimitOutcome::ALL.into_iter().zip(counts) {
                let labels =
                    [("upstream", upstream.name()), ("limit", limit), ("result", outcome.as_str())];
                counted(&mut metric, family, &labels, count)?;
            }
        }
    }
    Ok(())
}

fn connections(
    upstreams: &Upstreams,
    metrics: &Metrics,
    encoder: &mut DescriptorEncoder<'_>,
) -> std::fmt::Result {
    let mut metric = families::UPSTREAM_WAIT.begin(encoder)?;
    for upstream in upstreams {
        if !upstream.waits.is_empty() {
            let labels = labels(&[("upstream", upstream.name())]);
            upstream.waits.encode(metric.encode_family(&labels.as_slice())?)?;
        }
    }
    let family = &families::CLIENT_BYTES;
    let mut metric = family.begin(encoder)?;
    for (direction, count) in directions(metrics.client_traffic()) {
        let count = count.load(Ordering::Relaxed) as f64;
        number(&mut metric, family, &[("direction", direction)], count)?;
    }
    let family = &families::UPSTREAM_BYTES;
    let mut metric = family.begin(encoder)?;
    for upstream in upstreams.iter().filter(|upstream| !upstream.name().is_empty()) {
        for (direction, count) in directions(upstream.traffic()) {
            let labels = [("upstream", upstream.name()), ("direction", direction)];
            number(&mut metric, family, &labels, count.load(Ordering::Relaxed) as f64)?;
        }
    }
    Ok(())
}

fn directions(traffic: &Traffic) -> [(&'static str, &AtomicU64); 2] {
    [("received", &traffic.received), ("sent", &traffic.sent)]
}

fn sampled(samples: &Samples, encoder: &mut DescriptorEncoder<'_>) -> std::fmt::Result {
    SAMPLED.iter().try_for_each(|family| samples.encode(family, encoder))
}
