//! The tokens that the operator of a proxy accepts, from any minter. `token-v2.md` sections 2, 4
//! and 8.

use crate::key::{AcceptedTokens, Kem, KeyId, MinterKey};
use crate::token::{Origin, VerifyError};
use crate::token_version::{MAX_LIFETIME_SECONDS, TokenVersion};

/// The treatment of tokens without `aud` at an upstream. The Python program mints tokens without
/// `aud`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnnamedTokens {
    /// The upstream accepts tokens without `aud` as its own. At most one upstream of a proxy may,
    /// because a credential goes to one place.
    Accept,
    /// The upstream refuses tokens without `aud`: they belong to another upstream.
    #[default]
    Refuse,
}

/// The operator's conditions for the tokens of one upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acceptance {
    /// The accepted versions.
    pub versions: Vec<TokenVersion>,
    /// The ids of denied keys, for instance of leaked keys. Tokens of a denied key are refused in
    /// either version, and so are tokens with an origin of a denied key.
    pub denied_keys: Vec<String>,
    /// The minters that may sign version 2 tokens. With an empty list, anyone may mint version 2
    /// tokens, without a minter's signature.
    pub minters: Vec<MinterKey>,
    /// The accepted KEMs of version 2 tokens.
    pub kems: Vec<Kem>,
    /// True if a token must have a label (`sub`).
    pub require_sub: bool,
    /// The longest life of a token from `iat` to `exp`, in seconds. Without a value, tokens of
    /// version 2 live no longer than [`MAX_SEALED_LIFETIME_SECONDS`].
    pub max_lifetime: Option<u64>,
}

/// The longest life of a version 2 token where the operator sets none, in seconds: 366 days. A
/// limit is needed because anyone with the public key chooses the life. Tokens of the Python
/// program, which live five years, are of version 1.
pub const MAX_SEALED_LIFETIME_SECONDS: u64 = 366 * 24 * 60 * 60;

impl Default for Acceptance {
    fn default() -> Self {
        Self {
            versions: vec![TokenVersion::V1, TokenVersion::V2],
            denied_keys: Vec::new(),
            minters: Vec::new(),
            kems: Kem::ALL.into(),
            require_sub: false,
            max_lifetime: None,
        }
    }
}

impl Acceptance {
    /// Returns the ids of the keys that all of these upstreams deny. Minters need not seal to such
    /// a key.
    pub fn denied_everywhere<'a>(upstreams: impl IntoIterator<Item = &'a Self>) -> Vec<String> {
        let mut all = upstreams.into_iter().map(|acceptance| acceptance.denied_keys.clone());
        let first = all.next().unwrap_or_default();
        all.fold(first, |denied, here| denied.into_iter().filter(|id| here.contains(id)).collect())
    }

    pub(super) fn ensure_version(&self, version: TokenVersion) -> Result<(), VerifyError> {
        if self.versions.contains(&version) {
            Ok(())
        } else {
            Err(VerifyError::Version(version.as_str()))
        }
    }

    pub(super) fn ensure_kem(&self, kem: Kem) -> Result<(), VerifyError> {
        if self.kems.contains(&kem) { Ok(()) } else { Err(VerifyError::Kem(kem.as_str())) }
    }

    /// Returns the longest life of a token of this version, in seconds.
    pub(crate) fn longest_life(&self, version: TokenVersion) -> Option<u64> {
        self.max_lifetime.or(match version {
            TokenVersion::V1 => None,
            TokenVersion::V2 => Some(MAX_SEALED_LIFETIME_SECONDS),
        })
    }

    /// Checks that no origin of the token, according to its caveats, is of a denied key. Otherwise
    /// a thief of the key could forge a token and have it sealed anew.
    pub(super) fn ensure_origins(&self, origins: &[Origin]) -> Result<(), VerifyError> {
        if origins.iter().any(|origin| self.denies_key(&origin.kid)) {
            Err(VerifyError::DeniedOrigin)
        } else {
            Ok(())
        }
    }

    /// True if the operator denies the tokens of this key.
    #[must_use]
    pub fn denies_key(&self, id: &KeyId) -> bool {
        self.denied_keys.iter().any(|denied| denied == id.as_str())
    }
}

impl AcceptedTokens {
    /// Returns the conditions under which at least one of these upstreams accepts a token.
    pub fn any_of<'a>(upstreams: impl IntoIterator<Item = &'a Acceptance>) -> Self {
        let all: Vec<&Acceptance> = upstreams.into_iter().collect();
        let mut union =
            Self { versions: Vec::new(), kems: Vec::new(), minters: None, max_lifetime: 1 };
        let mut unsigned = false;
        for acceptance in &all {
            add(&mut union.versions, acceptance.versions.iter().copied());
        }
        let any_takes_sealed = union.versions.contains(&TokenVersion::V2);
        for acceptance in all {
            if any_takes_sealed && !acceptance.versions.contains(&TokenVersion::V2) {
                continue;
            }
            add(&mut union.kems, acceptance.kems.iter().copied());
            unsigned |= acceptance.minters.is_empty();
            let minters = acceptance.minters.iter().map(|minter| minter.id().to_string());
            add(union.minters.get_or_insert_default(), minters);
            let longest = acceptance.longest_life(TokenVersion::V2).unwrap_or(MAX_LIFETIME_SECONDS);
            union.max_lifetime = union.max_lifetime.max(longest.min(MAX_LIFETIME_SECONDS));
        }
        let minters = union.minters.filter(|_| !unsigned);
        Self { minters, ..union }
    }
}

fn add<T: PartialEq>(list: &mut Vec<T>, more: impl IntoIterator<Item = T>) {
    for one in more {
        if !list.contains(&one) {
            list.push(one);
        }
    }
}
