//! `run`: what the program gets, and what of it is seen from outside.

use std::os::unix::fs::PermissionsExt as _;

use crate::env::place;
use crate::program::{Output, Place};

/// Runs a script of sh as this client.
fn sh(place: &Place, client: &str, flags: &[&str], script: &str) -> Output {
    let ours = ["run", "--token-file", "job.token", "--client", client];
    place.program(&[&ours, flags, &["--", "/bin/sh", "-c", script]].concat()).output()
}

/// Writes a program.
fn program(place: &Place, name: &str, script: &str) -> String {
    place.write(name, &format!("#!/bin/sh\n{script}\n"));
    place.set_mode(name, 0o700);
    place.path(name).to_str().unwrap().to_owned()
}

#[test]
fn variables_arrive_and_real_credentials_do_not() {
    let (place, token) = place();
    let show = program(&place, "bin/gh", "env");
    let run = place.program(&["run", "--token-file", "job.token", "--verbose", "--", &show, "api"]);
    let real = ["GH_TOKEN", "GITHUB_TOKEN", "GITHUB_ENTERPRISE_TOKEN"];
    let output = real.iter().fold(run, |run, name| run.env(name, "ghp_marked")).env("KEPT", "1").output();
    assert_eq!(output.code, 0, "{output:?}");
    for line in ["GH_HOST=gh.proxy.example", &format!("GH_ENTERPRISE_TOKEN={token}"), "KEPT=1"] {
        assert!(output.stdout.lines().any(|found| found == line), "{line} in {output:?}");
    }
    assert!(!output.stdout.contains("GITHUB_TOKEN") && !output.stdout.contains("GH_TOKEN"), "{output:?}");
    assert_eq!(
        output.said(),
        "set GH_ENTERPRISE_TOKEN\nset GH_HOST\nremoved GH_TOKEN\nremoved GITHUB_ENTERPRISE_TOKEN\nremoved GITHUB_TOKEN\n"
    );
    let silent = place.program(&["run", "--token-file", "job.token", "--", &show]).env("GH_TOKEN", "ghp_marked").output();
    assert_eq!((silent.code, silent.said().as_str()), (0, ""));
}

#[test]
fn the_status_is_the_programs() {
    let (place, _) = place();
    for status in [0, 1, 2, 3, 78, 126, 127, 255] {
        assert_eq!(sh(&place, "pygithub", &[], &format!("exit {status}")).code, status);
    }
    // Killed by a signal: no status, as of the program itself. SIGPIPE does what it does by default.
    for signal in ["TERM", "PIPE"] {
        assert_eq!(sh(&place, "pygithub", &[], &format!("kill -{signal} $$; sleep 100")).code, -1, "{signal}");
    }
}

#[test]
fn what_cannot_be_started_ends_as_in_a_shell() {
    let (place, _) = place();
    place.write("not-executable", "x");
    let start = |name: &str| place.program(&["run", "--token-file", "job.token", "--client", "git", "--", name]).output();
    let none = start("no-such-program-here");
    assert_eq!((none.code, none.said().as_str()), (127, "error: `no-such-program-here`: there is no such program\n"));
    assert_eq!(start("./no/such/file").code, 127);
    let locked = start("./not-executable");
    assert_eq!((locked.code, locked.said().as_str()), (126, "error: `./not-executable`: permission denied\n"));
    assert_eq!(start("./keys").code, 126, "a folder");
}

/// The program takes the place of this process, and nobody's arguments hold the token: not its own, not its parent's, not those of a
/// program that it starts.
#[cfg(target_os = "linux")]
#[test]
fn no_arguments_hold_the_token() {
    let (place, token) = place();
    let script = "for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline; done 2>/dev/null; echo; echo $PPID";
    for client in ["gh", "git", "doctl", "openai", "all"] {
        let output = sh(&place, client, &["--socket", "x.sock"], script);
        assert_eq!(output.code, 0, "{output:?}");
        assert!(output.stdout.contains("/bin/sh -c for p in"), "{output:?}");
        assert!(!output.stdout.contains(&token), "{client}");
        let parent = output.stdout.lines().last().unwrap();
        assert_eq!(parent, std::process::id().to_string(), "the program has taken the place of ours");
    }
}

/// A proxy on this machine is reached past the one that leads to the internet, which would see the token.
#[test]
fn a_proxy_on_this_machine_is_reached_directly() {
    let (place, _) = place();
    let show = |url: &str, variables: &[(&str, &str)]| {
        let ours = ["run", "--token-file", "job.token", "--client", "pygithub", "--proxy", url, "--", "/bin/sh", "-c"];
        let run = place.program(&[&ours[..], &["echo $no_proxy $NO_PROXY"]].concat());
        variables.iter().fold(run, |run, (name, value)| run.env(name, value)).output().stdout
    };
    let other = ("https_proxy", "http://corp.example:3128");
    assert_eq!(show("http://[::1]:5000/github", &[other]), "::1 ::1\n");
    assert_eq!(show("http://127.0.0.1:5000", &[other, ("NO_PROXY", "a,b")]), "a,b,127.0.0.1 a,b,127.0.0.1\n");
    assert_eq!(show("https://proxy.example", &[other]), "\n");
    assert_eq!(show("http://127.0.0.1:5000", &[]), "\n");
}

#[test]
fn git_gets_a_helper_and_no_token() {
    let (place, token) = place();
    let shown = sh(&place, "git", &[], "env");
    assert!(!shown.stdout.contains(&token), "{shown:?}");
    let ask = "printf 'protocol=https\\nhost=%s\\npath=%s\\n\\n' \"$HOST\" \"$WHAT\" | git credential fill";
    let fill = |host: &str, path: &str| {
        let ours = ["run", "--token-file", "job.token", "--client", "git", "--", "/bin/sh", "-c", ask];
        place
            .program(&ours)
            .env("PATH", &std::env::var("PATH").unwrap())
            .env("HOST", host)
            .env("WHAT", path)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .output()
    };
    let ours = fill("proxy.example", "github-git/acme/tool.git");
    assert!(ours.stdout.contains(&format!("password={token}\n")), "{ours:?}");
    for (host, path) in
        [("proxy.example", "github-gitx/a.git"), ("proxy.example", "gitlab/a.git"), ("github.com", "github-git/a.git")]
    {
        let theirs = fill(host, path);
        assert!(theirs.code != 0 && !theirs.stdout.contains(&token), "{host}/{path}: {theirs:?}");
    }
}

#[test]
fn settings_of_git_that_are_there_stay() {
    let (place, _) = place();
    let ours = ["run", "--token-file", "job.token", "--client", "git", "--", "git", "config", "--get-all", "x.y"];
    let output = place
        .program(&ours)
        .env("PATH", &std::env::var("PATH").unwrap())
        .env("GIT_CONFIG_COUNT", "1")
        .env("GIT_CONFIG_KEY_0", "x.y")
        .env("GIT_CONFIG_VALUE_0", "kept")
        .output();
    assert_eq!((output.code, output.stdout.as_str()), (0, "kept\n"), "{output:?}");
}

#[test]
fn gh_gets_its_socket_by_a_folder_without_secrets() {
    let (place, token) = place();
    let script = "cat \"$GH_CONFIG_DIR/config.yml\"; ls -A \"$GH_CONFIG_DIR\"; echo \"$GH_TOKEN\"; echo \"host:$GH_HOST\"";
    for _ in 0..2 {
        let output = sh(&place, "gh", &["--socket", "it's \"x\""], script);
        let socket = serde_json::Value::from(place.path("it's \"x\"").to_str().unwrap());
        let expected = format!("version: \"1\"\nhttp_unix_socket: {socket}\nconfig.yml\n{token}\nhost:\n");
        assert_eq!((output.code, output.said()), (0, String::new()));
        assert_eq!(output.stdout, expected);
    }
    let folder = std::fs::read_dir(place.path("home/.cache/magicproxy")).unwrap().next().unwrap().unwrap();
    assert_eq!(folder.metadata().unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn all_sets_what_does_not_contradict() {
    let (place, token) = place();
    let output = sh(&place, "all", &[], "env");
    assert_eq!((output.code, output.said().as_str()), (0, ""), "{output:?}");
    for line in [
        "ANTHROPIC_BASE_URL=https://proxy.example/anthropic".to_owned(),
        format!("ANTHROPIC_API_KEY={token}"),
        "OPENAI_BASE_URL=https://proxy.example/openai/v1".to_owned(),
        "GITHUB_API_URL=https://proxy.example/github".to_owned(),
        format!("GITHUB_TOKEN={token}"),
        "GITLAB_URL=https://proxy.example/gitlab".to_owned(),
        "GIT_TERMINAL_PROMPT=0".to_owned(),
    ] {
        assert!(output.stdout.lines().any(|found| found == line), "{line} in {output:?}");
    }
}

#[test]
fn clients_that_contradict_each_other_are_refused() {
    let (place, _) = place();
    place.write("magicproxy.toml", "[upstreams.one]\npreset = 'github'");
    let args =
        ["run", "--token-file", "job.token", "--client", "pygithub", "--client", "terraform", "--", "/bin/sh", "-c", "env"];
    let together = place.program(&args).output();
    assert_eq!(together.code, 0, "they agree on GITHUB_TOKEN: {together:?}");
    place.write("magicproxy.toml", super::env::EVERY_KIND);
    let args = [
        "run",
        "--token-file",
        "job.token",
        "--client",
        "renovate",
        "--upstream",
        "gitlab",
        "--client",
        "pygithub",
        "--",
        "true",
    ];
    let apart = place.program(&args).output();
    assert_eq!(apart.code, 2, "{apart:?}");
}

#[test]
fn a_token_file_that_is_open_or_old_is_pointed_out() {
    let (place, token) = place();
    place.set_mode("job.token", 0o644);
    let open = sh(&place, "pygithub", &[], "true");
    assert_eq!(open.code, 0);
    assert!(open.stderr.contains("warning: the token file `job.token` is open to others (mode 0644)"), "{open:?}");
    let pipe = "printf %s \"$T\" | { \"$M\" run --token-file /dev/stdin --client pygithub -- sh -c 'echo $GITHUB_TOKEN'; }";
    let piped = place.program(&[
        "run",
        "--token-file",
        "job.token",
        "--client",
        "curl",
        "--upstream",
        "github",
        "--",
        "/bin/sh",
        "-c",
        pipe,
    ]);
    let piped = piped.env("T", &token).env("M", env!("CARGO_BIN_EXE_magicproxy")).env("PATH", "/usr/bin:/bin").output();
    assert_eq!((piped.code, piped.stdout.trim()), (0, token.as_str()), "{piped:?}");
    // `{"exp":1000000000}`: what is read is not believed, only told.
    place.write("job.token", "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJleHAiOjEwMDAwMDAwMDB9.AA\n");
    let old = sh(&place, "pygithub", &[], "true");
    assert_eq!(old.code, 0);
    assert!(old.stderr.contains("warning: the token expired 2001-09-09T01:46:40Z ("), "{old:?}");
}
