//! The cost of one decision, counted in steps before they are made. `rules.md` section 6.
//!
//! Each pattern is bounded on its own. This module bounds how many patterns a request meets, in how
//! many readings, for a path of any length.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::PolicyError;
use crate::condition::Steps;
use crate::pattern::{Automaton, Tree};
use crate::rule::Methods;

/// The steps that deciding one request may take: less than a millisecond, as
/// `cargo bench -p magicproxy-core` shows.
pub const MAX_DECISION_STEPS: usize = 400_000;
/// The steps before the first byte of a path, for each automaton and each pass of a tree.
const STEPS_BEFORE_A_PATH: usize = 16;
/// The bytes of an automaton's table per further step for each byte of the path: a processor waits
/// for memory outside its caches.
const TABLE_BYTES_A_STEP: usize = 16 * 1024;
/// The nodes of a tree that cost one step together; a path meets each node at most once.
const NODES_A_STEP: usize = 8;
/// The length of path by which lists are judged, in bytes: a list is refused if one reading of a
/// path of this length takes more than [`MAX_DECISION_STEPS`].
const JUDGED_PATH_BYTES: usize = 512;
/// The steps of computing a named owner: a hash.
const OWNER_STEPS: usize = 256;
/// The steps of looking a grant up in the store.
const LOOK_UP_STEPS: usize = 4_096;

/// The steps left for deciding one request: shared by the token's rules, its caveats, the ceiling
/// and all further questions.
///
/// Each request has its own count, for one task only: if two tasks take steps at the same moment,
/// one of the takings may be lost.
#[derive(Debug)]
pub struct DecisionSteps {
    left: AtomicUsize,
}

/// The steps ran out: the request is denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ExhaustedSteps;

impl DecisionSteps {
    /// Makes the count of a new request, with [`MAX_DECISION_STEPS`].
    #[must_use]
    pub fn new() -> Self {
        Self { left: AtomicUsize::new(MAX_DECISION_STEPS) }
    }

    /// Returns the number of steps taken.
    #[must_use]
    pub fn taken(&self) -> usize {
        MAX_DECISION_STEPS - self.left.load(Ordering::Relaxed)
    }

    /// Takes steps before they are made. If too few are left, takes the rest, and nothing more is
    /// decided.
    pub(crate) fn take(&self, steps: usize) -> Result<(), ExhaustedSteps> {
        // Load and store instead of one atomic operation: only one task takes steps, and every
        // request comes by here.
        let left = self.left.load(Ordering::Relaxed).checked_sub(steps);
        self.left.store(left.unwrap_or(0), Ordering::Relaxed);
        left.map(|_| ()).ok_or(ExhaustedSteps)
    }

    /// Lets `judge` take steps of those that are left. If it needs more than there are, nothing more
    /// is decided.
    pub(super) fn judge<T>(
        &self,
        judge: impl FnOnce(&mut Steps) -> T,
    ) -> Result<T, ExhaustedSteps> {
        let before = self.left.load(Ordering::Relaxed);
        let mut steps = Steps::new(before);
        let judged = judge(&mut steps);
        let left = steps.left();
        self.left.store(left.unwrap_or(0), Ordering::Relaxed);
        left.map(|_| judged).ok_or(ExhaustedSteps)
    }

    /// Takes the steps of computing a named owner.
    pub(crate) fn take_owner(&self) -> Result<(), ExhaustedSteps> {
        self.take(OWNER_STEPS)
    }

    /// Takes the steps of a look-up in the store.
    pub(crate) fn take_look_up(&self) -> Result<(), ExhaustedSteps> {
        self.take(LOOK_UP_STEPS)
    }
}

impl Default for DecisionSteps {
    fn default() -> Self {
        Self::new()
    }
}

/// The cost of a group of rules for a request, in steps.
#[derive(Clone, Copy, Debug)]
pub(super) struct GroupSteps {
    /// The steps of checking the method.
    pub(super) methods: usize,
    /// The steps for each byte of a path.
    passes: usize,
    /// The steps for any path, in addition to `passes`.
    fixed: usize,
}

impl GroupSteps {
    /// Computes the cost of rules with these methods, in a tree and automata.
    pub(super) fn new<'a>(
        methods: &Methods,
        tree: Option<&Tree>,
        automata: impl Iterator<Item = &'a Automaton>,
    ) -> Self {
        let methods = match methods {
            Methods::Any => 1,
            Methods::Listed(methods) => methods.len(),
        };
        let (visits, nodes) = tree.map_or((0, 0), |tree| (1 + tree.visits(), tree.nodes()));
        let passes = visits
            + automata
                .map(|automaton| 1 + automaton.memory_bytes() / TABLE_BYTES_A_STEP)
                .sum::<usize>();
        Self { methods, passes, fixed: passes * STEPS_BEFORE_A_PATH + nodes.div_ceil(NODES_A_STEP) }
    }

    #[cfg(test)]
    pub(super) fn of_passes(methods: &Methods, passes: usize) -> Self {
        Self { passes, ..Self::new(methods, None, std::iter::empty()) }
    }

    /// Returns the steps for one reading of a path of this length.
    pub(super) fn for_path(&self, bytes: usize) -> usize {
        self.passes.saturating_mul(bytes).saturating_add(self.fixed)
    }
}

/// The total cost of lists that are asked about the same request, by method.
#[derive(Debug, Default)]
pub(super) struct ListSteps {
    every: usize,
    by_method: BTreeMap<&'static str, usize>,
}

impl ListSteps {
    /// Adds a group, unless a request for a path of [`JUDGED_PATH_BYTES`] would then take more than
    /// [`MAX_DECISION_STEPS`].
    pub(super) fn add(&mut self, methods: &Methods, steps: &GroupSteps) -> Result<(), PolicyError> {
        let cost = steps.for_path(JUDGED_PATH_BYTES);
        self.every = self.every.saturating_add(steps.methods);
        match methods {
            Methods::Any => self.every = self.every.saturating_add(cost),
            Methods::Listed(methods) => {
                let (mut has_get, mut has_head) = (false, false);
                for method in methods {
                    let name = method.as_str();
                    has_get |= name == "GET";
                    has_head |= name == "HEAD";
                    self.add_to_method(name, cost);
                }
                // A rule for GET allows HEAD, too.
                if has_get && !has_head {
                    self.add_to_method("HEAD", cost);
                }
            }
        }
        let most = self.by_method.values().max().copied().unwrap_or(0);
        if self.every.saturating_add(most) > MAX_DECISION_STEPS {
            Err(PolicyError::TooCostly)
        } else {
            Ok(())
        }
    }

    fn add_to_method(&mut self, name: &'static str, cost: usize) {
        let sum = self.by_method.entry(name).or_default();
        *sum = sum.saturating_add(cost);
    }
}
