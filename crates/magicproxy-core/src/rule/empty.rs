//! Rules whose conditions no request can satisfy: refused when they are written. `conditions.md`
//! section 8.

use super::example::path_of;
use super::{ParseRuleError, RawRule, Rule, RuleFault, RuleReason, shorten};
use crate::condition::Conditions;
use crate::pattern::{Characters, Least, PatternMode, SearchSteps, Work};

/// The steps of work for a set of states that a search visits.
const STEPS_OF_A_VISIT: usize = 64;

impl Rule {
    /// Finds the rules of a list whose conditions no request can satisfy. All rules together cost
    /// no more than one search. A rule for which finding out takes longer is not included.
    pub(super) fn empty<'r>(
        rules: impl Iterator<Item = (usize, &'r Self)>,
        work: &Work,
    ) -> Vec<RuleFault> {
        let steps = SearchSteps::new();
        let empty = rules.filter_map(|(index, rule)| {
            let reason = RuleReason::Empty(rule.empty_place(work, &steps)?);
            let error = ParseRuleError { rule: shorten(&rule.to_string()), reason, hint: None };
            Some(RuleFault::Rule { number: index + 1, error })
        });
        empty.collect()
    }

    /// Finds such rules in a list as written, whatever other faults its rules have.
    pub(crate) fn empty_in(raw: &[RawRule], work: &Work) -> Vec<RuleFault> {
        let special = raw.iter().enumerate().filter(|(_, raw)| !raw.is_plain());
        let parsed = special.filter_map(|(index, raw)| {
            let list = std::slice::from_ref(raw);
            let rules = Self::parse_list_with(list, PatternMode::Whole, work).ok()?;
            rules.into_iter().next().map(|rule| (index, rule))
        });
        let parsed: Vec<(usize, Self)> = parsed.collect();
        Self::empty(parsed.iter().map(|(index, rule)| (*index, rule)), work)
    }

    /// Returns the place of conditions that no request can satisfy. Takes the work of searching
    /// from `work`.
    fn empty_place(&self, work: &Work, steps: &SearchSteps) -> Option<String> {
        let conditions = self.conditions()?;
        let before = steps.taken();
        let found = match Conditions::least(&[conditions], steps) {
            Least::Found(_) if conditions.look_at_captures() => {
                path_of(&[self], &[], Characters::Path, steps).within("captures").map(drop)
            }
            other => other.map(drop),
        };
        // Whoever finds the work spent compiles nothing more.
        let _ = work.take((steps.taken() - before).saturating_mul(STEPS_OF_A_VISIT));
        if let Least::Nothing(place) = found { Some(place) } else { None }
    }
}
