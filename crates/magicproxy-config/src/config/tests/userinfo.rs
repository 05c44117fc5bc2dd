//! The user and password in a URL are in no fault, excerpt, warning and listing, whichever setting the URL was given to.

use crate::config::plugins::RawPlugin;
use crate::config::raw::RawConfig;
use crate::config::setting::Section as _;
use crate::config::upstream::RawUpstream;

use super::*;

const SECRET: &str = "hunter2";

/// URLs of every kind that a setting takes, right and wrong, and what comes of them in TOML.
const VALUES: [&str; 13] = [
    "'https://me:hunter2@host'",
    "'https://hunter2@host/path'",
    "\"https://me:hunter2\\u0040host\"",
    "'https://me:hunter2/3?#@host'",
    "'https://me:hunter2 3@host'",
    "'https://me:hunter2`3@host'",
    "'redis+sentinel://:hunter2@a,b/m'",
    "'me:hunter2@host:80'",
    "'GET https://me:hunter2@host/x'",
    "['https://me:hunter2@host', 'x']",
    "{ '/x' = 'https://me:hunter2@host' }",
    "{ 'https://me:hunter2@host' = 'x' }",
    "[{ listen = 'https://me:hunter2@host' }]",
];

/// Every key that a file may have, and some that it may not.
fn keys() -> Vec<String> {
    let mut keys = RawConfig::keys();
    keys.extend(RawUpstream::KEYS.iter().map(|key| format!("upstreams.a.{key}")));
    keys.extend(RawPlugin::KEYS.iter().map(|key| format!("plugins.p.{key}")));
    keys.extend(
        [
            "allowed_hosts",
            "listeners",
            "scopes.s",
            "upstreams",
            "nobody",
            "nobody.knows",
            "upstream.nobody",
        ]
        .map(str::to_owned),
    );
    keys
}

/// Everything that is told of a configuration, to people and to machines.
fn told(layers: Layers) -> String {
    let entries =
        layers.raw.entries().into_iter().map(|entry| format!("{} {}\n", entry.key, entry.value));
    let mut told: String = entries.collect();
    told += &format!("{:?} {:?}", layers.warnings, layers.sources);
    if let Err(faults) = layers.check_to_serve() {
        told +=
            &format!("{} {} {}", faults.render(Colour::Off), faults.to_json(), faults.summary());
    }
    told
}

#[track_caller]
fn check_file(text: &str) {
    let told = told(native(text));
    assert!(!told.contains(SECRET), "{text}: {told}");
}

#[test]
fn a_file_shows_no_password() {
    let keys = keys();
    assert!(keys.len() > 100, "{}", keys.len());
    for key in keys {
        for value in VALUES {
            check_file(&format!("{key} = {value}\nlimits.workers = 'x'"));
        }
    }
}

/// Neither in the lines around a fault, nor where the file is no TOML.
#[test]
fn what_is_no_setting_shows_no_password() {
    for value in VALUES {
        for text in [
            format!("# upstream.api_root = {value}\nlimits.workers = 'x'"),
            format!("upstream.api_root = {value} x"),
            format!("upstream = {{ api_root = {value}"),
            format!("upstream = {{ name = 'x', api_root = {value} }}\nlimits.workers = 'x'"),
        ] {
            check_file(&text);
        }
    }
}

#[test]
fn a_json_file_shows_no_password() {
    for name in [
        "api_root",
        "public_access",
        "keys_location",
        "private_key_location",
        "plugins_location",
        "scopes",
        "nobody",
    ] {
        for value in [
            r#""https://me:hunter2@host""#,
            r#""https:\/\/me:hunter2\u0040host""#,
            r#""me:hunter2@host""#,
            r#"["https://me:hunter2@host"]"#,
            r#"{"a":["https://me:hunter2@host"]}"#,
        ] {
            for text in [
                format!("{{\"{name}\": {value}}}"),
                format!("{{\"{name}\":{value},\"api_root\":7}}"),
                format!("{{\"{name}\":{value}"),
            ] {
                let (layers, warnings) = python(&text);
                let told = told(Layers { warnings, ..layers });
                assert!(!told.contains(SECRET), "{text}: {told}");
            }
        }
    }
}

#[test]
fn a_variable_shows_no_password() {
    let ours = RawConfig::keys()
        .into_iter()
        .map(|key| format!("MAGICPROXY_{}", key.to_uppercase().replace('.', "_")));
    let others =
        ["API_ROOT", "PUBLIC_ACCESS", "KEYS_LOCATION", "MAGICPROXY_API_ROOT", "MAGICPROXY_LOG"]
            .map(str::to_owned);
    for name in ours.chain(others) {
        for value in ["https://me:hunter2@host", "https://me:hunter2/`@host", "me:hunter2@host:1"] {
            let told = told(Layers::gather(Flags::default(), &environment(&[(&name, value)])));
            assert!(!told.contains(SECRET), "{name}: {told}");
        }
    }
}

/// What is left shows which URL is meant.
#[test]
fn the_rest_of_a_url_is_shown() {
    for (text, shown) in [
        ("upstream.api_root = 'https://me:hunter2@api.test'", "api_root `https://***@api.test`"),
        (
            "upstream.paths = { '/x' = 'ftp://hunter2@api.test' }",
            "upstream.paths./x `ftp://***@api.test`",
        ),
        ("public_access = 'http://me:hunter2@api.test'", "public_access `http://***@api.test`"),
        (
            "acme = { domains = ['a.test'], directory = 'https://me:hunter2@ca.test/dir' }",
            "acme.directory `https://***@ca.test/dir`",
        ),
        ("upstream.allow_origins = ['https://me:hunter2@page.test']", "`https://***@page.test`"),
    ] {
        check(text, &[shown]);
    }
}
