//! The certificate that clients see: from files that somebody else renews, or from a certificate authority of this
//! machine's own. What TLS is spoken with it is the engine's affair.

pub(crate) mod acme;
mod dev;
pub(crate) mod files;

use std::sync::Arc;

use anyhow::Context as _;
use magicproxy_proxy::listener::tls::TlsServer;

use crate::runtime::keystore::exposure;
use magicproxy_config::config::tls::{
    AcmeSettings, AuthoritySettings, CertificateFiles, TlsSource,
};

use acme::Acme;
use dev::DevAuthority;
pub(crate) use files::OtherKeys;
use files::Reloader;

/// A certificate that is in use, and what keeps it fresh.
#[derive(Debug)]
pub(crate) struct Tls {
    pub(crate) server: Arc<TlsServer>,
    /// What somebody who starts the proxy has to know, line by line.
    pub(crate) notes: Vec<String>,
    keeper: CertificateRenewal,
}

#[derive(Debug)]
enum CertificateRenewal {
    Files(Reloader),
    Dev(Box<DevAuthority>),
    Acme(Acme),
}

impl Tls {
    /// Gets the certificate from where the configuration says. An authority of this machine's own is made as `own` says.
    pub(crate) fn of(source: &TlsSource, own: AuthoritySettings<'_>) -> anyhow::Result<Self> {
        match source {
            TlsSource::Files(named) => Self::from_files(&named.files),
            TlsSource::Dev => Self::dev(own),
            TlsSource::Acme(settings) => Self::acme(settings),
        }
    }

    fn from_files(files: &CertificateFiles) -> anyhow::Result<Self> {
        let (reloader, identity) = Reloader::start(files.clone())?;
        let server = TlsServer::new(Some(identity)).context("TLS cannot be set up")?;
        Ok(Self { server, notes: Vec::new(), keeper: CertificateRenewal::Files(reloader) })
    }

    fn dev(own: AuthoritySettings<'_>) -> anyhow::Result<Self> {
        let authority = DevAuthority::open(own)?;
        let server = TlsServer::new(Some(authority.issue()?)).context("TLS cannot be set up")?;
        Ok(Self {
            server,
            notes: authority.notes(),
            keeper: CertificateRenewal::Dev(Box::new(authority)),
        })
    }

    fn acme(settings: &AcmeSettings) -> anyhow::Result<Self> {
        let (acme, cached) = Acme::open(settings.clone())?;
        let server = TlsServer::new(cached).context("TLS cannot be set up")?;
        Ok(Self { server, notes: vec![acme.note()], keeper: CertificateRenewal::Acme(acme) })
    }

    /// What `curl` has to be told besides, to trust the certificate.
    pub(crate) fn curl_option(&self) -> String {
        match &self.keeper {
            CertificateRenewal::Files(_) | CertificateRenewal::Acme(_) => String::new(),
            CertificateRenewal::Dev(authority) => format!(" --cacert {}", authority.shell_path()),
        }
    }

    /// Keeps the certificate fresh, for ever.
    pub(crate) async fn keep_fresh(self, other: OtherKeys) {
        match self.keeper {
            CertificateRenewal::Files(reloader) => reloader.run(&self.server, &other).await,
            CertificateRenewal::Dev(authority) => authority.run(&self.server).await,
            CertificateRenewal::Acme(acme) => acme.run(&self.server).await,
        }
    }
}

/// What is not wrong, but should be known.
pub(crate) fn warnings(source: Option<&TlsSource>) -> Vec<String> {
    match source {
        Some(TlsSource::Files(named)) => exposure(&named.files.private_key).into_iter().collect(),
        _ => Vec::new(),
    }
}
