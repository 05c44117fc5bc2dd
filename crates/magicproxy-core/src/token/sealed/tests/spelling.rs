//! How a token is spelled, and what its beginning shows.

use super::*;

#[test]
fn the_beginning_of_a_token_is_that_of_every_token_of_its_key_and_good_for_nothing() {
    let ring = ring();
    let credential = |text: &str| {
        TypedCredential::Configured(Credential::parse(Zeroizing::new(text.to_owned())).unwrap())
    };
    let others = || SealedTokenSpec {
        credential: credential("another"),
        issued_at: UnixTime(NOW.0 + 9),
        ..request(&["POST /.*"])
    };
    let signed = |credential: &str, seconds: u64| {
        let request = TokenSpec {
            credential: Credential::parse(Zeroizing::new(credential.to_owned())).unwrap(),
            source: RuleSource::Rules(rules(&["GET /user"])),
            upstream: UpstreamName::parse("api"),
            unnamed: crate::token::UnnamedTokens::Accept,
            issued_at: NOW,
            expires_at: UnixTime(NOW.0 + seconds),
            not_before: None,
            subject: None,
            explain: false,
            limit: None,
        };
        ring.mint(&request).unwrap().token.to_string()
    };
    let sealed = Kem::ALL
        .map(|kem| (mint(&ring, kem, &request(&["GET /user"])), mint(&ring, kem, &others())));
    let pairs = sealed.into_iter().chain([(signed("one", 60), signed("other", 600))]);
    for (one, other) in pairs {
        assert_ne!(one, other);
        assert_eq!(one[..CUT], other[..CUT], "something of one token alone is in its beginning");
        for length in 1..=CUT {
            let beginning = &one[..length];
            assert!(ring.verify(beginning, &context()).is_err(), "{beginning}");
            assert!(UnverifiedToken::parse(beginning).is_err(), "{beginning}");
            assert!(
                Caveat::from_json(br#"{"sub":"x"}"#).unwrap().append_to(beginning).is_err(),
                "{beginning}"
            );
        }
    }
}

/// Whoever minted it, in whatever order its members stand: what is secret in a token begins behind its first 40 characters.
#[test]
fn nothing_secret_is_in_the_beginning_of_any_token_of_the_vectors() {
    let vectors = [
        include_str!("../../../../../../testdata/vectors/token-v1.json"),
        include_str!("../../../../../../testdata/vectors/token-v2.json"),
    ];
    let mut seen = [0, 0];
    for vectors in vectors {
        let vectors: serde_json::Value = serde_json::from_str(vectors).unwrap();
        for case in vectors["cases"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|case| case.get("accepted").is_some())
        {
            let token = case["token"].as_str().unwrap();
            let parts: Vec<&str> = token.split('.').collect();
            let before_secrets = if token.starts_with(PREFIX) {
                seen[1] += 1;
                parts[0].len()
            } else {
                seen[0] += 1;
                // In characters of base64, rounded down: where the sealed credential begins in the claims.
                let claims = String::from_utf8(URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap();
                let value = ["\"token\":", "\"sealed\":"]
                    .iter()
                    .find_map(|name| Some(claims.find(name)? + name.len() + 1))
                    .unwrap();
                parts[0].len() + 1 + value * 4 / 3
            };
            assert!(before_secrets >= CUT, "{}: {before_secrets}", case["name"]);
        }
    }
    assert!(seen.iter().all(|count| *count > 3), "{seen:?}");
}

fn context() -> VerifyContext<'static> {
    static NONE: std::sync::LazyLock<(Scopes, Acceptance)> =
        std::sync::LazyLock::new(Default::default);
    VerifyContext { now: NOW, scopes: &NONE.0, patterns: PatternMode::Whole, acceptance: &NONE.1 }
}

/// What stands in a token of what people write, and how long it is: from proptest's strings, among them all that base64url makes `-` and
/// `_` of. With a minter's signature and without, narrowed, for both kinds of key.
fn tokens_of_all_kinds() -> Vec<String> {
    use proptest::strategy::{Strategy as _, ValueTree as _};
    let (ring, signer) = (ring(), MinterSigningKey::generate().unwrap());
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let words = proptest::collection::vec("[!#-+.-;=?-Z^-~-]{1,40}", 2..3);
    let paths = proptest::collection::vec("/[a-z~]{1,9}(/[a-z0-9~._-]{1,9}[?*+]?){0,3}", 1..6);
    let mut tokens = Vec::new();
    for round in 0..200 {
        let (labels, paths) = (
            words.new_tree(&mut runner).unwrap().current(),
            paths.new_tree(&mut runner).unwrap().current(),
        );
        let rules: Vec<String> = paths.iter().map(|path| format!("GET {path}")).collect();
        let allowed: Vec<&str> = rules.iter().map(String::as_str).collect();
        let Ok(_) = Rule::parse_list(
            &rules.iter().cloned().map(RawRule::Text).collect::<Vec<_>>(),
            PatternMode::Whole,
        ) else {
            continue;
        };
        let minter = (round % 2 == 0).then_some(&signer);
        let kem = Kem::ALL[usize::from(round % 10 == 0)];
        let spec =
            SealedTokenSpec { minter, subject: Label::parse(&labels[0]), ..request(&allowed) };
        let token = mint(&ring, kem, &spec);
        let caveat = Caveat {
            sub: Label::parse(&labels[1]),
            allowed: Some(vec![RawRule::Text(rules[0].clone())]),
            ..Caveat::default()
        };
        tokens.extend(caveat.append_to(&token).ok().map(|token| token.to_string()));
        tokens.push(token);
    }
    assert!(tokens.len() > 250, "{}", tokens.len());
    tokens
}

/// So that nothing that cuts at marks, quotes, encodes or splits does anything to it. `token-v2.md` section 1.2.
#[test]
fn a_token_is_letters_digits_and_dots_behind_its_prefix() {
    let matches = |pattern: &str, text: &str| regex::Regex::new(pattern).unwrap().is_match(text);
    for token in tokens_of_all_kinds() {
        assert!(SealedToken::parse(&token).is_ok(), "{token}");
        let behind = token.strip_prefix("mt2_eyJ").unwrap_or_else(|| panic!("{token}"));
        assert!(behind.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.'), "{token}");
        // A program that shows all up to the last `_`, or `-`, shows no more than the prefix.
        assert_eq!((token.rfind('_'), token.rfind('-')), (Some(3), None));
        // RFC 9110 section 11.2; RFC 3986 section 2.3; words of sh, and plain scalars of YAML, that mean themselves.
        assert!(
            matches("^[A-Za-z0-9._~+/-]+=*$", &token)
                && matches("^[A-Za-z0-9._~-]+$", &token)
                && matches("^[A-Za-z][A-Za-z0-9_.]*$", &token)
        );
        // The password of Basic (RFC 7617), both ways.
        let pair = base64::engine::general_purpose::STANDARD.encode(format!("x:{token}"));
        let read = base64::engine::general_purpose::STANDARD.decode(pair).unwrap();
        assert_eq!(String::from_utf8(read).unwrap().split_once(':').unwrap().1, token);
    }
}

/// A part of so many bytes has the length of its alphabet, and nothing besides: a token grows by what the alphabets cost.
#[test]
fn a_token_is_as_long_as_its_parts() {
    for token in tokens_of_all_kinds() {
        let parsed = SealedToken::parse(&token).unwrap();
        let bytes = |count: usize| (count * 8).div_ceil(5);
        let signature = parsed.signature.as_ref().map_or(0, |_| 1 + bytes(64));
        let caveats: usize = parsed.caveats.iter().map(|part| 1 + part.len()).sum();
        let expected = parsed.bound.len()
            + 1
            + bytes(parsed.sealed.len())
            + signature
            + caveats
            + 1
            + bytes(32);
        assert_eq!(token.len(), expected);
    }
    // What a README mints: 553 characters, where the form with base64url throughout had 509.
    let key = SealingKey::generate(Kem::X25519, NOW).unwrap();
    let credential =
        Credential::parse(Zeroizing::new("ghp_".to_owned() + &"a".repeat(36))).unwrap();
    let spec = SealedTokenSpec {
        credential: credential.into(),
        subject: None,
        ..request(&["GET /repos/acme/.*"])
    };
    let token = key.public().mint(&spec).unwrap().token;
    assert!((500..600).contains(&token.len()), "{}", token.len());
}
