//! The shapes of refusals that clients of known APIs understand: `docs/spec/upstreams.md` section
//! 8.

use magicproxy_proxy::settings::{RefusalMedia, RefusalPart, RefusalShape, StatusWords};

use super::{anthropic, cloudflare, digitalocean, github, gitlab, openai, powerdns};

/// A shape of refusals that a configuration can name.
#[derive(Debug)]
pub struct Refusals {
    /// The name of the shape.
    pub name: &'static str,
    /// The API with this shape.
    pub about: &'static str,
    /// The shape for the engine.
    pub shape: RefusalShape,
}

/// Every shape. A new API with a shape of its own adds a line.
pub static REFUSALS: [&Refusals; 8] = [
    &PROBLEM,
    &github::REFUSALS,
    &gitlab::REFUSALS,
    &digitalocean::REFUSALS,
    &powerdns::REFUSALS,
    &cloudflare::REFUSALS,
    &openai::REFUSALS,
    &anthropic::REFUSALS,
];

/// The shape of every other API.
pub static PROBLEM: Refusals = Refusals {
    name: "problem",
    about: "RFC 9457.",
    shape: RefusalShape { media: RefusalMedia::Problem, members: &[] },
};

/// Makes a shape with the media type `application/json`, so that no client takes the body for a
/// problem of RFC 9457.
pub(super) const fn json(members: &'static [(&'static str, RefusalPart)]) -> RefusalShape {
    RefusalShape { media: RefusalMedia::Json, members }
}

/// The words of OpenAI and Anthropic for a status.
pub(super) static ERROR_TYPES: StatusWords = StatusWords {
    known: &[
        (401, "authentication_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (413, "request_too_large"),
    ],
    server: "api_error",
    other: "invalid_request_error",
};
