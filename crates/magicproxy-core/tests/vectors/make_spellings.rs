//! The part of `token-v2.json` that section 1 of the specification is about: how a token is spelled.

use serde_json::{Value, json};

use crate::make_sealed::{CREDENTIAL, Maker, ROOT_KEY, base32, base64url, mac, part, refused};

impl Maker {
    pub(crate) fn serialisation(&self) -> Vec<Value> {
        let claims = self.ordinary();
        let token = self.token(&claims, &[]);
        let parts: Vec<&str> = token.split('.').collect();
        let [head, seal, tag] = parts.as_slice() else { panic!("{token}") };
        let minter = json!(self.minter.id().as_str());
        let signed = self.assemble(
            &self.key.0,
            &claims.clone().with("minter", &minter).json(),
            CREDENTIAL,
            true,
            &[],
        );
        let signed_parts: Vec<&str> = signed.split('.').collect();
        let long = self.token(&claims, &[&format!(r#"{{"sub":"{}"}}"#, "a".repeat(6000))]);
        let with_tag = |tag: &str| [head, seal, tag].join(".");
        let with_signature =
            |part: &str| [signed_parts[0], signed_parts[1], part, signed_parts[3]].join(".");
        vec![
            refused("empty", String::new(), "malformed"),
            refused("the prefix alone", "mt2_".to_owned(), "malformed"),
            refused("the version alone", "mt2".to_owned(), "malformed"),
            refused("without a tag", [*head, seal].join("."), "malformed"),
            refused("claims and tag only", [*head, tag].join("."), "malformed"),
            refused("an empty part", [*head, seal, "", tag].join("."), "malformed"),
            refused("a dot at the end", format!("{token}."), "malformed"),
            refused("a blank before", format!(" {token}"), "malformed"),
            refused("a line end behind", format!("{token}\n"), "malformed"),
            refused("padding", format!("{token}="), "malformed"),
            refused("standard base64", format!("{token}+"), "malformed"),
            refused(
                "the form before the first release",
                self.in_old_form(&claims.json()),
                "malformed",
            ),
            refused(
                "the form before the first release, with the parts of today",
                token.replacen('_', ".", 1),
                "malformed",
            ),
            refused("no mark behind the version", token.replacen('_', "", 1), "malformed"),
            refused("loose bits in the tag", with_tag(&loose(tag)), "malformed"),
            refused(
                "loose bits in the claims",
                {
                    let two_bits = (1..3).map(|more| {
                        self.ordinary().with("sub", format!(r#""{}""#, "a".repeat(more)))
                    });
                    let claims =
                        two_bits.into_iter().find(|claims| claims.json().len() % 3 != 0).unwrap();
                    let token = self.token(&claims, &[]);
                    let (head, rest) = token.split_once('.').unwrap();
                    format!("{}.{rest}", loose_base64url(head))
                },
                "malformed",
            ),
            refused(
                "loose bits in a caveat",
                {
                    let caveat = self.token(&claims, &[r#"{"sub":"a"}"#]);
                    let parts: Vec<&str> = caveat.split('.').collect();
                    [parts[0], parts[1], &loose_base64url(parts[2]), parts[3]].join(".")
                },
                "malformed",
            ),
            refused(
                "loose bits in the signature",
                with_signature(&loose(signed_parts[2])),
                "malformed",
            ),
            refused(
                "loose bits in the seal",
                self.finish(format!("{head}.{}", loose(&base32([1; 82]))), &[]),
                "malformed",
            ),
            refused("a tag in upper case", with_tag(&tag.to_uppercase()), "malformed"),
            refused(
                "a tag with one letter in upper case",
                with_tag(&one_in_upper_case(tag)),
                "malformed",
            ),
            refused(
                "a seal in upper case",
                [*head, &seal.to_uppercase(), tag].join("."),
                "malformed",
            ),
            refused(
                "a seal with one letter in upper case",
                [*head, &one_in_upper_case(seal), tag].join("."),
                "malformed",
            ),
            refused(
                "a signature in upper case",
                with_signature(&signed_parts[2].to_uppercase()),
                "malformed",
            ),
            refused("padding of the tag", with_tag(&format!("{tag}====")), "malformed"),
            refused("a tag in base64url", with_tag(&base64url([1; 32])), "malformed"),
            refused(
                "a seal in base64url",
                [*head, &base64url([1; 120]), tag].join("."),
                "malformed",
            ),
            refused(
                "a digit that base32 has not",
                with_tag(&format!("1{}", &tag[1..])),
                "malformed",
            ),
            refused(
                "a digit that base32 has not, 8",
                with_tag(&format!("8{}", &tag[1..])),
                "malformed",
            ),
            refused(
                "a seal of 1 more character than a length that exists",
                [*head, &"a".repeat(8 * 17 + 1), tag].join("."),
                "malformed",
            ),
            refused(
                "a seal of 3 more characters",
                [*head, &"a".repeat(8 * 17 + 3), tag].join("."),
                "malformed",
            ),
            refused(
                "a seal of 6 more characters",
                [*head, &"a".repeat(8 * 17 + 6), tag].join("."),
                "malformed",
            ),
            refused(
                "a caveat of a length that base64url has not",
                [*head, seal, "eyJhI", tag].join("."),
                "malformed",
            ),
            refused("a short tag", with_tag(&base32([1; 31])), "malformed"),
            refused("a long tag", with_tag(&base32([1; 33])), "malformed"),
            refused("17 caveats", self.token(&claims, &[r#"{"sub":"a"}"#; 17]), "malformed"),
            refused(
                "a minter without a signature",
                [signed_parts[0], signed_parts[1], signed_parts[3]].join("."),
                "malformed",
            ),
            refused(
                "8193 bytes",
                {
                    let mut long = long;
                    long.truncate(8193);
                    long
                },
                "too_long",
            ),
            refused(
                "claims that are no JSON",
                self.assemble(&self.key.0, "{\"kid\"", CREDENTIAL, false, &[]),
                "claims",
            ),
            refused(
                "claims that are a list",
                self.assemble(&self.key.0, "[1]", CREDENTIAL, false, &[]),
                "claims",
            ),
            refused(
                "white space before the first member",
                self.assemble(
                    &self.key.0,
                    &claims.json().replacen('{', "{ ", 1),
                    CREDENTIAL,
                    false,
                    &[],
                ),
                "claims",
            ),
            refused(
                "white space behind the claims",
                self.assemble(&self.key.0, &(claims.json() + "\n"), CREDENTIAL, false, &[]),
                "claims",
            ),
            refused(
                "a byte order mark",
                self.finish(
                    self.minted(
                        &self.key.0,
                        &base64url(format!("\u{feff}{}", claims.json())),
                        CREDENTIAL,
                    ),
                    &[],
                ),
                "malformed",
            ),
        ]
    }

    /// JSON that the alphabet holds as it is, JSON that it holds with escapes, and JSON that it does not hold.
    pub(crate) fn alphabet(&self) -> Vec<Value> {
        let rules = self.ordinary().with("allowed", r#"["* /.*"]"#).json();
        let minted = || self.minted(&self.key.0, &part(&rules), CREDENTIAL);
        let mut cases = Vec::new();
        // Where none of the alphabet's refusals meets them: what a rule may hold, and what none may.
        let texts = [
            ("b>", Some("rule")),
            ("b~", None),
            ("b?", None),
            ("\u{7f}", Some("rule")),
            ("é", Some("rule")),
            ("ÿ", Some("rule")),
            ("€", Some("rule")),
            ("😀", Some("rule")),
        ];
        for (text, kind) in texts {
            // Of three neighbours in a part, one makes `-` or `_`.
            for more in ["", "a", "aa"] {
                let json = format!(r#"{{"allowed":["GET /{more}{text}"]}}"#);
                let (raw, escaped) = (base64url(&json), part(&json));
                let raw_kind = if raw.contains(['-', '_']) { Some("malformed") } else { kind };
                for (how, part, kind) in
                    [("as they are", raw, raw_kind), ("in escapes", escaped, kind)]
                {
                    let name = format!("caveat {json}, characters {how}");
                    let token = self.finish_parts(minted(), &[part]);
                    cases.push(match kind {
                        Some(kind) => refused(&name, token, kind),
                        None => self.ok(&name, token, json!({})),
                    });
                }
            }
        }
        for (name, json) in [
            ("an escape in upper case", r#"{"allowed":["GET /b\u003F"]}"#),
            ("escapes where none are needed", r#"{"s\u0075b":"\u0061"}"#),
        ] {
            cases.push(self.ok(name, self.finish_parts(minted(), &[base64url(json)]), json!({})));
        }
        for text in ["b~", "b?"] {
            let claims = |more: &str| {
                self.ordinary()
                    .with("allowed", format!(r#"["GET /{more}{text}","GET /user"]"#))
                    .json()
            };
            let json = ["", "a", "aa"]
                .map(claims)
                .into_iter()
                .find(|json| base64url(json).contains(['-', '_']))
                .unwrap();
            let raw = self.minted(&self.key.0, &base64url(&json), CREDENTIAL);
            cases.push(refused(
                &format!("claims with {text}, as it is"),
                self.finish(raw, &[]),
                "malformed",
            ));
            let escaped = self.assemble(&self.key.0, &json, CREDENTIAL, false, &[]);
            cases.push(self.ok(&format!("claims with {text}, in escapes"), escaped, json!({})));
        }
        cases
    }

    /// As tokens were before the first release: base64url everywhere, and `mt2` a part of its own.
    fn in_old_form(&self, claims: &str) -> String {
        let bound = format!("mt2.{}", base64url(claims));
        let plaintext = [&ROOT_KEY[..], CREDENTIAL.as_bytes()].concat();
        let minted = format!(
            "{bound}.{}",
            base64url(Self::seal(&self.key.0, &bound, b"magic-api-proxy/v2", &plaintext))
        );
        format!("{minted}.{}", base64url(mac(&ROOT_KEY, &minted)))
    }
}

/// A part of base32 with a bit that means nothing set.
fn loose(part: &str) -> String {
    loose_in("abcdefghijklmnopqrstuvwxyz234567", part)
}

fn loose_base64url(part: &str) -> String {
    loose_in("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", part)
}

fn loose_in(alphabet: &str, part: &str) -> String {
    let (head, last) = part.split_at(part.len() - 1);
    let at = alphabet.find(last).unwrap() ^ 1;
    format!("{head}{}", &alphabet[at..=at])
}

fn one_in_upper_case(part: &str) -> String {
    let at = part.find(|character: char| character.is_ascii_lowercase()).unwrap();
    format!("{}{}{}", &part[..at], part[at..=at].to_uppercase(), &part[at + 1..])
}
