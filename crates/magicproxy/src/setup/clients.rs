//! The clients: what each reads, as data. Adding one is adding an entry, its lines in `tests/cmd/env.golden` and a recipe.
//!
//! Templates are those of [`Value::fill`](super::value::Value::fill). What a client reads was measured unless its notes say otherwise.

use super::table::{ANY, Client, NOTHING, Needs, Way};

/// Variables of GitHub's credentials, beside the one that most clients share with us.
pub(super) const GITHUB: Way = Way {
    preset: "github",
    variables: &[("GITHUB_API_URL", "{api}"), ("GITHUB_TOKEN", "{token}")],
    removed: &["GH_TOKEN", "GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN"],
    ..NOTHING
};

const DIGITALOCEAN: Way =
    Way { preset: "digitalocean", removed: &["DIGITALOCEAN_ACCESS_TOKEN", "DIGITALOCEAN_TOKEN"], ..NOTHING };
pub(super) const CLOUDFLARE: Way = Way {
    preset: "cloudflare",
    removed: &["CLOUDFLARE_API_KEY", "CLOUDFLARE_EMAIL", "CLOUDFLARE_API_USER_SERVICE_KEY"],
    ..NOTHING
};
pub(super) const GITLAB: Way =
    Way { preset: "gitlab", removed: &["GITLAB_OAUTH_TOKEN", "CI_JOB_TOKEN", "PYTHON_GITLAB_CFG"], ..NOTHING };
const POWERDNS: Way = Way { preset: "powerdns", ..NOTHING };

pub(super) const REPLACES_ROOTS: &str = "SSL_CERT_FILE replaces the system's roots: put all that the program needs into the file";
const ACME_TOO: &str = "REQUESTS_CA_BUNDLE counts for the ACME server as well: its roots must be in the file too";
const PYTHON_AND_NODE: &[&str] = &["SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"];
const DOT_ENV: &str =
    "aider lets `.env` and `.aider.conf.yml` of a repository win over these variables: look into one that is not yours";
const NOT_TESTED: &str = "not tested: these names are those of its documentation";

/// git, whoever starts it.
pub(super) const GIT: Way = Way {
    preset: "github-git",
    variables: &[("GIT_TERMINAL_PROMPT", "0")],
    git_settings: &[
        ("url.{api}/.insteadOf", "{origin}/"),
        ("url.{api}/.insteadOf", "git@{host}:"),
        ("url.{api}/.insteadOf", "ssh://git@{host}/"),
        // Nobody else's helper answers for the proxy, or keeps the token.
        ("credential.{api}.helper", ""),
        ("credential.{api}.helper", "{git_helper}"),
        // git-lfs asks git without the path else, and no helper of a mount is found.
        ("credential.{api}.useHttpPath", "true"),
        // From git 2.46 on the token comes with the first request, which may be answered by the redirection of a renamed repository:
        // git follows no later one. Older versions do not know the setting, and ask as before.
        ("http.{api}/.proactiveAuth", "basic"),
    ],
    exports_token: true,
    git_ca_setting: Some("http.{api}/.sslCAInfo"),
    notes: &["remotes stay as they are: `git remote -v` shows them, git speaks to the proxy"],
    ..NOTHING
};

/// Every client that is known, by name.
pub(crate) static CLIENTS: &[Client] = &[
    Client {
        name: "aider",
        about: "aider, with OpenAI or Anthropic",
        programs: &["aider"],
        ways: &[
            Way {
                preset: "openai",
                variables: &[("OPENAI_API_BASE", "{api}/v1"), ("OPENAI_API_KEY", "{token}")],
                removed: &[
                    "AIDER_OPENAI_API_BASE",
                    "AIDER_OPENAI_API_KEY",
                    "AIDER_API_KEY",
                    "OPENAI_BASE_URL",
                    "OPENAI_ORGANIZATION",
                ],
                ca_variables: &["SSL_CERT_FILE"],
                notes: &[NOT_TESTED, DOT_ENV],
                ca_notes: &[REPLACES_ROOTS],
                ..NOTHING
            },
            Way {
                preset: "anthropic",
                variables: &[("ANTHROPIC_API_BASE", "{api}"), ("ANTHROPIC_API_KEY", "{token}")],
                removed: &["AIDER_ANTHROPIC_API_KEY", "AIDER_API_KEY", "ANTHROPIC_BASE_URL", "ANTHROPIC_AUTH_TOKEN"],
                ca_variables: &["SSL_CERT_FILE"],
                notes: &[NOT_TESTED, DOT_ENV],
                ca_notes: &[REPLACES_ROOTS],
                ..NOTHING
            },
        ],
    },
    Client {
        name: "anthropic",
        about: "Anthropic's SDKs for Python and JavaScript",
        programs: &[],
        ways: &[Way {
            preset: "anthropic",
            variables: &[("ANTHROPIC_BASE_URL", "{api}"), ("ANTHROPIC_API_KEY", "{token}")],
            removed: &["ANTHROPIC_AUTH_TOKEN"],
            ca_variables: PYTHON_AND_NODE,
            ca_notes: &[REPLACES_ROOTS],
            ..NOTHING
        }],
    },
    Client {
        name: "certbot",
        about: "certbot with the plugins dns-digitalocean, dns-cloudflare, dns-pdns",
        programs: &["certbot"],
        ways: &[
            Way {
                variables: &[("DIGITALOCEAN_END_POINT", "{api}/v2/")],
                files: &[("certbot-digitalocean.ini", "dns_digitalocean_token = {token}\n")],
                ca_variables: &["REQUESTS_CA_BUNDLE"],
                usage: &["certbot certonly --dns-digitalocean --dns-digitalocean-credentials certbot-digitalocean.ini …"],
                ca_notes: &[ACME_TOO],
                ..DIGITALOCEAN
            },
            Way {
                variables: &[("CLOUDFLARE_BASE_URL", "{api}/client/v4")],
                files: &[("certbot-cloudflare.ini", "dns_cloudflare_api_token = {token}\n")],
                ca_variables: &["SSL_CERT_FILE"],
                usage: &["certbot certonly --dns-cloudflare --dns-cloudflare-credentials certbot-cloudflare.ini …"],
                notes: &["the ini file must not hold dns_cloudflare_email or dns_cloudflare_api_key besides"],
                ..CLOUDFLARE
            },
            Way {
                files: &[("certbot-pdns.ini", "dns_pdns_endpoint = {api}\ndns_pdns_api_key = {token}\n")],
                ca_variables: &["REQUESTS_CA_BUNDLE"],
                usage: &["certbot certonly --authenticator dns-pdns --dns-pdns-credentials certbot-pdns.ini …"],
                ca_notes: &[ACME_TOO],
                ..POWERDNS
            },
        ],
    },
    Client {
        name: "claude-code",
        about: "Claude Code",
        programs: &["claude"],
        ways: &[Way {
            preset: "anthropic",
            variables: &[("ANTHROPIC_BASE_URL", "{api}"), ("ANTHROPIC_AUTH_TOKEN", "{token}")],
            // A login of its own, and other providers, would win.
            removed: &[
                "ANTHROPIC_API_KEY",
                "CLAUDE_CODE_OAUTH_TOKEN",
                "CLAUDE_CODE_USE_BEDROCK",
                "CLAUDE_CODE_USE_VERTEX",
                "CLAUDE_CODE_USE_FOUNDRY",
            ],
            ca_variables: &["NODE_EXTRA_CA_CERTS"],
            notes: &["a project can set these variables, too (`env` in .claude/settings.json): look before you trust one"],
            ..NOTHING
        }],
    },
    Client {
        name: "cloudflare",
        about: "Cloudflare's SDKs for Python and JavaScript",
        programs: &[],
        ways: &[Way {
            variables: &[("CLOUDFLARE_BASE_URL", "{api}/client/v4"), ("CLOUDFLARE_API_TOKEN", "{token}")],
            ca_variables: PYTHON_AND_NODE,
            ca_notes: &[REPLACES_ROOTS],
            ..CLOUDFLARE
        }],
    },
    Client {
        name: "codex",
        about: "OpenAI's Codex",
        programs: &["codex"],
        ways: &[Way {
            preset: "openai",
            variables: &[("OPENAI_API_KEY", "{token}")],
            removed: &["OPENAI_BASE_URL", "CODEX_API_KEY"],
            // Its provider can be chosen by settings only; the variable that holds the token is named in them.
            arguments: &[
                "-c",
                "model_provider=\"magicproxy\"",
                "-c",
                "model_providers.magicproxy.name=\"magicproxy\"",
                "-c",
                "model_providers.magicproxy.base_url=\"{api}/v1\"",
                "-c",
                "model_providers.magicproxy.env_key=\"OPENAI_API_KEY\"",
                "-c",
                "model_providers.magicproxy.wire_api=\"responses\"",
                // Else it asks thirty times after a 504, and each answer is made and paid for.
                "-c",
                "model_providers.magicproxy.request_max_retries=0",
                "-c",
                "model_providers.magicproxy.stream_max_retries=1",
            ],
            ca_variables: &["SSL_CERT_FILE"],
            notes: &["the token must allow POST /v1/responses"],
            ca_notes: &[REPLACES_ROOTS],
            ..NOTHING
        }],
    },
    Client {
        name: "curl",
        about: "curl",
        programs: &["curl"],
        ways: &[Way {
            preset: ANY,
            variables: &[("MAGIC_API", "{api}"), ("MAGIC_TOKEN", "{token}")],
            ca_variables: &["CURL_CA_BUNDLE"],
            usage: &["printf 'Authorization: Bearer %s' \"$MAGIC_TOKEN\" | curl -H @- \"$MAGIC_API/…\""],
            notes: &["curl takes no header from a variable; from standard input, the token is in nobody's arguments"],
            ..NOTHING
        }],
    },
    Client {
        name: "doctl",
        about: "DigitalOcean's command line",
        programs: &["doctl"],
        ways: &[Way {
            variables: &[("DIGITALOCEAN_API_URL", "{api}/"), ("DIGITALOCEAN_ACCESS_TOKEN", "{token}")],
            removed: &["DIGITALOCEAN_CONTEXT"],
            ca_variables: &["SSL_CERT_FILE"],
            notes: &[NOT_TESTED],
            ca_notes: &[REPLACES_ROOTS],
            ..DIGITALOCEAN
        }],
    },
    Client {
        name: "gh",
        about: "GitHub's command line",
        programs: &["gh"],
        ways: &[
            Way {
                preset: "github",
                needs: Needs::Socket,
                variables: &[("GH_TOKEN", "{armoured_token}")],
                removed: &["GH_HOST", "GITHUB_TOKEN", "GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN"],
                commands: &[&["gh", "config", "set", "http_unix_socket", "{socket}"]],
                folder: Some(("GH_CONFIG_DIR", "config.yml", "version: \"1\"\nhttp_unix_socket: {socket_json}\n")),
                notes: &["to undo: gh config set http_unix_socket ''"],
                ..NOTHING
            },
            Way {
                preset: "github",
                needs: Needs::HttpsRoot,
                variables: &[("GH_HOST", "{authority}"), ("GH_ENTERPRISE_TOKEN", "{armoured_token}")],
                removed: &["GH_TOKEN", "GITHUB_TOKEN", "GITHUB_ENTERPRISE_TOKEN"],
                ca_variables: &["SSL_CERT_FILE"],
                notes: &["most subcommands refuse a GH_HOST with a port: let the proxy listen on 443, or use its Unix socket"],
                ca_notes: &[REPLACES_ROOTS],
                ..NOTHING
            },
        ],
    },
    Client { name: "git", about: "git over https", programs: &["git"], ways: &[GIT] },
    Client {
        name: "gitbeaker",
        about: "gitbeaker, GitLab's API for JavaScript",
        programs: &["gitbeaker"],
        ways: &[Way {
            variables: &[("GITBEAKER_HOST", "{api}"), ("GITBEAKER_TOKEN", "{token}")],
            removed: &["GITBEAKER_OAUTH_TOKEN", "GITBEAKER_JOB_TOKEN"],
            ca_variables: &["NODE_EXTRA_CA_CERTS"],
            usage: &["new Gitlab({ host: process.env.GITBEAKER_HOST, token: process.env.GITBEAKER_TOKEN })"],
            ..GITLAB
        }],
    },
    Client {
        name: "githubkit",
        about: "githubkit, GitHub's API for Python",
        programs: &[],
        ways: &[Way {
            ca_variables: &["SSL_CERT_FILE"],
            usage: &["GitHub(os.environ[\"GITHUB_TOKEN\"], base_url=os.environ[\"GITHUB_API_URL\"])"],
            ..GITHUB
        }],
    },
    Client {
        name: "lego",
        about: "lego with the providers digitalocean and pdns",
        programs: &["lego"],
        ways: &[
            Way {
                variables: &[("DO_API_URL", "{api}"), ("DO_AUTH_TOKEN", "{token}")],
                removed: &["DO_AUTH_TOKEN_FILE"],
                ca_variables: &["SSL_CERT_FILE"],
                ca_notes: &["LEGO_CA_CERTIFICATES is for the ACME server alone", REPLACES_ROOTS],
                ..DIGITALOCEAN
            },
            Way {
                variables: &[("PDNS_API_URL", "{api}"), ("PDNS_API_KEY", "{token}")],
                removed: &["PDNS_API_KEY_FILE", "PDNS_API_URL_FILE"],
                ca_variables: &["SSL_CERT_FILE"],
                ca_notes: &["LEGO_CA_CERTIFICATES is for the ACME server alone", REPLACES_ROOTS],
                ..POWERDNS
            },
        ],
    },
    Client {
        name: "octokit",
        about: "octokit, GitHub's API for JavaScript",
        programs: &[],
        ways: &[Way {
            ca_variables: &["NODE_EXTRA_CA_CERTS"],
            usage: &["new Octokit({ baseUrl: process.env.GITHUB_API_URL, auth: process.env.GITHUB_TOKEN })"],
            ..GITHUB
        }],
    },
    Client {
        name: "openai",
        about: "OpenAI's SDKs for Python and JavaScript",
        programs: &["openai"],
        ways: &[Way {
            preset: "openai",
            variables: &[("OPENAI_BASE_URL", "{api}/v1"), ("OPENAI_API_KEY", "{token}")],
            removed: &["OPENAI_ADMIN_KEY"],
            ca_variables: PYTHON_AND_NODE,
            ca_notes: &[REPLACES_ROOTS],
            ..NOTHING
        }],
    },
    Client {
        name: "opencode",
        about: "opencode, with OpenAI or Anthropic",
        programs: &["opencode"],
        ways: &[
            Way {
                preset: "openai",
                variables: &[
                    ("OPENAI_API_KEY", "{token}"),
                    (
                        "OPENCODE_CONFIG_CONTENT",
                        r#"{"provider":{"openai":{"options":{"apiKey":"{env:OPENAI_API_KEY}","baseURL":"{api}/v1"}}}}"#,
                    ),
                ],
                removed: &["OPENAI_BASE_URL"],
                ca_variables: &["NODE_EXTRA_CA_CERTS"],
                notes: &[NOT_TESTED],
                ..NOTHING
            },
            Way {
                preset: "anthropic",
                variables: &[
                    ("ANTHROPIC_API_KEY", "{token}"),
                    (
                        "OPENCODE_CONFIG_CONTENT",
                        r#"{"provider":{"anthropic":{"options":{"apiKey":"{env:ANTHROPIC_API_KEY}","baseURL":"{api}/v1"}}}}"#,
                    ),
                ],
                removed: &["ANTHROPIC_BASE_URL", "ANTHROPIC_AUTH_TOKEN"],
                ca_variables: &["NODE_EXTRA_CA_CERTS"],
                notes: &[NOT_TESTED],
                ..NOTHING
            },
        ],
    },
    Client {
        name: "pydo",
        about: "pydo, DigitalOcean's API for Python",
        programs: &[],
        ways: &[Way {
            variables: &[("DIGITALOCEAN_TOKEN", "{token}")],
            removed: &["DIGITALOCEAN_ACCESS_TOKEN"],
            ca_variables: &["REQUESTS_CA_BUNDLE"],
            usage: &["Client(token=os.environ[\"DIGITALOCEAN_TOKEN\"], endpoint=\"{api}\")"],
            notes: &["it sends no token over http: the proxy needs TLS"],
            ..DIGITALOCEAN
        }],
    },
    Client {
        name: "pygithub",
        about: "PyGithub, GitHub's API for Python",
        programs: &[],
        ways: &[Way {
            ca_variables: &["REQUESTS_CA_BUNDLE"],
            usage: &["Github(auth=Auth.Token(os.environ[\"GITHUB_TOKEN\"]), base_url=os.environ[\"GITHUB_API_URL\"])"],
            ..GITHUB
        }],
    },
    Client {
        name: "python-digitalocean",
        about: "python-digitalocean, DigitalOcean's API for Python",
        programs: &[],
        ways: &[Way {
            variables: &[("DIGITALOCEAN_END_POINT", "{api}/v2/"), ("DIGITALOCEAN_ACCESS_TOKEN", "{token}")],
            removed: &["DIGITALOCEAN_TOKEN"],
            ca_variables: &["REQUESTS_CA_BUNDLE"],
            ..DIGITALOCEAN
        }],
    },
    Client {
        name: "python-gitlab",
        about: "python-gitlab, GitLab's API for Python, and its command line",
        programs: &["gitlab"],
        ways: &[Way {
            variables: &[("GITLAB_URL", "{api}"), ("GITLAB_PRIVATE_TOKEN", "{token}")],
            ca_variables: &["REQUESTS_CA_BUNDLE"],
            usage: &["Gitlab(os.environ[\"GITLAB_URL\"], private_token=os.environ[\"GITLAB_PRIVATE_TOKEN\"])"],
            ..GITLAB
        }],
    },
    Client {
        name: "renovate",
        about: "renovate for GitHub or GitLab",
        programs: &["renovate"],
        ways: &[
            Way {
                variables: &[("RENOVATE_PLATFORM", "github"), ("RENOVATE_ENDPOINT", "{api}/"), ("RENOVATE_TOKEN", "{token}")],
                removed: &["GITHUB_TOKEN", "GITHUB_COM_TOKEN", "RENOVATE_GITHUB_COM_TOKEN", "GH_TOKEN"],
                ca_variables: &["NODE_EXTRA_CA_CERTS"],
                ..GITHUB
            },
            Way {
                variables: &[
                    ("RENOVATE_PLATFORM", "gitlab"),
                    ("RENOVATE_ENDPOINT", "{api}/api/v4/"),
                    ("RENOVATE_TOKEN", "{token}"),
                ],
                removed: &["GITLAB_TOKEN", "GITHUB_COM_TOKEN", "RENOVATE_GITHUB_COM_TOKEN"],
                ca_variables: &["NODE_EXTRA_CA_CERTS"],
                notes: &["not tested with GitLab: these names are those of its documentation"],
                ..GITLAB
            },
        ],
    },
    Client {
        name: "terraform",
        about: "Terraform and OpenTofu with the providers of GitHub, GitLab, DigitalOcean, Cloudflare, PowerDNS",
        programs: &["terraform", "tofu"],
        ways: &[
            terraform(
                "github",
                &[("GITHUB_BASE_URL", "{api}/"), ("GITHUB_TOKEN", "{token}")],
                &["GH_TOKEN", "GITHUB_APP_PEM_FILE"],
            ),
            terraform("gitlab", &[("GITLAB_BASE_URL", "{api}/api/v4/"), ("GITLAB_TOKEN", "{token}")], &["CI_JOB_TOKEN"]),
            terraform(
                "digitalocean",
                &[("DIGITALOCEAN_API_URL", "{api}/"), ("DIGITALOCEAN_TOKEN", "{token}")],
                &["DIGITALOCEAN_ACCESS_TOKEN"],
            ),
            terraform(
                "cloudflare",
                &[("CLOUDFLARE_BASE_URL", "{api}/client/v4"), ("CLOUDFLARE_API_TOKEN", "{token}")],
                CLOUDFLARE.removed,
            ),
            terraform("powerdns", &[("PDNS_SERVER_URL", "{api}"), ("PDNS_API_KEY", "{token}")], &[]),
        ],
    },
];

const fn terraform(
    preset: &'static str,
    variables: &'static [(&'static str, &'static str)],
    removed: &'static [&'static str],
) -> Way {
    Way {
        preset,
        variables,
        removed,
        ca_variables: &["SSL_CERT_FILE"],
        notes: &[NOT_TESTED],
        ca_notes: &[REPLACES_ROOTS],
        ..NOTHING
    }
}
