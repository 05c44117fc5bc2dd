//! Pages of other origins, as the Fetch standard has browsers speak for them: `docs/spec/upstreams.md` section 11.

use std::sync::Arc;

use magicproxy_proxy::host_check::HostCheck;
use magicproxy_proxy::settings::{PageOrigin, PageOrigins};

use crate::support::{
    Client, ClientResponse, OnlyUpstream as _, Proxy, Reply, Token, Upstream, request, settings,
};

const PAGE: &str = "https://app.example.com";

/// An upstream that says of itself what browsers may read.
async fn permissive() -> Upstream {
    let fields = [
        "Access-Control-Allow-Origin: *",
        "Access-Control-Allow-Credentials: true",
        "Access-Control-Expose-Headers: ETag",
        "Access-Control-Allow-Methods: *",
        "Access-Control-Allow-Private-Network: true",
        "Vary: Accept",
        "ETag: \"x\"",
    ];
    Upstream::scripted(move |_| Reply::with("200 OK", &fields, "hello")).await
}

async fn proxy(upstream: &Upstream, origins: &[&str]) -> Proxy {
    let origins = origins.iter().map(|origin| PageOrigin::parse(origin).unwrap()).collect();
    Proxy::with(upstream, |settings| {
        settings.upstream_mut().allow_origins = PageOrigins::of(origins).unwrap()
    })
    .await
}

fn preflight(path: &str, origin: &str, lines: &[&str]) -> Vec<u8> {
    let origin = format!("Origin: {origin}");
    request(&format!("OPTIONS {path}"), "", &[&[origin.as_str()], lines].concat(), "")
}

const ASKS: [&str; 2] = [
    "Access-Control-Request-Method: PUT",
    "Access-Control-Request-Headers: authorization,content-type",
];

fn cors_fields(response: &ClientResponse) -> Vec<&str> {
    let names = response.fields.iter().map(|(name, _)| name.as_str());
    names.filter(|name| name.to_ascii_lowercase().starts_with("access-control-")).collect()
}

#[tokio::test]
async fn a_preflight_is_answered_without_a_token_for_the_listed_origins_only() {
    let upstream = permissive().await;
    let proxy = proxy(&upstream, &[PAGE, "http://localhost:3000"]).await;
    for origin in [PAGE, "http://localhost:3000"] {
        let response = Client::ask(&proxy, preflight("/user?x=1", origin, &ASKS)).await;
        assert_eq!((response.status, response.text().as_str()), (204, ""), "{origin}");
        assert_eq!(response.one("access-control-allow-origin"), Some(origin));
        assert_eq!(response.one("access-control-allow-methods"), Some("PUT"));
        assert_eq!(
            response.one("access-control-allow-headers"),
            Some("authorization, content-type")
        );
        assert_eq!(response.one("access-control-max-age"), Some("600"));
        assert_eq!(
            response.one("vary"),
            Some("Origin, Access-Control-Request-Method, Access-Control-Request-Headers")
        );
        assert_eq!(response.one("access-control-allow-credentials"), None);
        assert_eq!(response.one("access-control-allow-private-network"), None);
    }
    for origin in [
        "https://app.example.com.evil.example",
        "https://evil.example",
        "http://app.example.com",
        "https://app.example.com:8443",
        "https://APP.example.com",
        "https://app.example.com/",
        "null",
        "*",
        "",
    ] {
        let response = Client::ask(&proxy, preflight("/user", origin, &ASKS)).await;
        response.assert_rejected(401, "missing_token");
        assert_eq!(cors_fields(&response), Vec::<&str>::new(), "{origin}");
        assert_eq!(response.one("vary"), Some("Origin"), "{origin}");
    }
    // Two origins, or none, are no page's.
    let twice = preflight("/user", PAGE, &[&format!("Origin: {PAGE}"), ASKS[0]]);
    let none = request("OPTIONS /user", "", &ASKS, "");
    for bytes in [twice, none] {
        let response = Client::ask(&proxy, bytes).await;
        response.assert_rejected(401, "missing_token");
        assert_eq!(cors_fields(&response), Vec::<&str>::new());
    }
    assert!(upstream.requests().is_empty());
}

#[tokio::test]
async fn a_preflight_names_no_more_than_was_asked_for_and_may_be() {
    let upstream = permissive().await;
    let proxy = proxy(&upstream, &[PAGE]).await;
    let many = format!(
        "Access-Control-Request-Headers: {}",
        (0..65).map(|n| format!("x-{n}")).collect::<Vec<_>>().join(",")
    );
    let long = format!("Access-Control-Request-Headers: {}", "x".repeat(5_000));
    let cases: [(&[&str], Option<&str>, Option<&str>); 9] = [
        (&["Access-Control-Request-Method: DELETE"], Some("DELETE"), None),
        (&["Access-Control-Request-Method: PROPFIND"], Some("PROPFIND"), None),
        (&["Access-Control-Request-Method: CONNECT"], None, None),
        (&["Access-Control-Request-Method: TRACE"], None, None),
        (&["Access-Control-Request-Method: *"], None, None),
        (&["Access-Control-Request-Method: patch"], None, None),
        (
            &["Access-Control-Request-Method: GET", "Access-Control-Request-Headers: x-a,*;, y"],
            Some("GET"),
            None,
        ),
        (&["Access-Control-Request-Method: GET", &many], Some("GET"), None),
        (&["Access-Control-Request-Method: GET", &long], Some("GET"), None),
    ];
    for (lines, methods, names) in cases {
        let response = Client::ask(&proxy, preflight("/user", PAGE, lines)).await;
        assert_eq!(response.status, 204, "{lines:?}");
        assert_eq!(
            (
                response.one("access-control-allow-methods"),
                response.one("access-control-allow-headers")
            ),
            (methods, names)
        );
    }
    let asked =
        preflight("/user", PAGE, &[ASKS[0], "Access-Control-Request-Private-Network: true"]);
    assert_eq!(
        Client::ask(&proxy, asked).await.one("access-control-allow-private-network"),
        Some("true")
    );
    // One that asks for nothing is no preflight.
    Client::ask(&proxy, preflight("/user", PAGE, &[])).await.assert_rejected(401, "missing_token");
    assert!(upstream.requests().is_empty());
}

#[tokio::test]
async fn responses_and_refusals_say_who_may_read_them_whatever_the_upstream_says() {
    let upstream = permissive().await;
    let proxy = proxy(&upstream, &[PAGE]).await;
    let token = Token::allowing(&["GET /user", "OPTIONS /user"]).mint();
    let of_page = format!("Origin: {PAGE}");
    for (line, token, status) in [
        ("GET /user", token.as_str(), 200),
        ("OPTIONS /user", &token, 200),
        ("GET /other", &token, 403),
        ("GET /user", "", 401),
        ("GET /user", "x.y.z", 401),
        ("GET /a/../b", &token, 400),
    ] {
        let response = Client::ask(&proxy, request(line, token, &[&of_page], "")).await;
        assert_eq!(response.status, status, "{line}");
        assert_eq!(response.one("access-control-allow-origin"), Some(PAGE), "{line}");
        assert_eq!(response.one("access-control-expose-headers"), Some("*"), "{line}");
        assert_eq!(cors_fields(&response).len(), 2, "{line}: {:?}", response.fields);
        assert!(response.all("vary").contains(&"Origin"), "{line}: {:?}", response.fields);
        // Another page, and a client that is none.
        for origin in [vec!["Origin: https://evil.example"], vec!["Origin: null"], vec![]] {
            let response = Client::ask(&proxy, request(line, token, &origin, "")).await;
            assert_eq!(response.status, status, "{line}");
            assert_eq!(cors_fields(&response), Vec::<&str>::new(), "{line} {origin:?}");
            assert!(
                response.all("vary").contains(&"Origin"),
                "a cache keeps the two apart: {line}"
            );
        }
    }
    assert_eq!(
        Client::ask(&proxy, request("GET /user", &token, &[], "")).await.all("vary"),
        ["Accept", "Origin"]
    );
}

#[tokio::test]
async fn no_page_reads_the_control_plane() {
    let upstream = permissive().await;
    let proxy = proxy(&upstream, &[PAGE]).await;
    let token = Token::any();
    let of_page = format!("Origin: {PAGE}");
    for path in
        ["", "/narrow", "/reseal", "/explain", "/keys", "/upstreams", "/upstreams/x", "/nothing"]
    {
        let path = format!("/__magictoken{path}");
        for asks in [
            &ASKS[..],
            &["Access-Control-Request-Method: POST"],
            &["Access-Control-Request-Method: GET"],
        ] {
            let response = Client::ask(&proxy, preflight(&path, PAGE, asks)).await;
            assert!((400..500).contains(&response.status), "{path}: {}", response.status);
            assert_eq!(cors_fields(&response), Vec::<&str>::new(), "{path}");
        }
        for line in ["GET", "POST"] {
            let response =
                Client::ask(&proxy, request(&format!("{line} {path}"), &token, &[&of_page], ""))
                    .await;
            assert_eq!(cors_fields(&response), Vec::<&str>::new(), "{line} {path}");
        }
    }
}

/// The check against DNS rebinding comes first, whatever page asks.
#[tokio::test]
async fn a_rebound_name_gets_no_preflight() {
    let upstream = permissive().await;
    let mut settings = settings(upstream.address, "");
    settings.upstream_mut().allow_origins =
        PageOrigins::of(vec![PageOrigin::parse(PAGE).unwrap()]).unwrap();
    let check = Arc::new(HostCheck::new(&settings));
    let proxy = Proxy::listening(settings, |tcp| vec![tcp.checking_hosts(check)]).await;
    let text = String::from_utf8(preflight("/user", PAGE, &ASKS)).unwrap();
    let rebound = Client::ask(&proxy, text.replace("proxy.test", "rebind.attacker.test")).await;
    rebound.assert_rejected(421, "unknown_host");
    assert_eq!(cors_fields(&rebound), Vec::<&str>::new());
    assert_eq!(Client::ask(&proxy, text.replace("proxy.test", "127.0.0.1")).await.status, 204);
}

#[tokio::test]
async fn where_no_origin_is_listed_nothing_changes() {
    let upstream = permissive().await;
    let proxy = Proxy::before(&upstream).await;
    let token = Token::any();
    let response = Client::ask(&proxy, preflight("/user", PAGE, &ASKS)).await;
    response.assert_rejected(401, "missing_token");
    assert_eq!((cors_fields(&response), response.one("vary")), (Vec::new(), None));
    let response =
        Client::ask(&proxy, request("GET /user", &token, &[&format!("Origin: {PAGE}")], "")).await;
    assert_eq!(response.one("access-control-allow-origin"), Some("*"));
    assert_eq!(response.one("vary"), Some("Accept"));
}
