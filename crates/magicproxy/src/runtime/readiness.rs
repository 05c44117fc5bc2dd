//! Readiness of the machine for `serve`, besides a right configuration: keys, plugins, files,
//! folders and addresses.
//!
//! `serve` and `config check` share the checks, so that both refuse the same. Nothing is made,
//! changed or taken: for a missing file, the folder for it is checked.

mod addresses;

use std::io;
use std::path::Path;
use std::sync::Arc;

use magicproxy_core::Scope;
use magicproxy_core::state::StateStore;
use magicproxy_plugin::Host;
use magicproxy_proxy::https::{TrustFault, check_trust};
use magicproxy_proxy::settings::ApiRoot;

pub(crate) use addresses::addresses;

use crate::runtime::keystore::{Keys, Keystore, Purposes};
use crate::runtime::revocations::RevocationFile;
use crate::runtime::{plugins, tls};
use magicproxy_config::config::Config;
use magicproxy_config::config::state::StoreSettings;
use magicproxy_config::config::tls::TlsSource;
use magicproxy_config::ground::fault::{Fault, Faults, Origin};
use magicproxy_config::ground::text::reason;

/// The first bytes of a redb file.
const REDB_MAGIC: &[u8] = b"redb\x1A\x0A\xA9\x0D\x0A";

/// The findings: the parts to begin with, or the faults in the way.
#[derive(Debug, Default)]
pub(crate) struct Readiness {
    /// The keys; none, if none were ever made: `serve` makes them.
    pub(crate) keys: Option<Keys>,
    /// The host of the plugins; none, if no plugin is configured.
    pub(crate) plugins: Option<Arc<Host>>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) warnings: Vec<String>,
    /// Notes on the things that the first start will make.
    pub(crate) notes: Vec<String>,
}

impl Readiness {
    /// Checks everything but the addresses, because a running proxy holds them. Plugins are loaded,
    /// for a host that keeps their state in `state`.
    pub(crate) fn of(config: &Config, state: Option<Arc<dyn StateStore>>) -> Self {
        let mut readiness = Self::besides_plugins(config);
        match plugins::load(&config.plugins, state) {
            Ok(plugins) => readiness.plugins = plugins,
            Err(faults) => readiness.faults.extend(faults.faults),
        }
        readiness
    }

    /// Checks everything but the addresses and the plugins, which a running proxy has loaded.
    pub(crate) fn besides_plugins(config: &Config) -> Self {
        let mut readiness = Self::default();
        readiness.keys(config);
        readiness.tls(config);
        readiness.trust(config);
        readiness.revocations(config);
        readiness.store(config);
        readiness.warnings.extend(tls::warnings(config.tls.as_ref()));
        readiness
    }

    /// Returns the findings, or the faults if any were found.
    pub(crate) fn ready(self) -> Result<Self, Faults> {
        if self.faults.is_empty() {
            Ok(self)
        } else {
            Err(Faults { faults: self.faults, sources: Default::default() })
        }
    }

    fn fault(&mut self, message: String) {
        self.faults.push(Fault::new(message, Origin::Default));
    }

    fn keys(&mut self, config: &Config) {
        let keystore = Keystore::of(&config.keys);
        let files = keystore.files();
        match keystore.load() {
            Ok(Some(keys)) => {
                self.warnings.extend(keys.warnings.iter().cloned());
                self.owner_secret(config, &keystore, &keys);
                self.faults
                    .extend(Purposes::of(&config.upstreams, config.tls.as_ref()).faults(&keys));
                self.keys = Some(keys);
            }
            Ok(None) => {
                self.notes.push(format!(
                    "there are no keys yet: `serve` makes them in `{}`",
                    files.folder().display()
                ));
                for path in [&files.private, &files.public, &files.certificate] {
                    self.creatable("keys", path);
                }
            }
            Err(faults) => self.faults.extend(faults.faults),
        }
    }

    /// Adds a fault, if rules name an owner and the owner secret is missing: without the secret
    /// they would allow nothing. A secret is never made in silence: replicas need the same secret,
    /// and a backup may hold the lost one.
    fn owner_secret(&mut self, config: &Config, keystore: &Keystore, keys: &Keys) {
        if keys.ring.owner_secret().is_some() {
            return;
        }
        let path = keystore.owner_secret();
        let named = config.upstreams.iter().find_map(|upstream| {
            upstream
                .scopes
                .names()
                .find(|name| upstream.scopes.scope(name).is_some_and(Scope::names_owners))
        });
        let Some(scope) = named else { return };
        let fault = Fault::new(
            format!(
                "scope `{scope}` names an owner, and the secret `{}` that binds owners to credentials is missing",
                path.display()
            ),
            Origin::Default,
        );
        self.faults.push(fault.help(
            "`magicproxy keys generate` makes it once, for all replicas; if there was one, put it back, or what named owners have is not found any more",
        ));
    }

    /// Checks the places of certificates made by the proxy; certificate files were read with the
    /// configuration.
    fn tls(&mut self, config: &Config) {
        match &config.tls {
            Some(TlsSource::Dev) => {
                self.creatable("tls.dev", &config.own_authority().certificate())
            }
            Some(TlsSource::Acme(settings)) => {
                self.creatable("acme.cache", &settings.cache.join("certificate.pem"))
            }
            Some(TlsSource::Files(_)) | None => {}
        }
    }

    /// Checks that certificate authorities are trusted, if an API is reached by TLS.
    fn trust(&mut self, config: &Config) {
        let secure = config.upstreams.iter().find(|upstream| {
            upstream.extra_roots.is_empty() && upstream.origins().any(ApiRoot::is_secure)
        });
        let Some(upstream) = secure else { return };
        let why = match check_trust(&upstream.extra_roots) {
            Ok(()) => return,
            Err(TrustFault::NoAuthorities) => {
                "this system has no certificate authorities: install them (`ca-certificates`), name their file in `SSL_CERT_FILE`, or \
                 give the API's in `extra_ca_file`"
                    .to_owned()
            }
            Err(TrustFault::Unreadable(number)) => format!("certificate number {number} to trust cannot be read"),
            Err(TrustFault::Other(why)) => why,
        };
        self.fault(format!(
            "upstream `{}`: no TLS with {}: {why}",
            upstream.name, upstream.api_root
        ));
    }

    fn revocations(&mut self, config: &Config) {
        let Some(file) = &config.revocations.file else { return };
        if let Err(error) = RevocationFile(file.clone()).read() {
            self.fault(crate::ground::failure::chain(&error));
        }
    }

    /// Checks the state store. A file opened by another process is not opened: the other process
    /// may be the running proxy.
    fn store(&mut self, config: &Config) {
        let StoreSettings::Redb(path) = &config.state.store else { return };
        let shown = format!("state.path `{}`", path.display());
        match std::fs::File::options()
            .read(true)
            .write(true)
            .open(path)
            .and_then(|file| begins_with(file, REDB_MAGIC))
        {
            Ok(true) => {}
            Ok(false) => self.fault(format!("{shown}: this is no file of a state store (redb)")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // No store is configured: a store is made when a token needs one, and tokens that
                // need a store are refused if none can be made.
                let before = self.faults.len();
                let folder = path
                    .parent()
                    .filter(|folder| !folder.as_os_str().is_empty())
                    .unwrap_or(Path::new("."));
                // Only the folders of the keys are made.
                if folder.exists() || config.keys.files.folder().starts_with(folder) {
                    self.creatable("state.path", path);
                } else {
                    self.fault(format!("{shown}: there is no folder `{}`", folder.display()));
                }
                if !config.state.chosen {
                    let faults = self.faults.split_off(before).into_iter();
                    self.warnings.extend(faults.map(|fault| {
                        format!("{}: tokens that need a store will be refused", fault.message)
                    }));
                }
            }
            Err(error) => self.fault(format!("{shown}: {}", reason(&error))),
        }
    }

    /// Checks that a missing file can be made.
    fn creatable(&mut self, key: &str, path: &Path) {
        if path.exists() {
            return;
        }
        let parent =
            path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut folder = parent;
        while !folder.exists() {
            folder = folder
                .parent()
                .filter(|folder| !folder.as_os_str().is_empty())
                .unwrap_or(Path::new("."));
        }
        if let Some(obstacle) = obstacle(folder) {
            let fault = format!(
                "{key}: `{}` cannot be made: `{}` {obstacle}",
                path.display(),
                folder.display()
            );
            if self.faults.iter().all(|known| known.message != fault) {
                self.fault(fault);
            }
        }
    }
}

fn begins_with(mut file: std::fs::File, magic: &[u8]) -> io::Result<bool> {
    use io::Read as _;
    let mut start = Vec::new();
    io::Read::by_ref(&mut file).take(magic.len() as u64).read_to_end(&mut start)?;
    // An empty file was just made.
    Ok(start.is_empty() || start == magic)
}

/// Names the obstacle to making a file in a folder.
fn obstacle(folder: &Path) -> Option<&'static str> {
    if !folder.is_dir() {
        return Some("is no folder");
    }
    (!is_writable(folder)).then_some("may not be written to")
}

#[cfg(unix)]
fn is_writable(folder: &Path) -> bool {
    use rustix::fs::{Access, access};
    access(folder, Access::WRITE_OK | Access::EXEC_OK).is_ok()
}

#[cfg(not(unix))]
fn is_writable(folder: &Path) -> bool {
    std::fs::metadata(folder).is_ok_and(|metadata| !metadata.permissions().readonly())
}
