//! The credential inside a token, sealed to the proxy's key. `token-v1.md` section 5.
//!
//! Only the credential of a verified token is opened (`decision::opening`). Decryption therefore
//! meets only text that the proxy signed, and no padding oracle exists.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::rand;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::credential::{Credential, ParseCredentialError, TypedCredential};
use crate::encoding::{base64, base64url, from_base64, from_base64url};
use crate::json;
use crate::key::{KeyError, KeyId, KeyRing, PrivateKey, PublicKey};

const GCM_TAG_BYTES: usize = 16;
const KEY_BYTES: usize = 32;
const PROTECTED_HEADER: &str = r#"{"alg":"RSA-OAEP-256","enc":"A256GCM"}"#;

/// The credential of a verified token.
#[derive(Debug)]
pub(crate) enum TokenCredential {
    /// The sealed credential of a version 1 token, opened when a request is permitted.
    Rsa(SealedCredential),
    /// The credential of a version 2 token, opened by the verification, because the seal is the
    /// proof of the token.
    Opened(TypedCredential),
    /// No credential yet, in a token in the making.
    Nothing,
}

impl TokenCredential {
    pub(crate) fn memory_bytes(&self) -> usize {
        match self {
            Self::Rsa(sealed) => sealed.text.len(),
            Self::Opened(credential) => credential.bytes(),
            Self::Nothing => 0,
        }
    }

    pub(crate) fn longest_credential(&self) -> usize {
        match self {
            // Base64. The longest part of a JWE is the ciphertext, or else the encrypted key.
            Self::Rsa(sealed) => {
                sealed.text.split('.').map(str::len).max().unwrap_or(0).div_ceil(4) * 3
            }
            Self::Opened(credential) => credential.bytes(),
            Self::Nothing => 0,
        }
    }
}

/// A sealed credential as written in a token's `token` claim, not yet opened.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SealedCredential {
    text: String,
    key: KeyId,
}

impl SealedCredential {
    /// Takes the text and the id of the key that signed the token, which also opens the credential.
    pub(crate) fn new(text: String, key: KeyId) -> Self {
        Self { text, key }
    }
}

/// Hides even the sealed text: an old log and a leaked key would make a credential.
impl fmt::Debug for SealedCredential {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SealedCredential").field("key", &self.key).finish_non_exhaustive()
    }
}

/// Seals a credential: with RSA-OAEP where the credential fits, else as a compact JWE.
pub(crate) fn seal(credential: &Credential, key: &PublicKey) -> Result<String, KeyError> {
    let secret = credential.expose().as_bytes();
    if secret.len() <= key.max_plaintext_bytes() {
        return Ok(base64(&key.encrypt(secret)?));
    }
    seal_jwe(secret, key)
}

impl KeyRing {
    pub(crate) fn open_rsa(&self, sealed: &SealedCredential) -> Result<Credential, OpenError> {
        let key = self.by_id(sealed.key.as_str()).ok_or(OpenError::Sealed)?;
        let secret = if sealed.text.contains('.') {
            open_jwe(&sealed.text, key)
        } else {
            open_oaep(&sealed.text, key)
        };
        let text =
            String::from_utf8(secret.ok_or(OpenError::Sealed)?.to_vec()).map_err(|error| {
                drop(Zeroizing::new(error.into_bytes()));
                OpenError::Credential(ParseCredentialError::Character)
            })?;
        Ok(Credential::parse(Zeroizing::new(text))?)
    }
}

/// The reason for which a sealed credential does not open. All cryptographic failures are one
/// variant, so that no failure tells an attacker more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Not sealed for this proxy, or damaged.
    #[error("the credential in the token cannot be opened")]
    Sealed,
    /// Opened, but the text is no credential.
    #[error("the token does not hold a usable credential: {0}")]
    Credential(#[from] ParseCredentialError),
}

fn open_oaep(text: &str, key: &PrivateKey) -> Option<Zeroizing<Vec<u8>>> {
    key.decrypt(&from_base64(text)?).ok()
}

fn seal_jwe(secret: &[u8], key: &PublicKey) -> Result<String, KeyError> {
    let mut content_key = Zeroizing::new([0; KEY_BYTES]);
    let mut nonce = [0; 12];
    rand::fill(content_key.as_mut()).map_err(|_| KeyError::Operation)?;
    rand::fill(&mut nonce).map_err(|_| KeyError::Operation)?;
    let header = base64url(PROTECTED_HEADER.as_bytes());
    let mut text = secret.to_vec();
    let tag = cipher(content_key.as_ref())
        .ok_or(KeyError::Operation)?
        .seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(header.as_bytes()),
            &mut text,
        )
        .map_err(|_| KeyError::Operation)?;
    let encrypted_key = base64url(&key.encrypt(content_key.as_ref())?);
    Ok(format!(
        "{header}.{encrypted_key}.{}.{}.{}",
        base64url(&nonce),
        base64url(&text),
        base64url(tag.as_ref())
    ))
}

/// Opens a compact JWE (RFC 7516 section 5.2) of the one accepted pair of algorithms.
pub(crate) fn open_jwe(text: &str, key: &PrivateKey) -> Option<Zeroizing<Vec<u8>>> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Header {
        alg: String,
        enc: String,
    }
    let parts: Vec<&str> = text.split('.').collect();
    let [header, encrypted_key, nonce, ciphertext, tag] = parts.as_slice() else { return None };
    let parsed: Header = json::object(&from_base64url(header)?).ok()?;
    if parsed.alg != "RSA-OAEP-256" || parsed.enc != "A256GCM" {
        return None;
    }
    let content_key = key.decrypt(&from_base64url(encrypted_key)?).ok()?;
    let (nonce, text, tag) =
        (from_base64url(nonce)?, from_base64url(ciphertext)?, from_base64url(tag)?);
    Content { nonce: &nonce, header: header.as_bytes(), ciphertext: &text, tag: &tag }
        .open(&content_key)
}

/// The encrypted content of a JWE, in A256GCM: RFC 7518 section 5.3.
#[derive(Clone, Copy)]
pub(crate) struct Content<'c> {
    pub(crate) nonce: &'c [u8],
    /// The additional authenticated data: the header part as written.
    pub(crate) header: &'c [u8],
    pub(crate) ciphertext: &'c [u8],
    pub(crate) tag: &'c [u8],
}

impl Content<'_> {
    /// Opens the content with the content key. All failures are one.
    pub(crate) fn open(self, key: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let nonce = Nonce::try_assume_unique_for_key(self.nonce).ok()?;
        if self.tag.len() != GCM_TAG_BYTES {
            return None;
        }
        let mut buffer = Zeroizing::new([self.ciphertext, self.tag].concat());
        let length =
            cipher(key)?.open_in_place(nonce, Aad::from(self.header), &mut buffer).ok()?.len();
        buffer.truncate(length);
        Some(buffer)
    }
}

fn cipher(key: &[u8]) -> Option<LessSafeKey> {
    Some(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).ok()?))
}
