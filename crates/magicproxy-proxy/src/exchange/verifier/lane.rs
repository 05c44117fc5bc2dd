//! Lanes: work that takes a processor for a while waits its turn here, each client behind the
//! others and not behind itself.
//!
//! A lane works on a few jobs at a time. Waiting accounts take turns, so an account that sends a
//! thousand jobs puts a single job before the job just sent by another account. Tokens that no
//! stranger can mint wait in a row of their own, which has every other turn.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use magicproxy_core::policy::Work;
use tokio::sync::oneshot;

use crate::admission::{Account, MinterTrust, Payer, SharedQuota, Shortage};
use crate::metrics::{Gauges, Metrics, Samples, families};
use crate::rejection::Rejection;
use crate::settings::{Limits, Quota};

/// The most steps of compiling rules that anybody may take at once: 1 to 3 ms. Longer work waits
/// among its like.
pub(super) const QUICK_STEPS: usize = 20_000;
/// The longest wait for a turn.
pub(super) const MAX_WAIT: Duration = Duration::from_secs(5);
/// The pause of a slot after a stranger's costly work, as a multiple of the time worked: the
/// processor is then free for others.
const STRANGERS_REST: u32 = 2;

/// All lanes of a proxy, shared by all upstreams.
#[derive(Clone, Debug)]
pub(crate) struct Lanes {
    /// Telling genuine tokens from others: about 0.1 ms. Nothing is known of the token yet, so the
    /// peer pays.
    pub(crate) authentication: Lane,
    /// Work of about the same cost for everyone, 3 ms at most: simple rules, opening a credential,
    /// a signature.
    pub(crate) quick: Lane,
    /// Rules that take longer, up to 150 ms.
    known: Lane,
    /// Rules that take longer, of tokens that anyone can mint.
    strangers: Lane,
}

impl Lanes {
    /// Changes the limits. Jobs that wait beyond lower limits go on waiting.
    pub(crate) fn change_limits(&self, limits: &Limits) {
        for lane in [&self.authentication, &self.quick] {
            lane.0.quota.change(limits.verifications);
        }
        for lane in [&self.known, &self.strangers] {
            lane.0.quota.change(limits.costly_verifications);
        }
    }

    pub(crate) fn new(limits: &Limits) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let (half, quarter) = (cores.div_ceil(2), cores.div_ceil(4));
        Self {
            authentication: Lane::new("authentication", half, limits.verifications, 0),
            quick: Lane::new("quick", half, limits.verifications, 0),
            known: Lane::new("costly_known", quarter, limits.costly_verifications, 0),
            strangers: Lane::new(
                "costly_strangers",
                quarter,
                limits.costly_verifications,
                STRANGERS_REST,
            ),
        }
    }

    /// Lets the metrics look at the lanes.
    pub(crate) fn watched_by(&self, metrics: &Metrics) {
        for lane in [&self.authentication, &self.quick, &self.known, &self.strangers] {
            metrics.watch(&lane.0);
        }
    }

    /// Runs a job with a small allowance of work; if the allowance is spent, runs the job again in
    /// its turn, without a limit.
    pub(crate) async fn in_turn<T: Send + 'static>(
        &self,
        payer: &Payer,
        job: impl Fn(&Work) -> T + Clone + Send + 'static,
    ) -> Result<T, Rejection> {
        let quick = job.clone();
        let slot = self.quick.enter(payer).await?;
        let done = slot.work(move || {
            let work = Work::of_steps(QUICK_STEPS);
            let done = quick(&work);
            (!work.is_spent()).then_some(done)
        });
        if let Some(done) = done.await? {
            return Ok(done);
        }
        self.costly(payer.trust).enter(payer).await?.work(move || job(&Work::unlimited())).await
    }

    /// Returns the lane in which costly rules of a token with this trust are compiled.
    pub(crate) fn costly(&self, trust: MinterTrust) -> &Lane {
        match trust {
            MinterTrust::Known => &self.known,
            MinterTrust::Stranger => &self.strangers,
        }
    }
}

/// A few slots, and the queue for the slots.
#[derive(Clone, Debug)]
pub(crate) struct Lane(Arc<Inner>);

/// The state of a lane, shared by its slots.
#[derive(Debug)]
struct Inner {
    /// The lane's name in the metrics.
    name: &'static str,
    slots: usize,
    quota: SharedQuota,
    rest: u32,
    queue: Mutex<Queue>,
}

/// The free slots, and the rows waiting for a slot.
#[derive(Debug)]
struct Queue {
    free: usize,
    known: Row,
    strangers: Row,
    /// The row that had the last turn.
    last: MinterTrust,
    /// Number of slots given.
    #[cfg(test)]
    given: usize,
}

/// Waiting accounts in the order of their turns.
#[derive(Debug, Default)]
struct Row(VecDeque<QueuedWork>);

/// The jobs of an account that wait for a slot.
#[derive(Debug)]
struct QueuedWork {
    account: Arc<Account>,
    places: VecDeque<oneshot::Sender<Slot>>,
}

/// The right to work. Dropping the slot gives the right to the next in the queue.
#[derive(Debug)]
pub(crate) struct Slot(Option<Arc<Inner>>);

impl Lane {
    fn new(name: &'static str, slots: usize, quota: Quota, rest: u32) -> Self {
        let queue = Queue {
            free: slots,
            known: Row::default(),
            strangers: Row::default(),
            last: MinterTrust::Stranger,
            #[cfg(test)]
            given: 0,
        };
        let quota = SharedQuota::new(quota);
        Self(Arc::new(Inner { name, slots, quota, rest, queue: Mutex::new(queue) }))
    }

    /// Waits for a turn at the payer's expense, for at most [`MAX_WAIT`].
    ///
    /// # Errors
    /// [`Shortage`] if the payer has the most jobs waiting that it may have, [`Rejection::Busy`] if
    /// the turn does not come in time.
    pub(crate) async fn enter(&self, payer: &Payer) -> Result<Slot, Rejection> {
        let waiting = match self.0.queue().place(&self.0, payer, &self.0.quota.current())? {
            QueuePosition::Slot(slot) => return Ok(slot),
            QueuePosition::Waiting(waiting) => waiting,
        };
        match tokio::time::timeout(MAX_WAIT, waiting).await {
            Ok(slot) => slot.map_err(|_| Shortage::Total.into()),
            Err(_) => Err(Rejection::Busy),
        }
    }

    /// Waits for a turn, however long that takes: for work that must be done, bounded by the number
    /// of exchanges.
    pub(crate) async fn enter_surely(&self, payer: &Payer) -> Result<Slot, Rejection> {
        let all =
            Quota { total: usize::MAX, per_owner: usize::MAX, per_peer: usize::MAX, reserved: 0 };
        let place = self.0.queue().place(&self.0, payer, &all)?;
        match place {
            QueuePosition::Slot(slot) => Ok(slot),
            QueuePosition::Waiting(waiting) => waiting.await.map_err(|_| Rejection::Internal),
        }
    }

    /// Returns the number of slots given, and the number of jobs waiting.
    #[cfg(test)]
    pub(super) fn counts(&self) -> (usize, usize) {
        let queue = self.0.queue();
        (queue.given, queue.known.len() + queue.strangers.len())
    }
}

impl Slot {
    /// Works on another thread. The slot is given back when the work is done, not when a client
    /// leaves without waiting.
    pub(crate) async fn work<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Rejection> {
        let (done, result) = oneshot::channel();
        tokio::task::spawn_blocking(move || {
            let begun = Instant::now();
            // The client may have stopped waiting.
            drop(done.send(work()));
            let rest = self.0.as_ref().map_or(0, |lane| lane.rest);
            if rest > 0 {
                std::thread::sleep(begun.elapsed() * rest);
            }
            drop(self);
        });
        result.await.map_err(|_| Rejection::Internal)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(lane) = self.0.take() {
            lane.queue().pass_on(&lane);
        }
    }
}

impl Inner {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gauges for Inner {
    fn sample(&self, samples: &mut Samples) {
        let (free, waiting) = {
            let queue = self.queue();
            (queue.free, queue.known.len() + queue.strangers.len())
        };
        let (lane, running) = ([("lane", self.name)], self.slots.saturating_sub(free));
        samples.add(&families::VERIFICATIONS_RUNNING, &lane, running as f64);
        samples.add(&families::VERIFICATIONS_WAITING, &lane, waiting as f64);
    }
}

/// A slot at once, or a place in the queue.
enum QueuePosition {
    Slot(Slot),
    Waiting(oneshot::Receiver<Slot>),
}

impl Queue {
    /// Returns a slot if any is free, else a place in the payer's row.
    fn place(
        &mut self,
        lane: &Arc<Inner>,
        payer: &Payer,
        quota: &Quota,
    ) -> Result<QueuePosition, Shortage> {
        if self.free > 0 {
            self.free -= 1;
            return Ok(QueuePosition::Slot(self.give(lane)));
        }
        let known = payer.owner.as_ref().filter(|_| payer.trust == MinterTrust::Known);
        let (account, share, shortage) = match known {
            Some(owner) => (owner, quota.per_owner, Shortage::Owner),
            None => (&payer.peer, quota.per_peer, Shortage::Peer),
        };
        let others = if known.is_some() { self.strangers.len() } else { self.known.len() };
        let (row, total) = match known {
            Some(_) => (&mut self.known, quota.total),
            None => (&mut self.strangers, quota.total.saturating_sub(quota.reserved)),
        };
        row.make_room(account, share, total.saturating_sub(others), shortage)?;
        let (sender, receiver) = oneshot::channel();
        row.push(account, sender);
        Ok(QueuePosition::Waiting(receiver))
    }

    /// Gives a slot to the next in the queue.
    fn pass_on(&mut self, lane: &Arc<Inner>) {
        while let Some(next) = self.next() {
            let slot = self.give(lane);
            let Err(mut unwanted) = next.send(slot) else { return };
            // Nobody waits at this place any more. The slot must not pass itself on, because this
            // loop does.
            unwanted.0 = None;
        }
        self.free += 1;
    }

    fn give(&mut self, lane: &Arc<Inner>) -> Slot {
        #[cfg(test)]
        {
            self.given += 1;
        }
        Slot(Some(Arc::clone(lane)))
    }

    fn next(&mut self) -> Option<oneshot::Sender<Slot>> {
        let (first, second, trust) = match self.last {
            MinterTrust::Stranger => (&mut self.known, &mut self.strangers, MinterTrust::Known),
            MinterTrust::Known => (&mut self.strangers, &mut self.known, MinterTrust::Stranger),
        };
        let next = first.next().or_else(|| second.next());
        self.last = trust;
        next
    }
}

impl Row {
    fn len(&self) -> usize {
        self.0.iter().map(|waiting| waiting.places.len()).sum()
    }

    /// Makes a place for another job of this account, within its share and the total. The account
    /// with the most jobs gives way to an account with fewer.
    fn make_room(
        &mut self,
        account: &Arc<Account>,
        share: usize,
        total: usize,
        shortage: Shortage,
    ) -> Result<(), Shortage> {
        let of_account = |row: &Self| {
            row.0
                .iter()
                .find(|waiting| Arc::ptr_eq(&waiting.account, account))
                .map_or(0, QueuedWork::len)
        };
        if of_account(self) >= share || self.len() >= total {
            self.0.iter_mut().for_each(|waiting| waiting.places.retain(|place| !place.is_closed()));
            self.0.retain(|waiting| !waiting.places.is_empty());
        }
        let own = of_account(self);
        if own >= share {
            return Err(shortage);
        }
        if self.len() >= total {
            let most = self
                .0
                .iter_mut()
                .max_by_key(|waiting| waiting.len())
                .filter(|most| most.len() > own + 1);
            // The last place of that account. Dropping the sender tells the waiting job.
            most.and_then(|most| most.places.pop_back()).ok_or(Shortage::Total)?;
        }
        Ok(())
    }

    fn push(&mut self, account: &Arc<Account>, place: oneshot::Sender<Slot>) {
        match self.0.iter_mut().find(|waiting| Arc::ptr_eq(&waiting.account, account)) {
            Some(waiting) => waiting.places.push_back(place),
            None => self.0.push_back(QueuedWork {
                account: Arc::clone(account),
                places: VecDeque::from([place]),
            }),
        }
    }

    fn next(&mut self) -> Option<oneshot::Sender<Slot>> {
        let mut waiting = self.0.pop_front()?;
        let place = waiting.places.pop_front();
        if !waiting.places.is_empty() {
            self.0.push_back(waiting);
        }
        place
    }
}

impl QueuedWork {
    fn len(&self) -> usize {
        self.places.len()
    }
}
