//! The files of an ACME account and its certificates: a folder for each server, and in it a folder
//! for each set of names.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use instant_acme::AccountCredentials;
use magicproxy_proxy::clock;
use magicproxy_proxy::listener::tls::TlsIdentity;
use rcgen::KeyPair;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;
use zeroize::Zeroizing;

use crate::runtime::keystore::write;
use crate::runtime::tls::files;
use magicproxy_config::config::tls::{AcmeSettings, CertificateFiles};

/// The longest folder name made of host names.
const MAX_NAME: usize = 120;

/// The folder of one server and one set of names.
#[derive(Debug)]
pub(super) struct Cache {
    account: PathBuf,
    files: CertificateFiles,
}

/// A certificate of an earlier order.
#[derive(Debug)]
pub(super) struct CachedCertificate {
    pub(super) identity: TlsIdentity,
    begins_at: u64,
    /// Seconds since 1970.
    pub(super) expires_at: u64,
}

impl CachedCertificate {
    /// Returns the time to renew: after two thirds of the certificate's life, so that a failure can
    /// be mended in time.
    pub(super) fn renew_at(&self) -> u64 {
        self.expires_at - self.expires_at.saturating_sub(self.begins_at) / 3
    }
}

impl Cache {
    pub(super) fn open(settings: &AcmeSettings) -> anyhow::Result<Self> {
        let server = folder_name(&settings.directory.to_string());
        let server = settings.cache.join(server);
        let names = server.join(folder_name(&settings.domains.join("+")));
        let files = CertificateFiles {
            certificate: names.join("certificate.pem"),
            private_key: names.join("key.pem"),
        };
        write::create_folder_of(&files.certificate)?;
        Ok(Self { account: server.join("account.json"), files })
    }

    /// Reads the account made at the server. An unreadable account is not silently replaced.
    pub(super) fn account(&self) -> anyhow::Result<Option<AccountCredentials>> {
        let path = || format!("`{}`", self.account.display());
        match std::fs::read(&self.account).map(Zeroizing::new) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(path),
            Ok(text) => serde_json::from_slice(&text)
                .map(Some)
                .map_err(|_| anyhow::anyhow!("{}: this is no account", path())),
        }
    }

    pub(super) fn keep_account(&self, credentials: &AccountCredentials) -> anyhow::Result<()> {
        write::private(&self.account, &Zeroizing::new(serde_json::to_string(credentials)?))
    }

    /// Reads the certificate of an earlier run. A mismatched pair, left by a crash between two
    /// writes, counts as missing.
    pub(super) fn certificate(&self) -> Option<CachedCertificate> {
        let identity = files::load(&self.files).ok()?;
        let (begins_at, expires_at) = validity(&std::fs::read(&self.files.certificate).ok()?)?;
        Some(CachedCertificate { identity, begins_at, expires_at })
    }

    /// Writes a new certificate and its key, and reads them as the next run will.
    pub(super) fn keep(&self, chain: &str, key: &KeyPair) -> anyhow::Result<CachedCertificate> {
        let key =
            write::staged_private(&self.files.private_key, &Zeroizing::new(key.serialize_pem()))?;
        let chain = write::staged_public(&self.files.certificate, chain)?;
        for (staged, path) in [(&key, &self.files.private_key), (&chain, &self.files.certificate)] {
            std::fs::rename(staged, path).with_context(|| format!("`{}`", path.display()))?;
        }
        write::sync_folder(self.files.certificate.parent().unwrap_or(Path::new(".")));
        let cached = self
            .certificate()
            .context("the server's certificate does not belong to the key that it was asked for")?;
        anyhow::ensure!(
            clock::now().0 < cached.expires_at,
            "the server's certificate has expired already"
        );
        Ok(cached)
    }
}

/// Reads the beginning and the end of the first certificate's validity, in seconds since 1970.
fn validity(pem: &[u8]) -> Option<(u64, u64)> {
    let first = CertificateDer::from_pem_slice(pem).ok()?;
    let certificate = Certificate::from_der(&first).ok()?;
    let validity = certificate.tbs_certificate().validity();
    Some((
        validity.not_before.to_unix_duration().as_secs(),
        validity.not_after.to_unix_duration().as_secs(),
    ))
}

/// Makes a folder's name: other than harmless characters become `_`, and a too long text is made
/// unique by its hash.
fn folder_name(text: &str) -> String {
    let harmless = |c: char| if c.is_ascii_alphanumeric() || ".-+".contains(c) { c } else { '_' };
    let name: String = text.trim_start_matches("https://").chars().map(harmless).collect();
    if name.len() <= MAX_NAME {
        return name;
    }
    // FNV-1a: nobody gains by a collision, because the names are the operator's own.
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{}-{hash:016x}", name.chars().take(MAX_NAME - 17).collect::<String>())
}
