//! A running proxy, made of a checked configuration: keys, certificates, stores, listeners, logs;
//! and the check whether everything is ready to run.

pub(crate) mod admin;
pub(crate) mod backup;
pub(crate) mod freshness;
pub(crate) mod keystore;
pub(crate) mod logging;
pub(crate) mod plugins;
pub(crate) mod readiness;
pub(crate) mod reload;
pub(crate) mod revocations;
pub(crate) mod serve;
pub(crate) mod service_manager;
pub(crate) mod settings;
pub(crate) mod state;
pub(crate) mod tls;
pub(crate) mod upgrade;
pub(crate) mod wire;
