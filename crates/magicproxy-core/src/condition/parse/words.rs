//! The words of a test. `conditions.md` section 2.

use serde_json::{Map, Value};

use crate::condition::fault::FaultKind;

/// A test in words: one of the combinations that mean something.
pub(super) enum Words<'v> {
    Nothing,
    Text { glob: Option<&'v Value>, pattern: Option<&'v Value> },
    Range { min: Option<&'v Value>, max: Option<&'v Value> },
    List { each: Option<&'v Value>, count: Option<&'v Value> },
    Object(&'v Value),
    Type(&'v Value),
    Absent(&'v Value),
}

/// The words, each with the number of its combination.
const WORDS: [(&str, u8); 9] = [
    ("glob", 0),
    ("pattern", 0),
    ("min", 1),
    ("max", 1),
    ("each", 2),
    ("count", 2),
    ("object", 3),
    ("type", 4),
    ("absent", 5),
];

/// Words of other languages, and what is written here in their place.
const GUESSES: [(&str, &str); 21] = [
    ("eq", "the value itself"),
    ("equals", "the value itself"),
    ("const", "the value itself"),
    ("is", "the value itself"),
    ("in", "a list of values"),
    ("enum", "a list of values"),
    ("one_of", "a list of values"),
    ("any_of", "a list of values"),
    ("regex", "`pattern`"),
    ("matches", "`pattern`"),
    ("prefix", "`glob` with `*` at the end"),
    ("suffix", "`glob` with `*` in front"),
    ("starts_with", "`glob` with `*` at the end"),
    ("ends_with", "`glob` with `*` in front"),
    ("items", "`each`"),
    ("every", "`each`"),
    ("properties", "`object`"),
    ("members", "`object`"),
    ("only", "`object`"),
    ("required", "the name without `?`"),
    ("optional", "the name with `?` behind"),
];

impl<'v> Words<'v> {
    /// Reads the words of a test, and refuses words that do not go together.
    pub(super) fn parse(written: &'v Map<String, Value>) -> Result<Self, FaultKind> {
        let mut first: Option<(&'static str, u8)> = None;
        for name in written.keys() {
            let (word, group) = known(name)?;
            match first {
                Some((other, known)) if known != group => {
                    return Err(FaultKind::Together(other, word));
                }
                _ => first = Some((word, group)),
            }
        }
        let word = |name: &str| written.get(name);
        Ok(match first {
            None => Self::Nothing,
            Some((_, 0)) => Self::Text { glob: word("glob"), pattern: word("pattern") },
            Some((_, 1)) => Self::Range { min: word("min"), max: word("max") },
            Some((_, 2)) => Self::List { each: word("each"), count: word("count") },
            Some(_) => match (word("object"), word("type"), word("absent")) {
                (Some(names), _, _) => Self::Object(names),
                (_, Some(types), _) => Self::Type(types),
                (_, _, Some(absent)) => Self::Absent(absent),
                (None, None, None) => return Err(FaultKind::Value),
            },
        })
    }
}

/// Finds a word, or the word that was probably meant.
fn known(name: &str) -> Result<(&'static str, u8), FaultKind> {
    if let Some(word) = WORDS.iter().find(|(word, _)| *word == name) {
        return Ok(*word);
    }
    match GUESSES.iter().find(|(guess, _)| *guess == name) {
        Some((found, instead)) => Err(FaultKind::Guess { found, instead }),
        None => Err(FaultKind::Value),
    }
}
