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

/// git, started by any program.
pub const GIT: SetupMethod = SetupMethod {
    preset: "github-git",
    variables: &[("GIT_TERMINAL_PROMPT", "0")],
    git_settings: &[
        ("url.{api}/.insteadOf", "{origin}/"),
        ("url.{api}/.insteadOf", "git@{host}:"),
        ("url.{api}/.insteadOf", "ssh://git@{host}/"),
        // No other helper answers for the proxy, or keeps the token.
        ("credential.{api}.helper", ""),
        ("credential.{api}.helper", "{git_helper}"),
        // Without this setting git-lfs asks git without the path, and finds no helper of a mount.
        ("credential.{api}.useHttpPath", "true"),
        // From git 2.46 on the token comes with the first request. The response may be the
        // redirection of a renamed repository, and git follows no later redirection. Older versions
        // do not know the setting, and ask as before.
        ("http.{api}/.proactiveAuth", "basic"),
    ],
    exports_token: true,
    git_ca_setting: Some("http.{api}/.sslCAInfo"),
    notes: &["remotes stay as they are: `git remote -v` shows them, git speaks to the proxy"],
    ..NOTHING
};
