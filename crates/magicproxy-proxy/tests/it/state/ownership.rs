//! Grants: what a token made, and nothing else.

use serde_json::json;

use super::*;
use crate::support::{OnlyUpstream as _, Token, rules};

const RECORD: &str = "/v2/domains/example.com/records";

#[tokio::test]
async fn what_a_token_made_is_its_own_until_it_deletes_it() {
    let upstream = digitalocean().await;
    let proxy = stateful(&upstream).await;
    let (mine, other) =
        (Token::ruled(&makes_records()).mint(), Token::ruled(&makes_records()).mint());
    let response = create(&proxy, &mine).await;
    assert_eq!((response.status, response.text()), (201, created(101)));
    assert_eq!(create(&proxy, &other).await.status, 201);
    for line in ["GET", "HEAD", "PUT"] {
        assert_eq!(ask(&proxy, &format!("{line} {RECORD}/101"), &mine).await.status, 200, "{line}");
    }
    for (line, token) in [
        ("DELETE /v2/domains/example.com/records/102", &mine),
        ("DELETE /v2/domains/example.com/records/101", &other),
        ("DELETE /v2/domains/example.com/records/1", &mine),
        ("DELETE /v2/domains/example.com/records/1010", &mine),
        ("DELETE /v2/domains/example.com/records/101/", &mine),
        ("DELETE /v2/domains/example.com/records", &mine),
        ("DELETE /v2/domains/example.org/records/101", &mine),
        ("PATCH /v2/domains/example.com/records/101", &mine),
        ("POST /v2/domains/example.com/records/101", &mine),
        ("DELETE /v2/domains/example.com/RECORDS/101", &mine),
    ] {
        ask(&proxy, line, token).await.assert_rejected(403, "not_allowed");
    }
    for disguised in [
        "DELETE /v2/domains/example.com/records/%31%30%31",
        "DELETE /v2/domains/example.com/records/101?x=/102",
    ] {
        // The same path for every server, and so it is for us; the second has nothing left to delete.
        let status = ask(&proxy, disguised, &mine).await.status;
        assert!([204, 403].contains(&status), "{disguised}");
    }
    ask(&proxy, &format!("DELETE {RECORD}/101"), &mine).await.assert_rejected(403, "not_allowed");
    assert_eq!(ask(&proxy, &format!("DELETE {RECORD}/102"), &other).await.status, 204);
    let deleted: Vec<String> = methods(&upstream.requests())
        .into_iter()
        .filter(|line| line.starts_with("DELETE"))
        .collect();
    assert_eq!(deleted, [format!("DELETE {RECORD}/101"), format!("DELETE {RECORD}/102")]);
}

#[tokio::test]
async fn what_was_narrowed_shares_and_a_caveat_and_the_ceiling_still_bind() {
    let upstream = digitalocean().await;
    let store = Arc::new(MemoryStore::new());
    let shared = Arc::clone(&store);
    let bounded = Proxy::with(&upstream, |settings| {
        settings.services.state = Some(shared);
        settings.upstream_mut().ceiling = Some(rules(&["POST /.*", "GET /.*"]));
    })
    .await;
    let proxy = proxy(&upstream, store).await;
    let token = Token::ruled(&makes_records()).mint();
    assert_eq!(create(&proxy, &token).await.status, 201);
    assert_eq!(create(&proxy, &token).await.status, 201);
    let narrowed = |caveat: Value| {
        let proxy = &proxy;
        let token = token.clone();
        async move {
            let body = json!({ "caveat": caveat }).to_string();
            let response = post(proxy, "POST /__magictoken/narrow", &token, &body).await;
            assert_eq!(response.status, 200, "{}", response.text());
            crate::support::guard(response.text().trim());
            response.text().trim().to_owned()
        }
    };
    let only_reads = narrowed(json!({ "allowed": ["GET /.*"] })).await;
    assert_eq!(ask(&proxy, &format!("GET {RECORD}/101"), &only_reads).await.status, 200);
    ask(&proxy, &format!("DELETE {RECORD}/101"), &only_reads)
        .await
        .assert_rejected(403, "beyond_caveat");
    let shorter = narrowed(json!({ "exp": crate::support::now() + 600 })).await;
    ask(&bounded, &format!("DELETE {RECORD}/101"), &shorter)
        .await
        .assert_rejected(403, "beyond_ceiling");
    assert_eq!(ask(&proxy, &format!("DELETE {RECORD}/101"), &shorter).await.status, 204);
    ask(&proxy, &format!("GET {RECORD}/101"), &token).await.assert_rejected(403, "not_allowed");
}

#[tokio::test]
async fn no_value_no_grant_and_the_response_passes() {
    let long = format!(r#"{{"domain_record":{{"id":101}},"x":"{}"}}"#, "y".repeat(300 * 1024));
    let json_type = "Content-Type: application/json";
    for (status, lines, body, granted) in [
        ("201 Created", vec![json_type], created(101), true),
        (
            "200 OK",
            vec!["Content-Type: application/vnd.api+json; charset=utf-8"],
            created(101),
            true,
        ),
        ("422 Unprocessable", vec![json_type], created(101), false),
        ("302 Found", vec![json_type, "Location: /x"], created(101), false),
        ("201 Created", vec!["Content-Type: text/plain"], created(101), false),
        ("201 Created", vec![], created(101), false),
        ("201 Created", vec![json_type], long, false),
        ("201 Created", vec![json_type], "{}".to_owned(), false),
        ("201 Created", vec![json_type], String::new(), false),
        (
            "201 Created",
            vec![json_type],
            r#"{"domain_record":{"id":"1/../101"}}"#.to_owned(),
            false,
        ),
        (
            "201 Created",
            vec![json_type],
            r#"{"domain_record":{"id":"7"},"domain_record":{"id":101}}"#.to_owned(),
            false,
        ),
    ] {
        let (text, given) =
            (body.clone(), lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>());
        let upstream = Upstream::scripted(move |seen| match seen.method.as_str() {
            "POST" => {
                Reply::with(status, &given.iter().map(String::as_str).collect::<Vec<_>>(), &text)
            }
            _ => Reply::ok(""),
        })
        .await;
        let proxy = stateful(&upstream).await;
        let token = Token::ruled(&makes_records()).mint();
        let response = create(&proxy, &token).await;
        assert_eq!(
            (response.status.to_string(), response.text()),
            (status[..3].to_owned(), body.clone()),
            "{lines:?}"
        );
        assert!(response.complete);
        assert_eq!(upstream.requests()[0].all("accept-encoding"), ["identity"]);
        let expected = if granted { 200 } else { 403 };
        assert_eq!(
            ask(&proxy, &format!("GET {RECORD}/101"), &token).await.status,
            expected,
            "{status} {lines:?} {body:.80}"
        );
    }
}

#[tokio::test]
async fn a_response_in_chunks_is_read_whole_and_passed_whole() {
    let body = created(101);
    let chunks: String =
        body.bytes().map(|byte| format!("1\r\n{}\r\n", char::from(byte))).collect();
    let response = format!(
        "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n{chunks}0\r\nx-sum: 9\r\n\r\n"
    );
    let upstream = Upstream::scripted(move |seen| match seen.method.as_str() {
        "POST" => Reply::bytes(response.clone()),
        _ => Reply::ok(""),
    })
    .await;
    let proxy = stateful(&upstream).await;
    let token = Token::ruled(&makes_records()).mint();
    let line = "POST /v2/domains/example.com/records";
    let response =
        Client::ask(&proxy, request(line, &token, &["TE: trailers", "Content-Length: 0"], ""))
            .await;
    assert_eq!((response.status, response.text(), response.complete), (201, body, true));
    assert_eq!(ask(&proxy, &format!("PUT {RECORD}/101"), &token).await.status, 200);
}

#[tokio::test]
async fn a_response_that_cannot_be_read_is_refused_and_gives_no_grant() {
    let lines = ["Content-Type: application/json", "Content-Encoding: br"];
    let upstream =
        Upstream::scripted(move |_| Reply::with("201 Created", &lines, created(101))).await;
    let proxy = stateful(&upstream).await;
    let token = Token::ruled(&makes_records()).mint();
    create(&proxy, &token).await.assert_rejected(502, "upstream_coding");
    ask(&proxy, &format!("GET {RECORD}/101"), &token).await.assert_rejected(403, "not_allowed");
}

#[tokio::test]
async fn values_come_from_request_path_and_location_too() {
    let upstream = Upstream::scripted(|seen| match seen.method.as_str() {
        "POST" => Reply::with("201 Created", &["Location: https://api.test/things/77?x=1"], "made"),
        _ => Reply::ok(""),
    })
    .await;
    let proxy = stateful(&upstream).await;
    let token = Token::ruled(&json!([{ "method": "POST", "route": "/zones/{zone}/things",
        "grants": ["DELETE /zones/{path.zone}/things/{request.name}", "GET /zones/{path.zone}/by-id/{location}"] }]));
    let token = token.mint();
    assert_eq!(
        post(&proxy, "POST /zones/one/things", &token, r#"{"name":"x-1"}"#).await.text(),
        "made"
    );
    assert_eq!(upstream.requests()[0].body, br#"{"name":"x-1"}"#);
    assert_eq!(upstream.requests()[0].all("content-length"), ["14"]);
    assert_eq!(ask(&proxy, "GET /zones/one/by-id/77", &token).await.status, 200);
    ask(&proxy, "DELETE /zones/two/things/x-1", &token).await.assert_rejected(403, "not_allowed");
    assert_eq!(ask(&proxy, "DELETE /zones/one/things/x-1", &token).await.status, 200);
    upstream.take_requests();
    for unreadable in
        ["", "{", r#"{"name":"a","name":"b"}"#, r#"{"name":"a","Name":"b"}"#, r#"{"NAME":"a"}"#]
    {
        post(&proxy, "POST /zones/one/things", &token, unreadable)
            .await
            .assert_rejected(400, "body_unreadable");
    }
    let encoded = ["Content-Encoding: gzip", "Content-Length: 14"];
    let response = Client::ask(
        &proxy,
        request("POST /zones/one/things", &token, &encoded, r#"{"name":"x-1"}"#),
    )
    .await;
    response.assert_rejected(400, "body_unreadable");
    let long = format!(r#"{{"name":"{}"}}"#, "x".repeat(1024 * 1024));
    post(&proxy, "POST /zones/one/things", &token, &long)
        .await
        .assert_rejected(413, "body_too_large");
    assert!(upstream.requests().is_empty());
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_passed_on_as_if_it_had_been() {
    let store = Failing::new();
    let failing = Arc::clone(&store);
    // It fails when the upstream has been asked.
    let upstream = Upstream::scripted(move |seen| match seen.method.as_str() {
        "POST" => {
            failing.fail(false, true);
            Reply::with("201 Created", &["Content-Type: application/json"], created(101))
        }
        _ => Reply::ok("{}"),
    })
    .await;
    let proxy = proxy(&upstream, Arc::clone(&store) as Arc<dyn StateStore>).await;
    let token = Token::ruled(&makes_records()).mint();
    create(&proxy, &token).await.assert_rejected(502, "created_not_recorded");
    create(&proxy, &token).await.assert_rejected(503, "store_unavailable");
    store.fail(true, true);
    // Before anything is sent.
    create(&proxy, &token).await.assert_rejected(503, "store_unavailable");
    ask(&proxy, &format!("DELETE {RECORD}/101"), &token)
        .await
        .assert_rejected(503, "store_unavailable");
    assert_eq!(
        ask(&proxy, "GET /v2/domains/example.com/records", &token).await.status,
        200,
        "what needs no store"
    );
    assert_eq!(upstream.requests().len(), 2);
    store.fail(false, false);
    ask(&proxy, &format!("DELETE {RECORD}/101"), &token).await.assert_rejected(403, "not_allowed");
    let without = Proxy::before(&upstream).await;
    create(&without, &token).await.assert_rejected(503, "store_unavailable");
    assert_eq!(upstream.requests().len(), 2);
}

#[tokio::test]
async fn it_is_recorded_though_the_client_goes_away() {
    let mut upstream = Upstream::held().await;
    let store = Arc::new(MemoryStore::new());
    let proxy = proxy(&upstream, store).await;
    let token = Token::ruled(&makes_records()).mint();
    let mut client = Client::connect(&proxy).await;
    client
        .send(request("POST /v2/domains/example.com/records", &token, &["Content-Length: 0"], ""))
        .await;
    let mut connection = upstream.accept().await;
    connection.request().await;
    drop(client);
    let body = created(7);
    let response = format!(
        "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    connection.send(response).await;
    // Until it is recorded, it is not its own; the connection ended with its response, which nobody wanted.
    let deletion = tokio::spawn(async move {
        let mut status = 403;
        while status == 403 {
            status = ask(&proxy, &format!("DELETE {RECORD}/7"), &token).await.status;
        }
        status
    });
    let mut second = upstream.accept().await;
    let seen = second.request().await;
    second.send("HTTP/1.1 204 No Content\r\n\r\n").await;
    assert_eq!(seen.method, "DELETE");
    assert_eq!(crate::support::soon(deletion).await.unwrap(), 204);
}

#[tokio::test]
async fn a_deletion_that_failed_leaves_the_grant_and_one_of_nothing_takes_it() {
    let upstream = Upstream::scripted(|seen| match (seen.method.as_str(), seen.target.as_str()) {
        ("POST", _) => {
            Reply::with("201 Created", &["Content-Type: application/json"], created(101))
        }
        ("DELETE", target) if target.ends_with("?again") => Reply::with("404 Not Found", &[], ""),
        ("DELETE", _) => Reply::with("500 Internal Server Error", &[], ""),
        _ => Reply::ok(""),
    })
    .await;
    let proxy = stateful(&upstream).await;
    let token = Token::ruled(&makes_records()).mint();
    assert_eq!(create(&proxy, &token).await.status, 201);
    for _ in 0..2 {
        assert_eq!(ask(&proxy, &format!("DELETE {RECORD}/101"), &token).await.status, 500);
    }
    assert_eq!(ask(&proxy, &format!("DELETE {RECORD}/101?again"), &token).await.status, 404);
    ask(&proxy, &format!("DELETE {RECORD}/101"), &token).await.assert_rejected(403, "not_allowed");
}
