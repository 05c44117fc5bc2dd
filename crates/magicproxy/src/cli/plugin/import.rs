//! `plugin import`: reads a plugin of the Python program, without running it, and proposes a
//! replacement for each hook.

mod decision;
mod python;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;

use crate::ground::failure::Failure;
use crate::ground::output;
use crate::ground::output::note;
use magicproxy_config::ground::text::{harmless, reason};
use python::Hooks;

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// The Python file
    file: PathBuf,
    /// Write a plugin to begin with to this folder, which must not exist
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

const MANIFEST: &str = include_str!("../../../../../examples/plugins/template/Cargo.toml");
const SOURCE: &str = include_str!("../../../../../examples/plugins/template/src/lib.rs");
const CONTRACT: &str = include_str!("../../../../magicproxy-plugin/wit/since_v1/plugin.wit");

pub(super) fn run(args: &ImportArgs) -> Result<(), Failure> {
    let text = std::fs::read_to_string(&args.file)
        .map_err(|error| anyhow::anyhow!("`{}`: {}", args.file.display(), reason(&error)))?;
    let hooks = Hooks::find(&text);
    if hooks.is_request_allowed.is_none() && hooks.response_callback.is_none() {
        return Err(Failure::usage(format!(
            "`{}`: a plugin of the Python program has a function `is_request_allowed` or `response_callback`",
            args.file.display()
        )));
    }
    let scope =
        args.file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    output::print(&advice(&harmless(&scope), &hooks))?;
    if let Some(folder) = &args.out {
        write_skeleton(folder, &hooks)?;
        note(&format!("wrote {}: docs/guide/plugins.md says how to build it", folder.display()));
    }
    Ok(())
}

/// Describes the replacement, hook by hook.
fn advice(scope: &str, hooks: &Hooks) -> String {
    let mut text =
        format!("the scope `{scope}` was this Python program; nothing of it runs here\n\n");
    // Writing to a string does not fail.
    let mut say = |paragraph: &str| {
        let _ = writeln!(text, "{paragraph}\n");
    };
    match (&hooks.is_request_allowed, &hooks.response_callback) {
        (Some(_), Some(_)) if hooks.is_about_digitalocean_records() => {
            say(&digitalocean_records(scope, hooks))
        }
        (Some(_), Some(_)) if hooks.remembers_what_was_created() => say(&created(scope, hooks)),
        (Some(decides), None) => say(&stateless(scope, decides)),
        _ => say(&by_hand(scope)),
    }
    if hooks.is_request_allowed.is_some() {
        say(
            "is_request_allowed(method, path): rules of the scope, or `is-request-allowed` of a plugin, which is told query, body \
             and chosen fields too. `return True` is `allow`; `return False` is `abstain`, for other rules may allow it still.",
        );
    }
    if hooks.response_callback.is_some() {
        say(
            "response_callback(method, path, content, code, headers): `grants` of a rule, or `on-response` of a plugin. It is \
             called after a response to a request that this scope allowed, before the client sees it. Look at the status: the \
             Python program called it whatever the status was.",
        );
    }
    for module in &hooks.imports {
        if let Some(advice) = instead_of(module) {
            say(&format!("import {}: {advice}", harmless(module)));
        }
    }
    text.trim_end().to_owned()
}

fn digitalocean_records(scope: &str, hooks: &Hooks) -> String {
    let domain = hooks.domain().unwrap_or_else(|| "example.com".to_owned());
    let methods = hooks.methods_on_what_was_created().join("|");
    let unnamed = if hooks.domain().is_none() {
        "\n\nThe program does not name its domain: write yours in the place of DOMAIN."
    } else {
        ""
    };
    let plugin = if hooks.mentions("_acme-challenge") {
        "\n\nThat rule lets it create records of any name and type. To `_acme-challenge` TXT records it is held by the plugin \
         examples/plugins/do_lets_encrypt, which is this program's successor:\n\n  [plugins.do_lets_encrypt]\n  file = \
         \"do_lets_encrypt.wasm\"\n  config = \"DOMAIN\"\n\n  [scopes]\n  SCOPE = [{ plugin = \"do_lets_encrypt\" }]"
    } else {
        ""
    };
    let text = format!(
        "it creates records on DigitalOcean and lets somebody {} them; a rule does that, and remembers for each token by \
         itself:\n\n  [scopes]\n  SCOPE = [\n    {{ method = \"POST\", route = \"/v2/domains/DOMAIN/records\", grants = \
         [\"{} /v2/domains/DOMAIN/records/{{response.domain_record.id}}\"] }},\n  ]{unnamed}{plugin}",
        methods.to_lowercase().replace('|', ", "),
        methods
    );
    text.replace("SCOPE", &toml_key(scope)).replace("DOMAIN", &domain)
}

fn created(scope: &str, hooks: &Hooks) -> String {
    format!(
        "it seems to allow what an earlier response named; a rule does that, with the API's own path in the place of `/things` and \
         the place of the id in its response:\n\n  [scopes]\n  {} = [\n    {{ method = \"POST\", route = \"/things\", grants = [\"{} \
         /things/{{response.id}}\"] }},\n  ]",
        toml_key(scope),
        hooks.methods_on_what_was_created().join("|")
    )
}

/// Proposes rules only if every line of the function is understood: a guess could give more than
/// the function did.
fn stateless(scope: &str, decides: &python::Function) -> String {
    let Some(rules) = decision::rules(&decides.text) else { return by_hand(scope) };
    if rules.is_empty() {
        return "it allows nothing, so nothing is needed: a token for it could not be used"
            .to_owned();
    }
    let rules: Vec<String> =
        rules.iter().map(|rule| format!("    {},", quoted_toml(rule))).collect();
    format!(
        "it decides on method and path alone, and these rules allow the same (`GET` admits `HEAD` besides):\n\n  [scopes]\n  {} = \
         [\n{}\n  ]",
        toml_key(scope),
        rules.join("\n")
    )
}

/// Quotes a text as a literal string of TOML, or as a basic string if the text has a quote.
fn quoted_toml(text: &str) -> String {
    if text.contains('\'') { format!("{text:?}") } else { format!("'{text}'") }
}

fn by_hand(scope: &str) -> String {
    format!(
        "no rule is known to do the same, so it becomes a plugin: `magicproxy plugin import … --out DIR` writes one to begin \
         with, in Rust, with the Python text beside the hooks:\n\n  [plugins.my_plugin]\n  file = \"my_plugin.wasm\"\n\n  \
         [scopes]\n  {} = [{{ plugin = \"my_plugin\" }}]",
        toml_key(scope)
    )
}

fn toml_key(scope: &str) -> String {
    let bare = !scope.is_empty()
        && scope.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    if bare { scope.to_owned() } else { format!("{scope:?}") }
}

fn instead_of(module: &str) -> Option<&'static str> {
    match module {
        "redis" | "sqlite3" | "shelve" | "pickle" | "dbm" => {
            Some("the interface `state` keeps what a plugin remembers, for each token by itself")
        }
        "requests" | "aiohttp" | "httpx" | "urllib" | "socket" | "http" => {
            Some("a plugin has no network; what it must know goes into `config`")
        }
        "os" | "pathlib" | "io" | "subprocess" | "sys" => Some(
            "a plugin has no files, no environment and no processes; settings go into `config`",
        ),
        "time" | "datetime" => {
            Some("the interface `clock` tells the second; there are no time zones")
        }
        "logging" => Some("the interface `log` writes to the proxy's log"),
        "random" | "secrets" | "uuid" => {
            Some("a plugin has no random numbers: the same request gets the same verdict")
        }
        _ => None,
    }
}

fn write_skeleton(folder: &Path, hooks: &Hooks) -> anyhow::Result<()> {
    let cannot = || format!("cannot write `{}`", folder.display());
    std::fs::create_dir(folder).with_context(cannot)?;
    std::fs::create_dir(folder.join("src")).with_context(cannot)?;
    std::fs::create_dir(folder.join("wit")).with_context(cannot)?;
    std::fs::write(folder.join("Cargo.toml"), MANIFEST).with_context(cannot)?;
    std::fs::write(folder.join("wit/plugin.wit"), CONTRACT).with_context(cannot)?;
    std::fs::write(folder.join("src/lib.rs"), with_python(hooks)).with_context(cannot)
}

/// Fills the template: the Python text of each hook stands above its new function.
fn with_python(hooks: &Hooks) -> String {
    let above = |source: String, line: &str, function: &Option<python::Function>| match function {
        Some(function) => {
            let comment: String =
                function.text.lines().map(|text| format!("    // {text}\n")).collect();
            source.replace(line, &format!("{comment}{line}"))
        }
        None => source,
    };
    let source = above(SOURCE.to_owned(), "    fn is_request_allowed", &hooks.is_request_allowed);
    above(source, "    fn on_response", &hooks.response_callback)
}

#[cfg(test)]
mod tests;
