//! The events of the log: each has a name, and stands with its level and its fields in `docs/reference/log.md`; and nothing
//! stands there that the code does not write.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

/// What is known of an event, by its target and its name.
type Events = BTreeMap<(String, String), Description>;

#[derive(Debug, Default, PartialEq, Eq)]
struct Description {
    levels: BTreeSet<String>,
    fields: BTreeSet<String>,
}

#[test]
fn the_page_has_every_event_with_its_fields_and_no_other() {
    let written = written();
    let documented = documented();
    for (event, description) in &written {
        assert_eq!(Some(description), documented.get(event), "{event:?} (left: code, right: page)");
    }
    // Written before there is a log.
    let early = ("magicproxy::logging".to_owned(), "usage_fault".to_owned());
    let invented: Vec<_> = documented
        .keys()
        .filter(|event| !written.contains_key(event) && **event != early)
        .collect();
    assert!(invented.is_empty(), "on the page only: {invented:?}");
    let early = include_str!("../../src/runtime/logging/early.rs");
    assert!(early.contains("\"usage_fault\"") && early.contains("\"help\""));
}

/// Reads the tables of the page.
fn documented() -> Events {
    let page = include_str!("../../../../docs/reference/log.md");
    let mut events = Events::new();
    let mut target = String::new();
    for line in page.split("## Events").nth(1).unwrap().lines() {
        if let Some(heading) = line.strip_prefix("### `") {
            target = heading.trim_end_matches('`').to_owned();
        }
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, event, levels, fields, meaning, _] = cells.as_slice() else { continue };
        let Some(event) = event.strip_prefix('`').and_then(|event| event.strip_suffix('`')) else {
            continue;
        };
        assert!(meaning.ends_with('.'), "{line}");
        let words = |cell: &str| {
            let words = cell.split(',').map(|word| word.trim().trim_matches('`').to_owned());
            words.filter(|word| !word.is_empty()).collect()
        };
        let description = Description { levels: words(levels), fields: words(fields) };
        assert!(description.levels.iter().all(|level| LEVELS.contains(&level.as_str())), "{line}");
        let known = events.insert((target.clone(), event.to_owned()), description);
        assert!(known.is_none(), "twice: {line}");
    }
    events
}

/// Reads the calls in the sources.
fn written() -> Events {
    let mut events = Events::new();
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for package in std::fs::read_dir(crates).unwrap() {
        let package = package.unwrap();
        let name = package.file_name().into_string().unwrap().replace('-', "_");
        look_into(&package.path().join("src"), &name, &mut events);
    }
    assert!(events.len() > 60, "{}", events.len());
    events
}

fn look_into(folder: &Path, module: &str, events: &mut Events) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let inner = if name == "lib" { module.to_owned() } else { format!("{module}::{name}") };
        if path.is_dir() && name != "tests" {
            look_into(&path, &inner, events);
        } else if path.extension().is_some_and(|extension| extension == "rs") && name != "tests" {
            let source = std::fs::read_to_string(&path).unwrap();
            note_events(source.split("#[cfg(test)]\nmod tests {").next().unwrap(), &inner, events);
        }
    }
}

fn note_events(source: &str, module: &str, events: &mut Events) {
    for (at, before) in source.match_indices("tracing::") {
        let call = &source[at + before.len()..];
        let Some((level, arguments)) = LEVELS
            .iter()
            .find_map(|level| Some((*level, call.strip_prefix(level)?.strip_prefix("!(")?)))
        else {
            continue;
        };
        let parts = arguments_of(arguments);
        let text = |part: &str, name: &str| {
            part.strip_prefix(name)?.strip_prefix(": ").map(|value| match value {
                "REPORTS" => "magicproxy::log".to_owned(),
                value => value.trim_matches('"').to_owned(),
            })
        };
        let event = parts.iter().find_map(|part| text(part, "name"));
        let event =
            event.unwrap_or_else(|| panic!("an event without a name in {module}: {call:.80}"));
        let target = parts.iter().find_map(|part| text(part, "target"));
        let key = (target.unwrap_or_else(|| module.to_owned()), event);
        let description = events.entry(key).or_default();
        description.levels.insert(level.to_owned());
        let fields = parts.iter().take_while(|part| !part.starts_with('"'));
        let fields =
            fields.filter(|part| text(part, "name").or_else(|| text(part, "target")).is_none());
        description.fields.extend(fields.map(|part| {
            part.trim_start_matches(['%', '?']).split('=').next().unwrap().trim().to_owned()
        }));
    }
}

/// Splits the arguments of a call at its own commas.
fn arguments_of(text: &str) -> Vec<String> {
    let (mut parts, mut part) = (Vec::new(), String::new());
    let (mut depth, mut quoted, mut escaped) = (0, false, false);
    for c in text.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if quoted => {}
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' if depth == 0 => break,
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(std::mem::take(&mut part).trim().to_owned());
                continue;
            }
            _ => {}
        }
        part.push(c);
    }
    parts.push(part.trim().to_owned());
    parts.retain(|part| !part.is_empty());
    parts
}

/// Names are words of small letters that say what happened; fields are, too.
#[test]
fn names_are_of_one_form() {
    let is_word = |name: &str| {
        !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_' || byte.is_ascii_digit())
    };
    for ((target, event), description) in written() {
        assert!(is_word(&event), "{target} {event}");
        for field in &description.fields {
            assert!(is_word(field), "{field} of {event}");
            assert!(
                !["timestamp", "level", "target", "event"].contains(&field.as_str()),
                "{field} of {event}"
            );
        }
    }
}
