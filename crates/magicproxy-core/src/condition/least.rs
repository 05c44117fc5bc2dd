//! The least parts of a request for which conditions are true: of one rule, or of several together.
//! For advice and for tests, never for decisions.
//!
//! Each place of a request is searched by itself, because no test joins two places but for names
//! that are in query and body. Whatever may be missing is left out, which never makes a rule less
//! true. `conditions.md` section 8.

mod captures;
mod object;
#[cfg(test)]
mod tests;
mod text;
mod value;

pub(super) use text::{TextPlace, least_text};

use object::least_object;

use serde_json::Value;

use crate::pattern::{Least, SearchSteps};

use super::body::{BodyKind, BodyTest, FORM, Shapes, lists};
use super::git::least_of_git;
use super::names::{ListedName, NamesTest};
use super::outcome::Outcome;
use super::pairs::least_pairs;
use super::rule::Conditions;
use super::value::ValueTest;

/// The media type of JSON.
const JSON: &str = "application/json";

/// The parts of a request beside its method and its path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LeastParts {
    pub(crate) query: Option<String>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) content_type: Option<String>,
    pub(crate) body: Option<String>,
}

/// A body with its media type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct LeastBody {
    content_type: Option<String>,
    content: Option<String>,
}

impl Conditions {
    /// Returns the least parts for which the conditions of all these rules are true.
    pub(crate) fn least(all: &[&Self], steps: &SearchSteps) -> Least<LeastParts> {
        if let Some(least) = least_of_git(all, steps) {
            return least;
        }
        let query = match least_query(all, steps) {
            Least::Nothing(place) => return Least::Nothing(place),
            other => other,
        };
        if let Least::Found(query) = &query {
            // These parameters are in each query for which the conditions are true.
            let is_true =
                |conditions: &&Self| conditions.of_names_in_both(query.as_deref()) == Outcome::True;
            if !all.iter().all(is_true) {
                return Least::Nothing("query".to_owned());
            }
        }
        let headers = match least_headers(all, steps) {
            Least::Nothing(place) => return Least::Nothing(place),
            other => other,
        };
        let bodies: Vec<_> = all.iter().map(|conditions| conditions.body()).collect();
        match (query, headers, least_body(&bodies, steps)) {
            (_, _, Least::Nothing(place)) => Least::Nothing(place),
            (Least::Found(query), Least::Found(headers), Least::Found(body)) => {
                let LeastBody { content_type, content: body } = body;
                Least::Found(LeastParts { query, headers, content_type, body })
            }
            _ => Least::TooCostly,
        }
    }
}

fn least_query(all: &[&Conditions], steps: &SearchSteps) -> Least<Option<String>> {
    let tests: Vec<&NamesTest> =
        all.iter().filter_map(|conditions| conditions.query_test()).collect();
    let pairs = least_pairs(&tests, steps).within("query");
    pairs.map(|pairs| Some(pairs.encoded()).filter(|query| !query.is_empty()))
}

fn least_headers(all: &[&Conditions], steps: &SearchSteps) -> Least<Vec<(String, String)>> {
    let listed = || all.iter().flat_map(|conditions| conditions.header_tests());
    let mut required: Vec<&str> =
        listed().filter(|listed| is_required(listed)).map(|listed| listed.name.as_str()).collect();
    required.sort_unstable();
    required.dedup();
    let (mut fields, mut is_costly) = (Vec::new(), false);
    for name in required {
        let tests: Vec<&ValueTest> =
            listed().filter(|listed| listed.name == name).map(|listed| &listed.test).collect();
        match least_text(&tests, TextPlace::Field, steps) {
            Least::Found(value) => fields.push((name.to_owned(), value)),
            Least::Nothing(_) => return Least::Nothing(format!("headers.{name}")),
            Least::TooCostly => is_costly = true,
        }
    }
    if is_costly { Least::TooCostly } else { Least::Found(fields) }
}

/// True if a request without this name is not allowed.
pub(super) fn is_required(listed: &ListedName) -> bool {
    !listed.is_optional && !listed.has_keys && !matches!(listed.test, ValueTest::Absent)
}

fn least_body(all: &[&BodyTest], steps: &SearchSteps) -> Least<LeastBody> {
    let shapes: Vec<&Shapes> = all
        .iter()
        .filter_map(|test| if let BodyTest::Shaped(shapes) = test { Some(&**shapes) } else { None })
        .collect();
    let types = all.iter().filter_map(|test| match test {
        BodyTest::Typed(types) => Some(types.as_slice()),
        BodyTest::Shaped(shapes) => shapes.types.as_deref(),
        BodyTest::Unsaid | BodyTest::None => None,
    });
    let types: Vec<&[String]> = types.collect();
    let is_empty = all.iter().any(|test| matches!(test, BodyTest::None));
    let usual = [JSON.to_owned(), FORM.to_owned()];
    let candidates = match types.first() {
        Some(types) => *types,
        None if shapes.is_empty() => return Least::Found(LeastBody::default()),
        None => usual.as_slice(),
    };
    let mut least = Least::Nothing("content_type".to_owned());
    for essence in candidates {
        let has_no_type = types.iter().any(|types| !lists(types, essence));
        if has_no_type || shapes.iter().any(|shapes| shapes.kind_of(essence).is_err()) {
            continue;
        }
        let content = least_content(&shapes, essence, steps);
        let content = match content {
            Least::Found(Some(content)) if is_empty && !content.is_empty() => {
                Least::Nothing("body".to_owned())
            }
            other => other,
        };
        let body =
            content.map(|content| LeastBody { content_type: Some(essence.clone()), content });
        least = match (least, body) {
            // The place of the last type says more than that the type is wrong.
            (Least::Nothing(_), body) => body,
            (least, body) => least.or_else(|| body),
        };
        if matches!(least, Least::Found(_)) {
            break;
        }
    }
    least
}

/// Returns the least content of a media type that has all these shapes.
fn least_content(shapes: &[&Shapes], essence: &str, steps: &SearchSteps) -> Least<Option<String>> {
    let kinds: Result<Vec<BodyKind>, _> =
        shapes.iter().map(|shapes| shapes.kind_of(essence)).collect();
    let Ok(kinds) = kinds else { return Least::Nothing("content_type".to_owned()) };
    match kinds.first() {
        None => Least::Found(None),
        // One body read in two ways: nothing is known of both readings together.
        Some(first) if kinds.iter().any(|kind| kind != first) => Least::TooCostly,
        Some(BodyKind::Json) => {
            least_document(shapes, steps).map(|document| Some(document.to_string()))
        }
        Some(BodyKind::Form) => {
            let tests: Option<Vec<&NamesTest>> =
                shapes.iter().map(|shapes| shapes.form.as_ref()).collect();
            let Some(tests) = tests else { return Least::Nothing("form".to_owned()) };
            let pairs = least_pairs(&tests, steps).within("form");
            pairs.map(|pairs| Some(pairs.encoded()))
        }
    }
}

/// Returns the least JSON document that has all these shapes.
fn least_document(shapes: &[&Shapes], steps: &SearchSteps) -> Least<Value> {
    let objects: Option<Vec<&NamesTest>> =
        shapes.iter().map(|shapes| shapes.object.as_ref()).collect();
    let object = match objects {
        Some(tests) => least_object(&tests, steps).within("json"),
        None => Least::Nothing("json".to_owned()),
    };
    object.or_else(|| match shapes.iter().all(|shapes| shapes.each.is_some()) {
        // Each element of an empty list is anything.
        true => Least::Found(Value::Array(Vec::new())),
        false => Least::nothing(),
    })
}
