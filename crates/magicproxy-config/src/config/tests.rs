//! The layers, the faults and their suggestions, without a process around them.

mod general;
mod headers;
mod listeners;
mod minting;
mod outbound;
mod public_access;
mod rules;
mod sources;
mod upstreams;
mod userinfo;

use std::path::Path;
use std::time::Duration;

use magicproxy_core::{EncodedSlash, PathReading, PatternMode, UnnamedTokens};
use magicproxy_proxy::rewrite::Members;
use magicproxy_proxy::settings::{Forwarding, HostName, Links, Timeouts, UpstreamProtocol};

use super::*;
use crate::config::listeners::HostCheckChoice;
use crate::config::outbound::RawProxies;
use crate::config::raw::RawConfig;
use crate::config::setting::Setting;
use crate::ground::environment::Environment;
use crate::ground::fault::{Origin, Sources};
use crate::ground::text::Colour;

fn environment(variables: &[(&str, &str)]) -> Environment {
    variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
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
    assert!(
        config.upstreams[0].is_called("api.github.com")
            && !config.upstreams[0].is_called("github.com")
    );
    assert!(
        config.upstream_assumed
            && config.upstreams[0].mints_over_http()
            && !config.upstreams[0].websocket
    );
    assert_eq!(config.minting.default_lifetime, Duration::from_secs(24 * 3600));
}

/// No moment lies so far ahead: each request would end in a panic.
#[test]
fn a_duration_without_end_is_a_fault() {
    for duration in ["9223372036854775807", "'18446744073709551615'", "'200y'"] {
        for key in [
            "timeouts.total",
            "timeouts.keep_alive",
            "upstream.response_timeout",
            "mint.max_lifetime",
        ] {
            check(&format!("{key} = {duration}"), &[key, "expected a duration"]);
        }
    }
    assert!(native("timeouts.total = '50y'").check().is_ok());
}

/// Links in responses lead there. Without it they lead to where the client says that it is.
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
        refusal_format = "gitlab"
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
    assert_eq!(
        (config.public_access().url.as_str(), config.host()),
        ("https://proxy.example.com", "proxy.example.com")
    );
    assert_eq!(config.keys.files.certificate, Path::new("/srv/keys/public.x509.cer"));
    assert_eq!(config.keys.bits, 3072);
    assert!(!config.upstreams[0].mints_over_http() && !config.upstream_assumed);
    assert_eq!(
        (config.minting.default_lifetime.as_secs(), config.minting.max_lifetime.as_secs()),
        (600, 5400)
    );
    assert_eq!(config.upstreams[0].acceptance.max_lifetime, Some(864_000));
    assert_eq!(
        (config.upstreams[0].name.as_str(), config.upstreams[0].api_root.base_path()),
        ("gitlab", "/api/v4")
    );
    assert_eq!(
        (config.upstreams[0].encoded_slash, config.upstreams[0].patterns),
        (EncodedSlash::Opaque, PatternMode::DangerPrefix)
    );
    assert_eq!(
        config.upstreams[0].ceiling.as_ref().map(|ceiling| ceiling.rules().count()),
        Some(2)
    );
    assert_eq!(
        (
            config.upstreams[0].drop_request_headers.len(),
            config.upstreams[0].drop_query_parameters.len()
        ),
        (1, 1)
    );
    assert_eq!(config.upstreams[0].drop_response_headers, ["set-cookie", "set-cookie2"]);
    assert!(
        config.upstreams[0].websocket && config.upstreams[0].forwarding == Forwarding::XForwarded
    );
    assert_eq!(config.upstreams[0].credential.to_string(), "header:private-token");
    let carriers: Vec<String> =
        config.upstreams[0].token_carriers.iter().map(ToString::to_string).collect();
    assert_eq!(carriers, ["header:dd-api-key", "query:api_key"]);
    assert_eq!(config.upstreams[0].refusal_format, crate::providers::gitlab::REFUSALS.shape);
    assert_eq!(
        (config.timeouts.total, config.limits.connections),
        (Some(Duration::from_secs(120)), 7)
    );
    assert_eq!(config.upstreams[0].protocol, UpstreamProtocol::Http1);
    assert_eq!(
        (
            config.limits.upstream_connections_per_origin,
            config.limits.upstream_streams_per_connection
        ),
        (9, 8)
    );
    assert_eq!(
        (config.limits.upstream_queue.per_owner, config.timeouts.upstream_queue.as_secs()),
        (10, 3)
    );
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
    assert_eq!(
        age("timeouts.keep_alive = '20s'\ntimeouts.upstream_connection_age = '2h'"),
        Duration::from_secs(7_200)
    );
    assert_eq!(age("timeouts.upstream_connection_age = 7"), Duration::from_secs(7));
    assert!(age("timeouts.keep_alive = '50y'") > Duration::from_secs(1_000_000_000));
    let shown = native("timeouts.keep_alive = '30s'");
    let value = shown
        .raw
        .entries()
        .into_iter()
        .find(|entry| entry.key == "timeouts.upstream_connection_age")
        .unwrap()
        .value;
    assert_eq!(value, "1m 30s");
}

#[test]
fn the_example_of_every_setting_is_right() {
    let example = include_str!("../../../../docs/reference/magicproxy.toml");
    let layers = native(example);
    let given =
        layers.raw.entries().iter().filter(|entry| *entry.origin != Origin::Default).count();
    // Shares are explained by one example; some settings exclude others, and stand in comments.
    let is_share = |key: &String| {
        ["_per_owner", "_per_peer", "_reserved"].iter().any(|end| key.ends_with(end))
    };
    let keys = RawConfig::keys().iter().filter(|key| !is_share(key)).count();
    assert!(given + 13 >= keys, "the example shows almost every setting: {given} of {keys}");
    let wrong: Vec<String> = layers
        .check()
        .err()
        .into_iter()
        .flat_map(|faults| faults.faults)
        .map(|fault| fault.message)
        .collect();
    // A program without plugins refuses the one of the example, and nothing else in it.
    let unbuilt: &[&str] = if cfg!(feature = "plugins") {
        &[]
    } else {
        &["plugin `challenges`: this program was built without plugins"]
    };
    assert_eq!(wrong, unbuilt);
}

#[test]
fn unknown_keys_have_a_place_and_a_suggestion() {
    check(
        "lisen = 'x'",
        &["unknown key `lisen`", "[magicproxy.toml:1:1]", "did you mean `listen`?"],
    );
    check(
        "\n[upstream]\napi_rot = 'x'",
        &["unknown key `upstream.api_rot`", "[magicproxy.toml:3:1]", "did you mean `api_root`?"],
    );
    check("[timeout]\nconnect = 1", &["unknown key `timeout`", "did you mean `timeouts`?"]);
    check(
        "[scopes]\na = [{ method = 'GET', rout = '/x' }]",
        &["unknown key `rout` in `scopes.a`", "did you mean `route`?"],
    );
    check("zzz = 1", &["unknown key `zzz`", "expected one of `listen`"]);
}

#[test]
fn an_old_name_of_a_setting_is_a_fault_that_says_the_new_one() {
    for (written, now) in [
        ("[state]\nstrangers = 'accept'", "unlisted_minters"),
        ("[upstream]\nrefusals = 'github'", "refusal_format"),
        ("[upstreams.a]\nrefusals = 'github'", "refusal_format"),
        (
            "[scopes]\na = [{ method = 'PATCH', path = '/', elements = { list = 'a', key = 'b', creates = {} } }]",
            "list_items",
        ),
        (
            "[scopes]\na = [{ method = 'PATCH', path = '/', list_items = { list = 'a', key = 'b', creates = {}, empty = 'c' } }]",
            "deletes_if_empty",
        ),
    ] {
        check(written, &["unknown key `", &format!("it is called `{now}` now")]);
    }
}

#[test]
fn values_of_unknown_keys_are_not_shown() {
    let text = "token = 'ghp_marked'\nlisten = 5\n[credential]\nvalues = ['ghp_marked', { deep = 'ghp_marked' }]\n";
    let layers = native(text);
    assert!(!format!("{:?}", layers.sources).contains("ghp_marked"));
    let rendered = faults(layers);
    assert!(
        rendered.contains("unknown key `token`") && rendered.contains("listen: expected a string"),
        "{rendered}"
    );
    assert!(!rendered.contains("ghp_marked"), "{rendered}");
}

#[test]
fn bad_values_say_what_was_expected() {
    check("listen = 5000", &["listen: expected a string"]);
    check("listen = 'localhost'", &["listen `localhost`: expected `HOST:PORT`"]);
    check(
        "mint.policy = 'opne'",
        &["mint.policy: `opne` is not known here", "did you mean `open`?"],
    );
    check("mint.default_lifetime = 'soon'", &["mint.default_lifetime `soon`: expected a duration"]);
    check(
        "mint = { default_lifetime = '2h', max_lifetime = '1h' }",
        &["longer than mint.max_lifetime"],
    );
    check("keys.bits = 1024", &["keys.bits `1024`: expected 2048, 3072 or 4096"]);
    check("limits.connections = 0", &["limits.connections `0`: expected at least 1"]);
    check("limits.connections = -1", &["limits.connections: expected a whole number"]);
    check(
        "upstream.api_root = 'api.github.com'",
        &["upstream.api_root `api.github.com`: expected a URL"],
    );
    check("upstream.websocket = 'yes'", &["upstream.websocket: expected `true` or `false`"]);
    check("upstream.ceiling = []", &["upstream.ceiling: the list of rules is empty"]);
    check("upstream.drop_request_headers = ['a b']", &["expected the name of a header"]);
    check(
        "upstream.drop_response_headers = ['a:b']",
        &["upstream.drop_response_headers `a:b`: expected the name of a header"],
    );
    check("upstream.extra_ca_file = 'nowhere.pem'", &["nowhere.pem`: there is no such file"]);
    check(
        "[scopes]\na = ['GET user']",
        &["scope `a`: `GET user`: path must start with `/`", "[magicproxy.toml:2:6]"],
    );
    check("[scopes]\n'a b' = ['GET /user']", &["scope `a b`: expected a name"]);
    check("listen = ", &["[magicproxy.toml:1:"]);
}

#[test]
fn all_faults_come_at_once_in_order() {
    let rendered = faults(native(
        "lisen = 1\nkeys.bits = 1\nmint.policy = 'x'\n[scopes]\na = ['GET x', 5, 'GET /x', 'X /x']\n",
    ));
    let places: Vec<_> =
        ["unknown key `lisen`", "keys.bits", "mint.policy", "`GET x`", "expected a rule", "`X /x`"]
            .iter()
            .map(|part| rendered.find(part).unwrap_or_else(|| panic!("{part} in\n{rendered}")))
            .collect();
    assert!(places.is_sorted(), "{rendered}");
    assert!(rendered.ends_with("6 faults in the configuration"), "{rendered}");
}

/// Wherever a list is expected, one value is a list of one.
#[test]
fn one_value_is_a_list_of_one() {
    #[track_caller]
    fn check(one: &str, list: &str) {
        let shown = |text: &str| {
            let layers = native(text);
            let shown: Vec<String> = layers
                .raw
                .entries()
                .iter()
                .map(|entry| format!("{}={}", entry.key, entry.value))
                .collect();
            let scopes = layers.check().map(|config| format!("{:?}", config.upstreams));
            (shown, scopes.unwrap_or_else(|faults| panic!("{text}: {}", faults.summary())))
        };
        assert_eq!(shown(one), shown(list));
    }
    check("scopes.a = 'GET /x'", "scopes.a = ['GET /x']");
    check(
        "scopes.a = { method = 'GET', route = '/x' }",
        "scopes.a = [{ method = 'GET', route = '/x' }]",
    );
    check(
        "[scopes.a]\nmethod = 'GET'\nroute = '/x'",
        "scopes.a = [{ method = 'GET', route = '/x' }]",
    );
    check("upstream.ceiling = 'GET /.+'", "upstream.ceiling = ['GET /.+']");
    check("upstream.hosts = 'gh.example.com'", "upstream.hosts = ['gh.example.com']");
    check(
        "upstreams.a = { api_root = 'https://a.example', hosts = 'h' }",
        "upstreams.a = { api_root = 'https://a.example', hosts = ['h'] }",
    );
    check("tokens.accept = 'v1'", "tokens.accept = ['v1']");
    check("tokens.trusted_proxies = 'unix'", "tokens.trusted_proxies = ['unix']");
    check("[listeners]\nlisten = '127.0.0.1:0'", "[[listeners]]\nlisten = '127.0.0.1:0'");
    let json = |rules: &str| {
        python::parse(Path::new("c.json"), format!(r#"{{"scopes":{{"a":{rules}}}}}"#))
            .raw
            .entries()
            .len()
    };
    assert_eq!(json(r#""GET /x""#), json(r#"["GET /x"]"#));
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
        assert_eq!(
            native(&format!("{global}{upstreams}")).check().unwrap_err().faults.len(),
            alone,
            "{global}"
        );
    }
}

/// What is accepted, and hardly meant.
#[test]
fn odd_settings_are_warned_of() {
    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let layers = native(text);
        let raw = layers.raw.clone();
        let found = lint::warnings(
            &raw,
            &layers.check().unwrap_or_else(|faults| panic!("{text}: {}", faults.summary())),
            None,
        );
        assert_eq!(found.len(), expected.len(), "{text}: {found:?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.contains(expected), "{text}: {found:?}, expected {expected:?}");
        }
    }
    let two = |a: &str, b: &str| {
        format!(
            "[upstreams.a]\napi_root = 'https://a.example'\n{a}\n[upstreams.b]\napi_root = 'https://b.example'\n{b}"
        )
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
    check(
        &two("mount = '/x'", "mount = '/x/y'"),
        &["requests below `/x/y` are for the upstream `b`, and never for `a`"],
    );
    check(&two("mount = '/'", "mount = '/y'"), &[]);
    check(
        &two("mount = '/'\npaths = { '/y/z' = '/' }", "mount = '/y'"),
        &["requests below `/y/z` are for the upstream `b`"],
    );
    check(
        &two("hosts = ['h.example']", "hosts = ['h.example:8443']"),
        &["overlap: requests with both are for `a`"],
    );
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
    check(
        &format!(
            "scopes.s = ['GET /user']\n{}",
            two("ceiling = ['GET /repos/.+']", "ceiling = ['GET /user']")
        ),
        &[],
    );
}

#[test]
fn the_schema_knows_every_setting() {
    let schema = schemars::schema_for!(RawConfig).to_value();
    for key in RawConfig::keys() {
        let (section, name) =
            key.split_once('.').map_or(("", key.as_str()), |(section, name)| (section, name));
        let table = match schema
            .pointer(&format!("/properties/{section}/$ref"))
            .and_then(|reference| reference.as_str())
        {
            Some(reference) => schema.pointer(reference.trim_start_matches('#')).unwrap(),
            None => &schema,
        };
        assert!(table.pointer(&format!("/properties/{name}")).is_some(), "{key} in {table}");
    }
    assert_eq!(schema.pointer("/additionalProperties"), Some(&serde_json::Value::Bool(false)));
}

#[test]
fn addresses() {
    let parse = |text: &str| {
        ListenAddress::parse(text)
            .map(|listen| (listen.to_string(), listen.url(Scheme::Http, None)))
    };
    let is = |text: &str, url: &str| Ok((text.to_owned(), url.to_owned()));
    assert_eq!(parse("localhost:80"), is("localhost:80", "http://localhost:80"));
    assert_eq!(parse("0.0.0.0:80"), is("0.0.0.0:80", "http://127.0.0.1:80"));
    assert_eq!(parse(":80"), is(":80", "http://127.0.0.1:80"));
    assert_eq!(parse("[::]:80"), is("[::]:80", "http://127.0.0.1:80"));
    assert_eq!(parse("[::1]:80"), is("[::1]:80", "http://[::1]:80"));
    assert_eq!(parse("unix:/run/s"), is("unix:/run/s", "http://localhost"));
    assert_eq!(
        ListenAddress::parse("[::]:0").unwrap().url(Scheme::Https, Some(7)),
        "https://127.0.0.1:7"
    );
    for bad in
        ["", "80", "a b:80", "127.0.0.1:", "127.0.0.1:99999", "[x]:80", "http://x:80", "unix:"]
    {
        assert!(ListenAddress::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_fault_in_a_list_of_tables_hides_no_other() {
    let text =
        "unheard_of = \"hunter2hunter2\"\n[upstream]\napi_roto = 3\n[[scopes.a]]\nmethod = 1\n";
    let faults = crate::check_configuration(text, crate::ConfigurationForm::Toml).unwrap_err();
    for part in [
        "unknown key `unheard_of`",
        "`upstream.api_roto`",
        "expected a text or a list of texts",
        "3 faults",
    ] {
        assert!(faults.contains(part), "{part} in {faults}");
    }
    assert!(!faults.contains("hunter2"), "{faults}");
}
