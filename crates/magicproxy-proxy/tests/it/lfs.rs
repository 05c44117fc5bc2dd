//! Objects of Git LFS lead through the proxy, over real connections: `docs/spec/git-lfs.md`. What becomes of each action is in
//! the vectors.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use magicproxy_core::{EncodedSlash, PathReading};
use magicproxy_proxy::settings::{
    CredentialCarrier, HostName, Links, MountPath, Quota, TokenCarrier,
};
use serde_json::{Value, json};

use crate::support::{
    CREDENTIAL, Client, ClientResponse, OnlyUpstream as _, Proxy, Reply, Token, Upstream, find,
    request, settings,
};

const LFS: &str = "application/vnd.git-lfs+json";
/// What the forge makes for its client, and which is good without the proxy.
const FORGE_KEY: &str = "Basic bGZzOnRoZS1mb3JnZXMtb3duLWtleQ==";

/// Where the forge says that an object is: at its own URL, and another at a signed one.
fn batch(own: &str) -> Value {
    let own = |path: &str, more: &Value| {
        let mut header = json!({ "Authorization": FORGE_KEY });
        header.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "href": format!("{own}{path}"), "header": header, "expires_in": 1800 })
    };
    json!({ "transfer": "basic", "objects": [
        { "oid": "a", "size": 3, "authenticated": true, "actions": {
            "upload": own("/acme/tool.git/gitlab-lfs/objects/a/3", &json!({ "Content-Type": "application/octet-stream" })),
            "verify": own("/acme/tool.git/info/lfs/verify", &json!({ "Accept": LFS })),
        } },
        { "oid": "b", "size": 3, "actions": {
            "download": { "href": "https://s3.example/b?X-Amz-Signature=1", "header": { "Authorization": "AWS4", "x-amz": "1" } },
        } },
    ] })
}

fn typed(body: impl AsRef<[u8]>) -> Reply {
    Reply::with(
        "200 OK",
        &[
            "Content-Type: application/vnd.git-lfs+json; charset=utf-8",
            "ETag: \"x\"",
            "Digest: a=b",
        ],
        body,
    )
}

/// A forge at `/git` of a proxy, that answers as `reply` makes it of its own URL.
async fn stage(reply: impl Fn(&str) -> Reply + Send + Sync + 'static) -> (Proxy, Upstream) {
    let upstream =
        Upstream::scripted(move |seen| reply(&format!("http://{}", seen.all("host")[0]))).await;
    let mut settings = settings(upstream.address, "");
    settings.upstream_mut().routes.mount = MountPath::parse("/git").unwrap();
    (Proxy::start(settings).await, upstream)
}

const ASKS: &str = "POST /git/acme/tool.git/info/lfs/objects/batch";

async fn ask(proxy: &Proxy, token: &str) -> ClientResponse {
    let accept = format!("Accept: {LFS}");
    Client::ask(
        proxy,
        request(ASKS, token, &[&accept, "Content-Length: 2", "Accept-Encoding: gzip"], "{}"),
    )
    .await
}

#[tokio::test]
async fn objects_of_the_forge_lead_through_the_proxy_with_the_clients_token() {
    let (proxy, upstream) = stage(|own| typed(batch(own).to_string())).await;
    let token = Token::allowing(&[
        "POST /acme/tool[.]git/info/lfs/objects/batch",
        "PUT /acme/tool[.]git/gitlab-lfs/objects/.+",
    ])
    .mint();
    let response = ask(&proxy, &token).await;
    assert_eq!((response.status, response.complete), (200, true), "{}", response.text());
    let bearer = format!("Bearer {}", *token);
    let upload = &response.json()["objects"][0]["actions"]["upload"];
    assert_eq!(upload["href"], "http://proxy.test/git/acme/tool.git/gitlab-lfs/objects/a/3");
    assert_eq!(
        upload["header"],
        json!({ "Authorization": bearer, "Content-Type": "application/octet-stream" })
    );
    assert_eq!(upload["expires_in"], 1800);
    let verify = &response.json()["objects"][0]["actions"]["verify"];
    assert_eq!(verify["href"], "http://proxy.test/git/acme/tool.git/info/lfs/verify");
    assert_eq!(verify["header"], json!({ "Authorization": bearer, "Accept": LFS }));
    assert_eq!(response.json()["objects"][0]["authenticated"], true);
    // Elsewhere is elsewhere.
    assert_eq!(response.json()["objects"][1], batch("")["objects"][1]);
    assert!(find(&response.body, FORGE_KEY.as_bytes()).is_none());
    assert_eq!(response.one("content-type"), Some("application/vnd.git-lfs+json; charset=utf-8"));
    assert_eq!(
        (response.one("cache-control"), response.one("digest"), response.one("etag")),
        (Some("no-store"), None, Some("\"x\""))
    );
    // What the client does with it is decided by the rules, and the forge gets the credential.
    let lines = [&format!("Authorization: {bearer}")[..], "Content-Length: 3"];
    let put = request("PUT /git/acme/tool.git/gitlab-lfs/objects/a/3", "", &lines, "abc");
    assert_eq!(Client::ask(&proxy, put).await.status, 200);
    let posted = request("POST /git/acme/tool.git/info/lfs/verify", "", &lines, "abc");
    Client::ask(&proxy, posted).await.assert_rejected(403, "not_allowed");
    let seen: Vec<(String, String)> = upstream
        .requests()
        .iter()
        .map(|seen| (seen.target.clone(), seen.all("authorization")[0].to_owned()))
        .collect();
    let credential = format!("Bearer {CREDENTIAL}");
    assert_eq!(
        seen,
        [
            ("/acme/tool.git/info/lfs/objects/batch".to_owned(), credential.clone()),
            ("/acme/tool.git/gitlab-lfs/objects/a/3".to_owned(), credential)
        ]
    );
}

/// The response to a HEAD tells of no objects: it passes as others do, and nothing of it is made anew.
#[tokio::test]
async fn a_head_of_objects_is_not_made_anew() {
    let fields = "Content-Type: application/vnd.git-lfs+json\r\nContent-Length: 123\r\nETag: \"x\"";
    let (proxy, _upstream) =
        stage(move |_| Reply::bytes(format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n"))).await;
    let mut client = Client::connect(&proxy).await;
    client.send(request("HEAD /git/a", &Token::any(), &[&format!("Accept: {LFS}")], "")).await;
    let response = client.response_head().await;
    assert_eq!(
        (response.status, response.one("etag"), response.one("cache-control")),
        (200, Some("\"x\""), None)
    );
}

/// As the client bears its token, so it is told to bear it again.
#[tokio::test]
async fn the_clients_own_carrier_is_kept() {
    let upstream = Upstream::scripted(|seen| {
        typed(batch(&format!("http://{}", seen.all("host")[0])).to_string())
    })
    .await;
    let proxy = Proxy::with(&upstream, |settings| {
        let carriers = [
            TokenCarrier::parse("header:Job-Token").unwrap(),
            TokenCarrier::parse("query:key").unwrap(),
        ];
        settings.upstream_mut().token_carriers = carriers.into();
    })
    .await;
    let token = Token::any();
    let accept = format!("Accept: {LFS}");
    use base64::Engine as _;
    let basic = format!(
        "Basic {}",
        base64::engine::general_purpose::STANDARD.encode(format!("me:{}", *token))
    );
    for (query, line, expected) in [
        ("", format!("Authorization: {basic}"), json!(basic)),
        ("", format!("authorization:   bearer {}", *token), json!(format!("bearer {}", *token))),
        ("", format!("Job-Token: {}", *token), json!(format!("Bearer {}", *token))),
        (&format!("?key={}", *token), "X: y".to_owned(), Value::Null),
    ] {
        let asked =
            request(&format!("POST /b{query}"), "", &[&accept, &line, "Content-Length: 0"], "");
        let response = Client::ask(&proxy, asked).await;
        assert_eq!(response.status, 200, "{line} {}", response.text());
        assert_eq!(
            response.json()["objects"][0]["actions"]["upload"]["header"]["Authorization"],
            expected,
            "{line}"
        );
        assert!(find(&response.body, FORGE_KEY.as_bytes()).is_none(), "{line}");
    }
    // A client with a header in its settings sends both.
    let twice = format!("Authorization: {basic}");
    let response = Client::ask(&proxy, request("GET /b", "", &[&twice, &twice], "")).await;
    assert_eq!(response.status, 200, "{}", response.text());
    assert_eq!(
        upstream.requests().last().unwrap().all("authorization"),
        [format!("Bearer {CREDENTIAL}")]
    );
}

/// Gitea repeats what it got: the credential, in the form in which it was sent.
#[tokio::test]
async fn the_credential_that_a_forge_repeats_is_replaced_too() {
    let upstream = Upstream::scripted(|seen| {
        let own = format!("http://{}", seen.all("host")[0]);
        let echoed = seen.all("authorization")[0];
        typed(
            batch(&own)
                .to_string()
                .replace(FORGE_KEY, echoed)
                .replace("\"AWS4\"", &format!("\"{echoed}\"")),
        )
    })
    .await;
    let proxy = Proxy::with(&upstream, |settings| {
        settings.upstream_mut().credential = CredentialCarrier::parse("basic:oauth2").unwrap();
    })
    .await;
    let token = Token::any();
    let response = ask_at(&proxy, "/x", &token).await;
    let sent = upstream.only_request().all("authorization")[0].to_owned();
    assert!(
        sent.starts_with("Basic ") && find(&response.body, &sent.as_bytes()[6..]).is_none(),
        "{}",
        response.text()
    );
    assert!(find(&response.body, CREDENTIAL.as_bytes()).is_none());
    let header = &response.json()["objects"][0]["actions"]["upload"]["header"];
    assert_eq!(header["Authorization"], format!("Bearer {}", *token));
}

async fn ask_at(proxy: &Proxy, path: &str, token: &str) -> ClientResponse {
    let accept = format!("Accept: {LFS}");
    Client::ask(proxy, request(&format!("POST {path}"), token, &[&accept, "Content-Length: 0"], ""))
        .await
}

#[tokio::test]
async fn a_response_in_gzip_or_chunks_is_read_too() {
    let (proxy, upstream) = stage(|own| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(batch(own).to_string().as_bytes()).unwrap();
        let body = encoder.finish().unwrap();
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Type: {LFS}\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n");
        let chunks: Vec<u8> =
            body.chunks(50).flat_map(|part| [format!("{:x}\r\n", part.len()).as_bytes(), part, b"\r\n"].concat()).collect();
        Reply::bytes([head.as_bytes(), &chunks, b"0\r\n\r\n"].concat())
    })
    .await;
    let token = Token::any();
    let mut client = Client::connect(&proxy).await;
    for _ in 0..2 {
        let accept = format!("Accept: {LFS}");
        let response =
            client.exchange(request(ASKS, &token, &[&accept, "Content-Length: 2"], "{}")).await;
        assert_eq!(
            (response.status, response.one("content-encoding")),
            (200, None),
            "{}",
            response.text()
        );
        assert!(
            response.text().contains("http://proxy.test/git/")
                && !response.text().contains(FORGE_KEY)
        );
    }
    assert!(
        upstream.requests().iter().all(|seen| seen.connection == 0),
        "the connection is used again"
    );
}

/// Who speaks to the forge by its own name is led there, which is here; and where nothing is rewritten, past the proxy.
#[tokio::test]
async fn no_key_of_the_forges_reaches_the_client_however_it_comes() {
    let upstream = Upstream::scripted(|seen| {
        typed(batch(&format!("http://{}", seen.all("host")[0])).to_string())
    })
    .await;
    let proxy = Proxy::with(&upstream, |settings| {
        settings.upstream_mut().routes.hosts = vec![HostName::parse("forge.test").unwrap()]
    })
    .await;
    let token = Token::any();
    for (host, home) in [
        (upstream.address.to_string(), upstream.address.to_string()),
        ("forge.test".to_owned(), "forge.test".to_owned()),
    ] {
        let lines = [
            format!("Host: {host}"),
            format!("Authorization: Bearer {}", *token),
            format!("Accept: {LFS}"),
        ];
        let asked =
            format!("POST /x HTTP/1.1\r\n{}\r\nContent-Length: 0\r\n\r\n", lines.join("\r\n"));
        let response = Client::ask(&proxy, asked).await;
        let upload = &response.json()["objects"][0]["actions"]["upload"];
        assert_eq!(upload["href"], format!("http://{home}/acme/tool.git/gitlab-lfs/objects/a/3"));
        assert_eq!(upload["header"]["Authorization"], format!("Bearer {}", *token), "{host}");
    }
    let past = Proxy::with(&upstream, |settings| settings.upstream_mut().links = Links::Keep).await;
    let response = ask_at(&past, "/x", &token).await;
    let upload = &response.json()["objects"][0]["actions"]["upload"];
    assert_eq!(
        upload["href"],
        format!("http://{}/acme/tool.git/gitlab-lfs/objects/a/3", upstream.address)
    );
    assert_eq!(upload["header"], json!({ "Content-Type": "application/octet-stream" }));
}

/// Whatever was asked, and of whoever asks: a response of this type has no key for the upstream in it.
#[tokio::test]
async fn the_media_type_is_enough() {
    let (proxy, _upstream) = stage(|own| typed(batch(own).to_string())).await;
    for line in ["GET /git/acme/tool.git/info/lfs/objects/a", "POST /git/x"] {
        let response =
            Client::ask(&proxy, request(line, &Token::any(), &["Content-Length: 0"], "")).await;
        assert_eq!(response.status, 200, "{}", response.text());
        let upload = &response.json()["objects"][0]["actions"]["upload"];
        assert_eq!(
            upload["header"],
            json!({ "Content-Type": "application/octet-stream" }),
            "{line}"
        );
    }
}

/// A forge that calls its response JSON gives the same keys to whoever says nothing of LFS.
#[tokio::test]
async fn who_asks_for_objects_gets_no_key_whatever_it_accepts() {
    let reply = |own: &str| {
        Reply::with("200 OK", &["Content-Type: application/json"], batch(own).to_string())
    };
    let upstream =
        Upstream::scripted(move |seen| reply(&format!("http://{}", seen.all("host")[0]))).await;
    let proxy = Proxy::with(&upstream, |settings| {
        let upstream = settings.upstream_mut();
        (upstream.encoded_slash, upstream.path_reading) =
            (EncodedSlash::Opaque, PathReading::Servlet);
    })
    .await;
    let paths = [
        "objects/batch",
        "objects/batch/",
        "objects/batch.json",
        "Objects/BATCH",
        "objects%2fbatch",
        "objects/batch;x",
    ];
    for (path, accept) in paths.iter().flat_map(|path| {
        ["Accept: */*", "Accept: application/json", "X: y"].map(|accept| (path, accept))
    }) {
        let line = format!("POST /acme/tool.git/info/lfs/{path}");
        let response = Client::ask(
            &proxy,
            request(&line, &Token::any(), &[accept, "Content-Length: 2"], "{}"),
        )
        .await;
        let upload = &response.json()["objects"][0]["actions"]["upload"];
        assert_eq!(
            upload["header"],
            json!({ "Content-Type": "application/octet-stream" }),
            "{path}, {accept}: {}",
            response.text()
        );
        assert!(!response.text().contains(FORGE_KEY), "{path}, {accept}");
    }
}

/// The document is written anew, without the escapes behind which a credential was not seen.
#[tokio::test]
async fn no_escape_hides_the_credential() {
    for escaped in 0..CREDENTIAL.len() {
        let (proxy, _upstream) = stage(move |_| {
            let (before, behind) = CREDENTIAL.split_at(escaped);
            let hidden = format!("{before}\\u{:04x}{}", behind.as_bytes()[0], &behind[1..]);
            typed(format!(r#"{{"message":"{hidden}","{hidden}":1}}"#))
        })
        .await;
        let response = ask(&proxy, &Token::any()).await;
        // An escape makes it longer than what is masked, by five bytes.
        let masked = "*".repeat(CREDENTIAL.len());
        let shown = response.text().replace(&masked, "");
        assert!(shown.len() <= r#"{"":1,"message":""}"#.len() + 10, "{}", response.text());
    }
}

/// In a form that git-lfs shows to whoever pushes.
#[track_caller]
fn assert_refused(response: &ClientResponse) {
    assert_eq!(
        (response.status, response.code().as_str()),
        (502, "upstream_objects"),
        "{}",
        response.text()
    );
    assert_eq!(response.one("content-type"), Some("application/json"));
    assert!(response.json()["message"].as_str().unwrap().contains("Git LFS"));
}

/// What cannot be read may hold a key. What is of another type, no success or without content is not looked at.
#[tokio::test]
async fn what_cannot_be_read_is_refused() {
    let broken =
        format!("HTTP/1.1 200 OK\r\nContent-Type: {LFS}\r\nContent-Length: 100\r\n\r\n{{}}");
    let long = format!("{{\"objects\":[\"{}\"]}}", "a".repeat(2 * 1024 * 1024));
    for reply in [
        (|_: &str| typed("{\"objects\": [")) as fn(&str) -> Reply,
        |_| typed("<html>"),
        |_| typed("{} {}"),
        |own| typed(format!("{{\"href\":\"{own}/x\",\"HREF\":\"{own}/x\"}}")),
        |_| Reply::with("200 OK", &["Content-Type: application/json"], "no JSON"),
    ] {
        let (proxy, _upstream) = stage(reply).await;
        assert_refused(&ask(&proxy, &Token::any()).await);
    }
    let (proxy, _upstream) = stage(move |_| typed(&long)).await;
    assert_refused(&ask(&proxy, &Token::any()).await);
    let (proxy, _upstream) = stage(move |_| Reply::last(broken.clone())).await;
    assert_refused(&ask(&proxy, &Token::any()).await);
    for (status, lines, body) in [
        ("200 OK", vec!["Content-Type: text/html"], "<html>"),
        ("403 Forbidden", vec!["Content-Type: application/vnd.git-lfs+json"], "no JSON"),
        ("200 OK", vec!["Content-Type: application/vnd.git-lfs+json"], ""),
    ] {
        let (proxy, _upstream) = stage(move |_| Reply::with(status, &lines, body)).await;
        let response = ask(&proxy, &Token::any()).await;
        assert_eq!(
            (response.text().as_str(), response.status),
            (body, status[..3].parse().unwrap())
        );
    }
}

/// It is read whole up to two mebibytes, and what is longer is refused.
#[tokio::test]
async fn a_response_that_tells_of_objects_has_a_bounded_length() {
    for (length, status) in [(2 * 1024 * 1024, 200), (2 * 1024 * 1024 + 1, 502)] {
        let body = format!("[\"{}\"]", "a".repeat(length - 4));
        let upstream = Upstream::scripted(move |_| typed(&body)).await;
        let proxy = Proxy::with(&upstream, |settings| {
            settings.limits.buffered_bytes =
                Quota { total: 64 << 20, per_owner: 64 << 20, per_peer: 64 << 20, reserved: 0 };
        })
        .await;
        let response = ask_at(&proxy, "/x", &Token::any()).await;
        assert_eq!(response.status, status, "{length}");
        assert!(
            status == 502 || response.body.len() == length,
            "{length}: {}",
            response.body.len()
        );
    }
}

/// Short documents that take much memory when they are read: their owner pays for that, and gets none where it is too much.
#[tokio::test]
async fn the_owner_pays_for_what_becomes_of_the_bytes() {
    for element in ["{}", "0", "[]", "{\"a\":0}"] {
        let upstream =
            Upstream::scripted(move |_| typed(format!("[{}]", vec![element; 100_000].join(","))))
                .await;
        let proxy = Proxy::with(&upstream, |settings| {
            settings.limits.buffered_bytes =
                Quota { total: 4 << 20, per_owner: 4 << 20, per_peer: 4 << 20, reserved: 0 };
        })
        .await;
        let response = ask_at(&proxy, "/x", &Token::any()).await;
        assert!(
            matches!(response.status, 429 | 503),
            "{element}: {} {}",
            response.status,
            response.text()
        );
    }
}

/// Whoever has such responses read whole pays for the memory, and takes it from nobody else.
#[tokio::test]
async fn the_owner_pays_for_what_is_read_whole() {
    let upstream = Upstream::scripted(|_| typed(format!("[\"{}\"]", "a".repeat(100_000)))).await;
    let proxy = Proxy::with(&upstream, |settings| {
        settings.limits.buffered_bytes =
            Quota { total: 64 * 1024, ..settings.limits.buffered_bytes };
    })
    .await;
    let response = ask_at(&proxy, "/x", &Token::any()).await;
    assert!(matches!(response.status, 429 | 503), "{} {}", response.status, response.text());
    // It was given back.
    let roomy = Proxy::with(&upstream, |settings| {
        settings.limits.buffered_bytes =
            Quota { total: 128 * 1024, per_owner: 128 * 1024, per_peer: 128 * 1024, reserved: 0 };
    })
    .await;
    for _ in 0..5 {
        let response = ask_at(&roomy, "/x", &Token::any()).await;
        assert_eq!((response.status, response.body.len()), (200, 100_004), "{}", response.text());
    }
}
