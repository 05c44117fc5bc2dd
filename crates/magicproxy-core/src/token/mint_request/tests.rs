//! What is said to those who send something else than was expected.

use serde_json::{Value, json};

use super::*;
use crate::token::Caveat;

mod values;

/// Words of Rust, of its libraries and of their formats; and the secret.
const FOREIGN: [&str; 28] = [
    "ghp_marked",
    "u64",
    "i64",
    "u8",
    "f64",
    "usize",
    "sequence",
    " map",
    "struct",
    "string",
    "boolean",
    "unit",
    "tuple",
    "variant",
    "invalid type",
    "invalid value",
    "invalid length",
    "field",
    " at line",
    "serde",
    "Option",
    "Vec",
    "RawRule",
    "Members",
    "enum",
    "null,",
    "floating",
    "deserial",
];

fn full_request() -> Value {
    json!({
        "token": "ghp_marked",
        "allowed": [
            "GET /user",
            {
                "method": ["GET", "PUT"], "path": "/a", "limit": { "requests": 3, "per": "1h" },
                "grants": ["DELETE /a/{response.id}"], "receipt": true
            },
            {
                "method": "PATCH", "route": "/a/{b}", "limit": { "total": 3 },
                "list_items": {
                    "list": "rrsets", "key": ["name", "type"], "creates": { "changetype": "REPLACE" },
                    "deletes": { "changetype": "DELETE" }, "deletes_if_empty": "records", "only": { "type": ["TXT"] }, "lookup": "rrset_name={name}"
                }
            },
        ],
        "scope": "read", "scopes": ["read"], "expires_in": 3600, "aud": "api", "sub": "ci", "explain": true, "limit": { "concurrent": 2 }
    })
}

fn full_caveat() -> Value {
    json!({ "caveat": {
        "allowed": ["GET /user", { "method": "GET", "path": "/a" }, { "method": "GET", "route": "/a" }],
        "exp": 1_790_000_060_u64, "nbf": 1_790_000_000_u64, "aud": "api", "sub": "agent", "sender": { "cidr": ["192.0.2.0/24"] },
        "limit": { "total": 3 }
    } })
}

fn request_faults(json: &str) -> Option<Vec<String>> {
    let told = |faults: Vec<MintRequestFault>| faults.iter().map(ToString::to_string).collect();
    MintRequest::from_json(json.as_bytes()).err().map(told)
}

fn caveat_faults(json: &str) -> Option<Vec<String>> {
    Caveat::from_narrow_request(json.as_bytes()).err().map(|fault| vec![fault.to_string()])
}

fn caveat() -> Value {
    full_caveat().pointer("/caveat").unwrap().clone()
}

/// The claims of a version 1 token, with everything in them.
fn full_claims() -> Value {
    let allowed = full_request().pointer("/allowed/2").unwrap().clone();
    json!({
        "iat": 1_790_000_000_u64, "exp": 1_790_000_060_u64, "nbf": 1_790_000_000_u64, "token": "ghp_marked",
        "allowed": ["GET /user", allowed], "jti": "id", "aud": "api", "sub": "ci", "explain": true,
        "caveats": [caveat()]
    })
}

fn full_sealed_claims() -> Value {
    json!({
        "kid": "key", "kem": "x25519", "jti": "id", "iat": 1_790_000_000_u64, "exp": 1_790_000_060_u64, "nbf": 1_790_000_000_u64,
        "aud": "api", "sub": "ci", "allowed": ["GET /user"], "explain": true, "minter": "key"
    })
}

fn claims_faults(json: &str) -> Option<Vec<String>> {
    let told = |fault| match fault {
        crate::token::ClaimsFault::Form(faults) => faults.iter().map(ToString::to_string).collect(),
        other => vec![other.to_string()],
    };
    crate::token::claims::Claims::from_json(json.as_bytes()).err().map(told)
}

fn sealed_claims_faults(json: &str) -> Option<Vec<String>> {
    crate::token::SealedClaims::from_json(json.as_bytes())
        .err()
        .map(|fault| vec![crate::VerifyError::from(fault).to_string()])
}

fn token_caveat_faults(json: &str) -> Option<Vec<String>> {
    Caveat::from_json(json.as_bytes()).err().map(|fault| vec![fault.to_string()])
}

/// The places of all values in a document, by pointer, with the name of the innermost member.
fn places(value: &Value, pointer: &str, name: &str, found: &mut Vec<(String, String)>) {
    found.push((pointer.to_owned(), name.to_owned()));
    match value {
        Value::Object(members) => members.iter().for_each(|(member, value)| {
            // The writer's own names are told as `…` below their member.
            let known = if matches!(name, "creates" | "deletes" | "only") { name } else { member };
            places(value, &format!("{pointer}/{member}"), known, found);
        }),
        Value::Array(elements) => elements.iter().enumerate().for_each(|(at, value)| {
            places(value, &format!("{pointer}/{at}"), name, found);
        }),
        _ => {}
    }
}

/// Every member of every mint request, with every wrong kind of value: the message names the member and what to write, in our words.
#[test]
fn every_wrong_value_is_told_by_its_member() {
    let wrong = [
        json!(null),
        json!(true),
        json!(false),
        json!(7),
        json!(-1),
        json!(1.5),
        json!("text"),
        json!([]),
        json!([null]),
        json!([7]),
        json!([[]]),
        json!({}),
        json!({ "ghp_marked": 1 }),
        json!([{}]),
    ];
    let documents = [
        (full_request(), request_faults as fn(&str) -> Option<Vec<String>>),
        (full_caveat(), caveat_faults),
        (full_claims(), claims_faults),
        (full_sealed_claims(), sealed_claims_faults),
        (caveat(), token_caveat_faults),
    ];
    for (document, faults_of) in documents {
        let mut found = Vec::new();
        places(&document, "", "", &mut found);
        let mut refused = 0;
        for (pointer, name) in found {
            for value in &wrong {
                let mut changed = document.clone();
                *changed.pointer_mut(&pointer).unwrap() = value.clone();
                let Some(faults) = faults_of(&changed.to_string()) else { continue };
                refused += 1;
                let context = format!("{pointer} = {value}: {faults:?}");
                assert!(faults.iter().any(|fault| fault.contains(&name)), "{context}");
                assert!(faults.iter().all(|fault| fault.contains("expected")), "{context}");
                assert!(
                    !FOREIGN.iter().any(|word| faults.iter().any(|fault| fault.contains(word))),
                    "{context}"
                );
            }
        }
        assert!(refused > 140, "{refused}");
    }
}

#[test]
fn faults_of_the_form_are_all_told() {
    #[track_caller]
    fn check(json: &str, expected: &[&str]) {
        let found = request_faults(json).unwrap_or_default();
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(
                found.contains(expected) && !FOREIGN.iter().any(|word| found.contains(word)),
                "{found:?}, expected {expected:?}"
            );
        }
    }
    check(
        r#"{"token":"ghp_marked","expires_in":"soon"}"#,
        &["expires_in: expected a number of seconds or a text such as \"1h\""],
    );
    check(
        r#"{"token":"ghp_marked","expires_in":["1h"]}"#,
        &[
            "expires_in: expected a number of seconds or a text such as \"1h\", with `s`, `m`, `h`, `d` or `w`, got a list",
        ],
    );
    check(
        r#"{"token":7,"allowed":[{"path":1}],"explain":"yes"}"#,
        &[
            "token: expected the credential, as a text, got the number 7",
            "allowed[1].path",
            "allowed[1].method: it is missing",
            "explain: expected `true`",
        ],
    );
    check(r#"{"token":"ghp_marked","alowed":[]}"#, &["`alowed` is not known: expected `allowed`"]);
    check(r#"{"token":"ghp_marked","ghp_marked7":1}"#, &["a member is not known"]);
    check(r#"{"token":"ghp_marked","token":"ghp_marked"}"#, &["token: it is there twice"]);
    check(r#"{"allowed":"GET /user"}"#, &["token: it is missing: expected the credential"]);
    check(r#"{"token":"ghp_marked""#, &["not valid JSON"]);
    check(r#"["ghp_marked"]"#, &["expected a JSON object with `token`"]);
    check("", &["not valid JSON"]);
    check(
        r#"{"token":"ghp_marked","allowed":7}"#,
        &["allowed: expected a list of rules, or one rule"],
    );
    check(
        r#"{"token":"ghp_marked","allowed":[7]}"#,
        &["allowed[1]: expected a rule: `GET /pattern`"],
    );
    check(r#"{"token":"ghp_marked","limit":{"total":0}}"#, &["limit: expected a number from 1 to"]);
    check(
        r#"{"token":"ghp_marked","limit":{"requests":3,"per":"1y"}}"#,
        &["limit.per: expected a length of time"],
    );
    check(r#"{"token":"ghp_marked","limit":{"requests":3}}"#, &["limit: expected exactly one of"]);
}

/// Of whatever kind they are, in a mint request of the longest length: those that are told, and no search for more.
#[test]
fn of_many_faults_the_first_twenty_are_told() {
    let many =
        |piece: &dyn Fn(usize) -> String| (0..5_000).map(piece).collect::<Vec<_>>().join(",");
    let item = |creates: &str| {
        format!(
            r#"[{{"method":"PUT","path":"/a","list_items":{{"list":"a","key":"b","creates":{{{creates}}}}}}}]"#
        )
    };
    for json in [
        format!(r#"{{{}}}"#, many(&|at| format!(r#""x{at}":1"#))),
        format!(r#"{{{}}}"#, many(&|_| r#""token":"a""#.to_owned())),
        format!(r#"{{"token":"a","allowed":[{}]}}"#, many(&|_| "{}".to_owned())),
        format!(r#"{{"token":"a","allowed":[{}]}}"#, many(&|_| "7".to_owned())),
        format!(r#"{{"token":"a","allowed":{}}}"#, item(&many(&|_| r#""a":"b""#.to_owned()))),
        format!(r#"{{"token":"a","allowed":{}}}"#, item(&many(&|at| format!(r#""{at}":7"#)))),
    ] {
        assert_eq!(request_faults(&json).unwrap().len(), 20, "{}", &json[..80]);
    }
}

/// A list of one may be written without the list, and a length of time as people say it.
#[test]
fn short_forms_are_the_long_ones() {
    #[track_caller]
    fn check(short: &str, long: &str) {
        let read = |json: &str| {
            let MintRequest { allowed, scopes, expires_in, .. } =
                MintRequest::from_json(json.as_bytes()).unwrap();
            format!("{allowed:?} {scopes:?} {expires_in:?}")
        };
        assert_eq!(read(short), read(long));
    }
    check(r#"{"token":"a","allowed":"GET /user"}"#, r#"{"token":"a","allowed":["GET /user"]}"#);
    check(
        r#"{"token":"a","allowed":{"method":"GET","path":"/a"}}"#,
        r#"{"token":"a","allowed":[{"method":"GET","path":"/a"}]}"#,
    );
    check(r#"{"token":"a","scopes":"read"}"#, r#"{"token":"a","scopes":["read"]}"#);
    check(
        r#"{"token":"a","scope":"read","expires_in":"1h"}"#,
        r#"{"token":"a","scope":"read","expires_in":3600}"#,
    );
    check(r#"{"token":"a","expires_in":"1h 30m"}"#, r#"{"token":"a","expires_in":5400}"#);
    let grants = |grants: &str| {
        format!(r#"{{"token":"a","allowed":[{{"method":"POST","path":"/a","grants":{grants}}}]}}"#)
    };
    check(&grants(r#""GET /a/{response.id}""#), &grants(r#"["GET /a/{response.id}"]"#));
    let caveat = |caveat: &str| {
        Caveat::from_narrow_request(format!(r#"{{"caveat":{caveat}}}"#).as_bytes()).unwrap()
    };
    assert_eq!(
        caveat(r#"{"allowed":"GET|PUT route:/a/{b}","sender":{"cidr":"192.0.2.0/24"}}"#),
        caveat(
            r#"{"allowed":[{"method":["GET","PUT"],"route":"/a/{b}"}],"sender":{"cidr":["192.0.2.0/24"]}}"#
        )
    );
}

#[test]
fn a_limit_of_whole_days_is_told_in_days() {
    for (max, told) in [
        (31_622_400, "31622400 seconds (366 days),"),
        (86_400, "86400 seconds (1 day),"),
        (90_000, "90000 seconds,"),
        (1, "1 seconds,"),
    ] {
        let fault = MintRequestFault::Lifetime { max }.to_string();
        assert!(fault.contains(told), "{fault}");
    }
}

/// Names that are configured are told to whoever may know them.
#[test]
fn an_unknown_upstream_is_told_with_those_that_are_served() {
    let name = |text: &str| UpstreamName::parse(text).unwrap();
    let told = |known| MintRequestFault::Upstream { known }.to_string();
    assert!(told(Some(vec![name("api"), name("dns")])).ends_with("; served here: `api`, `dns`"));
    assert!(told(None).ends_with("the upstream that the token is for"));
}
