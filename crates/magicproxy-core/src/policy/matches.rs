//! The rules of one list that match a request, in the order of the list.

use crate::rule::MAX_RULES;

const WORD_BITS: usize = u64::BITS as usize;
const WORDS: usize = MAX_RULES.div_ceil(WORD_BITS);

/// A set of rule numbers of one list, read from the lowest up. The set is filled by searching each
/// automaton once, without allocation.
///
/// Every number of the longest list has a place: a rule without a place would be skipped, and a
/// later rule would decide in its stead.
#[derive(Debug, Default)]
pub(super) struct Matches {
    words: [u64; WORDS],
    /// The first word that may contain a number.
    at: usize,
}

impl Matches {
    /// Empties the set.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Adds the number of a rule. `RuleList::compile` ensures that no number is out of range.
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
    fn one_list_leaves_nothing_to_the_next() {
        let mut matches = Matches::default();
        [3, 900].into_iter().for_each(|rule| matches.add(rule));
        assert_eq!(matches.next(), Some(3));
        matches.clear();
        matches.add(1);
        assert_eq!(matches.collect::<Vec<_>>(), [1]);
    }

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

    /// A rule without a place would give way to a later rule.
    #[test]
    fn every_rule_of_the_longest_list_has_its_place() {
        let mut matches = Matches::default();
        (0..MAX_RULES).for_each(|rule| matches.add(rule));
        assert!(matches.eq(0..MAX_RULES));
    }
}
