//! VALUE: the test of one value.

use serde_json::{Map, Value};

use super::names::{Codes, Depth, object};
use super::strict_json::Json;
use super::{Outcome, all};

/// The greatest length of a text that a glob or a pattern is asked of.
const LONGEST: usize = 8192;
const GREATEST: i64 = (1 << 53) - 1;

/// A value that was found: of JSON, or a text of a query, a form, a header field or a path.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Found<'f> {
    Json(&'f Json),
    Text(&'f str),
}

impl<'f> Found<'f> {
    /// The text, if this is one that every reader reads alike.
    fn judged_text(self) -> Option<&'f str> {
        let text = match self {
            Found::Json(Json::Text(Some(text))) => text.as_str(),
            Found::Text(text) => text,
            Found::Json(_) => return None,
        };
        is_plain(text).then_some(text)
    }

    fn integer(self) -> Option<i64> {
        let spelled = match self {
            Found::Json(Json::Number(spelled)) => spelled.as_str(),
            Found::Text(text) => text,
            Found::Json(_) => return None,
        };
        let number: i64 = spelled.parse().ok()?;
        (number.to_string() == spelled && number.abs() <= GREATEST).then_some(number)
    }
}

/// True without control characters.
pub(crate) fn is_plain(text: &str) -> bool {
    !text.chars().any(|character| character < ' ' || character == '\u{7f}')
}

pub(crate) fn test(value: &Value, found: Found<'_>, codes: &'static Codes) -> Outcome {
    match value {
        Value::Object(words) => {
            all(words.iter().map(|(word, argument)| one_word(word, argument, words, found, codes)))
        }
        Value::Array(list) => one_of(list, found, codes),
        scalar => one_of(std::slice::from_ref(scalar), found, codes),
    }
}

fn one_word(
    word: &str,
    argument: &Value,
    words: &Map<String, Value>,
    found: Found<'_>,
    codes: &'static Codes,
) -> Outcome {
    match word {
        "type" => of_type(argument, found, codes),
        "glob" | "pattern" => matching(word, argument, found, codes),
        "min" | "max" => in_range(word, argument, found, codes),
        "each" => elements(found, codes, |list| {
            all(list.iter().map(|element| test(argument, Found::Json(element), codes)))
        }),
        "count" => elements(found, codes, |list| counted(argument, list.len())),
        "object" => match found {
            Found::Json(Json::Object(members)) => object(argument, members, Depth::Below),
            _ => Outcome::unknown(codes.value),
        },
        "absent" => Outcome::False,
        other => panic!("no word of a test: {other} in {words:?}"),
    }
}

/// Exactly one of these scalars.
fn one_of(list: &[Value], found: Found<'_>, codes: &'static Codes) -> Outcome {
    let unknown = || Outcome::unknown(codes.value);
    match found {
        Found::Json(Json::Null) if list.contains(&Value::Null) => Outcome::True,
        Found::Json(Json::Bool(known)) => {
            among(list, |other| other.as_bool().map(|other| other == *known))
                .unwrap_or_else(unknown)
        }
        Found::Json(Json::Number(_)) => found
            .integer()
            .and_then(|number| among(list, |other| other.as_i64().map(|other| other == number)))
            .unwrap_or_else(unknown),
        Found::Json(Json::Text(_)) => found
            .judged_text()
            .and_then(|text| among(list, |other| other.as_str().map(|other| other == text)))
            .unwrap_or_else(unknown),
        Found::Json(_) => unknown(),
        Found::Text(text) => all_texts(list, text, found).unwrap_or_else(unknown),
    }
}

/// Asks each scalar of the found kind; `None` if there is none of this kind.
fn among(list: &[Value], equal: impl Fn(&Value) -> Option<bool>) -> Option<Outcome> {
    let answers: Vec<bool> = list.iter().filter_map(equal).collect();
    (!answers.is_empty()).then(|| Outcome::of(answers.contains(&true)))
}

/// Outside of JSON a scalar is its text. What a reader could take for an integer is unknown.
fn all_texts(list: &[Value], text: &str, found: Found<'_>) -> Option<Outcome> {
    let spelled =
        |scalar: &Value| scalar.as_str().map_or_else(|| scalar.to_string(), str::to_owned);
    found.judged_text()?;
    if list.iter().any(|scalar| spelled(scalar) == text) {
        return Some(Outcome::True);
    }
    let doubtful = list.iter().any(Value::is_number)
        && found.integer().is_none()
        && text.chars().any(char::is_numeric);
    (!doubtful).then_some(Outcome::False)
}

fn of_type(argument: &Value, found: Found<'_>, codes: &'static Codes) -> Outcome {
    let wanted = |name: &str| match argument {
        Value::Array(names) => names.iter().any(|other| other == name),
        other => other == name,
    };
    Outcome::of(match found {
        Found::Text(_) | Found::Json(Json::Text(_)) => wanted("string"),
        Found::Json(Json::Null) => wanted("null"),
        Found::Json(Json::Bool(_)) => wanted("boolean"),
        Found::Json(Json::List(_)) => wanted("array"),
        Found::Json(Json::Object(_)) => wanted("object"),
        Found::Json(Json::Number(_)) if wanted("number") => true,
        Found::Json(Json::Number(_)) if found.integer().is_some() => wanted("integer"),
        Found::Json(Json::Number(_)) if wanted("integer") => return Outcome::unknown(codes.value),
        Found::Json(Json::Number(_)) => false,
    })
}

fn matching(word: &str, argument: &Value, found: Found<'_>, codes: &'static Codes) -> Outcome {
    let Some(text) = found.judged_text().filter(|text| text.len() <= LONGEST) else {
        return Outcome::unknown(codes.value);
    };
    let list = match argument {
        Value::Array(list) => list.clone(),
        one => vec![one.clone()],
    };
    let matches = |one: &Value| match word {
        "glob" => expression(&glob(one.as_str().unwrap())).is_match(text.as_bytes()),
        _ => expression(one.as_str().unwrap()).is_match(text.as_bytes()),
    };
    Outcome::of(text.is_ascii() && list.iter().any(matches))
}

fn expression(pattern: &str) -> regex::bytes::Regex {
    regex::bytes::Regex::new(&format!(r"(?-u)\A(?:{pattern})\z")).unwrap()
}

fn glob(glob: &str) -> String {
    let mut pattern = String::new();
    let mut characters = glob.chars();
    while let Some(character) = characters.next() {
        match character {
            '*' => pattern.push_str("[ -~]*"),
            '\\' => pattern += &regex::escape(&characters.next().unwrap().to_string()),
            other => pattern += &regex::escape(&other.to_string()),
        }
    }
    pattern
}

fn in_range(word: &str, end: &Value, found: Found<'_>, codes: &'static Codes) -> Outcome {
    let end = end.as_i64().unwrap();
    found.integer().map_or_else(
        || Outcome::unknown(codes.value),
        |number| Outcome::of(if word == "min" { end <= number } else { number <= end }),
    )
}

fn elements(
    found: Found<'_>,
    codes: &'static Codes,
    judge: impl Fn(&[Json]) -> Outcome,
) -> Outcome {
    match found {
        Found::Json(Json::List(list)) => judge(list),
        _ => Outcome::unknown(codes.value),
    }
}

pub(crate) fn counted(wanted: &Value, count: usize) -> Outcome {
    let count = u64::try_from(count).unwrap();
    let end = |name: &str| wanted.get(name).and_then(Value::as_u64);
    Outcome::of(match wanted.as_u64() {
        Some(exactly) => count == exactly,
        None => end("min").unwrap_or(0) <= count && count <= end("max").unwrap_or(u64::MAX),
    })
}
