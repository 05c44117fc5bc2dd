//! Minted tokens verify, open and interoperate; no change of one survives.

use std::sync::{Arc, LazyLock};

use aws_lc_rs::signature::KeyPair as _;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use magicproxy_core::{
    Acceptance, AccessRequest, Credential, EncodedSlash, KeyRing, MintedToken, PatternMode, Policy,
    PrivateKey, RawRule, RequestTarget, Rule, RuleSource, Scopes, TokenSpec, UnixTime,
    UnnamedTokens, UpstreamName, VerifyContext,
};
use proptest::prelude::*;
use serde_json::{Value, json};

const NOW: u64 = 1_790_000_000;
static ACCEPTANCE: LazyLock<Acceptance> = LazyLock::new(Acceptance::default);

fn pem(name: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(format!("../../testdata/keys/test-only-{name}.pem"));
    std::fs::read_to_string(path).unwrap()
}

fn ring(active: &str, others: &[&str]) -> KeyRing {
    let key = |name: &&str| PrivateKey::from_pem(&pem(name)).unwrap();
    KeyRing::new(key(&active), others.iter().map(key).collect()).unwrap()
}

fn rule(text: &str) -> Rule {
    Rule::parse(RawRule::Text(text.to_owned()), PatternMode::Whole).unwrap()
}

fn mint(ring: &KeyRing, credential: &str) -> MintedToken {
    let request = TokenSpec {
        credential: Credential::parse(credential.to_owned().into()).unwrap(),
        source: RuleSource::Rules(vec![rule("GET /user")]),
        upstream: UpstreamName::parse("api"),
        unnamed: UnnamedTokens::Accept,
        issued_at: UnixTime(NOW),
        expires_at: UnixTime(NOW + 60),
        not_before: None,
        subject: None,
        explain: false,
        limit: None,
    };
    ring.mint(&request).unwrap()
}

fn context(scopes: &Scopes) -> VerifyContext<'_> {
    VerifyContext {
        now: UnixTime(NOW),
        scopes,
        patterns: PatternMode::Whole,
        acceptance: &ACCEPTANCE,
    }
}

/// The credential that a token gives a request for `GET /user`.
fn spend(ring: &KeyRing, token: &str) -> Option<String> {
    let token = Arc::new(ring.verify(token, &context(&Scopes::default())).ok()?);
    let target = RequestTarget::parse(b"/user", EncodedSlash::Refuse).unwrap();
    let upstream = UpstreamName::parse("api").unwrap();
    let access = AccessRequest {
        method: "GET",
        target: &target,
        upstream: &upstream,
        alias: None,
        unnamed: UnnamedTokens::Accept,
        ceiling: None,
        sender: None,
        now: UnixTime(NOW),
        parts: magicproxy_core::RequestParts::default(),
        steps: &magicproxy_core::DecisionSteps::new(),
    };
    Some(ring.open(&token.authorize(&access).ok()?).ok()?.configured()?.expose().to_owned())
}

/// The `token` claim, without believing anything.
fn sealed(token: &str) -> String {
    use base64::Engine as _;
    let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(token.split('.').nth(1).unwrap())
        .unwrap();
    serde_json::from_slice::<Value>(&payload).unwrap()["token"].as_str().unwrap().to_owned()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn round_trip(credential in prop_oneof!["[!-~]{1,200}", "[!-~]{185,195}", "[!-~]{200,8192}"]) {
        let ring = ring("first", &["second"]);
        let token = mint(&ring, &credential).token;
        prop_assert_eq!(sealed(&token).contains('.'), credential.len() > 190);
        prop_assert!(!token.contains(credential.as_str()) || credential.len() < 8);
        // A rotation leaves live tokens alone; a stranger's ring knows nothing of them.
        prop_assert_eq!(spend(&self::ring("second", &["first"]), &token), Some(credential.clone()));
        prop_assert_eq!(spend(&self::ring("second", &[]), &token), None);
        prop_assert_eq!(spend(&ring, &token), Some(credential));
    }
}

/// Every character of a token, replaced by others, left out, doubled.
#[test]
fn any_change_is_refused() {
    let ring = ring("first", &[]);
    let token = mint(&ring, "ghp_marked").token.to_string();
    assert!(spend(&ring, &token).is_some());
    let refused = |text: String| assert_eq!(spend(&ring, &text), None, "{text}");
    for at in 0..token.len() {
        let (before, rest) = token.split_at(at);
        let (old, after) = rest.split_at(1);
        let next = if old == "A" { "B" } else { "A" };
        for new in [next, "_", ".", "=", " ", "é", ""].into_iter().filter(|new| *new != old) {
            refused(format!("{before}{new}{after}"));
        }
        refused(format!("{before}{old}{old}{after}"));
    }
    // Neither may the last character, which holds unused bits, have another spelling.
    for new in ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(['-', '_']) {
        let text = format!("{}{new}", &token[..token.len() - 1]);
        assert_eq!(spend(&ring, &text).is_some(), text == token);
    }
}

#[test]
fn the_longest_credential_fits_a_token() {
    for key in ["first", "second"] {
        let ring = ring(key, &[]);
        let credential = "~".repeat(8192);
        assert_eq!(spend(&ring, &mint(&ring, &credential).token), Some(credential));
    }
}

/// The RSAPrivateKey inside PKCS#8: behind a header of 26 bytes in a key of this size.
fn pkcs1(text: &str) -> Vec<u8> {
    pem::parse(text).unwrap().contents()[26..].to_vec()
}

fn decoding_key(name: &str) -> DecodingKey {
    let pair =
        aws_lc_rs::rsa::KeyPair::from_pkcs8(pem::parse(pem(name)).unwrap().contents()).unwrap();
    let public = pair.public_key();
    let (modulus, exponent) = (public.modulus(), public.exponent());
    DecodingKey::from_rsa_raw_components(
        modulus.big_endian_without_leading_zero(),
        exponent.big_endian_without_leading_zero(),
    )
}

#[test]
fn jsonwebtoken_verifies_what_is_minted() {
    let ring = ring("first", &[]);
    let minted = mint(&ring, "ghp_marked");
    let key = decoding_key("first");
    let mut validation = Validation::new(Algorithm::RS256);
    validation.validate_exp = false;
    validation.set_audience(&["api"]);
    let decoded = jsonwebtoken::decode::<Value>(minted.token.as_str(), &key, &validation).unwrap();
    assert_eq!(decoded.header.kid.as_deref(), Some(ring.active().public().id().as_str()));
    assert_eq!(decoded.header.typ.as_deref(), Some("JWT"));
    let claims = &decoded.claims;
    assert_eq!(
        (&claims["iat"], &claims["exp"], &claims["jti"]),
        (&json!(NOW), &json!(NOW + 60), &json!(minted.id))
    );
    assert_eq!(
        (&claims["allowed"], &claims["scopes"], &claims["aud"]),
        (&json!(["GET /user"]), &Value::Null, &json!("api"))
    );

    assert!(
        jsonwebtoken::decode::<Value>(minted.token.as_str(), &decoding_key("second"), &validation)
            .is_err()
    );
}

#[test]
fn what_jsonwebtoken_signs_is_accepted() {
    let ring = ring("first", &[]);
    let sealed = sealed(&mint(&ring, "ghp_marked").token);
    let key = |name| EncodingKey::from_rsa_der(&pkcs1(&pem(name)));
    let claims = json!({"iat": NOW, "exp": NOW + 60, "token": sealed, "allowed": ["GET /user"]});
    let mut header = Header::new(Algorithm::RS256);
    assert_eq!(
        spend(&ring, &jsonwebtoken::encode(&header, &claims, &key("first")).unwrap()).as_deref(),
        Some("ghp_marked")
    );
    assert_eq!(
        spend(&ring, &jsonwebtoken::encode(&header, &claims, &key("second")).unwrap()),
        None
    );
    header.kid = Some(ring.active().public().id().to_string());
    assert_eq!(
        spend(&ring, &jsonwebtoken::encode(&header, &claims, &key("first")).unwrap()).as_deref(),
        Some("ghp_marked")
    );
    for algorithm in [Algorithm::RS384, Algorithm::RS512, Algorithm::PS256] {
        let token = jsonwebtoken::encode(&Header::new(algorithm), &claims, &key("first")).unwrap();
        assert_eq!(spend(&ring, &token), None, "{algorithm:?}");
    }
    let hmac = EncodingKey::from_secret(ring.active().public().to_pem().as_bytes());
    assert_eq!(
        spend(
            &ring,
            &jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &hmac).unwrap()
        ),
        None
    );
}

/// P8: whatever is printed for debugging, neither the credential nor the token is in it.
#[test]
fn debug_shows_no_secret() {
    const MARKED: &str = "ghp_marked_secret_0123456789";
    let ring = ring("first", &[]);
    let minted = mint(&ring, MARKED);
    let text = minted.token.to_string();
    let scopes = Scopes::default();
    let token = Arc::new(ring.verify(&text, &context(&scopes)).unwrap());
    let target = RequestTarget::parse(b"/user", EncodedSlash::Refuse).unwrap();
    let upstream = UpstreamName::parse("api").unwrap();
    let access = AccessRequest {
        method: "GET",
        target: &target,
        upstream: &upstream,
        alias: None,
        unnamed: UnnamedTokens::Accept,
        ceiling: None,
        sender: None,
        now: UnixTime(NOW),
        parts: magicproxy_core::RequestParts::default(),
        steps: &magicproxy_core::DecisionSteps::new(),
    };
    let permit = token.authorize(&access).unwrap();
    let credential = ring.open(&permit).unwrap();
    assert_eq!(credential.configured().unwrap().expose(), MARKED);
    let mint_request = json!({"token": MARKED, "allowed": ["GET /user"]}).to_string();
    let mint_request = magicproxy_core::MintRequest::from_json(mint_request.as_bytes()).unwrap();
    let request = TokenSpec {
        credential: credential.configured().unwrap().clone(),
        source: RuleSource::Rules(vec![rule("GET /user")]),
        upstream: None,
        unnamed: UnnamedTokens::Accept,
        issued_at: UnixTime(0),
        expires_at: UnixTime(1),
        not_before: None,
        subject: None,
        explain: false,
        limit: None,
    };
    let unverified = magicproxy_core::UnverifiedToken::parse(&text).unwrap();
    let policy = Policy::compile(&[rule("GET /user")]).unwrap();
    let mut shown = vec![
        format!("{minted:?}"),
        format!("{token:?}"),
        format!("{permit:?}"),
        format!("{credential:?}"),
        format!("{mint_request:?}"),
        format!("{request:?}"),
        format!("{unverified:?}"),
        format!("{ring:?}"),
        format!("{access:?}"),
        format!("{policy:?}"),
        format!("{:?}", context(&scopes)),
        format!("{:?}", unverified.claims_for_display()),
        format!("{:#?}", token),
    ];
    // Errors, which are made of input.
    let mut broken: Vec<String> =
        vec![format!("{text}x"), format!("x{text}"), text.replace('.', "..")];
    broken.push(text[..text.len() - 4].to_owned());
    for broken in broken {
        let error = ring.verify(&broken, &context(&scopes)).unwrap_err();
        shown.push(format!("{error:?} {error}"));
    }
    for bad in [format!("{MARKED}\n"), format!("{MARKED} "), MARKED.repeat(300)] {
        let error = Credential::parse(bad.into()).unwrap_err();
        shown.push(format!("{error:?} {error}"));
    }
    for bad in [
        format!(r#"{{"token":["{MARKED}"]}}"#),
        format!(r#"{{"allowed":7,"{MARKED}":1}}"#),
        format!(r#"{{"token":"{MARKED}""#),
        format!(r#"["{MARKED}"]"#),
        format!(r#""{MARKED}""#),
        format!(r#"{{"expires_in":"{MARKED}","token":"a"}}"#),
        format!(r#"{{"token":"{MARKED}","token":"{MARKED}"}}"#),
        format!(r#"{{"token":{{"{MARKED}":1}}}}"#),
    ] {
        let faults = magicproxy_core::MintRequest::from_json(bad.as_bytes()).unwrap_err();
        faults.iter().for_each(|fault| shown.push(format!("{fault:?} {fault}")));
    }
    let parts: Vec<&str> = text.split('.').collect();
    let sealed = sealed(&text);
    for shown in &shown {
        for secret in [MARKED, text.as_str(), parts[1], parts[2], sealed.as_str()] {
            assert!(!shown.contains(secret), "{secret} in {shown}");
        }
    }
}
