//! Sealed tokens: what verifies, what a caveat takes, and that no bit can be changed.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use super::*;
use crate::credential::Credential;
use crate::key::{Kem, KeyLifetime, KeyRing, MinterKey, MinterSigningKey, PrivateKey, SealingKey};
use crate::pattern::PatternMode;
use crate::rule::{RawRule, Rule};
use crate::scope::Scopes;
use crate::target::{EncodedSlash, RequestTarget};
use crate::token::{
    Acceptance, Label, RuleSource, UnnamedTokens, UpstreamName, VerifiedToken, VerifyContext,
};
use crate::{AccessRequest, Denial};
use crate::{RuleCompiler, TokenSpec, TypedCredential, UnixTime, UnverifiedToken};

mod minters;
mod spelling;

const NOW: UnixTime = UnixTime(1_790_000_000);
const SECRET: &str = "ghp_marked_credential";

fn ring() -> KeyRing {
    let signing =
        PrivateKey::from_pem(include_str!("../../../../../testdata/keys/test-only-first.pem"))
            .unwrap();
    let sealing = Kem::ALL.map(|kem| SealingKey::generate(kem, NOW).unwrap());
    KeyRing::new(signing, vec![]).unwrap().with_sealing(sealing.into()).unwrap()
}

fn rules(texts: &[&str]) -> Vec<Rule> {
    let raw: Vec<RawRule> = texts.iter().map(|text| RawRule::Text((*text).to_owned())).collect();
    Rule::parse_list(&raw, PatternMode::Whole).unwrap()
}

fn request<'a>(allowed: &[&str]) -> SealedTokenSpec<'a> {
    SealedTokenSpec {
        credential: TypedCredential::Configured(
            Credential::parse(Zeroizing::new(SECRET.to_owned())).unwrap(),
        ),
        source: RuleSource::Rules(rules(allowed)),
        upstream: UpstreamName::parse("api").unwrap(),
        issued_at: NOW,
        expires_at: UnixTime(NOW.0 + 3600),
        not_before: None,
        subject: Label::parse("ci"),
        explain: false,
        minter: None,
    }
}

fn mint(ring: &KeyRing, kem: Kem, request: &SealedTokenSpec<'_>) -> String {
    let key = ring.published(NOW).find(|key| key.kem() == kem).unwrap();
    key.mint(request).unwrap().token.to_string()
}

fn verify_as(
    ring: &KeyRing,
    token: &str,
    acceptance: &Acceptance,
) -> Result<Arc<VerifiedToken>, VerifyError> {
    let context = VerifyContext {
        now: NOW,
        scopes: &Scopes::default(),
        patterns: PatternMode::Whole,
        acceptance,
    };
    ring.verify(token, &context).map(Arc::new)
}

fn verify(ring: &KeyRing, token: &str) -> Result<Arc<VerifiedToken>, VerifyError> {
    verify_as(ring, token, &Acceptance::default())
}

fn narrowed(token: &str, caveat: &str) -> String {
    Caveat::from_json(caveat.as_bytes()).unwrap().append_to(token).unwrap().to_string()
}

#[track_caller]
fn decide(
    ring: &KeyRing,
    token: &str,
    line: &str,
    sender: Option<&str>,
    now: u64,
) -> Result<String, Denial> {
    let (method, target) = line.split_once(' ').unwrap();
    let target = RequestTarget::parse(target.as_bytes(), EncodedSlash::Refuse).unwrap();
    let upstream = UpstreamName::parse("api").unwrap();
    let access = AccessRequest {
        method,
        target: &target,
        upstream: &upstream,
        alias: None,
        unnamed: UnnamedTokens::Refuse,
        ceiling: None,
        sender: sender.map(|address| address.parse().unwrap()),
        now: UnixTime(now),
        parts: crate::RequestParts::default(),
        steps: &crate::DecisionSteps::new(),
    };
    let permit = verify(ring, token).unwrap().authorize(&access)?;
    Ok(ring.open(&permit).unwrap().configured().unwrap().expose().to_owned())
}

#[test]
fn a_token_sealed_to_either_kind_of_key_gives_its_credential() {
    let ring = ring();
    for kem in Kem::ALL {
        let token = mint(&ring, kem, &request(&["GET /user"]));
        assert_eq!(decide(&ring, &token, "GET /user", None, NOW.0).unwrap(), SECRET);
        assert_eq!(decide(&ring, &token, "GET /users", None, NOW.0), Err(Denial::NotAllowed));
        assert_eq!(decide(&ring, &token, "GET /user", None, NOW.0 + 3630), Err(Denial::Expired));
        assert!(matches!(verify(&self::ring(), &token), Err(VerifyError::UnknownKey(_))));
    }
}

fn elsewhere() -> Denial {
    Denial::WrongUpstream {
        named: UpstreamName::parse("other"),
        asked: UpstreamName::parse("api").unwrap(),
    }
}

#[test]
fn caveats_take_and_never_give() {
    let ring = ring();
    let token = mint(&ring, Kem::X25519, &request(&["GET /a/.*", "PUT /b"]));
    let check = |token: &str, line, sender, now, expected: Result<(), Denial>| {
        assert_eq!(decide(&ring, token, line, sender, NOW.0 + now).map(|_| ()), expected, "{line}");
    };
    let child = narrowed(
        &token,
        r#"{"allowed":["GET /a/1",{"method":"*","route":"/c"}],"exp":1790000060,"sub":"agent"}"#,
    );
    check(&child, "GET /a/1", None, 0, Ok(()));
    check(&child, "GET /a/2", None, 0, Err(Denial::BeyondCaveat));
    check(&child, "PUT /b", None, 0, Err(Denial::BeyondCaveat));
    check(&child, "GET /c", None, 0, Err(Denial::NotAllowed));
    check(&child, "GET /a/1", None, 89, Ok(()));
    check(&child, "GET /a/1", None, 90, Err(Denial::Expired));
    check(&token, "GET /a/2", None, 90, Ok(()));
    let labels: Vec<String> =
        verify(&ring, &child).unwrap().labels().iter().map(ToString::to_string).collect();
    assert_eq!(labels, ["ci", "agent"]);

    let later = narrowed(&child, r#"{"exp":1900000000,"nbf":1790000031,"allowed":["* /.*"]}"#);
    check(&later, "GET /a/1", None, 0, Err(Denial::NotYetValid));
    check(&later, "GET /a/1", None, 1, Ok(()));
    check(&later, "GET /a/1", None, 90, Err(Denial::Expired));

    check(&narrowed(&token, r#"{"aud":"api"}"#), "PUT /b", None, 0, Ok(()));
    check(&narrowed(&token, r#"{"aud":"other"}"#), "PUT /b", None, 0, Err(elsewhere()));

    let bound = narrowed(&token, r#"{"sender":{"cidr":["192.0.2.0/24","2001:db8::/32"]}}"#);
    for sender in ["192.0.2.1", "::ffff:192.0.2.1", "2001:db8::7"] {
        check(&bound, "PUT /b", Some(sender), 0, Ok(()));
    }
    for sender in [None, Some("192.0.3.1"), Some("::1")] {
        check(&bound, "PUT /b", sender, 0, Err(Denial::WrongSender));
    }
}

#[test]
fn the_operator_bounds_what_others_mint() {
    let (ring, signer) = (ring(), MinterSigningKey::generate().unwrap());
    let public = || MinterKey::from_json(&signer.to_public_jwk().to_string()).unwrap();
    let unsigned = mint(&ring, Kem::X25519, &request(&["GET /user"]));
    let signed = mint(
        &ring,
        Kem::X25519,
        &SealedTokenSpec { minter: Some(&signer), ..request(&["GET /user"]) },
    );
    let child = narrowed(&signed, r#"{"sub":"agent"}"#);
    let none = Acceptance::default;
    for (acceptance, token, expected) in [
        (none(), &unsigned, None),
        (none(), &signed, Some(VerifyError::Minter)),
        (Acceptance { minters: vec![public()], ..none() }, &signed, None),
        (Acceptance { minters: vec![public()], ..none() }, &child, None),
        (Acceptance { minters: vec![public()], ..none() }, &unsigned, Some(VerifyError::Minter)),
        (
            Acceptance { versions: vec![crate::token::TokenVersion::V1], ..none() },
            &unsigned,
            Some(VerifyError::Version("v2")),
        ),
        (Acceptance { require_sub: true, ..none() }, &unsigned, None),
        (Acceptance { max_lifetime: Some(3599), ..none() }, &unsigned, Some(VerifyError::Lifetime)),
        (
            Acceptance {
                denied_keys: vec![ring.published(NOW).next().unwrap().id().to_string()],
                ..none()
            },
            &unsigned,
            Some(VerifyError::UnknownKey(crate::token::TokenVersion::V2)),
        ),
    ] {
        assert_eq!(verify_as(&ring, token, &acceptance).err(), expected, "{acceptance:?}");
    }
    let anonymous =
        mint(&ring, Kem::X25519, &SealedTokenSpec { subject: None, ..request(&["GET /user"]) });
    let wanted = Acceptance { require_sub: true, ..none() };
    assert!(matches!(
        verify_as(&ring, &narrowed(&anonymous, r#"{"sub":"agent"}"#), &wanted),
        Err(VerifyError::Claims(_))
    ));
}

#[test]
fn a_retired_key_opens_until_its_end_and_is_not_published() {
    let key = SealingKey::generate(Kem::X25519, NOW).unwrap();
    let token = key.public().mint(&request(&["GET /user"])).unwrap().token;
    let lifetime = |not_after| KeyLifetime {
        retired: Some(NOW),
        not_after: Some(UnixTime(not_after)),
        ..KeyLifetime::default()
    };
    let ring = |lifetime| {
        let signing =
            PrivateKey::from_pem(include_str!("../../../../../testdata/keys/test-only-first.pem"))
                .unwrap();
        let key = SealingKey::from_json(&key.to_json()).unwrap().with_lifetime(lifetime);
        KeyRing::new(signing, vec![]).unwrap().with_sealing(vec![key]).unwrap()
    };
    let alive = ring(lifetime(NOW.0 + 1));
    assert!(verify(&alive, &token).is_ok());
    // What was verified while the key was there is not good for longer.
    assert!(decide(&alive, &token, "GET /user", None, NOW.0).is_ok());
    assert_eq!(decide(&alive, &token, "GET /user", None, NOW.0 + 1), Err(Denial::KeyEnded));
    assert_eq!(alive.published(NOW).count(), 0);
    assert_eq!(verify(&ring(lifetime(NOW.0)), &token).err(), Some(VerifyError::RetiredKey));
}

/// Every bit of tokens of each kind. Those of base64url and base32 that mean nothing are zero, or the token is malformed.
#[test]
fn no_changed_bit_is_accepted() {
    let (ring, signer) = (ring(), MinterSigningKey::generate().unwrap());
    let acceptance = Acceptance {
        minters: vec![MinterKey::from_json(&signer.to_public_jwk().to_string()).unwrap()],
        ..Acceptance::default()
    };
    let plain = mint(&ring, Kem::X25519, &request(&["GET /user"]));
    let signed = mint(
        &ring,
        Kem::X25519,
        &SealedTokenSpec { minter: Some(&signer), ..request(&["GET /user"]) },
    );
    let cases = [
        (
            narrowed(&narrowed(&plain, r#"{"sub":"a"}"#), r#"{"exp":1790000060}"#),
            Acceptance::default(),
        ),
        (narrowed(&signed, r#"{"allowed":["GET /user"]}"#), acceptance),
        (mint(&ring, Kem::XWing, &request(&["GET /user"])), Acceptance::default()),
        (plain, Acceptance::default()),
    ];
    for (token, acceptance) in cases {
        assert!(verify_as(&ring, &token, &acceptance).is_ok());
        // The long seal of X-Wing costs a decapsulation for each bit: one bit of each of its characters.
        let bits = if token.len() > 2000 { 0..1 } else { 0..8 };
        for at in 0..token.len() {
            for bit in bits.clone() {
                let mut bytes = token.clone().into_bytes();
                bytes[at] ^= 1 << bit;
                let Ok(changed) = String::from_utf8(bytes) else { continue };
                assert!(verify_as(&ring, &changed, &acceptance).is_err(), "bit {bit} of byte {at}");
            }
        }
    }
}

#[test]
fn caveats_cannot_be_removed_reordered_or_repeated() {
    let ring = ring();
    let token = mint(&ring, Kem::X25519, &request(&["GET /user"]));
    let child = narrowed(&narrowed(&token, r#"{"sub":"one"}"#), r#"{"sub":"two"}"#);
    let parts: Vec<&str> = child.split('.').collect();
    let [claims, sealed, one, two, tag] = parts.as_slice() else { panic!("{}", parts.len()) };
    let parent_tag = token.rsplit_once('.').unwrap().1;
    for forged in [
        [*claims, sealed, two, one, tag].join("."),
        [*claims, sealed, one, tag].join("."),
        [*claims, sealed, two, tag].join("."),
        [*claims, sealed, tag].join("."),
        [*claims, sealed, one, two, two, tag].join("."),
        [*claims, sealed, one, two, parent_tag].join("."),
        [*claims, sealed, one, parent_tag].join("."),
    ] {
        assert_eq!(verify(&ring, &forged).err(), Some(VerifyError::Tag));
    }
    // What a credential was sealed to goes with no other claims and no other seal.
    let other = mint(&ring, Kem::X25519, &request(&["* /.*"]));
    let others: Vec<&str> = other.split('.').collect();
    for forged in
        [[others[0], sealed, parent_tag].join("."), [*claims, others[1], parent_tag].join(".")]
    {
        assert_eq!(verify(&ring, &forged).err(), Some(VerifyError::Seal));
    }
}

#[test]
fn limits_are_kept_when_narrowing() {
    let ring = ring();
    let mut token = mint(&ring, Kem::X25519, &request(&["GET /user"]));
    let caveat = Caveat::from_json(br#"{"sub":"a"}"#).unwrap();
    for _ in 0..MAX_CAVEATS {
        token = caveat.append_to(&token).unwrap().to_string();
    }
    assert!(verify(&ring, &token).is_ok());
    assert_eq!(caveat.append_to(&token).unwrap_err(), NarrowError::TooMany);
    let long = Caveat {
        allowed: Some((0..600).map(|at| RawRule::Text(format!("GET /{at}"))).collect()),
        ..Caveat::default()
    };
    let short = mint(&ring, Kem::X25519, &request(&["GET /user"]));
    assert!(matches!(long.append_to(&short), Err(NarrowError::TooLong(8193..))));
    let useless =
        Caveat { allowed: Some(vec![RawRule::Text("GET user".to_owned())]), ..Caveat::default() };
    assert!(matches!(useless.append_to(&token), Err(NarrowError::Rules(_))));
    assert!(matches!(
        Caveat::default().append_to(&token),
        Err(NarrowError::Caveat(ParseCaveatError::Empty))
    ));
}

#[test]
fn nothing_that_is_printed_shows_a_secret() {
    let ring = ring();
    let token = mint(&ring, Kem::X25519, &request(&["GET /user"]));
    let verified = verify(&ring, &token).unwrap();
    let parsed = SealedToken::parse(&token).unwrap();
    let shown = format!("{verified:?} {parsed:?} {ring:?}");
    let sealed = token.split('.').nth(1).unwrap();
    for secret in [SECRET, sealed, token.rsplit_once('.').unwrap().1] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn a_token_of_an_old_key_is_sealed_anew() {
    let (old, new) = (
        SealingKey::generate(Kem::X25519, NOW).unwrap(),
        SealingKey::generate(Kem::X25519, NOW).unwrap(),
    );
    let (old_id, new_id) = (old.public().id().to_string(), new.public().id().to_string());
    let token = old.public().mint(&request(&["GET /a/.*"])).unwrap().token;
    let child = narrowed(&token, r#"{"allowed":["GET /a/1"],"sub":"agent"}"#);
    let old = old.with_lifetime(KeyLifetime { retired: Some(NOW), ..KeyLifetime::default() });
    let signing =
        PrivateKey::from_pem(include_str!("../../../../../testdata/keys/test-only-first.pem"))
            .unwrap();
    let ring = KeyRing::new(signing, vec![]).unwrap().with_sealing(vec![new, old]).unwrap();
    let acceptance = Acceptance::default();
    let context = VerifyContext {
        now: NOW,
        scopes: &Scopes::default(),
        patterns: PatternMode::Whole,
        acceptance: &acceptance,
    };
    assert_eq!(verify(&ring, &child).unwrap().key().as_str(), old_id);
    let resealed = ring.reseal(&child, &context, &RuleCompiler::default()).unwrap();
    assert_eq!(verify(&ring, &resealed).unwrap().key().as_str(), new_id);
    assert_eq!(decide(&ring, &resealed, "GET /a/1", None, NOW.0).unwrap(), SECRET);
    assert_eq!(decide(&ring, &resealed, "GET /a/2", None, NOW.0), Err(Denial::BeyondCaveat));
    assert_eq!(*ring.reseal(&resealed, &context, &RuleCompiler::default()).unwrap(), *resealed);
}

#[test]
fn version_1_is_narrowed_by_the_proxy() {
    let ring = ring();
    let minted = ring.mint(&crate::token::TokenSpec {
        credential: Credential::parse(Zeroizing::new(SECRET.to_owned())).unwrap(),
        source: RuleSource::Rules(rules(&["GET /a/.*"])),
        upstream: UpstreamName::parse("api"),
        unnamed: crate::token::UnnamedTokens::Accept,
        issued_at: NOW,
        expires_at: UnixTime(NOW.0 + 3600),
        not_before: None,
        subject: None,
        explain: false,
        limit: None,
    });
    let minted = minted.unwrap();
    let acceptance = Acceptance::default();
    let context = VerifyContext {
        now: NOW,
        scopes: &Scopes::default(),
        patterns: PatternMode::Whole,
        acceptance: &acceptance,
    };
    let narrow = |token: &str, caveat: &str| {
        ring.narrow(
            token,
            &Caveat::from_json(caveat.as_bytes()).unwrap(),
            &context,
            &RuleCompiler::default(),
        )
    };
    let child =
        narrow(&minted.token, r#"{"allowed":["GET /a/1"],"sender":{"cidr":["192.0.2.0/24"]}}"#)
            .unwrap();
    let grandchild = narrow(&child, r#"{"exp":1790000060,"sub":"agent"}"#).unwrap();
    let verified = verify(&ring, &grandchild).unwrap();
    assert_eq!(
        (verified.id(), verified.caveats(), verified.expires_at()),
        (minted.id.as_str(), 2, UnixTime(1_790_000_060))
    );
    assert_eq!(decide(&ring, &grandchild, "GET /a/1", Some("192.0.2.1"), NOW.0).unwrap(), SECRET);
    assert_eq!(
        decide(&ring, &grandchild, "GET /a/1", Some("192.0.3.1"), NOW.0),
        Err(Denial::WrongSender)
    );
    assert_eq!(
        decide(&ring, &grandchild, "GET /a/2", Some("192.0.2.1"), NOW.0),
        Err(Denial::BeyondCaveat)
    );
    assert!(narrow(&minted.token, r#"{"allowed":["GET a"]}"#).is_err());
    let mut token = child;
    for _ in 1..MAX_CAVEATS {
        token = narrow(&token, r#"{"sub":"a"}"#).unwrap();
    }
    assert!(matches!(
        narrow(&token, r#"{"sub":"a"}"#),
        Err(crate::token::ReissueError::Narrow(NarrowError::TooMany))
    ));
}

/// Libraries may write what people write; the program writes what every reader knows.
#[test]
fn strings_of_several_methods_and_templates_are_read() {
    let ring = ring();
    let token = mint(&ring, Kem::X25519, &request(&["GET|PUT /a", "GET route:/b/{c}", "GET /d"]));
    let parsed = SealedToken::parse(&token).unwrap();
    let held = serde_json::to_value(&parsed.claims().allowed).unwrap();
    assert_eq!(
        held,
        serde_json::json!([{ "method": ["GET", "PUT"], "path": "/a" }, { "method": "GET", "route": "/b/{c}" }, "GET /d"])
    );
    let token = narrowed(&token, r#"{"allowed":["PUT|GET /a","GET route:/b/{x}"]}"#);
    let token = verify(&ring, &token).unwrap();
    assert_eq!(token.policy().rules().count(), 3);
}

/// Programs that mask or cut what they print leave the beginning of a token in a log: `token-v1.md` section 1, `token-v2.md` section 1.
const CUT: usize = 40;
