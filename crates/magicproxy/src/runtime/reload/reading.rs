//! The new configuration, read from the places of the old one and checked whole: as it is written,
//! and as far as a running proxy takes it over.

use std::sync::Arc;

use magicproxy_core::state::StateStore;
use magicproxy_plugin::Host;

use crate::ground::failure::chain;
use crate::runtime::logging::events::ConfigSources;
use crate::runtime::readiness::Readiness;
use crate::runtime::serve::fit_to_files;
use crate::runtime::tls::NextCertificate;
use crate::runtime::wire::{RunningEngine, raise_open_file_limit};
use crate::runtime::{plugins, settings};
use magicproxy_config::config::change::TakesEffect;
use magicproxy_config::config::contents::FileContents;
use magicproxy_config::config::raw::RawConfig;
use magicproxy_config::config::{Config, Flags, Layers, lint};
use magicproxy_config::ground::environment::Environment;
use magicproxy_config::ground::fault::{Fault, Faults, Origin, Sources};

/// The places of a configuration: the command line and the environment, which stay, and the files
/// that they name.
#[derive(Clone, Debug)]
pub(crate) struct ConfigSource {
    flags: Flags,
    environment: Environment,
}

/// The configuration in force.
#[derive(Clone, Debug)]
pub(crate) struct RunningConfig {
    source: ConfigSource,
    /// The settings in force, and the files in which they were.
    pub(crate) raw: RawConfig,
    files: Vec<String>,
    /// The content of the files that the settings in force name.
    contents: FileContents,
    /// The most files that the process may open, if there is a limit.
    pub(crate) open_files: Option<usize>,
}

/// The result of a reading.
pub(super) enum Reading {
    /// The new configuration has faults, alone or beside the settings that wait for a restart.
    Refused(Faults),
    /// The files say what they said before.
    Unchanged {
        waiting: Vec<String>,
        warnings: Vec<String>,
    },
    Changed(Box<CheckedChange>),
}

/// A change that was checked, and is to come into force.
pub(super) struct CheckedChange {
    /// The files and variables that were read.
    pub(super) read: ConfigSources,
    pub(super) config: Box<Config>,
    /// The configuration in force from now on.
    pub(super) running: RunningConfig,
    /// The keys of the settings that change now.
    pub(super) changed: Vec<String>,
    /// The keys of the settings whose change waits for a restart.
    pub(super) waiting: Vec<String>,
    pub(super) warnings: Vec<String>,
    /// The host of the plugins, if it is another one.
    pub(super) plugins: Option<Option<Arc<Host>>>,
    /// The certificate, if its source is another one.
    pub(super) certificate: Option<NextCertificate>,
}

impl ConfigSource {
    pub(crate) fn new(flags: Flags, environment: &Environment) -> Self {
        Self { flags, environment: environment.clone() }
    }

    /// Reads flags, environment and files.
    pub(crate) fn gather(&self) -> Layers {
        Layers::gather(self.flags.clone(), &self.environment)
    }
}

impl RunningConfig {
    /// Takes the settings of the start, and raises the limit of open files.
    pub(crate) fn of(source: ConfigSource, layers: &Layers) -> Self {
        Self {
            source,
            raw: layers.raw.clone(),
            files: layers.sources.files(),
            contents: FileContents::default(),
            open_files: raise_open_file_limit(),
        }
    }

    /// Notes the files that the check of these settings has read.
    pub(crate) fn note_contents(&mut self, config: &Config) {
        self.contents = config.contents.clone();
    }

    /// Reads and checks the configuration that follows, for this engine. Blocks.
    pub(super) fn read_next(
        self,
        engine: &RunningEngine,
        state: Option<Arc<dyn StateStore>>,
    ) -> Reading {
        self.read(engine, state).unwrap_or_else(Reading::Refused)
    }

    fn read(
        self,
        engine: &RunningEngine,
        state: Option<Arc<dyn StateStore>>,
    ) -> Result<Reading, Faults> {
        let layers = self.source.gather();
        let (files, read) = (layers.sources.files(), ConfigSources::of(&layers));
        if let Some(gone) = self.files.iter().find(|file| !files.contains(file)) {
            return Err(Faults::one(file_is_gone(gone)));
        }
        if is_from_a_file(&self.raw) && !is_from_a_file(&layers.raw) {
            return Err(Faults::one(file_is_empty()));
        }
        let (written, mut warnings) = (layers.raw.clone(), layers.warnings.clone());
        let sources = layers.sources.clone();
        // Checked as it is written: a restart would serve it.
        drop(settings::check_to_serve(layers)?);
        let raw = written.clone().over(&self.raw);
        let (mut changed, mut waiting) = (raw.differing(&self.raw), written.differing(&raw));
        let mut config =
            mixed(&raw, sources, engine).map_err(|faults| with_waiting(faults, &waiting))?;
        let (late, at_once): (Vec<_>, Vec<_>) =
            config.contents.differing(&self.contents).into_iter().partition(|key| waits(key));
        add(&mut changed, at_once);
        add(&mut waiting, late);
        let readiness = Readiness::besides_plugins(&config).ready()?;
        warnings.extend(readiness.warnings);
        let known = readiness.keys.as_ref().map(|keys| keys.known());
        warnings.extend(lint::warnings(&raw, &config, known.as_ref()));
        if changed.is_empty() {
            return Ok(Reading::Unchanged { waiting, warnings });
        }
        let plugins = is_any_of(&changed, &["plugins.", "plugin_cache"])
            .then(|| plugins::load(&config.plugins, state))
            .transpose()?;
        let certificate = next_certificate(&config, &changed)?;
        self.open_files.and_then(|files| fit_to_files(&mut config, files));
        let contents = config.contents.clone().over(&self.contents, waits);
        Ok(Reading::Changed(Box::new(CheckedChange {
            config: Box::new(config),
            running: Self { raw, files, contents, ..self },
            read,
            changed,
            waiting,
            warnings,
            plugins,
            certificate,
        })))
    }
}

/// Checks the settings that would hold from now on, some of which wait for a restart.
fn mixed(raw: &RawConfig, sources: Sources, engine: &RunningEngine) -> Result<Config, Faults> {
    let config = settings::check_to_serve(Layers::combined(raw.clone(), sources))?;
    let exposed = engine.exposures(&config.listeners);
    if exposed.is_empty() { Ok(config) } else { Err(Faults::new(exposed, Sources::default())) }
}

/// Gets the certificate, if its source is another one.
fn next_certificate(
    config: &Config,
    changed: &[String],
) -> Result<Option<NextCertificate>, Faults> {
    let is_another = is_any_of(changed, &["tls.", "acme."]);
    let Some(source) = config.tls.as_ref().filter(|_| is_another) else { return Ok(None) };
    let next = NextCertificate::of(source, config.own_authority());
    next.map(Some).map_err(|error| Faults::one(Fault::new(chain(&error), Origin::Default)))
}

/// True if a file gives a setting.
fn is_from_a_file(raw: &RawConfig) -> bool {
    let mut entries = raw.entries().into_iter();
    entries.any(|entry| matches!(entry.origin, Origin::File(_) | Origin::PythonFile(_)))
}

/// Refuses to go on with an empty file, such as a full disk or an interrupted editor leaves: the
/// defaults would be in force.
fn file_is_empty() -> Fault {
    let message = "the configuration file has no settings any more, and the running configuration came from it";
    let fault = Fault::new(message.to_owned(), Origin::Default);
    fault.help("write the settings; to serve the defaults, restart the proxy")
}

/// Refuses to go on without a file that was read before: what the file said would no longer hold,
/// and an editor may have taken the file away for a moment.
fn file_is_gone(file: &str) -> Fault {
    let fault = Fault::new(
        format!("configuration file `{file}`: the running configuration is in it, and it is gone"),
        Origin::Default,
    );
    fault.help("put it back; to serve without it, restart the proxy")
}

/// Adds to the faults of a mixed configuration that the written one has none.
fn with_waiting(mut faults: Faults, waiting: &[String]) -> Faults {
    let message = format!(
        "the configuration is right for a restart; a running proxy cannot take it over while these settings wait for one: `{}`",
        waiting.join("`, `")
    );
    faults.faults.push(Fault::new(message, Origin::Default).help("restart the proxy"));
    faults
}

/// True if a change of the setting waits for a restart, and so does one of the file that it names.
fn waits(key: &str) -> bool {
    TakesEffect::of(key) != Some(TakesEffect::AtOnce)
}

/// Adds keys to a sorted list.
fn add(to: &mut Vec<String>, keys: Vec<String>) {
    to.extend(keys);
    to.sort();
    to.dedup();
}

fn is_any_of(keys: &[String], prefixes: &[&str]) -> bool {
    keys.iter().any(|key| prefixes.iter().any(|prefix| key.starts_with(prefix)))
}
