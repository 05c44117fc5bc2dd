//! Rewriting of the upstream's URLs into URLs of the proxy, where clients follow URLs: in header
//! fields and, while bodies stream, in named members of JSON bodies.
//!
//! `docs/spec/rewriting.md`. Everything else passes byte for byte. Nothing here holds back more
//! than a few kilobytes of a body, whatever the upstream sends.

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
