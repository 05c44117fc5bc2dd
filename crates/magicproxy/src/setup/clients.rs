//! The clients, by name. A new client is an entry here, its setup methods in the files of its
//! providers, its lines in `tests/cmd/env.golden` and a recipe.

use magicproxy_config::providers::client::{ANY, NOTHING, SetupMethod};
use magicproxy_config::providers::{
    anthropic, cloudflare, digitalocean, github, github_git, gitlab, openai, powerdns,
};

use super::table::Client;

/// Every known client, by name.
pub(crate) static CLIENTS: &[Client] = &[
    Client {
        name: "aider",
        about: "aider, with OpenAI or Anthropic",
        programs: &["aider"],
        methods: &[openai::AIDER, anthropic::AIDER],
    },
    Client {
        name: "anthropic",
        about: "Anthropic's SDKs for Python and JavaScript",
        programs: &[],
        methods: &[anthropic::SDK],
    },
    Client {
        name: "certbot",
        about: "certbot with the plugins dns-digitalocean, dns-cloudflare, dns-pdns",
        programs: &["certbot"],
        methods: &[digitalocean::CERTBOT, cloudflare::CERTBOT, powerdns::CERTBOT],
    },
    Client {
        name: "claude-code",
        about: "Claude Code",
        programs: &["claude"],
        methods: &[anthropic::CLAUDE_CODE],
    },
    Client {
        name: "cloudflare",
        about: "Cloudflare's SDKs for Python and JavaScript",
        programs: &[],
        methods: &[cloudflare::SDK],
    },
    Client {
        name: "codex",
        about: "OpenAI's Codex",
        programs: &["codex"],
        methods: &[openai::CODEX],
    },
    Client { name: "curl", about: "curl", programs: &["curl"], methods: &[CURL] },
    Client {
        name: "doctl",
        about: "DigitalOcean's command line",
        programs: &["doctl"],
        methods: &[digitalocean::DOCTL],
    },
    Client {
        name: "gh",
        about: "GitHub's command line",
        programs: &["gh"],
        methods: &[github::GH_BY_SOCKET, github::GH_BY_HOST],
    },
    Client {
        name: "git",
        about: "git over https",
        programs: &["git"],
        methods: &[github_git::GIT],
    },
    Client {
        name: "gitbeaker",
        about: "gitbeaker, GitLab's API for JavaScript",
        programs: &["gitbeaker"],
        methods: &[gitlab::GITBEAKER],
    },
    Client {
        name: "githubkit",
        about: "githubkit, GitHub's API for Python",
        programs: &[],
        methods: &[github::GITHUBKIT],
    },
    Client {
        name: "lego",
        about: "lego with the providers digitalocean and pdns",
        programs: &["lego"],
        methods: &[digitalocean::LEGO, powerdns::LEGO],
    },
    Client {
        name: "octokit",
        about: "octokit, GitHub's API for JavaScript",
        programs: &[],
        methods: &[github::OCTOKIT],
    },
    Client {
        name: "openai",
        about: "OpenAI's SDKs for Python and JavaScript",
        programs: &["openai"],
        methods: &[openai::SDK],
    },
    Client {
        name: "opencode",
        about: "opencode, with OpenAI or Anthropic",
        programs: &["opencode"],
        methods: &[openai::OPENCODE, anthropic::OPENCODE],
    },
    Client {
        name: "pydo",
        about: "pydo, DigitalOcean's API for Python",
        programs: &[],
        methods: &[digitalocean::PYDO],
    },
    Client {
        name: "pygithub",
        about: "PyGithub, GitHub's API for Python",
        programs: &[],
        methods: &[github::PYGITHUB],
    },
    Client {
        name: "python-digitalocean",
        about: "python-digitalocean, DigitalOcean's API for Python",
        programs: &[],
        methods: &[digitalocean::PYTHON_DIGITALOCEAN],
    },
    Client {
        name: "python-gitlab",
        about: "python-gitlab, GitLab's API for Python, and its command line",
        programs: &["gitlab"],
        methods: &[gitlab::PYTHON_GITLAB],
    },
    Client {
        name: "renovate",
        about: "renovate for GitHub or GitLab",
        programs: &["renovate"],
        methods: &[github::RENOVATE, gitlab::RENOVATE],
    },
    Client {
        name: "terraform",
        about: "Terraform and OpenTofu with the providers of GitHub, GitLab, DigitalOcean, Cloudflare, PowerDNS",
        programs: &["terraform", "tofu"],
        methods: &[
            github::TERRAFORM_PROVIDER,
            gitlab::TERRAFORM_PROVIDER,
            digitalocean::TERRAFORM_PROVIDER,
            cloudflare::TERRAFORM_PROVIDER,
            powerdns::TERRAFORM_PROVIDER,
        ],
    },
];

/// The setup of curl, for every API.
const CURL: SetupMethod = SetupMethod {
    preset: ANY,
    variables: &[("MAGIC_API", "{api}"), ("MAGIC_TOKEN", "{token}")],
    ca_variables: &["CURL_CA_BUNDLE"],
    usage: &["printf 'Authorization: Bearer %s' \"$MAGIC_TOKEN\" | curl -H @- \"$MAGIC_API/…\""],
    notes: &[
        "curl takes no header from a variable; from standard input, the token is in nobody's arguments",
    ],
    ..NOTHING
};
