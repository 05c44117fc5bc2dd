use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use http::{Method, Version};

use super::requests::{Durations, MOST_OF_REFUSALS};
use super::*;

/// The metrics of the page, by name: kind and labels.
fn in_the_page() -> BTreeMap<String, (String, BTreeSet<String>)> {
    let page = include_str!("../../../../docs/reference/metrics.md");
    let quoted = |cell: &str| {
        let words = cell.split('`').skip(1).step_by(2);
        words.map(str::to_owned).collect::<Vec<_>>()
    };
    let mut rows = BTreeMap::new();
    let tables = page.split("\n## Values of labels\n").next().unwrap();
    for line in tables.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let (name, labels) = (quoted(cells[0]).remove(0), quoted(cells[2]).into_iter().collect());
        assert!(rows.insert(name, (cells[1].to_owned(), labels)).is_none(), "{line}");
    }
    rows
}

#[test]
fn the_page_has_every_family_and_no_other() {
    let families: BTreeSet<String> = families::ALL.iter().map(|family| family.name()).collect();
    assert_eq!(in_the_page().into_keys().collect::<BTreeSet<_>>(), families);
    assert_eq!(families.len(), families::ALL.len());
}

fn labels(method: &str, status: u16, version: Version) -> RequestLabels {
    let status = StatusLabel::of(status);
    RequestLabels {
        method: MethodLabel::of(&Method::from_bytes(method.as_bytes()).unwrap()),
        scheme: SchemeLabel::Http,
        version: VersionLabel::of(version),
        status,
        error: if status.is_server_error() { ErrorLabel::Status } else { ErrorLabel::None },
    }
}

fn end(metrics: &UpstreamMetrics, decision: &str, labels: RequestLabels) {
    let decision = DecisionCode::of(decision);
    metrics.ended(EndedRequest { decision, labels, duration: Duration::from_millis(3) });
}

/// Whatever methods, statuses and versions clients and upstreams come up with, the document has the
/// series of the page's bound, and each request is counted.
#[test]
fn no_choice_of_clients_and_upstreams_makes_the_document_longer_than_its_bound() {
    let metrics: Arc<Metrics> = Arc::default();
    let upstream = metrics.upstream("api");
    let methods =
        ["GET", "get", "POST", "BREW", "X-1", "QUERY", "PROPFIND", "TRACE", "\"}\\", "PUT"];
    let versions = [Version::HTTP_10, Version::HTTP_11, Version::HTTP_2, Version::HTTP_3];
    let methods = methods.iter().filter(|method| Method::from_bytes(method.as_bytes()).is_ok());
    let mut requests = 0;
    for method in methods {
        for version in versions {
            for status in 0..1_000 {
                for decision in ["allowed", "not_allowed", "nonsense", "upstream_closed"] {
                    end(&upstream, decision, labels(method, status, version));
                    requests += 1;
                }
            }
        }
    }
    let (_, document) = metrics.encode(None);
    let counts: Vec<u64> = document
        .lines()
        .filter(|line| line.starts_with("http_server_request_duration_seconds_count"))
        .map(|line| line.rsplit(' ').next().unwrap().parse().unwrap())
        .collect();
    assert_eq!(counts.len(), Durations::MOST);
    assert_eq!(counts.iter().sum::<u64>(), requests);
    assert!(document.len() < 2 << 20, "{}", document.len());
    for class in ["1xx", "2xx", "3xx", "4xx", "5xx"] {
        let coarse = format!(
            "_count{{upstream=\"api\",http_request_method=\"_OTHER\",http_response_status_code=\"{class}\"}}"
        );
        assert!(document.contains(&coarse), "{class}");
    }
}

/// Clients without a token cannot keep requests of others from being told apart.
#[test]
fn refused_requests_leave_combinations_to_others() {
    let metrics: Arc<Metrics> = Arc::default();
    let upstream = metrics.upstream("api");
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"] {
        for status in 400..500 {
            end(&upstream, "invalid_token", labels(method, status, Version::HTTP_11));
        }
    }
    end(&upstream, "allowed", labels("GET", 200, Version::HTTP_2));
    let (_, document) = metrics.encode(None);
    let exact = document.lines().filter(|line| {
        line.starts_with("http_server_request_duration_seconds_count")
            && line.contains("network_protocol_version")
    });
    assert_eq!(exact.count(), MOST_OF_REFUSALS + 1);
    assert!(document.contains(
        "_count{upstream=\"api\",http_request_method=\"GET\",url_scheme=\"http\",http_response_status_code=\"200\",network_protocol_version=\"2\"} 1\n"
    ));
}

#[test]
fn metrics_of_an_upstream_live_as_long_as_anything_refers_to_them() {
    let metrics: Arc<Metrics> = Arc::default();
    let is_there = |name: &str| {
        metrics.encode(None).1.contains(&format!("upstream=\"{name}\",code=\"allowed\""))
    };
    let (old, kept) = (metrics.upstream("old"), metrics.upstream("kept"));
    end(&kept, "allowed", labels("GET", 200, Version::HTTP_11));
    assert!(is_there("old") && is_there("kept"));
    // Another configuration, with the same upstream and another one.
    let again = metrics.upstream("kept");
    drop((old, kept));
    assert!(!is_there("old"));
    assert!(metrics.encode(None).1.contains("upstream=\"kept\",code=\"allowed\"} 1\n"));
    drop(again);
    assert!(!is_there("kept"));
}

#[test]
fn readings_of_the_configuration_are_counted() {
    let metrics: Arc<Metrics> = Arc::default();
    let line = |name: &str| {
        let (_, document) = metrics.encode(None);
        let line = document.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
        line.rsplit_once(' ').unwrap().1.to_owned()
    };
    let started = line("process_start_time_seconds");
    assert_eq!(line("magicproxy_config_last_reload_success_timestamp_seconds"), started);
    assert_eq!(line("magicproxy_config_last_reload_successful"), "1");
    metrics.note_reload(ReloadOutcome::Refused);
    assert_eq!(line("magicproxy_config_last_reload_successful"), "0");
    assert_eq!(line("magicproxy_config_reloads_total{result=\"failure\"}"), "1");
    metrics.note_reload(ReloadOutcome::Loaded);
    assert_eq!(line("magicproxy_config_last_reload_successful"), "1");
    assert_eq!(line("magicproxy_config_reloads_total{result=\"success\"}"), "1");
}

/// Two formats, one content: OpenMetrics names a counter's family without its suffix.
#[test]
fn the_document_is_in_the_format_that_was_asked_for() {
    let metrics: Arc<Metrics> = Arc::default();
    let (media, text) = metrics.encode(Some("text/plain"));
    assert_eq!(media, "text/plain; version=0.0.4; charset=utf-8");
    assert!(text.contains("# TYPE magicproxy_decisions_total counter\n"));
    assert!(text.contains("# TYPE magicproxy_build_info gauge\n"));
    assert!(!text.contains("# EOF") && !text.contains("# UNIT"));
    let (media, open) = metrics.encode(Some("application/openmetrics-text; version=1.0.0"));
    assert_eq!(media, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert!(open.contains("# TYPE magicproxy_decisions counter\n"));
    assert!(open.contains("# TYPE magicproxy_build info\n"));
    assert!(open.ends_with("# EOF\n"));
    let series = |document: &str| -> Vec<String> {
        document.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
    };
    assert_eq!(series(&text), series(&open));
}

const DASHBOARD: &str = include_str!("../../../../deploy/grafana/magicproxy.json");
const ALERTS: &str = include_str!("../../../../deploy/prometheus/alerts.yml");
const ALERTS_TEST: &str = include_str!("../../../../deploy/prometheus/alerts_test.yml");
const GUIDE: &str = include_str!("../../../../docs/guide/operate.md");

/// The words of a text that could be names of metrics.
fn names(text: &str) -> BTreeSet<&str> {
    let is_of_name = |character: char| character.is_ascii_alphanumeric() || character == '_';
    text.split(|character| !is_of_name(character))
        .filter(|word| {
            ["magicproxy_", "http_", "process_"].iter().any(|begin| word.starts_with(begin))
        })
        .collect()
}

#[test]
fn dashboard_and_alerts_ask_for_what_is_exported() {
    let page = in_the_page();
    let labels: BTreeSet<&str> =
        page.values().flat_map(|(_, labels)| labels.iter().map(String::as_str)).collect();
    for (file, text) in [("dashboard", DASHBOARD), ("alerts", ALERTS), ("test", ALERTS_TEST)] {
        let names = names(text);
        assert!(names.len() > 10, "{file}");
        for name in names.difference(&labels) {
            let parts = ["_bucket", "_count", "_sum", ""];
            let family = parts.iter().find_map(|part| {
                let family = name.strip_suffix(part)?;
                let (kind, _) = page.get(family)?;
                (part.is_empty() || kind == "histogram").then_some(family)
            });
            assert!(family.is_some(), "{file}: nothing exports `{name}`");
        }
    }
}

/// Each alert has a section of its name in the guide, and two tests; the guide has no other.
#[test]
fn each_alert_has_a_section_and_tests() {
    let named = |text: &'static str, begin: &str| -> Vec<&'static str> {
        text.lines().filter_map(|line| line.trim().strip_prefix(begin)).collect()
    };
    let alerts = named(ALERTS, "- alert: ");
    let runbooks = named(ALERTS, "runbook: docs/guide/operate.md#");
    assert!(alerts.len() > 10);
    let anchors: Vec<String> = alerts.iter().map(|alert| alert.to_lowercase()).collect();
    assert_eq!(runbooks, anchors);
    let section = GUIDE.split_once("\n## What the alerts mean\n").unwrap().1;
    let section = section.split("\n## ").next().unwrap();
    assert_eq!(
        named(section, "### `"),
        alerts.iter().map(|it| format!("{it}`")).collect::<Vec<_>>()
    );
    for alert in alerts {
        for what in ["fires", "is quiet"] {
            assert!(ALERTS_TEST.contains(&format!("- name: {alert} {what}\n")), "{alert} {what}");
        }
    }
}
