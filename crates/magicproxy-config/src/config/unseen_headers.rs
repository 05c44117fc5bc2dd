//! Warnings of rules that test header fields which no API gets.

use magicproxy_core::Rule;
use magicproxy_proxy::header::RequestFields;

use crate::ground::text::harmless;

/// Returns a warning for each rule and each header field that the rule tests, and that none of
/// these upstreams gets: such a field is always absent.
#[must_use]
pub fn unseen_headers(rules: &[Rule], upstreams: &[RequestFields]) -> Vec<String> {
    let tested = rules.iter().flat_map(|rule| rule.header_names().map(move |name| (rule, name)));
    let unseen = tested.filter_map(|(rule, name)| {
        let verdicts = upstreams.iter().map(|fields| fields.verdict(name));
        let verdicts: Vec<_> = verdicts.collect();
        let first = verdicts.first().filter(|_| verdicts.iter().all(|verdict| !verdict.passes))?;
        Some(format!(
            "`{}` tests the header `{name}`, which is always absent, because the API never gets it: {}",
            harmless(&rule.to_string()),
            first.reason
        ))
    });
    unseen.collect()
}
