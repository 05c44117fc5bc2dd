//! Suggestions ("did you mean …"): serde's messages in words for people, and the nearest known
//! word.

/// Returns the nearest known word, if near enough to be meant.
pub fn nearest<'w>(word: &str, known: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    let lower = word.to_lowercase();
    let scored =
        known.into_iter().map(|known| (strsim::jaro_winkler(&lower, &known.to_lowercase()), known));
    scored
        .filter(|(score, _)| *score > 0.8)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, known)| known)
}

/// Returns a serde message about the setting `key`, reworded, and a suggestion.
///
/// serde's messages look like "unknown field `x`, expected one of `a`, `b`". If a new version of
/// serde words them in another way, the message stays unchanged and only the suggestion is lost; a
/// test notices.
pub fn explain(message: &str, key: &str) -> (String, Option<String>) {
    let about = |text: String| if key.is_empty() { text } else { format!("{key}: {text}") };
    if let Some(rest) = message.strip_prefix("unknown field ") {
        let (found, known) = words(rest);
        let name = if key.rsplit('.').next() == Some(found) {
            key.to_owned()
        } else {
            format!("{found}` in `{key}")
        };
        return (
            format!("unknown key `{name}`"),
            suggestion(found, &known).or_else(|| one_of(&known)),
        );
    }
    if let Some(rest) = message.strip_prefix("unknown variant ") {
        let (found, known) = words(rest);
        let expected = rest.split_once(", ").map_or("", |(_, expected)| expected);
        return (
            about(format!("`{found}` is not known here: {expected}")),
            suggestion(found, &known),
        );
    }
    if let Some(rest) = message.strip_prefix("missing field ") {
        return (about(format!("{rest} is needed")), None);
    }
    if let Some(rest) = message.strip_prefix("duplicate field ") {
        return (about(format!("{rest} is there twice")), None);
    }
    match message.split_once(", expected ") {
        Some((_, expected)) => (about(format!("expected {}", plain(expected))), None),
        None => (about(message.to_owned()), None),
    }
}

/// Settings and members of rules that were renamed: the old name, and the current name.
const RENAMED: [(&str, &str); 4] = [
    ("strangers", "unlisted_minters"),
    ("refusals", "refusal_format"),
    ("elements", "list_items"),
    ("empty", "deletes_if_empty"),
];

/// Returns the current name of a setting or member that was called `old` before.
pub fn renamed(old: &str) -> Option<&'static str> {
    RENAMED.iter().find(|(before, _)| *before == old).map(|(_, now)| *now)
}

fn suggestion(found: &str, known: &[&str]) -> Option<String> {
    if let Some(now) = renamed(found).filter(|now| known.contains(now)) {
        return Some(format!("it is called `{now}` now"));
    }
    nearest(found, known.iter().copied()).map(|meant| format!("did you mean `{meant}`?"))
}

fn one_of(known: &[&str]) -> Option<String> {
    let words: Vec<String> = known.iter().map(|word| format!("`{word}`")).collect();
    (!words.is_empty()).then(|| format!("expected one of {}", words.join(", ")))
}

/// Returns the unknown word and the expected words, all of which stand in backticks.
fn words(text: &str) -> (&str, Vec<&str>) {
    let mut quoted = text.split('`').skip(1).step_by(2);
    (quoted.next().unwrap_or_default(), quoted.collect())
}

/// Replaces the names of Rust types by words for people.
fn plain(expected: &str) -> &str {
    match expected {
        "u64" | "usize" | "i64" => "a whole number",
        "a boolean" => "`true` or `false`",
        "a sequence" => "a list",
        "an object" => "a table",
        "a map" => "a table",
        other => other,
    }
}
