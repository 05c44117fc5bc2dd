//! Secrets as they are written down, in every place that reads one: `token-v1.md` section 5.1.

use std::process::Command;

use crate::env::{place, token_for};
use crate::program::{Output, Place, SECRET};

/// The texts of the shared vectors with this secret in them: what is read, and what is refused with its fault.
fn vectors(secret: &str) -> (Vec<String>, Vec<(String, String)>) {
    let path = format!("{}/../../testdata/vectors/secret.json", env!("CARGO_MANIFEST_DIR"));
    let vectors: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().replace("marked", secret);
    let list = |name: &str| vectors[name].as_array().unwrap().clone();
    let read =
        list("read").iter().filter(|pair| pair[1] == "marked").map(|pair| text(&pair[0])).collect();
    let refused = list("refused").iter().map(|pair| (text(&pair[0]), text(&pair[1]))).collect();
    (read, refused)
}

/// What the message of each fault says.
fn words(fault: &str) -> &'static str {
    match fault {
        "empty" => "empty",
        "lines" => "several lines",
        "quoted" => "in quotes",
        "blank" => "a blank",
        "control" => "a control character",
        "invisible" => "cannot be seen",
        other => panic!("{other}"),
    }
}

/// Texts that a variable cannot hold, or that count as none there.
fn fits_variable(text: &str) -> bool {
    !text.is_empty() && !text.contains('\0')
}

#[test]
fn a_credential_is_read_as_it_was_written_or_refused() {
    let place = Place::with_keys();
    let exported = place.program(&["keys", "export-public", "--jwks"]).output();
    assert_eq!(exported.code, 0, "{exported:?}");
    place.write("proxy.jwks", &exported.stdout);
    let offline = ["mint", "--allow", "GET /user"];
    let sealed = [&offline[..], &["--to", "proxy.jwks", "--aud", "api.github.com"]].concat();
    let ways = |text: &str| {
        let mut outputs = Vec::new();
        for base in [&offline[..], &sealed] {
            place.write("credential", text);
            outputs.push(
                place.program(&[base, &["--credential-file", "credential"]].concat()).output(),
            );
            outputs.push(
                place.program(&[base, &["--credential-file", "-"]].concat()).stdin(text).output(),
            );
            if fits_variable(text) {
                outputs.push(
                    place
                        .program(&[base, &["--credential-env", "S"]].concat())
                        .env("S", text)
                        .output(),
                );
            }
        }
        outputs
    };
    let (read, refused) = vectors(SECRET);
    for text in read {
        for minted in ways(&text) {
            assert_eq!(
                (minted.code, minted.stderr.contains("error")),
                (0, false),
                "{text:?}: {minted:?}"
            );
        }
    }
    for (text, fault) in refused {
        for minted in ways(&text) {
            assert!(minted.code == 1 || minted.code == 2, "{text:?}: {minted:?}");
            assert_eq!(minted.stdout, "", "{text:?}");
            assert!(minted.stderr.contains(words(&fault)), "{text:?}: {minted:?}");
        }
    }
}

#[test]
fn a_token_is_read_as_it_was_written_or_refused() {
    let place = Place::with_keys();
    place.write("magicproxy.toml", "[upstreams.github]\n");
    let token = token_for(&place, "github");
    let ways = |text: &str| {
        place.write_token("t", text);
        let run =
            ["run", "--proxy", "github=http://127.0.0.1:9", "--token-file", "t", "--", "true"];
        let mut outputs: Vec<Output> = vec![
            place.program(&["inspect", "@t"]).output(),
            place.program(&["inspect", "-"]).stdin(text).output(),
            place.program(&["inspect", "--token-file", "t"]).output(),
            place.program(&["explain", "@t", "GET", "/user"]).output(),
            place.program(&["env", "pygithub", "--token-file", "t"]).output(),
            place.program(&run).output(),
        ];
        if fits_variable(text) {
            outputs.push(place.program(&["inspect", "env:T"]).env("T", text).output());
            outputs.push(place.program(&["inspect", "--token-env", "T"]).env("T", text).output());
        }
        outputs
    };
    let (read, refused) = vectors(&token);
    for text in read {
        for (at, told) in ways(&text).into_iter().enumerate() {
            assert_eq!(told.code, 0, "{at}: {text:?}: {told:?}");
        }
    }
    for (text, fault) in refused {
        for (at, told) in ways(&text).into_iter().enumerate() {
            assert!(
                told.code != 0 && told.stderr.contains(words(&fault)),
                "{at}: {text:?}: {told:?}"
            );
            assert!(!told.stderr.contains(&token), "{told:?}");
        }
    }
}

/// A shell takes the token out of its file as `run` does.
#[test]
fn shells_read_what_run_reads() {
    let (place, token) = place();
    for text in [
        format!("{token}\r\n"),
        format!("\u{feff}{token}\n"),
        format!("\u{feff}{token}\r\n"),
        token.clone(),
        format!("{token}\n\n"),
    ] {
        place.write_token("t", &text);
        for (shell, flag) in shells() {
            let told = |client: &str, upstream: &str| {
                place
                    .program(&[
                        "env",
                        client,
                        "--upstream",
                        upstream,
                        "--shell",
                        flag,
                        "--token-file",
                        "t",
                    ])
                    .output()
                    .stdout
            };
            // In this order: git's lines take other tokens of GitHub away.
            let lines = told("git", "github-git") + &told("pygithub", "github");
            let script = format!(
                "{lines}\nprintf '<%s>\\n' \"$GITHUB_TOKEN\"\nsh -c \"$(printenv GIT_CONFIG_VALUE_4 | cut -c2-) get\""
            );
            let shown = shell_says(&place, shell, &script, &[]);
            assert!(shown.contains(&format!("<{token}>\n")), "{shell} {text:?}: {shown:?}");
            assert!(shown.ends_with(&format!("password={token}\n")), "{shell} {text:?}: {shown:?}");
        }
    }
}

/// The settings of git that a shell has stay, whether or not `magicproxy` could see them, and ours come behind them.
#[test]
fn settings_of_git_are_added_to_those_of_the_shell() {
    let (place, _) = place();
    let own = [
        ("GIT_CONFIG_COUNT", "2"),
        ("GIT_CONFIG_KEY_0", "a.one"),
        ("GIT_CONFIG_VALUE_0", "1"),
        ("GIT_CONFIG_KEY_1", "a.two"),
        ("GIT_CONFIG_VALUE_1", "2"),
    ];
    for (shell, flag) in shells() {
        let lines = place
            .program(&[
                "env",
                "git",
                "--upstream",
                "github-git",
                "--shell",
                flag,
                "--token-file",
                "job.token",
            ])
            .output()
            .stdout;
        let script = format!("{lines}\n{lines}\ngit config --list");
        for (variables, kept) in [
            (&own[..], "a.one=1\na.two=2\n"),
            (&[], ""),
            (&[("GIT_CONFIG_COUNT", "")], ""),
            (&[("GIT_CONFIG_COUNT", "x$(touch hacked)")], ""),
        ] {
            let shown = shell_says(&place, shell, &script, variables);
            let listed: Vec<&str> = shown
                .lines()
                .filter(|line| {
                    line.starts_with("a.")
                        || line.starts_with("credential.")
                        || line.starts_with("url.")
                })
                .collect();
            assert!(shown.contains(kept), "{shell} {variables:?}: {shown}");
            // Twice: whoever evaluates the lines again has them again, and the last token counts.
            assert_eq!(
                listed.iter().filter(|line| line.ends_with(".helper=")).count(),
                2,
                "{shell} {variables:?}: {shown}"
            );
            assert!(!place.path("hacked").exists());
        }
    }
    let json = place.program(&[
        "env",
        "git",
        "--upstream",
        "github-git",
        "--json",
        "--token-file",
        "job.token",
    ]);
    let json: serde_json::Value =
        serde_json::from_str(&json.env("GIT_CONFIG_COUNT", "2").output().stdout).unwrap();
    let count: usize = json["variables"]["GIT_CONFIG_COUNT"].as_str().unwrap().parse().unwrap();
    assert!(
        count > 2
            && json["variables"].get("GIT_CONFIG_KEY_2").is_some()
            && json["variables"].get("GIT_CONFIG_KEY_1").is_none(),
        "{json}"
    );
}

/// What the lines read where no file is named must be a token and nothing else: they take it as it is.
#[test]
fn the_variable_of_the_lines_holds_a_token_alone() {
    let (place, token) = place();
    for (text, words) in [
        (format!("{token}\r"), "a line end or a byte order mark"),
        (format!("\u{feff}{token}"), "a line end or a byte order mark"),
        (format!("\"{token}\""), "in quotes"),
        (format!("{token} "), "a blank"),
        (format!("{token}\u{200b}"), "cannot be seen"),
    ] {
        let told = place
            .program(&["env", "openai", "--upstream", "openai"])
            .env("MAGIC_TOKEN", &text)
            .output();
        assert!(
            told.code == 2 && told.stderr.contains(words) && told.stdout.is_empty(),
            "{text:?}: {told:?}"
        );
    }
}

/// The shells that are here, and the language of each.
fn shells() -> Vec<(&'static str, &'static str)> {
    let all = [("sh", "sh"), ("bash", "sh"), ("dash", "sh"), ("zsh", "sh"), ("fish", "fish")];
    let is_here = |shell: &str| {
        ["/bin", "/usr/bin"].iter().any(|folder| std::path::Path::new(folder).join(shell).exists())
    };
    all.into_iter().filter(|(shell, _)| is_here(shell)).collect()
}

fn shell_says(place: &Place, shell: &str, script: &str, variables: &[(&str, &str)]) -> String {
    let mut command = Command::new(shell);
    command.arg("-c").arg(script).current_dir(place.path("")).env_clear();
    command
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("HOME", place.path(""))
        .env("GIT_CONFIG_NOSYSTEM", "1");
    let output = command.envs(variables.iter().copied()).output().unwrap();
    assert!(output.status.success(), "{shell}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}
