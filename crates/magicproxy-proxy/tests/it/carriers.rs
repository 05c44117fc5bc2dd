//! Where tokens may stand, where the credential goes out, and that nothing else of the kind goes up.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use magicproxy_proxy::settings::{
    CredentialCarrier, RefusalMedia, RefusalPart, RefusalShape, StatusWords, TokenCarrier,
    UpstreamSettings,
};
use proptest::collection::vec;
use proptest::prelude::Strategy as _;
use proptest::sample::select;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use crate::support::Setup;
use crate::support::{
    CREDENTIAL, Client, ClientResponse, OnlyUpstream as _, Proxy, Reply, Seen, Token, Upstream,
    find, guard, now, request, settings,
};

/// Every kind of carrier of a credential, and the field or the end of the target in which it must be found.
const CARRIERS: [(&str, &str); 6] = [
    ("bearer", "authorization: Bearer {}"),
    ("token", "authorization: token {}"),
    ("basic:x-access-token", "authorization: Basic {basic}"),
    ("header:PRIVATE-TOKEN", "private-token: {}"),
    ("header:X-Custom-Key", "x-custom-key: {}"),
    ("query:api_key", "?api_key={}"),
];

const TOKEN_CARRIERS: [&str; 7] = [
    "header:DD-API-KEY",
    "header:X-Custom-Key",
    "header:X-API-Key",
    "header:Private-Token",
    "header:JOB-TOKEN",
    "query:api_key",
    "query:appid",
];

/// `x-access-token:CREDENTIAL` in base64.
const BASIC: &str = "eC1hY2Nlc3MtdG9rZW46Z2hwX01BUktFRHNlY3JldFE3elgwd1Y1dVQzc1IxcE45bUw4a0o2aA==";

fn sent(pattern: &str) -> String {
    pattern.replace("{basic}", BASIC).replace("{}", CREDENTIAL)
}

fn carry(settings: &mut Setup, carrier: &str) {
    guard(BASIC);
    let upstream = settings.upstream_mut();
    upstream.credential = CredentialCarrier::parse(carrier).unwrap();
    upstream.token_carriers =
        TOKEN_CARRIERS.iter().map(|text| TokenCarrier::parse(text).unwrap()).collect();
}

async fn proxy(upstream: &Upstream, carrier: &str) -> Proxy {
    Proxy::with(upstream, |settings| carry(settings, carrier)).await
}

/// What is wrong with a request that went up: it must hold one credential, in the place that this pattern describes, and
/// nothing else that was ever a secret.
fn fault(seen: &Seen, pattern: &str, token: &str) -> Option<String> {
    let expected = sent(pattern);
    let mut lines: Vec<String> =
        seen.fields.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    let mut target = seen.target.clone();
    match expected.strip_prefix('?') {
        Some(parameter) => match target.strip_suffix(parameter) {
            Some(rest) if rest.ends_with(['?', '&']) => target = rest.to_owned(),
            _ => return Some("the credential is not at the end of the query".to_owned()),
        },
        None => match lines.iter().position(|line| *line == expected) {
            Some(at) => drop(lines.remove(at)),
            None => return Some("the credential is not in its header".to_owned()),
        },
    }
    let trailers = seen.trailers.iter().map(|(name, value)| format!("{name}: {value}"));
    let rest: Vec<String> = lines.into_iter().chain(trailers).chain([target]).collect();
    let others = [
        CREDENTIAL,
        BASIC,
        token,
        "callers-own",
        "authorization",
        "api_key",
        "api%5Fkey",
        "appid",
        "-key:",
        "token:",
    ];
    others
        .iter()
        .find(|other| rest.iter().any(|line| line.contains(**other)))
        .map(|other| format!("{other} went up too"))
}

#[tokio::test]
async fn the_credential_goes_out_where_its_carrier_says() {
    let token = Token::any();
    for (carrier, pattern) in CARRIERS {
        let upstream = Upstream::hello().await;
        let proxy = proxy(&upstream, carrier).await;
        for target in ["/a", "/a?b=1", "/a?"] {
            let response =
                Client::ask(&proxy, request(&format!("GET {target}"), &token, &[], "")).await;
            assert_eq!(response.status, 200, "{carrier}: {}", response.text());
            let seen = upstream.take_requests().remove(0);
            assert_eq!(fault(&seen, pattern, &token), None, "{carrier}: {seen:?}");
            assert!(seen.target.starts_with(target), "{seen:?}");
        }
    }
}

#[tokio::test]
async fn a_credential_of_odd_characters_stays_one_parameter() {
    let upstream = Upstream::hello().await;
    let proxy = proxy(&upstream, "query:api_key").await;
    let token =
        Token::allowing(&["GET /.*"]).with("a&b=c#d%20e+f/g?h;i\"j<k>\\l^m`n{o|p}q~").mint();
    let response = Client::ask(&proxy, request("GET /a?x=1", &token, &[], "")).await;
    assert_eq!(response.status, 200);
    assert_eq!(
        upstream.only_request().target,
        "/a?x=1&api_key=a%26b%3Dc%23d%2520e%2Bf%2Fg%3Fh%3Bi%22j%3Ck%3E%5Cl%5Em%60n%7Bo%7Cp%7Dq~"
    );
}

/// A version 1 token in its armour.
fn armoured(token: &str) -> String {
    let text = magicproxy_core::armoured(token).unwrap();
    guard(&text);
    text.to_string()
}

#[tokio::test]
async fn a_token_is_found_in_every_carrier() {
    let jwt = Token::any();
    found_in_every_carrier(&jwt).await;
    found_in_every_carrier(&armoured(&jwt)).await;
}

async fn found_in_every_carrier(token: &str) {
    let names = ["Private-Token", "JOB-TOKEN", "X-API-Key", "dd-api-key", "X-Custom-Key"];
    let mut lines: Vec<String> = names.iter().map(|name| format!("{name}: {token}")).collect();
    lines.extend(["token ", "Bearer ", ""].map(|scheme| format!("Authorization: {scheme}{token}")));
    for (user, password) in [("x-access-token", token), (token, ""), (token, "x-oauth-basic")] {
        lines.push(format!(
            "Authorization: Basic {}",
            STANDARD.encode(format!("{user}:{password}"))
        ));
    }
    let upstream = Upstream::hello().await;
    let proxy = proxy(&upstream, "header:X-Custom-Key").await;
    for line in &lines {
        let response = Client::ask(&proxy, request("GET /a", "", &[line], "")).await;
        assert_eq!(response.status, 200, "{line}");
    }
    for query in [format!("api_key={token}"), format!("x=1&appid={token}")] {
        let response = Client::ask(&proxy, request(&format!("GET /a?{query}"), "", &[], "")).await;
        assert_eq!(response.status, 200, "{query}");
    }
    for seen in upstream.requests() {
        assert_eq!(fault(&seen, "x-custom-key: {}", token), None, "{seen:?}");
    }
}

/// Tokens of the form before the first release are told what became of it, wherever they stand. A broken armour is no token.
#[tokio::test]
async fn a_spelling_of_before_is_refused_with_words_in_every_carrier() {
    let upstream = Upstream::hello().await;
    let proxy = proxy(&upstream, "bearer").await;
    let jwt = armoured(&Token::any());
    let cut = format!("{}z", &jwt[..jwt.len() - 1]);
    for (text, words) in [
        ("mt2.eyJraWQiOiJ4In0.a-b_c.D1", "will begin with `mt2_`"),
        (&cut, ""),
        ("mt1_a-b.c.d", ""),
    ] {
        let basic = STANDARD.encode(format!("x-access-token:{text}"));
        for (line, field) in [
            ("GET /a".to_owned(), format!("Authorization: Bearer {text}")),
            ("GET /a".to_owned(), format!("Authorization: {text}")),
            ("GET /a".to_owned(), format!("Authorization: Basic {basic}")),
            ("GET /a".to_owned(), format!("X-API-Key: {text}")),
            (format!("GET /a?api_key={text}"), "Accept: */*".to_owned()),
        ] {
            let response = Client::ask(&proxy, request(&line, "", &[&field], "")).await;
            response.assert_rejected(401, "invalid_token");
            assert!(
                response.text().contains(words) && !response.text().contains(text),
                "{line} {field}: {}",
                response.text()
            );
        }
    }
    assert!(upstream.requests().is_empty());
}

#[tokio::test]
async fn a_carrier_that_nobody_named_is_none() {
    let upstream = Upstream::hello().await;
    let token = Token::any();
    let (described, plain) = (proxy(&upstream, "bearer").await, Proxy::before(&upstream).await);
    for name in ["X-Auth-Token", "Deploy-Token", "X-Goog-Api-Key", "X-Other"] {
        Client::ask(&described, request("GET /a", "", &[&format!("{name}: {}", *token)], ""))
            .await
            .assert_rejected(401, "missing_token");
    }
    for name in ["X-API-Key", "Private-Token", "DD-API-KEY"] {
        Client::ask(&plain, request("GET /a", "", &[&format!("{name}: {}", *token)], ""))
            .await
            .assert_rejected(401, "missing_token");
    }
    Client::ask(&plain, request(&format!("GET /a?api_key={}", *token), "", &[], ""))
        .await
        .assert_rejected(401, "missing_token");
    assert!(upstream.requests().is_empty());
}

#[tokio::test]
async fn what_is_in_two_minds_is_refused_and_nothing_goes_up() {
    let (token, other) = (Token::any(), Token::any());
    let upstream = Upstream::hello().await;
    let proxy = proxy(&upstream, "query:api_key").await;
    let cases = [
        (
            "GET /a".to_owned(),
            vec![format!("X-API-Key: {}", *other)],
            400,
            "conflicting_credentials",
        ),
        (
            "GET /a".to_owned(),
            vec![format!("DD-API-KEY: {}", *token), format!("dd-api-key: {}", *other)],
            400,
            "conflicting_credentials",
        ),
        (format!("GET /a?api_key={}", *other), vec![], 400, "conflicting_credentials"),
        (format!("GET /a?api_key={}&api_key={}", *token, *token), vec![], 400, "carrier_parameter"),
        (
            format!("GET /a?api_key={}&api%5Fkey=callers-own", *token),
            vec![],
            400,
            "carrier_parameter",
        ),
        (format!("GET /a?x=1;api_key={}", *token), vec![], 400, "carrier_parameter"),
        ("GET /a?api_key=callers-own".to_owned(), vec![], 400, "carrier_parameter"),
        ("GET /a?api+key=callers-own".to_owned(), vec![], 400, "carrier_parameter"),
        ("GET /a?api_key".to_owned(), vec![], 400, "carrier_parameter"),
        ("GET /a?appid=callers-own".to_owned(), vec![], 400, "carrier_parameter"),
    ];
    for (line, lines, status, code) in cases {
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        Client::ask(&proxy, request(&line, &token, &lines, "")).await.assert_rejected(status, code);
    }
    for (line, status, code) in [
        ("GET /a", 401, "missing_token"),
        ("GET /a?api_key=callers-own", 401, "invalid_token"),
        ("GET /a?other=x", 401, "missing_token"),
    ] {
        Client::ask(&proxy, request(line, "", &[], "")).await.assert_rejected(status, code);
    }
    assert!(upstream.requests().is_empty());
}

/// Whatever a client puts where, in whatever spelling: one credential goes up, in its place, and no carrier of the client's.
#[tokio::test]
async fn whatever_carriers_a_client_uses_one_credential_goes_up() {
    const MENU: [&str; 28] = [
        "Referer: http://proxy.test/a?api_key=callers-own",
        "Authorization: Bearer {token}",
        "Authorization: {token}",
        "Authorization: token {token}",
        "Authorization: Bearer {armoured}",
        "X-API-Key: {armoured}",
        "X-API-Key: {token}",
        "x-api-key: callers-own",
        "X_API_KEY: callers-own",
        "PRIVATE-TOKEN: {token}",
        "private-token: callers-own",
        "Private_Token: callers-own",
        "DD-API-KEY: {token}",
        "dd-api-key: callers-own",
        "DD_API_KEY: callers-own",
        "X-Custom-Key: {token}",
        "X-Custom-Key: callers-own",
        "Cookie: session=callers-own",
        "Proxy-Authorization: Basic callers-own",
        "X-Auth-Email: callers-own",
        "ApiKey: callers-own",
        "Connection: authorization, private-token, x-custom-key, dd-api-key",
        "Connection: host",
        "Trailer: Authorization, X-Custom-Key, DD-API-KEY, X-Sum",
        "?api_key={token}",
        "?api%5Fkey={token}",
        "?appid={token}",
        "?api_key=*****",
    ];
    let token = Token::any();
    let armoured = armoured(&token);
    let mut runner = TestRunner::default();
    let combination = vec(select(&MENU[..]), 1..7);
    for (carrier, pattern) in CARRIERS {
        let upstream = Upstream::hello().await;
        let proxy = proxy(&upstream, carrier).await;
        let mut through = 0;
        for _ in 0..120 {
            let mut parts = combination.new_tree(&mut runner).unwrap().current();
            parts.dedup();
            let text: Vec<String> = parts
                .iter()
                .map(|part| part.replace("{token}", &token).replace("{armoured}", &armoured))
                .collect();
            let query: Vec<&str> = text.iter().filter_map(|part| part.strip_prefix('?')).collect();
            let mut lines: Vec<&str> =
                text.iter().filter(|part| !part.starts_with('?')).map(String::as_str).collect();
            lines.push("Transfer-Encoding: chunked");
            let line = if query.is_empty() {
                "POST /a".to_owned()
            } else {
                format!("POST /a?x=1&{}", query.join("&"))
            };
            let body = "2\r\nok\r\n0\r\nAuthorization: callers-own\r\nX-Custom-Key: callers-own\r\nDD-API-KEY: callers-own\r\nX-Sum: 1\r\n\r\n";
            let mut client = Client::connect(&proxy).await;
            client.send(request(&line, "", &lines, body)).await;
            let response = client.response().await;
            let seen = upstream.take_requests();
            if response.status != 200 {
                assert!(matches!(response.status, 400 | 401), "{text:?}: {}", response.text());
                assert!(seen.is_empty(), "{text:?} was refused and went up");
                continue;
            }
            through += 1;
            assert_eq!(seen.len(), 1);
            assert_eq!(fault(&seen[0], pattern, &token), None, "{carrier} {text:?}: {:?}", seen[0]);
        }
        assert!(through > 10, "{carrier}: only {through} of 120 went up");
    }
}

#[tokio::test]
async fn a_carrier_of_another_upstream_does_not_go_up_either() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::with(&upstream, |own| {
        let mut other = settings(upstream.address, "");
        let further: &mut UpstreamSettings = other.upstream_mut();
        further.name = magicproxy_core::UpstreamName::parse("other").unwrap();
        further.routes.mount = magicproxy_proxy::settings::MountPath::parse("/other").unwrap();
        further.credential = CredentialCarrier::parse("header:X-Other-Key").unwrap();
        further.token_carriers = vec![TokenCarrier::parse("header:X-Other-Token").unwrap()];
        own.upstreams.append(&mut other.upstreams);
    })
    .await;
    let lines = ["X-Other-Key: callers-own", "X-Other-Token: callers-own", "X-Request-Id: 1"];
    let response = Client::ask(&proxy, request("GET /a", &Token::any(), &lines, "")).await;
    assert_eq!(response.status, 200, "{}", response.text());
    assert_eq!(
        upstream.only_request().names(),
        ["accept-encoding", "authorization", "host", "x-request-id"]
    );
}

#[tokio::test]
async fn a_request_that_is_sent_again_bears_its_credential_once() {
    for (carrier, pattern) in CARRIERS {
        let mut upstream = Upstream::held().await;
        let proxy = proxy(&upstream, carrier).await;
        let token = Token::any();
        let mut client = Client::connect(&proxy).await;
        client.send(request("GET /first", &token, &[], "")).await;
        let mut connection = upstream.accept().await;
        assert_eq!(fault(&connection.request().await, pattern, &token), None);
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
        assert_eq!(client.response().await.status, 200);
        client.send(request("GET /again?x=1", &token, &[], "")).await;
        // The kept connection takes the request and ends without a word.
        assert_eq!(fault(&connection.request().await, pattern, &token), None);
        drop(connection);
        let mut fresh = upstream.accept().await;
        let seen = fresh.request().await;
        assert_eq!(fault(&seen, pattern, &token), None, "{carrier}: {seen:?}");
        fresh.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
        assert_eq!(client.response().await.status, 200);
    }
}

/// Everything that comes of a response which repeats this.
async fn echoed(
    carrier: &str,
    credential: &str,
    echo: String,
    lines: &'static [&'static str],
) -> Vec<u8> {
    let gzip = !lines.is_empty();
    let upstream = Upstream::scripted(move |_| {
        let body = if gzip { compressed(&echo) } else { echo.clone().into_bytes() };
        let echo = format!("X-Echo: {echo}");
        Reply::with("200 OK", &[&[echo.as_str()], lines].concat(), body)
    })
    .await;
    let proxy = proxy(&upstream, carrier).await;
    let token = Token::allowing(&["GET /.*"]).with(credential).mint();
    let mut client = Client::connect(&proxy).await;
    client.send(request("GET /echo", &token, &["Connection: close"], "")).await;
    client.closed().await
}

fn compressed(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut encoder, text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn an_echo_is_masked_in_every_form_in_which_it_was_sent() {
    let odd = "odd/secret+with=signs";
    let cases = [
        ("bearer", CREDENTIAL, CREDENTIAL),
        ("basic:x-access-token", CREDENTIAL, CREDENTIAL),
        ("basic:x-access-token", CREDENTIAL, BASIC),
        ("basic", "user:a-long-password", "a-long-password"),
        ("basic", "user:a-long-password", "dXNlcjphLWxvbmctcGFzc3dvcmQ="),
        ("header:X-Custom-Key", CREDENTIAL, CREDENTIAL),
        ("query:api_key", odd, odd),
        ("query:api_key", odd, "odd%2Fsecret%2Bwith%3Dsigns"),
    ];
    for (carrier, credential, form) in cases {
        let response = echoed(carrier, credential, format!("<{form}>"), &[]).await;
        let text = String::from_utf8(response).unwrap();
        let masked = format!("<{}>", "*".repeat(form.len()));
        assert!(
            text.ends_with(&format!("\r\n\r\n{masked}")) && text.matches(&masked).count() == 2,
            "{carrier} {form}: {text}"
        );
        // Of a compressed body so short nothing is left.
        let response =
            echoed(carrier, credential, format!("<{form}>"), &["Content-Encoding: gzip"]).await;
        assert!(find(&response, &[0x1f, 0x8b]).is_none(), "{carrier} {form}");
    }
}

#[tokio::test]
async fn a_credential_that_does_not_fit_is_neither_minted_nor_sent() {
    let upstream = Upstream::hello().await;
    let proxy = proxy(&upstream, "basic").await;
    for (credential, status) in
        [("no-pair-at-all", 400), ("user:password", 200), (":password", 200)]
    {
        let mint_request = format!(r#"{{"token":"{credential}","allowed":["GET /a"]}}"#);
        let lines =
            ["Content-Type: application/json", &format!("Content-Length: {}", mint_request.len())];
        let response =
            Client::ask(&proxy, request("POST /__magictoken", "", &lines, &mint_request)).await;
        assert_eq!(response.status, status, "{}", response.text());
        if status == 400 {
            response.assert_rejected(400, "invalid_mint_request");
            assert!(
                response.text().contains("user:password") && !response.text().contains(credential)
            );
        } else {
            guard(&response.text());
        }
    }
    // Minted when the upstream had another carrier.
    let token = Token::any();
    Client::ask(&proxy, request("GET /a", &token, &[], ""))
        .await
        .assert_rejected(401, "invalid_token");
    assert!(upstream.requests().is_empty());
}

/// A shape such as OpenAI's.
const OPENAI: RefusalShape = RefusalShape {
    media: RefusalMedia::Json,
    members: &[(
        "error",
        RefusalPart::Object(&[
            ("type", RefusalPart::StatusWord(&WORDS)),
            ("code", RefusalPart::Code),
        ]),
    )],
};
const WORDS: StatusWords = StatusWords {
    known: &[(401, "authentication_error"), (403, "permission_error")],
    server: "api_error",
    other: "invalid_request_error",
};

#[tokio::test]
async fn a_refusal_has_the_shape_of_the_api() {
    let upstream = Upstream::hello().await;
    let proxy =
        Proxy::with(&upstream, |settings| settings.upstream_mut().refusal_format = OPENAI).await;
    let expired = Token::allowing(&["GET /a"]).living(now() - 100, now() - 50).mint();
    for (token, status, kind) in [
        ("", 401, "authentication_error"),
        (&**expired, 401, "authentication_error"),
        (&**Token::allowing(&["GET /a"]).mint(), 403, "permission_error"),
    ] {
        let response = Client::ask(
            &proxy,
            request("GET /b", token, &["Accept: application/json, application/problem+json"], ""),
        )
        .await;
        assert_eq!(
            (response.status, response.one("content-type")),
            (status, Some("application/json"))
        );
        assert_eq!(response.json()["error"]["type"], kind);
        assert_eq!(response.all("www-authenticate").is_empty(), status == 403);
        assert!(response.one("proxy-status").unwrap().contains(&response.code()));
    }
}

/// docker and podman take the realm of a `Bearer` challenge for the URL of a token service.
#[tokio::test]
async fn an_upstream_of_passwords_is_asked_for_with_a_password() {
    let upstream = Upstream::hello().await;
    let schemes = |response: &ClientResponse| {
        let challenges = response.all("www-authenticate").into_iter();
        challenges
            .map(|challenge| challenge.split(' ').next().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    for (carrier, expected) in [
        ("basic:x-access-token", &["Basic"][..]),
        ("basic", &["Basic"]),
        ("bearer", &["Bearer", "Basic"]),
    ] {
        let proxy = proxy(&upstream, carrier).await;
        let response = Client::ask(&proxy, "GET /v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        assert_eq!(
            (response.status, schemes(&response)),
            (401, expected.iter().map(ToString::to_string).collect()),
            "{carrier}"
        );
        let wrong =
            format!("GET /v2/ HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {BASIC}\r\n\r\n");
        let response = Client::ask(&proxy, wrong).await;
        assert_eq!(
            (response.status, schemes(&response)),
            (401, vec![expected[0].to_owned()]),
            "{carrier}"
        );
    }
    assert!(upstream.requests().is_empty());
}

#[tokio::test]
async fn a_question_takes_its_token_from_the_same_headers() {
    let upstream = Upstream::hello().await;
    let proxy = proxy(&upstream, "bearer").await;
    let question = r#"{"method":"GET","target":"/a"}"#;
    let token = Token::any();
    for name in ["X-API-Key", "DD-API-KEY"] {
        let lines = [
            "Content-Type: application/json",
            &format!("Content-Length: {}", question.len()),
            &format!("{name}: {}", *token),
        ];
        let response =
            Client::ask(&proxy, request("POST /__magictoken/explain", "", &lines, question)).await;
        assert_eq!(
            (response.status, &response.json()["decision"]),
            (200, &"allowed".into()),
            "{name}"
        );
    }
}
