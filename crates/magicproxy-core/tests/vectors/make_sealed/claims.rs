//! Claims that are refused.

use super::*;

impl Maker {
    pub(super) fn claims(&self) -> Vec<Value> {
        let plain = self.ordinary();
        let mut cases = Vec::new();
        let mut bad = |name: &str, claims: Claims, kind: &str| {
            cases.push(refused(name, self.token(&claims, &[]), kind))
        };
        for member in ["kid", "kem", "jti", "iat", "exp", "aud", "allowed"] {
            bad(&format!("without {member}"), plain.clone().without(member), "claims");
            bad(&format!("{member} is null"), plain.clone().with(member, "null"), "claims");
            let (_, raw) = plain.0.iter().find(|(name, _)| name == member).unwrap().clone();
            bad(&format!("{member} twice"), plain.clone().and_again(member, &raw), "claims");
        }
        for member in ["nbf", "sub", "explain", "scopes", "minter"] {
            bad(&format!("{member} is null"), plain.clone().with(member, "null"), "claims");
        }
        for raw in
            ["1790003600.0", "1.79e9", "-1", "\"1790003600\"", "true", "18446744073709551616"]
        {
            bad(&format!("exp is {raw}"), plain.clone().with("exp", raw), "claims");
            bad(&format!("iat is {raw}"), plain.clone().with("iat", raw), "claims");
        }
        for raw in [r#""""#, r#""a b""#, r#""a/b""#, "1", &format!("\"{}\"", "a".repeat(129))] {
            bad(&format!("jti is {raw}"), plain.clone().with("jti", raw), "claims");
        }
        for raw in
            [r#""""#, r#""a b""#, r#""a/b""#, r#"["api"]"#, &format!("\"{}\"", "a".repeat(256))]
        {
            bad(&format!("aud is {raw}"), plain.clone().with("aud", raw), "claims");
        }
        for raw in [
            r#""""#,
            r#""-""#,
            r#""a b""#,
            r#""a>b""#,
            r#""a,b""#,
            r#""a\\b""#,
            r#""a\"b""#,
            r#""é""#,
            r#""a\u0000""#,
            &format!("\"{}\"", "a".repeat(129)),
        ] {
            bad(&format!("sub is {raw}"), plain.clone().with("sub", raw), "claims");
        }
        bad("an unknown member", plain.clone().with("admin", "true"), "claims");
        bad("another kem than the key's", plain.clone().with("kem", r#""x-wing""#), "claims");
        bad("an unknown kem", plain.clone().with("kem", r#""p-256""#), "claims");
        bad("explain is a text", plain.clone().with("explain", r#""yes""#), "claims");
        bad("allowed and scopes", plain.clone().with("scopes", r#"["read"]"#), "claims");
        bad("no scope", plain.clone().without("allowed").with("scopes", "[]"), "claims");
        bad(
            "an unknown scope",
            plain.clone().without("allowed").with("scopes", r#"["write"]"#),
            "unknown_scope",
        );
        bad("no rule", plain.clone().with("allowed", "[]"), "rule");
        bad("a rule that says nothing", plain.clone().with("allowed", r#"["GET user"]"#), "rule");
        bad(
            "a rule without a pattern or a route",
            plain.clone().with("allowed", r#"[{"method":"GET"}]"#),
            "rule",
        );
        bad(
            "a rule with an unknown member",
            plain.clone().with("allowed", r#"[{"method":"GET","path":"/a","query":"b"}]"#),
            "claims",
        );
        bad(
            "a rule with a member twice",
            plain.clone().with("allowed", r#"[{"method":"GET","path":"/a","path":"/b"}]"#),
            "claims",
        );
        bad(
            "a rule with a null",
            plain.clone().with("allowed", r#"[{"method":"GET","path":"/a","route":null}]"#),
            "claims",
        );
        bad(
            "a rule with a limit of nothing",
            plain.clone().with("allowed", r#"[{"method":"GET","path":"/a","limit":{}}]"#),
            "claims",
        );
        bad(
            "a rule with an owner",
            plain.clone().with(
                "allowed",
                r#"[{"method":"GET","path":"/a","owner":"b","limit":{"total":1}}]"#,
            ),
            "claims",
        );
        bad(
            "a rule with a grant of nothing",
            plain.clone().with("allowed", r#"[{"method":"POST","path":"/a","grants":["GET /a"]}]"#),
            "rule",
        );
        bad("expired", plain.clone().with("iat", NOW - 100).with("exp", NOW - 30), "expired");
        bad("not yet", plain.clone().with("nbf", NOW + 31), "not_yet_valid");
        bad("minted in the future", plain.clone().with("iat", NOW + 31), "not_yet_valid");
        bad("exp is iat", plain.clone().with("iat", NOW).with("exp", NOW), "claims");
        bad(
            "exp beyond the year 9999",
            plain.clone().with("iat", 253_402_300_000_u64).with("exp", 253_402_300_800_u64),
            "claims",
        );
        bad(
            "a life that is too long",
            plain.clone().with("exp", NOW - 10 + 316_224_001),
            "lifetime",
        );
        cases
    }
}
