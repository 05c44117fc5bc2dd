//! Cases of version 2 for what readers of the specification stumbled over: exact bounds, JSON to the letter, which refusal wins
//! where a token has two faults, and which answer where a request has.

use serde_json::{Value, json};

use super::{CREDENTIAL, Claims, Maker, NOW, refused};
use crate::exact_rules::{BAD, DEEP, MISSHAPEN, UNKNOWN_MEMBERS, is_stateful};

/// The last moment that a token can name.
const END_OF_TIME: u64 = 253_402_300_799;
const BAD_RULE: &str = r#"["GET user"]"#;
const STRANGER: &str = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";

impl Maker {
    pub(super) fn exact(&self) -> Vec<Value> {
        [
            self.exact_json(),
            self.exact_bounds(),
            self.exact_rules(),
            self.exact_caveats(),
            self.exact_credentials(),
            self.two_faults_of_form(),
            self.two_faults(),
            self.decisions(),
        ]
        .concat()
    }

    fn bad(&self, name: &str, claims: &Claims, kind: &str) -> Value {
        refused(name, self.token(claims, &[]), kind)
    }

    fn sealed_with(&self, name: &str, credential: &str, kind: &str) -> Value {
        refused(
            name,
            self.assemble(&self.key.0, &self.ordinary().json(), credential, false, &[]),
            kind,
        )
    }

    fn exact_json(&self) -> Vec<Value> {
        let plain = || self.ordinary();
        let renamed = |from: &str, to: &str| {
            Claims(
                plain()
                    .0
                    .into_iter()
                    .map(|(name, raw)| (if name == from { to.to_owned() } else { name }, raw))
                    .collect(),
            )
        };
        let mut cases = vec![
            self.ok("a name in escapes", self.token(&renamed("exp", r"e\u0078p"), &[]), json!({})),
            self.ok(
                "a text in escapes",
                self.token(&plain().with("aud", r#""\u0061\u0070i""#), &[]),
                json!({}),
            ),
            self.ok(
                "the solidus in an escape",
                self.token(&plain().with("allowed", r#"["GET \/user"]"#), &[]),
                json!({}),
            ),
            self.ok(
                "explain is false",
                self.token(&plain().with("explain", "false"), &[]),
                json!({}),
            ),
            self.bad(
                "a name twice, once in escapes",
                &plain().and_again(r"e\u0078p", "1"),
                "claims",
            ),
            self.bad("a name in another case", &renamed("exp", "Exp"), "claims"),
            self.bad("the empty name", &plain().with("", "1"), "claims"),
            self.bad(
                "a rule with a lone surrogate",
                &plain().with("allowed", r#"["GET /\ud800"]"#),
                "claims",
            ),
            self.bad(
                "a rule with surrogates in the wrong order",
                &plain().with("allowed", r#"["GET /\udc00\ud800"]"#),
                "claims",
            ),
            self.bad("a name with a lone surrogate", &plain().with(r"\udfff", "1"), "claims"),
            self.bad(
                "a text with an unknown escape",
                &plain().with("aud", r#""ap\x69""#),
                "claims",
            ),
            self.bad("a text with a raw line end", &plain().with("aud", "\"ap\ni\""), "claims"),
            self.bad("rules nested deep", &plain().with("allowed", DEEP.as_str()), "claims"),
            self.bad("an unknown member nested deep", &plain().with("x", DEEP.as_str()), "claims"),
            refused(
                "claims twice",
                self.assemble(&self.key.0, &plain().json().repeat(2), CREDENTIAL, false, &[]),
                "claims",
            ),
            refused(
                "claims without a member",
                self.assemble(&self.key.0, "{}", CREDENTIAL, false, &[]),
                "claims",
            ),
            refused(
                "a comma behind the last member",
                self.assemble(
                    &self.key.0,
                    &plain().json().replace("}", ",}"),
                    CREDENTIAL,
                    false,
                    &[],
                ),
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
            "+1",
            "9007199254740992",
            "1e400",
            "NaN",
        ] {
            cases.push(self.bad(&format!("nbf is {raw}"), &plain().with("nbf", raw), "claims"));
        }
        cases
    }

    fn exact_bounds(&self) -> Vec<Value> {
        let plain = || self.ordinary();
        let scoped = |names: Value| plain().without("allowed").with("scopes", names);
        let text = |length: usize| json!("a".repeat(length));
        let ok = |name: &str, claims: &Claims| self.ok(name, self.token(claims, &[]), json!({}));
        vec![
            ok("nbf is 0", &plain().with("nbf", 0)),
            ok("a life of one second", &plain().with("exp", NOW - 9)),
            ok(
                "the last second of the leeway behind exp",
                &plain().with("iat", NOW - 40).with("exp", NOW - 29),
            ),
            self.bad("nbf is the last moment", &plain().with("nbf", END_OF_TIME), "not_yet_valid"),
            self.bad("nbf beyond the last moment", &plain().with("nbf", END_OF_TIME + 1), "claims"),
            self.bad(
                "iat and exp beyond the last moment",
                &plain().with("iat", END_OF_TIME + 1).with("exp", END_OF_TIME + 2),
                "claims",
            ),
            self.bad("exp before iat", &plain().with("exp", NOW - 11), "claims"),
            ok("a jti of 128 characters", &plain().with("jti", text(128))),
            ok("a sub of 128 characters", &plain().with("sub", text(128))),
            ok("an aud of 255 characters", &plain().with("aud", text(255))),
            ok("600 scopes, the same one", &scoped(json!(vec!["read"; 600]))),
            self.bad("1,001 scopes", &scoped(json!(vec!["a"; 1001])), "claims"),
            self.bad("a scope that is a number", &scoped(json!(["read", 1])), "claims"),
            self.bad("a scope in another case", &scoped(json!(["Read"])), "unknown_scope"),
            self.bad("a scope with a blank", &scoped(json!(["re ad"])), "unknown_scope"),
            self.bad("an empty scope", &scoped(json!([""])), "unknown_scope"),
            self.bad("a kem in another case", &plain().with("kem", r#""X25519""#), "claims"),
            self.bad("a kid of another length", &plain().with("kid", r#""a""#), "unknown_key"),
            self.bad("a kid that is a number", &plain().with("kid", 1), "claims"),
        ]
    }

    fn exact_rules(&self) -> Vec<Value> {
        let with = |rule: &str| self.ordinary().with("allowed", format!("[{rule}]"));
        let good = [
            r#""GET|HEAD|OPTIONS /a""#,
            r#""* route:/a/{b}/{c*}""#,
            r#"{"method":"GET","path":"/a"}"#,
            r#"{"method":"GET|POST","route":"/a/{b}"}"#,
            r#"{"method":["GET","GET"],"path":"/a"}"#,
            r#"{"method":"*","route":"/caf\u00e9"}"#,
            r#"{"method":"*","route":"/a/{b}/\uffff"}"#,
            r#"{"method":"POST","path":"/a","limit":{"requests":1,"per":"744h"}}"#,
            r#"{"method":"POST","path":"/a","grants":"GET /a/{location}"}"#,
            r#"{"method":"POST","route":"/a/{b}","grants":["GET /a/{path.b}/{response.id}"],"receipt":true}"#,
            r#"{"method":"PATCH","path":"/a","list_items":{"list":"a","key":"b","creates":{"c":"d"},"only":{"b":"x*"}}}"#,
        ];
        let mut cases: Vec<Value> = good
            .iter()
            .map(|rule| self.ok(&format!("rule {rule}"), self.token(&with(rule), &[]), json!({})))
            .collect();
        cases.extend(
            MISSHAPEN.iter().map(|rule| self.bad(&format!("rule {rule}"), &with(rule), "claims")),
        );
        cases.extend(BAD.iter().map(|rule| self.bad(&format!("rule {rule}"), &with(rule), "rule")));
        let caveat = |rule: &str, kind: &str| {
            let json = format!(r#"{{"allowed":[{rule}]}}"#);
            refused(&format!("caveat {json}"), self.token(&self.ordinary(), &[&json]), kind)
        };
        cases.extend(MISSHAPEN.iter().map(|rule| caveat(rule, "caveat")));
        cases.extend(
            UNKNOWN_MEMBERS
                .iter()
                .map(|rule| self.bad(&format!("unknown_member {rule}"), &with(rule), "claims")),
        );
        cases.extend(UNKNOWN_MEMBERS.iter().map(|rule| {
            let caveat = format!(r#"{{"allowed":[{rule}]}}"#);
            let token = self.token(&self.ordinary(), &[&caveat]);
            refused(&format!("unknown_member in a caveat {rule}"), token, "caveat")
        }));
        cases.extend(
            BAD.iter().map(|rule| caveat(rule, if is_stateful(rule) { "caveat" } else { "rule" })),
        );
        cases
    }

    fn exact_caveats(&self) -> Vec<Value> {
        let networks = |list: &[&str]| json!({"sender": {"cidr": list}}).to_string();
        let good = [
            "0.0.0.0/0",
            "192.0.2.1/32",
            "::/0",
            "2001:DB8::/32",
            "2001:db8:0:0:0:0:0:1/128",
            "64:ff9b::192.0.2.0/120",
            "::/90",
        ];
        let bad = [
            "",
            "/",
            "/24",
            "192.0.2.0/",
            "192.0.2.0/-1",
            "192.0.2.0/+8",
            "192.0.2.0/ 8",
            "192.0.2.0/8.0",
            "192.0.2/24",
            "192.0.2.0.0/24",
            "0xc0.0.2.0/24",
            "3221225984/32",
            "192.0.2.000/24",
            "192.0.2.1/31",
            "192.0.2.0/24 ",
            " 192.0.2.0/24",
            "192.0.2.0/24/24",
            "2001:db8::/129",
            "2001:db8::1/32",
            "fe80::%1/64",
            "[2001:db8::]/32",
            "2001:db8::/032",
            ":::/0",
            "1::2::3/128",
            "::ffff:0:0/96",
            "::ffff:192.0.2.1/128",
            "::ffff:c000:200/120",
            "localhost/32",
        ];
        let plain = self.ordinary();
        let mut cases: Vec<Value> = good
            .iter()
            .map(|network| {
                self.ok(
                    &format!("network {network}"),
                    self.token(&plain, &[&networks(&[network])]),
                    json!({}),
                )
            })
            .collect();
        cases.extend(bad.iter().map(|network| {
            refused(
                &format!("network {network}"),
                self.token(&plain, &[&networks(&[network])]),
                "caveat",
            )
        }));
        cases.push(self.ok(
            "32 networks",
            self.token(&plain, &[&networks(&["::/0"; 32])]),
            json!({}),
        ));
        cases.push(refused(
            "33 networks",
            self.token(&plain, &[&networks(&["::/0"; 33])]),
            "caveat",
        ));
        let members = [
            r#"{"exp":-0}"#,
            r#"{"exp":01}"#,
            r#"{"exp":1e3}"#,
            r#"{"nbf":253402300800}"#,
            r#"{"aud":"a b"}"#,
            r#"{"sub":"\ud800"}"#,
            r#"{"sub":"a","s\u0075b":"a"}"#,
            r#"{"Sub":"a"}"#,
            r#"{"sender":{"cidr":"0.0.0.0/0"}}"#,
            r#"{"sender":{"cidr":["0.0.0.0/0",1]}}"#,
            r#"{"sender":{"cidr":["0.0.0.0/0"],"cidr":["0.0.0.0/0"]}}"#,
            r#"{"sender":null}"#,
            r#"{"limit":null}"#,
            r#"{"allowed":{"method":"GET","path":"/a"}}"#,
            r#"{"sub":"a"}{"sub":"b"}"#,
            r#"{"sub":"a",}"#,
        ];
        cases.extend(
            members.iter().map(|json| {
                refused(&format!("caveat {json}"), self.token(&plain, &[json]), "caveat")
            }),
        );
        cases.push(refused(
            "a caveat nested deep",
            self.token(&plain, &[&format!(r#"{{"allowed":{}}}"#, DEEP.as_str())]),
            "caveat",
        ));
        cases.push(self.ok(
            "caveat with a name in escapes",
            self.token(&plain, &[r#"{"s\u0075b":"a"}"#]),
            json!({}),
        ));
        cases
    }

    fn exact_credentials(&self) -> Vec<Value> {
        let good = [
            (r#"{"s\u0065cret":"\u0061"}"#, json!({"secret": "a"})),
            (r#"{"secret" : "a" }"#, json!({"secret": "a"})),
            (r#"{"secret":"\u007e!"}"#, json!({"secret": "~!"})),
            (r#"{"basic":["user","p:w:"]}"#, json!({"basic": ["user", "p:w:"]})),
        ];
        let name = "a".repeat(65);
        let four = |more: &str| {
            format!(
                r#"{{"several":[{{"bearer":"a"}},{{"header":["b","c"]}},{{"header":["d","e"]}},{{"header":["f","g"]}}{more}]}}"#
            )
        };
        let bad = [
            r#"{"secret":"a","s\u0065cret":"a"}"#.to_owned(),
            r#"{"secret":"\u007f"}"#.to_owned(),
            r#"{"secret":"\u00e9"}"#.to_owned(),
            r#"{"secret":"\ud800"}"#.to_owned(),
            r#"{"secret":"a\u0000"}"#.to_owned(),
            r#"{"secret":["a"]}"#.to_owned(),
            r#"{"bearer":""}"#.to_owned(),
            r#"{"basic":"a:b"}"#.to_owned(),
            r#"{"basic":[null,"a"]}"#.to_owned(),
            r#"{"basic":{"user":"a"}}"#.to_owned(),
            r#"{"basic":["a b","c"]}"#.to_owned(),
            r#"{"header":["x-a",""]}"#.to_owned(),
            r#"{"header":["x-a:","b"]}"#.to_owned(),
            r#"{"header":["x-a"]}"#.to_owned(),
            format!(r#"{{"header":["{name}","b"]}}"#),
            r#"{"several":[{"bearer":"a"},{"header":["AUTHORIZATION","b"]}]}"#.to_owned(),
            r#"{"several":[{"bearer":"a"},{}]}"#.to_owned(),
            r#"{"several":[{"bearer":"a"},{"header":["b","c"],"bearer":"d"}]}"#.to_owned(),
            r#"{"several":{"bearer":"a"}}"#.to_owned(),
            four(r#",{"header":["h","i"]}"#),
            format!(r#"{{"several":{}}}"#, DEEP.as_str()),
            "not JSON".to_owned(),
            "\u{feff}{\"secret\":\"a\"}".to_owned(),
        ];
        let make = |credential: &str| {
            self.assemble(&self.key.0, &self.ordinary().json(), credential, false, &[])
        };
        let mut cases: Vec<Value> = good
            .iter()
            .map(|(text, value)| {
                self.ok(&format!("credential {text}"), make(text), json!({"credential": value}))
            })
            .collect();
        let longest = format!(r#"{{"header":["{}","b"]}}"#, &name[1..]);
        for text in [longest, four("")] {
            let value: Value = serde_json::from_str(&text).unwrap();
            cases.push(self.ok(
                &format!("credential {text}"),
                make(&text),
                json!({"credential": value}),
            ));
        }
        let shown =
            |text: &str| if text.len() > 300 { "nested deep".to_owned() } else { text.to_owned() };
        cases.extend(bad.iter().map(|text| {
            self.sealed_with(&format!("credential {}", shown(text)), text, "credential")
        }));
        cases
    }

    /// The order of steps 1 and 2.
    fn two_faults_of_form(&self) -> Vec<Value> {
        let plain = || self.ordinary();
        let whole = self.token(&plain(), &[r#"{"sub":"a"}"#]);
        let parts: Vec<&str> = whole.split('.').collect();
        let wrong = self.token(&plain().with("iat", "null"), &[r#"{"sub":"a"}"#]);
        let wrong: Vec<&str> = wrong.split('.').collect();
        let minter = json!(self.minter.id().as_str());
        let (signed, unsigned) = (plain().with("minter", &minter).json(), plain().json());
        let with_signature = self.assemble(&self.key.0, &unsigned, CREDENTIAL, true, &[]);
        let without_signature = self.assemble(&self.key.0, &signed, CREDENTIAL, false, &[]);
        let version_1 = |case: Value| in_context(case, json!({"accept": ["v1"]}));
        let retired = json!(self.retired.0.public().id().as_str());
        let over = plain().with("kid", &retired);
        vec![
            refused(
                "an empty part, and claims with a fault",
                [wrong[0], wrong[1], "", wrong[3]].join("."),
                "claims",
            ),
            refused(
                "too long, and no part of it is right",
                format!("{}{}", "mt2_", "!".repeat(8189)),
                "too_long",
            ),
            refused(
                "as long as may be, and no part of it is right",
                format!("{}{}", "mt2_", "!".repeat(8188)),
                "malformed",
            ),
            refused(
                "a short tag, and claims with a fault",
                [wrong[0], wrong[1], &parts[3][..50]].join("."),
                "malformed",
            ),
            refused(
                "a seal in capitals, and claims with a fault",
                [wrong[0], &wrong[1].to_uppercase(), wrong[3]].join("."),
                "malformed",
            ),
            refused(
                "claims with a fault, and a caveat that no bytes are",
                [wrong[0], wrong[1], "A", wrong[3]].join("."),
                "claims",
            ),
            refused(
                "claims with a fault, and 17 caveats",
                self.token(&plain().with("iat", "null"), &[r#"{"sub":"a"}"#; 17]),
                "claims",
            ),
            refused(
                "a caveat that no bytes are, and another tag",
                [parts[0], parts[1], "A", parts[3]].join("."),
                "malformed",
            ),
            refused("a signature without a minter", with_signature, "malformed"),
            refused("a minter without a signature, and no caveat", without_signature, "malformed"),
            refused(
                "claims with a fault, and an unknown key",
                self.token(&plain().with("iat", "null").with("kid", json!(STRANGER)), &[]),
                "claims",
            ),
            version_1(refused(
                "claims with a fault, and a version that is not accepted",
                self.token(&plain().with("iat", "null"), &[]),
                "claims",
            )),
            version_1(refused(
                "an unknown key, and a version that is not accepted",
                self.token(&plain().with("kid", json!(STRANGER)), &[]),
                "version",
            )),
            in_context(
                self.bad(
                    "a key that is over, and another kem than the key's",
                    &over.clone().with("kem", r#""x-wing""#),
                    "unknown_key",
                ),
                json!({"now": NOW + 100}),
            ),
            in_context(
                self.bad("a key that is over, and denied", &over, "unknown_key"),
                json!({"now": NOW + 100, "deny_kid": [retired]}),
            ),
            in_context(
                self.bad(
                    "another kem than the key's, and no minter where one is wanted",
                    &plain().with("kem", r#""x-wing""#),
                    "claims",
                ),
                json!({"minters_required": true}),
            ),
        ]
    }

    /// The order of steps 3 to 7.
    fn two_faults(&self) -> Vec<Value> {
        let plain = || self.ordinary();
        let over = || plain().with("iat", NOW - 100).with("exp", NOW - 30);
        let whole = self.token(&over(), &[]);
        let (kept, tag) = whole.rsplit_once('.').unwrap();
        let (claims, sealed) = kept.split_once('.').unwrap();
        let changed =
            |part: &str| format!("{}{}", if part.starts_with('a') { "b" } else { "a" }, &part[1..]);
        let longest = NOW - 31 - 366 * 86_400;
        let wanting_sub = |case: Value| in_context(case, json!({"require_sub": true}));
        let with_caveats = |name: &str, claims: Claims, caveats: &[&str], kind: &str| {
            refused(name, self.token(&claims, caveats), kind)
        };
        let sealing = |name: &str, claims: &Claims, caveats: &[&str], kind: &str| {
            refused(name, self.assemble(&self.key.0, &claims.json(), "{}", false, caveats), kind)
        };
        let from =
            json!({"from": {"chain": "0".repeat(32), "owner": "0".repeat(64), "kid": STRANGER}})
                .to_string();
        let of_denied = |case: Value| in_context(case, json!({"deny_kid": [STRANGER]}));
        let scope = |name: &str| plain().without("allowed").with("scopes", json!([name]));
        vec![
            in_context(
                refused(
                    "no minter where one is wanted, and a seal that does not open",
                    format!("{claims}.{}.{tag}", changed(sealed)),
                    "minter",
                ),
                json!({"minters_required": true}),
            ),
            refused(
                "a seal that does not open, and another tag",
                format!("{claims}.{}.{}", changed(sealed), changed(tag)),
                "seal",
            ),
            refused(
                "a seal that does not open, and expired",
                format!("{claims}.{}.{tag}", changed(sealed)),
                "seal",
            ),
            refused("another tag, and expired", format!("{kept}.{}", changed(tag)), "tag"),
            self.bad(
                "expired, and a life that is too long",
                &plain().with("iat", longest).with("exp", NOW - 30),
                "lifetime",
            ),
            self.bad("expired, and not yet valid", &over().with("nbf", NOW + 100), "expired"),
            wanting_sub(self.bad("expired, and no label where one is wanted", &over(), "expired")),
            wanting_sub(self.bad(
                "not yet valid, and no label where one is wanted",
                &plain().with("nbf", NOW + 31),
                "not_yet_valid",
            )),
            wanting_sub(self.bad(
                "no label where one is wanted, and a rule with a fault",
                &plain().with("allowed", BAD_RULE),
                "claims",
            )),
            self.bad(
                "expired, and a rule with a fault",
                &over().with("allowed", BAD_RULE),
                "expired",
            ),
            self.bad(
                "expired, and an unknown scope",
                &over().without("allowed").with("scopes", r#"["a"]"#),
                "expired",
            ),
            with_caveats("expired, and a caveat without a member", over(), &["{}"], "expired"),
            with_caveats(
                "a rule with a fault, and a caveat without a member",
                plain().with("allowed", BAD_RULE),
                &["{}"],
                "rule",
            ),
            with_caveats(
                "an unknown scope, and a caveat without a member",
                scope("a"),
                &["{}"],
                "unknown_scope",
            ),
            with_caveats(
                "a caveat whose rule has a fault, and one without a member",
                plain(),
                &[r#"{"allowed":["GET user"]}"#, "{}"],
                "caveat",
            ),
            with_caveats(
                "a caveat without a member, and one that ends it",
                plain(),
                &[r#"{"exp":1}"#, "{}"],
                "caveat",
            ),
            self.ok(
                "made of a token of a key that nobody denies",
                self.token(&plain(), &[&from]),
                json!({}),
            ),
            of_denied(with_caveats(
                "made of a token of a denied key, and expired",
                over(),
                &[&from],
                "unknown_key",
            )),
            of_denied(with_caveats(
                "made of a token of a denied key, and a rule with a fault",
                plain().with("allowed", BAD_RULE),
                &[&from],
                "unknown_key",
            )),
            of_denied(with_caveats(
                "made of a token of a denied key, and a caveat without a member",
                plain(),
                &[&from, "{}"],
                "caveat",
            )),
            of_denied(with_caveats(
                "made of a token of a denied key, expired, and a caveat without a member",
                over(),
                &[&from, "{}"],
                "expired",
            )),
            sealing(
                "a rule with a fault, and no credential",
                &plain().with("allowed", BAD_RULE),
                &[],
                "rule",
            ),
            sealing("a caveat without a member, and no credential", &plain(), &["{}"], "caveat"),
            sealing(
                "a caveat whose rule has a fault, and no credential",
                &plain(),
                &[r#"{"allowed":["GET user"]}"#],
                "rule",
            ),
            sealing("expired, and no credential", &over(), &[], "expired"),
            sealing(
                "a caveat that ends it, and no credential",
                &plain(),
                &[r#"{"exp":1}"#],
                "credential",
            ),
        ]
    }

    /// What is decided for a request with two faults, and at the bounds of time.
    fn decisions(&self) -> Vec<Value> {
        let plain = self.ordinary();
        let decided = |name: &str, claims: &Claims, caveats: &[&str], list: &[Asked<'_>]| {
            let list: Vec<Value> = list.iter().map(Asked::to_json).collect();
            self.ok(name, self.token(claims, caveats), json!({ "decisions": list }))
        };
        let asked = |line, decision| Asked {
            line,
            sender: "192.0.2.1",
            upstream: "api",
            after: 0,
            decision,
        };
        let user = |decision| asked("GET /user", decision);
        let late = |after, decision| Asked { after, ..user(decision) };
        let other = |decision| Asked { upstream: "other", ..user(decision) };
        let elsewhere = r#"{"sender":{"cidr":["198.51.100.0/24"]}}"#;
        let retired = |claims: &Claims| {
            self.assemble(&self.retired.0, &claims.json(), CREDENTIAL, false, &[])
        };
        let of_retired = plain.clone().with("kid", json!(self.retired.0.public().id().as_str()));
        let ended = |list: &[Asked<'_>]| json!({"decisions": list.iter().map(Asked::to_json).collect::<Vec<_>>()});
        vec![
            decided(
                "aud in another case",
                &plain.clone().with("aud", r#""Api""#),
                &[],
                &[user("wrong_upstream")],
            ),
            decided(
                "another upstream, and what no rule allows",
                &plain,
                &[],
                &[Asked { line: "PUT /user", ..other("wrong_upstream") }],
            ),
            decided(
                "expired, and another upstream",
                &plain,
                &[r#"{"exp":1}"#],
                &[other("expired")],
            ),
            decided(
                "expired, and not yet valid, by caveats",
                &plain,
                &[r#"{"nbf":253402300799}"#, r#"{"exp":1}"#],
                &[user("expired")],
            ),
            decided(
                "not yet valid, and another upstream",
                &plain,
                &[r#"{"nbf":1790000100}"#],
                &[other("not_yet_valid"), late(70, "allowed"), late(69, "not_yet_valid")],
            ),
            decided(
                "what no rule allows, and caveats that do not hold",
                &plain,
                &[elsewhere, r#"{"aud":"other"}"#],
                &[asked("PUT /user", "not_allowed")],
            ),
            decided(
                "caveats are asked in their order: sender, aud",
                &plain,
                &[elsewhere, r#"{"aud":"other"}"#],
                &[user("wrong_sender")],
            ),
            decided(
                "caveats are asked in their order: aud, sender",
                &plain,
                &[r#"{"aud":"other"}"#, elsewhere],
                &[user("wrong_upstream")],
            ),
            decided(
                "caveats are asked in their order: allowed, sender",
                &plain,
                &[r#"{"allowed":["GET /a"]}"#, elsewhere],
                &[user("beyond_caveat")],
            ),
            decided(
                "in one caveat, aud is asked first",
                &plain,
                &[r#"{"allowed":["GET /a"],"sender":{"cidr":["198.51.100.0/24"]},"aud":"other"}"#],
                &[user("wrong_upstream")],
            ),
            decided(
                "in one caveat, sender is asked before allowed",
                &plain,
                &[r#"{"allowed":["GET /a"],"sender":{"cidr":["198.51.100.0/24"]},"aud":"api"}"#],
                &[user("wrong_sender")],
            ),
            decided(
                "the earliest exp and the latest nbf count",
                &plain,
                &[
                    r#"{"exp":1790000060}"#,
                    r#"{"exp":1790000050}"#,
                    r#"{"nbf":1790000035}"#,
                    r#"{"nbf":1}"#,
                ],
                &[
                    late(4, "not_yet_valid"),
                    late(5, "allowed"),
                    late(79, "allowed"),
                    late(80, "expired"),
                ],
            ),
            self.ok(
                "the end of a key has no leeway",
                retired(&of_retired),
                ended(&[
                    late(99, "allowed"),
                    late(100, "key_ended"),
                    late(3629, "key_ended"),
                    late(3630, "expired"),
                ]),
            ),
        ]
    }
}

/// A request, and what is decided.
struct Asked<'a> {
    line: &'a str,
    sender: &'a str,
    upstream: &'a str,
    after: u64,
    decision: &'a str,
}

impl Asked<'_> {
    fn to_json(&self) -> Value {
        let (method, target) = self.line.split_once(' ').unwrap();
        let Self { sender, upstream, after, decision, .. } = self;
        json!({"method": method, "target": target, "upstream": upstream, "sender": sender, "now": NOW + after, "decision": decision})
    }
}

fn in_context(mut case: Value, context: Value) -> Value {
    case["context"] = context;
    case
}
