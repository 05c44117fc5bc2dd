//! The admin listener beside the engine: made of what the proxy is made of, served from the start
//! of the proxy until after its end.

use std::sync::Arc;

use http::header::ACCEPT;
use magicproxy_proxy::metrics::Metrics;
use magicproxy_proxy::server::Stop;
use magicproxy_proxy::services::SharedKeys;

use super::banner::Banner;
use crate::ground::failure::Failure;
use crate::runtime::admin::operations::ReloadHandle;
use crate::runtime::admin::{
    AdminConfig, AdminParts, BoundAdmin, CertificateCheck, Checks, CurrentAdminConfig, Drain,
    EncodedMetrics, KeysCheck, MetricsEncoder, RevocationsCheck, StoreCheck, StoreNeed,
};
use crate::runtime::backup::Backups;
use crate::runtime::keystore::KeyWatch;
use crate::runtime::revocations::{RevocationFile, RevocationWatch};
use crate::runtime::state::LazyStore;
use crate::runtime::tls::Tls;
use crate::runtime::wire::BoundServer;
use crate::runtime::wire::listening::HeldSocket;
use crate::runtime::wire::passed::PassedSockets;
use magicproxy_config::config::Config;
use magicproxy_config::config::admin::AdminSettings;

/// The parts of a proxy that the admin listener tells of.
pub(super) struct WatchedParts<'p> {
    pub(super) ring: &'p Arc<SharedKeys>,
    pub(super) keys: &'p KeyWatch,
    pub(super) store: Option<&'p Arc<LazyStore>>,
    pub(super) revocations: &'p RevocationWatch,
    pub(super) tls: Option<&'p Tls>,
    pub(super) metrics: &'p Arc<Metrics>,
}

/// The admin listener of a proxy that is being started.
pub(super) struct Admin {
    parts: AdminParts,
    settings: AdminSettings,
    drain: Drain,
    bound: Option<BoundAdmin>,
}

impl Admin {
    /// Prepares the pages.
    pub(super) fn of(config: &Config, watched: &WatchedParts<'_>, reload: ReloadHandle) -> Self {
        let drain = Drain::default();
        let current = CurrentAdminConfig::new(AdminConfig::of(config));
        let checks = Checks {
            keys: KeysCheck {
                keys: Arc::clone(watched.ring),
                freshness: watched.keys.freshness(),
                revocations: watched.revocations.revocations(),
                config: current.clone(),
            },
            store: watched
                .store
                .map(|store| StoreCheck::new(Arc::clone(store), need_of_store(config))),
            revocations: RevocationsCheck {
                revocations: watched.revocations.revocations(),
                freshness: watched.revocations.freshness(),
            },
            certificate: watched.tls.map(|tls| CertificateCheck(Arc::clone(&tls.server))),
            drain: drain.clone(),
        };
        let file = config.revocations.file.clone().map(RevocationFile);
        let parts = AdminParts {
            config: current,
            checks,
            metrics: Some(encoder(watched.metrics)),
            backups: Backups::of(watched.store.cloned(), file),
            reload: Some(reload),
        };
        Self { parts, settings: config.admin.clone(), drain, bound: None }
    }

    /// Returns the configuration of the pages, which follows reloads.
    pub(super) fn config(&self) -> CurrentAdminConfig {
        self.parts.config.clone()
    }

    /// Takes the addresses, which must be none of the server's, and notes them in the banner.
    pub(super) async fn open(
        mut self,
        server: &BoundServer,
        banner: &mut Banner,
        passed: &mut PassedSockets,
    ) -> Result<Self, Failure> {
        let bound = BoundAdmin::open(&self.settings, &server.tcp_addresses(), passed).await?;
        banner.lines.extend(bound.shown());
        self.bound = Some(bound);
        Ok(self)
    }

    /// Returns the second handles on the listening sockets, for a process that takes over.
    pub(super) fn held_sockets(&self) -> Vec<Arc<HeldSocket>> {
        self.bound.as_ref().map(BoundAdmin::held_sockets).unwrap_or_default()
    }

    /// Runs the server until its end, and tells meanwhile how it is, the time in which the server
    /// drains included, unless another process tells it on the same addresses.
    pub(super) async fn beside(
        self,
        server: BoundServer,
        shutdown: impl Future<Output = Stop> + Send,
    ) {
        let mut running = self.bound.map(|bound| bound.start(self.parts));
        let drain = self.drain;
        let shutdown = async {
            let fate = shutdown.await;
            drain.begin();
            if let Some(running) = running.take_if(|_| fate == Stop::Replaced) {
                running.end().await;
            }
            fate
        };
        server.serve(shutdown).await;
        if let Some(running) = running {
            running.end().await;
        }
    }
}

/// Makes the encoder of the metrics.
fn encoder(metrics: &Arc<Metrics>) -> MetricsEncoder {
    let metrics = Arc::clone(metrics);
    Arc::new(move |fields| {
        let accept = fields.get_all(ACCEPT).iter().filter_map(|accept| accept.to_str().ok());
        let accept = accept.collect::<Vec<_>>().join(",");
        let (media_type, text) = metrics.encode(Some(&accept));
        EncodedMetrics { media_type, text }
    })
}

fn need_of_store(config: &Config) -> StoreNeed {
    match &config.state {
        state if !state.chosen => StoreNeed::ByDefault,
        _ if config.revocations.file.is_none() && !config.revocations.stale.is_zero() => {
            StoreNeed::Bridged
        }
        _ => StoreNeed::Chosen,
    }
}
