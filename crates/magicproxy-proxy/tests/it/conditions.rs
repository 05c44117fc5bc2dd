//! Rules with conditions, over real sockets: what a rule refuses never reaches the upstream, and
//! what was judged is sent byte for byte.

use serde_json::json;

use crate::support::{
    Client, ClientResponse, OnlyUpstream as _, Proxy, Token, Upstream, listed, request, rules,
};

/// A token that may open pull requests from `agent/*` to `main`, list some issues, and nothing else.
fn token() -> zeroize::Zeroizing<String> {
    Token::ruled(&json!([
        {"method": "POST", "path": "/pulls", "json":
            {"base": "main", "head": {"glob": "agent/*"}, "title": {}, "body?": {}}},
        {"method": "GET", "path": "/issues", "query": {"state": ["open", "all"], "page?": {"min": 1, "max": 9}}},
        {"method": "POST", "path": "/refunds", "form": {"charge": {"glob": "ch_*"}, "amount": {"min": 1, "max": 500}},
            "headers": {"x-account": {"absent": true}}},
        {"method": "POST", "path": "/files", "query": "any", "body": "any", "content_type": "application/gzip"}
    ]))
    .mint()
}

async fn ask(proxy: &Proxy, line: &str, lines: &[&str], body: &str) -> ClientResponse {
    let length = format!("Content-Length: {}", body.len());
    let mut all = vec![length.as_str()];
    all.extend(lines);
    Client::ask(proxy, request(line, &token(), &all, body)).await
}

const JSON: &str = "Content-Type: application/json";
const FORM: &str = "Content-Type: application/x-www-form-urlencoded";

/// Line, header fields, body, and the code of the refusal; `""` for what is allowed.
const CASES: [(&str, &[&str], &str, &str); 38] = [
    ("POST /pulls", &[JSON], r#"{"base":"main","head":"agent/x","title":"t"}"#, ""),
    (
        "POST /pulls",
        &[JSON],
        r#" { "title" : {"any":[1,2.50e3]}, "head":"agent\/x","base":"m\u0061in"} "#,
        "",
    ),
    (
        "POST /pulls",
        &["Content-Type: application/vnd.github+json; charset=utf-8"],
        r#"{"base":"main","head":"agent/x","title":"t","body":null}"#,
        "",
    ),
    ("POST /pulls", &[JSON], r#"{"base":"release","head":"agent/x","title":"t"}"#, "not_allowed"),
    ("POST /pulls", &[JSON], r#"{"base":"main","head":"fix","title":"t"}"#, "not_allowed"),
    ("POST /pulls", &[JSON], r#"{"base":"main","head":"agent/x"}"#, "not_allowed"),
    (
        "POST /pulls",
        &[JSON],
        r#"{"base":"main","head":"agent/x","title":"t","issue":5}"#,
        "not_allowed",
    ),
    ("POST /pulls?x=1", &[JSON], r#"{"base":"main","head":"agent/x","title":"t"}"#, "not_allowed"),
    (
        "POST /pulls?base=release",
        &[JSON],
        r#"{"base":"main","head":"agent/x","title":"t"}"#,
        "not_allowed",
    ),
    (
        "POST /pulls",
        &[JSON],
        r#"{"base":"main","base":"release","head":"agent/x","title":"t"}"#,
        "json_twice",
    ),
    (
        "POST /pulls",
        &[JSON],
        r#"{"base":"main","Base":"release","head":"agent/x","title":"t"}"#,
        "json_twin",
    ),
    ("POST /pulls", &[JSON], r#"{"base":["main"],"head":"agent/x","title":"t"}"#, "json_value"),
    ("POST /pulls", &[JSON], r#"{"base":"main","head":"agent/x","title":"t"}{}"#, "json_syntax"),
    ("POST /pulls", &[JSON], r#"[{"base":"main","head":"agent/x","title":"t"}]"#, "json_value"),
    ("POST /pulls", &[JSON], "\u{feff}{}", "json_syntax"),
    (
        "POST /pulls",
        &["Content-Type: text/plain"],
        r#"{"base":"main","head":"agent/x","title":"t"}"#,
        "body_type",
    ),
    ("POST /pulls", &[], r#"{"base":"main","head":"agent/x","title":"t"}"#, "body_type"),
    ("POST /pulls", &[JSON, JSON], r#"{"base":"main","head":"agent/x","title":"t"}"#, "body_type"),
    (
        "POST /pulls",
        &[JSON, "Connection: content-type"],
        r#"{"base":"main","head":"agent/x","title":"t"}"#,
        "body_type",
    ),
    (
        "POST /pulls",
        &[JSON, "Content-Encoding: gzip"],
        r#"{"base":"main","head":"agent/x","title":"t"}"#,
        "body_coding",
    ),
    ("POST /pulls", &[JSON], "", "body_type"),
    ("GET /issues?state=open", &[], "", ""),
    ("GET /issues?page=2&state=all", &[], "", ""),
    ("GET /issues?st%61te=op%65n", &[], "", ""),
    ("GET /issues", &[], "", "not_allowed"),
    ("GET /issues?state=closed", &[], "", "not_allowed"),
    ("GET /issues?state=open&q=x", &[], "", "not_allowed"),
    ("GET /issues?state=open&page=10", &[], "", "not_allowed"),
    ("GET /issues?state=open&page=01", &[], "", "query_value"),
    ("GET /issues?state=open&state=all", &[], "", "query_twice"),
    ("GET /issues?state=open&state[]=closed", &[], "", "query_twin"),
    ("GET /issues?state=open;page=1", &[], "", "query_syntax"),
    ("GET /issues?state=open", &[], "body", "not_allowed"),
    ("POST /refunds", &[FORM], "charge=ch_1&amount=500", ""),
    ("POST /refunds", &[FORM], "charge=ch_1&amount=501", "not_allowed"),
    ("POST /refunds", &[FORM, "X-Account: a"], "charge=ch_1&amount=5", "not_allowed"),
    ("POST /files?name=a", &["Content-Type: application/gzip"], "\u{1f}", ""),
    ("POST /files", &["Content-Type: application/json"], "{}", "not_allowed"),
];

#[tokio::test]
async fn what_a_rule_does_not_name_reaches_no_upstream() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::with(&upstream, |settings| {
        settings.upstream_mut().pass_request_headers = listed(&["X-Account"]);
    })
    .await;
    for (line, lines, body, code) in CASES {
        let response = ask(&proxy, line, lines, body).await;
        let seen = upstream.take_requests();
        let case = format!("{line} {lines:?} {body}");
        if code.is_empty() {
            assert_eq!(response.status, 200, "{case}: {}", response.text());
            assert_eq!(seen[0].body, body.as_bytes(), "{case}");
            continue;
        }
        assert_eq!(seen.len(), 0, "{case}");
        let status = if code == "not_allowed" { 403 } else { 400 };
        assert_eq!((response.status, response.code().as_str()), (status, code), "{case}");
    }
}

/// The body is judged and sent whole, whether its length is said or not.
#[tokio::test]
async fn a_body_in_chunks_is_judged_whole() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    let chunked = ["Transfer-Encoding: chunked", JSON];
    let (good, bad) = (
        "1f\r\n{\"base\":\"main\",\"head\":\"agent/x\"\r\nd\r\n,\"title\":\"t\"}\r\n0\r\n\r\n",
        "1f\r\n{\"base\":\"main\",\"head\":\"agent/x\"\r\nd\r\n,\"token\":\"t\"}\r\n0\r\n\r\n",
    );
    let response = Client::ask(&proxy, request("POST /pulls", &token(), &chunked, good)).await;
    assert_eq!(response.status, 200);
    let seen = upstream.take_requests().pop().unwrap();
    assert_eq!(seen.body, br#"{"base":"main","head":"agent/x","title":"t"}"#);
    Client::ask(&proxy, request("POST /pulls", &token(), &chunked, bad))
        .await
        .assert_rejected(403, "not_allowed");
    assert!(upstream.take_requests().is_empty());
}

/// A request whose query and method are refused in any case is refused before its body came.
#[tokio::test]
async fn a_body_is_read_only_where_it_decides() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    let waiting = ["Content-Length: 1000", JSON];
    for line in ["POST /pulls?x=1", "PUT /pulls", "POST /other"] {
        let mut client = Client::connect(&proxy).await;
        client.send(request(line, &token(), &waiting, "")).await;
        client.response().await.assert_rejected(403, "not_allowed");
    }
    assert!(upstream.take_requests().is_empty());
}

/// Every list must allow: the token's, each caveat's and the ceiling's. A rule with a limit does not
/// stand aside for a body that is garbled.
#[tokio::test]
async fn a_ceiling_looks_into_bodies_as_well() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::with(&upstream, |settings| {
        let ceiling = r#"{"method":"POST","path":"/a","json":{"model":"small","*":{}}}"#;
        settings.upstream_mut().ceiling = Some(rules(&[ceiling, "GET /.*"]));
    })
    .await;
    let token = Token::allowing(&["* /.*"]).mint();
    for (body, status, code) in [
        (r#"{"model":"small","stream":true}"#, 200, ""),
        (r#"{"model":"large"}"#, 403, "beyond_ceiling"),
        (r#"{"model":"small","model":"large"}"#, 400, "json_twice"),
        (r#"{"model":"small","MODEL":"large"}"#, 400, "json_twin"),
    ] {
        let length = format!("Content-Length: {}", body.len());
        let sent = request("POST /a", &token, &[JSON, &length], body);
        let response = Client::ask(&proxy, sent).await;
        assert_eq!(response.status, status, "{body}");
        if !code.is_empty() {
            assert_eq!(response.code(), code, "{body}");
        }
        assert_eq!(upstream.take_requests().len(), usize::from(status == 200), "{body}");
    }
}

/// A `+` is a blank to nearly all servers, and to some a plus.
#[tokio::test]
async fn a_plus_in_a_query_is_what_the_upstream_makes_of_it() {
    use magicproxy_core::PlusReading;
    let upstream = Upstream::hello().await;
    let rule = json!([{"method": "GET", "path": "/s", "query": {"q": {"pattern": "a b|a\\+c"}}}]);
    for (plus, query, status) in [
        (PlusReading::Blank, "a+b", 200),
        (PlusReading::Blank, "a+c", 403),
        (PlusReading::Blank, "a%2Bc", 200),
        (PlusReading::Plus, "a+c", 200),
        (PlusReading::Plus, "a+b", 403),
        (PlusReading::Both, "a+b", 400),
        (PlusReading::Both, "a+c", 400),
        (PlusReading::Both, "x+y", 403),
        (PlusReading::Both, "a%20b", 200),
    ] {
        let proxy =
            Proxy::with(&upstream, |settings| settings.upstream_mut().query_plus = plus).await;
        let sent = request(&format!("GET /s?q={query}"), &Token::ruled(&rule).mint(), &[], "");
        assert_eq!(Client::ask(&proxy, sent).await.status, status, "{plus:?} {query}");
    }
}

/// What a rule asks of a field in the head would be worth nothing if the field came behind the body.
#[tokio::test]
async fn no_field_that_a_rule_asks_for_comes_as_a_trailer() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::with(&upstream, |settings| {
        let names = ["X-Account", "X-Project", "X-Region", "X-Sum"];
        settings.upstream_mut().pass_request_headers = listed(&names);
        let ceiling = r#"{"method":"*","path":"/.*","headers":{"x-region":{"absent":true}}}"#;
        settings.upstream_mut().ceiling = Some(rules(&[ceiling]));
    })
    .await;
    let rule = json!([
        {"method": "POST", "path": "/h", "headers": {"x-project": "b"}, "limit": {"total": 1}},
        {"method": "POST", "path": "/h", "headers": {"x-account": {"absent": true}, "x-project?": "a"}}
    ]);
    let token = Token::ruled(&rule).mint();
    let lines = [
        "X-Project: a",
        "Transfer-Encoding: chunked",
        "Trailer: X-Account, X-Project, X-Region, X-Sum",
    ];
    let body = "1\r\nx\r\n0\r\nX-Account: e\r\nX-Project: e\r\nX-Region: e\r\nX-Sum: 7\r\n\r\n";
    let response = Client::ask(&proxy, request("POST /h", &token, &lines, body)).await;
    assert_eq!(response.status, 200, "{}", response.text());
    let seen = upstream.take_requests().pop().unwrap();
    assert_eq!(seen.trailers, [("x-sum".to_owned(), "7".to_owned())]);
}

/// GitLab acts for another user, with another credential or by another method, if a body says so.
const ELSEWHERE: [&str; 4] = ["sudo", "private_token", "access_token", "job_token"];

/// A body into which a rule looks has no name that the upstream takes for a user, a credential or a
/// method. Into other bodies nobody looks.
#[tokio::test]
async fn an_inspected_body_names_no_user_credential_or_method() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::with(&upstream, |settings| {
        settings.upstream_mut().drop_query_parameters = ELSEWHERE.map(str::to_owned).to_vec();
    })
    .await;
    let token = Token::ruled(&json!([
        {"method": "POST", "path": "/open", "json": {"*": {}}, "form": {"*": {}}},
        {"method": "POST", "path": "/listed", "json": {"sudo?": {}}, "form": {"sudo?": {}}},
        {"method": "POST", "path": "/closed", "json": {"title": {}}, "form": {"title": {}}},
        {"method": "POST", "path": "/any", "body": "any"},
        "POST /plain"
    ]))
    .mint();
    let ask = async |path: &str, field: &str, body: &str| {
        let length = format!("Content-Length: {}", body.len());
        let line = format!("POST {path}?sudo=root&%6Aob_token=x");
        let response = Client::ask(&proxy, request(&line, &token, &[&length, field], body)).await;
        let seen = upstream.take_requests();
        assert!(seen.iter().all(|seen| seen.target == path && seen.body == body.as_bytes()));
        assert_eq!(seen.len(), usize::from(response.status == 200), "{path} {body}");
        if response.status == 200 { String::new() } else { response.code() }
    };
    let spellings = ["Sudo", "SUDO", "private-token", "Private_Token", "job-token", "[sudo]"];
    let methods = ["_method", "_METHOD", "X-HTTP-Method-Override"];
    for name in ELSEWHERE.into_iter().chain(spellings).chain(methods) {
        let json = format!(r#"{{"title":"t","{name}":"x"}}"#);
        let form = format!("title=t&{name}=x");
        let codes = (ask("/open", JSON, &json).await, ask("/open", FORM, &form).await);
        let syntax = if name.starts_with('[') { "form_syntax" } else { "form_override" };
        assert_eq!(codes, ("json_override".to_owned(), syntax.to_owned()), "{name}");
        for (path, code) in [("/closed", true), ("/any", false), ("/plain", false)] {
            assert_eq!(!ask(path, JSON, &json).await.is_empty(), code, "{path} {name}");
            assert_eq!(!ask(path, FORM, &form).await.is_empty(), code, "{path} {name}");
        }
        let below = format!(r#"{{"title":{{"{name}":"x"}}}}"#);
        assert_eq!(ask("/open", JSON, &below).await, "", "{name}");
    }
    // Not even a rule that lists the name opens the way.
    assert_eq!(ask("/listed", JSON, r#"{"sudo":"root"}"#).await, "json_override");
    assert_eq!(ask("/listed", FORM, "sudo=root").await, "form_override");
}
