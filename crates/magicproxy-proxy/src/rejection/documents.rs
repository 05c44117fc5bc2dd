//! The codes of refusals and the documents: every code stands in one page, and every code that a document names exists.

mod steps;
mod words;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use magicproxy_core::ParseTargetError;

/// The page of all codes, from the repository's root on.
const PAGE: &str = "docs/reference/errors.md";
/// Where the sections of codes begin, and where they end.
const SECTIONS: [&str; 2] = ["\n## The token\n", "\n## Details of `invalid_token`\n"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every code with its status, read from the texts that give them: no value of each kind could be forgotten here.
fn in_the_code() -> BTreeSet<(String, u16)> {
    let text = [include_str!("../rejection.rs"), include_str!("../transport/failure.rs")].concat();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut codes = BTreeSet::new();
    for part in text.split("(StatusCode::").skip(1).chain(text.split("( StatusCode::").skip(1)) {
        let Some((status, rest)) = part.split_once(',') else { continue };
        let Some(code) = rest.trim().strip_prefix('"').and_then(|rest| rest.split('"').next())
        else {
            continue;
        };
        codes.insert((code.to_owned(), number(status)));
    }
    codes.extend(in_arms(include_str!("../../../magicproxy-core/src/target.rs")).map(|code| {
        let status = if code == ParseTargetError::TooLong.code() { 414 } else { 400 };
        (code, status)
    }));
    codes.extend(
        in_arms(include_str!("../../../magicproxy-core/src/decision/permit/authorize.rs")).map(
            |code| {
                let is_unknown =
                    ["expired_token", "invalid_token", "wrong_upstream"].contains(&code.as_str());
                (code, if is_unknown { 401 } else { 403 })
            },
        ),
    );
    codes.extend(
        in_arms(include_str!("../../../magicproxy-core/src/condition/outcome.rs"))
            .map(|code| (code, 400)),
    );
    codes.extend(
        in_arms(include_str!("../../../magicproxy-git/src/command_list/fault.rs"))
            .map(|code| (code, 400)),
    );
    codes
}

#[test]
fn every_code_has_a_counter() {
    for (code, _) in in_the_code() {
        assert!(crate::metrics::DecisionCode::is_known(&code), "{code}");
    }
}

/// The codes that the arms of a `match` of core's give.
fn in_arms(text: &str) -> impl Iterator<Item = String> {
    let arms =
        text.lines().filter_map(|line| line.trim().strip_prefix("Self::")?.split_once(" => \""));
    arms.filter_map(|(_, code)| Some(code.split('"').next()?.to_owned()))
}

fn number(status: &str) -> u16 {
    use http::StatusCode;
    let known = (400..600).filter_map(|number| StatusCode::from_u16(number).ok());
    let name = |status: StatusCode| {
        status.canonical_reason().unwrap_or_default().to_uppercase().replace([' ', '-'], "_")
    };
    let found = known.into_iter().find(|known| name(*known) == status);
    found.unwrap_or_else(|| panic!("no status is called `{status}`")).as_u16()
}

/// The words in backquotes at the beginning of a text, with commas, `and`, `or` and the like between them.
fn quoted(text: &str) -> Vec<&str> {
    let mut rest = text.trim_start();
    let mut words = Vec::new();
    while let Some((word, after)) = rest.strip_prefix('`').and_then(|rest| rest.split_once('`')) {
        words.push(word);
        rest = after.trim_start_matches([',', ' ', '/']);
        rest =
            ["and ", "or "].iter().find_map(|between| rest.strip_prefix(between)).unwrap_or(rest);
    }
    words
}

fn documents(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            documents(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}

/// The part of a text between two others.
fn between<'t>(text: &'t str, [start, end]: [&str; 2]) -> &'t str {
    let rest = text.split_once(start).unwrap_or_else(|| panic!("there is no `{start}`")).1;
    rest.split_once(end).unwrap_or_else(|| panic!("there is no `{end}` behind `{start}`")).0
}

/// The sections of codes: a heading, which is the code and so the anchor, then status, cause and remedy.
fn in_the_page(page: &str) -> BTreeSet<(String, u16)> {
    let mut documented = BTreeSet::new();
    for section in between(page, SECTIONS).split("\n### ").skip(1) {
        let (code, lines) = section.split_once('\n').unwrap();
        let code = code
            .strip_prefix('`')
            .and_then(|code| code.strip_suffix('`'))
            .unwrap_or_else(|| panic!("a code: {code}"));
        let points: Vec<&str> = lines.split("\n## ").next().unwrap().trim().split("\n- ").collect();
        let [status, cause, remedy] = points[..] else {
            panic!("status, cause and remedy of `{code}`: {points:?}")
        };
        let status = status.strip_prefix("- Status: ").and_then(|status| status.parse().ok());
        for (label, text) in [("Cause: ", cause), ("Remedy: ", remedy)] {
            assert!(
                text.strip_prefix(label).is_some_and(|text| text.len() > 10),
                "`{code}`, {label}{text}"
            );
        }
        let row = (code.to_owned(), status.unwrap_or_else(|| panic!("the status of `{code}`")));
        assert!(documented.insert(row), "twice: {code}");
    }
    documented
}

#[test]
fn every_code_stands_in_one_page_with_status_cause_and_remedy() {
    let documented = in_the_page(&std::fs::read_to_string(root().join(PAGE)).unwrap());
    let coded = in_the_code();
    assert!(coded.len() > 60, "{coded:?}");
    let missing: Vec<_> = coded.difference(&documented).collect();
    let invented: Vec<_> = documented.difference(&coded).collect();
    assert!(
        missing.is_empty() && invented.is_empty(),
        "{PAGE} misses {missing:?} and has {invented:?}, which do not exist"
    );
}

/// The problem type of RFC 9457 names the same word as the section.
#[test]
fn the_page_tells_the_problem_type_of_a_code() {
    let page = std::fs::read_to_string(root().join(PAGE)).unwrap();
    assert!(page.contains(&format!("`{}not_allowed`", super::response::TYPE_BASE)), "{PAGE}");
}

/// `403 `CODE`` in any document, and `"code":"CODE"`.
#[test]
fn every_code_that_a_document_names_exists_with_its_status() {
    let coded = in_the_code();
    let mut paths = vec![
        root().join("README.md"),
        root().join("SECURITY.md"),
        root().join("ARCHITECTURE.md"),
        root().join("CHANGELOG.md"),
    ];
    documents(&root().join("docs"), &mut paths);
    let mut wrong = Vec::new();
    for path in &paths {
        let text = std::fs::read_to_string(path).unwrap();
        for (at, _) in text.match_indices(" `") {
            let status = text[..at].rsplit([' ', '(', '|', ':', '\n']).next().unwrap_or_default();
            let Ok(status) = status.parse::<u16>() else { continue };
            if !(400..600).contains(&status) {
                continue;
            }
            let codes = quoted(&text[at..])
                .into_iter()
                .filter(|code| !code.ends_with('…') && !code.starts_with("Retry"));
            wrong.extend(
                codes
                    .filter(|code| !coded.contains(&((*code).to_owned(), status)))
                    .map(|code| (path.clone(), status, code.to_owned())),
            );
        }
        for (_, rest) in
            text.match_indices("\"code\":\"").map(|(at, found)| text.split_at(at + found.len()))
        {
            let code = rest.split('"').next().unwrap_or_default();
            if !coded.iter().any(|(known, _)| known == code)
                && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
            {
                wrong.push((path.clone(), 0, code.to_owned()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
