//! Responses on the way down: fields filtered, bodies scrubbed of the credential, URLs rewritten.

pub(crate) mod body;
pub(crate) mod buffered_prefix;
pub(crate) mod header;
pub(crate) mod pipeline;
pub mod rewrite;
pub(crate) mod scrub;
