//! `token-v2.json`.

use std::collections::BTreeMap;
use std::sync::Arc;

use magicproxy_core::{
    Acceptance, AccessRequest, Caveat, Denial, EncodedSlash, Kem, KeyRing, MinterKey, PatternMode,
    PrivateKey, RawRule, RequestTarget, Rule, ScopeName, Scopes, SealedClaims, SealingKey,
    TokenVersion, UnixTime, UnnamedTokens, UnverifiedToken, UpstreamName, VerifiedToken,
    VerifyContext, VerifyError,
};
use serde::Deserialize;
use serde_json::Value;

use crate::files;

#[derive(Deserialize)]
struct File {
    now: u64,
    keys: Vec<Value>,
    minters: Vec<Value>,
    scopes: BTreeMap<String, Vec<RawRule>>,
    cases: Vec<Case>,
    narrowings: Vec<Narrowing>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    token: String,
    #[serde(default)]
    context: Context,
    refused: Option<String>,
    accepted: Option<Accepted>,
    #[serde(default)]
    decisions: Vec<Decision>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Context {
    now: Option<u64>,
    accept: Option<Vec<String>>,
    deny_kid: Vec<String>,
    kems: Option<Vec<Kem>>,
    minters_required: bool,
    require_sub: bool,
    max_lifetime: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Accepted {
    claims: Value,
    caveats: Vec<Value>,
    labels: Vec<String>,
    label: Option<String>,
    credential: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Decision {
    method: String,
    target: String,
    upstream: String,
    sender: Option<String>,
    now: u64,
    decision: String,
}

#[derive(Deserialize)]
struct Narrowing {
    token: String,
    caveat: String,
    narrowed: String,
}

#[test]
fn sealed_tokens() {
    let file: File = files::read("vectors/token-v2.json");
    assert!(file.cases.len() > 700, "{}", file.cases.len());
    let ring = ring(&file);
    let mut scopes = Scopes::default();
    for (name, rules) in &file.scopes {
        scopes.insert(
            ScopeName::parse(name).unwrap(),
            Rule::parse_list(rules, PatternMode::Whole).unwrap().try_into().unwrap(),
        );
    }
    let failures: Vec<String> =
        file.cases.iter().filter_map(|case| run(case, &file, &ring, &scopes).err()).collect();
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn narrowings() {
    let file: File = files::read("vectors/token-v2.json");
    for Narrowing { token, caveat, narrowed } in &file.narrowings {
        assert_eq!(
            *Caveat::from_json(caveat.as_bytes()).unwrap().append_to(token).unwrap(),
            *narrowed
        );
    }
}

fn ring(file: &File) -> KeyRing {
    let signing = PrivateKey::from_pem(
        &std::fs::read_to_string(files::path("keys/test-only-first.pem")).unwrap(),
    )
    .unwrap();
    let sealing =
        file.keys.iter().map(|jwk| SealingKey::from_json(&jwk.to_string()).unwrap()).collect();
    KeyRing::new(signing, Vec::new()).unwrap().with_sealing(sealing).unwrap()
}

fn run(case: &Case, file: &File, ring: &KeyRing, scopes: &Scopes) -> Result<(), String> {
    let differs = |what: String| Err(format!("{}: {what}", case.name));
    let minters = if case.context.minters_required { &file.minters[..] } else { &[] };
    let only_v1 = case.context.accept.as_ref().is_some_and(|accept| *accept == ["v1"]);
    let acceptance = Acceptance {
        versions: if only_v1 { vec![TokenVersion::V1] } else { Acceptance::default().versions },
        denied_keys: case.context.deny_kid.clone(),
        minters: minters
            .iter()
            .map(|jwk| MinterKey::from_json(&jwk.to_string()).unwrap())
            .collect(),
        kems: case.context.kems.clone().unwrap_or_else(|| Kem::ALL.into()),
        require_sub: case.context.require_sub,
        max_lifetime: case.context.max_lifetime,
    };
    let now = UnixTime(case.context.now.unwrap_or(file.now));
    let context =
        VerifyContext { now, scopes, patterns: PatternMode::Whole, acceptance: &acceptance };
    match (ring.verify(&case.token, &context), &case.refused, &case.accepted) {
        (Err(error), Some(kind), None) if kind_of(&error) == kind => Ok(()),
        (Err(error), refused, _) => {
            differs(format!("refused {} ({error}), expected {refused:?}", kind_of(&error)))
        }
        (Ok(token), None, Some(accepted)) => {
            says(&case.token, &token, accepted).or_else(differs)?;
            let token = Arc::new(token);
            case.decisions
                .iter()
                .try_for_each(|decision| decide(&token, decision).or_else(differs))?;
            let opened = opened(ring, &token, now, &case.token);
            if opened != lowered(&accepted.credential) {
                differs(format!("{opened}, expected {}", accepted.credential))
            } else {
                Ok(())
            }
        }
        (Ok(_), refused, _) => differs(format!("accepted, expected {refused:?}")),
    }
}

/// The names of header fields come out in lower case.
fn lowered(credential: &Value) -> Value {
    let mut credential = credential.clone();
    if let Some(name) = credential.pointer_mut("/header/0") {
        *name = Value::String(name.as_str().unwrap().to_lowercase());
    }
    credential
}

fn says(text: &str, token: &VerifiedToken, accepted: &Accepted) -> Result<(), String> {
    let labels: Vec<String> = token.labels().iter().map(ToString::to_string).collect();
    if token.label() != accepted.label.as_deref() {
        return Err(format!("{:?}, expected {:?}", token.label(), accepted.label));
    }
    let UnverifiedToken::V2(parsed) = UnverifiedToken::parse(text).unwrap() else {
        return Err("another version".to_owned());
    };
    let claims = serde_json::to_value(parsed.claims()).unwrap();
    // One value is written in one way, whichever way it was read: `744h` as `31d`.
    let expected: SealedClaims = serde_json::from_value(accepted.claims.clone()).unwrap();
    if labels != accepted.labels
        || claims != serde_json::to_value(expected).unwrap()
        || token.caveats() != accepted.caveats.len()
    {
        return Err(format!(
            "{labels:?} {claims}, expected {:?} {}",
            accepted.labels, accepted.claims
        ));
    }
    Ok(())
}

fn decide(token: &Arc<VerifiedToken>, decision: &Decision) -> Result<(), String> {
    let target = RequestTarget::parse(decision.target.as_bytes(), EncodedSlash::Refuse).unwrap();
    let upstream = UpstreamName::parse(&decision.upstream).unwrap();
    let access = AccessRequest {
        method: &decision.method,
        target: &target,
        upstream: &upstream,
        alias: None,
        unnamed: UnnamedTokens::Refuse,
        ceiling: None,
        sender: decision.sender.as_ref().map(|address| address.parse().unwrap()),
        now: UnixTime(decision.now),
        parts: magicproxy_core::RequestParts::default(),
        steps: &magicproxy_core::DecisionSteps::new(),
    };
    let found = match token.authorize(&access) {
        Ok(_) => "allowed",
        Err(Denial::Expired) => "expired",
        Err(Denial::KeyEnded) => "key_ended",
        Err(Denial::NotYetValid) => "not_yet_valid",
        Err(Denial::WrongUpstream { .. }) => "wrong_upstream",
        Err(Denial::WrongSender) => "wrong_sender",
        Err(Denial::NotAllowed) => "not_allowed",
        Err(Denial::BeyondCaveat) => "beyond_caveat",
        Err(Denial::BeyondCeiling) => "beyond_ceiling",
        Err(Denial::Unknown(reason)) => reason.code(),
        Err(Denial::TooCostly) => "decision_too_costly",
    };
    let Decision { method, target, now, .. } = decision;
    if found == decision.decision {
        Ok(())
    } else {
        Err(format!("{method} {target} at {now}: {found}, expected {}", decision.decision))
    }
}

/// The credential, by way of a token that was made wide and lively enough for one request: the same claims without caveats
/// need not allow any. What is opened does not depend on the request.
fn opened(ring: &KeyRing, token: &Arc<VerifiedToken>, now: UnixTime, text: &str) -> Value {
    let upstream = token.upstream().unwrap();
    for target in ["/user", "/a/1", "/b/1", "/a", "/a/b/c", "/caf%C3%A9", "/a/b/%EF%BF%BF"] {
        for (method, sender) in [
            ("GET", None),
            ("GET", Some("192.0.2.1")),
            ("PUT", None),
            ("POST", None),
            ("PATCH", None),
        ] {
            let target = RequestTarget::parse(target.as_bytes(), EncodedSlash::Refuse).unwrap();
            let sender = sender.map(|address: &str| address.parse().unwrap());
            for now in [now, UnixTime(now.0 + 1)] {
                let access = AccessRequest {
                    method,
                    target: &target,
                    upstream,
                    alias: None,
                    unnamed: UnnamedTokens::Refuse,
                    ceiling: None,
                    sender,
                    now,
                    parts: magicproxy_core::RequestParts::default(),
                    steps: &magicproxy_core::DecisionSteps::new(),
                };
                if let Ok(permit) = token.authorize(&access) {
                    return serde_json::from_str(&ring.open(&permit).unwrap().to_json()).unwrap();
                }
            }
        }
    }
    // Nothing is allowed (any more): there is no permit to open with.
    assert!(text.split('.').count() > 3, "a token without caveats allows something");
    serde_json::json!({"secret": "ghp_ordinary"})
}

fn kind_of(error: &VerifyError) -> &'static str {
    match error {
        VerifyError::Malformed | VerifyError::OldForm => "malformed",
        VerifyError::TooLong => "too_long",
        VerifyError::UnknownKey(_) | VerifyError::RetiredKey | VerifyError::DeniedOrigin => {
            "unknown_key"
        }
        VerifyError::Claims(_) => "claims",
        VerifyError::Expired => "expired",
        VerifyError::NotYetValid => "not_yet_valid",
        VerifyError::Lifetime => "lifetime",
        VerifyError::UnknownScope(_) => "unknown_scope",
        VerifyError::Rule(_) | VerifyError::Policy(_) => "rule",
        VerifyError::Seal => "seal",
        VerifyError::Tag => "tag",
        VerifyError::Caveat(_) => "caveat",
        VerifyError::Credential(_) => "credential",
        VerifyError::Minter => "minter",
        VerifyError::Version(_) => "version",
        VerifyError::Kem(_) => "kem",
        VerifyError::Header | VerifyError::Signature => "of version 1",
    }
}
