//! Limits that hold, whatever the number of clients and replicas.

use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;

use serde_json::json;

use super::*;
use crate::support::{Token, soon};

/// As many at once as there are proxies and tries; the statuses that came back.
async fn storm(proxies: &[Arc<Proxy>], token: &str, tries: usize) -> Vec<u16> {
    let mut running = Vec::new();
    for number in 0..tries {
        let (proxy, token) = (Arc::clone(&proxies[number % proxies.len()]), token.to_owned());
        running.push(tokio::spawn(async move { ask(&proxy, "GET /x", &token).await.status }));
    }
    let mut statuses = Vec::new();
    for task in running {
        statuses.push(soon(task).await.unwrap());
    }
    statuses.sort_unstable();
    statuses
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_total_is_exact_across_replicas() {
    let upstream = Upstream::hello().await;
    let store: Arc<dyn StateStore> = Arc::new(MemoryStore::new());
    let mut replicas = Vec::new();
    for _ in 0..3 {
        replicas.push(Arc::new(proxy(&upstream, Arc::clone(&store)).await));
    }
    for token in [
        Token::ruled(&json!([{ "method": "GET", "path": "/x", "limit": { "total": 3 } }])).mint(),
        Token::allowing(&["GET /.*"]).limited("total=3").mint(),
    ] {
        upstream.take_requests();
        let statuses = storm(&replicas, &token, 100).await;
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 3, "{statuses:?}");
        assert_eq!(statuses.iter().filter(|status| **status == 403).count(), 97);
        assert_eq!(upstream.requests().len(), 3);
        ask(&replicas[0], "GET /x", &token).await.assert_rejected(403, "total_used_up");
    }
}

#[tokio::test]
async fn a_rate_is_told_and_kept() {
    let upstream = Upstream::scripted(|_| {
        Reply::with(
            "200 OK",
            &["RateLimit: \"upstream\";r=1", "RateLimit-Policy: \"upstream\";q=1"],
            "",
        )
    })
    .await;
    let proxy = stateful(&upstream).await;
    let token = Token::allowing(&["GET /x"]).limited("requests=2/1h").mint();
    for left in [1, 0] {
        let response = ask(&proxy, "GET /x", &token).await;
        assert_eq!(
            (response.status, response.one("ratelimit")),
            (200, Some(format!("\"magicproxy\";r={left}").as_str()))
        );
        assert_eq!(response.one("ratelimit-policy"), Some("\"magicproxy\";q=2;w=3600"));
    }
    let refused = ask(&proxy, "GET /x", &token).await;
    refused.assert_rejected(429, "rate_limited");
    let after: u64 = refused.one("retry-after").unwrap().parse().unwrap();
    assert!((3_600..=3_661).contains(&after), "{after}");
    // What is not allowed is not counted, and what is over is no oracle of it.
    ask(&proxy, "GET /y", &token).await.assert_rejected(403, "not_allowed");
}

#[tokio::test]
async fn a_count_belongs_to_what_was_narrowed_and_to_its_place() {
    let upstream = Upstream::hello().await;
    let proxy = stateful(&upstream).await;
    let token = Token::ruled(&json!([
        { "method": "GET", "path": "/a", "limit": { "total": 1 } },
        { "method": "GET", "path": "/b", "limit": { "total": 1 } },
        { "method": "GET", "path": "/.*", "limit": { "total": 2 } },
    ]))
    .limited("total=3")
    .mint();
    let narrow = |token: String, caveat: Value| {
        let proxy = &proxy;
        async move {
            let response = post(
                proxy,
                "POST /__magictoken/narrow",
                &token,
                &json!({ "caveat": caveat }).to_string(),
            )
            .await;
            assert_eq!(response.status, 200, "{}", response.text());
            crate::support::guard(response.text().trim());
            response.text().trim().to_owned()
        }
    };
    assert_eq!(ask(&proxy, "GET /a", &token).await.status, 200);
    ask(&proxy, "GET /a", &token).await.assert_rejected(403, "total_used_up");
    let child = narrow(token.to_string(), json!({ "limit": { "total": 1 }, "sub": "child" })).await;
    let twin = narrow(token.to_string(), json!({ "limit": { "total": 1 }, "sub": "twin" })).await;
    assert_eq!(ask(&proxy, "GET /b", &child).await.status, 200);
    ask(&proxy, "GET /c", &child).await.assert_rejected(403, "total_used_up");
    let grandchild = narrow(child, json!({ "exp": crate::support::now() + 60 })).await;
    ask(&proxy, "GET /c", &grandchild).await.assert_rejected(403, "total_used_up");
    assert_eq!(ask(&proxy, "GET /c", &twin).await.status, 200, "another caveat, another count");
    ask(&proxy, "GET /d", &token).await.assert_rejected(403, "total_used_up");
    assert_eq!(upstream.requests().len(), 3);
    let other =
        Token::ruled(&json!([{ "method": "GET", "path": "/a", "limit": { "total": 1 } }])).mint();
    assert_eq!(ask(&proxy, "GET /a", &other).await.status, 200, "another token");
}

#[tokio::test]
async fn so_many_at_once_until_the_response_has_ended() {
    let mut upstream = Upstream::held().await;
    let proxy = stateful(&upstream).await;
    let token = Token::allowing(&["GET /.*"]).limited("concurrent=1").mint();
    let mut first = Client::connect(&proxy).await;
    first.send(request("GET /1", &token, &[], "")).await;
    let mut connection = upstream.accept().await;
    connection.request().await;
    let refused = ask(&proxy, "GET /2", &token).await;
    refused.assert_rejected(429, "too_many_at_once");
    assert!(refused.one("retry-after").is_some());
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab").await;
    first.response_head().await;
    ask(&proxy, "GET /2", &token).await.assert_rejected(429, "too_many_at_once");
    connection.send("cd").await;
    first.until(b"abcd").await;
    // Who has read the end finds the place free, again and again.
    for number in 3..6 {
        first.send(request(&format!("GET /{number}"), &token, &[], "")).await;
        connection.request().await;
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
        assert_eq!(first.response().await.status, 200, "{number}");
    }
    // One that is broken off gives its place back, too.
    first.send(request("GET /6", &token, &[], "")).await;
    connection.request().await;
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nok").await;
    first.until(b"ok").await;
    drop(first);
    let mut status = 429;
    let mut last = Client::connect(&proxy).await;
    while status == 429 {
        last.send(request("GET /7", &token, &[], "")).await;
        let served = async {
            let mut connection = upstream.accept().await;
            connection.request().await;
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
            connection
        };
        tokio::select! {
            response = last.response() => status = response.status,
            _connection = served => status = last.response().await.status,
        }
    }
    assert_eq!(status, 200);
}

/// How often something is to be taken of a store.
#[derive(Debug, Default)]
struct Takes(AtomicUsize);

impl Takes {
    fn taken(&self) -> usize {
        self.0.swap(0, Ordering::SeqCst)
    }
}

impl Watch for Takes {
    fn before(&self, call: Call) -> StoreFuture<'_, ()> {
        self.0.fetch_add(usize::from(call == Call::Take), Ordering::SeqCst);
        Box::pin(std::future::ready(Ok(())))
    }
}

/// A refusal costs the store one step: it is asked again only where a lease is coming back.
#[tokio::test]
async fn who_finds_no_place_asks_the_store_once() {
    let mut upstream = Upstream::held().await;
    let store = Arc::new(WatchedStore::new(Takes::default()));
    let proxy = proxy(&upstream, Arc::clone(&store) as Arc<dyn StateStore>).await;
    let token = Token::allowing(&["GET /.*"]).limited("concurrent=1").mint();
    let mut first = Client::connect(&proxy).await;
    first.send(request("GET /1", &token, &[], "")).await;
    let mut connection = upstream.accept().await;
    connection.request().await;
    assert_eq!(store.taken(), 1);
    for _ in 0..3 {
        ask(&proxy, "GET /2", &token).await.assert_rejected(429, "too_many_at_once");
        assert_eq!(store.taken(), 1);
    }
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    assert_eq!(first.response().await.status, 200);
}

/// Whose rows were changed last.
#[derive(Debug, Default)]
struct Changed(Mutex<Option<Partition>>);

impl Watch for Changed {
    fn before(&self, call: Call) -> StoreFuture<'_, ()> {
        if let Call::Apply(partition) = call {
            *self.0.lock().unwrap() = Some(partition);
        }
        Box::pin(std::future::ready(Ok(())))
    }
}

/// `state.md` section 3.8: an owner holds at most 1,000 grants, and at that number nothing is sent.
#[tokio::test]
async fn an_owner_holds_a_thousand_grants() {
    let upstream = digitalocean().await;
    let store = Arc::new(WatchedStore::new(Changed::default()));
    let proxy = proxy(&upstream, Arc::clone(&store) as Arc<dyn StateStore>).await;
    let token = Token::ruled(&makes_records()).mint();
    assert_eq!(create(&proxy, &token).await.status, 201);
    let owner = store.0.lock().unwrap().take().unwrap();
    let now = UnixTime(crate::support::now());
    let entry = Entry { value: b"DELETE".to_vec(), expires_at: UnixTime(now.0 + 600) };
    let others = (0..998)
        .map(|number| Change::Put(format!("grant /other/{number}").into_bytes(), entry.clone()))
        .collect();
    assert!(store.apply(owner, Vec::new(), others, now).await.unwrap());
    assert_eq!(create(&proxy, &token).await.status, 201, "it is the thousandth");
    upstream.take_requests();
    create(&proxy, &token).await.assert_rejected(403, "too_many_grants");
    assert!(upstream.take_requests().is_empty());
    // One that was used up makes room for one more.
    assert_eq!(ask(&proxy, "DELETE /v2/domains/example.com/records/101", &token).await.status, 204);
    assert_eq!(create(&proxy, &token).await.status, 201);
    create(&proxy, &token).await.assert_rejected(403, "too_many_grants");
}

/// Narrows by a limit of so many in all.
async fn appended(proxy: &Proxy, token: &str, total: usize) -> String {
    let body = json!({ "caveat": { "limit": { "total": total } } }).to_string();
    let response = post(proxy, "POST /__magictoken/narrow", token, &body).await;
    assert_eq!(response.status, 200, "{}", response.text());
    crate::support::guard(response.text().trim());
    response.text().trim().to_owned()
}

/// Limits are appended without end by whoever holds a token: a bounded number of them is kept, and what is counted already,
/// and what the token's rules count, is not refused for it.
#[tokio::test]
async fn limits_that_are_appended_without_end_find_an_end() {
    let folder = tempfile::tempdir().unwrap();
    let redb = magicproxy_state::RedbStore::open(&folder.path().join("state.redb")).unwrap();
    for store in [Arc::new(MemoryStore::new()) as Arc<dyn StateStore>, Arc::new(redb)] {
        let upstream = Upstream::hello().await;
        let proxy = proxy(&upstream, store).await;
        let token = Token::ruled(&json!([
            { "method": "GET", "path": "/a", "limit": { "total": 2 } },
            { "method": "GET", "path": "/b", "limit": { "requests": 2, "per": "1h" } },
            "GET /.*",
        ]))
        .mint();
        let mut children = Vec::new();
        for total in 0..64 {
            children.push(appended(&proxy, &token, 100 + total).await);
            assert_eq!(ask(&proxy, "GET /x", &children[total]).await.status, 200, "{total}");
        }
        upstream.take_requests();
        for total in [1, 100_000] {
            let further = appended(&proxy, &token, total).await;
            ask(&proxy, "GET /x", &further).await.assert_rejected(403, "too_many_limits");
            let deeper = appended(&proxy, &children[0], total).await;
            ask(&proxy, "GET /x", &deeper).await.assert_rejected(403, "too_many_limits");
        }
        assert!(upstream.take_requests().is_empty());
        for (path, token) in [
            ("/x", &*children[0]),
            ("/x", &*children[63]),
            ("/a", &*token),
            ("/b", &*token),
            ("/a", &*children[1]),
        ] {
            assert_eq!(ask(&proxy, &format!("GET {path}"), token).await.status, 200, "{path}");
        }
        ask(&proxy, "GET /a", &token).await.assert_rejected(403, "total_used_up");
    }
}

#[tokio::test]
async fn without_a_store_or_with_a_broken_one_nothing_is_sent() {
    let upstream = Upstream::hello().await;
    let store = Failing::new();
    let failing = proxy(&upstream, Arc::clone(&store) as Arc<dyn StateStore>).await;
    let without = Proxy::before(&upstream).await;
    let token = Token::allowing(&["GET /.*"]).limited("total=3").mint();
    store.fail(false, true);
    ask(&failing, "GET /x", &token).await.assert_rejected(503, "store_unavailable");
    ask(&without, "GET /x", &token).await.assert_rejected(503, "store_unavailable");
    assert!(upstream.requests().is_empty());
}

#[tokio::test]
async fn an_order_may_hold_a_limit() {
    let upstream = Upstream::hello().await;
    let proxy = stateful(&upstream).await;
    let mint_request = json!({ "token": crate::support::CREDENTIAL, "allowed": ["GET /x"], "limit": { "total": 1 } }).to_string();
    let minted = post(&proxy, "POST /__magictoken", "", &mint_request).await;
    assert_eq!(minted.status, 200, "{}", minted.text());
    crate::support::guard(minted.text().trim());
    let token = minted.text();
    assert_eq!(ask(&proxy, "GET /x", token.trim()).await.status, 200);
    ask(&proxy, "GET /x", token.trim()).await.assert_rejected(403, "total_used_up");
    for refused in [json!({ "total": 0 }), json!({ "requests": 3 }), json!(3), json!(null)] {
        let mint_request =
            json!({ "token": crate::support::CREDENTIAL, "allowed": ["GET /x"], "limit": refused })
                .to_string();
        post(&proxy, "POST /__magictoken", "", &mint_request)
            .await
            .assert_rejected(400, "invalid_mint_request");
    }
    for rule in
        [json!({ "method": "GET", "path": "/x", "owner": "somebody" }), json!({ "plugin": "any" })]
    {
        let mint_request =
            json!({ "token": crate::support::CREDENTIAL, "allowed": [rule] }).to_string();
        post(&proxy, "POST /__magictoken", "", &mint_request)
            .await
            .assert_rejected(400, "invalid_mint_request");
    }
}

/// What is only counted is broken off with its client: nobody keeps the upstream busy by coming and going.
#[tokio::test]
async fn a_limit_keeps_no_request_alive() {
    let mut upstream = Upstream::held().await;
    let proxy = stateful(&upstream).await;
    let token = Token::allowing(&["GET /.*"]).limited("total=3").mint();
    let mut client = Client::connect(&proxy).await;
    client.send(request("GET /slow", &token, &[], "")).await;
    let mut connection = upstream.accept().await;
    connection.request().await;
    drop(client);
    soon(connection.closed()).await;
}

/// Whether a lease was taken is not known when the store's response is lost: it is given back, not kept for a minute.
#[tokio::test]
async fn a_lost_response_leaves_no_lease() {
    let upstream = Upstream::hello().await;
    let store = Failing::new();
    let proxy = proxy(&upstream, Arc::clone(&store) as Arc<dyn StateStore>).await;
    let token = Token::allowing(&["GET /.*"]).limited("concurrent=1").mint();
    store.responses.store(true, Ordering::SeqCst);
    ask(&proxy, "GET /x", &token).await.assert_rejected(503, "store_unavailable");
    store.responses.store(false, Ordering::SeqCst);
    assert_eq!(ask(&proxy, "GET /x", &token).await.status, 200);
}

/// Nothing is recorded of a request that was only counted, so nobody sees it through for its client.
#[tokio::test]
async fn what_is_only_counted_ends_upstream_with_its_client() {
    let rule = |limit: Value| {
        Token::ruled(&json!([{ "method": "GET", "path": "/long", "limit": limit }])).mint()
    };
    for (kind, token) in [
        ("uncounted", Token::any()),
        ("a total of its token", Token::allowing(&["* /.*"]).limited("total=9").mint()),
        ("a total", rule(json!({ "total": 9 }))),
        ("a rate", rule(json!({ "requests": 9, "per": "1h" }))),
        ("some at once", rule(json!({ "concurrent": 9 }))),
    ] {
        let mut upstream = Upstream::held().await;
        let proxy = stateful(&upstream).await;
        let mut client = Client::connect(&proxy).await;
        client.send(request("GET /long", &token, &[], "")).await;
        let mut connection = upstream.accept().await;
        connection.request().await;
        drop(client);
        assert!(connection.closed().await.is_empty(), "{kind}");
    }
}
