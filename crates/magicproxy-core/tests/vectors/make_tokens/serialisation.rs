//! Spellings of a token that are refused.

use super::*;

impl Maker<'_> {
    pub(super) fn serialisation(&self) -> Vec<Value> {
        let good = self.token(HEADER, &self.ordinary());
        let parts: Vec<&str> = good.split('.').collect();
        let (header, payload, signature) = (parts[0], parts[1], parts[2]);
        let join = |parts: &[&str]| parts.join(".");
        // 256 bytes are 342 characters: four bits of the last are not used. `Q`, `g` and `w` end in zeroes.
        let (body, last) = signature.split_at(signature.len() - 1);
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let at = alphabet.find(last).unwrap() + 1;
        let trailing = format!("{body}{}", &alphabet[at..=at]);
        let padded_claims = self.ordinary().with("jti", json!("x".repeat(16_384)));
        let json_form =
            json!({"payload": payload, "protected": header, "signature": signature}).to_string();
        let m = |name: &str, token: &str| refused(name, token, "malformed");
        vec![
            m("nothing", ""),
            m("one part", header),
            m("two parts", &join(&[header, payload])),
            m("two parts and a dot at the start", &format!(".{payload}.{signature}.")),
            refused("no signature", &join(&[header, payload, ""]), "signature"),
            refused("no header", &join(&["", payload, signature]), "header"),
            refused("no payload", &join(&[header, "", signature]), "signature"),
            refused("only dots", "..", "header"),
            m("four parts", &join(&[header, payload, signature, "AA"])),
            m("four parts, the last empty", &format!("{good}.")),
            m("five parts", &join(&[header, payload, signature, "AA", "AA"])),
            m("a dot before", &format!(".{good}")),
            m("a blank before", &format!(" {good}")),
            m("a blank after", &format!("{good} ")),
            m("a line end after", &format!("{good}\n")),
            m(
                "a line end inside",
                &format!("{header}.{payload}.{}\n{}", &signature[..64], &signature[64..]),
            ),
            refused(
                "a blank in the payload",
                &join(&[header, &format!("{} {}", &payload[..64], &payload[64..]), signature]),
                "signature",
            ),
            m("a NUL after", &format!("{good}\0")),
            m("padding on the signature", &format!("{good}==")),
            m("padding on the header", &join(&[&format!("{header}="), payload, signature])),
            refused(
                "padding on the payload",
                &join(&[header, &format!("{payload}="), signature]),
                "signature",
            ),
            m("trailing bits in the signature", &join(&[header, payload, &trailing])),
            refused("a character too many in the signature", &format!("{good}A"), "signature"),
            m("the other alphabet", &join(&[header, payload, &STANDARD.encode([0xff; 256])])),
            m("percent-encoded dots", &good.replace('.', "%2E")),
            m("the JSON serialisation", &json_form),
            m("quoted", &format!("\"{good}\"")),
            m("Bearer", &format!("Bearer {good}")),
            refused("too long", &self.token(HEADER, &padded_claims), "too_long"),
            refused("too long and no token", &"a".repeat(16_385), "too_long"),
            m("as long as may be and no token", &"a".repeat(16_384)),
            refused(
                "payload not base64url, signed",
                &self.signed_text(&format!("{header}.!!!!")),
                "malformed",
            ),
            refused(
                "payload with padding, signed",
                &self
                    .signed_text(&format!("{header}.{}=", base64url(self.ordinary().json() + " "))),
                "malformed",
            ),
            refused(
                "payload with trailing bits, signed",
                &self.signed_text(&format!("{header}.e31")),
                "malformed",
            ),
            refused(
                "payload with a character behind its object, signed",
                &self.signed_text(&format!("{header}.e30x")),
                "claims",
            ),
        ]
    }
}
