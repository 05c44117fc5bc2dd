//! Running the built binary in a place of its own: an empty working directory, an empty environment.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

/// The credential that must never be seen in an output.
pub(crate) const SECRET: &str = "ghp_marked";

/// A working directory that is removed afterwards.
pub(crate) struct Place {
    folder: tempfile::TempDir,
}

/// What a run left behind.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Output {
    /// What standard error says besides the files that are used.
    pub(crate) fn said(&self) -> String {
        self.stderr
            .lines()
            .filter(|line| !line.starts_with("using "))
            .map(|line| format!("{line}\n"))
            .collect()
    }
}

/// A run that is being prepared.
pub(crate) struct Program {
    command: Command,
    stdin: String,
}

/// A run in progress.
pub(crate) struct Running {
    child: Child,
    /// What was read of its standard error so far.
    said: Vec<u8>,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// A place with `keys`, made once for all tests.
    pub(crate) fn with_keys() -> Self {
        static KEYS: OnceLock<BTreeMap<String, String>> = OnceLock::new();
        let keys = KEYS.get_or_init(|| {
            let place = Self::new();
            assert_eq!(place.program(&["keys", "generate", "--keys", "keys"]).output().code, 0);
            place
                .names("keys")
                .into_iter()
                .map(|name| (name.clone(), place.read(&format!("keys/{name}"))))
                .collect()
        });
        let place = Self::new();
        for (name, text) in keys {
            place.write(&format!("keys/{name}"), text);
            #[cfg(unix)]
            place.set_mode(&format!("keys/{name}"), 0o600);
        }
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        std::fs::write(self.path(name), text).unwrap();
    }

    /// A file with a token, for its owner's eyes.
    pub(crate) fn write_token(&self, name: &str, token: &str) {
        self.write(name, &format!("{token}\n"));
        #[cfg(unix)]
        self.set_mode(name, 0o600);
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    pub(crate) fn names(&self, folder: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.path(folder)).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[cfg(unix)]
    pub(crate) fn mode(&self, name: &str) -> u32 {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::metadata(self.path(name)).unwrap().permissions().mode() & 0o777
    }

    #[cfg(unix)]
    pub(crate) fn set_mode(&self, name: &str, mode: u32) {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(self.path(name), std::fs::Permissions::from_mode(mode)).unwrap();
    }

    /// A line as a document prints it, in which `magicproxy` is the program.
    pub(crate) fn shell(&self, line: &str) -> Program {
        let program = self.program(&[]);
        let line = line.replacen("magicproxy", env!("CARGO_BIN_EXE_magicproxy"), 1);
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", &line])
            .current_dir(self.folder.path())
            .env_clear()
            .env("HOME", self.path("home"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Program { command, ..program }
    }

    /// A run with the configuration and the keys that lie here. Commands other than `serve` and `config` do not look for them,
    /// so the environment names them.
    pub(crate) fn program(&self, args: &[&str]) -> Program {
        let mut program = self.bare(args);
        let looks = matches!(args.first(), Some(&("serve" | "config")));
        for (name, flag, file) in [
            ("MAGICPROXY_CONFIG", "--config", "magicproxy.toml"),
            ("MAGICPROXY_KEYS", "--keys", "keys/private.pem"),
        ] {
            if !looks && !args.contains(&flag) && self.path(file).exists() {
                program = program.env(name, file.trim_end_matches("/private.pem"));
            }
        }
        program
    }

    /// A run of which nothing here is named.
    pub(crate) fn bare(&self, args: &[&str]) -> Program {
        let mut command = Command::new(env!("CARGO_BIN_EXE_magicproxy"));
        command
            .args(args)
            .current_dir(self.folder.path())
            .env_clear()
            .env("HOME", self.path("home"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Program { command, stdin: String::new() }
    }
}

impl Program {
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    pub(crate) fn current_dir(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    pub(crate) fn stdin(mut self, text: &str) -> Self {
        text.clone_into(&mut self.stdin);
        self
    }

    pub(crate) fn output(self) -> Output {
        let stdin = self.stdin.clone();
        let mut running = self.spawn();
        // A program that does not read is free not to.
        let _ = running.child.stdin.take().unwrap().write_all(stdin.as_bytes());
        running.end()
    }

    pub(crate) fn spawn(mut self) -> Running {
        Running { child: self.command.spawn().unwrap(), said: Vec::new() }
    }
}

impl Running {
    /// SIGTERM, and what came of it.
    pub(crate) fn terminate(self) -> Output {
        let killed = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(killed.success());
        self.end()
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let sent =
            Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success(), "{name}");
    }

    /// Reads standard output until it holds this, and gives all of it.
    pub(crate) fn printed(&mut self, part: &str) -> String {
        let mut text = Vec::new();
        while !String::from_utf8_lossy(&text).contains(part) {
            let mut byte = [0];
            let read = self.child.stdout.as_mut().unwrap().read(&mut byte).unwrap();
            assert_eq!(
                read,
                1,
                "it ended before it printed {part:?}: {}",
                String::from_utf8_lossy(&text)
            );
            text.push(byte[0]);
        }
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Its status, once it ends of itself, though nobody reads what it says.
    pub(crate) fn end_unread(mut self) -> i32 {
        for _ in 0..6_000 {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().unwrap_or(-1);
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        self.child.kill().unwrap();
        panic!("it does not end while nobody reads its standard error");
    }

    /// Reads standard error until a line holds this, and gives the line.
    pub(crate) fn line(&mut self, part: &str) -> String {
        let mut line = Vec::new();
        loop {
            let mut byte = [0];
            let read = self.child.stderr.as_mut().unwrap().read(&mut byte).unwrap();
            assert_eq!(
                read,
                1,
                "it ended before it said {part:?}: {}",
                String::from_utf8_lossy(&self.said)
            );
            self.said.push(byte[0]);
            line.push(byte[0]);
            if byte[0] != b'\n' {
                continue;
            }
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            if text.contains(part) {
                return text;
            }
            line.clear();
        }
    }

    /// Waits until it ends of itself.
    pub(crate) fn end(self) -> Output {
        let output = self.child.wait_with_output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let stderr = [self.said, output.stderr].concat();
        let output = Output {
            code: output.status.code().unwrap_or(-1),
            stdout: text(&output.stdout),
            stderr: text(&stderr),
        };
        assert!(
            !output.stdout.contains(SECRET) && !output.stderr.contains(SECRET),
            "the credential is shown: {output:?}"
        );
        assert!(!output.stderr.contains('\u{1b}'), "colour without a terminal: {output:?}");
        output
    }
}

/// Runs one case of a data file.
pub(crate) fn run_case(case: &toml::Value) -> Result<(), String> {
    let text = |value: &toml::Value| value.as_str().unwrap_or_default().to_owned();
    let list = |name: &str| -> Vec<String> {
        case.get(name).and_then(toml::Value::as_array).into_iter().flatten().map(text).collect()
    };
    let table =
        |name: &str| case.get(name).and_then(toml::Value::as_table).cloned().unwrap_or_default();
    let place = if case.get("keys").is_some() { Place::with_keys() } else { Place::new() };
    for (name, content) in table("files") {
        place.write(&name, &text(&content));
    }
    let args = list("args");
    let mut program = place.program(&args.iter().map(String::as_str).collect::<Vec<_>>());
    for (name, value) in table("env") {
        program = program.env(&name, &text(&value));
    }
    let output = program.stdin(&case.get("stdin").map(text).unwrap_or_default()).output();
    let expected = case.get("code").and_then(toml::Value::as_integer).unwrap_or(0);
    if i64::from(output.code) != expected {
        return Err(format!("exit code {}, expected {expected}: {output:?}", output.code));
    }
    // miette breaks lines; what is expected may stand across a break.
    let flat = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    for (stream, name) in [(&output.stdout, "stdout"), (&output.stderr, "stderr")] {
        for part in list(name) {
            if !stream.contains(&part) && !flat(stream).contains(&flat(&part)) {
                return Err(format!("{name} lacks `{part}`: {output:?}"));
            }
        }
    }
    let lines = case.get("lines").and_then(toml::Value::as_integer);
    if lines.is_some_and(|lines| i64::try_from(output.stdout.lines().count()) != Ok(lines)) {
        return Err(format!("{} lines on stdout: {output:?}", output.stdout.lines().count()));
    }
    match list("created").iter().find(|name| !place.path(name).exists()) {
        Some(name) => Err(format!("`{name}` was not created")),
        None => Ok(()),
    }
}
