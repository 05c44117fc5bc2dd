//! Rules of scopes and ceilings, and plugins among them.

use super::*;

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
    check(
        "[scopes]\na = [{ plugin = 'hours' }]",
        &["scope `a`: there is no plugin `hours`", "`[plugins.hours]`"],
    );
    check(
        "[scopes]\na = [{ plugin = 'hours', method = 'GET' }]",
        &["an object with `plugin` has no other member"],
    );
    check(
        "[upstream]\nceiling = [{ method = 'GET', path = '/x', limit = { total = 3 } }]",
        &["a ceiling gives nothing"],
    );
    check("[upstream]\nceiling = [{ plugin = 'hours' }]", &["a plugin is named in a scope"]);
}

/// Rules of the configuration that cannot mean what was typed are faults, with the right form; so is every wrong value, in our
/// words.
#[test]
fn rules_of_the_configuration_say_what_to_write() {
    check(
        "scopes.a = ['GET /repos/acme/*']",
        &["magicproxy.toml:1:", "write `GET /repos/acme/.*` for everything"],
    );
    check(
        "upstream.ceiling = ['GET /user?page=1']",
        &["upstream.ceiling: `GET /user?page=1`", "write `GET /user`"],
    );
    check(
        "scopes.a = [{ method = 'GET', path = '/user/{id}' }]",
        &["write `\"route\": \"/user/{id}\"`"],
    );
    let danger = "upstream.danger_prefix_matching = true\nscopes.a = ['GET /repos/acme/*']";
    assert!(native(danger).check().is_ok(), "patterns of the Python program mean what they meant");
    for member in
        ["method", "path", "route", "grants", "receipt", "limit", "list_items", "owner", "plugin"]
    {
        for wrong in
            ["7", "-1", "true", "false", "1.5", "[7]", "[[]]", "{ x = 1 }", "{}", "[]", "''"]
        {
            let base = if member == "plugin" { "" } else { "method = 'GET', route = '/a', " };
            let base = if matches!(member, "method" | "route") { "" } else { base };
            let text = format!("scopes.a = [{{ {base}{member} = {wrong} }}]");
            let Err(faults) = native(&text).check() else { continue };
            let told = faults.summary();
            let foreign = [
                "u64",
                "sequence",
                "invalid type",
                "field",
                "struct",
                "untagged",
                "Members",
                "boolean",
                "integer `",
            ];
            assert!(foreign.iter().all(|word| !told.contains(word)), "{text}: {told}");
        }
    }
}

#[cfg(not(feature = "plugins"))]
#[test]
fn a_plugin_is_refused_with_what_to_build() {
    let text = "[plugins.hours]\nfile = \"a.wasm\"\n[scopes]\na = [{ plugin = 'hours' }]";
    check(
        text,
        &[
            "plugin `hours`: this program was built without plugins",
            "cargo build --release --features plugins",
        ],
    );
}

#[cfg(feature = "plugins")]
#[test]
fn plugins() {
    let good = "[plugins.challenges]\nfile = \"a.wasm\"\nconfig = \"x\"\ntime_limit = \"50ms\"\nmemory_limit = \"1MiB\"\n\
                on_failure = \"abstain\"\n";
    let plugins = native(good).check().unwrap().plugins.plugins;
    let [plugin] = plugins.as_slice() else { panic!("{plugins:?}") };
    assert_eq!((plugin.name.as_str(), plugin.limits.memory), ("challenges", 1 << 20));
    assert_eq!(
        (plugin.limits.time, plugin.config.as_deref()),
        (Duration::from_millis(50), Some("x"))
    );
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
