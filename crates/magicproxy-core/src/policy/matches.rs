//! The rules of one list that match a request, in the order of the list.

use crate::rule::MAX_RULES;

const WORD_BITS: usize = u64::BITS as usize;
const WORDS: usize = MAX_RULES.div_ceil(WORD_BITS);

/// Numbers of rules of one list, from the lowest up. Each automaton is looked at once for all of them, and nothing is allocated.
///
/// As many as a list may hold have their place: where one did not, a rule behind it would decide that should not.
#[derive(Debug, Default)]
pub(super) struct Matches {
    words: [u64; WORDS],
    /// No word before this one has a number.
    at: usize,
}

impl Matches {
    /// Adds the number of a rule. `RuleList::compile` sees to it that there is no greater one than there may be.
    pub(super) fn add(&mut self, rule: usize) {
        if let Some(word) = self.words.get_mut(rule / WORD_BITS) {
            *word |= 1 << (rule % WORD_BITS);
        }
    }
}

impl Iterator for Matches {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        while let Some(word) = self.words.get_mut(self.at) {
            if *word != 0 {
                let lowest = word.trailing_zeros() as usize;
                *word &= *word - 1;
                return Some(self.at * WORD_BITS + lowest);
            }
            self.at += 1;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_come_in_order_and_each_once() {
        let mut matches = Matches::default();
        let last = MAX_RULES - 1;
        for rule in [64, last, 0, 63, 127, 64, 5] {
            matches.add(rule);
        }
        assert_eq!(matches.collect::<Vec<_>>(), [0, 5, 63, 64, 127, last]);
        assert_eq!(Matches::default().next(), None);
    }

    /// A rule that had no place would give way to one behind it.
    #[test]
    fn every_rule_of_the_longest_list_has_its_place() {
        let mut matches = Matches::default();
        (0..MAX_RULES).for_each(|rule| matches.add(rule));
        assert!(matches.eq(0..MAX_RULES));
    }
}
