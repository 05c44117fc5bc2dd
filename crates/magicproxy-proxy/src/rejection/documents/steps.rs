//! The steps of a request, in the page for operators: those of `Gate::admit`, in their order.

use super::{between, root};

const PAGE: &str = "docs/guide/life-of-a-request.md";
const GATE: &str = include_str!("../../exchange/gate.rs");

/// What `admit` calls that is no step of its own: parts of a step's arguments, the log, and what only carries on.
const PARTS: [&str; 35] = [
    "Allowed",
    "Err",
    "Ok",
    "access",
    "as_str",
    "await_content",
    "binder",
    "cloned",
    "default",
    "drop",
    "extend",
    "filter",
    "headers",
    "into_asked",
    "is_spelt",
    "limits_left",
    "may_be_empty",
    "new",
    "note",
    "of",
    "of_request",
    "path_and_query",
    "payer",
    "peer_account",
    "permitted",
    "pin",
    "receipts",
    "rule",
    "sending",
    "started",
    "token",
    "took",
    "visible_parts",
    "watch",
    "with_trailers",
];

/// The names of what is called, in the order of the text: `a` of `x.a(…)`, `b` of `B::b(…)`.
fn calls(text: &str) -> Vec<&str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let ends = text.match_indices('(').map(|(at, _)| &text[..at]);
    let names = ends.map(|before| &before[before.rfind(|c| !is_part(c)).map_or(0, |at| at + 1)..]);
    names.filter(|name| !name.is_empty()).collect()
}

/// Each step in the page names its function; the page has them all, and in the order in which they are taken.
#[test]
fn the_page_tells_the_steps_of_admit_in_their_order() {
    let code = between(GATE, ["async fn admit<'c>(", "\n    }\n"]);
    let code = code.split_once("{\n").unwrap().1;
    let steps: Vec<&str> = calls(code).into_iter().filter(|name| !PARTS.contains(name)).collect();
    assert!(steps.len() > 8, "{steps:?}");
    let page = std::fs::read_to_string(root().join(PAGE)).unwrap();
    let (_, table) = page
        .split_once("\n| step | in `admit` |")
        .unwrap_or_else(|| panic!("{PAGE} has no table of steps"));
    let rows = table.split("\n\n").next().unwrap().lines().skip(2);
    let cells = rows.filter_map(|row| row.split('|').nth(2));
    let told: Vec<&str> = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    assert_eq!(
        told, steps,
        "the functions that {PAGE} names, and what `admit` calls (or is a call no step? then it belongs into `PARTS`)"
    );
}
