//! Whatever the proxy makes of a token, by however many steps, ends with every name of that token; and of no other.

use super::*;
use crate::token::chain::tests::{Rings, narrow, pem, receipt, reseal, with};
use crate::token::{Acceptance, VerifyError};
use crate::{KEY_SET_LIFETIME_SECONDS, KeyLifetime, SealingKey, UnixTime, VerifyContext};

fn names<T>(ring: &KeyRing, token: &str, action: impl FnOnce(&TokenNames<'_>) -> T) -> T {
    let unverified =
        UnverifiedNames::of(&UnverifiedToken::parse(token).unwrap(), Some(ring)).unwrap();
    let verified = with(|context, _| ring.verify(token, context)).unwrap();
    // A verified and an unverified token must agree.
    assert_eq!(format!("{:?}", verified.names()), format!("{:?}", unverified.names()));
    action(&verified.names())
}

/// Which entries made of a token's own names reach the other: its chain, owner, key, and id under this key.
fn reached(ring: &KeyRing, revoked: &str, token: &str) -> [bool; 4] {
    names(ring, revoked, |revoked| {
        names(ring, token, |token| {
            [
                token.chain.ids().contains(&revoked.chain.id()),
                token.has_owner(|owner| *owner == revoked.owner),
                token.has_key(|key| Some(key) == revoked.key),
                token.version == revoked.version
                    && token.id == revoked.id
                    && token.was_minted(revoked.key.unwrap(), revoked.minter),
            ]
        })
    })
}

/// All that is made of a token in the course of two rotations, narrowed at each step, by caveats that name origins of their
/// holder's choice as well.
fn generations(rings: &Rings, parent: &str) -> Vec<String> {
    let foreign = format!(
        r#"{{"from":{{"chain":"{}","owner":"{}","kid":"{}"}}}}"#,
        "5".repeat(32),
        "6".repeat(64),
        "k".repeat(43)
    );
    let mut made = vec![narrow(&rings.old, parent, r#"{"sub":"one"}"#)];
    for ring in [&rings.old, &rings.new, &rings.newest] {
        for caveat in [r#"{"sub":"x"}"#, &foreign] {
            let last = made.last().unwrap();
            let resealed = reseal(ring, last);
            let receipt = receipt(ring, &resealed).unwrap();
            let narrowed = narrow(ring, &receipt, caveat);
            made.extend([resealed, receipt, narrowed]);
        }
    }
    made
}

#[test]
fn every_generation_ends_with_the_names_of_the_first() {
    let rings = Rings::new();
    for (parent, stranger) in rings.tokens().iter().zip(&rings.tokens()) {
        let made = generations(&rings, parent);
        let keys: std::collections::HashSet<_> = made
            .iter()
            .map(|token| UnverifiedToken::parse(token).unwrap().kid().unwrap().to_owned())
            .collect();
        assert_eq!(keys.len(), 3);
        for (number, token) in made.iter().enumerate() {
            assert_eq!(reached(&rings.newest, parent, token), [true; 4], "{number}");
            // Owner, key and id of what was made do not reach back, where they are others; its chain never does.
            let [chain, owner, ..] = reached(&rings.newest, token, parent);
            assert!(!chain, "{number}");
            let is_the_same = |one: &TokenNames<'_>| {
                names(&rings.newest, parent, |parent| one.owner == parent.owner)
            };
            assert_eq!(owner, names(&rings.newest, token, is_the_same), "{number}");
            // Another token of the same key has nothing but the key in common.
            assert_eq!(
                reached(&rings.newest, stranger, token),
                [false, false, true, false],
                "{number}"
            );
            assert_eq!(reached(&rings.newest, token, stranger)[..2], [false; 2], "{number}");
        }
        // Each of them reaches all that were made of it in turn.
        for (at, revoked) in made.iter().enumerate() {
            let (last, [.., owner, key, id]) =
                (made.last().unwrap(), reached(&rings.newest, revoked, made.last().unwrap()));
            assert!(key && id && (owner || at + 1 == made.len()), "{at} {last}");
        }
    }
}

/// A key that leaked and was denied: nothing that was made of its tokens is accepted, however good the key is that it is of now.
#[test]
fn a_denied_key_takes_all_generations_along() {
    let rings = Rings::new();
    for parent in rings.tokens() {
        let old = names(&rings.old, &parent, |names| names.key.unwrap().to_owned());
        let acceptance = Acceptance { denied_keys: vec![old], ..Acceptance::default() };
        let made = generations(&rings, &parent);
        let verify = |token: &str, acceptance: &Acceptance| {
            with(|context, _| rings.newest.verify(token, &VerifyContext { acceptance, ..*context }))
                .err()
        };
        for (number, token) in made.iter().enumerate() {
            assert_eq!(verify(token, &Acceptance::default()), None);
            assert!(
                matches!(
                    verify(token, &acceptance),
                    Some(VerifyError::UnknownKey(_) | VerifyError::DeniedOrigin)
                ),
                "{number}"
            );
        }
        assert_eq!(verify(made.last().unwrap(), &acceptance), Some(VerifyError::DeniedOrigin));
        // A caveat that names a denied key ends only the token that bears it.
        let other =
            rings.newest.published(UnixTime(1_790_000_000)).next().unwrap().id().to_string();
        let foreign = Acceptance { denied_keys: vec!["k".repeat(43)], ..Acceptance::default() };
        assert_eq!(verify(made.last().unwrap(), &foreign), Some(VerifyError::DeniedOrigin));
        assert_eq!(verify(&parent, &foreign), None);
        assert_eq!(
            verify(&parent, &Acceptance { denied_keys: vec![other], ..Acceptance::default() }),
            None
        );
    }
}

/// Whoever names another's token in his own takes nothing from it.
#[test]
fn an_origin_of_the_holders_choice_ends_his_own_token_only() {
    let rings = Rings::new();
    for (mine, victim) in rings.tokens().iter().zip(&rings.tokens()) {
        let caveat = names(&rings.old, victim, |victim| {
            let (chain, owner, kid) = (victim.chain.root(), victim.owner, victim.key.unwrap());
            format!(r#"{{"from":{{"chain":"{chain}","owner":"{owner}","kid":"{kid}"}}}}"#)
        });
        let forged = narrow(&rings.old, mine, &caveat);
        assert_eq!(reached(&rings.old, victim, &forged), [true, true, true, false]);
        assert_eq!(reached(&rings.old, &forged, victim), [false, false, true, false]);
        assert_eq!(reached(&rings.old, mine, &forged), [true; 4]);
        assert_eq!(reached(&rings.old, mine, victim), [false, false, true, false]);
    }
}

/// A key's ordinary end is what tokens are sealed anew for.
#[test]
fn the_end_of_an_old_key_does_not_matter() {
    let rings = Rings::new();
    let [_, parent] = rings.tokens();
    let resealed = reseal(&rings.new, &parent);
    let keys: Vec<SealingKey> = rings
        .new
        .sealing()
        .iter()
        .map(|key| SealingKey::from_json(&key.to_json()).unwrap())
        .collect();
    let over = |key: SealingKey| {
        let lifetime = key.lifetime();
        let not_after = lifetime.retired;
        key.with_lifetime(KeyLifetime { not_after, ..lifetime })
    };
    let ring = Rings::new().new.with_sealing(keys.into_iter().map(over).collect()).unwrap();
    assert_eq!(
        with(|context, _| ring.verify(&parent, context)).err(),
        Some(VerifyError::RetiredKey)
    );
    assert!(with(|context, _| ring.verify(&resealed, context)).is_ok());
}

/// As of a token, so of its copies: those that were narrowed before anything was written down, and those of a proxy that wrote it.
#[test]
fn copies_of_a_token_without_a_jti_have_one_name() {
    let rings = Rings::new();
    let [v1, _] = rings.tokens();
    let UnverifiedToken::V1(signed) = UnverifiedToken::parse(&v1).unwrap() else { panic!() };
    let claims = Claims { jti: None, ..signed.claims().unwrap() };
    let sign = |claims: &Claims| {
        rings.old.sign_token(claims.clone(), rings.old.active()).unwrap().to_string()
    };
    let parent = sign(&claims);
    // By the holder of the key, as a program that does not write an id down.
    let caveat = crate::Caveat::from_json(br#"{"sub":"one"}"#).unwrap();
    let silent = sign(&Claims { caveats: Some(vec![caveat]), ..claims.clone() });
    let written = narrow(&rings.old, &parent, r#"{"sub":"one"}"#);
    let shorter = sign(&Claims { exp: claims.exp - 60, ..claims });
    let made = [
        &silent,
        &written,
        &shorter,
        &narrow(&rings.old, &silent, r#"{"sub":"two"}"#),
        &reseal(&rings.new, &silent),
    ];
    for (number, copy) in made.into_iter().enumerate() {
        let [chain, owner, key, id] = reached(&rings.new, &parent, copy);
        assert!(chain && owner && key && id, "{number}");
    }
    assert_eq!(
        names(&rings.old, &silent, |names| names.chain.id()),
        names(&rings.old, &written, |names| names.chain.id())
    );
}

/// Whoever has another key, one that leaked for instance, can copy a `jti`: neither ends with the other by any name but the id alone.
#[test]
fn a_copied_jti_is_no_name_of_the_other() {
    let rings = Rings::new();
    let ([victim, _], [other, _]) = (rings.tokens(), rings.tokens());
    let claims = |token: &str| {
        let UnverifiedToken::V1(signed) = UnverifiedToken::parse(token).unwrap() else { panic!() };
        signed.claims().unwrap()
    };
    let copied = Claims { jti: claims(&victim).jti, ..claims(&other) };
    let stranger = rings.new.sign_token(copied, rings.new.active()).unwrap().to_string();
    for (revoked, token) in [(&victim, &stranger), (&stranger, &victim)] {
        assert_eq!(reached(&rings.new, revoked, token), [false; 4]);
        let narrowed = narrow(&rings.new, token, r#"{"sub":"one"}"#);
        assert_eq!(reached(&rings.new, revoked, &narrowed), [false; 4]);
    }
}

/// Nobody proves when a token was sealed, but nobody seals to a key that was retired long ago.
#[test]
fn a_token_that_was_sealed_in_advance_ends_with_its_key() {
    let now = 1_790_000_000;
    let rings = Rings::new();
    let [_, token] = rings.tokens();
    let json = rings.old.sealing()[0].to_json();
    let long_ago = now - KEY_SET_LIFETIME_SECONDS;
    for (retired, accepted) in [
        (Some(long_ago), true),
        (Some(long_ago - 30), true),
        (Some(long_ago - 31), false),
        (None, true),
    ] {
        let lifetime = KeyLifetime { retired: retired.map(UnixTime), ..KeyLifetime::default() };
        let key = SealingKey::from_json(&json).unwrap().with_lifetime(lifetime);
        let ring = KeyRing::new(pem("first"), vec![]).unwrap().with_sealing(vec![key]).unwrap();
        let verified = with(|context, _| ring.verify(&token, context));
        assert_eq!(
            verified.as_ref().err(),
            (!accepted).then_some(&VerifyError::RetiredKey),
            "{retired:?}"
        );
        // `before:` looks at the key as well as at the day that the token names.
        let Ok(verified) = verified else { continue };
        for moment in [long_ago - 31, long_ago - 1, long_ago, now, now + 1] {
            let expected = moment > now || retired.is_some_and(|retired| retired <= moment);
            assert_eq!(
                verified.names().was_minted_before(UnixTime(moment)),
                expected,
                "{retired:?} {moment}"
            );
        }
    }
}

/// Sealing anew is no way out of a `before:` that reaches the token by its key: while the ring holds that key, what was made of it
/// ends by the same moments, in every generation.
#[test]
fn what_was_sealed_anew_is_as_old_as_the_first_key() {
    let rings = Rings::new();
    let [_, parent] = rings.tokens();
    let made = generations(&rings, &parent);
    let earlier = |key: &SealingKey| {
        let key = SealingKey::from_json(&key.to_json()).unwrap();
        let is_first =
            Some(key.public().id().as_str()) == UnverifiedToken::parse(&parent).unwrap().kid();
        let lifetime = key.lifetime();
        // Its tokens say that they were minted a week after it was retired.
        let retired =
            if is_first { Some(UnixTime(1_790_000_000 - 7 * 86_400)) } else { lifetime.retired };
        key.with_lifetime(KeyLifetime { retired, ..lifetime })
    };
    let keys: Vec<SealingKey> = rings.newest.sealing().iter().map(earlier).collect();
    let ring = Rings::new().newest.with_sealing(keys).unwrap();
    for token in std::iter::once(&parent).chain(&made) {
        names(&ring, token, |names| {
            for (days, reached) in [(8, false), (7, true), (1, true)] {
                let moment = UnixTime(1_790_000_000 - days * 86_400);
                assert!(names.issued_at > moment);
                assert_eq!(names.was_minted_before(moment), reached, "{days}");
            }
        });
    }
}
