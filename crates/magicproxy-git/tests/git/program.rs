//! The program `git`, without the settings of its user.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// True if there is a `git`; says so where there is none.
pub(crate) fn is_there() -> bool {
    let found = Command::new("git").arg("--version").output().is_ok();
    if !found {
        println!("skipped: there is no git");
    }
    found
}

pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new("git");
    command
        .args(arguments)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .env_remove("GIT_DIR")
        .stdin(Stdio::null());
    command
}

/// Runs git in a repository with this input.
pub(crate) fn run_with(repository: &Path, arguments: &[&str], input: &[u8]) -> Output {
    let mut child = command(arguments)
        .current_dir(repository)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        // git may end before it has read everything.
        scope.spawn(move || drop(stdin.write_all(input)));
        child.wait_with_output().unwrap()
    })
}

/// Runs git in a repository, and returns what it prints.
pub(crate) fn run(repository: &Path, arguments: &[&str]) -> String {
    let output = run_with(repository, arguments, b"");
    let shown = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git {arguments:?}: {shown}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// True if git says that a commit is another one, or an ancestor of it.
pub(crate) fn is_ancestor(repository: &Path, old: &str, new: &str) -> bool {
    let output = run_with(repository, &["merge-base", "--is-ancestor", old, new], b"");
    match output.status.code() {
        Some(0) => true,
        Some(1) => false,
        _ => panic!("{old} {new}: {}", String::from_utf8_lossy(&output.stderr)),
    }
}
