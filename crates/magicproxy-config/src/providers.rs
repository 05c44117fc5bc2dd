//! What is known of APIs, a file for each: `docs/spec/upstreams.md` section 7.
//!
//! A new API is a file beside the others, which says everything that differs from `PLAIN`, and a line in [`PROVIDERS`]; its rows in
//! the specification and in `docs/guide/headers.md` are compared with it. What it tells its clients stands in it, too; the program's
//! table of clients has one line for each of them.

pub mod anthropic;
mod choice;
pub mod client;
pub mod cloudflare;
pub mod digitalocean;
pub mod github;
pub mod github_git;
pub mod gitlab;
pub mod members;
pub mod openai;
pub mod powerdns;
pub mod refusals;
#[cfg(test)]
mod tests;
pub mod words;

use client::{ANY_PROGRAM, SetupMethod};
use refusals::Refusals;
use words::{ReadingChoice, SlashChoice};

pub use choice::{PresetChoice, RefusalChoice};

/// Every API that is known, in the order in which people are told of them.
pub static PROVIDERS: [&Provider; 8] = [
    &github::PROVIDER,
    &github_git::PROVIDER,
    &digitalocean::PROVIDER,
    &gitlab::PROVIDER,
    &cloudflare::PROVIDER,
    &powerdns::PROVIDER,
    &openai::PROVIDER,
    &anthropic::PROVIDER,
];

/// An API: one line of the table in the specification. A preset is a layer below everything that was written about its upstream.
#[derive(Debug)]
pub struct Provider {
    /// The name of its preset.
    pub name: &'static str,
    /// What it is, in a sentence.
    pub about: &'static str,
    /// Where the API is; none, where everybody runs their own.
    pub api_root: Option<&'static str>,
    /// Prefixes of paths, each with the path or the origin that it stands for.
    pub paths: &'static [(&'static str, &'static str)],
    /// What the API makes of `%2F`.
    pub encoded_slash: SlashChoice,
    /// How its server reads paths.
    pub path_reading: ReadingChoice,
    /// The carrier in which the API takes its credential.
    pub credential: &'static str,
    /// Where its clients put their keys besides.
    pub accept_token_in: &'static [&'static str],
    /// The shape in which its clients understand a refusal.
    pub refusals: &'static Refusals,
    /// Query parameters that say for whom a request acts, or carry tokens.
    pub drop_query_parameters: &'static [&'static str],
    /// Headers that its clients send, and that say neither for whom nor on what a request acts, each with what it says.
    pub request_headers: &'static [(&'static str, &'static str)],
    /// Members of its bodies that its clients follow.
    pub rewrite_members: &'static [&'static str],
    /// Where answers are long in coming.
    pub response_timeout: Option<&'static str>,
    /// What a program is told of which nobody knows what it reads.
    pub any_program: SetupMethod,
    /// Other APIs that the same credentials are for.
    pub kin: &'static [&'static str],
}

/// What most APIs are.
const PLAIN: Provider = Provider {
    name: "",
    about: "",
    api_root: None,
    paths: &[],
    encoded_slash: SlashChoice::Refuse,
    path_reading: ReadingChoice::Strict,
    credential: "bearer",
    accept_token_in: &[],
    refusals: &refusals::PROBLEM,
    drop_query_parameters: &[],
    request_headers: &[],
    rewrite_members: &[],
    response_timeout: None,
    any_program: ANY_PROGRAM,
    kin: &[],
};

impl Provider {
    /// The API of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        PROVIDERS.into_iter().find(|provider| provider.name == name)
    }

    /// What any program is told of it.
    pub fn any_program(&self) -> SetupMethod {
        SetupMethod { preset: self.name, ..self.any_program }
    }
}
