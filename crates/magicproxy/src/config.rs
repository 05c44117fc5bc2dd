//! The configuration: found, read, layered and checked, with every fault reported at once.
//!
//! [`raw`] is what was written, [`Config`] what holds; nothing else in this crate reads a file or a variable for settings.
//! Operators' documentation: `docs/guide/configuration.md`.

pub(crate) mod accepted;
pub(crate) mod address;
mod check;
mod defaults;
mod duration;
mod environment;
mod found;
pub(crate) mod keys;
mod limits;
pub(crate) mod lint;
pub(crate) mod listeners;
pub(crate) mod log;
mod mint;
mod native;
pub(crate) mod outbound;
pub(crate) mod plugins;
mod preset;
mod python;
pub(crate) mod raw;
mod scopes;
pub(crate) mod setting;
mod size;
pub(crate) mod state;
#[cfg(test)]
mod tests;
mod timeouts;
pub(crate) mod tls;
mod tokens;
pub(crate) mod upstream;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use magicproxy_core::{
    Acceptance, Accepts, Permit, Provenance, UnixTime, UnnamedTokens, UpstreamName, VerifiedToken, VerifyContext,
};
use magicproxy_proxy::settings::{
    ApiRoot, Limits, MintSettings, Settings, StrangerState, Timeouts, TrustedProxies, UpstreamSettings,
};

pub(crate) use duration::parse_duration;

use crate::ground::environment::Environment;
use crate::ground::fault::{Fault, Faults, Sources};
use crate::ground::scheme::Scheme;
use crate::ground::text::harmless;
use crate::ground::trust;
use address::{Listen, PublicAccess};
use keys::KeySettings;
use listeners::{HostSettings, ListenerSettings};
use log::LogSettings;
use outbound::RawProxies;
use plugins::PluginsSettings;
use raw::RawConfig;
use state::{RevocationSettings, StateSettings};
use tls::{AuthoritySettings, CertificateFault, CertificateFiles, NamedCertificate, TlsSource};

/// What the flags of a command say about the configuration.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flags {
    /// `--config`
    pub(crate) config: Option<PathBuf>,
    /// The flags that give a setting.
    pub(crate) raw: RawConfig,
    /// What becomes of files in the working directory that nobody names.
    pub(crate) working_directory: WorkingDirectory,
}

impl Flags {
    /// The same, for a command that reads `./magicproxy.toml` and `./keys`.
    pub(crate) fn and_working_directory(self) -> Self {
        Self { working_directory: WorkingDirectory::Read, ..self }
    }
}

/// Are `./magicproxy.toml` and `./keys` read where nobody names them? Whoever fills a working directory, such as the author
/// of a repository, must not choose where tokens are sent or whose key a credential is sealed to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum WorkingDirectory {
    /// No: by every command that uses tokens or credentials of its caller.
    #[default]
    Ignored,
    /// Yes, as the Python program does: by `serve` and `config`.
    Read,
}

/// The checked configuration.
#[derive(Debug)]
pub(crate) struct Config {
    /// At least one.
    pub(crate) listeners: Vec<ListenerSettings>,
    /// Which names clients may call it by there.
    pub(crate) hosts: HostSettings,
    /// Where the certificate comes from, if there is one.
    pub(crate) tls: Option<TlsSource>,
    /// What the operator said about it.
    pub(crate) public_access: Option<PublicAccess>,
    pub(crate) keys: KeySettings,
    /// At least one.
    pub(crate) upstreams: Vec<Arc<UpstreamSettings>>,
    pub(crate) minting: MintSettings,
    pub(crate) state: StateSettings,
    pub(crate) revocations: RevocationSettings,
    pub(crate) trusted_proxies: TrustedProxies,
    pub(crate) timeouts: Timeouts,
    pub(crate) limits: Limits,
    pub(crate) log: LogSettings,
    pub(crate) plugins: PluginsSettings,
    /// Why it is not served as it stands; other commands may go by it all the same.
    exposed: Vec<Fault>,
    /// Nobody has said which API this is for: the only upstream is the default one.
    pub(crate) upstream_assumed: bool,
    /// For each upstream the root of the API that its preset is for, whatever its own root is.
    pub(crate) preset_roots: Vec<Option<&'static str>>,
}

impl Config {
    /// The URL by which callers reach the proxy, as far as anybody knows.
    pub(crate) fn public_access(&self) -> PublicAccess {
        let first = |listener: &ListenerSettings| PublicAccess::of(&listener.listen, listener.scheme);
        self.public_access.clone().or_else(|| self.listeners.first().map(first)).unwrap_or_default()
    }

    /// The name or address by which callers reach the proxy, as far as anybody knows.
    pub(crate) fn host(&self) -> &str {
        let first = self.listeners.first().map_or("localhost", |listener| listener.listen.host());
        self.public_access.as_ref().map_or(first, |public| &public.host)
    }

    /// What the certificate authority of this machine's own is made of, if there is one.
    pub(crate) fn own_authority(&self) -> AuthoritySettings<'_> {
        AuthoritySettings { folder: self.keys.files.folder(), host: self.host() }
    }

    /// What clients must trust besides, where the certificate is signed by this machine's own authority.
    pub(crate) fn development_authority(&self) -> Option<PathBuf> {
        matches!(self.tls, Some(TlsSource::Dev)).then(|| self.own_authority().certificate())
    }

    /// A Unix socket on which an upstream is found by its own name, in the clear.
    pub(crate) fn socket_of(&self, upstream: &UpstreamName) -> Option<&Path> {
        let leads = |bound: &Option<UpstreamName>| bound.as_ref().is_none_or(|bound| bound == upstream);
        self.listeners.iter().find_map(|listener| match &listener.listen {
            Listen::Unix(path) if listener.scheme == Scheme::Http && leads(&listener.upstream) => Some(path.as_path()),
            _ => None,
        })
    }

    /// The upstream of tokens with this `aud`, or with none. Where nobody has said which API this is for, any name will do.
    pub(crate) fn upstream_named(&self, aud: Option<&str>) -> Result<&UpstreamSettings, String> {
        let mut upstreams = self.upstreams.iter();
        let found = match aud {
            Some(_) if self.upstream_assumed => upstreams.next(),
            Some(aud) => upstreams.find(|upstream| upstream.is_called(aud)),
            None => upstreams.find(|upstream| upstream.unnamed == UnnamedTokens::Accept),
        };
        found.map(|upstream| &**upstream).ok_or_else(|| {
            let known: Vec<String> = self.upstreams.iter().map(|upstream| format!("`{}`", upstream.name)).collect();
            let known = known.join(", ");
            match aud {
                Some(aud) => format!("`{}` is no upstream of this configuration, which has {known}", harmless(aud)),
                None => format!("an upstream must be named (`--aud`): this configuration has {known}"),
            }
        })
    }

    /// What a command without a proxy to ask cannot check.
    pub(crate) fn unchecked(&self) -> Option<String> {
        let upstream = self.upstreams.first().filter(|_| self.upstream_assumed)?;
        let UpstreamSettings { name, api_root, .. } = &**upstream;
        Some(format!("not checked: no configuration says which API the proxy serves; this is as for `{name}` ({api_root})"))
    }

    /// The name of the upstream that a look at this token is about: where nobody has said which, the one it names.
    pub(crate) fn name_for<'a>(&self, token: &'a VerifiedToken, upstream: &'a UpstreamSettings) -> &'a UpstreamName {
        token.upstream().filter(|_| self.upstream_assumed).unwrap_or(&upstream.name)
    }

    /// What is accepted by at least one upstream, as the key set tells it.
    pub(crate) fn accepts(&self) -> Accepts {
        Accepts::any_of(self.upstreams.iter().map(|upstream| &upstream.acceptance))
    }

    /// The ids of keys whose tokens no upstream accepts.
    pub(crate) fn denied_keys(&self) -> Vec<String> {
        Acceptance::denied_everywhere(self.upstreams.iter().map(|upstream| &upstream.acceptance))
    }

    /// What verification needs to know.
    pub(crate) fn verify_context(upstream: &UpstreamSettings, now: UnixTime) -> VerifyContext<'_> {
        VerifyContext { now, scopes: &upstream.scopes, patterns: upstream.patterns, acceptance: &upstream.acceptance }
    }

    /// Is this a request for which the store would keep something, with a token for which it keeps nothing?
    pub(crate) fn keeps_nothing_for(&self, permit: &Permit) -> bool {
        let stranger = permit.token().provenance() == Provenance::Anyone;
        stranger && self.state.strangers == StrangerState::Refuse && permit.keeps_rows()
    }

    /// What the engine is told.
    pub(crate) fn into_settings(self) -> Settings {
        Settings {
            strangers: self.state.strangers,
            upstreams: self.upstreams,
            public_access: self.public_access.and_then(|public| ApiRoot::parse(&public.url).ok()),
            minting: self.minting,
            trusted_proxies: self.trusted_proxies,
            timeouts: self.timeouts,
            limits: self.limits,
        }
    }
}

/// The forms of configuration files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigurationForm {
    /// The native one.
    Toml,
    /// The Python program's.
    PythonJson,
}

/// Reads and checks the text of one file above the defaults; nothing else is looked at but files that it names.
pub(crate) fn check_text(text: &str, form: ConfigurationForm) -> Result<Config, Faults> {
    let (path, text) = (Path::new("text"), text.to_owned());
    let layers = match form {
        ConfigurationForm::Toml => {
            let file = native::parse(path, text);
            let sources = Sources { native: Some(file.source), python: None };
            Layers { sources, faults: file.faults, ..Layers::only(file.raw) }
        }
        ConfigurationForm::PythonJson => {
            let file = python::parse(path, text);
            let sources = Sources { native: None, python: Some(file.source) };
            Layers { sources, faults: file.faults, ..Layers::only(file.raw) }
        }
    };
    layers.checked().ready()
}

/// What is wrong with a text in TOML before anything in it is judged: its form, and keys that mean nothing.
#[cfg(test)]
pub(crate) fn unknown_keys(text: &str) -> Vec<String> {
    let file = native::parse(Path::new("text"), text.to_owned());
    file.faults.into_iter().map(|fault| fault.message).collect()
}

const PYTHON_HEADERS: &str = "unlike the Python program, this one gives the API only the request headers of a list (`magicproxy config show`): \
                              `upstream.pass_request_headers` (MAGICPROXY_UPSTREAM_PASS_REQUEST_HEADERS=Name,Name) adds to it";

/// All layers in one, not yet checked.
#[derive(Debug)]
pub(crate) struct Layers {
    pub(crate) raw: RawConfig,
    pub(crate) sources: Sources,
    pub(crate) warnings: Vec<String>,
    /// `./magicproxy.toml` is there, and nobody named it.
    passed_over: bool,
    faults: Vec<Fault>,
}

impl Layers {
    /// Reads flags, environment, files and defaults; the earlier wins.
    pub(crate) fn gather(flags: Flags, environment: &Environment) -> Self {
        let mut faults = Vec::new();
        let mut warnings = environment.misspelt();
        let passed_over = found::is_passed_over(&flags, environment);
        let native = found::native(&flags, environment, &mut faults);
        let python = found::python(environment, &mut faults);
        let ours = environment.layer(&mut faults);
        let (native, native_source) = native.map_or((RawConfig::default(), None), |file| {
            faults.extend(file.faults);
            (file.raw, Some(file.source))
        });
        let (python, python_source) = python.map_or((RawConfig::default(), None), |file| {
            faults.extend(file.faults);
            warnings.extend(file.warnings);
            (file.raw, Some(file.source))
        });
        let python_rules = !python.scopes.is_empty();
        let variables = environment.python_layer(&mut warnings);
        let from_python = python_source.is_some() || !variables.entries().is_empty();
        let written = [flags.raw, ours, variables, native, python];
        let raw = above_defaults(written, defaults::layer(environment, flags.working_directory));
        let raw = RawConfig { proxies: RawProxies::of(environment), ..raw };
        if flags.working_directory == WorkingDirectory::Ignored {
            faults.extend(found::relative_keys(&raw));
        }
        if from_python && raw.upstream.pass_request_headers.given().is_none() {
            warnings.push(PYTHON_HEADERS.to_owned());
        }
        if python_rules && !raw.upstream.danger_prefix_matching.given().is_some_and(|given| given.value) {
            warnings
                .push("the scopes of CONFIG_FILE are matched against the whole path, unlike in the Python program".to_owned());
        }
        let sources = Sources { native: native_source, python: python_source };
        warnings.extend(sources.files().iter().filter_map(|file| trust::of_another(Path::new(file))));
        Self { raw, sources, warnings, passed_over, faults }
    }

    /// One layer above the defaults, without looking at flags, environment and files.
    pub(crate) fn only(raw: RawConfig) -> Self {
        let raw = above_defaults([raw], defaults::layer(&Environment::default(), WorkingDirectory::Ignored));
        Self { raw, sources: Sources::default(), warnings: Vec::new(), passed_over: false, faults: Vec::new() }
    }

    /// How to log, whatever else is wrong.
    pub(crate) fn log(&self) -> LogSettings {
        LogSettings::of(&self.raw.log)
    }

    /// Checks what was read, but for the files of a certificate.
    pub(crate) fn checked(self) -> Checked {
        let mut faults = self.faults;
        let (config, certificate) = check::check(&self.raw, &self.sources, &mut faults);
        Checked { config, certificate, faults, sources: self.sources }
    }

    #[cfg(test)]
    pub(crate) fn check(self) -> Result<Config, Faults> {
        self.checked().ready()
    }

    #[cfg(test)]
    pub(crate) fn check_to_serve(self) -> Result<Config, Faults> {
        self.checked().ready_to_serve()
    }
}

/// What a look at all that was written came to.
#[derive(Debug)]
pub(crate) struct Checked {
    config: Option<Config>,
    certificate: Option<NamedCertificate>,
    faults: Vec<Fault>,
    sources: Sources,
}

impl Checked {
    /// Has the files of the certificate read, if the configuration names any, and tells what is wrong with them among the other faults.
    pub(crate) fn reading(mut self, read: impl FnOnce(&CertificateFiles) -> Result<(), CertificateFault>) -> Self {
        let fault = self.certificate.as_ref().and_then(|named| Some(named.fault(&read(&named.files).err()?)));
        if let Some((at, fault)) = fault {
            self.faults.insert(at, fault);
        }
        self
    }

    /// The configuration, where nothing is wrong.
    pub(crate) fn ready(self) -> Result<Config, Faults> {
        match self.config {
            Some(config) if self.faults.is_empty() => Ok(config),
            _ => Err(Faults::new(self.faults, self.sources)),
        }
    }

    /// The configuration, where nothing is wrong and it may be served.
    pub(crate) fn ready_to_serve(mut self) -> Result<Config, Faults> {
        self.faults.extend(self.config.iter().flat_map(|config| config.exposed.iter().cloned()));
        self.ready()
    }
}

/// All that was written, in layers, above presets and defaults.
fn above_defaults(written: impl IntoIterator<Item = RawConfig>, mut defaults: RawConfig) -> RawConfig {
    let upstream = std::mem::take(&mut defaults.upstream);
    let layers = written.into_iter().chain([defaults]);
    let raw = layers.map(|raw| RawConfig { keys: keys::in_folder(raw.keys), ..raw }).reduce(RawConfig::or);
    let raw = preset::complete(raw.unwrap_or_default(), upstream);
    RawConfig { limits: limits::complete(raw.limits), timeouts: timeouts::complete(raw.timeouts), ..raw }
}
