//! Sealed tokens from the command line: minted with the public key, narrowed with nothing, through rotations.

use crate::exchange;
use crate::program::{Output, Place, SECRET};

/// A place with keys, and their public halves in `proxy.jwks`.
fn place() -> Place {
    let place = Place::with_keys();
    let exported = place.program(&["keys", "export-public", "--jwks"]).output();
    assert!(exported.code == 0 && !exported.stdout.contains("\"d\""), "{exported:?}");
    place.write("proxy.jwks", &exported.stdout);
    place
}

fn mint(place: &Place, to: &str, more: &[&str]) -> String {
    let fixed = ["mint", "--to", to, "--aud", "api.github.com", "--credential-env", "SECRET"];
    let minted = place.program(&[&fixed, more].concat()).env("SECRET", SECRET).output();
    assert_eq!(minted.code, 0, "{minted:?}");
    assert!(!minted.stdout.contains(SECRET) && minted.stdout.starts_with("mt2.eyJ"), "{minted:?}");
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
        let token = mint(&elsewhere, "proxy.jwks", &["--allow", "GET /repos/.*", "--sub", "ci", "--kem", kem]);
        assert_eq!(decided(&place, &token, "/repos/a", &[]), 0);
        let narrowed = narrow(&elsewhere, &token, &["--allow", "GET /repos/acme/.*", "--expires-in", "15m", "--sub", "agent"]);
        assert_eq!(narrowed.code, 0, "{narrowed:?}");
        let child = narrowed.stdout.trim();
        assert_eq!((decided(&place, child, "/repos/acme/x", &[]), decided(&place, child, "/repos/a", &[])), (0, 3));
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
            serde_json::from_str(&place.program(&["inspect", "--json", child]).output().stdout).unwrap();
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

#[test]
fn a_bound_sender_and_typed_credentials() {
    let place = place();
    let token = mint(&place, "proxy.jwks", &["--allow", "GET /user", "--credential-as", "header:X-Key"]);
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
    place.write("magicproxy.toml", "mint.policy = 'closed'\ntokens.minters = ['known.jwk']\nkeys.folder = 'keys'\n");
    let signed = mint(&place, "proxy.jwks", &["--allow", "GET /user", "--minter-key", "minter.jwk"]);
    let unsigned = mint(&place, "proxy.jwks", &["--allow", "GET /user"]);
    assert_eq!((decided(&place, &signed, "/user", &[]), decided(&place, &unsigned, "/user", &[])), (0, 3));
    // Where minting is closed and nobody is listed, the public key alone mints nothing.
    place.write("magicproxy.toml", "mint.policy = 'closed'\nkeys.folder = 'keys'\n");
    assert_eq!(decided(&place, &unsigned, "/user", &[]), 3);
}

#[test]
fn rotations_reach_a_running_proxy_and_old_tokens_are_sealed_anew() {
    let place = place();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (address, url) = (format!("127.0.0.1:{port}"), format!("http://127.0.0.1:{port}"));
    let serving = place.program(&["serve", "--listen", &address, "--api-root", "http://127.0.0.1:1", "--keys", "keys"]).spawn();
    let status = |token: &str| {
        let head = format!("host: {address}\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n");
        let answer = exchange(&address, &format!("GET /user HTTP/1.1\r\n{head}"));
        answer.split(' ').nth(1).unwrap().to_owned()
    };
    // Nobody listens at the API: 502 says that the token was good for its request.
    let mint_for = |more: &[&str]| {
        let fixed = ["mint", "--to", &url, "--aud", "127.0.0.1:1", "--credential-env", "SECRET", "--allow", "GET /user"];
        let minted = place.program(&[&fixed, more].concat()).env("SECRET", SECRET).output();
        assert_eq!(minted.code, 0, "{minted:?}");
        minted
    };
    assert_eq!(status("x"), "401");
    let first = mint_for(&[]);
    assert!(first.stderr.contains("pinned the key"), "{first:?}");
    let old = first.stdout.trim();
    assert_eq!(status(old), "502");
    assert_eq!(place.program(&["keys", "rotate", "--retire-after", "30d"]).output().code, 0);
    // The old key is kept until its user asks for another, and both open.
    let kept = mint_for(&[]);
    assert!(!kept.stderr.contains("pinned"), "{kept:?}");
    let mut tries = 0;
    let new = loop {
        let minted = mint_for(&["--refresh"]).stdout;
        let shown = |token: &str| place.program(&["inspect", "--json", token]).output().stdout;
        let kid = |token: &str| serde_json::from_str::<serde_json::Value>(&shown(token)).unwrap()["kid"].clone();
        if kid(minted.trim()) != kid(old) {
            break minted;
        }
        tries += 1;
        assert!(tries < 200, "the proxy does not notice");
        std::thread::sleep(std::time::Duration::from_millis(50));
    };
    assert_eq!((status(new.trim()), status(old), status(kept.stdout.trim())), ("502".into(), "502".into(), "502".into()));
    let resealed = place.program(&["reseal", old, "--proxy", &url]).output();
    assert_eq!(resealed.code, 0, "{resealed:?}");
    assert_ne!(resealed.stdout.trim(), old);
    assert_eq!(status(resealed.stdout.trim()), "502");
    let narrowed =
        place.program(&["narrow", &crate::mint(&place, &["GET /user"]), "--expires-in", "1m", "--proxy", &url]).output();
    assert_eq!(narrowed.code, 0, "{narrowed:?}");
    let shown = place.program(&["inspect", narrowed.stdout.trim()]).output().stdout;
    assert!(shown.contains("version    v1") && shown.contains("caveat 1   until "), "{shown}");
    let ended = serving.terminate();
    assert!(ended.code == 0 && ended.stderr.contains("the keys have changed"), "{ended:?}");
}
