//! One origin of an upstream: its connector, and its connections.

use std::sync::Arc;

use super::connect::{Connector, Destination, NewConnection};
use super::pool::{
    AcquireError, AcquiredConnection, ConnectionNeed, CountedSockets, DialTurn, Pool,
    PooledConnection,
};
use super::settings::TransportSettings;
use crate::admission::Holding;
use crate::settings::{ApiRoot, OriginId};

/// The origins of an upstream, with their connections. Kept over a change of the configuration as
/// long as the settings of the connections stay equal.
#[derive(Debug)]
pub(crate) struct Origins {
    settings: TransportSettings,
    all: Vec<Origin>,
}

impl Origins {
    /// Makes the origins. Nothing is connected before a request needs a connection.
    pub(crate) fn new(
        settings: TransportSettings,
        sockets: &CountedSockets,
    ) -> Result<Arc<Self>, rustls::Error> {
        let origin = |root| Origin::new(&settings, root, sockets);
        let all = settings.roots.iter().map(origin).collect::<Result<_, _>>()?;
        Ok(Arc::new(Self { settings, all }))
    }

    /// Returns the settings of which the origins were made.
    pub(crate) fn settings(&self) -> &TransportSettings {
        &self.settings
    }

    pub(crate) fn get(&self, origin: OriginId) -> Option<&Origin> {
        self.all.get(origin.place())
    }

    /// Closes all idle connections, and every other one as soon as it is idle. Requests in progress
    /// are finished.
    pub(crate) fn retire(&self) {
        self.all.iter().for_each(|origin| origin.pool.retire());
    }
}

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
        settings: &TransportSettings,
        root: &ApiRoot,
        sockets: &CountedSockets,
    ) -> Result<Self, rustls::Error> {
        let streams = settings.bounds.streams;
        let connector = Connector::new(&Destination::of(settings, root), settings.times, streams)?;
        Ok(Self { root: root.clone(), connector, pool: Pool::new(settings, root, sockets) })
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
