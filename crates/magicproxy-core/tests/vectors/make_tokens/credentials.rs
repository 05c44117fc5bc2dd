//! Sealed credentials that open, and that do not.

use super::*;

impl Maker<'_> {
    pub(super) fn credentials(&self) -> Vec<Value> {
        let with = |name: &str, sealed: &str, outcome: Value| {
            let mut case = self.accepted_case(
                name,
                HEADER,
                &self.ordinary().with("token", json!(sealed)),
                json!({}),
            );
            case.as_object_mut().unwrap().remove("credential");
            for (member, value) in outcome.as_object().unwrap() {
                case[member] = value.clone();
            }
            case
        };
        let mut cases = Vec::new();
        for recipe in RECIPES {
            let outcome = match recipe.outcome {
                Outcome::Opens => {
                    json!({"credential": String::from_utf8((recipe.secret)()).unwrap()})
                }
                Outcome::NotSealed => json!({"open": "sealed"}),
                Outcome::NoCredential => json!({"open": "credential"}),
            };
            cases.push(with(recipe.name, self.sealed.text(recipe.name), outcome));
        }
        let closed = |name: &str, text: &str| with(name, text, json!({"open": "sealed"}));
        let oaep = self.sealed.text("oaep");
        let jwe: Vec<&str> = self.sealed.text("jwe").split('.').collect();
        let join = |parts: &[&str]| parts.join(".");
        let other_header = base64url(r#"{"enc":"A256GCM","alg":"RSA-OAEP-256"}"#);
        let changed = |part: &str| {
            let first = if part.starts_with('A') { 'B' } else { 'A' };
            format!("{first}{}", &part[1..])
        };
        cases.extend([
            closed("sealed: nothing", ""),
            closed("sealed: in plain text", "ghp_ordinary"),
            closed("sealed: in base64", &STANDARD.encode("ghp_ordinary")),
            closed("sealed: base64url", &base64url(STANDARD.decode(oaep).unwrap())),
            closed("sealed: without padding", oaep.trim_end_matches('=')),
            closed("sealed: with a line end", &format!("{oaep}\n")),
            closed("sealed: too much padding", &format!("{oaep}=")),
            closed("sealed: cut short", &STANDARD.encode(&STANDARD.decode(oaep).unwrap()[..255])),
            closed(
                "sealed: one byte too many",
                &STANDARD.encode([&[0], STANDARD.decode(oaep).unwrap().as_slice()].concat()),
            ),
            closed("sealed: changed", &changed(oaep)),
            closed("sealed: zeroes", &STANDARD.encode([0; 256])),
            closed("sealed: ones", &STANDARD.encode([0xff; 256])),
            closed("JWE: four parts", &join(&jwe[..4])),
            closed("JWE: six parts", &join(&[&jwe[..], &["AA"]].concat())),
            closed("JWE: only dots", "...."),
            closed("JWE: one dot", "."),
            closed(
                "JWE: header in another order than it was sealed with",
                &join(&[&other_header, jwe[1], jwe[2], jwe[3], jwe[4]]),
            ),
            closed("JWE: key changed", &join(&[jwe[0], &changed(jwe[1]), jwe[2], jwe[3], jwe[4]])),
            closed(
                "JWE: nonce changed",
                &join(&[jwe[0], jwe[1], &changed(jwe[2]), jwe[3], jwe[4]]),
            ),
            closed("JWE: text changed", &join(&[jwe[0], jwe[1], jwe[2], &changed(jwe[3]), jwe[4]])),
            closed("JWE: tag changed", &join(&[jwe[0], jwe[1], jwe[2], jwe[3], &changed(jwe[4])])),
            closed(
                "JWE: tag cut to 12 bytes",
                &join(&[jwe[0], jwe[1], jwe[2], jwe[3], &jwe[4][..16]]),
            ),
            closed("JWE: no tag", &join(&[jwe[0], jwe[1], jwe[2], jwe[3], ""])),
            closed("JWE: no key, direct", &join(&[jwe[0], "", jwe[2], jwe[3], jwe[4]])),
            closed(
                "JWE: tag moved into the text",
                &join(&[
                    jwe[0],
                    jwe[1],
                    jwe[2],
                    &base64url(
                        [
                            URL_SAFE_NO_PAD.decode(jwe[3]).unwrap(),
                            URL_SAFE_NO_PAD.decode(jwe[4]).unwrap(),
                        ]
                        .concat(),
                    ),
                    "",
                ]),
            ),
            closed("JWE: padding", &format!("{}==", join(&jwe))),
            closed("JWE: a blank", &format!(" {}", join(&jwe))),
        ]);
        cases
    }
}
