//! Held grants, which allow a request that no rule allows. `state.md` section 3.7.

use magicproxy_core::rule::HeldGrant;
use magicproxy_core::{AccessRequest, Decision, GrantQuestion};

use super::Ledger;
use crate::exchange::verifier::Binder;
use crate::rejection::Rejection;

impl Ledger {
    /// Answers a decision's question by the grants of the owners concerned. An error if the store
    /// does not tell.
    pub(in crate::exchange) async fn look_for_grant(
        &self,
        mut question: GrantQuestion,
        access: &AccessRequest<'_>,
        binder: Binder<'_>,
    ) -> Result<Decision, Rejection> {
        let path = access.target.path();
        let binding = match question.asks_named_owners(access) {
            Ok(false) => None,
            Ok(true) => Some(binder.binding().await?),
            Err(denial) => return Ok(Decision::Denied(denial)),
        };
        let owners = match question.owners(access, binding.as_ref()) {
            Ok(owners) => owners,
            Err(denial) => return Ok(Decision::Denied(denial)),
        };
        for owner in owners {
            if let Err(denial) = access.take_look_up() {
                return Ok(Decision::Denied(denial));
            }
            let found = self.store()?.read(owner, vec![HeldGrant::name(path)], access.now).await?;
            let held = found
                .into_iter()
                .flatten()
                .next()
                .and_then(|entry| HeldGrant::from_store(owner, path, &entry.value));
            let Some(held) = held else { continue };
            question = match question.held(access, held, binding.as_ref()) {
                Ok(decision) => return Ok(decision),
                Err(question) => question,
            };
        }
        Ok(question.nothing_held(access))
    }
}
