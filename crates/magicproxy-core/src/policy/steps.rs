//! What one decision may cost, counted in steps before they are made. `rules.md` section 6.
//!
//! Patterns are each bounded; how many of them a request meets, in how many readings of how long a path, is bounded here.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::PolicyError;
use crate::method::Method;
use crate::pattern::{Automaton, Tree};
use crate::rule::Methods;

/// Steps that deciding one request may take: less than a millisecond, as `cargo bench -p magicproxy-core` shows.
pub const MAX_DECISION_STEPS: usize = 400_000;
/// Steps before the first byte of a path, for each automaton and each pass of a tree.
const STEPS_BEFORE_A_PATH: usize = 16;
/// An automaton costs a step more for each byte of a path for so many bytes of its table: what a processor has not at hand, it
/// must wait for.
const TABLE_BYTES_A_STEP: usize = 16 * 1024;
/// Nodes of a tree that cost a step together: a path meets each at most once.
const NODES_A_STEP: usize = 8;
/// A list that takes more than [`MAX_DECISION_STEPS`] for one reading of a path of this length is refused.
const JUDGED_PATH_BYTES: usize = 512;
/// Steps of telling whose a named owner's state is: a hash.
const OWNER_STEPS: usize = 256;
/// Steps of looking a grant up in the store.
const LOOK_UP_STEPS: usize = 4_096;

/// The steps that are left for deciding one request: over the token's rules, its caveats, the ceiling and whatever else is asked.
///
/// One request has one count. It is for one task: steps that two take at the same moment may be counted once.
#[derive(Debug)]
pub struct DecisionSteps {
    left: AtomicUsize,
}

/// No step is left: whatever was asked is not allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ExhaustedSteps;

impl DecisionSteps {
    /// As many as a request has.
    #[must_use]
    pub fn new() -> Self {
        Self { left: AtomicUsize::new(MAX_DECISION_STEPS) }
    }

    /// How many were taken.
    #[must_use]
    pub fn taken(&self) -> usize {
        MAX_DECISION_STEPS - self.left.load(Ordering::Relaxed)
    }

    /// Takes steps before they are made, or everything that is left where that is not enough: then nothing more is decided.
    pub(crate) fn take(&self, steps: usize) -> Result<(), ExhaustedSteps> {
        // Not one operation: nobody else takes of these, and this is on the way of every request.
        let left = self.left.load(Ordering::Relaxed).checked_sub(steps);
        self.left.store(left.unwrap_or(0), Ordering::Relaxed);
        left.map(|_| ()).ok_or(ExhaustedSteps)
    }

    /// Takes what telling a named owner costs.
    pub(crate) fn take_owner(&self) -> Result<(), ExhaustedSteps> {
        self.take(OWNER_STEPS)
    }

    /// Takes what a look-up in the store costs.
    pub(crate) fn take_look_up(&self) -> Result<(), ExhaustedSteps> {
        self.take(LOOK_UP_STEPS)
    }
}

impl Default for DecisionSteps {
    fn default() -> Self {
        Self::new()
    }
}

/// What a group of rules costs a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct GroupSteps {
    /// Of telling whether it admits a method.
    pub(super) methods: usize,
    /// For each byte of a path.
    passes: usize,
    /// Besides, whatever the path is.
    fixed: usize,
}

impl GroupSteps {
    /// Of rules for these methods, in a tree and automata.
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

    /// For one reading of a path.
    pub(super) fn for_path(&self, bytes: usize) -> usize {
        self.passes.saturating_mul(bytes).saturating_add(self.fixed)
    }
}

/// What lists that are asked about the same request cost together, by method.
#[derive(Debug, Default)]
pub(super) struct ListSteps {
    every: usize,
    by_method: BTreeMap<&'static str, usize>,
}

impl ListSteps {
    /// Adds a group, if with it no request for a path of [`JUDGED_PATH_BYTES`] takes more than there is.
    pub(super) fn add(&mut self, methods: &Methods, steps: &GroupSteps) -> Result<(), PolicyError> {
        let cost = steps.for_path(JUDGED_PATH_BYTES);
        self.every = self.every.saturating_add(steps.methods);
        match methods {
            Methods::Any => self.every = self.every.saturating_add(cost),
            Methods::Listed(methods) => {
                let names = || methods.iter().copied().map(Method::as_str);
                let head = names().all(|name| name != "HEAD") && names().any(|name| name == "GET");
                for name in names().chain(head.then_some("HEAD")) {
                    let sum = self.by_method.entry(name).or_default();
                    *sum = sum.saturating_add(cost);
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
}
