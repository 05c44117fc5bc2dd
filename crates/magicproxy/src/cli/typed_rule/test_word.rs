//! The test of a word: `=main,next`, `=1..9`, `~agent/*`, or nothing.

use serde_json::{Value, json};

/// Whether values have the types of JSON, or are texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Typing {
    Json,
    Text,
}

/// Reads the test behind a name.
pub(super) fn test_of(text: &str, typing: Typing) -> Result<Value, String> {
    if text.is_empty() {
        return Ok(json!({}));
    }
    if let Some(globs) = text.strip_prefix('~') {
        return one_or_more(globs, text_of).map(|globs| json!({ "glob": globs }));
    }
    let Some(values) = text.strip_prefix('=') else {
        return Err("expected `=` or `~` behind the name, or nothing".to_owned());
    };
    if values.starts_with('=') {
        return Err(
            "one `=` is enough; a text that begins with `=` is written in quotes".to_owned()
        );
    }
    match range(values) {
        Some(range) => Ok(range),
        None => one_or_more(values, |text| value(text, typing)),
    }
}

/// Reads `1..9`, `1..` or `..9`.
fn range(text: &str) -> Option<Value> {
    let (min, max) = text.split_once("..")?;
    let end = |end: &str| if end.is_empty() { Some(None) } else { integer(end).map(Some) };
    match (end(min)?, end(max)?) {
        (Some(min), Some(max)) => Some(json!({"min": min, "max": max})),
        (Some(min), None) => Some(json!({ "min": min })),
        (None, Some(max)) => Some(json!({ "max": max })),
        (None, None) => None,
    }
}

/// Reads a list of values between commas; a single value stands for itself.
fn one_or_more(text: &str, read: impl Fn(&str) -> Result<Value, String>) -> Result<Value, String> {
    let mut values = Vec::new();
    let mut rest = text;
    loop {
        let end = end_of_value(rest);
        let (value, behind) = rest.split_at(end);
        values.push(read(value)?);
        match behind.strip_prefix(',') {
            Some(behind) => rest = behind,
            None => break,
        }
    }
    Ok(if values.len() == 1 { values.swap_remove(0) } else { Value::Array(values) })
}

/// Returns the length of the first value: up to a comma that is not quoted.
fn end_of_value(text: &str) -> usize {
    if !text.starts_with('"') {
        return text.find(',').unwrap_or(text.len());
    }
    let mut is_escaped = true;
    for (at, character) in text.char_indices() {
        match character {
            '"' if !is_escaped => {
                let behind = text.get(at..).and_then(|behind| behind.find(','));
                return behind.map_or(text.len(), |behind| at + behind);
            }
            '\\' => is_escaped = !is_escaped,
            _ => is_escaped = false,
        }
    }
    text.len()
}

fn value(text: &str, typing: Typing) -> Result<Value, String> {
    if text.starts_with('"') {
        return text_of(text);
    }
    if text.contains('*') {
        return Err(format!(
            "`=` compares the whole text, and `*` means nothing there: write `~{text}` for a glob, or \"{text}\" in quotes for the text itself"
        ));
    }
    match (typing, text) {
        (Typing::Text, _) => text_of(text),
        (Typing::Json, "true") => Ok(json!(true)),
        (Typing::Json, "false") => Ok(json!(false)),
        (Typing::Json, "null") => Ok(Value::Null),
        (Typing::Json, number) if looks_like_number(number) => match integer(number) {
            Some(integer) => Ok(json!(integer)),
            None => Err(format!(
                "`{text}` is no integer that every reader takes for the same: write an integer, or \"{text}\" in quotes for the text"
            )),
        },
        (Typing::Json, _) => text_of(text),
    }
}

/// Reads a text, in quotes or without.
fn text_of(text: &str) -> Result<Value, String> {
    if text.is_empty() {
        return Err("a value is missing; the empty text is `\"\"`".to_owned());
    }
    if !text.starts_with('"') {
        return Ok(json!(text));
    }
    match serde_json::from_str(text) {
        Ok(Value::String(text)) => Ok(Value::String(text)),
        _ => Err(format!("{text} is not a text in quotes, as JSON has it")),
    }
}

/// Reads an integer in its one spelling.
fn integer(text: &str) -> Option<i64> {
    text.parse::<i64>().ok().filter(|integer| integer.to_string() == text)
}

fn looks_like_number(text: &str) -> bool {
    let has_digit = |text: &str| text.starts_with(|first: char| first.is_ascii_digit());
    let unsigned = text.trim_start_matches(['+', '-', '.']);
    has_digit(unsigned) && text.parse::<f64>().is_ok()
}
