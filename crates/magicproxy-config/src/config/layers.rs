//! The layers of the configuration: flags, environment, files, presets, defaults; and the check of
//! all layers together.

use std::path::{Path, PathBuf};

use super::log::LogSettings;
use super::outbound::RawProxies;
use super::raw::RawConfig;
use super::tls::{CertificateFault, CertificateFiles, NamedCertificate};
use super::{
    Config, StorageSettings, check, defaults, found, keys, limits, native, preset, python, timeouts,
};
use crate::ground::environment::Environment;
use crate::ground::fault::{Fault, Faults, Sources};
use crate::ground::text::Colour;
use crate::ground::trust;
use crate::ground::userinfo::without_userinfo;

/// The flags of a command that concern the configuration.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// The file of `--config`.
    pub config: Option<PathBuf>,
    /// The flags that give a setting.
    pub raw: RawConfig,
    /// The treatment of files in the working directory that no setting names.
    pub working_directory: WorkingDirectory,
}

impl Flags {
    /// Returns the flags of a command that reads `./magicproxy.toml` and `./keys`.
    pub fn and_working_directory(self) -> Self {
        Self { working_directory: WorkingDirectory::Read, ..self }
    }
}

/// Decides whether `./magicproxy.toml` and `./keys` are read without being named. Whoever fills a
/// working directory, such as the author of a repository, must not choose the receiver of tokens or
/// the key to which a credential is sealed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WorkingDirectory {
    /// Not read: by every command that uses tokens or credentials of the user.
    #[default]
    Ignored,
    /// Read, as by the Python program: by `serve` and `config`, and for the address of the admin
    /// listener by `reload` and `health`.
    Read,
}

/// The forms of configuration files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigurationForm {
    /// The native form.
    Toml,
    /// The Python program's.
    PythonJson,
}

/// Parses and checks the text of a configuration file, in TOML or in the Python program's JSON,
/// above the defaults.
///
/// # Errors
/// Every fault, in words for people.
pub fn check_configuration(text: &str, form: ConfigurationForm) -> Result<(), String> {
    check_text(text, form).map(drop).map_err(|faults| faults.render(Colour::Off))
}

/// Reads and checks the text of one file above the defaults. Only the files that the text names are
/// read in addition.
fn check_text(text: &str, form: ConfigurationForm) -> Result<Config, Faults> {
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

/// Returns the faults in the form of a TOML text, such as unknown keys. Values are not checked.
pub fn unknown_keys(text: &str) -> Vec<String> {
    let file = native::parse(Path::new("text"), text.to_owned());
    file.faults.into_iter().map(|fault| fault.message).collect()
}

const PYTHON_HEADERS: &str = "unlike the Python program, this one gives the API only the request headers of a list (`magicproxy config show`): \
                              `upstream.pass_request_headers` (MAGICPROXY_UPSTREAM_PASS_REQUEST_HEADERS=Name,Name) adds to it";

/// The sections that say where keys, state and revocations are.
const STORAGE_SECTIONS: [&str; 3] = ["keys", "state", "tokens"];

/// All layers combined, not yet checked.
#[derive(Clone, Debug)]
pub struct Layers {
    /// All given settings, above presets and defaults.
    pub raw: RawConfig,
    /// The files that were read.
    pub sources: Sources,
    /// Warnings: facts that are no faults, and should be known.
    pub warnings: Vec<String>,
    /// True if `./magicproxy.toml` exists and no setting names it.
    pub(super) passed_over: bool,
    pub(super) faults: Vec<Fault>,
}

impl Layers {
    /// Reads flags, environment, files and defaults; an earlier layer takes precedence over a later
    /// layer.
    pub fn gather(flags: Flags, environment: &Environment) -> Self {
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
        if python_rules
            && !raw.upstream.danger_prefix_matching.given().is_some_and(|given| given.value)
        {
            warnings
                .push("the scopes of CONFIG_FILE are matched against the whole path, unlike in the Python program".to_owned());
        }
        let sources = Sources { native: native_source, python: python_source };
        warnings
            .extend(sources.files().iter().filter_map(|file| trust::of_another(Path::new(file))));
        let warnings =
            warnings.iter().map(|warning| without_userinfo(warning).into_owned()).collect();
        Self { raw, sources, warnings, passed_over, faults }
    }

    /// Makes layers of settings that were combined before; the files of `sources` are their places.
    pub fn combined(raw: RawConfig, sources: Sources) -> Self {
        Self { raw, sources, warnings: Vec::new(), passed_over: false, faults: Vec::new() }
    }

    /// Makes layers from one layer and the defaults, without a look at flags, environment and
    /// files.
    pub fn only(raw: RawConfig) -> Self {
        let raw = above_defaults(
            [raw],
            defaults::layer(&Environment::default(), WorkingDirectory::Ignored),
        );
        Self {
            raw,
            sources: Sources::default(),
            warnings: Vec::new(),
            passed_over: false,
            faults: Vec::new(),
        }
    }

    /// Returns the settings of the log, which hold even if other settings have faults.
    pub fn log(&self) -> LogSettings {
        LogSettings::of(&self.raw.log)
    }

    /// Checks the places of keys, state and revocations alone, for whoever must revoke while other
    /// settings have faults.
    ///
    /// # Errors
    /// The faults that may concern these places: in the sections `[keys]`, `[state]` and `[tokens]`,
    /// or without a known place.
    pub fn storage(&self) -> Result<StorageSettings, Faults> {
        let may_concern = |fault: &&Fault| !fault.is_beside(&STORAGE_SECTIONS);
        let mut faults: Vec<Fault> = self.faults.iter().filter(may_concern).cloned().collect();
        match check::check_storage(&self.raw, &self.sources, &mut faults) {
            Some(storage) if faults.is_empty() => Ok(storage),
            _ => Err(Faults::new(faults, self.sources.clone())),
        }
    }

    /// Returns the faults of the files and variables as far as they were read, without a check of
    /// the values.
    pub fn faults_of_form(&self) -> Option<Faults> {
        (!self.faults.is_empty()).then(|| Faults::new(self.faults.clone(), self.sources.clone()))
    }

    /// Checks all layers, except for the files of a certificate.
    pub fn checked(self) -> CheckedLayers {
        let mut faults = self.faults;
        let (config, certificate) = check::check(&self.raw, &self.sources, &mut faults);
        CheckedLayers { config, certificate, faults, sources: self.sources }
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

/// The result of the check of all layers.
#[derive(Debug)]
pub struct CheckedLayers {
    config: Option<Config>,
    certificate: Option<NamedCertificate>,
    pub(super) faults: Vec<Fault>,
    sources: Sources,
}

impl CheckedLayers {
    /// Reads the files of the certificate, if the configuration names any, by means of `read`, and
    /// adds a fault of the files to the other faults.
    pub fn reading(
        mut self,
        read: impl FnOnce(&CertificateFiles) -> Result<(), CertificateFault>,
    ) -> Self {
        let fault = self
            .certificate
            .as_ref()
            .and_then(|named| Some(named.fault(&read(&named.files).err()?)));
        if let Some((at, fault)) = fault {
            self.faults.insert(at, fault);
        }
        self
    }

    /// Returns the configuration if there are no faults.
    pub fn ready(self) -> Result<Config, Faults> {
        match self.config {
            Some(config) if self.faults.is_empty() => Ok(config),
            _ => Err(Faults::new(self.faults, self.sources)),
        }
    }

    /// Returns the configuration if there are no faults and the proxy may be served.
    pub fn ready_to_serve(mut self) -> Result<Config, Faults> {
        self.faults.extend(self.config.iter().flat_map(|config| config.exposed.iter().cloned()));
        self.ready()
    }
}

/// Combines all written layers above presets and defaults.
fn above_defaults(
    written: impl IntoIterator<Item = RawConfig>,
    mut defaults: RawConfig,
) -> RawConfig {
    let upstream = std::mem::take(&mut defaults.upstream);
    let layers = written.into_iter().chain([defaults]);
    let raw = layers
        .map(|raw| RawConfig { keys: keys::in_folder(raw.keys), ..raw })
        .reduce(RawConfig::or);
    let raw = preset::complete(raw.unwrap_or_default(), upstream);
    RawConfig {
        limits: limits::complete(raw.limits),
        timeouts: timeouts::complete(raw.timeouts),
        ..raw
    }
}
