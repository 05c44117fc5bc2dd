//! Tokens that were made of other ones end with them, whatever names them: by HTTP alone, as holders have them made.

use std::collections::{HashMap, HashSet};

use magicproxy_core::{
    Credential, Kem, KeyLifetime, KeyRing, PatternMode, PrivateKey, Rule, RuleSource,
    SealedTokenSpec, SealingKey, TokenSpec, TokenVersion, UnixTime, UnnamedTokens, UnverifiedNames,
    UnverifiedToken, UpstreamName,
};
use magicproxy_proxy::services::{RevocationList, Revocations, SharedKeys, TokenIssuer};
use serde_json::json;
use zeroize::Zeroizing;

use super::receipts::with_receipt;
use super::*;
use crate::support::Setup;
use crate::support::{CREDENTIAL, NAME, OnlyUpstream as _, guard, now};

/// Keys of each kind, the newest last, and the rings that a proxy has in the course of two rotations.
struct Keys {
    signing: Vec<String>,
    sealing: Vec<String>,
}

impl Keys {
    fn new() -> Self {
        let signing = (0..3)
            .map(|_| PrivateKey::generate(2048).unwrap().to_pem().unwrap().to_string())
            .collect();
        let sealing = (0..3).map(|_| {
            SealingKey::generate(Kem::X25519, UnixTime(now())).unwrap().to_json().to_string()
        });
        Self { signing, sealing: sealing.collect() }
    }

    fn ring(&self, rotations: usize) -> KeyRing {
        let signing = |at: usize| PrivateKey::from_pem(&self.signing[at]).unwrap();
        let sealing = |at: usize| {
            let retired = (at < rotations).then_some(UnixTime(now()));
            SealingKey::from_json(&self.sealing[at])
                .unwrap()
                .with_lifetime(KeyLifetime { retired, ..KeyLifetime::default() })
        };
        let ring = KeyRing::new(signing(rotations), (0..rotations).map(signing).collect()).unwrap();
        ring.with_sealing((0..=rotations).rev().map(sealing).collect()).unwrap()
    }

    /// What whoever has the first keys mints, at any time.
    fn mint(&self) -> [String; 2] {
        let raw = serde_json::from_value::<Vec<_>>(with_receipt()).unwrap();
        let source = RuleSource::Rules(Rule::parse_list(&raw, PatternMode::Whole).unwrap());
        let credential = Credential::parse(Zeroizing::new(CREDENTIAL.to_owned())).unwrap();
        let (upstream, issued_at, expires_at) =
            (UpstreamName::parse(NAME).unwrap(), UnixTime(now()), UnixTime(now() + 3600));
        let (ring, not_before, subject, explain) = (self.ring(0), None, None, false);
        let signed = ring.mint(&TokenSpec {
            credential: credential.clone(),
            source: source.clone(),
            upstream: Some(upstream.clone()),
            unnamed: UnnamedTokens::Accept,
            issued_at,
            expires_at,
            not_before,
            subject: subject.clone(),
            explain,
            limit: None,
        });
        let sealed = ring.published(issued_at).next().unwrap().mint(&SealedTokenSpec {
            credential: credential.into(),
            source,
            upstream,
            issued_at,
            expires_at,
            not_before,
            subject,
            explain,
            minter: None,
        });
        [signed.unwrap().token, sealed.unwrap().token].map(|token| {
            guard(&token);
            token.to_string()
        })
    }
}

fn names(keys: &Keys, token: &str) -> UnverifiedNames {
    UnverifiedNames::of(&UnverifiedToken::parse(token).unwrap(), Some(&keys.ring(2))).unwrap()
}

async fn made(response: ClientResponse) -> String {
    assert_eq!(response.status, 200, "{}", response.text());
    guard(&response.text());
    response.text()
}

async fn reseal(proxy: &Proxy, token: &str) -> String {
    made(
        Client::ask(proxy, request("POST /__magictoken/reseal", token, &["Content-Length: 0"], ""))
            .await,
    )
    .await
}

async fn narrow(proxy: &Proxy, token: &str, caveat: &Value) -> String {
    made(
        post(proxy, "POST /__magictoken/narrow", token, &json!({ "caveat": caveat }).to_string())
            .await,
    )
    .await
}

/// All that a holder has made of a token in the course of two rotations, the token itself first, the last one last.
async fn generations(proxy: &Proxy, keys: &Keys, shared: &SharedKeys, token: &str) -> Vec<String> {
    let foreign = json!({ "from": { "chain": "5".repeat(32), "owner": "6".repeat(64), "kid": "k".repeat(43) } });
    let mut all = vec![token.to_owned(), narrow(proxy, token, &json!({ "sub": "holder" })).await];
    for rotations in 1..3 {
        shared.replace(keys.ring(rotations));
        all.push(reseal(proxy, all.last().unwrap()).await);
        all.push(narrow(proxy, all.last().unwrap(), &foreign).await);
    }
    let receipt = create(proxy, all.last().unwrap()).await.one("magic-receipt").unwrap().to_owned();
    guard(&receipt);
    all.push(receipt);
    all.push(narrow(proxy, all.last().unwrap(), &json!({ "sub": "later" })).await);
    all
}

async fn responses(proxy: &Proxy, tokens: &[String]) -> Vec<(u16, String)> {
    let mut all = Vec::new();
    for token in tokens {
        let response = ask(proxy, "GET /v2/domains/example.com/elsewhere", token).await;
        all.push((response.status, response.code()));
    }
    all
}

/// Whoever has a key that leaked forges a token, and has it sealed anew to the key of now. When the operator denies the leaked
/// key, or revokes it, or the forged token by any of its names, nothing that was made of it is accepted.
#[tokio::test]
async fn nothing_outlives_the_token_that_it_was_made_of() {
    let upstream = digitalocean().await;
    let keys = Keys::new();
    for (number, version) in [TokenVersion::V1, TokenVersion::V2].into_iter().enumerate() {
        let (shared, revocations) =
            (Arc::new(SharedKeys::new(keys.ring(0))), Arc::new(Revocations::default()));
        let configure = |settings: &mut Setup| {
            settings.services.keys = Arc::clone(&shared);
            settings.services.revocations = Arc::clone(&revocations);
        };
        let proxy = Proxy::with(&upstream, configure).await;
        let [forged, other] = [keys.mint(), keys.mint()].map(|tokens| tokens[number].clone());
        let all = generations(&proxy, &keys, &shared, &forged).await;
        let later = keys.ring(2).active().public().id().to_string();
        let last = names(&keys, all.last().unwrap());
        assert!(last.names().key != names(&keys, &forged).names().key);
        assert_eq!(last.names().key == Some(later.as_str()), version == TokenVersion::V1);
        let alive = vec![(403, "not_allowed".to_owned()); all.len()];
        assert_eq!(responses(&proxy, &all).await, alive);

        let forged = names(&keys, &forged);
        let forged = forged.names();
        let minting = TokenIssuer { version, key: forged.key.unwrap().to_owned(), minter: None };
        let empty = RevocationList::default;
        let lists = [
            RevocationList { keys: HashSet::from([minting.key.clone()]), ..empty() },
            RevocationList { owners: HashSet::from([forged.owner]), ..empty() },
            RevocationList { chains: HashSet::from([forged.chain.id()]), ..empty() },
            RevocationList {
                minted: HashMap::from([(forged.id.to_owned(), HashSet::from([minting.clone()]))]),
                ..empty()
            },
            RevocationList { ids: HashSet::from([forged.id.to_owned()]), ..empty() },
        ];
        for (kind, list) in lists.into_iter().enumerate() {
            revocations.replace(list);
            assert_eq!(
                responses(&proxy, &all).await,
                vec![(401, "revoked_token".to_owned()); all.len()],
                "{kind}"
            );
            // Another token of that key ends with the key only.
            let code = if kind == 0 { "revoked_token" } else { "not_allowed" };
            assert_eq!(responses(&proxy, std::slice::from_ref(&other)).await[0].1, code, "{kind}");
        }
        // The same id, given under another key, by a minter, or in the other version.
        let others = [
            TokenIssuer { key: "k".repeat(43), ..minting.clone() },
            TokenIssuer { minter: Some("m".repeat(43)), ..minting.clone() },
            TokenIssuer {
                version: if version == TokenVersion::V1 {
                    TokenVersion::V2
                } else {
                    TokenVersion::V1
                },
                ..minting.clone()
            },
        ];
        revocations.replace(RevocationList {
            minted: HashMap::from([(forged.id.to_owned(), HashSet::from(others))]),
            ..empty()
        });
        let named = responses(&proxy, &all).await;
        // But a holder who named that key in his own token is taken at his word.
        let took = named.iter().position(|response| response.0 == 401).unwrap();
        assert!(
            took == 3 && named[took..].iter().all(|response| response.1 == "revoked_token"),
            "{named:?}"
        );
        revocations.replace(empty());

        let denying = Proxy::with(&upstream, |settings| {
            configure(settings);
            settings.upstream_mut().acceptance.denied_keys = vec![minting.key];
        })
        .await;
        assert_eq!(
            responses(&denying, &all).await,
            vec![(401, "invalid_token".to_owned()); all.len()]
        );
        let resealed = Client::ask(
            &denying,
            request("POST /__magictoken/reseal", &all[2], &["Content-Length: 0"], ""),
        )
        .await;
        resealed.assert_rejected(401, "invalid_token");
        assert_eq!(responses(&proxy, &all).await, alive);
    }
}

/// Where the origin has no room, nothing is made.
#[tokio::test]
async fn a_token_without_room_for_its_origin_is_not_sealed_anew() {
    let upstream = digitalocean().await;
    let keys = Keys::new();
    let shared = Arc::new(SharedKeys::new(keys.ring(0)));
    let proxy =
        Proxy::with(&upstream, |settings| settings.services.keys = Arc::clone(&shared)).await;
    for mut token in keys.mint() {
        shared.replace(keys.ring(0));
        for _ in 0..16 {
            token = narrow(&proxy, &token, &json!({ "sub": "a" })).await;
        }
        shared.replace(keys.ring(1));
        let response = Client::ask(
            &proxy,
            request("POST /__magictoken/reseal", &token, &["Content-Length: 0"], ""),
        )
        .await;
        assert!(
            response.status == 400 || response.status == 403 || response.status == 409,
            "{}",
            response.text()
        );
        assert!(response.text().contains("16 caveats"), "{}", response.text());
        assert_eq!(ask(&proxy, "GET /v2/domains/example.com/records", &token).await.status, 200);
    }
}
