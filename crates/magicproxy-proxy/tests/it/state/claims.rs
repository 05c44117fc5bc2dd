//! What becomes of list items that a request claimed and no response settled, and who hears whose they are.

use super::list_items::{challenges, patch, rrset};
use super::*;
use crate::support::{CREDENTIAL, NAME, Token, now, soon};

const RECORD: &str = "_acme-challenge.example.com.";
/// As long as what nobody knows of stays its owner's, in seconds.
const A_WHILE: u64 = 15 * 60;

/// Until when the one list item of the zone is somebody's.
async fn end(store: &MemoryStore) -> u64 {
    let path = b"/api/v1/servers/localhost/zones/example.com";
    let list = Partition::of(&[b"elements", NAME.as_bytes(), b"rrsets", path]);
    let rows = store.list(list, Vec::new(), 100, UnixTime(now())).await.unwrap();
    assert_eq!(rows.len(), 1);
    rows[0].1.expires_at.0
}

/// Nobody may keep a name from others for years by a request that is broken off; and what is made after all lasts.
#[tokio::test]
async fn what_no_response_settled_is_its_owners_for_a_while() {
    let mut upstream = Upstream::held().await;
    let store = Arc::new(MemoryStore::new());
    let proxy = Arc::new(proxy(&upstream, Arc::clone(&store) as Arc<dyn StateStore>).await);
    let (mine, other) =
        (Token::ruled(&challenges(false)).mint(), Token::ruled(&challenges(false)).mint());
    let patching = |token: &str| {
        let (proxy, token) = (Arc::clone(&proxy), token.to_owned());
        tokio::spawn(async move { patch(&proxy, &token, &[rrset(RECORD, "REPLACE")]).await })
    };
    let broken = patching(&mine);
    let mut connection = upstream.accept().await;
    assert_eq!(connection.request().await.method, "GET");
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{\"rrsets\":[]}").await;
    assert_eq!(connection.request().await.method, "PATCH");
    assert!(end(&store).await > now() + A_WHILE, "a proxy that dies leaves it to its owner");
    drop(connection);
    assert_eq!(soon(broken).await.unwrap().status, 502);
    soon(async {
        while end(&store).await > now() + A_WHILE {
            tokio::task::yield_now().await;
        }
    })
    .await;
    // It is not known to be free.
    let refused = patching(&other);
    let mut connection = upstream.accept().await;
    assert_eq!(connection.request().await.method, "GET");
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{\"rrsets\":[]}").await;
    soon(refused).await.unwrap().assert_rejected(403, "not_owned");
    let again = patching(&mine);
    assert_eq!(connection.request().await.method, "PATCH");
    connection.send("HTTP/1.1 204 No Content\r\n\r\n").await;
    assert_eq!(soon(again).await.unwrap().status, 204);
    assert!(end(&store).await > now() + A_WHILE, "made, and its owner's until that ends");
}

/// To whoever the API does not answer, what is somebody's looks like what is nobody's.
#[tokio::test]
async fn strangers_do_not_hear_what_is_somebodys() {
    let upstream = Upstream::scripted(|seen| match seen.method.as_str() {
        _ if seen.all("authorization") != [format!("Bearer {CREDENTIAL}")] => {
            Reply::with("401 Unauthorized", &[], "")
        }
        "GET" => Reply::with("200 OK", &[], r#"{"rrsets":[]}"#),
        _ => Reply::with("204 No Content", &[], ""),
    })
    .await;
    let proxy = stateful(&upstream).await;
    let (mine, other) =
        (Token::ruled(&challenges(false)).mint(), Token::ruled(&challenges(false)).mint());
    let stranger = Token::ruled(&challenges(false)).with("junk-of-a-stranger").mint();
    assert_eq!(patch(&proxy, &mine, &[rrset(RECORD, "REPLACE")]).await.status, 204);
    for (change, status, code) in
        [("REPLACE", 502, "existence_unknown"), ("DELETE", 403, "not_owned")]
    {
        for name in [RECORD, "free.example.com."] {
            patch(&proxy, &stranger, &[rrset(name, change)]).await.assert_rejected(status, code);
        }
        let both = [rrset(RECORD, change), rrset("free.example.com.", change)];
        patch(&proxy, &stranger, &both).await.assert_rejected(status, code);
    }
    patch(&proxy, &other, &[rrset(RECORD, "REPLACE")]).await.assert_rejected(403, "not_owned");
    assert!(upstream.take_requests().iter().filter(|seen| seen.method == "PATCH").count() == 1);
}
