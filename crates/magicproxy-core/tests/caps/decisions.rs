//! What a decision costs, as `rules.md` section 6 counts it: 400,000 steps are a request's, and no more.

use magicproxy_core::{
    DecisionSteps, EncodedSlash, PatternMode, Policy, PolicyError, RawRule, RequestTarget, Rule,
};

fn policy(texts: &[&str]) -> Policy {
    let raw: Vec<RawRule> = texts.iter().map(|text| RawRule::Text((*text).to_owned())).collect();
    Policy::compile(&Rule::parse_list(&raw, PatternMode::Whole).unwrap()).unwrap()
}

fn taken(policy: &Policy, method: &str, target: &str) -> usize {
    let steps = DecisionSteps::new();
    let target = RequestTarget::parse(target.as_bytes(), EncodedSlash::Both).unwrap();
    let _ = policy.allows_within(method, &target, &steps);
    steps.taken()
}

#[test]
fn each_set_of_methods_each_tree_and_each_table_costs() {
    #[track_caller]
    fn check(texts: &[&str], method: &str, target: &str, expected: usize) {
        assert_eq!(taken(&policy(texts), method, target), expected, "{texts:?} {method} {target}");
    }
    // A method, one pass over five bytes, and a tree of few nodes.
    check(&["GET /user"], "GET", "/user", 1 + (5 + 16) + 1);
    check(&["GET /user"], "GET", "/userssss", 1 + (9 + 16) + 1);
    check(&["GET|PUT|POST /user"], "GET", "/user", 3 + (5 + 16) + 1);
    check(&["* /user"], "GET", "/user", 1 + (5 + 16) + 1);
    check(&["GET /user"], "PUT", "/user", 1);
    check(&["GET /user", "PUT /user"], "GET", "/user", 2 + (5 + 16) + 1);
    // The root, `/`, and a node for each name: 9 nodes and 24.
    let letters: Vec<String> = ('a'..='w').map(|letter| format!("GET /{letter}")).collect();
    let letters: Vec<&str> = letters.iter().map(String::as_str).collect();
    check(&letters[..7], "GET", "/a", 1 + (2 + 16) + 2);
    check(&letters[..22], "GET", "/a", 1 + (2 + 16) + 3);
    // A class that the path may have to try is a pass more; a table is one, too.
    check(&["GET /[a-z]+"], "GET", "/user", 1 + 2 * (5 + 16) + 1);
    check(&["GET /[a-z]+/[0-9]*"], "GET", "/user", 1 + 3 * (5 + 16) + 1);
    check(&["GET /.*a.b"], "GET", "/user", 1 + 2 * (5 + 16) + 1);
    // The second reading of an encoded slash, in which the path is two bytes shorter.
    check(&["GET /.*"], "GET", "/a%2Fb", 2 + 2 * (6 + 16) + 2 * (4 + 16) + 2);
}

/// A table that a processor has not at hand costs a pass more for each full 16 KiB.
#[test]
fn a_large_table_costs_more() {
    let mut most = 0;
    for length in 1..12 {
        let text = format!("GET /.*a.{{{length}}}b");
        let raw = RawRule::Text(text.clone());
        let Ok(rule) = Rule::parse(raw, PatternMode::Whole) else { continue };
        let policy = Policy::compile([&rule]).unwrap();
        // Beside the table there is the text, and a tree in which nothing is.
        let table = policy.memory_bytes() - text.len();
        let passes = (taken(&policy, "GET", "/user") - 2) / (5 + 16) - 2;
        assert!(
            passes == table / 16_384 || passes == table.saturating_sub(512) / 16_384,
            "{text}: {table} {passes}"
        );
        most = most.max(passes);
    }
    assert!(most >= 2, "{most}");
}

#[test]
fn a_list_that_costs_too_much_is_refused() {
    // Each is a table of its own: so many are asked about each request, with a pass for each byte.
    let compiled = |count: usize| {
        let raw =
            (0..count).map(|number| RawRule::Text(format!("GET /.*[a-m]{number}(b|c)*x[ab]{{3}}")));
        Policy::compile(&Rule::parse_list(&raw.collect::<Vec<_>>(), PatternMode::Whole).unwrap())
            .map(drop)
    };
    assert_eq!((compiled(300), compiled(800)), (Ok(()), Err(PolicyError::TooCostly)));
}
