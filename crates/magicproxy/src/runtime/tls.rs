//! The certificate shown to clients: from files renewed by another program, from an ACME server, or
//! from a certificate authority of this machine's own. The TLS itself is the engine's affair.

pub(crate) mod acme;
mod dev;
mod end;
pub(crate) mod files;

use std::sync::Arc;

use anyhow::Context as _;
use magicproxy_proxy::listener::tls::{TlsIdentity, TlsServer};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use crate::runtime::keystore::exposure;
use magicproxy_config::config::tls::{
    AcmeSettings, AuthoritySettings, CertificateFiles, TlsSource,
};

use acme::Acme;
use dev::DevAuthority;
pub(crate) use end::CertificateEnd;
pub(crate) use files::OtherKeys;
use files::Reloader;

/// A certificate in use, and its renewal.
#[derive(Debug)]
pub(crate) struct Tls {
    pub(crate) server: Arc<TlsServer>,
    /// Notes for the start of the proxy, line by line.
    pub(crate) notes: Vec<String>,
    renewal: CertificateRenewal,
}

#[derive(Debug)]
enum CertificateRenewal {
    Files(Reloader),
    Dev(Box<DevAuthority>),
    Acme(Acme),
}

/// A certificate that is not yet shown, and its renewal.
#[derive(Debug)]
pub(crate) struct NextCertificate {
    /// `None` until an ACME server has issued the first one.
    identity: Option<TlsIdentity>,
    notes: Vec<String>,
    renewal: CertificateRenewal,
}

impl NextCertificate {
    /// Gets the certificate from its configured source. `own` describes an authority of this
    /// machine's own.
    pub(crate) fn of(source: &TlsSource, own: AuthoritySettings<'_>) -> anyhow::Result<Self> {
        match source {
            TlsSource::Files(named) => Self::from_files(&named.files),
            TlsSource::Dev => Self::dev(own),
            TlsSource::Acme(settings) => Self::acme(settings),
        }
    }

    fn from_files(files: &CertificateFiles) -> anyhow::Result<Self> {
        let (reloader, identity) = Reloader::start(files.clone())?;
        let renewal = CertificateRenewal::Files(reloader);
        Ok(Self { identity: Some(identity), notes: Vec::new(), renewal })
    }

    fn dev(own: AuthoritySettings<'_>) -> anyhow::Result<Self> {
        let authority = DevAuthority::open(own)?;
        let (identity, notes) = (Some(authority.issue()?), authority.notes());
        Ok(Self { identity, notes, renewal: CertificateRenewal::Dev(Box::new(authority)) })
    }

    fn acme(settings: &AcmeSettings) -> anyhow::Result<Self> {
        let (acme, identity) = Acme::open(settings.clone())?;
        let notes = vec![acme.note()];
        Ok(Self { identity, notes, renewal: CertificateRenewal::Acme(acme) })
    }
}

impl Tls {
    /// Gets the certificate from its configured source. `own` describes an authority of this
    /// machine's own.
    pub(crate) fn of(source: &TlsSource, own: AuthoritySettings<'_>) -> anyhow::Result<Self> {
        let NextCertificate { identity, notes, renewal } = NextCertificate::of(source, own)?;
        let server = TlsServer::new(identity).context("TLS cannot be set up")?;
        Ok(Self { server, notes, renewal })
    }

    /// Keeps a certificate of another source fresh for a server that serves: `next` is shown from
    /// now on.
    pub(crate) fn following(next: NextCertificate, server: Arc<TlsServer>) -> Self {
        let NextCertificate { identity, notes, renewal } = next;
        server.clear_challenges();
        if let Some(identity) = identity {
            server.replace(identity);
        }
        Self { server, notes, renewal }
    }

    /// Returns the further option that `curl` needs to trust the certificate.
    pub(crate) fn curl_option(&self) -> String {
        match &self.renewal {
            CertificateRenewal::Files(_) | CertificateRenewal::Acme(_) => String::new(),
            CertificateRenewal::Dev(authority) => format!(" --cacert {}", authority.shell_path()),
        }
    }

    /// Keeps the certificate fresh, for ever.
    pub(crate) async fn keep_fresh(self, other: OtherKeys) {
        match self.renewal {
            CertificateRenewal::Files(reloader) => reloader.run(&self.server, &other).await,
            CertificateRenewal::Dev(authority) => authority.run(&self.server).await,
            CertificateRenewal::Acme(acme) => acme.run(&self.server).await,
        }
    }
}

/// Returns warnings about the source of the certificate: no faults, but worth knowing.
pub(crate) fn warnings(source: Option<&TlsSource>) -> Vec<String> {
    match source {
        Some(TlsSource::Files(named)) => {
            exposure(&named.files.private_key).into_iter().chain(ending(&named.files)).collect()
        }
        _ => Vec::new(),
    }
}

/// Warns of a certificate that has ended, or ends soon.
fn ending(files: &CertificateFiles) -> Option<String> {
    let pem = std::fs::read(&files.certificate).ok()?;
    let end = CertificateEnd::of(&CertificateDer::from_pem_slice(&pem).ok()?)?;
    let path = files.certificate.display();
    end.is_soon().then(|| format!("tls.certificate `{path}` {end}: renew it"))
}
