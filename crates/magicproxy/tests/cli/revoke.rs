//! Revocation as operators do it: by commands, while proxies run.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::ports::reserved_port;
use super::program::{Output, Place, Running};
use super::{exchange, mint};

/// Whoever waits longer than this has found something.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a proxy answers: allowed requests end at an upstream that is not there.
pub(super) const ALLOWED: &str = "upstream_unreachable";
pub(super) const REVOKED: &str = "revoked_token";

pub(super) struct Proxy {
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
    pub(super) fn start(place: &Place, config: &str) -> Self {
        let port = reserved_port();
        let address = format!("127.0.0.1:{port}");
        // Nobody reads its log before it ends, and a pipe holds only so much.
        let mut args = vec!["serve", "--log-level", "error", "--listen", &address];
        args.extend(if config.is_empty() { vec![] } else { vec!["--config", config] });
        Self { running: Some(place.program(&args).spawn()), address: address.clone() }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn ask(&self, token: &str) -> String {
        let request = format!(
            "GET /user HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n",
            self.address
        );
        exchange(&self.address, &request)
    }

    #[track_caller]
    pub(super) fn responses(&self, token: &str, code: &str) {
        let response = self.ask(token);
        assert!(response.contains(code), "{code} in {response}");
    }

    fn end(mut self) -> Output {
        self.running.take().unwrap().terminate()
    }

    /// How long it took until it answered so. On this machine, with what else it does: how often a proxy looks, which the guide
    /// promises, is held where that is said.
    #[track_caller]
    pub(super) fn time_until(&self, token: &str, code: &str) -> Duration {
        let since = Instant::now();
        loop {
            let response = self.ask(token);
            if response.contains(code) {
                return since.elapsed();
            }
            assert!(since.elapsed() < PATIENCE, "{code} after {:?} in {response}", since.elapsed());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

const UPSTREAM: &str = "upstream.api_root = 'http://127.0.0.1:1'\nupstream.name = 'api'\n";

pub(super) fn place() -> Place {
    let place = Place::with_keys();
    place.write("magicproxy.toml", UPSTREAM);
    place
}

#[track_caller]
pub(super) fn ok(place: &Place, args: &[&str]) -> Output {
    let output = place.program(args).output();
    assert_eq!(output.code, 0, "{output:?}");
    output
}

pub(super) fn inspect(place: &Place, token: &str) -> serde_json::Value {
    let json = place.program(&["inspect", "--json", "--token-env", "T"]).env("T", token).output();
    serde_json::from_str(&json.stdout).unwrap()
}

fn id_of(place: &Place, token: &str) -> String {
    inspect(place, token)["id"].as_str().unwrap().to_owned()
}

/// The same, with who gave it.
pub(super) fn minted_id_of(place: &Place, token: &str) -> String {
    let claims = inspect(place, token);
    let text = |name: &str| claims[name].as_str().unwrap().to_owned();
    let given = if text("version") == "v1" { text("kid") } else { format!("{}:none", text("kid")) };
    format!("jti:{}:{given}:{}", text("version"), text("id"))
}

/// As `revoke` takes it.
fn chain_of(place: &Place, token: &str) -> String {
    let chain = format!("chain:{}", inspect(place, token)["chain"].as_str().unwrap());
    let shown = place.program(&["inspect", "--token-env", "T"]).env("T", token).output();
    assert!(shown.stdout.contains(&chain), "{shown:?}");
    chain
}

pub(super) fn list(place: &Place) -> serde_json::Value {
    serde_json::from_str(&ok(place, &["revoke", "--list", "--json"]).stdout).unwrap()
}

/// A token of version 2, and one of version 1.
pub(super) fn both_versions(place: &Place) -> [String; 2] {
    let keys = ok(place, &["keys", "export-public", "--jwks"]);
    place.write("proxy.jwks", &keys.stdout);
    let args = [
        "mint",
        "--to",
        "proxy.jwks",
        "--aud",
        "api",
        "--credential-env",
        "SECRET",
        "--allow",
        "GET /.*",
    ];
    let sealed = place.program(&args).env("SECRET", super::program::SECRET).output();
    assert_eq!(sealed.code, 0, "{sealed:?}");
    [sealed.stdout.trim().to_owned(), mint(place, &["GET /.*"])]
}

#[test]
fn a_token_is_revoked_and_accepted_again_while_the_proxy_runs() {
    let place = place();
    let (token, other) = (mint(&place, &["GET /user"]), mint(&place, &["GET /user"]));
    let proxy = Proxy::start(&place, "");
    proxy.responses(&token, ALLOWED);
    assert!(ok(&place, &["revoke", "--list"]).stdout.contains("nothing is revoked"));
    let id = id_of(&place, &token);
    let named = minted_id_of(&place, &token);
    let said = ok(&place, &["revoke", &named, "--whole-family", "--reason", "lost"]);
    assert!(said.stdout.contains(&format!("revoked {named}")), "{said:?}");
    proxy.time_until(&token, REVOKED);
    proxy.responses(&other, ALLOWED);
    let list = ok(&place, &["revoke", "--list"]);
    assert!(list.stdout.contains(&id) && list.stdout.contains("lost"), "{list:?}");
    let json: serde_json::Value =
        serde_json::from_str(&ok(&place, &["revoke", "--list", "--json"]).stdout).unwrap();
    assert_eq!(json[0]["reason"], "lost");
    // A new process knows it from the beginning.
    Proxy::start(&place, "").time_until(&token, REVOKED);
    ok(&place, &["revoke", "--undo", &named]);
    proxy.time_until(&token, ALLOWED);
    assert_eq!(place.program(&["revoke", "--undo", &named]).output().code, 1);
    #[cfg(unix)]
    assert_eq!(place.mode("keys/revocations.json"), 0o600);
    assert_eq!(proxy.end().code, 0);
}

/// Random ids may begin with what options begin with.
#[test]
fn ids_that_look_like_options() {
    let place = place();
    let (kid, other) = (format!("-{}", "k".repeat(42)), format!("kid:-{}", "o".repeat(42)));
    ok(
        &place,
        &[
            "revoke",
            "--reason",
            "lost",
            "--ambiguous-id",
            "--unknown-key",
            "--key",
            &kid,
            &other,
            "jti:-9abc",
        ],
    );
    let list = ok(&place, &["revoke", "--list"]).stdout;
    assert!(
        list.contains("jti:-9abc")
            && list.contains(&kid)
            && list.contains(&other)
            && list.contains("lost"),
        "{list}"
    );
    ok(&place, &["revoke", "--undo", "jti:-9abc", "--key", &kid]);
    let list = ok(&place, &["revoke", "--list"]).stdout;
    assert!(!list.contains("jti:-9abc") && !list.contains(&kid) && list.contains(&other), "{list}");
}

#[test]
fn keys_and_times_end_all_their_tokens() {
    let place = place();
    let other = mint(&place, &["GET /user"]);
    let proxy = Proxy::start(&place, "");
    proxy.responses(&other, ALLOWED);
    let keys: serde_json::Value =
        serde_json::from_str(&ok(&place, &["keys", "list", "--json"]).stdout).unwrap();
    let kid = keys[0]["kid"].as_str().unwrap();
    ok(&place, &["revoke", "--key", kid]);
    proxy.time_until(&other, REVOKED);
    ok(&place, &["revoke", "--undo", "--key", kid]);
    proxy.time_until(&other, ALLOWED);
    ok(&place, &["revoke", "--before", "now"]);
    proxy.time_until(&other, REVOKED);
    assert_eq!(proxy.end().code, 0);
}

#[test]
fn a_file_that_cannot_be_read_is_an_error_at_the_start_and_keeps_the_old_list_later() {
    let place = place();
    let token = mint(&place, &["GET /user"]);
    let id = id_of(&place, &token);
    ok(&place, &["revoke", &format!("jti:{id}"), "--ambiguous-id"]);
    let good = place.read("keys/revocations.json");
    let proxy = Proxy::start(&place, "");
    proxy.time_until(&token, REVOKED);
    place.write("keys/revocations.json", "{");
    std::thread::sleep(Duration::from_millis(800));
    proxy.responses(&token, REVOKED);
    std::fs::remove_file(place.path("keys/revocations.json")).unwrap();
    std::thread::sleep(Duration::from_millis(800));
    proxy.responses(&token, REVOKED);
    place.write("keys/revocations.json", &good.replace(&id, "another"));
    proxy.time_until(&token, ALLOWED);
    place.write("keys/revocations.json", "{");
    let second = place.program(&["serve", "--listen", "127.0.0.1:0"]).output();
    assert_eq!(second.code, 78, "{second:?}");
    assert!(second.stderr.contains("keys/revocations.json"), "{second:?}");
    assert_eq!(
        place.program(&["revoke", "chain:00112233445566778899aabbccddeeff"]).output().code,
        1
    );
    let ended = proxy.end();
    assert!(ended.stderr.contains("so the old ones stay"), "{ended:?}");
}

/// A list that is gone is no empty list, for whoever reads or changes it.
#[test]
fn a_list_that_is_gone_is_put_back_and_not_begun_anew() {
    let place = place();
    // Nothing is minted while all that is minted is revoked.
    let token = mint(&place, &["GET /user"]);
    ok(&place, &["revoke", "--before", "now"]);
    let list = place.read("keys/revocations.json");
    let gone = || std::fs::remove_file(place.path("keys/revocations.json")).unwrap();
    let refuses = |args: &[&str], code| {
        let output = place.program(args).output();
        assert_eq!(output.code, code, "{args:?}: {output:?}");
        assert!(output.stderr.contains("the list is gone"), "{args:?}: {output:?}");
        assert!(!place.path("keys/revocations.json").exists(), "{args:?}");
    };
    let all: [(&[&str], i32); 6] = [
        (&["revoke", "kid:NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs", "--unknown-key"], 1),
        (&["revoke", "--undo", "before:1"], 1),
        (&["revoke", "--repair"], 1),
        (&["revoke", "--list"], 1),
        (&["serve", "--listen", "127.0.0.1:0"], 78),
        (&["config", "check"], 78),
    ];
    gone();
    for (args, code) in all {
        refuses(args, code);
    }
    // A copy, as on another machine, is noticed by the proxy that has read it once.
    std::fs::remove_file(place.path("keys/revocations.json.lock")).unwrap();
    place.write("keys/revocations.json", &list);
    let proxy = Proxy::start(&place, "");
    proxy.time_until(&token, REVOKED);
    assert_eq!(proxy.end().code, 0);
    gone();
    for (args, code) in all {
        refuses(args, code);
    }
    // Where nothing was revoked.
    std::fs::remove_file(place.path("keys/revocations.json.lock")).unwrap();
    assert_eq!(ok(&place, &["revoke", "--list"]).stdout, "nothing is revoked\n");
    ok(&place, &["config", "check"]);
    ok(&place, &["revoke", "--before", "now"]);
}

#[test]
fn what_makes_no_sense_is_said() {
    let place = place();
    for (args, part) in [
        (vec!["revoke"], "what is to be revoked?"),
        (vec!["revoke", "--token", "eyJ"], "others see arguments"),
        (vec!["revoke", "--before", "yesterday"], "expected `2026"),
        (vec!["revoke", ""], "expected `chain:HEX`"),
        (vec!["revoke", "--whole-family", "before:17"], "--whole-family: there is no"),
        (vec!["revoke", "--repair", "x:y"], "cannot be used with"),
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
pub(crate) fn valkey(place: &Place) -> Option<Valkey> {
    let Some(program) = std::env::var_os("MAGICPROXY_TEST_VALKEY") else {
        assert!(
            !std::env::var("CI").is_ok_and(|ci| ci == "true" || ci == "1"),
            "MAGICPROXY_TEST_VALKEY names no valkey-server"
        );
        eprintln!(
            "skipped: MAGICPROXY_TEST_VALKEY names no valkey-server; `cargo xtask test unit` installs one"
        );
        return None;
    };
    let socket = place.path("s");
    drop(std::fs::remove_file(&socket));
    let mut command = Command::new(program);
    command
        .args([
            "--port",
            "0",
            "--save",
            "",
            "--appendonly",
            "yes",
            "--appendfsync",
            "always",
            "--unixsocket",
        ])
        .arg(&socket);
    let child = command.arg("--dir").arg(place.path("")).stdout(Stdio::null()).spawn().unwrap();
    let since = Instant::now();
    while !socket.exists() {
        assert!(since.elapsed() < PATIENCE);
        std::thread::sleep(Duration::from_millis(5));
    }
    Some(Valkey(child))
}

pub(crate) struct Valkey(Child);

impl Valkey {
    /// Lets the server answer nothing any more, and keep its connections.
    pub(crate) fn fall_silent(&self) {
        let id = self.0.id().to_string();
        assert!(Command::new("kill").args(["-s", "STOP", &id]).status().unwrap().success());
    }
}

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
    place.write(
        "magicproxy.toml",
        &format!("{UPSTREAM}[state]\nstore = 'valkey'\nurl_file = 'url'\n"),
    );
    place
        .write("stale.toml", &format!("{UPSTREAM}[state]\nstore = 'valkey'\nurl = '{url}'\non_unreachable = 'allow-stale 1h'\n"));
    let (token, other) = (mint(&place, &["GET /user"]), mint(&place, &["GET /user"]));
    let (strict, stale) = (Proxy::start(&place, ""), Proxy::start(&place, "stale.toml"));
    strict.time_until(&token, ALLOWED);
    stale.time_until(&token, ALLOWED);
    let chain = chain_of(&place, &token);
    ok(&place, &["revoke", &chain]);
    let took = [&strict, &stale].map(|proxy| proxy.time_until(&token, REVOKED));
    println!("a revocation took {took:?}");
    strict.responses(&other, ALLOWED);
    assert!(ok(&place, &["revoke", "--list"]).stdout.contains(&chain));
    assert!(!place.path("keys/revocations.json").exists());
    nothing_is_written_for_what_is_no_id(&place, &token);
    // Without the store one denies, and the other trusts what it knew.
    drop(valkey);
    strict.time_until(&other, "store_unavailable");
    strict.responses(&token, REVOKED);
    stale.responses(&other, ALLOWED);
    stale.responses(&token, REVOKED);
    assert_eq!(place.program(&["revoke", &chain]).output().code, 1);
    let new = Proxy::start(&place, "stale.toml");
    new.time_until(&other, "store_unavailable");
    let valkey = self::valkey(&place);
    for proxy in [&strict, &stale, &new] {
        proxy.time_until(&other, ALLOWED);
        proxy.responses(&token, REVOKED);
    }
    ok(&place, &["revoke", "--undo", &chain]);
    strict.time_until(&token, ALLOWED);
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
    plain.time_until(&token, ALLOWED);
    place.write("state.toml", &format!("{UPSTREAM}state.path = 'state.redb'\n"));
    let own = Proxy::start(&place, "state.toml");
    own.time_until(&token, ALLOWED);
    assert!(place.path("state.redb").exists());
    #[cfg(unix)]
    assert_eq!(place.mode("state.redb"), 0o600);
    // Nobody else may have it.
    let second =
        place.program(&["serve", "--listen", "127.0.0.1:0", "--config", "state.toml"]).output();
    assert_eq!(second.code, 1, "{second:?}");
    assert_eq!(second.stderr.matches("is in use by another process").count(), 1, "{second:?}");
    drop((plain, own));
}

/// A parent, two that were narrowed from it, and one that was narrowed from the first of them.
struct Family {
    parent: String,
    one: String,
    other: String,
    child: String,
}

impl Family {
    fn of(place: &Place, parent: &str, proxy: &Proxy) -> Self {
        let url = format!("http://{}", proxy.address);
        let narrow = |token: &str, more: &[&str]| {
            let fixed = if token.starts_with("mt2_") {
                vec!["narrow", "-"]
            } else {
                vec!["narrow", "-", "--proxy", &url]
            };
            let narrowed = place.program(&[&fixed, more].concat()).stdin(token).output();
            assert_eq!(narrowed.code, 0, "{narrowed:?}");
            narrowed.stdout.trim().to_owned()
        };
        let one = narrow(parent, &["--sub", "one"]);
        let child = narrow(&one, &["--allow", "GET /user"]);
        Self { other: narrow(parent, &["--sub", "other"]), parent: parent.to_owned(), one, child }
    }

    /// As soon as the proxy has read the new list: by the child's response, which is another than before.
    #[track_caller]
    fn responses(&self, proxy: &Proxy, [parent, one, other, child]: [&str; 4]) {
        proxy.time_until(&self.child, child);
        for (token, code) in
            [(&self.parent, parent), (&self.one, one), (&self.other, other), (&self.child, child)]
        {
            proxy.responses(token, code);
        }
    }
}

#[test]
fn one_of_a_family_is_revoked_and_its_parent_and_siblings_live() {
    let place = place();
    let proxy = Proxy::start(&place, "");
    let tokens = both_versions(&place);
    for parent in &tokens {
        proxy.time_until(parent, ALLOWED);
        let family = Family::of(&place, parent, &proxy);
        family.responses(&proxy, [ALLOWED; 4]);
        // By its file: this chain and what was narrowed from it.
        place.write("one", &family.one);
        let said = ok(&place, &["revoke", "--token", "@one", "--reason", "lost"]);
        let chain = chain_of(&place, &family.one);
        assert_eq!(said.stdout.trim(), format!("revoked {chain}"));
        family.responses(&proxy, [ALLOWED, REVOKED, ALLOWED, REVOKED]);
        let known = |token: &str| {
            (inspect(&place, token)["accepted"].clone(), inspect(&place, token)["reason"].clone())
        };
        let reason = format!("revoked, `{chain}`");
        assert_eq!(known(&family.child), (false.into(), reason.into()));
        assert_eq!(known(&family.other), (true.into(), serde_json::Value::Null));
        ok(&place, &["revoke", "--undo", "--token", "@one"]);
        family.responses(&proxy, [ALLOWED; 4]);
        // By what `inspect` shows.
        ok(&place, &["revoke", &chain_of(&place, &family.child)]);
        family.responses(&proxy, [ALLOWED, ALLOWED, ALLOWED, REVOKED]);
        ok(&place, &["revoke", "--undo", &chain_of(&place, &family.child)]);
        family.responses(&proxy, [ALLOWED; 4]);
        // All of them, by any of their files; by the owner that they share; and by the `jti`.
        let (owner, id) = (
            inspect(&place, &family.child)["owner"].as_str().unwrap().to_owned(),
            minted_id_of(&place, parent),
        );
        let ambiguous = if id.contains(":v2:") { vec!["--ambiguous-id"] } else { vec![] };
        for family_entry in [
            vec!["--token", "@one"],
            vec!["--owner", &owner],
            [&[&id as &str], ambiguous.as_slice()].concat(),
        ] {
            ok(&place, &[&["revoke", "--whole-family"], family_entry.as_slice()].concat());
            family.responses(&proxy, [REVOKED; 4]);
            ok(
                &place,
                &[&["revoke", "--undo", "--whole-family"], family_entry.as_slice()].concat(),
            );
            family.responses(&proxy, [ALLOWED; 4]);
        }
        assert_eq!(list(&place), serde_json::json!([]));
    }
}

/// What stands in the log is what `revoke` takes, behind its kind.
#[test]
fn the_log_names_chains() {
    let place = place();
    let address = format!("127.0.0.1:{}", reserved_port());
    let args = ["serve", "--log-format", "json", "--listen", &address];
    let proxy = Proxy { running: Some(place.program(&args).spawn()), address };
    let mut chains = Vec::new();
    for token in both_versions(&place) {
        proxy.responses(&token, ALLOWED);
        chains.push(chain_of(&place, &token));
    }
    let ended = proxy.end();
    for chain in chains {
        let field = format!("\"chain\":\"{}\"", chain.trim_start_matches("chain:"));
        assert!(ended.stderr.contains(&field), "{field} in {}", ended.stderr);
    }
}

/// What a proxy sealed anew ends with the chain that it was made of.
#[test]
fn a_token_that_was_sealed_anew_ends_with_its_chain() {
    let place = place();
    let tokens = both_versions(&place);
    ok(&place, &["keys", "rotate"]);
    let proxy = Proxy::start(&place, "");
    for parent in &tokens {
        proxy.time_until(parent, ALLOWED);
        let family = Family::of(&place, parent, &proxy);
        let resealed = place.program(&["reseal", "-"]).stdin(&family.one).output();
        assert_eq!(resealed.code, 0, "{resealed:?}");
        let resealed = resealed.stdout.trim();
        assert_ne!(resealed, family.one);
        proxy.responses(resealed, ALLOWED);
        ok(&place, &["revoke", &chain_of(&place, &family.other)]);
        proxy.time_until(&family.other, REVOKED);
        proxy.responses(resealed, ALLOWED);
        ok(&place, &["revoke", &chain_of(&place, &family.one)]);
        proxy.time_until(resealed, REVOKED);
        proxy.responses(parent, ALLOWED);
        // Its family is what was made of it.
        place.write("resealed", resealed);
        let whole = ok(&place, &["revoke", "--whole-family", "--token", "@resealed"]);
        assert!(!whole.stdout.contains(&chain_of(&place, parent)), "{whole:?}");
        let older = format!(
            "leaves the family alone of which the proxy made it, and can make it again: `{}`",
            chain_of(&place, parent)
        );
        assert!(whole.stderr.contains(&older), "{whole:?}");
        // By its file alone it is the token that is left alone, with whatever caveats that bears.
        ok(&place, &["revoke", "--undo", "--whole-family", "--token", "@resealed"]);
        ok(&place, &["revoke", "--undo", &chain_of(&place, &family.one)]);
        let alone = ok(&place, &["revoke", "--token", "@resealed"]);
        let older = format!(
            "leaves the token alone of which the proxy made it, and can make it again: `{}`",
            chain_of(&place, &family.one)
        );
        assert!(alone.stderr.contains(&older), "{alone:?}");
        ok(&place, &["revoke", &chain_of(&place, &family.one)]);
        proxy.responses(parent, ALLOWED);
    }
}

/// What is no id is refused: nothing is written, and what may be a secret is not repeated.
#[track_caller]
fn nothing_is_written_for_what_is_no_id(place: &Place, token: &str) {
    place.write("t", token);
    let before = (list(place), std::fs::read(place.path("keys/revocations.json")).ok());
    let typed = format!("jti:{token}");
    let at = format!("@{token}");
    let truncated = token.get(..60).unwrap();
    let upper = format!("chain:{}", "g".repeat(32));
    let long = format!("jti:{}", "j".repeat(129));
    let hex = "00112233445566778899aabbccddeeff";
    let unknown = "k".repeat(43);
    let (owner, proven, anyones) = (
        "a7".repeat(32),
        format!("jti:v1:{unknown}:test-1"),
        format!("jti:v2:{unknown}:none:test-1"),
    );
    for (args, part) in [
        (vec![token], "this is a magic token"),
        (vec![&typed], "this is a magic token"),
        (vec!["--key", token], "this is a magic token"),
        (vec![&at], "the token in a file is `--token @FILE`"),
        (vec!["--token", token], "--token: expected `@FILE`, `-` or `env:NAME`"),
        (vec!["--token", "t"], "--token: expected `@t`, `-` or `env:NAME`"),
        (vec!["@t"], "the token in it is given as `--token @t`"),
        (vec!["t"], "the token in it is given as `--token @t`"),
        (vec!["./t"], "the token in it is given as `--token @./t`"),
        (vec![truncated], "expected `chain:HEX`"),
        (vec!["not a jti at all!"], "`not a …`: expected `chain:HEX`"),
        (vec!["jti:not a jti at all!", "--whole-family"], "expected 1 to 128 characters"),
        (vec!["jti:", "--whole-family"], "expected 1 to 128 characters"),
        (vec![&long, "--whole-family"], "expected 1 to 128 characters"),
        (vec!["7Xh0o9kQdV4"], "`7Xh0o9kQdV4`: expected `chain:HEX`, `owner:HEX`"),
        (vec!["jti:7Xh0o9kQdV4"], "say `--ambiguous-id`"),
        (vec!["jti:7Xh0o9kQdV4", "--whole-family"], "say `--ambiguous-id`"),
        (vec![&anyones, "--whole-family", "--unknown-key"], "say `--ambiguous-id`"),
        (vec![&proven, "--unknown-key"], "say `--whole-family`"),
        (vec![&proven, "--whole-family"], "say `--unknown-key`"),
        (vec![&proven, "--ambiguous-id", "--whole-family"], "--ambiguous-id: there is no"),
        (vec!["jti:v3:a:b", "--whole-family"], "expected `jti:v1:KID:ID`"),
        (vec!["jti:v1:short:b", "--whole-family"], "expected `jti:v1:KID:ID`"),
        (vec!["jti:a:b", "--whole-family"], "expected `jti:v1:KID:ID`"),
        (vec!["--owner", "0011", "--whole-family"], "expected 64 hexadecimal digits"),
        (vec!["--owner", &owner], "say `--whole-family`"),
        (vec![&owner], "expected the kind before it: `owner:"),
        (vec!["--chain", "0011"], "expected 32 hexadecimal digits"),
        (vec!["--before", "2100-01-01T00:00:00Z"], "is in the future"),
        (vec!["before:4102444800"], "is in the future"),
        (vec![hex], "`chain:00112233445566778899aabbccddeeff`"),
        (vec![&upper], "expected 32 hexadecimal digits"),
        (vec!["chain:0011"], "expected 32 hexadecimal digits"),
        (vec!["owner:0011", "--whole-family"], "expected 64 hexadecimal digits"),
        (vec!["before:yesterday"], "expected `2026"),
        (vec!["kid:nosuchkey"], "as `magicproxy keys list` shows it"),
        (vec!["--key", "nosuchkey"], "as `magicproxy keys list` shows it"),
        (vec!["--key", &unknown], "say `--unknown-key`"),
        (vec!["who:me"], "expected `chain:HEX`"),
        (vec!["JTI:x"], "expected `chain:HEX`"),
        // One wrong argument among right ones: none of them.
        (
            vec!["chain:00112233445566778899aabbccddeeff", "t"],
            "the token in it is given as `--token @t`",
        ),
    ] {
        for undo in [&[][..], &["--undo"]] {
            let output = place.program(&[&["revoke"], args.as_slice(), undo].concat()).output();
            // What is not in the list cannot be undone, whatever it is called.
            let expected = if undo.is_empty() || output.code == 2 { 2 } else { 1 };
            assert_eq!(
                (output.code, output.stdout.as_str()),
                (expected, ""),
                "{args:?}: {output:?}"
            );
            assert!(
                expected == 1 || output.stderr.contains(part),
                "{args:?}: {part} in {output:?}"
            );
            for secret in [&token[..60], &token[token.len() - 20..]] {
                assert!(!output.stderr.contains(secret), "{args:?}: {output:?}");
            }
        }
    }
    let after = (list(place), std::fs::read(place.path("keys/revocations.json")).ok());
    assert_eq!(before, after);
    // Nor may a token stand in what everybody who reads the list is told.
    for reason in [
        token.to_owned(),
        format!("found in a log: \"Bearer {token}\"."),
        format!("MAGIC={token}; lost"),
    ] {
        let refused = place.program(&["revoke", "--token", "@t", "--reason", &reason]).output();
        assert!(
            refused.code == 2 && refused.stderr.contains("--reason: there is a magic token in it"),
            "{refused:?}"
        );
        assert!(!refused.stderr.contains(truncated), "{refused:?}");
    }
    assert_eq!(before, (list(place), std::fs::read(place.path("keys/revocations.json")).ok()));
}

#[test]
fn what_is_no_id_is_refused() {
    let place = place();
    for token in both_versions(&place) {
        assert!(!place.path("keys/revocations.json").exists());
        nothing_is_written_for_what_is_no_id(&place, &token);
        assert!(!place.path("keys/revocations.json").exists());
    }
}

/// Older versions wrote what they were given. The proxy says which entries refuse nothing, and shows no token that is among them.
#[test]
fn entries_that_mean_nothing_are_named_and_repaired() {
    let place = place();
    let [token, other] = both_versions(&place);
    let about = r#"{"revoked_at": 1790000000, "expires_at": 99000000000, "reason": "lost"}"#;
    let old = |id: &str| {
        format!(
            r#"{{"revocations": {{"jti:{token}": {about}, "jti:not a jti at all!": {about}, "kid:nosuchkey": {about}, "{id}": {about}}}}}"#
        )
    };
    let id = format!("jti:{}", id_of(&place, &other));
    place.write("keys/revocations.json", &old(&id));
    let port = reserved_port();
    let address = format!("127.0.0.1:{port}");
    let proxy = Proxy {
        running: Some(
            place.program(&["serve", "--log-level", "warn", "--listen", &address]).spawn(),
        ),
        address,
    };
    // Old entries keep their meaning.
    proxy.time_until(&other, REVOKED);
    proxy.responses(&token, ALLOWED);
    for shown in [ok(&place, &["revoke", "--list"]).stdout, list(&place).to_string()] {
        assert!(
            !shown.contains(&token[..60])
                && shown.contains("jti:mt2_ey…")
                && shown.contains("kid:nosuchkey"),
            "{shown}"
        );
        assert_eq!(shown.matches("refuses").count(), 3, "{shown}");
    }
    let repaired = ok(&place, &["revoke", "--repair"]);
    let chain = chain_of(&place, &token);
    for part in [
        &format!("revoked {chain}, which `jti:mt2_ey…` was to do"),
        "took away `kid:nosuchkey`",
        "took away `jti:not a …`",
    ] {
        assert!(repaired.stdout.contains(part), "{part} in {repaired:?}");
    }
    proxy.time_until(&token, REVOKED);
    proxy.responses(&other, REVOKED);
    let file = place.read("keys/revocations.json");
    assert!(
        !file.contains(&token)
            && !file.contains("nosuchkey")
            && file.contains(&chain)
            && file.contains(&id),
        "{file}"
    );
    assert_eq!(
        list(&place)
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry["reason"].as_str())
            .collect::<Vec<_>>(),
        [Some("lost"); 2]
    );
    assert_eq!(ok(&place, &["revoke", "--repair", "--json"]).stdout.trim(), "[]");
    let ended = proxy.end();
    assert!(!ended.stderr.contains(&token[..60]), "{ended:?}");
    for name in ["jti:mt2_ey…", "jti:not a …", "kid:nosuchkey"] {
        assert_eq!(
            ended.stderr.matches(&format!("the revocation `{name}` refuses nothing")).count(),
            1,
            "{name} in {ended:?}"
        );
    }
}

/// A revocation without effect is made, in case this machine is the one that is wrong, and says so.
#[test]
fn what_has_no_effect_is_said() {
    let place = place();
    let [sealed, signed] = both_versions(&place);
    place.write("sealed", &sealed);
    place.write("child", &ok(&place, &["narrow", "@sealed", "--sub", "child"]).stdout);
    // Of the year in which the vectors were made.
    let vectors = std::fs::read_to_string(format!(
        "{}/../../testdata/vectors/token-v2.json",
        env!("CARGO_MANIFEST_DIR")
    ))
    .unwrap();
    let vectors: serde_json::Value = serde_json::from_str(&vectors).unwrap();
    place.write("ended", vectors["cases"][0]["token"].as_str().unwrap());
    let remarks = |args: &[&str]| {
        let said = ok(&place, &[&["revoke", "--json"], args].concat());
        let json: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
        let remarks: Vec<String> =
            json.as_array().unwrap().iter().map(|entry| entry["remarks"].to_string()).collect();
        let noted = said.stderr.lines().filter(|line| line.starts_with("note: ")).count();
        assert_eq!(
            noted,
            json.as_array()
                .unwrap()
                .iter()
                .map(|entry| entry["remarks"].as_array().unwrap().len())
                .sum::<usize>()
        );
        remarks.join(" ")
    };
    assert_eq!(remarks(&["--token", "@sealed"]), "[]");
    assert!(remarks(&["--token", "@sealed"]).contains("was revoked before"));
    assert!(remarks(&["--token", "@child"]).contains("has no effect of its own: `chain:"));
    let still = ok(&place, &["revoke", "--undo", "--token", "@child"]);
    assert!(still.stderr.contains("is still refused by `chain:"), "{still:?}");
    let not = place.program(&["revoke", "--undo", "--token", "@child"]).output();
    assert!(not.code == 1 && not.stderr.contains("; the token is refused by `chain:"), "{not:?}");
    assert!(
        remarks(&["--token", "@ended"])
            .contains("has no effect: the token in @ended ended at 2026-")
    );
    // A token of another proxy.
    place.write("signed", &signed);
    let other = self::place();
    std::fs::remove_dir_all(other.path("keys")).unwrap();
    ok(&other, &["keys", "generate", "--keys", "keys"]);
    other.write("signed", &signed);
    let said = ok(&other, &["revoke", "--token", "@signed"]);
    assert!(said.stderr.contains("is not accepted here"), "{said:?}");
    // Only that remark needs the keys.
    other.write("keys/private.pem", "broken");
    let said = ok(&other, &["revoke", "--token", "@signed", &format!("chain:{}", "0".repeat(32))]);
    assert!(
        said.stdout.lines().count() == 2 && said.stderr.contains("was revoked before"),
        "{said:?}"
    );
    assert!(!remarks(&["before:1790000000"]).contains("no effect"));
    assert!(
        remarks(&["--before", "1780000000"])
            .contains("`before:1790000000` refuses these tokens already")
    );
}
