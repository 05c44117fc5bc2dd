//! Keys, seals and chains, and what an operator accepts.

use super::*;

impl Maker {
    pub(super) fn keys(&self) -> Vec<Value> {
        let plain = self.ordinary();
        let token = self.token(&plain, &[]);
        vec![
            refused(
                "an unknown key",
                self.token(&plain.clone().with("kid", json!(KID)), &[]),
                "unknown_key",
            ),
            in_context(
                "a retired key after its end",
                &self.assemble(
                    &self.retired.0,
                    &plain.clone().with("kid", json!(self.retired.0.public().id().as_str())).json(),
                    CREDENTIAL,
                    false,
                    &[],
                ),
                "unknown_key",
                json!({"now": NOW + 100}),
            ),
            in_context(
                "a denied key",
                &token,
                "unknown_key",
                json!({"deny_kid": [self.key.0.public().id().as_str()]}),
            ),
            in_context(
                "made of a token of a denied key",
                &self.token(&plain, &[&from(&"a7".repeat(32), KID)]),
                "unknown_key",
                json!({"deny_kid": [KID]}),
            ),
            in_context(
                "made of a token of a denied key, a while ago",
                &self.token(
                    &plain,
                    &[
                        r#"{"sub":"a"}"#,
                        &from(&"a7".repeat(32), KID),
                        r#"{"sub":"b"}"#,
                        &from(&"b8".repeat(32), OTHER_KID),
                    ],
                ),
                "unknown_key",
                json!({"deny_kid": [KID]}),
            ),
            refused(
                "sealed in advance, or to a key that was retired long ago",
                self.assemble(
                    &self.long_retired.0,
                    &plain
                        .clone()
                        .with("kid", json!(self.long_retired.0.public().id().as_str()))
                        .json(),
                    CREDENTIAL,
                    false,
                    &[],
                ),
                "unknown_key",
            ),
        ]
    }

    pub(super) fn terms_of_the_operator(&self) -> Vec<Value> {
        let plain = self.ordinary();
        let token = self.token(&plain, &[]);
        let with_minter = |minter: &Value| {
            self.assemble(
                &self.key.0,
                &plain.clone().with("minter", minter).json(),
                CREDENTIAL,
                true,
                &[],
            )
        };
        let signed = with_minter(&json!(self.minter.id().as_str()));
        let signed_parts: Vec<&str> = signed.split('.').collect();
        vec![
            in_context(
                "a KEM that the operator does not accept",
                &token,
                "kem",
                json!({"kems": ["x-wing"]}),
            ),
            in_context(
                "such a KEM, and a key that is denied and a life that is too long",
                &token,
                "kem",
                json!({"kems": ["x-wing"], "deny_kid": [self.key.0.public().id().as_str()], "max_lifetime": 1}),
            ),
            in_context(
                "no KEM and no version",
                &token,
                "version",
                json!({"kems": ["x-wing"], "accept": ["v1"]}),
            ),
            in_context("version 1 only", &token, "version", json!({"accept": ["v1"]})),
            in_context(
                "a life that the operator does not accept",
                &token,
                "lifetime",
                json!({"max_lifetime": 3609}),
            ),
            json!({
                "name": "a life of more than 366 days where the operator says nothing",
                "token": self.token(&plain.clone().with("exp", NOW - 10 + 316_224_000), &[]),
                "refused": "lifetime",
            }),
            in_context(
                "no label where one is wanted",
                &self.token(&plain, &[r#"{"sub":"a"}"#]),
                "claims",
                json!({"require_sub": true}),
            ),
            in_context(
                "no minter where one is wanted",
                &token,
                "minter",
                json!({"minters_required": true}),
            ),
            in_context(
                "an unknown minter",
                &with_minter(&json!(KID)),
                "minter",
                json!({"minters_required": true}),
            ),
            in_context(
                "another signature",
                &self.finish([signed_parts[0], signed_parts[1], &base32([1; 64])].join("."), &[]),
                "minter",
                json!({"minters_required": true}),
            ),
        ]
    }

    pub(super) fn seals_and_chains(&self) -> Vec<Value> {
        let plain = self.ordinary();
        let token = self.token(&plain, &[]);
        let parts: Vec<&str> = token.split('.').collect();
        let child = self.token(&plain, &[r#"{"sub":"one"}"#, r#"{"sub":"two"}"#]);
        let links: Vec<&str> = child.split('.').collect();
        let bound = format!("mt2_{}", base64url(plain.json()));
        let sealed_as = |key: &SealingKey, info: &[u8], aad: &str, plaintext: &[u8]| {
            self.finish(format!("{bound}.{}", base32(Self::seal(key, aad, info, plaintext))), &[])
        };
        let whole = [&ROOT_KEY[..], CREDENTIAL.as_bytes()].concat();
        let info = b"magic-api-proxy/v2";
        vec![
            refused(
                "sealed to another key",
                sealed_as(&self.retired.0, info, &bound, &whole),
                "seal",
            ),
            refused(
                "sealed to other claims",
                sealed_as(&self.key.0, info, "mt2_e30", &whole),
                "seal",
            ),
            refused(
                "sealed for another use",
                sealed_as(&self.key.0, b"magic-api-proxy/v1", &bound, &whole),
                "seal",
            ),
            refused(
                "a plaintext of 33 bytes",
                sealed_as(&self.key.0, info, &bound, &whole[..33]),
                "seal",
            ),
            refused(
                "a short seal",
                self.finish(format!("{bound}.{}", base32([1; 31])), &[]),
                "seal",
            ),
            refused(
                "a seal of zeros",
                self.finish(format!("{bound}.{}", base32([0; 120])), &[]),
                "seal",
            ),
            refused("another tag", [parts[0], parts[1], &base32([1; 32])].join("."), "tag"),
            refused("a caveat removed", [links[0], links[1], links[2], links[4]].join("."), "tag"),
            refused("all caveats removed", [links[0], links[1], links[4]].join("."), "tag"),
            refused(
                "caveats in another order",
                [links[0], links[1], links[3], links[2], links[4]].join("."),
                "tag",
            ),
            refused("the parent's tag", [links[0], links[1], links[2], parts[2]].join("."), "tag"),
            refused(
                "a caveat that is no JSON, and no tag of its own",
                [links[0], links[1], "AAAA", links[4]].join("."),
                "tag",
            ),
        ]
    }

    pub(super) fn seals(&self) -> Vec<Value> {
        let seal = |index: usize, key: &SealingKey| {
            let bound = "mt2_eyJhIjoxfQ";
            let plaintext = b"any plaintext";
            let sealed = Self::seal(key, bound, b"magic-api-proxy/v2", plaintext);
            json!({"kem": key.public().kem().as_str(), "key": index, "claims_part": "eyJhIjoxfQ", "sealed_part": base32(sealed), "plaintext": base64url(plaintext)})
        };
        vec![seal(0, &self.key.0), seal(1, &self.xwing.0)]
    }
}
