//! Requirements for the keys of a proxy, besides a ring: each key for one purpose, and a key to
//! seal to where only some KEMs are accepted.
//!
//! A key in two places: an attacker who gets it out of one place has the other, too, and a message
//! signed or opened in one place could be taken for a message of the other. Specification:
//! `token-v1.md` section 7, `token-v2.md` section 7.

use std::sync::{Arc, PoisonError, RwLock};

use magicproxy_core::{AcceptedTokens, Kem, KeyId, KeyRing, TokenVersion};
use magicproxy_proxy::clock;
use magicproxy_proxy::settings::UpstreamSettings;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use super::Keys;
use magicproxy_config::config::tls::{CertificateFiles, TlsSource};
use magicproxy_config::ground::fault::{Fault, Origin};

/// The requirements of a configuration for its keys.
#[derive(Clone, Debug)]
pub(crate) struct Purposes {
    accepts: AcceptedTokens,
    /// The certificate files, where TLS is spoken with one. Keys of this machine's own authority
    /// and of ACME are made by the proxy, for nothing else.
    tls: Option<CertificateFiles>,
}

/// The requirements of the current configuration, shared by all watchers of keys and certificates.
#[derive(Clone, Debug)]
pub(crate) struct CurrentPurposes(Arc<RwLock<Arc<Purposes>>>);

impl CurrentPurposes {
    pub(crate) fn new(purposes: Purposes) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(purposes))))
    }

    pub(crate) fn get(&self) -> Arc<Purposes> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the requirements, after a change of the configuration.
    pub(crate) fn replace(&self, purposes: Purposes) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(purposes);
    }
}

impl Purposes {
    /// Collects the requirements of upstreams and of the certificate's source.
    pub(crate) fn of(upstreams: &[Arc<UpstreamSettings>], tls: Option<&TlsSource>) -> Self {
        let tls = match tls {
            Some(TlsSource::Files(named)) => Some(named.files.clone()),
            Some(TlsSource::Dev | TlsSource::Acme(_)) | None => None,
        };
        let acceptances = || upstreams.iter().map(|upstream| &upstream.acceptance);
        // All listed minters, although some upstream needs none.
        let minters = acceptances()
            .flat_map(|acceptance| &acceptance.minters)
            .map(|minter| minter.id().to_string())
            .collect();
        Self {
            accepts: AcceptedTokens {
                minters: Some(minters),
                ..AcceptedTokens::any_of(acceptances())
            },
            tls,
        }
    }

    /// Finds the faults of the keys, the key of the certificate in use beside them.
    pub(crate) fn faults(&self, keys: &Keys) -> Vec<Fault> {
        let unsealed = self.nothing_to_seal_to(keys);
        let twice = self
            .tls
            .as_ref()
            .and_then(|files| self.fault_of_certificate(key_id(files).as_ref()?, &keys.ring));
        unsealed.into_iter().chain(self.minters_of_the_key_set(keys)).chain(twice).collect()
    }

    /// Finds another use of a certificate's key, and names the use.
    pub(crate) fn fault_of_certificate(&self, id: &KeyId, ring: &KeyRing) -> Option<Fault> {
        let used = if ring.keys().any(|key| key.public().id() == id) {
            "signs the proxy's tokens and opens their credentials"
        } else if ring.key_set().iter().any(|key| key.id() == id) {
            "signs the proxy's key set"
        } else if self.minters().any(|minter| minter == id.as_str()) {
            "is a listed minter's"
        } else {
            return None;
        };
        let at = self
            .tls
            .as_ref()
            .map(|files| files.private_key.display().to_string())
            .unwrap_or_default();
        let fault = Fault::new(
            format!("tls.private_key `{at}`: this is the key {id}, which {used}"),
            Origin::Default,
        );
        Some(fault.help("TLS needs a key of its own: make one, with a certificate for it"))
    }

    fn minters(&self) -> impl Iterator<Item = &String> {
        self.accepts.minters.iter().flatten()
    }

    fn minters_of_the_key_set(&self, keys: &Keys) -> Vec<Fault> {
        let same = |id: &&KeyId| self.minters().any(|minter| minter == id.as_str());
        let twice = keys.ring.key_set().iter().map(|key| key.id()).filter(same);
        let fault = |id: &KeyId| {
            let fault = Fault::new(
                format!("minters: the key {id} signs the proxy's key set, and nothing else"),
                Origin::Default,
            );
            fault.help("`magicproxy keys minter` makes a minter a key of his own")
        };
        twice.map(fault).collect()
    }

    /// Finds a choice of KEMs or versions with which nobody could mint an accepted token of version
    /// 2.
    fn nothing_to_seal_to(&self, keys: &Keys) -> Option<Fault> {
        let AcceptedTokens { versions, kems, .. } = &self.accepts;
        let chosen =
            Kem::ALL.iter().any(|kem| !kems.contains(kem)) || !versions.contains(&TokenVersion::V1);
        let accepted = keys.ring.published(clock::now()).any(|key| kems.contains(&key.kem()));
        if accepted || !chosen || !versions.contains(&TokenVersion::V2) {
            return None;
        }
        let names: Vec<&str> = kems.iter().map(|kem| kem.as_str()).collect();
        let message = format!(
            "there is no sealing key of an accepted kind ({}) that is in use",
            names.join(", ")
        );
        let fault = Fault::new(message, Origin::Default);
        Some(fault.help("`magicproxy keys generate` makes those that are missing; `tokens.kems` says which are accepted"))
    }
}

/// Reads the id of the key in the certificate, for a key able to sign tokens or key sets.
fn key_id(files: &CertificateFiles) -> Option<KeyId> {
    let pem = std::fs::read(&files.certificate).ok()?;
    KeyId::of_certificate(&CertificateDer::from_pem_slice(&pem).ok()?)
}
