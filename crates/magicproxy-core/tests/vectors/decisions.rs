//! `conditions.json`, `decisions`: what rules make of requests. The proxy decides as each case says,
//! and so does the naive evaluator. Each place of the specification has cases.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;

use crate::files;
use crate::naive_conditions::{self, Outcome, Plus, SampleRequest};
use crate::verdict::Token;

const SPECIFICATION: &str = include_str!("../../../../docs/spec/conditions.md");
/// The sections whose tables have cases for each line, and those with cases for each item.
const TABLES: [&str; 4] = ["1", "2", "3.1", "4.5"];
const ITEMS: [&str; 3] = ["3.1", "4.2", "4.3"];

#[derive(Deserialize)]
struct File {
    decisions: Vec<Group>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    about: String,
    rules: Vec<Value>,
    #[serde(default)]
    caveats: Vec<Vec<Value>>,
    query_plus: Option<String>,
    /// True where the bounds of work decide.
    #[serde(default)]
    bounds: bool,
    /// Outcomes that such rules do not have.
    #[serde(default)]
    never: BTreeSet<String>,
    requests: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Option<String>,
    body_base64: Option<String>,
    expected: String,
}

impl Case {
    fn path(&self) -> &str {
        self.target.split('?').next().unwrap()
    }

    fn request(&self, query_plus: Option<&str>) -> SampleRequest {
        let body = self.body.clone().map(String::into_bytes);
        let encoded = self.body_base64.as_ref().map(|body| STANDARD.decode(body).unwrap());
        SampleRequest {
            query: self.target.split_once('?').map(|(_, query)| query.as_bytes().to_vec()),
            headers: self.headers.clone(),
            captures: BTreeMap::default(),
            body: body.or(encoded).unwrap_or_default(),
            plus: match query_plus {
                None | Some("both") => Plus::Both,
                Some("blank") => Plus::Blank,
                Some("plus") => Plus::Itself,
                Some(other) => panic!("query_plus `{other}`"),
            },
        }
    }

    fn expects(&self, outcome: &Outcome) -> bool {
        match outcome {
            Outcome::True => self.expected == "allowed",
            Outcome::False => self.expected == "not_allowed",
            // Of several reasons within one part of a request any may be given.
            Outcome::Unknown(codes) => codes.contains(&self.expected.as_str()),
        }
    }
}

fn groups() -> Vec<Group> {
    files::read::<File>("vectors/conditions.json").decisions
}

#[test]
fn the_proxy_decides_as_listed() {
    let mut wrong = Vec::new();
    for group in groups() {
        let token = Token::with(&group.rules, &group.caveats);
        for case in &group.requests {
            let request = case.request(group.query_plus.as_deref());
            let outcome = token.decide(&case.method, case.path(), &request);
            if !outcome.as_ref().is_some_and(|outcome| case.expects(outcome)) {
                wrong.push(told(&group, case, &format!("{outcome:?}")));
            }
        }
    }
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_naive_evaluator_decides_as_listed() {
    let mut wrong = Vec::new();
    for group in groups().iter().filter(|group| !group.bounds) {
        for case in &group.requests {
            let request = case.request(group.query_plus.as_deref());
            let lists = std::iter::once(&group.rules).chain(&group.caveats);
            let outcomes = lists.map(|rules| naive_list(rules, case, &request));
            let outcome = naive_conditions::all(outcomes);
            if !case.expects(&outcome) {
                wrong.push(told(group, case, &format!("{outcome:?}")));
            }
        }
    }
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn each_place_of_the_specification_has_each_outcome() {
    let groups = groups();
    let places = places();
    assert!(places.len() > 40, "{places:?}");
    for place in places {
        assert!(groups.iter().any(|group| group.about == place), "no decision is about `{place}`");
    }
    for group in &groups {
        let kinds: BTreeSet<String> =
            group.requests.iter().map(|case| kind(&case.expected).to_owned()).collect();
        let all = BTreeSet::from(["allowed", "not_allowed", "unknown"].map(str::to_owned));
        let expected: BTreeSet<String> = &all - &group.never;
        assert_eq!(kinds, expected, "{}", group.about);
    }
}

#[test]
fn each_reason_of_the_specification_occurs() {
    let table = section("5").lines().filter(|line| line.starts_with("| `"));
    let listed = table.flat_map(|line| line.split('|').nth(1).unwrap().split(','));
    let reasons: BTreeSet<String> =
        listed.map(|code| code.trim().trim_matches('`').to_owned()).collect();
    assert_eq!(reasons.len(), 20, "{reasons:?}");
    let groups = groups();
    let cases = groups.iter().flat_map(|group| &group.requests);
    let expected: BTreeSet<String> = cases
        .map(|case| case.expected.clone())
        .filter(|expected| kind(expected) == "unknown")
        .collect();
    assert_eq!(expected, reasons);
}

/// The naive verdict of a list of rules: `conditions.md` section 3.
fn naive_list(rules: &[Value], case: &Case, request: &SampleRequest) -> Outcome {
    let mut kept = Outcome::False;
    for rule in rules {
        let has_effect = ["limit", "grants", "receipt", "list_items"]
            .iter()
            .any(|effect| rule.get(effect).is_some());
        match naive_rule(rule, case, request) {
            Outcome::True => return Outcome::True,
            Outcome::False => {}
            unknown if has_effect => return unknown,
            unknown if kept == Outcome::False => kept = unknown,
            Outcome::Unknown(_) => {}
        }
    }
    kept
}

fn naive_rule(rule: &Value, case: &Case, request: &SampleRequest) -> Outcome {
    let (method, path) = match rule.as_str() {
        Some(text) => text.split_once(' ').unwrap(),
        None => (
            rule["method"].as_str().unwrap(),
            rule.get("path").or(rule.get("route")).unwrap().as_str().unwrap(),
        ),
    };
    let captures = naive_captures(path, case.path());
    match captures {
        Some(captures) if method == case.method && rule.is_object() => {
            naive_conditions::judge(rule, &SampleRequest { captures, ..request.clone() })
        }
        captures => Outcome::of(captures.is_some() && method == case.method),
    }
}

/// The captures of a template without a pattern; of one with `{x*}` that is the last.
fn naive_captures(route: &str, path: &str) -> Option<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    let mut rest = path;
    let names = route.split('{').skip(1).map(|part| part.split('}').next().unwrap());
    let mut before = route.split(['{', '}']).step_by(2);
    rest = rest.strip_prefix(before.next().unwrap())?;
    for name in names {
        let takes_all = name.ends_with('*');
        let end = rest.find('/').filter(|_| !takes_all).unwrap_or(rest.len());
        found.insert(name.trim_end_matches('*').to_owned(), rest[..end].to_owned());
        rest = rest[end..].strip_prefix(before.next().unwrap_or_default())?;
    }
    rest.is_empty().then_some(found)
}

fn kind(expected: &str) -> &str {
    if matches!(expected, "allowed" | "not_allowed") { expected } else { "unknown" }
}

fn told(group: &Group, case: &Case, outcome: &str) -> String {
    let Case { method, target, headers, body, expected, .. } = case;
    let start = |text: &String| text.chars().take(120).collect::<String>();
    let body = body.as_ref().map(start);
    format!(
        "{}: {method} {} {headers:?} {body:?}: expected {expected}, not {outcome}",
        group.about,
        start(target)
    )
}

/// The text of a section without those below.
fn section(number: &str) -> &'static str {
    let headings = ["## ", "### "].map(|marks| format!("\n{marks}{number}"));
    let begin = headings
        .iter()
        .find_map(|heading| {
            [". ", " "]
                .iter()
                .find_map(|behind| SPECIFICATION.split_once(&format!("{heading}{behind}")))
        })
        .unwrap_or_else(|| panic!("no section {number}"));
    begin.1.split("\n#").next().unwrap()
}

/// What decisions must be about: lines of tables and items, by their sections.
fn places() -> Vec<String> {
    let lines = TABLES.iter().flat_map(|number| {
        let rows = section(number).lines().filter_map(|line| line.strip_prefix("| "));
        let first = rows.filter_map(|row| row.split(" | ").next());
        let heads = ["member", "name", "VALUE", "the test is", ""];
        first
            .filter(move |cell| !heads.contains(cell) && !cell.starts_with('|'))
            .map(move |cell| format!("{number} {cell}"))
    });
    let items = ITEMS.iter().flat_map(|number| {
        let numbered = |item: &usize| section(number).contains(&format!("\n{item}. "));
        (1..).take_while(numbered).map(move |item| format!("{number}.{item}"))
    });
    lines.chain(items).collect()
}
