//! The part of `token-v2.json` that section 4 of the specification is about: whose SIGNATURE is taken. In all of them but those
//! of form everything else is right, the tag too.

use serde_json::{Value, json};

use crate::make_sealed::{CREDENTIAL, Maker, base32, part, refused};

/// Bytes that are no Ed25519 signature's, those of ML-DSA-44, ML-DSA-65 and ML-DSA-87 (FIPS 204) among them.
const OTHER_LENGTHS: [usize; 10] = [1, 31, 32, 63, 65, 96, 128, 2420, 3309, 4627];
const STRANGER: &str = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";
const CAVEAT: &str = r#"{"sub":"a"}"#;

impl Maker {
    pub(crate) fn signatures(&self) -> Vec<Value> {
        let named = |minter: &str| self.ordinary().with("minter", json!(minter)).json();
        let claims = named(self.minter.id().as_str());
        let minted = |claims: &str| self.minted(&self.key.0, &part(claims), CREDENTIAL);
        let token = |minted: &str, signature: &[u8], caveats: &[&str]| {
            self.finish(format!("{minted}.{}", base32(signature)), caveats)
        };
        let (ours, strangers) = (minted(&claims), minted(&named(STRANGER)));
        let signature = self.sign(&ours);
        let signed = |signature: &[u8]| token(&ours, signature, &[]);
        let wanted = |name: &str, token: String, kind: &str| {
            let mut case = refused(name, token, kind);
            case["context"] = json!({"minters_required": true});
            case
        };
        let mut cases: Vec<Value> = OTHER_LENGTHS
            .iter()
            .flat_map(|length| {
                let bytes: Vec<u8> = signature.iter().copied().cycle().take(*length).collect();
                [
                    wanted(
                        &format!("a signature of {length} bytes by a listed minter"),
                        signed(&bytes),
                        "minter",
                    ),
                    wanted(
                        &format!("a signature of {length} bytes by a stranger"),
                        token(&strangers, &bytes, &[]),
                        "minter",
                    ),
                ]
            })
            .collect();
        let behind = [&signature[..], &[0]].concat();
        let unknown =
            |claims: &str| claims.replacen(self.key.0.public().id().as_str(), STRANGER, 1);
        let other = self.finish(format!("{}.{}", minted(&claims), base32(&signature)), &[]);
        cases.extend([
            wanted("a listed minter's signature and a byte more", signed(&behind), "minter"),
            wanted("a listed minter's signature, of another token", other, "minter"),
            wanted(
                "a listed minter's signature of the claims alone",
                signed(&self.sign(ours.split_once('.').unwrap().0)),
                "minter",
            ),
            wanted(
                "a signature of 2420 bytes and a caveat",
                token(&ours, &[1; 2420], &[CAVEAT]),
                "minter",
            ),
            refused(
                "a listed minter's signature where no minters are listed",
                signed(&signature),
                "minter",
            ),
            refused(
                "a signature of 2420 bytes where no minters are listed",
                signed(&[1; 2420]),
                "minter",
            ),
            wanted(
                "a signature of 63 bytes, and an unknown key",
                token(&minted(&unknown(&claims)), &[1; 63], &[]),
                "unknown_key",
            ),
            wanted(
                "a signature of 63 bytes, and another tag",
                [ours.as_str(), &base32([1; 63]), &base32([1; 32])].join("."),
                "minter",
            ),
            // What stands behind SEALED is the signature if and only if the claims name a minter, whatever it looks like.
            wanted("an empty signature", format!("{ours}..{}", base32([1; 32])), "malformed"),
            wanted(
                "a caveat in the signature's place",
                self.finish(ours.clone(), &[CAVEAT]),
                "malformed",
            ),
            wanted(
                "a caveat before the signature",
                self.finish_parts(ours.clone(), &[part(CAVEAT), base32(&signature)]),
                "malformed",
            ),
            wanted(
                "a signature of a length that base32 has not",
                format!("{ours}.{}.{}", "a".repeat(105), base32([1; 32])),
                "malformed",
            ),
            refused(
                "a signature of 2420 bytes without a minter is no caveat",
                self.finish(
                    format!("{}.{}", minted(&self.ordinary().json()), base32([1; 2420])),
                    &[],
                ),
                "tag",
            ),
            refused(
                "a caveat that looks like a signature",
                self.finish_parts(minted(&self.ordinary().json()), &[base32([1; 2420])]),
                "caveat",
            ),
        ]);
        cases
    }
}
