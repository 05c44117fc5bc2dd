//! Queries and urlencoded forms.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::names::{
    Codes, FORM, Listed, PROTOTYPE, QUERY, fold, is_override, root, root_with_dots,
};
use super::tests_of_values::{Found, counted, is_plain, test};
use super::{Outcome, all};

const MOST: usize = 256;
const LONGEST_NAME: usize = 1024;
const MOST_KEYS: usize = 16;

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

/// Section 4.2, the parameters of an open query that are names of the body as well.
pub(crate) fn in_both(rule: &serde_json::Map<String, Value>, query: &[u8]) -> Outcome {
    let own = rule.get("query").and_then(Value::as_object);
    let is_open = own.is_none_or(|own| own.contains_key("*"));
    let bodies: Vec<_> =
        ["json", "form"].iter().filter_map(|part| rule.get(*part)?.as_object()).collect();
    let has_shape = !bodies.is_empty() || rule.contains_key("json_each");
    if !is_open || !has_shape || query.is_empty() {
        return Outcome::True;
    }
    let Some(parameters) = read(query, b' ') else { return Outcome::unknown(QUERY.twin) };
    let is = |name: &str, names: &serde_json::Map<String, Value>| {
        !matches!(standing(name, &Listed::of(names)), Standing::Unlisted)
    };
    let is_listed = |name: &str| {
        own.is_some_and(|own| matches!(standing(name, &Listed::of(own)), Standing::Listed(_)))
    };
    let clash =
        |(name, _): &Parameter| !is_listed(name) && bodies.iter().any(|names| is(name, names));
    if parameters.iter().any(clash) { Outcome::unknown(QUERY.twin) } else { Outcome::True }
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
        // qs undoes `%5D`, and takes the first `]=` for the end of a name.
        let begun = piece.split(|byte| *byte == b'=').next()?.len() + 1;
        let value = String::from_utf8_lossy(piece.get(begun..).unwrap_or_default());
        if value.to_lowercase().replace("%5d", "]").contains("]=") {
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
        (0..=1).contains(&open)
    });
    let begins_oddly = name.trim_start().starts_with(['[', ']', '?']);
    let bounded = (1..=LONGEST_NAME).contains(&name.len());
    bounded
        && is_plain(name)
        && !name.contains(PROTOTYPE)
        && !holds_triplet(name)
        && !begins_oddly
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

/// The keys in brackets behind a text, if there is nothing else behind the text.
fn keys_behind<'n>(name: &'n str, text: &str) -> Option<&'n str> {
    static KEYS: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\A(\[[^\[\]]*\])+\z").unwrap());
    name.strip_prefix(text).filter(|keys| KEYS.is_match(keys))
}

/// Section 4.2.7.
fn meet(name: &str, other: &str) -> bool {
    let keys = |name: &str| -> Vec<String> {
        name.split('[').skip(1).map(|key| key.trim_end_matches(']').to_owned()).collect()
    };
    let number = |key: &str| key.trim().parse::<i64>().ok();
    let differ = |(one, other): (&String, &String)| {
        let one_number = number(one).is_some() && number(one) == number(other);
        !one.is_empty() && !other.is_empty() && root(one) != root(other) && !one_number
    };
    same_root(name, other) && !keys(name).iter().zip(&keys(other)).take(MOST_KEYS).any(differ)
}

fn same_root(name: &str, other: &str) -> bool {
    root(name) == root(other) || root_with_dots(name) == root_with_dots(other)
}

/// What a name is to the rule.
enum Standing {
    /// The number of the listed name that stands for it.
    Listed(usize),
    Twin,
    Unlisted,
}

fn standing(name: &str, listed: &[Listed<'_>]) -> Standing {
    if let Some(plain) = listed.iter().position(|listed| !listed.keyed && listed.name == name) {
        return Standing::Listed(plain);
    }
    let keyed = listed
        .iter()
        .enumerate()
        .filter(|(_, listed)| listed.keyed && keys_behind(name, &listed.name).is_some())
        .max_by_key(|(_, listed)| listed.name.len());
    if let Some((number, found)) = keyed {
        let longer = |other: &&Listed<'_>| other.name.len() > found.name.len();
        let doubtful = listed.iter().filter(longer).any(|other| meet(name, &other.name));
        return if doubtful { Standing::Twin } else { Standing::Listed(number) };
    }
    let twin =
        |listed: &Listed<'_>| same_root(name, &listed.name) || fold(name) == fold(&listed.name);
    if listed.iter().any(twin) { Standing::Twin } else { Standing::Unlisted }
}

fn all_of(names: &Value, parameters: &[Parameter], codes: &'static Codes) -> Outcome {
    let names = names.as_object().unwrap();
    let listed = Listed::of(names);
    let mut found: BTreeMap<(usize, &str), Vec<&Parameter>> = BTreeMap::new();
    let (mut outcomes, mut twins, mut others) = (Vec::new(), Vec::new(), BTreeSet::new());
    for parameter @ (name, value) in parameters {
        let text = value.as_deref().unwrap_or_default();
        match (standing(name, &listed), names.get("*")) {
            _ if is_override(name) => {
                twins.push(name.as_str());
                outcomes.push(Outcome::unknown(codes.overriding));
            }
            (Standing::Listed(_), _) if value.is_none() => return Outcome::unknown(codes.syntax),
            (Standing::Listed(number), _) => {
                found.entry((number, name)).or_default().push(parameter);
            }
            (Standing::Twin, _) => {
                twins.push(name.as_str());
                outcomes.push(Outcome::unknown(codes.twin));
            }
            (Standing::Unlisted, None) => outcomes.push(Outcome::False),
            (Standing::Unlisted, Some(value)) => {
                outcomes.push(test(value, Found::Text(text), codes));
                if !(is_open(value) || others.insert(name.as_str())) {
                    outcomes.push(Outcome::unknown(codes.twice));
                }
            }
        }
    }
    if meeting(&listed, found.keys()) {
        outcomes.push(Outcome::unknown(codes.twin));
    }
    // Of a name that has a twin neither the value nor the absence is known: section 3.1.6.
    let has_twin = |number: usize| twins.iter().any(|twin| same_root(twin, &listed[number].name));
    for ((number, _), found) in found.iter().filter(|((number, _), _)| !has_twin(*number)) {
        outcomes.push(one_listed(&listed[*number], found, codes));
    }
    for (number, listed) in listed.iter().enumerate().filter(|(number, _)| !has_twin(*number)) {
        if !found.keys().any(|(found, _)| *found == number) {
            outcomes.push(listed.absent());
        }
    }
    all(outcomes)
}

/// True for a test of names that may be repeated.
fn is_open(value: &Value) -> bool {
    value.as_object().is_some_and(|words| {
        words.is_empty() || ["each", "count", "absent"].iter().any(|word| words.contains_key(*word))
    })
}

/// True if two listed names are there that meet, of which one has no `[*]`.
fn meeting<'n>(
    listed: &[Listed<'_>],
    there: impl Iterator<Item = &'n (usize, &'n str)> + Clone,
) -> bool {
    let plain = there.clone().filter(|(number, _)| !listed[*number].keyed);
    plain
        .into_iter()
        .any(|(_, name)| there.clone().any(|(_, other)| name != other && meet(name, other)))
}

/// Judges a name that is there, once or more often.
fn one_listed(listed: &Listed<'_>, found: &[&Parameter], codes: &'static Codes) -> Outcome {
    let (each, count) = (listed.value.get("each"), listed.value.get("count"));
    if listed.wants_absence() {
        return Outcome::False;
    }
    if found.len() > 1 && each.is_none() && count.is_none() {
        return Outcome::unknown(codes.twice);
    }
    let tested = match (each, count) {
        (Some(each), _) => Some(each),
        (None, Some(_)) => None,
        (None, None) => Some(listed.value),
    };
    let one = |(_, value): &&Parameter| match (value, tested) {
        (None, _) => Outcome::unknown(codes.syntax),
        (Some(_), None) => Outcome::True,
        (Some(text), Some(tested)) => test(tested, Found::Text(text), codes),
    };
    let count = count.map(|wanted| counted(wanted, found.len()));
    all(found.iter().map(one).chain(count))
}
