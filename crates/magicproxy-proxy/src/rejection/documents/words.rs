//! The words beside the codes that programs may rely on, in the page of codes: each table has those of the code, and no others.

use std::collections::BTreeSet;

use super::{PAGE, between, in_the_code, root};

const REJECTION: &str = include_str!("../../rejection.rs");
const FAILURE: &str = include_str!("../../transport/failure.rs");
const BODY: &str = include_str!("../../http/body.rs");
const RECORD: &str = include_str!("../../observe/access_log.rs");
const TUNNEL: &str = include_str!("../../doors/reverse/tunnel.rs");
const VERDICT: &str = include_str!("../../http/header/verdict.rs");
const VERIFY: &str = include_str!("../../../../magicproxy-core/src/token/verify.rs");

fn page() -> String {
    std::fs::read_to_string(root().join(PAGE)).unwrap()
}

/// The first cells of the table below a heading, out of their backquotes.
fn in_the_table(heading: &str) -> Vec<String> {
    let page = page();
    let (_, section) = page
        .split_once(&format!("\n{heading}\n"))
        .unwrap_or_else(|| panic!("{PAGE} has no `{heading}`"));
    // Words may stand in the head of the table, too.
    let (_, section) = section.split("\n#").next().unwrap().split_once("\n|---").unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| {
        row.split_once("` |")
            .unwrap_or_else(|| panic!("a word, its meaning: {row}"))
            .0
            .replace("\\`", "`")
    })
    .collect()
}

/// Literals that are words: letters and `_`.
fn words(text: &str) -> BTreeSet<String> {
    let literals = text.split('"').skip(1).step_by(2);
    let is_word = |text: &&str| {
        text.len() > 1 && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    };
    literals.filter(is_word).map(str::to_owned).collect()
}

#[track_caller]
fn check(heading: &str, coded: &BTreeSet<String>) {
    let listed = in_the_table(heading);
    let documented: BTreeSet<String> = listed.iter().cloned().collect();
    assert_eq!(documented.len(), listed.len(), "a word stands twice below `{heading}`: {listed:?}");
    assert!(coded.len() > 1, "no words were found in the code for `{heading}`: {coded:?}");
    let missing: Vec<_> = coded.difference(&documented).collect();
    let invented: Vec<_> = documented.difference(coded).collect();
    assert!(
        missing.is_empty() && invented.is_empty(),
        "`{heading}` misses {missing:?} and has {invented:?}, which do not exist"
    );
}

#[test]
fn every_error_type_of_proxy_status_and_of_the_log_is_explained() {
    let parts = [
        between(REJECTION, ["const DENIED", "fn status_of"]),
        between(REJECTION, ["fn error_type(&self)", "\n    }\n"]),
        between(FAILURE, ["fn kind(&self)", "impl ConnectFault {"]),
        between(BODY, ["fn upstream_error", "\n    }\n"]),
    ];
    let codes: BTreeSet<String> = in_the_code().into_iter().map(|(code, _)| code).collect();
    let found: BTreeSet<String> = parts.into_iter().flat_map(words).collect();
    check("### `Proxy-Status`", &found.difference(&codes).cloned().collect());
}

#[test]
fn every_word_of_the_log_that_is_no_code_is_explained() {
    let set = RECORD.split("self.decision = ").skip(1).filter(|rest| rest.starts_with('"'));
    let undecided = between(RECORD, ["const UNDECIDED", ";\n"]);
    let decisions = set.map(|rest| rest.lines().next().unwrap()).chain([undecided]);
    check("### `decision` in the log", &decisions.flat_map(words).collect());
    check("### `ended` in the log", &words(between(TUNNEL, ["fn name(self)", "\n    }\n"])));
}

#[test]
fn every_rule_of_a_header_is_explained() {
    let mut rules = words(between(VERDICT, ["fn rule(treatment", "\n}\n"]));
    rules.extend(words(between(VERDICT, ["passes: false,", ".to_owned()"])));
    check("### `rule` of a header", &rules);
}

/// Both directions: a text that no error has is nobody's detail, and no error lacks a remedy.
#[test]
fn every_detail_of_an_invalid_token_has_a_remedy() {
    let details = in_the_table("## Details of `invalid_token`");
    let sources = [
        REJECTION,
        VERIFY,
        include_str!("../../../../magicproxy-core/src/decision/permit/authorize.rs"),
    ];
    let sources = sources.concat().split_whitespace().collect::<Vec<_>>().join(" ");
    for detail in &details {
        let exists = detail.split('…').all(|part| sources.contains(part.trim()));
        assert!(exists, "no error begins with `{detail}`");
    }
    let errors = between(VERIFY, ["pub enum VerifyError {", "\n}\n"])
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    let texts = errors
        .split("#[error(")
        .skip(1)
        .filter_map(|rest| rest.split_once('"')?.1.split('"').next());
    // Faults of rules have texts of their own, and an expired token a code.
    let texts: Vec<&str> =
        texts.filter(|text| !text.starts_with('{') && *text != "the token has expired").collect();
    assert!(texts.len() > 15, "{texts:?}");
    for text in texts {
        let begins = |detail: &String| text.starts_with(detail.split('…').next().unwrap());
        assert!(details.iter().any(begins), "`{text}` has no remedy in {PAGE}");
    }
}
