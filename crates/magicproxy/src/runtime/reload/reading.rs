//! The new configuration, read from the places of the old one and checked whole: as it is written,
//! and as far as a running proxy takes it over.

use std::sync::Arc;

use magicproxy_core::state::StateStore;
use magicproxy_plugin::Host;

use crate::runtime::readiness::Readiness;
use crate::runtime::serve::fit_to_files;
use crate::runtime::tls::NextCertificate;
use crate::runtime::wire::RunningEngine;
use crate::runtime::{plugins, settings};
use magicproxy_config::config::raw::RawConfig;
use magicproxy_config::config::{Config, Flags, Layers, lint};
use magicproxy_config::ground::environment::Environment;
use magicproxy_config::ground::fault::{Fault, Faults, Origin};

/// The places of a configuration: the command line and the environment, which stay, and the files
/// that they name.
#[derive(Clone, Debug)]
pub(crate) struct ConfigSource {
    flags: Flags,
    environment: Environment,
}

/// The configuration in force.
#[derive(Clone)]
pub(crate) struct RunningConfig {
    pub(crate) source: ConfigSource,
    /// The settings in force, and the files in which they were.
    pub(crate) raw: RawConfig,
    pub(crate) files: Vec<String>,
    /// The most files that the process may open.
    pub(crate) open_files: Option<usize>,
    /// The engine, for the addresses at which it listens.
    pub(crate) engine: RunningEngine,
    /// The store, in which plugins keep their state.
    pub(crate) state: Option<Arc<dyn StateStore>>,
}

/// The result of a reading.
pub(super) enum Reading {
    /// The new configuration has faults, alone or beside the settings that wait for a restart.
    Refused(Faults),
    /// The files say what they said before. With the warnings about them.
    Unchanged(Vec<String>),
    Changed(Box<CheckedChange>),
}

/// A change that was checked, and is to come into force.
pub(super) struct CheckedChange {
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

    /// Reads and checks the configuration that follows `running`. Blocks.
    pub(super) fn read(&self, running: &RunningConfig) -> Reading {
        match self.read_whole(running) {
            Ok(reading) => reading,
            Err(faults) => Reading::Refused(faults),
        }
    }

    fn read_whole(&self, running: &RunningConfig) -> Result<Reading, Faults> {
        let layers = self.gather();
        let files = layers.sources.files();
        if let Some(gone) = running.files.iter().find(|file| !files.contains(file)) {
            return Err(Faults::one(file_is_gone(gone)));
        }
        let (written, mut warnings) = (layers.raw.clone(), layers.warnings.clone());
        let sources = layers.sources.clone();
        // Checked as it is written: a restart would serve it.
        drop(settings::check_to_serve(layers)?);
        let raw = written.clone().over(&running.raw);
        let (changed, waiting) = (raw.differing(&running.raw), written.differing(&raw));
        let mixed = Layers::combined(raw.clone(), sources);
        let mut config =
            settings::check_to_serve(mixed).map_err(|faults| contradicting(faults, &waiting))?;
        let exposed = running.engine.exposures(&config.listeners);
        if !exposed.is_empty() {
            return Err(contradicting(Faults::new(exposed, Default::default()), &waiting));
        }
        let readiness = Readiness::besides_plugins(&config).ready()?;
        warnings.extend(readiness.warnings);
        let known = readiness.keys.as_ref().map(|keys| keys.known());
        warnings.extend(lint::warnings(&raw, &config, known.as_ref()));
        if changed.is_empty() && !names_files(&raw) {
            return Ok(Reading::Unchanged(with_waiting(warnings, &waiting)));
        }
        let plugins = is_any_of(&changed, &["plugins.", "plugin_cache"])
            .then(|| plugins::load(&config.plugins, running.state.clone()))
            .transpose()?;
        let certificate = self.certificate(&config, &changed)?;
        running.open_files.and_then(|files| fit_to_files(&mut config, files));
        let running = RunningConfig { raw, files, ..running.clone() };
        let config = Box::new(config);
        Ok(Reading::Changed(Box::new(CheckedChange {
            config,
            running,
            changed,
            waiting,
            warnings,
            plugins,
            certificate,
        })))
    }

    /// Gets the certificate, if its source is another one.
    fn certificate(
        &self,
        config: &Config,
        changed: &[String],
    ) -> Result<Option<NextCertificate>, Faults> {
        let Some(source) = config.tls.as_ref().filter(|_| is_any_of(changed, &["tls.", "acme."]))
        else {
            return Ok(None);
        };
        let next = NextCertificate::of(source, config.own_authority());
        next.map(Some).map_err(|error| {
            let message = crate::ground::failure::chain(&error);
            Faults::one(Fault::new(message, Origin::Default))
        })
    }
}

impl RunningConfig {
    pub(super) fn source(&self) -> &ConfigSource {
        &self.source
    }
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
fn contradicting(mut faults: Faults, waiting: &[String]) -> Faults {
    let message = format!(
        "the configuration is right for a restart; a running proxy cannot take it over while these settings wait for one: `{}`",
        waiting.join("`, `")
    );
    faults.faults.push(Fault::new(message, Origin::Default).help("restart the proxy"));
    faults
}

/// True if settings name files whose content may have changed though no setting has.
fn names_files(raw: &RawConfig) -> bool {
    let named = ["minters", "extra_ca_file", "outbound_proxy_file"];
    raw.entries().iter().any(|entry| {
        let name = entry.key.rsplit('.').next().unwrap_or_default();
        named.contains(&name)
    })
}

fn with_waiting(warnings: Vec<String>, waiting: &[String]) -> Vec<String> {
    let waits = waiting.iter().map(|key| super::outcome::waits(key));
    waits.chain(warnings.iter().map(|warning| format!("warning: {warning}"))).collect()
}

fn is_any_of(keys: &[String], prefixes: &[&str]) -> bool {
    keys.iter().any(|key| prefixes.iter().any(|prefix| key.starts_with(prefix)))
}
