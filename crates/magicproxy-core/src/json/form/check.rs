//! Comparison of a JSON text's shape with a form.

use std::borrow::Cow;
use std::collections::HashSet;

use super::fault::{FormFault, FormFaultKind};
use super::{Form, Kind, Member, Presence};
use crate::json::shape::Shape;

/// The most faults that are reported for a text.
const MAX_FORM_FAULTS: usize = 20;

/// Returns the faults of a value, at most [`MAX_FORM_FAULTS`].
pub(super) fn faults_of(form: &Form, shape: &Shape) -> Vec<FormFault> {
    let mut faults = Faults(Vec::new());
    form.check(shape, &Path::Root, &mut faults);
    faults.0.truncate(MAX_FORM_FAULTS);
    faults.0
}

/// The faults found so far.
struct Faults(Vec<FormFault>);

impl Faults {
    /// True once [`MAX_FORM_FAULTS`] faults are found. The check then ends, so that a stranger's
    /// text costs no more than its reading.
    fn is_full(&self) -> bool {
        self.0.len() >= MAX_FORM_FAULTS
    }

    fn add(&mut self, path: &Path<'_>, kind: FormFaultKind) {
        self.0.push(FormFault::new(path.name().into_owned(), kind));
    }
}

impl Form {
    fn check(&self, shape: &Shape, path: &Path<'_>, faults: &mut Faults) {
        if faults.is_full() {
            return;
        }
        match (&self.kind, shape) {
            (
                Kind::Text
                | Kind::TextLike(_)
                | Kind::NumberOrText
                | Kind::TextOrObject(..)
                | Kind::TextOrEither(..),
                Shape::Text,
            ) => {}
            (Kind::Any, _) | (Kind::Flag | Kind::True, Shape::Flag(_)) => {}
            (
                Kind::Number | Kind::NumberWithin(..) | Kind::NumberOrText,
                Shape::Number(Some(_)),
            ) => {}
            (Kind::Many(form) | Kind::UpTo(_, form) | Kind::List(form), Shape::List(elements)) => {
                for (at, element) in elements.iter().enumerate() {
                    form.check(element, &Path::Element(path, at), faults);
                }
            }
            (Kind::Many(form) | Kind::UpTo(_, form), single) if form.takes(single) => {
                form.check(single, path, faults)
            }
            (Kind::Object(members) | Kind::TextOrObject(_, members), Shape::Object(found)) => {
                check_members(members, found, path, faults);
            }
            (Kind::TextOrEither(_, members, marked), Shape::Object(found)) => {
                let mark = marked.first().map(|member| member.name);
                let is_marked = found.iter().any(|(name, _)| Some(name.as_str()) == mark);
                check_members(if is_marked { marked } else { members }, found, path, faults);
            }
            (Kind::Map(form), Shape::Object(found)) => check_map(form, found, path, faults),
            _ => faults
                .add(path, FormFaultKind::Kind { expected: self.expected, found: shape.found() }),
        }
    }

    /// True if the value is of the right kind, without a look at the contents.
    fn takes(&self, shape: &Shape) -> bool {
        matches!(
            (&self.kind, shape),
            (
                Kind::Text
                    | Kind::TextLike(_)
                    | Kind::NumberOrText
                    | Kind::TextOrObject(..)
                    | Kind::TextOrEither(..),
                Shape::Text
            ) | (
                Kind::TextOrObject(..) | Kind::TextOrEither(..) | Kind::Object(_) | Kind::Map(_),
                Shape::Object(_)
            )
        )
    }
}

/// Checks an object whose names are the writer's choice.
fn check_map(form: &Form, found: &[(String, Shape)], path: &Path<'_>, faults: &mut Faults) {
    let mut names = HashSet::new();
    for (name, shape) in found {
        if faults.is_full() {
            return;
        }
        if !names.insert(name) {
            faults.add(path, FormFaultKind::RepeatedName);
        }
        form.check(shape, &Path::Any(path), faults);
    }
}

fn check_members(
    members: &[Member],
    found: &[(String, Shape)],
    path: &Path<'_>,
    faults: &mut Faults,
) {
    let members: Vec<&Member> =
        members.iter().filter(|member| member.presence != Presence::Operators).collect();
    let mut seen = Vec::new();
    for (name, shape) in found {
        if faults.is_full() {
            return;
        }
        let Some(member) = members.iter().find(|member| member.name == name) else {
            faults.add(path, unknown(&members, name));
            continue;
        };
        let path = Path::Member(path, member.name);
        if seen.contains(&member.name) {
            faults.add(&path, FormFaultKind::Repeated);
        } else {
            seen.push(member.name);
        }
        if member.presence != Presence::Nullable || !matches!(shape, Shape::Null) {
            member.form.check(shape, &path, faults);
        }
    }
    for member in members {
        let is_there = found.iter().any(|(name, _)| name == member.name);
        if member.presence == Presence::Needed && !is_there {
            let missing = FormFaultKind::Missing(member.form.expected);
            faults.add(&Path::Member(path, member.name), missing);
        }
    }
}

/// Renamed members, the old name first, and names that are guessed for members.
const RENAMED: [(&str, &str); 7] = [
    ("elements", "list_items"),
    ("empty", "deletes_if_empty"),
    ("branches", "refs"),
    ("branch", "refs"),
    ("references", "refs"),
    ("repo", "repository"),
    ("push_options", "options"),
];

fn unknown(members: &[&Member], name: &str) -> FormFaultKind {
    let is_meant =
        |member: &Member| RENAMED.contains(&(name, member.name)) || is_misspelt(name, member.name);
    match members.iter().find(|member| is_meant(member)) {
        Some(meant) => FormFaultKind::Misspelt { written: name.to_owned(), meant: meant.name },
        None => FormFaultKind::Unknown(members.iter().map(|member| member.name).collect()),
    }
}

/// True if `found` is `name` with up to two letters added, left out or changed. A fault repeats
/// only a misspelt name: any other unknown name could be a secret.
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

/// The place of a value in the JSON text.
enum Path<'p> {
    Root,
    Member(&'p Path<'p>, &'static str),
    Element(&'p Path<'p>, usize),
    /// A member whose name is the writer's choice.
    Any(&'p Path<'p>),
}

impl Path<'_> {
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
