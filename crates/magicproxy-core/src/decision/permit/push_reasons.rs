//! What a refusal says of each command of a push. `git.md` section 3.1.

use super::AccessRequest;
use crate::condition::{CommandVerdict, PushView};
use crate::policy::{DecisionSteps, Policy};
use crate::token::VerifiedToken;

impl VerifiedToken {
    /// Returns for each command of a refused push the reason in a few words, which say nothing of
    /// the rules. Empty where the commands are not known.
    #[must_use]
    pub fn push_reasons(&self, access: &AccessRequest<'_>) -> Vec<&'static str> {
        let PushView::Listed(push) = access.parts.push else { return Vec::new() };
        let mut verdicts = vec![CommandVerdict::Allowed; push.list().commands().len()];
        let caveats = self.narrowing().iter().filter_map(|caveat| caveat.policy.as_ref());
        let policies = std::iter::once(self.policy()).chain(caveats).chain(access.ceiling);
        let (request, steps) = (access.request(), DecisionSteps::new());
        for policy in policies {
            let of_policy = Policy::command_verdicts(policy, &request, push, &steps);
            // Nothing is told that was not judged.
            let Ok(of_policy) = of_policy else { return vec!["not allowed"; verdicts.len()] };
            for (verdict, other) in verdicts.iter_mut().zip(of_policy) {
                *verdict = (*verdict).min(other);
            }
        }
        let is_together = verdicts.iter().all(|verdict| *verdict == CommandVerdict::Allowed);
        verdicts.into_iter().map(|verdict| reason(verdict, is_together)).collect()
    }
}

fn reason(verdict: CommandVerdict, is_together: bool) -> &'static str {
    match verdict {
        CommandVerdict::NotAllowed => "not allowed",
        CommandVerdict::Option => "not allowed with these push options",
        CommandVerdict::Create => "may not be created",
        CommandVerdict::Delete => "may not be deleted",
        CommandVerdict::FastForward => "not a proved fast-forward",
        CommandVerdict::Allowed if is_together => "not allowed together",
        CommandVerdict::Allowed => "not attempted",
    }
}
