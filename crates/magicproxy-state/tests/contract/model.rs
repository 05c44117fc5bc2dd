//! What stores should do, written as simply as can be: every take is kept for ever, and everything is counted anew each time.

use std::collections::BTreeMap;

use magicproxy_core::UnixTime;
use magicproxy_core::state::{
    Bound, Change, Condition, Demand, Entry, Holder, Partition, TakeResult,
};

#[derive(Clone, Debug, Default)]
pub(crate) struct Model(BTreeMap<Partition, Part>);

#[derive(Clone, Debug, Default)]
struct Part {
    /// The latest time of a change, in milliseconds.
    time: u64,
    entries: BTreeMap<Vec<u8>, Entry>,
    takes: Vec<Take>,
}

/// One thing taken of one counter.
#[derive(Clone, Debug)]
struct Take {
    counter: Vec<u8>,
    kind: Kind,
    at: u64,
    /// When the counter ends after this take: as long as a demand said, and no longer than something of it counts.
    counter_end: u64,
    /// Who has it until when, if it is a lease.
    lease: Option<(Holder, u64)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Total,
    Window(u64),
    Lease,
}

impl Model {
    pub(crate) fn read(
        &mut self,
        partition: Partition,
        names: &[Vec<u8>],
        now: UnixTime,
    ) -> Vec<Option<Entry>> {
        let part = self.part(partition);
        let now = part.time.max(now.0 * 1000);
        names.iter().map(|name| part.live(name, now).cloned()).collect()
    }

    pub(crate) fn list(
        &mut self,
        partition: Partition,
        prefix: &[u8],
        most: usize,
        now: UnixTime,
    ) -> Vec<(Vec<u8>, Entry)> {
        let part = self.part(partition);
        let now = part.time.max(now.0 * 1000);
        let live = part
            .entries
            .iter()
            .filter(|(name, entry)| name.starts_with(prefix) && entry.expires_at.0 * 1000 > now);
        live.take(most).map(|(name, entry)| (name.clone(), entry.clone())).collect()
    }

    pub(crate) fn apply(
        &mut self,
        partition: Partition,
        conditions: &[Condition],
        changes: &[Change],
        now: UnixTime,
    ) -> bool {
        let part = self.part(partition);
        let now = part.time.max(now.0 * 1000);
        let held = conditions.iter().all(|condition| match condition {
            Condition::Absent(name) => part.live(name, now).is_none(),
            Condition::Equals(name, value) => {
                part.live(name, now).is_some_and(|entry| entry.value == *value)
            }
            Condition::AtMostValued(prefix, most) => {
                let valued = |name: &&Vec<u8>| {
                    part.live(name, now).is_some_and(|entry| entry.value.starts_with(prefix))
                };
                part.entries.keys().filter(valued).count() <= *most
            }
            Condition::AtMost(prefix, most) => {
                part.entries
                    .keys()
                    .filter(|name| name.starts_with(prefix) && part.live(name, now).is_some())
                    .count()
                    <= *most
            }
        });
        if held && !changes.is_empty() {
            part.time = now;
            for change in changes {
                match change {
                    Change::Put(name, entry) => {
                        drop(part.entries.insert(name.clone(), entry.clone()))
                    }
                    Change::Remove(name) => drop(part.entries.remove(name)),
                }
            }
        }
        held
    }

    pub(crate) fn take(
        &mut self,
        partition: Partition,
        demands: &[Demand],
        now: u64,
    ) -> TakeResult {
        let part = self.part(partition);
        let now = part.time.max(now);
        let before = part.takes.clone();
        let mut left = Vec::new();
        for (index, demand) in demands.iter().enumerate() {
            match part.take_one(demand, now) {
                Ok(number) => left.push(number),
                Err(retry_after) => {
                    part.takes = before;
                    return TakeResult::Not { demand: index, retry_after };
                }
            }
        }
        if !demands.is_empty() {
            part.time = now;
        }
        TakeResult::All(left)
    }

    pub(crate) fn renew(
        &mut self,
        partition: Partition,
        counter: &[u8],
        holder: Holder,
        lease: u64,
        now: u64,
    ) -> bool {
        let part = self.part(partition);
        let now = part.time.max(now);
        let live = part.of_counter(counter, Kind::Lease, now);
        let own = live
            .into_iter()
            .find(|at| part.takes[*at].lease.is_some_and(|(of, end)| of == holder && end > now));
        if let Some(own) = own {
            part.takes[own].lease = Some((holder, now + lease));
            part.time = now;
            let newest =
                part.of_counter(counter, Kind::Lease, now).into_iter().next_back().unwrap();
            let end = &mut part.takes[newest].counter_end;
            *end = (*end).max(now + lease);
        }
        own.is_some()
    }

    pub(crate) fn give_back(&mut self, partition: Partition, counter: &[u8], holder: Holder) {
        let part = self.part(partition);
        for take in part.takes.iter_mut().filter(|take| take.counter == counter) {
            if let Some((of, end)) = &mut take.lease
                && *of == holder
            {
                *end = 0;
            }
        }
    }

    fn part(&mut self, partition: Partition) -> &mut Part {
        self.0.entry(partition).or_default()
    }
}

impl Part {
    fn live(&self, name: &[u8], now: u64) -> Option<&Entry> {
        self.entries.get(name).filter(|entry| entry.expires_at.0 * 1000 > now)
    }

    /// The takes of a counter since it last began.
    fn of_counter(&self, counter: &[u8], kind: Kind, now: u64) -> Vec<usize> {
        let mut since: Vec<usize> = Vec::new();
        let mut end = 0;
        for (at, take) in self
            .takes
            .iter()
            .enumerate()
            .filter(|(_, take)| take.counter == counter && take.kind == kind)
        {
            if take.at >= end {
                since.clear();
            }
            since.push(at);
            end = take.counter_end;
        }
        if now >= end { Vec::new() } else { since }
    }

    fn take_one(&mut self, demand: &Demand, now: u64) -> Result<u64, Option<u64>> {
        let demanded = demand.expires_at.0 * 1000;
        if now >= demanded {
            return Err(None);
        }
        let kind = match demand.bound {
            Bound::Total(_) => Kind::Total,
            Bound::Window(_, length) => Kind::Window(length),
            Bound::Concurrent(..) => Kind::Lease,
        };
        let all = self.of_counter(&demand.counter, kind, now);
        let known = all.last().map_or(0, |at| self.takes[*at].counter_end);
        let (number, left) = match demand.bound {
            Bound::Total(number) => (number, all.len() as u64),
            Bound::Window(number, length) => {
                let count = |when: u64| {
                    all.iter().filter(|at| counts(self.takes[**at].at, length, when)).count() as u64
                };
                if count(now) >= number {
                    let end = known;
                    // The first moment is one in which a take ceases to count, or the counter does.
                    let moments =
                        all.iter().map(|at| ceases(self.takes[*at].at, length)).chain([end]);
                    let first = moments
                        .filter(|moment| {
                            *moment > now && (*moment >= end || count(*moment) < number)
                        })
                        .min();
                    return Err(first.map(|moment| moment - now));
                }
                (number, count(now))
            }
            Bound::Concurrent(number, holder, _) => {
                let others = |at: &&usize| {
                    self.takes[**at].lease.is_some_and(|(of, end)| of != holder && end > now)
                };
                (number, all.iter().filter(others).count() as u64)
            }
        };
        if left >= number {
            return Err(None);
        }
        let mut lease = None;
        if let Bound::Concurrent(_, holder, length) = demand.bound {
            for at in all {
                if let Some((of, end)) = &mut self.takes[at].lease
                    && *of == holder
                {
                    *end = 0;
                }
            }
            lease = Some((holder, now + length));
        }
        let counts_until = match demand.bound {
            Bound::Total(_) => u64::MAX,
            Bound::Window(_, length) => ceases(now, length),
            // That of whichever live lease ends last, this one's among them.
            Bound::Concurrent(_, _, length) => {
                let others = self
                    .of_counter(&demand.counter, kind, now)
                    .into_iter()
                    .filter_map(|at| self.takes[at].lease);
                others
                    .map(|(_, end)| end)
                    .filter(|end| *end > now)
                    .chain([now + length])
                    .max()
                    .unwrap()
            }
        };
        let counter_end = known.max(demanded).min(counts_until);
        self.takes.push(Take {
            counter: demand.counter.clone(),
            kind,
            at: now,
            counter_end,
            lease,
        });
        Ok(number - left - 1)
    }
}

/// Does what was taken then still count? It does until the whole length has passed since the end of its part.
fn counts(taken: u64, length: u64, now: u64) -> bool {
    let (taken, length, now) = (u128::from(taken), u128::from(length), u128::from(now));
    // In sixtieths of a millisecond, in which parts begin and end at whole numbers.
    let end_of_part = (taken * 60 / length + 1) * length;
    now * 60 < end_of_part + length * 60
}

/// The first millisecond in which it does not.
fn ceases(taken: u64, length: u64) -> u64 {
    let about = taken + length;
    (about..=about + length / 60 + 2).find(|now| !counts(taken, length, *now)).unwrap()
}
