//! What rules say of each command of a push: for the report of a refusal, never for decisions.
//! `git.md` section 3.1.

use super::{DecisionSteps, ExhaustedSteps, Policy};
use crate::condition::{CommandVerdict, Push};
use crate::request::RequestView;

impl Policy {
    /// Judges each command of a push alone, by the best rule for it, in the worst reading of the
    /// path.
    pub(crate) fn command_verdicts(
        &self,
        request: &RequestView<'_>,
        push: &Push,
        steps: &DecisionSteps,
    ) -> Result<Vec<CommandVerdict>, ExhaustedSteps> {
        let commands = push.list().commands().len();
        let mut worst = vec![CommandVerdict::Allowed; commands];
        for reading in request.target().readings() {
            let mut best = vec![CommandVerdict::NotAllowed; commands];
            for candidate in self.candidates(request.method(), reading, steps) {
                let Some(conditions) = candidate?.conditions() else {
                    best.fill(CommandVerdict::Allowed);
                    continue;
                };
                steps.take(conditions.push_steps(request.parts()))?;
                for (number, best) in best.iter_mut().enumerate() {
                    let verdict = conditions.command_verdict(push, number);
                    *best = (*best).max(verdict.unwrap_or(CommandVerdict::NotAllowed));
                }
            }
            for (worst, best) in worst.iter_mut().zip(best) {
                *worst = (*worst).min(best);
            }
        }
        Ok(worst)
    }
}
