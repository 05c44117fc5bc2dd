//! The document that a scrape gets: OpenMetrics 1.0, or the text format 0.0.4 of Prometheus.

use std::collections::BTreeMap;
use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};

use super::families::Family;

/// The media type of OpenMetrics.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// The media type of the text format.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The format of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    OpenMetrics,
    Text,
}

impl Format {
    /// Chooses the format by the `Accept` field of a request (RFC 9110 section 12.5.1): OpenMetrics
    /// where it is named and preferred no less than text, and text otherwise.
    pub(super) fn accepted(accept: Option<&str>) -> Self {
        let (mut open_metrics, mut text) = (0, 0);
        for range in accept.unwrap_or_default().split(',') {
            let mut parts = range.split(';').map(str::trim);
            let media = parts.next().unwrap_or_default();
            let (weight, version) = parameters(parts);
            if media.eq_ignore_ascii_case("application/openmetrics-text") {
                if version.is_none_or(|version| ["1.0.0", "0.0.1"].contains(&version)) {
                    open_metrics = open_metrics.max(weight);
                }
            } else if ["text/plain", "text/*", "*/*"]
                .iter()
                .any(|it| media.eq_ignore_ascii_case(it))
            {
                text = text.max(weight);
            }
        }
        if open_metrics > 0 && open_metrics >= text { Self::OpenMetrics } else { Self::Text }
    }

    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => OPEN_METRICS,
            Self::Text => TEXT,
        }
    }
}

/// Reads the weight of a media range, in thousandths, and the version of its format. A weight that
/// cannot be read is none.
fn parameters<'t>(parts: impl Iterator<Item = &'t str>) -> (u32, Option<&'t str>) {
    let (mut weight, mut version) = (1000, None);
    for (name, value) in parts.filter_map(|part| part.split_once('=')) {
        if name.eq_ignore_ascii_case("q") {
            let read = value.parse::<f64>().ok().filter(|weight| (0.0..=1.0).contains(weight));
            weight = read.map_or(0, |weight| (weight * 1000.0) as u32);
        } else if name.eq_ignore_ascii_case("version") {
            version = Some(value.trim_matches('"'));
        }
    }
    (weight, version)
}

/// Labels of a series. A label without a value is left out, as both formats treat it.
pub(super) fn labels<'l>(all: &[(&'static str, &'l str)]) -> Vec<(&'static str, &'l str)> {
    all.iter().filter(|(_, value)| !value.is_empty()).copied().collect()
}

/// Writes a number as one series of a family.
pub(super) fn number(
    metric: &mut MetricEncoder<'_>,
    family: &Family,
    labels: &[(&'static str, &str)],
    value: f64,
) -> fmt::Result {
    let labels = self::labels(labels);
    let labels = labels.as_slice();
    let mut metric = metric.encode_family(&labels)?;
    // Whole numbers are written without a point.
    let whole =
        (value.fract() == 0.0 && (0.0..=MOST_EXACT).contains(&value)).then_some(value as u64);
    match (family.is_counter(), whole) {
        (true, Some(whole)) => metric.encode_counter::<NoLabelSet, u64, f64>(&whole, None),
        (true, None) => metric.encode_counter::<NoLabelSet, f64, f64>(&value, None),
        (false, Some(whole)) => metric.encode_gauge(&whole),
        (false, None) => metric.encode_gauge(&value),
    }
}

/// The largest whole number below which every whole number is exact: 2 to the 53rd.
const MOST_EXACT: f64 = 9_007_199_254_740_992.0;

/// A part of the proxy whose numbers are looked up when somebody asks. May take a lock for the
/// moment of a look; must not wait.
pub(crate) trait Gauges: fmt::Debug + Send + Sync {
    fn sample(&self, samples: &mut Samples);
}

/// Labels with their values.
type OwnedLabels = Vec<(&'static str, String)>;

/// Numbers looked up for one document, by family and labels.
#[derive(Debug, Default)]
pub(crate) struct Samples(BTreeMap<&'static str, BTreeMap<OwnedLabels, f64>>);

impl Samples {
    /// Adds a number. Numbers with the same labels add up: the pools of an upstream's origins are
    /// one number, and so are those of two configurations while the older one ends.
    pub(crate) fn add(
        &mut self,
        family: &'static Family,
        labels: &[(&'static str, &str)],
        value: f64,
    ) {
        let labels = labels.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        *self.0.entry(family.stem()).or_default().entry(labels).or_default() += value;
    }

    /// Writes a family, unless it has no series.
    pub(super) fn encode(
        &self,
        family: &'static Family,
        encoder: &mut DescriptorEncoder<'_>,
    ) -> fmt::Result {
        let Some(series) = self.0.get(family.stem()) else { return Ok(()) };
        let mut metric = family.begin(encoder)?;
        for (labels, value) in series {
            let labels: Vec<(&'static str, &str)> =
                labels.iter().map(|(name, value)| (*name, value.as_str())).collect();
            number(&mut metric, family, &labels, *value)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Prometheus 2.42, 3.x, curl and a browser send, and what is malformed.
    #[test]
    fn the_format_is_chosen_by_accept() {
        let open_metrics = [
            "application/openmetrics-text",
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            "text/plain, Application/OpenMetrics-Text; Version=\"1.0.0\"",
        ];
        for accept in open_metrics {
            assert_eq!(Format::accepted(Some(accept)), Format::OpenMetrics, "{accept}");
        }
        let text = [
            "",
            "*/*",
            "text/plain;version=0.0.4;q=1,*/*;q=0.1",
            "text/html,application/xhtml+xml,*/*;q=0.8",
            "application/openmetrics-text;version=2.0.0",
            "application/openmetrics-text;q=0",
            "application/openmetrics-text;q=2",
            "application/openmetrics-text;q=nan",
            "application/openmetrics-text;q=0.5,text/plain",
            "application/openmetrics-text-not",
        ];
        for accept in text {
            assert_eq!(Format::accepted(Some(accept)), Format::Text, "{accept}");
        }
        assert_eq!(Format::accepted(None), Format::Text);
    }
}
