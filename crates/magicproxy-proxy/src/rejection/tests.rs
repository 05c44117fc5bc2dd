use magicproxy_core::ParseCredentialError;

use super::*;

fn all() -> Vec<Rejection> {
    let denials = [Denial::Expired, Denial::NotYetValid, Denial::WrongUpstream, Denial::NotAllowed, Denial::BeyondCeiling];
    let tokens = [
        VerifyError::Malformed,
        VerifyError::TooLong,
        VerifyError::Header,
        VerifyError::UnknownKey,
        VerifyError::Signature,
        VerifyError::Expired,
        VerifyError::NotYetValid,
        VerifyError::Lifetime,
        VerifyError::UnknownScope("x".to_owned()),
        VerifyError::Claims("x".to_owned()),
    ];
    let denied = denials.into_iter().map(|denial| Rejection::Denied { denial, needed: Vec::new() });
    denied
        .chain(tokens.into_iter().map(Rejection::Token))
        .chain([
            Rejection::NoToken,
            Rejection::TokenForm,
            Rejection::Credential(OpenError::Sealed),
            Rejection::Credential(OpenError::Credential(ParseCredentialError::Empty)),
        ])
        .collect()
}

#[test]
fn a_no_to_a_token_is_401_or_403_and_nothing_else() {
    for rejection in all() {
        let status = rejection.status();
        assert!(status == StatusCode::UNAUTHORIZED || status == StatusCode::FORBIDDEN, "{rejection:?}: {status}");
        let answer = rejection.to_response(RequestId::next(), ProblemType::Problem);
        assert_eq!(answer.headers().contains_key("www-authenticate"), status == StatusCode::UNAUTHORIZED, "{rejection:?}");
        assert_eq!(answer.headers()["cache-control"], "no-store");
    }
}

#[test]
fn known_and_not_allowed_is_403() {
    for denial in [Denial::NotAllowed, Denial::BeyondCeiling] {
        assert_eq!(Rejection::Denied { denial, needed: Vec::new() }.status(), StatusCode::FORBIDDEN);
    }
}

#[test]
fn a_connection_in_doubt_is_closed() {
    for (rejection, closes) in [
        (Rejection::Framing, true),
        (Rejection::Host, true),
        (Rejection::RequestBody, true),
        (Rejection::RequestTimeout, true),
        (Rejection::Order(vec![OrderFault::TooLarge]), true),
        (Rejection::NoToken, false),
        (Rejection::Order(vec![OrderFault::Grant]), false),
    ] {
        let answer = rejection.to_response(RequestId::next(), ProblemType::Json);
        assert_eq!(answer.headers().contains_key("connection"), closes, "{rejection:?}");
        assert_eq!(answer.headers()["content-type"], "application/json");
    }
}

#[test]
fn the_rules_that_would_be_needed_are_said_where_they_are_known() {
    let told = |needed: &[&str]| {
        let needed = needed.iter().map(|rule| (*rule).to_owned()).collect();
        Rejection::Denied { denial: Denial::NotAllowed, needed }.to_string()
    };
    assert_eq!(told(&[]), "the token does not allow this request");
    assert_eq!(told(&["GET /a"]), "the token does not allow this request; this rule would: `GET /a`");
    assert!(told(&["GET /a", "GET /b"]).ends_with("these rules would, together: `GET /a`, `GET /b`"));
}

#[test]
fn ids_do_not_repeat() {
    let ids: std::collections::HashSet<String> = (0..1000).map(|_| RequestId::next().to_string()).collect();
    assert_eq!(ids.len(), 1000);
    assert!(ids.iter().all(|id| id.len() == 16));
}
