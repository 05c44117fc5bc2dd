//! Who may have rows of the store, and how many: nothing grows without bound by tokens that anyone can mint.

use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use magicproxy_core::Caveat;
use magicproxy_proxy::settings::{Quota, StrangerState};
use serde_json::json;

use super::receipts::{sealed, with_receipt};
use super::*;
use crate::support::{CREDENTIAL, OnlyUpstream as _, Token, guard};

const RECORDS: &str = "/v2/domains/example.com/records";

/// Counts what is asked of a store.
#[derive(Debug)]
struct Counting {
    writes: AtomicUsize,
}

impl Counting {
    fn new() -> Arc<WatchedStore<Self>> {
        Arc::new(WatchedStore::new(Self { writes: AtomicUsize::new(0) }))
    }

    fn writes(&self) -> usize {
        self.writes.load(Ordering::SeqCst)
    }
}

impl Watch for Counting {
    fn before(&self, call: Call) -> StoreFuture<'_, ()> {
        if matches!(call, Call::Apply(_) | Call::Take) {
            self.writes.fetch_add(1, Ordering::SeqCst);
        }
        Box::pin(async { Ok(()) })
    }
}

fn limited(token: &str, total: u64) -> String {
    let caveat = json!({ "limit": { "total": total } }).to_string();
    let token = Caveat::from_json(caveat.as_bytes()).unwrap().append_to(token).unwrap();
    guard(&token);
    token.to_string()
}

fn counted() -> Value {
    json!([{ "method": "GET", "path": "/x", "limit": { "total": 9 } }, "GET /plain"])
}

/// Rows: so many in all, for an owner, for a peer, in reserve.
fn quota(total: usize, per_owner: usize, per_peer: usize, reserved: usize) -> Quota {
    Quota { total, per_owner, per_peer, reserved }
}

async fn bounded(upstream: &Upstream, store: Arc<dyn StateStore>, rows: Quota) -> Proxy {
    Proxy::with(upstream, |settings| {
        settings.services.state = Some(store);
        settings.limits.state_rows = rows;
    })
    .await
}

#[tokio::test]
async fn nothing_is_kept_for_a_token_that_anyone_can_mint() {
    let upstream = digitalocean().await;
    let store = Counting::new();
    let proxy = proxy(&upstream, Arc::clone(&store) as Arc<dyn StateStore>).await;
    let list_items = json!([{ "method": "PATCH", "path": "/zone", "list_items":
        { "list": "l", "key": ["k"], "creates": { "c": "1" } } }]);
    for number in 0..20 {
        ask(&proxy, "GET /x", &sealed(&counted())).await.assert_rejected(403, "unlisted_minter");
        ask(&proxy, "GET /plain", &limited(&sealed(&counted()), 3))
            .await
            .assert_rejected(403, "unlisted_minter");
        create(&proxy, &sealed(&makes_records())).await.assert_rejected(403, "unlisted_minter");
        let body = json!({ "l": [{ "k": format!("{number}"), "c": "1" }] }).to_string();
        post(&proxy, "PATCH /zone", &sealed(&list_items), &body)
            .await
            .assert_rejected(403, "unlisted_minter");
    }
    assert_eq!((store.writes(), upstream.requests().len()), (0, 0));
    // What needs no row is as it was: plain rules of the same token, and receipts.
    assert_eq!(ask(&proxy, "GET /plain", &sealed(&counted())).await.status, 200);
    let made = create(&proxy, &sealed(&with_receipt())).await;
    guard(made.one("magic-receipt").unwrap());
    assert_eq!((made.status, store.writes()), (201, 0));
}

#[tokio::test]
async fn a_question_about_it_is_told_so() {
    let upstream = Upstream::hello().await;
    let proxy = stateful(&upstream).await;
    let explain = async |token: &str, target: &str| {
        let body = json!({ "method": "GET", "target": target }).to_string();
        post(&proxy, "POST /__magictoken/explain", token, &body).await.json()["code"].clone()
    };
    assert_eq!(explain(&sealed(&counted()), "/x").await, "unlisted_minter");
    assert_eq!(explain(&limited(&sealed(&counted()), 3), "/plain").await, "unlisted_minter");
    assert_eq!(explain(&sealed(&counted()), "/plain").await, Value::Null);
    assert_eq!(explain(&Token::ruled(&counted()).mint(), "/x").await, Value::Null);
}

#[tokio::test]
async fn where_they_are_accepted_their_rows_count_against_their_peer() {
    let upstream = Upstream::hello().await;
    let store = Counting::new();
    let kept = Arc::clone(&store) as Arc<dyn StateStore>;
    let proxy = Proxy::with(&upstream, |settings| {
        settings.services.state = Some(kept);
        settings.strangers = StrangerState::Accept;
        settings.limits.state_rows = quota(1_000, 100, 3, 0);
    })
    .await;
    let first = sealed(&counted());
    assert_eq!(ask(&proxy, "GET /x", &first).await.status, 200);
    // Each new token is a new owner; minted over HTTP or sealed, they are of one peer.
    for token in [sealed(&counted()), Token::ruled(&counted()).mint().to_string()] {
        assert_eq!(ask(&proxy, "GET /x", &token).await.status, 200);
    }
    for token in [sealed(&counted()), Token::ruled(&counted()).mint().to_string()] {
        let refused = ask(&proxy, "GET /x", &token).await;
        refused.assert_rejected(429, "peer_rows");
        assert!(refused.one("retry-after").is_some());
    }
    // What was counted before goes on being counted.
    assert_eq!(ask(&proxy, "GET /x", &first).await.status, 200);
    assert_eq!(ask(&proxy, "GET /plain", &sealed(&counted())).await.status, 200);
}

#[tokio::test]
async fn an_owner_has_so_many_rows_however_its_token_is_narrowed() {
    let upstream = Upstream::hello().await;
    let proxy = bounded(&upstream, Arc::new(MemoryStore::new()), quota(1_000, 5, 100, 0)).await;
    let token = Token::allowing(&["GET /.*"]).mint();
    let narrow = async |total: u64| {
        let body = json!({ "caveat": { "limit": { "total": total } } }).to_string();
        let response = post(&proxy, "POST /__magictoken/narrow", &token, &body).await;
        guard(response.text().trim());
        response.text().trim().to_owned()
    };
    let first = narrow(1_000).await;
    assert_eq!(ask(&proxy, "GET /x", &first).await.status, 200);
    for total in 1..5 {
        assert_eq!(ask(&proxy, "GET /x", &narrow(total).await).await.status, 200, "{total}");
    }
    ask(&proxy, "GET /x", &narrow(5).await).await.assert_rejected(403, "owner_rows");
    assert_eq!(ask(&proxy, "GET /x", &first).await.status, 200);
    let other = Token::allowing(&["GET /.*"]).limited("total=3").mint();
    assert_eq!(ask(&proxy, "GET /x", &other).await.status, 200, "another owner");
}

/// Minting is open, so tokens of version 1 are strangers' as well: the reserve is for others, also after a restart, which
/// forgets what peers have added.
#[tokio::test]
async fn a_full_store_says_so_and_strangers_never_fill_the_reserve() {
    let upstream = digitalocean().await;
    let store: Arc<dyn StateStore> = Arc::new(MemoryStore::new());
    let mut allowed = 0;
    for _ in 0..5 {
        let restarted = bounded(&upstream, Arc::clone(&store), quota(40, 10, 4, 10)).await;
        for _ in 0..6 {
            allowed += usize::from(
                ask(&restarted, "GET /x", &Token::ruled(&counted()).mint()).await.status == 200,
            );
        }
    }
    // Two rows of the store for each: the count, and the time of its partition.
    assert_eq!(allowed, 15);
    let open = bounded(&upstream, Arc::clone(&store), quota(40, 10, 40, 10)).await;
    let refused = ask(&open, "GET /x", &Token::ruled(&counted()).mint()).await;
    refused.assert_rejected(503, "store_full");
    assert!(refused.one("retry-after").is_some());
    // Before anything is sent that could not be recorded.
    upstream.take_requests();
    create(&open, &Token::ruled(&makes_records()).mint()).await.assert_rejected(503, "store_full");
    assert!(upstream.requests().is_empty());
    let closed = Proxy::with(&upstream, |settings| {
        settings.services.state = Some(store);
        settings.close_mint();
        settings.limits.state_rows = quota(40, 10, 40, 10);
    })
    .await;
    assert_eq!(ask(&closed, "GET /x", &Token::ruled(&counted()).mint()).await.status, 200);
    assert_eq!(create(&closed, &Token::ruled(&makes_records()).mint()).await.status, 201);
}

#[tokio::test]
async fn bodies_that_are_read_whole_count_against_their_owner() {
    let upstream = digitalocean().await;
    let proxy = Proxy::with(&upstream, |settings| {
        settings.services.state = Some(Arc::new(MemoryStore::new()));
        settings.limits.inspected_bytes = quota(1 << 30, 300 * 1024, 1 << 30, 0);
    })
    .await;
    let rules = json!([{ "method": "POST", "path": RECORDS, "grants": [format!("GET {RECORDS}/{{request.name}}")] }]);
    let long = json!({ "name": "x", "filling": "y".repeat(200 * 1024) }).to_string();
    let held = |token: &str| {
        let head = format!("Content-Length: {}", long.len());
        request(
            &format!("POST {RECORDS}"),
            token,
            &["Content-Type: application/json", &head],
            &long[..150 * 1024],
        )
    };
    let token = Token::ruled(&rules).mint();
    let mut slow = Client::connect(&proxy).await;
    slow.send(held(&token)).await;
    let line = format!("POST {RECORDS}");
    // As soon as the slow one's bytes have come. Where they come while another is in progress it may be the slow one that is
    // refused: then it begins again.
    loop {
        let response = post(&proxy, &line, &token, &long).await;
        if response.status == 429 {
            assert_eq!(response.code(), "owner_share");
            break;
        }
        assert_eq!(response.status, 201, "{}", response.text());
        if tokio::time::timeout(Duration::ZERO, slow.response()).await.is_ok() {
            slow = Client::connect(&proxy).await;
            slow.send(held(&token)).await;
        }
    }
    assert_eq!(
        post(&proxy, &line, &Token::ruled(&rules).mint(), &long).await.status,
        201,
        "another owner"
    );
    drop(slow);
    while post(&proxy, &line, &token, &long).await.status != 201 {}
    assert!(
        !upstream
            .requests()
            .iter()
            .any(|seen| seen.body.windows(8).any(|bytes| CREDENTIAL.as_bytes().starts_with(bytes)))
    );
}
