//! Known APIs, a file for each: `docs/spec/upstreams.md` section 7.
//!
//! A new API is a new file, with every difference from `PLAIN`, and a line in [`PROVIDERS`]. A test
//! compares the file with the API's rows in the specification and in `docs/guide/headers.md`. The
//! file also holds the setup of the API's clients; the program's table of clients has one line for
//! each client.

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
use words::{PlusChoice, ReadingChoice, SlashChoice};

pub use choice::{PresetChoice, RefusalChoice};

/// Every known API, in the order in which people see the list.
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

/// A known API: one line of the table in the specification. The preset of the API is a layer below
/// all written settings of an upstream.
#[derive(Debug)]
pub struct Provider {
    /// The name of the preset.
    pub name: &'static str,
    /// The API, described in a sentence.
    pub about: &'static str,
    /// The API root; `None` if every operator runs a separate server.
    pub api_root: Option<&'static str>,
    /// Prefixes of paths, each with its replacement: a path or an origin.
    pub paths: &'static [(&'static str, &'static str)],
    /// The API's reading of `%2F`.
    pub encoded_slash: SlashChoice,
    /// The API server's reading of paths.
    pub path_reading: ReadingChoice,
    /// The API's reading of `+` in a query.
    pub query_plus: PlusChoice,
    /// The carrier in which the API takes its credential.
    pub credential: &'static str,
    /// Further carriers in which the API's clients put their keys.
    pub accept_token_in: &'static [&'static str],
    /// The shape of refusals that the API's clients understand.
    pub refusals: &'static Refusals,
    /// Query parameters that carry tokens, or name a user for whom a request acts, and are dropped.
    pub drop_query_parameters: &'static [&'static str],
    /// Headers of the API's clients that pass, each with its meaning. None says for whom or on what
    /// a request acts.
    pub request_headers: &'static [(&'static str, &'static str)],
    /// Members of the API's bodies whose URLs clients follow.
    pub rewrite_members: &'static [&'static str],
    /// The response timeout, if the API's responses take long.
    pub response_timeout: Option<&'static str>,
    /// The longest body that rules and plugins look into, if the API's requests are long.
    pub max_inspected_body: Option<&'static str>,
    /// The setup of a program that is not known, for this API.
    pub any_program: SetupMethod,
    /// Other APIs with the same credentials.
    pub kin: &'static [&'static str],
}

/// The defaults of most APIs.
const PLAIN: Provider = Provider {
    name: "",
    about: "",
    api_root: None,
    paths: &[],
    encoded_slash: SlashChoice::Refuse,
    path_reading: ReadingChoice::Strict,
    query_plus: PlusChoice::Blank,
    credential: "bearer",
    accept_token_in: &[],
    refusals: &refusals::PROBLEM,
    drop_query_parameters: &[],
    request_headers: &[],
    rewrite_members: &[],
    response_timeout: None,
    max_inspected_body: None,
    any_program: ANY_PROGRAM,
    kin: &[],
};

impl Provider {
    /// Returns the API with this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        PROVIDERS.into_iter().find(|provider| provider.name == name)
    }

    /// Returns the setup of any program for this API.
    pub fn any_program(&self) -> SetupMethod {
        SetupMethod { preset: self.name, ..self.any_program }
    }
}
