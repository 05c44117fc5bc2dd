//! Commands of an incident, beside a file that somebody left with faults while the proxy runs: the
//! proxy is fine, so it can be asked, backed up, and told what is revoked.

use super::program::{Output, Place, Running};
use super::revoke::{inspect, ok};
use super::{SECRET, mint};

const GOOD: &str = "listen = '127.0.0.1:0'\nupstream.api_root = 'http://127.0.0.1:1'\nadmin.listen = ['unix:a', '127.0.0.1:0']\n";

/// A proxy that runs by a good file; the file is another one afterwards.
struct Incident {
    place: Place,
    running: Running,
    token: String,
}

impl Incident {
    fn begin() -> Self {
        let place = Place::with_keys();
        place.write("magicproxy.toml", GOOD);
        let mut running = place.program(&["serve", "--keys", "keys"]).spawn();
        running.line("the admin listener is at");
        let token = mint(&place, &["GET /.*"]);
        Self { place, running, token }
    }

    fn run(&self, args: &[&str]) -> Output {
        self.place.program(args).output()
    }

    /// The entries, read by a good file.
    fn revoked(&self) -> String {
        self.place.write("good.toml", GOOD);
        ok(&self.place, &["revoke", "--list", "--json", "--config", "good.toml"]).stdout
    }
}

impl Drop for Incident {
    fn drop(&mut self) {
        self.running.signal("KILL");
    }
}

/// Faults that have nothing to do with keys, state and revocations, each with a part of its message.
const ELSEWHERE: [(&str, &str); 7] = [
    ("timeouts.connect = 'soon'\n", "timeouts.connect"),
    ("upstream.nonsense = 1\n", "nonsense"),
    ("limits.connections = 'many'\n", "expected a whole number"),
    ("upstream.extra_ca_file = 'gone.pem'\n", "gone.pem"),
    ("[upstreams.dns]\napi_root = 'ftp://dns.example'\n", "ftp://dns.example"),
    ("scopes.s = ['GET repos']\n", "GET repos"),
    ("tokens.minters = ['gone.jwk']\n", "gone.jwk"),
];

#[test]
fn an_incident_does_not_wait_for_a_fault_elsewhere() {
    let incident = Incident::begin();
    for (number, (fault, part)) in ELSEWHERE.iter().enumerate() {
        incident.place.write("magicproxy.toml", &format!("{GOOD}{fault}"));
        let backup = format!("backup-{number}");
        let chain = format!("chain:{number:032x}");
        for args in [
            vec!["revoke", &chain],
            vec!["revoke", "--list"],
            vec!["revoke", "--undo", &chain],
            vec!["keys", "list"],
            vec!["backup", "--to", &backup],
        ] {
            let told = incident.run(&args);
            assert_eq!(told.code, 0, "{fault}: {args:?}: {told:?}");
            let warns = told.stderr.contains("warning: the configuration has faults");
            assert!(warns && told.stderr.contains(part), "{fault}: {args:?}: {told:?}");
        }
        for args in [vec!["health"], vec!["health", "--ready"]] {
            let told = incident.run(&args);
            assert_eq!(told.code, 0, "{fault}: {args:?}: {told:?}");
        }
        assert_eq!(incident.run(&["reload"]).code, 78, "{fault}: the proxy says so, too");
    }
    // What a whole incident takes.
    let revoke = incident.place.program(&["revoke", "--token", "env:T"]);
    assert_eq!(revoke.env("T", &incident.token).output().code, 0);
    assert_eq!(incident.run(&["keys", "rotate"]).code, 0);
    assert_eq!(incident.run(&["revoke", "--before", "now"]).code, 0);
    incident.place.write("magicproxy.toml", GOOD);
    assert_eq!(inspect(&incident.place, &incident.token)["accepted"], false);
}

#[test]
fn nothing_is_revoked_where_no_proxy_may_read_it() {
    let incident = Incident::begin();
    let before = incident.revoked();
    for fault in [
        // The whole of the file is in doubt.
        "[upstream\n",
        "listen = 'no end\n",
        "stat.store = 'valkey'\n",
        "[tokns]\nrevocations = 'elsewhere.json'\n",
        // The place itself is.
        "state.store = 'nosuch'\n",
        "state.stor = 'valkey'\n",
        "state.url = 'redis://valkey:6379/0'\n",
        "tokens.revocation = 'elsewhere.json'\n",
        "keys.bits = 1\n",
        "keys.folde = 'other'\n",
    ] {
        incident.place.write("magicproxy.toml", &format!("{GOOD}{fault}"));
        for args in [vec!["revoke", "--before", "now"], vec!["keys", "rotate"]] {
            let told = incident.run(&args);
            assert_eq!(told.code, 78, "{fault}: {args:?}: {told:?}");
            let flat = told.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(flat.contains("until it is mended, `--config FILE`"), "{fault}: {told:?}");
        }
        // A wrong socket answers nothing, so there is no doubt.
        for args in [vec!["health"], vec!["backup", "--to", "b"]] {
            let told = incident.run(&args);
            assert_eq!(told.code, 0, "{fault}: {args:?}: {told:?}");
        }
        std::fs::remove_file(incident.place.path("b")).unwrap();
        assert_eq!(incident.revoked(), before, "{fault}");
    }
    // The remedy that is named.
    incident.place.write("alone.toml", "keys.folder = 'keys'\n");
    let told = incident.run(&["revoke", "--before", "now", "--config", "alone.toml"]);
    assert_eq!(told.code, 0, "{told:?}");
    assert_ne!(incident.revoked(), before);
}

#[test]
fn faults_of_variables_are_told_apart_as_well() {
    let incident = Incident::begin();
    for (name, value, code) in [
        ("MAGICPROXY_TIMEOUTS_CONNECT", "soon", 0),
        ("MAGICPROXY_UPSTREAM_API_ROOT", "ftp://x", 0),
        ("MAGICPROXY_LIMITS_CONNECTIONS", "many", 0),
        ("MAGICPROXY_STATE_STORE", "nosuch", 78),
        ("MAGICPROXY_KEYS_BITS", "many", 78),
        ("CONFIG_FILE", "gone.json", 78),
    ] {
        let told = incident.place.program(&["revoke", "--list"]).env(name, value).output();
        assert_eq!(told.code, code, "{name}: {told:?}");
    }
}

#[test]
fn the_socket_alone_is_enough() {
    let incident = Incident::begin();
    std::fs::remove_file(incident.place.path("magicproxy.toml")).unwrap();
    let socket = format!("unix:{}", incident.place.path("a").display());
    for args in
        [vec!["health", "--admin", &socket], vec!["backup", "--to", "b", "--admin", &socket]]
    {
        let told = incident.run(&args);
        assert_eq!(told.code, 0, "{args:?}: {told:?}");
    }
    let told = incident.run(&["reload", "--admin", &socket]);
    assert_eq!(told.code, 78, "the proxy is reached: its file is gone: {told:?}");
    assert!(told.stderr.contains("and it is gone"), "{told:?}");
    for command in ["reload", "backup"] {
        let more: &[&str] = if command == "backup" { &["--to", "c"] } else { &[] };
        let told = incident.run(&[&[command, "--admin", "127.0.0.1:5001"], more].concat());
        assert_eq!(told.code, 2, "{told:?}");
        assert!(told.stderr.contains("expected `unix:PATH`"), "{told:?}");
        let told = incident.run(&[&[command, "--config", "nosuch.toml"], more].concat());
        assert_eq!(told.code, 78, "{told:?}");
        for part in ["`nosuch.toml`: there is no such file", "--admin unix:PATH"] {
            let flat = told.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(flat.contains(part), "{part} in {told:?}");
        }
    }
    let told = incident.run(&["health", "--config", "nosuch.toml"]);
    assert_eq!(told.code, 78, "{told:?}");
    assert!(told.stderr.contains("--admin ADDRESS"), "{told:?}");
}

/// As `serve` does, and `reload`: an operator stands where the file is.
#[test]
fn health_finds_the_file_in_the_working_directory() {
    let incident = Incident::begin();
    let told = incident.place.bare(&["health"]).output();
    assert_eq!((told.code, told.stdout.as_str()), (0, "ok\n"), "{told:?}");
    assert!(!told.stderr.contains(SECRET));
}
