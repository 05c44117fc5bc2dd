//! Named owners: shared by the tokens of a scope that hold one credential, and by no others, whatever the API answers those.

use magicproxy_core::{KeyRing, OwnerSecret, PrivateKey, ScopeName};
use magicproxy_core::{PatternMode, RawRule, Rule, RuleSource, TypedCredential};
use magicproxy_proxy::services::SharedKeys;
use magicproxy_proxy::settings::StrangerState;
use serde_json::json;

use super::list_items::{challenges, patch, powerdns, rrset};
use super::*;
use crate::support::Setup;
use crate::support::{
    CREDENTIAL, NAME, OnlyUpstream as _, Token, events_named, guard, keys, now, seal_to,
};

const RECORD: &str = "/v2/domains/example.com/records";
const OWNER: &str = "certificates";

/// A rule that makes records, for this owner, with further members.
fn rule(owner: Option<&str>, further: &Value) -> Value {
    let mut rule = makes_records()[1].clone();
    rule["owner"] = owner.map_or(Value::Null, Into::into);
    let members = rule.as_object_mut().unwrap();
    members.retain(|_, value| !value.is_null());
    members.extend(
        further
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.clone(), value.clone())),
    );
    rule
}

/// A proxy with these scopes.
async fn scoped(
    upstream: &Upstream,
    store: Arc<dyn StateStore>,
    scopes: &[(&str, Value)],
) -> Proxy {
    Proxy::with(upstream, |settings| {
        settings.services.state = Some(store);
        settings.strangers = StrangerState::Accept;
        for (name, rules) in scopes {
            let raw: Vec<RawRule> = serde_json::from_value(rules.clone()).unwrap();
            let rules = Rule::parse_list(&raw, PatternMode::Whole).unwrap();
            Arc::make_mut(&mut settings.upstream_mut().scopes)
                .insert(ScopeName::parse(name).unwrap(), rules.try_into().unwrap());
        }
    })
    .await
}

fn memory() -> Arc<dyn StateStore> {
    Arc::new(MemoryStore::new())
}

fn of(credential: &str) -> String {
    Token::scoped(&["team"]).with(credential).mint().to_string()
}

fn sealed(credential: Value) -> String {
    let ring = keys().current();
    let key = ring.published(UnixTime(now())).next().unwrap();
    let credential = TypedCredential::from_json(credential.to_string().as_bytes()).unwrap();
    seal_to(key, credential, RuleSource::Scopes(vec![ScopeName::parse("team").unwrap()]))
}

/// The API of one customer: it makes records for the one credential, and answers this to whoever shows another.
async fn private_api(to_others: &'static str) -> Upstream {
    let made = std::sync::atomic::AtomicU64::new(101);
    Upstream::scripted(move |seen| {
        if seen.all("authorization") != [format!("Bearer {CREDENTIAL}")] {
            return Reply::with(to_others, &["Content-Type: application/json"], "{}");
        }
        match seen.method.as_str() {
            "POST" => Reply::with(
                "201 Created",
                &["Content-Type: application/json"],
                created(made.fetch_add(1, Ordering::SeqCst)),
            ),
            "DELETE" => Reply::with("204 No Content", &[], ""),
            _ => Reply::ok("{}"),
        }
    })
    .await
}

#[tokio::test]
async fn a_named_owner_is_shared_by_the_tokens_of_its_scope() {
    let upstream = digitalocean().await;
    let named = |owner: Option<&str>| json!([rule(owner, &json!({}))]);
    let scopes =
        [("team", named(Some("team"))), ("others", named(Some("others"))), ("each", named(None))];
    let proxy = scoped(&upstream, memory(), &scopes).await;
    let (first, second, others) = (
        Token::scoped(&["team"]).mint(),
        Token::scoped(&["team"]).mint(),
        Token::scoped(&["others"]).mint(),
    );
    let each = Token::scoped(&["each", "team"]).mint();
    assert_eq!(create(&proxy, &first).await.status, 201);
    assert_eq!(create(&proxy, &each).await.status, 201, "its own: the first rule of its list");
    ask(&proxy, &format!("DELETE {RECORD}/101"), &others).await.assert_rejected(403, "not_allowed");
    ask(&proxy, &format!("DELETE {RECORD}/102"), &first).await.assert_rejected(403, "not_allowed");
    assert_eq!(ask(&proxy, &format!("GET {RECORD}/101"), &each).await.status, 200);
    assert_eq!(ask(&proxy, &format!("DELETE {RECORD}/101"), &second).await.status, 204);
    assert_eq!(ask(&proxy, &format!("DELETE {RECORD}/102"), &each).await.status, 204);
}

/// A stranger asks for a token of the same scope with a credential of his own invention: whatever the API answers him, nothing
/// is taken from the owner.
#[tokio::test]
async fn whoever_has_another_credential_takes_nothing_away() {
    for response in
        ["401 Unauthorized", "403 Forbidden", "404 Not Found", "410 Gone", "204 No Content"]
    {
        let upstream = private_api(response).await;
        let scopes = [("team", json!([rule(Some(OWNER), &json!({ "limit": { "total": 2 } }))]))];
        let proxy = scoped(&upstream, memory(), &scopes).await;
        let mine = of(CREDENTIAL);
        assert_eq!(create(&proxy, &mine).await.status, 201);
        upstream.take_requests();
        let strangers = [
            of("junk"),
            of(&format!("{CREDENTIAL}x")),
            sealed(json!({ "secret": "junk" })),
            sealed(json!({ "bearer": "junk" })),
        ];
        for stranger in &strangers {
            for method in ["DELETE", "PUT", "GET"] {
                ask(&proxy, &format!("{method} {RECORD}/101"), stranger)
                    .await
                    .assert_rejected(403, "not_allowed");
            }
        }
        assert!(upstream.take_requests().is_empty(), "{response}");
        for _ in 0..5 {
            create(&proxy, &strangers[0]).await;
        }
        create(&proxy, &strangers[0]).await.assert_rejected(403, "total_used_up");
        assert_eq!(
            create(&proxy, &mine).await.status,
            201,
            "{response}: the limit is each owner's own"
        );
        create(&proxy, &mine).await.assert_rejected(403, "total_used_up");
        assert_eq!(
            ask(&proxy, &format!("DELETE {RECORD}/101"), &mine).await.status,
            204,
            "{response}"
        );
    }
}

/// Everything of which an owner has so much: a stranger who uses up his own leaves the others theirs.
#[tokio::test]
async fn whoever_has_another_credential_uses_nothing_up() {
    for (limit, code) in [
        (json!({ "total": 1 }), (403, "total_used_up")),
        (json!({ "requests": 1, "per": "1h" }), (429, "rate_limited")),
    ] {
        let upstream = private_api("404 Not Found").await;
        let proxy = scoped(
            &upstream,
            memory(),
            &[("team", json!([rule(Some(OWNER), &json!({ "limit": limit }))]))],
        )
        .await;
        let stranger = of("junk");
        assert_eq!(create(&proxy, &stranger).await.status, 404);
        create(&proxy, &stranger).await.assert_rejected(code.0, code.1);
        assert_eq!(create(&proxy, &of(CREDENTIAL)).await.status, 201, "{limit}");
        create(&proxy, &of(CREDENTIAL)).await.assert_rejected(code.0, code.1);
    }
    let mut upstream = Upstream::held().await;
    let limited =
        json!([{ "method": "GET", "path": "/x", "owner": OWNER, "limit": { "concurrent": 1 } }]);
    let proxy = Arc::new(scoped(&upstream, memory(), &[("team", limited)]).await);
    let held = tokio::spawn({
        let (proxy, stranger) = (Arc::clone(&proxy), of("junk"));
        async move { ask(&proxy, "GET /x", &stranger).await.status }
    });
    let mut connection = upstream.accept().await;
    connection.request().await;
    let mine = tokio::spawn({
        let (proxy, mine) = (Arc::clone(&proxy), of(CREDENTIAL));
        async move { ask(&proxy, "GET /x", &mine).await.status }
    });
    let mut second = upstream.accept().await;
    second.request().await;
    for connection in [&mut connection, &mut second] {
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    }
    assert_eq!(
        (crate::support::soon(held).await.unwrap(), crate::support::soon(mine).await.unwrap()),
        (200, 200)
    );
}

#[tokio::test]
async fn items_of_a_named_owner_are_those_of_its_credential() {
    let upstream = powerdns(&[]).await;
    let mut rules = challenges(false);
    rules[1]["owner"] = OWNER.into();
    let proxy = scoped(&upstream, memory(), &[("team", rules)]).await;
    let name = "_acme-challenge.example.com.";
    assert_eq!(patch(&proxy, &of(CREDENTIAL), &[rrset(name, "REPLACE")]).await.status, 204);
    upstream.take_requests();
    for change in ["DELETE", "REPLACE"] {
        patch(&proxy, &of("junk"), &[rrset(name, change)]).await.assert_rejected(403, "not_owned");
    }
    assert!(upstream.take_requests().iter().all(|seen| seen.method == "GET"));
    assert_eq!(patch(&proxy, &of(CREDENTIAL), &[rrset(name, "DELETE")]).await.status, 204);
}

/// The same secret is the same owner, in whichever version and form a token seals it.
#[tokio::test]
async fn one_credential_is_one_owner_in_every_form() {
    let upstream = digitalocean().await;
    let proxy =
        scoped(&upstream, memory(), &[("team", json!([rule(Some(OWNER), &json!({}))]))]).await;
    let forms = [
        of(CREDENTIAL),
        sealed(json!({ "secret": CREDENTIAL })),
        sealed(json!({ "bearer": CREDENTIAL })),
    ];
    let mut record = 101;
    for maker in &forms {
        for user in &forms {
            assert_eq!(create(&proxy, maker).await.status, 201);
            assert_eq!(ask(&proxy, &format!("DELETE {RECORD}/{record}"), user).await.status, 204);
            record += 1;
        }
    }
}

/// What somebody's own credential is told counts: what is gone is nobody's, what is refused stays.
#[tokio::test]
async fn the_response_to_the_owner_itself_counts() {
    for (response, stays) in [
        ("401 Unauthorized", true),
        ("403 Forbidden", true),
        ("409 Conflict", true),
        ("500 Internal Server Error", true),
        ("404 Not Found", false),
        ("410 Gone", false),
        ("200 OK", false),
    ] {
        let upstream = Upstream::scripted(move |seen| match seen.method.as_str() {
            "POST" => Reply::with("201 Created", &["Content-Type: application/json"], created(101)),
            "DELETE" => Reply::with(response, &[], ""),
            _ => Reply::ok("{}"),
        })
        .await;
        let proxy =
            scoped(&upstream, memory(), &[("team", json!([rule(Some(OWNER), &json!({}))]))]).await;
        assert_eq!(create(&proxy, &of(CREDENTIAL)).await.status, 201);
        ask(&proxy, &format!("DELETE {RECORD}/101"), &of(CREDENTIAL)).await;
        let left = ask(&proxy, &format!("GET {RECORD}/101"), &of(CREDENTIAL)).await.status;
        assert_eq!(left, if stays { 200 } else { 403 }, "{response}");
    }
}

/// Without the secret nobody can tell whose a named owner is: doubt is denial, and what names none goes on.
#[tokio::test]
async fn without_the_owner_secret_named_owners_have_nothing() {
    let upstream = digitalocean().await;
    let store = memory();
    let ring = |secret: Option<OwnerSecret>| {
        let key =
            PrivateKey::from_pem(include_str!("../../../../../testdata/keys/test-only-first.pem"))
                .unwrap();
        KeyRing::new(key, vec![]).unwrap().with_owner_secret(secret)
    };
    let keys = Arc::new(SharedKeys::new(ring(None)));
    let rules = json!([rule(Some(OWNER), &json!({})), "GET /plain"]);
    let with = |settings: &mut Setup| {
        settings.services.state = Some(Arc::clone(&store));
        settings.services.keys = Arc::clone(&keys);
        let raw: Vec<RawRule> = serde_json::from_value(rules.clone()).unwrap();
        let rules = Rule::parse_list(&raw, PatternMode::Whole).unwrap();
        Arc::make_mut(&mut settings.upstream_mut().scopes)
            .insert(ScopeName::parse("team").unwrap(), rules.try_into().unwrap());
    };
    let proxy = Proxy::with(&upstream, with).await;
    let mint_request = json!({ "token": CREDENTIAL, "scopes": ["team"] }).to_string();
    let token =
        post(&proxy, "POST /__magictoken", "", &mint_request).await.text().trim().to_owned();
    guard(&token);
    create(&proxy, &token).await.assert_rejected(503, "store_unavailable");
    ask(&proxy, &format!("DELETE {RECORD}/101"), &token)
        .await
        .assert_rejected(503, "store_unavailable");
    assert_eq!(ask(&proxy, "GET /plain", &token).await.status, 200);
    assert_eq!(methods(&upstream.take_requests()), ["GET /plain"]);
    // It was made meanwhile, and once more: another secret makes other owners.
    let made = || Some(OwnerSecret::generate(UnixTime(now())).unwrap());
    keys.replace(ring(made()));
    assert_eq!(create(&proxy, &token).await.status, 201);
    assert_eq!(ask(&proxy, &format!("GET {RECORD}/101"), &token).await.status, 200);
    keys.replace(ring(made()));
    ask(&proxy, &format!("GET {RECORD}/101"), &token).await.assert_rejected(403, "not_allowed");
}

/// What a named owner had before it was bound to a credential is given to nobody: nobody knows whose it was.
#[tokio::test]
async fn what_an_unbound_owner_had_is_nobodys() {
    let upstream = digitalocean().await;
    let store = memory();
    let old = Partition::of(&[b"named", NAME.as_bytes(), OWNER.as_bytes()]);
    let entry = Entry { value: b"DELETE|GET".to_vec(), expires_at: UnixTime(now() + 3600) };
    let name = magicproxy_core::rule::HeldGrant::name(&format!("{RECORD}/7"));
    assert!(
        store.apply(old, vec![], vec![Change::Put(name, entry)], UnixTime(now())).await.unwrap()
    );
    let proxy = scoped(&upstream, store, &[("team", json!([rule(Some(OWNER), &json!({}))]))]).await;
    for token in [of(CREDENTIAL), of("junk")] {
        ask(&proxy, &format!("DELETE {RECORD}/7"), &token)
            .await
            .assert_rejected(403, "not_allowed");
        assert_eq!(create(&proxy, &token).await.status, 201);
    }
}

/// The operator is told at the first request, and not again.
#[tokio::test]
async fn somebody_is_told_once_of_what_an_unbound_owner_had() {
    const BEREFT: &str = "bereft-of-what-was-unbound";
    let upstream = digitalocean().await;
    let store = memory();
    let old = Partition::of(&[b"named", NAME.as_bytes(), BEREFT.as_bytes()]);
    let entry = Entry { value: b"DELETE|GET".to_vec(), expires_at: UnixTime(now() + 3600) };
    let name = magicproxy_core::rule::HeldGrant::name(&format!("{RECORD}/7"));
    assert!(
        store.apply(old, vec![], vec![Change::Put(name, entry)], UnixTime(now())).await.unwrap()
    );
    let proxy =
        scoped(&upstream, store, &[("team", json!([rule(Some(BEREFT), &json!({}))]))]).await;
    for _ in 0..3 {
        assert_eq!(create(&proxy, &of(CREDENTIAL)).await.status, 201);
        assert_eq!(events_named(&[BEREFT, "before named owners were bound"]).len(), 1);
    }
}
