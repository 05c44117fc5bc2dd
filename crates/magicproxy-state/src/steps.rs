//! The calls of the contract, as steps over the rows of a single partition. The store that runs a
//! step makes the step atomic.
//!
//! INVARIANT: a step reads everything needed before the first write; so a step that finds corrupt
//! rows has changed nothing.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use magicproxy_core::UnixTime;
use magicproxy_core::state::{
    Bound, Change, Condition, Demand, Entry, FullScope, Holder, RowLimits, StoreError, TakeResult,
};

use crate::checked::{after, counter_name, leases_name, millis};
use crate::counter::{Counter, ExhaustedLimit, leases};
use crate::rows::{ReadRows, Row, Rows};

/// The name of the row with the latest time of a call that changed the partition; the row ends with
/// the last of the others.
pub(crate) const TIME: &[u8] = b"t";
/// The beginning of the names of entries.
const ENTRY: &[u8] = b"e";
/// The beginning of the names of counters.
const COUNTER: &[u8] = b"c";

pub(crate) fn read(
    rows: &dyn ReadRows,
    names: &[Vec<u8>],
    now: u64,
) -> Result<Vec<Option<Entry>>, StoreError> {
    let now = raised(rows, now)?;
    names.iter().map(|name| Ok(live(rows, &entry_name(name), now)?.map(entry))).collect()
}

pub(crate) fn list(
    rows: &dyn ReadRows,
    prefix: &[u8],
    most: usize,
    now: u64,
) -> Result<Vec<(Vec<u8>, Entry)>, StoreError> {
    let now = raised(rows, now)?;
    let mut found = Vec::new();
    if most > 0 {
        rows.scan(&entry_name(prefix), &mut |name, end, bytes| {
            if end > now {
                found.push((
                    name.get(1..).unwrap_or_default().to_vec(),
                    entry(Row { end, bytes: bytes.to_vec() }),
                ));
            }
            if found.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
    }
    Ok(found)
}

/// The terms of a step besides its change: the calling program's time, and the most rows
/// afterwards.
pub(crate) struct StepTerms<'t> {
    pub(crate) now: u64,
    pub(crate) limits: &'t RowLimits,
}

pub(crate) fn apply(
    rows: &mut dyn Rows,
    conditions: &[Condition],
    changes: &[Change],
    terms: &StepTerms<'_>,
) -> Result<bool, StoreError> {
    let now = raised(rows, terms.now)?;
    for condition in conditions {
        if !holds(rows, condition, now)? {
            return Ok(false);
        }
    }
    let added = added(rows, changes, now)?;
    ensure_room(rows, added, terms.limits)?;
    for change in changes {
        match change {
            Change::Put(name, entry) if millis(entry.expires_at) > now => {
                let row = Row { end: millis(entry.expires_at), bytes: entry.value.clone() };
                stamp(rows, now, row.end)?;
                rows.put(&entry_name(name), row)?;
            }
            Change::Put(name, _) | Change::Remove(name) => {
                stamp(rows, now, 0)?;
                rows.remove(&entry_name(name))?;
            }
        }
    }
    Ok(true)
}

fn holds(rows: &dyn ReadRows, condition: &Condition, now: u64) -> Result<bool, StoreError> {
    match condition {
        Condition::Absent(name) => Ok(live(rows, &entry_name(name), now)?.is_none()),
        Condition::Equals(name, value) => {
            Ok(live(rows, &entry_name(name), now)?.is_some_and(|row| row.bytes == *value))
        }
        Condition::AtMost(prefix, most) => {
            let mut count = 0;
            rows.scan(&entry_name(prefix), &mut |_, end, _| {
                count += usize::from(end > now);
                if count <= *most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })?;
            Ok(count <= *most)
        }
        Condition::AtMostValued(prefix, most) => {
            let mut count = 0;
            rows.scan(ENTRY, &mut |_, end, bytes| {
                count += usize::from(end > now && bytes.starts_with(prefix));
                if count <= *most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })?;
            Ok(count <= *most)
        }
    }
}

/// Returns the number of rows that the changes add; 0 if the changes remove more rows.
fn added(rows: &dyn ReadRows, changes: &[Change], now: u64) -> Result<u64, StoreError> {
    // The last change of a name is the change that counts.
    let stays =
        |change: &Change| matches!(change, Change::Put(_, entry) if millis(entry.expires_at) > now);
    let last: BTreeMap<&[u8], bool> = changes
        .iter()
        .map(|change| match change {
            Change::Put(name, _) | Change::Remove(name) => (name.as_slice(), stays(change)),
        })
        .collect();
    let (mut put, mut removed) = (0_u64, 0);
    for (name, stays) in last {
        match (stays, rows.get(&entry_name(name))?.is_some()) {
            (true, false) => put += 1,
            (false, true) => removed += 1,
            _ => {}
        }
    }
    Ok(put.saturating_sub(removed))
}

fn ensure_room(rows: &mut dyn Rows, added: u64, limits: &RowLimits) -> Result<(), StoreError> {
    if added == 0 && limits.spare == 0 {
        return Ok(());
    }
    Ok(limits.admit(added, &rows.count()?)?)
}

pub(crate) fn take(
    rows: &mut dyn Rows,
    demands: &[Demand],
    terms: &StepTerms<'_>,
) -> Result<TakeResult, StoreError> {
    let now = raised(rows, terms.now)?;
    let mut counters: BTreeMap<Vec<u8>, (u64, Counter)> = BTreeMap::new();
    let (mut left, mut begun) = (Vec::new(), NewCounters::default());
    for (index, demand) in demands.iter().enumerate() {
        let end = millis(demand.expires_at);
        if end <= now {
            // The store would not remember the amount taken.
            return Ok(TakeResult::Not { demand: index, retry_after: None });
        }
        let name = counter_key(&demand.bound, &demand.counter);
        let (known, mut counter) = match counters.remove(&name) {
            Some(counter) => counter,
            None => load(rows, &name, &demand.bound, now)?,
        };
        if known == 0 {
            begun.note(rows, demand.room, now)?;
        }
        match counter.take(&demand.bound, now) {
            Ok(number) => left.push(number),
            Err(ExhaustedLimit(at)) => {
                let retry_after = at.map(|at| at.min(known).saturating_sub(now));
                return Ok(TakeResult::Not { demand: index, retry_after });
            }
        }
        // A counter is not kept after its amount has ceased to count, however long its owner lives.
        let end = known.max(end).min(counter.counts_until(&demand.bound).unwrap_or(u64::MAX));
        counters.insert(name, (end, counter));
    }
    begun.ensure_room()?;
    let mut added = 0;
    for name in counters.keys() {
        added += u64::from(rows.get(name)?.is_none());
    }
    ensure_room(rows, added, terms.limits)?;
    for (name, (end, counter)) in counters {
        stamp(rows, now, end)?;
        rows.put(&name, Row { end, bytes: counter.bytes() })?;
    }
    Ok(TakeResult::All(left))
}

/// The counters that a call begins, and the check of their number.
#[derive(Default)]
struct NewCounters {
    count: u64,
    /// The number of live counters before the call; counted only if a demand needs the number.
    before: Option<u64>,
    no_room: bool,
}

impl NewCounters {
    /// Notes a further counter; the partition may hold at most `room` counters.
    fn note(&mut self, rows: &dyn ReadRows, room: u64, now: u64) -> Result<(), StoreError> {
        self.count += 1;
        if room == u64::MAX {
            return Ok(());
        }
        let before = match self.before {
            Some(before) => before,
            None => live_counters(rows, now)?,
        };
        self.before = Some(before);
        self.no_room |= before.saturating_add(self.count) > room;
        Ok(())
    }

    fn ensure_room(&self) -> Result<(), StoreError> {
        if self.no_room { Err(FullScope::Counters.into()) } else { Ok(()) }
    }
}

fn live_counters(rows: &dyn ReadRows, now: u64) -> Result<u64, StoreError> {
    let mut count = 0;
    rows.scan(COUNTER, &mut |_, end, _| {
        count += u64::from(end > now);
        ControlFlow::Continue(())
    })?;
    Ok(count)
}

/// Returns the end and the present state of a counter; the end is 0 for a new counter.
fn load(
    rows: &dyn ReadRows,
    name: &[u8],
    bound: &Bound,
    now: u64,
) -> Result<(u64, Counter), StoreError> {
    match live(rows, name, now)? {
        Some(row) => Ok((row.end, Counter::parse(bound, &row.bytes)?)),
        None => Ok((0, Counter::fresh(bound))),
    }
}

pub(crate) fn renew(
    rows: &mut dyn Rows,
    counter: &[u8],
    holder: Holder,
    lease: u64,
    now: u64,
) -> Result<bool, StoreError> {
    let now = raised(rows, now)?;
    let name = [COUNTER, &leases_name(counter)].concat();
    let Some(row) = live(rows, &name, now)? else { return Ok(false) };
    let mut held = parse_leases(&row)?;
    let Some(own) = held.iter_mut().find(|(end, of)| *of == holder && *end > now) else {
        return Ok(false);
    };
    let end = after(now, lease);
    own.0 = end;
    let end = end.max(row.end);
    stamp(rows, now, end)?;
    rows.put(&name, Row { end, bytes: Counter::Leases(held).bytes() })?;
    Ok(true)
}

pub(crate) fn give_back(
    rows: &mut dyn Rows,
    counter: &[u8],
    holder: Holder,
) -> Result<(), StoreError> {
    let name = [COUNTER, &leases_name(counter)].concat();
    let Some(row) = rows.get(&name)? else { return Ok(()) };
    let mut held = parse_leases(&row)?;
    let before = held.len();
    held.retain(|(_, of)| *of != holder);
    if held.len() == before {
        return Ok(());
    }
    rows.put(&name, Row { end: row.end, bytes: Counter::Leases(held).bytes() })
}

fn parse_leases(row: &Row) -> Result<Vec<(u64, Holder)>, StoreError> {
    leases(&row.bytes)
        .ok_or_else(|| StoreError::Corrupt("a list of leases is not of its form".to_owned()))
}

/// Returns the time of a call: the calling program's time, or the later time of an earlier change
/// of the partition.
fn raised(rows: &dyn ReadRows, now: u64) -> Result<u64, StoreError> {
    Ok(rows.get(TIME)?.map_or(now, |row| now.max(stamped(&row))))
}

fn stamped(row: &Row) -> u64 {
    row.bytes.as_slice().try_into().map_or(0, u64::from_be_bytes)
}

/// Remembers the time of a change, and the end of the partition's last row.
fn stamp(rows: &mut dyn Rows, now: u64, end: u64) -> Result<(), StoreError> {
    let old = rows.get(TIME)?;
    // INVARIANT: the row lasts until `now` at least, and so is still present while a clock may go
    // back behind `now`.
    let last = old.as_ref().map_or(0, |row| row.end).max(end).max(now);
    let row = Row { end: last, bytes: now.to_be_bytes().to_vec() };
    if old.as_ref() == Some(&row) { Ok(()) } else { rows.put(TIME, row) }
}

fn live(rows: &dyn ReadRows, name: &[u8], now: u64) -> Result<Option<Row>, StoreError> {
    Ok(rows.get(name)?.filter(|row| row.end > now))
}

fn entry(row: Row) -> Entry {
    Entry { value: row.bytes, expires_at: UnixTime(row.end / 1000) }
}

fn entry_name(name: &[u8]) -> Vec<u8> {
    [ENTRY, name].concat()
}

fn counter_key(bound: &Bound, counter: &[u8]) -> Vec<u8> {
    [COUNTER, &counter_name(bound, counter)].concat()
}
