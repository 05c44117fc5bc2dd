//! A chain's id reaches this chain of caveats and what was made of it, whoever made it; and nobody can slip from under it.

use zeroize::Zeroizing;

use super::*;
use crate::credential::Credential;
use crate::key::{Kem, KeyLifetime, KeyRing, PrivateKey, SealingKey};
use crate::pattern::PatternMode;
use crate::rule::{NewGrant, RawRule, Rule};
use crate::scope::Scopes;
use crate::token::{
    Acceptance, MAX_CAVEATS, ReissueError, RuleSource, SealedTokenSpec, TokenSpec, UnnamedTokens,
    UpstreamName, VerifyContext,
};
use crate::{Method, RuleCompiler, TypedCredential, UnixTime, UnverifiedNames, UnverifiedToken};

const NOW: UnixTime = UnixTime(1_790_000_000);

/// A ring before a rotation, after it, and after a second one.
pub(in crate::token) struct Rings {
    pub(in crate::token) old: KeyRing,
    pub(in crate::token) new: KeyRing,
    pub(in crate::token) newest: KeyRing,
}

pub(in crate::token) fn pem(name: &str) -> PrivateKey {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/keys/test-only-");
    PrivateKey::from_pem(&std::fs::read_to_string(format!("{folder}{name}.pem")).unwrap()).unwrap()
}

impl Rings {
    pub(in crate::token) fn new() -> Self {
        static THIRD: std::sync::OnceLock<String> = std::sync::OnceLock::new();
        let third =
            THIRD.get_or_init(|| PrivateKey::generate(2048).unwrap().to_pem().unwrap().to_string());
        let [first, second, last] =
            std::array::from_fn(|_| SealingKey::generate(Kem::X25519, NOW).unwrap().to_json());
        let active = |json: &str| SealingKey::from_json(json).unwrap();
        let retired = |json: &str| {
            active(json).with_lifetime(KeyLifetime { retired: Some(NOW), ..KeyLifetime::default() })
        };
        let sealing = [
            vec![active(&first)],
            vec![active(&second), retired(&first)],
            vec![active(&last), retired(&second), retired(&first)],
        ];
        let signing = [
            KeyRing::new(pem("first"), vec![]),
            KeyRing::new(pem("second"), vec![pem("first")]),
            KeyRing::new(PrivateKey::from_pem(third).unwrap(), vec![pem("second"), pem("first")]),
        ];
        let mut rings = signing
            .into_iter()
            .zip(sealing)
            .map(|(ring, sealing)| ring.unwrap().with_sealing(sealing).unwrap());
        let mut next = || rings.next().unwrap();
        Self { old: next(), new: next(), newest: next() }
    }

    /// A token of each version, minted before the rotation.
    pub(in crate::token) fn tokens(&self) -> [String; 2] {
        let credential = Credential::parse(Zeroizing::new("ghp_marked".to_owned())).unwrap();
        let rule = Rule::parse(RawRule::Text("GET /.*".to_owned()), PatternMode::Whole).unwrap();
        let (source, upstream) =
            (RuleSource::Rules(vec![rule]), UpstreamName::parse("api").unwrap());
        let (issued_at, expires_at, not_before, explain) =
            (NOW, UnixTime(NOW.0 + 3600), None, false);
        let v1 = self.old.mint(&TokenSpec {
            credential: credential.clone(),
            source: source.clone(),
            upstream: Some(upstream.clone()),
            unnamed: UnnamedTokens::Accept,
            issued_at,
            expires_at,
            not_before,
            subject: None,
            explain,
            limit: None,
        });
        let key = self.old.published(NOW).next().unwrap();
        let v2 = key.mint(&SealedTokenSpec {
            credential: TypedCredential::Configured(credential),
            source,
            upstream,
            issued_at,
            expires_at,
            not_before,
            subject: None,
            explain,
            minter: None,
        });
        [v1.unwrap().token.to_string(), v2.unwrap().token.to_string()]
    }
}

pub(in crate::token) fn with<T>(
    action: impl FnOnce(&VerifyContext<'_>, &RuleCompiler<'_>) -> T,
) -> T {
    let (scopes, acceptance) = (Scopes::default(), Acceptance::default());
    action(
        &VerifyContext {
            now: NOW,
            scopes: &scopes,
            patterns: PatternMode::Whole,
            acceptance: &acceptance,
        },
        &RuleCompiler::default(),
    )
}

pub(in crate::token) fn narrow(ring: &KeyRing, token: &str, caveat: &str) -> String {
    let caveat = Caveat::from_json(caveat.as_bytes()).unwrap();
    with(|context, compiler| ring.narrow(token, &caveat, context, compiler)).unwrap().to_string()
}

pub(in crate::token) fn reseal(ring: &KeyRing, token: &str) -> String {
    with(|context, compiler| ring.reseal(token, context, compiler)).unwrap().to_string()
}

pub(in crate::token) fn receipt(ring: &KeyRing, token: &str) -> Result<String, ReissueError> {
    let grants = [NewGrant::of("/records/7", &[Method::parse("GET").unwrap()])];
    with(|context, compiler| ring.receipt(token, &grants, context, compiler))
        .map(|token| token.to_string())
}

/// The chain, which a verified and an unverified token must agree on.
#[track_caller]
fn chain(ring: &KeyRing, token: &str) -> Chain {
    let verified = with(|context, _| ring.verify(token, context)).unwrap();
    assert_eq!(UnverifiedToken::parse(token).unwrap().chain().as_ref(), Some(verified.chain()));
    assert_eq!(UnverifiedToken::parse(token).unwrap().id().as_deref(), Some(verified.id()));
    verified.chain().clone()
}

/// Does revoking the one end the other?
fn ends(ring: &KeyRing, revoked: &str, token: &str) -> bool {
    chain(ring, token).ids().contains(&chain(ring, revoked).id())
}

#[test]
fn a_chain_ends_itself_and_what_was_narrowed_from_it() {
    let rings = Rings::new();
    for parent in rings.tokens() {
        let ring = &rings.old;
        let one = narrow(ring, &parent, r#"{"sub":"one"}"#);
        let other = narrow(ring, &parent, r#"{"sub":"other"}"#);
        let child = narrow(ring, &one, r#"{"exp":1790000060}"#);
        for (revoked, ended) in [
            (&parent, [true, true, true, true]),
            (&one, [false, true, false, true]),
            (&other, [false, false, true, false]),
            (&child, [false, false, false, true]),
        ] {
            assert_eq!(
                [&parent, &one, &other, &child].map(|token| ends(ring, revoked, token)),
                ended
            );
        }
        assert_eq!(chain(ring, &child).root(), chain(ring, &parent).id());
        assert_eq!(chain(ring, &child).ids().len(), 3);
        // The same caveats in another order, twice, or of another token are other chains.
        let swapped =
            narrow(ring, &narrow(ring, &parent, r#"{"exp":1790000060}"#), r#"{"sub":"one"}"#);
        let twice = narrow(ring, &one, r#"{"sub":"one"}"#);
        let ids =
            [&parent, &one, &other, &child, &swapped, &twice].map(|token| chain(ring, token).id());
        assert_eq!(ids.iter().collect::<std::collections::HashSet<_>>().len(), ids.len());
        assert!(rings.tokens().iter().all(|token| !ends(ring, &parent, token)));
        // One narrowing, made twice, is one chain.
        assert_eq!(chain(ring, &narrow(ring, &parent, r#"{"sub":"one"}"#)), chain(ring, &one));
    }
}

#[test]
fn what_the_proxy_makes_of_a_token_ends_with_its_chain() {
    let rings = Rings::new();
    for parent in rings.tokens() {
        let ring = &rings.new;
        let one = narrow(ring, &parent, r#"{"sub":"one"}"#);
        let other = narrow(ring, &parent, r#"{"sub":"other"}"#);
        let resealed = reseal(ring, &one);
        let made = [
            receipt(ring, &one).unwrap(),
            narrow(ring, &resealed, r#"{"sub":"later"}"#),
            receipt(ring, &resealed).unwrap(),
            narrow(ring, &receipt(ring, &resealed).unwrap(), r#"{"sub":"later"}"#),
            resealed,
        ];
        for token in &made {
            assert_ne!(*token, one);
            assert!(
                ends(ring, &one, token) && ends(ring, &parent, token),
                "{:?}",
                chain(ring, token)
            );
            assert!(!ends(ring, &other, token));
        }
        // A receipt is a chain of its own, and so is a second one for something else.
        let [receipt, .., resealed] = &made;
        assert!(
            !ends(ring, receipt, &one)
                && !ends(ring, receipt, &parent)
                && !ends(ring, receipt, resealed)
        );
        // Sealed anew a second time, after a second rotation.
        let again = reseal(&rings.newest, &narrow(ring, resealed, r#"{"sub":"later"}"#));
        for revoked in [&parent, &one, resealed] {
            assert!(ends(&rings.newest, revoked, &again));
        }
        assert!(!ends(&rings.newest, &other, &again));
    }
}

/// Tokens of the Python program have no `jti`; what the proxy makes of them bears what logs call them.
#[test]
fn a_family_without_a_jti_has_one_root_and_one_id() {
    let rings = Rings::new();
    let [v1, _] = rings.tokens();
    let UnverifiedToken::V1(signed) = UnverifiedToken::parse(&v1).unwrap() else { panic!() };
    let mut claims = signed.claims().unwrap();
    claims.jti = None;
    let parent = rings.old.sign_token(claims, rings.old.active()).unwrap().to_string();
    let child = narrow(&rings.old, &parent, r#"{"sub":"one"}"#);
    let id = |token: &str| UnverifiedToken::parse(token).unwrap().id().unwrap();
    for made in [
        &child,
        &reseal(&rings.new, &child),
        &reseal(&rings.new, &parent),
        &receipt(&rings.new, &parent).unwrap(),
    ] {
        assert_eq!(id(made), id(&parent));
        assert!(ends(&rings.new, &parent, made));
    }
    assert!(!ends(&rings.new, &child, &parent));
}

/// Whoever holds a token may write what he likes behind it: it makes more chains whose revocation ends it, and none fewer.
#[test]
fn a_forged_origin_takes_and_never_gives() {
    let rings = Rings::new();
    let ring = &rings.old;
    for [mine, victim] in [rings.tokens(), rings.tokens()].map(|[v1, v2]| [v2, v1]) {
        let root = chain(ring, &victim).root();
        let from = UnverifiedToken::parse(&victim)
            .map(|token| UnverifiedNames::of(&token, Some(ring)).unwrap())
            .unwrap();
        let (owner, kid) = (from.names().owner, from.names().key.unwrap());
        let caveat = format!(r#"{{"from":{{"chain":"{root}","owner":"{owner}","kid":"{kid}"}}}}"#);
        let forged = narrow(ring, &mine, &caveat);
        assert!(ends(ring, &mine, &forged) && ends(ring, &victim, &forged));
        assert!(!ends(ring, &forged, &victim) && !ends(ring, &mine, &victim));
        // Neither what is shown nor what `--whole-family` takes is the victim's.
        assert!(
            chain(ring, &forged).id() != root
                && chain(ring, &forged).root() == chain(ring, &mine).root()
        );
        // A label names nothing.
        for other in [&format!("from:{root}"), &root.to_string()] {
            let plain = narrow(ring, &mine, &format!(r#"{{"sub":"{other}"}}"#));
            assert_eq!(chain(ring, &plain).ids().len(), 2, "{other}");
        }
    }
}

/// There is one spelling of each token, so nobody gets another id for the same rights.
#[test]
fn no_other_spelling_is_accepted() {
    let rings = Rings::new();
    for token in rings.tokens() {
        let token = narrow(&rings.old, &token, r#"{"sub":"one"}"#);
        let mut spellings = vec![
            format!("{token}="),
            format!(" {token}"),
            format!("{token}\n"),
            format!("{token}."),
            format!(".{token}"),
        ];
        let parts: Vec<&str> = token.split('.').collect();
        for at in 0..parts.len() {
            // Padding, zero bytes before and behind, and each other last character: bits that some decoders drop.
            let changed = |part: String| {
                let mut parts: Vec<String> = parts.iter().map(ToString::to_string).collect();
                parts[at] = part;
                parts.join(".")
            };
            let part = parts[at];
            let kept = &part[..part.len() - 1];
            spellings.extend(
                ["=", "==", "A", "AA", "AAAA", "a", "aaaaaaaa"]
                    .map(|more| changed(format!("{part}{more}"))),
            );
            spellings
                .extend(["A", "AAAA", "aaaaaaaa"].map(|more| changed(format!("{more}{part}"))));
            let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/";
            spellings.extend(alphabet.chars().map(|last| changed(format!("{kept}{last}"))));
        }
        let accepted: Vec<&String> = spellings
            .iter()
            .filter(|text| with(|context, _| rings.old.verify(text, context)).is_ok())
            .collect();
        assert!(accepted.iter().all(|text| **text == token), "{accepted:?}");
        assert!(
            accepted.len() == parts.len(),
            "the token itself is among them, once for each part"
        );
    }
}

#[test]
fn a_chain_that_is_full_is_not_made_anew() {
    let rings = Rings::new();
    for mut token in rings.tokens() {
        for _ in 0..MAX_CAVEATS {
            token = narrow(&rings.new, &token, r#"{"sub":"a"}"#);
        }
        assert_eq!(chain(&rings.new, &token).ids().len(), MAX_CAVEATS + 1);
        assert!(matches!(receipt(&rings.new, &token), Err(ReissueError::Narrow(_))));
        let resealed = with(|context, compiler| rings.new.reseal(&token, context, compiler));
        assert!(matches!(resealed, Err(ReissueError::Narrow(_))));
    }
}

#[test]
fn ids_are_32_lower_case_digits() {
    let id = ChainId(std::array::from_fn(|at| u8::try_from(at).unwrap() * 17));
    assert_eq!(id.to_string(), "00112233445566778899aabbccddeeff");
    assert_eq!(ChainId::parse(&id.to_string()), Some(id));
    for text in [
        "",
        "0",
        "00112233445566778899AABBCCDDEEFF",
        "00112233445566778899aabbccddeef",
        "0011223344556677889 aabbccddeeff",
        &"g".repeat(32),
        &"é".repeat(16),
        &"0".repeat(34),
    ] {
        assert_eq!(ChainId::parse(text), None, "{text}");
    }
}

/// Not only the families: of each older token the chain that it had itself.
#[test]
fn older_chains_are_those_of_the_tokens_that_it_was_made_of() {
    let rings = Rings::new();
    for parent in rings.tokens() {
        let one = narrow(&rings.old, &parent, r#"{"sub":"one"}"#);
        let resealed = reseal(&rings.new, &one);
        let two = narrow(&rings.new, &resealed, r#"{"sub":"two"}"#);
        let again = reseal(&rings.newest, &two);
        let of = |token: &str| {
            let chain = chain(&rings.newest, token);
            OlderChain { root: chain.root(), id: chain.id() }
        };
        assert_eq!(chain(&rings.newest, &one).older(), []);
        assert_eq!(chain(&rings.newest, &two).older(), [of(&one)]);
        assert_eq!(chain(&rings.newest, &again).older(), [of(&one), of(&two)]);
        assert!(of(&one).root == of(&parent).id && of(&one).id != of(&parent).id);
    }
}
