//! URLs of the upstream lead to the proxy, over real connections: `docs/spec/rewriting.md`.

use std::io::Write as _;
use std::net::SocketAddr;

use flate2::Compression;
use flate2::write::GzEncoder;
use magicproxy_proxy::settings::{ApiRoot, HostName, Links, MountPath};

use crate::support::{
    CREDENTIAL, Client, ClientResponse, OnlyUpstream as _, Proxy, Reply, Token, Upstream, request,
    settings,
};

/// Where clients find the upstream's `/base`.
const HOME: &str = "http://proxy.test/mount";

/// An upstream that answers with what `reply` makes of its own URL, at `/mount` of a proxy.
async fn stage(reply: impl Fn(&str) -> Reply + Send + Sync + 'static) -> (Proxy, Upstream) {
    let upstream =
        Upstream::scripted(move |seen| reply(&format!("http://{}/base", seen.all("host")[0])))
            .await;
    let mut settings = settings(upstream.address, "/base");
    settings.upstream_mut().routes.mount = MountPath::parse("/mount").unwrap();
    (Proxy::start(settings).await, upstream)
}

async fn ask(proxy: &Proxy, method: &str) -> ClientResponse {
    Client::ask(
        proxy,
        request(
            &format!("{method} /mount/x"),
            &Token::any(),
            &["TE: trailers", "Accept-Encoding: gzip"],
            "",
        ),
    )
    .await
}

fn gzip(text: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_ref()).unwrap();
    encoder.finish().unwrap()
}

fn json(url: &str) -> String {
    format!("{{\"url\": \"{url}/x{{/y}}\", \"{url}\": [\"{url}\"], \"text\": \"{url} is mine\"}}")
}

fn at_home(url: &str) -> String {
    format!("{{\"url\": \"{HOME}/x{{/y}}\", \"{url}\": [\"{HOME}\"], \"text\": \"{url} is mine\"}}")
}

fn url(address: SocketAddr) -> String {
    format!("http://{address}/base")
}

const JSON: &str = "Content-Type: application/json";
const GZIP: &str = "Content-Encoding: gzip";

#[tokio::test]
async fn urls_in_json_lead_home() {
    let (proxy, upstream) = stage(|url| {
        Reply::with(
            "200 OK",
            &[JSON, "ETag: \"a\"", "Accept-Ranges: bytes", "Digest: a=b"],
            json(url),
        )
    })
    .await;
    let response = ask(&proxy, "GET").await;
    assert_eq!((response.text(), response.complete), (at_home(&url(upstream.address)), true));
    assert_eq!((response.one("content-length"), response.one("etag")), (None, Some("\"a\"")));
    assert_eq!((response.one("digest"), response.one("accept-ranges")), (None, None));
}

#[tokio::test]
async fn gzip_is_inflated_and_the_connection_is_used_again() {
    let (proxy, upstream) =
        stage(|url| Reply::with("200 OK", &[JSON, GZIP], gzip(json(url)))).await;
    let mut client = Client::connect(&proxy).await;
    for _ in 0..3 {
        let response = client
            .exchange(request("GET /mount/x", &Token::any(), &["Accept-Encoding: gzip"], ""))
            .await;
        assert_eq!((response.text(), response.complete), (at_home(&url(upstream.address)), true));
        assert_eq!(
            (response.one("content-encoding"), response.one("vary")),
            (None, Some("Accept-Encoding"))
        );
    }
    assert!(upstream.requests().iter().all(|seen| seen.connection == 0));
}

#[tokio::test]
async fn a_large_body_in_gzip_arrives_whole() {
    let (proxy, upstream) = stage(|url| {
        Reply::with(
            "200 OK",
            &[JSON, GZIP],
            gzip(format!("[{}]", vec![json(url); 50_000].join(","))),
        )
    })
    .await;
    let response = ask(&proxy, "GET").await;
    assert!(
        response.text() == format!("[{}]", vec![at_home(&url(upstream.address)); 50_000].join(","))
            && response.complete
    );
}

#[tokio::test]
async fn a_credential_in_gzip_is_masked() {
    let (proxy, _upstream) = stage(|url| {
        Reply::with(
            "200 OK",
            &[JSON, GZIP],
            gzip(format!("[\"{CREDENTIAL}\",\"{url}?{CREDENTIAL}\"]")),
        )
    })
    .await;
    let response = ask(&proxy, "GET").await;
    let masked = "*".repeat(CREDENTIAL.len());
    assert_eq!(
        (response.text(), response.complete),
        (format!("[\"{masked}\",\"{HOME}?{masked}\"]"), true)
    );
}

#[tokio::test]
async fn what_is_not_the_gzip_that_it_says_breaks_off() {
    for body in [b"{}".to_vec(), gzip("{}")[..20].to_vec(), [gzip("{}"), b"x".to_vec()].concat()] {
        let (proxy, _upstream) = stage(move |_| Reply::with("200 OK", &[JSON, GZIP], &body)).await;
        let mut client = Client::connect(&proxy).await;
        client.send(request("GET /mount/x", &Token::any(), &[], "")).await;
        // Where nothing of the body can go on, the head may not have left either.
        assert!(client.response_or_end().await.is_none_or(|response| !response.complete));
    }
    let (proxy, _upstream) = stage(|_| Reply::with("200 OK", &[JSON, GZIP], "")).await;
    let response = ask(&proxy, "GET").await;
    assert_eq!((response.text(), response.complete), (String::new(), true));
}

#[tokio::test]
async fn fields_lead_home_with_every_body() {
    let (proxy, _upstream) = stage(|url| {
        let link = format!("Link: <{url}/x?page=2>; rel=\"next\", </base/y>; rel=last, <https://other.test/>; rel=x");
        let location = format!("Location: {url}/there");
        Reply::with("301 Moved", &[&link, &location, "Content-Location: /base/z", "Content-Type: text/plain"], "moved")
    })
    .await;
    for method in ["GET", "HEAD"] {
        let response = ask(&proxy, method).await;
        let link = format!(
            "<{HOME}/x?page=2>; rel=\"next\", </mount/y>; rel=last, <https://other.test/>; rel=x"
        );
        assert_eq!(response.one("link"), Some(link.as_str()));
        assert_eq!(
            (response.one("location"), response.one("content-location")),
            (Some("http://proxy.test/mount/there"), Some("/mount/z"))
        );
        assert_eq!(response.one("content-length"), Some("5"), "{method}");
    }
}

#[tokio::test]
async fn the_response_to_head_says_what_that_to_get_would_say() {
    let (proxy, _upstream) = stage(|_| {
        Reply::bytes(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: 1234\r\n\r\n",
        )
    })
    .await;
    let mut client = Client::connect(&proxy).await;
    let response = client.exchange(request("HEAD /mount/x", &Token::any(), &[], "")).await;
    assert_eq!(
        (response.status, response.one("content-length"), response.one("content-encoding")),
        (200, None, None)
    );
    assert_eq!((response.one("vary"), response.complete), (Some("Accept-Encoding"), true));
}

#[tokio::test]
async fn responses_that_are_not_rewritten_keep_their_length() {
    let kinds: [(&str, &[&str]); 3] = [
        ("200 OK", &["Content-Type: text/plain"]),
        ("200 OK", &["Content-Type: application/vnd.github.raw+json"]),
        ("206 Partial Content", &[JSON, "Content-Range: bytes 0-1/2"]),
    ];
    for (status, lines) in kinds {
        let (proxy, upstream) = stage(move |url| Reply::with(status, lines, json(url))).await;
        let response = ask(&proxy, "GET").await;
        let expected = json(&url(upstream.address));
        assert_eq!(
            (response.text(), response.one("content-length")),
            (expected.clone(), Some(expected.len().to_string().as_str()))
        );
    }
}

#[tokio::test]
async fn digests_in_trailers_go_and_others_stay() {
    let (proxy, _upstream) = stage(|url| {
        let body = format!("\"{url}\"");
        Reply::bytes(format!(
            "HTTP/1.1 200 OK\r\n{JSON}\r\nTrailer: Content-Digest, X-Checked\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\
             Content-Digest: a\r\nX-Checked: yes\r\n\r\n",
            body.len()
        ))
    })
    .await;
    let response = ask(&proxy, "GET").await;
    assert_eq!(response.text(), format!("\"{HOME}\""));
    assert_eq!(response.trailers, [("x-checked".to_owned(), "yes".to_owned())]);
}

#[tokio::test]
async fn nothing_is_rewritten_where_it_is_not_wanted() {
    for own_name in [true, false] {
        let upstream = Upstream::scripted(|seen| {
            Reply::with("200 OK", &[JSON], json(&format!("http://{}/base", seen.all("host")[0])))
        })
        .await;
        let mut settings = settings(upstream.address, "/base");
        if !own_name {
            settings.upstream_mut().links = Links::Keep;
        }
        let proxy = Proxy::start(settings).await;
        let (path, host) = if own_name {
            ("/base/x", upstream.address.to_string())
        } else {
            ("/x", "proxy.test".to_owned())
        };
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {}\r\n\r\n",
            *Token::any()
        );
        let response = Client::ask(&proxy, head).await;
        let expected = json(&url(upstream.address));
        assert_eq!(
            (response.text(), response.one("content-length")),
            (expected.clone(), Some(expected.len().to_string().as_str()))
        );
    }
}

#[tokio::test]
async fn clients_of_the_mount_are_led_to_the_public_url() {
    let upstream =
        Upstream::scripted(|_| Reply::with("200 OK", &["Location: /x", JSON], "[]")).await;
    let mut settings = settings(upstream.address, "");
    settings.public_access = Some(ApiRoot::parse("https://public.test/behind").unwrap());
    let proxy = Proxy::start(settings).await;
    let response = Client::ask(&proxy, request("GET /x", &Token::any(), &[], "")).await;
    assert_eq!(response.one("location"), Some("/behind/x"));
}

#[tokio::test]
async fn clients_of_a_host_of_the_upstreams_own_are_led_there() {
    let upstream = Upstream::scripted(|seen| {
        Reply::with("200 OK", &[JSON], format!("\"http://{}/x\"", seen.all("host")[0]))
    })
    .await;
    let mut settings = settings(upstream.address, "");
    settings.public_access = Some(ApiRoot::parse("https://public.test").unwrap());
    settings.upstream_mut().routes.mount = MountPath::parse("/mount").unwrap();
    settings.upstream_mut().routes.hosts = vec![HostName::parse("own.test").unwrap()];
    let proxy = Proxy::start(settings).await;
    for (host, path, expected) in [
        ("own.test", "/y", "http://own.test/x"),
        ("any.test", "/mount/y", "https://public.test/mount/x"),
    ] {
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {}\r\n\r\n",
            *Token::any()
        );
        assert_eq!(Client::ask(&proxy, head).await.text(), format!("\"{expected}\""));
    }
}

#[tokio::test]
async fn what_is_decided_is_sent_before_the_rest_comes() {
    let mut upstream = Upstream::held().await;
    let proxy = Proxy::with(&upstream, |_| ()).await;
    let mut client = Client::connect(&proxy).await;
    client.send(request("GET /x", &Token::any(), &[], "")).await;
    let mut connection = upstream.accept().await;
    connection.request().await;
    let line = format!("{{\"url\":\"http://{}/a\"}}\n", upstream.address);
    connection
        .send(format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{line}\r\n",
            line.len()
        ))
        .await;
    let mut received = Vec::new();
    while !String::from_utf8_lossy(&received).contains("{\"url\":\"http://proxy.test/a\"}\n") {
        received.extend(client.some().await);
    }
}
