//! A certificate and its private key in PEM files, read again when they change.
//!
//! The renewing program may write one file after the other, or slowly: a mismatched pair is not
//! used, and the old pair stays until a new pair is whole.

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use magicproxy_core::KeyId;
use magicproxy_proxy::listener::tls::{TlsIdentity, TlsIdentityError, TlsServer};
use magicproxy_proxy::services::SharedKeys;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use crate::runtime::keystore::Purposes;
use magicproxy_config::config::tls::{CertificateFault, CertificateFiles, FaultyFile};
use magicproxy_config::ground::text::reason;

/// The time between two looks at the files.
const INTERVAL: Duration = Duration::from_secs(1);

/// Reads the certificate and the key, and checks that they fit together.
pub(crate) fn load(files: &CertificateFiles) -> Result<TlsIdentity, CertificateFault> {
    let certificate = |message: String| CertificateFault { file: FaultyFile::Certificate, message };
    let private_key = |message: String| CertificateFault { file: FaultyFile::PrivateKey, message };
    let pem = std::fs::read(&files.certificate).map_err(|error| certificate(reason(&error)))?;
    let chain =
        CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>().unwrap_or_default();
    if chain.is_empty() {
        return Err(certificate("expected certificates in PEM".to_owned()));
    }
    let pem = std::fs::read(&files.private_key)
        .map(Zeroizing::new)
        .map_err(|error| private_key(reason(&error)))?;
    let key = PrivateKeyDer::from_pem_slice(&pem)
        .map_err(|_| private_key("expected a private key in PEM, not encrypted".to_owned()))?;
    TlsIdentity::new(chain, key).map_err(|error| match error {
        TlsIdentityError::NoCertificate | TlsIdentityError::Certificate => {
            certificate(error.to_string())
        }
        TlsIdentityError::Key => private_key(error.to_string()),
        TlsIdentityError::Mismatch => {
            private_key(format!("{error} in `{}`", files.certificate.display()))
        }
    })
}

fn stamps(files: &CertificateFiles) -> [Option<Stamp>; 2] {
    [Stamp::of(&files.certificate), Stamp::of(&files.private_key)]
}

/// The stamp of a file: a changed stamp shows that the file was written or replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
    inode: u64,
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(&metadata);
        #[cfg(not(unix))]
        let inode = 0;
        Some(Self { modified: metadata.modified().ok(), length: metadata.len(), inode })
    }
}

/// A reader of a pair of files, which reads them again after a change.
#[derive(Clone, Debug)]
pub(crate) struct Reloader {
    files: CertificateFiles,
    seen: [Option<Stamp>; 2],
    /// The fault found at the last look.
    fault: Option<CertificateFault>,
}

/// The result of a look at the files.
#[derive(Debug)]
pub(crate) enum ReloadCheck {
    /// No change, or the same fault as before.
    Same,
    /// A new pair.
    New(TlsIdentity),
    /// A new fault: the files are no pair.
    Bad(CertificateFault),
}

impl Reloader {
    /// Reads the files for the first time.
    pub(crate) fn start(files: CertificateFiles) -> anyhow::Result<(Self, TlsIdentity)> {
        // Before reading, so that a change during the reading is noticed later.
        let seen = stamps(&files);
        let identity = load(&files).map_err(|fault| {
            let path = files.path(fault.file).display();
            anyhow::anyhow!("`{path}`: {}", fault.message)
        })?;
        Ok((Self { files, seen, fault: None }, identity))
    }

    /// Looks at the files. Faulty files are read again each time: they may be half-written within
    /// one tick of their clock.
    pub(crate) fn look(&mut self) -> ReloadCheck {
        let stamps = stamps(&self.files);
        if stamps == self.seen && self.fault.is_none() {
            return ReloadCheck::Same;
        }
        self.seen = stamps;
        match load(&self.files) {
            Ok(identity) => {
                self.fault = None;
                ReloadCheck::New(identity)
            }
            Err(fault) if self.fault.as_ref() == Some(&fault) => ReloadCheck::Same,
            Err(fault) => {
                self.fault = Some(fault.clone());
                ReloadCheck::Bad(fault)
            }
        }
    }

    /// Looks every second, and at SIGHUP, and gives a new pair to `server`.
    pub(super) async fn run(self, server: &Arc<TlsServer>, other: &OtherKeys) {
        let mut hangups = Hangups::listen();
        let mut this = self;
        loop {
            tokio::select! {
                () = tokio::time::sleep(INTERVAL) => {}
                () = hangups.next() => {}
            }
            // Off the event loop: a file system may be slow.
            let looked = tokio::task::spawn_blocking(move || {
                let look = this.look();
                (this, look)
            });
            let Ok((next, look)) = looked.await else { return };
            this = next;
            match look {
                ReloadCheck::Same => {}
                ReloadCheck::New(identity) => {
                    if let Some(fault) = other.fault_of(&identity) {
                        tracing::error!(name: "certificate_refused", target: "magicproxy::tls::files", "the certificate stays the old one: {fault}");
                        continue;
                    }
                    server.replace(identity);
                    tracing::info!(name: "certificate_changed", target: "magicproxy::tls::files",
                        "new handshakes show the new certificate of `{}`", this.files.certificate.display());
                }
                ReloadCheck::Bad(fault) => {
                    let path = this.files.path(fault.file).display();
                    tracing::error!(name: "certificate_refused", target: "magicproxy::tls::files",
                        "the certificate stays the old one: `{path}`: {}", fault.message);
                }
            }
        }
    }
}

/// The keys forbidden for TLS, because they have another use.
#[derive(Clone, Debug)]
pub(crate) struct OtherKeys {
    pub(crate) ring: Arc<SharedKeys>,
    pub(crate) purposes: Purposes,
}

impl OtherKeys {
    fn fault_of(&self, identity: &TlsIdentity) -> Option<String> {
        let id = KeyId::of_certificate(identity.certificate())?;
        self.purposes.fault_of_certificate(&id, &self.ring.current()).map(|fault| fault.message)
    }
}

/// The signal SIGHUP, on systems with signals.
struct Hangups {
    #[cfg(unix)]
    signal: Option<tokio::signal::unix::Signal>,
}

#[cfg(unix)]
impl Hangups {
    fn listen() -> Self {
        Self { signal: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()).ok() }
    }

    async fn next(&mut self) {
        let received = match &mut self.signal {
            Some(signal) => signal.recv().await,
            None => None,
        };
        if received.is_none() {
            std::future::pending().await
        }
    }
}

#[cfg(not(unix))]
impl Hangups {
    fn listen() -> Self {
        Self {}
    }

    async fn next(&mut self) {
        std::future::pending().await
    }
}
