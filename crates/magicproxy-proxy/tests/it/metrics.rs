//! Metrics: what the page lists is exported with the labels and values that the page lists, and no more; each request is
//! counted where it ended; nothing that a client sends becomes a label.

mod document;
mod values;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use document::Document;
use magicproxy_core::plugin::{
    FailedCalls, Interests, PluginFuture, PluginHost, PluginName, PluginRequest, PluginResponse,
    PluginScope, Verdict,
};
use magicproxy_core::{Scope, ScopeName};
use magicproxy_proxy::listener::Listener;
use magicproxy_proxy::metrics::Metrics;
use magicproxy_proxy::services::{RevocationList, Revocations};
use magicproxy_state::MemoryStore;
use tokio::net::TcpListener;

use crate::support::{
    Certificate, Client, NAME, OnlyUpstream as _, Proxy, Reply, Seen, Setup, Token, Upstream, all,
    events_come, parse, request, settings,
};

/// A plugin that allows everything, and fails when it is told of a response.
#[derive(Debug)]
struct Forgetful;

impl PluginHost for Forgetful {
    fn interests(&self, plugin: &PluginName) -> Option<Arc<Interests>> {
        (plugin.as_str() == "forgetful")
            .then(|| Arc::new(Interests { responses: true, ..Interests::default() }))
    }

    fn longest_body(&self, _: &PluginName) -> usize {
        262_144
    }

    fn decide<'p>(
        &'p self,
        _: &'p PluginName,
        _: &'p PluginRequest,
        _: PluginScope,
    ) -> PluginFuture<'p, Verdict> {
        Box::pin(async { Verdict::Allow })
    }

    fn observe<'p>(
        &'p self,
        _: &'p PluginName,
        _: &'p PluginRequest,
        _: &'p PluginResponse,
        _: PluginScope,
    ) -> PluginFuture<'p, bool> {
        Box::pin(async { false })
    }

    fn failed_calls(&self) -> Vec<FailedCalls> {
        let plugin = PluginName::parse("forgetful").unwrap();
        vec![FailedCalls { plugin, reason: "unrecorded", count: 1 }]
    }
}

/// A proxy, and its metrics.
async fn watched(upstream: &Upstream, change: impl FnOnce(&mut Setup)) -> (Proxy, Arc<Metrics>) {
    let mut setup = settings(upstream.address, "");
    change(&mut setup);
    let metrics = Arc::clone(&setup.services.metrics);
    (Proxy::start(setup).await, metrics)
}

/// Sends a request to a path of its own, and waits until the request has ended.
async fn ask(proxy: &Proxy, line: &str, token: &str) -> u16 {
    let status = Client::ask(proxy, request(line, token, &[], "")).await.status;
    let path = line.split(' ').nth(1).unwrap();
    events_come(1, &[&format!("path={path:?}"), "decision="]).await;
    status
}

/// The rows of a table of the page, from the heading on: names in backquotes in the first column, and the cells.
fn rows(from: &str, to: &str) -> Vec<Vec<String>> {
    let page = include_str!("../../../../docs/reference/metrics.md");
    let part = page.split_once(from).unwrap().1.split_once(to).unwrap().0;
    let cells = |line: &str| {
        line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect()
    };
    part.lines().filter(|line| line.starts_with("| `")).map(cells).collect()
}

fn quoted(cell: &str) -> BTreeSet<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// What the page says of a label's values: some of a list, or any.
fn values_of(label: &str, metric: &str) -> Option<BTreeSet<String>> {
    let known = rows("\n## Values of labels\n", "\nThe buckets of ");
    let row = known.iter().find(|row| {
        quoted(&row[0]).contains(label) && (row[1] == "all" || quoted(&row[1]).contains(metric))
    });
    let row = row.unwrap_or_else(|| panic!("the page does not tell `{label}` of {metric}"));
    let open = ["upstream", "plugin", "code", "error_type", "http_response_status_code"];
    let is_open = open.contains(&label) || row[2] == "the version of the program";
    (!is_open).then(|| quoted(&row[2]))
}

/// Requests that end in many ways, with everything that a proxy can have.
async fn busy_proxy(upstream: &Upstream) -> (Proxy, Arc<Metrics>) {
    let revocations = Arc::new(Revocations::unknown());
    let list = RevocationList { ids: ["gone".to_owned()].into(), ..RevocationList::default() };
    revocations.refresh(list, Instant::now(), Duration::from_secs(600));
    let mut setup = settings(upstream.address, "");
    setup.services.state = Some(Arc::new(MemoryStore::new()));
    setup.services.plugins = Some(Arc::new(Forgetful));
    setup.services.revocations = revocations;
    let scopes = Arc::make_mut(&mut setup.upstream_mut().scopes);
    let plugin = PluginName::parse("forgetful").unwrap();
    let scope = Scope::new(&parse(&["GET /.*"]), vec![plugin]).unwrap();
    scopes.insert(ScopeName::parse("asks").unwrap(), scope);
    let metrics = Arc::clone(&setup.services.metrics);
    let tls = Listener::tcp(TcpListener::bind(("127.0.0.1", 0)).await.unwrap())
        .with_tls(Certificate::new().server());
    let proxy = Proxy::listening(setup, |listener| vec![listener, tls]).await;
    let limited = Token::allowing(&["GET /.*"]).limited("total=1").mint();
    assert_eq!(ask(&proxy, "GET /busy/1", &limited).await, 200);
    assert_eq!(ask(&proxy, "GET /busy/2", &limited).await, 403);
    assert_eq!(ask(&proxy, "GET /busy/3", &Token::scoped(&["asks"]).mint()).await, 502);
    assert_eq!(ask(&proxy, "GET /busy/4", "none").await, 401);
    (proxy, metrics)
}

#[tokio::test]
async fn what_the_page_lists_is_exported_and_no_more() {
    let upstream = Upstream::hello().await;
    let (_proxy, metrics) = busy_proxy(&upstream).await;
    let document = Document::of(&metrics);
    let mut listed = BTreeMap::new();
    for row in rows("\n## Requests\n", "\n## Values of labels\n") {
        let name = quoted(&row[0]).pop_first().unwrap();
        let kind = if row[1] == "info" { "gauge" } else { row[1].as_str() };
        assert_eq!(document.kinds.get(&name).map(String::as_str), Some(kind), "{name}");
        listed.insert(name, quoted(&row[2]));
    }
    let exported: BTreeSet<&String> = document.kinds.keys().collect();
    assert_eq!(exported, listed.keys().collect::<BTreeSet<_>>());
    let mut used = BTreeSet::new();
    for (series, labels) in document.series.keys() {
        let of =
            |suffix: &str| series.strip_suffix(suffix).filter(|name| listed.contains_key(*name));
        let metric =
            ["", "_bucket", "_sum", "_count"].iter().find_map(|suffix| of(suffix)).unwrap();
        used.insert(metric.to_owned());
        for (label, value) in labels.iter().filter(|(label, _)| *label != "le") {
            assert!(listed[metric].contains(label), "{label} of {series}");
            if let Some(values) = values_of(label, metric) {
                assert!(values.contains(value), "{label}={value} of {series}");
            }
        }
    }
    assert_eq!(used.iter().collect::<BTreeSet<_>>(), exported, "each has a series");
}

/// An API that answers as the path says.
async fn obedient() -> Upstream {
    Upstream::scripted(|Seen { target, .. }: &Seen| match target.rsplit('/').next().unwrap() {
        "closed" => Reply::last(""),
        "broken" => Reply::last("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"),
        "rubbish" => Reply::last("no HTTP\r\n\r\n"),
        status => Reply::with(&format!("{status} Word"), &[], ""),
    })
    .await
}

const SERVER: &str = "http_server_request_duration_seconds_count";
const CLIENT: &str = "http_client_request_duration_seconds_count";

/// A request, and the series in which it is counted: on the client's side, on the upstream's, and its decision.
#[track_caller]
fn check(metrics: &Arc<Metrics>, server: &str, client: Option<&str>, decision: &str) {
    let document = Document::of(metrics);
    let server = format!("{server} upstream={NAME} url_scheme=http 1");
    assert_eq!(document.shown(SERVER), [server]);
    let client = client.map(|client| format!("{client} upstream={NAME} url_scheme=http 1"));
    assert_eq!(document.shown(CLIENT), Vec::from_iter(client));
    let decisions = document.shown("magicproxy_decisions_total");
    assert_eq!(decisions, [format!("code={decision} upstream={NAME} 1")]);
    assert_eq!(document.sum("http_server_active_requests", &[]), 0.0);
}

#[tokio::test]
async fn each_request_is_counted_as_it_ended() {
    let upstream = obedient().await;
    let token = Token::allowing(&["* /a/.*"]).mint();
    let labels = |method: &str, status: &str, error: &str| {
        let error = if error.is_empty() { String::new() } else { format!("error_type={error} ") };
        let status = if status.is_empty() {
            String::new()
        } else {
            format!(" http_response_status_code={status}")
        };
        format!("{error}http_request_method={method}{status} network_protocol_version=1.1")
    };
    // The request, what the client's side counts, what the upstream's side counts, the decision.
    let cases = [
        ("GET /a/200", ["GET", "200", ""], Some(["GET", "200", ""]), "allowed"),
        ("GET /a/404", ["GET", "404", ""], Some(["GET", "404", "404"]), "allowed"),
        ("GET /a/503", ["GET", "503", "503"], Some(["GET", "503", "503"]), "allowed"),
        ("GET /a/299", ["GET", "2xx", ""], Some(["GET", "2xx", ""]), "allowed"),
        ("GET /a/599", ["GET", "5xx", "5xx"], Some(["GET", "5xx", "5xx"]), "allowed"),
        ("GET /a/777", ["GET", "5xx", "5xx"], Some(["GET", "5xx", "5xx"]), "allowed"),
        ("PROPFIND /a/207", ["_OTHER", "207", ""], Some(["_OTHER", "207", ""]), "allowed"),
        ("BREW /a/200", ["_OTHER", "200", ""], Some(["_OTHER", "200", ""]), "allowed"),
        ("GET /b/200", ["GET", "403", ""], None, "not_allowed"),
        (
            "POST /a/closed",
            ["POST", "502", "upstream_closed"],
            Some(["POST", "", "upstream_closed"]),
            "upstream_closed",
        ),
        (
            "GET /a/rubbish",
            ["GET", "502", "upstream_protocol"],
            Some(["GET", "", "upstream_protocol"]),
            "upstream_protocol",
        ),
        ("GET /a/broken", ["GET", "200", "upstream_aborted"], Some(["GET", "200", ""]), "allowed"),
    ];
    for (line, server, client, decision) in cases {
        let (proxy, metrics) = watched(&upstream, |_| ()).await;
        let mut connection = Client::connect(&proxy).await;
        connection.send(request(line, &token, &[], "")).await;
        if line.ends_with("broken") {
            connection.response_head().await;
            connection.closed().await;
        } else {
            connection.response().await;
        }
        let path = line.split(' ').nth(1).unwrap();
        events_come(1, &[&format!("path={path:?}"), "decision="]).await;
        let [method, status, error] = server;
        let server = labels(method, status, error);
        let client = client.map(|[method, status, error]| labels(method, status, error));
        check(&metrics, &server, client.as_deref(), decision);
        drop(proxy);
    }
}

#[tokio::test]
async fn who_leaves_before_the_end_is_told_apart() {
    let mut upstream = Upstream::held().await;
    let (proxy, metrics) = watched(&upstream, |_| ()).await;
    let mut client = Client::connect(&proxy).await;
    client.send(request("GET /left", &Token::any(), &[], "")).await;
    let mut connection = upstream.accept().await;
    connection.request().await;
    let document = Document::of(&metrics);
    assert_eq!(document.sum("http_server_active_requests", &[("http_request_method", "GET")]), 1.0);
    let in_use = [("upstream", NAME), ("protocol", "1.1"), ("state", "in_use")];
    assert_eq!(document.sum("magicproxy_upstream_connections", &in_use), 1.0);
    assert_eq!(document.sum("magicproxy_admission_held", &[("resource", "exchanges")]), 1.0);
    assert_eq!(document.sum("magicproxy_upstream_connection_wait_seconds_count", &[]), 1.0);
    drop(client);
    events_come(1, &["path=\"/left\"", "decision="]).await;
    let document = Document::of(&metrics);
    assert_eq!(
        document.shown(SERVER),
        [format!(
            "error_type=client_aborted http_request_method=GET network_protocol_version=1.1 upstream={NAME} url_scheme=http 1"
        )]
    );
    assert_eq!(document.sum("http_server_active_requests", &[]), 0.0);
    assert_eq!(document.sum("magicproxy_admission_held", &[]), 0.0);
}

/// Whatever clients and an API of theirs send: no label has any of it, and the document stays short.
#[tokio::test]
async fn nothing_that_a_client_sends_becomes_a_label() {
    let upstream =
        Upstream::scripted(|_| Reply::with("299 MaRk7", &["X-MaRk7: MaRk7"], "MaRk7")).await;
    let (proxy, metrics) = watched(&upstream, |_| ()).await;
    let before = metrics.encode(None).1.len();
    let token = Token::ruled(&serde_json::json!(["GET /MaRk7", "PROPFIND /MaRk7/.*"])).mint();
    let host = |host: &str| format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").into_bytes();
    let requests = [
        request("GET /MaRk7", &token, &["User-Agent: MaRk7"], ""),
        request("PROPFIND /MaRk7/a?MaRk7=MaRk7", &token, &[], ""),
        request("MaRk7 /", &token, &[], ""),
        request("GET /", "MaRk7", &[], ""),
        request("GET /", "", &["X-MaRk7: MaRk7"], ""),
        request("GET /__magictoken/MaRk7", "", &[], ""),
        host("MaRk7"),
        host("Ma\"Rk7"),
        b"GET http://MaRk7/ HTTP/1.1\r\nHost: MaRk7\r\n\r\n".to_vec(),
        b"GET / HTTP/1.0\r\nHost: MaRk7\r\n\r\n".to_vec(),
    ];
    for bytes in &requests {
        let mut client = Client::connect(&proxy).await;
        client.send(bytes).await;
        client.response_or_end().await;
    }
    let (_, document) = metrics.encode(None);
    assert!(!document.to_lowercase().contains("mark7"), "{document}");
    // A histogram takes some 4 KiB.
    let histograms = 2 * requests.len();
    assert!(document.len() < before + (histograms + 1) * 5_000, "{}", document.len());
    Document::of(&metrics);
}

#[tokio::test]
async fn tokens_are_found_verified_or_shared() {
    let upstream = Upstream::hello().await;
    let (proxy, metrics) = watched(&upstream, |_| ()).await;
    let (token, many) = (Token::any(), Token::allowing(&["GET /.*"]).mint());
    for number in 0..3 {
        assert_eq!(ask(&proxy, &format!("GET /tokens/{number}"), &token).await, 200);
    }
    assert_eq!(ask(&proxy, "GET /tokens/rubbish", "rubbish").await, 401);
    let opens = |cache: &str| {
        let labels = [("version", "v1"), ("cache", cache)];
        Document::of(&metrics).sum("magicproxy_token_opens_total", &labels)
    };
    assert_eq!([opens("hit"), opens("miss"), opens("shared")], [2.0, 1.0, 0.0]);
    let at_once = (0..8).map(|number| ask_at(&proxy, number, &many)).collect();
    assert_eq!(all(at_once).await, [200; 8]);
    assert_eq!(opens("miss"), 2.0);
    assert_eq!(opens("hit") + opens("shared"), 2.0 + 7.0);
}

async fn ask_at(proxy: &Proxy, number: usize, token: &str) -> u16 {
    ask(proxy, &format!("GET /at-once/{number}"), token).await
}

/// One connection in use, then kept; with the bytes of both sides.
#[tokio::test]
async fn connections_are_told_apart_by_state() {
    let upstream = Upstream::hello().await;
    let (proxy, metrics) = watched(&upstream, |_| ()).await;
    let token = Token::any();
    let mut client = Client::connect(&proxy).await;
    for _ in 0..3 {
        assert_eq!(client.exchange(request("GET /kept", &token, &[], "")).await.status, 200);
    }
    events_come(3, &["path=\"/kept\"", "decision="]).await;
    let document = Document::of(&metrics);
    let connections = document.shown("magicproxy_upstream_connections");
    assert_eq!(connections, [format!("protocol=1.1 state=idle upstream={NAME} 1")]);
    assert_eq!(document.sum("magicproxy_client_connections", &[]), 1.0);
    let sent = upstream.raw().concat().len() as f64;
    let bytes = [("upstream", NAME), ("direction", "sent")];
    assert_eq!(document.sum("magicproxy_upstream_network_bytes_total", &bytes), sent);
    let received =
        document.sum("magicproxy_client_network_bytes_total", &[("direction", "received")]);
    assert_eq!(received, 3.0 * request("GET /kept", &token, &[], "").len() as f64);
}
