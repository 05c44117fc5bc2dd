//! Items of a list in the request's body, as PowerDNS has them.

use std::collections::BTreeSet;
use std::sync::Mutex;

use serde_json::json;

use super::*;
use crate::support::{Token, soon};

const ZONE: &str = "/api/v1/servers/localhost/zones/example.com.";

pub(crate) fn challenges(lookup: bool) -> Value {
    let mut list_items = json!({ "list": "rrsets", "key": ["name", "type"], "creates": { "changetype": "REPLACE" },
        "deletes": { "changetype": "DELETE" }, "deletes_if_empty": "records", "only": { "type": "TXT", "name": "*.example.com." } });
    if lookup {
        list_items["lookup"] = "?rrset_name={name}.&rrset_type={type}".into();
    }
    json!(["GET /api/.*", { "method": "PATCH", "route": "/api/v1/servers/localhost/zones/{zone}", "list_items": list_items }])
}

/// The part of PowerDNS that matters: one zone, in which these TXT records are.
pub(crate) async fn powerdns(names: &[&str]) -> Upstream {
    let zone: Mutex<BTreeSet<String>> =
        Mutex::new(names.iter().map(|name| (*name).to_owned()).collect());
    let json_type = ["Content-Type: application/json"];
    Upstream::scripted(move |seen| {
        let mut zone = zone.lock().unwrap();
        if seen.method == "GET" {
            let rrsets: Vec<Value> = zone
                .iter()
                .map(|name| json!({ "name": name, "type": "TXT", "records": [] }))
                .collect();
            return Reply::with(
                "200 OK",
                &json_type,
                json!({ "name": "example.com.", "rrsets": rrsets }).to_string(),
            );
        }
        let body: Value = serde_json::from_slice(&seen.body).unwrap();
        for rrset in body["rrsets"].as_array().unwrap() {
            let name = format!(
                "{}.",
                rrset["name"].as_str().unwrap().to_ascii_lowercase().trim_end_matches('.')
            );
            if name.starts_with("refused.") {
                return Reply::with("422 Unprocessable Entity", &json_type, r#"{"error":"no"}"#);
            }
            if rrset["changetype"] == "DELETE"
                || rrset["records"].as_array().is_some_and(Vec::is_empty)
            {
                zone.remove(&name);
            } else {
                zone.insert(name);
            }
        }
        Reply::with("204 No Content", &[], "")
    })
    .await
}

pub(crate) fn rrset(name: &str, change: &str) -> Value {
    json!({ "name": name, "type": "TXT", "ttl": 60, "changetype": change, "records": [{ "content": "\"x\"", "disabled": false }] })
}

pub(crate) async fn patch(proxy: &Proxy, token: &str, rrsets: &[Value]) -> ClientResponse {
    patch_zone(proxy, token, "example.com.", rrsets).await
}

async fn patch_zone(proxy: &Proxy, token: &str, zone: &str, rrsets: &[Value]) -> ClientResponse {
    let line = format!("PATCH /api/v1/servers/localhost/zones/{zone}");
    post(proxy, &line, token, &json!({ "rrsets": rrsets }).to_string()).await
}

/// Does so while others go on.
fn patching(
    proxy: &Arc<Proxy>,
    token: &str,
    rrsets: Vec<Value>,
) -> tokio::task::JoinHandle<ClientResponse> {
    let (proxy, token) = (Arc::clone(proxy), token.to_owned());
    tokio::spawn(async move { patch(&proxy, &token, &rrsets).await })
}

fn nothing_there() -> String {
    listing(&[])
}

#[tokio::test]
async fn a_record_is_created_changed_and_deleted_by_its_token_alone() {
    for lookup in [false, true] {
        let upstream = powerdns(&["www.example.com."]).await;
        let proxy = stateful(&upstream).await;
        let (mine, other) =
            (Token::ruled(&challenges(lookup)).mint(), Token::ruled(&challenges(lookup)).mint());
        let name = "_acme-challenge.example.com.";
        patch(&proxy, &mine, &[rrset(name, "DELETE")]).await.assert_rejected(403, "not_owned");
        assert_eq!(patch(&proxy, &mine, &[rrset(name, "REPLACE")]).await.status, 204);
        let asked = if lookup {
            format!("GET {ZONE}?rrset_name=_acme-challenge.example.com.&rrset_type=txt")
        } else {
            format!("GET {ZONE}")
        };
        assert_eq!(methods(&upstream.take_requests()), [asked, format!("PATCH {ZONE}")]);
        // Its own by now: nobody is asked.
        assert_eq!(
            patch(&proxy, &mine, &[rrset("_ACME-challenge.Example.com", "REPLACE")]).await.status,
            204
        );
        assert_eq!(methods(&upstream.take_requests()), [format!("PATCH {ZONE}")]);
        for (token, rrset) in [
            (&other, rrset(name, "DELETE")),
            (&other, rrset(name, "REPLACE")),
            (&mine, rrset("www.example.com.", "DELETE")),
            (&mine, rrset("WWW.example.com", "REPLACE")),
            (
                &mine,
                json!({ "name": "www.example.com.", "type": "TXT", "changetype": "REPLACE", "records": [] }),
            ),
        ] {
            patch(&proxy, token, &[rrset]).await.assert_rejected(403, "not_owned");
        }
        assert!(upstream.take_requests().iter().all(|seen| seen.method == "GET"));
        assert_eq!(patch(&proxy, &mine, &[rrset(name, "DELETE")]).await.status, 204);
        patch(&proxy, &mine, &[rrset(name, "DELETE")]).await.assert_rejected(403, "not_owned");
        // Free again, for anybody.
        assert_eq!(patch(&proxy, &other, &[rrset(name, "REPLACE")]).await.status, 204);
    }
}

#[tokio::test]
async fn one_item_that_is_not_allowed_stops_all() {
    let upstream = powerdns(&["www.example.com."]).await;
    let proxy = stateful(&upstream).await;
    let token = Token::ruled(&challenges(false)).mint();
    let good = rrset("a.example.com.", "REPLACE");
    for (bad, code) in [
        (rrset("www.example.com.", "REPLACE"), "not_owned"),
        (rrset("b.example.com.", "DELETE"), "not_owned"),
        (rrset("b.example.org.", "REPLACE"), "not_allowed"),
        (rrset("b.example.com.", "EXTEND"), "not_allowed"),
        (json!({ "name": "b.example.com.", "type": "MX", "changetype": "REPLACE" }), "not_allowed"),
        (rrset("A.example.com", "REPLACE"), "not_allowed"),
        (rrset("ww\\119.example.com.", "REPLACE"), "not_allowed"),
    ] {
        patch(&proxy, &token, &[good.clone(), bad]).await.assert_rejected(403, code);
    }
    for body in [
        "",
        "[]",
        r#"{"rrsets":[]}"#,
        r#"{"rrsets":[{}],"kind":"Master"}"#,
        "{\"rrsets\":[],\"rrsets\":[{}]}",
    ] {
        post(&proxy, &format!("PATCH {ZONE}"), &token, body)
            .await
            .assert_rejected(400, "body_unreadable");
    }
    assert!(upstream.take_requests().iter().all(|seen| seen.method == "GET"));
    // Nothing of all that stays reserved.
    assert_eq!(
        patch(&proxy, &token, &[good, rrset("b.example.com.", "REPLACE")]).await.status,
        204
    );
}

#[tokio::test]
async fn what_the_upstream_refuses_is_nobodys_and_what_it_cannot_tell_is_refused() {
    let upstream = powerdns(&[]).await;
    let store = Failing::new();
    let proxy = proxy(&upstream, Arc::clone(&store) as Arc<dyn StateStore>).await;
    let (mine, other) =
        (Token::ruled(&challenges(false)).mint(), Token::ruled(&challenges(false)).mint());
    let refused = rrset("refused.example.com.", "REPLACE");
    assert_eq!(patch(&proxy, &mine, std::slice::from_ref(&refused)).await.status, 422);
    patch(&proxy, &mine, &[rrset("refused.example.com.", "DELETE")])
        .await
        .assert_rejected(403, "not_owned");
    assert_eq!(patch(&proxy, &other, &[refused]).await.status, 422);
    store.fail(false, true);
    patch(&proxy, &mine, &[rrset("a.example.com.", "REPLACE")])
        .await
        .assert_rejected(503, "store_unavailable");
    store.fail(false, false);
    for response in [
        Reply::with("404 Not Found", &["Content-Type: application/json"], "{}"),
        Reply::ok("not json"),
        Reply::ok(r#"{"rrsets":[{"name":"x"}]}"#),
        Reply::with("200 OK", &["Content-Encoding: br"], r#"{"rrsets":[]}"#),
    ] {
        let response = Mutex::new(Some(response));
        let upstream = Upstream::scripted(move |_| {
            response.lock().unwrap().take().unwrap_or_else(|| Reply::ok(""))
        })
        .await;
        let proxy = stateful(&upstream).await;
        patch(&proxy, &mine, &[rrset("a.example.com.", "REPLACE")])
            .await
            .assert_rejected(502, "existence_unknown");
        assert_eq!(upstream.only_request().method, "GET");
    }
}

/// A server in Go or .NET finds `TYPE` where it looks for `type`, and would change another record than the token owns.
#[tokio::test]
async fn an_item_that_has_two_readings_is_not_sent() {
    let upstream = powerdns(&[]).await;
    let proxy = stateful(&upstream).await;
    let token = Token::ruled(&challenges(false)).mint();
    let line = format!("PATCH {ZONE}");
    let with = |member: &str| {
        let item = r#""name":"a.example.com.","type":"TXT","changetype":"REPLACE","records":[{"content":"x"}]"#;
        format!(r#"{{"rrsets":[{{{item},{member}}}]}}"#)
    };
    for member in [
        r#""TYPE":"A""#,
        r#""Name":"www.example.com.""#,
        r#""change_type":"DELETE""#,
        r#""Records":[]"#,
        r#""type\u0000":"A""#,
    ] {
        post(&proxy, &line, &token, &with(member)).await.assert_rejected(400, "body_unreadable");
    }
    let lenient_only = with(r#""ttl":1"#).replace("records", "Records");
    post(&proxy, &line, &token, &lenient_only).await.assert_rejected(403, "not_allowed");
    assert!(upstream.take_requests().is_empty());
    assert_eq!(post(&proxy, &line, &token, &with(r#""ttl":1"#)).await.status, 204);
}

/// The response to the question: these records are there.
fn listing(names: &[&str]) -> String {
    let rrsets: Vec<Value> =
        names.iter().map(|name| json!({ "name": name, "type": "TXT" })).collect();
    let body = json!({ "rrsets": rrsets }).to_string();
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// What the upstream has is read up to four mebibytes; of a longer response nobody can tell what is in it.
#[tokio::test]
async fn what_the_upstream_has_is_read_up_to_a_bound() {
    for (length, status) in [(4 * 1024 * 1024, 204), (4 * 1024 * 1024 + 1, 502)] {
        let upstream = Upstream::scripted(move |seen| match seen.method.as_str() {
            "GET" => {
                let empty = json!({ "rrsets": [], "filling": "" }).to_string();
                Reply::ok(
                    empty.replace("\"\"", &format!("\"{}\"", "x".repeat(length - empty.len()))),
                )
            }
            _ => Reply::with("204 No Content", &[], ""),
        })
        .await;
        let proxy = stateful(&upstream).await;
        let token = Token::ruled(&challenges(false)).mint();
        let response =
            patch(&proxy, &token, &[rrset("_acme-challenge.example.com.", "REPLACE")]).await;
        assert_eq!(response.status, status, "{length}: {}", response.text());
        assert_eq!(
            upstream.requests().iter().any(|seen| seen.method == "PATCH"),
            status == 204,
            "{length}"
        );
    }
}

/// While a request asks whether the record exists, neither it nor another may take that for its own.
#[tokio::test]
async fn what_is_being_looked_up_is_nobodys_yet() {
    let mut upstream = Upstream::held().await;
    let proxy = Arc::new(stateful(&upstream).await);
    let token = Token::ruled(&challenges(false)).mint().to_string();
    let name = "www.example.com.";
    let first = patching(&proxy, &token, vec![rrset(name, "REPLACE")]);
    let mut connection = upstream.accept().await;
    assert_eq!(connection.request().await.method, "GET");
    patch(&proxy, &token, &[rrset(name, "DELETE")]).await.assert_rejected(403, "not_owned");
    assert!(!upstream.has_client());
    let second = patching(&proxy, &token, vec![rrset(name, "REPLACE")]);
    let mut another = upstream.accept().await;
    assert_eq!(another.request().await.method, "GET");
    for connection in [&mut connection, &mut another] {
        connection.send(listing(&[name])).await;
    }
    for request in [first, second] {
        soon(request).await.unwrap().assert_rejected(403, "not_owned");
    }
}

/// Both ask, and both hear that there is none: the one that is first has it, and nothing is sent for the other.
#[tokio::test]
async fn of_two_that_ask_at_once_one_creates() {
    let mut upstream = Upstream::held().await;
    let proxy = Arc::new(stateful(&upstream).await);
    let (mine, other) =
        (Token::ruled(&challenges(false)).mint(), Token::ruled(&challenges(false)).mint());
    let name = "_acme-challenge.example.com.";
    let slow = patching(&proxy, &other, vec![rrset(name, "REPLACE")]);
    let mut one = upstream.accept().await;
    assert_eq!(one.request().await.method, "GET");
    let fast = patching(&proxy, &mine, vec![rrset(name, "REPLACE")]);
    let mut two = upstream.accept().await;
    assert_eq!(two.request().await.method, "GET");
    two.send(nothing_there()).await;
    assert_eq!(two.request().await.method, "PATCH");
    one.send(nothing_there()).await;
    soon(slow).await.unwrap().assert_rejected(403, "not_owned");
    two.send("HTTP/1.1 204 No Content\r\n\r\n").await;
    assert_eq!(soon(fast).await.unwrap().status, 204);
    patch(&proxy, &other, &[rrset(name, "DELETE")]).await.assert_rejected(403, "not_owned");
    assert!(!upstream.has_client());
}

/// What the API refused may have come into being all the same: a response from before that is asked for once more.
#[tokio::test]
async fn a_response_from_before_a_refusal_does_not_count() {
    for exists in [false, true] {
        let mut upstream = Upstream::held().await;
        let proxy = Arc::new(stateful(&upstream).await);
        let (mine, other) =
            (Token::ruled(&challenges(false)).mint(), Token::ruled(&challenges(false)).mint());
        let name = "_acme-challenge.example.com.";
        let slow = patching(&proxy, &mine, vec![rrset(name, "REPLACE")]);
        let mut one = upstream.accept().await;
        assert_eq!(one.request().await.method, "GET");
        let refused = patching(&proxy, &other, vec![rrset(name, "REPLACE")]);
        let mut two = upstream.accept().await;
        two.request().await;
        two.send(nothing_there()).await;
        assert_eq!(two.request().await.method, "PATCH");
        two.send("HTTP/1.1 422 Unprocessable Entity\r\nContent-Length: 0\r\n\r\n").await;
        assert_eq!(soon(refused).await.unwrap().status, 422);
        one.send(nothing_there()).await;
        // On whichever connection is free.
        let (one_seen, two_seen) = (one.request(), two.request());
        let (seen, connection) = tokio::select! {
            seen = one_seen => (seen, &mut one),
            seen = two_seen => (seen, &mut two),
        };
        assert_eq!(seen.method, "GET");
        connection.send(listing(&[name][..usize::from(exists)])).await;
        if exists {
            soon(slow).await.unwrap().assert_rejected(403, "not_owned");
            continue;
        }
        let seen = tokio::select! { seen = one.request() => (seen, &mut one), seen = two.request() => (seen, &mut two) };
        assert_eq!(seen.0.method, "PATCH");
        seen.1.send("HTTP/1.1 204 No Content\r\n\r\n").await;
        assert_eq!(soon(slow).await.unwrap().status, 204);
    }
}

/// Where the API failed, nobody knows whether it did something, or will do it yet: it is nobody else's for a while, though its
/// owner deletes it.
#[tokio::test]
async fn what_the_upstream_failed_at_is_nobody_elses_at_once() {
    let fails = std::sync::atomic::AtomicBool::new(true);
    let upstream = Upstream::scripted(move |seen| match seen.method.as_str() {
        "GET" => Reply::with("200 OK", &[], r#"{"rrsets":[]}"#),
        _ if fails.swap(false, Ordering::SeqCst) => Reply::with("504 Gateway Timeout", &[], ""),
        _ => Reply::with("204 No Content", &[], ""),
    })
    .await;
    let proxy = stateful(&upstream).await;
    let (mine, other) =
        (Token::ruled(&challenges(false)).mint(), Token::ruled(&challenges(false)).mint());
    let name = "_acme-challenge.example.com.";
    assert_eq!(patch(&proxy, &mine, &[rrset(name, "REPLACE")]).await.status, 504);
    patch(&proxy, &other, &[rrset(name, "REPLACE")]).await.assert_rejected(403, "not_owned");
    assert_eq!(patch(&proxy, &mine, &[rrset(name, "DELETE")]).await.status, 204);
    patch(&proxy, &other, &[rrset(name, "REPLACE")]).await.assert_rejected(403, "not_owned");
}

/// Strangers with credentials of their own invention ask for the same record, again and again: the API does not know them, so
/// they hold nothing, whatever it answers and however long that takes.
#[tokio::test]
async fn strangers_hold_nothing() {
    for response in [
        "401 Unauthorized",
        "403 Forbidden",
        "404 Not Found",
        "429 Too Many Requests",
        "500 Internal Server Error",
    ] {
        let mut upstream = Upstream::held().await;
        let store = Arc::new(MemoryStore::new());
        let proxy = Arc::new(proxy(&upstream, Arc::clone(&store) as Arc<dyn StateStore>).await);
        let name = "_acme-challenge.example.com.";
        let mut strangers = Vec::new();
        let mut asked = Vec::new();
        for number in 0..6 {
            let junk = Token::ruled(&challenges(false))
                .with(&format!("junk-of-a-stranger-{number}"))
                .mint();
            strangers.push(patching(&proxy, &junk, vec![rrset(name, "REPLACE")]));
            let mut connection = upstream.accept().await;
            assert_eq!(connection.request().await.method, "GET");
            asked.push(connection);
        }
        let list = Partition::of(&[
            b"elements",
            crate::support::NAME.as_bytes(),
            b"rrsets",
            ZONE.trim_end_matches('.').as_bytes(),
        ]);
        let rows = async || {
            store.list(list, Vec::new(), 100, UnixTime(crate::support::now())).await.unwrap().len()
        };
        assert_eq!(rows().await, 0);
        let token = Token::ruled(&challenges(false)).mint();
        let mine = patching(&proxy, &token, vec![rrset(name, "REPLACE")]);
        let mut connection = upstream.accept().await;
        connection.request().await;
        connection.send(nothing_there()).await;
        assert_eq!(connection.request().await.method, "PATCH");
        assert_eq!(rows().await, 1, "the list was found");
        connection.send("HTTP/1.1 204 No Content\r\n\r\n").await;
        assert_eq!(soon(mine).await.unwrap().status, 204);
        for mut connection in asked {
            connection.send(format!("HTTP/1.1 {response}\r\nContent-Length: 0\r\n\r\n")).await;
        }
        for stranger in strangers {
            soon(stranger).await.unwrap().assert_rejected(502, "existence_unknown");
        }
        assert_eq!(rows().await, 1);
    }
}

/// PowerDNS finds a zone under many spellings: what is held under one is not free under another.
#[tokio::test]
async fn a_zone_has_one_owner_for_each_record_however_it_is_spelt() {
    let mut upstream = Upstream::held().await;
    let proxy = Arc::new(stateful(&upstream).await);
    let (mine, other) =
        (Token::ruled(&challenges(false)).mint(), Token::ruled(&challenges(false)).mint());
    let name = "_acme-challenge.example.com.";
    let first = patching(&proxy, &mine, vec![rrset(name, "REPLACE")]);
    let mut connection = upstream.accept().await;
    assert_eq!(connection.request().await.method, "GET");
    for zone in ["example=2Ecom.", "=65xample.com.", "example.com.%2C", "example.com.:x"] {
        let response = soon(patch_zone(&proxy, &other, zone, &[rrset(name, "REPLACE")])).await;
        response.assert_rejected(403, "not_allowed");
    }
    connection.send(nothing_there()).await;
    assert_eq!(connection.request().await.method, "PATCH");
    for zone in ["example.com", "EXAMPLE.com.", "Example.Com"] {
        let (asking, other) = (Arc::clone(&proxy), other.to_string());
        let refused = tokio::spawn(async move {
            patch_zone(&asking, &other, zone, &[rrset(name, "REPLACE")]).await
        });
        let mut question = upstream.accept().await;
        assert_eq!(question.request().await.method, "GET");
        question
            .send(
                "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 13\r\n\r\n{\"rrsets\":[]}",
            )
            .await;
        soon(refused).await.unwrap().assert_rejected(403, "not_owned");
    }
    connection.send("HTTP/1.1 204 No Content\r\n\r\n").await;
    assert_eq!(soon(first).await.unwrap().status, 204);
    for zone in ["example.com", "EXAMPLE.com."] {
        for token in [&mine, &other] {
            soon(patch_zone(&proxy, token, zone, &[rrset(name, "DELETE")]))
                .await
                .assert_rejected(403, "not_owned");
        }
    }
    assert!(!upstream.has_client());
}

/// A slow request of an owner's must not be sent once another of its requests has given the record up.
#[tokio::test]
async fn what_was_given_up_meanwhile_is_not_touched() {
    let mut upstream = Upstream::held().await;
    let proxy = Arc::new(stateful(&upstream).await);
    let token = Token::ruled(&challenges(false)).mint().to_string();
    let (old, new) = ("_acme-challenge.example.com.", "a.example.com.");
    let created = patching(&proxy, &token, vec![rrset(old, "REPLACE")]);
    let mut one = upstream.accept().await;
    one.request().await;
    one.send(nothing_there()).await;
    one.request().await;
    one.send("HTTP/1.1 204 No Content\r\n\r\n").await;
    assert_eq!(soon(created).await.unwrap().status, 204);
    let slow = patching(&proxy, &token, vec![rrset(old, "REPLACE"), rrset(new, "REPLACE")]);
    assert_eq!(one.request().await.method, "GET");
    let deleted = patching(&proxy, &token, vec![rrset(old, "DELETE")]);
    let mut two = upstream.accept().await;
    assert_eq!(two.request().await.method, "PATCH");
    two.send("HTTP/1.1 204 No Content\r\n\r\n").await;
    assert_eq!(soon(deleted).await.unwrap().status, 204);
    one.send(nothing_there()).await;
    soon(slow).await.unwrap().assert_rejected(403, "not_owned");
}

/// A question is a request to the upstream, too: who may make none may ask none.
#[tokio::test]
async fn questions_are_counted() {
    let upstream = powerdns(&["www.example.com."]).await;
    let proxy = stateful(&upstream).await;
    let token = Token::ruled(&challenges(false)).limited("total=1").mint();
    let taken = rrset("www.example.com.", "REPLACE");
    patch(&proxy, &token, std::slice::from_ref(&taken)).await.assert_rejected(403, "not_owned");
    assert_eq!(upstream.take_requests().len(), 1);
    patch(&proxy, &token, &[taken]).await.assert_rejected(403, "total_used_up");
    assert!(upstream.take_requests().is_empty());
}

/// An upstream that takes forms, too, would find other things in the same bytes.
#[tokio::test]
async fn what_was_read_as_json_is_sent_as_json() {
    let upstream = powerdns(&[]).await;
    let proxy = stateful(&upstream).await;
    let token = Token::ruled(&challenges(false)).mint();
    let body = json!({ "rrsets": [rrset("a.example.com.", "REPLACE")] }).to_string();
    for (types, sent) in [
        (vec!["Content-Type: application/x-www-form-urlencoded"], "application/json"),
        (vec!["Content-Type: application/json", "Content-Type: text/xml"], "application/json"),
        (vec!["Content-Type: application/json; charset=utf-7"], "application/json"),
        (vec!["Content-Type: application/vnd.api+json"], "application/vnd.api+json"),
        (vec![], "application/json"),
    ] {
        let length = format!("Content-Length: {}", body.len());
        let lines: Vec<&str> = types.into_iter().chain([length.as_str()]).collect();
        let response =
            Client::ask(&proxy, request(&format!("PATCH {ZONE}"), &token, &lines, &body)).await;
        assert_eq!(response.status, 204);
        assert_eq!(upstream.take_requests().last().unwrap().all("content-type"), [sent]);
    }
}
