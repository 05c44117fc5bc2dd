//! Random histories of tokens that create, narrow, touch, delete and are revoked, on stores that last and are opened anew:
//! at each step the engine says what a model says that is two maps.

use std::collections::{HashMap, HashSet};

use magicproxy_core::UnverifiedToken;
use magicproxy_proxy::services::{RevocationList, Revocations};
use magicproxy_state::RedbStore;
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy};
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use proptest::{prop_assert_eq, prop_oneof};
use serde_json::json;

use super::*;
use crate::support::{Token, guard};

/// Families of tokens, each narrowed from one.
const FAMILIES: usize = 3;

#[derive(Clone, Debug)]
enum Step {
    Create(Who),
    Touch(&'static str, Who, u64),
    Revoke(usize),
    /// The process ends and another one begins.
    Restart,
}

#[derive(Clone, Copy, Debug)]
struct Who {
    family: usize,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Whole,
    Narrowed,
    Reading,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let who = (0..FAMILIES, select(&[Kind::Whole, Kind::Narrowed, Kind::Reading][..]))
        .prop_map(|(family, kind)| Who { family, kind });
    let touch = (select(&["GET", "PUT", "DELETE", "PATCH"][..]), who.clone(), 101..112_u64);
    vec(
        prop_oneof![
            6 => who.prop_map(Step::Create),
            12 => touch.prop_map(|(method, who, id)| Step::Touch(method, who, id)),
            1 => (0..FAMILIES).prop_map(Step::Revoke),
            1 => Just(Step::Restart),
        ],
        1..40,
    )
}

/// What is so, as far as anybody can know.
#[derive(Default)]
struct Model {
    owners: HashMap<u64, usize>,
    revoked: HashSet<usize>,
    made: u64,
}

impl Model {
    fn expects(&mut self, step: &Step) -> Option<u16> {
        let (Step::Create(who) | Step::Touch(_, who, _)) = step else { return None };
        if self.revoked.contains(&who.family) {
            return Some(401);
        }
        let reading = matches!(who.kind, Kind::Reading);
        Some(match step {
            Step::Touch(method, _, id) => {
                let allowed = self.owners.get(id) == Some(&who.family)
                    && *method != "PATCH"
                    && (!reading || *method == "GET");
                match *method {
                    _ if !allowed => 403,
                    "DELETE" => (self.owners.remove(id), 204).1,
                    _ => 200,
                }
            }
            _ if reading => 403,
            _ => {
                self.owners.insert(101 + self.made, who.family);
                self.made += 1;
                201
            }
        })
    }
}

struct Stage {
    upstream: Upstream,
    tokens: Vec<[String; 3]>,
    revocations: Arc<Revocations>,
    list: RevocationList,
}

impl Stage {
    async fn set() -> Self {
        let upstream = digitalocean().await;
        let mut stage = Self {
            upstream,
            tokens: Vec::new(),
            revocations: Arc::default(),
            list: RevocationList::default(),
        };
        let minter = Proxy::before(&stage.upstream).await;
        for _ in 0..FAMILIES {
            let whole = Token::ruled(&makes_records()).mint().to_string();
            let narrowed = narrowed(&minter, &whole, json!({ "sub": "child" })).await;
            let reading = narrowed_reading(&minter, &whole).await;
            stage.tokens.push([whole, narrowed, reading]);
        }
        stage
    }

    async fn proxy(&self, store: Arc<dyn StateStore>) -> Proxy {
        Proxy::with(&self.upstream, |settings| {
            settings.services.state = Some(store);
            settings.services.revocations = Arc::clone(&self.revocations);
        })
        .await
    }

    fn token(&self, who: Who) -> &str {
        &self.tokens[who.family][who.kind as usize]
    }

    fn revoke(&mut self, family: usize) {
        let owner = UnverifiedToken::parse(&self.tokens[family][1]).unwrap().owner().unwrap();
        self.list.owners.insert(owner);
        self.revocations.replace(self.list.clone());
    }
}

async fn narrowed(proxy: &Proxy, token: &str, caveat: Value) -> String {
    let response =
        post(proxy, "POST /__magictoken/narrow", token, &json!({ "caveat": caveat }).to_string())
            .await;
    assert_eq!(response.status, 200, "{}", response.text());
    guard(response.text().trim());
    response.text().trim().to_owned()
}

async fn narrowed_reading(proxy: &Proxy, token: &str) -> String {
    narrowed(proxy, token, json!({ "allowed": ["GET /.*"] })).await
}

/// Runs a history; `open` gives the store, anew after a restart.
async fn follow(steps: &[Step], open: impl Fn() -> Arc<dyn StateStore>) -> Vec<(String, u16, u16)> {
    let mut stage = Stage::set().await;
    let mut model = Model::default();
    let mut proxy = Some(stage.proxy(open()).await);
    let mut seen = Vec::new();
    for step in steps {
        let expected = model.expects(step);
        let running = proxy.as_ref().unwrap();
        let response = match step {
            Step::Create(who) => create(running, stage.token(*who)).await,
            Step::Touch(method, who, id) => {
                ask(
                    running,
                    &format!("{method} /v2/domains/example.com/records/{id}"),
                    stage.token(*who),
                )
                .await
            }
            Step::Revoke(family) => {
                model.revoked.insert(*family);
                stage.revoke(*family);
                continue;
            }
            Step::Restart => {
                let mut old = proxy.take().unwrap();
                old.shut_down();
                old.ended().await;
                drop(old);
                proxy = Some(stage.proxy(open()).await);
                continue;
            }
        };
        seen.push((format!("{step:?}"), response.status, expected.unwrap()));
    }
    seen
}

/// Not a test of `tokio`'s, so that each history has a runtime of its own, which ends with it.
fn histories(open: impl Fn() -> Box<dyn Fn() -> Arc<dyn StateStore>>) {
    let mut runner =
        TestRunner::new(Config { cases: 12, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&steps(), |steps| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let seen = runtime.block_on(follow(&steps, open()));
        for (step, status, expected) in seen {
            prop_assert_eq!(status, expected, "{}", step);
        }
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn in_memory() {
    histories(|| {
        let store = Arc::new(MemoryStore::new());
        Box::new(move || Arc::clone(&store) as Arc<dyn StateStore>)
    });
}

#[test]
fn in_a_file_that_is_opened_anew() {
    histories(|| {
        let folder = tempfile::tempdir().unwrap();
        Box::new(move || {
            // The last process may still be closing it.
            let path = folder.path().join("state.redb");
            loop {
                match RedbStore::open(&path) {
                    Ok(store) => return Arc::new(store),
                    Err(error) => assert!(error.to_string().contains("another process"), "{error}"),
                }
                std::thread::yield_now();
            }
        })
    });
}
