//! `only`, the old spelling of conditions on list items: read in tokens that hold it, and refused
//! where a rule is written. `state.md` section 5.7.

#[cfg(test)]
mod tests;

use serde_json::{Map, Value, json};

use super::{ListItemsObject, MAX_ITEMS, folded};
use crate::condition::{ConditionMembers, Conditions, RuleFrame};
use crate::pattern::{Budget, MAX_PATTERN_STEPS};
use crate::rule::raw::OneOrMany;
use crate::rule::{ParseRuleError, RawRule, Rule, RuleFault, RuleReason, shorten};

/// The longest condition that a message shows, in bytes.
const MAX_SHOWN_CONDITION: usize = 1_024;

impl Rule {
    /// Finds the rules of a list that are written with `only`.
    pub(in crate::rule) fn with_only(raw: &[RawRule]) -> Vec<RuleFault> {
        let found = raw.iter().enumerate().filter_map(|(index, raw)| {
            let RawRule::Object(object) = raw else { return None };
            let condition = object.state.list_items.as_ref()?.condition_for_only()?;
            let reason = RuleReason::Only(shown(&condition));
            let error = ParseRuleError { rule: shorten(&raw.to_string()), reason, hint: None };
            Some(RuleFault::Rule { number: index + 1, error })
        });
        found.collect()
    }

    /// Returns conditions that hold for each request which the rule's `list_items` with `only`
    /// allow, for the analysis of rules; `None` where there is no `only`, or where nothing can be
    /// said in the language of conditions.
    pub(in crate::rule) fn implied_conditions(&self) -> Option<Conditions> {
        let RawRule::Object(object) = &self.raw else { return None };
        let json = object.state.list_items.as_ref()?.implied_json()?;
        let members = ConditionMembers {
            json: Some(json),
            query: Some("any".into()),
            ..ConditionMembers::default()
        };
        let frame =
            RuleFrame { has_content: true, has_route: false, is_whole: true, capture: &|_| None };
        let mut budget = Budget::new(MAX_PATTERN_STEPS);
        Conditions::parse(&members, &frame, &mut budget).ok().flatten()
    }
}

/// Returns a condition for a message.
fn shown(condition: &Value) -> String {
    let text = condition.to_string();
    if text.len() > MAX_SHOWN_CONDITION {
        r#"{…: {"each": {"object": …}}}"#.to_owned()
    } else {
        text
    }
}

impl ListItemsObject {
    /// Returns the `json` that says what `only` says, in the spelling of the patterns.
    fn condition_for_only(&self) -> Option<Value> {
        let mut item: Map<String, Value> = self
            .only
            .as_ref()?
            .iter()
            .map(|(name, patterns)| (written(name), test(patterns)))
            .collect();
        item.insert("*".to_owned(), json!({}));
        Some(json!({ written(&self.list): { "each": { "object": item } } }))
    }

    /// Returns a `json` that is true for each body which the list items allow.
    fn implied_json(&self) -> Option<Value> {
        let only = self.only.as_ref()?;
        let mut item: Map<String, Value> =
            self.key.iter().map(|name| (written(name), json!({ "type": "string" }))).collect();
        for (name, patterns) in only {
            let is_key = self.key.contains(name);
            item.insert(written(name), folded_test(patterns, is_key));
        }
        item.insert("*".to_owned(), json!({}));
        let count = json!({ "min": 1, "max": MAX_ITEMS });
        Some(json!({ written(&self.list): { "each": { "object": item }, "count": count } }))
    }
}

/// Returns a name as it is written in NAMES, with the marks in it escaped.
fn written(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for character in name.chars() {
        if matches!(character, '?' | '*' | '[' | '\\') {
            text.push('\\');
        }
        text.push(character);
    }
    text
}

/// Returns the test that a member with these patterns has in the language of conditions, with case
/// and a dot at the end as they are written. A glob is ASCII and not empty: beside a glob,
/// another pattern is left out.
fn test(patterns: &OneOrMany) -> Value {
    let one_or_all = |words: Vec<String>| match words.as_slice() {
        [word] => json!(word),
        words => json!(words),
    };
    let is_glob = |word: &str| word.is_ascii() && word.contains('*');
    if !patterns.words().any(is_glob) {
        return one_or_all(patterns.words().map(str::to_owned).collect());
    }
    let globs = patterns.words().filter(|word| word.is_ascii() && !word.is_empty());
    json!({ "glob": one_or_all(globs.map(|word| word.replace('\\', "\\\\")).collect()) })
}

/// Returns a test that is true for each value of a member with these patterns. A key has plain
/// characters only. Another member has any text where a pattern has a `*`, and no glob and no
/// pattern of conditions matches each text.
fn folded_test(patterns: &OneOrMany, is_key: bool) -> Value {
    let is_told = |pattern: &str| pattern.is_ascii() && (is_key || !pattern.contains('*'));
    let words: Vec<&str> = patterns.words().collect();
    if words.is_empty() || !words.iter().all(|pattern| is_told(pattern)) {
        return json!({ "type": "string" });
    }
    json!({ "pattern": words.into_iter().map(folded_pattern).collect::<Vec<_>>() })
}

/// Returns the pattern of conditions for a pattern of `only`: `[xX].*\.?` for `x*`.
fn folded_pattern(pattern: &str) -> String {
    let mut text = String::new();
    for byte in folded(pattern).bytes() {
        match byte {
            b'*' => text.push_str(".*"),
            b'a'..=b'z' => {
                text.extend(['[', char::from(byte), char::from(byte.to_ascii_uppercase()), ']']);
            }
            b'0'..=b'9' => text.push(char::from(byte)),
            other => text.push_str(&format!("\\x{other:02x}")),
        }
    }
    text + "\\.?"
}
