//! GitHub's REST and GraphQL APIs.

use magicproxy_proxy::settings::RefusalPart::Type;
use magicproxy_proxy::settings::{RefusalMedia, RefusalShape};

use super::client::{ANY_PROGRAM, NOTHING, REPLACES_ROOTS, SetupMethod, SetupNeeds, TERRAFORM};
use super::refusals::Refusals;
use super::words::{ReadingChoice, SlashChoice};
use super::{PLAIN, Provider};

pub(super) static PROVIDER: Provider = Provider {
    name: "github",
    about: "GitHub's REST and GraphQL APIs.",
    api_root: Some("https://api.github.com"),
    paths: &[
        ("/api/v3", "/"),
        ("/api/graphql", "/graphql"),
        ("/api/uploads", "https://uploads.github.com"),
    ],
    encoded_slash: SlashChoice::Both,
    path_reading: ReadingChoice::DecodeOnce,
    refusals: &REFUSALS,
    rewrite_members: FOLLOWED,
    request_headers: &[
        ("GraphQL-Features", "which previews of the schema a query uses"),
        ("Time-Zone", "the zone in which moments are told and made up"),
        ("X-GitHub-Api-Version", "the version of the API that the client was made for"),
        ("X-GitHub-Next-Global-ID", "in which form identifiers are told"),
    ],
    any_program: SetupMethod {
        variables: CLIENT.variables,
        removed: CLIENT.removed,
        ..ANY_PROGRAM
    },
    kin: &["github-git"],
    ..PLAIN
};

/// The shape of refusals, with the member that octokit appends to its messages.
pub(crate) static REFUSALS: Refusals = Refusals {
    name: "github",
    about: "GitHub's.",
    shape: RefusalShape { media: RefusalMedia::Problem, members: &[("documentation_url", Type)] },
};

/// The members whose URLs clients follow: PyGithub, octokit and gh follow almost every URL of the
/// API, at any depth, and upload to `upload_url`.
const FOLLOWED: &[&str] = &[
    "**.url",
    "**.*_url",
    "**._links.*",
    "**._links.*.href",
    // GraphQL: the URLs are pages.
    "!data.**",
    // For people, and for git.
    "!**.avatar_url",
    "!**.badge_url",
    "!**.browser_download_url",
    "!**.clone_url",
    "!**.diff_url",
    "!**.documentation_url",
    "!**.download_url",
    "!**.files.*_url",
    "!**.html_url",
    "!**._links.html",
    "!**._links.html.href",
    "!**.mirror_url",
    "!**.page_url",
    "!**.patch_url",
    "!**.permalink_url",
    "!**.preview_url",
    "!**.svn_url",
    "!**.web_url",
    // Written by users: webhooks, statuses, checks, deployments, apps, advisories, properties.
    "!**.callback_url",
    "!**.client_payload.**",
    "!**.config.**",
    "!**.custom_properties.**",
    "!**.details_url",
    "!**.environment_url",
    "!**.external_url",
    "!**.homepage_url",
    "!**.image_url",
    "!**.log_url",
    "!**.payload.**",
    "!**.redirect_url",
    "!**.references.**",
    "!**.setup_url",
    "!**.target_url",
    "!**.vcs_url",
];

/// The variables of GitHub's credentials. Most clients share `GITHUB_TOKEN` with this program.
const CLIENT: SetupMethod = SetupMethod {
    preset: "github",
    variables: &[("GITHUB_API_URL", "{api}"), ("GITHUB_TOKEN", "{token}")],
    removed: &["GH_TOKEN", "GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN"],
    ..NOTHING
};

/// gh, by the proxy's Unix socket.
pub const GH_BY_SOCKET: SetupMethod = SetupMethod {
    preset: "github",
    needs: SetupNeeds::Socket,
    variables: &[("GH_TOKEN", "{armoured_token}")],
    removed: &["GH_HOST", "GITHUB_TOKEN", "GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN"],
    commands: &[&["gh", "config", "set", "http_unix_socket", "{socket}"]],
    folder: Some((
        "GH_CONFIG_DIR",
        "config.yml",
        "version: \"1\"\nhttp_unix_socket: {socket_json}\n",
    )),
    notes: &["to undo: gh config set http_unix_socket ''"],
    ..NOTHING
};

/// gh, with the proxy in the role of a GitHub Enterprise Server.
pub const GH_BY_HOST: SetupMethod = SetupMethod {
    preset: "github",
    needs: SetupNeeds::HttpsRoot,
    variables: &[("GH_HOST", "{authority}"), ("GH_ENTERPRISE_TOKEN", "{armoured_token}")],
    removed: &["GH_TOKEN", "GITHUB_TOKEN", "GITHUB_ENTERPRISE_TOKEN"],
    ca_variables: &["SSL_CERT_FILE"],
    notes: &[
        "most subcommands refuse a GH_HOST with a port: let the proxy listen on 443, or use its Unix socket",
    ],
    ca_notes: &[REPLACES_ROOTS],
    ..NOTHING
};

/// githubkit.
pub const GITHUBKIT: SetupMethod = SetupMethod {
    ca_variables: &["SSL_CERT_FILE"],
    usage: &["GitHub(os.environ[\"GITHUB_TOKEN\"], base_url=os.environ[\"GITHUB_API_URL\"])"],
    ..CLIENT
};

/// octokit.
pub const OCTOKIT: SetupMethod = SetupMethod {
    ca_variables: &["NODE_EXTRA_CA_CERTS"],
    usage: &[
        "new Octokit({ baseUrl: process.env.GITHUB_API_URL, auth: process.env.GITHUB_TOKEN })",
    ],
    ..CLIENT
};

/// PyGithub.
pub const PYGITHUB: SetupMethod = SetupMethod {
    ca_variables: &["REQUESTS_CA_BUNDLE"],
    usage: &[
        "Github(auth=Auth.Token(os.environ[\"GITHUB_TOKEN\"]), base_url=os.environ[\"GITHUB_API_URL\"])",
    ],
    ..CLIENT
};

/// renovate.
pub const RENOVATE: SetupMethod = SetupMethod {
    variables: &[
        ("RENOVATE_PLATFORM", "github"),
        ("RENOVATE_ENDPOINT", "{api}/"),
        ("RENOVATE_TOKEN", "{token}"),
    ],
    removed: &["GITHUB_TOKEN", "GITHUB_COM_TOKEN", "RENOVATE_GITHUB_COM_TOKEN", "GH_TOKEN"],
    ca_variables: &["NODE_EXTRA_CA_CERTS"],
    ..CLIENT
};

/// Terraform.
pub const TERRAFORM_PROVIDER: SetupMethod = SetupMethod {
    preset: "github",
    variables: &[("GITHUB_BASE_URL", "{api}/"), ("GITHUB_TOKEN", "{token}")],
    removed: &["GH_TOKEN", "GITHUB_APP_PEM_FILE"],
    ..TERRAFORM
};
