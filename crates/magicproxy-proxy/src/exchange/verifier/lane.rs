//! Lanes: work that takes a processor for a while waits its turn here, each client behind the others and not behind itself.
//!
//! A lane works on a few things at a time. Who waits is asked in turn, account by account, so that one that sends a thousand things
//! puts one of them before what another has just sent. Tokens that no stranger can mint are a row of their own, and every other
//! turn is theirs.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use magicproxy_core::policy::Work;
use tokio::sync::oneshot;

use crate::admission::{Account, MinterTrust, Payer, Shortage};
use crate::rejection::Rejection;
use crate::settings::{Limits, Quota};

/// Steps of compiling rules that anybody may take at once: 1 to 3 ms. What takes more waits among its like.
pub(super) const QUICK_STEPS: usize = 20_000;
/// How long something waits for its turn.
pub(super) const MAX_WAIT: Duration = Duration::from_secs(5);
/// How many times as long as it worked for a stranger a lane of costly work rests: the processor is there for others.
const STRANGERS_REST: u32 = 2;

/// All lanes of a proxy.
#[derive(Clone, Debug)]
pub(crate) struct Lanes {
    /// Telling genuine tokens from others: about 0.1 ms. Nothing is known of the token yet, so it is charged to its peer.
    pub(crate) authentication: Lane,
    /// What costs about as much for everyone, 3 ms at most: simple rules, opening a credential, a signature.
    pub(crate) quick: Lane,
    /// Rules that take longer, up to 150 ms.
    known: Lane,
    /// The same for tokens that anyone can mint.
    strangers: Lane,
}

impl Lanes {
    pub(crate) fn new(limits: &Limits) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let (half, quarter) = (cores.div_ceil(2), cores.div_ceil(4));
        Self {
            authentication: Lane::new(half, limits.verifications, 0),
            quick: Lane::new(half, limits.verifications, 0),
            known: Lane::new(quarter, limits.costly_verifications, 0),
            strangers: Lane::new(quarter, limits.costly_verifications, STRANGERS_REST),
        }
    }

    /// Works with little work allowed, and where that is spent, again with as much as it takes, when its turn comes.
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
        self.costly(payer.standing).enter(payer).await?.work(move || job(&Work::unlimited())).await
    }

    /// Where rules that are not simple are compiled for a token of this standing.
    pub(crate) fn costly(&self, standing: MinterTrust) -> &Lane {
        match standing {
            MinterTrust::Known => &self.known,
            MinterTrust::Stranger => &self.strangers,
        }
    }
}

/// A few slots, and who waits for one.
#[derive(Clone, Debug)]
pub(crate) struct Lane(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    quota: Quota,
    rest: u32,
    queue: Mutex<Queue>,
}

#[derive(Debug)]
struct Queue {
    free: usize,
    known: Row,
    strangers: Row,
    /// Whose turn it was last.
    last: MinterTrust,
    /// How often a slot was given.
    #[cfg(test)]
    given: usize,
}

/// Accounts in the order of their turns.
#[derive(Debug, Default)]
struct Row(VecDeque<QueuedWork>);

#[derive(Debug)]
struct QueuedWork {
    account: Arc<Account>,
    places: VecDeque<oneshot::Sender<Slot>>,
}

/// The right to work; dropping it gives it to whoever is next.
#[derive(Debug)]
pub(crate) struct Slot(Option<Arc<Inner>>);

impl Lane {
    fn new(slots: usize, quota: Quota, rest: u32) -> Self {
        let queue = Queue {
            free: slots,
            known: Row::default(),
            strangers: Row::default(),
            last: MinterTrust::Stranger,
            #[cfg(test)]
            given: 0,
        };
        Self(Arc::new(Inner { quota, rest, queue: Mutex::new(queue) }))
    }

    /// Waits for a turn at the payer's expense, but not for ever.
    ///
    /// # Errors
    /// [`Shortage`] where the payer has as much waiting as it may, [`Rejection::Busy`] where its turn does not come.
    pub(crate) async fn enter(&self, payer: &Payer) -> Result<Slot, Rejection> {
        let waiting = match self.0.queue().place(&self.0, payer, &self.0.quota)? {
            QueuePosition::Slot(slot) => return Ok(slot),
            QueuePosition::Waiting(waiting) => waiting,
        };
        match tokio::time::timeout(MAX_WAIT, waiting).await {
            Ok(slot) => slot.map_err(|_| Shortage::Total.into()),
            Err(_) => Err(Rejection::Busy),
        }
    }

    /// Waits for a turn, however long that takes: for what must be done, of which there is only as much as there are exchanges.
    pub(crate) async fn enter_surely(&self, payer: &Payer) -> Result<Slot, Rejection> {
        let all =
            Quota { total: usize::MAX, per_owner: usize::MAX, per_peer: usize::MAX, reserved: 0 };
        let place = self.0.queue().place(&self.0, payer, &all)?;
        match place {
            QueuePosition::Slot(slot) => Ok(slot),
            QueuePosition::Waiting(waiting) => waiting.await.map_err(|_| Rejection::Internal),
        }
    }

    /// How often a slot was given, and how many wait.
    #[cfg(test)]
    pub(super) fn counts(&self) -> (usize, usize) {
        let queue = self.0.queue();
        (queue.given, queue.known.len() + queue.strangers.len())
    }
}

impl Slot {
    /// Works on another thread. The slot is given back when the work is done, and not when a client leaves who does not wait for it.
    pub(crate) async fn work<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Rejection> {
        let (done, result) = oneshot::channel();
        tokio::task::spawn_blocking(move || {
            let begun = Instant::now();
            // Nobody may wait any more.
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

enum QueuePosition {
    Slot(Slot),
    Waiting(oneshot::Receiver<Slot>),
}

impl Queue {
    /// A slot, if one is free, else a place in the payer's row.
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
        let known = payer.owner.as_ref().filter(|_| payer.standing == MinterTrust::Known);
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

    /// Gives a slot to whoever is next.
    fn pass_on(&mut self, lane: &Arc<Inner>) {
        while let Some(next) = self.next() {
            let slot = self.give(lane);
            let Err(mut unwanted) = next.send(slot) else { return };
            // Nobody waits there any more. It is not passed on from here: that is what this loop does.
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
        let (first, second, standing) = match self.last {
            MinterTrust::Stranger => (&mut self.known, &mut self.strangers, MinterTrust::Known),
            MinterTrust::Known => (&mut self.strangers, &mut self.known, MinterTrust::Stranger),
        };
        let next = first.next().or_else(|| second.next());
        self.last = standing;
        next
    }
}

impl Row {
    fn len(&self) -> usize {
        self.0.iter().map(|waiting| waiting.places.len()).sum()
    }

    /// Is there a place for one more of this account, in its share and in all? Whoever has most gives way to whoever has less.
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
            // Its last place: dropping it tells the one who waits there.
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
