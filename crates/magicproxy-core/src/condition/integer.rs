//! Integers that every reader of JSON and forms keeps exact. `conditions.md` section 2, item 3.

/// The largest integer: 2^53 - 1. Beyond it a double loses digits.
pub(crate) const MAX_INTEGER: i64 = 9_007_199_254_740_991;

/// The most bytes of an integer: a sign and sixteen digits. A longer text is not looked at.
const MAX_INTEGER_BYTES: usize = 17;

/// A text or a number, read as an integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Integer {
    /// An integer in its one spelling, within [`MAX_INTEGER`].
    Exact(i64),
    /// A number in another spelling, or out of range: readers may differ.
    Doubtful,
}

/// A range of integers, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IntegerRange {
    pub(crate) min: i64,
    pub(crate) max: i64,
}

impl Integer {
    /// Reads an integer. `text` is the spelling of a JSON number, or any text.
    pub(crate) fn of(text: &str) -> Self {
        if text.len() > MAX_INTEGER_BYTES {
            return Self::Doubtful;
        }
        let digits = text.strip_prefix('-').unwrap_or(text);
        let is_canonical = match digits.as_bytes() {
            [b'0'] => !text.starts_with('-'),
            [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
            _ => false,
        };
        match text.parse() {
            Ok(value) if is_canonical && (-MAX_INTEGER..=MAX_INTEGER).contains(&value) => {
                Self::Exact(value)
            }
            _ => Self::Doubtful,
        }
    }
}

impl IntegerRange {
    pub(crate) fn contains(self, value: i64) -> bool {
        (self.min..=self.max).contains(&value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_integer_has_one_spelling() {
        for (text, value) in [
            ("0", 0),
            ("-1", -1),
            ("10", 10),
            ("9007199254740991", MAX_INTEGER),
            ("-9007199254740991", -MAX_INTEGER),
        ] {
            assert_eq!(Integer::of(text), Integer::Exact(value), "{text}");
        }
        for text in [
            "",
            "-",
            "-0",
            "00",
            "01",
            "-01",
            "+1",
            "1.0",
            "1e0",
            "1E2",
            " 1",
            "1 ",
            "0x1",
            "1_000",
            "\u{661}",
            "9007199254740992",
            "-9007199254740992",
            "99999999999999999999",
            "x",
        ] {
            assert_eq!(Integer::of(text), Integer::Doubtful, "{text}");
        }
    }
}
