//! The admin listener on real sockets: `docs/spec/admin.md`.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use crate::program::{Output, Place, Running, SECRET};
use crate::revoke::valkey;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";
pub(crate) const API: &str = "listen = '127.0.0.1:0'\nupstream.api_root = 'http://127.0.0.1:1'\n";

/// A response, taken apart.
#[derive(Debug)]
pub(crate) struct PageResponse {
    pub(crate) status: u16,
    head: String,
    content: String,
}

/// A proxy with an admin listener at a port of TCP and at the socket `a`, each if it is configured.
pub(crate) struct Serving {
    running: Running,
    api: String,
    port: String,
    socket: PathBuf,
}

impl Serving {
    pub(crate) fn start(place: &Place, config: &str) -> Self {
        place.write("magicproxy.toml", config);
        let mut running = place.program(&["serve", "--keys", "keys"]).spawn();
        let first = running.line(" listens on ");
        let admin = running.line("the admin listener is at");
        let api = format!("127.0.0.1:{}", port_of(&first));
        let port = if admin.contains("http://") { port_of(&admin) } else { String::new() };
        Self { running, api, port, socket: place.path("a") }
    }

    /// A proxy whose admin listener has both addresses.
    fn with_both(place: &Place) -> Self {
        Self::start(place, &format!("{API}[admin]\nlisten = ['127.0.0.1:0', 'unix:a']\n"))
    }

    pub(crate) fn tcp(&self, line: &str, fields: &[(&str, &str)]) -> PageResponse {
        let address = format!("127.0.0.1:{}", self.port);
        tell(TcpStream::connect(&address).unwrap(), line, &with_host(&address, fields))
    }

    fn unix(&self, line: &str, fields: &[(&str, &str)]) -> PageResponse {
        tell(UnixStream::connect(&self.socket).unwrap(), line, &with_host("localhost", fields))
    }

    fn api(&self, line: &str, fields: &[(&str, &str)]) -> PageResponse {
        let stream = TcpStream::connect(&self.api).unwrap();
        tell(
            stream,
            line,
            &[&with_host(&self.api, fields)[..], &[("Connection", "close")]].concat(),
        )
    }

    /// The line of a check.
    pub(crate) fn check(&self, name: &str) -> String {
        let response = self.tcp("GET /readyz?verbose", &[]);
        let mut lines = response.content.lines().map(str::to_owned);
        lines.find(|line| line.starts_with(&format!("{name} "))).unwrap_or_default()
    }

    fn comes_to_be(&self, status: u16) {
        for _ in 0..3_000 {
            if self.tcp("GET /readyz", &[]).status == status {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        panic!("not {status}: {:?}", self.tcp("GET /readyz?verbose", &[]));
    }

    pub(crate) fn end(self) -> Output {
        let ended = self.running.terminate();
        assert_eq!(ended.code, 0, "{ended:?}");
        ended
    }
}

/// The ways to ask: over TCP, and by the socket.
const ASKS: [Ask; 2] = [Serving::tcp, Serving::unix];
type Ask = fn(&Serving, &str, &[(&str, &str)]) -> PageResponse;

fn port_of(line: &str) -> String {
    let url = line.split_once("http://").unwrap().1;
    let port = url.split_once(':').unwrap().1;
    port.chars().take_while(char::is_ascii_digit).collect()
}

fn with_host<'f>(host: &'f str, fields: &[(&'f str, &'f str)]) -> Vec<(&'f str, &'f str)> {
    let named = fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("host"));
    let own = (!named).then_some(("Host", host));
    own.into_iter().chain(fields.iter().copied()).filter(|(_, value)| *value != "-").collect()
}

/// Sends one request, and reads until the server closes.
fn tell<S: std::io::Read + std::io::Write>(
    mut stream: S,
    line: &str,
    fields: &[(&str, &str)],
) -> PageResponse {
    let fields: String =
        fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let (line, content) = line.split_once('\n').unwrap_or((line, ""));
    stream.write_all(format!("{line} HTTP/1.1\r\n{fields}\r\n{content}").as_bytes()).unwrap();
    response_of(stream)
}

fn response_of(mut stream: impl std::io::Read) -> PageResponse {
    let mut bytes = Vec::new();
    // A server that has not read everything may end the connection with a reset.
    let _ = stream.read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, content) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    PageResponse {
        status: status.unwrap_or_else(|| panic!("no response: {text:?}")),
        head: head.to_ascii_lowercase(),
        content: content.to_owned(),
    }
}

#[test]
fn pages_are_text_or_json_on_every_address() {
    let place = Place::with_keys();
    let serving = Serving::with_both(&place);
    let json = [("Accept", "application/json")];
    for ask in ASKS {
        for (line, status, text, in_json) in [
            ("GET /healthz", 200, "ok\n", "{\"status\":\"ok\"}\n"),
            ("GET /readyz", 200, "ready\n", "{\"status\":\"ready\"}\n"),
            ("GET /nothing", 404, "there is no such page", "\"status\":404"),
            ("GET /__magictoken", 404, "there is no such page", "\"detail\":\"there is no such"),
            ("POST /__magictoken", 404, "there is no such page", "\"title\":\"Not Found\""),
            ("POST /healthz", 405, "`POST` is not taken here", "\"status\":405"),
            ("OPTIONS /readyz", 405, "`OPTIONS` is not taken here", "\"status\":405"),
            ("GET /version", 200, "tokens: version 1, 2\n", "\"token_versions\":[1,2]"),
        ] {
            let response = ask(&serving, line, &[]);
            assert_eq!(response.status, status, "{line}: {response:?}");
            assert!(
                response.content.starts_with(text) || response.content.contains(text),
                "{response:?}"
            );
            for part in [
                "content-type: text/plain; charset=utf-8",
                "cache-control: no-store",
                "cross-origin-resource-policy: same-origin",
                "x-content-type-options: nosniff",
                "connection: close",
            ] {
                assert!(response.head.contains(part), "{part} in {response:?}");
            }
            assert!(!response.head.contains("access-control"), "{response:?}");
            assert_eq!(
                response.head.contains("\r\nallow: get, head"),
                status == 405,
                "{response:?}"
            );
            let response = ask(&serving, line, &json);
            assert_eq!(response.status, status, "{line}: {response:?}");
            assert!(response.content.contains(in_json), "{line}: {response:?}");
            let parsed: serde_json::Value = serde_json::from_str(&response.content).unwrap();
            assert!(parsed.is_object(), "{response:?}");
        }
        let whole = ask(&serving, "GET /readyz?verbose", &[]);
        let names: Vec<_> =
            whole.content.lines().map(|line| line.split(' ').next().unwrap()).collect();
        assert_eq!(names, ["ready", "draining", "keys", "store", "revocations"], "{whole:?}");
        let states = whole.content.lines().skip(1).map(|line| line.split(' ').nth(1).unwrap());
        assert!(states.into_iter().all(|state| state == "ok"), "{whole:?}");
        let whole = ask(&serving, "GET /readyz?verbose", &json);
        let whole: serde_json::Value = serde_json::from_str(&whole.content).unwrap();
        assert_eq!(whole["status"], "ready");
        assert_eq!(whole["checks"].as_array().unwrap().len(), 4, "{whole}");
        assert!(whole["checks"][1]["age_seconds"].is_u64(), "{whole}");
        assert!(whole["checks"][0]["age_seconds"].is_null(), "{whole}");
        let head = ask(&serving, "HEAD /readyz", &[]);
        assert_eq!((head.status, head.content.as_str()), (200, ""));
        assert!(head.head.contains("content-length: 6"), "{head:?}");
    }
    // A default store is not made by those who ask whether it is there.
    assert!(!place.path("state.redb").exists());
    // A probe leaves no line.
    let ended = serving.end();
    assert!(!ended.stderr.contains("healthz") && !ended.stderr.contains("readyz"), "{ended:?}");
}

#[test]
fn the_api_has_none_of_these_pages() {
    let place = Place::with_keys();
    let serving = Serving::with_both(&place);
    for path in ["/healthz", "/readyz", "/version", "/metrics", "/reload"] {
        for method in ["GET", "POST"] {
            let response = serving.api(&format!("{method} {path}"), &[]);
            assert_eq!(response.status, 401, "{method} {path}: {response:?}");
            assert!(response.content.contains("missing_token"), "{response:?}");
        }
    }
    serving.end();
}

#[test]
fn metrics_come_in_the_format_that_was_asked_for() {
    let place = Place::with_keys();
    let serving = Serving::with_both(&place);
    serving.api("GET /nothing", &[]);
    for (accept, media, last) in [
        ("*/*", "text/plain; version=0.0.4; charset=utf-8", ""),
        (
            "application/openmetrics-text;version=1.0.0,text/plain;q=0.5",
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
            "# EOF\n",
        ),
    ] {
        let metrics = serving.tcp("GET /metrics", &[("Accept", accept)]);
        assert_eq!(metrics.status, 200);
        assert!(metrics.head.contains(&format!("content-type: {media}")), "{metrics:?}");
        assert!(metrics.content.ends_with(last), "{metrics:?}");
        for line in [
            ",code=\"missing_token\"} 1\n",
            "magicproxy_config_last_reload_successful 1\n",
            "magicproxy_client_connections ",
        ] {
            assert!(metrics.content.contains(line), "{line}: {}", metrics.content);
        }
    }
    serving.end();
}

#[test]
fn pages_of_other_sites_read_nothing() {
    let place = Place::with_keys();
    let serving = Serving::with_both(&place);
    for path in ["/healthz", "/readyz", "/version", "/nothing"] {
        let line = format!("GET {path}");
        for host in ["rebind.attacker.example", "127.0.0.1.attacker.example:5001", "-"] {
            let status =
                if host == "-" { 421 } else { serving.tcp(&line, &[("Host", host)]).status };
            assert_eq!(status, 421, "{path} {host}");
        }
        for field in [("Origin", "http://127.0.0.1"), ("Sec-Fetch-Site", "cross-site")] {
            assert_eq!(serving.tcp(&line, &[field]).status, 403, "{path} {field:?}");
        }
        assert_ne!(serving.tcp(&line, &[("Sec-Fetch-Site", "none")]).status, 403);
    }
    // Who says no name at all says too little.
    let stream = TcpStream::connect(format!("127.0.0.1:{}", serving.port)).unwrap();
    assert_eq!(tell(stream, "GET /healthz", &[]).status, 421);
    serving.end();
}

/// An address of the listener, and what a client without a token, with a wrong one, and with the
/// token gets of `/version`, `/readyz?verbose` and `/metrics`.
#[test]
fn elsewhere_a_token_reads_what_is_more_than_the_plain_status() {
    let place = Place::with_keys();
    place.write("token", &format!("{TOKEN}\n"));
    let right = format!("Bearer {TOKEN}");
    let wrong = format!("Bearer {}", TOKEN.replace('0', "1"));
    for (admin, without, with_wrong, with_right) in [
        ("listen = '127.0.0.1:0'", 200, 200, 200),
        ("listen = '127.0.0.1:0'\ntoken_file = 'token'", 401, 401, 200),
        ("listen = '0.0.0.0:0'", 403, 403, 403),
        ("listen = '0.0.0.0:0'\ntoken_file = 'token'", 401, 401, 200),
    ] {
        let serving = Serving::start(&place, &format!("{API}[admin]\n{admin}\n"));
        for (fields, expected) in [
            (&[][..], without),
            (&[("Authorization", wrong.as_str())], with_wrong),
            (&[("Authorization", right.as_str())], with_right),
        ] {
            for page in ["/version", "/readyz?verbose", "/metrics"] {
                let response = serving.tcp(&format!("GET {page}"), fields);
                assert_eq!(response.status, expected, "{admin} {fields:?}: {response:?}");
                let challenge = response.head.contains("www-authenticate: bearer");
                assert_eq!(challenge, expected == 401, "{response:?}");
                let told = response.content.contains("tokens: version")
                    || response.content.contains("keys ")
                    || response.content.contains("magicproxy_build_info{");
                assert_eq!(told, expected == 200, "{response:?}");
            }
            for (page, said) in [("/healthz", "ok\n"), ("/readyz", "ready\n")] {
                let response = serving.tcp(&format!("GET {page}"), fields);
                assert_eq!((response.status, response.content.as_str()), (200, said), "{admin}");
            }
            assert_eq!(serving.tcp("POST /reload", fields).status, 403, "{admin}");
        }
        let ended = serving.end();
        assert!(!ended.stderr.contains(TOKEN), "{ended:?}");
        assert_eq!(
            ended.stderr.contains("admin.listen `0.0.0.0:0`: "),
            admin.contains("0.0.0.0"),
            "{ended:?}"
        );
    }
}

#[test]
fn operations_come_by_a_socket_alone() {
    let place = Place::with_keys();
    let serving = Serving::with_both(&place);
    for page in ["/reload", "/backup"] {
        let refused = serving.tcp(&format!("POST {page}"), &[("Content-Length", "0")]);
        assert_eq!(refused.status, 403, "{refused:?}");
        assert!(refused.content.contains("Unix socket"), "{refused:?}");
        assert_eq!(serving.tcp(&format!("GET {page}"), &[]).status, 403);
        let refused = serving.unix(&format!("GET {page}"), &[]);
        assert_eq!(refused.status, 405, "{refused:?}");
        assert!(refused.head.contains("\r\nallow: post"), "{refused:?}");
    }
    serving.end();
}

#[test]
fn a_socket_has_its_mode_and_is_taken_away() {
    for (mode, expected) in [("", 0o600), ("mode = '0660'", 0o660)] {
        let place = Place::with_keys();
        let serving = Serving::start(&place, &format!("{API}[admin]\nlisten = 'unix:a'\n{mode}\n"));
        assert_eq!(place.mode("a"), expected);
        assert_eq!(serving.unix("GET /readyz", &[]).status, 200);
        serving.end();
        assert!(!place.path("a").exists());
    }
}

/// What is never served: said at once, each with its reason.
#[test]
fn what_cannot_be_an_admin_listener_is_a_fault() {
    let own = "clients of the API connect there";
    let place = Place::with_keys();
    place.write("short", "0123456789\n");
    place.write("quoted", &format!("'{TOKEN}'\n"));
    place.write("token", TOKEN);
    place.write("open", TOKEN);
    place.set_mode("open", 0o666);
    for (config, parts) in [
        ("listen = '127.0.0.1:5001'\nadmin.listen = '127.0.0.1:5001'", vec![own]),
        ("listen = '127.0.0.1:5001'\nadmin.listen = 'localhost:5001'", vec![own]),
        ("listen = 'localhost:5001'\nadmin.listen = '[::1]:5001'", vec![own]),
        ("listen = ':5001'\ndanger_plain_http = true\nadmin.listen = '127.0.0.1:5001'", vec![own]),
        ("listen = '127.0.0.1:5001'\nadmin.listen = ':5001'", vec![own]),
        ("listen = '127.0.0.1:5001'\nadmin.listen = ['127.0.0.1:9', '0.0.0.0:5001']", vec![own]),
        ("listen = 'unix:s'\nadmin.listen = 'unix:s'", vec![own]),
        ("admin.listen = '127.0.0.1:5000'", vec![own]),
        ("admin.listen = ['unix:a', 'unix:a']", vec!["the list has this address already"]),
        (
            "admin.listen = ['nonsense', '127.0.0.1:99999']",
            vec!["admin.listen `nonsense`: expected", "99999"],
        ),
        ("admin.listen = 'unix:a'\nadmin.mode = '0999'", vec!["admin.mode `0999`: expected octal"]),
        ("admin.listen = '127.0.0.1:1'\nadmin.mode = '0600'", vec!["only a Unix socket has one"]),
        (
            "admin.listen = 'unix:a'\nadmin.token_file = 'token'",
            vec!["only addresses of TCP ask for it"],
        ),
        ("admin.token_file = 'token'", vec!["only addresses of TCP ask for it"]),
        (
            "admin.listen = '127.0.0.1:1'\nadmin.token_file = 'short'",
            vec!["expected 32 to 512 characters"],
        ),
        ("admin.listen = '127.0.0.1:1'\nadmin.token_file = 'quoted'", vec!["admin.token_file: "]),
        ("admin.listen = '127.0.0.1:1'\nadmin.token_file = 'gone'", vec!["admin.token_file `"]),
        (
            "admin.listen = '127.0.0.1:1'\nadmin.token_file = 'open'",
            vec!["everybody on this machine may write it"],
        ),
        (
            "admin.listen = '127.0.0.1:1'\nadmin.token_file = 'token'\nadmin.token = '0123456789abcdef0123456789abcdef'",
            vec!["which of them is meant?"],
        ),
    ] {
        place.write("magicproxy.toml", &format!("{config}\n"));
        for command in [["config", "check"], ["serve", "--keys=keys"]] {
            let refused = place.program(&command).output();
            assert_eq!(refused.code, 78, "{config}: {refused:?}");
            let said = refused.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
            for part in &parts {
                assert!(said.contains(part), "{config}: {part} in {refused:?}");
            }
            assert!(!refused.stderr.contains(TOKEN), "{refused:?}");
        }
    }
    // What is on different ports or sockets is served.
    place.write("magicproxy.toml", "listen = 'unix:s'\nadmin.listen = ['unix:a', '127.0.0.1:0']\n");
    assert_eq!(place.program(&["config", "check", "--keys", "keys"]).output().code, 0);
}

#[test]
fn the_environment_gives_an_address_and_a_token_that_nobody_shows() {
    let place = Place::with_keys();
    let with = |program: crate::program::Program| {
        program.env("MAGICPROXY_ADMIN_LISTEN", "127.0.0.1:0").env("MAGICPROXY_ADMIN_TOKEN", TOKEN)
    };
    let shown = with(place.program(&["config", "show"])).output();
    assert!(shown.stdout.contains("admin.token = \"(not shown)\""), "{shown:?}");
    assert!(shown.stdout.contains("admin.listen = ") && !shown.stdout.contains(TOKEN), "{shown:?}");
    let checked = with(place.program(&["config", "check"])).output();
    assert_eq!(checked.code, 0, "{checked:?}");
    let mut running =
        with(place.program(&["serve", "--keys", "keys", "--listen", "127.0.0.1:0"])).spawn();
    running.line("the admin listener is at");
    assert_eq!(running.terminate().code, 0);
}

/// Someone holds every connection, and the page is answered all the same: to the admin listener
/// with heads that never end, to the API with requests that wait.
#[test]
fn nobody_holds_up_a_probe() {
    let place = Place::with_keys();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let root = silent.local_addr().unwrap();
    let serving = Serving::start(
        &place,
        &format!(
            "listen = '127.0.0.1:0'\nupstream.api_root = 'http://{root}'\nlimits.connections = 4\nlimits.connections_per_peer = 4\n\
             [admin]\nlisten = ['127.0.0.1:0', 'unix:a']\n"
        ),
    );
    let address = format!("127.0.0.1:{}", serving.port);
    let mut slow: Vec<TcpStream> = (0..64)
        .map(|_| {
            let mut stream = TcpStream::connect(&address).unwrap();
            stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: ").unwrap();
            stream
        })
        .collect();
    for _ in 0..20 {
        assert_eq!(serving.tcp("GET /readyz", &[]).status, 200);
    }
    assert_eq!(serving.unix("GET /healthz", &[]).status, 200);
    // The oldest has made way.
    let mut rest = Vec::new();
    let ended = slow[0].read_to_end(&mut rest);
    assert!(ended.is_err() || rest.is_empty(), "{rest:?}");
    // All connections of the API are taken by requests that wait for their answers.
    let token = crate::mint(&place, &["GET /.*"]);
    let busy: Vec<TcpStream> = (0..6)
        .map(|_| {
            let mut stream = TcpStream::connect(&serving.api).unwrap();
            let head = format!(
                "GET /user HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n"
            );
            let _ = stream.write_all(head.as_bytes());
            stream
        })
        .collect();
    let reached = silent.accept().unwrap();
    assert_eq!(serving.tcp("GET /readyz", &[]).status, 200);
    drop((busy, reached, slow));
    serving.end();
}

#[test]
fn heads_and_contents_are_bounded() {
    let place = Place::with_keys();
    let serving = Serving::with_both(&place);
    let (long, longer) = ("a".repeat(4_096), "a".repeat(4_097));
    let length = |content: &str| content.len().to_string();
    for ask in ASKS {
        assert_eq!(
            ask(&serving, "GET /healthz", &[("X-Long", &"a".repeat(12 * 1024))]).status,
            200
        );
        assert_eq!(
            ask(&serving, "GET /healthz", &[("X-Long", &"a".repeat(20 * 1024))]).status,
            431
        );
        let many = vec![("X-Many", "1"); 70];
        assert_eq!(ask(&serving, "GET /healthz", &many).status, 431);
        for (content, status) in [(&long, 200), (&longer, 413)] {
            let fields = [("Content-Length", length(content))];
            let fields = fields.each_ref().map(|(name, value)| (*name, value.as_str()));
            let response = ask(&serving, &format!("GET /healthz\n{content}"), &fields);
            assert_eq!(response.status, status, "{response:?}");
        }
    }
    serving.end();
}

/// The state store is a Valkey that goes and comes: the old way to ask whether the proxy is there
/// stays green, the new one does not, and tells why.
#[test]
fn a_store_that_is_gone_is_not_ready() {
    let place = Place::with_keys();
    let Some(store) = valkey(&place) else { return };
    let config = |more: &str| {
        format!(
            "{API}[state]\nstore = 'valkey'\nurl = 'unix:{}'\n{more}[admin]\nlisten = '127.0.0.1:0'\n",
            place.path("s").display()
        )
    };
    place.write("deny.toml", "");
    let serving = Serving::start(&place, &config(""));
    let bridged = Serving::start(&place, &config("on_unreachable = 'allow-stale 1h'\n"));
    let token = crate::mint(&place, &["GET /user"]);
    let bearer = format!("Bearer {token}");
    let asks = |serving: &Serving| serving.api("GET /user", &[("Authorization", &bearer)]).status;
    assert_eq!(serving.tcp("GET /readyz", &[]).status, 200);
    assert!(serving.check("store").starts_with("store ok 0s "), "{}", serving.check("store"));
    assert_eq!(asks(&serving), 502, "nobody is at the API");
    drop(store);
    serving.comes_to_be(503);
    assert!(serving.check("store").starts_with("store failing "), "{}", serving.check("store"));
    // Tokens are refused a little later: the list of revocations is trusted for two seconds.
    while asks(&serving) == 502 {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_eq!(asks(&serving), 503);
    assert!(serving.check("revocations").starts_with("revocations failing "));
    assert_eq!(serving.tcp("GET /healthz", &[]).status, 200);
    assert_eq!(serving.api("GET /__magictoken", &[]).status, 200, "as ever");
    // Where the operator bridges the time without the store, the proxy serves, and is ready.
    assert_eq!(asks(&bridged), 502);
    assert_eq!(bridged.tcp("GET /readyz", &[]).status, 200);
    assert!(bridged.check("store").starts_with("store warning "), "{}", bridged.check("store"));
    assert!(bridged.check("revocations").starts_with("revocations warning "));
    let store = valkey(&place);
    serving.comes_to_be(200);
    serving.end();
    bridged.end();
    drop(store);
}

/// A store that takes a question and never answers is no reason to wait.
#[test]
fn a_store_that_is_silent_holds_up_no_probe() {
    let place = Place::with_keys();
    let Some(store) = valkey(&place) else { return };
    let url = place.path("s").display().to_string();
    let serving = Serving::start(
        &place,
        &format!(
            "{API}[state]\nstore = 'valkey'\nurl = 'unix:{url}'\ntimeout = '1h'\n[admin]\nlisten = '127.0.0.1:0'\n"
        ),
    );
    serving.comes_to_be(200);
    store.fall_silent();
    // The list of revocations is not read any more, and is trusted for two seconds.
    serving.comes_to_be(503);
    let probes: Vec<_> = (0..8)
        .map(|_| {
            let address = format!("127.0.0.1:{}", serving.port);
            std::thread::spawn(move || {
                let fields = [("Host", "localhost")];
                tell(TcpStream::connect(address).unwrap(), "GET /readyz?verbose", &fields)
            })
        })
        .collect();
    for probe in probes {
        let response = probe.join().unwrap();
        assert_eq!(response.status, 503, "{response:?}");
        assert!(response.content.contains("s no response within 800 ms\n"), "{response:?}");
    }
    serving.end();
}

#[test]
fn keys_and_revocations_that_cannot_be_read_are_told() {
    let place = Place::with_keys();
    place.write("keys/revocations.json", "{\"revocations\":{}}");
    let serving = Serving::with_both(&place);
    assert!(serving.check("keys").starts_with("keys ok "), "{}", serving.check("keys"));
    let key = place.read("keys/private.pem");
    place.write("keys/private.pem", "half a key");
    place.write("keys/revocations.json", "half a list");
    let wait = |name: &str, state: &str| {
        let expected = format!("{name} {state} ");
        for _ in 0..3_000 {
            if serving.check(name).starts_with(&expected) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        panic!("{expected}: {}", serving.check(name));
    };
    wait("keys", "warning");
    wait("revocations", "warning");
    // The ring and the list that were read before are in use.
    assert_eq!(serving.tcp("GET /readyz", &[]).status, 200);
    place.write("keys/private.pem", &key);
    place.write("keys/revocations.json", "{\"revocations\":{}}");
    wait("keys", "ok");
    wait("revocations", "ok");
    serving.end();
}

#[test]
fn a_proxy_that_drains_is_not_ready_and_alive_until_its_end() {
    let place = Place::with_keys();
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    let root = upstream.local_addr().unwrap();
    let serving = Serving::start(
        &place,
        &format!(
            "listen = '127.0.0.1:0'\nupstream.api_root = 'http://{root}'\n[admin]\nlisten = ['127.0.0.1:0', 'unix:a']\n"
        ),
    );
    let token = crate::mint(&place, &["GET /user"]);
    let mut client = TcpStream::connect(&serving.api).unwrap();
    let head = format!(
        "GET /user HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    );
    client.write_all(head.as_bytes()).unwrap();
    let (mut at_api, _) = upstream.accept().unwrap();
    assert!(at_api.read(&mut [0; 4096]).unwrap() > 0);
    serving.running.signal("TERM");
    serving.comes_to_be(503);
    assert!(serving.check("draining").starts_with("draining failing "));
    assert_eq!(serving.tcp("GET /healthz", &[]).status, 200);
    assert_eq!(serving.unix("GET /readyz", &[]).content, "not ready\n");
    at_api.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").unwrap();
    at_api.shutdown(Shutdown::Write).unwrap();
    let response = response_of(client);
    assert_eq!((response.status, response.content.as_str()), (200, "hi"));
    let ended = serving.running.end();
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(!place.path("a").exists());
    assert!(!ended.stderr.contains(SECRET));
}

#[test]
fn the_end_of_the_certificate_is_told() {
    let place = Place::with_keys();
    place.write(
        "magicproxy.toml",
        "listen = '127.0.0.1:0'\nupstream.api_root = 'http://127.0.0.1:1'\ntls.dev = true\nadmin.listen = 'unix:a'\n",
    );
    let mut running = place.program(&["serve", "--keys", "keys"]).spawn();
    running.line("the admin listener is at");
    let stream = UnixStream::connect(place.path("a")).unwrap();
    let response = tell(stream, "GET /readyz?verbose", &[("Host", "x")]);
    let line = response.content.lines().find(|line| line.starts_with("certificate ")).unwrap();
    assert!(line.contains(" - expires in ") && line.ends_with(" hours"), "{line}");
    assert_eq!(running.terminate().code, 0);
}

#[test]
fn the_command_health_says_what_the_proxy_says() {
    let place = Place::with_keys();
    let serving = Serving::with_both(&place);
    let tcp = format!("127.0.0.1:{}", serving.port);
    let socket = format!("unix:{}", serving.socket.display());
    let config = place.path("magicproxy.toml").display().to_string();
    // The configuration has a socket, which its file alone can name: the port is the system's choice.
    for words in [
        &["health", "--admin", &tcp][..],
        &["health", "--admin", &socket],
        &["health", "--config", &config],
    ] {
        let alive = place.program(words).output();
        assert_eq!((alive.code, alive.stdout.as_str()), (0, "ok\n"), "{words:?}: {alive:?}");
        let ready = place.program(&[words, &["--ready"]].concat()).output();
        assert_eq!((ready.code, ready.stdout.as_str()), (0, "ready\n"), "{words:?}: {ready:?}");
    }
    let api = place.program(&["health", "--admin", &serving.api]).output();
    assert_eq!(api.code, 1, "the API's listener has no such page: {api:?}");
    serving.end();
    place.write("without.toml", "");
    let without = place.path("without.toml").display().to_string();
    for (words, why) in [
        (&["health", "--admin", &tcp][..], "the connection was refused"),
        (&["health", "--admin", &socket], "admin listener `unix:"),
        (&["health", "--config", &without], "there is no admin listener to ask"),
        (&["health", "--admin", "nonsense"], "expected `HOST:PORT`"),
    ] {
        let gone = place.program(words).output();
        assert!(gone.code != 0 && gone.stderr.contains(why), "{words:?}: {gone:?}");
        assert_eq!(gone.stdout, "", "{words:?}");
    }
}

#[test]
fn the_command_health_fails_where_the_proxy_is_not_ready() {
    let place = Place::with_keys();
    place.write("url", "redis://127.0.0.1:1/0");
    let state = "[state]\nstore = 'valkey'\nurl_file = 'url'\n";
    let serving = Serving::start(&place, &format!("{API}[admin]\nlisten = 'unix:a'\n{state}"));
    let socket = format!("unix:{}", serving.socket.display());
    let ready = place.program(&["health", "--ready", "--admin", &socket]).output();
    assert_eq!(ready.code, 1, "{ready:?}");
    assert!(ready.stderr.contains("`/readyz` is 503: not ready"), "{ready:?}");
    let alive = place.program(&["health", "--admin", &socket]).output();
    assert_eq!(alive.code, 0, "{alive:?}");
    serving.end();
}

/// Keys without which some tokens are refused, or cannot be made, while others go on.
#[test]
fn keys_that_are_missing_or_revoked_are_told() {
    let place = Place::with_keys();
    let sealing = || -> Vec<String> {
        let names = place.names("keys").into_iter();
        names.filter(|name| name.starts_with("sealing-")).collect()
    };
    let serving = Serving::with_both(&place);
    let wait = |part: &str| {
        for _ in 0..3_000 {
            if serving.check("keys").contains(part) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        panic!("not {part}: {:?}", serving.check("keys"));
    };
    wait("keys ok ");
    let listed = place.program(&["keys", "list", "--json", "--keys", "keys"]).output();
    let listed: Vec<serde_json::Value> = serde_json::from_str(&listed.stdout).unwrap();
    let ids: Vec<&str> = listed
        .iter()
        .filter(|key| key.get("kem").is_some())
        .map(|key| key["kid"].as_str().unwrap())
        .collect();
    let published = || serving.api("GET /__magictoken/keys", &[]).content;
    assert!(ids.iter().all(|id| published().contains(id)));
    for id in &ids {
        let revoked = place.program(&["revoke", "--key", id, "--keys", "keys"]).output();
        assert_eq!(revoked.code, 0, "{revoked:?}");
    }
    wait("keys warning ");
    wait("no sealing key is published");
    assert!(ids.iter().all(|id| !published().contains(id)), "{}", published());
    for name in sealing() {
        std::fs::remove_file(place.path("keys").join(name)).unwrap();
    }
    wait("no sealing key opens anything any more: every sealed token is refused");
    assert_eq!(serving.tcp("GET /readyz", &[]).status, 200, "the others are served");
    assert_eq!(place.program(&["keys", "generate", "--keys", "keys"]).output().code, 0);
    wait("keys ok ");
    serving.end();
}

/// A store that forgets what is revoked is told, and revives nothing.
#[test]
fn a_store_that_forgets_revives_nothing() {
    let place = Place::with_keys();
    let Some(store) = valkey(&place) else { return };
    let socket = place.path("s");
    let config = format!(
        "{API}[state]\nstore = 'valkey'\nurl = 'unix:{}'\n[admin]\nlisten = '127.0.0.1:0'\n",
        socket.display()
    );
    let serving = Serving::start(&place, &config);
    let token = crate::mint(&place, &["GET /user"]);
    place.write_token("t", &token);
    let bearer = format!("Bearer {token}");
    let asks = || serving.api("GET /user", &[("Authorization", &bearer)]).status;
    let revoke = |more: &[&str]| {
        let args = [&["revoke", "--token", "@t", "--keys", "keys"], more].concat();
        let done = place.program(&args).output();
        assert_eq!(done.code, 0, "{done:?}");
    };
    let wait = |what: &str, holds: &dyn Fn() -> bool| {
        for _ in 0..3_000 {
            if holds() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        panic!("{what}: {:?}", serving.check("revocations"));
    };
    revoke(&[]);
    wait("revoked", &|| asks() == 401);
    let mut stream = UnixStream::connect(&socket).unwrap();
    stream.write_all(b"FLUSHALL\r\n").unwrap();
    assert_eq!(stream.read(&mut [0; 5]).unwrap(), 5);
    wait("lost", &|| serving.check("revocations").contains("has lost 1 revocations"));
    assert!(serving.check("revocations").starts_with("revocations warning "));
    assert_eq!(asks(), 401);
    assert_eq!(serving.tcp("GET /readyz", &[]).status, 200);
    revoke(&[]);
    wait("put back", &|| serving.check("revocations").starts_with("revocations ok "));
    assert_eq!(asks(), 401);
    revoke(&["--undo"]);
    wait("undone", &|| asks() == 502);
    serving.end();
    drop(store);
}

/// A list that began anew, and was changed as often as the lost one between two looks of a proxy,
/// or more often.
#[test]
fn a_revocation_right_after_a_loss_is_seen_and_the_lost_one_holds() {
    for changes in 1..=2 {
        let place = Place::with_keys();
        let Some(store) = valkey(&place) else { return };
        let socket = place.path("s");
        let config = format!(
            "{API}[state]\nstore = 'valkey'\nurl = 'unix:{}'\n[admin]\nlisten = '127.0.0.1:0'\n",
            socket.display()
        );
        let serving = Serving::start(&place, &config);
        let tokens = ["before", "after"].map(|name| {
            let token = crate::mint(&place, &["GET /user"]);
            place.write_token(name, &token);
            format!("Bearer {token}")
        });
        let asks = |at: usize| serving.api("GET /user", &[("Authorization", &tokens[at])]).status;
        let revoke = |name: &str| {
            let done = place.program(&["revoke", "--token", name, "--keys", "keys"]).output();
            assert_eq!(done.code, 0, "{done:?}");
        };
        let refused = |at: usize| {
            for _ in 0..3_000 {
                if asks(at) == 401 {
                    return;
                }
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            panic!("{changes} changes, token {at}: {:?}", serving.check("revocations"));
        };
        revoke("@before");
        refused(0);
        serving.running.signal("STOP");
        let mut stream = UnixStream::connect(&socket).unwrap();
        stream.write_all(b"FLUSHALL\r\n").unwrap();
        assert_eq!(stream.read(&mut [0; 5]).unwrap(), 5);
        (0..changes).for_each(|_| revoke("@after"));
        serving.running.signal("CONT");
        refused(1);
        assert_eq!(asks(0), 401, "{changes} changes");
        assert!(serving.check("revocations").contains("has lost 1 revocations"));
        serving.end();
        drop(store);
    }
}
