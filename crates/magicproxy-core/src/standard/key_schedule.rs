//! HPKE's key schedule (RFC 9180 section 5.1) in mode base, written down once more from the RFC.
//! With this copy a standard's shared secret can be tested through
//! [`SealingKey::open`](crate::SealingKey), which takes no shared secret.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hmac;

const HKDF_SHA256: u16 = 1;
pub(super) const AES_256_GCM_ID: u16 = 2;

/// The key and the first nonce of a context.
pub(super) struct KeySchedule {
    pub(super) key: Vec<u8>,
    pub(super) base_nonce: Vec<u8>,
}

impl KeySchedule {
    pub(super) fn new(kem: u16, aead: u16, shared_secret: &[u8], info: &[u8]) -> Self {
        let suite =
            [&b"HPKE"[..], &kem.to_be_bytes(), &HKDF_SHA256.to_be_bytes(), &aead.to_be_bytes()]
                .concat();
        let hash = |label: &str, input: &[u8]| labeled_extract(&suite, b"", label, input);
        let context = [vec![0], hash("psk_id_hash", b""), hash("info_hash", info)].concat();
        let secret = labeled_extract(&suite, shared_secret, "secret", b"");
        let expand =
            |label: &str, length: u16| labeled_expand(&suite, &secret, label, &context, length);
        Self { key: expand("key", 32), base_nonce: expand("base_nonce", 12) }
    }

    /// Seals the first message.
    pub(super) fn seal(&self, aad: &[u8], plaintext: &[u8]) -> Vec<u8> {
        let (nonce, mut text) = (self.nonce(), plaintext.to_vec());
        self.cipher().seal_in_place_append_tag(nonce, Aad::from(aad), &mut text).unwrap();
        text
    }

    /// Opens the first message.
    pub(super) fn open(&self, aad: &[u8], ciphertext: &[u8]) -> Vec<u8> {
        let mut text = ciphertext.to_vec();
        self.cipher().open_in_place(self.nonce(), Aad::from(aad), &mut text).unwrap().to_vec()
    }

    fn cipher(&self) -> LessSafeKey {
        LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &self.key).unwrap())
    }

    fn nonce(&self) -> Nonce {
        Nonce::try_assume_unique_for_key(&self.base_nonce).unwrap()
    }
}

/// The shared secret of DHKEM(X25519, HKDF-SHA256): RFC 9180 section 4.1.
pub(super) fn x25519_secret(dh: &[u8], enc: &[u8], public: &[u8]) -> Vec<u8> {
    let suite = b"KEM\0\x20";
    let prk = labeled_extract(suite, b"", "eae_prk", dh);
    labeled_expand(suite, &prk, "shared_secret", &[enc, public].concat(), 32)
}

fn labeled_extract(suite: &[u8], salt: &[u8], label: &str, input: &[u8]) -> Vec<u8> {
    mac(salt, &[b"HPKE-v1", suite, label.as_bytes(), input])
}

/// Expands to at most a single block.
fn labeled_expand(suite: &[u8], prk: &[u8], label: &str, info: &[u8], length: u16) -> Vec<u8> {
    let mut block =
        mac(prk, &[&length.to_be_bytes(), b"HPKE-v1", suite, label.as_bytes(), info, &[1]]);
    block.truncate(length.into());
    block
}

fn mac(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), &parts.concat()).as_ref().to_vec()
}
