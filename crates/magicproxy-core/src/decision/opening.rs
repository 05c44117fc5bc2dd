//! Opening the credential: for a permitted request, or to tell the named owners of a verified token
//! apart by its credential.

use super::Permit;
use crate::credential::TypedCredential;
use crate::key::{CredentialBinding, KeyRing};
use crate::seal::{OpenError, TokenCredential};
use crate::token::VerifiedToken;

impl KeyRing {
    /// Opens the credential of a permitted request.
    ///
    /// # Errors
    /// [`OpenError`] if the credential was sealed for another key, or the opened text is no
    /// credential.
    pub fn open(&self, permit: &Permit) -> Result<TypedCredential, OpenError> {
        self.unseal(permit.token().sealed())
    }

    /// Computes the owner secret's binding of a verified token's credential. The credential itself
    /// is not returned. The binding finds the grants of a named owner before a request is
    /// permitted.
    ///
    /// # Errors
    /// [`BindError`] if the ring has no owner secret, or the credential does not open.
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

/// The reason for which a credential is not bound to an owner.
///
/// Exhaustive on purpose: other crates map each variant to a response, and a new variant must not
/// compile before it has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BindError {
    /// The ring has no [owner secret](crate::OwnerSecret).
    #[error("there is no secret that binds owners to credentials")]
    NoSecret,
    /// The credential does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
}
