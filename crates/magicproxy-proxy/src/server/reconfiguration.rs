//! The change of the configuration of a server that serves on.

use std::sync::Arc;
use std::time::Duration;

use magicproxy_core::plugin::PluginHost;

use super::StartError;
use crate::doors::{CurrentDoors, NextConfiguration, ReplacementReport};
use crate::downstream::connections::Connections;
use crate::downstream::listener::ListenerDoor;
use crate::services::Services;
use crate::settings::Settings;

/// A handle by which a running [`Server`](super::Server) gets another configuration.
///
/// Requests in progress, streams and WebSockets go on with the configuration in which they began;
/// the next request of a kept connection has the new one. Verified tokens and connections to an API
/// go on exactly as long as nothing has changed on which they depend.
#[derive(Clone, Debug)]
pub struct Reconfigurator {
    doors: Arc<CurrentDoors>,
    connections: Arc<Connections>,
}

/// Everything that a change of the configuration gives to a running server.
#[derive(Debug)]
pub struct NextSettings {
    settings: Settings,
    plugins: Option<Option<Arc<dyn PluginHost>>>,
    entrances: Option<Vec<ListenerDoor>>,
}

/// The reason for which a server keeps its configuration.
#[derive(Debug, thiserror::Error)]
#[error("the upstreams cannot be set up")]
pub struct ReconfigureError(#[source] StartError);

impl NextSettings {
    /// Takes these settings, with plugins and entrances as before. The number of workers is not
    /// changed.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { settings, plugins: None, entrances: None }
    }

    /// Replaces the host of the plugins.
    #[must_use]
    pub fn with_plugins(self, host: Option<Arc<dyn PluginHost>>) -> Self {
        Self { plugins: Some(host), ..self }
    }

    /// Replaces the entrances of the listeners, in the order in which the listeners were given to
    /// [`Server::run`](super::Server::run).
    #[must_use]
    pub fn with_entrances(self, entrances: Vec<ListenerDoor>) -> Self {
        Self { entrances: Some(entrances), ..self }
    }
}

impl Reconfigurator {
    pub(super) fn new(doors: Arc<CurrentDoors>, connections: Arc<Connections>) -> Self {
        Self { doors, connections }
    }

    /// Returns the drain timeout of the configuration in force.
    #[must_use]
    pub fn drain_timeout(&self) -> Duration {
        self.doors.get().settings().timeouts.drain
    }

    /// Replaces the configuration. Every request that begins after the return has the new
    /// configuration. Blocks for some milliseconds, and while another call runs.
    ///
    /// # Errors
    /// [`ReconfigureError`]: nothing has changed.
    pub fn replace(&self, next: NextSettings) -> Result<ReplacementReport, ReconfigureError> {
        let NextSettings { mut settings, plugins, entrances } = next;
        let before = self.doors.get();
        // The number of workers is that of the threads which were started.
        settings.limits.workers = before.settings().limits.workers;
        let services = before.services().clone();
        let services = match plugins {
            Some(plugins) => Services { plugins, ..services },
            None => services,
        };
        let limits = settings.limits;
        let next = NextConfiguration { settings: Arc::new(settings), services, entrances };
        let replaced = self.doors.replace(next).map_err(|error| ReconfigureError(error.into()))?;
        self.connections.change_limits(&limits);
        Ok(replaced)
    }
}
