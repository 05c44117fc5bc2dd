//! The question whether two rules have a request in common: for advice on narrowing a token, never
//! for decisions.

use crate::pattern::{Automaton, Budget, MAX_PATTERN_STEPS};
use crate::policy::{OWN_AUTOMATON_BYTES, Policy};
use crate::rule::{Methods, Rule};

impl Rule {
    /// Returns whether some request is allowed both by this rule and by one of `others`. `None`
    /// where finding out would take too long.
    #[must_use]
    pub fn overlaps_any(&self, others: &[Self]) -> Option<bool> {
        let own = compiled(self)?;
        let mut unsure = false;
        for other in others.iter().filter(|other| share_a_method(self.methods(), other.methods())) {
            match own.intersects(&compiled(other)?) {
                Some(true) => return Some(true),
                Some(false) => {}
                None => unsure = true,
            }
        }
        (!unsure).then_some(false)
    }
}

impl Policy {
    /// Returns those of the rules that share no request with any of `parents`, by index. A rule
    /// whose overlap cannot be computed is not included.
    #[must_use]
    pub fn futile(rules: &[Rule], parents: &[Rule]) -> Vec<usize> {
        let futile =
            rules.iter().enumerate().filter(|(_, rule)| rule.overlaps_any(parents) == Some(false));
        futile.map(|(index, _)| index).collect()
    }
}

fn compiled(rule: &Rule) -> Option<Automaton> {
    Automaton::compile(&[rule.pattern()], OWN_AUTOMATON_BYTES, &mut Budget::new(MAX_PATTERN_STEPS))
}

fn share_a_method(one: &Methods, other: &Methods) -> bool {
    match (one, other) {
        (Methods::Any, _) | (_, Methods::Any) => true,
        // Asked both ways, because `GET` admits `HEAD`.
        (Methods::Listed(one), Methods::Listed(other)) => {
            one.iter().any(|a| other.iter().any(|b| a.admits(b.as_str()) || b.admits(a.as_str())))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::PatternMode;
    use crate::rule::RawRule;

    fn rule(text: &str) -> Rule {
        Rule::parse(RawRule::Text(text.to_owned()), PatternMode::Whole).unwrap()
    }

    #[test]
    fn what_two_rules_share() {
        for (one, other, shared) in [
            ("GET /user", "GET /user", true),
            ("GET /user", "GET /users", false),
            ("GET /user", "PUT /user", false),
            ("HEAD /user", "GET /user", true),
            ("* /user", "PUT /user", true),
            ("GET /a/.*", "GET /.*/b", true),
            ("GET /a/.*", "GET /b/.*", false),
            ("GET /[a-m]+", "GET /[n-z]+", false),
            ("GET /[a-m]+", "GET /[m-z]+", true),
            ("GET /a{3}", "GET /a{2}", false),
            ("GET /(aa)+", "GET /(aaa)+", true),
        ] {
            assert_eq!(rule(one).overlaps_any(&[rule(other)]), Some(shared), "{one} | {other}");
            assert_eq!(rule(other).overlaps_any(&[rule(one)]), Some(shared), "{other} | {one}");
        }
        let parents = [rule("GET /a/.*"), rule("PUT /b")];
        assert_eq!(
            Policy::futile(&[rule("GET /a/1"), rule("GET /b"), rule("PUT /.*")], &parents),
            [1]
        );
    }
}
