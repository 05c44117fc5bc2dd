//! Claims that are refused.

use super::*;

impl Maker<'_> {
    pub(super) fn claims(&self) -> Vec<Value> {
        [self.times(), self.grants(), self.names(), self.texts()].concat()
    }

    fn refused_claims(&self, name: &str, claims: &Claims) -> Value {
        refused(name, &self.token(HEADER, claims), "claims")
    }

    /// The moments, and how numbers are written.
    fn times(&self) -> Vec<Value> {
        let plain = || self.ordinary();
        let case = |name: &str, claims: Claims, kind: &str| {
            refused(name, &self.token(HEADER, &claims), kind)
        };
        let c = |name: &str, claims: Claims| self.refused_claims(name, &claims);
        let short = |name: &str| {
            let mut value = refused(name, &self.token(HEADER, &plain()), "lifetime");
            value["max_lifetime"] = json!(3609);
            value
        };
        let iat = NOW - 10;
        let exp = NOW + 3600;
        vec![
            case("expired", plain().with("iat", NOW - 100).with("exp", NOW - 50), "expired"),
            case(
                "expired as the leeway ends",
                plain().with("iat", NOW - 100).with("exp", NOW - 30),
                "expired",
            ),
            case("nbf future", plain().with("nbf", NOW + 31), "not_yet_valid"),
            case("iat future", plain().with("iat", NOW + 31), "not_yet_valid"),
            c("nbf at the end of u64", plain().with("nbf", u64::MAX)),
            short("lives longer than the operator accepts"),
            c("exp before iat", plain().with("exp", NOW - 11)),
            c("exp is iat", plain().with("exp", iat)),
            c("exp beyond the year 9999", plain().with("exp", 253_402_300_800_u64)),
            c("exp at the end of u64", plain().with("exp", u64::MAX)),
            c("exp beyond u64", plain().with("exp", "18446744073709551616")),
            c("exp string", plain().with("exp", format!("\"{exp}\""))),
            c("exp float", plain().with("exp", format!("{exp}.0"))),
            c("exp exponent", plain().with("exp", "2e9")),
            c("exp 1e999", plain().with("exp", "1e999")),
            c("exp null", plain().with("exp", "null")),
            c("exp negative", plain().with("exp", "-1")),
            c("exp true", plain().with("exp", "true")),
            c("exp a list", plain().with("exp", format!("[{exp}]"))),
            c("exp missing", plain().without("exp")),
            c("exp twice", plain().and_again("exp", exp + 1)),
            c("exp with a leading zero", plain().with("exp", format!("0{exp}"))),
            c("exp with a plus", plain().with("exp", format!("+{exp}"))),
            c("exp NaN", plain().with("exp", "NaN")),
            c("iat missing", plain().without("iat")),
            c("iat null", plain().with("iat", "null")),
            c("iat string", plain().with("iat", format!("\"{iat}\""))),
            c("iat float", plain().with("iat", format!("{iat}.5"))),
            c("iat negative", plain().with("iat", "-1")),
            c("iat minus zero", plain().with("iat", "-0")),
            c("nbf null", plain().with("nbf", "null")),
            c("nbf string", plain().with("nbf", "\"9999\"")),
            c("nbf float", plain().with("nbf", "1.0")),
            c("nbf twice", plain().with("nbf", 1).and_again("nbf", 2)),
        ]
    }

    /// The credential, and what is allowed.
    fn grants(&self) -> Vec<Value> {
        let plain = || self.ordinary();
        let case = |name: &str, claims: Claims, kind: &str| {
            refused(name, &self.token(HEADER, &claims), kind)
        };
        let c = |name: &str, claims: Claims| self.refused_claims(name, &claims);
        let sealed = json!(self.sealed.text("oaep"));
        let iat = NOW - 10;
        vec![
            c("token missing", plain().without("token")),
            c("token null", plain().with("token", "null")),
            c("token a number", plain().with("token", 1)),
            c("token null beside sealed", plain().with("sealed", &sealed).with("token", "null")),
            c("sealed null beside token", plain().with("sealed", "null")),
            c("sealed null", plain().without("token").with("sealed", "null")),
            c("sealed a number", plain().without("token").with("sealed", 1)),
            c("sealed a list", plain().without("token").with("sealed", format!("[{sealed}]"))),
            c("sealed twice", plain().hidden().and_again("sealed", &sealed)),
            c("token and sealed", plain().with("sealed", &sealed)),
            c(
                "token and sealed, which differ",
                plain().with("sealed", json!(self.sealed.text("oaep, one byte"))),
            ),
            c("token empty beside sealed", plain().hidden().with("token", r#""""#)),
            c("sealed empty beside token", plain().with("sealed", r#""""#)),
            c("Sealed", plain().without("token").with("Sealed", &sealed)),
            c("token twice", plain().and_again("token", &sealed)),
            c("allowed and scopes", plain().with("scopes", r#"["read"]"#)),
            c("neither allowed nor scopes", plain().without("allowed")),
            c("neither, scopes empty", plain().without("allowed").with("scopes", "[]")),
            c("neither member", plain().without("allowed").without("scopes")),
            c(
                "allowed null beside scopes",
                plain().with("allowed", "null").with("scopes", r#"["read"]"#),
            ),
            c("allowed a string", plain().with("allowed", r#""GET /user""#)),
            c("allowed an object", plain().with("allowed", r#"{"GET":"/user"}"#)),
            c("allowed holds null", plain().with("allowed", "[null]")),
            c("allowed holds a number", plain().with("allowed", "[1]")),
            c("allowed holds a list", plain().with("allowed", r#"[["GET","/user"]]"#)),
            c("allowed twice", plain().and_again("allowed", r#"["GET /b"]"#)),
            c(
                "a rule as an object",
                plain().with("allowed", r#"[{"method":"GET","path":"/user"}]"#),
            ),
            case(
                "lives a second longer than 3660 days",
                plain().with("exp", iat + LONGEST + 1),
                "lifetime",
            ),
            case("exp at the end of time", plain().with("exp", 253_402_300_799_u64), "lifetime"),
            case("iat zero", plain().with("iat", 0), "lifetime"),
            c(
                "a rule with a member twice",
                plain().with("allowed", r#"[{"method":"GET","path":"/a","path":"/b"}]"#),
            ),
            c(
                "a rule with an unknown member",
                plain().with("allowed", r#"[{"method":"GET","path":"/a","query":"b"}]"#),
            ),
            c(
                "a rule with null",
                plain().with("allowed", r#"[{"method":"GET","path":null,"route":"/a"}]"#),
            ),
            case("allowed empty", plain().with("allowed", "[]"), "rule"),
            case(
                "allowed empty beside scopes",
                plain().with("allowed", "[]").with("scopes", r#"["read"]"#),
                "claims",
            ),
            case(
                "a rule that would not be minted",
                plain().with("allowed", r#"["GET /user","GET user"]"#),
                "rule",
            ),
            case("a rule in lower case", plain().with("allowed", r#"["get /user"]"#), "rule"),
            case("a rule with CONNECT", plain().with("allowed", r#"["CONNECT /user"]"#), "rule"),
            case(
                "a pattern too complex",
                plain().with("allowed", r#"["GET /[ab]*a[ab]{20}c"]"#),
                "rule",
            ),
            case(
                "more than 1000 rules",
                plain().with("allowed", json!(vec!["* /a"; 1001])),
                "rule",
            ),
            case(
                "scope unknown",
                plain().without("allowed").with("scopes", r#"["read","write"]"#),
                "unknown_scope",
            ),
            case(
                "scope empty",
                plain().without("allowed").with("scopes", r#"[""]"#),
                "unknown_scope",
            ),
            c("scopes a string", plain().without("allowed").with("scopes", r#""read""#)),
            c("scopes holds null", plain().without("allowed").with("scopes", "[null]")),
            c("scopes twice", plain().and_again("scopes", "null")),
        ]
    }

    /// Who and what is named.
    fn names(&self) -> Vec<Value> {
        let plain = || self.ordinary();
        let c = |name: &str, claims: Claims| self.refused_claims(name, &claims);
        let exp = NOW + 3600;
        vec![
            c("jti null", plain().with("jti", "null")),
            c("jti empty", plain().with("jti", r#""""#)),
            c("jti too long", plain().with("jti", json!("a".repeat(129)))),
            c("jti with a dot", plain().with("jti", r#""a.b""#)),
            c("jti with a line end", plain().with("jti", r#""a\nb""#)),
            c("jti a number", plain().with("jti", 1)),
            c("jti not ASCII", plain().with("jti", "\"é\"")),
            c("aud null", plain().with("aud", "null")),
            c("aud a list", plain().with("aud", r#"["api"]"#)),
            c("aud empty", plain().with("aud", r#""""#)),
            c("aud with a blank", plain().with("aud", r#""a b""#)),
            c("aud twice", plain().and_again("aud", r#""api""#)),
            c("sub null", plain().with("sub", "null")),
            c("sub a dash", plain().with("sub", json!("-"))),
            c("sub empty", plain().with("sub", json!(""))),
            c("sub with a comma", plain().with("sub", json!("a,b"))),
            c("sub with a blank", plain().with("sub", json!("a b"))),
            c("sub a number", plain().with("sub", 1)),
            c("sub of 129 characters", plain().with("sub", json!("a".repeat(129)))),
            c("sub twice", plain().with("sub", json!("a")).and_again("sub", json!("b"))),
            c("explain null", plain().with("explain", "null")),
            c("explain a number", plain().with("explain", 1)),
            c("explain a string", plain().with("explain", r#""true""#)),
            c("unknown claim", plain().with("iss", r#""me""#)),
            c("unknown claim null", plain().with("iss", "null")),
            c("Exp", plain().with("Exp", exp)),
            c("scope", plain().with("scope", r#""read""#)),
            c("the empty claim", plain().with("", "1")),
            c("exp twice, escaped", plain().and_again(r"e\u0078p", exp)),
        ]
    }

    /// Texts that are no claims.
    fn texts(&self) -> Vec<Value> {
        let plain = || self.ordinary();
        let raw = |name: &str, json: &str| {
            refused(name, &self.signed(&self.first, &RSA_PKCS1_SHA256, HEADER, json), "claims")
        };
        let sealed = json!(self.sealed.text("oaep"));
        let iat = NOW - 10;
        let exp = NOW + 3600;
        vec![
            raw("not JSON", "iat"),
            raw("empty", ""),
            raw("empty object", "{}"),
            raw("null", "null"),
            raw(
                "a list",
                &format!(r#"[{iat},{exp},1,{sealed},["GET /user"],null,"test-1","api",false]"#),
            ),
            raw(
                "a list of as many as there are",
                &format!(r#"[{iat},{exp},{iat},{sealed},["GET /user"],null,"test-1","api",false]"#),
            ),
            raw("a string", r#""iat""#),
            raw("JSON twice", &format!("{0}{0}", plain().json())),
            raw("a comma too many", &plain().json().replace('}', ",}")),
            raw("byte order mark", &format!("\u{feff}{}", plain().json())),
            raw("cut off", plain().json().trim_end_matches('}')),
            raw("a lone surrogate", &plain().with("jti", r#""\ud800""#).json()),
            raw("a NUL behind", &format!("{}\0", plain().json())),
            raw("nested deep", &plain().with("x", "[".repeat(2000) + &"]".repeat(2000)).json()),
            refused(
                "not UTF-8",
                &self.signed_text(&format!(
                    "{}.{}",
                    base64url(HEADER),
                    base64url(
                        [plain().json().trim_end_matches('}').as_bytes(), b",\"x\":\"\xff\"}"]
                            .concat()
                    )
                )),
                "claims",
            ),
        ]
    }
}
