//! Open connections from clients: the count, the peers, and the choice of the connection to close
//! for a new one.
//!
//! Accepting never waits. When every slot is taken, the longest idle connection makes way for a new
//! one. A connection without an admitted request goes before a connection that had some, so that
//! idle strangers displace each other first.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use crate::admission::{PeerKey, Shortage};
use crate::metrics::{Gauges, Samples, families};
use crate::settings::Limits;

/// Candidates for eviction from one scan of all connections, so that a flood of new connections
/// does not cost a scan each.
const CANDIDATES: usize = 64;
/// The least limit on evicted connections that have not closed yet, each of which still holds a
/// file.
const LEAST_LEAVING: usize = 16;

/// The open connections of a server.
#[derive(Debug)]
pub(crate) struct Connections {
    limit: AtomicUsize,
    per_peer: AtomicUsize,
    /// The number of open connections, read without the lock.
    count: AtomicUsize,
    /// The number of connections that were turned away, by the share that was used up.
    refused: [AtomicU64; 2],
    table: Mutex<Table>,
}

impl Gauges for Connections {
    fn sample(&self, samples: &mut Samples) {
        let open = self.count.load(Ordering::Relaxed);
        samples.add(&families::CLIENT_CONNECTIONS, &[], open as f64);
        samples.add(&families::CLIENT_CONNECTIONS_LIMIT, &[], self.limit() as f64);
        for (share, count) in ["peer", "total"].into_iter().zip(&self.refused) {
            let count = count.load(Ordering::Relaxed) as f64;
            samples.add(&families::CLIENT_CONNECTIONS_REFUSED, &[("share", share)], count);
        }
    }
}

#[derive(Debug, Default)]
struct Table {
    open: HashMap<u64, OpenConnection>,
    peers: HashMap<PeerKey, usize>,
    next_id: u64,
    /// The number of open connections that were told to close.
    leaving: usize,
    /// The longest idle connections at the last scan; the longest idle stands last.
    candidates: Vec<EvictionCandidate>,
    /// The longest idle connections of one peer at the last scan.
    of_peer: Option<(PeerKey, Vec<EvictionCandidate>)>,
}

#[derive(Debug)]
struct OpenConnection {
    activity: Arc<Activity>,
    /// The peer whose share the connection counts against.
    peer: Option<PeerKey>,
}

/// An idle connection at the time of a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct EvictionCandidate {
    had_admitted: bool,
    idle_since: u64,
    id: u64,
}

/// Decides whether the connections of a peer count against its share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PeerShare {
    Counted,
    /// A trusted proxy, which connects on behalf of other clients.
    Exempt,
}

impl Connections {
    pub(crate) fn new(limits: &Limits) -> Arc<Self> {
        Arc::new(Self {
            limit: limits.connections.into(),
            per_peer: limits.connections_per_peer.into(),
            count: AtomicUsize::new(0),
            refused: Default::default(),
            table: Mutex::default(),
        })
    }

    /// Changes the limits. Connections beyond lower limits stay open.
    pub(crate) fn change_limits(&self, limits: &Limits) {
        self.limit.store(limits.connections, Ordering::Relaxed);
        self.per_peer.store(limits.connections_per_peer, Ordering::Relaxed);
    }

    fn limit(&self) -> usize {
        self.limit.load(Ordering::Relaxed)
    }

    /// Counts a connection that was turned away.
    pub(crate) fn note_refused(&self, shortage: Shortage) {
        let [peer, total] = &self.refused;
        let count = if shortage == Shortage::Peer { peer } else { total };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns a slot for a new connection of this peer. If all slots are taken, the longest idle
    /// connection is evicted.
    ///
    /// # Errors
    /// [`Shortage::Peer`] when the peer has its share; [`Shortage::Total`] when no connection is
    /// idle.
    pub(crate) fn open(
        self: &Arc<Self>,
        peer: PeerKey,
        share: PeerShare,
    ) -> Result<ConnectionSlot, Shortage> {
        let mut table = self.table();
        let peer = (share == PeerShare::Counted).then_some(peer);
        if let Some(peer) = peer {
            self.within_share(&mut table, peer)?;
        }
        if table.open.len() - table.leaving >= self.limit() {
            let evicted = table.leaving < self.most_leaving() && table.evict();
            if !evicted {
                return Err(Shortage::Total);
            }
        }
        let (id, activity) = (table.next_id, Arc::new(Activity::default()));
        table.next_id += 1;
        table.open.insert(id, OpenConnection { activity: Arc::clone(&activity), peer });
        if let Some(peer) = peer {
            *table.peers.entry(peer).or_default() += 1;
        }
        self.count.store(table.open.len(), Ordering::Relaxed);
        Ok(ConnectionSlot { connections: Arc::clone(self), id, peer, activity })
    }

    /// Makes room in the peer's share for a new connection, by evicting the peer's longest idle
    /// connection without an admitted request. A client is therefore not kept out by idle
    /// connections of others at the same address.
    fn within_share(&self, table: &mut Table, peer: PeerKey) -> Result<(), Shortage> {
        let open = table.peers.get(&peer).copied().unwrap_or(0);
        // Evicted connections are open until they have closed.
        let share = self.per_peer.load(Ordering::Relaxed);
        let most = share.saturating_add((share / 8).max(LEAST_LEAVING));
        if open < share
            || open < most && table.leaving < self.most_leaving() && table.evict_of(peer)
        {
            return Ok(());
        }
        Err(Shortage::Peer)
    }

    fn most_leaving(&self) -> usize {
        (self.limit() / 8).max(LEAST_LEAVING)
    }

    /// Closes some of the longest idle connections, because their files are needed.
    pub(crate) fn make_room(&self) {
        let mut table = self.table();
        for _ in 0..LEAST_LEAVING {
            if table.leaving >= LEAST_LEAVING || !table.evict() {
                return;
            }
        }
    }

    /// True if less than an eighth of the slots is left.
    fn are_few_left(&self) -> bool {
        self.count.load(Ordering::Relaxed) >= self.limit() - self.limit() / 8
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self, slot: &ConnectionSlot) {
        let mut table = self.table();
        if table.open.remove(&slot.id).is_some_and(|open| open.activity.is_evicted()) {
            table.leaving -= 1;
        }
        if let Some(peer) = slot.peer
            && let Some(open) = table.peers.get_mut(&peer)
        {
            *open -= 1;
            if *open == 0 {
                table.peers.remove(&peer);
            }
        }
        self.count.store(table.open.len(), Ordering::Relaxed);
    }
}

impl Table {
    /// Tells the longest idle connection to close. Returns false if no connection is idle.
    fn evict(&mut self) -> bool {
        let Some(activity) = self.next_victim() else { return false };
        activity.end(ConnectionEnd::Evicted);
        self.leaving += 1;
        true
    }

    /// Tells this peer's longest idle connection without an admitted request to close. Returns
    /// false if the peer has no such connection.
    fn evict_of(&mut self, peer: PeerKey) -> bool {
        let known =
            self.of_peer.take().filter(|(of, _)| *of == peer).map(|(_, candidates)| candidates);
        let mut candidates = known.unwrap_or_default();
        let mut victim = self.still_idle(&mut candidates);
        if victim.is_none() {
            candidates = self.longest_idle(Some(peer));
            victim = self.still_idle(&mut candidates);
        }
        self.of_peer = Some((peer, candidates));
        let Some(activity) = victim else { return false };
        activity.end(ConnectionEnd::Evicted);
        self.leaving += 1;
        true
    }

    fn next_victim(&mut self) -> Option<Arc<Activity>> {
        let mut candidates = std::mem::take(&mut self.candidates);
        let mut victim = self.still_idle(&mut candidates);
        if victim.is_none() {
            candidates = self.longest_idle(None);
            victim = self.still_idle(&mut candidates);
        }
        self.candidates = candidates;
        victim
    }

    /// Returns the next candidate that has been idle ever since the scan.
    fn still_idle(&self, candidates: &mut Vec<EvictionCandidate>) -> Option<Arc<Activity>> {
        while let Some(candidate) = candidates.pop() {
            let open = self.open.get(&candidate.id);
            let current =
                open.filter(|open| open.activity.candidate(candidate.id) == Some(candidate));
            if let Some(open) = current {
                return Some(Arc::clone(&open.activity));
            }
        }
        None
    }

    /// Returns the longest idle connections without an admitted request, of one peer or of all. If
    /// there is none, returns the longest idle connection that had admitted requests, unless a peer
    /// is given: only one, because while strangers come, the next scan may find a connection of a
    /// stranger.
    fn longest_idle(&self, peer: Option<PeerKey>) -> Vec<EvictionCandidate> {
        let of_peer = self.open.iter().filter(|(_, open)| peer.is_none() || open.peer == peer);
        let mut idle: Vec<EvictionCandidate> =
            of_peer.filter_map(|(id, open)| open.activity.candidate(*id)).collect();
        if peer.is_some() {
            // Other clients of the peer keep the connections in use.
            idle.retain(|candidate| !candidate.had_admitted);
        }
        if idle.len() > CANDIDATES {
            idle.select_nth_unstable(CANDIDATES);
            idle.truncate(CANDIDATES);
        }
        idle.sort_unstable();
        let strangers = idle.partition_point(|candidate| !candidate.had_admitted);
        idle.truncate(strangers.max(1));
        idle.reverse();
        idle
    }
}

/// A reason for which a connection is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum ConnectionEnd {
    /// The connection had too many refusals. Requests in progress are finished.
    Retired = 1,
    /// A new connection has taken the slot.
    Evicted = 2,
}

/// The activity of a connection, for the choice of the connection to evict. Shared with the worker
/// that serves the connection.
#[derive(Debug)]
pub(crate) struct Activity {
    /// Requests begun on this connection, ever.
    begun: AtomicU64,
    /// Requests ended on this connection, ever.
    ended: AtomicU64,
    /// The end of the latest request, or the time of acceptance, in milliseconds since [`START`].
    idle_since: AtomicU64,
    had_admitted: AtomicBool,
    /// Requests refused on this connection.
    refused: AtomicU32,
    /// A [`ConnectionEnd`], or 0.
    ending: AtomicU32,
    /// Wakes the task that serves the connection.
    task: OnceLock<Waker>,
}

impl Default for Activity {
    fn default() -> Self {
        Self {
            begun: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            idle_since: AtomicU64::new(clock_of(Instant::now())),
            had_admitted: AtomicBool::new(false),
            refused: AtomicU32::new(0),
            ending: AtomicU32::new(0),
            task: OnceLock::new(),
        }
    }
}

impl Activity {
    pub(crate) fn begin(&self) {
        self.begun.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn end_of_request(&self, now: Instant) {
        self.became_idle(now);
        self.ended.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns the numbers of requests begun and ended.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.begun.load(Ordering::Relaxed), self.ended.load(Ordering::Relaxed))
    }

    pub(crate) fn is_idle(&self) -> bool {
        let (begun, ended) = self.counts();
        begun == ended
    }

    fn became_idle(&self, then: Instant) {
        self.idle_since.store(clock_of(then), Ordering::Relaxed);
    }

    /// Returns the end of the latest request, to the millisecond.
    pub(crate) fn idle_since(&self) -> Instant {
        *START + Duration::from_millis(self.idle_since.load(Ordering::Relaxed))
    }

    /// Notes that a request was admitted.
    pub(crate) fn admitted(&self) {
        if !self.had_admitted() {
            self.had_admitted.store(true, Ordering::Relaxed);
        }
    }

    pub(crate) fn had_admitted(&self) -> bool {
        self.had_admitted.load(Ordering::Relaxed)
    }

    /// Notes that a request was refused. Returns the number of refused requests.
    pub(crate) fn refused(&self) -> u32 {
        self.refused.fetch_add(1, Ordering::Relaxed).saturating_add(1)
    }

    /// Tells the connection's task to end.
    pub(crate) fn end(&self, ending: ConnectionEnd) {
        self.ending.fetch_max(ending as u32, Ordering::SeqCst);
        if let Some(task) = self.task.get() {
            task.wake_by_ref();
        }
    }

    /// Ready when the connection is to end. Only the connection's own task may poll, because only
    /// the first waker is kept.
    pub(crate) fn poll_ending(&self, context: &mut Context<'_>) -> Poll<()> {
        let _ = self.task.get_or_init(|| context.waker().clone());
        if self.ending.load(Ordering::SeqCst) == 0 { Poll::Pending } else { Poll::Ready(()) }
    }

    pub(crate) fn is_evicted(&self) -> bool {
        self.ending.load(Ordering::SeqCst) == ConnectionEnd::Evicted as u32
    }

    fn candidate(&self, id: u64) -> Option<EvictionCandidate> {
        let free = self.is_idle() && !self.is_evicted();
        free.then(|| EvictionCandidate {
            had_admitted: self.had_admitted(),
            idle_since: self.idle_since.load(Ordering::Relaxed),
            id,
        })
    }
}

/// A connection's slot among the open connections, given back when dropped.
#[derive(Debug)]
pub(crate) struct ConnectionSlot {
    connections: Arc<Connections>,
    id: u64,
    /// The peer whose share the connection counts against.
    peer: Option<PeerKey>,
    activity: Arc<Activity>,
}

impl ConnectionSlot {
    pub(crate) fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }

    /// True if few slots are left, so that other connections soon need the slot.
    pub(crate) fn is_wanted(&self) -> bool {
        self.connections.are_few_left()
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.connections.close(self);
    }
}

/// The time from which this module counts milliseconds.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

fn clock_of(instant: Instant) -> u64 {
    u64::try_from(instant.saturating_duration_since(*START).as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn connections(connections: usize, connections_per_peer: usize) -> Arc<Connections> {
        Connections::new(&Limits { connections, connections_per_peer, ..Limits::default() })
    }

    fn peer(number: u8) -> PeerKey {
        PeerKey::of(Some(IpAddr::from([192, 0, 2, number])))
    }

    /// Opens `count` connections of a peer, each idle a second longer than the next.
    fn open(connections: &Arc<Connections>, count: u64) -> Vec<ConnectionSlot> {
        let now = Instant::now();
        let slot = |number| {
            let slot = connections.open(peer(1), PeerShare::Counted).unwrap();
            slot.activity.became_idle(now + Duration::from_secs(number));
            slot
        };
        (0..count).map(slot).collect()
    }

    fn evicted(slots: &[ConnectionSlot]) -> Vec<usize> {
        let evicted =
            |(at, slot): (usize, &ConnectionSlot)| slot.activity.is_evicted().then_some(at);
        slots.iter().enumerate().filter_map(evicted).collect()
    }

    #[test]
    fn the_longest_idle_makes_way_and_strangers_before_others() {
        let connections = connections(4, 4);
        let slots = open(&connections, 4);
        slots[0].activity.admitted();
        slots[1].activity.begin();
        let more = |share| connections.open(peer(2), share);
        let _fifth = more(PeerShare::Counted).unwrap();
        assert_eq!(evicted(&slots), [2]);
        slots[3].activity.begin();
        _fifth.activity.begin();
        // Only a connection that had an admitted request is idle.
        let _sixth = more(PeerShare::Counted).unwrap();
        assert_eq!(evicted(&slots), [0, 2]);
        _sixth.activity.begin();
        // Nobody is idle.
        assert_eq!(more(PeerShare::Exempt).unwrap_err(), Shortage::Total);
        slots[3].activity.end_of_request(Instant::now());
        let _seventh = more(PeerShare::Exempt).unwrap();
        assert_eq!(evicted(&slots), [0, 2, 3]);
        drop(slots);
        let table = connections.table();
        assert_eq!((table.open.len(), table.leaving), (3, 0));
    }

    #[test]
    fn a_peer_has_its_share_and_no_more() {
        let connections = connections(4, 2);
        let mut slots = open(&connections, 2);
        slots.iter().for_each(|slot| slot.activity.admitted());
        assert_eq!(connections.open(peer(1), PeerShare::Counted).unwrap_err(), Shortage::Peer);
        assert!(connections.open(peer(1), PeerShare::Exempt).is_ok());
        assert!(connections.open(peer(2), PeerShare::Counted).is_ok());
        assert!(evicted(&slots).is_empty());
        slots.pop();
        slots.extend(open(&connections, 1));
        slots.clear();
        assert!(connections.table().peers.is_empty());
    }

    /// A client is not kept out by idle connections from the same address.
    #[test]
    fn a_peers_own_idle_connections_make_way() {
        let connections = connections(1_000, 3);
        let mut slots = open(&connections, 3);
        slots[0].activity.admitted();
        let others: Vec<ConnectionSlot> =
            (0..3).map(|_| connections.open(peer(2), PeerShare::Counted).unwrap()).collect();
        for _ in 0..2 {
            let slot = connections.open(peer(1), PeerShare::Counted).unwrap();
            slot.activity.begin();
            slots.push(slot);
        }
        assert_eq!(evicted(&slots), [1, 2], "the oldest without an admitted request");
        assert!(evicted(&others).is_empty());
        assert_eq!(connections.open(peer(1), PeerShare::Counted).unwrap_err(), Shortage::Peer);
    }

    #[test]
    fn evicted_connections_that_do_not_close_are_bounded() {
        let connections = connections(64, 1_000);
        let mut slots = open(&connections, 64);
        while let Ok(slot) = connections.open(peer(2), PeerShare::Counted) {
            slots.push(slot);
        }
        assert_eq!(slots.len(), 64 + LEAST_LEAVING);
        // The oldest went, in their order.
        assert_eq!(evicted(&slots), (0..LEAST_LEAVING).collect::<Vec<_>>());
        slots.remove(0);
        assert!(connections.open(peer(2), PeerShare::Counted).is_ok());
    }

    #[test]
    fn a_candidate_that_was_used_since_is_spared() {
        let connections = connections(3, 9);
        let slots = open(&connections, 3);
        let _first = connections.open(peer(2), PeerShare::Counted).unwrap();
        assert_eq!(evicted(&slots), [0]);
        slots[1].activity.became_idle(Instant::now() + Duration::from_secs(60));
        let _second = connections.open(peer(2), PeerShare::Counted).unwrap();
        assert_eq!(evicted(&slots), [0, 2]);
    }

    #[test]
    fn room_is_made_for_some_at_a_time() {
        let connections = connections(64, 1_000);
        let mut slots = open(&connections, 32);
        for _ in 0..3 {
            connections.make_room();
            assert_eq!(evicted(&slots), (0..LEAST_LEAVING).collect::<Vec<_>>());
        }
        slots.drain(..4);
        connections.make_room();
        assert_eq!(evicted(&slots), (0..LEAST_LEAVING).collect::<Vec<_>>());
    }

    #[test]
    fn slots_are_wanted_when_few_are_left() {
        let connections = connections(16, 16);
        let mut slots = open(&connections, 13);
        assert!(!slots[0].is_wanted());
        slots.extend(open(&connections, 1));
        assert!(slots[0].is_wanted());
    }
}
