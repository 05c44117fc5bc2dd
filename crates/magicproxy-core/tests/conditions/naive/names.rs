//! NAMES: what must be there, what may be, and what stands beside; twins of names.

use serde_json::{Map, Value};

use super::strict_json::{Json, Text};
use super::tests_of_values::{Found, is_plain, test};
use super::{Outcome, all};

/// The codes of a place.
#[derive(Debug)]
pub(crate) struct Codes {
    pub(crate) value: &'static str,
    pub(crate) twice: &'static str,
    pub(crate) twin: &'static str,
    pub(crate) syntax: &'static str,
}

pub(crate) const BODY: Codes = Codes {
    value: "body_value",
    twice: "body_twice",
    twin: "body_twin",
    syntax: "body_syntax",
};
pub(crate) const QUERY: Codes = Codes {
    value: "query_value",
    twice: "query_twice",
    twin: "query_twin",
    syntax: "query_syntax",
};
pub(crate) const HEADER: Codes = Codes {
    value: "header_value",
    twice: "header_twice",
    twin: "header_twin",
    syntax: "header_syntax",
};
/// A capture is one text of a target that was read already.
pub(crate) const TARGET: Codes = Codes {
    value: "capture_value",
    twice: "capture_twice",
    twin: "capture_twin",
    syntax: "capture_syntax",
};

/// The names that override a method, as [`fold`] gives them: `request-target.md` 3.
const OVERRIDES: [&str; 7] = [
    "method",
    "$method",
    "httpmethod",
    "$httpmethod",
    "$httpheaders",
    "xhttpmethodoverride",
    "xhttpmethod",
];

pub(crate) fn is_override(name: &str) -> bool {
    let looks = |name: &str| {
        let folded = fold(name);
        // `method` itself is an ordinary name; `_method` is none.
        let ordinary = folded == "method" && !name.trim().starts_with(['_', '-']);
        !ordinary && (OVERRIDES.contains(&folded.as_str()) || folded == "xmethodoverride")
    };
    looks(name) || looks(&cut(name))
}

/// A name without case, `_` and `-`.
pub(crate) fn fold(name: &str) -> String {
    name.chars()
        .flat_map(char::to_lowercase)
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .filter(|character| !matches!(character, '_' | '-' | '\u{307}'))
        .collect()
}

/// The folded root of a parameter's name: without blanks and brackets, up to the first `[` or `.`.
pub(crate) fn root(name: &str) -> String {
    fold(&cut(name))
}

fn cut(name: &str) -> String {
    let begun = name.trim_start_matches([' ', '+', '\t', '\r', '\n', '\u{b}', '\u{c}', '[', ']', '.']);
    begun.split(['[', ']', '.']).next().unwrap().trim().to_owned()
}

/// The listed name without its mark for "may be missing".
pub(crate) fn without_mark(name: &str) -> &str {
    name.strip_suffix('?').unwrap_or(name)
}

/// A name of NAMES.
#[derive(Debug)]
pub(crate) struct Listed<'r> {
    pub(crate) name: &'r str,
    /// True if the name may be missing.
    pub(crate) optional: bool,
    pub(crate) value: &'r Value,
}

impl<'r> Listed<'r> {
    /// All names but `*`.
    pub(crate) fn of(names: &'r Map<String, Value>) -> Vec<Listed<'r>> {
        let named = names.iter().filter(|(name, _)| *name != "*");
        named
            .map(|(name, value)| Listed {
                name: without_mark(name),
                // `x[*]` stands for any number of names.
                optional: name.ends_with('?') || name.ends_with("[*]"),
                value,
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

/// Judges the members of an object.
pub(crate) fn object(names: &Value, members: &[(Text, Json)]) -> Outcome {
    let names = names.as_object().unwrap();
    let listed = Listed::of(names);
    let twin_of = |name: &str, listed: &Listed<'_>| {
        name != listed.name && fold(name) == fold(listed.name)
    };
    let one = |listed: &Listed<'_>| {
        let twin = members.iter().flat_map(|(name, _)| name).any(|name| twin_of(name, listed));
        let mut found = members.iter().filter(|(name, _)| name.as_deref() == Some(listed.name));
        match (twin, found.next(), found.next()) {
            (true, ..) => Outcome::unknown(BODY.twin),
            (_, None, _) => listed.absent(),
            (_, Some(_), _) if listed.wants_absence() => Outcome::False,
            (_, Some(_), Some(_)) => Outcome::unknown(BODY.twice),
            (_, Some((_, value)), None) => test(listed.value, Found::Json(value), &BODY),
        }
    };
    let other = |(name, value): &(Text, Json)| {
        let Some(name) = name.as_ref().filter(|name| is_plain(name)) else {
            return Outcome::unknown(BODY.value);
        };
        if is_override(name) {
            return Outcome::unknown("method_override");
        }
        if listed.iter().any(|listed| listed.name == name || twin_of(name, listed)) {
            return Outcome::True; // Judged above.
        }
        names.get("*").map_or(Outcome::False, |value_test| {
            test(value_test, Found::Json(value), &BODY)
        })
    };
    all(listed.iter().map(one).chain(members.iter().map(other)))
}

/// Judges header fields or captures: those beside the listed ones pass.
pub(crate) fn fields(names: &Value, found: &[(&str, &str)], codes: &'static Codes) -> Outcome {
    let one = |listed: &Listed<'_>| {
        let values: Vec<&str> =
            found.iter().filter(|(name, _)| *name == listed.name).map(|(_, text)| *text).collect();
        match values[..] {
            [] => listed.absent(),
            _ if listed.wants_absence() => Outcome::False,
            [text] => test(listed.value, Found::Text(text), codes),
            _ => Outcome::unknown(codes.twice),
        }
    };
    all(Listed::of(names.as_object().unwrap()).iter().map(one))
}
