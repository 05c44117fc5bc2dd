//! The work of building an automaton, counted before the work is done: the bound on the time that a
//! list of rules costs.
//!
//! The sizes of automata alone are no such bound: `(?:a?){600}` makes a small automaton of large
//! sets. Never build a DFA of an NFA whose effort was not taken from a budget. `rules.md`
//! section 4.

use std::cell::Cell;
use std::collections::HashSet;
use std::rc::Rc;

use regex_automata::nfa::thompson::{NFA, State};
use regex_automata::util::primitives::StateID;

/// The steps for building an NFA, for each of its states.
pub(super) const STEPS_OF_A_STATE: usize = 4;

/// The work of compiling rules that may be done now, in steps of a `Budget`. Several budgets share
/// one `Work`: a budget bounds a list, and `Work` bounds all lists that are compiled now. When no
/// work is left, nothing more compiles; the rules are not at fault, and may be compiled later.
#[derive(Clone, Debug)]
pub struct Work(Rc<WorkLeft>);

#[derive(Debug)]
struct WorkLeft {
    steps: Cell<usize>,
    is_spent: Cell<bool>,
}

impl Work {
    /// Allows this many steps, about 40 ns each.
    #[must_use]
    pub fn of_steps(steps: usize) -> Self {
        Self(Rc::new(WorkLeft { steps: Cell::new(steps), is_spent: Cell::new(false) }))
    }

    /// Allows as much as the budgets allow.
    #[must_use]
    pub fn unlimited() -> Self {
        Self::of_steps(usize::MAX)
    }

    /// True if more steps were asked for than were left.
    #[must_use]
    pub fn is_spent(&self) -> bool {
        self.0.is_spent.get()
    }

    /// The steps that are left.
    #[must_use]
    pub fn left(&self) -> usize {
        self.0.steps.get()
    }

    /// Takes steps. If too few are left, takes all and returns `None`.
    pub(crate) fn take(&self, steps: usize) -> Option<()> {
        let left = self.0.steps.get().checked_sub(steps);
        self.0.steps.set(left.unwrap_or(0));
        self.0.is_spent.set(self.is_spent() || left.is_none());
        left.map(|_| ())
    }

    /// Checks that as many steps are left, without taking any. If too few are left, spends all and
    /// returns `None`.
    pub(crate) fn ensure(&self, steps: usize) -> Option<()> {
        if steps <= self.left() { Some(()) } else { self.take(steps) }
    }
}

/// The steps that may still be made for a pattern or a list. A step is a look at a state of an NFA.
#[derive(Debug)]
pub(crate) struct Budget {
    steps: usize,
    work: Work,
}

impl Budget {
    pub(crate) fn new(steps: usize) -> Self {
        Self::within(steps, &Work::unlimited())
    }

    /// Makes a budget that also takes its steps from `work`.
    pub(crate) fn within(steps: usize, work: &Work) -> Self {
        Self { steps, work: work.clone() }
    }

    pub(crate) fn work(&self) -> &Work {
        &self.work
    }

    pub(crate) fn is_spent(&self) -> bool {
        self.steps == 0 || self.work.is_spent()
    }

    /// The steps that are left.
    pub(crate) fn left(&self) -> usize {
        self.steps
    }

    /// Moves at most `steps` into a new budget. Unneeded steps come back by [`Self::give_back`].
    pub(crate) fn part(&mut self, steps: usize) -> Self {
        let steps = steps.min(self.steps);
        self.steps -= steps;
        Self { steps, work: self.work.clone() }
    }

    pub(crate) fn give_back(&mut self, part: Self) {
        self.steps += part.steps;
    }

    /// Takes steps from this budget and its work. If too few are left, takes all and returns
    /// `None`.
    pub(super) fn take(&mut self, steps: usize) -> Option<()> {
        self.charge(steps)?;
        self.work.take(steps)
    }

    /// Takes steps from this budget only, for work that was done before and is not done again. If
    /// too few are left, takes all and returns `None`.
    pub(crate) fn charge(&mut self, steps: usize) -> Option<()> {
        let left = self.steps.checked_sub(steps);
        self.steps = left.unwrap_or(0);
        left.map(|_| ())
    }
}

/// Takes the cost of the subset construction of `nfa` from the budget. Returns `None` if the budget
/// is too small, or the automaton too large for `max_dfa_bytes`.
///
/// Assertions are taken to hold, so that at least the sets of the real construction are counted.
pub(super) fn take(nfa: &NFA, max_dfa_bytes: usize, budget: &mut Budget) -> Option<()> {
    budget.take(nfa.states().len().saturating_mul(STEPS_OF_A_STATE))?;
    let row_bytes = nfa.byte_classes().alphabet_len().next_power_of_two() * size_of::<u32>();
    let classes: Vec<u8> =
        nfa.byte_classes().representatives(..).filter_map(|unit| unit.as_u8()).collect();
    let mut search = Search { nfa, seen: vec![0; nfa.states().len()], round: 0, stack: Vec::new() };
    let mut found = HashSet::new();
    let mut pending = Vec::new();
    let mut start = Vec::new();
    search.next_round();
    search.follow(nfa.start_anchored(), &mut start, budget)?;
    pending.push(start);
    while let Some(set) = pending.pop() {
        if found.len() * row_bytes > max_dfa_bytes {
            return None;
        }
        for class in &classes {
            let next = search.after(&set, *class, budget)?;
            if !next.is_empty() && !found.contains(&next) {
                found.insert(next.clone());
                pending.push(next);
            }
        }
    }
    Some(())
}

struct Search<'n> {
    nfa: &'n NFA,
    /// The round in which each state was seen last.
    seen: Vec<u32>,
    round: u32,
    stack: Vec<StateID>,
}

impl Search<'_> {
    fn next_round(&mut self) {
        self.round += 1;
    }

    /// Returns the set of states reached from `set` by `byte`.
    fn after(&mut self, set: &[StateID], byte: u8, budget: &mut Budget) -> Option<Vec<StateID>> {
        budget.take(set.len())?;
        self.next_round();
        let mut next = Vec::new();
        for id in set {
            let target = match self.nfa.state(*id) {
                State::ByteRange { trans } if trans.matches_byte(byte) => Some(trans.next),
                State::Sparse(transitions) => transitions.matches_byte(byte),
                State::Dense(transitions) => transitions.matches_byte(byte),
                _ => None,
            };
            if let Some(target) = target {
                self.follow(target, &mut next, budget)?;
            }
        }
        Some(next)
    }

    /// Adds the states reachable from `id` without a byte.
    fn follow(&mut self, id: StateID, set: &mut Vec<StateID>, budget: &mut Budget) -> Option<()> {
        self.stack.push(id);
        while let Some(id) = self.stack.pop() {
            budget.take(1)?;
            let seen = self.seen.get_mut(id.as_usize())?;
            if *seen == self.round {
                continue;
            }
            *seen = self.round;
            match self.nfa.state(id) {
                State::ByteRange { .. }
                | State::Sparse(_)
                | State::Dense(_)
                | State::Match { .. } => set.push(id),
                State::Look { next, .. } => {
                    set.push(id);
                    self.stack.push(*next);
                }
                State::Capture { next, .. } => self.stack.push(*next),
                State::Union { alternates } => self.stack.extend(alternates.iter().rev()),
                State::BinaryUnion { alt1, alt2 } => self.stack.extend([*alt2, *alt1]),
                State::Fail => {}
            }
        }
        Some(())
    }
}
