//! A list that is found decides as one that is compiled.

use std::cell::RefCell;
use std::collections::HashMap;

use super::*;
use crate::policy::Policy;
use crate::request::RequestView;
use crate::target::{EncodedSlash, RequestTarget};

#[derive(Default)]
struct Kept(RefCell<HashMap<RulesKey, Arc<CompiledRules>>>);

impl RuleCache for Kept {
    fn get(&self, key: &RulesKey) -> Option<Arc<CompiledRules>> {
        self.0.borrow().get(key).cloned()
    }

    fn keep(&self, key: RulesKey, rules: &Arc<CompiledRules>) {
        assert!(
            self.0.borrow_mut().insert(key, Arc::clone(rules)).is_none(),
            "what is kept is not compiled again"
        );
    }
}

/// Gives what was kept first, whatever it is asked for: as if all digests were one.
#[derive(Default)]
struct Colliding(RefCell<Option<Arc<CompiledRules>>>);

impl RuleCache for Colliding {
    fn get(&self, _: &RulesKey) -> Option<Arc<CompiledRules>> {
        self.0.borrow().clone()
    }

    fn keep(&self, _: RulesKey, rules: &Arc<CompiledRules>) {
        self.0.borrow_mut().get_or_insert_with(|| Arc::clone(rules));
    }
}

fn raw(json: &str) -> Vec<RawRule> {
    serde_json::from_str(json).unwrap()
}

/// Lists that are nearly the same.
fn near() -> Vec<(Vec<RawRule>, PatternMode)> {
    let whole = [
        r#"["GET /a","GET /b"]"#,
        r#"["GET /b","GET /a"]"#,
        r#"["GET /a"]"#,
        r#"["GET /a","GET /a"]"#,
        r#"["PUT /a"]"#,
        r#"["* /a"]"#,
        r#"["GET /A"]"#,
        r#"["GET (?i)/a"]"#,
        r#"["GET /a\",\"GET /b"]"#,
        r#"["GET /a|/b"]"#,
        r#"["GET /\\x61"]"#,
        r#"[{"method":"GET","path":"/a"}]"#,
        r#"[{"method":["GET"],"path":"/a"}]"#,
        r#"[{"method":["GET","PUT"],"path":"/a"}]"#,
        r#"[{"method":"GET","route":"/a"}]"#,
        r#"[{"method":"GET","route":"/{a}"}]"#,
        r#"[{"method":"GET","path":"/a","limit":{"total":1}}]"#,
        r#"[{"method":"GET","path":"/a","limit":{"total":2}}]"#,
        r#"[{"method":"GET","path":"/a","limit":{"concurrent":1}}]"#,
    ];
    let prefix = [r#"["GET /a"]"#, r#"["GET /A"]"#, r#"["GET /a$"]"#];
    let of = |mode| move |json: &&str| (raw(json), mode);
    let lists = whole
        .iter()
        .map(of(PatternMode::Whole))
        .chain(prefix.iter().map(of(PatternMode::DangerPrefix)));
    // A quotation mark occurs in no path.
    lists.filter(|(rules, mode)| Rule::parse_list(rules, *mode).is_ok()).collect()
}

/// All that a policy says of some requests.
fn decisions(list: Arc<RuleList>) -> Vec<Option<(String, Option<String>)>> {
    let policy = Policy::of_list(list);
    let requests =
        ["GET /a", "HEAD /a", "PUT /a", "GET /b", "GET /A", "GET /ab", "GET /c", "POST /a"];
    let decided = requests.map(|request| {
        let (method, path) = request.split_once(' ').unwrap();
        let target = RequestTarget::parse(path.as_bytes(), EncodedSlash::Refuse).unwrap();
        let allowed = policy
            .decide(&RequestView::unread(method, &target), &crate::DecisionSteps::new())
            .unwrap()
            .matched()?;
        Some((
            allowed.rule.to_string(),
            allowed.state.and_then(|state| state.limit()).map(|limit| limit.to_string()),
        ))
    });
    decided.to_vec()
}

fn list(cache: &dyn RuleCache, rules: &[RawRule], mode: PatternMode) -> Arc<RuleList> {
    RuleCompiler::new(cache, Work::unlimited()).token().list(rules, mode).unwrap()
}

#[test]
fn a_list_that_is_found_is_the_one_that_was_asked_for() {
    let (kept, colliding) = (Kept::default(), Colliding::default());
    let near = near();
    assert!(near.len() > 18);
    for _ in 0..2 {
        for (rules, mode) in &near {
            let expected = decisions(list(&NoRuleCache, rules, *mode));
            assert_eq!(decisions(list(&kept, rules, *mode)), expected, "{rules:?}");
            assert_eq!(decisions(list(&colliding, rules, *mode)), expected, "{rules:?}");
        }
    }
    assert_eq!(kept.0.borrow().len(), near.len());
    // What was found is what was kept, so the second round compiled nothing.
    let (rules, mode) = &near[0];
    assert!(Arc::ptr_eq(&list(&kept, rules, *mode), &list(&kept, rules, *mode)));
}

/// What is accepted does not depend on what is kept: each list is charged as if it were compiled.
#[test]
fn a_list_that_is_found_costs_as_much() {
    let of = |letter: char| -> Vec<RawRule> {
        (0..16).map(|number| RawRule::Text(format!("GET /{letter}{number}a{{1000}}"))).collect()
    };
    let (one, other) = (of('b'), of('c'));
    let kept = Kept::default();
    let both = |cache: &dyn RuleCache| {
        let compiler = RuleCompiler::new(cache, Work::unlimited());
        let mut token = compiler.token();
        let first =
            token.list(&one, PatternMode::Whole).map(drop).map_err(|error| format!("{error:?}"));
        let second =
            token.list(&other, PatternMode::Whole).map(drop).map_err(|error| format!("{error:?}"));
        (first, second)
    };
    let without = both(&NoRuleCache);
    assert!(without.0.is_ok() && without.1.is_err(), "{without:?}");
    drop(list(&kept, &other, PatternMode::Whole));
    for _ in 0..2 {
        assert_eq!(both(&kept), without);
    }
}

/// Where work is spent, nothing is kept, and nothing is said of the rules.
#[test]
fn a_list_is_compiled_whole_or_not_at_all() {
    let rules =
        raw(r#"["GET /a/.*b?c*","PUT /a/[a-z]*x?y*","GET /[ab]*a[ab]{5}c","GET /simple/[0-9]+"]"#);
    let all = RuleCompiler::new(&NoRuleCache, Work::of_steps(1_000_000));
    let expected = decisions(all.token().list(&rules, PatternMode::Whole).unwrap());
    let needed = 1_000_000 - all.work().left();
    for steps in (0..needed).step_by(needed / 40) {
        let kept = Kept::default();
        let compiler = RuleCompiler::new(&kept, Work::of_steps(steps));
        assert!(compiler.token().list(&rules, PatternMode::Whole).is_err(), "{steps}");
        assert!(compiler.work().is_spent() && kept.0.borrow().is_empty(), "{steps}");
    }
    let compiler = RuleCompiler::new(&NoRuleCache, Work::of_steps(needed));
    assert_eq!(decisions(compiler.token().list(&rules, PatternMode::Whole).unwrap()), expected);
    assert!(!compiler.work().is_spent());
}

/// Rules with so many classes that may begin at one place, each of another letter.
fn classes(first: char, count: u32) -> Vec<RawRule> {
    let class = |number: u32| {
        format!(
            "[{}{}]*",
            char::from(b'A' + (number / 26) as u8),
            char::from(b'a' + (number % 26) as u8)
        )
    };
    (0..count).map(|number| RawRule::Text(format!("GET /{first}{}", class(number)))).collect()
}

/// Trees of one token may have 256 classes together. What is found was compiled for a token that had them all.
#[test]
fn what_is_found_has_no_more_classes_than_are_left() {
    let lists: Vec<Vec<RawRule>> = ('a'..='f').map(|first| classes(first, 60)).collect();
    let visits = |cache: &dyn RuleCache| {
        let compiler = RuleCompiler::new(cache, Work::unlimited());
        let mut token = compiler.token();
        lists
            .iter()
            .map(|rules| token.list(rules, PatternMode::Whole).unwrap().visits())
            .collect::<Vec<_>>()
    };
    let kept = Kept::default();
    lists.iter().for_each(|rules| drop(list(&kept, rules, PatternMode::Whole)));
    assert_eq!(visits(&NoRuleCache), [60, 60, 60, 60, 0, 0]);
    assert_eq!(visits(&kept), [60, 60, 60, 60, 0, 0]);
}

/// A list that was compiled with what others left is not what it would be alone: it is not kept. One that takes more than there is
/// for anybody is always the same.
#[test]
fn what_is_kept_is_what_any_token_would_make_of_it() {
    let keeps = |before: &[Vec<RawRule>], rules: &[RawRule]| {
        let kept = Kept::default();
        let compiler = RuleCompiler::new(&kept, Work::unlimited());
        let mut token = compiler.token();
        before.iter().for_each(|rules| drop(token.list(rules, PatternMode::Whole).unwrap()));
        let known = kept.0.borrow().len();
        let list = token.list(rules, PatternMode::Whole).unwrap();
        (kept.0.borrow().len() > known, list.visits())
    };
    let few: Vec<Vec<RawRule>> = ('a'..='d').map(|first| classes(first, 60)).collect();
    assert_eq!(keeps(&[], &classes('x', 60)), (true, 60));
    assert_eq!(keeps(&few[..3], &classes('x', 60)), (true, 60));
    assert_eq!(keeps(&few, &classes('x', 60)), (false, 0));
    assert_eq!(keeps(&[], &classes('x', 65)), (true, 0));
    // Five sets of methods, of which the last finds too few classes left: so it does for whoever begins with the list.
    let methods = ["GET", "PUT", "POST", "PATCH", "DELETE"];
    let of_methods: Vec<RawRule> = methods
        .iter()
        .flat_map(|method| {
            classes('x', 60)
                .into_iter()
                .map(move |rule| RawRule::Text(rule.to_string().replacen("GET", method, 1)))
        })
        .collect();
    assert_eq!(keeps(&[], &of_methods), (true, 240));
    assert_eq!(keeps(&few[..1], &of_methods), (false, 180));
    // 64 classes are left, which is all that one tree may have.
    let all: Vec<Vec<RawRule>> = ('a'..='c').map(|first| classes(first, 64)).collect();
    assert_eq!(keeps(&all, &classes('x', 65)), (true, 0));
    assert_eq!(keeps(&all, &classes('x', 64)), (true, 64));
}

/// What is kept takes its tables, its text and what it was compiled from.
#[test]
fn what_a_kept_list_takes_is_counted() {
    let bytes = |json: &str| {
        let kept = Kept::default();
        drop(list(&kept, &raw(json), PatternMode::Whole));
        kept.0.borrow().values().map(|rules| rules.memory_bytes()).sum::<usize>()
    };
    let (simple, table) = (bytes(r#"["GET /user"]"#), bytes(r#"["GET /.*a.{3}b"]"#));
    assert!(simple > 2 * "GET /user".len() && table > 1_000 + simple, "{simple} {table}");
    assert!(bytes(r#"["GET /user","GET /.*a.{3}b"]"#) > table + 2 * "GET /user".len());
}

/// What a list costs each request is taken for one that is found, too: as often as for one that is compiled.
#[test]
fn a_list_that_is_found_costs_each_request_as_much() {
    let raw = raw(r#"["GET /.*[a-m]1(b|c)*x[ab]{3}"]"#);
    let rules = Rule::parse_list(&raw, PatternMode::Whole).unwrap();
    let rules: Vec<&Rule> = rules.iter().collect();
    let times = |take: &dyn Fn(&mut PolicyBudget) -> Result<(), PolicyError>| {
        let mut budget = PolicyBudget::of_operator();
        (0..5_000).map(|times| (times, take(&mut budget))).find(|(_, taken)| taken.is_err())
    };
    let list = RuleList::compile(&rules, &mut PolicyBudget::of_operator()).unwrap();
    let found = times(&|budget| budget.take_steps(&list));
    assert_eq!(found, times(&|budget| RuleList::compile(&rules, budget).map(drop)));
    assert!(matches!(found, Some((_, Err(PolicyError::TooCostly)))), "{found:?}");
}

/// What attempts at sharing took is noted with the list, and left to nobody behind it.
#[test]
fn a_list_that_is_found_takes_what_sharing_took() {
    let rules = raw(r#"["GET /.*[a-m]1(b|c)*x[ab]{3}","GET /[ab]*a[ab]{5}c"]"#);
    let (kept, mut left) = (Kept::default(), Vec::new());
    for _ in 0..2 {
        let compiler = RuleCompiler::new(&kept, Work::unlimited());
        let mut token = compiler.token();
        let before = token.policies.sharing();
        drop(token.list(&rules, PatternMode::Whole).unwrap());
        let took = kept.0.borrow().values().map(|rules| rules.sharing_steps).sum::<usize>();
        assert!(took > 100 && token.policies.sharing() == before - took, "{took}");
        left.push(token.policies.sharing());
    }
    assert_eq!(left[0], left[1]);
}

/// A list weighs in the cache what the allocator says: its conditions are kept as JSON, and as
/// tests.
#[test]
fn what_a_list_with_conditions_takes_is_counted() {
    /// The bytes that the cache adds for the rest of an entry.
    const REST_BYTES: usize = 512;
    let names = |count: usize, test: &str| {
        let names: Vec<String> =
            (0..count).map(|number| format!(r#""member_{number}":{test}"#)).collect();
        names.join(",")
    };
    let texts: Vec<String> = (0..200).map(|number| format!("\"text {number}\"")).collect();
    for condition in [
        format!(r#""json":{{{}}}"#, names(60, "1")),
        format!(r#""json":{{{}}}"#, names(4, r#"{"object":{"a":[1,2],"b?":{"each":"c"}}}"#)),
        format!(r#""json":{{"a":[{}]}}"#, texts.join(",")),
        format!(r#""form":{{{}}}"#, names(30, r#"["a","b",7]"#)),
        format!(r#""query":{{{}}}"#, names(20, r#"{"glob":"a*"}"#)),
    ] {
        let rule =
            |number: usize| format!(r#"{{"method":"POST","path":"/a/{number}",{condition}}}"#);
        let rules = (0..8).map(rule).collect::<Vec<_>>().join(",");
        let kept = Kept::default();
        drop(list(&kept, &raw(&format!("[{rules}]")), PatternMode::Whole));
        let list = kept.0.take().into_values().next().unwrap();
        let weight = list.memory_bytes() + REST_BYTES;
        let freed = allocation_counter::measure(|| drop(list)).bytes_current;
        let taken = usize::try_from(-freed).unwrap();
        assert!(taken > 8 * condition.len(), "{condition}: {taken}");
        assert!(weight >= taken / 4 * 3, "{condition}: {weight} for {taken}");
        assert!(weight <= 2 * taken, "{condition}: {weight} for {taken}");
    }
}
