//! Secrets in requests: the carriers of tokens and credentials, the bearer token as sent by a
//! client, and the credential in its outgoing form.

pub(crate) mod attached;
pub(crate) mod bearer_token;
pub(crate) mod carriers;
pub mod source;
