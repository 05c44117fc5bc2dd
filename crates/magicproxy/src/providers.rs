//! Presets: what a known API needs. `docs/spec/upstreams.md` section 7.
//!
//! A preset is a layer below everything that was written about its upstream.

mod members;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::config::carrier::{CarrierText, RefusalChoice};
use crate::config::raw::{RawConfig, RawUpstream};
use crate::config::setting::{Given, Section as _, Setting};
use crate::config::value::{DurationText, PresetChoice, ReadingChoice, SlashChoice};
use crate::ground::fault::Origin;

/// One line of the table in the specification.
struct Preset {
    name: PresetChoice,
    api_root: Option<&'static str>,
    paths: &'static [(&'static str, &'static str)],
    encoded_slash: SlashChoice,
    path_reading: ReadingChoice,
    credential: &'static str,
    /// Where its clients put their keys besides.
    accept_token_in: &'static [&'static str],
    refusals: RefusalChoice,
    /// Query parameters that say for whom a request acts, or carry tokens.
    drop_query_parameters: &'static [&'static str],
    /// Headers that its clients send, and that say neither for whom nor on what a request acts.
    request_headers: &'static [&'static str],
    /// Members of its bodies that its clients follow.
    rewrite_members: &'static [&'static str],
    /// Where answers are long in coming.
    response_timeout: Option<&'static str>,
}

/// What most APIs are.
const PLAIN: Preset = Preset {
    name: PresetChoice::None,
    api_root: None,
    paths: &[],
    encoded_slash: SlashChoice::Refuse,
    path_reading: ReadingChoice::Strict,
    credential: "bearer",
    accept_token_in: &[],
    refusals: RefusalChoice::Problem,
    drop_query_parameters: &[],
    request_headers: &[],
    rewrite_members: &[],
    response_timeout: None,
};

const PRESETS: [Preset; 8] = [
    Preset {
        name: PresetChoice::Github,
        api_root: Some("https://api.github.com"),
        paths: &[("/api/v3", "/"), ("/api/graphql", "/graphql"), ("/api/uploads", "https://uploads.github.com")],
        encoded_slash: SlashChoice::Both,
        path_reading: ReadingChoice::DecodeOnce,
        refusals: RefusalChoice::Github,
        rewrite_members: members::GITHUB,
        request_headers: &["GraphQL-Features", "Time-Zone", "X-GitHub-Api-Version", "X-GitHub-Next-Global-ID"],
        ..PLAIN
    },
    Preset {
        name: PresetChoice::GithubGit,
        api_root: Some("https://github.com"),
        path_reading: ReadingChoice::DecodeOnce,
        credential: "basic:x-access-token",
        ..PLAIN
    },
    Preset {
        name: PresetChoice::Digitalocean,
        api_root: Some("https://api.digitalocean.com"),
        refusals: RefusalChoice::Digitalocean,
        rewrite_members: members::DIGITALOCEAN,
        // pydo is built on a library of Azure's, which numbers its requests so.
        request_headers: &["X-Ms-Client-Request-Id"],
        ..PLAIN
    },
    Preset {
        name: PresetChoice::Gitlab,
        api_root: Some("https://gitlab.com"),
        encoded_slash: SlashChoice::Opaque,
        path_reading: ReadingChoice::DecodeOnce,
        credential: "header:PRIVATE-TOKEN",
        accept_token_in: &["header:JOB-TOKEN", "header:DEPLOY-TOKEN"],
        refusals: RefusalChoice::Gitlab,
        rewrite_members: members::GITLAB,
        drop_query_parameters: &["sudo", "private_token", "access_token", "job_token"],
        ..PLAIN
    },
    Preset {
        name: PresetChoice::Cloudflare,
        api_root: Some("https://api.cloudflare.com"),
        accept_token_in: &["header:X-Auth-Key"],
        refusals: RefusalChoice::Cloudflare,
        request_headers: &[
            "Api-Version",
            "CF-Worker-Body-Part",
            "CF-Worker-Main-Module-Part",
            "Tus-Resumable",
            "Upload-Length",
            "Upload-Metadata",
            "Upload-Offset",
            "X-Magic-New-Hc-Target",
            "X-Stainless-*",
        ],
        ..PLAIN
    },
    // Everybody runs their own.
    Preset { name: PresetChoice::Powerdns, credential: "header:X-API-Key", refusals: RefusalChoice::Powerdns, ..PLAIN },
    Preset {
        name: PresetChoice::Openai,
        api_root: Some("https://api.openai.com"),
        // The second is where browsers put keys of the realtime API, for want of another field.
        accept_token_in: &["header:API-Key", "subprotocol:openai-insecure-api-key."],
        refusals: RefusalChoice::Openai,
        request_headers: &[
            "HTTP-Referer",
            "OpenAI-Beta",
            "Originator",
            "Session-Id",
            "Thread-Id",
            "X-Client-Request-Id",
            "X-Codex-Beta-Features",
            "X-Codex-Installation-Id",
            "X-Codex-Parent-Thread-Id",
            "X-Codex-Turn-Metadata",
            "X-Codex-Turn-State",
            "X-Codex-Window-Id",
            "X-OpenAI-Internal-Codex-Responses-Lite",
            "X-OpenAI-Subagent",
            "X-ResponsesAPI-Include-Timing-Metrics",
            "X-Stainless-*",
            "X-Title",
        ],
        response_timeout: Some("10m"),
        ..PLAIN
    },
    Preset {
        name: PresetChoice::Anthropic,
        api_root: Some("https://api.anthropic.com"),
        credential: "header:X-Api-Key",
        refusals: RefusalChoice::Anthropic,
        rewrite_members: members::ANTHROPIC,
        request_headers: &[
            "Anthropic-Beta",
            "Anthropic-Dangerous-Direct-Browser-Access",
            "Anthropic-Version",
            "X-App",
            "X-Claude-Code-Session-Id",
            "X-Client-Request-Id",
            "X-Stainless-*",
        ],
        response_timeout: Some("10m"),
        ..PLAIN
    },
];

impl PresetChoice {
    /// The kinds of API that are known.
    pub(crate) fn apis() -> impl Iterator<Item = &'static str> {
        PRESETS.iter().map(|preset| preset.name.name())
    }

    /// The preset whose API root this is.
    pub(crate) fn of_root(root: &str) -> Option<Self> {
        let root = root.trim_end_matches('/');
        PRESETS.iter().find(|preset| preset.api_root == Some(root)).map(|preset| preset.name)
    }

    /// The request headers that it adds to those that every API gets.
    pub(crate) fn request_headers(self) -> &'static [&'static str] {
        PRESETS.iter().find(|preset| preset.name == self).map_or(&[], |preset| preset.request_headers)
    }

    /// The API root that a preset brings.
    pub(crate) fn root_of(name: &str) -> Option<&'static str> {
        PRESETS.iter().find(|preset| preset.name.name() == name)?.api_root
    }
}

/// Puts presets and defaults below what was written about upstreams.
pub(crate) fn complete(mut raw: RawConfig, defaults: RawUpstream) -> RawConfig {
    // Where others are described, one that nobody speaks of does not exist.
    if raw.upstreams.is_empty() || !raw.upstream.entries("").is_empty() {
        raw.upstream = with_preset(raw.upstream, None, Some(defaults));
    }
    let upstreams = raw.upstreams.into_iter();
    raw.upstreams = upstreams.map(|(name, upstream)| (name.clone(), with_preset(upstream, Some(&name), None))).collect();
    raw
}

/// A preset is chosen by `preset`, by the name of the table, or by the API root, whichever speaks first.
fn with_preset(raw: RawUpstream, table: Option<&str>, defaults: Option<RawUpstream>) -> RawUpstream {
    let api_root = |raw: &RawUpstream| raw.api_root.given().map(|given| given.value.trim_end_matches('/').to_owned());
    let root = api_root(&raw).or_else(|| defaults.as_ref().and_then(api_root));
    let chosen = match raw.preset.given() {
        Some(given) => Some(given.value),
        None => table.and_then(PresetChoice::of_name).or_else(|| root.as_deref().and_then(PresetChoice::of_root)),
    };
    let preset = PRESETS.iter().find(|preset| Some(preset.name) == chosen);
    let mut raw = match preset {
        Some(preset) => preset.below(raw),
        None => {
            let rewrite_members = listed(members::PAGES, &Origin::Default, str::to_owned);
            raw.or(RawUpstream { rewrite_members, ..RawUpstream::default() })
        }
    };
    if let Some(mut defaults) = defaults {
        // An API that must be named is not GitHub's.
        if preset.is_some_and(|preset| preset.api_root.is_none()) {
            defaults.api_root = Setting::default();
        }
        raw = raw.or(defaults);
    }
    raw
}

impl Preset {
    /// This preset below what was written. Paths are completed one by one.
    fn below(&self, raw: RawUpstream) -> RawUpstream {
        let origin = Origin::Preset(self.name.name());
        let text = |text: &str| Setting::new(text.to_owned(), origin.clone());
        let paths = self.paths.iter().map(|(prefix, to)| {
            let given = Given { value: (*to).to_owned(), origin: origin.clone() };
            ((*prefix).to_owned(), given)
        });
        let mut paths: BTreeMap<String, Given<String>> = paths.collect();
        let written = raw.paths.given();
        let paths_origin = written.map_or(origin.clone(), |given| given.origin.clone());
        paths.extend(written.map(|given| given.value.clone()).unwrap_or_default());
        let preset = RawUpstream {
            preset: Setting::new(self.name, origin.clone()),
            api_root: self.api_root.map_or_else(Setting::default, text),
            encoded_slash: Setting::new(self.encoded_slash, origin.clone()),
            path_reading: Setting::new(self.path_reading, origin.clone()),
            credential: Setting::new(CarrierText(self.credential.to_owned()), origin.clone()),
            accept_token_in: listed(self.accept_token_in, &origin, |name| CarrierText(name.to_owned())),
            refusals: Setting::new(self.refusals, origin.clone()),
            drop_query_parameters: listed(self.drop_query_parameters, &origin, str::to_owned),
            rewrite_members: listed(self.rewrite_members, &origin, str::to_owned),
            response_timeout: self
                .response_timeout
                .map_or_else(Setting::default, |text| Setting::new(DurationText(text.to_owned()), origin.clone())),
            ..RawUpstream::default()
        };
        let paths = if paths.is_empty() { Setting::default() } else { Setting::new(paths, paths_origin) };
        RawUpstream { paths, ..raw }.or(preset)
    }
}

/// A list of a preset; an empty one says nothing.
fn listed<T>(words: &[&str], origin: &Origin, parse: impl Fn(&str) -> T) -> Setting<Vec<Given<T>>> {
    let given = words.iter().map(|word| Given { value: parse(word), origin: origin.clone() });
    let given: Vec<Given<T>> = given.collect();
    if given.is_empty() { Setting::default() } else { Setting::new(given, origin.clone()) }
}
