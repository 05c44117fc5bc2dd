//! Sealed tokens from the command line: minted with the public key, narrowed with nothing, through rotations.

use crate::exchange;
use crate::ports::reserved_port;
use crate::program::{Output, Place, Running, SECRET};

/// A place with keys, and their public halves in `proxy.jwks`.
fn place() -> Place {
    let place = Place::with_keys();
    let exported = place.program(&["keys", "export-public", "--jwks"]).output();
    assert!(exported.code == 0 && !exported.stdout.contains("\"d\""), "{exported:?}");
    place.write("proxy.jwks", &exported.stdout);
    place
}

fn mint(place: &Place, to: &str, more: &[&str]) -> String {
    let fixed = ["mint", "--to", to, "--aud", "github", "--credential-env", "SECRET"];
    let minted = place.program(&[&fixed, more].concat()).env("SECRET", SECRET).output();
    assert_eq!(minted.code, 0, "{minted:?}");
    assert!(!minted.stdout.contains(SECRET) && minted.stdout.starts_with("mt2_eyJ"), "{minted:?}");
    minted.stdout.trim().to_owned()
}

fn narrow(place: &Place, token: &str, more: &[&str]) -> Output {
    place.program(&[&["narrow", "-"], more].concat()).stdin(token).output()
}

fn decided(place: &Place, token: &str, target: &str, more: &[&str]) -> i32 {
    place.program(&[&["explain", token, "GET", target], more].concat()).output().code
}

#[test]
fn minted_with_the_public_key_and_narrowed_with_nothing() {
    let place = place();
    let elsewhere = Place::new();
    elsewhere.write("proxy.jwks", &place.read("proxy.jwks"));
    for kem in ["x25519", "x-wing"] {
        let token = mint(
            &elsewhere,
            "proxy.jwks",
            &["--allow", "GET /repos/.*", "--sub", "ci", "--kem", kem],
        );
        assert_eq!(decided(&place, &token, "/repos/a", &[]), 0);
        let narrowed = narrow(
            &elsewhere,
            &token,
            &["--allow", "GET /repos/acme/.*", "--expires-in", "15m", "--sub", "agent"],
        );
        assert_eq!(narrowed.code, 0, "{narrowed:?}");
        let child = narrowed.stdout.trim();
        assert_eq!(
            (decided(&place, child, "/repos/acme/x", &[]), decided(&place, child, "/repos/a", &[])),
            (0, 3)
        );
        let shown = place.program(&["inspect", child]).output();
        for part in [
            "accepted   yes",
            "version    v2",
            "for        ci",
            "caveat 1   only GET /repos/acme/.*",
            "caveat 1   given to agent",
            "effective ",
        ] {
            assert!(shown.stdout.contains(part), "{part} in {shown:?}");
        }
        let json: serde_json::Value =
            serde_json::from_str(&place.program(&["inspect", "--json", child]).output().stdout)
                .unwrap();
        assert_eq!((&json["kem"], &json["caveats"][0]["sub"]), (&kem.into(), &"agent".into()));
    }
}

#[test]
fn narrowing_says_when_nothing_is_left() {
    let place = place();
    let token = mint(&place, "proxy.jwks", &["--allow", "GET /repos/.*"]);
    let nothing = narrow(&place, &token, &["--allow", "GET /user", "--allow", "PUT /repos/a"]);
    assert!(nothing.code == 2 && nothing.stderr.contains("nothing would be left"), "{nothing:?}");
    let some = narrow(&place, &token, &["--allow", "GET /user", "--allow", "GET /repos/a"]);
    assert!(some.code == 0 && some.stderr.contains("allows nothing of `GET /user`"), "{some:?}");
    let again = narrow(&place, some.stdout.trim(), &["--allow", "GET /repos/b"]);
    assert!(again.code == 2 && again.stderr.contains("nothing would be left"), "{again:?}");
    let v1 = crate::mint(&place, &["GET /user"]);
    let refused = narrow(&place, &v1, &["--expires-in", "1m"]);
    assert!(refused.code == 2 && refused.stderr.contains("--proxy"), "{refused:?}");
}

/// Two rules share a request only where their conditions do.
#[test]
fn narrowing_looks_at_conditions() {
    let place = place();
    let pulls = |base: &str| format!("POST /repos/a/pulls json.base={base} json.title");
    let token = mint(&place, "proxy.jwks", &["--allow", &pulls("main")]);
    let nothing = narrow(&place, &token, &["--allow", &pulls("next")]);
    assert!(nothing.code == 2 && nothing.stderr.contains("nothing would be left"), "{nothing:?}");
    let some = narrow(&place, &token, &["--allow", &pulls("main,next")]);
    assert!(some.code == 0 && !some.stderr.contains("warning"), "{some:?}");
    let vain = ["--allow", &pulls("main"), "--allow", "POST /repos/.+"];
    let vain = narrow(&place, &token, &vain);
    assert!(vain.code == 0 && vain.stderr.contains("the conditions of rule 1"), "{vain:?}");
    let empty = ["--allow", r#"{"method": "GET", "path": "/a", "query": {"x": {"pattern": "é"}}}"#];
    let empty = narrow(&place, &token, &empty);
    assert!(empty.code == 2 && empty.stderr.contains("because of `query.x`"), "{empty:?}");
}

#[test]
fn a_bound_sender_and_typed_credentials() {
    let place = place();
    let token =
        mint(&place, "proxy.jwks", &["--allow", "GET /user", "--credential-as", "header:X-Key"]);
    let bound = narrow(&place, &token, &["--sender", "192.0.2.0/24"]).stdout;
    assert_eq!(decided(&place, bound.trim(), "/user", &["--sender", "192.0.2.7"]), 0);
    assert_eq!(decided(&place, bound.trim(), "/user", &["--sender", "192.0.3.7"]), 3);
    assert_eq!(decided(&place, bound.trim(), "/user", &[]), 3);
}

#[test]
fn minters_are_known_by_their_keys() {
    let place = place();
    let made = place.program(&["keys", "minter", "--out", "minter.jwk"]).output();
    assert!(made.code == 0 && !made.stdout.contains("\"d\""), "{made:?}");
    place.write("known.jwk", &made.stdout);
    place.write(
        "magicproxy.toml",
        "mint.policy = 'closed'\ntokens.minters = ['known.jwk']\nkeys.folder = 'keys'\n",
    );
    let signed =
        mint(&place, "proxy.jwks", &["--allow", "GET /user", "--minter-key", "minter.jwk"]);
    let unsigned = mint(&place, "proxy.jwks", &["--allow", "GET /user"]);
    assert_eq!(
        (decided(&place, &signed, "/user", &[]), decided(&place, &unsigned, "/user", &[])),
        (0, 3)
    );
    // Where minting is closed and nobody is listed, the public key alone mints nothing.
    place.write("magicproxy.toml", "mint.policy = 'closed'\nkeys.folder = 'keys'\n");
    assert_eq!(decided(&place, &unsigned, "/user", &[]), 3);
}

/// A proxy that runs with the keys of a place, for an API at which nobody listens: 502 says that a token was good for its
/// request.
pub(crate) struct Proxy {
    address: String,
    pub(crate) url: String,
    serving: Option<Running>,
}

impl Proxy {
    pub(crate) fn serve(place: &Place, keys: &str) -> Self {
        let port = reserved_port();
        Self::serve_at(place, keys, port)
    }

    fn serve_at(place: &Place, keys: &str, port: u16) -> Self {
        let (address, url) = (format!("127.0.0.1:{port}"), format!("http://127.0.0.1:{port}"));
        let args =
            ["serve", "--listen", &address, "--api-root", "http://127.0.0.1:1", "--keys", keys];
        let proxy = Self { serving: Some(place.program(&args).spawn()), address, url };
        assert_eq!(proxy.status("x"), "401");
        proxy
    }

    fn status(&self, token: &str) -> String {
        let head = format!(
            "host: {}\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n",
            self.address
        );
        exchange(&self.address, &format!("GET /user HTTP/1.1\r\n{head}"))
            .split(' ')
            .nth(1)
            .unwrap()
            .to_owned()
    }

    /// Mints for it in a place of its own, where nothing but pins is kept.
    fn mint(&self, minter: &Place, more: &[&str]) -> Output {
        let fixed = [
            "mint",
            "--to",
            &self.url,
            "--aud",
            "127.0.0.1:1",
            "--credential-env",
            "SECRET",
            "--allow",
            "GET /user",
        ];
        minter.program(&[&fixed, more].concat()).env("SECRET", SECRET).output()
    }

    /// Mints until a token says so: the proxy looks at its keys once in a while.
    fn mint_until(&self, minter: &Place, done: impl Fn(&Output) -> bool) -> Output {
        for _ in 0..400 {
            let minted = self.mint(minter, &[]);
            if done(&minted) {
                return minted;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        panic!("the proxy does not notice");
    }

    fn stop(&mut self) -> Output {
        self.serving.take().unwrap().terminate()
    }
}

fn kid(place: &Place, token: &str) -> String {
    let shown = place.program(&["inspect", "--json", token.trim()]).output().stdout;
    serde_json::from_str::<serde_json::Value>(&shown).unwrap()["kid"].as_str().unwrap().to_owned()
}

#[test]
fn rotations_reach_a_running_proxy_its_minters_and_old_tokens() {
    let (place, minter) = (place(), Place::new());
    let mut proxy = Proxy::serve(&place, "keys");
    let first = proxy.mint(&minter, &[]);
    assert!(
        first.stderr.contains("pinned the key") && first.stderr.contains("which signs the key set"),
        "{first:?}"
    );
    let old = first.stdout.trim();
    assert_eq!(proxy.status(old), "502");
    assert_eq!(place.program(&["keys", "rotate", "--retire-after", "30d"]).output().code, 0);
    // Nobody says --refresh: the new set is signed by the key that was pinned.
    let new = proxy.mint_until(&minter, |minted| {
        minted.code != 0 || kid(&place, &minted.stdout) != kid(&place, old)
    });
    assert!(
        new.stderr.contains("pinned the key") && !new.stderr.contains("which signs the key set"),
        "{new:?}"
    );
    assert_eq!((proxy.status(new.stdout.trim()), proxy.status(old)), ("502".into(), "502".into()));
    let url = proxy.url.clone();
    let resealed = place.program(&["reseal", old, "--proxy", &url]).output();
    assert_eq!(resealed.code, 0, "{resealed:?}");
    assert_ne!(resealed.stdout.trim(), old);
    assert_eq!(proxy.status(resealed.stdout.trim()), "502");
    let narrowed = place
        .program(&[
            "narrow",
            &crate::mint(&place, &["GET /user"]),
            "--expires-in",
            "1m",
            "--proxy",
            &url,
        ])
        .output();
    assert_eq!(narrowed.code, 0, "{narrowed:?}");
    let shown = place.program(&["inspect", narrowed.stdout.trim()]).output().stdout;
    assert!(shown.contains("version    v1") && shown.contains("caveat 1   until "), "{shown}");
    let ended = proxy.stop();
    assert!(ended.code == 0 && ended.stderr.contains("the keys have changed"), "{ended:?}");
}

/// The key of the set names its successor; who missed the moment is led on by the old key, while it is there.
#[test]
fn a_new_key_of_the_key_set_is_announced_by_the_old_one() {
    let (place, minter, late) = (place(), Place::new(), Place::new());
    let mut proxy = Proxy::serve(&place, "keys");
    assert_eq!((proxy.mint(&minter, &[]).code, proxy.mint(&late, &[]).code), (0, 0));
    assert_eq!(place.program(&["keys", "rotate", "--key-set"]).output().code, 0);
    let led = proxy.mint_until(&minter, |minted| {
        minted.code != 0 || minted.stderr.contains("which signs the key set")
    });
    assert_eq!(led.code, 0, "{led:?}");
    assert_eq!(place.program(&["keys", "rotate", "--key-set"]).output().code, 0);
    let led = proxy.mint_until(&minter, |minted| {
        minted.code != 0 || minted.stderr.contains("which signs the key set")
    });
    assert_eq!(
        (led.code, proxy.mint(&late, &[]).code, proxy.mint(&minter, &[]).code),
        (0, 0, 0),
        "{led:?}"
    );
    proxy.stop();
}

/// What does not follow what is pinned is never sealed to, and the user is told what to do.
#[test]
fn a_key_set_that_does_not_follow_is_refused() {
    let (place, minter) = (place(), Place::new());
    let port = reserved_port();
    let copy = |from: &str, to: &str| {
        for name in place.names(from) {
            place.write(&format!("{to}/{name}"), &place.read(&format!("{from}/{name}")));
            place.set_mode(&format!("{to}/{name}"), 0o600);
        }
    };
    copy("keys", "behind");
    copy("keys", "unsigned");
    for name in place.names("unsigned").into_iter().filter(|name| name.starts_with("keyset-")) {
        std::fs::remove_file(place.path(&format!("unsigned/{name}"))).unwrap();
    }
    assert_eq!(place.program(&["keys", "generate", "--keys", "strangers"]).output().code, 0);
    assert_eq!(place.program(&["keys", "rotate"]).output().code, 0);
    let pins = || {
        minter
            .names("home/.local/share/magicproxy/proxies")
            .into_iter()
            .find(|name| name.ends_with(".jwks"))
            .unwrap()
    };
    let mut proxy = Proxy::serve_at(&place, "keys", port);
    assert_eq!(proxy.mint(&minter, &[]).code, 0);
    let pin = format!("home/.local/share/magicproxy/proxies/{}", pins());
    let good = minter.read(&pin);
    proxy.stop();
    let unsigned = |text: &str| {
        let mut document: serde_json::Value = serde_json::from_str(text).unwrap();
        document.as_object_mut().unwrap().remove("signed");
        document.to_string()
    };
    for (keys, pinned, expected) in [
        ("behind", good.clone(), "older than the one that is pinned"),
        ("strangers", good.clone(), "not signed by the key that is pinned"),
        ("unsigned", good.clone(), "the key set is not signed"),
        // Pins from before sets were signed, and proxies that still do not sign.
        ("keys", unsigned(&good), "pinned before key sets were signed"),
        ("unsigned", unsigned(&good), "its keys are not those that are pinned"),
    ] {
        let mut proxy = Proxy::serve_at(&place, keys, port);
        minter.write(&pin, &pinned);
        let refused = proxy.mint(&minter, &[]);
        assert_eq!((refused.code, refused.stdout.as_str()), (1, ""), "{keys}: {refused:?}");
        assert!(
            refused.stderr.contains(expected) && refused.stderr.contains("--refresh"),
            "{keys}: {refused:?}"
        );
        assert_eq!(minter.read(&pin), pinned, "{keys}");
        let refreshed = proxy.mint(&minter, &["--refresh"]);
        assert_eq!(
            (refreshed.code, proxy.status(refreshed.stdout.trim())),
            (0, "502".to_owned()),
            "{keys}: {refreshed:?}"
        );
        proxy.stop();
    }
    // A proxy without a key for it serves as before, as long as its keys stay.
    let mut proxy = Proxy::serve_at(&place, "unsigned", port);
    let again = proxy.mint(&minter, &[]);
    assert_eq!(again.code, 0, "{again:?}");
    proxy.stop();
}

/// Two mints at once, of which one asks a replica that is behind: the older set does not take the place of the newer one.
#[test]
fn what_another_mint_has_pinned_meanwhile_is_followed() {
    let (place, minter) = (place(), Place::new());
    let set_of_now = || {
        let mut proxy = Proxy::serve(&place, "keys");
        assert_eq!(proxy.mint(&minter, &["--refresh"]).code, 0);
        proxy.stop();
        let pin = format!(
            "home/.local/share/magicproxy/proxies/http_{}.jwks",
            proxy.address.replace(':', "_")
        );
        (proxy, minter.read(&pin), pin)
    };
    let (_, older, _) = set_of_now();
    assert_eq!(place.program(&["keys", "rotate"]).output().code, 0);
    let (proxy, newer, pin) = set_of_now();
    minter.write(&pin, &older);
    let listener = std::net::TcpListener::bind(&proxy.address).unwrap();
    let file = minter.path(&pin);
    let (meanwhile, answered) = (newer.clone(), older);
    let behind = std::thread::spawn(move || {
        let mut stream = asked(&listener);
        std::fs::write(file, meanwhile).unwrap();
        response(&mut stream, &answered, 0);
    });
    let refused = proxy.mint(&minter, &[]);
    behind.join().unwrap();
    assert_eq!((refused.code, refused.stdout.as_str()), (1, ""), "{refused:?}");
    assert!(refused.stderr.contains("older than the one that is pinned"), "{refused:?}");
    assert_eq!(minter.read(&pin), newer);
}

/// What is pinned is what was verified: nobody slips a set of his own in beside the proxy's.
#[test]
fn a_set_that_stands_beside_the_right_one_is_never_pinned() {
    let (place, minter) = (place(), Place::new());
    assert_eq!(place.program(&["keys", "generate", "--keys", "strangers"]).output().code, 0);
    let set_of = |keys: &str| -> serde_json::Value {
        let mut proxy = Proxy::serve(&place, keys);
        let head = format!("host: {}\r\nconnection: close\r\n\r\n", proxy.address);
        let response =
            exchange(&proxy.address, &format!("GET /__magictoken/keys HTTP/1.1\r\n{head}"));
        proxy.stop();
        serde_json::from_str(response.split("\r\n\r\n").nth(1).unwrap()).unwrap()
    };
    let (good, strange) = (set_of("keys"), set_of("strangers"));
    // In a file, too, what is signed counts and not what stands beside it; a signature that does not hold is no set.
    let mut beside = good.clone();
    beside["keys"] = strange["keys"].clone();
    place.write("beside.jwks", &beside.to_string());
    assert_eq!(
        kid(&place, &mint(&place, "beside.jwks", &["--allow", "GET /a"])),
        good["keys"][0]["kid"]
    );
    beside["signed"] =
        serde_json::json!([good["signed"][0].as_str().unwrap().replacen("eyJ", "eyK", 1)]);
    place.write("beside.jwks", &beside.to_string());
    let refused = place.program(&[
        "mint",
        "--to",
        "beside.jwks",
        "--aud",
        "a",
        "--credential-env",
        "S",
        "--allow",
        "GET /a",
    ]);
    let refused = refused.env("S", SECRET).output();
    assert!(
        refused.code == 2 && refused.stdout.is_empty() && refused.stderr.contains("not a key set"),
        "{refused:?}"
    );
    let (own, other) = (good["signed"][0].clone(), strange["signed"][0].clone());
    for signed in [vec![other.clone(), own.clone()], vec![own, other]] {
        let document = serde_json::json!({ "keys": good["keys"], "signed": signed }).to_string();
        let mut proxy = Proxy::serve(&place, "keys");
        assert_eq!(proxy.mint(&minter, &["--refresh"]).code, 0);
        let address = proxy.address.clone();
        proxy.stop();
        let pin =
            format!("home/.local/share/magicproxy/proxies/http_{}.jwks", address.replace(':', "_"));
        let pinned = minter.read(&pin);
        let listener = std::net::TcpListener::bind(&address).unwrap();
        let stranger = std::thread::spawn(move || respond_once(&listener, &document, 0));
        let refused = proxy.mint(&minter, &[]);
        stranger.join().unwrap();
        assert_eq!((refused.code, refused.stdout.as_str()), (1, ""), "{refused:?}");
        assert!(refused.stderr.contains("not a key set that is understood here"), "{refused:?}");
        assert_eq!(minter.read(&pin), pinned);
    }
}

/// Answers the first request with a key set of which that many bytes are missing, and closes.
fn respond_once(listener: &std::net::TcpListener, document: &str, missing: usize) {
    response(&mut asked(listener), document, missing);
}

/// A connection, with a request that has come.
fn asked(listener: &std::net::TcpListener) -> std::net::TcpStream {
    use std::io::Read as _;
    let (mut stream, _) = listener.accept().unwrap();
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        request.extend(byte);
    }
    stream
}

fn response(stream: &mut std::net::TcpStream, document: &str, missing: usize) {
    use std::io::Write as _;
    let length = document.len() + missing;
    let head = format!("content-type: application/jwk-set+json\r\ncontent-length: {length}\r\n");
    write!(stream, "HTTP/1.1 200 OK\r\n{head}connection: close\r\n\r\n{document}").unwrap();
}

#[test]
fn without_the_proxy_the_pinned_keys_serve_and_that_is_said() {
    let (place, minter) = (place(), Place::new());
    let mut proxy = Proxy::serve(&place, "keys");
    let first = proxy.mint(&minter, &[]);
    assert!(!first.stderr.contains("not checked"), "{first:?}");
    proxy.stop();
    let offline = proxy.mint(&minter, &[]);
    assert_eq!(
        (offline.code, kid(&place, &offline.stdout)),
        (0, kid(&place, &first.stdout)),
        "{offline:?}"
    );
    for part in [
        "nobody listens at",
        "sealing to the pinned key",
        "not checked: whether the proxy has an upstream `127.0.0.1:1`",
    ] {
        assert!(offline.stderr.contains(part), "{part} in {offline:?}");
    }
    // Somebody else there is no reason to go on, and neither is a pin that nothing is known of.
    let listener = std::net::TcpListener::bind(&proxy.address).unwrap();
    let other = std::thread::spawn(move || respond_once(&listener, "{}", 10));
    let broken = proxy.mint(&minter, &[]);
    other.join().unwrap();
    assert_eq!((broken.code, broken.stdout.as_str()), (1, ""), "{broken:?}");
    assert!(broken.stderr.contains("the response broke off"), "{broken:?}");
    let nothing = proxy.mint(&Place::new(), &[]);
    assert_eq!((nothing.code, nothing.stdout.as_str()), (1, ""), "{nothing:?}");
    let named = minter
        .program(&["mint", "--to", &proxy.url, "--credential-env", "S", "--allow", "GET /a"])
        .env("S", SECRET)
        .output();
    assert!(named.code == 2 && named.stderr.contains("--aud NAME"), "{named:?}");
}

/// A key that the operator retired, and whose time is over: the token says to which key it was sealed, and the proxy what became
/// of that.
#[test]
fn a_token_of_a_key_that_has_ended_is_told_so() {
    let place = place();
    let token = mint(&place, "proxy.jwks", &["--allow", "GET /user"]);
    assert_eq!(place.program(&["keys", "rotate", "--retire-after", "30d"]).output().code, 0);
    // The thirty days are over.
    for name in place
        .names("keys")
        .into_iter()
        .map(|name| format!("keys/{name}"))
        .filter(|name| name.contains("sealing"))
    {
        let text = place.read(&name);
        let ended = text
            .lines()
            .map(|line| if line.contains("not_after") { "  \"not_after\": 1," } else { line });
        let ended: Vec<&str> = ended.collect();
        place.write(&name, &ended.join("\n"));
    }
    let refused = place.program(&["explain", &token, "GET", "/user"]).output();
    assert_eq!(refused.code, 3, "{refused:?}");
    assert!(
        refused.stdout.contains("sealed to a key of this proxy that was retired"),
        "{refused:?}"
    );
    let strangers = Place::with_keys();
    assert_eq!(strangers.program(&["keys", "generate", "--keys", "others"]).output().code, 0);
    let refused =
        strangers.program(&["explain", &token, "GET", "/user", "--keys", "others"]).output();
    assert!(
        refused.stdout.contains("sealed to a key that this proxy does not accept"),
        "{refused:?}"
    );
}

#[test]
fn the_name_of_the_upstream_is_asked_of_the_proxy() {
    let (place, minter) = (place(), Place::new());
    let mut proxy = Proxy::serve(&place, "keys");
    let mint = |more: &[&str]| {
        let fixed =
            ["mint", "--to", &proxy.url, "--credential-env", "SECRET", "--allow", "GET /user"];
        minter.program(&[&fixed, more].concat()).env("SECRET", SECRET).output()
    };
    let unknown = mint(&["--aud", "github"]);
    assert_eq!((unknown.code, unknown.stdout.as_str()), (2, ""), "{unknown:?}");
    assert!(
        unknown.stderr.contains("--aud `github`")
            && unknown.stderr.contains("there is `127.0.0.1:1`"),
        "{unknown:?}"
    );
    let told = mint(&[]);
    assert!(told.code == 0 && told.stderr.contains("for the only upstream"), "{told:?}");
    assert_eq!(proxy.status(told.stdout.trim()), "502");
    proxy.stop();
}

/// The guide's example of a sealed token, as it stands there, at a proxy without a configuration.
#[test]
fn the_sealed_example_of_getting_started_works() {
    let guide = include_str!("../../../../docs/guide/getting-started.md");
    let example = |beginning: &str| {
        let line =
            guide.lines().find(|line| line.starts_with(&format!("$ magicproxy {beginning}")));
        line.unwrap_or_else(|| panic!("the guide has `{beginning}`"))
            .trim_start_matches("$ ")
            .to_owned()
    };
    let (place, user) = (place(), Place::new());
    let port = reserved_port();
    let (address, url) = (format!("127.0.0.1:{port}"), format!("http://127.0.0.1:{port}"));
    let serving = place.program(&["serve", "--listen", &address, "--keys", "keys"]).spawn();
    exchange(
        &address,
        &format!("GET /__magictoken HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"),
    );
    let shell = |line: &str| {
        user.shell(&line.replace("https://proxy.example", &url))
            .env("GITHUB_TOKEN", SECRET)
            .output()
    };
    let minted = shell(&example("mint --to"));
    assert_eq!(minted.code, 0, "{minted:?}");
    let narrowed = shell(&example("narrow @job.token"));
    assert_eq!(narrowed.code, 0, "{narrowed:?}");
    // The proxy itself says what it would do; nothing goes to the API.
    for (token, target, code) in [
        ("@job.token", "/repos/acme/site/pulls", 0),
        ("@job.token", "/user", 3),
        ("@agent.token", "/repos/acme/site/pulls", 0),
        ("@agent.token", "/repos/acme/other", 3),
    ] {
        let decided = user.program(&["explain", token, "GET", target, "--proxy", &url]).output();
        assert_eq!(decided.code, code, "{token} {target}: {decided:?}");
    }
    // Tokens of before, for the host of the API, are still for this upstream.
    let before = mint_as(&user, &url, "api.github.com");
    assert_eq!(
        user.program(&["explain", &before, "GET", "/user", "--proxy", &url]).output().code,
        0
    );
    place.write("proxy.jwks", &place.program(&["keys", "export-public", "--jwks"]).output().stdout);
    let older = mint_as(&place, "proxy.jwks", "api.github.com");
    assert_eq!(
        user.program(&["explain", &older, "GET", "/user", "--proxy", &url]).output().code,
        0
    );
    assert_eq!(serving.terminate().code, 0);
}

fn mint_as(place: &Place, to: &str, aud: &str) -> String {
    let fixed =
        ["mint", "--to", to, "--aud", aud, "--allow", "GET /user", "--credential-env", "SECRET"];
    let minted = place.program(&fixed).env("SECRET", SECRET).output();
    assert_eq!(minted.code, 0, "{minted:?}");
    minted.stdout.trim().to_owned()
}
