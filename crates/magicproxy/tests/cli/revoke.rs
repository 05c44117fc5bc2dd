//! Revocation as operators do it: by commands, while proxies run.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::program::{Output, Place, Running};
use super::{exchange, mint};

/// What a proxy answers: allowed requests end at an upstream that is not there.
const ALLOWED: &str = "upstream_unreachable";
const REVOKED: &str = "revoked_token";

struct Proxy {
    running: Option<Running>,
    address: String,
}

/// A test that fails leaves none behind.
impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.running.take().map(Running::terminate));
    }
}

impl Proxy {
    fn start(place: &Place, config: &str) -> Self {
        let port = free_port();
        let address = format!("127.0.0.1:{port}");
        // Nobody reads its log before it ends, and a pipe holds only so much.
        let mut args = vec!["serve", "--log-level", "error", "--listen", &address];
        args.extend(if config.is_empty() { vec![] } else { vec!["--config", config] });
        Self { running: Some(place.program(&args).spawn()), address: address.clone() }
    }

    fn ask(&self, token: &str) -> String {
        let request =
            format!("GET /user HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n", self.address);
        exchange(&self.address, &request)
    }

    #[track_caller]
    fn answers(&self, token: &str, code: &str) {
        let answer = self.ask(token);
        assert!(answer.contains(code), "{code} in {answer}");
    }

    fn end(mut self) -> Output {
        self.running.take().unwrap().terminate()
    }

    /// How long it took until it answered so.
    #[track_caller]
    fn comes_to_answer(&self, token: &str, code: &str, within: Duration) -> Duration {
        let since = Instant::now();
        loop {
            let answer = self.ask(token);
            if answer.contains(code) {
                return since.elapsed();
            }
            assert!(since.elapsed() < within, "{code} after {:?} in {answer}", since.elapsed());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

const UPSTREAM: &str = "upstream.api_root = 'http://127.0.0.1:1'\nupstream.name = 'api'\n";

fn place() -> Place {
    let place = Place::with_keys();
    place.write("magicproxy.toml", UPSTREAM);
    place
}

#[track_caller]
fn ok(place: &Place, args: &[&str]) -> Output {
    let output = place.program(args).output();
    assert_eq!(output.code, 0, "{output:?}");
    output
}

fn id_of(place: &Place, token: &str) -> String {
    let json = place.program(&["inspect", "--json", "--token-env", "T"]).env("T", token).output();
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    json["id"].as_str().unwrap().to_owned()
}

const SOON: Duration = Duration::from_secs(1);

#[test]
fn a_token_is_revoked_and_accepted_again_while_the_proxy_runs() {
    let place = place();
    let (token, other) = (mint(&place, &["GET /user"]), mint(&place, &["GET /user"]));
    let proxy = Proxy::start(&place, "");
    proxy.answers(&token, ALLOWED);
    assert!(ok(&place, &["revoke", "--list"]).stdout.contains("nothing is revoked"));
    let id = id_of(&place, &token);
    let said = ok(&place, &["revoke", &id, "--reason", "lost"]);
    assert!(said.stdout.contains(&format!("revoked jti:{id}")), "{said:?}");
    proxy.comes_to_answer(&token, REVOKED, SOON);
    proxy.answers(&other, ALLOWED);
    let list = ok(&place, &["revoke", "--list"]);
    assert!(list.stdout.contains(&id) && list.stdout.contains("lost"), "{list:?}");
    let json: serde_json::Value = serde_json::from_str(&ok(&place, &["revoke", "--list", "--json"]).stdout).unwrap();
    assert_eq!(json[0]["reason"], "lost");
    // A new process knows it from the beginning.
    Proxy::start(&place, "").comes_to_answer(&token, REVOKED, Duration::from_secs(20));
    ok(&place, &["revoke", "--undo", &id]);
    proxy.comes_to_answer(&token, ALLOWED, SOON);
    assert_eq!(place.program(&["revoke", "--undo", &id]).output().code, 1);
    #[cfg(unix)]
    assert_eq!(place.mode("keys/revocations.json"), 0o600);
    assert_eq!(proxy.end().code, 0);
}

/// Random ids may begin with what options begin with.
#[test]
fn ids_that_look_like_options() {
    let place = place();
    ok(&place, &["revoke", "--reason", "lost", "--key", "-kid", "--", "-9abc"]);
    let list = ok(&place, &["revoke", "--list"]).stdout;
    assert!(list.contains("jti:-9abc") && list.contains("-kid") && list.contains("lost"), "{list}");
    ok(&place, &["revoke", "--undo", "--", "-9abc"]);
    assert!(!ok(&place, &["revoke", "--list"]).stdout.contains("-9abc"));
}

#[test]
fn what_was_narrowed_goes_with_its_token_and_keys_and_times_with_all_theirs() {
    let place = place();
    let token = mint(&place, &["GET /.*"]);
    place.write("t", &token);
    let other = mint(&place, &["GET /user"]);
    let proxy = Proxy::start(&place, "");
    proxy.answers(&token, ALLOWED);
    let url = format!("http://{}", proxy.address);
    let narrowed = ok(&place, &["narrow", "@t", "--allow", "GET /user", "--proxy", &url]).stdout.trim().to_owned();
    assert_ne!(narrowed, token);
    proxy.answers(&narrowed, ALLOWED);
    ok(&place, &["revoke", "--token", "@t"]);
    proxy.comes_to_answer(&token, REVOKED, SOON);
    proxy.answers(&narrowed, REVOKED);
    proxy.answers(&other, ALLOWED);
    let keys: serde_json::Value = serde_json::from_str(&ok(&place, &["keys", "list", "--json"]).stdout).unwrap();
    let kid = keys[0]["kid"].as_str().unwrap();
    ok(&place, &["revoke", "--key", kid]);
    proxy.comes_to_answer(&other, REVOKED, SOON);
    ok(&place, &["revoke", "--undo", "--key", kid]);
    proxy.comes_to_answer(&other, ALLOWED, SOON);
    ok(&place, &["revoke", "--before", "2100-01-01T00:00:00Z"]);
    proxy.comes_to_answer(&other, REVOKED, SOON);
    // It means tokens that are minted long after, too.
    let list: serde_json::Value = serde_json::from_str(&ok(&place, &["revoke", "--list", "--json"]).stdout).unwrap();
    let entry = list.as_array().unwrap().iter().find(|entry| entry["revoked"] == "before:4102444800").unwrap();
    assert!(entry["expires_at"].as_u64().unwrap() > 4_102_444_800);
    assert_eq!(proxy.end().code, 0);
}

#[test]
fn a_file_that_cannot_be_read_is_an_error_at_the_start_and_keeps_the_old_list_later() {
    let place = place();
    let token = mint(&place, &["GET /user"]);
    let id = id_of(&place, &token);
    ok(&place, &["revoke", &id]);
    let good = place.read("keys/revocations.json");
    let proxy = Proxy::start(&place, "");
    proxy.comes_to_answer(&token, REVOKED, Duration::from_secs(20));
    place.write("keys/revocations.json", "{");
    std::thread::sleep(Duration::from_millis(800));
    proxy.answers(&token, REVOKED);
    std::fs::remove_file(place.path("keys/revocations.json")).unwrap();
    std::thread::sleep(Duration::from_millis(800));
    proxy.answers(&token, REVOKED);
    place.write("keys/revocations.json", &good.replace(&id, "another"));
    proxy.comes_to_answer(&token, ALLOWED, SOON);
    place.write("keys/revocations.json", "{");
    let second = place.program(&["serve", "--listen", "127.0.0.1:0"]).output();
    assert_eq!(second.code, 1, "{second:?}");
    assert!(second.stderr.contains("keys/revocations.json"), "{second:?}");
    assert_eq!(place.program(&["revoke", "x"]).output().code, 1);
    let ended = proxy.end();
    assert!(ended.stderr.contains("so the old ones stay"), "{ended:?}");
}

#[test]
fn what_makes_no_sense_is_said() {
    let place = place();
    for (args, part) in [
        (vec!["revoke"], "what is to be revoked?"),
        (vec!["revoke", "--token", "eyJ"], "others see arguments"),
        (vec!["revoke", "--before", "yesterday"], "expected `2026"),
        (vec!["revoke", ""], "expected the id"),
        (vec!["revoke", "--list", "x"], "cannot be used with"),
    ] {
        let output = place.program(&args).output();
        assert_eq!(output.code, 2, "{output:?}");
        assert!(output.stderr.contains(part), "{part} in {output:?}");
    }
    place.write("t", "no token");
    assert_eq!(place.program(&["revoke", "--token", "@t"]).output().code, 1);
}

/// A Valkey on a socket in the place; none where there is no server to test with, which fails in CI.
fn valkey(place: &Place) -> Option<Valkey> {
    let Some(program) = std::env::var_os("MAGICPROXY_TEST_VALKEY") else {
        assert!(!std::env::var("CI").is_ok_and(|ci| ci == "true" || ci == "1"), "MAGICPROXY_TEST_VALKEY names no valkey-server");
        eprintln!("skipped: MAGICPROXY_TEST_VALKEY names no valkey-server; `cargo xtask test unit` installs one");
        return None;
    };
    let socket = place.path("s");
    drop(std::fs::remove_file(&socket));
    let mut command = Command::new(program);
    command.args(["--port", "0", "--save", "", "--appendonly", "yes", "--appendfsync", "always", "--unixsocket"]).arg(&socket);
    let child = command.arg("--dir").arg(place.path("")).stdout(Stdio::null()).spawn().unwrap();
    let since = Instant::now();
    while !socket.exists() {
        assert!(since.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(5));
    }
    Some(Valkey(child))
}

struct Valkey(Child);

impl Drop for Valkey {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn two_proxies_on_one_valkey_learn_of_it_within_a_second() {
    let place = place();
    let Some(valkey) = valkey(&place) else { return };
    let url = format!("unix:{}", place.path("s").display());
    place.write("url", &format!("{url}\n"));
    place.write("magicproxy.toml", &format!("{UPSTREAM}[state]\nstore = 'valkey'\nurl_file = 'url'\n"));
    place
        .write("stale.toml", &format!("{UPSTREAM}[state]\nstore = 'valkey'\nurl = '{url}'\non_unreachable = 'allow-stale 1h'\n"));
    let (token, other) = (mint(&place, &["GET /user"]), mint(&place, &["GET /user"]));
    let (strict, stale) = (Proxy::start(&place, ""), Proxy::start(&place, "stale.toml"));
    strict.comes_to_answer(&token, ALLOWED, Duration::from_secs(20));
    stale.comes_to_answer(&token, ALLOWED, Duration::from_secs(20));
    let id = id_of(&place, &token);
    ok(&place, &["revoke", &id]);
    let took = [&strict, &stale].map(|proxy| proxy.comes_to_answer(&token, REVOKED, SOON));
    println!("a revocation took {took:?}");
    strict.answers(&other, ALLOWED);
    assert!(ok(&place, &["revoke", "--list"]).stdout.contains(&id));
    assert!(!place.path("keys/revocations.json").exists());
    // Without the store one denies, and the other trusts what it knew.
    drop(valkey);
    strict.comes_to_answer(&other, "store_unavailable", Duration::from_secs(5));
    strict.answers(&token, REVOKED);
    stale.answers(&other, ALLOWED);
    stale.answers(&token, REVOKED);
    assert_eq!(place.program(&["revoke", "x"]).output().code, 1);
    let new = Proxy::start(&place, "stale.toml");
    new.comes_to_answer(&other, "store_unavailable", Duration::from_secs(20));
    let valkey = self::valkey(&place);
    for proxy in [&strict, &stale, &new] {
        proxy.comes_to_answer(&other, ALLOWED, Duration::from_secs(5));
        proxy.answers(&token, REVOKED);
    }
    ok(&place, &["revoke", "--undo", &id]);
    strict.comes_to_answer(&token, ALLOWED, SOON);
    for proxy in [strict, stale, new] {
        assert_eq!(proxy.end().code, 0);
    }
    drop(valkey);
}

#[test]
fn a_state_file_is_opened_at_the_start_only_where_it_is_asked_for() {
    let place = place();
    let token = mint(&place, &["GET /user"]);
    let plain = Proxy::start(&place, "");
    plain.comes_to_answer(&token, ALLOWED, Duration::from_secs(20));
    place.write("state.toml", &format!("{UPSTREAM}state.path = 'state.redb'\n"));
    let own = Proxy::start(&place, "state.toml");
    own.comes_to_answer(&token, ALLOWED, Duration::from_secs(20));
    assert!(place.path("state.redb").exists());
    #[cfg(unix)]
    assert_eq!(place.mode("state.redb"), 0o600);
    // Nobody else may have it.
    let second = place.program(&["serve", "--listen", "127.0.0.1:0", "--config", "state.toml"]).output();
    assert_eq!(second.code, 1, "{second:?}");
    assert!(second.stderr.contains("is in use by another process"), "{second:?}");
    drop((plain, own));
}
