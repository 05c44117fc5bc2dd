//! Lengths of time as people write them: `90s`, `15m`, `1h`, `7d`, `1h 30m`, or a number of
//! seconds.

use std::fmt;

use serde::de::Visitor;
use serde::{Deserialize, Deserializer};

const UNITS: [(char, u64); 5] =
    [('s', 1), ('m', 60), ('h', 3_600), ('d', 86_400), ('w', 7 * 86_400)];

/// The spellings of a length of time, in words for an error message.
pub(crate) const EXPECTED: &str =
    "a number of seconds or a text such as \"1h\", with `s`, `m`, `h`, `d` or `w`";

/// Reads a length of time and returns its seconds. Refuses fractions, signs and a unit that is not
/// smaller than the unit before, so no unit comes twice.
pub(crate) fn seconds(text: &str) -> Option<u64> {
    if is_number(text) {
        return text.parse().ok();
    }
    let (mut sum, mut rest) = (0_u64, text);
    let mut least: Option<u64> = None;
    while !rest.is_empty() {
        let end = rest.find(|character: char| !character.is_ascii_digit())?;
        let (number, behind) = rest.split_at_checked(end)?;
        let unit = behind.chars().next()?;
        let (_, length) = UNITS.iter().find(|(name, _)| *name == unit)?;
        let is_in_order = least.is_none_or(|least| *length < least);
        if !is_number(number) || !is_in_order {
            return None;
        }
        sum = number.parse::<u64>().ok()?.checked_mul(*length)?.checked_add(sum)?;
        least = Some(*length);
        let further = behind.get(unit.len_utf8()..)?;
        rest = match further.strip_prefix(' ') {
            Some("") => return None,
            Some(further) => further,
            None => further,
        };
    }
    least.map(|_| sum)
}

fn is_number(text: &str) -> bool {
    (1..=12).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A length of time in seconds, read from a JSON number or text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seconds(pub(crate) u64);

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Form;
        impl Visitor<'_> for Form {
            type Value = Seconds;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(EXPECTED)
            }
            fn visit_u64<E>(self, seconds: u64) -> Result<Seconds, E> {
                Ok(Seconds(seconds))
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Seconds, E> {
                seconds(text).map(Seconds).ok_or_else(|| E::custom(format!("expected {EXPECTED}")))
            }
        }
        deserializer.deserialize_any(Form)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_read_one_way() {
        for (text, length) in [
            ("3600", 3_600),
            ("0", 0),
            ("1s", 1),
            ("90s", 90),
            ("15m", 900),
            ("1h", 3_600),
            ("7d", 604_800),
            ("2w", 1_209_600),
            ("1h 30m", 5_400),
            ("1h30m", 5_400),
            ("1d 2h 3m 4s", 93_784),
        ] {
            assert_eq!(seconds(text), Some(length), "{text}");
        }
        for text in [
            "",
            " ",
            "h",
            "1",
            "1x",
            "-1h",
            "+1h",
            "1.5h",
            "1 h",
            " 1h",
            "1h ",
            "1h  30m",
            "30m 1h",
            "1h 1h",
            "1H",
            "1hour",
            "1h,30m",
            "1e3",
            "99999999999999999999",
            "１h",
        ] {
            assert!(seconds(text).is_none() || text == "1", "{text}");
        }
    }
}
