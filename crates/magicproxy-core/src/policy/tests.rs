//! What a rule admits, and what hostile rules may cost.

use super::list::SHARED_PATTERNS;
use super::*;
use crate::pattern::OWN_AUTOMATON_BYTES;
use crate::pattern::PatternMode;
use crate::rule::{Methods, RawRule};
use crate::target::EncodedSlash;

fn compile(rules: &[&str]) -> Policy {
    let raw: Vec<RawRule> = rules.iter().map(|rule| RawRule::Text((*rule).to_owned())).collect();
    Policy::compile(&Rule::parse_list(&raw, PatternMode::Whole).unwrap()).unwrap()
}

fn compiled_bytes(policy: &Policy) -> usize {
    policy.lists.iter().map(|list| list.compiled_bytes()).sum()
}

fn target(text: &str) -> RequestTarget {
    RequestTarget::parse(text.as_bytes(), EncodedSlash::Both).unwrap()
}

#[test]
fn says_which_rule_allowed() {
    #[track_caller]
    fn check(rules: &[&str], request: &str, expected: Option<&str>) {
        let (method, path) = request.split_once(' ').unwrap();
        assert_eq!(compile(rules).allows(method, &target(path)).map(AsRef::as_ref), expected);
    }
    let rules = ["GET /a", "PUT /a", "GET /b|/c", "GET /.*"];
    check(&rules, "GET /a", Some("GET /a"));
    check(&rules, "HEAD /a", Some("GET /a"));
    check(&rules, "PUT /a", Some("PUT /a"));
    check(&rules, "GET /c", Some("GET /b|/c"));
    check(&rules, "GET /d", Some("GET /.*"));
    check(&rules, "PUT /d", None);
    // The rule for the canonical path is named; the other reading needs one as well.
    check(&["GET /a%2Fb", "GET /a/b"], "GET /a%2Fb", Some("GET /a%2Fb"));
    check(&["GET /a%2Fb"], "GET /a%2Fb", None);
    check(&["GET /a/b"], "GET /a%2Fb", None);
}

#[test]
fn a_policy_without_rules_allows_nothing() {
    let policy = Policy::compile([]).unwrap();
    for method in ["GET", "*", ""] {
        assert!(policy.allows(method, &target("/")).is_none());
    }
}

/// Ordinary rules, as many as there may be, are accepted, and share a tree or their automata.
#[test]
fn a_thousand_ordinary_rules() {
    #[track_caller]
    fn check(rule: impl Fn(usize) -> String, path: &str, most_automata: usize) {
        let raw: Vec<RawRule> = (0..1000).map(|number| RawRule::Text(rule(number))).collect();
        let policy = Policy::compile(&Rule::parse_list(&raw, PatternMode::Whole).unwrap()).unwrap();
        assert!(policy.allows("GET", &target(path)).is_some());
        assert!(policy.allows("GET", &target(&format!("{path}/x"))).is_none());
        assert!(
            compiled_bytes(&policy) < MAX_POLICY_BYTES / 2,
            "{} bytes",
            compiled_bytes(&policy)
        );
        let automata: usize = policy.lists.iter().map(|list| list.automata()).sum();
        assert!(automata <= most_automata, "{automata}");
    }
    check(|_| "GET /repos/org7/[^/]+/issues/[0-9]+".to_owned(), "/repos/org7/x/issues/1", 0);
    check(
        |number| format!("GET /repos/org{number}/[^/]+/issues/[0-9]+"),
        "/repos/org999/x/issues/1",
        0,
    );
    check(|number| format!("GET /repos/acme/[^/]+/issues/{number}"), "/repos/acme/x/issues/999", 0);
    check(|number| format!("GET /[a-z]+/{number}"), "/abc/999", 0);
    check(
        |number| format!("GET /[a-z]+/(a|b){number}"),
        "/abc/b999",
        1000usize.div_ceil(SHARED_PATTERNS),
    );
}

/// The families of patterns that explode, and some that do not. `{}` becomes the number of the rule, `#` the number that grows.
const HOSTILE: [&str; 23] = [
    "/{}[ab]*a[ab]{#}c",
    "/[ab]*a[ab]{#}c{}",
    "/{}.*a.{#}",
    "/.*a.{#}{}",
    "/{}(?:.{#}){#}",
    "/{}(?:(?:a{0,#}){0,#}){0,#}",
    "/{}((a{0,#}){0,#}){0,#}",
    "/{}(?:a?){#}",
    "/{}(?:.?){#}",
    "/{}(?:a{0,#}b?)*",
    "/{}(?:[ab]?){#}a",
    "/{}(?:a*b*){#}",
    "/{}(?:[a-z]*[0-9]*){#}",
    "/{}.*(?:a.?){#}",
    "/{}(?:.*a|b){#}",
    "/{}(?:a|ab|abc|b|bc|c){#}",
    "/{}(a+)+b{#}",
    "/{}(?:(?:a|b)*(?:b|c)*){#}d",
    "/{}.*[a-m].*[g-z]{#}",
    "/{}(?:\\b|.){#}",
    // Matched as they stand, where `#` is small.
    "/[^/]*/[a-z0-9]+-{}#",
    "/{}[ab]*c[ab]*c[ab]*c[ab]*-#",
    "/[a-z0-9]*-[a-z0-9]+/{}#",
];

fn hostile(family: &str, number: usize, size: usize) -> RawRule {
    RawRule::Text(format!(
        "GET {}",
        family.replace('#', &size.to_string()).replace("{}", &number.to_string())
    ))
}

fn worst_paths() -> Vec<RequestTarget> {
    ["a", "b", "ab", "aab", "c", "0a1b", "z9", "-"]
        .iter()
        .map(|unit| target(&format!("/7{}", unit.repeat(4090 / unit.len()))))
        .collect()
}

/// Steps that deciding takes; all that there are, where they are not enough.
fn decision_steps(policy: &Policy, target: &RequestTarget) -> usize {
    let steps = DecisionSteps::new();
    std::hint::black_box(policy.allows_within("GET", target, &steps));
    steps.taken()
}

fn most_steps(policy: &Policy, paths: &[RequestTarget]) -> usize {
    paths.iter().map(|path| decision_steps(policy, path)).max().unwrap()
}

/// Every pattern that is accepted decides in one look-up for each byte, or a few where its table is large or it is classes.
#[test]
fn accepted_patterns_decide_at_once() {
    let paths = worst_paths();
    let mut accepted = 0;
    for family in HOSTILE {
        for size in (1..=24).chain([30, 40, 60, 100, 150, 250, 500, 1000]) {
            let Ok(rule) = Rule::parse(hostile(family, 7, size), PatternMode::Whole) else {
                continue;
            };
            let policy = Policy::compile([&rule]).unwrap();
            assert!(compiled_bytes(&policy) <= OWN_AUTOMATON_BYTES, "{rule}");
            let worst = most_steps(&policy, &paths);
            assert!(worst <= 10 * 4_096, "{rule}: {worst}");
            accepted += 1;
        }
    }
    assert!(accepted > 100, "{accepted}");
}

/// Each set of methods has a tree of its own, and there may be as many sets as rules.
#[test]
fn trees_share_what_a_path_may_cost() {
    let methods = [
        "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "ACL", "BIND", "COPY", "LOCK", "MERGE",
        "MOVE", "SEARCH",
    ];
    let pairs = methods
        .iter()
        .enumerate()
        .flat_map(|(at, one)| methods.iter().skip(at + 1).map(move |other| [*one, *other]));
    let classes: Vec<String> = ('b'..='o').map(|last| format!("[a{last}/]*")).collect();
    let path = format!("/({})", classes.join("|"));
    let rule = |[one, other]: [&str; 2]| {
        serde_json::json!({ "method": ["GET", one, other], "path": path }).to_string()
    };
    let raw: Vec<RawRule> = pairs.map(|pair| serde_json::from_str(&rule(pair)).unwrap()).collect();
    let policy = Policy::compile(&Rule::parse_list(&raw, PatternMode::Whole).unwrap()).unwrap();
    let visits: usize = policy.lists.iter().map(|list| list.visits()).sum();
    // As many trees of 14 classes as may be, and automata for the others.
    assert_eq!(visits, 256 / 14 * 14);
    assert_eq!(
        policy.lists.iter().map(|list| list.automata()).sum::<usize>(),
        raw.len() - 256 / 14
    );
    assert!(policy.allows("GET", &target(&format!("/{}z", "a".repeat(1000)))).is_none());
    assert!(policy.allows("GET", &target(&format!("/{}o", "a".repeat(1000)))).is_some());
}

/// What an operator configures may be larger than what a token brings along.
#[test]
fn a_token_brings_less_than_a_scope() {
    #[track_caller]
    fn check(count: usize, brought: bool) {
        let raw: Vec<RawRule> = (0..count)
            .map(|number| RawRule::Text(format!("GET /repos/acme/.*-{number}/issues")))
            .collect();
        let rules = Rule::parse_list(&raw, PatternMode::Whole).unwrap();
        assert_eq!(Policy::check_brought(&rules, &Work::unlimited()).is_ok(), brought);
        assert!(Policy::compile(&rules).is_ok());
    }
    check(100, true);
    check(310, false);
}

/// Steps that compiling what a token brings along takes at most: reading it, attempts at sharing, and each automaton alone.
const MAX_TOKEN_WORK: usize = 3 * 1_200_000 + 400_000;

/// Each list as long as may be: refused or accepted, it takes bounded steps and memory.
#[test]
fn lists_of_hostile_rules_are_bounded() {
    let paths = worst_paths();
    for family in HOSTILE {
        for size in [4, 100] {
            let raw: Vec<RawRule> = (0..1000).map(|number| hostile(family, number, size)).collect();
            let compiler = RuleCompiler::new(&NoRuleCache, Work::of_steps(MAX_TOKEN_WORK));
            let list = compiler.token().list(&raw, PatternMode::Whole);
            assert!(!compiler.work().is_spent(), "{family} {size}");
            let Ok(list) = list else { continue };
            let policy = Policy::of_list(list);
            assert!(compiled_bytes(&policy) <= MAX_TOKEN_POLICY_BYTES);
            assert!(most_steps(&policy, &paths) <= MAX_DECISION_STEPS, "{family} {size}");
        }
    }
}

#[test]
fn patterns_that_never_end_elsewhere() {
    for pattern in [
        "/(a+)+",
        "/(a|a)*",
        "/(a|aa)+",
        "/(.*)*",
        "/(.*a){12}",
        "/(?:a?){30}a{30}",
        "/((a{0,50}){0,50}){0,50}",
        "/([a-z]+)*1",
        "/(?:(?:(?:(?:a*)*)*)*)*",
        "/(\\w+\\s?)*",
        "/^(a+)+$",
    ] {
        let Ok(rule) = Rule::parse(RawRule::Text(format!("GET {pattern}")), PatternMode::Whole)
        else {
            continue;
        };
        let worst = most_steps(&Policy::compile([&rule]).unwrap(), &worst_paths());
        assert!(worst <= 10 * 4_096, "{pattern}: {worst}");
    }
}

/// A target with two readings does not slip past a rule that demands something, to one that demands nothing.
#[test]
fn a_stateful_rule_does_not_stand_aside() {
    let raw = r#"[{"method":"GET","path":"/dear/.*","limit":{"total":1}},"GET /.*"]"#;
    let raw: Vec<RawRule> = serde_json::from_str(raw).unwrap();
    let policy = Policy::compile(&Rule::parse_list(&raw, PatternMode::Whole).unwrap()).unwrap();
    let decided = |path: &str| {
        let decision =
            policy.decide(&RequestView::unread("GET", &target(path)), &DecisionSteps::new());
        decision.unwrap().matched().map(|allowed| allowed.state.is_some())
    };
    assert_eq!(decided("/dear/a"), Some(true));
    assert_eq!(decided("/cheap/a%2Fb"), Some(false));
    for path in ["/dear/a%2Fb", "/dear%2Fa", "/dear/a%3Fb", "/dear/a%23", "/dear/%3Fa"] {
        assert_eq!(decided(path), None, "{path}");
    }
}

/// Automata that share badly: as many as rules.
fn automata(count: usize) -> Vec<RawRule> {
    (0..count)
        .map(|number| RawRule::Text(format!("GET /.*[a-m]{number}(b|c)*x[ab]{{3}}")))
        .collect()
}

/// The decision stops where the steps of the request end, and does not say yes then.
#[test]
fn a_request_has_so_many_steps_and_no_more() {
    let raw: Vec<RawRule> =
        automata(300).into_iter().chain([RawRule::Text("GET /.*".to_owned())]).collect();
    let policy = Policy::compile(&Rule::parse_list(&raw, PatternMode::Whole).unwrap()).unwrap();
    let passes = policy.lists.iter().map(|list| list.automata()).sum::<usize>();
    let mut allowed = 0;
    for length in (16..4_000).step_by(16) {
        let target = target(&format!("/{}", "a".repeat(length)));
        let steps = DecisionSteps::new();
        let decision = policy
            .decide(&RequestView::unread("GET", &target), &steps)
            .map(|decision| decision.matched().is_some());
        match decision {
            Ok(decision) => {
                assert!(decision && allowed == length - 16, "{length}");
                assert!(steps.taken() >= passes * (length + 1), "{length}");
                allowed = length;
            }
            Err(ExhaustedSteps) => {
                assert!(passes * (length + 1) * 40 > MAX_DECISION_STEPS, "{length}");
                assert_eq!(steps.taken(), MAX_DECISION_STEPS);
                assert!(
                    policy.allows("GET", &target).is_none()
                        && policy.missing("GET", &target, &DecisionSteps::new()).is_empty()
                );
                // Spent is spent: nothing else of the request is decided with what was not enough.
                assert_eq!(
                    compile(&["GET /.*"])
                        .decide(&RequestView::unread("GET", &target), &steps)
                        .map(|_| ()),
                    Err(ExhaustedSteps)
                );
            }
        }
    }
    assert!((512..3_900).contains(&allowed), "{allowed}");
}

/// What a list costs is judged by the method that most of it admits: what is for others is not looked at.
#[test]
fn a_list_is_judged_by_its_costliest_method() {
    #[track_caller]
    fn check(lists: &[&[&str]], accepted: bool) {
        let mut judged = steps::ListSteps::default();
        let add = |methods: &&[&str]| {
            let methods = match methods {
                ["*"] => Methods::Any,
                listed => Methods::Listed(
                    listed.iter().map(|name| crate::Method::parse(name).unwrap()).collect(),
                ),
            };
            // Four hundred passes: two of them are too many.
            judged.add(&methods, &steps::GroupSteps::of_passes(&methods, 400))
        };
        assert_eq!(
            lists.iter().try_for_each(add),
            if accepted { Ok(()) } else { Err(PolicyError::TooCostly) },
            "{lists:?}"
        );
    }
    check(&[&["PUT"], &["POST"], &["GET"], &["DELETE"]], true);
    check(&[&["PUT"], &["POST", "PUT"]], false);
    check(&[&["PUT"], &["*"]], false);
    check(&[&["GET"], &["HEAD"]], false);
    check(&[&["GET", "HEAD"], &["PUT"]], true);
    check(&[&["HEAD"], &["PUT"]], true);
}

/// To the last step: 128 sets of one method each cost one, and their passes over 512 bytes all the others.
#[test]
fn a_list_may_cost_as_much_as_a_request_has() {
    let decide = |sets: usize| {
        let mut judged = steps::ListSteps::default();
        let methods = Methods::Listed(vec![crate::Method::parse("PUT").unwrap()]);
        (0..sets).try_for_each(|set| {
            judged.add(
                &methods,
                &steps::GroupSteps::of_passes(&methods, if set == 0 { 781 } else { 0 }),
            )
        })
    };
    assert_eq!(128 + 781 * 512, MAX_DECISION_STEPS);
    assert_eq!((decide(128), decide(129)), (Ok(()), Err(PolicyError::TooCostly)));
}

/// Automata and trees of what a token brings along take a mebibyte, of what an operator configures four.
#[test]
fn compiled_rules_take_so_many_bytes() {
    for (budget, bytes) in [
        (PolicyBudget::of_token as fn(&Work) -> PolicyBudget, 1024 * 1024),
        (|_: &Work| PolicyBudget::of_operator(), 4 * 1024 * 1024),
    ] {
        let mut whole = budget(&Work::unlimited());
        assert_eq!((whole.take(bytes), whole.take(1)), (Ok(()), Err(PolicyError::TooComplex)));
    }
}

/// Conditions take steps of the same count: a long query, a long header field or a long capture that
/// many rules judge is denied in time, however many rules there are.
#[test]
fn conditions_take_steps_of_the_request() {
    let rules = |count: usize, members: &str| {
        let rule = |number: usize| {
            format!(r#"{{"method":"GET","route":"/a/{{id}}",{members}}}"#)
                .replace("NUMBER", &number.to_string())
        };
        let raw = format!("[{}]", (0..count).map(rule).collect::<Vec<_>>().join(","));
        let raw: Vec<RawRule> = serde_json::from_str(&raw).unwrap();
        Policy::compile(&Rule::parse_list(&raw, PatternMode::Whole).unwrap()).unwrap()
    };
    let long = "x".repeat(3_000);
    for (members, path) in [
        (r#""query":{"a":{"glob":"x*NUMBER"}}"#, format!("/a/b?a={long}")),
        (r#""query":{"*":{"glob":"x*NUMBER"}}"#, format!("/a/b?b=1&a={long}+")),
        (r#""captures":{"id":{"glob":"x*NUMBER"}}"#, format!("/a/{long}")),
    ] {
        let target = target(&path);
        let taken = |count: usize| {
            let steps = DecisionSteps::new();
            let request = RequestView::unread("GET", &target);
            (rules(count, members).decide(&request, &steps).map(|_| ()), steps.taken())
        };
        let ((few, one), (_, two)) = (taken(1), taken(2));
        assert!(few.is_ok() && two - one >= long.len(), "{members}: {one} {two}");
        assert_eq!(taken(200), (Err(ExhaustedSteps), MAX_DECISION_STEPS), "{members}");
    }
}
