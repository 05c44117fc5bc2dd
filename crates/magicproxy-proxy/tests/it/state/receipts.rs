//! Receipts: tokens for what a request made, where no store is.

use magicproxy_core::{
    Credential, Kem, PatternMode, RawRule, Rule, RuleSource, TypedCredential, UnixTime,
    UnverifiedToken,
};
use magicproxy_proxy::services::{RevocationList, Revocations};
use magicproxy_proxy::settings::StrangerState;
use serde_json::json;
use zeroize::Zeroizing;

use super::*;
use crate::support::{CREDENTIAL, Token, guard, keys, now, seal_to};

pub(super) fn with_receipt() -> Value {
    let mut rules = makes_records();
    rules[1]["receipt"] = true.into();
    rules
}

pub(crate) fn sealed(rules: &Value) -> String {
    let raw: Vec<RawRule> = serde_json::from_value(rules.clone()).unwrap();
    let ring = keys().current();
    let key = ring.published(UnixTime(now())).find(|key| key.kem() == Kem::X25519).unwrap().clone();
    let credential: TypedCredential =
        Credential::parse(Zeroizing::new(CREDENTIAL.to_owned())).unwrap().into();
    seal_to(
        &key,
        credential,
        RuleSource::Rules(Rule::parse_list(&raw, PatternMode::Whole).unwrap()),
    )
}

#[tokio::test]
async fn a_receipt_allows_what_was_made_and_nothing_else() {
    let upstream = digitalocean().await;
    let proxy = Proxy::before(&upstream).await;
    for token in [Token::ruled(&with_receipt()).mint().to_string(), sealed(&with_receipt())] {
        upstream.take_requests();
        let response = create(&proxy, &token).await;
        assert_eq!(response.status, 201);
        let id = response.json()["domain_record"]["id"].clone();
        let receipt = response.one("magic-receipt").unwrap().to_owned();
        guard(&receipt);
        let record = format!("/v2/domains/example.com/records/{id}");
        assert_eq!(ask(&proxy, &format!("GET {record}"), &receipt).await.status, 200);
        for line in [
            "GET /v2/domains/example.com/records".to_owned(),
            format!("DELETE {record}0"),
            format!("PATCH {record}"),
        ] {
            ask(&proxy, &line, &receipt).await.assert_rejected(403, "not_allowed");
        }
        create(&proxy, &receipt).await.assert_rejected(403, "not_allowed");
        ask(&proxy, &format!("DELETE {record}"), &token).await.assert_rejected(403, "not_allowed");
        assert_eq!(ask(&proxy, &format!("DELETE {record}"), &receipt).await.status, 204);
        assert!(
            upstream
                .requests()
                .iter()
                .all(|seen| seen.all("authorization") == [format!("Bearer {CREDENTIAL}")])
        );
    }
}

#[tokio::test]
async fn a_receipt_ends_with_the_chain_of_its_token_and_not_the_other_way_round() {
    let upstream = digitalocean().await;
    let revocations = Arc::new(Revocations::default());
    let shared = Arc::clone(&revocations);
    let proxy = Proxy::with(&upstream, |settings| settings.services.revocations = shared).await;
    for token in [Token::ruled(&with_receipt()).mint().to_string(), sealed(&with_receipt())] {
        let receipt = create(&proxy, &token).await.one("magic-receipt").unwrap().to_owned();
        let another = create(&proxy, &token).await.one("magic-receipt").unwrap().to_owned();
        guard(&receipt);
        guard(&another);
        for (revoked, alive) in [(&receipt, [true, false, true]), (&token, [false; 3])] {
            let chain = UnverifiedToken::parse(revoked).unwrap().chain().unwrap().id();
            revocations
                .replace(RevocationList { chains: [chain].into(), ..RevocationList::default() });
            for (token, alive) in [&token, &receipt, &another].into_iter().zip(alive) {
                let response = ask(&proxy, "GET /elsewhere", token).await;
                response.assert_rejected(
                    if alive { 403 } else { 401 },
                    if alive { "not_allowed" } else { "revoked_token" },
                );
            }
        }
        revocations.replace(RevocationList::default());
    }
}

#[tokio::test]
async fn a_receipt_bears_the_caveats_and_shares_their_counts() {
    let upstream = digitalocean().await;
    let proxy = Proxy::with(&upstream, |settings| {
        settings.services.state = Some(Arc::new(MemoryStore::new()));
        settings.strangers = StrangerState::Accept;
    })
    .await;
    let token = Token::ruled(&with_receipt()).limited("total=2").mint();
    let response = create(&proxy, &token).await;
    let receipt = response.one("magic-receipt").unwrap().to_owned();
    guard(&receipt);
    assert_eq!(ask(&proxy, "GET /v2/domains/example.com/records/101", &receipt).await.status, 200);
    ask(&proxy, "GET /v2/domains/example.com/records/101", &receipt)
        .await
        .assert_rejected(403, "total_used_up");
    create(&proxy, &token).await.assert_rejected(403, "total_used_up");
    // A sealed one would begin its counts anew.
    let limited = magicproxy_core::Caveat::from_json(
        json!({ "limit": { "total": 2 } }).to_string().as_bytes(),
    )
    .unwrap();
    let sealed = limited.append_to(&sealed(&with_receipt())).unwrap();
    guard(&sealed);
    let response = create(&proxy, &sealed).await;
    assert_eq!((response.status, response.one("magic-receipt")), (201, None));
}

#[tokio::test]
async fn an_upstream_cannot_hand_out_receipts() {
    let upstream =
        Upstream::scripted(|_| Reply::with("201 Created", &["Magic-Receipt: forged"], "")).await;
    let proxy = Proxy::before(&upstream).await;
    let response = ask(&proxy, "GET /x", &Token::any()).await;
    assert_eq!((response.status, response.one("magic-receipt")), (201, None));
}

/// An upstream that echoes the credential where an id is expected hands it to nobody.
#[tokio::test]
async fn no_receipt_holds_the_credential() {
    let upstream = Upstream::scripted(|_| {
        let body = json!({ "domain_record": { "id": CREDENTIAL } }).to_string();
        Reply::with("201 Created", &["Content-Type: application/json"], body)
    })
    .await;
    let proxy = Proxy::before(&upstream).await;
    for token in [Token::ruled(&with_receipt()).mint().to_string(), sealed(&with_receipt())] {
        let response = create(&proxy, &token).await;
        assert_eq!((response.status, response.one("magic-receipt")), (201, None));
        assert!(!response.text().contains(CREDENTIAL));
    }
}
