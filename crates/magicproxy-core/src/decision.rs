//! The decision on one request, and what a permitted one may carry: all that needs a verified token and a policy.
//!
//! Nothing else in this crate uses this module. Specification: `token-v1.md` section 7, `state.md`.

mod opening;
mod permit;

pub use opening::BindError;
pub use permit::{
    AccessRequest, Basis, Count, Decision, Denial, GrantQuestion, OwnerPlace, Permit,
    PluginQuestion, Question, RulesDecision,
};
