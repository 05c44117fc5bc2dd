//! `run`: what the program gets, and what of it is seen from outside.

use std::os::unix::fs::PermissionsExt as _;

use crate::env::{armoured, place};
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
    let output =
        real.iter().fold(run, |run, name| run.env(name, "ghp_marked")).env("KEPT", "1").output();
    assert_eq!(output.code, 0, "{output:?}");
    for line in
        ["GH_HOST=gh.proxy.example", &format!("GH_ENTERPRISE_TOKEN={}", armoured(&token)), "KEPT=1"]
    {
        assert!(output.stdout.lines().any(|found| found == line), "{line} in {output:?}");
    }
    assert!(
        !output.stdout.contains("GITHUB_TOKEN") && !output.stdout.contains("GH_TOKEN"),
        "{output:?}"
    );
    assert_eq!(
        output.said(),
        "set GH_ENTERPRISE_TOKEN\nset GH_HOST\nremoved GH_TOKEN\nremoved GITHUB_ENTERPRISE_TOKEN\nremoved GITHUB_TOKEN\n"
    );
    let silent = place
        .program(&["run", "--token-file", "job.token", "--", &show])
        .env("GH_TOKEN", "ghp_marked")
        .output();
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
        assert_eq!(
            sh(&place, "pygithub", &[], &format!("kill -{signal} $$; sleep 100")).code,
            -1,
            "{signal}"
        );
    }
}

#[test]
fn what_cannot_be_started_ends_as_in_a_shell() {
    let (place, _) = place();
    place.write("not-executable", "x");
    let start = |name: &str| {
        place.program(&["run", "--token-file", "job.token", "--client", "git", "--", name]).output()
    };
    let none = start("no-such-program-here");
    assert_eq!(
        (none.code, none.said().as_str()),
        (127, "error: `no-such-program-here`: there is no such program\n")
    );
    assert_eq!(start("./no/such/file").code, 127);
    let locked = start("./not-executable");
    assert_eq!(
        (locked.code, locked.said().as_str()),
        (126, "error: `./not-executable`: permission denied\n")
    );
    assert_eq!(start("./keys").code, 126, "a folder");
}

/// The program takes the place of this process, and nobody's arguments hold the token: not its own, not its parent's, not those of a
/// program that it starts.
#[cfg(target_os = "linux")]
#[test]
fn no_arguments_hold_the_token() {
    let (place, token) = place();
    let script =
        "for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline; done 2>/dev/null; echo; echo $PPID";
    for client in ["gh", "git", "doctl", "openai", "all"] {
        let output = sh(&place, client, &["--socket", "x.sock"], script);
        assert_eq!(output.code, 0, "{output:?}");
        assert!(output.stdout.contains("/bin/sh -c for p in"), "{output:?}");
        assert!(!output.stdout.contains(&token), "{client}");
        let parent = output.stdout.lines().last().unwrap();
        assert_eq!(
            parent,
            std::process::id().to_string(),
            "the program has taken the place of ours"
        );
    }
}

/// A proxy on this machine is reached past the one that leads to the internet, which would see the token.
#[test]
fn a_proxy_on_this_machine_is_reached_directly() {
    let (place, _) = place();
    let show = |url: &str, variables: &[(&str, &str)]| {
        let ours = [
            "run",
            "--token-file",
            "job.token",
            "--client",
            "pygithub",
            "--proxy",
            url,
            "--",
            "/bin/sh",
            "-c",
        ];
        let run = place.program(&[&ours[..], &["echo $no_proxy $NO_PROXY"]].concat());
        variables.iter().fold(run, |run, (name, value)| run.env(name, value)).output().stdout
    };
    let other = ("https_proxy", "http://corp.example:3128");
    assert_eq!(show("http://[::1]:5000/github", &[other]), "::1 ::1\n");
    assert_eq!(
        show("http://127.0.0.1:5000", &[other, ("NO_PROXY", "a,b")]),
        "a,b,127.0.0.1 a,b,127.0.0.1\n"
    );
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
        let ours =
            ["run", "--token-file", "job.token", "--client", "git", "--", "/bin/sh", "-c", ask];
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
    for (host, path) in [
        ("proxy.example", "github-gitx/a.git"),
        ("proxy.example", "gitlab/a.git"),
        ("github.com", "github-git/a.git"),
    ] {
        let theirs = fill(host, path);
        assert!(theirs.code != 0 && !theirs.stdout.contains(&token), "{host}/{path}: {theirs:?}");
    }
}

#[test]
fn settings_of_git_that_are_there_stay() {
    let (place, _) = place();
    let ours = [
        "run",
        "--token-file",
        "job.token",
        "--client",
        "git",
        "--",
        "git",
        "config",
        "--get-all",
        "x.y",
    ];
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
        let expected = format!(
            "version: \"1\"\nhttp_unix_socket: {socket}\nconfig.yml\n{}\nhost:\n",
            armoured(&token)
        );
        assert_eq!((output.code, output.said()), (0, String::new()));
        assert_eq!(output.stdout, expected);
    }
    let folder =
        std::fs::read_dir(place.path("home/.cache/magicproxy")).unwrap().next().unwrap().unwrap();
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
    let args = [
        "run",
        "--token-file",
        "job.token",
        "--client",
        "pygithub",
        "--client",
        "terraform",
        "--",
        "/bin/sh",
        "-c",
        "env",
    ];
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
    place.set_mode("", 0o755);
    place.set_mode("job.token", 0o644);
    let open = sh(&place, "pygithub", &[], "true");
    assert_eq!(open.code, 0);
    assert!(
        open.stderr.contains("warning: the token file `job.token` is open to others (mode 0644)"),
        "{open:?}"
    );
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
    let piped = piped
        .env("T", &token)
        .env("M", env!("CARGO_BIN_EXE_magicproxy"))
        .env("PATH", "/usr/bin:/bin")
        .output();
    assert_eq!((piped.code, piped.stdout.trim()), (0, token.as_str()), "{piped:?}");
    // `{"exp":1000000000}`: what is read is not believed, only told.
    place.write("job.token", "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJleHAiOjEwMDAwMDAwMDB9.AA\n");
    let old = sh(&place, "pygithub", &[], "true");
    assert_eq!(old.code, 0);
    assert!(old.stderr.contains("warning: the token expired 2001-09-09T01:46:40Z ("), "{old:?}");
}

/// Flags, tokens, what the program is told as; then a variable that is set, or what the error says.
type Case<'a> = (&'a [&'a str], &'a [&'a str], &'a [&'a str], Result<&'a str, &'a str>);

/// What a token says of itself decides: it goes to its own API, by the client's variables or by those of most clients, or
/// nowhere.
#[test]
fn a_token_goes_to_its_own_api_or_nowhere() {
    let (place, _) = place();
    let kinds = ["anthropic", "github", "github-git", "openai"];
    kinds.iter().for_each(|kind| drop(crate::env::token_for(&place, kind)));
    place.write("bin/claude", "#!/bin/sh\nenv");
    place.write("bin/x", "#!/bin/sh\nenv");
    ["bin/claude", "bin/x"].iter().for_each(|name| place.set_mode(name, 0o700));
    let config: &[&str] = &[];
    let at = |url| vec!["--proxy", url];
    let (openai, github) = (at("https://p.example/openai"), at("https://p.example/github"));
    let cases: &[Case<'_>] = &[
        (
            config,
            &["github.token"],
            &["--client", "pygithub"],
            Ok("GITHUB_API_URL=https://proxy.example/github"),
        ),
        (
            config,
            &["github.token"],
            &["--client", "openai"],
            Err("`openai` speaks to `openai`, and `github.token` is for `github`"),
        ),
        (
            config,
            &["github.token"],
            &["--client", "git"],
            Err("`git` speaks to `github-git`, and `github.token` is for `github`"),
        ),
        (
            config,
            &["github-git.token"],
            &["--client", "pygithub"],
            Err("`pygithub` speaks to `github`"),
        ),
        (
            config,
            &["openai=github.token"],
            &["--client", "openai"],
            Err(
                "`github.token` is a token for `github`, and would be sent to `openai` at https://proxy.example/openai",
            ),
        ),
        (
            config,
            &["github.token"],
            &["--upstream", "openai"],
            Err("`github.token` is a token for `github`, and would be sent to `openai`"),
        ),
        (
            config,
            &["github.token"],
            &["--client", "curl", "--upstream", "gitlab"],
            Err("would be sent to `gitlab`"),
        ),
        (
            config,
            &["githbu=github.token"],
            &[],
            Err("--token-file `githbu`: no upstream has this name"),
        ),
        (
            config,
            &["github.token", "openai.token"],
            &["--upstream", "github"],
            Err("--upstream is for one token"),
        ),
        (
            &openai,
            &["github.token"],
            &["--client", "openai"],
            Err("speaks to `openai`, and `github.token` is for `github`"),
        ),
        (
            &openai,
            &["github.token"],
            &["--upstream", "openai"],
            Err("is a token for `github`, and would be sent to `openai`"),
        ),
        (&openai, &["github.token"], &["--client", "git"], Err("`git` speaks to `github-git`")),
        (
            &github,
            &["github.token"],
            &["--client", "pygithub"],
            Ok("GITHUB_API_URL=https://p.example/github"),
        ),
        // Without a name, the program gets what most clients read.
        (config, &["github.token"], &[], Ok("GITHUB_API_URL=https://proxy.example/github")),
        (config, &["openai.token"], &[], Ok("OPENAI_BASE_URL=https://proxy.example/openai/v1")),
        (&github, &["github.token"], &[], Ok("GITHUB_API_URL=https://p.example/github")),
        (config, &["job.token"], &[], Err("`any` could speak to")),
        (config, &["openai=job.token"], &[], Ok("OPENAI_BASE_URL=https://proxy.example/openai/v1")),
    ];
    for (flags, tokens, program, expected) in cases {
        let files: Vec<&str> = tokens.iter().flat_map(|token| ["--token-file", token]).collect();
        let output = place
            .program(&[&["run"], *flags, &files, *program, &["--", "bin/x"]].concat())
            .output();
        match expected {
            Ok(line) => {
                assert_eq!(output.code, 0, "{tokens:?} {program:?}: {output:?}");
                assert!(output.stdout.lines().any(|found| found == *line), "{line} in {output:?}");
            }
            Err(reason) => {
                assert_eq!(
                    (output.code, output.stdout.as_str()),
                    (2, ""),
                    "{tokens:?} {program:?}: {output:?}"
                );
                assert!(output.stderr.contains(reason), "{reason} in {output:?}");
            }
        }
    }
}

/// Each of several tokens reaches what reads it: the program itself, or what it starts. Nothing of them is mixed up.
#[test]
fn several_tokens_reach_one_program() {
    let (place, _) = place();
    let tokens: Vec<String> =
        ["anthropic", "github"].iter().map(|kind| crate::env::token_for(&place, kind)).collect();
    let claude = program(&place, "bin/claude", "env");
    let url = |name: &str| format!("{name}=https://p.example/{name}");
    let proxies = [url("anthropic"), url("github")];
    for flags in [&[][..], &["--proxy", &proxies[0], "--proxy", &proxies[1]]] {
        let ours = [
            &["run", "--token-file", "github.token", "--token-file", "anthropic.token"],
            flags,
            &["--", &claude],
        ]
        .concat();
        let output = place.program(&ours).output();
        assert_eq!(output.code, 0, "{output:?}");
        let host = if flags.is_empty() { "proxy" } else { "p" };
        for line in [
            format!("ANTHROPIC_BASE_URL=https://{host}.example/anthropic"),
            format!("ANTHROPIC_AUTH_TOKEN={}", tokens[0]),
            format!("GITHUB_API_URL=https://{host}.example/github"),
            format!("GITHUB_TOKEN={}", tokens[1]),
        ] {
            assert!(output.stdout.lines().any(|found| found == line), "{line} in {output:?}");
        }
        for (file, upstream) in [("github.token", "github"), ("anthropic.token", "anthropic")] {
            let line =
                format!(" of {file} for `{upstream}` at https://{host}.example/{upstream}\n");
            assert!(output.stderr.contains(&line), "{line} in {output:?}");
        }
    }
    // An agent with a login of its own, which may only use GitHub: its own API is not touched.
    let output = place
        .program(&["run", "--token-file", "github.token", "--", &claude])
        .env("ANTHROPIC_API_KEY", "its-own")
        .output();
    assert!(
        output.stdout.contains("ANTHROPIC_API_KEY=its-own\n")
            && output.stdout.contains("GITHUB_TOKEN="),
        "{output:?}"
    );
    assert!(!output.stdout.contains("ANTHROPIC_BASE_URL"), "{output:?}");
}

/// The real credential of an API goes to no program that is given a token for it, whoever reads the variable.
#[test]
fn real_credentials_of_the_same_api_are_taken_away() {
    let (place, _) = place();
    let cases = [
        (
            "openai",
            "any",
            &["OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "CODEX_API_KEY", "AIDER_OPENAI_API_KEY"][..],
        ),
        (
            "anthropic",
            "claude-code",
            &["ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN", "AIDER_ANTHROPIC_API_KEY"],
        ),
        (
            "github",
            "pygithub",
            &["GITHUB_TOKEN", "GH_TOKEN", "RENOVATE_TOKEN", "GITHUB_APP_PEM_FILE"],
        ),
        ("github-git", "git", &["GITHUB_TOKEN", "GH_TOKEN", "GH_ENTERPRISE_TOKEN"]),
        (
            "digitalocean",
            "doctl",
            &["DIGITALOCEAN_TOKEN", "DO_AUTH_TOKEN", "DIGITALOCEAN_ACCESS_TOKEN"],
        ),
        ("cloudflare", "cloudflare", &["CLOUDFLARE_API_KEY", "CLOUDFLARE_API_TOKEN"]),
        (
            "gitlab",
            "python-gitlab",
            &["GITLAB_TOKEN", "GITBEAKER_TOKEN", "CI_JOB_TOKEN", "GITLAB_PRIVATE_TOKEN"],
        ),
        ("powerdns", "lego", &["PDNS_API_KEY", "PDNS_API_KEY_FILE"]),
    ];
    for (upstream, client, names) in cases {
        let ours = [
            "run",
            "--token-file",
            "job.token",
            "--upstream",
            upstream,
            "--client",
            client,
            "--",
            "/bin/sh",
            "-c",
            "env",
        ];
        let run = names
            .iter()
            .fold(place.program(&ours), |run, name| run.env(name, crate::program::SECRET));
        // `output` itself fails where the marked credential is shown.
        let output = run.env("OTHER_TOKEN", "kept").output();
        assert_eq!(output.code, 0, "{output:?}");
        assert!(output.stdout.contains("OTHER_TOKEN=kept\n"), "{output:?}");
    }
}

/// codex is told by arguments, without the token in them; opencode by JSON, of both of its APIs.
#[test]
fn agents_that_no_plain_variable_can_tell() {
    let (place, _) = place();
    let tokens: Vec<String> =
        ["openai", "anthropic"].iter().map(|kind| crate::env::token_for(&place, kind)).collect();
    let codex = program(&place, "bin/codex", "printf '%s\\n' \"$@\"; echo \"$OPENAI_API_KEY\"");
    let told = place
        .program(&["run", "--token-file", "openai.token", "--", &codex, "exec", "hello"])
        .output();
    assert_eq!(told.code, 0, "{told:?}");
    assert!(
        told.stdout
            .contains("model_providers.magicproxy.base_url=\"https://proxy.example/openai/v1\"\n"),
        "{told:?}"
    );
    assert!(told.stdout.ends_with(&format!("exec\nhello\n{}\n", tokens[0])), "{told:?}");
    assert_eq!(told.stdout.matches(&tokens[0]).count(), 1, "in no argument: {told:?}");
    let opencode = program(&place, "bin/opencode", "printf %s \"$OPENCODE_CONFIG_CONTENT\"");
    let files = ["--token-file", "openai.token", "--token-file", "anthropic.token"];
    let told = place.program(&[&["run"], &files[..], &["--", &opencode]].concat()).output();
    let json: serde_json::Value = serde_json::from_str(&told.stdout).unwrap();
    for kind in ["openai", "anthropic"] {
        let url = &json["provider"][kind]["options"]["baseURL"];
        assert_eq!(url, &format!("https://proxy.example/{kind}/v1"), "{told:?}");
    }
}

/// `env` says the same of several, and of a token that is in the shell's variable already.
#[test]
fn env_tells_of_several() {
    let (place, _) = place();
    let tokens: Vec<String> =
        ["openai", "github"].iter().map(|kind| crate::env::token_for(&place, kind)).collect();
    let ours = [
        "env",
        "pygithub",
        "openai",
        "--token-file",
        "github=github.token",
        "--token-file",
        "openai=openai.token",
    ];
    let told = place.program(&ours).output();
    assert_eq!(told.code, 0, "{told:?}");
    for (variable, file) in [("GITHUB_TOKEN", "github.token"), ("OPENAI_API_KEY", "openai.token")] {
        let path = std::fs::canonicalize(place.path(file)).unwrap();
        assert!(
            told.stdout.contains(&format!(
                "export {variable}=\"$(LC_ALL=C tr -dc A-Za-z0-9._- <{})\"\n",
                path.display()
            )),
            "{told:?}"
        );
    }
    let json = place.program(&[&ours[..], &["--json"]].concat()).output();
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json.as_array().map(Vec::len), Some(2), "{json}");
    let wrong = place.program(&["env", "openai"]).env("MAGIC_TOKEN", &tokens[1]).output();
    assert_eq!(wrong.code, 2, "{wrong:?}");
    assert!(wrong.stderr.contains("`$MAGIC_TOKEN` is for `github`"), "{wrong:?}");
}

/// Whoever gives a token where a file is expected has told enough people already.
#[test]
fn a_token_in_place_of_a_file_is_not_repeated() {
    let place = Place::new();
    let token = super::mint(&Place::with_keys(), &["GET /user"]);
    let named = format!("github={token}");
    for flag in ["--token", "--token-file"] {
        for value in [&token, &named] {
            for command in [&["run", flag, value, "--", "env"][..], &["env", "any", flag, value]] {
                let refused = place.program(command).output();
                assert!(
                    refused.code == 2 && refused.stderr.contains("others see arguments"),
                    "{refused:?}"
                );
                assert!(
                    refused.stdout.is_empty() && !refused.stderr.contains(&token[..40]),
                    "{refused:?}"
                );
            }
        }
    }
}
