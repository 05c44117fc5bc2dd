//! The configuration as a command uses it: found, named to the user, and checked together with the
//! named certificate.

#[cfg(test)]
mod tests;

use crate::ground::output::{note, remark};
use crate::runtime::tls::files;
use magicproxy_config::config::tls::{CertificateFault, CertificateFiles};
use magicproxy_config::config::{Config, Flags, Layers};
use magicproxy_config::ground::environment::Environment;
use magicproxy_config::ground::fault::Faults;

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
