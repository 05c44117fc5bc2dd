//! The verdict on the attack runner's findings. Every warning must be explained in
//! `tests/attack/warnings.json`. Every failure counts, except the failures in
//! `tests/attack/changed.json`: the runner is older than the promise measured by those cases.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

/// A case with a failure or a warning.
#[derive(Debug)]
pub(crate) struct Case {
    id: String,
    group: String,
    verdict: String,
    /// The codes of the case's reasons, without the reasons about success.
    codes: Vec<String>,
}

/// A map from a case id, with `*` for any text, or from `group/code`, to a sentence that says why
/// the warning is right.
#[derive(Debug)]
pub(crate) struct Explanations(BTreeMap<String, String>);

/// Cases whose promise has changed since the runner was written: a map from the whole case id to
/// the failure of today. The file also gives the reason.
#[derive(Debug, Default)]
pub(crate) struct ChangedPromises(BTreeMap<String, ChangedPromise>);

/// The only code with which the case may fail; any other code is a failure.
#[derive(Debug)]
struct ChangedPromise {
    code: String,
}

impl ChangedPromises {
    pub(crate) fn read(file: &Path) -> Result<ChangedPromises> {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("cannot read `{}`", file.display()))?;
        Self::parse(&text).context("changed.json is not a map from case to `code` and `why`")
    }

    fn parse(json: &str) -> Result<ChangedPromises> {
        let map: BTreeMap<String, Value> = serde_json::from_str(json)?;
        let promise = |(id, changed): (String, Value)| {
            anyhow::ensure!(
                !text(&changed, "why")?.trim().is_empty(),
                "`{id}` has a `why` without words"
            );
            Ok((id, ChangedPromise { code: text(&changed, "code")? }))
        };
        map.into_iter().map(promise).collect::<Result<_>>().map(ChangedPromises)
    }

    fn cover(&self, case: &Case) -> bool {
        self.0.get(&case.id).is_some_and(|changed| case.codes == [changed.code.as_str()])
    }

    /// Returns the ids of entries whose case does not fail with the listed code.
    pub(crate) fn unused(&self, cases: &[Case]) -> Vec<&str> {
        let used = |id: &str| {
            cases.iter().any(|case| case.id == id && case.verdict == "fail" && self.cover(case))
        };
        self.0.keys().map(String::as_str).filter(|id| !used(id)).collect()
    }
}

#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) leaks: u64,
    pub(crate) unexplained: u64,
    /// Failures counted by the runner, but covered by [`ChangedPromises`].
    pub(crate) changed: u64,
    pub(crate) remarks: Vec<String>,
}

impl Explanations {
    pub(crate) fn read(file: &Path) -> Result<Explanations> {
        if !file.is_file() {
            return Ok(Explanations(BTreeMap::new()));
        }
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("cannot read `{}`", file.display()))?;
        let map: BTreeMap<String, String> = serde_json::from_str(&text)
            .context("warnings.json is not a map from case to sentence")?;
        let empty = map.iter().find(|(_, sentence)| sentence.trim().is_empty());
        anyhow::ensure!(empty.is_none(), "warnings.json has an explanation without words");
        Ok(Explanations(map))
    }

    fn explain(&self, case: &Case) -> bool {
        let by_id = self.0.keys().any(|key| matches(key, &case.id));
        by_id || (!case.codes.is_empty() && case.codes.iter().all(|code| self.has_code(case, code)))
    }

    fn has_code(&self, case: &Case, code: &str) -> bool {
        self.0.contains_key(&format!("{}/{code}", case.group))
    }

    /// Returns the explanations of warnings that no longer occur.
    pub(crate) fn unused(&self, cases: &[Case]) -> Vec<&str> {
        let warnings: Vec<&Case> = cases.iter().filter(|case| case.verdict == "warn").collect();
        let used = |key: &str| warnings.iter().any(|case| explains(key, case));
        self.0.keys().map(String::as_str).filter(|key| !used(key)).collect()
    }
}

fn explains(key: &str, case: &Case) -> bool {
    matches(key, &case.id) || case.codes.iter().any(|code| key == format!("{}/{code}", case.group))
}

pub(crate) fn judge(
    cases: &[Case],
    explanations: &Explanations,
    changed: &ChangedPromises,
) -> Verdict {
    let mut verdict = Verdict::default();
    for case in cases {
        match case.verdict.as_str() {
            "fail" if changed.cover(case) => verdict.changed += 1,
            "fail" => {
                verdict.remarks.push(format!("failure in {} ({})", case.id, case.codes.join(", ")))
            }
            "leak" => {
                verdict.leaks += 1;
                verdict.remarks.push(format!("leak in {} ({})", case.id, case.codes.join(", ")));
            }
            "warn" if !explanations.explain(case) => {
                verdict.unexplained += 1;
                verdict.remarks.push(format!(
                    "unexplained warning in {} ({})",
                    case.id,
                    case.codes.join(", ")
                ));
            }
            _ => {}
        }
    }
    verdict
}

/// Reads the runner's JSON lines.
pub(crate) fn read_cases(text: &str) -> Result<Vec<Case>> {
    text.lines()
        .map(|line| read_case(line).with_context(|| format!("the runner wrote `{line}`")))
        .collect()
}

fn read_case(line: &str) -> Result<Case> {
    let value: Value = serde_json::from_str(line).context("not JSON")?;
    let reasons = value.get("reasons").and_then(Value::as_array).context("no reasons")?;
    let codes = reasons
        .iter()
        .filter(|reason| text(reason, "verdict").is_ok_and(|verdict| verdict != "pass"));
    Ok(Case {
        id: text(&value, "id")?,
        group: text(&value, "group")?,
        verdict: text(&value, "verdict")?,
        codes: codes.map(|reason| text(reason, "code")).collect::<Result<_>>()?,
    })
}

fn text(value: &Value, name: &str) -> Result<String> {
    value
        .get(name)
        .and_then(Value::as_str)
        .map(str::to_owned)
        .with_context(|| format!("no `{name}`"))
}

/// True if the pattern, in which `*` stands for any text, matches the whole text.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut left) = text.strip_prefix(head) else {
        return false;
    };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        match left.split_once(part) {
            Some((_, after)) => left = after,
            None => return false,
        }
    }
    left.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::{ChangedPromises, Explanations, judge, matches, read_cases};

    const LINES: &str = r#"{"id":"path/1","group":"path","verdict":"warn","reasons":[{"verdict":"warn","code":"nfkc"},{"verdict":"pass","code":"ok"}]}
{"id":"response/2","group":"response","verdict":"leak","reasons":[{"verdict":"leak","code":"reflected"}]}"#;

    fn changed(json: &str) -> ChangedPromises {
        ChangedPromises::parse(json).unwrap()
    }

    fn explanations(json: &str) -> Explanations {
        Explanations(serde_json::from_str(json).unwrap())
    }

    #[test]
    fn a_warning_wants_an_explanation_and_a_leak_has_none() {
        let cases = read_cases(LINES).unwrap();
        let bare = judge(&cases, &explanations("{}"), &ChangedPromises::default());
        assert_eq!((bare.leaks, bare.unexplained), (1, 1));
        let explained = judge(
            &cases,
            &explanations(r#"{"path/nfkc": "why", "response/*": "no excuse"}"#),
            &ChangedPromises::default(),
        );
        assert_eq!((explained.leaks, explained.unexplained), (1, 0));
    }

    #[test]
    fn an_explanation_that_nothing_needs_is_found() {
        let cases = read_cases(LINES).unwrap();
        let both = explanations(
            r#"{"path/*": "why", "mint/*": "gone", "response/2": "a leak is no warning"}"#,
        );
        assert_eq!(both.unused(&cases), ["mint/*", "response/2"]);
    }

    #[test]
    fn a_failure_is_one_unless_its_promise_changed_and_it_fails_so() {
        let failing = r#"{"id":"policy/1","group":"policy","verdict":"fail","reasons":[{"verdict":"fail","code":"bypass"}]}"#;
        let cases = read_cases(failing).unwrap();
        let judged = |json: &str| {
            let verdict =
                judge(&cases, &explanations(r#"{"policy/*": "no excuse"}"#), &changed(json));
            (verdict.changed, verdict.remarks.len(), changed(json).unused(&cases).len())
        };
        assert_eq!(judged(r#"{"policy/1": {"code": "bypass", "why": "because"}}"#), (1, 0, 0));
        assert_eq!(judged(r#"{"policy/1": {"code": "leak", "why": "because"}}"#), (0, 1, 1));
        assert_eq!(judged(r#"{"policy/*": {"code": "bypass", "why": "because"}}"#), (0, 1, 1));
        assert_eq!(judged("{}"), (0, 1, 0));
    }

    #[test]
    fn a_pattern_is_the_whole_text() {
        for (pattern, text, expected) in [
            ("path/1", "path/1", true),
            ("path/1", "path/11", false),
            ("path/*", "path/1", true),
            ("*/1", "path/1", true),
            ("p*h/*1", "path/1", true),
            ("p*h/*2", "path/1", false),
            ("ab*ba", "aba", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }
}
