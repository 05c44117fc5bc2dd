//! Queries and urlencoded forms.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::names::{Codes, FORM, Listed, QUERY, fold, is_override, root};
use super::tests_of_values::{Found, counted, is_plain, test};
use super::{Outcome, all};

const MOST: usize = 256;

/// What the API makes of `+` in a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Plus {
    /// Nobody knows: both readings must agree.
    #[default]
    Both,
    Blank,
    Itself,
}

pub(crate) fn query(names: &Value, query: &[u8], plus: Plus) -> Outcome {
    let blank = judged(names, query, b' ', &QUERY);
    let itself = judged(names, query, b'+', &QUERY);
    match plus {
        Plus::Blank => blank,
        Plus::Itself => itself,
        Plus::Both => match (blank, itself) {
            (Outcome::True, Outcome::True) => Outcome::True,
            (Outcome::False, Outcome::False) => Outcome::False,
            (Outcome::Unknown(codes), Outcome::Unknown(others)) => {
                Outcome::Unknown([codes, others].concat())
            }
            (Outcome::Unknown(codes), _) | (_, Outcome::Unknown(codes)) => {
                Outcome::Unknown([codes, vec![QUERY.value]].concat())
            }
            _ => Outcome::unknown(QUERY.value),
        },
    }
}

pub(crate) fn form(names: &Value, body: &[u8]) -> Outcome {
    judged(names, body, b' ', &FORM)
}

/// A name, and the value if there is a `=`.
type Parameter = (String, Option<String>);

fn judged(names: &Value, text: &[u8], plus: u8, codes: &'static Codes) -> Outcome {
    read(text, plus).map_or_else(
        || Outcome::unknown(codes.syntax),
        |parameters| all_of(names, &parameters, codes),
    )
}

/// Section 4.2.1 to 4.2.3, but for listed names without `=`.
fn read(text: &[u8], plus: u8) -> Option<Vec<Parameter>> {
    if text.contains(&b';') {
        return None;
    }
    let pieces: Vec<&[u8]> = text.split(|byte| *byte == b'&').collect();
    let read_one = |piece: &&[u8]| {
        let mut halves = piece.splitn(2, |byte| *byte == b'=');
        // qs takes the first `]=` for the end of a name, wherever it stands.
        let begun = piece.split(|byte| *byte == b'=').next()?.len() + 1;
        if piece.get(begun..).is_some_and(|value| value.windows(2).any(|two| two == b"]=")) {
            return None;
        }
        let name = decoded(halves.next()?, plus)?;
        let value = match halves.next() {
            Some(value) => Some(decoded(value, plus)?),
            None => None,
        };
        is_name(&name).then_some((name, value))
    };
    let there = pieces.iter().filter(|piece| !piece.is_empty());
    if pieces.len() > MOST { None } else { there.map(read_one).collect() }
}

fn is_name(name: &str) -> bool {
    let mut open = 0_i32;
    let balanced = name.chars().all(|character| {
        open += i32::from(character == '[') - i32::from(character == ']');
        open >= 0
    });
    !name.is_empty()
        && is_plain(name)
        && !holds_triplet(name)
        && !name.starts_with(['[', ']'])
        && balanced
        && open == 0
}

/// Percent-decoded once; `None` if there is half a triplet, or no UTF-8.
fn decoded(text: &[u8], plus: u8) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        bytes.push(match first {
            b'+' => plus,
            b'%' => {
                let digits = rest.get(..2).filter(|two| two.iter().all(u8::is_ascii_hexdigit))?;
                rest = &rest[2..];
                u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap()
            }
            other => *other,
        });
    }
    String::from_utf8(bytes).ok()
}

fn holds_triplet(name: &str) -> bool {
    static TRIPLET: LazyLock<Regex> = LazyLock::new(|| Regex::new("%[0-9A-Fa-f]{2}").unwrap());
    TRIPLET.is_match(name)
}

/// The root of a name as PHP has it, which makes `_` of `.` and blanks before the first `[`, and as
/// other readers have it then. Some drop a `?` before a query.
fn variable(name: &str) -> String {
    let begun = name.trim_start_matches([' ', '?']).replace(['.', ' '], "_");
    fold(begun.split('[').next().unwrap())
}

/// True if the listed name stands for this one.
fn is(name: &str, listed: &Listed<'_>) -> bool {
    if !listed.keyed {
        return name == listed.name;
    }
    static KEYS: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\A(\[[^\[\]]*\])+\z").unwrap());
    KEYS.is_match(name.strip_prefix(listed.name.as_str()).unwrap_or_default())
}

/// True if some reader takes the name for the listed one.
fn twin_of(name: &str, listed: &Listed<'_>) -> bool {
    root(name) == root(&listed.name) || variable(name) == variable(&listed.name)
}

/// True if one of two names stands for a container of the other, or for the same value: a reader
/// that meets `m[a]` and `m[a][b]` keeps one of them. An empty key is whatever comes next.
fn contains(name: &str, listed: &str) -> bool {
    let keys = |name: &str| -> Vec<String> {
        name.split('[').map(|key| fold(key.trim_end_matches(']').trim())).collect()
    };
    let same =
        |(one, other): (&String, &String)| one == other || one.is_empty() || other.is_empty();
    keys(name).iter().zip(&keys(listed)).all(same)
}

fn all_of(names: &Value, parameters: &[Parameter], codes: &'static Codes) -> Outcome {
    let names = names.as_object().unwrap();
    let listed = Listed::of(names);
    let plain: Vec<&Listed<'_>> = listed.iter().filter(|listed| !listed.keyed).collect();
    let is_plain_one = |name: &str| plain.iter().any(|plain| plain.name == name);
    let is_any = |name: &str| {
        is_plain_one(name)
            || (listed.iter().any(|listed| is(name, listed))
                && !plain.iter().any(|plain| contains(name, &plain.name)))
    };
    let one = |listed: &Listed<'_>| {
        let twin = |(name, _): &Parameter| !is_any(name) && twin_of(name, listed);
        if parameters.iter().any(twin) {
            return Outcome::unknown(codes.twin);
        }
        // A name that is listed itself is not one of `x[*]`.
        let found: Vec<&Parameter> = parameters
            .iter()
            .filter(|(name, _)| is(name, listed) && (!listed.keyed || !is_plain_one(name)))
            .collect();
        one_listed(listed, &found, codes)
    };
    let other = |(name, value): &Parameter| {
        if is_override(name) {
            return Outcome::unknown(codes.overriding);
        }
        if is_any(name) || listed.iter().any(|listed| twin_of(name, listed)) {
            return Outcome::True; // Judged above.
        }
        let text = value.as_deref().unwrap_or_default();
        names.get("*").map_or(Outcome::False, |value| test(value, Found::Text(text), codes))
    };
    all(listed.iter().map(one).chain(parameters.iter().map(other)))
}

fn one_listed(listed: &Listed<'_>, found: &[&Parameter], codes: &'static Codes) -> Outcome {
    if found.is_empty() {
        return listed.absent();
    }
    if listed.wants_absence() {
        return Outcome::False;
    }
    let repeats = listed.value.get("each").is_some() || listed.value.get("count").is_some();
    let twice =
        found.iter().any(|(name, _)| found.iter().filter(|(other, _)| other == name).count() > 1);
    if twice && !repeats {
        return Outcome::unknown(codes.twice);
    }
    let each =
        listed.value.get("each").unwrap_or(if repeats { &Value::Null } else { listed.value });
    let one = |(_, value): &&Parameter| match value {
        None => Outcome::unknown(codes.syntax),
        Some(_) if each.is_null() && repeats => Outcome::True,
        Some(text) => test(each, Found::Text(text), codes),
    };
    let count = listed.value.get("count").map(|wanted| counted(wanted, found.len()));
    all(found.iter().map(one).chain(count))
}
