//! Fuzzes rules: an accepted rule is written as it was read, and another regex engine agrees about
//! the matches.
//!
//! Input: a rule on the first line (a string, or an object in JSON), a method on the second, a path
//! on the third.
#![no_main]

use libfuzzer_sys::fuzz_target;
use magicproxy_core::{PatternMode, Policy, RawRule, RequestTarget, Rule};
use magicproxy_fuzz::target;

fuzz_target!(|data: &str| {
    let mut lines = data.splitn(3, '\n');
    let (Some(text), Some(method), Some(path)) = (lines.next(), lines.next(), lines.next()) else {
        return;
    };
    let raw = serde_json::from_str(text).unwrap_or_else(|_| RawRule::Text(text.to_owned()));
    let Ok(rule) = Rule::parse(raw.clone(), PatternMode::Whole) else { return };
    is_written_as_it_is_read(&rule, &raw);
    let policy = Policy::compile([&rule]).expect("a rule that was accepted compiles alone");
    if let Some(target) = target(path) {
        agrees_with_another_engine(&raw, &policy, method, &target);
    }
});

fn is_written_as_it_is_read(rule: &Rule, raw: &RawRule) {
    let json = serde_json::to_string(rule.raw()).expect("a rule is JSON");
    let again: RawRule = serde_json::from_str(&json).expect("what was written is read");
    // Several methods, or a template in a text, are written as an object; any other rule as read.
    let written = raw.to_object_form();
    assert_eq!(again, *written.as_ref().unwrap_or(raw));
    assert!(
        Rule::parse(again, PatternMode::Whole).is_ok(),
        "{json} was accepted, and is not any more"
    );
    if let (RawRule::Text(text), None) = (raw, written) {
        assert_eq!(rule.to_string(), *text);
    }
}

fn agrees_with_another_engine(
    raw: &RawRule,
    policy: &Policy,
    method: &str,
    target: &RequestTarget,
) {
    let RawRule::Text(text) = raw else { return };
    let (word, pattern) = text.split_once(' ').expect("an accepted string has a blank");
    let allowed = policy.allows(method, target).is_some();
    if pattern.starts_with("route:") {
        return;
    }
    let method_fits = word
        .split('|')
        .any(|word| word == method || word == "*" || (word == "GET" && method == "HEAD"));
    if !method_fits
        || ["CONNECT", "TRACE", "TRACK", "PRI"]
            .iter()
            .any(|never| never.eq_ignore_ascii_case(method))
    {
        assert!(!allowed, "`{text}` allows {method}");
        return;
    }
    let Some(other) = second_opinion(pattern) else { return };
    let expected = target.readings().all(|reading| other.is_match(reading));
    assert_eq!(allowed, expected, "`{text}` and {method} {target}");
}

/// Compiles the pattern in an engine that shares no code with ours; `None` if the engines differ by
/// design (flags, Unicode).
fn second_opinion(pattern: &str) -> Option<regex_lite::Regex> {
    let same_language = pattern.is_ascii()
        && !pattern.contains("(?")
        && !pattern.contains("\\b")
        && !pattern.contains("\\B");
    regex_lite::Regex::new(&format!("^(?:{pattern})$")).ok().filter(|_| same_language)
}
