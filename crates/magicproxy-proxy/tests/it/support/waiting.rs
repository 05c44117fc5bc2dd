//! A store and a plugin that let a request wait until a test lets it go on.

use std::sync::Arc;

use magicproxy_core::plugin::{
    Interests, PluginFuture, PluginHost, PluginName, PluginRequest, PluginResponse, PluginScope,
    Verdict,
};
use magicproxy_core::state::StoreFuture;
use tokio::sync::Semaphore;

use super::{Call, Watch};

/// A point at which whoever comes waits until it is let through.
#[derive(Debug)]
pub(crate) struct Checkpoint {
    reached: Semaphore,
    open: Semaphore,
}

impl Checkpoint {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { reached: Semaphore::new(0), open: Semaphore::new(0) })
    }

    /// Waits until it is let through.
    async fn pass(&self) {
        self.reached.add_permits(1);
        self.open.acquire().await.unwrap().forget();
    }

    /// Waits until somebody has come.
    pub(crate) async fn reached(&self) {
        self.reached.acquire().await.unwrap().forget();
    }

    /// Lets everybody through from now on.
    pub(crate) fn open(&self) {
        self.open.add_permits(1_000);
    }
}

/// The calls of a store, of which those that take something wait at a checkpoint.
#[derive(Debug)]
pub(crate) struct SlowTakes(pub(crate) Arc<Checkpoint>);

impl Watch for SlowTakes {
    fn before(&self, call: Call) -> StoreFuture<'_, ()> {
        Box::pin(async move {
            if call == Call::Take {
                self.0.pass().await;
            }
            Ok(())
        })
    }
}

/// A plugin that allows everything.
#[derive(Debug)]
pub(crate) enum AllowingPlugin {
    /// Sees no body, and decides once it is let through.
    Waits(Arc<Checkpoint>),
    /// Decides once it has the whole body.
    ReadsBody,
}

impl PluginHost for AllowingPlugin {
    fn interests(&self, _: &PluginName) -> Option<Arc<Interests>> {
        let request_body = matches!(self, Self::ReadsBody);
        Some(Arc::new(Interests { request_body, ..Interests::default() }))
    }

    fn longest_body(&self, _: &PluginName) -> usize {
        262_144
    }

    fn decide<'p>(
        &'p self,
        _: &'p PluginName,
        _: &'p PluginRequest,
        _: PluginScope,
    ) -> PluginFuture<'p, Verdict> {
        Box::pin(async move {
            if let Self::Waits(checkpoint) = self {
                checkpoint.pass().await;
            }
            Verdict::Allow
        })
    }

    fn observe<'p>(
        &'p self,
        _: &'p PluginName,
        _: &'p PluginRequest,
        _: &'p PluginResponse,
        _: PluginScope,
    ) -> PluginFuture<'p, bool> {
        Box::pin(async { true })
    }
}
