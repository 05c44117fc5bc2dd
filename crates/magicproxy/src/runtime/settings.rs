//! The configuration as a command uses it: found, named to whoever uses it, and checked with the certificate that it names.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use magicproxy_core::plugin::PluginHost;
use magicproxy_core::state::StateStore;
use magicproxy_proxy::settings::{ApiRoot, Revocations, Settings, SharedKeys};

use crate::config::tls::{CertificateFault, CertificateFiles};
use crate::config::{Config, Flags, Layers};
use crate::ground::environment::Environment;
use crate::ground::fault::Faults;
use crate::ground::output::{note, remark};
use crate::runtime::tls::files;

/// Finds, reads and checks the configuration, and says on standard error which files and variables it is made of.
pub(crate) fn load(flags: Flags, environment: &Environment) -> Result<Config, Faults> {
    let layers = Layers::gather(flags, environment);
    say_what_is_used(&layers);
    check(layers)
}

/// Says on standard error which files and variables the configuration is made of, and which file is not read.
pub(crate) fn say_what_is_used(layers: &Layers) {
    layers.used().iter().for_each(|line| remark(line));
    layers.of_others().iter().for_each(|warning| note(&format!("warning: {warning}")));
    layers.passed_over().iter().for_each(|line| remark(line));
}

/// Checks what was read, and the certificate.
pub(crate) fn check(layers: Layers) -> Result<Config, Faults> {
    layers.checked().reading(read).ready()
}

/// Checks what was read, the certificate, and whether it may be served.
pub(crate) fn check_to_serve(layers: Layers) -> Result<Config, Faults> {
    layers.checked().reading(read).ready_to_serve()
}

fn read(certificate: &CertificateFiles) -> Result<(), CertificateFault> {
    files::load(certificate).map(drop)
}

/// What the engine is given besides its configuration. By default nothing is there, and nothing revoked.
#[derive(Default)]
pub(crate) struct Services {
    pub(crate) state: Option<Arc<dyn StateStore>>,
    pub(crate) revocations: Arc<Revocations>,
    pub(crate) plugins: Option<Arc<dyn PluginHost>>,
}

/// What the engine is told.
pub(crate) fn of_engine(config: Config, keys: Arc<SharedKeys>, services: Services) -> Settings {
    let Services { state, revocations, plugins } = services;
    Settings {
        state,
        strangers: config.state.strangers,
        revocations,
        plugins,
        keys,
        upstreams: config.upstreams,
        public_access: config.public_access.and_then(|public| ApiRoot::parse(&public.url).ok()),
        minting: config.minting,
        trusted_proxies: config.trusted_proxies,
        timeouts: config.timeouts,
        limits: config.limits,
    }
}
