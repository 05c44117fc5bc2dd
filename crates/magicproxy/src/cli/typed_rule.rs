//! A rule as people type it on the command line: the string form, a JSON object, or the string form
//! with words for conditions behind, or a rule for git in words, which become an object at once.
//! `conditions.md` section 2.1, `git.md` section 1.1.
//!
//! Nothing else reads words: a string in a token, in a request or in the configuration that has a
//! blank in its pattern stays what it is, a fault.

mod git;
mod test_word;
#[cfg(test)]
mod tests;
mod way;

use magicproxy_config::ground::text::harmless;
use magicproxy_core::RawRule;
use serde_json::{Map, Value, json};

use test_word::{Typing, test_of};
use way::NamePath;

use crate::ground::output::remark;

/// The members that hold names with tests.
const NAMES: [&str; 4] = ["query", "form", "headers", "captures"];
/// All members that words can say something of.
const MEMBERS: [&str; 8] =
    ["json", "json_each", "form", "query", "headers", "captures", "body", "content_type"];

/// Reads a rule. Says on standard error which object the words of a rule stand for.
///
/// # Errors
/// A message with the rule and its fault.
pub(super) fn read(text: &str) -> Result<RawRule, String> {
    let faulty = |fault: String| format!("--allow `{}`: {fault}", harmless(text));
    let read = |json: &str| RawRule::from_json(json).map_err(|faults| faulty(faults.to_string()));
    match to_object(text).map_err(faulty)? {
        Some(object) => {
            let rule = read(&object.to_string())?;
            let written = serde_json::to_string(&rule).unwrap_or_default();
            remark(&format!("--allow `{}` is the rule {}", harmless(text), harmless(&written)));
            Ok(rule)
        }
        // The object form begins with `{`, and no method does.
        None if text.starts_with('{') => read(text),
        None => Ok(RawRule::Text(text.to_owned())),
    }
}

/// Returns the object that a rule with words stands for; `None` for a rule without words.
fn to_object(text: &str) -> Result<Option<Value>, String> {
    if text.starts_with('{') {
        return Ok(None);
    }
    let words = split(text)?;
    if words.first().is_some_and(|word| word == "git") {
        return git::to_object(&words).map(Some);
    }
    let [method, target, conditions @ ..] = words.as_slice() else { return Ok(None) };
    let is_meant = target.starts_with('/') || target.starts_with("route:");
    if conditions.is_empty() || !is_meant && !conditions.iter().any(|word| has_member(word)) {
        return Ok(None);
    }
    let mut rule = Map::new();
    let methods: Vec<&str> = method.split('|').collect();
    rule.insert(
        "method".to_owned(),
        if methods.len() == 1 { json!(method) } else { json!(methods) },
    );
    match target.strip_prefix("route:") {
        Some(template) => rule.insert("route".to_owned(), json!(template)),
        None => rule.insert("path".to_owned(), json!(target)),
    };
    for word in conditions {
        add(&mut rule, word).map_err(|fault| format!("`{}`: {fault}", harmless(word)))?;
    }
    Ok(Some(Value::Object(rule)))
}

/// Splits a rule at its blanks. A text in double quotes, behind `=`, `~` or `,`, may have blanks.
fn split(text: &str) -> Result<Vec<String>, String> {
    let (mut words, mut word) = (Vec::new(), String::new());
    let (mut is_quoted, mut is_escaped) = (false, false);
    for character in text.chars() {
        if is_quoted {
            is_quoted = character != '"' || is_escaped;
            is_escaped = character == '\\' && !is_escaped;
        } else if character == ' ' {
            words.push(std::mem::take(&mut word));
            continue;
        } else {
            is_quoted = character == '"' && word.ends_with(['=', '~', ',']);
        }
        word.push(character);
    }
    if is_quoted {
        return Err("a quoted text has no end".to_owned());
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    Ok(words)
}

/// True if a word begins with a member of a rule.
fn has_member(word: &str) -> bool {
    let end = word.find(['.', '=', '~', '[', '?']).unwrap_or(word.len());
    word.get(..end).is_some_and(|member| end < word.len() && MEMBERS.contains(&member))
}

/// Adds the condition that a word stands for.
fn add(rule: &mut Map<String, Value>, word: &str) -> Result<(), String> {
    let end = word.find(['.', '=', '~', '[', '?']).unwrap_or(word.len());
    let (member, behind) = word.split_at(end);
    match member {
        "body" | "content_type" => add_word(rule, member, behind),
        "query" if behind == "=any" => add_word(rule, member, behind),
        "json_each" if !behind.starts_with('.') => {
            let test = test_of(behind, Typing::Json)?;
            set(rule, member, test)
        }
        "json" | "json_each" => {
            let (way, test) = NamePath::parse(behind)?;
            let test = test_of(test, Typing::Json)?;
            let names = match member {
                "json" => below(rule, "json")?,
                _ => below(below(rule, "json_each")?, "object")?,
            };
            way.put(names, test)
        }
        _ if NAMES.contains(&member) => {
            let (way, test) = NamePath::parse(behind)?;
            let way = way.single().ok_or_else(|| {
                format!("`{member}` has no names in names: a name with a dot needs the object form")
            })?;
            let test = test_of(test, Typing::Text)?;
            way.put(below(rule, member)?, test)
        }
        _ => Err(format!(
            "not a condition: expected `MEMBER.NAME`, as `json.base=main`, with {} in front",
            MEMBERS.map(|member| format!("`{member}`")).join(", ")
        )),
    }
}

/// Adds a member that holds a word or a list of words.
fn add_word(rule: &mut Map<String, Value>, member: &str, behind: &str) -> Result<(), String> {
    let Some(words) = behind.strip_prefix('=').filter(|words| !words.is_empty()) else {
        return Err(match member {
            "body" => "expected `body=none` or `body=any`".to_owned(),
            _ => "expected `content_type=` and a media type".to_owned(),
        });
    };
    let several: Vec<&str> = words.split(',').collect();
    set(rule, member, if several.len() == 1 { json!(words) } else { json!(several) })
}

fn set(rule: &mut Map<String, Value>, member: &str, value: Value) -> Result<(), String> {
    if rule.insert(member.to_owned(), value).is_some() {
        return Err(format!("`{member}` is there twice"));
    }
    Ok(())
}

/// Returns the object below a member, which is made if it is not there.
fn below<'r>(
    rule: &'r mut Map<String, Value>,
    member: &str,
) -> Result<&'r mut Map<String, Value>, String> {
    let value = rule.entry(member).or_insert_with(|| json!({}));
    value.as_object_mut().ok_or_else(|| format!("`{member}` is there twice"))
}
