//! Which changes hold at once: every key of the schema is thought of, and what the table says is
//! what a reload does.

use std::path::Path;

use serde_json::Value;

use super::super::{Flags, Layers, native};
use super::*;
use crate::ground::environment::Environment;

/// Every key of the schema, with `NAME` for the names of tables.
fn keys() -> Vec<String> {
    let schema = schemars::schema_for!(RawConfig).to_value();
    let mut keys = Vec::new();
    collect("", &schema, &schema, &mut keys);
    keys
}

/// Collects the keys of a table; the values of other tables are keys of their own.
fn collect(prefix: &str, table: &Value, schema: &Value, keys: &mut Vec<String>) {
    for (key, member) in table["properties"].as_object().unwrap() {
        let full = format!("{prefix}{key}");
        let (place, named) =
            [(member, false), (&member["items"], true), (&member["additionalProperties"], true)]
                .into_iter()
                .find_map(|(place, named)| {
                    Some((place["$ref"].as_str()?.strip_prefix("#/$defs/")?, named))
                })
                .map_or((&Value::Null, false), |(name, named)| (&schema["$defs"][name], named));
        let name = if named { ".NAME" } else { "" };
        match place["properties"].as_object() {
            Some(_) if prefix.is_empty() => collect(&format!("{full}{name}."), place, schema, keys),
            _ if prefix.is_empty() && full == "scopes" => keys.push("scopes.NAME".to_owned()),
            _ => keys.push(full),
        }
    }
}

#[test]
fn every_setting_holds_at_once_or_at_a_restart() {
    let keys = keys();
    assert!(keys.len() > 100, "{keys:?}");
    for key in &keys {
        assert!(TakesEffect::of(key).is_some(), "`{key}`: when does a change of it hold?");
    }
    for (pattern, _) in SETTINGS {
        let used = keys.iter().any(|key| {
            let first = SETTINGS.iter().find(|(pattern, _)| fits(pattern, key));
            first.is_some_and(|(first, _)| *first == pattern)
        });
        // The forms of the reference are not those of the schema.
        let of_reference = ["listeners.upstream", "listeners.*", "plugins.*", "upstreams.*"];
        assert!(used || of_reference.contains(&pattern), "`{pattern}` is no setting");
    }
}

fn parsed(text: &str) -> RawConfig {
    let file = native::parse(Path::new("text"), text.to_owned());
    assert!(file.faults.is_empty(), "{:?}", file.faults);
    file.raw
}

/// The example of the reference, which has every key.
fn example() -> RawConfig {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/magicproxy.toml");
    let text = std::fs::read_to_string(path).unwrap();
    parsed(&text)
}

/// A running proxy without any setting of the example takes over exactly what holds at once.
#[test]
fn a_reload_takes_over_what_holds_at_once_and_nothing_else() {
    let (mut example, empty) = (example(), RawConfig::default());
    // TLS that comes or goes is a change of the listeners.
    (example.tls, example.acme) = Default::default();
    let mixed = example.clone().over(&empty);
    let waiting = mixed.differing(&example);
    let all: Vec<String> = example.entries().into_iter().map(|entry| entry.key).collect();
    assert!(all.len() > 80, "{all:?}");
    for key in all {
        let expected = match TakesEffect::of(&key) {
            Some(effect) => effect == TakesEffect::AtRestart,
            None => panic!("`{key}`"),
        };
        // Bound listeners are no listeners of a proxy that has none.
        let expected = expected || key.starts_with("listeners.");
        assert_eq!(waiting.contains(&key), expected, "{key}");
    }
}

#[test]
fn a_listener_may_be_bound_to_another_upstream_and_tls_have_other_files() {
    let running = parsed(
        "listeners = [{ listen = \":1\", upstream = \"a\" }]\n[tls]\ncertificate = \"a\"\nprivate_key = \"b\"",
    );
    for (text, waiting) in [
        ("listeners = [{ listen = \":1\", upstream = \"b\" }]\n[tls]\ndev = true", vec![]),
        (
            "listeners = [{ listen = \":2\", upstream = \"b\" }]\n[tls]\ndev = true",
            vec!["listeners.1.listen", "listeners.1.upstream"],
        ),
        (
            "listeners = [{ listen = \":1\", upstream = \"a\" }]",
            vec!["tls.certificate", "tls.private_key"],
        ),
    ] {
        let new = parsed(text);
        assert_eq!(new.clone().over(&running).differing(&new), waiting, "{text}");
    }
}

/// Values count, and neither their places nor the words that stand for a secret.
#[test]
fn values_differ_and_places_do_not() {
    let one = parsed(
        "listen = \":1\"\noutbound_proxy = \"http://me:one@proxy:1\"\n[upstream]\nhosts = [\"a\"]",
    );
    let moved = parsed(
        "outbound_proxy = \"http://me:one@proxy:1\"\n\n\nlisten = \":1\"\n[upstream]\nhosts = [ \"a\" ]",
    );
    assert!(one.differing(&moved).is_empty());
    let other = parsed(
        "listen = \":1\"\noutbound_proxy = \"http://me:two@proxy:1\"\n[upstream]\nhosts = [\"a\", \"b\"]",
    );
    assert_eq!(one.differing(&other), ["outbound_proxy", "upstream.hosts"]);
    for (key, one, other) in [
        ("state.url", "redis://u:one@h", "redis://u:two@h"),
        (
            "admin.token",
            "0123456789012345678901234567890123456789",
            "other456789012345678901234567890123456789",
        ),
    ] {
        let (section, name) = key.split_once('.').unwrap();
        let of = |value: &str| parsed(&format!("[{section}]\n{name} = \"{value}\""));
        assert_eq!(of(one).differing(&of(other)), [key]);
        assert!(of(one).differing(&of(one)).is_empty());
    }
}

/// A file that is read past the check's own reader changes without a reload that tells of it.
#[test]
fn every_file_that_a_setting_names_is_read_by_the_checker() {
    fn sources(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => sources(&path, found),
                false => found.push(path),
            }
        }
    }
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config"), &mut files);
    assert!(files.len() > 40);
    for file in files {
        let name = file.file_name().unwrap().to_str().unwrap();
        // The configuration's own file, and the reader.
        if ["found.rs", "check.rs", "tests.rs"].contains(&name)
            || file.parent().is_some_and(|folder| folder.ends_with("tests"))
        {
            continue;
        }
        let text = std::fs::read_to_string(&file).unwrap();
        for call in ["fs::read(", "fs::read_to_string(", "File::open"] {
            assert!(!text.contains(call), "{}: {call}, not by `Checker::read`", file.display());
        }
    }
}

/// Every file that the check reads, and whether another content holds at once.
#[test]
fn another_content_of_a_file_is_a_change_of_its_setting() {
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| place.path().join(name);
    let certificate =
        |name: &str| rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap().cert.pem();
    let minter = |x: &str| format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}"}}"#);
    let pem = [certificate("one"), certificate("two")];
    let token = ["0", "1"].map(|digit| digit.repeat(40));
    let jwk = [
        minter("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"),
        minter("PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw"),
    ];
    let url = |name: &str| format!("redis://{name}:1/0");
    let proxy = |name: &str| format!("http://{name}:1");
    let rows = [
        ("admin.token_file", token, "[admin]\nlisten = '127.0.0.1:1'\ntoken_file = 'file'", true),
        (
            "state.url_file",
            ["a", "b"].map(url),
            "[state]\nstore = 'valkey'\nurl_file = 'file'",
            false,
        ),
        (
            "state.extra_ca_file",
            pem.clone(),
            "[state]\nstore = 'valkey'\nurl = 'rediss://h'\nextra_ca_file = 'file'",
            false,
        ),
        ("outbound_proxy_file", ["a", "b"].map(proxy), "outbound_proxy_file = 'file'", true),
        ("tokens.minters", jwk, "[tokens]\nminters = ['file']", true),
        (
            "acme.extra_ca_file",
            pem.clone(),
            "[acme]\ndomains = ['a.example']\nextra_ca_file = 'file'",
            true,
        ),
        ("upstream.extra_ca_file", pem, "[upstream]\nextra_ca_file = 'file'", true),
    ];
    for (key, contents, text, at_once) in rows {
        std::fs::write(path("magicproxy.toml"), text).unwrap();
        let read = |content: &str| {
            std::fs::write(path("file"), content).unwrap();
            let config = Some(path("magicproxy.toml"));
            let flags = Flags { config, ..Flags::default() };
            let environment = Environment::from_iter(Vec::<(String, String)>::new());
            let checked = Layers::gather(flags, &environment).checked().ready();
            checked.unwrap_or_else(|faults| panic!("{key}: {faults:?}")).contents
        };
        let [one, other] = contents.map(|content| read(&content));
        assert_eq!(other.differing(&one), [key]);
        assert!(one.differing(&one).is_empty(), "{key}");
        let expected = if at_once { TakesEffect::AtOnce } else { TakesEffect::AtRestart };
        assert_eq!(TakesEffect::of(key), Some(expected), "{key}");
        // Told again until the restart.
        let kept =
            other.clone().over(&one, |key| TakesEffect::of(key) == Some(TakesEffect::AtRestart));
        assert_eq!(other.differing(&kept).is_empty(), at_once, "{key}");
    }
}
