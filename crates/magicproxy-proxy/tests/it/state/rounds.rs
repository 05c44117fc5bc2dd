//! How often a request asks what the upstream has, where others are faster. `state.md` section 5.6.

use super::list_items::{challenges, patch, rrset};
use super::*;
use crate::support::{NAME, Token, UpstreamConnection, now, soon};

const RECORD: &str = "_acme-challenge.example.com.";

fn patching(proxy: &Arc<Proxy>, token: &str) -> tokio::task::JoinHandle<ClientResponse> {
    let (proxy, token) = (Arc::clone(proxy), token.to_owned());
    tokio::spawn(async move { patch(&proxy, &token, &[rrset(RECORD, "REPLACE")]).await })
}

/// The upstream is asked something, and answers so.
async fn asked(connection: &mut UpstreamConnection, method: &str, response: &str) {
    assert_eq!(soon(connection.request()).await.method, method);
    connection.send(response).await;
}

const NOTHING_THERE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{\"rrsets\":[]}";

/// What another leaves under a list item's name while the upstream is asked makes a request begin again, three times in all.
#[tokio::test]
async fn who_is_overtaken_asks_three_times_in_all() {
    for overtaken in [0, 1, 2, 3] {
        let mut upstream = Upstream::held().await;
        let store = Arc::new(MemoryStore::new());
        let proxy = Arc::new(proxy(&upstream, Arc::clone(&store) as Arc<dyn StateStore>).await);
        // Another's attempt that comes to nothing leaves a trace.
        let other = patching(&proxy, &Token::ruled(&challenges(false)).mint());
        let mut connection = upstream.accept().await;
        asked(&mut connection, "GET", NOTHING_THERE).await;
        asked(
            &mut connection,
            "PATCH",
            "HTTP/1.1 422 Unprocessable Entity\r\nContent-Length: 0\r\n\r\n",
        )
        .await;
        assert_eq!(soon(other).await.unwrap().status, 422);
        let path = b"/api/v1/servers/localhost/zones/example.com";
        let list = Partition::of(&[b"elements", NAME.as_bytes(), b"rrsets", path]);
        let (name, mut trace) =
            store.list(list, Vec::new(), 9, UnixTime(now())).await.unwrap().remove(0);

        let mine = patching(&proxy, &Token::ruled(&challenges(false)).mint());
        for _ in 0..overtaken {
            assert_eq!(soon(connection.request()).await.method, "GET", "{overtaken}");
            // One more attempt of another comes to nothing meanwhile.
            let last = trace.value.last_mut().unwrap();
            *last = last.wrapping_add(1);
            let left = vec![Change::Put(name.clone(), trace.clone())];
            assert!(store.apply(list, Vec::new(), left, UnixTime(now())).await.unwrap());
            connection.send(NOTHING_THERE).await;
        }
        if overtaken < 3 {
            asked(&mut connection, "GET", NOTHING_THERE).await;
            asked(&mut connection, "PATCH", "HTTP/1.1 204 No Content\r\n\r\n").await;
            assert_eq!(soon(mine).await.unwrap().status, 204, "{overtaken}");
        } else {
            soon(mine).await.unwrap().assert_rejected(403, "not_owned");
        }
    }
}
