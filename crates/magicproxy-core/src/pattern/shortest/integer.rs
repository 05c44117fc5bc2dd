//! Integers within a range, read digit by digit.

use std::cmp::Ordering;

/// The most digits of an integer.
const MAX_DIGITS: usize = 19;

/// An automaton for the integers of a range, each in its one spelling.
#[derive(Clone, Debug)]
pub(super) struct IntegerMachine {
    positive: Option<Magnitudes>,
    negative: Option<Magnitudes>,
}

/// The digits of the least and of the greatest integer without its sign.
#[derive(Clone, Debug)]
struct Magnitudes {
    least: Vec<u8>,
    greatest: Vec<u8>,
}

/// The digits so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Digits {
    Nothing,
    Minus,
    Zero,
    Some {
        is_negative: bool,
        number: usize,
        /// The digits compared with as many digits of the least and the greatest integer.
        to_least: Ordering,
        to_greatest: Ordering,
    },
}

impl IntegerMachine {
    pub(super) fn new(min: i64, max: i64) -> Self {
        let magnitudes = |least: u64, greatest: u64| Magnitudes {
            least: least.to_string().into_bytes(),
            greatest: greatest.to_string().into_bytes(),
        };
        let positive = u64::try_from(max).ok().filter(|_| min <= max);
        let positive = positive.map(|max| magnitudes(u64::try_from(min).unwrap_or(0), max));
        let negative = (min < 0 && min <= max)
            .then(|| magnitudes(max.min(-1).unsigned_abs(), min.unsigned_abs()));
        Self { positive, negative }
    }

    pub(super) fn next(&self, digits: Digits, byte: u8) -> Option<Digits> {
        let first = |is_negative| Digits::Some {
            is_negative,
            number: 0,
            to_least: Ordering::Equal,
            to_greatest: Ordering::Equal,
        };
        match (digits, byte) {
            (Digits::Nothing, b'-') => Some(Digits::Minus),
            (Digits::Nothing, b'0') => Some(Digits::Zero),
            (Digits::Nothing, b'1'..=b'9') => self.add(first(false), byte),
            (Digits::Minus, b'1'..=b'9') => self.add(first(true), byte),
            (Digits::Some { .. }, b'0'..=b'9') => self.add(digits, byte),
            _ => None,
        }
    }

    fn add(&self, digits: Digits, byte: u8) -> Option<Digits> {
        let Digits::Some { is_negative, number, to_least, to_greatest } = digits else {
            return None;
        };
        let Magnitudes { least, greatest } = self.magnitudes(is_negative)?;
        let compared = |so_far: Ordering, bound: &[u8]| {
            so_far.then(bound.get(number).map_or(Ordering::Equal, |digit| byte.cmp(digit)))
        };
        let number_now = number + 1;
        (number < MAX_DIGITS.min(greatest.len())).then(|| Digits::Some {
            is_negative,
            number: number_now,
            to_least: compared(to_least, least),
            to_greatest: compared(to_greatest, greatest),
        })
    }

    pub(super) fn accepts(&self, digits: Digits) -> bool {
        match digits {
            Digits::Nothing | Digits::Minus => false,
            Digits::Zero => self.positive.as_ref().is_some_and(|range| range.least == b"0"),
            Digits::Some { is_negative, number, to_least, to_greatest } => {
                let range = self.magnitudes(is_negative);
                range.is_some_and(|Magnitudes { least, greatest }| {
                    number.cmp(&least.len()).then(to_least).is_ge()
                        && number.cmp(&greatest.len()).then(to_greatest).is_le()
                })
            }
        }
    }

    fn magnitudes(&self, is_negative: bool) -> Option<&Magnitudes> {
        if is_negative { self.negative.as_ref() } else { self.positive.as_ref() }
    }
}
