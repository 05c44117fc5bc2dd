//! The reference of the configuration: every key, from the schema and the defaults.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use magicproxy_config::config::Layers;
use magicproxy_config::config::change::TakesEffect;
use magicproxy_config::config::raw::RawConfig;
use magicproxy_config::config::setting::Section;
use magicproxy_config::ground::fault::Origin;
use magicproxy_config::providers::PROVIDERS;
use serde_json::Value;

use super::{cell, sentence, wrapped};

const HEAD: &str = "\
# Configuration: every key

Made of the program's own tables; a test compares them. [The guide](../guide/configuration.md) says
how to use the keys, with examples. `magicproxy config show` prints what holds, and
`magicproxy config schema` the same tables as a JSON Schema.

The file is TOML. A key that takes one value has a variable of the environment, too:
`timeouts.connect` is `MAGICPROXY_TIMEOUTS_CONNECT`. A list of one element may be that element.
An empty default means that nothing holds until the key is written, or what its meaning says.
`change` says when a changed value holds: at once, by a [reload](../guide/operate.md#reload), or at
the next restart. A certificate may come from other files or another source at once; TLS itself comes
and goes with a restart.
";

const RULES: &str = "
## Rules

A rule stands in `scopes`, in `ceiling` and in tokens. It is a text, `GET /repos/acme/.*`, or a
table with these members. The specification of [rules](../spec/rules.md) has methods, patterns and
templates; that of [conditions](../spec/conditions.md) has tests of query, header fields and body;
that of [state](../spec/state.md) has what is counted and owned; that of [git](../spec/git.md) has
rules with `git`.

| member | form | meaning |
|---|---|---|
";

/// The effect of each member of a rule: the schema tells only its form.
const MEMBERS: [(&str, &str); 37] = [
    ("method", "The methods that the rule allows. Needed."),
    (
        "path",
        "The pattern that the path must match from its first to its last character. Either this or `route`.",
    ),
    ("route", "The template that the path must match. Either this or `path`."),
    ("captures", "The tests of the captures of `route`."),
    ("query", "The tests of the query's parameters, or the word `any`."),
    ("headers", "The tests of header fields."),
    ("json", "The tests of the members of a body that is a JSON object."),
    ("json_each", "The test of each element of a body that is a JSON list."),
    ("form", "The tests of the fields of a body that is a form."),
    ("body", "The word `none`, for no body, or `any`, for any body."),
    ("content_type", "The media types of the body."),
    ("grants", "The requests on the created thing that the token may make afterwards."),
    (
        "receipt",
        "A receipt, with which another token may show who created the thing, comes with the response.",
    ),
    ("limit", "How often the rule may be used: one of the three forms below."),
    ("limit.requests", "The number of requests in each period of `per`."),
    ("limit.per", "The period of `requests`."),
    ("limit.total", "The number of requests in all."),
    ("limit.concurrent", "The number of requests in progress."),
    (
        "list_items",
        "The items of a list in the body that the token may create, and then change and delete.",
    ),
    ("list_items.list", "The member of the body that is the list. Needed."),
    ("list_items.key", "The members that name a list item. Needed."),
    (
        "list_items.creates",
        "The members, and their values, of a list item that creates or changes. Needed.",
    ),
    ("list_items.deletes", "The members, and their values, of a list item that deletes."),
    ("list_items.deletes_if_empty", "The list in a list item that deletes where it is empty."),
    ("list_items.only", "No longer written: `json` of the rule says what the list items may be."),
    ("list_items.lookup", "The query by which the API is asked whether a list item exists."),
    (
        "owner",
        "The name of an owner to whom all belongs that tokens with this rule create. In scopes alone.",
    ),
    (
        "git",
        "The kind of a rule for git: `push`, `fetch` or `lfs`. With it, no member above but `limit`.",
    ),
    (
        "repository",
        "The path of the repository, as a template without `.git`. Needed beside `git`.",
    ),
    ("refs", "The references that a push may move, by their full names. Needed for `push`."),
    ("create", "A push may create references."),
    ("delete", "A push may delete references."),
    ("force", "A push may move references in any way, not only by a fast-forward."),
    ("options", "The options of a push; without this member there are none."),
    ("max_commands", "The most references of one push."),
    ("operations", "The transfers of Git LFS, for `lfs`."),
    ("locks", "The locks of Git LFS may be listed, made and removed."),
];

/// Sections in the order of the page: the heading, the definition of the schema, and the prefix of
/// each key.
const SECTIONS: [(&str, &str, &str); 14] = [
    ("[[listeners]]", "listeners", "listeners"),
    ("[tls]", "tls", "tls"),
    ("[acme]", "acme", "acme"),
    ("[keys]", "keys", "keys"),
    ("[mint]", "mint", "mint"),
    ("[tokens]", "tokens", "tokens"),
    ("[state]", "state", "state"),
    ("[upstream] and [upstreams.NAME]", "upstream", "upstream"),
    ("[plugins.NAME]", "plugins", "plugins"),
    ("[timeouts]", "timeouts", "timeouts"),
    ("[limits]", "limits", "limits"),
    ("[log]", "log", "log"),
    ("[admin]", "admin", "admin"),
    ("[scopes]", "scopes", "scopes"),
];

/// Defaults that depend on the machine, on the environment or on other settings.
const DEPENDS: [(&str, &str); 12] = [
    ("keys.certificate", "`public.x509.cer` in the folder"),
    ("keys.folder", "see [Keys](../guide/configuration.md#keys)"),
    ("keys.private_key", "`private.pem` in the folder"),
    ("keys.public_key", "`public.pem` in the folder"),
    ("limits.workers", "as many as the machine runs at once"),
    ("listeners.tls", "`true` on TCP with a certificate"),
    ("log.format", "`pretty` on a terminal, else `json`"),
    ("plugin_cache", "`magicproxy/plugins` in the user's cache folder"),
    ("tls.dev", "`false`"),
    ("tokens.require_sub", "`false`"),
    ("upstream.require_sub", "`tokens.require_sub`"),
    ("upstream.rewrite_links", "`true`"),
];

/// Forms with a section of their own: the definition of the schema, and the form's name on the
/// page.
const FORMS: [(&str, &str); 6] = [
    ("Duration", "duration"),
    ("Size", "size"),
    ("Carrier", "carrier"),
    ("HeaderNames", "names of headers"),
    ("OutboundText", "outbound proxy"),
    ("StoreUrlText", "URL of a store"),
];

/// Makes the whole page.
pub(super) fn page() -> String {
    let schema = schemars::schema_for!(RawConfig).to_value();
    let page = Page { defaults: defaults(), definitions: &schema["$defs"] };
    let members = schema["properties"].as_object().unwrap();
    let tables: BTreeSet<&str> =
        SECTIONS.iter().map(|(_, key, _)| *key).chain(["upstreams"]).collect();
    let mut text = HEAD.to_owned();
    let top: Vec<_> = members.iter().filter(|(key, _)| !tables.contains(key.as_str())).collect();
    text.push_str("\n## Outside of every table\n");
    page.table("", &top, &mut text);
    for (heading, key, prefix) in SECTIONS {
        let member = &members[key];
        let about = wrapped(&sentence(member["description"].as_str().unwrap_or_default()), "");
        // Writing to a string does not fail.
        let _ = write!(text, "\n## `{heading}`\n\n{about}\n");
        let keys =
            page.definition(member).and_then(|definition| definition["properties"].as_object());
        page.table(prefix, &keys.into_iter().flatten().collect::<Vec<_>>(), &mut text);
    }
    presets(&mut text);
    page.forms(&mut text);
    page.rules(&mut text);
    let known =
        |key: &str| text.contains(&format!("| `{}` |", key.rsplit('.').next().unwrap_or_default()));
    assert!(DEPENDS.iter().all(|(key, _)| known(key)), "a default of a key that does not exist");
    text
}

/// Returns the time from which a change of the key holds.
fn change(key: &str) -> &'static str {
    match TakesEffect::of(key) {
        Some(TakesEffect::AtOnce) => "at once",
        Some(TakesEffect::AtRestart) => "restart",
        None => panic!("`{key}`: when does a change of it hold?"),
    }
}

fn defaults_of<S: Section>(_: &S) -> S {
    S::defaults()
}

/// Returns the defaults; of an upstream, the defaults without a preset.
fn defaults() -> BTreeMap<String, Value> {
    let raw = Layers::only(RawConfig::default()).raw;
    let upstream = defaults_of(&raw.upstream);
    let entries = raw
        .entries()
        .into_iter()
        .filter(|entry| !entry.key.starts_with("upstream."))
        .chain(upstream.entries("upstream"));
    entries
        .filter(|entry| *entry.origin == Origin::Default)
        .map(|entry| (entry.key, entry.value))
        .collect()
}

struct Page<'s> {
    defaults: BTreeMap<String, Value>,
    definitions: &'s Value,
}

impl<'s> Page<'s> {
    /// Returns the definition that a member refers to, alone, in a list or as the values of a
    /// table.
    fn definition(&self, member: &'s Value) -> Option<&'s Value> {
        let name = |value: &'s Value| value["$ref"].as_str()?.strip_prefix("#/$defs/");
        let found = [member, &member["items"], &member["additionalProperties"]]
            .into_iter()
            .find_map(name)?;
        self.definitions.get(found)
    }

    fn table(&self, prefix: &str, keys: &[(&'s String, &'s Value)], text: &mut String) {
        if keys.is_empty() {
            return;
        }
        text.push_str("\n| key | form | default | change | meaning |\n|---|---|---|---|---|\n");
        for (key, member) in keys {
            let full = if prefix.is_empty() { (*key).clone() } else { format!("{prefix}.{key}") };
            let meaning = sentence(member["description"].as_str().unwrap_or_default());
            let _ = writeln!(
                text,
                "| `{key}` | {} | {} | {} | {} |",
                cell(&self.form(member)),
                self.default(&full),
                change(&full),
                cell(&meaning)
            );
        }
        keys.iter().for_each(|(key, member)| self.choices(key, member, text));
    }

    /// Writes the meaning of each word of a key with a few words.
    fn choices(&self, key: &str, member: &'s Value, text: &mut String) {
        let words = self.definition(member).and_then(|definition| definition["oneOf"].as_array());
        let Some(words) = words.filter(|words| words.iter().all(|word| word["const"].is_string()))
        else {
            return;
        };
        let _ = write!(text, "\nValues of `{key}`:\n\n");
        for word in words {
            let meaning = sentence(word["description"].as_str().unwrap_or_default());
            let line = format!("- `{}`: {meaning}", word["const"].as_str().unwrap_or_default());
            let _ = writeln!(text, "{}", wrapped(&line, "  "));
        }
    }

    fn default(&self, key: &str) -> String {
        if let Some((_, words)) = DEPENDS.iter().find(|(name, _)| *name == key) {
            return (*words).to_owned();
        }
        self.defaults
            .get(key)
            .map(|value| format!("`{}`", cell(&value.to_string())))
            .unwrap_or_default()
    }

    fn form(&self, member: &'s Value) -> String {
        let name = member["$ref"].as_str().and_then(|name| name.strip_prefix("#/$defs/"));
        if let Some((_, form)) = FORMS.iter().find(|(definition, _)| name == Some(definition)) {
            return format!("[{form}](#forms)");
        }
        if name == Some("Rule") {
            return "[rule](#rules)".to_owned();
        }
        let named = self.definition(member).filter(|_| member["$ref"].is_string());
        let member = named.unwrap_or(member);
        if let Some(words) = member["oneOf"]
            .as_array()
            .filter(|words| words.iter().all(|word| word["const"].is_string()))
        {
            let words = words
                .iter()
                .map(|word| format!("`{}`", word["const"].as_str().unwrap_or_default()));
            return words.collect::<Vec<_>>().join(", ");
        }
        match member["type"].as_str() {
            Some("string") => "text".to_owned(),
            Some("boolean") => "`true` or `false`".to_owned(),
            Some("integer") => "whole number".to_owned(),
            Some("array") => format!("list: {}", self.form(&member["items"])),
            Some("object") => format!("table: {}", self.form(&member["additionalProperties"])),
            _ => member["description"].as_str().unwrap_or("text").to_owned(),
        }
    }

    /// Writes the spelling of each form shared by several keys.
    fn forms(&self, text: &mut String) {
        text.push_str("\n## Forms\n\n| form | what to write |\n|---|---|\n");
        for (definition, form) in FORMS {
            let about = self.definitions[definition]["description"].as_str().unwrap();
            let _ = writeln!(text, "| {form} | {} |", cell(&sentence(about)));
        }
    }

    fn rules(&self, text: &mut String) {
        text.push_str(RULES);
        let mut found = BTreeMap::new();
        members("", &self.definitions["Rule"], &mut found);
        let documented: BTreeSet<&str> =
            MEMBERS.iter().map(|(name, _)| *name).chain(["plugin"]).collect();
        let known: BTreeSet<&str> = found.keys().map(String::as_str).collect();
        assert_eq!(
            documented, known,
            "the members of rules that have a meaning here, and those of the schema"
        );
        for (name, meaning) in MEMBERS {
            let _ = writeln!(text, "| `{name}` | {} | {meaning} |", cell(&found[name]));
        }
        let _ = write!(
            text,
            "\nIn a scope alone, a table `{{ plugin = NAME }}` stands for a plugin that decides as well:\n"
        );
        let _ = writeln!(text, "[plugins.md](../guide/plugins.md). NAME is {}.", found["plugin"]);
    }
}

/// Collects the members of objects in a schema, each with its expected form; inner members stand
/// behind the outer member's name.
fn members(prefix: &str, schema: &Value, found: &mut BTreeMap<String, String>) {
    schema["anyOf"]
        .as_array()
        .into_iter()
        .flatten()
        .for_each(|schema| members(prefix, schema, found));
    for (name, member) in schema["properties"].as_object().into_iter().flatten() {
        let name = format!("{prefix}{name}");
        members(&format!("{name}."), member, found);
        found.insert(name, member["description"].as_str().unwrap_or_default().to_owned());
    }
}

/// Writes the settings of the presets, in the specification's words.
fn presets(text: &mut String) {
    text.push_str("\n## Presets\n\nA preset gives the keys of an upstream values that hold where nothing else is written. ");
    text.push_str("The\nspecification of [upstreams](../spec/upstreams.md#7-presets) has its further parts: paths, headers,\n");
    text.push_str("members with URLs.\n\n");
    text.push_str("| `preset` | `api_root` | `credential` | `refusal_format` | meaning |\n|---|---|---|---|---|\n");
    for provider in PROVIDERS {
        let root = provider
            .api_root
            .map_or_else(|| "must be given".to_owned(), |root| format!("`{root}`"));
        let (name, credential, refusals) =
            (provider.name, provider.credential, provider.refusals.name);
        let _ = writeln!(
            text,
            "| `{name}` | {root} | `{credential}` | `{refusals}` | {} |",
            cell(provider.about)
        );
    }
}
