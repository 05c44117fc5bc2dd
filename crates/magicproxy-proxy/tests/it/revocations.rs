//! Tokens that are no longer accepted, and lists that are too old to be trusted.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use magicproxy_core::{ChainId, UnixTime, UnverifiedToken};
use magicproxy_proxy::services::{RevocationList, Revocations};
use serde_json::{Value, json};

use crate::support::{Client, ClientResponse, Proxy, Token, Upstream, guard, keys, now, request};

async fn ask(proxy: &Proxy, token: &str) -> ClientResponse {
    Client::ask(proxy, request("GET /user", token, &[], "")).await
}

#[track_caller]
fn refused(response: &ClientResponse, status: u16, code: &str) {
    assert_eq!(response.status, status, "{}", response.text());
    assert!(response.text().contains(code), "{}", response.text());
}

async fn with(upstream: &Upstream, revocations: &Arc<Revocations>) -> Proxy {
    let revocations = Arc::clone(revocations);
    Proxy::with(upstream, |settings| settings.services.revocations = revocations).await
}

#[tokio::test]
async fn each_kind_refuses_its_tokens_and_no_others() {
    let upstream = Upstream::hello().await;
    let revocations = Arc::new(Revocations::default());
    let proxy = with(&upstream, &revocations).await;
    let (token, other) = (Token::any(), Token::any());
    let claims = UnverifiedToken::parse(&token).unwrap();
    let id = claims.claims_for_display().unwrap()["jti"].as_str().unwrap().to_owned();
    let empty = RevocationList::default;
    let own = [
        RevocationList { chains: HashSet::from([claims.chain().unwrap().id()]), ..empty() },
        RevocationList { ids: HashSet::from([id]), ..empty() },
        RevocationList { owners: HashSet::from([claims.owner().unwrap()]), ..empty() },
    ];
    for list in own {
        assert_eq!(ask(&proxy, &token).await.status, 200);
        revocations.replace(list);
        let response = ask(&proxy, &token).await;
        refused(&response, 401, "revoked_token");
        assert!(
            response
                .one("www-authenticate")
                .is_some_and(|challenge| challenge.contains("invalid_token"))
        );
        assert_eq!(ask(&proxy, &other).await.status, 200);
        revocations.replace(empty());
    }
    let kid = keys().current().active().public().id().as_str().to_owned();
    let all = [
        RevocationList { keys: HashSet::from([kid]), ..empty() },
        RevocationList { before: Some(UnixTime(now() + 60)), ..empty() },
    ];
    for list in all {
        revocations.replace(list);
        refused(&ask(&proxy, &other).await, 401, "revoked_token");
    }
    // One that is of the next moment by a clock that is ahead, and alive.
    let ahead = Token::allowing(&["GET /user"]).living(now() + 25, now() + 60).mint();
    revocations.replace(empty());
    assert_eq!(ask(&proxy, &ahead).await.status, 200);
    revocations.replace(RevocationList { before: Some(UnixTime(now() + 31)), ..empty() });
    refused(&ask(&proxy, &ahead).await, 401, "revoked_token");
    revocations.replace(RevocationList { before: Some(UnixTime(now() - 60)), ..empty() });
    assert_eq!(ask(&proxy, &token).await.status, 200);
    refused(
        &ask(&proxy, &Token::allowing(&["GET /user"]).living(now() - 3_600, now() + 60).mint())
            .await,
        401,
        "revoked_token",
    );
    // What it may not do is not told to whom it is no longer given.
    let narrow = Token::allowing(&["GET /nothing"]).living(now() - 3_600, now() + 60).mint();
    refused(&ask(&proxy, &narrow).await, 401, "revoked_token");
}

/// What is narrowed, and what is made anew, ends with the chain that it came from; parent and siblings live.
#[tokio::test]
async fn a_chain_is_revoked_without_its_parent_and_siblings() {
    let upstream = Upstream::hello().await;
    let revocations = Arc::new(Revocations::default());
    let proxy = with(&upstream, &revocations).await;
    for parent in [Token::any().to_string(), super::state::receipts::sealed(&json!(["GET /.*"]))] {
        let one = narrowed(&proxy, &parent, json!({"sub": "one"})).await;
        let other = narrowed(&proxy, &parent, json!({"sub": "other"})).await;
        let child = narrowed(&proxy, &one, json!({"exp": now() + 60})).await;
        let chain = |token: &str| UnverifiedToken::parse(token).unwrap().chain().unwrap().id();
        let all = [&parent, &one, &other, &child];
        for (revoked, refuses) in [
            (&child, [false, false, false, true]),
            (&one, [false, true, false, true]),
            (&other, [false, false, true, false]),
            (&parent, [true; 4]),
        ] {
            // Beside a thousand others, and beside entries of other kinds.
            let mut chains: HashSet<ChainId> =
                (0..1000).map(|at| ChainId::parse(&format!("{at:032x}")).unwrap()).collect();
            chains.insert(chain(revoked));
            revocations.replace(RevocationList {
                chains,
                ids: HashSet::from(["x".to_owned()]),
                ..RevocationList::default()
            });
            for (token, refused) in all.into_iter().zip(refuses) {
                let response = ask(&proxy, token).await;
                assert_eq!(response.status, if refused { 401 } else { 200 }, "{}", response.text());
                let again = narrow(&proxy, token, json!({"sub": "later"})).await;
                assert_eq!(again.status, if refused { 401 } else { 200 }, "{}", again.text());
            }
        }
        revocations.replace(RevocationList::default());
        assert_eq!(ask(&proxy, &child).await.status, 200);
    }
}

async fn narrow(proxy: &Proxy, token: &str, caveat: Value) -> ClientResponse {
    let body = json!({ "caveat": caveat }).to_string();
    let length = format!("Content-Length: {}", body.len());
    Client::ask(
        proxy,
        request(
            "POST /__magictoken/narrow",
            token,
            &["Content-Type: application/json", &length],
            &body,
        ),
    )
    .await
}

async fn narrowed(proxy: &Proxy, token: &str, caveat: Value) -> String {
    let response = narrow(proxy, token, caveat).await;
    assert_eq!(response.status, 200, "{}", response.text());
    guard(&response.text());
    response.text()
}

#[tokio::test]
async fn every_way_in_asks() {
    let upstream = Upstream::hello().await;
    let revocations = Arc::new(Revocations::default());
    let proxy = with(&upstream, &revocations).await;
    let token = Token::any();
    assert_eq!(ask(&proxy, &token).await.status, 200);
    revocations.replace(RevocationList {
        before: Some(UnixTime(now() + 60)),
        ..RevocationList::default()
    });
    for (path, body) in [
        ("POST /__magictoken/explain", r#"{"method":"GET","target":"/user"}"#),
        ("POST /__magictoken/narrow", r#"{"caveat":{}}"#),
        ("POST /__magictoken/reseal", ""),
        ("GET /user", ""),
    ] {
        let length = format!("Content-Length: {}", body.len());
        let lines = ["Content-Type: application/json", length.as_str()];
        let response = Client::ask(
            &proxy,
            request(path, &token, if body.is_empty() { &[] } else { &lines }, body),
        )
        .await;
        refused(&response, 401, "revoked_token");
    }
    assert_eq!(upstream.requests().len(), 1);
}

#[tokio::test]
async fn a_list_that_is_too_old_is_doubt() {
    let upstream = Upstream::hello().await;
    let revocations = Arc::new(Revocations::unknown());
    let proxy = with(&upstream, &revocations).await;
    let token = Token::any();
    refused(&ask(&proxy, &token).await, 503, "store_unavailable");
    let then = Instant::now();
    revocations.refresh(RevocationList::default(), then, Duration::from_secs(1));
    assert_eq!(ask(&proxy, &token).await.status, 200);
    tokio::time::sleep(Duration::from_millis(1_050)).await;
    refused(&ask(&proxy, &token).await, 503, "store_unavailable");
    revocations.confirm(Instant::now(), Duration::from_secs(60));
    assert_eq!(ask(&proxy, &token).await.status, 200);
    // What is known to be revoked stays so, however old the list.
    let list = RevocationList { before: Some(UnixTime(now() + 60)), ..RevocationList::default() };
    revocations.refresh(list, then, Duration::ZERO);
    refused(&ask(&proxy, &token).await, 401, "revoked_token");
}

/// A request that is held back before its first byte goes up is not sent by a token that was revoked
/// meanwhile.
#[tokio::test]
async fn a_request_that_waits_for_its_content_is_refused_once_its_token_is_revoked() {
    let upstream = Upstream::hello().await;
    let revocations = Arc::new(Revocations::default());
    let proxy = with(&upstream, &revocations).await;
    for is_revoked in [false, true] {
        let token = Token::allowing(&["DELETE /user"]).mint();
        let chain = UnverifiedToken::parse(&token).unwrap().chain().unwrap().id();
        let before = upstream.requests().len();
        let mut client = Client::connect(&proxy).await;
        client.send(request("DELETE /user", &token, &["Transfer-Encoding: chunked"], "")).await;
        // The head was read, and the request allowed, before this one.
        let other = Client::ask(&proxy, request("DELETE /user", &token, &[], "")).await;
        assert_eq!(other.status, 200);
        if is_revoked {
            revocations
                .replace(RevocationList { chains: HashSet::from([chain]), ..Default::default() });
        }
        client.send("0\r\n\r\n").await;
        let response = client.response().await;
        if is_revoked {
            refused(&response, 401, "revoked_token");
        } else {
            assert_eq!(response.status, 200, "{}", response.text());
        }
        assert_eq!(upstream.requests().len() - before, if is_revoked { 1 } else { 2 });
    }
}
