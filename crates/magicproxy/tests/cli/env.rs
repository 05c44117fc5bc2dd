//! `env`: the lines of every client, against `tests/cmd/env.golden`; and bash, which reads them.

use std::process::Command;

use crate::program::{Output, Place};

/// An upstream of every kind, under a public URL.
pub(crate) const EVERY_KIND: &str = "
public_access = 'https://proxy.example'
[upstreams.anthropic]
[upstreams.cloudflare]
[upstreams.digitalocean]
[upstreams.github]
hosts = ['gh.proxy.example']
[upstreams.github-git]
[upstreams.gitlab]
[upstreams.openai]
[upstreams.powerdns]
api_root = 'http://127.0.0.1:8081'
";

/// A token that names no upstream, as the Python program mints them: its holder says where it goes. `{"exp":4102444800}`
const UNNAMED: &str = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJleHAiOjQxMDI0NDQ4MDB9.AA";

/// A place with an upstream of every kind, and a token in a file.
pub(crate) fn place() -> (Place, String) {
    let place = Place::with_keys();
    place.write("magicproxy.toml", EVERY_KIND);
    place.write_token("job.token", UNNAMED);
    (place, UNNAMED.to_owned())
}

/// What a client gets that shows tokens up to the last `_`: of version 1 the armoured spelling, written here once more.
pub(crate) fn armoured(token: &str) -> String {
    if token.starts_with("eyJ") {
        format!("mt1_{}", token.replace('z', "z0").replace('-', "z1").replace('_', "z2"))
    } else {
        token.to_owned()
    }
}

/// Every client with every kind of API that it speaks to.
fn every_way(place: &Place) -> Vec<(String, String)> {
    let listed: serde_json::Value =
        serde_json::from_str(&ok(place.program(&["env", "--list", "--json"]).output())).unwrap();
    let mut ways = Vec::new();
    for client in listed.as_array().unwrap() {
        for preset in client["presets"].as_array().unwrap() {
            let preset = preset.as_str().unwrap().replace('*', "github");
            ways.push((client["client"].as_str().unwrap().to_owned(), preset));
        }
    }
    ways
}

fn ok(output: Output) -> String {
    assert_eq!((output.code, output.said().as_str()), (0, ""), "{output:?}");
    output.stdout
}

/// A token for this upstream, in a file of its own.
pub(crate) fn token_for(place: &Place, upstream: &str) -> String {
    let minted = place.program(&[
        "mint",
        "--credential-env",
        "SECRET",
        "--aud",
        upstream,
        "--allow",
        "GET /user",
    ]);
    let token = minted.env("SECRET", crate::program::SECRET).output().stdout.trim().to_owned();
    place.write_token(&format!("{upstream}.token"), &token);
    token
}

#[test]
fn golden() {
    let (place, token) = place();
    let mut text = String::new();
    let more: [&[&str]; 5] = [
        &["--token-file", "job.token"],
        &["--token-file", "job.token", "--socket", "proxy.sock", "--ca-file", "ca.pem"],
        &["--shell", "fish", "--token-file", "job.token", "--ca-file", "ca.pem"],
        &["--shell", "powershell", "--token-file", "job.token"],
        &["--json", "--token-file", "job.token"],
    ];
    for (client, upstream) in every_way(&place) {
        for flags in more {
            // The other forms of two are enough.
            if flags[0].starts_with("--shell") && !["git", "certbot"].contains(&client.as_str())
                || flags[0] == "--json" && client != "certbot"
            {
                continue;
            }
            let args = [&["env", &client, "--upstream", &upstream], flags].concat();
            let lines = ok(place.program(&args).output());
            assert!(!lines.contains(&token), "{lines}");
            text.push_str(&format!("$ magicproxy {}\n{lines}\n", args.join(" ")));
        }
    }
    let root = std::fs::canonicalize(place.path("")).unwrap();
    let text = text
        .replace(root.to_str().unwrap(), "/srv")
        .replace(place.path("").to_str().unwrap().trim_end_matches('/'), "/srv");
    let golden = format!("{}/tests/cmd/env.golden", env!("CARGO_MANIFEST_DIR"));
    let expected = std::fs::read_to_string(golden).unwrap_or_default();
    if text != expected {
        let found = format!("{}/env.golden", env!("CARGO_TARGET_TMPDIR"));
        std::fs::write(&found, &text).unwrap();
        let differs =
            text.lines().zip(expected.lines()).find(|(found, expected)| found != expected);
        panic!(
            "the lines of `env` are others than in tests/cmd/env.golden, first at {differs:?}; they are in `{found}`"
        );
    }
}

/// bash takes the lines of every client, whatever the path of the token's file is called, and its variables are those of the JSON.
#[test]
fn bash_takes_the_lines() {
    let (place, token) = place();
    let file = "a'b \"$(touch hacked)`touch hacked`;&|<>*?~\\!#ü";
    place.write(file, &format!("{token}\n"));
    #[cfg(unix)]
    place.set_mode(file, 0o600);
    // Commands are for the client, which is not here: only what they are given is shown.
    place.write("bin/gh", "#!/bin/sh\nprintf 'gh:%s\\n' \"$@\"\n");
    #[cfg(unix)]
    place.set_mode("bin/gh", 0o700);
    for (client, upstream) in every_way(&place) {
        let base = [
            "env",
            &client,
            "--upstream",
            &upstream,
            "--token-file",
            file,
            "--socket",
            "it's $x",
            "--ca-file",
            "c a",
        ];
        let lines = ok(place.program(&base).output());
        let json: serde_json::Value =
            serde_json::from_str(&ok(place.program(&[&base[..], &["--json"]].concat()).output()))
                .unwrap();
        let bash = Command::new("bash")
            .arg("-euc")
            .arg(format!("{lines}\nenv -0"))
            .current_dir(place.path(""))
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", place.path("bin").display()))
            .output()
            .unwrap();
        assert!(bash.status.success(), "{client}: {bash:?}");
        let shown = String::from_utf8(bash.stdout).unwrap();
        for (name, value) in json["variables"].as_object().unwrap() {
            let is_armoured =
                json["armoured"].as_array().unwrap().iter().any(|armoured| armoured == name);
            let token = if is_armoured { armoured(&token) } else { token.clone() };
            let value = value.as_str().unwrap().replace("$MAGIC_TOKEN", &token);
            assert!(
                shown.split('\0').any(|line| line.ends_with(&format!("{name}={value}"))),
                "{client}: {name}={value} in {shown}"
            );
        }
        for written in json["files"].as_array().unwrap() {
            let name = written["path"].as_str().unwrap();
            assert_eq!(
                place.read(name),
                written["content"].as_str().unwrap().replace("$MAGIC_TOKEN", &token)
            );
            #[cfg(unix)]
            assert_eq!(place.mode(name), 0o600);
        }
        let socket = place.path("it's $x");
        assert!(
            client != "gh"
                || shown.contains(&format!(
                    "gh:config\ngh:set\ngh:http_unix_socket\ngh:{}\n",
                    socket.display()
                )),
            "{shown}"
        );
        assert!(!place.path("hacked").exists());
    }
}

/// As `gh auth status` shows a token: all up to its last `_`.
fn shown_by_gh(token: &str) -> &str {
    token.rfind('_').map_or("", |at| &token[..=at])
}

/// A signed token that has every character that armour replaces. A random signature lacks one of
/// them in one token of a hundred.
fn token_to_armour(place: &Place) -> String {
    loop {
        let token = token_for(place, "github");
        if ['z', '-', '_'].iter().all(|character| token.contains(*character)) {
            return token;
        }
    }
}

/// From the lines for a shell, with a file and with the variable, and from `run`: for both versions, and for what is armoured already. The
/// lines look at the token when they are read, so that one that is renewed may be of the other version.
#[test]
fn gh_gets_a_token_of_which_it_shows_nothing() {
    let (place, _) = place();
    place.write("keys.jwks", &place.program(&["keys", "export-public", "--jwks"]).output().stdout);
    place.write("bin/gh", "#!/bin/sh\nprintf '%s' \"$GH_ENTERPRISE_TOKEN\"\n");
    #[cfg(unix)]
    place.set_mode("bin/gh", 0o700);
    let signed = token_to_armour(&place);
    let sealed = [
        "mint",
        "--to",
        "keys.jwks",
        "--aud",
        "github",
        "--credential-env",
        "SECRET",
        "--allow",
        "GET /a~b?",
    ];
    let sealed = place
        .program(&sealed)
        .env("SECRET", crate::program::SECRET)
        .output()
        .stdout
        .trim()
        .to_owned();
    assert!(sealed.starts_with("mt2_"), "{sealed}");
    for (token, gets) in [
        (&signed, armoured(&signed)),
        (&sealed, sealed.clone()),
        (&armoured(&signed), armoured(&signed)),
    ] {
        assert!(shown_by_gh(&gets).len() == 4);
        place.write_token("job.token", &format!("{token}\r\n"));
        let run = ["run", "--upstream", "github", "--token-file", "job.token", "--"];
        let path = place.path("bin/gh");
        let got = place.program(&[&run[..], &[path.to_str().unwrap()]].concat()).output();
        assert_eq!(got.stdout, gets, "{got:?}");
        for flags in [&["--token-file", "job.token"][..], &[]] {
            // Read before the token was there: it may have been one of the other version.
            place.write_token("job.token", UNNAMED);
            let asked = [&["env", "gh", "--upstream", "github"], flags].concat();
            let lines = place.program(&asked).output().stdout;
            place.write_token("job.token", token);
            for shell in ["sh", "bash"] {
                let script = format!("{lines}\nprintf '%s' \"$GH_ENTERPRISE_TOKEN\"");
                let output = Command::new(shell)
                    .arg("-euc")
                    .arg(script)
                    .env("MAGIC_TOKEN", token)
                    .output()
                    .unwrap();
                assert_eq!(
                    String::from_utf8(output.stdout).unwrap(),
                    gets,
                    "{shell} {flags:?}: {lines}"
                );
            }
        }
    }
}

/// In every form in which a command takes a token: as an argument, in a file, in a variable, on standard input.
#[test]
fn every_command_reads_an_armoured_token() {
    let (place, _) = place();
    let token = token_for(&place, "github");
    let spelled = armoured(&token);
    place.write_token("armoured.token", &format!("{spelled}\n"));
    let plain = place.program(&["inspect", "--json", &token]).output();
    assert_eq!(plain.code, 0, "{plain:?}");
    for way in [
        &[spelled.as_str()][..],
        &["@armoured.token"],
        &["env:ARMOURED"],
        &["-"],
        &["--token-file", "armoured.token"],
        &["--token-env", "ARMOURED"],
    ] {
        let read = place
            .program(&[&["inspect", "--json"], way].concat())
            .env("ARMOURED", &spelled)
            .stdin(&spelled)
            .output();
        assert_eq!((read.code, &read.stdout), (0, &plain.stdout), "{way:?} {read:?}");
    }
    let explained = place.program(&["explain", &spelled, "GET", "/github/user"]).output();
    assert_eq!(explained.code, 0, "{explained:?}");
    let resealed = place.program(&["reseal", "@armoured.token"]).output();
    assert_eq!((resealed.code, resealed.stdout.trim()), (0, token.as_str()), "{resealed:?}");
    // It is a magic token that may be replaced, and one that others must not see among the arguments.
    let minted = place.program(&[
        "mint",
        "--credential-env",
        "SECRET",
        "--aud",
        "github",
        "--allow",
        "GET /user",
        "--out",
        "armoured.token",
    ]);
    assert_eq!(minted.env("SECRET", crate::program::SECRET).output().code, 0);
    for refused in [&["revoke", &spelled][..], &["env", "openai", "--token-file", &spelled]] {
        let refused = place.program(refused).output();
        assert!(
            refused.code == 2
                && refused.stderr.contains("magic token")
                && !refused.stderr.contains(&spelled[..60]),
            "{refused:?}"
        );
    }
    place.write_token("armoured.token", &spelled);
    let revoked = place.program(&["revoke", "--token", "@armoured.token"]).output();
    assert_eq!(revoked.code, 0, "{revoked:?}");
    assert_ne!(
        place.program(&["inspect", &token]).output().code,
        0,
        "the JWT and its armour are one token"
    );
    for broken in ["mt1_eyJz", "mt1_ey-J.a.b", "mt1_"] {
        let read = place.program(&["inspect", broken]).output();
        assert!(
            read.code == 1 && read.stderr.contains("this is not a magic token: behind `mt1_`"),
            "{read:?}"
        );
    }
}

/// Without a file, the lines read a variable, and nothing is printed but its name.
#[test]
fn without_a_file_the_lines_read_a_variable() {
    let (place, _) = place();
    for (client, upstream) in every_way(&place) {
        let told = place.program(&["env", &client, "--upstream", &upstream]).output();
        assert_eq!(told.code, 0, "{client}: {told:?}");
        assert!(told.stdout.contains("\"$MAGIC_TOKEN\""), "{client}: {told:?}");
    }
    // A variable that is empty would give the program an empty token, which is said.
    let said = |token: &str| {
        place
            .program(&["env", "openai", "--upstream", "openai"])
            .env("MAGIC_TOKEN", token)
            .output()
            .stderr
    };
    assert!(
        said("").contains("from $MAGIC_TOKEN, which holds none; --token-file FILE"),
        "{}",
        said("")
    );
    let token = token_for(&place, "openai");
    assert!(!said(&token).contains("holds none"), "{}", said(&token));
}
