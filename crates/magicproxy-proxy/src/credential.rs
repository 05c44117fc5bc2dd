//! Secrets in requests: where tokens and credentials stand, the token as it was presented, the credential as it is sent.

pub(crate) mod attached;
pub(crate) mod bearer_token;
pub(crate) mod carriers;
pub mod source;
