//! Whether rules for git have a request in common: for advice, never for decisions. `git.md`
//! section 3.3.

use super::GitTest;
use super::push::PushTest;
use crate::condition::least::{LeastParts, TextPlace, least_text};
use crate::condition::rule::Conditions;
use crate::condition::value::{TextTest, ValueTest};
use crate::pattern::{Budget, Least, MAX_PATTERN_STEPS, SearchSteps, TextAutomaton};

/// The names of all references but tags.
const NO_TAGS: &str = "refs/(?:[^t].*|t(?:[^a].*)?|ta(?:[^g].*)?|tag(?:[^s].*)?|tags(?:[^/].*)?)";
const TAGS: &str = "refs/tags/.+";

/// Tells whether all these rules have a request in common; `None` where none of them is for git. The
/// parts that are found say nothing. Where rules of other kinds are among them, nobody knows.
pub(in crate::condition) fn least_of_git(
    all: &[&Conditions],
    steps: &SearchSteps,
) -> Option<Least<LeastParts>> {
    let tests: Vec<&GitTest> = all.iter().filter_map(|conditions| conditions.git()).collect();
    let first = tests.first()?;
    if tests.len() < all.len() {
        return Some(Least::TooCostly);
    }
    if tests.iter().any(|test| std::mem::discriminant(*test) != std::mem::discriminant(*first)) {
        return Some(Least::Nothing("git".to_owned()));
    }
    let pushes = tests.iter().filter_map(|test| match test {
        GitTest::Push(test) => Some(test),
        GitTest::Fetch | GitTest::Lfs(_) => None,
    });
    let pushes: Vec<&PushTest> = pushes.collect();
    if pushes.is_empty() {
        return Some(least_lfs(&tests));
    }
    let found = least_ref(&pushes, NO_TAGS, steps);
    let moves_tags = [
        pushes.iter().all(|test| test.create),
        pushes.iter().all(|test| test.delete),
        pushes.iter().all(|test| test.force),
    ];
    let found = match moves_tags.contains(&true) {
        true => found.or_else(|| least_ref(&pushes, TAGS, steps)),
        false => found,
    };
    Some(found.within("refs").map(|_| LeastParts::default()))
}

/// Returns the least name of a reference, of this pattern, that all rules let a push move.
fn least_ref(pushes: &[&PushTest], pattern: &str, steps: &SearchSteps) -> Least<String> {
    let mut budget = Budget::new(MAX_PATTERN_STEPS);
    let Ok(names) = TextAutomaton::of_patterns([pattern], &mut budget) else {
        return Least::TooCostly;
    };
    // A name in a list need not be ASCII, which is all that patterns know.
    let is_tag = pattern == TAGS;
    let lists = pushes.iter().find_map(|test| match &test.refs {
        ValueTest::OneOf(names) => Some(names),
        _ => None,
    });
    if let Some(names) = lists {
        let names = names.iter().filter_map(|name| name.to_text());
        let mut names = names.filter(|name| name.starts_with("refs/tags/") == is_tag);
        let is_true = |name: &str| {
            let doubt = crate::condition::outcome::Reason::PathValue;
            let outcomes = pushes.iter().map(|test| test.refs.judge_text(name, doubt));
            outcomes.into_iter().all(|outcome| outcome == crate::condition::outcome::Outcome::True)
        };
        return names.find(|name| is_true(name)).map_or_else(Least::nothing, Least::Found);
    }
    let names = ValueTest::Text(TextTest { globs: None, patterns: Some(names) });
    let tests: Vec<&ValueTest> =
        pushes.iter().map(|test| &test.refs).chain(std::iter::once(&names)).collect();
    least_text(&tests, TextPlace::Pair, steps)
}

/// Tells whether rules for LFS share an operation.
fn least_lfs(tests: &[&GitTest]) -> Least<LeastParts> {
    let all = |has: fn(&super::LfsTest) -> bool| {
        tests.iter().all(|test| matches!(test, GitTest::Lfs(test) if has(test)))
    };
    let is_fetch = matches!(tests.first(), Some(GitTest::Fetch));
    let is_shared =
        is_fetch || all(|test| test.download) || all(|test| test.upload) || all(|test| test.locks);
    match is_shared {
        true => Least::Found(LeastParts::default()),
        false => Least::Nothing("operations".to_owned()),
    }
}
