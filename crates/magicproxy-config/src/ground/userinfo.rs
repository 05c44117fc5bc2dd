//! The user and password in a URL (RFC 3986 section 3.2.1), which no message, listing or excerpt of
//! a file repeats, whatever the text around the URL is and even if the URL is malformed.

use std::borrow::Cow;
use std::ops::Range;

/// The text in place of a user and password.
const MASK: &str = "***";

/// The place-holder in this program's documents and messages.
const PLACE_HOLDER: &str = "USER:PASSWORD";

/// The most bytes of a mailbox name before `@`. No token is so short, and many mail addresses have
/// such a name.
const MOST_OF_A_MAILBOX: usize = 15;

/// The spellings of `@`, including the escapes of JSON and TOML.
const ATS: [&str; 4] = ["@", "\\u0040", "\\U00000040", "\\x40"];

/// Returns a message without users and passwords. A value in the message stands between backticks,
/// or is a word that looks like a URL.
pub fn without_userinfo(message: &str) -> Cow<'_, str> {
    let mut shown = String::new();
    let mut copied = 0;
    for piece in pieces(message) {
        let text = message.get(piece.clone()).unwrap_or_default();
        if let Some(found) = userinfo(text) {
            shown += message.get(copied..piece.start + found.start).unwrap_or_default();
            shown += MASK;
            copied = piece.start + found.end;
        }
    }
    if copied == 0 {
        return Cow::Borrowed(message);
    }
    Cow::Owned(shown + message.get(copied..).unwrap_or_default())
}

/// Returns a value without user and password. The whole text is one value.
pub fn value_without_userinfo(value: &str) -> Cow<'_, str> {
    let Some(found) = userinfo(value) else { return Cow::Borrowed(value) };
    let part = |range: Range<usize>| value.get(range).unwrap_or_default();
    Cow::Owned(format!("{}{MASK}{}", part(0..found.start), part(found.end..value.len())))
}

/// Returns a message without the user and password of this value. The message may repeat the value
/// in part, and a word of a password alone cannot be recognised.
pub fn without_userinfo_of(message: String, value: &str) -> String {
    /// The least bytes of a word that is removed: a shorter word is no secret, and may occur
    /// anywhere.
    const SHORTEST: usize = 4;
    let Some(found) = userinfo(value) else { return message };
    let message = message.replace(value, &value_without_userinfo(value));
    let secret = value.get(found).unwrap_or_default();
    let password = secret.split_once(':').map_or("", |(_, password)| password);
    // The places at which readers of a URL, a rule or a command cut the text.
    let words = [secret, password]
        .into_iter()
        .flat_map(|text| text.split(|c: char| c.is_whitespace() || "/?#".contains(c)));
    words
        .filter(|word| word.len() >= SHORTEST)
        .fold(message, |message, word| message.replace(word, MASK))
}

/// Returns a JSON value without users and passwords in its strings and in the names of its members.
pub fn json_without_userinfo(value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::String(text) => Value::String(value_without_userinfo(&text).into_owned()),
        Value::Array(list) => list.into_iter().map(json_without_userinfo).collect(),
        Value::Object(members) => {
            let member = |(name, value): (String, Value)| {
                (value_without_userinfo(&name).into_owned(), json_without_userinfo(value))
            };
            members.into_iter().map(member).collect()
        }
        other @ (Value::Null | Value::Bool(_) | Value::Number(_)) => other,
    }
}

/// Returns the ranges of a file in which users and passwords may stand, whatever the syntax and
/// even if the syntax is wrong: rather too much than too little, because excerpts hide these
/// ranges.
pub fn in_source(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        // From the beginning of a URL to the end of the line, because a password may hold any
        // quotation mark; then each quoted text separately.
        let url =
            line.find("//").map(|slashes| slashes + "//".len()..last_at(line).unwrap_or_default());
        let parts = between(line, |c| matches!(c, '"' | '\'' | '`' | '=')).into_iter();
        let parts = parts.filter_map(|part| {
            let span = userinfo(line.get(part.clone())?)?;
            Some(part.start + span.start..part.start + span.end)
        });
        let spans = url.into_iter().chain(parts).filter(|span| !span.is_empty());
        found.extend(spans.map(|span| start + span.start..start + span.end));
        start += line.len();
    }
    found
}

/// Returns the range of user and password in a value: up to the last `@`, from behind the `//` of a
/// URL or from the beginning.
fn userinfo(value: &str) -> Option<Range<usize>> {
    let end = last_at(value)?;
    let head = value.get(..end)?;
    let start = match head.split_once("//") {
        // `me:a//b@host` is no URL, and everything before `@` is a user and a password.
        Some((scheme, _)) if scheme.find(':').is_none_or(|colon| colon + 1 == scheme.len()) => {
            scheme.len() + "//".len()
        }
        _ => {
            let target = behind_method(head);
            (!is_no_user(head.get(target..)?)).then_some(target)?
        }
    };
    let found = head.get(start..)?;
    (!found.is_empty() && found != PLACE_HOLDER).then_some(start..end)
}

/// Returns the offset behind a rule's method, as in `GET /users/`; 0 if the text has no method.
fn behind_method(head: &str) -> usize {
    let is_method = |word: &str| {
        !word.is_empty()
            && word.bytes().all(|byte| byte.is_ascii_uppercase() || b"*|".contains(&byte))
    };
    head.split_once(' ').filter(|(word, _)| is_method(word)).map_or(0, |(word, _)| word.len() + 1)
}

fn last_at(text: &str) -> Option<usize> {
    ATS.iter().filter_map(|at| text.rfind(at)).max()
}

/// True if a text without `//` is a path, prose, or the beginning of a mail address, and not
/// `USER:PASSWORD` or a token.
fn is_no_user(head: &str) -> bool {
    match head.find(|c: char| c == ':' || c == '/' || c.is_whitespace()) {
        Some(at) => {
            head.starts_with("mailto:") || !head.get(at..).is_some_and(|rest| rest.starts_with(':'))
        }
        None => head.len() <= MOST_OF_A_MAILBOX,
    }
}

/// Returns the ranges of the values in a message: the texts between backticks, and words outside of
/// backticks with `//`.
fn pieces(message: &str) -> Vec<Range<usize>> {
    let mut pieces = Vec::new();
    let mut at = 0;
    while let Some(open) = message.get(at..).and_then(|rest| rest.find('`')).map(|found| at + found)
    {
        pieces.extend(urls(message, at..open));
        let close = closing(message, open + 1);
        pieces.push(open + 1..close);
        at = (close + 1).min(message.len());
    }
    pieces.extend(urls(message, at..message.len()));
    pieces
}

/// Returns the offset of the backtick that ends a value: the last backtick before the beginning of
/// the next value. Backticks in between belong to the value.
fn closing(message: &str, from: usize) -> usize {
    let rest = message.get(from..).unwrap_or_default();
    let begins = |at: &usize| {
        rest.get(..*at)
            .is_some_and(|before| before.ends_with(|c: char| c.is_whitespace() || c == '('))
    };
    let next = rest.match_indices('`').map(|(at, _)| at).find(begins).unwrap_or(rest.len());
    rest.get(..next).and_then(|value| value.rfind('`')).map_or(message.len(), |at| from + at)
}

fn urls(message: &str, part: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let text = message.get(part.clone()).unwrap_or_default();
    let words = between(text, char::is_whitespace).into_iter();
    let urls =
        words.filter(move |word| text.get(word.clone()).is_some_and(|word| word.contains("//")));
    urls.map(move |word| part.start + word.start..part.start + word.end)
}

/// Splits a text at the characters of a kind, and returns the ranges in between.
fn between(text: &str, is_mark: impl Fn(char) -> bool) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let mut start = 0;
    for (at, mark) in text.char_indices().filter(|(_, c)| is_mark(*c)) {
        parts.push(start..at);
        start = at + mark.len_utf8();
    }
    parts.push(start..text.len());
    parts
}

#[cfg(test)]
mod tests;
