//! Where settings come from: flags, variables, both programs' files.

use super::*;

#[cfg(unix)]
#[test]
fn variables_that_are_no_utf8_are_faults_and_never_passed_over() {
    use std::os::unix::ffi::OsStringExt as _;
    let names = [
        "MAGICPROXY_MINT_POLICY",
        "MAGICPROXY_LOG",
        "MAGICPROXY_CONFIG",
        "MAGICPROXY_KEYS",
        "API_ROOT",
        "CONFIG_FILE",
    ];
    for name in names {
        let variable = |value: &[u8]| {
            [(std::ffi::OsString::from(name), std::ffi::OsString::from_vec(value.to_vec()))]
        };
        let environment: Environment = variable(b"closed\xff").into_iter().collect();
        let rendered = faults(Layers::gather(Flags::default(), &environment));
        assert!(
            rendered.contains(&format!("environment variable `{name}`: expected UTF-8 text")),
            "{rendered}"
        );
    }
    // Others' variables may be anything, and one that is misspelt is told.
    let others = ["LESS_TERMCAP_md", "MAGICPROXY_MINT_POLICI"]
        .map(|name| (std::ffi::OsString::from(name), std::ffi::OsString::from_vec(vec![0xff])));
    let layers = Layers::gather(Flags::default(), &others.into_iter().collect());
    assert!(
        layers
            .warnings
            .iter()
            .any(|warning| warning.contains("did you mean `MAGICPROXY_MINT_POLICY`?")),
        "{:?}",
        layers.warnings
    );
    layers.check().unwrap();
}

#[test]
fn the_environment_gives_every_line_of_text() {
    for key in RawConfig::keys() {
        let mut raw = RawConfig::default();
        let found = raw.set(&key, "", Origin::Default);
        assert_ne!(found, Err("there is no such setting".to_owned()), "{key}");
    }
    let mut faults = Vec::new();
    let variables = [
        ("MAGICPROXY_LISTEN", "127.0.0.1:1"),
        ("MAGICPROXY_API_ROOT", "https://a.example"),
        ("MAGICPROXY_KEYS", "/k"),
        ("MAGICPROXY_TIMEOUTS_CONNECT", "5s"),
        ("MAGICPROXY_LIMITS_CONNECTIONS", "many"),
        ("MAGICPROXY_MINT_POLICY", ""),
    ];
    let raw = environment(&variables).layer(&mut faults);
    assert_eq!(raw.upstream.api_root.given().unwrap().value, "https://a.example");
    assert_eq!(
        raw.timeouts.connect.given().unwrap().origin,
        Origin::Environment("MAGICPROXY_TIMEOUTS_CONNECT".to_owned())
    );
    assert!(raw.mint.policy.given().is_none(), "an empty variable counts as none");
    assert_eq!(faults.len(), 1, "{faults:?}");
}

#[test]
fn misspelt_variables_are_noticed_and_those_of_kubernetes_are_not() {
    let variables = [
        ("MAGICPROXY_LISTN", "x"),
        ("MAGICPROXY_SERVICE_HOST", "x"),
        ("MAGICPROXY_PORT_5000_TCP", "x"),
        ("MAGICPROXY_CONFIG", "x"),
    ];
    let old =
        [("MAGICPROXY_STATE_STRANGERS", "accept"), ("MAGICPROXY_UPSTREAM_REFUSALS", "github")];
    let told = environment(&old).misspelt();
    for now in ["MAGICPROXY_STATE_UNLISTED_MINTERS", "MAGICPROXY_UPSTREAM_REFUSAL_FORMAT"] {
        let expected = format!("means nothing here: it is called `{now}` now");
        assert!(told.iter().any(|told| told.ends_with(&expected)), "{told:?}");
    }
    let warnings = environment(&variables).misspelt();
    assert_eq!(
        warnings,
        [
            "environment variable `MAGICPROXY_LISTN` means nothing here: did you mean `MAGICPROXY_LISTEN`?"
        ]
    );
}

#[test]
fn flags_beat_our_variables_beat_theirs() {
    let variables = [
        ("CONFIG_FILE", "/nowhere"),
        ("API_ROOT", "https://python.example"),
        ("PUBLIC_ACCESS", "http://p.example:5000"),
    ];
    let root = |flags: Flags, more: &[(&str, &str)]| {
        let layers = Layers::gather(flags, &environment(&[&variables[1..], more].concat()));
        layers.check().unwrap().upstreams[0].api_root.to_string()
    };
    let mut flags = Flags::default();
    assert_eq!(root(flags.clone(), &[]), "https://python.example");
    assert_eq!(
        root(flags.clone(), &[("MAGICPROXY_API_ROOT", "https://ours.example")]),
        "https://ours.example"
    );
    flags.raw.upstream.api_root =
        Setting::new("https://flag.example".to_owned(), Origin::Flag("--api-root"));
    assert_eq!(
        root(flags, &[("MAGICPROXY_API_ROOT", "https://ours.example")]),
        "https://flag.example"
    );
    let missing = Layers::gather(Flags::default(), &environment(&variables)).check().unwrap_err();
    assert!(missing.render(Colour::Off).contains("`/nowhere`: there is no such file"));
}

#[test]
fn key_places_of_the_python_program() {
    let files = |variables: &[(&str, &str)]| {
        Layers::gather(Flags::default(), &environment(variables)).check().unwrap().keys.files
    };
    let folder = files(&[("KEYS_LOCATION", "/k"), ("PRIVATE_KEY_LOCATION", "/other.pem")]);
    assert_eq!(
        (folder.private.as_path(), folder.public.as_path()),
        (Path::new("/k/private.pem"), Path::new("/k/public.pem"))
    );
    let single =
        files(&[("PRIVATE_KEY_LOCATION", "/a.pem"), ("PUBLIC_CERTIFICATE_LOCATION", "/b.cer")]);
    assert_eq!(
        (single.private.as_path(), single.certificate.as_path()),
        (Path::new("/a.pem"), Path::new("/b.cer"))
    );
    let home = files(&[("HOME", "/home/a")]);
    assert_eq!(home.private, Path::new("/home/a/.local/share/magicproxy/keys/private.pem"));
    assert_eq!(
        files(&[("XDG_DATA_HOME", "/data"), ("HOME", "/x")]).private,
        Path::new("/data/magicproxy/keys/private.pem")
    );
}

#[test]
fn json_of_the_python_program() {
    let (layers, warnings) = python(
        r#"{ "api_root": "https://a.example", "public_access": null, "keys_location": "k", "comment": "x", "plugins_location": null,
             "scopes": { "reader": ["GET /user", {"method": "*", "path": "/repos/.+?/issues"}] } }"#,
    );
    assert_eq!(warnings, ["CONFIG_FILE: `comment` is ignored, as the Python program ignored it"]);
    let config = layers.check().unwrap();
    assert_eq!(config.upstreams[0].name.as_str(), "a.example");
    assert_eq!(config.keys.files.private, Path::new("k/private.pem"));
    assert_eq!(config.upstreams[0].scopes.rules("reader").map(<[_]>::len), Some(2));
}

#[test]
fn json_faults_are_explained() {
    let rendered = faults(
        python("{\n \"plugins_location\": \"p\",\n \"scopes\": {\"a\": [\"GTE /x\", 5], \"b\": 1, \"c\": [\"GET /repos/*\"]},\n \"api_root\": 7 }").0,
    );
    for part in [
        "`plugins_location`: Python plugins do not run in this proxy",
        "[config.json:2:2]",
        "scope `a`: `GTE /x`: `GTE` is not an HTTP method",
        "[config.json:3:19]",
        "danger_prefix_matching",
        "scope `a`: expected `METHOD /pattern` or an object",
        "scope `b`: expected a list of rules",
        "`api_root`: expected a string",
    ] {
        assert!(rendered.contains(part), "expected {part:?} in:\n{rendered}");
    }
    assert!(faults(python("{\"a\": \n}").0).contains("this is not valid JSON"));
    assert!(faults(python("[]").0).contains("expected a JSON object"));
}

/// The Python program takes the last of two; who reads the file sees the first.
#[test]
fn nothing_is_said_twice_in_a_python_configuration() {
    for json in [
        r#"{"api_root":"https://a.example","api_root":"https://b.example"}"#,
        r#"{"scopes":{"a":["GET /x"],"a":["* /.*"]}}"#,
        r#"{"scopes":{"a":["GET /x"]},"scopes":{"a":["* /.*"]}}"#,
        r#"{"scopes":{"a":[{"method":"GET","method":"DELETE","path":"/x"}]}}"#,
        r#"{"ignored":{"a":1,"\u0061":2}}"#,
    ] {
        let rendered = faults(python(json).0);
        assert!(rendered.contains("a member occurs twice in one object"), "{json}: {rendered}");
    }
}

#[test]
fn python_plugins_are_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("do_lets_encrypt.py"), "").unwrap();
    let text =
        faults(python(&serde_json::json!({ "plugins_location": folder.path() }).to_string()).0)
            .replace('\n', " ");
    assert!(
        text.contains("do_lets_encrypt.py") && text.contains("magicproxy plugin import"),
        "{text}"
    );
}

#[test]
fn relative_paths_start_from_the_file() {
    let file =
        native::parse(Path::new("/etc/magicproxy/config.toml"), "keys.folder = 'k'".to_owned());
    let mut layers = Layers::only(file.raw);
    layers.sources.native = Some(file.source);
    assert_eq!(
        layers.check().unwrap().keys.files.private,
        Path::new("/etc/magicproxy/k/private.pem")
    );
}

/// Faults without a place in a file are told in the order in which the settings are read: what is said for all upstreams is told with
/// the first of them that goes by it, and not before.
#[test]
fn faults_of_variables_are_told_in_the_order_of_the_settings() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("magicproxy.toml");
    let text = "tokens.accept = ['v2']\nscopes.empty = []\n[upstreams.second]\n[upstreams.third]\noutbound_proxy = 'none'\n";
    std::fs::write(&file, text).unwrap();
    let variables = [
        ("MAGICPROXY_CONFIG", file.to_str().unwrap()),
        ("MAGICPROXY_KEYS_BITS", "1"),
        ("MAGICPROXY_LIMITS_WORKERS", "0"),
        ("MAGICPROXY_MINT_MAX_LIFETIME", "x"),
        ("MAGICPROXY_MINT_POLICY", "open"),
        ("MAGICPROXY_OUTBOUND_PROXY", "socks5://p.example"),
        ("MAGICPROXY_PUBLIC_ACCESS", "x"),
        ("MAGICPROXY_STATE_STORE", "valkey"),
        ("MAGICPROXY_STATE_TIMEOUT", "x"),
        ("MAGICPROXY_TIMEOUTS_TOTAL", "x"),
        ("MAGICPROXY_TOKENS_MAX_LIFETIME", "1ms"),
        ("MAGICPROXY_UPSTREAM_API_ROOT", "x"),
        ("MAGICPROXY_UPSTREAM_CREDENTIAL", "x"),
        ("MAGICPROXY_UPSTREAM_MOUNT", "x"),
        ("MAGICPROXY_UPSTREAM_PASS_REQUEST_HEADERS", "Cookie"),
        ("MAGICPROXY_UPSTREAM_RESPONSE_TIMEOUT", "x"),
    ];
    let found =
        Layers::gather(Flags::default(), &environment(&variables)).check().unwrap_err().faults;
    let without_place = found.iter().filter(|fault| !matches!(fault.origin, Origin::File(_)));
    let told: Vec<&str> =
        without_place.filter_map(|fault| fault.message.split([' ', ':']).next()).collect();
    let expected = [
        "public_access",
        "keys.bits",
        "mint.max_lifetime",
        "upstream.api_root",
        "scope",
        "tokens.max_lifetime",
        "mint.policy",
        "upstream.response_timeout",
        "upstream.mount",
        "upstream.credential",
        "upstream.pass_request_headers",
        "outbound_proxy",
        "upstreams.second.api_root",
        "state.store",
        "state.timeout",
        "timeouts.total",
        "limits.workers",
    ];
    assert_eq!(told, expected);
}
