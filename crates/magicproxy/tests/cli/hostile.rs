//! A working directory that a stranger has filled: no command reads anything there that nobody names, but `serve` and `config`,
//! which say so.

use std::collections::BTreeSet;
use std::net::TcpStream;
use std::path::PathBuf;

use crate::ports::reserved_port;
use crate::program::{Output, Place, SECRET};

/// Files that no command may take for its own. Whoever reads one of them fails, or shows it.
const TRAPS: [&str; 9] = [
    "magicproxy.toml",
    "config.toml",
    "config.json",
    ".env",
    "keys/private.pem",
    "keys/sealing-x25519-0.jwk",
    "keys/revocations.json",
    "revocations.json",
    "state.redb",
];

/// What becomes of a command in such a folder.
#[derive(Clone, Copy, PartialEq)]
enum Becomes {
    /// It does the same, with the same status and the same output.
    Same,
    /// The same, with a token or a key of its own making on standard output.
    SameButForChance,
    /// It would change what is beside the user's keys, while the client may mean those in the folder: it says how to tell.
    Refused,
    /// It reads what is there: `serve` and `config`.
    Reads,
}

use Becomes::{Reads, Refused, Same, SameButForChance};

/// Every command, by the name of its manual page.
const COMMANDS: [(&str, &[&str], Becomes); 30] = [
    ("serve", &["serve", "--listen", "127.0.0.1:0"], Reads),
    ("config-check", &["config", "check"], Reads),
    ("config-show", &["config", "show"], Reads),
    ("config-schema", &["config", "schema"], Same),
    ("health", &["health"], Same),
    ("reload", &["reload"], Same),
    ("demo", &["demo", "--once"], SameButForChance),
    ("mint", &["mint", "--credential-env", "SECRET", "--allow", "GET /user"], SameButForChance),
    ("narrow", &["narrow", "{sealed}", "--allow", "GET /user"], Same),
    ("reseal", &["reseal", "{token}"], SameButForChance),
    ("inspect", &["inspect", "--json", "{token}"], Same),
    ("explain", &["explain", "{token}", "GET", "/user"], Same),
    ("revoke", &["revoke", "--token", "@{file}"], Refused),
    ("env", &["env", "pygithub"], Same),
    (
        "run",
        &[
            "run",
            "--token-file",
            "{file}",
            "--client",
            "pygithub",
            "--",
            "/bin/sh",
            "-c",
            "echo $GITHUB_API_URL",
        ],
        Same,
    ),
    ("backup", &["backup", "--to", "state.backup"], Same),
    ("restore", &["restore", "state.backup"], Refused),
    ("keys-generate", &["keys", "generate"], Refused),
    ("keys-list", &["keys", "list"], Same),
    ("keys-rotate", &["keys", "rotate"], Refused),
    ("keys-export-public", &["keys", "export-public"], Same),
    ("keys-minter", &["keys", "minter", "--out", "minter.jwk"], SameButForChance),
    ("plugin-check", &["plugin", "check", "none.wasm"], Same),
    ("plugin-run", &["plugin", "run", "none.wasm", "GET", "/user"], Same),
    ("plugin-list", &["plugin", "list"], Same),
    ("plugin-import", &["plugin", "import", "none.py"], Same),
    ("completions", &["completions", "bash"], Same),
    ("man", &["man"], Same),
    ("version", &["version"], Same),
    ("version", &["version", "--json"], Same),
];

/// A user with keys of their own, a clean folder, and one that a stranger has filled.
struct Stage {
    user: Place,
    token: String,
    sealed: String,
}

impl Stage {
    fn new() -> Self {
        let user = Place::with_keys();
        std::fs::create_dir_all(user.path("home/.local/share/magicproxy")).unwrap();
        std::fs::rename(user.path("keys"), user.path("home/.local/share/magicproxy/keys")).unwrap();
        for folder in ["clean", "checkout"] {
            std::fs::create_dir(user.path(folder)).unwrap();
        }
        for name in TRAPS {
            user.write(&format!("checkout/{name}"), "TRAP = https://evil.example\n");
        }
        #[cfg(unix)]
        user.set_mode("checkout/keys/private.pem", 0o600);
        let stage = Self { user, token: String::new(), sealed: String::new() };
        let keys = stage.run("clean", &["keys", "export-public", "--jwks"]).stdout;
        stage.user.write("keys.jwks", &keys);
        let jwks = stage.user.path("keys.jwks");
        let arguments = ["mint", "--credential-env", "SECRET", "--allow", "GET /.*"];
        let token = stage.run("clean", &arguments).stdout.trim().to_owned();
        let to = ["--to", jwks.to_str().unwrap(), "--aud", "api.github.com"];
        let sealed = stage.run("clean", &[&arguments[..], &to].concat()).stdout.trim().to_owned();
        stage.user.write("job.token", &token);
        #[cfg(unix)]
        stage.user.set_mode("job.token", 0o600);
        Self { token, sealed, ..stage }
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.user.path(name)
    }

    fn run(&self, folder: &str, args: &[&str]) -> Output {
        let file = self.folder("job.token").to_str().unwrap().to_owned();
        let fill = |arg: &&str| {
            arg.replace("{token}", &self.token)
                .replace("{sealed}", &self.sealed)
                .replace("{file}", &file)
        };
        let args: Vec<String> = args.iter().map(fill).collect();
        let program = self.user.bare(&args.iter().map(String::as_str).collect::<Vec<_>>());
        program.current_dir(&self.folder(folder)).env("SECRET", SECRET).output()
    }

    /// Everything that lies in a folder, with its content.
    fn content(&self, folder: &str) -> Vec<(PathBuf, String)> {
        let mut found = Vec::new();
        let mut folders = vec![self.folder(folder)];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    found.push((
                        path.clone(),
                        String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned(),
                    ));
                }
            }
        }
        found.sort();
        found
    }
}

/// True for the line about a token that was made, which has a new id and a new age each time.
fn is_about_a_new_token(line: &str) -> bool {
    ["minted ", "narrowed ", "sealed anew "].iter().any(|verb| line.starts_with(verb))
}

/// Without what is said of the folder, and of a new token's age.
fn without_remarks(text: &str) -> String {
    text.lines()
        .filter(|line| !line.contains("is not used here: -") && !is_about_a_new_token(line))
        .map(|line| format!("{line}\n"))
        .collect()
}

#[test]
fn no_command_reads_what_lies_in_the_working_directory() {
    let stage = Stage::new();
    for (page, args, becomes) in COMMANDS {
        let before = (stage.content("checkout"), stage.content("home"));
        let hostile = stage.run("checkout", args);
        if becomes == Reads {
            assert_eq!(hostile.code, 78, "{page}: {hostile:?}");
            assert!(hostile.stderr.contains("magicproxy.toml"), "{page}: {hostile:?}");
            continue;
        }
        assert!(!format!("{hostile:?}").contains("evil.example"), "{page}: {hostile:?}");
        if becomes == Refused {
            assert_eq!(hostile.code, 2, "{page}: {hostile:?}");
            assert!(
                hostile.stderr.contains("./keys is not used here: --keys ./keys means it, --keys "),
                "{page}: {hostile:?}"
            );
            assert_eq!(
                (stage.content("checkout"), stage.content("home")),
                before,
                "{page} changed a file"
            );
            continue;
        }
        let clean = stage.run("clean", args);
        assert_eq!(hostile.code, clean.code, "{page}: {hostile:?} {clean:?}");
        let remarks = |output: &Output| {
            output.stderr.lines().filter(|line| !is_about_a_new_token(line)).count()
        };
        let same = Output { stderr: without_remarks(&hostile.stderr), ..hostile };
        if becomes == Same {
            assert_eq!(
                (same.stdout, same.stderr),
                (clean.stdout, without_remarks(&clean.stderr)),
                "{page}"
            );
        } else {
            assert_eq!(remarks(&same), remarks(&clean), "{page}: {same:?} {clean:?}");
        }
    }
}

/// A command that is new must be in the table.
#[test]
fn every_command_is_in_the_table() {
    let place = Place::new();
    assert_eq!(place.bare(&["man", "pages"]).output().code, 0);
    let pages: BTreeSet<String> = place
        .names("pages")
        .into_iter()
        .map(|name| name.trim_end_matches(".1").to_owned())
        .collect();
    let is_group = |page: &str| pages.iter().any(|other| other.starts_with(&format!("{page}-")));
    let known: BTreeSet<String> =
        COMMANDS.iter().map(|(page, ..)| format!("magicproxy-{page}")).collect();
    let commands = pages.iter().filter(|page| !is_group(page) && !page.ends_with("-help"));
    let missing: Vec<&String> = commands.filter(|page| !known.contains(*page)).collect();
    assert!(
        missing.is_empty(),
        "these commands are not tried in a hostile working directory: {missing:?}"
    );
}

/// What was not read is named, and a flag names it.
#[test]
fn what_is_passed_over_is_said() {
    let stage = Stage::new();
    let stranger = Place::with_keys();
    stranger.write("magicproxy.toml", "public_access = 'http://127.0.0.1:6666'\n");
    std::fs::remove_dir_all(stage.folder("checkout")).unwrap();
    std::fs::rename(stranger.path(""), stage.folder("checkout")).unwrap();
    std::fs::write(
        stage.folder("checkout/magicproxy.toml"),
        "public_access = 'http://127.0.0.1:6666'\n",
    )
    .unwrap();
    let ours = stage.run("checkout", &["env", "pygithub"]);
    assert!(ours.stdout.contains("GITHUB_API_URL=http://127.0.0.1:5000\n"), "{ours:?}");
    // The other line says that no token is named.
    let lines = |stderr: &str| {
        stderr
            .lines()
            .filter(|line| !line.starts_with("no token is named"))
            .map(str::to_owned)
            .collect()
    };
    let said: Vec<String> = lines(&ours.stderr);
    assert_eq!(said, ["./magicproxy.toml is not used here: --config ./magicproxy.toml"]);
    let named = stage.run("checkout", &["env", "pygithub", "--config", "./magicproxy.toml"]);
    assert!(named.stdout.contains("GITHUB_API_URL=http://127.0.0.1:6666\n"), "{named:?}");
    let path = std::fs::canonicalize(stage.folder("checkout")).unwrap().join("magicproxy.toml");
    let said: Vec<String> = lines(&named.stderr);
    assert_eq!(said, [format!("using the configuration of {}", path.display())]);
    let arguments = ["mint", "--credential-env", "SECRET", "--allow", "GET /user"];
    let minted = stage.run("checkout", &arguments);
    let key = stage.folder("home/.local/share/magicproxy/keys/private.pem");
    for part in [
        "using the key ",
        &format!(" of {}\n", key.display()),
        "./keys is not used here: --keys ./keys\n",
    ] {
        assert!(minted.stderr.contains(part), "{part} in {minted:?}");
    }
    // Of warnings there is one: the credential of these tests is made of words.
    let silent = stage.run("checkout", &[&arguments[..], &["--quiet"]].concat());
    assert_eq!(
        (
            silent.code,
            silent
                .stderr
                .lines()
                .filter(|line| !line.starts_with("warning: the credential looks like a word"))
                .count()
        ),
        (0, 0)
    );
    let theirs = stage.run("checkout", &[&arguments[..], &["--keys", "./keys"]].concat());
    assert!(
        theirs.stderr.contains("checkout/keys/private.pem\n")
            && !theirs.stderr.contains("./keys is not used"),
        "{theirs:?}"
    );
}

/// Where there is no key in the user's folder, nobody is sent to make new ones before being told of those that are here.
#[test]
fn keys_that_are_passed_over_are_in_the_error() {
    let place = Place::with_keys();
    for args in
        [&["keys", "list"][..], &["mint", "--credential-env", "SECRET", "--allow", "GET /user"]]
    {
        let output = place.bare(args).env("SECRET", SECRET).output();
        assert_eq!(output.code, 78, "{output:?}");
        assert!(
            output.stderr.contains("./keys is not used here: --keys ./keys means it"),
            "{output:?}"
        );
    }
}

/// Without a home folder, keys are those of the system, and never those of the working directory.
#[test]
fn without_a_home_folder_nothing_here_is_taken() {
    let place = Place::with_keys();
    place.write("magicproxy.toml", "TRAP");
    for home in ["", ".", "home"] {
        let output = place.bare(&["keys", "list"]).without("HOME").env("HOME", home).output();
        assert_eq!(output.code, 78, "{home:?}: {output:?}");
        assert!(
            output.stderr.contains("no private key at `/var/lib/magicproxy/keys/private.pem`"),
            "{home:?}: {output:?}"
        );
    }
}

/// The Python program takes paths in its JSON file from the working directory. Only `serve` and `config` do so, too.
#[test]
fn a_relative_folder_of_keys_in_the_python_programs_file() {
    let place = Place::with_keys();
    place.write("elsewhere/config.json", r#"{"keys_location": "keys"}"#);
    let file = place.path("elsewhere/config.json").display().to_string();
    let list = |more: &[&str]| {
        place.bare(&[&["keys", "list"], more].concat()).env("CONFIG_FILE", &file).output()
    };
    let refused = list(&[]);
    assert_eq!(refused.code, 78, "{refused:?}");
    assert!(
        refused.stderr.contains("is relative to the working directory, which is not read here"),
        "{refused:?}"
    );
    assert_eq!(list(&["--keys", "keys"]).code, 0);
    let check = place.bare(&["config", "check"]).env("CONFIG_FILE", &file).output();
    assert_eq!(check.code, 0, "{check:?}");
}

/// The variables of the Python program have names that other programs use, too: it is said which of them count.
#[test]
fn variables_that_count_are_named() {
    let place = Place::new();
    let env = place
        .bare(&["env", "curl"])
        .env("API_ROOT", "https://a.example")
        .env("PUBLIC_ACCESS", "http://p.example")
        .output();
    assert_eq!(env.code, 0, "{env:?}");
    assert!(
        env.stderr.contains("using the configuration of $API_ROOT, $PUBLIC_ACCESS\n"),
        "{env:?}"
    );
}

#[cfg(unix)]
#[test]
fn what_everybody_may_write_is_not_used() {
    let place = Place::with_keys();
    place.write("magicproxy.toml", "");
    for (file, mode, args) in [
        ("magicproxy.toml", 0o646, &["env", "pygithub"][..]),
        ("magicproxy.toml", 0o666, &["config", "check"]),
        ("keys/private.pem", 0o602, &["keys", "list"]),
        ("keys/private.pem", 0o666, &["serve"]),
    ] {
        let was = place.mode(file);
        place.set_mode(file, mode);
        let output = place.program(args).output();
        assert_eq!(output.code, 78, "{args:?}: {output:?}");
        assert!(
            output
                .stderr
                .contains(&format!("everybody on this machine may write it (mode {mode:04o})")),
            "{output:?}"
        );
        place.set_mode(file, was);
    }
}

/// Which key it is, said by every command that uses one.
#[test]
fn every_command_that_uses_a_key_says_which() {
    let stage = Stage::new();
    let jwks = stage.folder("keys.jwks").to_str().unwrap().to_owned();
    let path = stage.folder("home/.local/share/magicproxy/keys/private.pem");
    let to =
        ["mint", "--credential-env", "SECRET", "--allow", "GET /user", "--aud", "x", "--to", &jwks];
    let sealed = stage.run("clean", &to);
    assert!(
        sealed.stderr.contains("\nusing the key ")
            && sealed.stderr.contains(&format!(" of {jwks}\n")),
        "{sealed:?}"
    );
    for page in
        ["mint", "reseal", "inspect", "explain", "keys-list", "keys-rotate", "keys-export-public"]
    {
        let (_, args, _) = COMMANDS.iter().find(|(known, ..)| *known == page).unwrap();
        let output = stage.run("clean", args);
        assert_eq!(output.code, 0, "{page}: {output:?}");
        let line = output.stderr.lines().find(|line| line.starts_with("using the key "));
        assert!(
            line.is_some_and(|line| line.ends_with(path.to_str().unwrap())),
            "{page}: {output:?}"
        );
        let quiet = stage.run("clean", &[&["--quiet"], *args].concat());
        assert!(!quiet.stderr.contains("using"), "{page}: {quiet:?}");
    }
}

/// `serve` and `config` read what lies in the working directory, and name it.
#[test]
fn who_reads_what_is_here_says_so() {
    let place = Place::with_keys();
    let port = reserved_port();
    place.write("magicproxy.toml", &format!("listen = '127.0.0.1:{port}'\n"));
    let serving = place.bare(&["serve", "--log-format", "pretty"]).spawn();
    // It listens when it has said everything.
    let mut tries = 0;
    while TcpStream::connect(("127.0.0.1", port)).is_err() && tries < 6_000 {
        std::thread::sleep(std::time::Duration::from_millis(20));
        tries += 1;
    }
    let served = serving.terminate();
    let config = std::fs::canonicalize(place.path("magicproxy.toml")).unwrap();
    let said = format!("using the configuration of {}\n", config.display());
    assert!(
        served.stderr.contains(said.trim_end()) && served.stderr.contains("from keys/private.pem"),
        "{served:?}"
    );
    for command in ["check", "show"] {
        assert_eq!(place.bare(&["config", command]).output().stderr, said, "{command}");
    }
}
