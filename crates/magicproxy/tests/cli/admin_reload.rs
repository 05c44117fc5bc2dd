//! A reload, as the admin listener of a running proxy follows it: every value of the configuration
//! that it uses is the new one, or is said to wait for a restart.

use crate::admin::{API, Serving};
use crate::program::Place;

const OLD: &str = "0123456789abcdef0123456789abcdef";
const NEW: &str = "fedcba9876543210fedcba9876543210";

/// A look at the admin listener.
type Look = fn(&Serving) -> String;

fn called_by_name(serving: &Serving) -> String {
    serving.tcp("GET /healthz", &[("Host", "admin.example")]).status.to_string()
}

fn read_with(serving: &Serving, token: &str) -> u16 {
    serving.tcp("GET /version", &[("Authorization", &format!("Bearer {token}"))]).status
}

fn read_with_either(serving: &Serving) -> String {
    format!("{} {}", read_with(serving, OLD), read_with(serving, NEW))
}

fn state_of_keys(serving: &Serving) -> String {
    serving.check("keys").split(' ').nth(1).unwrap_or_default().to_owned()
}

/// A value that changes, and what is seen of it.
struct Row {
    /// What the reload says.
    said: &'static str,
    /// The configuration, and the content of the file `token`, before and after.
    before: (&'static str, &'static str),
    after: (&'static str, &'static str),
    look: Look,
    seen: (&'static str, &'static str),
}

const ROWS: [Row; 8] = [
    Row {
        said: "changed: `allowed_hosts`",
        before: ("", OLD),
        after: ("allowed_hosts = ['admin.example']", OLD),
        look: called_by_name,
        seen: ("421", "200"),
    },
    Row {
        said: "changed: `allowed_hosts`",
        before: ("allowed_hosts = ['admin.example']", OLD),
        after: ("", OLD),
        look: called_by_name,
        seen: ("200", "421"),
    },
    Row {
        said: "changed: `tokens.accept`",
        before: ("tokens.accept = ['v2']", OLD),
        after: ("", OLD),
        look: state_of_keys,
        seen: ("ok", "warning"),
    },
    Row {
        said: "changed: `admin.token_file`",
        before: ("admin.token_file = 'token'", OLD),
        after: ("admin.token_file = 'token'", NEW),
        look: read_with_either,
        seen: ("200 401", "401 200"),
    },
    Row {
        said: "changed: `admin.token_file`",
        before: ("", OLD),
        after: ("admin.token_file = 'token'", NEW),
        look: read_with_either,
        seen: ("200 200", "401 200"),
    },
    Row {
        said: "changed: `admin.token`",
        before: ("admin.token = '0123456789abcdef0123456789abcdef'", OLD),
        after: ("admin.token = 'fedcba9876543210fedcba9876543210'", OLD),
        look: read_with_either,
        seen: ("200 401", "401 200"),
    },
    Row {
        said: "needs a restart: `admin.mode`",
        before: ("admin.mode = '0600'", OLD),
        after: ("admin.mode = '0660'", OLD),
        look: called_by_name,
        seen: ("421", "421"),
    },
    Row {
        said: "needs a restart: `state.url_file`",
        before: ("state.store = 'valkey'\nstate.url_file = 'token'", "redis://127.0.0.1:1/0"),
        after: ("state.store = 'valkey'\nstate.url_file = 'token'", "redis://127.0.0.1:2/0"),
        look: called_by_name,
        seen: ("421", "421"),
    },
];

#[test]
fn the_admin_listener_follows_a_reload() {
    for row in ROWS {
        let place = Place::with_keys();
        revoke_signing_key(&place);
        let config = |(more, token): (&str, &str)| {
            place.write("token", token);
            format!("{API}admin.listen = ['127.0.0.1:0', 'unix:a']\n{more}\n")
        };
        let serving = Serving::start(&place, &config(row.before));
        assert_eq!((row.look)(&serving), row.seen.0, "{}, before", row.said);
        place.write("magicproxy.toml", &config(row.after));
        let reload = || place.program(&["reload"]).output();
        let told = reload();
        assert_eq!(told.code, 0, "{}: {told:?}", row.said);
        let lines = format!("{}{}", told.stdout, told.stderr);
        assert!(lines.contains(row.said), "{}: {told:?}", row.said);
        assert_eq!((row.look)(&serving), row.seen.1, "{}, after", row.said);
        // Again: what holds is not told a second time, and what waits is.
        let told = reload();
        let lines = format!("{}{}", told.stdout, told.stderr);
        assert_eq!(lines.contains(row.said), row.said.starts_with("needs"), "{told:?}");
        let ended = serving.end();
        assert!(!ended.stderr.contains(OLD) && !ended.stderr.contains(NEW), "{ended:?}");
    }
}

/// Revokes the signing key, which matters where tokens of version 1 are accepted.
fn revoke_signing_key(place: &Place) {
    let listed = place.program(&["keys", "list", "--json", "--keys", "keys"]).output();
    let listed: Vec<serde_json::Value> = serde_json::from_str(&listed.stdout).unwrap();
    let id = listed.iter().find(|key| key.get("bits").is_some()).unwrap()["kid"].as_str().unwrap();
    let revoked = place.program(&["revoke", "--key", id, "--keys", "keys"]).output();
    assert_eq!(revoked.code, 0, "{revoked:?}");
}
