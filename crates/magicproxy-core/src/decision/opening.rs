//! Opening the credential: for a permitted request, or to see by whose credential a verified token's named owners are meant.

use super::Permit;
use crate::credential::TypedCredential;
use crate::key::{CredentialBinding, KeyRing};
use crate::seal::{OpenError, TokenCredential};
use crate::token::VerifiedToken;

impl KeyRing {
    /// Opens the credential of a permitted request.
    ///
    /// # Errors
    /// [`OpenError`]: the token was sealed for another key, or does not hold a credential.
    pub fn open(&self, permit: &Permit) -> Result<TypedCredential, OpenError> {
        self.unseal(permit.token().sealed())
    }

    /// What the owner secret makes of a verified token's credential, which does not come out: a grant of a named owner is found
    /// by it before a request is permitted.
    ///
    /// # Errors
    /// [`BindError`].
    pub fn bind(&self, token: &VerifiedToken) -> Result<CredentialBinding, BindError> {
        let secret = self.owner_secret().ok_or(BindError::NoSecret)?;
        Ok(secret.bind(&self.unseal(token.sealed())?))
    }

    fn unseal(&self, sealed: &TokenCredential) -> Result<TypedCredential, OpenError> {
        match sealed {
            TokenCredential::Rsa(sealed) => Ok(self.open_rsa(sealed)?.into()),
            TokenCredential::Opened(credential) => Ok(credential.clone()),
            TokenCredential::Nothing => Err(OpenError::Sealed),
        }
    }
}

/// Why a credential is not bound to an owner.
///
/// Exhaustive on purpose: other crates answer each kind in its own way, and do not compile before a new one has its response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BindError {
    /// The ring has no [owner secret](crate::OwnerSecret).
    #[error("there is no secret that binds owners to credentials")]
    NoSecret,
    /// The credential does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
}
