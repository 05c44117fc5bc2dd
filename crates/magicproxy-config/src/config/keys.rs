//! The places of the key files. This module does not read the keys.

use std::path::{Path, PathBuf};

use super::check::Checker;
use super::raw::RawConfig;
use super::setting::{GivenValue, Setting, section};
use crate::ground::fault::Origin;

/// The Python program's folder of keys, in the working directory.
pub const KEYS_HERE: &str = "keys";

section! {
    /// The signing keys.
    RawKeys {
        /// The folder that holds `private.pem`, `public.pem` and `public.x509.cer`.
        folder: String,
        /// The file of the private key, unless the folder holds it.
        private_key: String,
        /// The file of the public key, unless the folder holds it.
        public_key: String,
        /// The file of the certificate, unless the folder holds it.
        certificate: String,
        /// The size of new keys: 2048, 3072 or 4096.
        bits: u64 = 2048,
    }
}

/// The places of the keys, and the size of new keys.
#[derive(Clone, Debug)]
pub struct KeySettings {
    /// The files of the first key.
    pub files: KeyFiles,
    /// The size of a new RSA key.
    pub bits: usize,
    /// True if `./keys` exists and no setting names the folder, so that another folder is used.
    pub passed_over: bool,
}

/// The three files of the first key. The other keys of the ring lie in the folder of the private
/// key.
#[derive(Clone, Debug, Default)]
pub struct KeyFiles {
    /// The private key.
    pub private: PathBuf,
    /// The public half of the key.
    pub public: PathBuf,
    /// The self-signed certificate that the Python program expects.
    pub certificate: PathBuf,
}

impl KeyFiles {
    /// The folder of the ring.
    pub fn folder(&self) -> &Path {
        match self.private.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        }
    }
}

/// Adds the three files in the folder to a layer that names the folder. A file named by the layer
/// stays.
pub(super) fn in_folder(keys: RawKeys) -> RawKeys {
    let Some(folder) = keys.folder.0.as_ref() else { return keys };
    let file = |name: &str| {
        let path = Path::new(&folder.value).join(name).to_string_lossy().into_owned();
        Setting::new(path, folder.origin.clone())
    };
    RawKeys {
        private_key: keys.private_key.or(file("private.pem")),
        public_key: keys.public_key.or(file("public.pem")),
        certificate: keys.certificate.or(file("public.x509.cer")),
        folder: Setting::default(),
        bits: keys.bits,
    }
}

impl Checker<'_> {
    /// Checks the settings of the keys.
    pub(super) fn keys(&mut self, raw: &RawConfig) -> KeySettings {
        let path = |setting: &Setting<String>| {
            setting.given().map(|given| self.path(given)).unwrap_or_default()
        };
        let files = KeyFiles {
            private: path(&raw.keys.private_key),
            public: path(&raw.keys.public_key),
            certificate: path(&raw.keys.certificate),
        };
        let bits = match raw.keys.bits.given() {
            Some(GivenValue { value: bits @ (2048 | 3072 | 4096), .. }) => {
                usize::try_from(*bits).unwrap_or(2048)
            }
            Some(given) => {
                self.fault(
                    format!("keys.bits `{}`: expected 2048, 3072 or 4096", given.value),
                    &given.origin,
                );
                2048
            }
            None => 2048,
        };
        let unnamed =
            raw.keys.private_key.given().is_some_and(|given| given.origin == Origin::Default);
        let here = Path::new(KEYS_HERE).join("private.pem");
        let passed_over = unnamed && files.private != here && here.exists();
        KeySettings { files, bits, passed_over }
    }
}
