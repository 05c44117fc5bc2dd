//! The owner secret on disk: `owners.jwk`, a symmetric JWK with `created` beside it. The folder
//! has one secret; a rotation keeps the secret.

use std::io;
use std::path::PathBuf;

use anyhow::Context as _;
use magicproxy_core::{OwnerSecret, UnixTime};
use zeroize::Zeroizing;

use super::{Keystore, exposure, one_fault, write};
use magicproxy_config::ground::fault::{Fault, Faults, Origin};
use magicproxy_config::ground::text::reason;
use magicproxy_config::ground::trust;

/// The name of the secret's file in the folder of the keys.
pub(crate) const FILE: &str = "owners.jwk";

impl Keystore {
    /// Returns the path of the owner secret, present or not.
    pub(crate) fn owner_secret(&self) -> PathBuf {
        self.folder().join(FILE)
    }

    /// Reads the owner secret; `None`, if missing.
    pub(super) fn load_owner_secret(
        &self,
        warnings: &mut Vec<String>,
    ) -> Result<Option<OwnerSecret>, Faults> {
        let path = self.owner_secret();
        let text = match std::fs::read_to_string(&path).map(Zeroizing::new) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text.map_err(|error| one_fault(&path, &reason(&error)))?,
        };
        if let Some(fault) = trust::writable_by_everybody(&path) {
            let fault = Fault::new(format!("owner secret {fault}"), Origin::Default);
            return Err(Faults::one(fault.help(format!("chmod 600 '{}'", path.display()))));
        }
        let secret = OwnerSecret::from_json(&text).map_err(|error| one_fault(&path, &error))?;
        warnings.extend(exposure(&path));
        Ok(Some(secret))
    }

    /// Makes the owner secret, if missing. A present secret is kept in any state: a new secret
    /// makes other owners.
    pub(crate) fn add_owner_secret(&self, now: UnixTime) -> anyhow::Result<Option<PathBuf>> {
        let path = self.owner_secret();
        if path.try_exists().with_context(|| format!("`{}`", path.display()))? {
            return Ok(None);
        }
        write::create_folder_of(&path)?;
        write::private(&path, &OwnerSecret::generate(now)?.to_json())?;
        Ok(Some(path))
    }
}
