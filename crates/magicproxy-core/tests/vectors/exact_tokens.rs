//! Cases of version 1 for what readers of the specification stumbled over: exact bounds, JSON to the letter, and which refusal
//! wins where a token has two faults.

use magicproxy_core::state::Partition;
use serde_json::{Value, json};

use super::{Claims, HEADER, LONGEST, Maker, NOW, base64url, refused};
use crate::exact_rules::{BAD, DEEP, MISSHAPEN, UNKNOWN_MEMBERS, is_stateful};

impl Maker<'_> {
    pub(super) fn exact(&self) -> Vec<Value> {
        [self.exact_json(), self.exact_rules(), self.two_faults()].concat()
    }

    fn case(&self, name: &str, claims: &Claims, kind: &str) -> Value {
        refused(name, &self.token(HEADER, claims), kind)
    }

    fn exact_json(&self) -> Vec<Value> {
        let plain = || self.ordinary();
        let scoped = |names: Value| plain().without("allowed").with("scopes", names);
        let ok = |name: &str, claims: Claims, more: Value| {
            self.accepted_case(name, HEADER, &claims, more)
        };
        let escaped = Claims(
            plain()
                .0
                .into_iter()
                .map(|(name, raw)| (if name == "jti" { r"\u006ati" } else { name }, raw))
                .collect(),
        );
        // What is digested is the text, however JSON writes it.
        let ciphertext = self.sealed.text("oaep");
        let owner = Partition::of(&[b"token", b"v1", ciphertext.as_bytes()]);
        assert!(ciphertext.contains('/'), "without one there is nothing to escape");
        let slashes = plain().with("token", format!("\"{}\"", ciphertext.replace('/', r"\/")));
        let mut cases = vec![
            ok("a name in escapes", escaped, json!({})),
            ok(
                "white space between all tokens",
                plain().with("allowed", "[ \"GET /user\"\t]\r\n "),
                json!({}),
            ),
            ok(
                "any method",
                plain().with("allowed", r#"["* /user"]"#),
                json!({"rules": ["* /user"]}),
            ),
            ok("the sealed credential with escapes", slashes, json!({"owner": owner.to_string()})),
            self.case(
                "one method, twice",
                &plain().with("allowed", r#"["GET|GET /user"]"#),
                "claims",
            ),
            ok("nbf zero", plain().with("nbf", 0), json!({"not_before": 0})),
            ok("1,000 scopes", scoped(json!(vec!["read"; 1000])), json!({})),
            ok(
                "a life of one second",
                plain().with("exp", NOW - 9),
                json!({"expires_at": NOW - 9}),
            ),
            self.case("1,001 scopes", &scoped(json!(vec!["read"; 1001])), "claims"),
            self.case("a scope that is a number", &scoped(json!(["read", 1])), "claims"),
            self.case("a scope in another case", &scoped(json!(["Read"])), "unknown_scope"),
            self.case("a scope with a blank", &scoped(json!(["re ad"])), "unknown_scope"),
            self.case(
                "a rule with a lone surrogate",
                &plain().with("allowed", r#"["GET /\ud800"]"#),
                "claims",
            ),
            self.case(
                "a rule with surrogates in the wrong order",
                &plain().with("allowed", r#"["GET /\udc00\ud800"]"#),
                "claims",
            ),
            self.case("a name with a lone surrogate", &plain().with(r"\udfff", "1"), "claims"),
            self.case("rules nested deep", &plain().with("allowed", DEEP.as_str()), "claims"),
            self.case(
                "nbf at the end of time",
                &plain().with("nbf", 253_402_300_799_u64),
                "not_yet_valid",
            ),
            self.case(
                "nbf beyond the end of time",
                &plain().with("nbf", 253_402_300_800_u64),
                "claims",
            ),
            self.case(
                "iat beyond the end of time",
                &plain().with("iat", 253_402_300_800_u64),
                "claims",
            ),
        ];
        for raw in [
            "-0",
            "00",
            "01790000000",
            "1790000000.0",
            "1.79e9",
            "1E3",
            "0x10",
            "1_000",
            "9007199254740992",
            "1e400",
        ] {
            cases.push(self.case(&format!("nbf {raw}"), &plain().with("nbf", raw), "claims"));
        }
        cases
    }

    /// Version 1 holds plain rules as texts, so an object of the right form is refused where it says nothing of state.
    fn exact_rules(&self) -> Vec<Value> {
        let with = |rule: &str| self.ordinary().with("allowed", format!("[{rule}]"));
        let mut cases: Vec<Value> = MISSHAPEN
            .iter()
            .map(|rule| self.case(&format!("rule {rule}"), &with(rule), "claims"))
            .collect();
        cases.extend(
            UNKNOWN_MEMBERS
                .iter()
                .map(|rule| self.case(&format!("unknown_member {rule}"), &with(rule), "claims")),
        );
        cases.extend(BAD.iter().map(|rule| {
            let plain_object = rule.starts_with('{') && !is_stateful(rule);
            let text_of_version_2 =
                rule.starts_with('"') && (rule.contains('|') || rule.contains("route:"));
            let kind = if plain_object || text_of_version_2 { "claims" } else { "rule" };
            self.case(&format!("rule {rule}"), &with(rule), kind)
        }));
        cases
    }

    fn two_faults(&self) -> Vec<Value> {
        let plain = || self.ordinary();
        let over = || plain().with("iat", NOW - 100).with("exp", NOW - 50);
        let wanting_sub = |name: &str, claims: &Claims, kind: &str| {
            let mut case = self.case(name, claims, kind);
            case["require_sub"] = json!(true);
            case
        };
        let other_header = r#"{"typ":"JWT","alg":"RS256","kid":"AAAA"}"#;
        let unsigned = |claims: &str| {
            format!("{}.{}.{}", base64url(HEADER), base64url(claims), base64url([0; 256]))
        };
        let short_key = format!("{}.{}.AA", base64url(other_header), base64url(plain().json()));
        vec![
            refused("an unknown key, and a signature of one byte", &short_key, "unknown_key"),
            refused(
                "a header with a fault, and claims with one",
                &self.signed_text(&format!("{}.e30", base64url("{}"))),
                "header",
            ),
            refused("no valid signature, and claims that are no JSON", &unsigned("{"), "signature"),
            self.case("expired, and a jti with a dot", &over().with("jti", r#""a.b""#), "claims"),
            self.case(
                "expired, and an aud with a blank",
                &over().with("aud", r#""a b""#),
                "claims",
            ),
            self.case(
                "expired, and neither allowed nor scopes",
                &over().without("allowed"),
                "claims",
            ),
            self.case(
                "expired, and a rule with an unknown member",
                &over().with("allowed", r#"[{"a":1}]"#),
                "claims",
            ),
            self.case(
                "expired, and a caveat without a member",
                &over().with("caveats", "[{}]"),
                "claims",
            ),
            self.case(
                "expired, and a life that is too long",
                &over().with("iat", NOW - 51 - LONGEST),
                "lifetime",
            ),
            self.case("expired, and not yet valid", &over().with("nbf", NOW + 100), "expired"),
            self.case(
                "not yet valid, and a life that is too long",
                &plain().with("nbf", NOW + 100).with("exp", NOW + LONGEST),
                "lifetime",
            ),
            wanting_sub("expired, and no label where one is wanted", &over(), "expired"),
            wanting_sub(
                "no label where one is wanted, and a rule with a fault",
                &plain().with("allowed", r#"["GET user"]"#),
                "claims",
            ),
            self.case(
                "expired, and a rule with a fault",
                &over().with("allowed", r#"["GET user"]"#),
                "expired",
            ),
            self.case(
                "expired, and an unknown scope",
                &over().without("allowed").with("scopes", r#"["a"]"#),
                "expired",
            ),
            self.case(
                "an unknown scope, and a caveat whose rule has a fault",
                &plain()
                    .hidden()
                    .without("allowed")
                    .with("scopes", r#"["a"]"#)
                    .with("caveats", r#"[{"allowed":["GET user"]}]"#),
                "unknown_scope",
            ),
            self.case(
                "a caveat whose rule has a fault",
                &plain().hidden().with("caveats", r#"[{"allowed":["GET user"]}]"#),
                "rule",
            ),
        ]
    }
}
