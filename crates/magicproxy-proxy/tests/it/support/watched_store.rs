//! A store in memory of which a test sees each call before it is carried out, and lets it wait or fail.

use std::fmt::Debug;
use std::ops::Deref;

use magicproxy_core::UnixTime;
use magicproxy_core::state::{
    BoundedPartition, Change, Condition, Demand, Entry, Holder, Partition, StateStore, StoreError,
    StoreFuture, TakeResult, UnixMillis,
};
use magicproxy_state::MemoryStore;

/// What is asked of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// `read` or `list`.
    Read,
    /// Of rows of this partition.
    Apply(Partition),
    Take,
    /// `renew` or `give_back`.
    Lease,
    Ping,
}

/// Who sees the calls.
pub(crate) trait Watch: Debug + Send + Sync + 'static {
    /// Comes before a call; where it fails, nothing is asked of the store.
    fn before(&self, call: Call) -> StoreFuture<'_, ()>;

    /// Comes when the store has done what was asked; where it fails, nobody hears of that.
    fn after(&self, _: Call) -> Result<(), StoreError> {
        Ok(())
    }
}

#[derive(Debug)]
pub(crate) struct WatchedStore<W> {
    store: MemoryStore,
    watch: W,
}

impl<W: Watch> WatchedStore<W> {
    pub(crate) fn new(watch: W) -> Self {
        Self { store: MemoryStore::new(), watch }
    }

    fn watched<'s, T: Send + 's>(
        &'s self,
        call: Call,
        done: StoreFuture<'s, T>,
    ) -> StoreFuture<'s, T> {
        Box::pin(async move {
            self.watch.before(call).await?;
            let done = done.await?;
            self.watch.after(call)?;
            Ok(done)
        })
    }
}

/// Tests speak to whoever watches.
impl<W> Deref for WatchedStore<W> {
    type Target = W;

    fn deref(&self) -> &W {
        &self.watch
    }
}

impl<W: Watch> StateStore for WatchedStore<W> {
    fn read(
        &self,
        partition: Partition,
        names: Vec<Vec<u8>>,
        now: UnixTime,
    ) -> StoreFuture<'_, Vec<Option<Entry>>> {
        self.watched(
            Call::Read,
            Box::pin(async move { self.store.read(partition, names, now).await }),
        )
    }

    fn list(
        &self,
        partition: Partition,
        prefix: Vec<u8>,
        most: usize,
        now: UnixTime,
    ) -> StoreFuture<'_, Vec<(Vec<u8>, Entry)>> {
        self.watched(
            Call::Read,
            Box::pin(async move { self.store.list(partition, prefix, most, now).await }),
        )
    }

    fn apply_within(
        &self,
        target: BoundedPartition,
        conditions: Vec<Condition>,
        changes: Vec<Change>,
        now: UnixTime,
    ) -> StoreFuture<'_, bool> {
        let call = Call::Apply(target.partition);
        self.watched(
            call,
            Box::pin(
                async move { self.store.apply_within(target, conditions, changes, now).await },
            ),
        )
    }

    fn take_within(
        &self,
        target: BoundedPartition,
        demands: Vec<Demand>,
        now: UnixMillis,
    ) -> StoreFuture<'_, TakeResult> {
        self.watched(
            Call::Take,
            Box::pin(async move { self.store.take_within(target, demands, now).await }),
        )
    }

    fn renew(
        &self,
        partition: Partition,
        counter: Vec<u8>,
        holder: Holder,
        lease: u64,
        now: UnixMillis,
    ) -> StoreFuture<'_, bool> {
        self.watched(
            Call::Lease,
            Box::pin(async move { self.store.renew(partition, counter, holder, lease, now).await }),
        )
    }

    fn give_back(
        &self,
        partition: Partition,
        counter: Vec<u8>,
        holder: Holder,
    ) -> StoreFuture<'_, ()> {
        self.watched(
            Call::Lease,
            Box::pin(async move { self.store.give_back(partition, counter, holder).await }),
        )
    }

    fn ping(&self) -> StoreFuture<'_, ()> {
        self.watched(Call::Ping, Box::pin(async move { self.store.ping().await }))
    }
}
