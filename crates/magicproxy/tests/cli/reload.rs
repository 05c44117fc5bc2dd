//! A running proxy that reads its configuration again: by the admin socket, by SIGHUP, under load.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use crate::program::{Output, Place, Running, SECRET};

/// An API that answers everything with 200.
fn api() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let root = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            thread::spawn(move || {
                while head(&mut stream).is_some() {
                    let response = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
                    if stream.write_all(response).is_err() {
                        return;
                    }
                }
            });
        }
    });
    root
}

/// The bytes up to the end of a head; `None` at the end of the connection.
fn head(stream: &mut TcpStream) -> Option<String> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    String::from_utf8(head).ok()
}

/// A proxy with keys, an admin socket `a`, and a scope `s` with these rules.
pub(crate) struct Serving {
    pub(crate) place: Place,
    pub(crate) running: Running,
    port: String,
    pub(crate) root: String,
    token: String,
}

impl Serving {
    pub(crate) fn start(more: &str) -> Self {
        let (place, root) = (Place::with_keys(), api());
        place.write("magicproxy.toml", &config(&root, "GET /one", more));
        let mut running = place.program(&["serve", "--keys", "keys"]).spawn();
        let line = running.line(" listens on ");
        let port = line.split("127.0.0.1:").nth(1).unwrap();
        let port = port.chars().take_while(char::is_ascii_digit).collect();
        running.line("the admin listener is at");
        let minted = place
            .program(&["mint", "--scope", "s", "--credential-file", "-"])
            .stdin(SECRET)
            .output();
        assert_eq!(minted.code, 0, "{}", minted.stderr);
        Self { place, running, port, root, token: minted.stdout.trim().to_owned() }
    }

    pub(crate) fn write(&self, rule: &str, more: &str) {
        self.place.write("magicproxy.toml", &config(&self.root, rule, more));
    }

    pub(crate) fn reload(&self, args: &[&str]) -> Output {
        self.place.program(&[&["reload"], args].concat()).output()
    }

    pub(crate) fn connect(&self) -> Client {
        let stream = TcpStream::connect(format!("127.0.0.1:{}", self.port)).unwrap();
        Client { stream, token: self.token.clone() }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.running.signal("KILL");
    }
}

pub(crate) fn config(root: &str, rule: &str, more: &str) -> String {
    format!(
        "listen = '127.0.0.1:0'\n{more}\n[admin]\nlisten = 'unix:a'\n[upstream]\napi_root = '{root}'\n[scopes]\ns = ['{rule}']\n"
    )
}

/// A kept connection.
pub(crate) struct Client {
    stream: TcpStream,
    token: String,
}

impl Client {
    pub(crate) fn status(&mut self, path: &str) -> u16 {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n\r\n",
            self.token
        );
        self.stream.write_all(request.as_bytes()).unwrap();
        let head = head(&mut self.stream).unwrap();
        let length = head
            .lines()
            .find_map(|line| {
                line.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned)
            })
            .map_or(0, |length| length.parse().unwrap());
        self.stream.read_exact(&mut vec![0; length]).unwrap();
        if head.to_ascii_lowercase().contains("\r\nconnection: close\r\n") {
            // After many refusals, a connection ends with its response.
            self.stream = TcpStream::connect(self.stream.peer_addr().unwrap()).unwrap();
        }
        head.split(' ').nth(1).unwrap().parse().unwrap()
    }
}

#[test]
fn a_kept_connection_has_the_new_configuration() {
    let serving = Serving::start("");
    let mut client = serving.connect();
    assert_eq!((client.status("/one"), client.status("/two")), (200, 403));
    serving.write("GET /two", "");
    let told = serving.reload(&[]);
    assert_eq!(told.code, 0, "{told:?}");
    assert!(told.stdout.contains("changed: `scopes.s`\n"), "{told:?}");
    assert!(told.stdout.contains(": its tokens are verified anew\n"), "{told:?}");
    assert!(told.stdout.ends_with("the new configuration is in force\n"), "{told:?}");
    assert_eq!((client.status("/one"), client.status("/two")), (403, 200));
    let told = serving.reload(&["--json"]);
    assert_eq!(told.code, 0);
    let report: serde_json::Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!(
        (&report["outcome"], &report["faults"]),
        (&"unchanged".into(), &serde_json::json!([]))
    );
    let lines = report["lines"].as_array().unwrap();
    assert!(lines.iter().all(|line| line.as_str().unwrap().starts_with("warning: ")), "{report}");
}

#[test]
fn faults_change_nothing_and_are_told_with_their_lines() {
    let mut serving = Serving::start("");
    let mut client = serving.connect();
    serving.place.write(
        "magicproxy.toml",
        &format!(
            "{}\nwrong = 1\n[timeouts]\nconnect = 'soon'\n",
            config(&serving.root, "GET /two", "")
                .replace("[scopes]", "[mint]\npolicy = 'maybe'\n[scopes]")
        ),
    );
    let told = serving.reload(&[]);
    assert_eq!(
        (told.code, told.stdout.as_str()),
        (78, "the old configuration stays in force\n"),
        "{told:?}"
    );
    // The same excerpts as `config check` has, as far as they are about the file.
    let checked = serving.place.program(&["config", "check", "--keys", "keys"]).output();
    assert_eq!(checked.code, 78);
    for part in ["maybe", "soon", "magicproxy.toml:"] {
        assert!(told.stderr.contains(part) && checked.stderr.contains(part), "{part}: {told:?}");
    }
    let json = serving.reload(&["--json"]);
    let report: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((json.code, report["outcome"].as_str()), (78, Some("refused")));
    assert!(report["faults"].as_array().unwrap().len() >= 2, "{report}");
    assert_eq!((client.status("/one"), client.status("/two")), (200, 403));
    serving.running.line("the old configuration stays in force");
    // A file that is empty, or gone, is no configuration of defaults.
    for empty in ["", "# nothing\n"] {
        serving.place.write("magicproxy.toml", empty);
        hang_up(&mut serving, "has no settings any more");
        assert_eq!((client.status("/one"), client.status("/two")), (200, 403));
    }
    std::fs::remove_file(serving.place.path("magicproxy.toml")).unwrap();
    let pid = serving.running.id().to_string();
    let sent = serving.place.program(&["reload", "--pid", &pid]).output();
    assert_eq!(sent.code, 0, "{sent:?}");
    serving.running.line("it is gone");
    assert_eq!((client.status("/one"), client.status("/two")), (200, 403));
}

/// Sends SIGHUP, and waits for a line of the log.
fn hang_up(serving: &mut Serving, line: &str) {
    let pid = serving.running.id().to_string();
    let sent = serving.reload(&["--pid", &pid]);
    assert_eq!(sent.code, 0, "{sent:?}");
    serving.running.line(line);
}

#[test]
fn a_signal_does_the_same_and_many_are_few() {
    let mut serving = Serving::start("");
    let mut client = serving.connect();
    serving.write("GET /two", "");
    hang_up(&mut serving, "the new configuration is in force");
    assert_eq!((client.status("/one"), client.status("/two")), (403, 200));
    let pid = serving.running.id().to_string();
    for _ in 0..100 {
        let killed = std::process::Command::new("kill").args(["-HUP", &pid]).status().unwrap();
        assert!(killed.success());
    }
    serving.write("GET /one", "");
    assert_eq!(serving.reload(&[]).code, 0);
    assert_eq!((client.status("/one"), client.status("/two")), (200, 403));
    for (pid, code) in [("0", 2), ("-1", 2), ("2147483647", 1)] {
        assert_eq!(serving.reload(&[&format!("--pid={pid}")]).code, code, "{pid}");
    }
}

#[test]
fn what_needs_a_restart_is_named_and_the_rest_holds() {
    let serving = Serving::start("[limits]\nworkers = 2\n[log]\nlevel = 'info'");
    let mut client = serving.connect();
    serving.write("GET /two", "[limits]\nworkers = 3\nexchanges = 99\n[log]\nlevel = 'warn'");
    let told = serving.reload(&[]);
    assert_eq!(told.code, 0, "{told:?}");
    let named: Vec<&str> = told.stderr.lines().filter(|line| line.starts_with("needs")).collect();
    assert_eq!(named, ["needs a restart: `limits.workers`", "needs a restart: `log.level`"]);
    assert!(told.stdout.contains("changed: `limits.exchanges`\n"), "{told:?}");
    assert_eq!((client.status("/one"), client.status("/two")), (403, 200));
    // It is named until the restart has come.
    let again = serving.reload(&[]);
    assert!(again.stderr.contains("needs a restart: `limits.workers`"), "{again:?}");
}

/// A change that is nowhere in force is no "has not changed": the keys are named, in the log, too.
#[test]
fn settings_that_all_need_a_restart_are_named() {
    for (key, line) in [
        ("listen", "listen = '127.0.0.1:1'\n"),
        ("log.level", "[log]\nlevel = 'error'\n"),
        ("limits.workers", "[limits]\nworkers = 1\n"),
        ("state.store", "[state]\nstore = 'none'\n"),
        ("tokens.revocations", "[tokens]\nrevocations = 'other.json'\n"),
    ] {
        let mut serving = Serving::start("");
        let text = config(&serving.root, "GET /one", line);
        let text =
            if key == "listen" { text.replacen("listen = '127.0.0.1:0'\n", "", 1) } else { text };
        serving.place.write("magicproxy.toml", &text);
        let told = serving.reload(&[]);
        let last = format!("what has changed waits for a restart: `{key}`\n");
        assert_eq!((told.code, told.stdout.as_str()), (0, last.as_str()), "{told:?}");
        assert!(told.stderr.contains(&format!("needs a restart: `{key}`\n")), "{told:?}");
        serving.running.signal("TERM");
        assert!(serving.running.line("what has changed waits").contains(&format!("`{key}`")));
    }
}

/// The new file is right, and what would run until the restart is not: others could mint in clear.
#[test]
fn what_contradicts_the_settings_that_stay_is_refused() {
    let (place, root) = (Place::with_keys(), api());
    let config = |listen: &str, mint: &str| {
        format!(
            "listen = '{listen}'\n[admin]\nlisten = 'unix:a'\n[upstream]\napi_root = '{root}'\n[mint]\npolicy = '{mint}'\n[tokens]\naccept = ['v1']\n"
        )
    };
    place.write("magicproxy.toml", &config("0.0.0.0:0", "closed"));
    let mut running = place.program(&["serve", "--keys", "keys"]).spawn();
    running.line("the admin listener is at");
    place.write("magicproxy.toml", &config("127.0.0.1:0", "open"));
    let told = place.program(&["reload"]).output();
    assert_eq!(told.code, 78, "{told:?}");
    running.signal("KILL");
    for part in ["in the clear", "`listen`", "restart the proxy"] {
        assert!(told.stderr.contains(part), "{part}: {told:?}");
    }
}

#[test]
fn without_a_proxy_or_a_socket_the_command_says_so() {
    let place = Place::with_keys();
    place.write("magicproxy.toml", "[admin]\nlisten = 'unix:a'\n");
    let told = place.program(&["reload"]).output();
    assert_eq!(told.code, 1);
    assert!(told.stderr.contains("no proxy can be asked at `"), "{told:?}");
    place.write("magicproxy.toml", "[admin]\nlisten = '127.0.0.1:5001'\n");
    let told = place.program(&["reload"]).output();
    assert_eq!(told.code, 1);
    assert!(told.stderr.contains("unix:PATH") && told.stderr.contains("--pid"), "{told:?}");
}

/// Requests on kept connections while the configuration flips twenty times: each is answered, in the
/// sense of a configuration that was in force while it ran.
#[test]
fn no_request_is_lost_or_old_under_load() {
    const FLIPS: usize = 20;
    const BETWEEN: usize = 40;
    let serving = Serving::start("");
    let (sent, answered) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (begun, reported) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let done = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let mut client = serving.connect();
            let (sent, answered, done) =
                (Arc::clone(&sent), Arc::clone(&answered), Arc::clone(&done));
            let (begun, reported) = (Arc::clone(&begun), Arc::clone(&reported));
            thread::spawn(move || {
                while !done.load(Ordering::SeqCst) {
                    for (parity, page) in ["/one", "/two"].into_iter().enumerate() {
                        let from = reported.load(Ordering::SeqCst);
                        sent.fetch_add(1, Ordering::SeqCst);
                        let status = client.status(page);
                        answered.fetch_add(1, Ordering::SeqCst);
                        let until = begun.load(Ordering::SeqCst);
                        assert!([200, 403].contains(&status), "{status}");
                        let in_force = |number: usize| (number % 2 == parity) == (status == 200);
                        assert!(
                            (from..=until).any(in_force),
                            "{page}: {status} in none of {from} to {until}"
                        );
                    }
                }
            })
        })
        .collect();
    for number in 1..=FLIPS {
        let enough = answered.load(Ordering::SeqCst) + BETWEEN;
        while answered.load(Ordering::SeqCst) < enough {
            assert!(!clients.iter().any(thread::JoinHandle::is_finished), "a client has failed");
            thread::yield_now();
        }
        serving.write(if number % 2 == 0 { "GET /one" } else { "GET /two" }, "");
        begun.store(number, Ordering::SeqCst);
        let told = serving.reload(&[]);
        assert_eq!(told.code, 0, "{told:?}");
        reported.store(number, Ordering::SeqCst);
    }
    done.store(true, Ordering::SeqCst);
    clients.into_iter().for_each(|client| client.join().unwrap());
    let (sent, answered) = (sent.load(Ordering::SeqCst), answered.load(Ordering::SeqCst));
    assert!(sent == answered && answered >= FLIPS * BETWEEN, "{sent} sent, {answered} answered");
}
