//! What the operator of a proxy accepts, whoever minted it. `token-v2.md` sections 2, 4 and 8.

use crate::key::{AcceptedTokens, Kem, KeyId, MinterKey};
use crate::token::{Origin, VerifyError};
use crate::token_version::{MAX_LIFETIME_SECONDS, TokenVersion};

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
        if self.versions.contains(&version) {
            Ok(())
        } else {
            Err(VerifyError::Version(version.as_str()))
        }
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
        if origins.iter().any(|origin| self.denies_key(&origin.kid)) {
            Err(VerifyError::DeniedOrigin)
        } else {
            Ok(())
        }
    }

    pub(super) fn denies_key(&self, id: &KeyId) -> bool {
        self.denied_keys.iter().any(|denied| denied == id.as_str())
    }
}

impl AcceptedTokens {
    /// What at least one of these upstreams accepts.
    pub fn any_of<'a>(upstreams: impl IntoIterator<Item = &'a Acceptance>) -> Self {
        let all: Vec<&Acceptance> = upstreams.into_iter().collect();
        let mut union =
            Self { versions: Vec::new(), kems: Vec::new(), minters: None, max_lifetime: 1 };
        let mut unsigned = false;
        add(
            &mut union.versions,
            all.iter().flat_map(|acceptance| acceptance.versions.iter().copied()),
        );
        let takes_sealed =
            |acceptance: &&Acceptance| acceptance.versions.contains(&TokenVersion::V2);
        let sealed = union.versions.contains(&TokenVersion::V2);
        for acceptance in all.into_iter().filter(|acceptance| !sealed || takes_sealed(acceptance)) {
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
