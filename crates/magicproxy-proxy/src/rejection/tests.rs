mod every;
mod shapes;

use magicproxy_core::{ClaimsFault, ParseCredentialError};

use super::*;
use crate::request_id::RequestId;
use crate::settings::{RefusalMedia, RefusalShape};
pub(crate) use every::every;
use shapes::*;

fn form(shape: RefusalShape) -> RefusalForm {
    let mut form = RefusalForm::accepted(&http::HeaderMap::new());
    form.shape = shape;
    form
}

fn all() -> Vec<Rejection> {
    let denials = [
        Denial::Expired,
        Denial::KeyEnded,
        Denial::NotYetValid,
        Denial::WrongUpstream {
            named: None,
            asked: magicproxy_core::UpstreamName::parse("api.test").unwrap(),
        },
        Denial::WrongSender,
        Denial::NotAllowed,
        Denial::BeyondCaveat,
        Denial::BeyondCeiling,
        Denial::TooCostly,
    ];
    let tokens = [
        VerifyError::Malformed,
        VerifyError::OldForm,
        VerifyError::TooLong,
        VerifyError::Header,
        VerifyError::UnknownKey(magicproxy_core::TokenVersion::V2),
        VerifyError::RetiredKey,
        VerifyError::Signature,
        VerifyError::Expired,
        VerifyError::NotYetValid,
        VerifyError::Lifetime,
        VerifyError::UnknownScope("x".to_owned()),
        VerifyError::Claims(ClaimsFault::NoSubject),
    ];
    let denied = denials.into_iter().map(|denial| Rejection::Denied {
        denial,
        needed: Vec::new(),
        unmet: Box::default(),
        reasons: Box::default(),
    });
    denied
        .chain(tokens.into_iter().map(Rejection::Token))
        .chain([
            Rejection::NoToken,
            Rejection::TokenForm,
            Rejection::Unfit(UnfitCredential::NoPair),
            Rejection::Credential(OpenError::Sealed),
            Rejection::Credential(OpenError::Credential(ParseCredentialError::Empty)),
        ])
        .collect()
}

#[test]
fn a_no_to_a_token_is_401_or_403_and_nothing_else() {
    for rejection in all() {
        let status = rejection.status();
        assert!(
            status == StatusCode::UNAUTHORIZED || status == StatusCode::FORBIDDEN,
            "{rejection:?}: {status}"
        );
        let response = rejection.to_response(RequestId::next(), form(PROBLEM));
        assert_eq!(
            response.headers().contains_key("www-authenticate"),
            status == StatusCode::UNAUTHORIZED,
            "{rejection:?}"
        );
        assert_eq!(response.headers()["cache-control"], "no-store");
    }
}

#[test]
fn known_and_not_allowed_is_403() {
    for denial in [Denial::NotAllowed, Denial::BeyondCeiling] {
        assert_eq!(
            Rejection::Denied {
                denial,
                needed: Vec::new(),
                unmet: Box::default(),
                reasons: Box::default()
            }
            .status(),
            StatusCode::FORBIDDEN
        );
    }
}

#[test]
fn a_connection_in_doubt_is_closed() {
    for (rejection, closes) in [
        (Rejection::Framing, true),
        (Rejection::Host, true),
        (Rejection::RequestBody, true),
        (Rejection::RequestTimeout, true),
        (Rejection::MintRequest(vec![MintRequestFault::TooLarge]), true),
        (Rejection::NoToken, false),
        (Rejection::MintRequest(vec![MintRequestFault::RuleSource]), false),
    ] {
        let response = rejection.to_response(RequestId::next(), form(OPENAI));
        assert_eq!(response.headers().contains_key("connection"), closes, "{rejection:?}");
        assert_eq!(response.headers()["content-type"], "application/json");
    }
}

#[test]
fn the_rules_that_would_be_needed_are_said_where_they_are_known() {
    let told = |needed: &[&str]| {
        let needed = needed.iter().map(|rule| (*rule).to_owned()).collect();
        Rejection::Denied {
            denial: Denial::NotAllowed,
            needed,
            unmet: Box::default(),
            reasons: Box::default(),
        }
        .to_string()
    };
    assert_eq!(told(&[]), "the token does not allow this request");
    assert_eq!(
        told(&["GET /a"]),
        "the token does not allow this request; this rule would: `GET /a`"
    );
    assert!(
        told(&["GET /a", "GET /b"]).ends_with("these rules would, together: `GET /a`, `GET /b`")
    );
}

#[test]
fn ids_do_not_repeat() {
    let ids: std::collections::HashSet<String> =
        (0..1000).map(|_| RequestId::next().to_string()).collect();
    assert_eq!(ids.len(), 1000);
    assert!(ids.iter().all(|id| id.len() == 16));
}

/// A refusal's status, media type and body in one shape.
async fn refused(rejection: &Rejection, shape: RefusalShape) -> (u16, String, serde_json::Value) {
    let response = rejection.to_response(RequestId::next(), form(shape));
    let media = response.headers()["content-type"].to_str().unwrap().to_owned();
    let status = response.status().as_u16();
    let body = response.into_body();
    (status, media, serde_json::from_slice(&body).unwrap())
}

#[tokio::test]
async fn every_shape_says_the_same() {
    let denied = Rejection::Denied {
        denial: Denial::NotAllowed,
        needed: Vec::new(),
        unmet: Box::default(),
        reasons: Box::default(),
    };
    let shown = "magicproxy: the token does not allow this request";
    for shape in SHAPES {
        let (status, media, body) = refused(&denied, shape).await;
        assert_eq!((status, &body["status"]), (403, &403.into()), "{shape:?}");
        assert_eq!(
            (&body["code"], &body["detail"]),
            (&"not_allowed".into(), &shown["magicproxy: ".len()..].into()),
            "{shape:?}"
        );
        assert_eq!(body["request_id"].as_str().unwrap().len(), 16, "{shape:?}");
        assert_eq!(
            media == "application/problem+json",
            shape.media == RefusalMedia::Problem,
            "{shape:?}"
        );
        assert_eq!(body["title"], "the proxy does not allow this request", "{shape:?}");
        assert_eq!(body["message"], shown, "{shape:?}");
    }
}

#[tokio::test]
async fn a_shape_is_that_of_its_api() {
    let denied = Rejection::Denied {
        denial: Denial::NotAllowed,
        needed: Vec::new(),
        unmet: Box::default(),
        reasons: Box::default(),
    };
    let shown = "magicproxy: the token does not allow this request";
    let urn = "urn:magicproxy:problem:not_allowed";
    let parts = [
        (PROBLEM, "type", urn.into()),
        (GITHUB, "type", urn.into()),
        (GITHUB, "documentation_url", urn.into()),
        (GITLAB, "error", shown.into()),
        (DIGITALOCEAN, "id", "not_allowed".into()),
        (POWERDNS, "error", shown.into()),
        (CLOUDFLARE, "success", false.into()),
        (CLOUDFLARE, "errors", serde_json::json!([{ "code": 9109, "message": shown }])),
        (CLOUDFLARE, "messages", serde_json::json!([])),
        (CLOUDFLARE, "result", serde_json::Value::Null),
        (
            OPENAI,
            "error",
            serde_json::json!({ "message": shown, "type": "permission_error", "param": null, "code": "not_allowed" }),
        ),
        (ANTHROPIC, "type", "error".into()),
        (ANTHROPIC, "error", serde_json::json!({ "type": "permission_error", "message": shown })),
    ];
    for (shape, member, value) in parts {
        assert_eq!(refused(&denied, shape).await.2.get(member), Some(&value), "{shape:?} {member}");
    }
    let (_, _, unknown) = refused(&Rejection::NoToken, CLOUDFLARE).await;
    assert_eq!(unknown["errors"][0]["code"], 10000);
    let (_, _, unknown) = refused(&Rejection::NoToken, OPENAI).await;
    assert_eq!(unknown["error"]["type"], "authentication_error");
}

#[test]
fn no_shape_takes_the_challenges_away() {
    for shape in SHAPES {
        let response = Rejection::NoToken.to_response(RequestId::next(), form(shape));
        let challenges: Vec<_> =
            response.headers().get_all("www-authenticate").into_iter().collect();
        assert_eq!(challenges.len(), 2, "{shape:?}");
        assert!(response.headers().contains_key("proxy-status"));
    }
}

/// Clients of container registries fetch a token from the realm of a `Bearer` challenge, whatever else is named.
#[test]
fn where_passwords_are_usual_no_other_scheme_is_named() {
    let named = |rejection: &Rejection, challenge| {
        let mut form = form(PROBLEM);
        form.challenge = challenge;
        let response = rejection.to_response(RequestId::next(), form);
        let challenges = response.headers().get_all("www-authenticate").into_iter();
        challenges
            .map(|value| value.to_str().unwrap().split(' ').next().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(named(&Rejection::NoToken, Challenge::BearerOrBasic), ["Bearer", "Basic"]);
    for rejection in every().into_iter().chain(all()) {
        let expected: &[&str] =
            if rejection.status() == StatusCode::UNAUTHORIZED { &["Basic"] } else { &[] };
        assert_eq!(named(&rejection, Challenge::Basic), expected, "{rejection:?}");
    }
}

#[test]
fn the_status_line_says_why() {
    let phrase = |needed: &str| {
        let rejection = Rejection::Denied {
            denial: Denial::NotAllowed,
            needed: vec![needed.to_owned()],
            unmet: Box::default(),
            reasons: Box::default(),
        };
        let response = rejection.to_response(RequestId::next(), form(PROBLEM));
        String::from_utf8(
            response.extensions().get::<hyper::ext::ReasonPhrase>().unwrap().as_bytes().to_vec(),
        )
        .unwrap()
    };
    let expected =
        "Forbidden (magicproxy: the token does not allow this request; this rule would: `GET /a`)";
    assert_eq!(phrase("GET /a"), expected);
    // Nothing of a client's breaks out of the line.
    assert_eq!(phrase("GET /\r\n\u{e9}a\u{0}"), expected);
    assert_eq!(phrase(&"x".repeat(500)).len(), 200);
}

/// What a newcomer meets first says what to do: an empty variable or a file's name as the token, a path without its mount.
#[test]
fn first_mistakes_are_told_their_remedy() {
    assert!(Rejection::TokenForm.to_string().contains("`Authorization: Bearer <token>`"));
    assert!(Rejection::NoUpstream.to_string().contains("`GET /__magictoken`"));
}

/// SDKs that know the field ask again after a time-out, and after what was done already, unless they are told not to. Which they are is
/// nobody's question here: others do not know it.
#[test]
fn what_another_request_cannot_help_is_not_asked_for_again() {
    let never = [
        "upstream_timeout",
        "created_not_recorded",
        "done_not_recorded",
        "upstream_coding",
        "conflicting_credentials",
        "not_allowed",
        "total_used_up",
    ];
    let perhaps = [
        "expired_token",
        "revoked_token",
        "missing_token",
        "request_timeout",
        "rate_limited",
        "owner_share",
        "upstream_busy",
        "upstream_unreachable",
        "upstream_closed",
        "store_unavailable",
        "busy",
    ];
    let mut seen = std::collections::BTreeSet::new();
    for rejection in every().into_iter().chain(all()) {
        let code = rejection.code();
        let expected = match code {
            code if never.contains(&code) => Some("false"),
            code if perhaps.contains(&code) => None,
            _ => continue,
        };
        seen.insert(code);
        for shape in [PROBLEM, GITHUB, OPENAI, ANTHROPIC] {
            let response = rejection.to_response(RequestId::next(), form(shape));
            let said =
                response.headers().get("x-should-retry").map(|value| value.to_str().unwrap());
            assert_eq!(said, expected, "{code} as {shape:?}");
        }
    }
    assert!(seen.len() > 12, "{seen:?}");
}
