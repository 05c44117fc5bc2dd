//! `env`: what makes a client speak to the proxy, as lines for a shell. The token itself is never printed: the lines read it.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Map, Value as Json, json};

use super::token_file::TokenFile;
use crate::config::{Environment, nearest};
use crate::failure::Failure;
use crate::output::{self, harmless, note};
use crate::setup::Setup;
use crate::setup::clients::CLIENTS;
use crate::setup::recipes;
use crate::setup::shell::{Shell, TOKEN_VARIABLE, Writer};
use crate::setup::table::Client;
use crate::setup::target::{TargetArgs, Targets, absolute};

const EXAMPLES: &str = "Examples:\n  \
    eval \"$(magicproxy env pygithub --token-file job.token)\"\n  \
    eval \"$(magicproxy env git --proxy https://proxy.example/git --token-file job.token)\"\n  \
    magicproxy env gh --socket /run/magicproxy.sock --shell fish --token-file job.token | source\n  \
    magicproxy env certbot --recipe";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct EnvArgs {
    /// The client; `--list` shows all
    #[arg(required_unless_present = "list")]
    client: Option<String>,
    #[command(flatten)]
    target: TargetArgs,
    /// File that holds the magic token; the lines read it [default: they read $MAGIC_TOKEN]
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The shell that reads the lines
    #[arg(long, value_enum, default_value_t)]
    shell: Shell,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// List the clients
    #[arg(long, conflicts_with = "client")]
    list: bool,
    /// Print the client's recipe: a page with examples, in Markdown
    #[arg(long, conflicts_with_all = ["list", "json", "token_file"])]
    recipe: bool,
}

/// Prints the lines.
pub(crate) fn run(args: EnvArgs, environment: &Environment) -> Result<(), Failure> {
    if args.list {
        return list(args.json);
    }
    let client = client_named(args.client.as_deref().unwrap_or_default())?;
    if args.recipe {
        let page = recipes::of(client.name);
        let page = page.ok_or_else(|| Failure::usage(format!("there is no recipe for `{}`", client.name)))?;
        return Ok(output::print(page.trim_end())?);
    }
    let token_file = args.token_file.as_deref().map(|path| absolute(path, "--token-file")).transpose()?;
    let (target, way) = Targets::gather(args.target, environment)?.choose(client)?;
    let checked = args.token_file.as_deref().map(TokenFile::read).transpose()?;
    let warnings = checked.map(|file| file.warnings).unwrap_or_default();
    warnings.into_iter().chain(target.exposure()).for_each(|warning| note(&format!("warning: {warning}")));
    let setup = Setup::new(client, way, &target, token_file.as_deref());
    let writer = Writer { shell: args.shell, token_file: token_file.as_deref() };
    if args.json {
        output::print_json(&to_json(&setup, writer))?;
    } else {
        output::print(&writer.lines(&setup).join("\n"))?;
    }
    Ok(())
}

/// The client of this name, or what could have been meant.
pub(super) fn client_named(name: &str) -> Result<&'static Client, Failure> {
    Client::named(name).ok_or_else(|| {
        let known = CLIENTS.iter().map(|client| client.name);
        let meant = nearest(name, known).map_or_else(all_clients, |meant| format!("did you mean `{meant}`?"));
        Failure::usage(format!("unknown client `{}`: {meant}", harmless(name)))
    })
}

fn all_clients() -> String {
    let names: Vec<&str> = CLIENTS.iter().map(|client| client.name).collect();
    format!("expected one of {}", names.join(", "))
}

fn list(as_json: bool) -> Result<(), Failure> {
    let entry = |client: &Client| json!({"client": client.name, "about": client.about, "presets": client.presets()});
    let lines = CLIENTS.iter().map(|client| format!("{:<20} {}", client.name, client.about));
    Ok(match as_json {
        true => output::print_json(&CLIENTS.iter().map(entry).collect()),
        false => output::print(&lines.collect::<Vec<_>>().join("\n")),
    }?)
}

/// For machines. `$MAGIC_TOKEN` stands for the token.
fn to_json(setup: &Setup, writer: Writer<'_>) -> Json {
    let variables = setup.numbered(0).into_iter().map(|(name, value)| (name, Json::from(value.without_token())));
    let files = setup.files.iter().map(|(path, content)| json!({"path": path, "content": content.without_token()}));
    json!({
        "client": setup.client.name,
        "upstream": setup.upstream,
        "api": setup.api,
        "token": {"placeholder": format!("${TOKEN_VARIABLE}"), "file": writer.token_file},
        "variables": variables.collect::<Map<_, _>>(),
        "unset": setup.removed,
        "commands": setup.commands.iter().map(|words| writer.command(words)).collect::<Vec<_>>(),
        "files": files.collect::<Vec<_>>(),
        "usage": setup.usage,
        "notes": setup.notes,
        "recipe": setup.recipe(),
    })
}
