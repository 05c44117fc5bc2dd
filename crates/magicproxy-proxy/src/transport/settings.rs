//! The settings on which the connections to an upstream depend, apart from all others: connections
//! are kept over a change of the configuration exactly as long as these settings stay equal.
//!
//! INVARIANT: origins, connectors and pools are made of a [`TransportSettings`] alone, so that
//! nothing else can make a kept connection differ from a new one.

use std::num::NonZeroUsize;
use std::time::Duration;

use rustls_pki_types::CertificateDer;

use crate::settings::{
    ApiRoot, Limits, Outbound, Quota, Settings, Timeouts, UpstreamProtocol, UpstreamSettings,
};

/// The settings of an upstream's connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TransportSettings {
    /// The origins: the API root, then the origins of further paths.
    pub(super) roots: Vec<ApiRoot>,
    pub(super) protocol: UpstreamProtocol,
    /// Certificates trusted besides the platform's roots.
    pub(super) extra_roots: Vec<CertificateDer<'static>>,
    pub(super) outbound: Outbound,
    pub(super) times: ConnectionTimes,
    pub(super) bounds: ConnectionBounds,
}

/// The time limits of connections to an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ConnectionTimes {
    /// Until a connection is open, TLS included.
    pub(crate) connect: Duration,
    /// Without a byte taken by the upstream.
    pub(crate) body_idle: Duration,
    /// The age at which a connection gets no more requests.
    pub(crate) age: Duration,
    /// Until an idle connection is closed.
    pub(crate) keep: Duration,
    /// In the queue for a connection.
    pub(crate) queue: Duration,
}

/// The limits on connections to an origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ConnectionBounds {
    pub(super) workers: NonZeroUsize,
    /// Idle connections of all workers together.
    pub(super) idle: usize,
    /// Connections in use, of all origins together, with the shares of clients.
    pub(super) quota: Quota,
    /// Connections to one origin.
    pub(super) per_origin: usize,
    /// Streams of an HTTP/2 connection.
    pub(super) streams: usize,
}

impl TransportSettings {
    pub(crate) fn of(settings: &Settings, upstream: &UpstreamSettings) -> Self {
        Self {
            roots: upstream.origins().cloned().collect(),
            protocol: upstream.protocol,
            extra_roots: upstream.extra_roots.clone(),
            outbound: upstream.outbound.clone(),
            times: ConnectionTimes::of(&settings.timeouts),
            bounds: ConnectionBounds::of(&settings.limits),
        }
    }
}

impl ConnectionTimes {
    pub(crate) fn of(timeouts: &Timeouts) -> Self {
        Self {
            connect: timeouts.connect,
            body_idle: timeouts.body_idle,
            age: timeouts.upstream_connection_age,
            keep: timeouts.keep_alive,
            queue: timeouts.upstream_queue,
        }
    }
}

impl ConnectionBounds {
    fn of(limits: &Limits) -> Self {
        Self {
            workers: limits.workers,
            idle: limits.idle_upstream_connections,
            quota: limits.upstream_connections,
            per_origin: limits.upstream_connections_per_origin,
            streams: limits.upstream_streams_per_connection,
        }
    }
}
