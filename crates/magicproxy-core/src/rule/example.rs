//! The least request that a rule allows, or that several rules allow together: for advice and for
//! tests, never for decisions. `conditions.md` section 8.

use super::{Methods, RawRule, Rule};
use crate::condition::{Conditions, LeastParts};
use crate::pattern::{
    Automaton, Budget, Characters, Least, MAX_PATTERN_STEPS, Machine, OWN_AUTOMATON_BYTES,
    SearchSteps, shortest,
};
use crate::target::{PathSettings, RequestTarget};

/// A request that a rule allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExampleRequest {
    /// The method.
    pub method: String,
    /// The canonical path.
    pub path: String,
    /// The query, without `?`.
    pub query: Option<String>,
    /// The header fields, but for the content type.
    pub headers: Vec<(String, String)>,
    /// The content type.
    pub content_type: Option<String>,
    /// The content.
    pub body: Option<String>,
}

impl Rule {
    /// Returns the least request that the rule allows: the first method, the shortest path and
    /// texts, the least integers, and nothing that may be left out. `None` where there is none, or
    /// where finding one takes too long.
    #[must_use]
    pub fn witness(&self) -> Option<ExampleRequest> {
        ExampleRequest::of(&[self])
    }

    /// Returns whether some request is allowed by both rules. `None` where finding out takes too
    /// long.
    #[must_use]
    pub fn meets(&self, other: &Self) -> Option<bool> {
        if !self.methods().meet(other.methods()) {
            return Some(false);
        }
        let steps = SearchSteps::new();
        let paths = self.paths_meet(other, &steps);
        let implied = self.implied_with(other);
        let conditions: Vec<&Conditions> = [self, other]
            .iter()
            .filter_map(|rule| Some(&**rule.conditions()?))
            .chain(&implied)
            .collect();
        if paths == Some(false) || conditions.is_empty() {
            return paths;
        }
        match Conditions::least(&conditions, &steps).exists() {
            Some(true) => paths,
            other => other,
        }
    }

    /// Returns what the effects of the two rules imply of a request, where that may be added to
    /// their conditions: neither reads a form, a query or another media type than JSON's.
    fn implied_with(&self, other: &Self) -> Vec<Conditions> {
        let both = [self, other];
        let reads_json_only = |rule: &&Self| match rule.raw() {
            RawRule::Object(object) => {
                let of = &object.conditions;
                of.query.is_none() && of.form.is_none() && of.content_type.is_none()
            }
            RawRule::Text(_) | RawRule::Plugin(_) => true,
            // Pushes, and batches of LFS in a media type of their own.
            RawRule::Git(_) => false,
        };
        if !both.iter().all(reads_json_only) {
            return Vec::new();
        }
        both.iter().filter_map(|rule| rule.implied_conditions()).collect()
    }

    fn paths_meet(&self, other: &Self, steps: &SearchSteps) -> Option<bool> {
        let both = [self, other];
        if !both.iter().any(|rule| rule.looks_at_captures()) {
            return self.automaton()?.intersects(&other.automaton()?);
        }
        path_of(&both, &[], Characters::Path, steps).exists()
    }

    fn looks_at_captures(&self) -> bool {
        self.conditions().is_some_and(|conditions| conditions.look_at_captures())
    }

    pub(crate) fn automaton(&self) -> Option<Automaton> {
        let mut budget = Budget::new(MAX_PATTERN_STEPS);
        Automaton::compile(&[self.pattern()], OWN_AUTOMATON_BYTES, &mut budget)
    }
}

impl ExampleRequest {
    /// Returns the least request that all these rules allow, as [`Rule::witness`].
    ///
    /// `None` for rules for git, whose requests are no texts.
    pub(crate) fn of(rules: &[&Rule]) -> Option<Self> {
        if rules.iter().any(|rule| rule.is_for_git()) {
            return None;
        }
        let steps = SearchSteps::new();
        let conditions: Vec<&Conditions> =
            rules.iter().filter_map(|rule| Some(&**rule.conditions()?)).collect();
        let (Least::Found(parts), Least::Found(path)) =
            (Conditions::least(&conditions, &steps), canonical_path_of(rules, &steps))
        else {
            return None;
        };
        let listed = rules.iter().filter_map(|rule| match rule.methods() {
            Methods::Any => None,
            Methods::Listed(methods) => Some(methods),
        });
        let listed = listed.flatten().map(|method| method.as_str());
        let mut methods = listed.chain(["GET"]);
        let method =
            methods.find(|method| rules.iter().all(|rule| rule.methods().admit(method)))?;
        let LeastParts { query, headers, content_type, body } = parts;
        Some(Self { method: method.to_owned(), path, query, headers, content_type, body })
    }
}

/// Returns the shortest path that all rules match, with their captures.
pub(super) fn path_of(
    rules: &[&Rule],
    further: &[Machine],
    characters: Characters,
    steps: &SearchSteps,
) -> Least<String> {
    let mut machines = further.to_vec();
    for rule in rules {
        let Some(automaton) = rule.automaton() else { return Least::TooCostly };
        machines.push(Machine::of_path(&automaton));
        if let Some(conditions) = rule.conditions() {
            let mut budget = Budget::new(MAX_PATTERN_STEPS);
            machines.extend(conditions.capture_machines(&mut budget));
        }
    }
    let is_true = |rule: &&Rule, path: &str| {
        rule.conditions().is_none_or(|conditions| conditions.captures_are_true(path))
    };
    match shortest(&machines, characters, steps) {
        Least::Found(path) if !rules.iter().all(|rule| is_true(rule, &path)) => Least::TooCostly,
        other => other,
    }
}

/// Returns the shortest canonical path that all rules match.
fn canonical_path_of(rules: &[&Rule], steps: &SearchSteps) -> Least<String> {
    let canonical = [Machine::canonical_path()];
    let path_in = |characters| path_of(rules, &canonical, characters, steps);
    match path_in(Characters::PlainPath).or_else(|| path_in(Characters::Path)) {
        Least::Found(path) if !is_canonical(&path) => Least::TooCostly,
        other => other,
    }
}

fn is_canonical(path: &str) -> bool {
    let target = RequestTarget::parse(path.as_bytes(), PathSettings::LENIENT);
    target.is_ok_and(|target| target.path() == path && target.query().is_none())
}

impl Methods {
    /// True if some method is admitted by both.
    fn meet(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) | (_, Self::Any) => true,
            // Asked both ways, because `GET` admits `HEAD`.
            (Self::Listed(one), Self::Listed(other)) => one
                .iter()
                .any(|a| other.iter().any(|b| a.admits(b.as_str()) || b.admits(a.as_str()))),
        }
    }

    /// True if each method that `other` admits is admitted.
    pub(crate) fn include(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) => true,
            (Self::Listed(_), Self::Any) => false,
            (Self::Listed(_), Self::Listed(other)) => {
                other.iter().all(|method| self.admit(method.as_str()))
            }
        }
    }
}
