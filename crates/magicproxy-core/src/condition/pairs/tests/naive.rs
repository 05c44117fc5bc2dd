//! A naive evaluator on maps, and random texts on which the two must agree.

use std::collections::{BTreeSet, HashMap};

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{GUARDED, Place, PlusReading, names, of_form, of_query};

/// The outcomes that the specification leaves: `true`, `false`, or any of these reasons.
type Outcomes = BTreeSet<String>;

struct Naive<'r> {
    rule: &'r Map<String, Value>,
    part: &'static str,
}

fn one(outcome: &str) -> Outcomes {
    BTreeSet::from([outcome.to_owned()])
}

impl Naive<'_> {
    fn reason(&self, reason: &str) -> String {
        format!("{}_{reason}", self.part)
    }

    fn judge(&self, text: &str, plus: char) -> Outcomes {
        let Some(pairs) = self.pairs(text, plus) else { return one(&self.reason("syntax")) };
        let mut values: HashMap<String, Vec<String>> = HashMap::new();
        for (name, value) in pairs {
            values.entry(name).or_default().push(value);
        }
        let twins: Vec<&String> = values.keys().filter(|name| self.is_twin(name)).collect();
        let has_twin = |listed: &str| twins.iter().any(|twin| share_a_root(twin, listed));
        let mut outcomes = BTreeSet::new();
        for (name, values) in &values {
            let judged = self.name(name, values);
            let doubted = self.find(name).is_some_and(|(written, _)| has_twin(bare(written)));
            let is_override = judged == "form_override";
            if self.repeats(name, values) {
                outcomes.insert(self.reason("twice"));
            }
            outcomes.insert(if doubted && !is_override { self.reason("twin") } else { judged });
        }
        for (written, test) in self.rule.iter().filter(|(written, _)| !written.ends_with('*')) {
            let name = written.trim_end_matches('?');
            let may_be_missing = written.ends_with('?')
                || written.ends_with(']') && written.contains("[*]")
                || test.get("absent").is_some();
            if !values.contains_key(name) && !may_be_missing && !has_twin(name) {
                outcomes.insert("false".to_owned());
            }
        }
        if self.overlaps(values.keys()) {
            outcomes.insert(self.reason("twin"));
        }
        if outcomes.contains("false") {
            return one("false");
        }
        outcomes.remove("true");
        if outcomes.is_empty() { one("true") } else { outcomes }
    }

    fn pairs(&self, text: &str, plus: char) -> Option<Vec<(String, String)>> {
        let pieces: Vec<&str> = text.split('&').filter(|piece| !piece.is_empty()).collect();
        if text.contains(';') || pieces.len() > 256 {
            return None;
        }
        let mut pairs = Vec::new();
        for piece in pieces {
            let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
            if hides_a_name(value) {
                return None;
            }
            let (name, value) = (decode(name, plus)?, decode(value, plus)?);
            let is_listed = !is_override(&name, self.part)
                && self
                    .find(&name)
                    .is_some_and(|(written, _)| !self.is_closer_to_another(&name, written));
            if is_listed && !piece.contains('=') || !is_fit(&name) {
                return None;
            }
            pairs.push((name, value));
        }
        Some(pairs)
    }

    /// The listed name, as written, with its test.
    fn find(&self, name: &str) -> Option<(&String, &Value)> {
        let exact =
            |written: &&String| written.trim_end_matches('?') == name && !written.contains('*');
        if let Some(written) = self.rule.keys().find(exact) {
            return self.rule.get_key_value(written);
        }
        let mut bases: Vec<&String> =
            self.rule.keys().filter(|written| written.ends_with("[*]")).collect();
        bases.sort_by_key(|written| std::cmp::Reverse(written.len()));
        let written = bases.into_iter().find(|written| {
            let keys = name.strip_prefix(written.trim_end_matches("[*]"));
            keys.is_some_and(|keys| {
                keys.starts_with('[')
                    && keys.ends_with(']')
                    && !keys.replace("][", "").trim_end_matches(']').contains(']')
            })
        })?;
        self.rule.get_key_value(written)
    }

    fn name(&self, name: &str, values: &[String]) -> String {
        if is_override(name, self.part) {
            return "form_override".to_owned();
        }
        let Some((written, test)) = self.find(name) else {
            let is_twin = self.listed().any(|listed| share_a_root(name, listed));
            return match self.rule.get("*") {
                _ if is_twin => self.reason("twin"),
                None => "false".to_owned(),
                Some(test) => {
                    let mut all: Outcomes =
                        values.iter().map(|value| self.value(test, value)).collect();
                    worst(&mut all)
                }
            };
        };
        if self.is_closer_to_another(name, written) {
            return self.reason("twin");
        }
        if test.get("absent").is_some() {
            return "false".to_owned();
        }
        let Some(list) =
            test.as_object().filter(|test| test.contains_key("each") || test.contains_key("count"))
        else {
            return match values {
                [value] => self.value(test, value),
                _ => self.reason("twice"),
            };
        };
        let anything = json!({});
        let each = list.get("each").unwrap_or(&anything);
        let mut all: Outcomes = values.iter().map(|value| self.value(each, value)).collect();
        if list.get("count").is_some_and(|count| count.as_u64() != Some(values.len() as u64)) {
            all.insert("false".to_owned());
        }
        worst(&mut all)
    }

    /// True if a name that is not listed has two values, and a test of one.
    fn repeats(&self, name: &str, values: &[String]) -> bool {
        let is_open = |test: &Value| {
            let words = test.as_object();
            words.is_some_and(|words| {
                let is_of_several = |word: &str| words.contains_key(word);
                words.is_empty() || ["each", "count", "absent"].into_iter().any(is_of_several)
            })
        };
        let is_unlisted =
            !is_override(name, self.part) && self.find(name).is_none() && !self.is_twin(name);
        values.len() > 1 && is_unlisted && self.rule.get("*").is_some_and(|test| !is_open(test))
    }

    /// True if some reader takes the name for a listed one.
    fn is_twin(&self, name: &str) -> bool {
        !is_override(name, self.part)
            && match self.find(name) {
                Some((written, _)) => self.is_closer_to_another(name, written),
                None => self.listed().any(|listed| share_a_root(name, listed)),
            }
    }

    fn is_closer_to_another(&self, name: &str, written: &str) -> bool {
        let base = written.trim_end_matches("[*]");
        base != written
            && self.listed().any(|other| other.len() > base.len() && may_meet(name, other))
    }

    fn value(&self, test: &Value, value: &str) -> String {
        check_word(test, value).map_or_else(|| self.reason("value"), |passes| passes.to_string())
    }

    fn listed(&self) -> impl Iterator<Item = &str> {
        self.rule.keys().filter(|written| *written != "*").map(|written| bare(written))
    }

    fn overlaps<'n>(&self, names: impl Iterator<Item = &'n String> + Clone) -> bool {
        let found = |name: &String| !is_override(name, self.part) && self.find(name).is_some();
        let is_keyed =
            |name: &String| self.find(name).is_some_and(|(written, _)| written.ends_with("[*]"));
        let names: Vec<&String> = names.filter(|name| found(name)).collect();
        names.iter().any(|one| {
            names.iter().any(|other| {
                one != other && !(is_keyed(one) && is_keyed(other)) && may_meet(one, other)
            })
        })
    }
}

/// A listed name without its marks.
fn bare(written: &str) -> &str {
    written.trim_end_matches('?').trim_end_matches("[*]")
}

/// True if some reader ends the name in the value: at a `]` before a `=`.
fn hides_a_name(value: &str) -> bool {
    value.replace("%5D", "]").replace("%5d", "]").contains("]=")
}

/// True or false, or nothing where readers may differ about the value.
fn check_word(test: &Value, value: &str) -> Option<bool> {
    let has_controls = value.chars().any(|character| character.is_ascii_control());
    let integer = value.parse::<i64>().ok().filter(|integer| integer.to_string() == value);
    let (glob, pattern) = (test.get("glob").is_some(), test.get("pattern").is_some());
    match test {
        Value::String(_) | Value::Number(_) | Value::Array(_) => {
            let listed = test.as_array().cloned().unwrap_or_else(|| vec![test.clone()]);
            let is_it =
                |listed: &Value| listed.as_str().map_or(listed.to_string(), str::to_owned) == value;
            let is_doubtful = listed.iter().any(Value::is_number)
                && integer.is_none()
                && value.contains(|character: char| character.is_numeric());
            match listed.iter().any(is_it) {
                _ if has_controls => None,
                true => Some(true),
                false => (!is_doubtful).then_some(false),
            }
        }
        _ if glob || pattern => (!has_controls).then(|| {
            let is_plain = value.is_ascii();
            let of_pattern =
                |character: char| character.is_ascii_lowercase() || "+/".contains(character);
            is_plain
                && if glob {
                    value.starts_with('a')
                } else {
                    !value.is_empty() && value.chars().all(of_pattern)
                }
        }),
        _ if test.get("type").is_some() => integer.map(|_| true),
        _ if test.get("each").is_some() => {
            let of_one = check_word(&test["each"], value);
            if test.get("count").is_some() { Some(false) } else { of_one }
        }
        _ if test.get("absent").is_some() => Some(false),
        _ if test.get("min").is_some() => {
            let max = test.get("max").map_or(i64::MAX, |max| max.as_i64().unwrap());
            integer.map(|integer| (1..=max).contains(&integer))
        }
        _ => Some(true),
    }
}

/// False before unknown before true.
fn worst(all: &mut Outcomes) -> String {
    if all.contains("false") {
        return "false".to_owned();
    }
    all.remove("true");
    all.pop_first().unwrap_or_else(|| "true".to_owned())
}

fn decode(text: &str, plus: char) -> Option<String> {
    let text = text.replace('+', &plus.to_string());
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let digits =
            part.get(..2).filter(|digits| digits.chars().all(|digit| digit.is_ascii_hexdigit()))?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).ok()
}

fn is_fit(name: &str) -> bool {
    let mut depth = 0;
    let are_flat = name.chars().all(|character| {
        depth += i32::from(character == '[') - i32::from(character == ']');
        (0..=1).contains(&depth)
    });
    let triplet = regex::Regex::new("%[0-9a-fA-F]{2}").unwrap();
    !name.is_empty()
        && name.len() <= 1_024
        && !name.chars().any(|character| character.is_ascii_control())
        && !triplet.is_match(name)
        && !name.contains("__proto__")
        && are_flat
        && depth == 0
        && !name.trim().starts_with(['[', '?'])
}

fn is_override(name: &str, part: &str) -> bool {
    let name =
        name.trim().split('[').next().unwrap().to_lowercase().replace(['-', '.', ' ', '+'], "_");
    part == "form" && ["_method", GUARDED].contains(&name.as_str())
}

fn folded(text: &str) -> String {
    text.trim()
        .trim_start_matches('$')
        .to_lowercase()
        .replace(['_', '-', '.', ' ', '+'], "")
        .replace('ſ', "s")
}

/// The root and the keys of a name, where dots are brackets and where they are underscores.
fn paths(name: &str) -> [(String, Vec<String>); 2] {
    let split = |name: &str| {
        let mut parts = name.split('[');
        let root = folded(parts.next().unwrap());
        (root, parts.map(|key| folded(key.trim_end_matches(']'))).collect())
    };
    let name = name.trim().split('=').next().unwrap();
    [
        split(&name.trim_start_matches('.').replace('.', "[").replace("][", "[")),
        split(&name.replace('.', "_")),
    ]
}

fn share_a_root(one: &str, other: &str) -> bool {
    paths(one).iter().zip(paths(other)).any(|(one, other)| one.0 == other.0)
}

fn may_meet(one: &str, other: &str) -> bool {
    let is_free = |key: &String| key.is_empty();
    paths(one).iter().zip(paths(other)).any(|((root, keys), (other_root, others))| {
        *root == other_root
            && keys.iter().zip(&others).all(|(one, other)| {
                let doubtful = |key: &str| {
                    key.chars().all(char::is_numeric) && key.len() > 1 && key.starts_with('0')
                };
                let numbers = [one, other].iter().all(|key| key.chars().all(char::is_numeric));
                is_free(one)
                    || is_free(other)
                    || one == other
                    || numbers && (doubtful(one) || doubtful(other))
            })
    })
}

const NAMES: [&str; 31] = [
    "$a",
    "a",
    "b",
    "c",
    "A",
    "a_",
    "a[]",
    "a[b]",
    "a[B]",
    "a[b][c]",
    "a[0]",
    "a[1]",
    "a[00]",
    "a.b",
    "a_b",
    "%61",
    "a%5Bb%5D",
    "%2561",
    "a%00",
    "[a]",
    "a[",
    "a]",
    "+a",
    "",
    "_method",
    "Private-Token",
    "a%3Db",
    "a[b]c",
    "%C5%BF",
    "s",
    "d",
];
const VALUES: [&str; 18] = [
    "=", "=1", "=5", "=01", "=x", "=agent/x", "=%35", "=a+b", "=a%2Bb", "=%", "=%zz", "=%ff",
    "=%0a", "=true", "=1.0", "", "==", "=%C3%A9",
];

fn text() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        12 => prop::sample::select(&["a", "b", "c", "a[b]", "a[x]", "a[]"][..]),
        3 => prop::sample::select(&NAMES[..14]),
        1 => prop::sample::select(&NAMES[..]),
    ];
    let value = prop_oneof![
        12 => prop::sample::select(&["=x", "=5", "=1", "=agent/x"][..]),
        3 => prop::sample::select(&VALUES[..8]),
        1 => prop::sample::select(&VALUES[..]),
    ];
    let between = prop_oneof![60 => Just("&"), 1 => Just("&&"), 1 => Just(";")];
    prop::collection::vec((name, value, between), 0..5).prop_map(|pieces| {
        let piece = |(name, value, between)| format!("{name}{value}{between}");
        let text: String = pieces.into_iter().map(piece).collect();
        text.trim_end_matches('&').to_owned()
    })
}

fn rule() -> impl Strategy<Value = Value> {
    let names = [
        "a?", "b?", "c?", "a?", "b?", "c?", "a", "b", "a[*]", "a[*]", "a[b][*]", "a[b]?", "a[]?",
        "a[0]?", "a.b?", "s?", "*", "*",
    ];
    let tests = [
        json!({}),
        json!({}),
        json!("x"),
        json!(5),
        json!(["x", 5, true, "a b"]),
        json!({"glob": "a*"}),
        json!({"pattern": "[a-z+/]+"}),
        json!({"min": 1, "max": 5}),
        json!({"each": {"min": 1}}),
        json!({"each": ["x", "5"], "count": 2}),
        json!({"type": "integer"}),
        json!({"absent": true}),
    ];
    let member = (prop::sample::select(names.to_vec()), prop::sample::select(tests.to_vec()));
    prop::collection::vec(member, 0..7).prop_map(|members| {
        let mut rule = Map::new();
        for (name, test) in members {
            let base = |name: &str| name.trim_end_matches('?').trim_end_matches("[*]").to_owned();
            let is_taken = rule.keys().any(|other: &String| {
                let is_bare = !name.contains('[') || !other.contains('[');
                base(other) == base(name) && is_bare
                    || other.trim_end_matches('?') == name.trim_end_matches('?')
            });
            let is_odd = test.get("absent").is_some() && name.ends_with(['?', ']', '*']);
            if !is_taken && !is_odd {
                rule.insert(name.to_owned(), test);
            }
        }
        Value::Object(rule)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn agrees(rule in rule(), text in text()) {
        let members = rule.as_object().unwrap();
        let test = names(&rule, Place::Form);
        let form = Naive { rule: members, part: "form" }.judge(&text, ' ');
        let found = of_form(&test, text.as_bytes());
        prop_assert!(form.contains(found), "{rule} form {text:?}: {found}, expected {form:?}");
        let query = Naive { rule: members, part: "query" };
        let (blank, plus) = (query.judge(&text, ' '), query.judge(&text, '+'));
        let found = of_query(&test, &text, PlusReading::Plus);
        prop_assert!(plus.contains(found), "{rule} query {text:?}: {found}, expected {plus:?}");
        let found = of_query(&test, &text, PlusReading::Both);
        let is_right = blank.contains(found) && plus.contains(found) || found == "query_value" && (blank != plus || blank.len() > 1);
        prop_assert!(is_right, "{rule} query {text:?}: {found}, expected {blank:?} and {plus:?}");
    }
}
