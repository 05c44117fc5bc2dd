//! `backup` of a proxy that runs, and `restore` of what it made: `docs/spec/state-store.md` section 8.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::program::{Output, Place, Running, SECRET};

/// An API that answers everything with 200.
fn api() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                let mut buffer = [0; 4096];
                // Requests of these tests come in one piece.
                while stream.read(&mut buffer).is_ok_and(|read| read > 0) {
                    let response = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
                    if stream.write_all(response).is_err() {
                        return;
                    }
                }
            });
        }
    });
    format!("http://{address}")
}

struct Proxy {
    running: Running,
    address: String,
}

impl Proxy {
    fn start(place: &Place) -> Self {
        let mut running =
            place.program(&["serve", "--keys", "keys", "--log-level", "error"]).spawn();
        // The line of the address is of level info.
        while !place.path("a").exists() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        let address = place.read("address");
        let _ = &mut running;
        Self { running, address }
    }

    /// The status of a request with this token.
    fn ask(&self, token: &str) -> u16 {
        let head = format!(
            "GET /user HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
        );
        let response = crate::exchange(&self.address, &head);
        response.split(' ').nth(1).unwrap().parse().unwrap()
    }

    fn end(self) {
        let ended = self.running.terminate();
        assert_eq!(ended.code, 0, "{ended:?}");
    }
}

/// A place with keys and a configuration with a file of state and an admin socket.
fn place() -> Place {
    let place = Place::with_keys();
    let address = format!("127.0.0.1:{}", crate::ports::reserved_port());
    place.write("address", &address);
    place.write(
        "magicproxy.toml",
        &format!(
            "listen = '{address}'\nupstream.api_root = '{}'\nstate.path = 'state.redb'\nadmin.listen = 'unix:a'\n",
            api()
        ),
    );
    place
}

fn mint(place: &Place, limit: &[&str]) -> String {
    let command = ["mint", "--credential-env", "SECRET", "--allow", "GET /user"];
    let minted = place.program(&[&command[..], limit].concat()).env("SECRET", SECRET).output();
    assert_eq!(minted.code, 0, "{minted:?}");
    minted.stdout.trim().to_owned()
}

#[track_caller]
fn ok(place: &Place, args: &[&str]) -> Output {
    let done = place.program(args).output();
    assert_eq!(done.code, 0, "{args:?}: {done:?}");
    done
}

#[track_caller]
fn refused(place: &Place, args: &[&str], code: i32, part: &str) {
    let done = place.program(args).output();
    assert_eq!(done.code, code, "{args:?}: {done:?}");
    let said = done.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains(part), "{part} in {done:?}");
}

/// What lies in the folder and is no work of the test's.
fn leftovers(place: &Place) -> Vec<String> {
    let names = place.names("");
    names
        .into_iter()
        .filter(|name| name.contains("new") || name.contains("part") || name.contains("copy"))
        .collect()
}

fn revoke(place: &Place, token: &str, undo: &[&str]) {
    place.write_token("t", token);
    ok(place, &[&["revoke", "--token", "@t"], undo].concat());
}

#[test]
fn an_older_copy_revives_no_revoked_token_and_forgets_uses_only_where_that_is_said() {
    let place = place();
    let limited = mint(&place, &["--limit", "total=2"]);
    let [early, late, undone] = [0; 3].map(|_| mint(&place, &[]));
    let proxy = Proxy::start(&place);
    assert_eq!(proxy.ask(&limited), 200);
    revoke(&place, &early, &[]);
    revoke(&place, &undone, &[]);
    let made = ok(&place, &["backup", "--to", "b"]);
    assert!(made.stderr.contains("2 revocations"), "{made:?}");
    assert_eq!(place.mode("b"), 0o600);
    refused(&place, &["backup", "--to", "b"], 2, "is not overwritten");
    // What happens after the backup: the limit is used up, a token more is revoked, one less.
    assert_eq!(proxy.ask(&limited), 200);
    assert_eq!(proxy.ask(&limited), 403);
    revoke(&place, &late, &[]);
    revoke(&place, &undone, &["--undo"]);
    refused(&place, &["restore", "b"], 1, "stop the proxy first");
    proxy.end();
    refused(&place, &["restore", "b"], 1, "--accept-older");
    let proxy = Proxy::start(&place);
    assert_eq!(proxy.ask(&limited), 403, "a refusal changes nothing");
    proxy.end();
    let restored = ok(&place, &["restore", "b", "--accept-older"]);
    assert!(restored.stderr.contains("and 1 revocations that were not there"), "{restored:?}");
    assert!(
        restored.stderr.contains("uses counted since the backup are forgotten"),
        "{restored:?}"
    );
    let kept =
        place.names("").into_iter().filter(|name| name.starts_with("state.redb.before-restore-"));
    assert_eq!(kept.count(), 1);
    assert_eq!(place.mode("state.redb"), 0o600);
    let proxy = Proxy::start(&place);
    for token in [&early, &late, &undone] {
        assert_eq!(proxy.ask(token), 401, "what was revoked stays revoked");
    }
    // The use before the backup counts, the one after it is forgotten.
    assert_eq!([proxy.ask(&limited), proxy.ask(&limited)], [200, 403]);
    proxy.end();
    assert_eq!(leftovers(&place), [""; 0]);
}

#[test]
fn where_the_revocations_are_lost_somebody_must_say_so() {
    let place = place();
    let (token, limited) = (mint(&place, &[]), mint(&place, &["--limit", "total=1"]));
    let proxy = Proxy::start(&place);
    assert_eq!(proxy.ask(&limited), 200);
    revoke(&place, &token, &[]);
    ok(&place, &["backup", "--to", "b"]);
    proxy.end();
    // The disk is lost.
    for name in ["state.redb", "keys/revocations.json"] {
        std::fs::remove_file(place.path(name)).unwrap();
    }
    refused(&place, &["restore", "b"], 1, "would be accepted again");
    assert!(!place.path("state.redb").exists());
    let restored = ok(&place, &["restore", "b", "--accept-older"]);
    assert!(restored.stderr.contains("revocations since the backup are lost"), "{restored:?}");
    let proxy = Proxy::start(&place);
    assert_eq!((proxy.ask(&token), proxy.ask(&limited)), (401, 403));
    proxy.end();
    // With the revocations still there, a lost store is put back without more words.
    std::fs::remove_file(place.path("state.redb")).unwrap();
    ok(&place, &["restore", "b"]);
}

/// A file without a name is told of, and can be saved.
#[test]
fn a_store_whose_file_was_deleted_is_saved() {
    let place = place();
    let limited = mint(&place, &["--limit", "total=1"]);
    let proxy = Proxy::start(&place);
    assert_eq!(proxy.ask(&limited), 200);
    std::fs::remove_file(place.path("state.redb")).unwrap();
    let mut socket = UnixStream::connect(place.path("a")).unwrap();
    socket.write_all(b"GET /readyz?verbose HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut told = String::new();
    socket.read_to_string(&mut told).unwrap();
    assert!(told.contains("\r\n\r\nready\n"), "{told}");
    assert!(told.contains("\nstore warning 0s its file was deleted"), "{told}");
    // A process that took over would find nothing.
    let mut proxy = proxy;
    proxy.running.signal("USR2");
    proxy.running.line("its rows are lost when this process closes it");
    assert_eq!(proxy.ask(&limited), 403);
    ok(&place, &["backup", "--to", "b"]);
    proxy.end();
    place.write("keys/revocations.json", "{\"revocations\":{}}");
    ok(&place, &["restore", "b"]);
    let proxy = Proxy::start(&place);
    assert_eq!(proxy.ask(&limited), 403);
    proxy.end();
}

/// A way for the file of the store to lose its name.
type LoseFile = fn(&Place);

/// Whatever has become of the file, a proxy that runs has the store: nothing is put in its place, and
/// the operator is told.
#[test]
fn a_proxy_that_has_lost_its_file_keeps_others_away() {
    let losses: [(&str, LoseFile); 2] = [
        ("was deleted", |place| std::fs::remove_file(place.path("state.redb")).unwrap()),
        ("was replaced by another file", |place| {
            std::fs::copy(place.path("state.redb"), place.path("copy")).unwrap();
            std::fs::rename(place.path("copy"), place.path("state.redb")).unwrap();
        }),
    ];
    for (told, lose) in losses {
        let place = place();
        let limited = mint(&place, &["--limit", "total=1"]);
        let mut proxy = Proxy::start(&place);
        assert_eq!(proxy.ask(&limited), 200);
        ok(&place, &["backup", "--to", "b"]);
        lose(&place);
        let found = || std::fs::read(place.path("state.redb")).ok();
        let before = found();
        for args in [&["restore", "b"][..], &["restore", "b", "--accept-older"]] {
            refused(&place, args, 1, "stop the proxy first");
        }
        assert_eq!(found(), before, "{told}");
        let mut socket = UnixStream::connect(place.path("a")).unwrap();
        socket.write_all(b"GET /readyz?verbose HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let mut ready = String::new();
        socket.read_to_string(&mut ready).unwrap();
        assert!(ready.contains(&format!("\nstore warning 0s its file {told}")), "{ready}");
        proxy.running.signal("USR2");
        proxy.running.line(&format!("{told}, and its rows are lost"));
        assert_eq!(proxy.ask(&limited), 403, "it serves on");
        proxy.end();
        place.write("keys/revocations.json", "{\"revocations\":{}}");
        ok(&place, &["restore", "b", "--accept-older"]);
        assert!(!place.path("state.redb.lock").exists());
    }
}

/// The proxy works on while it is copied, and each copy is whole: a use is in it or not.
#[test]
fn a_copy_is_of_one_moment() {
    let place = place();
    let limited = mint(&place, &["--limit", "total=100000"]);
    let proxy = Proxy::start(&place);
    assert_eq!(proxy.ask(&limited), 200);
    let done = Arc::new(AtomicBool::new(false));
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            let mut asked = 0;
            while !done.load(Ordering::Relaxed) {
                assert_eq!(proxy.ask(&limited), 200);
                asked += 1;
            }
            asked
        });
        for number in 0..5 {
            // A backup that was made was opened and checked, row by row.
            ok(&place, &["backup", "--to", &format!("b{number}")]);
        }
        done.store(true, Ordering::Relaxed);
        assert!(worker.join().unwrap() > 0);
    });
    proxy.end();
    for number in 0..5 {
        ok(&place, &["restore", &format!("b{number}"), "--accept-older"]);
    }
    assert_eq!(leftovers(&place), [""; 0]);
}

#[test]
fn what_is_no_whole_backup_is_not_put_back() {
    let place = place();
    let limited = mint(&place, &["--limit", "total=1"]);
    let proxy = Proxy::start(&place);
    assert_eq!(proxy.ask(&limited), 200);
    revoke(&place, &mint(&place, &[]), &[]);
    ok(&place, &["backup", "--to", "b"]);
    proxy.end();
    let whole = std::fs::read(place.path("b")).unwrap();
    // Another token would be revoked instead.
    let mut other = whole.clone();
    let at = whole.windows(6).position(|bytes| bytes == b"chain:").unwrap() + 6;
    other[at] = if other[at] == b'0' { b'1' } else { b'0' };
    let mut cases = vec![
        ("empty", Vec::new()),
        ("another revocation", other),
        ("text", b"no database".to_vec()),
        ("half", whole[..whole.len() / 2].to_vec()),
        ("store", std::fs::read(place.path("state.redb")).unwrap()),
    ];
    // A byte in each page, beginning with the magic number.
    for at in (0..whole.len()).step_by(4_096) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0xff;
        cases.push(("damaged", damaged));
    }
    let put_back = || {
        let names = place.names("").into_iter();
        names.filter(|name| name.starts_with("state.redb.before-restore-")).count()
    };
    let mut whole_ones = 0;
    for (what, bytes) in cases {
        std::fs::write(place.path("x"), &bytes).unwrap();
        let done = place.program(&["restore", "x", "--accept-older"]).output();
        // A byte of a page that nothing uses damages nothing.
        if what == "damaged" && done.code == 0 {
            whole_ones = put_back();
            continue;
        }
        assert_eq!(done.code, 1, "{what}: {done:?}");
        assert!(done.stderr.contains("backup `x`: "), "{what}: {done:?}");
        assert!(!done.stderr.contains("panicked"), "{what}: {done:?}");
        assert_eq!(put_back(), whole_ones, "{what}");
    }
    assert_eq!(leftovers(&place), [""; 0]);
    assert!(std::fs::read(place.path("b")).unwrap() == whole, "the backup itself is not touched");
    let proxy = Proxy::start(&place);
    assert_eq!(proxy.ask(&limited), 403);
    proxy.end();
}

#[test]
fn a_proxy_without_a_file_of_state_or_a_socket_says_so() {
    let place = Place::with_keys();
    place.write("magicproxy.toml", "admin.listen = '127.0.0.1:1'\n");
    refused(&place, &["backup", "--to", "b"], 2, "admin.listen = \"unix:PATH\"");
    place.write("magicproxy.toml", "admin.listen = 'unix:a'\n");
    refused(&place, &["backup", "--to", "b"], 1, "does the proxy run?");
    place.write(
        "magicproxy.toml",
        "listen = '127.0.0.1:0'\nupstream.api_root = 'http://127.0.0.1:1'\nstate.store = 'memory'\nadmin.listen = 'unix:a'\n",
    );
    refused(&place, &["restore", "b"], 2, "is no file");
    let mut running = place.program(&["serve", "--keys", "keys"]).spawn();
    running.line("the admin listener is at");
    refused(
        &place,
        &["backup", "--to", "b"],
        1,
        "the proxy answered 409: the state store is no file",
    );
    assert_eq!(running.terminate().code, 0);
    assert!(!place.path("b").exists());
    assert_eq!(leftovers(&place), [""; 0]);
}
