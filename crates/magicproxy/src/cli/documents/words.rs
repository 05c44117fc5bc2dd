//! The words of `--json` beside the codes, and the exit codes: each table in the page of codes has
//! the program's words, and no others.

use std::collections::BTreeSet;

use super::root;

const PAGE: &str = "docs/reference/errors.md";

/// Returns the first cells of the table below a heading.
fn in_the_table(heading: &str) -> BTreeSet<String> {
    let page = std::fs::read_to_string(root().join(PAGE)).unwrap();
    let (_, section) = page
        .split_once(&format!("\n{heading}\n"))
        .unwrap_or_else(|| panic!("{PAGE} has no `{heading}`"));
    // Words may stand in the head of the table, too.
    let (_, rows) = section.split("\n#").next().unwrap().split_once("\n|---").unwrap();
    let cells = rows.lines().filter_map(|line| line.strip_prefix("| ")?.split(" |").next());
    cells.map(|cell| cell.trim_matches('`').to_owned()).collect()
}

/// Returns the literals between two parts of a source; a literal with blanks stands with `_` in
/// JSON.
fn words(source: &str, [start, end]: [&str; 2]) -> BTreeSet<String> {
    let rest = source.split_once(start).unwrap_or_else(|| panic!("there is no `{start}`")).1;
    let part =
        rest.split_once(end).unwrap_or_else(|| panic!("there is no `{end}` behind `{start}`")).0;
    let is_word = |text: &&str| {
        text.len() > 1
            && text.bytes().all(|byte| byte.is_ascii_lowercase() || b"_ ".contains(&byte))
    };
    let literals = part.split('"').skip(1).step_by(2).filter(is_word);
    literals.map(|word| word.replace(' ', "_")).collect()
}

#[track_caller]
fn check(heading: &str, coded: &BTreeSet<String>) {
    assert!(coded.len() > 1, "no words were found in the code for `{heading}`: {coded:?}");
    assert_eq!(
        &in_the_table(heading),
        coded,
        "the words of `{heading}` in {PAGE}, and those of the code"
    );
}

#[test]
fn every_word_of_json_is_explained() {
    let explain = include_str!("../explain/verdict.rs");
    let decisions = words(explain, ["let (decision, refusal) = match", "};"]);
    check("### `decision` of `explain`", &decisions);
    let inspect = include_str!("../inspect.rs");
    check("### `signature` of `inspect`", &words(inspect, ["let signature = match", "};"]));
    let connect = include_str!("../config/connect.rs");
    check("### `step` of `config check`", &words(connect, ["fn as_str(self)", "\n    }\n"]));
    let plugin = include_str!("../plugin/run.rs");
    check("### `verdict` of `plugin run`", &words(plugin, ["let (word, reason) = match", "};"]));
    let keys = include_str!("../keys.rs");
    let states = [
        ["let state = |at: usize, key", "};"],
        ["let sealing_state = |", "};"],
        ["fn key_set_state", "\n}\n"],
        ["fn sealing_state", "\n}\n"],
    ];
    check(
        "### `state` of `keys list`",
        &states.into_iter().flat_map(|part| words(keys, part)).collect(),
    );
}

#[test]
fn every_exit_code_is_explained() {
    let failure = include_str!("../../ground/failure.rs");
    let arms =
        failure.split_once("fn code(&self) -> u8").unwrap().1.split_once("\n    }\n").unwrap().0;
    let numbers = arms
        .lines()
        .filter_map(|line| line.split_once("=> ")?.1.trim_end_matches(',').parse::<u8>().ok());
    let not_started =
        include_str!("../run.rs").split_once("let code = if").unwrap().1.lines().next().unwrap();
    let not_started =
        not_started.split(['{', '}']).filter_map(|part| part.trim().parse::<u8>().ok());
    let coded: BTreeSet<String> =
        numbers.chain(not_started).chain([0]).map(|code| code.to_string()).collect();
    assert_eq!(coded.len(), 7, "{coded:?}");
    assert_eq!(in_the_table("## Exit codes"), coded, "{PAGE}");
}
