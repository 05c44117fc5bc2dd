//! A real Valkey on a Unix socket in a folder of its own, or on ports that are free, ended with the test.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Debug)]
pub(crate) struct Valkey {
    folder: TempDir,
    arguments: Vec<String>,
    child: Child,
}

impl Valkey {
    /// On a socket; none where no server is to be had, which fails in CI.
    pub(crate) fn start(arguments: &[&str]) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("s").display().to_string();
        let own = ["--port", "0", "--unixsocket", &socket, "--unixsocketperm", "700"];
        Self::start_in(folder, &[&own, arguments].concat())
    }

    /// With whatever is said; `{dir}` stands for the folder.
    pub(crate) fn start_in(folder: TempDir, arguments: &[&str]) -> Option<Self> {
        let program = program()?;
        let arguments: Vec<String> = arguments
            .iter()
            .map(|word| word.replace("{dir}", &folder.path().display().to_string()))
            .collect();
        let child = spawn(&program, folder.path(), &arguments);
        let valkey = Self { folder, arguments, child };
        if valkey.socket().exists() || valkey.arguments.iter().any(|word| word == "--unixsocket") {
            valkey.wait();
        }
        Some(valkey)
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("s")
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn url(&self) -> String {
        format!("unix:{}", self.socket().display())
    }

    /// As `kill -9` does.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// The same server, in the same folder.
    pub(crate) fn start_again(&mut self) {
        // What a killed server leaves would be taken for a live one.
        drop(std::fs::remove_file(self.socket()));
        self.child = spawn(&program().unwrap(), self.folder.path(), &self.arguments);
        self.wait();
    }

    fn wait(&self) {
        let deadline = Instant::now() + PATIENCE;
        let client = redis::Client::open(self.url()).unwrap();
        while client
            .get_connection()
            .and_then(|mut to| redis::cmd("PING").query::<String>(&mut to))
            .is_err()
        {
            assert!(Instant::now() < deadline, "no Valkey in {}", self.folder.path().display());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// A command, past the store.
    pub(crate) fn raw<T: redis::FromRedisValue>(&self, words: &[&str]) -> T {
        raw(&self.url(), words)
    }
}

pub(crate) fn raw<T: redis::FromRedisValue>(url: &str, words: &[&str]) -> T {
    try_raw(url, words).unwrap()
}

pub(crate) fn try_raw<T: redis::FromRedisValue>(
    url: &str,
    words: &[&str],
) -> redis::RedisResult<T> {
    let mut connection = redis::Client::open(url)?.get_connection()?;
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]);
    command.query(&mut connection)
}

/// Waits until a server on a port answers.
pub(crate) fn wait_for(url: &str) {
    let deadline = Instant::now() + PATIENCE;
    while try_raw::<String>(url, &["PING"]).is_err() {
        assert!(Instant::now() < deadline, "no server at {url}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Ports that are free now.
pub(crate) fn free_ports<const N: usize>() -> [u16; N] {
    let listeners: [TcpListener; N] =
        std::array::from_fn(|_| TcpListener::bind(("127.0.0.1", 0)).unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

impl Drop for Valkey {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn spawn(program: &Path, folder: &Path, arguments: &[String]) -> Child {
    let mut command = Command::new(program);
    let log = std::fs::File::create(folder.join("log")).unwrap();
    // A configuration file, for those that are given none: Sentinel writes its own.
    command.args(arguments).arg("--dir").arg(folder).args(["--save", ""]);
    command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap()
}

fn program() -> Option<PathBuf> {
    let given = std::env::var_os("MAGICPROXY_TEST_VALKEY").filter(|path| !path.is_empty());
    if given.is_none() {
        let ci = std::env::var("CI").is_ok_and(|ci| ci == "true" || ci == "1");
        assert!(!ci, "MAGICPROXY_TEST_VALKEY does not name a valkey-server");
        eprintln!(
            "skipped: MAGICPROXY_TEST_VALKEY names no valkey-server; `cargo xtask test unit` installs one"
        );
    }
    given.map(PathBuf::from)
}
