//! How much work an automaton is, counted before the work is done: the bound on the time that a list of rules costs.
//!
//! The sizes of automata alone do not bound it: `(?:a?){600}` makes a small automaton of large sets. Never build a DFA of
//! an NFA whose effort was not taken from a budget. `rules.md` section 4.

use std::collections::HashSet;

use regex_automata::nfa::thompson::{NFA, State};
use regex_automata::util::primitives::StateID;

/// Steps that may still be made. A step is one look at one state of an NFA.
#[derive(Debug)]
pub(crate) struct Budget {
    steps: usize,
}

impl Budget {
    pub(crate) fn new(steps: usize) -> Self {
        Self { steps }
    }

    pub(crate) fn is_spent(&self) -> bool {
        self.steps == 0
    }

    /// A budget of at most `steps`, out of this one. What is not needed comes back by [`Self::give_back`].
    pub(crate) fn part(&mut self, steps: usize) -> Self {
        let steps = steps.min(self.steps);
        self.steps -= steps;
        Self { steps }
    }

    pub(crate) fn give_back(&mut self, part: Self) {
        self.steps += part.steps;
    }

    /// Takes steps, or everything that is left when that is not enough.
    pub(super) fn take(&mut self, steps: usize) -> Option<()> {
        let left = self.steps.checked_sub(steps);
        self.steps = left.unwrap_or(0);
        left.map(|_| ())
    }
}

/// Takes from the budget what the subset construction of `nfa` costs. Nothing when the budget is too small for it, or the
/// automaton too large for `max_dfa_bytes`.
///
/// Assertions are taken to hold, so that this counts at least the sets that the construction meets.
pub(super) fn take(nfa: &NFA, max_dfa_bytes: usize, budget: &mut Budget) -> Option<()> {
    // Building an NFA costs about this much itself.
    budget.take(nfa.states().len().saturating_mul(4))?;
    let row_bytes = nfa.byte_classes().alphabet_len().next_power_of_two() * size_of::<u32>();
    let classes: Vec<u8> = nfa.byte_classes().representatives(..).filter_map(|unit| unit.as_u8()).collect();
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
    /// The round in which a state was seen last.
    seen: Vec<u32>,
    round: u32,
    stack: Vec<StateID>,
}

impl Search<'_> {
    fn next_round(&mut self) {
        self.round += 1;
    }

    /// The set that `byte` leads to.
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

    /// Adds what can be reached from `id` without a byte.
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
                State::ByteRange { .. } | State::Sparse(_) | State::Dense(_) | State::Match { .. } => set.push(id),
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
