//! A certificate authority of this machine's own, for trials: the authority signs for this machine
//! and one configured host and, by its own constraints (RFC 5280 section 4.2.1.10), for nobody
//! else.
//!
//! The authority's key is made once. Its certificate is written anew at each start, so that the
//! certificate never expires under a running proxy and always permits the configured host; clients
//! that trust an older copy trust the same key and name. The signed certificates live for days, and
//! their keys are never written.

#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use magicproxy_proxy::clock;
use magicproxy_proxy::listener::tls::{TlsIdentity, TlsServer};
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    NameConstraints, SerialNumber, date_time_ymd,
};
use rustls_pki_types::PrivateKeyDer;
use zeroize::Zeroizing;

use crate::runtime::keystore::{exposure, write};
use magicproxy_config::config::tls::AuthoritySettings;
use magicproxy_config::ground::text::quoted;

const KEY_FILE: &str = "dev-ca-key.pem";

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const AUTHORITY_LIFETIME: Duration = Duration::from_secs(2 * 365 * 24 * 60 * 60);
const LEAF_LIFETIME: Duration = Duration::from_secs(10 * 24 * 60 * 60);

/// The authority, ready to sign.
pub(super) struct DevAuthority {
    certificate: PathBuf,
    params: CertificateParams,
    key: KeyPair,
    /// The names and addresses in the signed certificates.
    names: Vec<String>,
    warning: Option<String>,
}

/// Shows no key.
impl std::fmt::Debug for DevAuthority {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("DevAuthority").field("names", &self.names).finish_non_exhaustive()
    }
}

impl DevAuthority {
    /// Reads the authority's key from `dev-ca-key.pem` in the folder, or makes the key, and writes
    /// `dev-ca.pem`.
    pub(super) fn open(settings: AuthoritySettings<'_>) -> anyhow::Result<Self> {
        let certificate = settings.certificate();
        let key_path = settings.folder.join(KEY_FILE);
        write::create_folder_of(&key_path)?;
        let key = if key_path.exists() { read_key(&key_path)? } else { new_key(&key_path)? };
        let names = names(settings.host);
        let params = authority(&names)?;
        let signed = params
            .self_signed(&key)
            .context("the development certificate authority cannot sign itself")?;
        let staged = write::staged_public(&certificate, &signed.pem())?;
        std::fs::rename(&staged, &certificate)
            .with_context(|| format!("`{}`", certificate.display()))?;
        Ok(Self { certificate, params, key, names, warning: exposure(&key_path) })
    }

    /// Signs a new certificate with a new key.
    pub(super) fn issue(&self) -> anyhow::Result<TlsIdentity> {
        let key = KeyPair::generate().context("a new key")?;
        let mut params = CertificateParams::new(self.names.clone())
            .context("the names of the development certificate")?;
        params.distinguished_name = named("magicproxy development certificate");
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        lives_for(&mut params, LEAF_LIFETIME);
        let issuer = Issuer::from_params(&self.params, &self.key);
        let leaf = params
            .signed_by(&key, &issuer)
            .context("the development certificate cannot be signed")?;
        let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(anyhow::Error::msg)?;
        Ok(TlsIdentity::new(vec![leaf.der().clone()], key)?)
    }

    /// Signs a new certificate each day.
    pub(super) async fn run(self, server: &Arc<TlsServer>) {
        loop {
            tokio::time::sleep(DAY).await;
            match self.issue() {
                Ok(identity) => server.replace(identity),
                Err(error) => {
                    tracing::error!(name: "certificate_not_renewed", target: "magicproxy::tls::dev", "the development certificate stays the old one: {error:#}")
                }
            }
        }
    }

    /// Describes how to make clients of each family trust the authority.
    pub(super) fn notes(&self) -> Vec<String> {
        let path = self.shell_path();
        let mut notes: Vec<String> =
            self.warning.iter().map(|warning| format!("warning: {warning}")).collect();
        notes.push(format!(
            "TLS with a development certificate for {}; clients trust it with",
            self.names.join(", ")
        ));
        for (variable, whose) in [
            ("SSL_CERT_FILE", "gh and what else is written in Go, httpx, OpenSSL"),
            ("REQUESTS_CA_BUNDLE", "requests, PyGithub"),
            ("NODE_EXTRA_CA_CERTS", "Node.js"),
            ("GIT_SSL_CAINFO", "git"),
            ("CURL_CA_BUNDLE", "curl"),
        ] {
            notes.push(format!("  export {variable}={path}  # {whose}"));
        }
        notes
    }

    /// Returns the path of the certificate, quoted for a shell.
    pub(super) fn shell_path(&self) -> String {
        let path =
            std::path::absolute(&self.certificate).unwrap_or_else(|_| self.certificate.clone());
        quoted(&path.display().to_string())
    }
}

fn read_key(path: &Path) -> anyhow::Result<KeyPair> {
    let text = std::fs::read_to_string(path)
        .map(Zeroizing::new)
        .with_context(|| format!("`{}`", path.display()))?;
    KeyPair::from_pem(&text).map_err(|_| {
        anyhow::anyhow!(
            "`{}`: expected a private key in PEM; delete it for a new one",
            path.display()
        )
    })
}

fn new_key(path: &Path) -> anyhow::Result<KeyPair> {
    let key = KeyPair::generate().context("a new key")?;
    write::private(path, &Zeroizing::new(key.serialize_pem()))?;
    Ok(key)
}

/// Lists the names of this machine, and the host if it is another name or address.
fn names(host: &str) -> Vec<String> {
    let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec();
    let nowhere = host.parse().is_ok_and(|address: IpAddr| address.is_unspecified());
    if !nowhere && !names.iter().any(|name| name.eq_ignore_ascii_case(host)) {
        names.push(host.to_owned());
    }
    names
}

fn authority(names: &[String]) -> anyhow::Result<CertificateParams> {
    let mut params = CertificateParams::default();
    params.distinguished_name = named("magicproxy development certificate authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: names.iter().map(|name| subtree(name)).collect(),
        excluded_subtrees: Vec::new(),
    });
    // A new serial number for each certificate: some clients refuse two certificates of one issuer
    // with the same number.
    params.serial_number = Some(SerialNumber::from(clock::now().0));
    lives_for(&mut params, AUTHORITY_LIFETIME);
    Ok(params)
}

fn subtree(name: &str) -> GeneralSubtree {
    match name.parse() {
        Ok(IpAddr::V4(address)) if address.is_loopback() => {
            GeneralSubtree::IpAddress(CidrSubnet::V4([127, 0, 0, 0], [255, 0, 0, 0]))
        }
        Ok(address @ IpAddr::V4(_)) => {
            GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(address, 32))
        }
        Ok(address @ IpAddr::V6(_)) => {
            GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(address, 128))
        }
        Err(_) => GeneralSubtree::DnsName(name.to_owned()),
    }
}

fn named(name: &str) -> DistinguishedName {
    let mut named = DistinguishedName::new();
    named.push(DnType::CommonName, name);
    named
}

/// Makes a certificate valid from yesterday on, because clocks differ.
fn lives_for(params: &mut CertificateParams, lifetime: Duration) {
    let now = date_time_ymd(1970, 1, 1) + Duration::from_secs(clock::now().0);
    params.not_before = now - DAY;
    params.not_after = now + lifetime;
}
