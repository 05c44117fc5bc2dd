//! `Policy::allows` agrees with a naive second implementation, in both directions.

use magicproxy_core::{EncodedSlash, PatternMode, Policy, RawRule, RequestTarget, Rule};
use proptest::prelude::*;
use regex::bytes::RegexBuilder;

/// Patterns over a small alphabet, so that random paths often match.
fn pattern() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "a",
        "b",
        "/",
        "/a",
        "ab",
        "0",
        ".",
        "[ab]",
        "[^/]",
        "[^a]",
        "\\d",
        "\\w",
        "\\.",
        "-",
        "%20",
        "%3F",
        "^",
        "$",
        "\\b",
        "\\B",
        "\\A",
        "\\z",
        "(?i:A)",
        "[a-c]",
        "\\W",
        "(?m:^)",
        "(?m:$)",
        "[[:alpha:]]",
        "(?s:.)",
    ])
    .prop_map(str::to_owned);
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            3 => prop::collection::vec(inner.clone(), 1..5).prop_map(|parts| parts.concat()),
            2 => prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| format!("(?:{})", parts.join("|"))),
            1 => prop::collection::vec(inner.clone(), 1..3).prop_map(|parts| format!("({}|)", parts.join("|"))),
            2 => (inner, prop::sample::select(vec!["*", "+", "?", "*?", "+?", "??", "{2}", "{0,2}", "{1,}"])).prop_map(|(part, times)| format!("(?:{part}){times}")),
        ]
    })
    .prop_flat_map(|text| prop_oneof![Just(format!("/{text}")), Just(text.clone()), Just(format!("/{text}|/{text}b")), Just(format!("/a|{text}"))])
}

fn path() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "/", "/a", "/b", "a", "b", "ab", "0", ".", "-", "A", "%20", "%3F", "%2F", "_", "/a/b", "aa",
    ]);
    prop::collection::vec(piece, 0..7).prop_map(|pieces| format!("/{}", pieces.concat()))
}

fn method() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "GET", "HEAD", "POST", "PUT", "DELETE", "TRACE", "CONNECT", "get", "FOO", "*", "",
    ])
}

fn methods() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["GET", "GET", "HEAD", "POST", "*", "PUT"])
}

/// What the specification says, written down without cleverness.
fn naive_method(rule: &str, method: &str) -> bool {
    match (rule, method) {
        (_, "TRACE" | "CONNECT") => false,
        ("*", _) | ("GET", "HEAD") => true,
        _ => rule == method,
    }
}

fn naive_readings(path: &str) -> Vec<String> {
    let mut readings = vec![path.to_owned(), path.replace("%2F", "/")];
    readings.extend(
        readings.clone().iter().filter_map(|reading| Some(reading.split_once("%3F")?.0.to_owned())),
    );
    readings
}

fn naive_pattern(pattern: &str, mode: PatternMode, path: &str) -> bool {
    let anchored = if mode == PatternMode::Whole {
        format!(r"\A(?:{pattern})\z")
    } else {
        format!(r"\A(?:{pattern})")
    };
    let regex = RegexBuilder::new(&anchored)
        .unicode(false)
        .case_insensitive(mode == PatternMode::DangerPrefix)
        .build()
        .unwrap();
    regex.is_match(path.as_bytes())
}

fn naive_allows(rules: &[(&str, String)], mode: PatternMode, method: &str, path: &str) -> bool {
    let allowed = |reading: &String| {
        rules.iter().any(|(word, pattern)| {
            naive_method(word, method) && naive_pattern(pattern, mode, reading)
        })
    };
    naive_readings(path).iter().all(allowed)
}

fn agree(
    rules: &[(&'static str, String)],
    mode: PatternMode,
    requests: &[(&str, String)],
) -> Result<(), TestCaseError> {
    // A pattern that a rule may not have is no disagreement.
    let accepted: Vec<(&str, String)> = rules
        .iter()
        .filter(|(word, pattern)| {
            Rule::parse(RawRule::Text(format!("{word} {pattern}")), mode).is_ok()
        })
        .cloned()
        .collect();
    let parsed: Vec<Rule> = accepted
        .iter()
        .map(|(word, pattern)| {
            Rule::parse(RawRule::Text(format!("{word} {pattern}")), mode).unwrap()
        })
        .collect();
    let policy = Policy::compile(&parsed).unwrap();
    for (method, path) in requests {
        let Ok(target) = RequestTarget::parse(path.as_bytes(), EncodedSlash::Both) else {
            continue;
        };
        let expected = naive_allows(&accepted, mode, method, target.path());
        prop_assert_eq!(
            policy.allows(method, &target).is_some(),
            expected,
            "{:?} {:?} {} {}",
            accepted,
            mode,
            method,
            path
        );
    }
    Ok(())
}

fn template() -> impl Strategy<Value = Vec<&'static str>> {
    prop::collection::vec(
        prop::sample::select(vec!["a", "b", "a.b", "a+b", "(a)", "{x}", "{y}", "{z*}", "{w*}", ""]),
        1..5,
    )
}

/// Segment by segment: `{x}` is one, `{x*}` one or more.
fn naive_template(template: &[&str], segments: &[&str]) -> bool {
    match (template.split_first(), segments.split_first()) {
        (None, None) => true,
        (Some((first, rest)), Some((segment, others))) if first.ends_with("*}") => {
            !segment.is_empty()
                && (naive_template(rest, others) || naive_template(template, others))
        }
        (Some((first, rest)), Some((segment, others))) => {
            let fits = if first.starts_with('{') { !segment.is_empty() } else { first == segment };
            fits && naive_template(rest, others)
        }
        _ => false,
    }
}

fn naive_template_pattern(template: &[&str]) -> String {
    let segments = template.iter().map(|segment| match *segment {
        many if many.ends_with("*}") => "[^/]+(?:/[^/]+)*".to_owned(),
        one if one.starts_with('{') => "[^/]+".to_owned(),
        literal => regex::escape(literal),
    });
    segments.map(|segment| format!("/{segment}")).collect()
}

fn route(text: &str, mode: PatternMode) -> Option<Policy> {
    let raw: RawRule =
        serde_json::from_value(serde_json::json!({"method": "GET", "route": text})).unwrap();
    Policy::compile(&[Rule::parse(raw, mode).ok()?]).ok()
}

fn template_path() -> impl Strategy<Value = String> {
    prop::collection::vec(
        prop::sample::select(vec!["a", "b", "a.b", "axb", "a+b", "aab", "(a)", "c", "A", "%20a"]),
        1..6,
    )
    .prop_flat_map(|segments| {
        prop_oneof![
            Just(format!("/{}", segments.join("/"))),
            Just(format!("/{}/", segments.join("/")))
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rules(rules in prop::collection::vec((methods(), pattern()), 1..5), requests in prop::collection::vec((method(), path()), 1..12)) {
        agree(&rules, PatternMode::Whole, &requests)?;
        agree(&rules, PatternMode::DangerPrefix, &requests)?;
    }

    #[test]
    fn templates(template in template(), paths in prop::collection::vec(template_path(), 1..12)) {
        let text: String = template.iter().map(|segment| format!("/{segment}")).collect();
        let Some(policy) = route(&text, PatternMode::Whole) else {
            let twice = |name: &str| template.iter().filter(|segment| **segment == name).count() > 1;
            let broken = template.iter().rev().skip(1).any(|segment| segment.is_empty());
            prop_assert!(broken || ["{x}", "{y}", "{z*}", "{w*}"].into_iter().any(twice), "{} is refused", text);
            return Ok(());
        };
        let prefix = route(&text, PatternMode::DangerPrefix).unwrap();
        let pattern = naive_template_pattern(&template);
        let by_pattern = Policy::compile(&[Rule::parse(RawRule::Text(format!("GET {pattern}")), PatternMode::Whole).unwrap()]).unwrap();
        for path in paths {
            let Ok(target) = RequestTarget::parse(path.as_bytes(), EncodedSlash::Refuse) else { continue };
            let segments: Vec<&str> = path[1..].split('/').collect();
            let expected = naive_template(&template, &segments);
            for policy in [&policy, &prefix, &by_pattern] {
                prop_assert_eq!(policy.allows("GET", &target).is_some(), expected, "{} {}", text, path);
            }
        }
    }
}
