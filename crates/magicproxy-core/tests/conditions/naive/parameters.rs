//! Queries and urlencoded forms.

use serde_json::Value;

use super::names::{BODY, Codes, Listed, QUERY, is_override, root};
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
}

pub(crate) fn query(names: &Value, query: &[u8], plus: Plus) -> Outcome {
    let blank = judged(names, query, b' ', &QUERY);
    let itself = judged(names, query, b'+', &QUERY);
    if plus == Plus::Blank || blank == itself {
        return blank;
    }
    match (blank, itself) {
        (Outcome::Unknown(codes), Outcome::Unknown(others)) => {
            Outcome::Unknown(codes.union(&others).copied().collect())
        }
        _ => Outcome::unknown("query_value"),
    }
}

pub(crate) fn form(names: &Value, body: &[u8]) -> Outcome {
    judged(names, body, b' ', &BODY)
}

/// The decoded names of a query or a form, split at `;` too, for whoever looks for a name
/// anywhere.
pub(crate) fn names_however_split(text: &[u8]) -> Vec<String> {
    let pieces = text.split(|byte| matches!(byte, b'&' | b';'));
    let names = pieces.map(|piece| piece.split(|byte| *byte == b'=').next().unwrap());
    names.filter_map(|name| decoded(name, b' ')).collect()
}

/// A name, and the value if there is a `=`.
type Parameter = (String, Option<String>);

fn judged(names: &Value, text: &[u8], plus: u8, codes: &'static Codes) -> Outcome {
    match read(text, plus) {
        Some(parameters) if parameters.len() <= MOST => all_of(names, &parameters, codes),
        _ => Outcome::unknown(codes.syntax),
    }
}

/// `None` if the text can be read in two ways.
fn read(text: &[u8], plus: u8) -> Option<Vec<Parameter>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    if text.contains(&b';') {
        return None;
    }
    let read_one = |piece: &[u8]| {
        let mut halves = piece.splitn(2, |byte| *byte == b'=');
        let name = decoded(halves.next()?, plus)?;
        let value = match halves.next() {
            Some(value) => Some(decoded(value, plus)?),
            None => None,
        };
        (!name.is_empty() && !holds_triplet(&name)).then_some((name, value))
    };
    text.split(|byte| *byte == b'&').map(read_one).collect()
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
    regex::Regex::new("%[0-9A-Fa-f]{2}").unwrap().is_match(name)
}

/// A name as a reader has it that makes `_` of what cannot stand in the name of a variable.
fn variable(name: &str) -> String {
    let name = name.trim_start_matches(' ').replace(['.', ' ', '[', ']'], "_");
    super::fold(&name)
}

fn all_of(names: &Value, parameters: &[Parameter], codes: &'static Codes) -> Outcome {
    let names = names.as_object().unwrap();
    let listed = Listed::of(names);
    let is = |name: &str, listed: &Listed<'_>| match listed.name.strip_suffix("[*]") {
        Some(root) => name
            .strip_prefix(root)
            .and_then(|rest| rest.strip_prefix('[')?.strip_suffix(']'))
            .is_some_and(|key| !key.is_empty() && !key.contains(['[', ']'])),
        None => name == listed.name,
    };
    let is_any = |name: &str| listed.iter().any(|listed| is(name, listed));
    let twin_of = |name: &str, listed: &Listed<'_>| {
        root(name) == root(listed.name) || variable(name) == variable(listed.name)
    };
    let one = |listed: &Listed<'_>| {
        let twin = |(name, _): &&Parameter| !is_any(name) && twin_of(name, listed);
        let found: Vec<&Parameter> =
            parameters.iter().filter(|(name, _)| is(name, listed)).collect();
        if parameters.iter().any(|parameter| twin(&parameter)) {
            return Outcome::unknown(codes.twin);
        }
        one_listed(listed, &found, codes)
    };
    let other = |(name, value): &Parameter| {
        if !is_plain(name) {
            return Outcome::unknown(codes.value);
        }
        if is_override(name) {
            return Outcome::unknown("method_override");
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
    let twice = found
        .iter()
        .any(|(name, _)| found.iter().filter(|(other, _)| other == name).count() > 1);
    if twice && !repeats {
        return Outcome::unknown(codes.twice);
    }
    let each = listed.value.get("each").unwrap_or(if repeats { &Value::Null } else { listed.value });
    let one = |(_, value): &&Parameter| match value {
        None => Outcome::unknown(codes.syntax),
        Some(_) if each.is_null() && repeats => Outcome::True,
        Some(text) => test(each, Found::Text(text), codes),
    };
    let count = listed.value.get("count").map(|wanted| counted(wanted, found.len()));
    all(found.iter().map(one).chain(count))
}
