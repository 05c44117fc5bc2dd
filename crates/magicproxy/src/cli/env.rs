//! `env`: the settings that lead a client to the proxy, as lines for a shell. The token itself is
//! never printed: the lines read it.

use clap::Args;
use magicproxy_core::{UnverifiedToken, written_secret};
use serde_json::{Map, Value as Json, json};

use super::secret;
use super::token_file::{self, TokenArgs};
use crate::ground::failure::Failure;
use crate::ground::output;
use crate::ground::output::remark;
use crate::setup::assignment::{ClientSelection, TokenDestination, assign};
use crate::setup::clients::CLIENTS;
use crate::setup::shell::{Shell, TOKEN_VARIABLE, Writer};
use crate::setup::table::Client;
use crate::setup::target::{TargetArgs, Targets};
use crate::setup::{Setup, recipes};
use magicproxy_config::ground::environment::Environment;
use magicproxy_config::ground::suggest::nearest;
use magicproxy_config::ground::text::harmless;

const EXAMPLES: &str = "Examples:\n  \
    eval \"$(magicproxy env pygithub --token-file job.token)\"\n  \
    eval \"$(magicproxy env pygithub openai --token-file github=gh.token --token-file openai=llm.token)\"\n  \
    eval \"$(magicproxy env git --proxy https://proxy.example/git --token-file job.token)\"\n  \
    magicproxy env gh --socket /run/magicproxy.sock --shell fish --token-file job.token | source\n  \
    magicproxy env certbot --recipe";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct EnvArgs {
    /// The client, or several; `--list` shows all, `any` is every other program
    #[arg(required_unless_present = "list", value_name = "CLIENT")]
    clients: Vec<String>,
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    tokens: TokenArgs,
    /// The shell that reads the lines
    #[arg(long, value_enum, default_value_t)]
    shell: Shell,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// List the clients
    #[arg(long, conflicts_with = "clients")]
    list: bool,
    /// Print the client's recipe: a page with examples, in Markdown
    #[arg(long, conflicts_with_all = ["list", "json", "files", "tokens"])]
    recipe: bool,
}

/// Prints the lines.
pub(crate) fn run(args: EnvArgs, environment: &Environment) -> Result<(), Failure> {
    if args.list {
        return list(args.json);
    }
    if args.recipe {
        return recipe(&args.clients);
    }
    let clients = args.clients.iter().map(|name| client_named(name)).collect::<Result<_, _>>()?;
    let targets = Targets::gather(args.target, environment)?;
    let tokens = args.tokens.read(environment)?;
    if let Some(bearer) = tokens.bearers.iter().find(|bearer| bearer.file.is_none()) {
        return Err(Failure::usage(format!(
            "`{}`: the lines read a file, or $MAGIC_TOKEN where none is named",
            bearer.shown
        )));
    }
    let bearers =
        if tokens.bearers.is_empty() { of_variable(environment)? } else { tokens.bearers };
    let told = assign(&targets, &ClientSelection::These(clients), &bearers)?;
    token_file::say(&told, &bearers, &tokens.files);
    if bearers.is_empty() {
        remark(&format!(
            "no token is named: the lines read it from ${TOKEN_VARIABLE}, which holds none; --token-file FILE names one"
        ));
    }
    // Like `run`, behind the git settings of the user's environment.
    let mut first = git_settings(environment);
    let mut lines = Vec::new();
    let mut json = Vec::new();
    for told in &told {
        let file = told.bearer.and_then(|at| bearers.get(at)?.file.as_deref());
        let writer = Writer { shell: args.shell, token_file: file };
        lines.extend(writer.lines(&told.setup));
        json.push(to_json(&told.setup, writer, first));
        first += told.setup.git_settings.len();
    }
    Ok(match (args.json, json.len()) {
        (true, 1) => output::print_json(&json.remove(0)),
        (true, _) => output::print_json(&Json::from(json)),
        (false, _) => output::print(&lines.join("\n")),
    }?)
}

/// Prints the recipes of clients.
fn recipe(names: &[String]) -> Result<(), Failure> {
    for name in names {
        let client = client_named(name)?;
        let page = recipes::of(client.name);
        let page = page
            .ok_or_else(|| Failure::usage(format!("there is no recipe for `{}`", client.name)))?;
        output::print(page.trim_end())?;
    }
    Ok(())
}

/// Returns the number of git settings in the environment.
pub(super) fn git_settings(environment: &Environment) -> usize {
    environment.var("GIT_CONFIG_COUNT").and_then(|count| count.parse().ok()).unwrap_or(0)
}

/// Reads the token variable, which the lines read if no file is named, if the variable holds a
/// token already. The lines take the value literally, so nothing may stand around the token.
fn of_variable(environment: &Environment) -> Result<Vec<TokenDestination>, Failure> {
    let shown = format!("${TOKEN_VARIABLE}");
    let value = environment.var(TOKEN_VARIABLE).unwrap_or_default();
    match written_secret(value) {
        _ if value.is_empty() => {}
        Ok(secret) if secret == value => {}
        Ok(_) => {
            return Err(Failure::usage(format!(
                "{shown}: there is a line end or a byte order mark beside the token: leave it out"
            )));
        }
        Err(fault) => return Err(Failure::usage(format!("{shown}: {fault}"))),
    }
    let token =
        secret::without_armour(value).ok().filter(|token| UnverifiedToken::parse(token).is_ok());
    let bearer = token.as_deref().map(|token| {
        let claims = UnverifiedToken::parse(token)
            .ok()
            .and_then(|token| token.claims_for_display())
            .unwrap_or_default();
        TokenDestination {
            name: None,
            shown,
            audience: token_file::audience(token, &claims),
            file: None,
        }
    });
    Ok(bearer.into_iter().collect())
}

/// Returns the client with a name, or suggests a client in the fault.
pub(super) fn client_named(name: &str) -> Result<&'static Client, Failure> {
    Client::named(name).ok_or_else(|| {
        let known = CLIENTS.iter().chain([Client::any()]).map(|client| client.name);
        let meant = nearest(name, known)
            .map_or_else(all_clients, |meant| format!("did you mean `{meant}`?"));
        Failure::usage(format!("unknown client `{}`: {meant}", harmless(name)))
    })
}

fn all_clients() -> String {
    let names: Vec<&str> =
        CLIENTS.iter().chain([Client::any()]).map(|client| client.name).collect();
    format!("expected one of {}", names.join(", "))
}

fn list(as_json: bool) -> Result<(), Failure> {
    let entry = |client: &Client| json!({"client": client.name, "about": client.about, "presets": client.presets()});
    let all = || CLIENTS.iter().chain([Client::any()]);
    let lines = all().map(|client| format!("{:<20} {}", client.name, client.about));
    Ok(match as_json {
        true => output::print_json(&all().map(entry).collect()),
        false => output::print(&lines.collect::<Vec<_>>().join("\n")),
    }?)
}

/// Describes the setup for machines. `$MAGIC_TOKEN` stands for the token, in the variables of
/// `armoured` for the armoured spelling of a version 1 token; settings of git are numbered from
/// `first`.
fn to_json(setup: &Setup, writer: Writer<'_>, first: usize) -> Json {
    let variables = setup
        .numbered(first)
        .into_iter()
        .map(|(name, value)| (name, Json::from(value.without_token())));
    let files = setup
        .files
        .iter()
        .map(|(path, content)| json!({"path": path, "content": content.without_token()}));
    json!({
        "client": setup.client.name,
        "upstream": setup.upstream,
        "api": setup.api,
        "token": {"placeholder": format!("${TOKEN_VARIABLE}"), "file": writer.token_file},
        "armoured": setup.variables.iter().filter(|(_, value)| value.is_armoured()).map(|(name, _)| name).collect::<Vec<_>>(),
        "variables": variables.collect::<Map<_, _>>(),
        "unset": setup.removed,
        "arguments": setup.arguments,
        "commands": setup.commands.iter().map(|words| writer.command(words)).collect::<Vec<_>>(),
        "files": files.collect::<Vec<_>>(),
        "usage": setup.usage,
        "notes": setup.notes,
        "recipe": setup.recipe(),
    })
}
