//! The configuration as a command uses it: found, named to the user, and checked together with the
//! named certificate.

#[cfg(test)]
mod tests;

use crate::ground::output::{note, remark};
use crate::runtime::tls::files;
use magicproxy_config::config::tls::{CertificateFault, CertificateFiles};
use magicproxy_config::config::{Config, Flags, Layers, StorageSettings};
use magicproxy_config::ground::environment::Environment;
use magicproxy_config::ground::fault::Faults;

/// The most faults that are shown to whoever asked for something else.
const MOST_SHOWN_FAULTS: usize = 5;
/// The remedy of whoever cannot wait until a file is mended.
const STORAGE_FILE: &str = "until it is mended, `--config FILE` may name a file that has `[keys]`, `[state]` and `tokens.revocations` alone";

/// The places of keys, state and revocations, and the whole configuration if it has no faults.
#[derive(Debug)]
pub(crate) struct UsableSettings {
    pub(crate) storage: StorageSettings,
    /// `None` where other settings have faults, of which the user has been warned.
    pub(crate) whole: Option<Config>,
}

/// Finds and reads the configuration for commands that are needed in an incident, and names its
/// files and variables on standard error: faults that do not concern the places of keys, state and
/// revocations are warnings.
///
/// # Errors
/// All faults, where one may concern these places: entries would be kept where no proxy reads them.
pub(crate) fn load_storage(
    flags: Flags,
    environment: &Environment,
) -> Result<UsableSettings, Faults> {
    let layers = Layers::gather(flags, environment);
    say_what_is_used(&layers);
    let storage = layers.storage();
    let faults = match check(layers) {
        Ok(config) => {
            return Ok(UsableSettings { storage: config.storage(), whole: Some(config) });
        }
        Err(faults) => faults,
    };
    match storage {
        Ok(storage) => {
            warn_of(&faults);
            Ok(UsableSettings { storage, whole: None })
        }
        Err(_) => Err(with_way_out(faults, STORAGE_FILE)),
    }
}

/// Finds, reads and checks the configuration, and names its files and variables on standard error.
pub(crate) fn load(flags: Flags, environment: &Environment) -> Result<Config, Faults> {
    let layers = Layers::gather(flags, environment);
    say_what_is_used(&layers);
    check(layers)
}

/// Names on standard error the files and variables of the configuration, and the file that is not
/// read.
pub(crate) fn say_what_is_used(layers: &Layers) {
    layers.used().iter().for_each(|line| remark(line));
    layers.of_others().iter().for_each(|warning| note(&format!("warning: {warning}")));
    layers.passed_over().iter().for_each(|line| remark(line));
}

/// Adds to the last fault how the command does without a configuration that has faults.
pub(crate) fn with_way_out(mut faults: Faults, way_out: &str) -> Faults {
    if let Some(last) = faults.faults.pop() {
        let help = last.help.clone().map_or_else(String::new, |help| format!("{help}; "));
        faults.faults.push(last.help(format!("{help}{way_out}")));
    }
    faults
}

/// Warns of faults that do not concern the command: a reload or a restart would meet them.
pub(crate) fn warn_of(faults: &Faults) {
    let lines = faults.in_lines();
    let (shown, rest) = lines.split_at(lines.len().min(MOST_SHOWN_FAULTS));
    note(
        "warning: the configuration has faults, which this command does without, and a reload or a restart does not:",
    );
    shown.iter().for_each(|line| note(&format!("  {line}")));
    if !rest.is_empty() {
        note(&format!("  and {} more (`magicproxy config check`)", rest.len()));
    }
}

/// Checks the configuration and the certificate.
pub(crate) fn check(layers: Layers) -> Result<Config, Faults> {
    layers.checked().reading(read).ready()
}

/// Checks the configuration and the certificate, and whether the configuration may be served.
pub(crate) fn check_to_serve(layers: Layers) -> Result<Config, Faults> {
    layers.checked().reading(read).ready_to_serve()
}

fn read(certificate: &CertificateFiles) -> Result<(), CertificateFault> {
    files::load(certificate).map(drop)
}
