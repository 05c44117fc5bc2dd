//! Listeners that check the authority that a request names, against DNS rebinding: `docs/spec/upstreams.md` section 2.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use magicproxy_proxy::host_check::HostCheck;
use magicproxy_proxy::settings::{HostName, RouteSettings};
use tokio::net::TcpStream;

use crate::support::Setup;
use crate::support::{
    CREDENTIAL, Client, OnlyUpstream as _, Proxy, Token, Upstream, events_named, request, settings,
    soon,
};

/// The name of an attacker's site, which leads to the proxy.
const REBOUND: &str = "rebind.attacker.test:5000";

/// A proxy with one name, whose listener checks.
async fn checking(upstream: &Upstream) -> Proxy {
    let mut settings = settings(upstream.address, "");
    change(&mut settings);
    let check = Arc::new(HostCheck::new(&settings));
    Proxy::listening(settings, |tcp| vec![tcp.checking_hosts(check)]).await
}

fn change(settings: &mut Setup) {
    settings.upstream_mut().websocket = true;
    settings.upstream_mut().routes = RouteSettings {
        hosts: vec![HostName::parse("gh.test").unwrap()],
        ..RouteSettings::default()
    };
}

/// A request that names an authority, or none.
fn naming(line: &str, host: Option<&str>, lines: &[&str], body: &str) -> Vec<u8> {
    let version = if host.is_some() { "HTTP/1.1" } else { "HTTP/1.0" };
    let host = host.map(|host| format!("Host: {host}\r\n")).unwrap_or_default();
    let lines = lines.iter().map(|line| format!("{line}\r\n")).collect::<String>();
    format!("{line} {version}\r\n{host}{lines}\r\n{body}").into_bytes()
}

#[tokio::test]
async fn a_rebound_name_reaches_nothing() {
    let upstream = Upstream::hello().await;
    let proxy = checking(&upstream).await;
    let token = format!("Authorization: Bearer {}", *Token::any());
    let mint_request = format!(r#"{{"token":"{CREDENTIAL}","allowed":["GET /user"]}}"#);
    let length = format!("Content-Length: {}", mint_request.len());
    let minting = ["Content-Type: application/json", length.as_str()];
    let upgrade = [
        token.as_str(),
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ];
    let authorized = [token.as_str()];
    let requests: [(&str, &[&str], &str); 12] = [
        ("GET /user", &authorized, ""),
        ("GET /user", &[], ""),
        ("OPTIONS /user", &["Origin: http://rebind.attacker.test:5000"], ""),
        ("GET /socket", &upgrade, ""),
        ("POST /__magictoken", &minting, &mint_request),
        ("GET /__magictoken", &[], ""),
        ("HEAD /__magictoken", &[], ""),
        ("GET /__magictoken/keys", &[], ""),
        ("POST /__magictoken/explain", &minting, &mint_request),
        ("POST /__magictoken/narrow", &minting, &mint_request),
        ("GET /a/../b", &authorized, ""),
        ("GET /nowhere", &["Transfer-Encoding: chunked"], "0\r\n\r\n"),
    ];
    let minted = || events_named(&["minted a token"]).len();
    for (line, lines, body) in requests {
        for host in
            [Some(REBOUND), Some("rebind.attacker.test"), Some("127.0.0.1.attacker.test"), None]
        {
            // Without `Host` an HTTP/1.0 request has no chunks either.
            if host.is_none() && line.ends_with("nowhere") {
                continue;
            }
            let response = Client::ask(&proxy, naming(line, host, lines, body)).await;
            assert_eq!(response.status, 421, "{line} {host:?}: {}", response.text());
            if !line.starts_with("HEAD") {
                response.assert_rejected(421, "unknown_host");
                assert!(!response.text().contains("attacker"), "{}", response.text());
            }
        }
    }
    assert!(upstream.requests().is_empty());
    // Of this very process: nobody mints in this test but those who were refused, and the next line.
    let before = minted();
    let response = Client::ask(
        &proxy,
        naming("POST /__magictoken", Some("localhost:1"), &minting, &mint_request),
    )
    .await;
    assert_eq!((response.status, minted() > before), (200, true));
}

#[tokio::test]
async fn a_connection_is_judged_request_by_request() {
    let upstream = Upstream::hello().await;
    let proxy = checking(&upstream).await;
    let token = format!("Authorization: Bearer {}", *Token::any());
    let mut client = Client::connect(&proxy).await;
    for (host, status) in [
        ("127.0.0.1", 200),
        (REBOUND, 421),
        ("localhost", 200),
        ("GH.test:80", 200),
        (REBOUND, 421),
    ] {
        let response = client.exchange(naming("GET /user", Some(host), &[&token], "")).await;
        assert_eq!(response.status, status, "{host}");
    }
    assert_eq!(upstream.requests().len(), 3);
}

#[tokio::test]
async fn the_upstream_s_own_name_is_good_for_clients_that_take_the_proxy_for_it() {
    let upstream = Upstream::hello().await;
    let proxy = checking(&upstream).await;
    let token = format!("Authorization: Bearer {}", *Token::any());
    let own = upstream.address.to_string();
    let asked = naming("GET /user", Some(&own), &[&token], "");
    assert_eq!(Client::ask(&proxy, asked).await.status, 200);
}

#[tokio::test]
async fn a_listener_that_does_not_check_takes_every_name() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    let token = format!("Authorization: Bearer {}", *Token::any());
    for host in [Some(REBOUND), Some("proxy.test"), None] {
        assert_eq!(
            Client::ask(&proxy, naming("GET /user", host, &[&token], "")).await.status,
            200,
            "{host:?}"
        );
    }
}

#[tokio::test]
async fn an_absolute_target_names_nobody() {
    let upstream = Upstream::hello().await;
    let proxy = checking(&upstream).await;
    let token = format!("Authorization: Bearer {}", *Token::any());
    for (target, host) in
        [("http://localhost/user", REBOUND), ("http://rebind.attacker.test/user", "localhost")]
    {
        let response =
            Client::ask(&proxy, naming(&format!("GET {target}"), Some(host), &[&token], "")).await;
        assert_eq!(response.status, 400, "{target} {host}");
    }
    assert!(upstream.requests().is_empty());
}

/// The status of one request by HTTP/2.
async fn by_http2(proxy: &Proxy, uri: &str, host: Option<&str>, token: &str) -> u16 {
    let stream = TcpStream::connect(proxy.address).await.unwrap();
    let (mut sender, connection) =
        soon(http2::handshake(TokioExecutor::new(), TokioIo::new(stream))).await.unwrap();
    tokio::spawn(connection);
    let mut request =
        Request::builder().uri(uri).header("authorization", format!("Bearer {token}"));
    if let Some(host) = host {
        request = request.header("host", host);
    }
    let body = Full::new(Bytes::new()).map_err(|never: Infallible| match never {}).boxed();
    soon(sender.send_request(request.body(body).unwrap())).await.unwrap().status().as_u16()
}

#[tokio::test]
async fn by_http2_both_the_authority_and_host_are_checked() {
    let upstream = Upstream::hello().await;
    let proxy = checking(&upstream).await;
    let token = Token::any();
    let rebound = format!("http://{REBOUND}/user");
    for (uri, host, status) in [
        ("http://localhost:5000/user", None, 200),
        ("http://localhost:5000/user", Some("LOCALHOST:5000"), 200),
        (rebound.as_str(), None, 421),
        (&rebound, Some(REBOUND), 421),
        (&rebound, Some("localhost"), 421),
        ("http://localhost/user", Some(REBOUND), 421),
        ("http://localhost/user", Some("127.0.0.1:5000"), 200),
        ("http://x@localhost/user", None, 400),
        ("http://rebind.attacker.test/__magictoken", None, 421),
    ] {
        assert_eq!(by_http2(&proxy, uri, host, &token).await, status, "{uri} {host:?}");
    }
    assert_eq!(upstream.requests().len(), 3);
}

#[tokio::test]
async fn pages_of_other_sites_are_given_nothing_by_the_control_plane() {
    let upstream = Upstream::hello().await;
    let proxy = checking(&upstream).await;
    let mint_request = format!(r#"{{"token":"{CREDENTIAL}","allowed":["GET /user"]}}"#);
    let origin = "Origin: https://attacker.test";
    let asking =
        ["Access-Control-Request-Method: POST", "Access-Control-Request-Headers: content-type"];
    let preflight = Client::ask(
        &proxy,
        naming("OPTIONS /__magictoken", Some("127.0.0.1"), &[origin, asking[0], asking[1]], ""),
    )
    .await;
    preflight.assert_rejected(405, "method_not_allowed");
    let length = format!("Content-Length: {}", mint_request.len());
    // What a page may send without asking first.
    for media in
        ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
    {
        let media = format!("Content-Type: {media}");
        let simple = naming(
            "POST /__magictoken",
            Some("127.0.0.1"),
            &[origin, &media, &length],
            &mint_request,
        );
        let response = Client::ask(&proxy, simple).await;
        response.assert_rejected(415, "unsupported_media_type");
        assert!(
            !response.fields.iter().any(|(name, _)| name.starts_with("access-control-")),
            "{:?}",
            response.fields
        );
    }
    for path in ["/__magictoken", "/__magictoken/keys", "/user"] {
        let response =
            Client::ask(&proxy, request(&format!("GET {path}"), "", &[origin], "")).await;
        assert!(
            !response.fields.iter().any(|(name, _)| name.starts_with("access-control-")),
            "{path}: {:?}",
            response.fields
        );
    }
    assert!(upstream.requests().is_empty());
}

#[cfg(unix)]
#[tokio::test]
async fn unix_sockets_are_not_checked() {
    use magicproxy_proxy::listener::Listener;
    use tokio::net::{UnixListener, UnixStream};

    let upstream = Upstream::hello().await;
    let folder = tempfile::tempdir().unwrap();
    let unix = Listener::unix(UnixListener::bind(folder.path().join("s")).unwrap());
    let settings = settings(upstream.address, "");
    let check = Arc::new(HostCheck::new(&settings));
    let _proxy = Proxy::listening(settings, |tcp| vec![tcp.checking_hosts(check), unix]).await;
    let mut client =
        Client::over(soon(UnixStream::connect(folder.path().join("s"))).await.unwrap());
    assert_eq!(client.exchange(request("GET /user", &Token::any(), &[], "")).await.status, 200);
}
