//! A table of a fixed number of cells, found by a number, without a lock: a metric with several
//! labels has a cell for each combination that occurs.

use std::num::NonZeroU32;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

/// Cells by key. A cell is made when its key is seen first, and never taken away.
#[derive(Debug)]
pub(super) struct Cells<V> {
    /// A power of two, and at least twice as many as cells may be taken: a search ends soon.
    slots: Box<[Slot<V>]>,
    taken: AtomicUsize,
}

#[derive(Debug)]
struct Slot<V> {
    /// The key of the cell; 0 while the slot is free.
    key: AtomicU32,
    cell: OnceLock<Box<V>>,
}

impl<V> Cells<V> {
    /// Makes a table for this many cells.
    pub(super) fn new(cells: usize) -> Self {
        let slot = || Slot { key: AtomicU32::new(0), cell: OnceLock::new() };
        let slots = cells.saturating_mul(2).next_power_of_two();
        Self {
            slots: std::iter::repeat_with(slot).take(slots).collect(),
            taken: AtomicUsize::new(0),
        }
    }

    /// Returns the cell of this key. Makes the cell, unless `most` cells are taken already.
    pub(super) fn get(&self, key: NonZeroU32, most: usize, make: impl FnOnce() -> V) -> Option<&V> {
        let most = most.min(self.slots.len() / 2);
        let begin = spread(key);
        for step in 0..self.slots.len() {
            let slot = self.slots.get(begin.wrapping_add(step) & (self.slots.len() - 1))?;
            let known = slot.key.load(Ordering::Acquire);
            if known == key.get() || known == 0 && self.take(slot, key, most)? {
                return Some(slot.cell.get_or_init(|| Box::new(make())));
            }
        }
        None
    }

    /// Takes a free slot for the key. Returns false if another key has taken the slot meanwhile,
    /// and `None` if `most` cells are taken.
    fn take(&self, slot: &Slot<V>, key: NonZeroU32, most: usize) -> Option<bool> {
        let more = |taken: usize| (taken < most).then_some(taken + 1);
        self.taken.try_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        let taken = slot.key.compare_exchange(0, key.get(), Ordering::AcqRel, Ordering::Acquire);
        if taken.is_err() {
            self.taken.fetch_sub(1, Ordering::Relaxed);
        }
        Some(taken.map_or_else(|known| known == key.get(), |_| true))
    }

    /// Returns all cells with their keys.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &V)> {
        self.slots
            .iter()
            .filter_map(|slot| Some((slot.key.load(Ordering::Acquire), &**slot.cell.get()?)))
    }
}

/// Spreads keys, which differ in few bits, over the slots.
fn spread(key: NonZeroU32) -> usize {
    (key.get().wrapping_mul(0x9E37_79B1) >> 16) as usize
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn key(number: u32) -> NonZeroU32 {
        NonZeroU32::new(number).unwrap()
    }

    /// Keys of any kind find their cells again, up to the bound and not one beyond.
    #[test]
    fn a_key_has_one_cell_until_all_are_taken() {
        for step in [1, 2, 64, 1 << 10, 1 << 16, 1 << 20] {
            let cells = Cells::new(100);
            for number in 1..=100 {
                cells.get(key(number * step), 100, || number).unwrap();
            }
            for number in 1..=100 {
                assert_eq!(cells.get(key(number * step), 0, || 0), Some(&number), "{step}");
            }
            assert_eq!(cells.get(key(101 * step), 100, || 0), None);
            // The room for 100 keys is that for 128.
            assert_eq!(cells.get(key(101 * step), usize::MAX, || 0), Some(&0));
            assert_eq!(cells.iter().count(), 101);
        }
    }

    #[test]
    fn threads_that_ask_at_once_find_the_same_cell() {
        let cells = Cells::new(64);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for number in (1..=64).cycle().take(6_400) {
                        let cell = cells.get(key(number), 64, AtomicUsize::default).unwrap();
                        cell.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        let counts: BTreeMap<u32, usize> =
            cells.iter().map(|(key, cell)| (key, cell.load(Ordering::Relaxed))).collect();
        assert_eq!(counts, (1..=64).map(|number| (number, 800)).collect());
    }
}
