//! Headers and signatures that are refused.

use super::*;

impl Maker<'_> {
    pub(super) fn headers(&self) -> Vec<Value> {
        let claims = self.ordinary();
        let h = |name: &str, header: &str| refused(name, &self.token(header, &claims), "header");
        let first = thumbprint("first");
        let with = |member: &str| format!(r#"{{"typ":"JWT","alg":"RS256",{member}}}"#);
        let none =
            format!("{}.{}.", base64url(r#"{"typ":"JWT","alg":"none"}"#), base64url(claims.json()));
        let public = PrivateKey::from_pem(&pem("first")).unwrap().public().to_pem();
        let stranger =
            |header: &str| self.signed(&self.second, &RSA_PKCS1_SHA256, header, &claims.json());
        vec![
            refused("alg none", &none, "header"),
            h("alg none, signed", r#"{"typ":"JWT","alg":"none"}"#),
            h("alg NONE", r#"{"typ":"JWT","alg":"NONE"}"#),
            refused("alg HS256 by the public key's PEM", &Self::hmac(&public, &claims), "header"),
            refused(
                "alg RS512",
                &self.signed(
                    &self.first,
                    &RSA_PKCS1_SHA512,
                    r#"{"typ":"JWT","alg":"RS512"}"#,
                    &claims.json(),
                ),
                "header",
            ),
            refused("alg PS256", &self.pss(PS256_HEADER), "header"),
            refused("PS256's signature", &self.pss(HEADER), "signature"),
            h("alg PS256, signed by RS256", r#"{"typ":"JWT","alg":"PS256"}"#),
            h("alg rs256", r#"{"typ":"JWT","alg":"rs256"}"#),
            h("alg with a blank", r#"{"typ":"JWT","alg":"RS256 "}"#),
            h("alg empty", r#"{"typ":"JWT","alg":""}"#),
            h("alg null", r#"{"typ":"JWT","alg":null}"#),
            h("alg a list", r#"{"typ":"JWT","alg":["RS256"]}"#),
            h("alg missing", r#"{"typ":"JWT"}"#),
            h("alg twice", r#"{"typ":"JWT","alg":"RS256","alg":"none"}"#),
            h("alg twice, escaped", r#"{"typ":"JWT","alg":"RS256","al\u0067":"RS256"}"#),
            h("Alg", r#"{"typ":"JWT","alg":"RS256","Alg":"none"}"#),
            h("typ missing", r#"{"alg":"RS256"}"#),
            h("typ null", r#"{"typ":null,"alg":"RS256"}"#),
            h("typ jwt", r#"{"typ":"jwt","alg":"RS256"}"#),
            h("typ at+jwt", r#"{"typ":"at+jwt","alg":"RS256"}"#),
            h("typ twice", r#"{"typ":"JWT","alg":"RS256","typ":"JWT"}"#),
            h("crit", &with(r#""crit":["exp"]"#)),
            h("crit empty", &with(r#""crit":[]"#)),
            h("b64", &with(r#""b64":false,"crit":["b64"]"#)),
            h("b64 true", &with(r#""b64":true"#)),
            h("jku", &with(r#""jku":"https://evil.example/jwks.json""#)),
            h("jwk", &with(r#""jwk":{"kty":"RSA","e":"AQAB","n":"AQ"}"#)),
            h("x5u", &with(r#""x5u":"https://evil.example/x""#)),
            h("x5c", &with(r#""x5c":["AA=="]"#)),
            h("x5t", &with(r#""x5t":"AA""#)),
            h("zip", &with(r#""zip":"DEF""#)),
            h("cty", &with(r#""cty":"JWT""#)),
            h("unknown member", &with(r#""x":1"#)),
            h("unknown member null", &with(r#""x":null"#)),
            h("kid null", &with(r#""kid":null"#)),
            h("kid a number", &with(r#""kid":1"#)),
            h("kid twice", &with(&format!(r#""kid":"{first}","kid":"{first}""#))),
            refused("kid unknown", &self.token(&with(r#""kid":"AAAA""#), &claims), "unknown_key"),
            refused("kid empty", &self.token(&with(r#""kid":"""#), &claims), "unknown_key"),
            refused(
                "kid a file",
                &self.token(&with(r#""kid":"../../../../dev/null""#), &claims),
                "unknown_key",
            ),
            refused(
                "kid with padding",
                &self.token(&with(&format!(r#""kid":"{first}=""#)), &claims),
                "unknown_key",
            ),
            refused(
                "kid of another key",
                &stranger(&with(&format!(r#""kid":"{}""#, thumbprint("second")))),
                "unknown_key",
            ),
            refused(
                "our kid, another's signature",
                &stranger(&with(&format!(r#""kid":"{first}""#))),
                "signature",
            ),
            refused("another's signature", &stranger(HEADER), "signature"),
            refused(
                "RS512's signature",
                &self.signed(&self.first, &RSA_PKCS1_SHA512, HEADER, &claims.json()),
                "signature",
            ),
            refused("signature of zeroes", &self.forged(&[0; 256]), "signature"),
            refused("signature of ones", &self.forged(&[0xff; 256]), "signature"),
            refused("signature of one byte", &self.forged(&[0]), "signature"),
            refused("signature one byte too long", &self.forged(&[0; 257]), "signature"),
            refused("claims changed", &self.with_other_claims(), "signature"),
            h("not JSON", "typ"),
            h("empty object", "{}"),
            h("a list", r#"["JWT","RS256"]"#),
            h("a string", r#""RS256""#),
            h("null", "null"),
            h("JSON twice", &format!("{HEADER}{HEADER}")),
            h("a comma too many", r#"{"typ":"JWT","alg":"RS256",}"#),
            h("byte order mark", &format!("\u{feff}{HEADER}")),
            h("a comment", r#"{"typ":"JWT","alg":"RS256"}//"#),
            h("single quotes", "{'typ':'JWT','alg':'RS256'}"),
        ]
    }

    /// Such signatures are salted, so they are kept in `sealed.json` as well.
    fn pss(&self, header: &str) -> String {
        format!(
            "{}.{}.{}",
            base64url(header),
            base64url(self.ordinary().json()),
            self.sealed.text(header)
        )
    }

    fn hmac(secret: &str, claims: &Claims) -> String {
        let text =
            format!("{}.{}", base64url(r#"{"typ":"JWT","alg":"HS256"}"#), base64url(claims.json()));
        let tag =
            hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), text.as_bytes());
        format!("{text}.{}", base64url(tag))
    }

    fn forged(&self, signature: &[u8]) -> String {
        format!(
            "{}.{}.{}",
            base64url(HEADER),
            base64url(self.ordinary().json()),
            base64url(signature)
        )
    }

    fn with_other_claims(&self) -> String {
        let good = self.token(HEADER, &self.ordinary());
        let signature = good.rsplit('.').next().unwrap();
        format!(
            "{}.{}.{signature}",
            base64url(HEADER),
            base64url(self.ordinary().with("allowed", r#"["* /.*"]"#).json())
        )
    }
}
