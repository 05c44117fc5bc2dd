//! Tokens as files, as JSON, by name: `--out`, `--json`, `--sub`, and one way to name a token in every command.

use crate::program::{Output, Place, SECRET};

const ORDER: [&str; 5] = ["mint", "--credential-env", "SECRET", "--allow", "GET /user"];

fn mint(place: &Place, more: &[&str]) -> Output {
    place.program(&[&ORDER, more].concat()).env("SECRET", SECRET).output()
}

/// A version 2 token of the proxy whose keys lie here.
fn sealed(place: &Place) -> String {
    let keys = place.program(&["keys", "export-public", "--jwks"]).output().stdout;
    place.write("keys.jwks", &keys);
    mint(place, &["--to", "keys.jwks", "--aud", "api.github.com", "--sub", "ci"])
        .stdout
        .trim()
        .to_owned()
}

#[cfg(unix)]
#[test]
fn out_writes_a_private_file_and_replaces_tokens_only() {
    let place = Place::with_keys();
    let written = mint(&place, &["--out", "job.token"]);
    assert_eq!((written.code, written.stdout.as_str()), (0, ""), "{written:?}");
    assert!(written.stderr.contains(", in job.token\n"), "{written:?}");
    assert_eq!(place.mode("job.token"), 0o600);
    let first = place.read("job.token");
    // A token that is there is renewed, whatever its mode was.
    place.set_mode("job.token", 0o644);
    assert_eq!(mint(&place, &["--out", "job.token"]).code, 0);
    assert_eq!(place.mode("job.token"), 0o600);
    assert_ne!(place.read("job.token"), first);
    assert!(place.names("").iter().all(|name| !name.ends_with(".new")), "{:?}", place.names(""));
    // So is one of before the first release, which its refusal says to mint anew.
    place.write_token("old.token", "mt2.eyJraWQiOiJ4In0.a-b_c.D1\n");
    assert_eq!(mint(&place, &["--out", "old.token"]).code, 0);
    assert!(place.read("old.token").starts_with("eyJ"));
    // Nothing else is.
    place.write("id_rsa", "a key");
    std::os::unix::fs::symlink(place.path("id_rsa"), place.path("link")).unwrap();
    std::os::unix::fs::symlink(place.path("job.token"), place.path("link-to-token")).unwrap();
    std::os::unix::fs::symlink(place.path("nothing"), place.path("dangling")).unwrap();
    std::fs::create_dir(place.path("folder")).unwrap();
    for name in ["id_rsa", "link", "link-to-token", "dangling", "folder", "no/such/folder", "-"] {
        let refused = mint(&place, &["--out", name]);
        assert_eq!((refused.code, refused.stdout.as_str()), (1, ""), "{name}: {refused:?}");
        assert!(refused.stderr.contains("error: --out: `"), "{name}: {refused:?}");
    }
    let no_folder = mint(&place, &["--out", "no/such/folder"]);
    assert!(
        no_folder.stderr.contains("`no/such/folder`: there is no folder `no/such`\n"),
        "{no_folder:?}"
    );
    assert_eq!(place.read("id_rsa"), "a key");
    assert!(!place.path("nothing").exists() && !place.path("-").exists());
    // So do the others that make tokens.
    place.write_token("sealed.token", &sealed(&place));
    for command in
        [&["narrow", "@sealed.token", "--expires-in", "1m"][..], &["reseal", "@sealed.token"]]
    {
        let made = place.program(&[command, &["--out", "made.token"]].concat()).output();
        assert_eq!(
            (made.code, made.stdout.as_str(), place.mode("made.token")),
            (0, "", 0o600),
            "{made:?}"
        );
    }
}

#[test]
fn json_says_what_was_made() {
    let place = Place::with_keys();
    let shown = mint(&place, &["--json", "--sub", "ci/agent-7", "--expires-in", "1h"]);
    let json: serde_json::Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!((&json["sub"], &json["aud"]), (&"ci/agent-7".into(), &"github".into()), "{json}");
    assert_eq!(json["rules"], serde_json::json!(["GET /user"]));
    assert!(
        json["jti"].is_string()
            && json["exp"].is_u64()
            && json["token"].as_str().unwrap().starts_with("eyJ"),
        "{json}"
    );
    assert!(shown.stderr.contains(", held by ci/agent-7, allows GET /user"), "{shown:?}");
    let token = sealed(&place);
    let narrowed = place
        .program(&["narrow", &token, "--json", "--expires-in", "1m", "--out", "n.token"])
        .output();
    let json: serde_json::Value = serde_json::from_str(&narrowed.stdout).unwrap();
    assert_eq!((json["file"].as_str(), json.get("token")), (Some("n.token"), None), "{json}");
    assert_eq!(json["caveats"].as_array().map(Vec::len), Some(1), "{json}");
}

#[test]
fn a_token_is_named_in_one_way_everywhere() {
    let place = Place::with_keys();
    let token = sealed(&place);
    place.write_token("job.token", &token);
    let commands: [&[&str]; 6] = [
        &["inspect", "TOKEN"],
        &["explain", "TOKEN", "GET", "/user"],
        &["narrow", "TOKEN", "--expires-in", "1m"],
        &["reseal", "TOKEN"],
        &["run", "--token", "TOKEN", "--client", "pygithub", "--", "/bin/sh", "-c", "exit 0"],
        &["run", "--token", "github=TOKEN", "--", "/bin/sh", "-c", "exit 0"],
    ];
    for command in commands {
        for form in ["@job.token", "-", "env:JOB"] {
            let args: Vec<String> = command.iter().map(|arg| arg.replace("TOKEN", form)).collect();
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            let output = place.program(&args).env("JOB", &token).stdin(&token).output();
            assert_eq!(output.code, 0, "{args:?}: {output:?}");
        }
    }
    for args in [
        &["inspect", "job.token"][..],
        &["explain", "job.token", "GET", "/user"],
        &["narrow", "job.token", "--expires-in", "1m"],
        &["reseal", "job.token"],
    ] {
        let output = place.program(args).output();
        assert_eq!((output.code, output.stdout.as_str()), (1, ""), "{args:?}: {output:?}");
        assert!(
            output.stderr.contains("error: token: `job.token` is a file: `@job.token` reads it"),
            "{args:?}: {output:?}"
        );
    }
    let env = place.program(&["env", "pygithub", "--token", "@job.token"]).output();
    assert!(
        env.stdout.contains("export GITHUB_TOKEN=\"$(LC_ALL=C tr -dc A-Za-z0-9._- <"),
        "{env:?}"
    );
    let shown = place.program(&["run", "--token", &token, "--", "true"]).output();
    assert!(shown.code == 2 && shown.stderr.contains("others see arguments"), "{shown:?}");
}

/// Exit status 1, and the reason before anything else, for every token that a proxy would refuse.
#[test]
fn inspect_ends_with_1_for_what_is_not_accepted() {
    let place = Place::with_keys();
    let stranger = Place::new();
    assert_eq!(stranger.program(&["keys", "generate", "--keys", "keys"]).output().code, 0);
    let good = mint(&place, &[]).stdout.trim().to_owned();
    let sealed = sealed(&place);
    let middle = good.len() - 100;
    let other = if &good[middle..=middle] == "A" { "B" } else { "A" };
    let forged = format!("{}{other}{}", &good[..middle], &good[middle + 1..]);
    // `{"exp":1000000000}`
    let old = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJleHAiOjEwMDAwMDAwMDB9.AA";
    let refused = [
        ("not valid", forged.as_str()),
        ("a stranger's", mint(&stranger, &[]).stdout.trim()),
        ("sealed to a stranger", &self::sealed(&stranger)),
        ("cut", &sealed[..sealed.len() - 4]),
        ("unsigned", old),
    ]
    .map(|(what, token)| (what, token.to_owned()));
    for (what, token) in &refused {
        let shown = place.program(&["inspect", "-"]).stdin(token).output();
        assert_eq!(shown.code, 1, "{what}: {shown:?}");
        let first = shown.stdout.lines().next().unwrap_or_default();
        assert!(
            first.starts_with("accepted   no: ") || shown.stderr.contains("error: token: "),
            "{what}: {shown:?}"
        );
    }
    for token in [&good, &sealed] {
        let shown = place.program(&["inspect", "-"]).stdin(token).output();
        assert_eq!(
            (shown.code, shown.stdout.lines().next()),
            (0, Some("accepted   yes")),
            "{shown:?}"
        );
    }
    // Who has no key cannot know; that a token is over is known to everybody.
    let shown = Place::new().program(&["inspect", "--json", "-"]).stdin(&good).output();
    let json: serde_json::Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!((shown.code, &json["accepted"]), (0, &serde_json::Value::Null), "{shown:?}");
    let shown = Place::new().program(&["inspect", "-"]).stdin(old).output();
    assert_eq!(shown.code, 1, "{shown:?}");
}

/// `sub` of a version 1 token: in the token, in what `inspect` says, wanted where the operator wants it.
#[test]
fn a_token_of_version_1_has_a_name() {
    let place = Place::with_keys();
    place.write("magicproxy.toml", "tokens.require_sub = true\n");
    let nameless = mint(&place, &[]);
    assert_eq!((nameless.code, nameless.stdout.as_str()), (2, ""), "{nameless:?}");
    assert!(nameless.stderr.contains("`sub` is needed"), "{nameless:?}");
    let bad = mint(&place, &["--sub", "a>b"]);
    assert!(
        bad.code == 2 && bad.stderr.contains("--sub `a>b`: expected 1 to 128 characters"),
        "{bad:?}"
    );
    let named = mint(&place, &["--sub", "ci"]).stdout;
    let shown = place.program(&["inspect", "-"]).stdin(&named).output();
    assert_eq!(shown.code, 0, "{shown:?}");
    assert!(
        shown.stdout.contains("version    v1\n") && shown.stdout.contains("for        ci\n"),
        "{shown:?}"
    );
    assert_eq!(place.program(&["explain", named.trim(), "GET", "/user"]).output().code, 0);
}

/// A file in a folder that others cannot enter is nobody else's, whatever its own mode.
#[cfg(unix)]
#[test]
fn only_a_file_that_others_can_reach_is_pointed_out() {
    let place = Place::with_keys();
    let token = mint(&place, &[]).stdout;
    place.write("in/job.token", &token);
    let warned = || {
        let ours = [
            "run",
            "--token-file",
            "in/job.token",
            "--client",
            "pygithub",
            "--",
            "/bin/sh",
            "-c",
            "exit 0",
        ];
        let output = place.program(&ours).output();
        assert_eq!(output.code, 0, "{output:?}");
        output.stderr.contains("is open to others")
    };
    for (top, folder, file, expected) in [
        (0o755, 0o755, 0o644, true),
        (0o755, 0o755, 0o604, true),
        (0o755, 0o755, 0o640, true),
        (0o755, 0o755, 0o600, false),
        (0o755, 0o700, 0o644, false),
        (0o755, 0o710, 0o604, false),
        (0o755, 0o710, 0o640, true),
        (0o700, 0o755, 0o666, false),
    ] {
        place.set_mode("", top);
        place.set_mode("in", folder);
        place.set_mode("in/job.token", file);
        assert_eq!(warned(), expected, "{top:o} {folder:o} {file:o}");
    }
}

/// From 4,096 bytes on for stores of credentials, from 7,500 in other words for servers in front, in both versions, however it was made.
#[test]
fn a_long_token_is_made_with_a_warning() {
    let place = Place::with_keys();
    place.write("keys.jwks", &place.program(&["keys", "export-public", "--jwks"]).output().stdout);
    let made = |args: &[&str]| {
        let made = place.program(&[args, &["--quiet"]].concat()).env("SECRET", SECRET).output();
        assert_eq!(made.code, 0, "{made:?}");
        let token = made.stdout.trim().to_owned();
        let (stores, servers) = (
            made.stderr.contains("credential stores may cut"),
            made.stderr.contains("servers in front of the proxy"),
        );
        let expected = match token.len() {
            ..4096 => (false, false),
            4096..7500 => (true, false),
            7500.. => (false, true),
        };
        assert_eq!((stores, servers), expected, "{} bytes: {}", token.len(), made.stderr);
        assert!(
            !(stores || servers)
                || made.stderr.contains(&format!("warning: the token has {} bytes: ", token.len())),
            "{}",
            made.stderr
        );
        assert!(!made.stderr.contains(&token[..60]));
        (token, stores, servers)
    };
    let rules: Vec<String> = (0..265).map(|at| format!("GET /repos/{at:06}")).collect();
    let mut seen = std::collections::BTreeSet::new();
    for way in [&["--to", "keys.jwks", "--aud", "api.github.com"][..], &[]] {
        for count in [1, 140, 265] {
            let allowed = rules.iter().take(count).flat_map(|rule| ["--allow", rule]);
            let args: Vec<&str> = ["mint", "--credential-env", "SECRET"]
                .into_iter()
                .chain(way.iter().copied())
                .chain(allowed)
                .collect();
            let (token, stores, servers) = made(&args);
            seen.insert((way.is_empty(), stores, servers));
            let again = made(&["reseal", &token]);
            assert_eq!((again.1, again.2), (stores, servers));
        }
    }
    assert_eq!(seen.len(), 6, "no warning, one, and the other, of each version: {seen:?}");
    let (token, ..) = made(&[
        "mint",
        "--credential-env",
        "SECRET",
        "--allow",
        "GET /repos/.*",
        "--to",
        "keys.jwks",
        "--aud",
        "api.github.com",
    ]);
    let allowed: Vec<&str> = rules.iter().take(150).flat_map(|rule| ["--allow", rule]).collect();
    assert!(made(&[&["narrow", &token][..], &allowed].concat()).1);
}

/// Whichever way a token is made, and whatever part of a pair is the secret.
#[test]
fn a_weak_credential_is_minted_with_a_warning() {
    let place = Place::with_keys();
    place.write("keys.jwks", &place.program(&["keys", "export-public", "--jwks"]).output().stdout);
    place.write(
        "basic.toml",
        "[upstream]\napi_root = \"https://api.github.com\"\ncredential = \"basic\"\n",
    );
    let offline: &[&str] = &[];
    let pair: &[&str] = &["--config", "basic.toml"];
    let sealed: &[&str] = &["--to", "keys.jwks", "--aud", "api.github.com"];
    let sealed_pair: &[&str] =
        &["--to", "keys.jwks", "--aud", "api.github.com", "--credential-as", "basic"];
    let strong = "Zx81mK0c9QdW7b4TtY2e";
    for (credential, ways, expected) in [
        ("powerdns", &[offline, sealed][..], "looks like a word"),
        ("Acme-staging_2026", &[offline, sealed], "looks like a word"),
        ("k3yk3yk3y", &[offline, sealed], "has fewer than 16 characters"),
        ("k3y", &[offline, sealed], "has fewer than 8 characters"),
        ("somebody-else:powerdns", &[pair, sealed_pair], "looks like a word"),
        ("x:k3y", &[pair, sealed_pair], "has fewer than 8 characters"),
        (strong, &[offline, sealed], ""),
        (&format!("a:{strong}"), &[pair, sealed_pair], ""),
    ] {
        for way in ways {
            let arguments =
                [&["mint", "--credential-env", "WEAK", "--allow", "GET /user", "--quiet"], *way]
                    .concat();
            let minted = place.program(&arguments).env("WEAK", credential).output();
            assert_eq!(
                (minted.code, minted.stdout.lines().count()),
                (0, 1),
                "{credential} {way:?} {minted:?}"
            );
            let warned = minted.stderr.contains(&format!("warning: the credential {expected}"));
            assert!(
                if expected.is_empty() { !minted.stderr.contains("warning:") } else { warned },
                "{credential} {way:?} {minted:?}"
            );
            assert!(!minted.stderr.contains(credential), "{minted:?}");
        }
    }
}
