//! Sockets of systemd's, and what systemd is told: by a shell that passes descriptors as systemd does, by
//! `systemd-socket-activate` where there is one, and by a socket in systemd's place.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::Path;

use socket2::{Domain, Socket, Type};

use super::exchange;
use super::ports::reserved_port;
use super::program::{Place, Program};

const ASK: &str = "GET /__magictoken HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// `serve` with these two descriptors as systemd would pass them; the second may stay unannounced.
fn serve(place: &Place, variables: &str, [one, other]: [OwnedFd; 2], more: &str) -> Program {
    place
        .shell(&format!(
            "exec 3<&0 4>&1 0</dev/null 1>/dev/null; {variables} exec magicproxy serve --keys keys --api-root http://127.0.0.1:1 {more}"
        ))
        .stdin_of(one)
        .stdout_of(other)
}

const PASSED: &str = "LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=web:files";

fn ask_unix(path: &Path) -> String {
    let mut stream = UnixStream::connect(path).unwrap();
    stream.write_all(ASK.as_bytes()).unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    response
}

#[test]
fn listeners_take_the_sockets_with_their_addresses() {
    let place = Place::with_keys();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = tcp.local_addr().unwrap();
    let path = place.path("api.sock");
    let unix = UnixListener::bind(&path).unwrap();
    place.set_mode("api.sock", 0o640);
    let own = reserved_port();
    place.write(
        "magicproxy.toml",
        &format!(
            "listen = 'unix:api.sock'\n[[listeners]]\nlisten = '127.0.0.1:{own}'\n[[listeners]]\nlisten = '127.0.0.1:{}'\n",
            address.port()
        ),
    );
    // Such a client came before the proxy did, and waits.
    let mut early = TcpStream::connect(address).unwrap();
    early.write_all(ASK.as_bytes()).unwrap();
    let mut running =
        serve(&place, PASSED, [tcp.into(), unix.into()], "--config magicproxy.toml").spawn();
    let line = running.line(" listens on ");
    assert!(line.contains("api.sock") && line.contains(&address.to_string()), "{line}");
    let mut response = String::new();
    early.read_to_string(&mut response).unwrap();
    for response in [
        response,
        exchange(&address.to_string(), ASK),
        // One that nobody passed.
        exchange(&format!("127.0.0.1:{own}"), ASK),
        ask_unix(&path),
    ] {
        assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
    }
    assert_eq!(running.terminate().code, 0);
    // The file and its mode are systemd's.
    assert_eq!(place.mode("api.sock"), 0o640);
}

#[test]
fn a_socket_that_cannot_be_served_is_a_fault() {
    let place = Place::with_keys();
    let port = reserved_port();
    let listening = || -> OwnedFd { TcpListener::bind(("127.0.0.1", port)).unwrap().into() };
    let unbound = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    unbound.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobodys =
        format!("`{}` (`files`), and no listener has this address", other.local_addr().unwrap());
    std::fs::write(place.path("file"), "").unwrap();
    let kind = "passed `files` (descriptor 4): expected a listening stream socket";
    for (socket, expected) in [
        (OwnedFd::from(other), nobodys.as_str()),
        (UnixListener::bind(place.path("s")).unwrap().into(), "and no listener has this address"),
        (UdpSocket::bind("127.0.0.1:0").unwrap().into(), kind),
        (UnixDatagram::unbound().unwrap().into(), kind),
        (UnixStream::pair().unwrap().0.into(), kind),
        (unbound.into(), kind),
        (std::fs::File::open(place.path("file")).unwrap().into(), kind),
    ] {
        let listen = format!("--listen 127.0.0.1:{port}");
        let refused = serve(&place, PASSED, [listening(), socket], &listen).spawn().end();
        assert_eq!(refused.code, 78, "{refused:?}");
        let flat = refused.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat.contains(expected), "{expected} in {refused:?}");
    }
    for count in ["x", "-1", "257"] {
        let variables = format!("LISTEN_PID=$$ LISTEN_FDS={count}");
        let refused = serve(&place, &variables, [listening(), listening_elsewhere()], "");
        let refused = refused.spawn().end();
        assert_eq!(refused.code, 78, "{refused:?}");
        assert!(refused.stderr.contains(&format!("LISTEN_FDS `{count}`")), "{refused:?}");
    }
}

fn listening_elsewhere() -> OwnedFd {
    TcpListener::bind("127.0.0.1:0").unwrap().into()
}

/// A child of a service has its variables, and not its sockets.
#[test]
fn sockets_of_another_process_are_none() {
    let place = Place::with_keys();
    for variables in ["LISTEN_PID=1 LISTEN_FDS=2", "LISTEN_FDS=2", "LISTEN_PID=$$"] {
        let listen = format!("--listen 127.0.0.1:{}", reserved_port());
        let sockets = [listening_elsewhere(), listening_elsewhere()];
        let mut running = serve(&place, variables, sockets, &listen).spawn();
        running.line(" listens on ");
        assert_eq!(running.terminate().code, 0, "{variables}");
    }
}

/// Whoever waits longer than this hears nothing any more.
const SILENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// What the socket in systemd's place hears, until it has heard this.
fn hear(manager: &UnixDatagram, part: &str) -> String {
    manager.set_read_timeout(Some(SILENCE)).unwrap();
    loop {
        let mut text = [0; 4096];
        let length = manager.recv(&mut text).unwrap_or_else(|error| panic!("no {part}: {error}"));
        let text = String::from_utf8(text[..length].to_vec()).unwrap();
        if text.contains(part) {
            return text;
        }
    }
}

#[test]
fn systemd_is_told_of_the_beginning_the_life_and_the_end() {
    let place = Place::with_keys();
    let path = place.path("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    let port = reserved_port();
    let listen = format!("127.0.0.1:{port}");
    let running = place
        .program(&[
            "serve",
            "--keys",
            "keys",
            "--api-root",
            "http://127.0.0.1:1",
            "--listen",
            &listen,
        ])
        .env("NOTIFY_SOCKET", &path.display().to_string())
        .env("WATCHDOG_USEC", "100000")
        .spawn();
    let ready = hear(&manager, "READY=1");
    assert_eq!(ready, format!("READY=1\nSTATUS=serving on http://{listen}\n"));
    // It serves already.
    assert!(exchange(&listen, ASK).starts_with("HTTP/1.1 200 "));
    for _ in 0..3 {
        hear(&manager, "WATCHDOG=1");
    }
    running.signal("TERM");
    assert!(hear(&manager, "STOPPING=1").contains("STATUS=finishing"));
    assert_eq!(running.end().code, 0);
}

/// The time of the clock by which systemd tells an old notification from a new one.
fn monotonic_microseconds() -> i64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec * 1_000_000 + now.tv_nsec / 1_000
}

#[test]
fn systemd_is_told_of_each_reload_and_of_its_end() {
    let place = Place::with_keys();
    let path = place.path("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    let listen = format!("127.0.0.1:{}", reserved_port());
    let admin = format!("listen = '{listen}'\nadmin.listen = 'unix:a'\n");
    place.write("magicproxy.toml", &admin);
    let running = place
        .program(&["serve", "--keys", "keys", "--api-root", "http://127.0.0.1:1"])
        .env("NOTIFY_SOCKET", &path.display().to_string())
        .spawn();
    let ready = hear(&manager, "READY=1");
    let next = || hear(&manager, "");
    let called = ASK.replace("localhost", "new.example");
    for (more, by_signal, status) in [
        ("allowed_hosts = ['new.example']\n", true, "200"),
        ("", false, "421"),
        // A fault changes nothing.
        ("wrong = 1\n", true, "421"),
        ("wrong = 2\n", false, "421"),
    ] {
        place.write("magicproxy.toml", &format!("{more}{admin}"));
        let before = monotonic_microseconds();
        if by_signal {
            running.signal("HUP");
        } else {
            place.program(&["reload"]).output();
        }
        let reloading = next();
        let rest = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap();
        let time: i64 = rest.split('\n').next().unwrap().parse().unwrap();
        assert_eq!(next(), ready, "{more}");
        assert!((before..=monotonic_microseconds()).contains(&time), "{reloading}");
        // It holds from then on.
        let response = exchange(&listen, &called);
        assert_eq!(response.split(' ').nth(1), Some(status), "{more}: {response}");
    }
    running.signal("TERM");
    assert!(next().starts_with("STOPPING=1\n"));
    assert_eq!(running.end().code, 0);
}

#[test]
fn systemds_own_program_passes_sockets() {
    let activate = "/usr/bin/systemd-socket-activate";
    if !Path::new(activate).exists() {
        eprintln!("skipped: there is no {activate}");
        return;
    }
    let place = Place::with_keys();
    let port = reserved_port();
    let path = place.path("api.sock");
    place.write(
        "magicproxy.toml",
        &format!("listen = '127.0.0.1:{port}'\n[[listeners]]\nlisten = 'unix:api.sock'\n"),
    );
    let mut running = place
        .shell(&format!(
            "exec {activate} -l 127.0.0.1:{port} -l {} --fdname=web:files magicproxy serve --keys keys --api-root http://127.0.0.1:1 --config magicproxy.toml",
            path.display()
        ))
        .spawn();
    running.line("Listening on");
    // The first client starts the proxy.
    assert!(exchange(&format!("127.0.0.1:{port}"), ASK).starts_with("HTTP/1.1 200 "));
    running.line(" listens on ");
    assert!(ask_unix(&path).starts_with("HTTP/1.1 200 "));
    assert_eq!(running.terminate().code, 0);
}
