//! What is said of a value that has the right kind and is not accepted.

use serde::Deserialize;
use serde_json::Value;

use super::{
    caveat, caveat_faults, claims_faults, full_claims, full_request, full_sealed_claims,
    request_faults,
};
use crate::json::UniqueValue;
use crate::json::form::{Form, FormFaultKind, Kind, Member, Presence, ValueFault};

type FaultsOf = fn(&str) -> Option<Vec<String>>;

fn narrowing(document: &str) -> Option<Vec<String>> {
    caveat_faults(&format!(r#"{{"caveat":{document}}}"#))
}

fn sealed(document: &str) -> Option<Vec<String>> {
    let fault = crate::token::SealedClaims::from_json(document.as_bytes()).err()?;
    Some(vec![fault.to_string()])
}

/// A member of each document, a value that its reader refuses, and the fault.
fn refused() -> Vec<(Value, FaultsOf, &'static str, Value, ValueFault)> {
    let from = |member: &str, text: &str| {
        let (chain, owner, kid) = ("0".repeat(32), "0".repeat(64), "k".repeat(43));
        let mut origin = serde_json::json!({ "chain": chain, "owner": owner, "kid": kid });
        origin[member] = text.into();
        origin
    };
    let rule = |members: &str| {
        serde_json::from_str::<Value>(&format!(r#"[{{"method":"GET","path":"/a",{members}}}]"#))
            .unwrap()
    };
    let (mint_request, caveat, claims, sealed_claims) =
        (full_request(), caveat(), full_claims(), full_sealed_claims());
    vec![
        (sealed_claims.clone(), sealed, "kem", "X25519".into(), ValueFault::Kem),
        (mint_request.clone(), request_faults, "sub", "a b".into(), ValueFault::Label),
        (caveat.clone(), narrowing, "sub", "".into(), ValueFault::Label),
        (mint_request.clone(), request_faults, "sub", "-".into(), ValueFault::NoLabel),
        (claims.clone(), claims_faults, "sub", "-".into(), ValueFault::NoLabel),
        (caveat.clone(), narrowing, "aud", "a b".into(), ValueFault::Upstream),
        (sealed_claims, sealed, "aud", "".into(), ValueFault::Upstream),
        (mint_request.clone(), request_faults, "expires_in", "soon".into(), ValueFault::ExpiresIn),
        (
            caveat.clone(),
            narrowing,
            "sender",
            serde_json::json!({ "cidr": "10.0.0.1/8" }),
            ValueFault::Network,
        ),
        (caveat.clone(), narrowing, "from", from("chain", "0"), ValueFault::OriginChain),
        (caveat.clone(), narrowing, "from", from("owner", "0"), ValueFault::OriginOwner),
        (caveat, narrowing, "from", from("kid", "0"), ValueFault::OriginKey),
        (
            mint_request.clone(),
            request_faults,
            "limit",
            serde_json::json!({ "total": 0 }),
            ValueFault::LimitCount,
        ),
        (
            claims,
            claims_faults,
            "allowed",
            rule(r#""limit":{"total":1000000001}"#),
            ValueFault::LimitCount,
        ),
        (
            mint_request.clone(),
            request_faults,
            "limit",
            serde_json::json!({ "requests": 1, "per": "1y" }),
            ValueFault::LimitPeriod,
        ),
        (
            mint_request.clone(),
            request_faults,
            "limit",
            serde_json::json!({ "total": 1, "concurrent": 1 }),
            ValueFault::LimitKind,
        ),
        (mint_request, request_faults, "allowed", rule(r#""receipt":false"#), ValueFault::Receipt),
    ]
}

#[test]
fn a_value_that_is_not_accepted_is_told_in_the_words_of_its_reader() {
    for (mut document, faults_of, member, value, fault) in refused() {
        document[member] = value;
        assert_eq!(faults_of(&document.to_string()), Some(vec![fault.to_string()]), "{document}");
    }
}

/// A message of another crate names Rust's types, and may repeat the text: it is never taken for one of a reader of ours.
#[test]
fn no_message_of_another_reader_is_told() {
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Read {
        #[expect(dead_code, reason = "read, and looked at by nobody")]
        address: std::net::IpAddr,
        #[serde(default)]
        #[expect(dead_code, reason = "read, and looked at by nobody")]
        body: Option<UniqueValue>,
    }
    static ANY: Form = Form { expected: "anything", kind: Kind::Any };
    static FORM: Form = Form {
        expected: "an object with `address`",
        kind: Kind::Object(&[
            Member::new("address", &ANY, Presence::Needed),
            Member::new("body", &ANY, Presence::Optional),
        ]),
    };
    let kind = |json: &str| {
        let faults = FORM.read::<Read>(json.as_bytes()).unwrap_err();
        faults.iter().map(|fault| fault.kind().clone()).collect::<Vec<_>>()
    };
    for foreign in [r#""ghp_marked""#, "7", "[]", "null", r#"{"address":1}"#] {
        let json = format!(r#"{{"address":{foreign}}}"#);
        assert_eq!(kind(&json), [FormFaultKind::Whole("an object with `address`")], "{json}");
    }
    let twice = r#"{"address":"192.0.2.1","body":{"a":1,"a":2}}"#;
    assert_eq!(kind(twice), [FormFaultKind::Value(ValueFault::RepeatedName)]);
    assert_eq!(kind(r#"{"address""#), [FormFaultKind::Syntax { line: 1, column: 10 }]);
}
