//! GitLab.

use magicproxy_proxy::settings::RefusalPart::Message;

use super::client::{ANY_PROGRAM, NOTHING, SetupMethod, TERRAFORM};
use super::refusals::{Refusals, json};
use super::words::{ReadingChoice, SlashChoice};
use super::{PLAIN, Provider};

pub(super) static PROVIDER: Provider = Provider {
    name: "gitlab",
    about: "GitLab.",
    api_root: Some("https://gitlab.com"),
    encoded_slash: SlashChoice::Opaque,
    path_reading: ReadingChoice::DecodeOnce,
    credential: "header:PRIVATE-TOKEN",
    accept_token_in: &["header:JOB-TOKEN", "header:DEPLOY-TOKEN"],
    refusals: &REFUSALS,
    rewrite_members: FOLLOWED,
    drop_query_parameters: &["sudo", "private_token", "access_token", "job_token"],
    any_program: SetupMethod {
        variables: PYTHON_GITLAB.variables,
        removed: CLIENT.removed,
        ..ANY_PROGRAM
    },
    ..PLAIN
};

pub(crate) static REFUSALS: Refusals =
    Refusals { name: "gitlab", about: "GitLab's.", shape: json(&[("error", Message)]) };

/// The members whose URLs clients follow. `self` of a release is a page, `self` of a project or an
/// issue is the API's; URLs of pages stay. Further, the URLs that npm, Composer and NuGet fetch
/// from the registries.
const FOLLOWED: &[&str] = &[
    "_links.* /api/",
    "versions.*.dist.tarball /api/",
    "packages.**.dist.url /api/",
    "@id /api/",
    "packageContent /api/",
    "resources.@id /api/",
    "items.@id /api/",
    "items.items.@id /api/",
    "items.items.packageContent /api/",
    "items.items.catalogEntry.@id /api/",
    "items.items.catalogEntry.packageContent /api/",
    "data.versions.@id /api/",
];

const CLIENT: SetupMethod = SetupMethod {
    preset: "gitlab",
    removed: &["GITLAB_OAUTH_TOKEN", "CI_JOB_TOKEN", "PYTHON_GITLAB_CFG"],
    ..NOTHING
};

/// gitbeaker.
pub const GITBEAKER: SetupMethod = SetupMethod {
    variables: &[("GITBEAKER_HOST", "{api}"), ("GITBEAKER_TOKEN", "{token}")],
    removed: &["GITBEAKER_OAUTH_TOKEN", "GITBEAKER_JOB_TOKEN"],
    ca_variables: &["NODE_EXTRA_CA_CERTS"],
    usage: &[
        "new Gitlab({ host: process.env.GITBEAKER_HOST, token: process.env.GITBEAKER_TOKEN })",
    ],
    ..CLIENT
};

/// python-gitlab.
pub const PYTHON_GITLAB: SetupMethod = SetupMethod {
    variables: &[("GITLAB_URL", "{api}"), ("GITLAB_PRIVATE_TOKEN", "{token}")],
    ca_variables: &["REQUESTS_CA_BUNDLE"],
    usage: &[
        "Gitlab(os.environ[\"GITLAB_URL\"], private_token=os.environ[\"GITLAB_PRIVATE_TOKEN\"])",
    ],
    ..CLIENT
};

/// renovate.
pub const RENOVATE: SetupMethod = SetupMethod {
    variables: &[
        ("RENOVATE_PLATFORM", "gitlab"),
        ("RENOVATE_ENDPOINT", "{api}/api/v4/"),
        ("RENOVATE_TOKEN", "{token}"),
    ],
    removed: &["GITLAB_TOKEN", "GITHUB_COM_TOKEN", "RENOVATE_GITHUB_COM_TOKEN"],
    ca_variables: &["NODE_EXTRA_CA_CERTS"],
    notes: &["not tested with GitLab: these names are those of its documentation"],
    ..CLIENT
};

/// Terraform.
pub const TERRAFORM_PROVIDER: SetupMethod = SetupMethod {
    preset: "gitlab",
    variables: &[("GITLAB_BASE_URL", "{api}/api/v4/"), ("GITLAB_TOKEN", "{token}")],
    removed: &["CI_JOB_TOKEN"],
    ..TERRAFORM
};
