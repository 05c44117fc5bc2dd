//! Secrets in requests: where tokens and credentials stand, the token as it was presented, the credential as it is sent.

pub(crate) mod carriers;
pub(crate) mod attached;
pub(crate) mod bearer_token;
pub mod source;
