//! NAMES: names that must be there, names that may be, and those beside them; twins of names.

use serde_json::{Map, Value};

use super::strict_json::{Json, Text};
use super::tests_of_values::{Found, is_plain, test};
use super::{Outcome, all};

/// The name of the object from which an object of JavaScript inherits.
pub(crate) const PROTOTYPE: &str = "__proto__";

/// The codes of a part of a request.
#[derive(Debug)]
pub(crate) struct Codes {
    pub(crate) value: &'static str,
    pub(crate) twice: &'static str,
    pub(crate) twin: &'static str,
    pub(crate) syntax: &'static str,
    pub(crate) overriding: &'static str,
}

macro_rules! codes {
    ($part:literal) => {
        Codes {
            value: concat!($part, "_value"),
            twice: concat!($part, "_twice"),
            twin: concat!($part, "_twin"),
            syntax: concat!($part, "_syntax"),
            overriding: concat!($part, "_override"),
        }
    };
}

pub(crate) const JSON: Codes = codes!("json");
pub(crate) const FORM: Codes = codes!("form");
pub(crate) const QUERY: Codes = codes!("query");
pub(crate) const HEADER: Codes = codes!("header");
pub(crate) const PATH: Codes = codes!("path");

/// The names that override a method, lower case with `_` for `-`: `request-target.md` section 3.
const OVERRIDES: [&str; 8] = [
    "_method",
    "$method",
    "_httpmethod",
    "$httpmethod",
    "$httpheaders",
    "x_http_method_override",
    "x_http_method",
    "x_method_override",
];

/// True for a name that overrides a method, as the steps of that section read the name.
pub(crate) fn is_override(name: &str) -> bool {
    let blank = |character: char| character.is_whitespace() || character == '+';
    let bracket = |character: char| matches!(character, '[' | ']');
    let begun = name.trim_start_matches(|character| blank(character) || bracket(character));
    let readings = [begun.split(bracket).next().unwrap().to_owned(), begun.replace('[', "_")];
    readings.iter().any(|reading| {
        let read = reading.trim_end_matches(blank).to_lowercase().replace(['-', '.', ' '], "_");
        OVERRIDES.contains(&read.as_str())
    })
}

/// A name up to the first U+0000, without case, `_` and `-`.
pub(crate) fn fold(name: &str) -> String {
    let read = name.split('\0').next().unwrap();
    read.chars()
        .flat_map(char::to_lowercase)
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .filter(|character| !matches!(character, '_' | '-' | '\u{307}'))
        .collect()
}

/// A member's name as readers of OData and JSON-LD see it, too.
pub(crate) fn fold_member(name: &str) -> String {
    let folded = fold(name);
    let plain = folded.trim_start_matches('$');
    let bare = plain.strip_prefix('@').map(|bare| bare.strip_prefix("odata.").unwrap_or(bare));
    bare.unwrap_or(plain).to_owned()
}

/// The root of a parameter's name: without brackets, dots, `!` and `$` in front, up to the first
/// `=`, `(`, `[` or `.`, without case, blanks, `_`, `-` and ignorable characters.
pub(crate) fn root(name: &str) -> String {
    let name = without_blanks(name.split('=').next().unwrap());
    let begun = name.trim_start_matches(['[', '.', '!', '$']);
    fold(begun.split(['(', '[', '.']).next().unwrap())
}

/// The same to a reader that makes a blank of `.`.
pub(crate) fn root_with_dots(name: &str) -> String {
    root(&name.replace('.', " "))
}

fn without_blanks(name: &str) -> String {
    let ignorable = |character: char| {
        matches!(character,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
    };
    name.chars()
        .filter(|character| {
            !character.is_whitespace() && *character != '+' && !ignorable(*character)
        })
        .collect()
}

/// A name of NAMES.
#[derive(Debug)]
pub(crate) struct Listed<'r> {
    pub(crate) name: String,
    /// True if the name stands for itself with keys in brackets behind.
    pub(crate) keyed: bool,
    /// True if the name may be missing.
    pub(crate) optional: bool,
    pub(crate) value: &'r Value,
}

impl<'r> Listed<'r> {
    /// All names but `*`.
    pub(crate) fn of(names: &'r Map<String, Value>) -> Vec<Listed<'r>> {
        names
            .iter()
            .filter(|(name, _)| *name != "*")
            .map(|(name, value)| {
                let question = marked(name, "?");
                let unmarked = question.unwrap_or(name);
                let keyed = marked(unmarked, "[*]");
                Listed {
                    name: unescaped(keyed.unwrap_or(unmarked)),
                    keyed: keyed.is_some(),
                    optional: question.is_some() || keyed.is_some(),
                    value,
                }
            })
            .collect()
    }

    /// True if this test is `{"absent": true}`.
    pub(crate) fn wants_absence(&self) -> bool {
        self.value.get("absent").is_some()
    }

    pub(crate) fn absent(&self) -> Outcome {
        Outcome::of(self.optional || self.wants_absence())
    }
}

/// The name before a mark at its end, if no backslash takes the mark's meaning away.
fn marked<'n>(name: &'n str, mark: &str) -> Option<&'n str> {
    let before = name.strip_suffix(mark)?;
    let backslashes = before.len() - before.trim_end_matches('\\').len();
    (backslashes % 2 == 0).then_some(before)
}

fn unescaped(name: &str) -> String {
    let mut plain = String::new();
    let mut rest = name.chars().peekable();
    while let Some(character) = rest.next() {
        let escapes = character == '\\'
            && rest.peek().is_some_and(|next| matches!(next, '?' | '*' | '[' | '\\'));
        plain.push(if escapes { rest.next().unwrap() } else { character });
    }
    plain
}

/// The place of an object: only at the top a member overrides a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    Top,
    Below,
}

/// Judges the members of an object.
///
/// A twin says that the test on the listed name cannot be judged, whether the name is there or not.
pub(crate) fn object(names: &Value, members: &[(Text, Json)], depth: Depth) -> Outcome {
    let names = names.as_object().unwrap();
    let listed = Listed::of(names);
    // A name that some reader cuts, or that is no text, may be any other name.
    let is_read = |(name, _): &(Text, Json)| {
        name.as_deref().is_some_and(|name| is_plain(name) && name != PROTOTYPE)
    };
    let unread = !members.iter().all(is_read);
    let twin_of = |name: &str, listed: &Listed<'_>| {
        name != listed.name && fold_member(name) == fold_member(&listed.name)
    };
    let one = |listed: &Listed<'_>| {
        let mut names = members.iter().flat_map(|(name, _)| name);
        let twin = unread || names.any(|name| twin_of(name, listed));
        let mut found =
            members.iter().filter(|(name, _)| name.as_deref() == Some(listed.name.as_str()));
        match (twin, found.next(), found.next()) {
            (true, ..) => Outcome::unknown(JSON.twin),
            (_, None, _) => listed.absent(),
            (_, Some(_), _) if listed.wants_absence() => Outcome::False,
            (_, Some(_), Some(_)) => Outcome::unknown(JSON.twice),
            (_, Some((_, value)), None) => test(listed.value, Found::Json(value), &JSON),
        }
    };
    let other = |member @ (name, value): &(Text, Json)| {
        let Some(name) = name.as_ref().filter(|_| is_read(member)) else {
            return Outcome::unknown(JSON.twin);
        };
        if listed.iter().any(|listed| listed.name == *name || twin_of(name, listed)) {
            return Outcome::True; // Judged above.
        }
        match names.get("*") {
            None => Outcome::False,
            Some(_) if depth == Depth::Top && is_override(name) => {
                Outcome::unknown(JSON.overriding)
            }
            Some(value_test) => test(value_test, Found::Json(value), &JSON),
        }
    };
    all(listed.iter().map(one).chain(members.iter().map(other)))
}

/// Judges header fields or captures: those beside the listed ones pass.
pub(crate) fn fields<'f>(
    names: &Value,
    found: impl Fn(&str) -> Vec<&'f str>,
    codes: &'static Codes,
) -> Outcome {
    let one = |listed: &Listed<'_>| match found(&listed.name)[..] {
        [] => listed.absent(),
        _ if listed.wants_absence() => Outcome::False,
        [text] => test(listed.value, Found::Text(text), codes),
        _ => Outcome::unknown(codes.twice),
    };
    all(Listed::of(names.as_object().unwrap()).iter().map(one))
}
