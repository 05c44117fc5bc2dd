//! The owner secret on disk: `owners.jwk`, a symmetric JWK with `created` beside it. There is one; a rotation keeps it.

use std::io;
use std::path::PathBuf;

use anyhow::Context as _;
use magicproxy_core::{OwnerSecret, UnixTime};
use zeroize::Zeroizing;

use super::{Keystore, exposure, one_fault, write};
use magicproxy_config::ground::fault::{Fault, Faults, Origin};
use magicproxy_config::ground::text::reason;
use magicproxy_config::ground::trust;

/// The name of its file in the folder of the keys.
pub(crate) const FILE: &str = "owners.jwk";

impl Keystore {
    /// Where the owner secret is, or would be.
    pub(crate) fn owner_secret(&self) -> PathBuf {
        self.folder().join(FILE)
    }

    /// Reads the owner secret; nothing where there is none.
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

    /// Makes the owner secret where there is none. One that is there is kept, whatever it is: another one makes other owners.
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
