//! The admin listener: health, readiness, version and metrics of a running proxy, and operations on
//! it, on addresses of its own (`docs/spec/admin.md`).
//!
//! No request of an API comes here, and nothing is minted. The connections are served by the thread
//! that accepts connections, beside the workers and outside of their admission, so that a proxy
//! whose clients hold everything still tells how it is.

mod access;
mod bound;
mod checks;
mod connections;
mod current;
mod file_content;
pub(crate) mod operations;
mod pages;
mod request;
mod response;
mod store_check;
#[cfg(test)]
mod tests;
pub(crate) mod version;

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use http::HeaderMap;

pub(crate) use bound::BoundAdmin;
pub(crate) use checks::{CertificateCheck, Checks, KeysCheck, RevocationsCheck};
pub(crate) use current::{AdminConfig, CurrentAdminConfig};
use operations::ReloadHandle;

use super::backup::Backups;
pub(crate) use store_check::{StoreCheck, StoreNeed};

/// Everything that the pages of the admin listener are made of.
pub(crate) struct AdminParts {
    pub(crate) config: CurrentAdminConfig,
    pub(crate) checks: Checks,
    /// The encoder of the metrics; without one, there is no page of metrics.
    pub(crate) metrics: Option<MetricsEncoder>,
    pub(crate) backups: Backups,
    /// The way to whoever reads the configuration again; without one, nothing is reloaded.
    pub(crate) reload: Option<ReloadHandle>,
}

/// A function that encodes the metrics in a form that a scraper with these fields takes.
pub(crate) type MetricsEncoder = Arc<dyn Fn(&HeaderMap) -> EncodedMetrics + Send + Sync>;

/// Metrics as a scraper reads them.
#[derive(Debug)]
pub(crate) struct EncodedMetrics {
    pub(crate) media_type: &'static str,
    pub(crate) text: String,
}

/// The beginning of the proxy's end, once it has come.
#[derive(Clone, Debug, Default)]
pub(crate) struct Drain(Arc<OnceLock<Instant>>);

impl Drain {
    /// Notes that the proxy takes no new connections from now on.
    pub(crate) fn begin(&self) {
        // A second beginning changes nothing.
        let _ = self.0.set(Instant::now());
    }

    /// Returns the moment from which the proxy drains, if it does.
    fn since(&self) -> Option<Instant> {
        self.0.get().copied()
    }
}
