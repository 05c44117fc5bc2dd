//! What the operator of a proxy accepts, whoever minted it. `token-v2.md` sections 2, 4 and 8.

use crate::key::{Kem, KeyId, MinterKey};
use crate::token::{Origin, VerifyError};

/// A version of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TokenVersion {
    /// A JWT that the proxy signed: `token-v1.md`.
    V1,
    /// Sealed to the proxy's public key: `token-v2.md`.
    V2,
}

impl TokenVersion {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::V1, Self::V2];

    /// What a key does for a token of this version.
    pub(super) fn how(self) -> &'static str {
        match self {
            Self::V1 => "signed with",
            Self::V2 => "sealed to",
        }
    }

    /// The version of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::V1, Self::V2].into_iter().find(|version| version.as_str() == name)
    }

    /// Its name in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
        }
    }
}

/// What becomes of tokens without `aud` at an upstream. The Python program mints such.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnnamedTokens {
    /// They are its own. At most one upstream of a proxy may say so: a credential goes to one place.
    Accept,
    /// They are for another upstream.
    #[default]
    Refuse,
}

/// What is accepted at one upstream, besides what the token itself allows.
#[derive(Debug)]
pub struct Acceptance {
    /// The versions.
    pub versions: Vec<TokenVersion>,
    /// Keys whose tokens are refused, of either version, and so is what was made of these: because the keys leaked, for instance.
    pub denied_keys: Vec<String>,
    /// Whoever may mint version 2 tokens; anyone, where there is none.
    pub minters: Vec<MinterKey>,
    /// The KEMs of version 2 tokens.
    pub kems: Vec<Kem>,
    /// Must a token say whom it is for?
    pub require_sub: bool,
    /// The longest life of a token, from `iat` to `exp`, in seconds. Where there is none, tokens of version 2 live no longer
    /// than [`MAX_SEALED_LIFETIME_SECONDS`].
    pub max_lifetime: Option<u64>,
}

/// The longest life of a token of version 2 where the operator names none, in seconds: 366 days. Whoever has the public key says
/// how long it lives; the Python program's tokens, which live five years, are of version 1.
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
    /// The ids of the keys that none of these upstreams accepts, and that nobody need seal to.
    pub fn denied_everywhere<'a>(upstreams: impl IntoIterator<Item = &'a Self>) -> Vec<String> {
        let mut all = upstreams.into_iter().map(|acceptance| acceptance.denied_keys.clone());
        let first = all.next().unwrap_or_default();
        all.fold(first, |denied, here| denied.into_iter().filter(|id| here.contains(id)).collect())
    }

    pub(super) fn ensure_version(&self, version: TokenVersion) -> Result<(), VerifyError> {
        if self.versions.contains(&version) { Ok(()) } else { Err(VerifyError::Version(version.as_str())) }
    }

    pub(super) fn ensure_kem(&self, kem: Kem) -> Result<(), VerifyError> {
        if self.kems.contains(&kem) { Ok(()) } else { Err(VerifyError::Kem(kem.as_str())) }
    }

    /// The longest life of a token of this version, in seconds.
    pub(crate) fn longest_life(&self, version: TokenVersion) -> Option<u64> {
        self.max_lifetime.or(match version {
            TokenVersion::V1 => None,
            TokenVersion::V2 => Some(MAX_SEALED_LIFETIME_SECONDS),
        })
    }

    /// Is none of the tokens of which a token was made, as its caveats say, of a denied key? Who has such a key can forge a token and
    /// have it sealed anew.
    pub(super) fn ensure_origins(&self, origins: &[Origin]) -> Result<(), VerifyError> {
        if origins.iter().any(|origin| self.denies_key(&origin.kid)) { Err(VerifyError::DeniedOrigin) } else { Ok(()) }
    }

    pub(super) fn denies_key(&self, id: &KeyId) -> bool {
        self.denied_keys.iter().any(|denied| denied == id.as_str())
    }
}
