//! Pushes of git: decided on before a byte goes up, streamed when they are allowed, and refused in git's own words
//! (`docs/spec/git.md` section 6). What git itself makes of it: `git_program.rs`.

use magicproxy_proxy::settings::Quota;
use serde_json::json;
use zeroize::Zeroizing;

use crate::http2;
use crate::support::{
    Client, ClientResponse, Proxy, Token, Upstream, find, now, request, settings,
};

const LINE: &str = "POST /acme/tool.git/git-receive-pack";
const PUSH: &str = "Content-Type: application/x-git-receive-pack-request";
const REPORT: &str = "application/x-git-receive-pack-result";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// A token that may create branches below `agent/`, and add to them.
fn token() -> Zeroizing<String> {
    ruled(
        json!([{ "git": "push", "repository": "/acme/tool", "refs": { "glob": "refs/heads/agent/*" }, "create": true }]),
    )
}

fn ruled(rules: serde_json::Value) -> Zeroizing<String> {
    Token::ruled(&rules).mint()
}

/// The commands of a push that creates these references.
fn commands(names: &[&str]) -> String {
    let (zero, new) = ("0".repeat(40), "2".repeat(40));
    let mut capabilities = "\0 report-status side-band-64k agent=git/2.47.3";
    let mut list = String::new();
    for name in names {
        let line = format!("{zero} {new} {name}{}", std::mem::take(&mut capabilities));
        list += &format!("{:04x}{line}", line.len() + 4);
    }
    list + "0000"
}

/// A push that creates these references, with a pack of so many bytes.
fn push(names: &[&str], pack: usize) -> String {
    commands(names) + "PACK" + &"p".repeat(pack)
}

fn with_length(token: &str, body: &str) -> Vec<u8> {
    request(LINE, token, &[PUSH, &format!("Content-Length: {}", body.len())], body)
}

fn in_chunks(token: &str, body: &str) -> Vec<u8> {
    let mut chunks = String::new();
    for piece in body.as_bytes().chunks(30_001) {
        chunks += &format!("{:x}\r\n{}\r\n", piece.len(), String::from_utf8_lossy(piece));
    }
    request(LINE, token, &[PUSH, "Transfer-Encoding: chunked"], &(chunks + "0\r\n\r\n"))
}

/// Is this a report that refuses, with this code, and has these parts?
#[track_caller]
fn assert_report(response: &ClientResponse, code: &str, parts: &[&str]) {
    assert_eq!((response.status, response.one("content-type")), (200, Some(REPORT)));
    let proxy_status = response.one("proxy-status").unwrap_or_default();
    assert!(proxy_status.contains(&format!("details=\"{code} ")), "{code}: {proxy_status}");
    assert!(response.all("www-authenticate").is_empty());
    for part in parts {
        assert!(find(&response.body, part.as_bytes()).is_some(), "{part}: {}", response.text());
    }
    assert!(response.complete);
}

/// Asks with a body that the proxy may not read to its end.
async fn ask(proxy: &Proxy, request: Vec<u8>) -> ClientResponse {
    let mut client = Client::connect(proxy).await;
    client.try_send(request).await;
    client.response().await
}

#[tokio::test]
async fn an_allowed_push_goes_up_byte_for_byte() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    for pack in [0, 1_000, 400_000] {
        let body = push(&["refs/heads/agent/x", "refs/heads/agent/y"], pack);
        for (asked, is_chunked) in
            [(with_length(&token(), &body), false), (in_chunks(&token(), &body), true)]
        {
            assert_eq!(Client::ask(&proxy, asked).await.status, 200);
            let seen = upstream.only_request();
            assert!(seen.body == body.as_bytes(), "{pack} {is_chunked}: {}", seen.body.len());
            assert!(is_chunked || seen.all("content-length") == [body.len().to_string()]);
            upstream.take_requests();
        }
        let mut sender = http2::connect(&proxy).await;
        let asked = pushed_by_http2(&token(), &body);
        assert_eq!(http2::response(&mut sender, asked).await.0.status(), 200);
        assert!(upstream.only_request().body == body.as_bytes(), "{pack} over HTTP/2");
        upstream.take_requests();
    }
}

fn pushed_by_http2(token: &str, body: &str) -> http::Request<http2::Body> {
    let mut asked = http2::ask(LINE, token, body);
    let media = "application/x-git-receive-pack-request".parse().unwrap();
    asked.headers_mut().insert("content-type", media);
    asked
}

/// The commands are all that the decision needs: they go up before the pack has come.
#[tokio::test]
async fn the_pack_streams_behind_its_commands() {
    let mut upstream = Upstream::held().await;
    let proxy = Proxy::before(&upstream).await;
    let body = push(&["refs/heads/agent/x"], 500_000);
    let asked = with_length(&token(), &body);
    let (first, rest) = asked.split_at(asked.len() - 450_000);
    let mut client = Client::connect(&proxy).await;
    client.send(first).await;
    let mut connection = upstream.accept().await;
    connection.head().await;
    connection.exactly(body.len() - 450_000).await;
    client.send(rest).await;
    connection.exactly(450_000).await;
    connection.send(OK).await;
    assert_eq!(client.response().await.status, 200);
}

/// One command that no rule allows refuses the push: nothing goes up, and each reference has its reason.
#[tokio::test]
async fn a_forbidden_reference_refuses_the_whole_push() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    let expected = [
        "ng refs/heads/main magicproxy: not allowed\n",
        "ng refs/heads/agent/x magicproxy: not attempted\n",
        "\u{2}magicproxy: the token does not allow this request\n",
    ];
    for pack in [0, 1_000, 3_000_000] {
        let body = push(&["refs/heads/main", "refs/heads/agent/x"], pack);
        for asked in [with_length(&token(), &body), in_chunks(&token(), &body)] {
            let response = ask(&proxy, asked).await;
            assert_report(&response, "not_allowed", &expected);
        }
    }
    let mut sender = http2::connect(&proxy).await;
    let body = push(&["refs/heads/main", "refs/heads/agent/x"], 1_000);
    let (head, body) = http2::response(&mut sender, pushed_by_http2(&token(), &body)).await;
    assert_eq!(head.status(), 200);
    assert!(find(&body, expected[0].as_bytes()).is_some(), "{}", String::from_utf8_lossy(&body));
    assert!(upstream.requests().is_empty());
}

/// Whatever refuses a push, each reference has the reason, though nobody read the commands to decide.
#[tokio::test]
async fn every_refusal_of_a_push_is_a_report() {
    let upstream = Upstream::absent().await;
    let proxy = Proxy::before(&upstream).await;
    let other = Token::allowing(&["GET /other"]).mint();
    let expired = Token::allowing(&["POST /.*"]).living(now() - 100, now() - 50).mint();
    let open = Token::any();
    let cases = [
        (other.as_str(), "not_allowed"),
        (expired.as_str(), "expired_token"),
        (open.as_str(), "upstream_unreachable"),
        ("nonsense", "invalid_token"),
    ];
    for (token, code) in cases {
        for pack in [1_000, 900_000] {
            let body = push(&["refs/heads/main"], pack);
            for asked in [with_length(token, &body), in_chunks(token, &body)] {
                let response = ask(&proxy, asked).await;
                assert_report(&response, code, &["ng refs/heads/main magicproxy: "]);
            }
        }
    }
}

/// Where the commands cannot be known, git shows a failure of the remote, and never that all is well.
#[tokio::test]
async fn a_push_that_cannot_be_read_is_refused_in_git_s_words() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    let cut = &commands(&["refs/heads/agent/x"])[..40];
    let cases = [
        ("zzzz".to_owned(), "git_syntax"),
        (cut.to_owned(), "git_syntax"),
        ("0000PACK".to_owned(), "git_syntax"),
        (commands(&["refs/heads/agent/x", "refs/heads/agent/x"]), "git_syntax"),
        (commands(&["refs/heads/agent/.."]), "git_ref_name"),
    ];
    for (body, code) in cases {
        for asked in [with_length(&token(), &body), in_chunks(&token(), &body)] {
            let response = ask(&proxy, asked).await;
            assert_report(&response, code, &["unpack magicproxy: "]);
        }
    }
    assert!(upstream.requests().is_empty());
    assert_eq!(Client::ask(&proxy, with_length(&token(), "0000")).await.status, 200);
    assert_eq!(upstream.only_request().body, b"0000");
}

/// git sends its token when it is asked for a password; other clients read no report.
#[tokio::test]
async fn some_refusals_are_those_of_http() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    let body = push(&["refs/heads/main"], 10);
    Client::ask(&proxy, with_length("", &body)).await.assert_rejected(401, "missing_token");
    let json = ["Content-Type: application/json", "Content-Length: 2"];
    let other = Client::ask(&proxy, request(LINE, &token(), &json, "{}")).await;
    other.assert_rejected(400, "body_type");
    let refs = "GET /acme/tool.git/info/refs?service=git-upload-pack";
    let other = Client::ask(&proxy, request(refs, &token(), &[], "")).await;
    other.assert_rejected(403, "not_allowed");
}

/// What is held for a push is paid for, and a push that finds no memory is told so.
#[tokio::test]
async fn memory_for_a_push_is_paid_for() {
    let upstream = Upstream::hello().await;
    let mut setup = settings(upstream.address, "");
    let quota = Quota { total: 1 << 30, per_owner: 400_000, per_peer: 1 << 30, reserved: 0 };
    setup.settings.limits.inspected_bytes = quota;
    let proxy = Proxy::start(setup).await;
    let body = push(&["refs/heads/agent/x"], 10);
    let response = ask(&proxy, with_length(&token(), &body)).await;
    assert_report(&response, "owner_share", &["ng refs/heads/agent/x magicproxy: "]);
    assert!(upstream.requests().is_empty());
    // Who asks nobody to look needs no memory.
    assert_eq!(Client::ask(&proxy, with_length(&Token::any(), &body)).await.status, 200);
}
