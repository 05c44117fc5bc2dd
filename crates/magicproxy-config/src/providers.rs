//! What is known of providers of APIs. `docs/spec/upstreams.md` section 7.
//!
//! A preset is a layer below everything that was written about its upstream.

pub mod members;
pub mod words;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use words::{ReadingChoice, RefusalChoice, SlashChoice};

/// The presets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PresetChoice {
    /// Nothing is taken for granted.
    None,
    /// GitHub's REST and GraphQL APIs.
    Github,
    /// Repositories of GitHub, by git over HTTPS.
    GithubGit,
    /// DigitalOcean.
    Digitalocean,
    /// GitLab.
    Gitlab,
    /// Cloudflare.
    Cloudflare,
    /// An authoritative server of PowerDNS.
    Powerdns,
    /// OpenAI, and those who speak its API.
    Openai,
    /// Anthropic.
    Anthropic,
}

impl PresetChoice {
    /// The preset that a table with this name has without saying so.
    pub fn of_name(name: &str) -> Option<Self> {
        let presets = PRESETS.iter().map(|preset| preset.name);
        [Self::None].into_iter().chain(presets).find(|preset| preset.name() == name)
    }

    /// The kind of API that it is for, if any.
    pub fn api(self) -> Option<&'static str> {
        (self != Self::None).then(|| self.name())
    }

    /// The preset's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Github => "github",
            Self::GithubGit => "github-git",
            Self::Digitalocean => "digitalocean",
            Self::Gitlab => "gitlab",
            Self::Cloudflare => "cloudflare",
            Self::Powerdns => "powerdns",
            Self::Openai => "openai",
            Self::Anthropic => "anthropic",
        }
    }

    /// The kinds of API that are known.
    pub fn apis() -> impl Iterator<Item = &'static str> {
        PRESETS.iter().map(|preset| preset.name.name())
    }

    /// The preset whose API root this is.
    pub fn of_root(root: &str) -> Option<Self> {
        let root = root.trim_end_matches('/');
        PRESETS.iter().find(|preset| preset.api_root == Some(root)).map(|preset| preset.name)
    }

    /// The request headers that it adds to those that every API gets.
    pub fn request_headers(self) -> &'static [&'static str] {
        PRESETS.iter().find(|preset| preset.name == self).map_or(&[], |preset| preset.request_headers)
    }

    /// The API root that a preset brings.
    pub fn root_of(name: &str) -> Option<&'static str> {
        PRESETS.iter().find(|preset| preset.name.name() == name)?.api_root
    }
}

/// One line of the table in the specification.
#[derive(Debug)]
pub struct Preset {
    /// Its name.
    pub name: PresetChoice,
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
    pub refusals: RefusalChoice,
    /// Query parameters that say for whom a request acts, or carry tokens.
    pub drop_query_parameters: &'static [&'static str],
    /// Headers that its clients send, and that say neither for whom nor on what a request acts.
    pub request_headers: &'static [&'static str],
    /// Members of its bodies that its clients follow.
    pub rewrite_members: &'static [&'static str],
    /// Where answers are long in coming.
    pub response_timeout: Option<&'static str>,
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

impl Preset {
    /// The preset of this name.
    pub fn of(name: PresetChoice) -> Option<&'static Self> {
        PRESETS.iter().find(|preset| preset.name == name)
    }
}
