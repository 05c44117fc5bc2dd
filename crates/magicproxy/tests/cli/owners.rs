//! The owner secret among the keys: made with them, kept by a rotation, shown by its name only, missed where it is needed.

use super::program::Place;

const SECRET: &str = "keys/owners.jwk";
const NAMING: &str = "listen = '127.0.0.1:0'\nupstream.api_root = 'http://127.0.0.1:1'\n\
    scopes.s = [{ method = 'POST', route = '/x', owner = 'certificates', limit = { total = 3 } }]\n";

/// The base64url of the secret's bytes.
fn bytes(place: &Place) -> String {
    let json: serde_json::Value = serde_json::from_str(&place.read(SECRET)).unwrap();
    json["k"].as_str().unwrap().to_owned()
}

#[test]
fn a_rotation_keeps_it_and_nothing_shows_it() {
    let place = Place::new();
    let made = place.program(&["keys", "generate", "--keys", "keys"]).output();
    assert!(made.code == 0 && made.stdout.contains("owners.jwk"), "{made:?}");
    #[cfg(unix)]
    assert_eq!(place.mode(SECRET), 0o600);
    let (text, secret) = (place.read(SECRET), bytes(&place));
    let mut outputs = vec![made];
    for command in [
        &["keys", "rotate"][..],
        &["keys", "rotate", "--key-set"],
        &["keys", "list"],
        &["keys", "list", "--json"],
    ] {
        outputs.push(place.program(command).output());
    }
    assert_eq!(place.read(SECRET), text);
    for output in &outputs {
        assert!(output.code == 0 && !format!("{output:?}").contains(&secret), "{output:?}");
    }
    for listed in &outputs[3..] {
        assert!(listed.stdout.contains("owners.jwk"), "{listed:?}");
    }
    let again = place.program(&["keys", "generate"]).output();
    assert!(again.code == 1 && again.stderr.contains("exists and is not overwritten"), "{again:?}");
}

/// A folder from before it was there, and one that lost it.
#[test]
fn it_is_missed_where_a_scope_names_an_owner() {
    let place = Place::with_keys();
    std::fs::remove_file(place.path(SECRET)).unwrap();
    place.write("magicproxy.toml", NAMING);
    for command in [&["serve"][..], &["config", "check"]] {
        let output = place.program(command).output();
        assert_eq!(output.code, 78, "{output:?}");
        for part in
            ["scope `s` names an owner", "owners.jwk", "`magicproxy keys generate`", "put it back"]
        {
            assert!(output.stderr.contains(part), "{part}: {output:?}");
        }
    }
    place.write("magicproxy.toml", &NAMING.replace("owner = 'certificates', ", ""));
    let plain = place.program(&["config", "check"]).output();
    assert_eq!(plain.code, 0, "{plain:?}");
    place.write("magicproxy.toml", NAMING);
    let made = place.program(&["keys", "generate"]).output();
    assert!(
        made.code == 0 && made.stdout.lines().count() == 2 && made.stdout.contains("owners.jwk"),
        "{made:?}"
    );
    let checked = place.program(&["config", "check"]).output();
    assert_eq!(checked.code, 0, "{checked:?}");
    std::fs::remove_file(place.path(SECRET)).unwrap();
    let rotated = place.program(&["keys", "rotate"]).output();
    assert!(rotated.code == 0 && rotated.stdout.contains("owners.jwk"), "{rotated:?}");
}

#[test]
fn one_that_others_may_write_or_read_is_told() {
    let place = Place::with_keys();
    place.write("magicproxy.toml", NAMING);
    #[cfg(unix)]
    {
        place.set_mode(SECRET, 0o644);
        let warned = place.program(&["config", "check"]).output();
        assert!(
            warned.code == 0 && format!("{warned:?}").contains("owners.jwk` is open to others"),
            "{warned:?}"
        );
        place.set_mode(SECRET, 0o666);
        let refused = place.program(&["config", "check"]).output();
        assert!(
            refused.code == 78 && refused.stderr.contains("everybody on this machine may write it"),
            "{refused:?}"
        );
        place.set_mode(SECRET, 0o600);
    }
    let secret = bytes(&place);
    place.write(SECRET, &place.read(SECRET).replace("oct", "OKP"));
    let refused = place.program(&["config", "check"]).output();
    assert!(
        refused.code == 78
            && refused.stderr.contains("owners.jwk")
            && !refused.stderr.contains(&secret),
        "{refused:?}"
    );
}
