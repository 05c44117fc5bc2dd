//! The certificate of the proxy: from files, from this machine's own certificate authority, or from
//! an ACME server.

use std::path::{Path, PathBuf};

use http::Uri;
use rustls_pki_types::CertificateDer;

use super::check::{Checker, list};
use super::keys::KeySettings;
use super::raw::RawConfig;
use super::setting::{GivenValue, Section as _, section};
use crate::ground::fault::{Fault, Origin};

section! {
    /// TLS towards clients.
    RawTls {
        /// A PEM file: the certificate of the proxy, then the certificates that it is signed with.
        certificate: String,
        /// A PEM file: the private key of the certificate.
        private_key: String,
        /// Makes a certificate at each start, signed by this machine's own certificate authority.
        dev: bool,
    }
}

section! {
    /// A certificate from an ACME server, such as Let's Encrypt. Naming domains means agreeing to
    /// the server's terms of service.
    RawAcme {
        /// The names in the certificate. Port 443 of each name must lead to a listener with TLS.
        domains: Vec<GivenValue<String>>,
        /// The address at which the server's operators can reach the operator of the proxy:
        /// `mailto:admin@example.com`.
        contact: String,
        /// The URL of the server's directory.
        directory: String = "https://acme-v02.api.letsencrypt.org/directory".to_owned(),
        /// The folder of the account and the certificate. By default `acme` beside the keys.
        cache: String,
        /// A PEM file of certificates that the proxy trusts for the ACME server, in addition to the
        /// platform's.
        extra_ca_file: String,
    }
}

/// The file name of the certificate of this machine's own authority, beside the keys.
const AUTHORITY_FILE: &str = "dev-ca.pem";

/// The source of the proxy's certificate.
#[derive(Clone, Debug)]
pub enum TlsSource {
    /// Files that another program writes.
    Files(NamedCertificate),
    /// The certificate authority of this machine.
    Dev,
    /// An ACME server.
    Acme(AcmeSettings),
}

/// The files of a certificate, and the places of the settings that name the files.
#[derive(Clone, Debug)]
pub struct NamedCertificate {
    /// The two files.
    pub files: CertificateFiles,
    /// The places where the certificate and the key are named.
    origins: [Origin; 2],
    /// The number of faults found before. A fault of the files is reported after those faults.
    before: usize,
}

impl NamedCertificate {
    /// Returns a fault of the files at the setting of the faulty file, and the number of faults to
    /// be reported before.
    pub(super) fn fault(&self, fault: &CertificateFault) -> (usize, Fault) {
        let [certificate, private_key] = &self.origins;
        let (key, origin) = match fault.file {
            FaultyFile::Certificate => ("tls.certificate", certificate),
            FaultyFile::PrivateKey => ("tls.private_key", private_key),
        };
        let message =
            format!("{key} `{}`: {}", self.files.path(fault.file).display(), fault.message);
        (self.before, Fault::new(message, origin.clone()))
    }
}

/// The paths of a certificate and its private key. This crate does not read the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate, with the certificates between it and its authority's, in PEM.
    pub certificate: PathBuf,
    /// The private key, in PEM.
    pub private_key: PathBuf,
}

/// A fault of a pair of certificate files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFault {
    /// The file with the fault.
    pub file: FaultyFile,
    /// The description of the fault.
    pub message: String,
}

/// The file of a pair that has a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultyFile {
    /// The file of the certificate.
    Certificate,
    /// The file of the private key.
    PrivateKey,
}

impl CertificateFiles {
    /// Returns the path of one of the two files.
    pub fn path(&self, file: FaultyFile) -> &Path {
        match file {
            FaultyFile::Certificate => &self.certificate,
            FaultyFile::PrivateKey => &self.private_key,
        }
    }
}

/// The settings of this machine's own certificate authority.
#[derive(Clone, Copy, Debug)]
pub struct AuthoritySettings<'c> {
    /// The folder of the authority's key and certificate.
    pub folder: &'c Path,
    /// The host for which the authority signs, in addition to this machine.
    pub host: &'c str,
}

impl AuthoritySettings<'_> {
    /// Returns the file of the authority's certificate, which clients must trust.
    pub fn certificate(&self) -> PathBuf {
        self.folder.join(AUTHORITY_FILE)
    }
}

/// The order for a certificate from an ACME server.
#[derive(Clone, Debug)]
pub struct AcmeSettings {
    /// The names in the certificate, in lower case; at least one.
    pub domains: Vec<String>,
    /// The operator's address: `mailto:…`.
    pub contact: Option<String>,
    /// The URL of the server's directory.
    pub directory: Uri,
    /// The folder of account and certificates.
    pub cache: PathBuf,
    /// Certificates that are trusted for the ACME server, in addition to the platform's roots.
    pub extra_roots: Vec<CertificateDer<'static>>,
}

fn acme_contact(text: &str) -> Result<String, String> {
    let address = text.strip_prefix("mailto:").unwrap_or_default();
    if !address.contains('@') || address.contains([' ', ',', '?']) {
        return Err("expected `mailto:` and an address".to_owned());
    }
    Ok(text.to_owned())
}

/// Reads the URL of an ACME server's directory. A user in the URL is refused: no request names a
/// user in `Host`, and no log line may.
fn acme_directory(text: &str) -> Result<http::Uri, String> {
    let expected = || "expected a URL that begins with `https://`".to_owned();
    let url: http::Uri = text.parse().map_err(|_| expected())?;
    let Some(authority) = url.authority() else { return Err(expected()) };
    let names_user = authority.as_str().contains('@');
    if url.scheme_str() != Some("https") || url.host().is_none() || names_user {
        return Err(expected());
    }
    Ok(url)
}

/// True if a certificate may have this name: letters, digits and hyphens, with a dot. A wildcard is
/// refused, because this kind of challenge does not suffice for wildcards (RFC 8737 section 3).
fn is_domain(name: &str) -> bool {
    let label = |label: &str| {
        let legal = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        legal && (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
    };
    let numeric =
        name.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    name.len() <= 253 && name.contains('.') && name.split('.').all(label) && !numeric
}

impl Checker<'_> {
    /// Checks the source of the certificate. Files are not read by this function:
    /// `CheckedLayers::reading` has them read.
    pub(super) fn tls(&mut self, raw: &RawConfig, keys: &KeySettings) -> Option<TlsSource> {
        let dev = raw.tls.dev.given().filter(|given| given.value);
        let dev = dev.map(|given| ("tls.dev", &given.origin));
        let file = raw.tls.certificate.given().or(raw.tls.private_key.given());
        let file = file.map(|given| ("tls.certificate", &given.origin));
        let acme = raw.acme.domains.given().map(|given| ("acme.domains", &given.origin));
        let mut sources = [file, dev, acme].into_iter().flatten();
        if let (Some((one, _)), Some((other, origin))) = (sources.next(), sources.next()) {
            let fault = Fault::new(
                format!("{other}: the certificate comes from `{one}` already"),
                origin.clone(),
            );
            self.faults.push(fault.help("choose one of them"));
            return None;
        }
        if acme.is_some() {
            return self.acme(&raw.acme, keys).map(TlsSource::Acme);
        }
        self.unused_acme(&raw.acme);
        if file.is_some() { self.files(&raw.tls) } else { dev.map(|_| TlsSource::Dev) }
    }

    fn files(&mut self, raw: &RawTls) -> Option<TlsSource> {
        let (certificate, private_key) = match (raw.certificate.given(), raw.private_key.given()) {
            (Some(certificate), Some(key)) => (certificate, key),
            (Some(given), None) => {
                return self.missing(
                    "tls.private_key",
                    "the private key of the certificate",
                    given,
                );
            }
            (None, Some(given)) => {
                return self.missing(
                    "tls.certificate",
                    "the certificate of the private key",
                    given,
                );
            }
            (None, None) => return None,
        };
        let files = CertificateFiles {
            certificate: self.path(certificate),
            private_key: self.path(private_key),
        };
        let origins = [certificate.origin.clone(), private_key.origin.clone()];
        Some(TlsSource::Files(NamedCertificate { files, origins, before: self.faults.len() }))
    }

    fn acme(&mut self, raw: &RawAcme, keys: &KeySettings) -> Option<AcmeSettings> {
        let before = self.faults.len();
        for given in list(&raw.domains) {
            if !is_domain(&given.value) {
                let message = format!(
                    "acme.domains `{}`: expected a name such as `proxy.example.com`",
                    given.value
                );
                self.fault(message, &given.origin);
            }
        }
        if let Some(given) = raw.domains.given()
            && given.value.is_empty()
        {
            self.fault("acme.domains: the list is empty", &given.origin);
        }
        let contact = self.text("acme.contact", &raw.contact, acme_contact);
        let directory = self.text("acme.directory", &raw.directory, acme_directory);
        let extra_roots = self.certificates("acme.extra_ca_file", &raw.extra_ca_file);
        let cache = match raw.cache.given() {
            Some(given) => self.path(given),
            None => keys.files.folder().join("acme"),
        };
        let domains =
            list(&raw.domains).iter().map(|given| given.value.to_ascii_lowercase()).collect();
        if self.faults.len() > before {
            return None;
        }
        Some(AcmeSettings { domains, contact, directory: directory?, cache, extra_roots })
    }

    fn unused_acme(&mut self, raw: &RawAcme) {
        if let Some(entry) =
            raw.entries("acme").into_iter().find(|entry| *entry.origin != Origin::Default)
        {
            self.fault(
                format!(
                    "{}: which names are to be in the certificate? `acme.domains` is needed",
                    entry.key
                ),
                entry.origin,
            );
        }
    }

    fn missing<T>(&mut self, key: &str, what: &str, given: &GivenValue<String>) -> Option<T> {
        self.fault(format!("{key} is needed: {what}"), &given.origin);
        None
    }
}
