//! The form that a JSON text should have, and what is wrong with one that has another: each fault by the name of its member,
//! with what was expected there. No text out of the JSON is repeated, for it may be a secret.
//!
//! Asked only once reading has failed: the reader's own types decide what is accepted.

use std::borrow::Cow;
use std::collections::HashSet;

use serde::de::DeserializeOwned;

use super::shape::Shape;

/// A form of JSON values.
#[derive(Debug)]
pub struct Form {
    /// In words: what a person should write.
    pub expected: &'static str,
    /// The kind of its values.
    pub kind: Kind,
}

/// The kinds of values that a form takes.
#[derive(Debug)]
pub enum Kind {
    /// A text.
    Text,
    /// `true` or `false`.
    Flag,
    /// Any value.
    Any,
    /// A whole number that is not negative.
    Number,
    /// A number, or a text.
    NumberOrText,
    /// A list.
    List(&'static Form),
    /// A list, or one value instead of a list of one.
    Many(&'static Form),
    /// A text, or an object.
    TextOrObject(&'static [Member]),
    /// An object with these members.
    Object(&'static [Member]),
    /// An object with names of the writer's choice.
    Map(&'static Form),
}

/// A member of an object.
#[derive(Debug)]
pub struct Member {
    /// Its name.
    pub name: &'static str,
    /// The form of its value.
    pub form: &'static Form,
    /// Whether it must be there.
    pub presence: Presence,
}

/// Whether a member must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// It must.
    Needed,
    /// It need not.
    Optional,
    /// It need not, and null is as good as nothing.
    Nullable,
}

impl Member {
    /// A member of this form.
    #[must_use]
    pub const fn new(name: &'static str, form: &'static Form, presence: Presence) -> Self {
        Self { name, form, presence }
    }
}

/// The most faults that are told.
const MAX_FAULTS: usize = 20;

impl Form {
    /// Reads a JSON object of this form.
    ///
    /// # Errors
    /// Every fault, with the name of its member and what was expected there. No text out of the JSON is repeated.
    pub fn read<T: DeserializeOwned>(&self, json: &[u8]) -> Result<T, Vec<String>> {
        super::object(json).map_err(|error| self.faults(json, &error))
    }

    /// Every fault of a JSON text; `reader` is the message of the one who could not read it.
    pub(crate) fn faults(&self, json: &[u8], reader: &serde_json::Error) -> Vec<String> {
        let Ok(shape) = serde_json::from_slice::<Shape>(json) else {
            return vec![format!("it is not valid JSON (line {}, column {})", reader.line(), reader.column())];
        };
        let mut faults = Vec::new();
        self.check(&shape, &Path::Root, &mut faults);
        if faults.is_empty() {
            faults.push(own_words(reader).unwrap_or_else(|| format!("expected {}", self.expected)));
        }
        faults.truncate(MAX_FAULTS);
        faults
    }

    /// Stops at the most faults that are told, so that a stranger's text costs no more than to read it.
    fn check(&self, shape: &Shape, path: &Path<'_>, faults: &mut Vec<String>) {
        if faults.len() >= MAX_FAULTS {
            return;
        }
        match (&self.kind, shape) {
            (Kind::Text | Kind::NumberOrText | Kind::TextOrObject(_), Shape::Text) => {}
            (Kind::Any, _) | (Kind::Flag, Shape::Flag(_)) => {}
            (Kind::Number | Kind::NumberOrText, Shape::Number(Some(_))) => {}
            (Kind::Many(form) | Kind::List(form), Shape::List(elements)) => {
                for (at, element) in elements.iter().enumerate() {
                    form.check(element, &Path::Element(path, at), faults);
                }
            }
            (Kind::Many(form), single) if form.takes(single) => form.check(single, path, faults),
            (Kind::Object(members) | Kind::TextOrObject(members), Shape::Object(found)) => {
                check_members(members, found, path, faults);
            }
            (Kind::Map(form), Shape::Object(found)) => {
                // The names are the writer's own.
                let mut names = HashSet::new();
                for (name, shape) in found {
                    if faults.len() >= MAX_FAULTS {
                        return;
                    }
                    if !names.insert(name) {
                        faults.push(path.about("a name is there twice: expected each once"));
                    }
                    form.check(shape, &Path::Any(path), faults);
                }
            }
            _ => faults.push(path.about(&format!("expected {}, got {}", self.expected, shape.name()))),
        }
    }

    /// Is this a value of the right kind, whatever is in it?
    fn takes(&self, shape: &Shape) -> bool {
        matches!(
            (&self.kind, shape),
            (Kind::Text | Kind::NumberOrText | Kind::TextOrObject(_), Shape::Text)
                | (Kind::TextOrObject(_) | Kind::Object(_) | Kind::Map(_), Shape::Object(_))
        )
    }
}

fn check_members(members: &[Member], found: &[(String, Shape)], path: &Path<'_>, faults: &mut Vec<String>) {
    let known = || members.iter().map(|member| format!("`{}`", member.name)).collect::<Vec<_>>().join(", ");
    let mut seen = Vec::new();
    for (name, shape) in found {
        if faults.len() >= MAX_FAULTS {
            return;
        }
        let Some(member) = members.iter().find(|member| member.name == name) else {
            faults.push(path.about(&match members.iter().find(|member| is_misspelt(name, member.name)) {
                Some(meant) => format!("`{name}` is not known: expected `{}`", meant.name),
                None => format!("a member is not known: expected {}", known()),
            }));
            continue;
        };
        let path = Path::Member(path, member.name);
        if seen.contains(&member.name) {
            faults.push(path.about("it is there twice: expected it once"));
        } else {
            seen.push(member.name);
        }
        if member.presence != Presence::Nullable || !matches!(shape, Shape::Null) {
            member.form.check(shape, &path, faults);
        }
    }
    let needed = members.iter().filter(|member| member.presence == Presence::Needed);
    for missing in needed.filter(|member| found.iter().all(|(name, _)| name != member.name)) {
        faults.push(Path::Member(path, missing.name).about(&format!("it is missing: expected {}", missing.form.expected)));
    }
}

/// Is this the name with up to two letters added, left out or changed? Only such a name is repeated: another could be a secret.
fn is_misspelt(found: &str, name: &str) -> bool {
    const MOST: usize = 2;
    if found.len().abs_diff(name.len()) > MOST || !found.is_ascii() {
        return false;
    }
    let mut row: Vec<usize> = (0..=name.len()).collect();
    for (at, letter) in found.bytes().enumerate() {
        let mut left = at + 1;
        let next = name.bytes().zip(row.iter().copied().zip(row.iter().copied().skip(1)));
        let next: Vec<usize> = next
            .map(|(other, (above_left, above))| {
                left = (above_left + usize::from(letter != other)).min(above + 1).min(left + 1);
                left
            })
            .collect();
        row = std::iter::once(at + 1).chain(next).collect();
    }
    row.last().is_some_and(|distance| *distance <= MOST && *distance < name.len())
}

/// A message of our own types, without the place that the JSON reader adds.
fn own_words(error: &serde_json::Error) -> Option<String> {
    let message = error.to_string();
    let own = message.split_once(" at line ").map_or(message.as_str(), |(own, _)| own);
    let foreign = ["invalid ", "unknown ", "missing field", "duplicate field", "data did not match"];
    let is_own = error.is_data() && !foreign.iter().any(|start| own.starts_with(start));
    is_own.then(|| own.to_owned())
}

/// Where in the JSON a value stands.
enum Path<'p> {
    Root,
    Member(&'p Path<'p>, &'static str),
    Element(&'p Path<'p>, usize),
    /// A member whose name is the writer's.
    Any(&'p Path<'p>),
}

impl Path<'_> {
    fn about(&self, fault: &str) -> String {
        match self.name() {
            name if name.is_empty() => fault.to_owned(),
            name => format!("{name}: {fault}"),
        }
    }

    fn name(&self) -> Cow<'static, str> {
        match self {
            Self::Root => Cow::Borrowed(""),
            Self::Member(Path::Root, name) => Cow::Borrowed(name),
            Self::Member(outer, name) => Cow::Owned(format!("{}.{name}", outer.name())),
            // From 1, as rules are counted everywhere.
            Self::Element(outer, at) => Cow::Owned(format!("{}[{}]", outer.name(), at + 1)),
            Self::Any(outer) => Cow::Owned(format!("{}.…", outer.name())),
        }
    }
}
