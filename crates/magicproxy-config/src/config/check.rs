//! The check of the written configuration, which finds every fault and stops at none.

use std::cell::RefCell;
use std::io;
use std::path::{Path, PathBuf};

use magicproxy_proxy::https::{TrustFault, check_trust};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use super::contents::FileContents;
use super::log::LogSettings;
use super::raw::RawConfig;
use super::setting::{GivenValue, Setting};
use super::tls::{NamedCertificate, TlsSource};
use super::upstream::{RawUpstream, preset_roots};
use super::{Config, StorageSettings, address};
use crate::ground::fault::{Fault, Origin, Sources};
use crate::ground::text::reason;
use crate::ground::userinfo::value_without_userinfo;

/// Checks a layered configuration, which holds every default. Also returns the files of a
/// certificate, to be read later.
pub(crate) fn check(
    raw: &RawConfig,
    sources: &Sources,
    faults: &mut Vec<Fault>,
) -> (Option<Config>, Option<NamedCertificate>) {
    let contents = RefCell::default();
    let mut checker = Checker { sources, faults, contents: &contents };
    let public_access =
        checker.text("public_access", &raw.public_access, address::PublicAccess::parse);
    let keys = checker.keys(raw);
    let minting = checker.minting(&raw.mint);
    let upstreams = checker.upstreams(raw);
    let state = checker.state(raw, &keys);
    let revocations = checker.revocations(raw, &keys);
    let trusted_proxies = checker.trusted_proxies(&raw.tokens);
    let tls = checker.tls(raw, &keys);
    let listeners = checker.listeners(raw, upstreams.as_deref());
    let admin = checker.admin(&raw.admin, listeners.as_deref());
    let hosts = checker.hosts(raw);
    let timeouts = checker.timeouts(&raw.timeouts);
    let limits = checker.limits(&raw.limits);
    let plugins = checker.plugins(raw);
    let log = LogSettings::of(&raw.log);
    let certificate = match &tls {
        Some(TlsSource::Files(named)) => Some(named.clone()),
        Some(TlsSource::Dev | TlsSource::Acme(_)) | None => None,
    };
    let (Some(checked), Some(upstreams), Some(state), Some(admin)) =
        (listeners, upstreams, state, admin)
    else {
        return (None, certificate);
    };
    let exposed =
        checked.iter().filter_map(|(listener, origin)| listener.exposure(origin)).collect();
    let listeners = checked.into_iter().map(|(listener, _)| listener).collect();
    let upstream_assumed = raw.upstreams.is_empty() && is_assumed(&raw.upstream);
    let config = Config {
        listeners,
        hosts,
        tls,
        public_access,
        keys,
        upstreams,
        minting,
        state,
        revocations,
        trusted_proxies,
        timeouts,
        limits,
        log,
        admin,
        plugins,
        exposed,
        upstream_assumed,
        preset_roots: preset_roots(raw),
        contents: contents.take(),
    };
    (Some(config), certificate)
}

/// Checks the places of keys, state and revocations, and nothing else of the configuration.
pub(crate) fn check_storage(
    raw: &RawConfig,
    sources: &Sources,
    faults: &mut Vec<Fault>,
) -> Option<StorageSettings> {
    let contents = RefCell::default();
    let mut checker = Checker { sources, faults, contents: &contents };
    let keys = checker.keys(raw);
    let state = checker.state(raw, &keys);
    let revocations = checker.revocations(raw, &keys);
    Some(StorageSettings { keys, state: state?, revocations })
}

/// True if no setting chooses an API, so that the API is the default.
fn is_assumed(upstream: &RawUpstream) -> bool {
    let written = |origin: &Origin| !matches!(origin, Origin::Default | Origin::Preset(_));
    let preset = upstream.preset.given().is_some_and(|given| written(&given.origin));
    let api_root = upstream.api_root.given().is_some_and(|given| written(&given.origin));
    !preset && !api_root && upstream.name.given().is_none()
}

pub(super) struct Checker<'a> {
    pub(super) sources: &'a Sources,
    pub(super) faults: &'a mut Vec<Fault>,
    /// The files that the check has read so far.
    contents: &'a RefCell<FileContents>,
}

impl Checker<'_> {
    /// Reads a text setting by `parse`, whose error says what was expected.
    pub(super) fn text<V>(
        &mut self,
        key: &str,
        setting: &Setting<String>,
        parse: impl FnOnce(&str) -> Result<V, String>,
    ) -> Option<V> {
        let given = setting.given()?;
        match parse(&given.value) {
            Ok(value) => Some(value),
            Err(expected) => {
                let value = value_without_userinfo(&given.value);
                self.fault(format!("{key} `{value}`: {expected}"), &given.origin);
                None
            }
        }
    }

    pub(super) fn push(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    pub(super) fn fault(&mut self, message: impl Into<String>, origin: &Origin) {
        self.faults.push(Fault::new(message, origin.clone()));
    }

    /// Runs a check, and returns its faults separately, to be reported later.
    pub(super) fn apart<T>(&self, check: impl FnOnce(&mut Checker<'_>) -> T) -> (T, Vec<Fault>) {
        let mut faults = Vec::new();
        let checked = check(&mut Checker { faults: &mut faults, ..*self });
        (checked, faults)
    }

    pub(super) fn path(&self, given: &GivenValue<String>) -> PathBuf {
        self.sources
            .base(&given.origin)
            .map_or_else(|| PathBuf::from(&given.value), |base| base.join(&given.value))
    }

    /// Reads a file that the setting `key` names, and notes its content. A file that is read
    /// otherwise changes without a reload that tells of it.
    pub(super) fn read(&self, key: &str, path: &Path) -> io::Result<Vec<u8>> {
        let content = std::fs::read(path)?;
        self.contents.borrow_mut().note(key, path, &content);
        Ok(content)
    }

    /// Reads a file of text, as [`read`](Self::read) does.
    pub(super) fn read_text(&self, key: &str, path: &Path) -> io::Result<String> {
        String::from_utf8(self.read(key, path)?).map_err(|_| io::ErrorKind::InvalidData.into())
    }

    /// Reads a PEM file of certificates.
    pub(super) fn certificates(
        &mut self,
        key: &str,
        setting: &Setting<String>,
    ) -> Vec<CertificateDer<'static>> {
        let Some(given) = setting.given() else { return Vec::new() };
        let path = self.path(given);
        let fault = match self.read(key, &path) {
            Err(error) => format!("{key} `{}`: {}", path.display(), reason(&error)),
            Ok(pem) => match CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>() {
                Ok(roots) if !roots.is_empty() => match check_trust(&roots) {
                    Err(TrustFault::Unreadable(number)) => {
                        format!(
                            "{key} `{}`: certificate number {number} in it cannot be read",
                            path.display()
                        )
                    }
                    _ => return roots,
                },
                _ => format!("{key} `{}`: expected certificates in PEM", path.display()),
            },
        };
        self.fault(fault, &given.origin);
        Vec::new()
    }
}

/// Returns the given value, or the default of the type.
pub(super) fn said<T: Copy + Default>(setting: &Setting<T>) -> T {
    setting.given().map(|given| given.value).unwrap_or_default()
}

pub(super) fn value<T: Copy>(setting: &Setting<T>, otherwise: T) -> T {
    setting.given().map_or(otherwise, |given| given.value)
}

pub(super) fn list<T>(setting: &Setting<Vec<T>>) -> &[T] {
    setting.given().map_or(&[], |given| &given.value)
}
