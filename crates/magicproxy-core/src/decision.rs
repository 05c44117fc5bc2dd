//! The decision on one request, and the permit of an allowed request: all code that needs both a
//! verified token and a policy.
//!
//! No other module of this crate uses this module. Specification: `token-v1.md` section 7,
//! `state.md`.

mod opening;
mod permit;

pub use opening::BindError;
pub use permit::{
    AccessRequest, Basis, BodyQuestion, Count, Decision, Denial, DeniedRequest, DescribedBody,
    Foreseen, GrantQuestion, OwnerContext, Permit, PluginQuestion, PushPart, PushQuestion,
    Question, RulesDecision,
};
