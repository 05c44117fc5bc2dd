//! SIGUSR2: the program on disk takes over, and no request is lost.

mod load;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use super::ports::reserved_port;
use super::program::{Place, Running, SECRET};
use super::{exchange, mint};
use load::{Load, Upstream};

const ASK: &str = "GET /__magictoken HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// A proxy with a program file of its own, and the processes that take its place. All of them end with the value.
struct Family {
    running: Running,
    /// The process that serves.
    serving: u32,
}

impl Family {
    /// `serve`, by a file `magicproxy` of this place that may be replaced.
    fn start(place: &Place, variables: &[(&str, &str)]) -> Self {
        if !place.path("magicproxy").exists() {
            install(place);
        }
        let started = place.path("magicproxy").display().to_string();
        let program = place.program(&["serve", "--config", "magicproxy.toml", "--keys", "keys"]);
        let program =
            variables.iter().fold(program, |program, (name, value)| program.env(name, value));
        let mut running = program.by(&started).in_a_group().spawn();
        running.line(" listens on ");
        let serving = running.id();
        Self { running, serving }
    }

    /// Waits until the next process serves.
    fn upgraded(&mut self) {
        self.signal("USR2");
        let line = self.running.line("; this one finishes its requests");
        let (_, process) = line.split_once("process ").unwrap();
        self.serving = process.split(' ').next().unwrap().parse().unwrap();
    }

    fn signal(&self, name: &str) {
        let process = self.serving.to_string();
        let sent = Command::new("kill").args(["-s", name, &process]).status().unwrap();
        assert!(sent.success(), "{name}");
    }

    /// The file that the serving process runs.
    fn file(&self) -> String {
        let link = std::fs::read_link(format!("/proc/{}/exe", self.serving)).unwrap();
        link.display().to_string()
    }
}

impl Drop for Family {
    fn drop(&mut self) {
        // Its first process is not waited for yet, so nothing else has its number.
        let group = format!("-{}", self.running.id());
        let _ = Command::new("kill").args(["-s", "KILL", "--", &group]).status();
    }
}

/// Puts the program there anew, as a package manager does: another file by the same name.
fn install(place: &Place) {
    let (new, file) = (place.path("magicproxy.new"), place.path("magicproxy"));
    // By a process of its own: a file that this one writes may be open in a child of another test at
    // the moment at which it is started ("text file busy").
    let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_magicproxy")).arg(&new).status();
    assert!(copied.unwrap().success());
    std::fs::rename(new, file).unwrap();
}

/// Puts a script in the place of the program.
fn install_script(place: &Place, script: &str) {
    let (new, file) = (place.path("magicproxy.new"), place.path("magicproxy"));
    let written = Command::new("/bin/sh")
        .args(["-c", "printf '#!/bin/sh\\n%s\\n' \"$1\" > \"$0\""])
        .arg(&new)
        .arg(script)
        .status();
    assert!(written.unwrap().success());
    std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::rename(new, file).unwrap();
}

/// A place for a proxy of this API, which listens at an address and at a Unix socket.
fn place(upstream: u16) -> (Place, String) {
    let place = Place::with_keys();
    let address = format!("127.0.0.1:{}", reserved_port());
    place.write(
        "magicproxy.toml",
        &format!(
            "listen = '{address}'\nupstream.api_root = 'http://127.0.0.1:{upstream}'\nupstream.websocket = true\n\
             [[listeners]]\nlisten = 'unix:api.sock'\nmode = '0640'\n"
        ),
    );
    (place, address)
}

/// Listens in systemd's place, and remembers all but the signs of life.
fn listen(path: &Path) -> Arc<Mutex<String>> {
    let manager = UnixDatagram::bind(path).unwrap();
    let heard = Arc::<Mutex<String>>::default();
    let remembered = Arc::clone(&heard);
    std::thread::spawn(move || {
        loop {
            let mut text = [0; 4096];
            let Ok(length) = manager.recv(&mut text) else { return };
            let text = std::str::from_utf8(&text[..length]).unwrap();
            if !text.contains("WATCHDOG") {
                remembered.lock().unwrap().push_str(text);
            }
        }
    });
    heard
}

fn is_served(response: &str) -> bool {
    response.starts_with("HTTP/1.1 200 ")
}

fn ask_unix(path: &Path) -> String {
    let mut stream = UnixStream::connect(path).unwrap();
    stream.write_all(ASK.as_bytes()).unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    response
}

/// A request on a connection of its own, as far as its status.
fn status(address: &str, token: &str, path: &str) -> u16 {
    let response = exchange(
        address,
        &format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
        ),
    );
    response
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .unwrap_or_else(|| panic!("{response:?}"))
}

/// A token for everything, within this limit.
fn limited(place: &Place, limit: &str) -> String {
    let command = ["mint", "--credential-env", "SECRET", "--allow", "GET /.*", "--limit", limit];
    let minted = place.program(&command).env("SECRET", SECRET).output();
    assert_eq!(minted.code, 0, "{minted:?}");
    minted.stdout.trim().to_owned()
}

#[test]
fn the_file_on_disk_takes_over_every_socket() {
    let (place, address) = place(1);
    let heard = listen(&place.path("notify"));
    let notify = place.path("notify").display().to_string();
    let own = [("NOTIFY_SOCKET", notify.as_str()), ("WATCHDOG_USEC", "100000")];
    let mut family = Family::start(&place, &own);
    let socket = place.path("api.sock");
    let inode =
        |path: &Path| std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(path).unwrap());
    let before = inode(&socket);
    for _ in 0..2 {
        install(&place);
        assert!(family.file().ends_with("magicproxy (deleted)"), "{}", family.file());
        family.upgraded();
        assert_eq!(family.file(), place.path("magicproxy").display().to_string());
        assert!(is_served(&exchange(&address, ASK)) && is_served(&ask_unix(&socket)));
        assert_eq!(
            (inode(&socket), place.mode("api.sock")),
            (before, 0o640),
            "it is the same socket"
        );
        // The process before tells the service manager who is the main one, who then speaks itself.
        let main = format!("MAINPID={}\nREADY=1\n", family.serving);
        while !heard.lock().unwrap().contains(&main) {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        assert!(!heard.lock().unwrap().contains("STOPPING"));
    }
    family.signal("TERM");
    family.running.line("stopping");
    while socket.exists() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert!(TcpStream::connect(&address).is_err());
}

#[test]
fn a_changed_configuration_takes_the_sockets_that_it_still_has() {
    let (place, address) = place(1);
    let mut family = Family::start(&place, &[]);
    let further = format!("127.0.0.1:{}", reserved_port());
    let text = place
        .read("magicproxy.toml")
        .replace("unix:api.sock", &further)
        .replace("mode = '0640'\n", "");
    place.write("magicproxy.toml", &text);
    family.upgraded();
    assert!(is_served(&exchange(&address, ASK)) && is_served(&exchange(&further, ASK)));
    while place.path("api.sock").exists() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

/// Whatever becomes of the successor, its clients notice nothing.
#[test]
fn a_successor_that_does_not_come_up_changes_nothing() {
    let (place, address) = place(1);
    let good = place.read("magicproxy.toml");
    let mut family = Family::start(&place, &[]);
    let socket = place.path("api.sock");
    let serves = |family: &Family| {
        assert_eq!(family.serving, family.running.id());
        assert!(is_served(&exchange(&address, ASK)) && is_served(&ask_unix(&socket)));
    };
    let mut fails = |reason: &str| {
        family.signal("USR2");
        let line = family.running.line("no successor: ");
        assert!(
            line.contains(reason) && line.contains("this process goes on"),
            "{reason} in {line}"
        );
        serves(&family);
    };
    install_script(&place, "exit 1");
    fails("it ended before it served");
    install_script(&place, "kill -KILL $$");
    fails("it ended before it served");
    install_script(&place, "echo nonsense >&0; sleep 600");
    fails("it ended before it served");
    std::fs::remove_file(place.path("magicproxy")).unwrap();
    fails("cannot start");
    std::fs::write(place.path("magicproxy"), "no program").unwrap();
    fails("cannot start");
    install(&place);
    place.write("magicproxy.toml", &format!("{good}\nnonsense = 1\n"));
    fails("nonsense");
    // With its place, as `config check` says it.
    fails(&format!("magicproxy.toml:{}:1: ", good.lines().count() + 2));
    place.write("magicproxy.toml", &good.replace("unix:api.sock", "unix:nowhere/api.sock"));
    fails("nowhere");
    // And then one does.
    place.write("magicproxy.toml", &good);
    family.upgraded();
    assert!(is_served(&exchange(&address, ASK)) && is_served(&ask_unix(&socket)));
}

#[test]
fn one_successor_is_started_at_a_time_and_an_end_comes_before_it() {
    let (place, address) = place(1);
    let mut family = Family::start(&place, &[]);
    // It never says anything.
    install_script(&place, "echo $$ > successor; exec sleep 600");
    family.signal("USR2");
    family.running.line("SIGUSR2: starting");
    let successor = loop {
        let found = std::fs::read_to_string(place.path("successor")).unwrap_or_default();
        if let Ok(process) = found.trim().parse::<u32>() {
            break process;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    };
    family.signal("USR2");
    family.running.line("a successor is being started already");
    assert!(is_served(&exchange(&address, ASK)));
    family.signal("TERM");
    family.running.line("stopping");
    // The successor is not left behind.
    while Path::new(&format!("/proc/{successor}/fd/0")).exists() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

/// Counts and leases are one thing, whichever process serves, and whichever began.
#[test]
fn the_state_store_goes_along() {
    let upstream = Upstream::start();
    let (place, address) = place(upstream.port);
    let mut family = Family::start(&place, &[]);
    let (three, one) = (limited(&place, "total=3"), limited(&place, "concurrent=1"));
    assert_eq!(status(&address, &three, "/a"), 200);
    // A stream that the first process serves to its end holds the only place.
    let mut stream = load::Stream::open(&address, &one);
    assert_eq!(status(&address, &one, "/a"), 429);
    family.upgraded();
    assert_eq!(status(&address, &three, "/a"), 200);
    assert_eq!(status(&address, &one, "/a"), 429, "the lease is known to the second process");
    family.upgraded();
    assert_eq!(status(&address, &three, "/a"), 200);
    assert_eq!(status(&address, &three, "/a"), 403, "the third process knows of all three");
    assert_eq!(status(&address, &one, "/a"), 429);
    stream.read_some();
    upstream.end_streams();
    stream.read_to_end();
    // Given back by the first process, by way of the second one, in the store of the third; the lease itself lasts for minutes.
    assert!((0..500).any(|_| status(&address, &one, "/a") == 200));
}

/// Open loop: requests are sent by the clock, whatever becomes of those before.
#[test]
fn no_request_is_lost_while_it_is_upgraded_three_times() {
    let upstream = Upstream::start();
    let (place, address) = place(upstream.port);
    let mut family = Family::start(&place, &[]);
    let token = mint(&place, &["GET /.*"]);
    let mut stream = load::Stream::open(&address, &token);
    let mut websocket = load::WebSocket::open(&address, &token);
    // One in three needs the state store, which passes from process to process.
    let counted = limited(&place, "total=1000000");
    let load = Load::start(&address, &[&token, &token, &counted]);
    load.until_answered(500);
    for _ in 0..3 {
        install(&place);
        family.upgraded();
        load.until_answered(500);
        // On the first process, which goes on for them.
        stream.read_some();
        websocket.echo();
    }
    let counts = load.stop();
    eprintln!("{counts:?}");
    assert_eq!(counts.failures, Vec::<String>::new());
    assert_eq!(counts.sent, counts.answered);
    assert!(counts.new_connections >= 200 && counts.kept >= 200, "{counts:?}");
    upstream.end_streams();
    stream.read_to_end();
    websocket.close();
    drop(family);
}
