//! A reload of what runs beside the engine: certificates and plugins; and a reload that hangs.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;

use rcgen::{CertificateParams, KeyPair};

use crate::program::{Output, Place, Running};
use crate::reload::{Serving, config};

/// The message of TLS that holds the certificates (RFC 5246 section 7.4.2).
const CERTIFICATE: u8 = 11;

/// A certificate in files `NAME.pem` and `NAME.key`.
struct Pair {
    certificate: String,
    key: String,
    der: Vec<u8>,
}

impl Pair {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let der = certificate.der().to_vec();
        Self { certificate: certificate.pem(), key: key.serialize_pem(), der }
    }

    fn write(&self, place: &Place, name: &str) {
        for (suffix, text) in [("pem", &self.certificate), ("key", &self.key)] {
            // As renewers do it, so that no pair is half a pair for long.
            place.write("new", text);
            place.set_mode("new", 0o600);
            std::fs::rename(place.path("new"), place.path(&format!("{name}.{suffix}"))).unwrap();
        }
    }
}

/// A ClientHello of TLS 1.2, whose handshake shows certificates in clear text: RFC 5246 section
/// 7.4.1.2, with the suites and groups of RFC 8422.
fn client_hello() -> Vec<u8> {
    const EXTENSIONS: &[u8] = &[
        0, 10, 0, 6, 0, 4, 0, 0x1d, 0, 0x17, // supported_groups: x25519, secp256r1
        0, 11, 0, 2, 1, 0, // ec_point_formats: uncompressed
        0, 13, 0, 6, 0, 4, 4, 3, 8, 4, // signature_algorithms: ECDSA with P-256, RSA-PSS
        0, 23, 0, 0, // extended_master_secret
    ];
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    // No session; ECDHE-ECDSA and ECDHE-RSA with AES-128-GCM; no compression.
    body.extend([0, 0, 4, 0xc0, 0x2b, 0xc0, 0x2f, 1, 0]);
    body.extend(u16::try_from(EXTENSIONS.len()).unwrap().to_be_bytes());
    body.extend(EXTENSIONS);
    let length = |more: usize| u16::try_from(body.len() + more).unwrap().to_be_bytes();
    [&[22, 3, 1][..], &length(4), &[1, 0], &length(0), &body].concat()
}

/// The first certificate that a new connection is shown.
fn shown(port: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
    stream.write_all(&client_hello()).unwrap();
    let mut messages = Vec::new();
    loop {
        let mut head = [0; 5];
        stream.read_exact(&mut head).unwrap();
        let mut record = vec![0; usize::from(u16::from_be_bytes([head[3], head[4]]))];
        stream.read_exact(&mut record).unwrap();
        assert_eq!(head[0], 22, "no handshake: {record:?}");
        messages.extend(record);
        let mut rest = messages.as_slice();
        while let [kind, high, middle, low, after @ ..] = rest {
            let Some(message) = after.get(..length(&[*high, *middle, *low])) else { break };
            if *kind == CERTIFICATE {
                let first = length(&message[3..6]);
                return message[6..][..first].to_vec();
            }
            rest = &after[message.len()..];
        }
    }
}

fn length(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte))
}

/// A proxy with TLS by files `a.pem` and `a.key`, and an admin socket.
struct Secured {
    place: Place,
    running: Running,
    port: String,
}

impl Secured {
    fn start(pair: &Pair) -> Self {
        let place = Place::with_keys();
        pair.write(&place, "a");
        place.write("magicproxy.toml", &secured(&files("a")));
        let mut running = place.program(&["serve", "--keys", "keys"]).spawn();
        let line = running.line(" listens on ");
        let port = line.split("127.0.0.1:").nth(1).unwrap();
        let port = port.chars().take_while(char::is_ascii_digit).collect();
        running.line("the admin listener is at");
        Self { place, running, port }
    }

    /// Reloads with another source of certificates.
    fn reload(&self, tls: &str) -> Output {
        self.place.write("magicproxy.toml", &secured(tls));
        self.place.program(&["reload"]).output()
    }

    #[track_caller]
    fn check(&self, pair: &Pair) {
        assert!(shown(&self.port) == pair.der, "another certificate is shown");
    }
}

impl Drop for Secured {
    fn drop(&mut self) {
        self.running.signal("KILL");
    }
}

fn files(name: &str) -> String {
    format!("tls = {{ certificate = '{name}.pem', private_key = '{name}.key' }}")
}

fn secured(tls: &str) -> String {
    format!(
        "listen = '127.0.0.1:0'\n{tls}\n[admin]\nlisten = 'unix:a'\n[upstream]\napi_root = 'http://127.0.0.1:1'\n"
    )
}

/// Each reload finds the certificate of the reload before: files, an authority of this machine, and
/// other files again.
#[test]
fn every_reload_shows_the_certificate_of_its_source() {
    let [first, second, third] = [Pair::new(), Pair::new(), Pair::new()];
    let secured = Secured::start(&first);
    secured.check(&first);
    for (name, pair) in [("b", &second), ("c", &third), ("a", &first)] {
        pair.write(&secured.place, name);
        let told = secured.reload(&files(name));
        assert_eq!(told.code, 0, "{told:?}");
        assert!(told.stdout.contains("changed: `tls.certificate`\n"), "{told:?}");
        secured.check(pair);
    }
    assert_eq!(secured.reload("tls = { dev = true }").code, 0);
    let own = shown(&secured.port);
    assert!([&first, &second, &third].iter().all(|pair| pair.der != own));
    // Something else changes, and the certificate stays.
    assert_eq!(secured.reload("tls = { dev = true }\ntimeouts.connect = '9s'").code, 0);
    assert!(shown(&secured.port) == own);
    assert_eq!(secured.reload(&files("b")).code, 0);
    secured.check(&second);
}

#[test]
fn a_reload_to_no_pair_keeps_the_certificate() {
    let [first, second, third] = [Pair::new(), Pair::new(), Pair::new()];
    let secured = Secured::start(&first);
    second.write(&secured.place, "b");
    secured.place.write("b.key", &third.key);
    for (tls, part) in [
        (files("b"), "does not belong to the first certificate"),
        (files("gone"), "there is no such file"),
    ] {
        let told = secured.reload(&tls);
        assert_eq!(told.code, 78, "{told:?}");
        assert!(told.stderr.contains(part), "{part}: {told:?}");
        secured.check(&first);
    }
    second.write(&secured.place, "b");
    assert_eq!(secured.reload(&files("b")).code, 0);
    secured.check(&second);
}

/// After reloads, the files of the last one are watched, and those of the others no more.
#[test]
fn the_files_of_the_last_reload_are_watched() {
    let pairs: Vec<Pair> = (0..5).map(|_| Pair::new()).collect();
    let mut secured = Secured::start(&pairs[0]);
    for (name, pair) in [("b", &pairs[1]), ("c", &pairs[2])] {
        pair.write(&secured.place, name);
        assert_eq!(secured.reload(&files(name)).code, 0);
    }
    pairs[0].write(&secured.place, "b");
    pairs[1].write(&secured.place, "a");
    for renewed in &pairs[3..] {
        renewed.write(&secured.place, "c");
        // Whoever watches looks now.
        secured.running.signal("HUP");
        let line = secured.running.line("new handshakes show the new certificate");
        assert!(line.contains("c.pem"), "{line}");
        secured.check(renewed);
    }
}

/// A configuration whose scope asks these plugins, which are configured with these texts.
#[cfg(feature = "plugins")]
fn with_plugins(serving: &Serving, asked: &[&str], configured: &[(&str, &str)]) -> Output {
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../examples/plugins/business_hours/business_hours.wasm"
    );
    let asked: Vec<String> =
        asked.iter().map(|name| format!("{{ plugin = '{name}' }}, ")).collect();
    let configured: Vec<String> = configured
        .iter()
        .map(|(name, hours)| format!("[plugins.{name}]\nfile = '{file}'\nconfig = '{hours}'\n"))
        .collect();
    let text = config(&serving.root, "GET /one", "plugin_cache = 'cache'")
        .replace("s = ['", &format!("s = [{}'", asked.concat()));
    serving.place.write("magicproxy.toml", &format!("{text}{}", configured.concat()));
    serving.reload(&[])
}

#[cfg(feature = "plugins")]
#[test]
fn a_reload_changes_the_list_of_plugins() {
    const OPEN: &str = "mon-sun 00:00-24:00 +00:00";
    const CLOSED: &str = "closed";
    let serving = Serving::start("plugin_cache = 'cache'");
    let mut client = serving.connect();
    assert_eq!(client.status("/one"), 200);
    // The plugins that the scope asks, those that are configured, and the status of a request.
    for (asked, configured, status) in [
        (&["hours"][..], &[("hours", CLOSED)][..], 403),
        (&["hours"], &[("hours", OPEN)], 200),
        (&["hours", "more"], &[("hours", OPEN), ("more", CLOSED)], 403),
        (&["more"], &[("more", OPEN)], 200),
        (&["more"], &[("more", CLOSED)], 403),
        (&[], &[], 200),
        (&["hours"], &[("hours", CLOSED)], 403),
    ] {
        let told = with_plugins(&serving, asked, configured);
        assert_eq!(told.code, 0, "{asked:?}: {told:?}");
        assert_eq!(client.status("/one"), status, "{asked:?} {configured:?}");
    }
    // A plugin that is not there keeps those that are.
    let told = with_plugins(&serving, &["hours", "gone"], &[("hours", OPEN)]);
    assert_eq!(told.code, 78, "{told:?}");
    assert!(told.stderr.contains("`gone`"), "{told:?}");
    assert_eq!(client.status("/one"), 403);
    assert_eq!(with_plugins(&serving, &["hours"], &[("hours", OPEN)]).code, 0);
    assert_eq!(client.status("/one"), 200);
}

/// A FIFO in place of the configuration: whoever reads it waits until somebody writes.
fn hang(place: &Place) {
    let made = Command::new("mkfifo").arg(place.path("fifo")).status().unwrap();
    assert!(made.success());
    std::fs::rename(place.path("fifo"), place.path("magicproxy.toml")).unwrap();
}

/// Opens the FIFO once the proxy reads it, which waits as long as the file is open.
fn opened(place: &Place) -> File {
    OpenOptions::new().write(true).open(place.path("magicproxy.toml")).unwrap()
}

/// Asks for a reload at the admin socket, without the file of the configuration.
fn ask(place: &Place) -> Running {
    let socket = format!("unix:{}", place.path("a").display());
    place.bare(&["reload", "--admin", &socket]).spawn()
}

#[test]
fn a_reload_that_hangs_stops_no_request_and_a_later_one_works() {
    let mut serving = Serving::start("");
    let mut client = serving.connect();
    hang(&serving.place);
    let hanging = ask(&serving.place);
    let mut fifo = opened(&serving.place);
    assert_eq!((client.status("/one"), client.status("/two")), (200, 403));
    assert_eq!(serving.connect().status("/one"), 200);
    // Whoever asks meanwhile waits for the next reading, which finds a file.
    serving.running.signal("HUP");
    std::fs::remove_file(serving.place.path("magicproxy.toml")).unwrap();
    serving.write("GET /two", "");
    let later = ask(&serving.place);
    fifo.write_all(b"upstream = 'no end").unwrap();
    drop(fifo);
    let told = hanging.end();
    assert_eq!(told.code, 78, "{told:?}");
    serving.running.line("the old configuration stays in force");
    let told = later.end();
    assert_eq!(told.code, 0, "{told:?}");
    serving.running.line("the new configuration is in force");
    assert_eq!((client.status("/one"), client.status("/two")), (403, 200));
}

#[test]
fn a_reload_that_hangs_stops_no_end() {
    let place = Place::with_keys();
    place.write("magicproxy.toml", &config("http://127.0.0.1:1", "GET /one", ""));
    let mut running = place.program(&["serve", "--keys", "keys"]).spawn();
    running.line("the admin listener is at");
    hang(&place);
    let hanging = ask(&place);
    let fifo = opened(&place);
    let told = running.terminate();
    assert_eq!(told.code, 0, "{told:?}");
    assert_eq!(hanging.end().code, 1);
    drop(fifo);
}
