//! The layers, the faults and their suggestions, without a process around them.

mod general;
mod headers;
mod listeners;
mod minting;
mod outbound;
mod public_access;

use std::path::Path;
use std::time::Duration;

use magicproxy_core::{EncodedSlash, PathReading, PatternMode, UnnamedTokens};
use magicproxy_proxy::rewrite::Members;
use magicproxy_proxy::settings::{Forwarding, Links, RefusalShape, Timeouts, UpstreamProtocol};

use super::*;
use crate::ground::fault::Origin;
use crate::ground::text::Colour;

fn environment(variables: &[(&str, &str)]) -> Environment {
    variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[cfg(unix)]
#[test]
fn variables_that_are_no_utf8_are_faults_and_never_passed_over() {
    use std::os::unix::ffi::OsStringExt as _;
    let names = ["MAGICPROXY_MINT_POLICY", "MAGICPROXY_LOG", "MAGICPROXY_CONFIG", "MAGICPROXY_KEYS", "API_ROOT", "CONFIG_FILE"];
    for name in names {
        let variable = |value: &[u8]| [(std::ffi::OsString::from(name), std::ffi::OsString::from_vec(value.to_vec()))];
        let environment: Environment = variable(b"closed\xff").into_iter().collect();
        let rendered = faults(Layers::gather(Flags::default(), &environment));
        assert!(rendered.contains(&format!("environment variable `{name}`: expected UTF-8 text")), "{rendered}");
    }
    // Others' variables may be anything, and one that is misspelt is told.
    let others = ["LESS_TERMCAP_md", "MAGICPROXY_MINT_POLICI"]
        .map(|name| (std::ffi::OsString::from(name), std::ffi::OsString::from_vec(vec![0xff])));
    let layers = Layers::gather(Flags::default(), &others.into_iter().collect());
    assert!(
        layers.warnings.iter().any(|warning| warning.contains("did you mean `MAGICPROXY_MINT_POLICY`?")),
        "{:?}",
        layers.warnings
    );
    layers.check().unwrap();
}

/// Layers of a native file and nothing else.
pub(super) fn native(text: &str) -> Layers {
    let file = native::parse(Path::new("magicproxy.toml"), text.to_owned());
    let mut layers = Layers::only(file.raw);
    layers.sources.native = Some(file.source);
    layers.faults = file.faults;
    layers
}

fn python(text: &str) -> (Layers, Vec<String>) {
    let file = python::parse(Path::new("config.json"), text.to_owned());
    let mut layers = Layers::only(file.raw);
    layers.sources.python = Some(file.source);
    layers.faults = file.faults;
    (layers, file.warnings)
}

#[track_caller]
fn faults(layers: Layers) -> String {
    match layers.check() {
        Ok(_) => panic!("expected faults"),
        Err(faults) => faults.render(Colour::Off),
    }
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let rendered = faults(native(text));
    for part in expected {
        assert!(rendered.contains(part), "expected {part:?} in:\n{rendered}");
    }
}

#[test]
fn nothing_said_is_right() {
    let config = native("").check().unwrap();
    assert_eq!(config.listeners[0].listen.to_string(), "127.0.0.1:5000");
    assert_eq!(config.upstreams[0].api_root.to_string(), "https://api.github.com");
    assert_eq!(config.upstreams[0].name.as_str(), "github");
    assert!(config.upstreams[0].is_called("api.github.com") && !config.upstreams[0].is_called("github.com"));
    assert!(config.upstream_assumed && config.upstreams[0].mints_over_http() && !config.upstreams[0].websocket);
    assert_eq!(config.minting.default_lifetime, Duration::from_secs(24 * 3600));
}

/// No moment lies so far ahead: each request would end in a panic.
#[test]
fn a_duration_without_end_is_a_fault() {
    for duration in ["9223372036854775807", "'18446744073709551615'", "'200y'"] {
        for key in ["timeouts.total", "timeouts.keep_alive", "upstream.response_timeout", "mint.max_lifetime"] {
            check(&format!("{key} = {duration}"), &[key, "expected a duration"]);
        }
    }
    assert!(native("timeouts.total = '50y'").check().is_ok());
}

/// HTTP/2 is agreed by TLS, and only where it is asked for: no preset does.
#[test]
fn http_2_needs_tls() {
    let protocol = |text: &str| native(text).check().unwrap().upstreams[0].protocol;
    assert_eq!(protocol(""), UpstreamProtocol::Http1);
    assert_eq!(protocol("[upstreams.openai]"), UpstreamProtocol::Http1);
    for text in ["upstream.protocol = 'auto'", "upstream.protocol = 'auto'\nupstream.api_root = 'http://127.0.0.1:8080'"] {
        assert_eq!(protocol(text), UpstreamProtocol::Negotiated, "{text}");
    }
    for name in ["http/1.1", "h1"] {
        assert_eq!(protocol(&format!("upstream.protocol = '{name}'")), UpstreamProtocol::Http1);
    }
    assert_eq!(protocol("upstream.protocol = 'h2'"), UpstreamProtocol::Negotiated);
    for text in [
        "upstream.protocol = 'h2'\nupstream.api_root = 'http://127.0.0.1:8080'",
        "upstream.protocol = 'h2'\nupstream.paths = { '/uploads' = 'http://uploads.example' }",
    ] {
        check(text, &["upstream.protocol `h2`: needs TLS", "[magicproxy.toml:1:", "expected `auto` or `http/1.1`"]);
    }
    check(
        "upstream.protocol = 'h3'",
        &["upstream.protocol: `h3` is not known here: expected one of `auto`, `h1`, `http/1.1`, `h2`"],
    );
    check("upstream.protocol = 'http/1'", &["did you mean `http/1.1`?"]);
    check("limits.upstream_streams_per_connection = 0", &["expected 1 to 1024"]);
    check("limits.upstream_connections_per_origin = 0", &["expected at least 1"]);
}

/// Links in answers lead there. Without it they lead to where the caller says that it is.
#[test]
fn a_public_url_that_no_link_could_have_is_a_fault() {
    for url in [
        "https://p.example/?a",
        "https://p.example/#a",
        "https://p.example//a",
        "https://p.example/a/../b",
        "https://p.example/a%zz",
    ] {
        check(&format!("public_access = '{url}'"), &["public_access", "expected a URL such as"]);
    }
    assert!(native("public_access = 'https://p.example:8443/magic/'").check().is_ok());
}

#[test]
fn everything_said_arrives() {
    let config = native(
        r#"
        listen = "[::1]:80"
        public_access = "https://proxy.example.com/"
        keys = { folder = "/srv/keys", bits = 3072 }
        mint = { policy = "closed", default_lifetime = 600, max_lifetime = "1h 30m" }
        tokens.max_lifetime = "10d"
        [upstream]
        name = "gitlab"
        api_root = "http://127.0.0.1:8080/api/v4/"
        protocol = "http/1.1"
        encoded_slash = "opaque"
        danger_prefix_matching = true
        ceiling = ["GET /projects", { method = ["PUT"], route = "/projects/{id}" }]
        drop_request_headers = ["X-Sudo"]
        drop_response_headers = ["Set-Cookie", "Set-Cookie2"]
        drop_query_parameters = ["sudo"]
        websocket = true
        forwarding = "x-forwarded"
        credential = "header:PRIVATE-TOKEN"
        accept_token_in = ["header:DD-API-KEY", "query:api_key"]
        refusals = "gitlab"
        [timeouts]
        total = "2m"
        upstream_queue = "3s"
        [limits]
        connections = 7
        upstream_connections_per_origin = 9
        upstream_streams_per_connection = 8
        upstream_queue = 40
        [scopes]
        reader = ["GET /projects", { method = "GET", path = "/projects/[0-9]+" }]
        "#,
    );
    let config = config.check().unwrap();
    assert_eq!(config.listeners[0].listen.to_string(), "[::1]:80");
    assert_eq!((config.public_access().url.as_str(), config.host()), ("https://proxy.example.com", "proxy.example.com"));
    assert_eq!(config.keys.files.certificate, Path::new("/srv/keys/public.x509.cer"));
    assert_eq!(config.keys.bits, 3072);
    assert!(!config.upstreams[0].mints_over_http() && !config.upstream_assumed);
    assert_eq!((config.minting.default_lifetime.as_secs(), config.minting.max_lifetime.as_secs()), (600, 5400));
    assert_eq!(config.upstreams[0].acceptance.max_lifetime, Some(864_000));
    assert_eq!((config.upstreams[0].name.as_str(), config.upstreams[0].api_root.base_path()), ("gitlab", "/api/v4"));
    assert_eq!(
        (config.upstreams[0].encoded_slash, config.upstreams[0].patterns),
        (EncodedSlash::Opaque, PatternMode::DangerPrefix)
    );
    assert_eq!(config.upstreams[0].ceiling.as_ref().map(|ceiling| ceiling.rules().count()), Some(2));
    assert_eq!((config.upstreams[0].drop_request_headers.len(), config.upstreams[0].drop_query_parameters.len()), (1, 1));
    assert_eq!(config.upstreams[0].drop_response_headers, ["set-cookie", "set-cookie2"]);
    assert!(config.upstreams[0].websocket && config.upstreams[0].forwarding == Forwarding::XForwarded);
    assert_eq!(config.upstreams[0].credential.to_string(), "header:private-token");
    let carriers: Vec<String> = config.upstreams[0].token_carriers.iter().map(ToString::to_string).collect();
    assert_eq!(carriers, ["header:dd-api-key", "query:api_key"]);
    assert_eq!(config.upstreams[0].refusals, RefusalShape::Gitlab);
    assert_eq!((config.timeouts.total, config.limits.connections), (Some(Duration::from_secs(120)), 7));
    assert_eq!(config.upstreams[0].protocol, UpstreamProtocol::Http1);
    assert_eq!((config.limits.upstream_connections_per_origin, config.limits.upstream_streams_per_connection), (9, 8));
    assert_eq!((config.limits.upstream_queue.per_owner, config.timeouts.upstream_queue.as_secs()), (10, 3));
    assert_eq!(config.upstreams[0].scopes.rules("reader").map(<[_]>::len), Some(2));
}

#[test]
fn requests_in_progress_follow_connections() {
    let exchanges = |text: &str| native(text).check().unwrap().limits.exchanges;
    let quota = exchanges("limits.connections = 256");
    assert_eq!((quota.total, quota.per_owner, quota.per_peer, quota.reserved), (128, 32, 64, 16));
    assert_eq!(exchanges("limits.connections = 1").total, 1);
    assert_eq!(exchanges("limits.connections = 100000").total, 8_192);
    assert_eq!(exchanges("limits.connections = 256\nlimits.exchanges = 400").total, 400);
}

#[test]
fn a_connection_gets_three_times_as_old_as_it_may_rest() {
    let age = |text: &str| native(text).check().unwrap().timeouts.upstream_connection_age;
    assert_eq!(age(""), Timeouts::default().upstream_connection_age);
    assert_eq!(age("timeouts.keep_alive = '20s'"), Duration::from_secs(60));
    assert_eq!(age("timeouts.keep_alive = '20s'\ntimeouts.upstream_connection_age = '2h'"), Duration::from_secs(7_200));
    assert_eq!(age("timeouts.upstream_connection_age = 7"), Duration::from_secs(7));
    assert!(age("timeouts.keep_alive = '50y'") > Duration::from_secs(1_000_000_000));
    let shown = native("timeouts.keep_alive = '30s'");
    let value = shown.raw.entries().into_iter().find(|entry| entry.key == "timeouts.upstream_connection_age").unwrap().value;
    assert_eq!(value, "1m 30s");
}

#[test]
fn the_guide_is_right() {
    let guide = include_str!("../../../../docs/guide/configuration.md");
    let example = guide.split("```toml").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let layers = native(example);
    let given = layers.raw.entries().iter().filter(|entry| *entry.origin != Origin::Default).count();
    // Shares are explained by one example; some settings exclude others, and stand in comments.
    let is_share = |key: &String| ["_per_owner", "_per_peer", "_reserved"].iter().any(|end| key.ends_with(end));
    let keys = RawConfig::keys().iter().filter(|key| !is_share(key)).count();
    assert!(given + 11 >= keys, "the guide shows almost every setting: {given} of {keys}");
    layers.check().unwrap();
}

#[test]
fn relative_paths_start_from_the_file() {
    let file = native::parse(Path::new("/etc/magicproxy/config.toml"), "keys.folder = 'k'".to_owned());
    let mut layers = Layers::only(file.raw);
    layers.sources.native = Some(file.source);
    assert_eq!(layers.check().unwrap().keys.files.private, Path::new("/etc/magicproxy/k/private.pem"));
}

#[test]
fn unknown_keys_have_a_place_and_a_suggestion() {
    check("lisen = 'x'", &["unknown key `lisen`", "[magicproxy.toml:1:1]", "did you mean `listen`?"]);
    check(
        "\n[upstream]\napi_rot = 'x'",
        &["unknown key `upstream.api_rot`", "[magicproxy.toml:3:1]", "did you mean `api_root`?"],
    );
    check("[timeout]\nconnect = 1", &["unknown key `timeout`", "did you mean `timeouts`?"]);
    check("[scopes]\na = [{ method = 'GET', rout = '/x' }]", &["unknown key `rout` in `scopes.a`", "did you mean `route`?"]);
    check("zzz = 1", &["unknown key `zzz`", "expected one of `listen`"]);
}

#[test]
fn stateful_rules_and_plugins_are_checked_where_they_stand() {
    let right = "[scopes]\na = [{ method = 'POST', route = '/x', grants = ['DELETE /x/{response.id}'], owner = 'team', limit = { total = 3 } }]";
    assert!(native(right).check().is_ok());
    check(
        "[scopes]\na = [{ method = 'POST', route = '/x', grants = ['DELETE /x'] }]",
        &["scope `a`", "1 to 8 sources in braces"],
    );
    check(
        "[scopes]\na = [{ method = 'GET', route = '/x', limit = { total = 0 } }]",
        &["limit: expected a number from 1 to 1,000,000,000"],
    );
    check("[scopes]\na = [{ plugin = 'hours' }]", &["scope `a`: there is no plugin `hours`", "`[plugins.hours]`"]);
    check("[scopes]\na = [{ plugin = 'hours', method = 'GET' }]", &["an object with `plugin` has no other member"]);
    check("[upstream]\nceiling = [{ method = 'GET', path = '/x', limit = { total = 3 } }]", &["a ceiling gives nothing"]);
    check("[upstream]\nceiling = [{ plugin = 'hours' }]", &["a plugin is named in a scope"]);
}

#[test]
fn values_of_unknown_keys_are_not_shown() {
    let text = "token = 'ghp_marked'\nlisten = 5\n[credential]\nvalues = ['ghp_marked', { deep = 'ghp_marked' }]\n";
    let layers = native(text);
    assert!(!format!("{:?}", layers.sources).contains("ghp_marked"));
    let rendered = faults(layers);
    assert!(rendered.contains("unknown key `token`") && rendered.contains("listen: expected a string"), "{rendered}");
    assert!(!rendered.contains("ghp_marked"), "{rendered}");
}

#[test]
fn bad_values_say_what_was_expected() {
    check("listen = 5000", &["listen: expected a string"]);
    check("listen = 'localhost'", &["listen `localhost`: expected `HOST:PORT`"]);
    check("mint.policy = 'opne'", &["mint.policy: `opne` is not known here", "did you mean `open`?"]);
    check("mint.default_lifetime = 'soon'", &["mint.default_lifetime `soon`: expected a duration"]);
    check("mint = { default_lifetime = '2h', max_lifetime = '1h' }", &["longer than mint.max_lifetime"]);
    check("keys.bits = 1024", &["keys.bits `1024`: expected 2048, 3072 or 4096"]);
    check("limits.connections = 0", &["limits.connections `0`: expected at least 1"]);
    check("limits.connections = -1", &["limits.connections: expected a whole number"]);
    check("upstream.api_root = 'api.github.com'", &["upstream.api_root `api.github.com`: expected a URL"]);
    check("upstream.websocket = 'yes'", &["upstream.websocket: expected `true` or `false`"]);
    check("upstream.ceiling = []", &["upstream.ceiling: the list of rules is empty"]);
    check("upstream.drop_request_headers = ['a b']", &["expected the name of a header"]);
    check("upstream.drop_response_headers = ['a:b']", &["upstream.drop_response_headers `a:b`: expected the name of a header"]);
    check("upstream.extra_ca_file = 'nowhere.pem'", &["nowhere.pem`: there is no such file"]);
    check("[scopes]\na = ['GET user']", &["scope `a`: `GET user`: path must start with `/`", "[magicproxy.toml:2:6]"]);
    check("[scopes]\n'a b' = ['GET /user']", &["scope `a b`: expected a name"]);
    check("listen = ", &["[magicproxy.toml:1:"]);
}

#[test]
fn all_faults_come_at_once_in_order() {
    let rendered = faults(native("lisen = 1\nkeys.bits = 1\nmint.policy = 'x'\n[scopes]\na = ['GET x', 5, 'GET /x', 'X /x']\n"));
    let places: Vec<_> = ["unknown key `lisen`", "keys.bits", "mint.policy", "`GET x`", "expected a rule", "`X /x`"]
        .iter()
        .map(|part| rendered.find(part).unwrap_or_else(|| panic!("{part} in\n{rendered}")))
        .collect();
    assert!(places.is_sorted(), "{rendered}");
    assert!(rendered.ends_with("6 faults in the configuration"), "{rendered}");
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
    assert_eq!(raw.timeouts.connect.given().unwrap().origin, Origin::Environment("MAGICPROXY_TIMEOUTS_CONNECT".to_owned()));
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
    let warnings = environment(&variables).misspelt();
    assert_eq!(warnings, ["environment variable `MAGICPROXY_LISTN` means nothing here: did you mean `MAGICPROXY_LISTEN`?"]);
}

#[test]
fn flags_beat_our_variables_beat_theirs() {
    let variables =
        [("CONFIG_FILE", "/nowhere"), ("API_ROOT", "https://python.example"), ("PUBLIC_ACCESS", "http://p.example:5000")];
    let root = |flags: Flags, more: &[(&str, &str)]| {
        let layers = Layers::gather(flags, &environment(&[&variables[1..], more].concat()));
        layers.check().unwrap().upstreams[0].api_root.to_string()
    };
    let mut flags = Flags::default();
    assert_eq!(root(flags.clone(), &[]), "https://python.example");
    assert_eq!(root(flags.clone(), &[("MAGICPROXY_API_ROOT", "https://ours.example")]), "https://ours.example");
    flags.raw.upstream.api_root = Setting::new("https://flag.example".to_owned(), Origin::Flag("--api-root"));
    assert_eq!(root(flags, &[("MAGICPROXY_API_ROOT", "https://ours.example")]), "https://flag.example");
    let missing = Layers::gather(Flags::default(), &environment(&variables)).check().unwrap_err();
    assert!(missing.render(Colour::Off).contains("`/nowhere`: there is no such file"));
}

#[test]
fn key_places_of_the_python_program() {
    let files =
        |variables: &[(&str, &str)]| Layers::gather(Flags::default(), &environment(variables)).check().unwrap().keys.files;
    let folder = files(&[("KEYS_LOCATION", "/k"), ("PRIVATE_KEY_LOCATION", "/other.pem")]);
    assert_eq!((folder.private.as_path(), folder.public.as_path()), (Path::new("/k/private.pem"), Path::new("/k/public.pem")));
    let single = files(&[("PRIVATE_KEY_LOCATION", "/a.pem"), ("PUBLIC_CERTIFICATE_LOCATION", "/b.cer")]);
    assert_eq!((single.private.as_path(), single.certificate.as_path()), (Path::new("/a.pem"), Path::new("/b.cer")));
    let home = files(&[("HOME", "/home/a")]);
    assert_eq!(home.private, Path::new("/home/a/.local/share/magicproxy/keys/private.pem"));
    assert_eq!(files(&[("XDG_DATA_HOME", "/data"), ("HOME", "/x")]).private, Path::new("/data/magicproxy/keys/private.pem"));
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

/// Wherever a list is expected, one value is a list of one.
#[test]
fn one_value_is_a_list_of_one() {
    #[track_caller]
    fn check(one: &str, list: &str) {
        let shown = |text: &str| {
            let layers = native(text);
            let shown: Vec<String> = layers.raw.entries().iter().map(|entry| format!("{}={}", entry.key, entry.value)).collect();
            let scopes = layers.check().map(|config| format!("{:?}", config.upstreams));
            (shown, scopes.unwrap_or_else(|faults| panic!("{text}: {}", faults.summary())))
        };
        assert_eq!(shown(one), shown(list));
    }
    check("scopes.a = 'GET /x'", "scopes.a = ['GET /x']");
    check("scopes.a = { method = 'GET', route = '/x' }", "scopes.a = [{ method = 'GET', route = '/x' }]");
    check("[scopes.a]\nmethod = 'GET'\nroute = '/x'", "scopes.a = [{ method = 'GET', route = '/x' }]");
    check("upstream.ceiling = 'GET /.+'", "upstream.ceiling = ['GET /.+']");
    check("upstream.hosts = 'gh.example.com'", "upstream.hosts = ['gh.example.com']");
    check(
        "upstreams.a = { api_root = 'https://a.example', hosts = 'h' }",
        "upstreams.a = { api_root = 'https://a.example', hosts = ['h'] }",
    );
    check("tokens.accept = 'v1'", "tokens.accept = ['v1']");
    check("tokens.trusted_proxies = 'unix'", "tokens.trusted_proxies = ['unix']");
    check("[listeners]\nlisten = '127.0.0.1:0'", "[[listeners]]\nlisten = '127.0.0.1:0'");
    let json = |rules: &str| python::parse(Path::new("c.json"), format!(r#"{{"scopes":{{"a":{rules}}}}}"#)).raw.entries().len();
    assert_eq!(json(r#""GET /x""#), json(r#"["GET /x"]"#));
}

/// Rules of the configuration that cannot mean what was typed are faults, with the right form; so is every wrong value, in our
/// words.
#[test]
fn rules_of_the_configuration_say_what_to_write() {
    check("scopes.a = ['GET /repos/acme/*']", &["magicproxy.toml:1:", "write `GET /repos/acme/.*` for everything"]);
    check("upstream.ceiling = ['GET /user?page=1']", &["upstream.ceiling: `GET /user?page=1`", "write `GET /user`"]);
    check("scopes.a = [{ method = 'GET', path = '/user/{id}' }]", &["write `\"route\": \"/user/{id}\"`"]);
    let danger = "upstream.danger_prefix_matching = true\nscopes.a = ['GET /repos/acme/*']";
    assert!(native(danger).check().is_ok(), "patterns of the Python program mean what they meant");
    for member in ["method", "path", "route", "grants", "receipt", "limit", "elements", "owner", "plugin"] {
        for wrong in ["7", "-1", "true", "false", "1.5", "[7]", "[[]]", "{ x = 1 }", "{}", "[]", "''"] {
            let base = if member == "plugin" { "" } else { "method = 'GET', route = '/a', " };
            let base = if matches!(member, "method" | "route") { "" } else { base };
            let text = format!("scopes.a = [{{ {base}{member} = {wrong} }}]");
            let Err(faults) = native(&text).check() else { continue };
            let told = faults.summary();
            let foreign = ["u64", "sequence", "invalid type", "field", "struct", "untagged", "Members", "boolean", "integer `"];
            assert!(foreign.iter().all(|word| !told.contains(word)), "{text}: {told}");
        }
    }
}

/// What is said for all upstreams is judged for each of them, and told once.
#[test]
fn a_fault_of_all_upstreams_is_told_once() {
    let upstreams = "[upstreams.a]\napi_root = 'https://a.example'\n[upstreams.b]\napi_root = 'https://b.example'\n";
    for global in [
        "[scopes]\ns = ['GET x', 'GTE /y']\n",
        "[tokens]\ndeny_kid = ['nonsense']\n",
        "[tokens]\nminters = ['missing.jwk']\n",
        "[tokens]\nmax_lifetime = '500ms'\n",
        "[tokens]\naccept = []\n",
    ] {
        let alone = native(global).check().unwrap_err().faults.len();
        assert!(alone > 0, "{global}");
        assert_eq!(native(&format!("{global}{upstreams}")).check().unwrap_err().faults.len(), alone, "{global}");
    }
}

/// What is accepted, and hardly meant.
#[test]
fn odd_settings_are_warned_of() {
    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let layers = native(text);
        let raw = layers.raw.clone();
        let found = lint::warnings(&raw, &layers.check().unwrap_or_else(|faults| panic!("{text}: {}", faults.summary())), None);
        assert_eq!(found.len(), expected.len(), "{text}: {found:?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.contains(expected), "{text}: {found:?}, expected {expected:?}");
        }
    }
    let two = |a: &str, b: &str| {
        format!("[upstreams.a]\napi_root = 'https://a.example'\n{a}\n[upstreams.b]\napi_root = 'https://b.example'\n{b}")
    };
    check("", &[]);
    check(&two("", ""), &[]);
    check("tokens.trusted_proxies = ['10.0.0.0/8', '2001:db8::/32', 'unix']", &[]);
    check(
        "tokens.trusted_proxies = ['0.0.0.0/0', '::/0', '128.0.0.0/1']",
        &["`0.0.0.0/0`: whoever connects", "`::/0`", "`128.0.0.0/1`"],
    );
    check("upstream.api_root = 'http://api.example'", &["plain http"]);
    check("upstream.api_root = 'http://127.0.0.1:1'", &["anyone can mint for"]);
    check("upstream.api_root = 'http://127.0.0.1:1'\nmint.policy = 'closed'", &[]);
    check(&two("mount = '/x'", "mount = '/x/y'"), &["requests below `/x/y` are for the upstream `b`, and never for `a`"]);
    check(&two("mount = '/'", "mount = '/y'"), &[]);
    check(&two("mount = '/'\npaths = { '/y/z' = '/' }", "mount = '/y'"), &["requests below `/y/z` are for the upstream `b`"]);
    check(&two("hosts = ['h.example']", "hosts = ['h.example:8443']"), &["overlap: requests with both are for `a`"]);
    check(&two("hosts = ['h.example:1']", "hosts = ['h.example:2']"), &[]);
    check(&two("hosts = ['b.example']", ""), &["requests with this name are for `b`"]);
    check(
        &format!("public_access = 'https://p.example'\n{}", two("hosts = ['p.example']", "")),
        &["no other upstream is reached"],
    );
    check(
        "upstream.ceiling = ['GET /repos/.+']\nscopes.s = ['GET /user', 'GET /repos/acme/x', 'POST /repos/acme/x']",
        &["scope `s`: no ceiling allows anything of `GET /user`", "`POST /repos/acme/x`"],
    );
    check(&format!("scopes.s = ['GET /user']\n{}", two("ceiling = ['GET /repos/.+']", "")), &[]);
    check(&format!("scopes.s = ['GET /user']\n{}", two("ceiling = ['GET /repos/.+']", "ceiling = ['GET /user']")), &[]);
}

#[test]
fn the_schema_knows_every_setting() {
    let schema = schemars::schema_for!(RawConfig).to_value();
    for key in RawConfig::keys() {
        let (section, name) = key.split_once('.').map_or(("", key.as_str()), |(section, name)| (section, name));
        let table = match schema.pointer(&format!("/properties/{section}/$ref")).and_then(|reference| reference.as_str()) {
            Some(reference) => schema.pointer(reference.trim_start_matches('#')).unwrap(),
            None => &schema,
        };
        assert!(table.pointer(&format!("/properties/{name}")).is_some(), "{key} in {table}");
    }
    assert_eq!(schema.pointer("/additionalProperties"), Some(&serde_json::Value::Bool(false)));
}

#[test]
fn addresses() {
    let parse = |text: &str| Listen::parse(text).map(|listen| (listen.to_string(), listen.url(Scheme::Http, None)));
    let is = |text: &str, url: &str| Ok((text.to_owned(), url.to_owned()));
    assert_eq!(parse("localhost:80"), is("localhost:80", "http://localhost:80"));
    assert_eq!(parse("0.0.0.0:80"), is("0.0.0.0:80", "http://127.0.0.1:80"));
    assert_eq!(parse(":80"), is(":80", "http://127.0.0.1:80"));
    assert_eq!(parse("[::]:80"), is("[::]:80", "http://127.0.0.1:80"));
    assert_eq!(parse("[::1]:80"), is("[::1]:80", "http://[::1]:80"));
    assert_eq!(parse("unix:/run/s"), is("unix:/run/s", "http://localhost"));
    assert_eq!(Listen::parse("[::]:0").unwrap().url(Scheme::Https, Some(7)), "https://127.0.0.1:7");
    for bad in ["", "80", "a b:80", "127.0.0.1:", "127.0.0.1:99999", "[x]:80", "http://x:80", "unix:"] {
        assert!(Listen::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_fault_in_a_list_of_tables_hides_no_other() {
    let text = "unheard_of = \"hunter2hunter2\"\n[upstream]\napi_roto = 3\n[[scopes.a]]\nmethod = 1\n";
    let faults = crate::check_configuration(text, crate::ConfigurationForm::Toml).unwrap_err();
    for part in ["unknown key `unheard_of`", "`upstream.api_roto`", "expected a text or a list of texts", "3 faults"] {
        assert!(faults.contains(part), "{part} in {faults}");
    }
    assert!(!faults.contains("hunter2"), "{faults}");
}

#[test]
fn presets_stand_below_what_is_written() {
    let config = native(
        r#"
        [upstreams.github]
        paths = { "/api/uploads" = "https://uploads.example" }
        [upstreams.dns]
        preset = "powerdns"
        api_root = "http://127.0.0.1:8081"
        mount = "/dns/v1/"
        hosts = ["DNS.example"]
        [upstreams.mine]
        api_root = "https://gitlab.com/"
        encoded_slash = "refuse"
        [upstreams.openai]
        preset = "none"
        api_root = "https://llm.example"
        rewrite_links = false
        "#,
    );
    let config = config.check().unwrap();
    let names: Vec<&str> = config.upstreams.iter().map(|upstream| upstream.name.as_str()).collect();
    assert_eq!(names, ["dns", "github", "mine", "openai"]);
    let [dns, github, mine, openai] = config.upstreams.as_slice() else { panic!("four upstreams") };
    assert_eq!((dns.placing.mount.as_str(), dns.placing.hosts[0].as_str()), ("/dns/v1", "dns.example"));
    assert_eq!((github.placing.mount.as_str(), github.encoded_slash), ("/github", EncodedSlash::Both));
    let origins: Vec<String> = github.origins().map(ToString::to_string).collect();
    assert_eq!(origins, ["https://api.github.com", "https://uploads.example"]);
    assert_eq!(github.placing.paths.len(), 3);
    assert_eq!((mine.encoded_slash, &openai.links), (EncodedSlash::Refuse, &Links::Keep));
    assert!(config.upstreams.iter().all(|upstream| upstream.unnamed == UnnamedTokens::Refuse) && !config.upstream_assumed);
    assert!(config.upstream_named(None).is_err() && config.upstream_named(Some("mine")).is_ok());
}

#[test]
fn presets_know_how_their_servers_read_paths() {
    let reading = |text: &str| native(text).check().unwrap().upstreams[0].path_reading;
    for (text, expected) in [
        ("", PathReading::DecodeOnce),
        ("upstream.api_root = 'https://api.github.com/'", PathReading::DecodeOnce),
        ("[upstreams.github]\napi_root = 'https://ghe.example/api/v3'", PathReading::DecodeOnce),
        ("[upstreams.github-git]", PathReading::DecodeOnce),
        ("[upstreams.gitlab]", PathReading::DecodeOnce),
        ("[upstreams.cloudflare]", PathReading::Strict),
        ("[upstreams.openai]", PathReading::Strict),
        ("upstream.api_root = 'https://forge.example'", PathReading::Strict),
        ("[upstreams.gitlab]\npath_reading = 'strict'", PathReading::Strict),
        ("[upstreams.x]\napi_root = 'https://forge.example'\npath_reading = 'servlet'", PathReading::Servlet),
        ("[upstreams.x]\napi_root = 'https://forge.example'\npath_reading = 'normalize'", PathReading::Normalize),
    ] {
        assert_eq!(reading(text), expected, "{text}");
    }
    check("upstream.path_reading = 'decode_once'", &["path_reading", "decode-once"]);
    check("upstream.path_reading = 'lenient'", &["path_reading", "strict", "decode-once", "servlet", "normalize"]);
}

#[test]
fn pages_are_named_and_no_open_mint_is_theirs() {
    let closed = "mint.policy = 'closed'\n";
    let origins = |text: &str| native(text).check().unwrap().upstreams.iter().map(|one| one.allow_origins.is_empty()).collect();
    let listed: Vec<bool> =
        origins(&format!("{closed}[upstreams.github]\nallow_origins = 'https://app.example.com'\n[upstreams.gitlab]"));
    assert_eq!(listed, [false, true]);
    let open = "[upstreams.github]\nallow_origins = ['https://app.example.com']";
    check(open, &["upstreams.github.allow_origins", "mint.policy = \"closed\""]);
    check(&format!("mint.policy = 'open'\n{open}"), &["mint.policy = \"closed\""]);
    for (origin, expected) in [
        ("*", "every page of the web"),
        ("https://*.example.com", "every page of the web"),
        ("null", "any page can make"),
        ("https://app.example.com/", "write `https://app.example.com`"),
        ("https://App.example.com:443", "write `https://app.example.com`"),
        ("app.example.com", "expected an origin as browsers send it"),
    ] {
        check(
            &format!("{closed}upstream.allow_origins = ['https://a.example', '{origin}']"),
            &["upstream.allow_origins", expected],
        );
    }
    assert!(native(&format!("{closed}upstream.allow_origins = []")).check().is_ok());
    assert!(native("upstream.allow_origins = []").check().is_ok());
}

#[test]
fn members_to_be_rewritten_come_from_the_operator_or_the_preset() {
    let members = |text: &str| match &native(text).check().unwrap().upstreams[0].links {
        Links::Rewrite(members) => Some(Members::clone(members)),
        Links::Keep => None,
    };
    let parsed = |texts: &[&str]| Some(Members::parse(texts.iter().copied()).unwrap());
    let unknown = |more: &str| format!("[upstreams.x]\napi_root = 'https://x.example'\n{more}");
    assert_eq!(members("[upstreams.anthropic]"), parsed(&["results_url", "data.results_url"]));
    assert_eq!(members("[upstreams.anthropic]\nrewrite_members = ['a.*', '!a.b']"), parsed(&["a.*", "!a.b"]));
    assert_eq!(members("[upstreams.anthropic]\nrewrite_members = []"), parsed(&[]));
    assert_eq!(members("[upstreams.anthropic]\nrewrite_links = false"), None);
    for none in ["openai", "cloudflare", "github-git"] {
        assert_eq!(members(&format!("[upstreams.{none}]")), parsed(&[]), "{none}");
    }
    for some in ["github", "gitlab", "digitalocean"] {
        assert!(!members(&format!("[upstreams.{some}]")).unwrap().is_empty(), "{some}");
    }
    assert!(!members(&unknown("")).unwrap().is_empty() && members(&unknown("preset = 'none'")) == members(&unknown("")));
    assert_eq!(members(&unknown("rewrite_members = []")), parsed(&[]));
    check(
        &unknown("rewrite_members = ['next', 'a..b', 'next https://x.example', '!a /x']"),
        &[
            "upstreams.x.rewrite_members `a..b`: expected names",
            "`next https://x.example`: expected a path",
            "`!a /x`: expected nothing",
        ],
    );
}

#[test]
fn an_upstream_alone_takes_tokens_without_a_name() {
    let unnamed = |text: &str| -> Vec<UnnamedTokens> {
        native(text).check().unwrap().upstreams.iter().map(|upstream| upstream.unnamed).collect()
    };
    assert_eq!(unnamed("[upstreams.github]"), [UnnamedTokens::Accept]);
    let both = "upstream.api_root = 'https://a.example'\n[upstreams.github]";
    assert_eq!(unnamed(both), [UnnamedTokens::Accept, UnnamedTokens::Refuse]);
}

#[test]
fn the_default_api_has_its_preset() {
    let config = native("").check().unwrap();
    assert_eq!((config.upstreams[0].encoded_slash, config.upstreams[0].placing.paths.len()), (EncodedSlash::Both, 3));
    let config = native("upstream.preset = 'digitalocean'").check().unwrap();
    assert_eq!(config.upstreams[0].api_root.to_string(), "https://api.digitalocean.com");
    assert!(!config.upstream_assumed);
}

#[test]
fn upstreams_do_not_get_in_each_other_s_way() {
    check("upstream.preset = 'powerdns'", &["upstream.api_root is needed"]);
    check("[upstreams.x]", &["upstreams.x.api_root is needed"]);
    check("[upstreams.'a b']\napi_root = 'https://a.example'", &["upstreams.a b: expected 1 to 255", "mount is needed"]);
    check("[upstreams.github]\n[upstreams.x]\npreset = 'gitlab'\nmount = '/github/'", &["the mount `/github` is taken"]);
    // Without a name, `[upstream]` is called what its API root is: tokens of one would be tokens of the other.
    check(
        "[upstream]\napi_root = 'https://a.example'\n[upstreams.'a.example']\napi_root = 'https://b.example'",
        &["upstream: the name `a.example` is taken"],
    );
    check("[upstreams.github]\nhosts = ['a']\n[upstreams.gitlab]\nhosts = ['A']", &["the host `a` is taken"]);
    check("[upstreams.github]\n[upstreams.gitlab]\nname = 'github'", &["the name `github` is taken"]);
    check("[upstreams.github]\nmount = 'gh'", &["upstreams.github.mount `gh`: expected a path that begins with `/`"]);
    check(
        "[upstreams.github]\npaths = { '/a' = 'b', 'c' = '/' }",
        &["upstreams.github.paths./a `b`", "upstreams.github.paths `c`"],
    );
    check("[upstreams.github]\npreset = 'gitub'", &["did you mean `github`?"]);
    check("[upstreams.github]\napi_rot = 'https://a.example'", &["unknown key", "did you mean `api_root`?"]);
}

#[test]
fn what_names_no_carrier_is_a_fault_and_is_not_shown() {
    let secret = "ghp_0123456789abcdef";
    for line in [format!("credential = \"{secret}\""), format!("accept_token_in = [\"query:key\", \"{secret}\"]")] {
        let layers = native(&format!("[upstream]\n{line}\n"));
        let entries = serde_json::to_string(&layers.raw.entries().iter().map(|entry| &entry.value).collect::<Vec<_>>()).unwrap();
        let rendered = faults(layers);
        assert!(rendered.contains("expected") && rendered.contains("*******"), "{rendered}");
        assert!(!rendered.contains("ghp_") && !entries.contains("ghp_"), "{rendered} {entries}");
    }
    let variables = environment(&[("MAGICPROXY_UPSTREAM_CREDENTIAL", secret)]);
    let mut found = Vec::new();
    let layer = variables.layer(&mut found);
    let rendered = faults(Layers::only(layer));
    assert!(rendered.contains("MAGICPROXY_UPSTREAM_CREDENTIAL") && rendered.contains("when a token is minted"), "{rendered}");
    assert!(found.is_empty() && !rendered.contains("ghp_"), "{rendered}");
    check("upstream.credential = \"Bearer\"", &["upstream.credential: expected `bearer`", "did you mean `bearer`?"]);
    check("upstream.credential = \"headers:X-API-Key\"", &["did you mean `header`?"]);
    check("upstream.credential = \"header:Authorization\"", &["written with its scheme"]);
    check("upstream.credential = \"header:Cookie\"", &["cannot carry a secret"]);
    check("upstream.credential = \"basic:a:b\"", &["expected a user"]);
    check("upstream.accept_token_in = [\"bearer\"]", &["is always taken"]);
    check("upstream.accept_token_in = 7", &["upstream.accept_token_in: expected a list"]);
    check("upstream.refusals = \"gihub\"", &["did you mean `github`?"]);
}

#[test]
fn a_preset_knows_its_carrier_and_its_shape() {
    let config =
        native("[upstreams.gitlab]\n[upstreams.github-git]\n[upstreams.anthropic]\ncredential = \"bearer\"\n").check().unwrap();
    let told: Vec<_> = config.upstreams.iter().map(|upstream| (upstream.credential.to_string(), upstream.refusals)).collect();
    let expected = [
        ("bearer", RefusalShape::Anthropic),
        ("basic:x-access-token", RefusalShape::Problem),
        ("header:private-token", RefusalShape::Gitlab),
    ];
    assert_eq!(told, expected.map(|(carrier, shape)| (carrier.to_owned(), shape)));
}

#[cfg(not(feature = "plugins"))]
#[test]
fn a_plugin_is_refused_with_what_to_build() {
    let text = "[plugins.hours]\nfile = \"a.wasm\"\n[scopes]\na = [{ plugin = 'hours' }]";
    check(text, &["plugin `hours`: this program was built without plugins", "cargo build --release --features plugins"]);
}

#[cfg(feature = "plugins")]
#[test]
fn plugins() {
    let good = "[plugins.challenges]\nfile = \"a.wasm\"\nconfig = \"x\"\ntime_limit = \"50ms\"\nmemory_limit = \"1MiB\"\n\
                on_failure = \"abstain\"\n";
    let plugins = native(good).check().unwrap().plugins.plugins;
    let [plugin] = plugins.as_slice() else { panic!("{plugins:?}") };
    assert_eq!((plugin.name.as_str(), plugin.limits.memory), ("challenges", 1 << 20));
    assert_eq!((plugin.limits.time, plugin.config.as_deref()), (Duration::from_millis(50), Some("x")));
    assert_eq!(plugin.on_failure, magicproxy_plugin::OnFailure::Abstain);
    let bad = "[plugins.\"../x\"]\nfile = \"a\"\n[plugins.b]\ntime_limit = \"11s\"\nmemory_limit = \"2GiB\"\nfuel = 0\n\
               [plugins.c]\nfile = \"c\"\nmemory_limit = \"lots\"\n";
    let text = faults(native(bad));
    for expected in [
        "plugin `../x`: expected a name",
        "plugin `b`: expected `file`",
        "plugins.b.time_limit `11s`: expected at most `10s`",
        "plugins.b.memory_limit `2GiB`: expected `64KiB` to `1GiB`",
        "plugins.b.fuel `0`: expected at least 1",
        "plugins.c.memory_limit `lots`: expected a size such as `16MiB`",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
}

#[test]
fn python_plugins_are_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("do_lets_encrypt.py"), "").unwrap();
    let text = faults(python(&serde_json::json!({ "plugins_location": folder.path() }).to_string()).0).replace('\n', " ");
    assert!(text.contains("do_lets_encrypt.py") && text.contains("magicproxy plugin import"), "{text}");
}

/// A preset that is recognised by its API root gives its name; the host is accepted besides. Whoever says a name has that one.
#[test]
fn an_upstream_has_the_name_of_its_preset() {
    #[track_caller]
    fn check(text: &str, name: &str, alias: Option<&str>) {
        let config = native(text).check().unwrap();
        let upstream = &config.upstreams[0];
        assert_eq!((upstream.name.as_str(), upstream.alias.as_ref().map(|alias| alias.as_str())), (name, alias), "{text}");
        assert_eq!(upstream.stored_name().as_str(), alias.unwrap_or(name));
        for name in [name].into_iter().chain(alias) {
            assert_eq!(config.upstream_named(Some(name)).unwrap().name, upstream.name);
            let bound = native(&format!("{text}\n[[listeners]]\nlisten = '127.0.0.1:7'\nupstream = '{name}'")).check().unwrap();
            assert_eq!(bound.listeners[0].upstream.as_ref(), Some(&upstream.name), "{text} {name}");
        }
    }
    check("", "github", Some("api.github.com"));
    check("upstream.api_root = 'https://api.github.com/'", "github", Some("api.github.com"));
    check("upstream.preset = 'openai'", "openai", Some("api.openai.com"));
    check("upstream.api_root = 'https://api.digitalocean.com'", "digitalocean", Some("api.digitalocean.com"));
    check("upstream.api_root = 'https://api.example.com:8443/v1'", "api.example.com:8443", None);
    // Another server of the same kind is not GitHub's.
    check("upstream.preset = 'github'\nupstream.api_root = 'https://ghe.example/api/v3'", "ghe.example", None);
    check("upstream.name = 'api'", "api", None);
    check("upstream.name = 'api.github.com'", "api.github.com", None);
    check("[upstreams.gh]\npreset = 'github'", "gh", None);
}

#[test]
fn no_two_upstreams_have_one_name() {
    for (text, name) in [
        (
            "upstream.api_root = 'https://api.github.com'\n[upstreams.github]\npreset = 'none'\napi_root = 'https://x.example'",
            "github",
        ),
        (
            "upstream.api_root = 'https://api.github.com'\n[upstreams.\"api.github.com\"]\napi_root = 'https://x.example'",
            "api.github.com",
        ),
        ("upstream.api_root = 'https://x.example'\n[upstreams.\"x.example\"]\napi_root = 'https://y.example'", "x.example"),
        (
            "upstream.api_root = 'https://x.example'\n[upstreams.a]\nname = 'x.example'\napi_root = 'https://y.example'",
            "x.example",
        ),
        ("[upstreams.a]\nname = 'b'\napi_root = 'https://x.example'\n[upstreams.b]\napi_root = 'https://y.example'", "b"),
    ] {
        check(text, &[&format!("the name `{name}` is taken by another upstream")]);
    }
    let renamed = "upstream.api_root = 'https://api.github.com'\nupstream.name = 'hub'\n[upstreams.github]\nmount = '/g'";
    assert!(native(renamed).check().is_ok());
}
