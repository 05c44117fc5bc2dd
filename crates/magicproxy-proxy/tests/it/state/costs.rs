//! What a request asks of the store, counted: each call may be a disk's or a network's.

use std::sync::Mutex;

use serde_json::Value;

use super::list_items::{challenges, patch, powerdns, rrset};
use super::*;
use crate::support::Token;

/// The calls of a store, each by a letter: one that reads, and one that applies changes.
#[derive(Debug, Default)]
struct Noting(Mutex<String>);

impl Watch for Noting {
    fn before(&self, call: Call) -> StoreFuture<'_, ()> {
        self.0.lock().unwrap().push(match call {
            Call::Read => 'r',
            Call::Apply(_) => 'a',
            Call::Take | Call::Lease | Call::Ping => '?',
        });
        Box::pin(async { Ok(()) })
    }
}

fn list(names: &[String], change: &str) -> Vec<Value> {
    names.iter().map(|name| rrset(name, change)).collect()
}

/// A request with list items, however many: what there is, whether there is room, the claim, and the end. A deletion adds no row.
#[tokio::test]
async fn a_request_with_list_items_asks_the_store_four_times_at_most() {
    for count in [1, 30] {
        let store = Arc::new(WatchedStore::new(Noting::default()));
        let upstream = powerdns(&[]).await;
        let proxy = proxy(&upstream, Arc::<WatchedStore<Noting>>::clone(&store)).await;
        let token = Token::ruled(&challenges(false)).mint();
        let names: Vec<String> =
            (0..count).map(|number| format!("_acme-{number}.example.com.")).collect();
        let steps = [("REPLACE", "raaa"), ("REPLACE", "raa"), ("DELETE", "raa")];
        for (change, calls) in steps {
            store.0.lock().unwrap().clear();
            assert_eq!(
                patch(&proxy, &token, &list(&names, change)).await.status,
                204,
                "{count} {change}"
            );
            assert_eq!(*store.0.lock().unwrap(), calls, "{count} {change}");
        }
    }
}
