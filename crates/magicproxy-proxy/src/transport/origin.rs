//! One origin of an upstream: its connector, and its connections.

use std::sync::Arc;

use super::connect::{Connector, Destination, NewConnection};
use super::pool::{
    AcquireError, AcquiredConnection, ConnectionNeed, CountedSockets, DialTurn, Pool,
    PooledConnection,
};
use crate::admission::Holding;
use crate::settings::{ApiRoot, Settings, UpstreamSettings};

/// One origin of an upstream, with its own connections. Made for each API root of an upstream's
/// settings.
#[derive(Debug)]
pub(crate) struct Origin {
    root: ApiRoot,
    connector: Connector,
    pool: Arc<Pool>,
}

impl Origin {
    pub(crate) fn new(
        settings: &Settings,
        upstream: &UpstreamSettings,
        root: &ApiRoot,
        sockets: &CountedSockets,
    ) -> Result<Self, rustls::Error> {
        let streams = settings.limits.upstream_streams_per_connection;
        let connector =
            Connector::new(&Destination::of(upstream, root), settings.timeouts, streams)?;
        Ok(Self {
            root: root.clone(),
            connector,
            pool: Pool::new(settings, upstream.protocol, root, sockets),
        })
    }

    pub(crate) fn root(&self) -> &ApiRoot {
        &self.root
    }

    /// Acquires a connection that can be used now, at the expense of the exchange's payer.
    pub(crate) async fn acquire(
        &self,
        need: ConnectionNeed,
        exchange: &Holding,
    ) -> Result<PooledConnection, AcquireError> {
        loop {
            match self.pool.acquire(need, exchange).await? {
                AcquiredConnection::New(opening, holding) => {
                    return Box::pin(self.open(opening, holding, need)).await;
                }
                AcquiredConnection::Pooled(mut lease) => {
                    let Some(connection) = lease.connection() else { continue };
                    if connection.is_ready().await {
                        return Ok(lease);
                    }
                    lease.discard();
                }
            }
        }
    }

    async fn open(
        &self,
        opening: DialTurn,
        holding: Holding,
        need: ConnectionNeed,
    ) -> Result<PooledConnection, AcquireError> {
        let (socket, unopened) = opening.into_parts();
        Ok(match self.connector.connect(need.kind, Some(socket)).await? {
            NewConnection::Http1(connection) => unopened.http1(connection, holding, need.worker),
            NewConnection::Http2(connection) => unopened.http2(connection, holding, need),
        })
    }
}
