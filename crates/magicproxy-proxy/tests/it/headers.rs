//! Which fields reach the upstream, and which come back.

use magicproxy_proxy::settings::Forwarding;

use crate::support::{
    CREDENTIAL, Client, ClientResponse, OnlyUpstream as _, Proxy, Reply, Seen, Token, Upstream,
    listed, request,
};

/// What the upstream sees of a request with these lines.
async fn passed(lines: &[&str]) -> Seen {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    let response = Client::ask(&proxy, request("GET /user", &Token::any(), lines, "")).await;
    assert_eq!(response.status, 200, "{}", response.text());
    upstream.only_request()
}

/// What the client sees of a response with these lines.
async fn answered(lines: &'static [&'static str]) -> ClientResponse {
    let upstream = Upstream::scripted(|_| Reply::with("200 OK", lines, "hello")).await;
    let proxy = Proxy::before(&upstream).await;
    Client::ask(&proxy, request("GET /user", &Token::any(), &[], "")).await
}

#[tokio::test]
async fn ordinary_fields_pass_and_only_a_coding_is_added() {
    let lines = [
        "Accept: */*",
        "User-Agent: x",
        "Traceparent: 00-0-0-01",
        "If-None-Match: \"a\"",
        "X-Request-Id: 1",
        "X-Request-Id: 2",
    ];
    let seen = passed(&lines).await;
    assert_eq!(
        seen.names(),
        [
            "accept",
            "accept-encoding",
            "authorization",
            "host",
            "if-none-match",
            "traceparent",
            "user-agent",
            "x-request-id",
            "x-request-id"
        ]
    );
    assert_eq!(seen.all("x-request-id"), ["1", "2"]);
}

#[tokio::test]
async fn fields_that_carry_claim_or_concern_the_connection_are_dropped() {
    let names = [
        // Carriers of credentials.
        "Proxy-Authorization",
        "Cookie",
        "Cookie2",
        "Private-Token",
        "Job-Token",
        "Deploy-Token",
        "X-Api-Key",
        "Api-Key",
        "ApiKey",
        "X-Auth-Key",
        "X-Auth-Email",
        "X-Auth-Token",
        "X-Access-Token",
        // Claims about the client and its destination.
        "Forwarded",
        "Via",
        "X-Real-IP",
        "X-Client-IP",
        "True-Client-IP",
        "Client-IP",
        "CF-Connecting-IP",
        "X-Originating-IP",
        "X-Remote-IP",
        "X-Remote-Addr",
        "X-Remote-User",
        "Remote-User",
        "X-Cluster-Client-IP",
        "X-Host",
        "X-Original-Host",
        "X-HTTP-Host-Override",
        "Front-End-Https",
        "X-SSL-Client-DN",
        "X-SSL-Anything",
        "X-Sendfile",
        "Destination",
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
        "X-Forwarded-Prefix",
        "X-Forwarded-User",
        "X-WebAuth-User",
        "X-Auth-Request-User",
        // Hop by hop.
        "Keep-Alive",
        "Proxy-Connection",
        "Proxy-Authenticate",
        "TE",
        "Upgrade",
        "HTTP2-Settings",
        "Max-Forwards",
        // Read as other names by servers that see no difference between `_` and `-`.
        "X_Forwarded_For",
        "Transfer_Encoding",
        "Content_Length",
        "AUTHORIZATION_",
        "X_A",
    ];
    let lines: Vec<String> = names.iter().map(|name| format!("{name}: websnocket")).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let seen = passed(&lines).await;
    assert_eq!(seen.names(), ["accept-encoding", "authorization", "host"]);
    assert_eq!(seen.all("authorization"), [format!("Bearer {CREDENTIAL}")]);
}

#[tokio::test]
async fn what_connection_names_is_dropped_but_never_ours() {
    let seen = passed(&[
        "Connection: close, X-Secret , ,authorization,HOST",
        "Connection: x-other",
        "X-Secret: 1",
        "X-Other: 1",
        "Connection: Accept",
        "Accept: */*",
        "X-Request-Id: 1",
    ])
    .await;
    assert_eq!(seen.all("authorization"), [format!("Bearer {CREDENTIAL}")]);
    assert_eq!(seen.all("host").len(), 1);
    assert_eq!(seen.names(), ["accept-encoding", "authorization", "host", "x-request-id"]);
}

#[tokio::test]
async fn overrides_of_method_and_path_are_refused() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    let token = Token::any();
    for name in [
        "X-HTTP-Method-Override",
        "x-http-method",
        "X-Method-Override",
        "X_HTTP_METHOD_OVERRIDE",
        "X-Http_Method-Override",
        "X-Original-URL",
        "X-Rewrite-URL",
        "X_ORIGINAL_URL",
        "X-Original-URI",
        "X-Accel-Redirect",
        "X-HTTP-Path-Override",
        "X-Rewrite-Path",
        "x_rewrite_path",
        "X-HTTP-URL-Override",
        "X-Original-Request-URI",
        "X-HTTP-Verb-Override",
        "X-RestLi-Method",
        "_method",
        "Request-URI",
    ] {
        let response =
            Client::ask(&proxy, request("GET /user", &token, &[&format!("{name}: DELETE")], ""))
                .await;
        response.assert_rejected(400, "override_header");
    }
    assert!(upstream.requests().is_empty());
}

#[tokio::test]
async fn no_field_smuggles_another() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    let token = Token::any();
    for line in [
        "X-A: 1\rX-B: 2",
        "X-A: 1\n X-B: 2",
        "X-A: \0",
        " X-A: 1",
        "X-A : 1",
        ": 1",
        "X-\u{e4}: 1",
        "X A: 1",
        "X-A",
    ] {
        let mut client = Client::connect(&proxy).await;
        client.send(request("GET /user", &token, &[line], "")).await;
        let response = client.response_head().await;
        assert_eq!(response.status, 400, "{line:?}");
        client.closed().await;
    }
    assert!(upstream.requests().is_empty());
}

#[tokio::test]
async fn configured_fields_and_parameters_are_dropped() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::with(&upstream, |settings| {
        settings.upstream_mut().pass_request_headers = listed(&["X-A", "X-Tracking"]);
        let dropped = ["x-tracking", "accept"].map(http::HeaderName::from_static).to_vec();
        settings.upstream_mut().drop_request_headers = dropped;
        settings.upstream_mut().drop_query_parameters = vec!["access_token".to_owned()];
    })
    .await;
    let token = Token::any();
    let query = "a=1&access_token=x&b=%20&Access-Token[]=y&%61ccess_token=z&c";
    let response = Client::ask(
        &proxy,
        request(
            &format!("GET /user?{query}"),
            &token,
            &["X-Tracking: 1", "Accept: */*", "X-A: 1"],
            "",
        ),
    )
    .await;
    assert_eq!(response.status, 200);
    let seen = upstream.only_request();
    assert_eq!(
        (seen.target.as_str(), seen.names()),
        ("/user?a=1&b=%20&c", vec!["accept-encoding", "authorization", "host", "x-a"])
    );
}

#[tokio::test]
async fn forwarding_fields_are_ours_or_absent() {
    let forged = [
        "Forwarded: for=6.6.6.6",
        "X-Forwarded-For: 6.6.6.6",
        "X-Forwarded-Proto: https",
        "Via: 1.1 forged",
    ];
    for (mode, expected) in [
        (Forwarding::None, vec![]),
        (
            Forwarding::Forwarded,
            vec![("forwarded", "for=127.0.0.1;proto=http"), ("via", "1.1 magicproxy")],
        ),
        (
            Forwarding::XForwarded,
            vec![
                ("via", "1.1 magicproxy"),
                ("x-forwarded-for", "127.0.0.1"),
                ("x-forwarded-proto", "http"),
            ],
        ),
    ] {
        let upstream = Upstream::hello().await;
        let proxy =
            Proxy::with(&upstream, |settings| settings.upstream_mut().forwarding = mode).await;
        Client::ask(&proxy, request("GET /user", &Token::any(), &forged, "")).await;
        let seen = upstream.only_request();
        let ours: Vec<&str> = seen
            .names()
            .into_iter()
            .filter(|name| !["accept-encoding", "authorization", "host"].contains(name))
            .collect();
        assert_eq!(ours, expected.iter().map(|(name, _)| *name).collect::<Vec<_>>());
        for (name, value) in expected {
            assert_eq!(seen.all(name), [value]);
        }
    }
}

#[tokio::test]
async fn only_codings_that_can_be_searched_are_asked_for() {
    for (asked, sent) in [
        (&["Accept-Encoding: gzip, deflate, br, zstd"][..], vec!["gzip"]),
        (&["Accept-Encoding: br", "Accept-Encoding: GZIP;q=0.5"], vec!["gzip"]),
        (&["Accept-Encoding: br"], vec!["identity"]),
        (&["Accept-Encoding: gzip;q=0, *"], vec!["identity"]),
        (&["Accept-Encoding: gzip ; Q=0.000"], vec!["identity"]),
        (&["Accept-Encoding: *"], vec!["identity"]),
        // An upstream that is not asked may choose.
        (&[], vec!["identity"]),
        (&["Accept-Encoding:"], vec!["identity"]),
        // Nobody can look into a part of what is compressed.
        (&["Accept-Encoding: gzip", "Range: bytes=5-"], vec!["identity"]),
    ] {
        assert_eq!(passed(asked).await.all("accept-encoding"), sent, "{asked:?}");
    }
}

/// git and others send what they have compressed.
#[tokio::test]
async fn content_that_the_client_has_compressed_goes_up_as_it_is() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    for coding in ["gzip", "br", "zstd"] {
        let lines = [&format!("Content-Encoding: {coding}"), "Content-Length: 5"];
        let response = Client::ask(
            &proxy,
            request("POST /git-upload-pack", &Token::any(), &lines, "\x1f\x02abc"),
        )
        .await;
        assert_eq!(response.status, 200);
        let seen = upstream.take_requests().pop().unwrap();
        assert_eq!(
            (seen.all("content-encoding"), seen.body.as_slice()),
            (vec![coding], &b"\x1f\x02abc"[..])
        );
    }
}

/// What is said in the head of a response by the proxy alone, or taken out of it, must not come behind its content.
#[tokio::test]
async fn trailers_hold_nothing_that_the_head_may_not() {
    const NAMES: [&str; 15] = [
        "Magic-Receipt",
        "X-Magic-API-Proxy",
        "RateLimit",
        "RateLimit-Policy",
        "Alt-Svc",
        "Strict-Transport-Security",
        "Public-Key-Pins",
        "X-Hop",
        "X-Session",
        "Set-Cookie",
        "Keep-Alive",
        "Content-Length",
        "Location",
        "WWW-Authenticate",
        "Proxy-Authenticate",
    ];
    let trailers: String = NAMES.iter().map(|name| format!("{name}: forged\r\n")).collect();
    let head = format!(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: X-Hop\r\nTrailer: X-Sum, {}\r\n\r\n",
        NAMES.join(", ")
    );
    let bytes = format!("{head}2\r\nok\r\n0\r\nX-Sum: 1\r\n{trailers}\r\n");
    let upstream = Upstream::scripted(move |_| Reply::bytes(bytes.clone())).await;
    let proxy = Proxy::with(&upstream, |settings| {
        settings
            .upstream_mut()
            .drop_response_headers
            .push(http::HeaderName::from_static("x-session"));
    })
    .await;
    let response =
        Client::ask(&proxy, request("GET /a", &Token::any(), &["TE: trailers"], "")).await;
    assert_eq!(response.text(), "ok");
    assert_eq!(response.all("trailer"), ["x-sum"]);
    assert_eq!(response.trailers, [("x-sum".to_owned(), "1".to_owned())]);
    assert!(!format!("{response:?}").contains("forged"));
}

#[tokio::test]
async fn responses_keep_what_is_theirs_and_lose_what_concerns_the_connection() {
    let response = answered(&[
        "Set-Cookie: a=1",
        "Set-Cookie: b=2",
        "ETag: \"x\"",
        "Connection: keep-alive, X-Hop",
        "X-Hop: 1",
        "Keep-Alive: timeout=5",
        "Proxy-Authenticate: Basic",
        "Proxy-Connection: keep-alive",
        "Upgrade: h2c",
        "Alt-Svc: h3=\":443\"",
        "Strict-Transport-Security: max-age=1",
        "Public-Key-Pins: pin",
        "X-Magic-API-Proxy: forged",
    ])
    .await;
    assert_eq!(response.all("set-cookie"), ["a=1", "b=2"]);
    assert_eq!(response.all("x-magic-api-proxy"), [magicproxy_proxy::VERSION]);
    let mut names: Vec<&str> = response.fields.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        ["content-length", "date", "etag", "set-cookie", "set-cookie", "x-magic-api-proxy"]
    );
}

/// A session that the API opens for whoever shows its credential is another credential, and one that no rule narrows.
#[tokio::test]
async fn what_the_operator_lets_no_client_see_does_not_come_down() {
    let upstream = Upstream::scripted(|_| {
        Reply::with(
            "200 OK",
            &["Set-Cookie: SESSION=1; HttpOnly", "set-cookie: b=2", "X-Session: 3", "ETag: \"x\""],
            "hello",
        )
    })
    .await;
    let proxy = Proxy::with(&upstream, |settings| {
        let dropped = &mut settings.upstream_mut().drop_response_headers;
        dropped.extend([http::header::SET_COOKIE, http::HeaderName::from_static("x-session")]);
    })
    .await;
    let response = Client::ask(&proxy, request("GET /a", &Token::any(), &[], "")).await;
    assert_eq!((response.status, response.text().as_str()), (200, "hello"));
    let mut names: Vec<&str> = response.fields.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["content-length", "date", "etag", "x-magic-api-proxy"]);
}

#[tokio::test]
async fn an_empty_body_is_no_chunked_body_upstream() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    let token = Token::any();
    for (line, lines, length) in [
        ("GET /a", &[][..], None),
        ("HEAD /a", &[], None),
        ("DELETE /a", &[], None),
        ("GET /a", &["Content-Length: 0"], None),
        ("POST /a", &["Content-Length: 0"], Some("0")),
        ("PUT /a", &[], Some("0")),
    ] {
        assert_eq!(Client::ask(&proxy, request(line, &token, lines, "")).await.status, 200);
        let seen = upstream.requests().pop().unwrap();
        assert!(seen.all("transfer-encoding").is_empty(), "{line}");
        let lengths = seen.all("content-length");
        // A length of zero may be said or left away where a body is unusual.
        assert!(lengths.first().copied() == length || lengths == ["0"], "{line}: {lengths:?}");
    }
}
