//! The log line of what the proxy refused behind the permit, and of responses that never have content.

use magicproxy_core::plugin::{Interests, Verdict};
use magicproxy_proxy::settings::ApiRoot;
use rcgen::{CertificateParams, DnType, KeyPair, date_time_ymd};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;

use super::plugins::{Scripted, guarded};
use super::*;
use crate::support::{OnlyUpstream as _, Token, events_come, events_named};

/// The log line of the one request to this path.
async fn line_of(path: &str) -> String {
    let named = format!("path={path:?}");
    events_come(1, &[&named, "decision="]).await;
    let lines = events_named(&[&named, "decision="]);
    assert_eq!(lines.len(), 1, "{lines:?}");
    lines[0].clone()
}

#[track_caller]
fn assert_holds(line: &str, parts: &[&str]) {
    for part in parts {
        assert!(line.contains(part), "{part} in {line}");
    }
}

#[tokio::test]
async fn what_is_refused_behind_the_permit_is_logged_with_its_code() {
    let upstream = Upstream::hello().await;
    let store = Failing::new();
    let proxy = proxy(&upstream, Arc::clone(&store) as Arc<dyn StateStore>).await;
    let once =
        |path: &str, limit: Value| json!([{ "method": "GET", "path": path, "limit": limit }]);
    let twice = async |path: &str, limit: Value| {
        let token = Token::ruled(&once(&format!("{path}/.*"), limit)).mint();
        ask(&proxy, &format!("GET {path}/first"), &token).await;
        ask(&proxy, &format!("GET {path}/second"), &token).await
    };
    let line = async |path: &str| line_of(path).await;
    twice("/log/rate", json!({ "requests": 1, "per": "1h" }))
        .await
        .assert_rejected(429, "rate_limited");
    assert_holds(
        &line("/log/rate/second").await,
        &["decision=\"rate_limited\"", "status=429", "rule=\"GET /log/rate/.*"],
    );
    assert_holds(&line("/log/rate/first").await, &["decision=\"allowed\"", "status=200"]);
    twice("/log/spent", json!({ "total": 1 })).await.assert_rejected(403, "total_used_up");
    assert_holds(&line("/log/spent/second").await, &["decision=\"total_used_up\"", "status=403"]);

    let reads = json!([{ "method": "POST", "route": "/log/body", "grants": ["DELETE /log/body/{request.id}"] }]);
    post(&proxy, "POST /log/body", &Token::ruled(&reads).mint(), "not json")
        .await
        .assert_rejected(400, "body_unreadable");
    assert_holds(&line("/log/body").await, &["decision=\"body_unreadable\"", "status=400"]);

    store.fail(true, true);
    let token = Token::ruled(&once("/log/away", json!({ "total": 1 }))).mint();
    ask(&proxy, "GET /log/away", &token).await.assert_rejected(503, "store_unavailable");
    assert_holds(&line("/log/away").await, &["decision=\"store_unavailable\"", "status=503"]);
    assert!(!line("/log/away").await.contains("aborted="), "its client took all of the refusal");
}

/// A path of its own, so that nothing else in this process is logged with it.
async fn refused_by(proxy: &Proxy, path: &str) -> (ClientResponse, String, String) {
    let response = ask(proxy, &format!("GET {path}"), &Token::any()).await;
    let id = response.json()["request_id"].as_str().unwrap().to_owned();
    let warned = events_named(&[&format!("request_id={id}"), "upstream=\"api.test\"", "host="]);
    let warning = warned.into_iter().find(|event| !event.contains("decision=")).unwrap_or_default();
    (response, line_of(path).await, warning)
}

/// An upstream at a root of one's choice.
async fn rooted(upstream: &Upstream, root: &str, roots: Vec<CertificateDer<'static>>) -> Proxy {
    let root = ApiRoot::parse(root).unwrap();
    Proxy::with(upstream, |settings| {
        (settings.upstream_mut().api_root, settings.upstream_mut().extra_roots) = (root, roots)
    })
    .await
}

#[tokio::test]
async fn an_upstream_that_is_not_reached_is_named_with_the_reason() {
    let absent = Upstream::absent().await;
    let refused = format!("http://{}", absent.address);
    for (path, root, error, words) in [
        // RFC 6761 section 6.4: a name that nobody has.
        ("/log/dns", "http://nobody.invalid:1", "dns_error", "cannot be resolved"),
        ("/log/refused", &refused, "connection_refused", "refuses connections"),
    ] {
        let (response, line, warning) =
            refused_by(&rooted(&absent, root, Vec::new()).await, path).await;
        // A machine without a resolver may take its time to say so.
        let late = response.status == 504 && error == "dns_error";
        let (code, error) = if late {
            ("upstream_connect_timeout", "dns_timeout")
        } else {
            ("upstream_unreachable", error)
        };
        response.assert_rejected(if late { 504 } else { 502 }, code);
        assert!(
            response.one("proxy-status").unwrap().contains(&format!("error={error};")),
            "{:?}",
            response.fields
        );
        assert!(
            late || response.json()["detail"].as_str().unwrap().contains(words),
            "{}",
            response.text()
        );
        assert_holds(
            &line,
            &[&format!("decision={code:?}"), &format!("error={error:?}"), "upstream=\"api.test\""],
        );
        let host = root.trim_start_matches("http://");
        assert_holds(&warning, &[&format!("host={host:?}"), &format!("error={error:?}")]);
    }
}

/// A certificate for these names, between these years, and its key.
fn certificate(
    name: &str,
    years: std::ops::Range<i32>,
) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
    let pair = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    (params.not_before, params.not_after) =
        (date_time_ymd(years.start, 1, 1), date_time_ymd(years.end, 1, 1));
    // Those of one name would be taken for one authority.
    params.distinguished_name.push(DnType::CommonName, name);
    let der = params.self_signed(&pair).unwrap().der().clone();
    (der, PrivateKeyDer::try_from(pair.serialize_der()).unwrap())
}

/// Accepts TLS with this certificate, and HTTP/2 alone where `alpn` says so; answers nothing.
async fn tls_listener(
    der: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
    alpn: &[u8],
) -> std::net::SocketAddr {
    let builder = rustls::ServerConfig::builder_with_provider(Arc::new(
        rustls::crypto::aws_lc_rs::default_provider(),
    ));
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let mut config = builder.with_single_cert(vec![der], key).unwrap();
    config.alpn_protocols = vec![alpn.to_vec()];
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = acceptor.accept(stream).await;
        }
    });
    address
}

#[tokio::test]
async fn each_failure_of_tls_has_its_word() {
    let upstream = Upstream::hello().await;
    let served = [
        (
            "/log/tls/expired",
            "127.0.0.1",
            2000..2001,
            true,
            "http/1.1",
            "tls_certificate_error",
            "has expired",
        ),
        (
            "/log/tls/future",
            "127.0.0.1",
            3000..3001,
            true,
            "http/1.1",
            "tls_certificate_error",
            "not valid yet",
        ),
        (
            "/log/tls/name",
            "other.test",
            2000..3000,
            true,
            "http/1.1",
            "tls_certificate_error",
            "for another name",
        ),
        (
            "/log/tls/issuer",
            "127.0.0.1",
            2000..3000,
            false,
            "http/1.1",
            "tls_certificate_error",
            "not signed by an authority",
        ),
        (
            "/log/tls/alpn",
            "127.0.0.1",
            2000..3000,
            true,
            "x",
            "tls_alert_received",
            "(alert `no_application_protocol`)",
        ),
    ];
    for (path, name, years, trusted, alpn, error, words) in served {
        let (der, key) = certificate(name, years);
        let roots = if trusted {
            vec![der.clone()]
        } else {
            vec![certificate("authority.test", 2000..3000).0]
        };
        let root = format!("https://{}", tls_listener(der, key, alpn.as_bytes()).await);
        let (response, line, warning) =
            refused_by(&rooted(&upstream, &root, roots).await, path).await;
        response.assert_rejected(502, "upstream_tls");
        assert!(
            response.json()["detail"].as_str().unwrap().contains(words),
            "{path}: {}",
            response.text()
        );
        assert!(
            response.one("proxy-status").unwrap().contains(&format!("error={error};")),
            "{path}: {:?}",
            response.fields
        );
        assert_holds(&line, &["decision=\"upstream_tls\"", &format!("error={error:?}")]);
        assert_holds(&warning, &[&format!("error={error:?}"), "cause=", "127.0.0.1:"]);
    }
}

#[tokio::test]
async fn an_upstream_that_speaks_no_tls_is_not_blamed_for_its_certificate() {
    for (path, said, status, error, words) in [
        (
            "/log/plain/http",
            "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
            "upstream_tls",
            "tls_protocol_error",
            "does not speak TLS",
        ),
        (
            "/log/plain/ssh",
            "SSH-2.0-x\r\n",
            "upstream_tls",
            "tls_protocol_error",
            "does not speak TLS",
        ),
        (
            "/log/plain/nothing",
            "",
            "upstream_unreachable",
            "connection_terminated",
            "closed the connection",
        ),
    ] {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let root = format!("https://{}", listener.local_addr().unwrap());
        let serving = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                // The whole of the greeting is read first, so that nothing is reset.
                let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut [0; 16 * 1024]).await;
                let _ = stream.write_all(said.as_bytes()).await;
                let _ = stream.shutdown().await;
                let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
            }
        });
        let upstream = Upstream::hello().await;
        let (response, line, _) =
            refused_by(&rooted(&upstream, &root, Vec::new()).await, path).await;
        response.assert_rejected(502, status);
        assert!(
            response.json()["detail"].as_str().unwrap().contains(words),
            "{path}: {}",
            response.text()
        );
        assert_holds(&line, &[&format!("decision={status:?}"), &format!("error={error:?}")]);
        serving.abort();
    }
}

#[tokio::test]
async fn a_response_that_breaks_off_behind_its_head_was_allowed_and_is_told() {
    let upstream = Upstream::scripted(|seen| match seen.target.as_str() {
        "/log/cut/length" => Reply::last("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"),
        "/log/cut/chunk" => {
            Reply::last("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")
        }
        "/log/cut/garbage" => {
            Reply::last("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n")
        }
        // Before its head: the proxy answers.
        _ => Reply::last("HTTP/1.1 200"),
    })
    .await;
    let proxy = Proxy::before(&upstream).await;
    for path in ["/log/cut/length", "/log/cut/chunk", "/log/cut/garbage"] {
        let mut client = Client::connect(&proxy).await;
        client.send(request(&format!("GET {path}"), &Token::any(), &[], "")).await;
        client.closed().await;
        let line = line_of(path).await;
        assert_holds(
            &line,
            &[
                "decision=\"allowed\"",
                "status=200",
                "error=\"http_response_incomplete\"",
                "aborted=",
            ],
        );
    }
    post(&proxy, "POST /log/cut/head", &Token::any(), "x")
        .await
        .assert_rejected(502, "upstream_closed");
    let line = line_of("/log/cut/head").await;
    assert_holds(
        &line,
        &["decision=\"upstream_closed\"", "error=\"connection_terminated\"", "status=502"],
    );
    assert!(!line.contains("aborted="), "{line}");
}

#[tokio::test]
async fn responses_that_have_no_content_come_to_their_end() {
    let upstream = Upstream::scripted(|seen| match seen.target.split('/').nth(3) {
        Some("204") => Reply::bytes("HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n"),
        Some("304") => Reply::bytes("HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n"),
        Some("empty") => Reply::ok(""),
        Some("chunked") => {
            Reply::bytes("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
        }
        Some("head") => Reply::bytes(
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Type: application/json\r\n\r\n",
        ),
        Some("error") => Reply::with("404 Not Found", &["Content-Type: application/json"], "{}"),
        _ => Reply::ok("hello"),
    })
    .await;
    // One that sees responses, bodies included, so that each is read before it goes on.
    let interests = Interests { responses: true, response_body: true, ..Interests::default() };
    let host = Arc::new(Scripted::new(interests, |_| Verdict::Allow));
    let seeing = guarded(&upstream, &host, &[], None).await;
    let plain = Proxy::before(&upstream).await;
    let token = Token::scoped(&["asks"]).mint();
    let (all, any) = (token.as_str(), Token::any());
    for (name, proxy, token) in [("seen", &seeing, all), ("plain", &plain, any.as_str())] {
        for (method, kind) in [
            ("DELETE", "204"),
            ("GET", "204"),
            ("GET", "304"),
            ("GET", "empty"),
            ("GET", "chunked"),
            ("GET", "error"),
            ("GET", "body"),
            ("HEAD", "head"),
            ("HEAD", "204"),
        ] {
            let path = format!("/log-{name}/{method}/{kind}");
            let mut client = Client::connect(proxy).await;
            let response =
                client.exchange(request(&format!("{method} {path}"), token, &[], "")).await;
            let line = line_of(&path).await;
            assert!(!line.contains("aborted=") && line.contains("decision=\"allowed\""), "{line}");
            assert_holds(&line, &[&format!("status={}", response.status)]);
            // The connection goes on.
            assert_eq!(
                client.exchange(request("GET /again", token, &[], "")).await.status,
                200,
                "{path}"
            );
        }
    }
    assert_eq!(host.told.lock().unwrap().len(), 2 * 9);
}
