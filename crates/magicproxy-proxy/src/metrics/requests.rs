//! Durations of requests by method, status, version, scheme and error, on the client's side and on
//! the upstream's.

use std::num::NonZeroU32;
use std::time::Duration;

use prometheus_client::encoding::MetricEncoder;

use super::cells::Cells;
use super::exposition::labels;
use super::histogram::{REQUEST_BOUNDS, RequestHistogram};
use super::labels::{ErrorLabel, MethodLabel, SchemeLabel, StatusLabel, VersionLabel};

/// The most combinations of labels with a histogram of their own, of one upstream and side. A
/// document has 17 lines for each.
pub(super) const MOST_COMBINATIONS: usize = 256;
/// The number of combinations up to which a refused request gets a histogram of its own: clients
/// without a token cannot use up the rest.
pub(super) const MOST_OF_REFUSALS: usize = 64;
/// Classes of statuses, with one for no response.
const CLASSES: usize = 6;

/// Whether the gate let a request pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// The request was allowed, whatever came of it.
    Allowed,
    /// The proxy refused the request, or responded itself.
    Refused,
}

/// The labels of a finished request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestLabels {
    pub(crate) method: MethodLabel,
    pub(crate) scheme: SchemeLabel,
    pub(crate) version: VersionLabel,
    pub(crate) status: StatusLabel,
    pub(crate) error: ErrorLabel,
}

impl RequestLabels {
    /// Packs the labels into a key: 1, then 4 bits of the method, 1 of the scheme, 2 of the version,
    /// 10 of the status and 8 of the error.
    fn key(self) -> NonZeroU32 {
        let key = (self.method as u32) << 21
            | (self.scheme as u32) << 20
            | (self.version as u32) << 18
            | u32::from(self.status.number()) << 8
            | u32::from(self.error.number());
        NonZeroU32::MIN.saturating_add(key)
    }

    /// Unpacks a key.
    fn of_key(key: u32) -> Option<Self> {
        let key = key.checked_sub(1)?;
        let part = |shift: u32, bits: u32| (key >> shift & ((1 << bits) - 1)) as usize;
        Some(Self {
            method: *MethodLabel::ALL.get(part(21, 4))?,
            scheme: *SchemeLabel::ALL.get(part(20, 1))?,
            version: *VersionLabel::ALL.get(part(18, 2))?,
            status: StatusLabel::from_number(u16::try_from(part(8, 10)).ok()?),
            error: ErrorLabel::from_number(u8::try_from(part(0, 8)).ok()?),
        })
    }
}

/// The durations of the requests of one upstream and side.
#[derive(Debug)]
pub(super) struct Durations {
    exact: Cells<RequestHistogram>,
    /// Where no further combination gets a histogram: by the class of the status.
    coarse: [RequestHistogram; CLASSES],
}

impl Durations {
    pub(super) fn new() -> Self {
        Self {
            exact: Cells::new(MOST_COMBINATIONS),
            coarse: std::array::from_fn(|_| RequestHistogram::new(&REQUEST_BOUNDS)),
        }
    }

    pub(super) fn observe(&self, labels: RequestLabels, admission: Admission, duration: Duration) {
        let most = match admission {
            Admission::Allowed => MOST_COMBINATIONS,
            Admission::Refused => MOST_OF_REFUSALS,
        };
        let make = || RequestHistogram::new(&REQUEST_BOUNDS);
        let histogram = self
            .exact
            .get(labels.key(), most, make)
            .or_else(|| self.coarse.get(usize::from(labels.status.class().number())));
        if let Some(histogram) = histogram {
            histogram.observe(duration);
        }
    }

    pub(super) fn encode(
        &self,
        upstream: &str,
        metric: &mut MetricEncoder<'_>,
    ) -> std::fmt::Result {
        for (key, histogram) in self.exact.iter() {
            if let Some(labels) = RequestLabels::of_key(key) {
                encode(upstream, labels, histogram, metric)?;
            }
        }
        for (class, histogram) in self.coarse.iter().enumerate() {
            if !histogram.is_empty() {
                let status =
                    StatusLabel::from_number(u16::try_from(class).unwrap_or_default()).text();
                let method = MethodLabel::Other.as_str();
                let labels = labels(&[
                    ("upstream", upstream),
                    ("http_request_method", method),
                    ("http_response_status_code", &status),
                ]);
                histogram.encode(metric.encode_family(&labels.as_slice())?)?;
            }
        }
        Ok(())
    }

    /// The number of histograms that there can be for one upstream and side.
    #[cfg(test)]
    pub(super) const MOST: usize = MOST_COMBINATIONS + CLASSES;
}

fn encode(
    upstream: &str,
    request: RequestLabels,
    histogram: &RequestHistogram,
    metric: &mut MetricEncoder<'_>,
) -> std::fmt::Result {
    let (status, error) = (request.status.text(), request.error.text(request.status));
    let labels = labels(&[
        ("upstream", upstream),
        ("http_request_method", request.method.as_str()),
        ("url_scheme", request.scheme.as_str()),
        ("http_response_status_code", &status),
        ("error_type", &error),
        ("network_protocol_version", request.version.as_str()),
    ]);
    histogram.encode(metric.encode_family(&labels.as_slice())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::codes::DecisionCode;

    /// Every combination comes back from its key as it was.
    #[test]
    fn keys_keep_labels() {
        let errors = [
            ErrorLabel::None,
            ErrorLabel::ClientAborted,
            ErrorLabel::UpstreamAborted,
            ErrorLabel::Status,
        ];
        let codes = DecisionCode::all().map(|code| ErrorLabel::Code(DecisionCode::of(code)));
        let errors: Vec<ErrorLabel> = errors.into_iter().chain(codes).collect();
        let mut keys = std::collections::HashSet::new();
        for method in MethodLabel::ALL {
            for scheme in SchemeLabel::ALL {
                for version in VersionLabel::ALL {
                    for status in [0, 100, 200, 418, 599, 600, 999].map(StatusLabel::of) {
                        for error in &errors {
                            let labels =
                                RequestLabels { method, scheme, version, status, error: *error };
                            assert_eq!(RequestLabels::of_key(labels.key().get()), Some(labels));
                            keys.insert(labels.key());
                        }
                    }
                }
            }
        }
        // 599, 600 and 999 have no meaning, and are one label.
        assert_eq!(keys.len(), 11 * 2 * 4 * 5 * errors.len());
    }
}
