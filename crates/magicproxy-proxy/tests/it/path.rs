//! The path of a request: allowed, refused, answered.

use crate::support::{
    CREDENTIAL, Client, ClientResponse, NAME, OnlyUpstream as _, Proxy, Reply, Token, Upstream,
    all, now, request, rules, settings,
};

/// Sends one request with a token that allows `rules`.
async fn ask(rules: &[&str], line: &str) -> (ClientResponse, Upstream) {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    let response =
        Client::ask(&proxy, request(line, &Token::allowing(rules).mint(), &[], "")).await;
    (response, upstream)
}

#[tokio::test]
async fn an_allowed_request_goes_through_with_the_credential() {
    let (response, upstream) = ask(&["GET /repos/acme/[a-z]+"], "GET /repos/acme/widgets").await;
    assert_eq!((response.status, response.text().as_str()), (200, "hello"));
    assert_eq!(response.one("x-magic-api-proxy"), Some(magicproxy_proxy::VERSION));
    let seen = upstream.only_request();
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("GET", "/repos/acme/widgets"));
    assert_eq!(seen.all("authorization"), [format!("Bearer {CREDENTIAL}")]);
    assert_eq!(seen.all("host"), [upstream.address.to_string()]);
}

#[tokio::test]
async fn a_refusal_says_who_refuses_and_why() {
    let (response, upstream) = ask(&["GET /user"], "GET /users").await;
    response.assert_rejected(403, "not_allowed");
    let problem = response.json();
    let mut members: Vec<&str> = problem.as_object().unwrap().keys().map(String::as_str).collect();
    members.sort_unstable();
    assert_eq!(members, ["code", "detail", "message", "request_id", "status", "title", "type"]);
    assert_eq!(problem["type"], "urn:magicproxy:problem:not_allowed");
    assert_eq!(problem["status"], 403);
    assert_eq!(problem["detail"], "the token does not allow this request");
    let id = problem["request_id"].as_str().unwrap();
    let status = response.one("proxy-status").unwrap();
    assert_eq!(
        status,
        format!("magicproxy; error=http_request_denied; details=\"not_allowed {id}\"")
    );
    assert_eq!(response.one("cache-control"), Some("no-store"));
    assert_eq!(response.all("www-authenticate"), Vec::<&str>::new());
    assert!(upstream.requests().is_empty());
}

#[tokio::test]
async fn patterns_span_the_whole_path_and_nothing_else() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    let token = Token::allowing(&["GET /user", "POST /a|/b", "GET /n/\\d+"]).mint();
    let refused = [
        "GET /users",
        "GET /user/keys",
        "GET /user/",
        "GET /User",
        "GET /xuser",
        "POST /user",
        "GET /a",
        "POST /a/x",
        "POST /bb",
        "GET /n/1a",
        "GET /n/%D9%A1",
        "get /user",
        "GET /",
        "DELETE /user",
        "GETX /user",
        "OPTIONS /user",
    ];
    for line in refused {
        Client::ask(&proxy, request(line, &token, &[], ""))
            .await
            .assert_rejected(403, "not_allowed");
    }
    assert!(upstream.requests().is_empty());
    for line in ["GET /user", "HEAD /user", "POST /a", "POST /b", "GET /n/12", "GET /us%65r"] {
        assert_eq!(Client::ask(&proxy, request(line, &token, &[], "")).await.status, 200, "{line}");
    }
    assert_eq!(upstream.requests()[5].target, "/user");
}

#[tokio::test]
async fn ambiguous_targets_are_refused_before_anything_else() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    let token = Token::any();
    let cases = [
        ("/a/../b", "target_dot_segment"),
        ("/a/%2e%2E/b", "target_dot_segment"),
        ("/a/.%2e", "target_dot_segment"),
        ("//a", "target_empty_segment"),
        ("/a//b", "target_empty_segment"),
        ("/a%2Fb", "target_encoded_slash"),
        ("/a%5cb", "target_backslash"),
        ("/a%252fb", "target_encoding"),
        ("/a%00", "target_control"),
        ("/a;b", "target_parameter"),
        ("/a?_method=DELETE", "method_override"),
        ("/a?x=1&%5Fmethod=DELETE", "method_override"),
        ("/a?%255FMethod[]=DELETE", "method_override"),
        ("/a?$method=DELETE", "method_override"),
        ("/a?X-HTTP-Method-Override=DELETE", "method_override"),
        ("/a?;_method=PUT", "method_override"),
        ("/a?[_method]=DELETE", "method_override"),
        ("http://elsewhere.test/a", "target_form"),
    ];
    for (target, code) in cases {
        Client::ask(&proxy, request(&format!("GET {target}"), &token, &[], ""))
            .await
            .assert_rejected(400, code);
    }
    for line in [
        "OPTIONS *",
        "CONNECT elsewhere.test:443",
        "CONNECT /a",
        "TRACE /a",
        "trace /a",
        "TRACK /a",
        "PRI /a",
    ] {
        let response = Client::ask(&proxy, request(line, &token, &[], "")).await;
        assert!([400, 403].contains(&response.status), "{line}: {}", response.status);
    }
    assert!(upstream.requests().is_empty());
}

#[tokio::test]
async fn the_query_passes_byte_for_byte() {
    let query = "a=1&a=2&&b=%e4%BD%A0+x&c=a/b?c&d[]={1}&_methods=x&e=%2e%2e/;q&f";
    let (response, upstream) = ask(&["GET /search"], &format!("GET /search?{query}")).await;
    assert_eq!(response.status, 200);
    assert_eq!(upstream.only_request().target, format!("/search?{query}"));
    let (_, upstream) = ask(&["GET /search"], "GET /search?").await;
    assert_eq!(upstream.only_request().target, "/search?");
}

#[tokio::test]
async fn the_base_path_stands_before_the_canonical_path() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::start(settings(upstream.address, "/api/v3/")).await;
    let token = Token::allowing(&["GET /u.er"]).mint();
    assert_eq!(Client::ask(&proxy, request("GET /%75ser?x", &token, &[], "")).await.status, 200);
    assert_eq!(upstream.only_request().target, "/api/v3/user?x");
    Client::ask(&proxy, request("GET /api/v3/user", &token, &[], ""))
        .await
        .assert_rejected(403, "not_allowed");
}

#[tokio::test]
async fn an_encoded_slash_is_allowed_in_both_readings_or_not_at_all() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::with(&upstream, |settings| {
        settings.upstream_mut().encoded_slash = magicproxy_core::EncodedSlash::Both
    })
    .await;
    let one = Token::allowing(&["GET /a/[^/]+"]).mint();
    Client::ask(&proxy, request("GET /a/b%2fc", &one, &[], ""))
        .await
        .assert_rejected(403, "not_allowed");
    Client::ask(&proxy, request("GET /a/b%2f..", &one, &[], ""))
        .await
        .assert_rejected(400, "target_dot_segment");
    let both = Token::allowing(&["GET /a/.+"]).mint();
    assert_eq!(Client::ask(&proxy, request("GET /a/b%2fc", &both, &[], "")).await.status, 200);
    assert_eq!(upstream.only_request().target, "/a/b%2Fc");
    Client::ask(&proxy, request("GET /a/%3Fb", &one, &[], ""))
        .await
        .assert_rejected(403, "not_allowed");
}

#[tokio::test]
async fn head_is_admitted_by_get_and_keeps_the_length() {
    let upstream = Upstream::scripted(|_| {
        Reply::bytes("HTTP/1.1 200 OK\r\nContent-Length: 1234\r\nETag: \"x\"\r\n\r\n")
    })
    .await;
    let proxy = Proxy::before(&upstream).await;
    let mut client = Client::connect(&proxy).await;
    let token = Token::allowing(&["GET /file"]).mint();
    for _ in 0..2 {
        let response = client.exchange(request("HEAD /file", &token, &[], "")).await;
        assert_eq!((response.status, response.one("content-length")), (200, Some("1234")));
    }
    let requests = upstream.requests();
    assert_eq!((requests[1].method.as_str(), requests[1].connection), ("HEAD", 0));
}

#[tokio::test]
async fn responses_without_a_body_keep_their_framing() {
    let upstream = Upstream::scripted(|seen| match seen.target.as_str() {
        "/304" => {
            Reply::bytes("HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\nETag: \"x\"\r\n\r\n")
        }
        "/304-bare" => Reply::bytes("HTTP/1.1 304 Not Modified\r\n\r\n"),
        "/204" => Reply::bytes("HTTP/1.1 204 No Content\r\n\r\n"),
        _ => Reply::bytes("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    })
    .await;
    let proxy = Proxy::before(&upstream).await;
    let token = Token::any();
    let mut client = Client::connect(&proxy).await;
    for (target, status, length) in
        // hyper leaves away the length of a 304, which may be absent (RFC 9110 section 8.6).
        [
            ("/304", 304, None),
            ("/304-bare", 304, None),
            ("/204", 204, None),
            ("/empty", 200, Some("0")),
        ]
    {
        let response = client.exchange(request(&format!("GET {target}"), &token, &[], "")).await;
        assert_eq!((response.status, response.one("content-length")), (status, length), "{target}");
        assert_eq!(response.one("transfer-encoding"), None);
    }
    assert_eq!(upstream.requests()[3].connection, 0, "the connection was kept");
}

#[tokio::test]
async fn a_head_response_without_length_gets_none() {
    let upstream = Upstream::scripted(|_| {
        Reply::bytes("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    })
    .await;
    let proxy = Proxy::before(&upstream).await;
    let mut client = Client::connect(&proxy).await;
    let token = Token::any();
    for _ in 0..2 {
        let response = client.exchange(request("HEAD /file", &token, &[], "")).await;
        assert_eq!((response.status, response.one("content-length")), (200, None));
    }
}

#[tokio::test]
async fn the_upstreams_response_passes_unchanged() {
    let body = r#"{"message":"Bad credentials","status":"401"}"#;
    let upstream = Upstream::scripted(move |_| {
        Reply::with(
            "401 Unauthorized",
            &["WWW-Authenticate: Basic realm=\"GitHub\"", "X-Magic-API-Proxy: forged"],
            body,
        )
    })
    .await;
    let proxy = Proxy::before(&upstream).await;
    let response = Client::ask(&proxy, request("GET /user", &Token::any(), &[], "")).await;
    assert_eq!((response.status, response.text().as_str()), (401, body));
    assert_eq!(response.all("www-authenticate"), ["Basic realm=\"GitHub\""]);
    assert_eq!(response.all("x-magic-api-proxy"), [magicproxy_proxy::VERSION]);
    assert!(response.all("proxy-status").is_empty());
}

#[tokio::test]
async fn redirects_are_responses_and_never_followed() {
    let upstream =
        Upstream::scripted(|_| Reply::with("302 Found", &["Location: /admin"], "")).await;
    let proxy = Proxy::before(&upstream).await;
    let response = Client::ask(&proxy, request("GET /user", &Token::any(), &[], "")).await;
    assert_eq!((response.status, response.one("location")), (302, Some("/admin")));
    assert_eq!(upstream.requests().len(), 1);
}

#[tokio::test]
async fn only_an_explaining_token_is_told_what_it_lacks() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    let told = Token::allowing(&["GET /user"]).explaining().mint();
    let response = Client::ask(&proxy, request("POST /repos/acme", &told, &[], "")).await;
    response.assert_rejected(403, "not_allowed");
    assert!(response.text().contains("POST /repos/acme"), "{}", response.text());

    let untold = Token::allowing(&["GET /user"]).mint();
    let details = ["POST /repos/acme", "GET /user/keys", "DELETE /", "GET /nothing"];
    for line in details {
        let response = Client::ask(&proxy, request(line, &untold, &[], "")).await;
        assert_eq!(response.json()["detail"], "the token does not allow this request");
    }
}

#[tokio::test]
async fn a_token_for_another_upstream_is_not_accepted() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    let other = Token::allowing(&["* /.*"]).for_upstream(Some("other.test")).mint();
    Client::ask(&proxy, request("GET /user", &other, &[], ""))
        .await
        .assert_rejected(401, "wrong_upstream");
    for name in [None, Some(NAME)] {
        let token = Token::allowing(&["* /.*"]).for_upstream(name).mint();
        assert_eq!(Client::ask(&proxy, request("GET /user", &token, &[], "")).await.status, 200);
    }
    assert_eq!(upstream.requests().len(), 2);
}

#[tokio::test]
async fn no_token_exceeds_the_ceiling() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::with(&upstream, |settings| {
        settings.upstream_mut().ceiling = Some(rules(&["GET /read/.*"]))
    })
    .await;
    let token = Token::any();
    Client::ask(&proxy, request("POST /read/x", &token, &[], ""))
        .await
        .assert_rejected(403, "beyond_ceiling");
    assert_eq!(Client::ask(&proxy, request("GET /read/x", &token, &[], "")).await.status, 200);
}

#[tokio::test]
async fn scopes_are_unions_of_configured_rules() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    let both = Token::scoped(&["reading", "writing"]).mint();
    for line in ["GET /read/x", "GET /user", "POST /write"] {
        assert_eq!(Client::ask(&proxy, request(line, &both, &[], "")).await.status, 200, "{line}");
    }
    let one = Token::scoped(&["reading"]).mint();
    Client::ask(&proxy, request("POST /write", &one, &[], ""))
        .await
        .assert_rejected(403, "not_allowed");
    let unknown = Token::scoped(&["reading", "gone"]).mint();
    Client::ask(&proxy, request("GET /user", &unknown, &[], ""))
        .await
        .assert_rejected(401, "invalid_token");
}

#[tokio::test]
async fn tokens_are_accepted_within_their_times() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    let cases = [
        (Token::allowing(&["* /.*"]).living(now() - 100, now() - 31), Some("expired_token")),
        (Token::allowing(&["* /.*"]).living(now() - 100, now() - 5), None),
        (Token::allowing(&["* /.*"]).living(now() + 100, now() + 200), Some("invalid_token")),
        (Token::allowing(&["* /.*"]).not_before(now() + 100), Some("invalid_token")),
        (Token::allowing(&["* /.*"]).not_before(now() + 10), None),
    ];
    for (token, code) in cases {
        let response = Client::ask(&proxy, request("GET /user", &token.mint(), &[], "")).await;
        match code {
            Some(code) => response.assert_rejected(401, code),
            None => assert_eq!(response.status, 200),
        }
    }
    assert_eq!(upstream.requests().len(), 2);
}

#[tokio::test]
async fn a_token_that_was_cached_still_ends() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    // With the leeway of 30 seconds it has one or two left.
    let token = Token::allowing(&["* /.*"]).living(now() - 100, now() - 28).mint();
    let mut client = Client::connect(&proxy).await;
    assert_eq!(client.exchange(request("GET /user", &token, &[], "")).await.status, 200);
    let refused = crate::support::soon(async {
        loop {
            let response = client.exchange(request("GET /user", &token, &[], "")).await;
            if response.status != 200 {
                return response;
            }
        }
    })
    .await;
    refused.assert_rejected(401, "expired_token");
}

#[tokio::test]
async fn tokens_that_live_too_long_can_be_refused() {
    let upstream = Upstream::hello().await;
    let day = std::time::Duration::from_secs(24 * 60 * 60);
    let proxy = Proxy::with(&upstream, |settings| {
        settings.upstream_mut().acceptance.max_lifetime = Some(day.as_secs())
    })
    .await;
    let token = Token::allowing(&["* /.*"]).living(now(), now() + 2 * day.as_secs()).mint();
    Client::ask(&proxy, request("GET /user", &token, &[], ""))
        .await
        .assert_rejected(401, "invalid_token");
}

#[tokio::test]
async fn what_is_no_token_is_challenged() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    let none = Client::ask(&proxy, request("GET /user", "", &[], "")).await;
    none.assert_rejected(401, "missing_token");
    assert_eq!(none.all("www-authenticate")[0], "Bearer realm=\"magicproxy\"");

    let genuine = Token::any();
    let (rest, signature) = genuine.rsplit_once('.').unwrap();
    let (header, payload) = rest.split_once('.').unwrap();
    let changed =
        |text: &str| format!("{}{}", if text.starts_with('e') { 'f' } else { 'e' }, &text[1..]);
    let forged = format!("{header}.{payload}.{}", changed(signature));
    let swapped = format!("{header}.{}.{signature}", changed(payload));
    let unsigned = format!("eyJ0eXAiOiJKV1QiLCJhbGciOiJub25lIn0.{payload}.");
    let long = "a".repeat(17_000);
    let tokens = [
        CREDENTIAL,
        "a.b.c",
        &forged,
        &swapped,
        &unsigned,
        &format!("{}.", *genuine),
        &long,
        "a b",
        "ü",
    ];
    for token in tokens {
        let response = Client::ask(&proxy, request("GET /user", token, &[], "")).await;
        response.assert_rejected(401, "invalid_token");
        assert_eq!(
            response.all("www-authenticate"),
            ["Bearer realm=\"magicproxy\", error=\"invalid_token\""]
        );
    }
    assert!(upstream.requests().is_empty());
}

#[tokio::test]
async fn one_authorization_field_of_any_accepted_kind() {
    use base64::Engine as _;
    let basic = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    let token = Token::any();
    let accepted = [
        format!("Authorization: token {}", *token),
        format!("Authorization: bEARER   {} ", *token),
        format!("Authorization: Basic {}", basic(&format!("x-access-token:{}", *token))),
        format!("Authorization: Basic {}", basic(&format!("{}:x-oauth-basic", *token))),
        format!("Authorization: Basic {}", basic(&format!("{}:", *token))),
    ];
    for line in &accepted {
        let response = Client::ask(&proxy, request("GET /user", "", &[line], "")).await;
        assert_eq!(response.status, 200, "{}", response.text());
    }
    for seen in upstream.requests() {
        assert_eq!(seen.all("authorization"), [format!("Bearer {CREDENTIAL}")]);
    }
    let twice = [accepted[0].as_str(), accepted[1].as_str()];
    Client::ask(&proxy, request("GET /user", "", &twice, ""))
        .await
        .assert_rejected(401, "invalid_token");
    Client::ask(
        &proxy,
        request("GET /user", "", &[&format!("Authorization: Digest {}", *token)], ""),
    )
    .await
    .assert_rejected(401, "invalid_token");
    let elsewhere = format!("X-Vault-Token: {}", *token);
    Client::ask(&proxy, request("GET /user", "", &[&elsewhere], ""))
        .await
        .assert_rejected(401, "missing_token");
    assert_eq!(upstream.requests().len(), accepted.len());
}

#[tokio::test]
async fn a_hundred_cold_requests_with_one_token_succeed() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    let token = Token::any();
    let bytes = request("GET /user", &token, &[], "");
    let responses = all((0..100).map(|_| Client::ask(&proxy, &bytes)).collect()).await;
    assert!(responses.iter().all(|response| response.status == 200));
    assert_eq!(upstream.requests().len(), 100);
}

#[tokio::test]
async fn a_long_credential_goes_through_too() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    let long = format!("ghs_{}", "aB3.".repeat(130));
    let token = Token::allowing(&["* /.*"]).with(&long).mint();
    assert_eq!(Client::ask(&proxy, request("GET /user", &token, &[], "")).await.status, 200);
    assert_eq!(upstream.only_request().all("authorization"), [format!("Bearer {long}")]);
}

#[tokio::test]
async fn a_client_that_reads_json_only_gets_json() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    for (accept, media) in [
        ("application/vnd.github+json", "application/json"),
        ("application/json", "application/json"),
        ("*/*", "application/problem+json"),
        ("text/html, application/problem+json;q=0.5", "application/problem+json"),
    ] {
        let response =
            Client::ask(&proxy, request("GET /user", "", &[&format!("Accept: {accept}")], ""))
                .await;
        assert_eq!(
            (response.one("content-type"), response.code().as_str()),
            (Some(media), "missing_token"),
            "{accept}"
        );
    }
}

#[tokio::test]
async fn the_host_field_decides_nothing_and_must_be_one() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    let token = Token::any();
    let with_hosts = |hosts: &[&str]| {
        let lines: String = hosts.iter().map(|host| format!("Host: {host}\r\n")).collect();
        format!("GET /user HTTP/1.1\r\n{lines}Authorization: Bearer {}\r\n\r\n", *token)
    };
    assert_eq!(Client::ask(&proxy, with_hosts(&["evil.test:1"])).await.status, 200);
    assert_eq!(upstream.only_request().all("host"), [upstream.address.to_string()]);
    // Each link of a response would be as long.
    let long = "a".repeat(261);
    for hosts in [
        &[][..],
        &["a.test", "b.test"],
        &["a.test", "a.test"],
        &["a b"],
        &["a/b"],
        &["a,b"],
        &["u@a"],
        &[""],
        &[long.as_str()],
    ] {
        Client::ask(&proxy, with_hosts(hosts)).await.assert_rejected(400, "invalid_host");
    }
    assert_eq!(upstream.requests().len(), 1);
}

/// Rules of so many classes, each of which a path may have to try, and one that allows everything.
fn classes(count: usize) -> Vec<String> {
    let pairs = ('a'..='z').flat_map(|one| {
        ('a'..='z').filter(move |other| *other > one).map(move |other| (one, other))
    });
    let rules = pairs.take(count).map(|(one, other)| format!("GET /[{one}{other}]*"));
    rules.chain(["GET /.*".to_owned()]).collect()
}

/// Rules, caveats and ceiling share what one request may cost.
#[tokio::test]
async fn a_request_that_takes_too_many_steps_to_decide_is_denied() {
    let upstream = Upstream::hello().await;
    for (of_token, of_ceiling) in [(60, 0), (30, 30), (0, 60)] {
        let (of_token, of_ceiling) = (classes(of_token), classes(of_ceiling));
        let of_token: Vec<&str> = of_token.iter().map(String::as_str).collect();
        let of_ceiling: Vec<&str> = of_ceiling.iter().map(String::as_str).collect();
        let proxy = Proxy::with(&upstream, |settings| {
            let upstream = settings.upstream_mut();
            upstream.encoded_slash = magicproxy_core::EncodedSlash::Both;
            upstream.ceiling = Some(rules(&of_ceiling));
        })
        .await;
        let token = Token::allowing(&of_token).explaining().mint();
        let line = |length: usize| format!("GET /{}%2Fb", "a".repeat(length));
        assert_eq!(Client::ask(&proxy, request(&line(10), &token, &[], "")).await.status, 200);
        assert_eq!(Client::ask(&proxy, request(&line(2_000), &token, &[], "")).await.status, 200);
        let response = Client::ask(&proxy, request(&line(4_000), &token, &[], "")).await;
        response.assert_rejected(403, "decision_too_costly");
        assert_eq!(upstream.take_requests().len(), 2);
    }
}
