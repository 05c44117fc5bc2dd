//! Views of one object or one list by one rule, until its end.

use crate::condition::names::NamesTest;
use crate::condition::outcome::{Outcome, Reason};
use crate::condition::value::{CountRange, ValueTest};

/// The view of a rule, and who gets the outcome.
#[derive(Debug)]
pub(super) struct Watcher<'t> {
    pub(super) parent: Parent,
    pub(super) watch: Watch<'t>,
}

/// The place that gets the outcome of a value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Parent {
    /// The rule with this number: the value is the body.
    Rule(usize),
    /// A member of an object, by the number of the object's watcher.
    Member(usize, Slot),
    /// An element of a list, by the number of the list's watcher.
    Element(usize),
}

/// The test of a member.
#[derive(Clone, Copy, Debug)]
pub(super) enum Slot {
    /// The test of the listed name with this number.
    Listed(usize),
    /// The test of names that are not listed.
    Rest,
}

#[derive(Debug)]
pub(super) enum Watch<'t> {
    Object(ObjectWatch<'t>),
    List(ListWatch<'t>),
}

/// The view of an object.
///
/// The outcome of a listed name counts only at the end of the object: a later member may turn out
/// to be the same for some reader.
#[derive(Debug)]
pub(super) struct ObjectWatch<'t> {
    pub(super) names: &'t NamesTest,
    /// The listed names that were seen, a bit for each.
    seen: u64,
    /// The listed names whose value is false.
    failed: u64,
    /// The listed names that are there twice, or have a twin.
    doubted: u64,
    /// True if the object is false for every reader, whatever follows.
    is_refused: bool,
    /// The first reason for which the object is unknown.
    doubt: Option<Reason>,
}

/// The view of a list.
#[derive(Debug)]
pub(super) struct ListWatch<'t> {
    pub(super) each: &'t ValueTest,
    pub(super) count: CountRange,
    elements: Outcome,
}

/// The name of a member.
#[derive(Clone, Copy, Debug)]
pub(super) struct Name<'n> {
    /// The name in UTF-8, with its escapes undone.
    pub(super) bytes: &'n [u8],
    /// The name as lenient readers see it.
    pub(super) key: &'n [u8],
    /// True if the name overrides the method, or carries a token or a credential.
    pub(super) overrides: bool,
}

/// The meaning of a member's name to a rule.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sight<'t> {
    /// The value is to be tested.
    Tested(Slot, &'t ValueTest),
    /// Any value will do.
    Passes,
    /// The name must be absent.
    Forbidden(&'t ValueTest),
    /// The name is not listed, and the object is closed.
    Unlisted,
    /// The listed name is there twice.
    Twice,
    /// Some readers take the name for the listed one with this number.
    Twin(usize),
    /// The name overrides the method, or carries a token or a credential.
    Overrides,
}

impl<'t> ObjectWatch<'t> {
    pub(super) fn new(names: &'t NamesTest) -> Self {
        Self { names, seen: 0, failed: 0, doubted: 0, is_refused: false, doubt: None }
    }

    /// Notes a name.
    pub(super) fn see(&mut self, name: Name<'_>) -> Sight<'t> {
        let Name { bytes, key, overrides } = name;
        let listed = &self.names.listed;
        match listed.iter().position(|listed| listed.twin_key.as_bytes() == key) {
            None => self.see_unlisted(overrides),
            Some(number) => match listed.get(number) {
                Some(listed) if listed.name.as_bytes() == bytes => {
                    self.see_listed(number, &listed.test, overrides)
                }
                _ => {
                    self.doubted |= bit(number);
                    self.unknown(Reason::JsonTwin);
                    Sight::Twin(number)
                }
            },
        }
    }

    fn see_unlisted(&mut self, overrides: bool) -> Sight<'t> {
        match &self.names.rest {
            None => {
                self.is_refused = true;
                Sight::Unlisted
            }
            Some(_) if overrides => self.see_override(),
            Some(ValueTest::Anything) => Sight::Passes,
            Some(ValueTest::Absent) => {
                self.is_refused = true;
                Sight::Unlisted
            }
            Some(test) => Sight::Tested(Slot::Rest, test),
        }
    }

    fn see_listed(&mut self, number: usize, test: &'t ValueTest, overrides: bool) -> Sight<'t> {
        let is_again = self.seen & bit(number) != 0;
        self.seen |= bit(number);
        match test {
            // However often the name is there, it is there for every reader.
            ValueTest::Absent => {
                self.failed |= bit(number);
                Sight::Forbidden(test)
            }
            _ if overrides => self.see_override(),
            _ if is_again => {
                self.doubted |= bit(number);
                self.unknown(Reason::JsonTwice);
                Sight::Twice
            }
            ValueTest::Anything => Sight::Passes,
            test => Sight::Tested(Slot::Listed(number), test),
        }
    }

    fn see_override(&mut self) -> Sight<'t> {
        self.unknown(Reason::JsonOverride);
        Sight::Overrides
    }

    /// Notes a name that some readers could take for any other one.
    pub(super) fn doubt_all(&mut self) {
        self.doubted = u64::MAX;
        self.unknown(Reason::JsonTwin);
    }

    /// Notes the outcome of a member's value.
    pub(super) fn report(&mut self, slot: Slot, outcome: Outcome) {
        match (outcome, slot) {
            (Outcome::True, _) => {}
            (Outcome::Unknown(reason), _) => self.unknown(reason),
            (Outcome::False, Slot::Listed(number)) => self.failed |= bit(number),
            (Outcome::False, Slot::Rest) => self.is_refused = true,
        }
    }

    fn unknown(&mut self, reason: Reason) {
        self.doubt.get_or_insert(reason);
    }

    /// Returns the outcome, once the object is read.
    pub(super) fn outcome(&self) -> Outcome {
        let is_false =
            self.is_refused || self.failed & !self.doubted != 0 || self.missing().next().is_some();
        match self.doubt {
            _ if is_false => Outcome::False,
            Some(reason) => Outcome::Unknown(reason),
            None => Outcome::True,
        }
    }

    /// Returns the numbers of the listed names that must be there, and are not there for any reader.
    pub(super) fn missing(&self) -> impl Iterator<Item = usize> {
        let there = self.seen | self.doubted;
        let listed = self.names.listed.iter().enumerate();
        listed.filter_map(move |(number, listed)| {
            let may_miss = listed.is_optional || matches!(listed.test, ValueTest::Absent);
            (!may_miss && there & bit(number) == 0).then_some(number)
        })
    }
}

/// Returns the bit of a listed name; the number is below [`MAX_LISTED_NAMES`](crate::condition::MAX_LISTED_NAMES).
fn bit(number: usize) -> u64 {
    u32::try_from(number).ok().and_then(|number| 1_u64.checked_shl(number)).unwrap_or_default()
}

impl<'t> ListWatch<'t> {
    pub(super) fn new(each: &'t ValueTest, count: CountRange) -> Self {
        Self { each, count, elements: Outcome::True }
    }

    /// Notes the outcome of an element.
    pub(super) fn report(&mut self, outcome: Outcome) {
        self.elements = self.elements.and(outcome);
    }

    /// Returns the outcome, once the list is read.
    pub(super) fn outcome(&self, count: u64) -> Outcome {
        self.elements.and(Outcome::of(self.count.contains(count)))
    }
}
