//! How a rule is written down, and what is said about lists; what a rule means is in the vectors.

use super::*;

#[track_caller]
fn check(json: &str, shown: &str, written: &[&str]) {
    let raw: RawRule = serde_json::from_str(json).unwrap();
    for mode in [PatternMode::Whole, PatternMode::DangerPrefix] {
        let rule = Rule::parse(raw.clone(), mode).unwrap();
        assert_eq!(rule.to_string(), shown);
        if mode == PatternMode::Whole {
            assert_eq!(rule.to_strings(), written);
        }
        for text in rule.to_strings() {
            let again = Rule::parse(RawRule::Text(text.clone()), mode).unwrap();
            assert_eq!(again.to_strings(), [text]);
        }
    }
}

#[test]
fn rules_are_written_as_strings() {
    check(r#""GET /user""#, "GET /user", &["GET /user"]);
    check(r#"{"method":"*","path":"/a|/b"}"#, "* /a|/b", &["* /a|/b"]);
    check(r#"{"method":["GET","PUT"],"path":"/a"}"#, "GET|PUT /a", &["GET /a", "PUT /a"]);
    check(r#"{"method":["GET","GET"],"path":"/a"}"#, "GET|GET /a", &["GET /a"]);
    check(
        r#"{"method":"GET","route":"/a.b/{x}/{y*}"}"#,
        "GET /a.b/{x}/{y*}",
        &[r"GET /a\.b/[^/]+/[^/]+(?:/[^/]+)*"],
    );
    check(r#"{"method":"GET","route":"/café"}"#, "GET /café", &["GET /caf%C3%A9"]);
}

#[test]
fn every_fault_of_a_list_is_found() {
    let raw: Vec<RawRule> = ["GET user", "GET /ok", "FOO /x", "GET /("]
        .iter()
        .map(|text| RawRule::Text((*text).to_owned()))
        .collect();
    let faults = Rule::parse_list(&raw, PatternMode::Whole).unwrap_err();
    let shown: Vec<String> = faults.iter().map(ToString::to_string).collect();
    assert_eq!(shown.len(), 3);
    for (fault, start) in shown.iter().zip([
        "rule 1: `GET user`: path must",
        "rule 3: `FOO /x`: `FOO` is not",
        "rule 4: `GET /(`: unclosed",
    ]) {
        assert!(fault.starts_with(start), "{fault}");
    }
}

#[test]
fn a_message_is_one_short_line() {
    for text in [
        "GET\n/a",
        "G\u{1b}[31mET /a",
        &"x".repeat(60_000),
        &format!("GET /{}", "(".repeat(3000)),
        &format!("GET /{}", "(a".repeat(3000)),
    ] {
        let message = Rule::parse(RawRule::Text(text.to_owned()), PatternMode::Whole)
            .unwrap_err()
            .to_string();
        assert!(message.len() < 500 && !message.contains(['\n', '\u{1b}']), "{message:?}");
    }
}

/// A plugin decides alone: whatever else stands beside its name would be passed over.
#[test]
fn a_plugin_is_named_alone() {
    let read = |more: &str| {
        serde_json::from_str::<RawRule>(&format!(r#"{{"plugin":"judge"{more}}}"#))
            .map_err(|error| error.to_string())
    };
    assert!(matches!(read(""), Ok(RawRule::Plugin(_))));
    for more in [
        r#","method":"GET""#,
        r#","path":"/a""#,
        r#","route":"/a""#,
        r#","limit":{"total":1}"#,
        r#","owner":"all""#,
        r#","grants":["GET /a/{location}"]"#,
        r#","receipt":true"#,
        r#","list_items":{"list":"a","key":"b","creates":{"c":"d"}}"#,
        r#","method":"GET","path":"/a","limit":{"total":1}"#,
    ] {
        assert!(read(more).is_err_and(|fault| fault.contains("has no other member")), "{more}");
    }
}

/// Whoever writes something else learns what to write.
#[test]
fn what_is_no_rule_is_told_in_words() {
    for text in ["7", "true", "null", "[]", r#"["GET /a"]"#] {
        let fault = serde_json::from_str::<RawRule>(text).unwrap_err().to_string();
        assert!(
            fault.contains("a rule: `METHOD /pattern`, or an object with `method`"),
            "{text}: {fault}"
        );
    }
}
