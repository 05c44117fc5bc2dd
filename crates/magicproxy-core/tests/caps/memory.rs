//! What a kept token takes: a cache is bounded by these numbers, so none of what a token holds may be missing from them.

use std::sync::Arc;

use magicproxy_core::{
    Acceptance, Caveat, Credential, Kem, KeyRing, Label, Network, PatternMode, Policy, PrivateKey,
    RawRule, Rule, RuleCompiler, RuleSource, Scopes, SealedTokenSpec, SealingKey, TokenSpec,
    UnixTime, UnnamedTokens, UpstreamName, VerifiedToken, VerifyContext,
};

const NOW: UnixTime = UnixTime(1_790_000_000);

fn ring() -> KeyRing {
    let signing =
        PrivateKey::from_pem(include_str!("../../../../testdata/keys/test-only-first.pem"))
            .unwrap();
    let sealing = Kem::ALL.map(|kem| SealingKey::generate(kem, NOW).unwrap());
    KeyRing::new(signing, vec![]).unwrap().with_sealing(sealing.into()).unwrap()
}

fn rules(texts: &[&str]) -> Vec<Rule> {
    let raw: Vec<RawRule> = texts.iter().map(|text| RawRule::Text((*text).to_owned())).collect();
    Rule::parse_list(&raw, PatternMode::Whole).unwrap()
}

fn credential(length: usize) -> Credential {
    Credential::parse("c".repeat(length).into()).unwrap()
}

/// A token of version 2 with these caveats.
fn sealed(
    ring: &KeyRing,
    length: usize,
    texts: &[&str],
    subject: &str,
    caveats: &[&str],
) -> Arc<VerifiedToken> {
    let request = SealedTokenSpec {
        credential: credential(length).into(),
        source: RuleSource::Rules(rules(texts)),
        upstream: UpstreamName::parse("api").unwrap(),
        issued_at: NOW,
        expires_at: UnixTime(NOW.0 + 60),
        not_before: None,
        subject: Label::parse(subject),
        explain: false,
        minter: None,
    };
    let minted = ring.sealing()[0].public().mint(&request).unwrap().token;
    let narrow = |token: String, caveat: &&str| {
        Caveat::from_json(caveat.as_bytes()).unwrap().append_to(&token).unwrap().to_string()
    };
    verified(ring, &caveats.iter().fold(minted.to_string(), narrow))
}

fn signed(ring: &KeyRing, length: usize) -> Arc<VerifiedToken> {
    let request = TokenSpec {
        credential: credential(length),
        source: RuleSource::Rules(rules(&["GET /user"])),
        upstream: UpstreamName::parse("api"),
        unnamed: UnnamedTokens::Accept,
        issued_at: NOW,
        expires_at: UnixTime(NOW.0 + 60),
        not_before: None,
        subject: None,
        explain: false,
        limit: None,
    };
    verified(ring, &ring.mint(&request).unwrap().token)
}

fn verified(ring: &KeyRing, token: &str) -> Arc<VerifiedToken> {
    let (scopes, acceptance) = (Scopes::default(), Acceptance::default());
    let context = VerifyContext {
        now: NOW,
        scopes: &scopes,
        patterns: PatternMode::Whole,
        acceptance: &acceptance,
    };
    Arc::new(ring.verify(token, &context).unwrap())
}

#[test]
fn what_a_token_holds_is_counted() {
    let ring = ring();
    let bytes = |length: usize, texts: &[&str], subject: &str, caveats: &[&str]| {
        sealed(&ring, length, texts, subject, caveats).memory_bytes()
    };
    let one = ["GET /user"];
    let plain = bytes(40, &one, "", &[]);
    assert!(plain > 40 + one[0].len(), "{plain}");
    assert_eq!(bytes(140, &one, "", &[]), plain + 100, "the credential");
    assert_eq!(bytes(40, &one, "subject", &[]), plain + 7, "the label");
    let narrowed = bytes(40, &one, "", &[r#"{"aud":"api"}"#]);
    assert!(narrowed >= plain + 16, "the chain has one id more: {narrowed} and {plain}");
    let networks =
        |list: &str| bytes(40, &one, "", &[&format!(r#"{{"sender":{{"cidr":[{list}]}}}}"#)]);
    let (net, three) = (r#""192.0.2.0/24""#, r#""192.0.2.0/24","2001:db8::/32","::1/128""#);
    assert_eq!(networks(three), networks(net) + 2 * size_of::<Network>(), "networks");
    let longer = bytes(40, &["GET /user/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"], "", &[]);
    assert!(
        longer >= plain + 2 * 42,
        "the text of a rule, and what matches it: {longer} and {plain}"
    );
    let of_caveat = bytes(40, &one, "", &[r#"{"allowed":["GET /user"]}"#]);
    assert!(
        of_caveat > narrowed + one[0].len(),
        "the rules of a caveat: {of_caveat} and {narrowed}"
    );
}

/// Rules that are compiled to tables take far more than their text.
#[test]
fn what_rules_are_compiled_to_is_counted() {
    let bytes = |texts: &[&str]| Policy::compile(&rules(texts)).unwrap().memory_bytes();
    let (simple, table) = (bytes(&["GET /user"]), bytes(&["GET /.*a.{3}b"]));
    assert!(simple > "GET /user".len() && table > 1_000 + simple, "{simple} {table}");
    let both = bytes(&["GET /user", "GET /.*a.{3}b"]);
    assert!(both > table + "GET /user".len(), "{both} {table}");
}

/// A token that the proxy made of another one names that one.
#[test]
fn what_a_token_was_made_of_is_counted() {
    let ring = ring();
    let old = SealingKey::generate(Kem::X25519, NOW).unwrap();
    let request = |public: &magicproxy_core::SealingPublicKey| {
        let request = SealedTokenSpec {
            credential: credential(40).into(),
            source: RuleSource::Rules(rules(&["GET /user"])),
            upstream: UpstreamName::parse("api").unwrap(),
            issued_at: NOW,
            expires_at: UnixTime(NOW.0 + 60),
            not_before: None,
            subject: None,
            explain: false,
            minter: None,
        };
        public.mint(&request).unwrap().token.to_string()
    };
    let token = request(old.public());
    let old = old
        .with_lifetime(magicproxy_core::KeyLifetime { retired: Some(NOW), ..Default::default() });
    let signing =
        PrivateKey::from_pem(include_str!("../../../../testdata/keys/test-only-first.pem"))
            .unwrap();
    let new = SealingKey::generate(Kem::X25519, NOW).unwrap();
    let rotated = KeyRing::new(signing, vec![]).unwrap().with_sealing(vec![new, old]).unwrap();
    let (scopes, acceptance) = (Scopes::default(), Acceptance::default());
    let context = VerifyContext {
        now: NOW,
        scopes: &scopes,
        patterns: PatternMode::Whole,
        acceptance: &acceptance,
    };
    let anew = rotated.reseal(&token, &context, &RuleCompiler::default()).unwrap();
    let (before, after) =
        (verified(&rotated, &token).memory_bytes(), verified(&rotated, &anew).memory_bytes());
    // Its chain, its owner and its key, of 43 characters.
    assert!(after >= before + 16 + 32 + 43, "{after} and {before}");
    assert_eq!(sealed(&ring, 40, &["GET /user"], "", &[]).memory_bytes(), before);
}

/// While a credential is in use there are copies of it: it is never longer than the token says before it is opened.
#[test]
fn no_credential_is_longer_than_its_token_says() {
    let ring = ring();
    for length in [1, 8, 40, 189, 190, 191, 256, 1_000, 4_000] {
        let token = signed(&ring, length);
        let longest = token.longest_credential();
        assert!((length..=length.max(256) + 64).contains(&longest), "{length}: {longest}");
        assert!(token.memory_bytes() > length, "{length}");
        if length <= 1_000 {
            assert_eq!(sealed(&ring, length, &["GET /user"], "", &[]).longest_credential(), length);
        }
    }
}
