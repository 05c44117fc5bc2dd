//! The certificate that the proxy shows: from files, from an authority of this machine's own, or from an ACME server.

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
        /// Whether a certificate is made at each start, signed by a certificate authority of this
        /// machine's own.
        dev: bool,
    }
}

section! {
    /// A certificate from an ACME server, such as Let's Encrypt. Whoever names domains here agrees to its terms of service.
    RawAcme {
        /// The names in the certificate. Port 443 of each name must lead to a listener that speaks
        /// TLS.
        domains: Vec<GivenValue<String>>,
        /// The address by which the server's operators reach the proxy's:
        /// `mailto:admin@example.com`.
        contact: String,
        /// The URL of the server's directory.
        directory: String = "https://acme-v02.api.letsencrypt.org/directory".to_owned(),
        /// The folder of the account and the certificate. By default `acme` beside the keys.
        cache: String,
        /// A PEM file of certificates that the proxy trusts besides the platform's when it asks the
        /// server.
        extra_ca_file: String,
    }
}

/// The certificate of the authority of this machine's own, beside the keys.
const AUTHORITY_FILE: &str = "dev-ca.pem";

/// Where the certificate comes from.
#[derive(Clone, Debug)]
pub enum TlsSource {
    /// Files that somebody else writes.
    Files(NamedCertificate),
    /// A certificate authority of this machine's own.
    Dev,
    /// An ACME server.
    Acme(AcmeSettings),
}

/// The files of a certificate, and who named them.
#[derive(Clone, Debug)]
pub struct NamedCertificate {
    /// The two files.
    pub files: CertificateFiles,
    /// Who named the certificate, and who its key.
    origins: [Origin; 2],
    /// How many faults were found before: what is wrong with the files is told after those.
    before: usize,
}

impl NamedCertificate {
    /// What is wrong with the files, at the setting that named the one to look at, and the number of faults that it is told after.
    pub(super) fn fault(&self, fault: &CertificateFault) -> (usize, Fault) {
        let [certificate, private_key] = &self.origins;
        let (key, origin) = match fault.culprit {
            FaultyFile::Certificate => ("tls.certificate", certificate),
            FaultyFile::PrivateKey => ("tls.private_key", private_key),
        };
        let message =
            format!("{key} `{}`: {}", self.files.path(fault.culprit).display(), fault.message);
        (self.before, Fault::new(message, origin.clone()))
    }
}

/// Where a certificate and its private key are. Nothing here reads them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate, with those between it and its authority, in PEM.
    pub certificate: PathBuf,
    /// Its private key, in PEM.
    pub private_key: PathBuf,
}

/// What is wrong with a pair of files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFault {
    /// The file to look at.
    pub culprit: FaultyFile,
    /// What is wrong with it.
    pub message: String,
}

/// The file to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultyFile {
    /// That of the certificate.
    Certificate,
    /// That of the private key.
    PrivateKey,
}

impl CertificateFiles {
    /// One of the two.
    pub fn path(&self, culprit: FaultyFile) -> &Path {
        match culprit {
            FaultyFile::Certificate => &self.certificate,
            FaultyFile::PrivateKey => &self.private_key,
        }
    }
}

/// What the certificate authority of this machine's own is made of.
#[derive(Clone, Copy, Debug)]
pub struct AuthoritySettings<'c> {
    /// The folder of its key and of its certificate.
    pub folder: &'c Path,
    /// The host that it signs for, besides this machine.
    pub host: &'c str,
}

impl AuthoritySettings<'_> {
    /// Where its certificate is, which clients must trust.
    pub fn certificate(&self) -> PathBuf {
        self.folder.join(AUTHORITY_FILE)
    }
}

/// What to order, and where.
#[derive(Clone, Debug)]
pub struct AcmeSettings {
    /// In lower case; at least one.
    pub domains: Vec<String>,
    /// `mailto:…`
    pub contact: Option<String>,
    /// The URL of the server's directory.
    pub directory: Uri,
    /// The folder of account and certificates.
    pub cache: PathBuf,
    /// Trusted besides the platform's roots, for the server.
    pub extra_roots: Vec<CertificateDer<'static>>,
}

/// A name that a certificate may have: of letters, digits and hyphens, with a dot, and no wildcard, for which this kind of
/// challenge is not enough (RFC 8737 section 3).
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
    /// Where the certificate comes from. Files are not read here: `Checked::reading` hands them over.
    pub(super) fn tls(&mut self, raw: &RawConfig, keys: &KeySettings) -> Option<TlsSource> {
        let dev =
            raw.tls.dev.given().filter(|given| given.value).map(|given| ("tls.dev", &given.origin));
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
        if let Some(given) = raw.domains.given().filter(|given| given.value.is_empty()) {
            self.fault("acme.domains: the list is empty", &given.origin);
        }
        let contact = self.text("acme.contact", &raw.contact, |text| {
            let address = text
                .strip_prefix("mailto:")
                .filter(|address| address.contains('@') && !address.contains([' ', ',', '?']));
            address
                .map(|_| text.to_owned())
                .ok_or_else(|| "expected `mailto:` and an address".to_owned())
        });
        let directory = self.text("acme.directory", &raw.directory, |text| {
            let url = text
                .parse::<http::Uri>()
                .ok()
                .filter(|url| url.scheme_str() == Some("https") && url.host().is_some());
            // No request names a user in `Host`, and no line of the log is to.
            let url = url.filter(|url| {
                url.authority().is_some_and(|authority| !authority.as_str().contains('@'))
            });
            url.ok_or_else(|| "expected a URL that begins with `https://`".to_owned())
        });
        let extra_roots = self.certificates("acme.extra_ca_file", &raw.extra_ca_file);
        let cache = raw
            .cache
            .given()
            .map_or_else(|| keys.files.folder().join("acme"), |given| self.path(given));
        let domains =
            list(&raw.domains).iter().map(|given| given.value.to_ascii_lowercase()).collect();
        let directory = directory.filter(|_| self.faults.len() == before)?;
        Some(AcmeSettings { domains, contact, directory, cache, extra_roots })
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
