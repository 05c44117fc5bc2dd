//! URLs of the upstream in its responses become URLs of the proxy where clients follow them: in header fields and, while they
//! stream, in named members of JSON bodies.
//!
//! `docs/spec/rewriting.md`. What is not rewritten passes byte for byte; nothing here can make a body longer to hold than
//! a few kilobytes, whatever the upstream sends.

mod field;
mod gzip;
mod head;
mod json;
mod link;
mod reference;
#[cfg(test)]
mod tests;

pub use crate::members::{MemberError, Members};
pub(crate) use gzip::{GzipMembers, Inflater};
pub(crate) use head::{BodyPlan, Rewriting, apply, drop_digests};
pub use json::JsonRewriter;
pub use link::LinkMap;
