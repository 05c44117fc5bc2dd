//! `token-v1.json`.

use std::collections::BTreeMap;
use std::sync::Arc;

use magicproxy_core::{
    Acceptance, AccessRequest, EncodedSlash, KeyRing, OpenError, PatternMode, PrivateKey, RawRule,
    RequestTarget, Rule, ScopeName, Scopes, TypedCredential, UnixTime, UnnamedTokens, UpstreamName,
    VerifiedToken, VerifyContext, VerifyError,
};
use serde::Deserialize;

use crate::files;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "specification")]
    _specification: String,
    #[serde(rename = "note")]
    _note: String,
    now: u64,
    keys: Vec<String>,
    jwks: Vec<serde_json::Value>,
    scopes: BTreeMap<String, Vec<RawRule>>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    token: String,
    max_lifetime: Option<u64>,
    #[serde(default)]
    require_sub: bool,
    refused: Option<String>,
    accepted: Option<Accepted>,
    credential: Option<String>,
    open: Option<String>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Accepted {
    /// Null: some other name that the token gets.
    id: Option<String>,
    issued_at: u64,
    expires_at: u64,
    not_before: Option<u64>,
    upstream: Option<String>,
    explain: bool,
    rules: Vec<String>,
    #[serde(default)]
    labels: Vec<String>,
    owner: Option<String>,
}

#[test]
fn tokens() {
    let file: File = files::read("vectors/token-v1.json");
    assert!(file.cases.len() > 400);
    let mut keys = file.keys.iter().map(|name| {
        PrivateKey::from_pem(&std::fs::read_to_string(files::path(name)).unwrap()).unwrap()
    });
    let ring = KeyRing::new(keys.next().unwrap(), keys.collect()).unwrap();
    // What strangers have of the ring is the ring.
    let ids = file.jwks.iter().map(|jwk| jwk["kid"].as_str().unwrap());
    assert_eq!(ids.collect::<Vec<_>>(), [ring.active().public().id().as_str()]);
    let mut scopes = Scopes::default();
    for (name, rules) in &file.scopes {
        scopes.insert(
            ScopeName::parse(name).unwrap(),
            Rule::parse_list(rules, PatternMode::Whole).unwrap().try_into().unwrap(),
        );
    }
    let context = VerifyContext {
        now: UnixTime(file.now),
        scopes: &scopes,
        patterns: PatternMode::Whole,
        acceptance: &Acceptance::default(),
    };
    let failures: Vec<String> =
        file.cases.iter().filter_map(|case| run(case, &ring, context).err()).collect();
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

fn run(case: &Case, ring: &KeyRing, context: VerifyContext<'_>) -> Result<(), String> {
    let differs = |what: String| Err(format!("{}: {what}", case.name));
    let acceptance = Acceptance {
        max_lifetime: case.max_lifetime,
        require_sub: case.require_sub,
        ..Acceptance::default()
    };
    let context = VerifyContext { acceptance: &acceptance, ..context };
    match (ring.verify(&case.token, &context), &case.refused, &case.accepted) {
        (Err(error), Some(kind), None) if kind_of(&error) == kind => Ok(()),
        (Err(error), refused, _) => {
            differs(format!("refused {} ({error}), expected {refused:?}", kind_of(&error)))
        }
        (Ok(token), None, Some(accepted)) => {
            let found = describe(&token, accepted);
            if found != *accepted {
                return differs(format!("{found:?}, expected {accepted:?}"));
            }
            open(case, ring, token, context.now)
        }
        (Ok(_), refused, _) => differs(format!("accepted, expected {refused:?}")),
    }
}

fn describe(token: &VerifiedToken, expected: &Accepted) -> Accepted {
    Accepted {
        id: expected.id.as_ref().map(|_| token.id().to_owned()),
        issued_at: token.issued_at().0,
        expires_at: token.expires_at().0,
        not_before: token.not_before().map(|time| time.0),
        upstream: token.upstream().map(ToString::to_string),
        explain: token.explains(),
        rules: token.policy().rules().map(ToString::to_string).collect(),
        labels: token.labels().iter().map(ToString::to_string).collect(),
        owner: expected.owner.as_ref().map(|_| token.owner().to_string()),
    }
}

fn open(case: &Case, ring: &KeyRing, token: VerifiedToken, now: UnixTime) -> Result<(), String> {
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
        now,
        parts: magicproxy_core::RequestParts::default(),
        steps: &magicproxy_core::DecisionSteps::new(),
    };
    let permit =
        Arc::new(token).authorize(&access).map_err(|denial| format!("{}: {denial}", case.name))?;
    match (ring.open(&permit), case.credential.as_deref(), case.open.as_deref()) {
        (Ok(TypedCredential::Configured(credential)), Some(expected), None)
            if credential.expose() == expected =>
        {
            Ok(())
        }
        (Err(OpenError::Sealed), None, Some("sealed"))
        | (Err(OpenError::Credential(_)), None, Some("credential")) => Ok(()),
        (found, _, _) => Err(format!(
            "{}: {:?}, expected {:?} {:?}",
            case.name,
            found.err(),
            case.credential,
            case.open
        )),
    }
}

fn kind_of(error: &VerifyError) -> &'static str {
    match error {
        VerifyError::Malformed => "malformed",
        VerifyError::TooLong => "too_long",
        VerifyError::Header => "header",
        VerifyError::UnknownKey(_) | VerifyError::RetiredKey | VerifyError::DeniedOrigin => {
            "unknown_key"
        }
        VerifyError::Signature => "signature",
        VerifyError::Claims(_) => "claims",
        VerifyError::Expired => "expired",
        VerifyError::NotYetValid => "not_yet_valid",
        VerifyError::Lifetime => "lifetime",
        VerifyError::UnknownScope(_) => "unknown_scope",
        VerifyError::Rule(_) | VerifyError::Policy(_) => "rule",
        other => unreachable!("of version 2 only: {other}"),
    }
}
