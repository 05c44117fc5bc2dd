//! Caps of tokens, of what they hold and of mint requests for them: `token-v1.md`, `token-v2.md`.

use magicproxy_core::plugin::PluginName;
use magicproxy_core::token::is_token_id;
use magicproxy_core::{
    Acceptance, Caveat, Credential, Kem, KeyRing, Label, MintError, MintRequest, MintRequestFault,
    NarrowError, PatternMode, PrivateKey, RawRule, Rule, RuleSource, Scope, ScopeName, Scopes,
    SealedTokenSpec, SealingKey, TokenSpec, TypedCredential, UnixTime, UnnamedTokens,
    UnverifiedToken, UpstreamName, VerifyContext, VerifyError,
};
use serde_json::json;

use crate::{at_most, one_to};

const NOW: u64 = 1_790_000_000;
const DAY: u64 = 24 * 60 * 60;
/// 9999-12-31T23:59:59Z.
const END_OF_TIME: u64 = 253_402_300_799;

/// Mints a token for this grant, from one moment to another.
type Mint = fn(&KeyRing, RuleSource, (u64, u64)) -> Result<String, MintError>;

fn ring() -> KeyRing {
    let signing =
        PrivateKey::from_pem(include_str!("../../../../testdata/keys/test-only-first.pem"))
            .unwrap();
    let sealing = vec![SealingKey::generate(Kem::X25519, UnixTime(NOW)).unwrap()];
    KeyRing::new(signing, vec![]).unwrap().with_sealing(sealing).unwrap()
}

fn credential() -> Credential {
    Credential::parse("ghp_ordinary".to_owned().into()).unwrap()
}

/// Rules whose paths are so many bytes together.
fn raw_rules(bytes: usize) -> Vec<RawRule> {
    const EACH: usize = 400;
    let path = |start: usize| "a".repeat(EACH.min(bytes - start));
    (0..bytes).step_by(EACH).map(|start| RawRule::Text(format!("GET /{}", path(start)))).collect()
}

fn rules(bytes: usize) -> RuleSource {
    RuleSource::Rules(Rule::parse_list(&raw_rules(bytes), PatternMode::Whole).unwrap())
}

fn signed(
    ring: &KeyRing,
    source: RuleSource,
    (issued_at, expires_at): (u64, u64),
) -> Result<String, MintError> {
    let request = TokenSpec {
        credential: credential(),
        source,
        upstream: UpstreamName::parse("api"),
        unnamed: UnnamedTokens::Accept,
        issued_at: UnixTime(issued_at),
        expires_at: UnixTime(expires_at),
        not_before: None,
        subject: None,
        explain: false,
        limit: None,
    };
    ring.mint(&request).map(|minted| minted.token.to_string())
}

fn sealed(ring: &KeyRing, source: RuleSource, life: (u64, u64)) -> Result<String, MintError> {
    sealed_secret(ring, 12, source, life)
}

/// With a credential of so many characters.
fn sealed_secret(
    ring: &KeyRing,
    secret: usize,
    source: RuleSource,
    life: (u64, u64),
) -> Result<String, MintError> {
    let (issued_at, expires_at) = life;
    let request = SealedTokenSpec {
        credential: Credential::parse("s".repeat(secret).into()).unwrap().into(),
        source,
        upstream: UpstreamName::parse("api").unwrap(),
        issued_at: UnixTime(issued_at),
        expires_at: UnixTime(expires_at),
        not_before: None,
        subject: None,
        explain: false,
        minter: None,
    };
    ring.sealing()[0].public().mint(&request).map(|minted| minted.token.to_string())
}

/// What verification says at this time, of a proxy that knows one scope.
fn verified(
    ring: &KeyRing,
    token: &str,
    now: u64,
    max_lifetime: Option<u64>,
) -> Result<(), VerifyError> {
    let acceptance = Acceptance { max_lifetime, ..Acceptance::default() };
    let mut scopes = Scopes::default();
    scopes.insert(ScopeName::parse("s").unwrap(), Scope::new(&[], Vec::new()).unwrap());
    let context = VerifyContext {
        now: UnixTime(now),
        scopes: &scopes,
        patterns: PatternMode::Whole,
        acceptance: &acceptance,
    };
    ring.verify(token, &context).map(drop)
}

/// Makes longer and longer texts, up to the first one that is refused, with its length.
///
/// A byte more makes one or two characters more: the longest that is made lacks one character at most, and is accepted. Says how
/// long it is.
#[track_caller]
fn longest(
    most: usize,
    make: impl Fn(usize) -> Result<String, usize>,
    accepts: impl Fn(&str) -> bool,
) -> usize {
    let (mut made, mut refused) = (1, 20_000);
    while refused - made > 1 {
        let middle = usize::midpoint(made, refused);
        *(if make(middle).is_ok() { &mut made } else { &mut refused }) = middle;
    }
    let (last, first) = (make(made).unwrap(), make(refused).unwrap_err());
    assert!((most - 1..=most).contains(&last.len()) && accepts(&last), "{}", last.len());
    assert!((most + 1..=most + 2).contains(&first), "{first}");
    last.len()
}

#[test]
fn bytes_of_a_token() {
    // What is too long is not even read.
    let parsed = |prefix: &str, bytes: usize| {
        UnverifiedToken::parse(&format!("{prefix}{}", "a".repeat(bytes - 4))).err()
    };
    assert_eq!(
        (parsed("eyJ0", 16_384), parsed("eyJ0", 16_385)),
        (Some(VerifyError::Malformed), Some(VerifyError::TooLong))
    );
    assert_eq!(
        (parsed("mt2_", 8_192), parsed("mt2_", 8_193)),
        (Some(VerifyError::Malformed), Some(VerifyError::TooLong))
    );
    let (ring, minute) = (ring(), (NOW, NOW + 60));
    let accepts = |token: &str| verified(&ring, token, NOW, None).is_ok();
    let too_long = |error| match error {
        MintError::TooLong(bytes) | MintError::SealedTooLong(bytes) => bytes,
        other => panic!("{other}"),
    };
    longest(16_384, |bytes| signed(&ring, rules(bytes), minute).map_err(too_long), accepts);
    let seal = |secret: usize| {
        longest(
            8_192,
            |bytes| sealed_secret(&ring, secret, rules(bytes), minute).map_err(too_long),
            accepts,
        )
    };
    let narrow = |secret: usize| {
        let parent = sealed_secret(&ring, secret, rules(1), minute).unwrap();
        let narrow = |bytes: usize| {
            let caveat = Caveat { allowed: Some(raw_rules(bytes)), ..Caveat::default() };
            match caveat.append_to(&parent) {
                Ok(child) => Ok(child.to_string()),
                Err(NarrowError::TooLong(bytes)) => Err(bytes),
                Err(other) => panic!("{other}"),
            }
        };
        longest(8_192, narrow, accepts)
    };
    // Whatever lengths one part can have: beside seals of some lengths it fills a token to the last character.
    assert!(
        (8..12).any(|secret| seal(secret) == 8_192)
            && (8..12).any(|secret| narrow(secret) == 8_192)
    );
}

#[test]
fn seconds_of_a_life() {
    let ring = ring();
    let life = |version: Mint, seconds: u64, max: Option<u64>| {
        let token = version(&ring, rules(1), (NOW, NOW + seconds)).unwrap();
        match verified(&ring, &token, NOW, max) {
            Ok(()) => true,
            Err(VerifyError::Lifetime) => false,
            Err(other) => panic!("{other}"),
        }
    };
    let decade = 3_660 * DAY;
    for (version, most, max) in [
        (signed as Mint, decade, None),
        (signed, decade, Some(decade + 1)),
        (signed, 60, Some(60)),
        (sealed, 366 * DAY, None),
        (sealed, decade, Some(decade)),
        (sealed, decade, Some(decade + 1)),
        (sealed, 60, Some(60)),
    ] {
        assert!(
            life(version, 1, max) && life(version, most, max) && !life(version, most + 1, max),
            "{most} {max:?}"
        );
    }
}

/// A token may be used from half a minute before it begins until half a minute behind its end, and ends before the year 10000.
#[test]
fn moments_of_a_life() {
    let ring = ring();
    for version in [signed as Mint, sealed] {
        let token = version(&ring, rules(1), (NOW, NOW + 60)).unwrap();
        for (now, expected) in [
            (NOW - 31, Err(VerifyError::NotYetValid)),
            (NOW - 30, Ok(())),
            (NOW + 89, Ok(())),
            (NOW + 90, Err(VerifyError::Expired)),
        ] {
            assert_eq!(verified(&ring, &token, now, None), expected, "{now}");
        }
        let last = version(&ring, rules(1), (END_OF_TIME - 60, END_OF_TIME)).unwrap();
        assert_eq!(verified(&ring, &last, END_OF_TIME, None), Ok(()));
        let beyond = version(&ring, rules(1), (END_OF_TIME - 60, END_OF_TIME + 1)).unwrap();
        assert!(matches!(verified(&ring, &beyond, END_OF_TIME, None), Err(VerifyError::Claims(_))));
    }
}

#[test]
fn names_of_scopes_in_a_token() {
    let (ring, minute) = (ring(), (NOW, NOW + 60));
    let scopes = |count: usize| RuleSource::Scopes(vec![ScopeName::parse("s").unwrap(); count]);
    for version in [signed as Mint, sealed] {
        one_to(1_000, "scopes", |count| {
            verified(&ring, &version(&ring, scopes(count), minute).unwrap(), NOW, None).is_ok()
        });
    }
}

#[test]
fn networks_of_a_caveat() {
    let networks =
        |count: usize| json!({ "sender": { "cidr": vec!["192.0.2.0/24"; count] } }).to_string();
    one_to(32, "networks", |count| Caveat::from_json(networks(count).as_bytes()).is_ok());
}

/// A name of other characters is none, however long it is.
#[test]
fn characters_of_names() {
    for (what, most, other, is_name) in [
        ("jti", 128, "a.b", is_token_id as fn(&str) -> bool),
        ("label", 128, "a>b", |text| Label::parse(text).is_some()),
        ("scope", 128, "a b", |text| ScopeName::parse(text).is_some()),
        ("upstream", 255, "a/b", |text| UpstreamName::parse(text).is_some()),
        ("plugin", 64, "a.b", |text| PluginName::parse(text).is_some()),
    ] {
        one_to(most, what, |length| is_name(&"a".repeat(length)));
        for other in [other, "", "é", "a\n", "a\0", "a\\", "a\""] {
            assert!(!is_name(other), "{what}: {other:?}");
        }
    }
    for first in ["1", "_", "-", "A"] {
        assert!(PluginName::parse(&format!("{first}a")).is_none(), "{first}");
    }
}

#[test]
fn parts_of_a_credential() {
    let read = |credential: serde_json::Value| {
        TypedCredential::from_json(credential.to_string().as_bytes()).is_ok()
    };
    let field = |name: &str| json!({ "header": [name, "value"] });
    let several = |count: usize| json!({ "several": (0..count).map(|at| field(&format!("x-{at}"))).collect::<Vec<_>>() });
    at_most(4, "header fields", |count| read(several(count)));
    assert!(!read(several(1)) && read(several(2)));
    one_to(64, "characters of a name", |length| read(field(&"x".repeat(length))));
    one_to(8_192, "characters of a secret", |length| read(json!({ "bearer": "b".repeat(length) })));
}

#[test]
fn bytes_of_a_mint_request() {
    let mint_request = |bytes: usize| {
        let mint_request = r#"{"token":"ghp_ordinary","scope":"s"}"#;
        format!("{mint_request}{}", " ".repeat(bytes - mint_request.len()))
    };
    assert!(MintRequest::from_json(mint_request(65_536).as_bytes()).is_ok());
    assert_eq!(
        MintRequest::from_json(mint_request(65_537).as_bytes()).unwrap_err(),
        [MintRequestFault::TooLarge]
    );
}

#[test]
fn faults_that_are_told() {
    let members =
        |count: usize| (0..count).map(|number| format!(",\"x{number}\":1")).collect::<String>();
    for (count, told) in [(1, 1), (19, 19), (20, 20), (21, 20), (400, 20)] {
        let mint_request = format!(r#"{{"token":"ghp_ordinary"{}}}"#, members(count));
        assert_eq!(
            MintRequest::from_json(mint_request.as_bytes()).unwrap_err().len(),
            told,
            "{count}"
        );
    }
}

/// A name is repeated if it is a known one, written wrong: another could be a secret in the wrong place.
#[test]
fn names_that_are_repeated() {
    let told = |name: &str| {
        let faults =
            MintRequest::from_json(format!(r#"{{"token":"ghp_ordinary","{name}":1}}"#).as_bytes())
                .unwrap_err();
        faults.iter().any(|fault| {
            fault.to_string().contains(&format!("`{name}` is not known: expected `allowed`"))
        })
    };
    for near in [
        "alowed",
        "allowedd",
        "llowed",
        "allow",
        "allowed__",
        "aXlXwed",
        "alolwed",
        "Allowed",
        "allwd",
    ] {
        assert!(told(near), "{near}");
    }
    for far in ["allo", "allowed___", "aXXXwed", "dewolla", "älowed", "XallXowXed"] {
        assert!(!told(far), "{far}");
    }
}
