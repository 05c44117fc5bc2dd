//! URLs of the upstream in its answers become URLs of the proxy, in header fields and, while they stream, in JSON bodies.
//!
//! `docs/spec/rewriting.md`. What is not rewritten passes byte for byte; nothing here can make a body longer to hold than
//! a few kilobytes, whatever the upstream sends.

mod answer;
mod field;
mod gzip;
mod json;
mod link;
#[cfg(test)]
mod tests;

pub(crate) use answer::{BodyPlan, apply, drop_digests};
pub(crate) use gzip::{Inflater, NotGzip};
pub use json::JsonRewriter;
pub use link::LinkMap;
