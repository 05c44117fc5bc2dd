//! A document of metrics, read strictly: every series under its family, every family in one piece, no series twice.

use std::collections::{BTreeMap, BTreeSet};

use magicproxy_proxy::metrics::Metrics;
use std::sync::Arc;

pub(crate) type Labels = BTreeMap<String, String>;

/// A document of the text format 0.0.4, or of OpenMetrics.
#[derive(Debug)]
pub(crate) struct Document {
    /// The kinds of the families, by the name that stands in the document.
    pub(crate) kinds: BTreeMap<String, String>,
    pub(crate) series: BTreeMap<(String, Labels), f64>,
}

impl Document {
    pub(crate) fn of(metrics: &Arc<Metrics>) -> Self {
        let text = Self::parse(&metrics.encode(None).1);
        let (_, open) = metrics.encode(Some("application/openmetrics-text"));
        let open = Self::parse(open.strip_suffix("# EOF\n").expect("an end"));
        assert_eq!(text.kinds.len(), open.kinds.len());
        text
    }

    fn parse(text: &str) -> Self {
        let mut document = Self { kinds: BTreeMap::new(), series: BTreeMap::new() };
        let (mut helped, mut family) = (BTreeSet::new(), String::new());
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').unwrap();
                assert!(helped.insert(name.to_owned()) && !help.is_empty(), "{line}");
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap();
                assert!(helped.contains(name), "{line}");
                family = name.to_owned();
                assert!(document.kinds.insert(family.clone(), kind.to_owned()).is_none(), "{line}");
            } else if let Some(rest) = line.strip_prefix("# UNIT ") {
                let (name, unit) = rest.split_once(' ').unwrap();
                assert!(name == family && name.ends_with(&format!("_{unit}")), "{line}");
            } else {
                document.add(&family, line);
            }
        }
        document
    }

    fn add(&mut self, family: &str, line: &str) {
        let (series, value) = line.rsplit_once(' ').unwrap();
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let suffix = name.strip_prefix(family).unwrap_or_else(|| panic!("{line} below {family}"));
        let suffixes: &[&str] = match self.kinds[family].as_str() {
            "histogram" => &["_bucket", "_sum", "_count"],
            "counter" => &["", "_total"],
            "info" => &["_info"],
            _ => &[""],
        };
        assert!(suffixes.contains(&suffix), "{line}");
        let labels = read_labels(labels.strip_suffix('}').unwrap(), line);
        let value: f64 = value.parse().unwrap_or_else(|_| panic!("{line}"));
        assert!(value.is_finite() && value >= 0.0, "{line}");
        assert!(self.series.insert((name.to_owned(), labels), value).is_none(), "twice: {line}");
    }

    /// The number of the series with this name and at least these labels, added up.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let has = |found: &Labels| {
            labels.iter().all(|(name, value)| found.get(*name).is_some_and(|it| it == value))
        };
        let found = self.series.iter().filter(|((known, found), _)| known == name && has(found));
        found.map(|(_, value)| value).sum()
    }

    /// The series with this name, as `label=value …`.
    pub(crate) fn shown(&self, name: &str) -> Vec<String> {
        let found = self.series.iter().filter(|((known, _), value)| known == name && **value > 0.0);
        let shown = |labels: &Labels| {
            let pairs = labels.iter().map(|(name, value)| format!("{name}={value}"));
            pairs.collect::<Vec<_>>().join(" ")
        };
        found.map(|((_, labels), value)| format!("{} {value}", shown(labels))).collect()
    }
}

fn read_labels(text: &str, line: &str) -> Labels {
    let mut labels = Labels::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (name, after) = rest.split_once("=\"").unwrap_or_else(|| panic!("{line}"));
        let (value, after) = after.split_once('"').unwrap_or_else(|| panic!("{line}"));
        // Nothing of ours has to be escaped, or would be empty.
        assert!(!value.is_empty() && !value.contains(['\\', '\n']), "{line}");
        assert!(labels.insert(name.to_owned(), value.to_owned()).is_none(), "{line}");
        rest = after.strip_prefix(',').unwrap_or(after);
    }
    labels
}
