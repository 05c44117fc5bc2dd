//! The shapes in which clients of known APIs understand a refusal: `docs/spec/upstreams.md` section 8.

use magicproxy_proxy::settings::{RefusalMedia, RefusalPart, RefusalShape, StatusWords};

use super::{anthropic, cloudflare, digitalocean, github, gitlab, openai, powerdns};

/// A shape that a configuration can name.
#[derive(Debug)]
pub struct Refusals {
    /// Its name.
    pub name: &'static str,
    /// Whose it is.
    pub about: &'static str,
    /// What the engine is told.
    pub shape: RefusalShape,
}

/// Every shape. One that a new API brings is a line here.
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

/// That of everybody else.
pub static PROBLEM: Refusals = Refusals {
    name: "problem",
    about: "RFC 9457.",
    shape: RefusalShape { media: RefusalMedia::Problem, members: &[] },
};

/// A shape that is no problem of RFC 9457 to those who know that.
pub(super) const fn json(members: &'static [(&'static str, RefusalPart)]) -> RefusalShape {
    RefusalShape { media: RefusalMedia::Json, members }
}

/// The words that OpenAI and Anthropic have for a status.
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
