//! Histograms of durations, with fixed bounds and without a lock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::{MetricEncoder, NoLabelSet};

/// The bounds of durations of requests, in nanoseconds: those of OpenTelemetry's semantic
/// conventions, from 5 milliseconds to 10 seconds.
pub(super) const REQUEST_BOUNDS: [u64; 14] = [
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    75_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    750_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    7_500_000_000,
    10_000_000_000,
];
/// The bounds of durations of a store's operations, in nanoseconds: those of the conventions for
/// databases, from 1 millisecond to 10 seconds.
pub(super) const STORE_BOUNDS: [u64; 9] = [
    1_000_000,
    5_000_000,
    10_000_000,
    50_000_000,
    100_000_000,
    500_000_000,
    1_000_000_000,
    5_000_000_000,
    10_000_000_000,
];

/// A histogram with `N` bounds. An observation is two additions, each atomic for itself: a reader
/// may see one without the other, and so takes the count from the buckets.
#[derive(Debug)]
pub(super) struct Histogram<const N: usize> {
    bounds: &'static [u64; N],
    /// The observations up to each bound and beyond the bound before.
    counts: [AtomicU64; N],
    /// The observations beyond the last bound.
    beyond: AtomicU64,
    /// The sum of all observations, in nanoseconds.
    sum: AtomicU64,
}

/// A histogram of durations of requests.
pub(super) type RequestHistogram = Histogram<14>;

impl<const N: usize> Histogram<N> {
    pub(super) fn new(bounds: &'static [u64; N]) -> Self {
        let counts = [const { AtomicU64::new(0) }; N];
        Self { bounds, counts, beyond: AtomicU64::new(0), sum: AtomicU64::new(0) }
    }

    /// Counts a duration in the first bucket whose bound is no less.
    pub(super) fn observe(&self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let bucket = self.bounds.partition_point(|bound| *bound < nanos);
        self.counts.get(bucket).unwrap_or(&self.beyond).fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(nanos, Ordering::Relaxed);
    }

    /// True if nothing was observed.
    pub(super) fn is_empty(&self) -> bool {
        self.counts.iter().chain([&self.beyond]).all(|count| count.load(Ordering::Relaxed) == 0)
    }

    pub(super) fn encode(&self, mut encoder: MetricEncoder<'_>) -> std::fmt::Result {
        let bounds = self.bounds.iter().map(|bound| *bound as f64 / 1e9).chain([f64::INFINITY]);
        let counts = self.counts.iter().chain([&self.beyond]);
        let buckets: Vec<(f64, u64)> =
            bounds.zip(counts.map(|count| count.load(Ordering::Relaxed))).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        let sum = self.sum.load(Ordering::Relaxed) as f64 / 1e9;
        encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// At a bound, one nanosecond past it, and past all.
    #[test]
    fn a_bound_belongs_to_its_bucket() {
        let histogram = Histogram::new(&STORE_BOUNDS);
        assert!(histogram.is_empty());
        for nanos in [0, 1_000_000, 1_000_001, 10_000_000_000, 10_000_000_001, u64::MAX / 2] {
            histogram.observe(Duration::from_nanos(nanos));
        }
        let counts = histogram.counts.iter().map(|count| count.load(Ordering::Relaxed));
        assert_eq!(counts.collect::<Vec<_>>(), [2, 1, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(histogram.beyond.load(Ordering::Relaxed), 2);
        assert!(!histogram.is_empty());
    }
}
