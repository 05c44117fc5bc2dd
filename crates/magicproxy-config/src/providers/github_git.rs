//! Repositories of GitHub, by git over HTTPS.

use super::client::{NOTHING, SetupMethod};
use super::words::ReadingChoice;
use super::{PLAIN, Provider};

pub(super) static PROVIDER: Provider = Provider {
    name: "github-git",
    about: "Repositories of GitHub, by git over HTTPS.",
    api_root: Some("https://github.com"),
    path_reading: ReadingChoice::DecodeOnce,
    credential: "basic:x-access-token",
    any_program: GIT,
    kin: &["github"],
    ..PLAIN
};

/// git, whoever starts it.
pub const GIT: SetupMethod = SetupMethod {
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
