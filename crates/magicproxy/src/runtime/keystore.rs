//! The keys on disk: one folder, `private.pem` mints, `retired-*.pem` and `private-*.pem` still
//! verify; `sealing-*.jwk` open tokens of version 2; `keyset-*.jwk` sign the key set that minters
//! pin; `owners.jwk` binds named owners to credentials.
//!
//! Private keys are created with mode 0600 and never overwritten. Specification of the ring:
//! `token-v1.md` section 7, `token-v2.md` section 7.

mod certificate;
mod jwk;
mod key_set;
mod open;
mod owners;
mod purposes;
mod room;
mod sealing;
mod watch;
pub(crate) mod write;

pub(crate) use purposes::{CurrentPurposes, Purposes};
pub(crate) use room::KeySetRotation;
pub(crate) use watch::KeyWatch;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use magicproxy_core::{KeyError, KeyId, KeyRing, PrivateKey, PublicKey, UnixTime};
use magicproxy_proxy::clock;
use zeroize::Zeroizing;

use magicproxy_config::config::keys::{KeyFiles, KeySettings};
use magicproxy_config::config::lint::KnownKeys;
use magicproxy_config::ground::fault::{Fault, Faults, Origin};
use magicproxy_config::ground::text::reason;
use magicproxy_config::ground::trust;

/// The keys on disk: read, made, and replaced by newer keys.
#[derive(Clone, Debug)]
pub(crate) struct Keystore {
    files: KeyFiles,
    /// True if `./keys` exists and the configuration does not name it: another folder is used.
    passed_over: bool,
}

/// The keys, read and found to fit together.
#[derive(Debug)]
pub(crate) struct Keys {
    pub(crate) ring: KeyRing,
    pub(crate) held: Vec<KeyNote>,
    /// The files of the ring's sealing keys, in the ring's order.
    pub(crate) sealing_files: Vec<PathBuf>,
    /// The files of the keys that sign the key set, in the ring's order.
    pub(crate) key_set_files: Vec<PathBuf>,
    pub(crate) warnings: Vec<String>,
}

/// The facts about a key that may be shown.
#[derive(Debug)]
pub(crate) struct KeyNote {
    pub(crate) path: PathBuf,
    pub(crate) id: KeyId,
    pub(crate) bits: usize,
}

/// The properties of a new key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewKey<'a> {
    pub(crate) bits: usize,
    /// The name in the key's certificate.
    pub(crate) host: &'a str,
    pub(crate) now: UnixTime,
}

impl<'a> NewKey<'a> {
    /// Describes a new key by the configuration, for a proxy with a host name.
    pub(crate) fn of(settings: &KeySettings, host: &'a str) -> Self {
        Self { bits: settings.bits, host, now: clock::now() }
    }
}

impl Keystore {
    /// Finds the keys at the place in the configuration.
    pub(crate) fn of(settings: &KeySettings) -> Self {
        Self { files: settings.files.clone(), passed_over: settings.passed_over }
    }

    /// Returns the paths of the first three files.
    pub(crate) fn files(&self) -> &KeyFiles {
        &self.files
    }

    /// Returns the folder of the ring.
    fn folder(&self) -> &Path {
        self.files.folder()
    }

    /// Reads the keys; `None`, if none were ever made.
    pub(crate) fn load(&self) -> Result<Option<Keys>, Faults> {
        let retired = self.retired().map_err(|error| one_fault(self.folder(), &reason(&error)))?;
        if !self.files.private.exists() {
            return match retired.iter().chain([&self.files.public, &self.files.certificate]).find(|path| path.exists()) {
                None => Ok(None),
                Some(beside) => Err(Faults::one(
                    Fault::new(
                        format!(
                            "the private key `{}` is missing, while `{}` is there",
                            self.files.private.display(),
                            beside.display()
                        ),
                        Origin::Default,
                    )
                    .help("put the private key back, or move the other files away to start with new keys"),
                )),
            };
        }
        self.load_ring(&retired).map(Some)
    }

    /// Reads the keys. An error, if there are none.
    pub(crate) fn load_existing(&self) -> Result<Keys, Faults> {
        let missing = || {
            let fault = Fault::new(
                format!("there is no private key at `{}`", self.files.private.display()),
                Origin::Default,
            );
            Faults::one(fault.help("`magicproxy keys generate` makes one; `--keys DIR` names the folder of an existing one"))
        };
        self.load()?.ok_or_else(missing)
    }

    fn load_ring(&self, retired: &[PathBuf]) -> Result<Keys, Faults> {
        let active = read_private(&self.files.private)?;
        let mut held = vec![KeyNote::of(&self.files.private, &active)];
        let mut warnings: Vec<String> = exposure(&self.files.private)
            .into_iter()
            .chain(trust::of_another(&self.files.private))
            .collect();
        let mut others = Vec::new();
        for path in retired {
            let key = read_private(path)?;
            warnings.extend(exposure(path));
            // An interrupted rotation leaves the same key under both names.
            if held.iter().all(|other| other.id != *key.public().id()) {
                held.push(KeyNote::of(path, &key));
                others.push(key);
            }
        }
        let (sealing_files, sealing) = self.load_sealing(&mut warnings)?.into_iter().unzip();
        let (key_set_files, key_set) = self.load_key_set(&mut warnings)?.into_iter().unzip();
        let ring = KeyRing::new(active, others).and_then(|ring| ring.with_sealing(sealing));
        let ring = ring.and_then(|ring| ring.with_key_set(key_set));
        let owner_secret = self.load_owner_secret(&mut warnings)?;
        let ring =
            ring.map_err(|error| one_fault(self.folder(), &error))?.with_owner_secret(owner_secret);
        for path in [&self.files.public, &self.files.certificate] {
            warnings.extend(check_beside(path, &held)?);
        }
        Ok(Keys { ring, held, sealing_files, key_set_files, warnings })
    }

    /// Lists the other private keys of the ring, in the order of their names.
    fn retired(&self) -> io::Result<Vec<PathBuf>> {
        let mut found = self.files_named("retired-", ".pem")?;
        found.extend(self.files_named("private-", ".pem")?);
        found.retain(|path| *path != self.files.private);
        found.sort();
        Ok(found)
    }

    /// Lists the files in the folder with a prefix and a suffix, in the order of their names.
    fn files_named(&self, prefix: &str, suffix: &str) -> io::Result<Vec<PathBuf>> {
        let entries = match std::fs::read_dir(self.folder()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut found = BTreeSet::new();
        for entry in entries {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if name.starts_with(prefix) && name.ends_with(suffix) {
                found.insert(path);
            }
        }
        Ok(found.into_iter().collect())
    }

    /// Makes the first key. Overwrites nothing.
    pub(crate) fn generate(&self, new: NewKey<'_>) -> anyhow::Result<KeyNote> {
        if let Some(present) = [&self.files.private, &self.files.public, &self.files.certificate]
            .into_iter()
            .find(|path| path.exists())
        {
            anyhow::bail!(
                "`{}` exists and is not overwritten: `magicproxy keys rotate` makes a new key beside it",
                present.display()
            );
        }
        room::ensure_room("signing keys", self.retired()?.len(), 1)?;
        let key = PrivateKey::generate(new.bits)?;
        let certificate = certificate::self_signed(&key, new)?;
        for path in [&self.files.private, &self.files.public, &self.files.certificate] {
            write::create_folder_of(path)?;
        }
        write::private(&self.files.private, &key.to_pem()?)?;
        write::public(&self.files.public, &key.public().to_pem())?;
        write::public(&self.files.certificate, &certificate)?;
        self.add_sealing(new.now)?;
        self.add_key_set(new.now)?;
        self.add_owner_secret(new.now)?;
        Ok(KeyNote::of(&self.files.private, &key))
    }

    /// Makes a new minting key, and keeps the old key so that its tokens live on. Returns the new
    /// key and the old key's new place.
    ///
    /// The order makes every interruption harmless: new files are written beside the old files; the
    /// old key gets its second name before losing the first; the private key changes in one step;
    /// the public files follow.
    pub(crate) fn rotate(&self, new: NewKey<'_>) -> anyhow::Result<(KeyNote, PathBuf)> {
        let old = read_private(&self.files.private)
            .map_err(|_| anyhow::anyhow!("`{}` cannot be read", self.files.private.display()))?;
        let key = PrivateKey::generate(new.bits)?;
        let certificate = certificate::self_signed(&key, new)?;
        let private = write::staged_private(&self.files.private, &key.to_pem()?)?;
        let public = write::staged_public(&self.files.public, &key.public().to_pem())?;
        let certificate = write::staged_public(&self.files.certificate, &certificate)?;
        let short: String = old.public().id().as_str().chars().take(8).collect();
        let retired = self.folder().join(format!("retired-{short}.pem"));
        write::second_name(&self.files.private, &retired)?;
        for (staged, path) in [
            (private, &self.files.private),
            (public, &self.files.public),
            (certificate, &self.files.certificate),
        ] {
            std::fs::rename(&staged, path).with_context(|| format!("`{}`", path.display()))?;
        }
        write::sync_folder(self.folder());
        Ok((KeyNote::of(&self.files.private, &key), retired))
    }
}

impl Keys {
    /// Returns the keys known to warnings of the configuration.
    pub(crate) fn known(&self) -> KnownKeys<'_> {
        let sealing = || self.ring.sealing().iter();
        let active = sealing().filter(|key| key.lifetime().retired.is_none());
        KnownKeys {
            folder: self.held.first().and_then(|key| key.path.parent()),
            ids: self
                .held
                .iter()
                .map(|key| &key.id)
                .chain(sealing().map(|key| key.public().id()))
                .map(KeyId::as_str)
                .collect(),
            active_sealing: active.map(|key| key.public().id().as_str()).collect(),
        }
    }
}

impl KeyNote {
    fn of(path: &Path, key: &PrivateKey) -> Self {
        Self { path: path.to_owned(), id: key.public().id().clone(), bits: key.public().bits() }
    }
}

fn read_private(path: &Path) -> Result<PrivateKey, Faults> {
    if let Some(fault) = trust::writable_by_everybody(path) {
        let fault = Fault::new(format!("private key {fault}"), Origin::Default);
        return Err(Faults::one(fault.help(format!(
            "make new keys if anyone may have done so, else chmod 600 '{}'",
            path.display()
        ))));
    }
    let text = std::fs::read_to_string(path)
        .map(Zeroizing::new)
        .map_err(|error| one_fault(path, &reason(&error)))?;
    PrivateKey::from_pem(&text).map_err(|error| one_fault(path, &error))
}

/// Checks that a public key or certificate beside the private key belongs to it; a file of a
/// retired key means an interrupted rotation.
fn check_beside(path: &Path, held: &[KeyNote]) -> Result<Option<String>, Faults> {
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        text => text.map_err(|error| one_fault(path, &reason(&error)))?,
    };
    let id =
        PublicKey::from_pem(&text).map_err(|error: KeyError| one_fault(path, &error))?.id().clone();
    match held.iter().position(|key| key.id == id) {
        Some(0) => Ok(None),
        Some(_) => Ok(Some(format!(
            "`{}` belongs to a retired key, as an interrupted rotation leaves it: run `magicproxy keys rotate` again",
            path.display()
        ))),
        None => {
            let private =
                held.first().map(|key| key.path.display().to_string()).unwrap_or_default();
            let fault = Fault::new(
                format!("`{}` does not belong to the private key `{private}`", path.display()),
                Origin::Default,
            );
            Err(Faults::one(fault.help("put the matching file there, or delete it: the proxy itself needs only the private key")))
        }
    }
}

/// Returns a warning, if others may read a private key.
#[cfg(unix)]
pub(crate) fn exposure(path: &Path) -> Option<String> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(path).ok()?.permissions().mode() & 0o777;
    let exposed = mode & 0o077 != 0;
    exposed.then(|| {
        format!(
            "the private key `{0}` is open to others (mode {mode:04o}): chmod 600 '{0}'",
            path.display()
        )
    })
}

#[cfg(not(unix))]
pub(crate) fn exposure(_: &Path) -> Option<String> {
    None
}

fn one_fault(path: &Path, error: &dyn std::fmt::Display) -> Faults {
    Faults::one(Fault::new(format!("`{}`: {error}", path.display()), Origin::Default))
}
