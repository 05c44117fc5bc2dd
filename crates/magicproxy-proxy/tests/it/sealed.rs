//! Sealed tokens through the whole engine: what they carry, who may send them, how they are made anew, when keys change.

use std::sync::Arc;

use magicproxy_core::{
    Caveat, Credential, Kem, KeyRing, Network, PrivateKey, RuleSource, SealingKey,
    SealingPublicKey, TokenVersion, TypedCredential, UnixTime,
};
use magicproxy_proxy::services::SharedKeys;
use magicproxy_proxy::settings::TokenCarrier;
use serde_json::json;
use zeroize::Zeroizing;

use crate::support::{
    CREDENTIAL, Client, OnlyUpstream as _, Proxy, Token, Upstream, guard, keys, now, parse,
    request, seal_to, settings,
};

/// A token sealed to the first key of that kind.
fn sealed(kem: Kem, credential: TypedCredential, allowed: &[&str]) -> String {
    let ring = keys().current();
    let key = ring.published(UnixTime(now())).find(|key| key.kem() == kem).unwrap().clone();
    sealed_to(&key, credential, allowed)
}

fn sealed_to(key: &SealingPublicKey, credential: TypedCredential, allowed: &[&str]) -> String {
    seal_to(key, credential, RuleSource::Rules(parse(allowed)))
}

fn plain() -> TypedCredential {
    Credential::parse(Zeroizing::new(CREDENTIAL.to_owned())).unwrap().into()
}

fn typed(json: serde_json::Value) -> TypedCredential {
    TypedCredential::from_json(json.to_string().as_bytes()).unwrap()
}

fn narrowed(token: &str, caveat: serde_json::Value) -> String {
    let token = Caveat::from_json(caveat.to_string().as_bytes()).unwrap().append_to(token).unwrap();
    guard(&token);
    token.to_string()
}

#[tokio::test]
async fn they_are_as_good_as_signed_ones() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    for kem in Kem::ALL {
        let token = sealed(kem, plain(), &["GET /a/.*"]);
        for _ in 0..2 {
            assert_eq!(Client::ask(&proxy, request("GET /a/1", &token, &[], "")).await.status, 200);
        }
        Client::ask(&proxy, request("GET /b", &token, &[], ""))
            .await
            .assert_rejected(403, "not_allowed");
        let child = narrowed(&token, json!({"allowed": ["GET /a/1"]}));
        assert_eq!(Client::ask(&proxy, request("GET /a/1", &child, &[], "")).await.status, 200);
        Client::ask(&proxy, request("GET /a/2", &child, &[], ""))
            .await
            .assert_rejected(403, "beyond_caveat");
        // The other last character that 32 bytes can have, and one that they cannot.
        let (kept, last) = token.split_at(token.len() - 1);
        for other in [if last == "a" { "q" } else { "a" }, "b"] {
            let changed = format!("{kept}{other}");
            Client::ask(&proxy, request("GET /a/1", &changed, &[], ""))
                .await
                .assert_rejected(401, "invalid_token");
        }
    }
    assert!(
        upstream
            .requests()
            .iter()
            .all(|seen| seen.all("authorization") == [format!("Bearer {CREDENTIAL}")])
    );
    assert_eq!(upstream.requests().len(), 6);
}

#[tokio::test]
async fn a_typed_credential_goes_where_it_says_and_nowhere_that_means_something_else() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::with(&upstream, |settings| {
        let carriers = &mut settings.upstream_mut().token_carriers;
        carriers.push(TokenCarrier::parse("header:DD-API-KEY").unwrap());
        carriers.push(TokenCarrier::parse("header:DD-APPLICATION-KEY").unwrap());
    })
    .await;
    let basic = sealed(Kem::X25519, typed(json!({"basic": ["user", CREDENTIAL]})), &["GET /a"]);
    assert_eq!(Client::ask(&proxy, request("GET /a", &basic, &[], "")).await.status, 200);
    let pair = json!({"several": [{"header": ["DD-API-KEY", CREDENTIAL]}, {"header": ["dd-application-key", "another-secret"]}]});
    let pair = sealed(Kem::X25519, typed(pair), &["GET /b"]);
    assert_eq!(
        Client::ask(&proxy, request("GET /b", &pair, &["X-Request-Id: kept"], "")).await.status,
        200
    );
    let seen = upstream.requests();
    let authorization = seen[0].all("authorization");
    assert!(
        authorization.len() == 1 && authorization[0].starts_with("Basic dXNlcjpn"),
        "{authorization:?}"
    );
    assert_eq!(seen[1].all("dd-api-key"), [CREDENTIAL]);
    assert_eq!(seen[1].all("dd-application-key"), ["another-secret"]);
    assert!(seen[1].all("authorization").is_empty());
    for name in [
        "Host",
        "Content-Length",
        "Transfer-Encoding",
        "X-HTTP-Method-Override",
        "X-Forwarded-For",
        "X-Remote-User",
        "Cookie",
        "X-Anything",
    ] {
        let token = sealed(Kem::X25519, typed(json!({"header": [name, CREDENTIAL]})), &["GET /a"]);
        Client::ask(&proxy, request("GET /a", &token, &[], ""))
            .await
            .assert_rejected(401, "invalid_token");
    }
    assert_eq!(upstream.requests().len(), 2);
}

#[tokio::test]
async fn a_bound_sender_is_the_peer_or_whom_a_trusted_proxy_names() {
    let upstream = Upstream::hello().await;
    let token = sealed(Kem::X25519, plain(), &["GET /a"]);
    let local = narrowed(&token, json!({"sender": {"cidr": ["127.0.0.0/8"]}}));
    let far = narrowed(&token, json!({"sender": {"cidr": ["192.0.2.0/24"]}}));
    let ask = async |proxy: &Proxy, token: &str, lines: &[&str]| {
        let response = Client::ask(proxy, request("GET /a", token, lines, "")).await;
        if response.status != 200 {
            response.assert_rejected(403, "wrong_sender");
        }
        response.status
    };
    let claims = ["X-Forwarded-For: 192.0.2.1"];
    let direct = Proxy::before(&upstream).await;
    assert_eq!(ask(&direct, &local, &claims).await, 200);
    assert_eq!(ask(&direct, &far, &claims).await, 403);
    let behind = Proxy::with(&upstream, |settings| {
        settings.trusted_proxies.networks = vec![Network::parse("127.0.0.1/32").unwrap()]
    })
    .await;
    assert_eq!(ask(&behind, &far, &claims).await, 200);
    assert_eq!(ask(&behind, &local, &claims).await, 403);
    assert_eq!(ask(&behind, &far, &["X-Forwarded-For: 192.0.2.1, 198.51.100.1"]).await, 403);
    assert_eq!(ask(&behind, &far, &[]).await, 403);
    // A response that is kept for the token is not kept for its sender.
    assert_eq!(ask(&behind, &far, &claims).await, 200);
}

#[tokio::test]
async fn the_control_plane_shows_keys_and_makes_tokens_anew() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    let shown = Client::ask(&proxy, request("GET /__magictoken/keys", "", &[], "")).await;
    assert_eq!((shown.status, shown.one("content-type")), (200, Some("application/jwk-set+json")));
    assert_eq!(shown.json()["keys"].as_array().unwrap().len(), 2);
    assert!(
        !shown.text().contains("\"d\"") && !shown.text().contains("\"priv\""),
        "{}",
        shown.text()
    );
    Client::ask(&proxy, request("POST /__magictoken/keys", "", &["Content-Length: 0"], ""))
        .await
        .assert_rejected(405, "method_not_allowed");

    let narrow = async |token: &str, body: &str| {
        let lines = ["Content-Type: application/json", &format!("Content-Length: {}", body.len())];
        Client::ask(&proxy, request("POST /__magictoken/narrow", token, &lines, body)).await
    };
    for token in [
        Token::allowing(&["GET /a/.*"]).mint().to_string(),
        sealed(Kem::X25519, plain(), &["GET /a/.*"]),
    ] {
        let response = narrow(&token, r#"{"caveat":{"allowed":["GET /a/1"]}}"#).await;
        assert_eq!(
            (response.status, response.one("content-type")),
            (200, Some("application/jwt")),
            "{}",
            response.text()
        );
        let child = response.text();
        guard(&child);
        assert_eq!(Client::ask(&proxy, request("GET /a/1", &child, &[], "")).await.status, 200);
        Client::ask(&proxy, request("GET /a/2", &child, &[], ""))
            .await
            .assert_rejected(403, "beyond_caveat");
        for bad in [
            r#"{}"#,
            r#"{"caveat":{}}"#,
            r#"{"caveat":{"allowed":["GET a"]}}"#,
            r#"{"caveat":{"exp":"soon"}}"#,
            r#"{"caveat":{"sub":"a"},"x":1}"#,
        ] {
            narrow(&token, bad).await.assert_rejected(400, "invalid_caveat");
        }
        let resealed = Client::ask(
            &proxy,
            request("POST /__magictoken/reseal", &token, &["Content-Length: 0"], ""),
        )
        .await;
        assert_eq!((resealed.status, resealed.text()), (200, token.clone()));
    }
    narrow("", r#"{"caveat":{"sub":"a"}}"#).await.assert_rejected(401, "missing_token");
    narrow("mt2_eyJhIjoxfQ.aaaa.aaaa", r#"{"caveat":{"sub":"a"}}"#)
        .await
        .assert_rejected(401, "invalid_token");
    let old = narrow("mt2.eyJhIjoxfQ.AAAA.AAAA", r#"{"caveat":{"sub":"a"}}"#).await;
    old.assert_rejected(401, "invalid_token");
    assert!(old.text().contains("it will begin with `mt2_`"), "{}", old.text());
}

#[tokio::test]
async fn tokens_of_a_key_that_is_gone_are_gone_with_it() {
    let upstream = Upstream::hello().await;
    let made = |count: usize| -> Vec<SealingKey> {
        (0..count).map(|_| SealingKey::generate(Kem::X25519, UnixTime(now())).unwrap()).collect()
    };
    let signing = || PrivateKey::generate(2048).unwrap();
    let mut sealing = made(1);
    let (kept, old) = (sealing[0].to_json(), sealing[0].public().clone());
    let shared = Arc::new(SharedKeys::new(
        KeyRing::new(signing(), vec![])
            .unwrap()
            .with_sealing(std::mem::take(&mut sealing))
            .unwrap(),
    ));
    let with = Arc::clone(&shared);
    let proxy = Proxy::with(&upstream, move |settings| settings.services.keys = with).await;
    let token = sealed_to(&old, plain(), &["GET /a"]);
    let ask = async || Client::ask(&proxy, request("GET /a", &token, &[], "")).await;
    assert_eq!(ask().await.status, 200);
    // A rotation: the old key still opens.
    let ring = vec![made(1).remove(0), SealingKey::from_json(&kept).unwrap()];
    shared.replace(KeyRing::new(signing(), vec![]).unwrap().with_sealing(ring).unwrap());
    assert_eq!(ask().await.status, 200);
    shared.replace(KeyRing::new(signing(), vec![]).unwrap().with_sealing(made(1)).unwrap());
    ask().await.assert_rejected(401, "invalid_token");
}

#[tokio::test]
async fn an_upstream_may_take_one_version_only() {
    let upstream = Upstream::hello().await;
    let (v1, v2) = (Token::any(), sealed(Kem::X25519, plain(), &["* /.*"]));
    for (version, taken, refused) in [(TokenVersion::V1, &*v1, &v2), (TokenVersion::V2, &v2, &*v1)]
    {
        let mut settings = settings(upstream.address, "");
        settings.upstream_mut().acceptance.versions = vec![version];
        let proxy = Proxy::listening(settings, |listener| vec![listener]).await;
        assert_eq!(Client::ask(&proxy, request("GET /a", taken, &[], "")).await.status, 200);
        Client::ask(&proxy, request("GET /a", refused, &[], ""))
            .await
            .assert_rejected(401, "invalid_token");
    }
}

/// `token-v2.md` section 8.1: which answer a caveat gives that does not hold, and which of two is told.
#[tokio::test]
async fn the_responses_to_caveats_that_do_not_hold_come_in_one_order() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    let token = sealed(Kem::X25519, plain(), &["GET /a"]);
    let over = json!({"exp": now() - 31});
    let early = json!({"nbf": now() + 100});
    let elsewhere = json!({"aud": "elsewhere"});
    let stranger = json!({"sender": {"cidr": ["192.0.2.0/24"]}});
    let less = json!({"allowed": ["GET /b"]});
    let counted = json!({"limit": {"requests": 1, "per": "1h"}});
    for (caveats, line, status, code) in [
        (vec![&over], "GET /a", 401, "expired_token"),
        (vec![&early], "GET /a", 401, "invalid_token"),
        (vec![&elsewhere], "GET /a", 401, "wrong_upstream"),
        (vec![&stranger], "GET /a", 403, "wrong_sender"),
        (vec![&less], "GET /a", 403, "beyond_caveat"),
        // Times are asked first, wherever they stand; then the claims; then caveat after caveat.
        (vec![&less, &stranger, &elsewhere, &early, &over], "GET /c", 401, "expired_token"),
        (vec![&less, &stranger, &elsewhere, &early], "GET /c", 401, "invalid_token"),
        (vec![&less, &stranger, &elsewhere], "GET /c", 403, "not_allowed"),
        (vec![&less, &stranger, &elsewhere], "GET /a", 403, "beyond_caveat"),
        (vec![&stranger, &elsewhere, &less], "GET /a", 403, "wrong_sender"),
        (vec![&elsewhere, &stranger, &less], "GET /a", 401, "wrong_upstream"),
        // Nobody signed this token, so its limit needs a state that it does not get: that is found out last.
        (vec![&counted], "GET /a", 403, "unlisted_minter"),
        (vec![&counted, &less], "GET /a", 403, "beyond_caveat"),
        (vec![&counted, &elsewhere], "GET /a", 401, "wrong_upstream"),
    ] {
        let token =
            caveats.iter().fold(token.clone(), |token, caveat| narrowed(&token, (*caveat).clone()));
        Client::ask(&proxy, request(line, &token, &[], "")).await.assert_rejected(status, code);
    }
    assert!(upstream.requests().is_empty());
    assert_eq!(Client::ask(&proxy, request("GET /a", &token, &[], "")).await.status, 200);
}
