//! Rules that would allow a request but for their conditions, in the `detail` of a refusal: in the
//! words of the rules, with nothing that the client sent.

use std::fmt::Write as _;

use magicproxy_core::{RuleOrigin, UnmetRule};

/// The most rules in a refusal.
const MAX_EXPLAINED_RULES: usize = 2;
/// The most places of one rule in a refusal.
const MAX_PLACES: usize = 4;
/// The most bytes of one place with its expectation; the rest of it is left out.
const MAX_PLACE_BYTES: usize = 240;

/// Says which rules would allow a request, and which of their conditions are not true.
pub(super) fn would_but(unmet: &[UnmetRule]) -> String {
    let mut text = String::new();
    for rule in unmet.iter().take(MAX_EXPLAINED_RULES) {
        let number = rule.number;
        let of = match rule.origin {
            RuleOrigin::Token => "",
            RuleOrigin::Caveat => " of a caveat",
            RuleOrigin::Ceiling => " of the ceiling",
        };
        // Writing to a string does not fail.
        let _ = write!(text, "; rule {number}{of} would, but {}", places(rule));
    }
    text
}

fn places(rule: &UnmetRule) -> String {
    let mut places: Vec<String> = Vec::new();
    for finding in &rule.findings {
        let place = shortened(finding.in_words_of_rule());
        if !places.contains(&place) {
            places.push(place);
        }
    }
    let more = places.len().saturating_sub(MAX_PLACES);
    places.truncate(MAX_PLACES);
    let more = if more > 0 { format!(", and {more} more") } else { String::new() };
    format!("{}{more}", places.join(", "))
}

fn shortened(mut place: String) -> String {
    if place.len() > MAX_PLACE_BYTES {
        place.truncate(place.floor_char_boundary(MAX_PLACE_BYTES));
        place.push('…');
    }
    place
}

#[cfg(test)]
mod tests {
    use magicproxy_core::{Finding, FoundValue, Outcome};

    use super::*;

    fn rule(number: usize, origin: RuleOrigin, findings: Vec<Finding>) -> UnmetRule {
        UnmetRule { origin, rule: "POST /x".into(), number, ends: false, findings }
    }

    fn finding(place_in_rule: &str, found: FoundValue, expected: &str) -> Finding {
        Finding {
            place: "json.sent[3]".to_owned(),
            place_in_rule: place_in_rule.to_owned(),
            outcome: Outcome::False,
            found,
            expected: expected.to_owned(),
        }
    }

    #[test]
    fn a_refusal_has_the_words_of_rules_alone() {
        let base =
            finding("json.base", FoundValue::Shown("\"sent\"".to_owned()), "must be \"main\"");
        let other = || finding("json.*", FoundValue::Unread, "is not named by the rule");
        let unmet = [
            rule(2, RuleOrigin::Token, vec![base.clone(), other(), other()]),
            rule(1, RuleOrigin::Caveat, vec![base]),
        ];
        assert_eq!(
            would_but(&unmet),
            "; rule 2 would, but json.base must be \"main\", a name in json is not named by the rule\
             ; rule 1 of a caveat would, but json.base must be \"main\""
        );
        assert_eq!(would_but(&[]), "");
    }

    #[test]
    fn a_refusal_is_bounded() {
        let long = |number: usize| {
            finding(&format!("json.a{number}"), FoundValue::Absent, &"é".repeat(2000))
        };
        let rules =
            (1..9).map(|number| rule(number, RuleOrigin::Token, (0..16).map(long).collect()));
        let text = would_but(&rules.collect::<Vec<_>>());
        assert!(text.len() < 2300, "{}", text.len());
        assert!(text.ends_with(", and 12 more"), "{text}");
        assert!(text.contains("; rule 2 would") && !text.contains("; rule 3 would"));
    }
}
