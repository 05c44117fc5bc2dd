//! Tokens that are accepted.

use super::*;

impl Maker<'_> {
    pub(super) fn accepted_case(
        &self,
        name: &str,
        header: &str,
        claims: &Claims,
        more: Value,
    ) -> Value {
        let mut case = json!({
            "name": name, "token": self.token(header, claims), "accepted": {"id": "test-1", "issued_at": NOW - 10, "expires_at": NOW + 3600,
            "not_before": null, "upstream": "api", "explain": false, "rules": ["GET /user"]}, "credential": "ghp_ordinary",
        });
        for (member, value) in more.as_object().unwrap() {
            let is_accepted = ["labels", "owner"].contains(&member.as_str())
                || case["accepted"].get(member).is_some();
            let place = if is_accepted { &mut case["accepted"] } else { &mut case };
            place[member] = value.clone();
        }
        case
    }

    pub(super) fn accepted(&self) -> Vec<Value> {
        let kid = format!(r#"{{"alg":"RS256","typ":"JWT","kid":"{}"}}"#, thumbprint("first"));
        let plain = self.ordinary();
        let python = plain.clone().without("jti").without("aud");
        let python_scopes =
            python.clone().without("allowed").with("scopes", r#"["read","issues"]"#);
        let owner =
            Partition::of(&[b"token", b"v1", self.sealed.text("oaep").as_bytes()]).to_string();
        let all = json!(["GET /user", "GET /repos/.+/issues", "POST /repos/.+/issues"]);
        let ok = |name: &str, claims: Claims, more: Value| {
            self.accepted_case(name, HEADER, &claims, more)
        };
        vec![
            ok("ordinary", plain.clone(), json!({})),
            self.accepted_case("with kid", &kid, &plain, json!({})),
            self.accepted_case(
                "blanks in the header's JSON",
                "{ \"typ\" : \"JWT\",\n\"alg\" : \"RS256\" }\n",
                &plain,
                json!({}),
            ),
            self.accepted_case(
                "escapes in the header's JSON",
                r#"{"t\u0079p":"J\u0057T","alg":"RS256"}"#,
                &plain,
                json!({}),
            ),
            ok("as the Python program writes it", python, json!({"id": null, "upstream": null})),
            ok(
                "scopes, as the Python program writes them",
                python_scopes,
                json!({"id": null, "upstream": null, "rules": all}),
            ),
            ok(
                "a scope twice",
                plain.clone().without("allowed").with("scopes", r#"["read","read"]"#),
                json!({"rules": ["GET /user"]}),
            ),
            ok("scopes absent", plain.clone().without("scopes"), json!({})),
            ok("scopes empty beside allowed", plain.clone().with("scopes", "[]"), json!({})),
            ok("explain", plain.clone().with("explain", "true"), json!({"explain": true})),
            ok(
                "sub",
                plain.clone().with("sub", r#""ci/agent-7""#),
                json!({"labels": ["ci/agent-7"]}),
            ),
            ok(
                "sub where one is wanted",
                plain.clone().with("sub", r#""ci""#),
                json!({"labels": ["ci"], "require_sub": true}),
            ),
            ok("explain false", plain.clone().with("explain", "false"), json!({})),
            ok(
                "nbf in the past",
                plain.clone().with("nbf", NOW - 5),
                json!({"not_before": NOW - 5}),
            ),
            ok(
                "nbf within the leeway",
                plain.clone().with("nbf", NOW + 30),
                json!({"not_before": NOW + 30}),
            ),
            ok(
                "iat within the leeway",
                plain.clone().with("iat", NOW + 30),
                json!({"issued_at": NOW + 30}),
            ),
            ok(
                "exp within the leeway",
                plain.clone().with("exp", NOW - 9),
                json!({"expires_at": NOW - 9}),
            ),
            ok(
                "exp in the last second",
                plain.clone().with("iat", NOW - 40).with("exp", NOW - 29),
                json!({"issued_at": NOW - 40, "expires_at": NOW - 29}),
            ),
            ok(
                "lives 3660 days",
                plain.clone().with("exp", NOW - 10 + LONGEST),
                json!({"expires_at": NOW - 10 + LONGEST}),
            ),
            ok(
                "lived nearly 3660 days",
                plain.clone().with("iat", NOW + 3600 - LONGEST),
                json!({"issued_at": NOW + 3600 - LONGEST}),
            ),
            ok("as long as the operator accepts", plain.clone(), json!({"max_lifetime": 3610})),
            ok("sealed", plain.clone().hidden(), json!({"owner": owner})),
            ok("token, of the same owner as sealed", plain.clone(), json!({"owner": owner})),
            ok(
                "sealed, as a narrowed token has it",
                plain.clone().hidden().with("caveats", r#"[{"sub":"agent"}]"#),
                json!({"owner": owner, "labels": ["agent"]}),
            ),
            ok(
                "sealed with nbf",
                plain.clone().hidden().with("nbf", NOW - 5),
                json!({"owner": owner, "not_before": NOW - 5}),
            ),
            ok(
                "sealed without aud and jti",
                plain.clone().hidden().without("jti").without("aud"),
                json!({"owner": owner, "id": null, "upstream": null}),
            ),
            // No writer may, and every reader must: nothing that is read here restricts less for it.
            ok(
                "token beside caveats",
                plain.clone().with("caveats", r#"[{"sub":"agent"}]"#),
                json!({"owner": owner, "labels": ["agent"]}),
            ),
            ok(
                "jti of 128 characters",
                plain.clone().with("jti", json!("-".repeat(128))),
                json!({"id": "-".repeat(128)}),
            ),
        ]
    }
}
