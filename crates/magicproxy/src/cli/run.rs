//! `run`: one program, set up for the proxy by variables, in the place of this process.
//!
//! On Unix the program takes over this process, so that signals and the exit status are its own.
//! The token goes into variables of the program alone, and into nobody's arguments.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;
use clap::Args;
use zeroize::Zeroizing;

use super::env::{client_named, git_settings};
use super::token_file::{self, TokenArgs, TokenFile};
use crate::ground::failure::Failure;
use crate::ground::output::note;
use crate::setup::SettingsFolder;
use crate::setup::assignment::{ClientSelection, ClientSetup, assign};
use crate::setup::table::Client;
use crate::setup::target::{TargetArgs, Targets};
use magicproxy_config::ground::environment::Environment;
use magicproxy_config::ground::text::{harmless, reason};

/// The name for every client that can be set up without contradicting another.
const ALL: &str = "all";

const EXAMPLES: &str = "Examples:\n  \
    magicproxy run --token-file job.token -- git clone https://github.com/acme/tool.git\n  \
    magicproxy run --token-file job.token --client pygithub -- python job.py\n  \
    magicproxy run --token-file github=gh.token --token-file anthropic=llm.token -- claude\n  \
    magicproxy run --token-file job.token --client all -- make release";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    tokens: TokenArgs,
    /// What the program is, or uses: a client of `magicproxy env --list`, or `all`; repeatable
    /// [default: by its name, and by what most clients of an API read]
    #[arg(long = "client", value_name = "NAME")]
    clients: Vec<String>,
    #[command(flatten)]
    target: TargetArgs,
    /// Say which variables are set and removed
    #[arg(long, short)]
    verbose: bool,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// Becomes the program.
pub(crate) fn run(args: RunArgs, environment: &Environment) -> Result<(), Failure> {
    let (program, arguments) =
        args.command.split_first().ok_or_else(|| Failure::usage("there is no command"))?;
    if args.tokens.is_empty() {
        return Err(Failure::usage("there is no token: name one with --token-file FILE"));
    }
    let wanted = wanted(&args.clients, Path::new(program))?;
    let targets = Targets::gather(args.target, environment)?;
    let tokens = args.tokens.read(environment)?;
    let told = assign(&targets, &wanted, &tokens.bearers)?;
    token_file::say(&told, &tokens.bearers, &tokens.files);
    let changes = Changes::of(&told, &tokens.files, environment)?;
    if args.verbose {
        changes.describe(environment).iter().for_each(|line| note(line));
    }
    let mut command = Command::new(program);
    command.args(first_arguments(&told, &wanted)).args(arguments);
    changes.removed.iter().for_each(|name| {
        command.env_remove(name);
    });
    changes.set.iter().for_each(|(name, value)| {
        command.env(name, value.as_str());
    });
    become_program(command, &program.to_string_lossy())
}

/// Returns the clients to set the program up for.
fn wanted(names: &[String], program: &Path) -> Result<ClientSelection, Failure> {
    if names.iter().any(|name| name == ALL) {
        return Ok(ClientSelection::All);
    }
    if !names.is_empty() {
        return names
            .iter()
            .map(|name| client_named(name))
            .collect::<Result<_, _>>()
            .map(ClientSelection::These);
    }
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    Ok(ClientSelection::Program(Client::of_program(name.strip_suffix(".exe").unwrap_or(&name))))
}

/// Returns the arguments for settings that no variable can give. A program started by another
/// program gets them from its starter.
fn first_arguments<'t>(told: &'t [ClientSetup], wanted: &ClientSelection) -> Vec<&'t str> {
    let mut all = Vec::new();
    for setup in told.iter().map(|told| &told.setup).filter(|setup| !setup.arguments.is_empty()) {
        match wanted {
            ClientSelection::Program(Some(client)) if client.name == setup.client.name => {
                all.extend(setup.arguments.iter().map(String::as_str));
            }
            _ => note(&format!(
                "note: {0} needs arguments besides: see `magicproxy env {0}`",
                setup.client.name
            )),
        }
    }
    all
}

/// The changes to the environment.
struct Changes {
    set: BTreeMap<String, Zeroizing<String>>,
    removed: BTreeSet<&'static str>,
}

impl Changes {
    fn of(
        all: &[ClientSetup],
        files: &[TokenFile],
        environment: &Environment,
    ) -> Result<Self, Failure> {
        let mut changes = Self { set: BTreeMap::new(), removed: BTreeSet::new() };
        // The user's own git settings stay, and ours come after them.
        let mut git_settings = git_settings(environment);
        for ClientSetup { setup, bearer, .. } in all {
            let token = bearer.and_then(|at| files.get(at)).map_or("", |file| file.token.as_str());
            let filled = setup
                .numbered(git_settings)
                .into_iter()
                .map(|(name, value)| (name, value.with_token(token)));
            changes.set.extend(filled);
            git_settings += setup.git_settings.len();
            if let Some(folder) = &setup.folder {
                let path = prepare(folder, setup.client.name, environment)?;
                changes.set.insert(folder.variable.to_owned(), Zeroizing::new(path));
            }
            changes.removed.extend(&setup.removed);
            setup.files.iter().for_each(|(name, _)| {
                note(&format!(
                    "note: {0} needs `{name}` besides: see `magicproxy env {0}`",
                    setup.client.name
                ));
            });
        }
        changes.set.extend(around_other_proxies(all, environment));
        changes.removed.retain(|name| !changes.set.contains_key(*name));
        Ok(changes)
    }

    /// Lists the names of the variables, and never their values.
    fn describe(&self, environment: &Environment) -> Vec<String> {
        let set = self.set.keys().map(|name| {
            let was = environment.var(name).is_some();
            format!("{} {name}", if was { "replaced" } else { "set" })
        });
        let removed = self
            .removed
            .iter()
            .filter(|name| std::env::var_os(name).is_some())
            .map(|name| format!("removed {name}"));
        set.chain(removed).collect()
    }
}

/// Keeps requests to a proxy on this machine away from the proxy for the internet: the token must
/// not go there.
fn around_other_proxies(
    told: &[ClientSetup],
    environment: &Environment,
) -> Vec<(String, Zeroizing<String>)> {
    let others =
        ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
    let hosts: BTreeSet<&str> = told.iter().filter_map(|told| told.target.loopback()).collect();
    if hosts.is_empty() || others.iter().all(|name| environment.var(name).is_none()) {
        return Vec::new();
    }
    let names = ["no_proxy", "NO_PROXY"];
    let known = names.iter().find_map(|name| environment.var(name));
    let around = known.into_iter().chain(hosts).collect::<Vec<_>>().join(",");
    names.iter().map(|name| ((*name).to_owned(), Zeroizing::new(around.clone()))).collect()
}

/// Makes a folder with one settings file, the same folder for the same settings. The file holds no
/// secret, and stays.
fn prepare(
    folder: &SettingsFolder,
    client: &str,
    environment: &Environment,
) -> Result<String, Failure> {
    let content = folder.content.without_token();
    let home = environment
        .xdg("XDG_RUNTIME_DIR", ".cache")
        .context("there is no place for settings: set HOME")?;
    let digest: u64 = content.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        // FNV-1a: names a folder, protects nothing.
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let path = home.join("magicproxy").join(format!("{client}-{digest:016x}"));
    let named = || format!("`{}`", path.display());
    create_private_folder(&path).with_context(named)?;
    // In one step: another run may be reading the file.
    let staged = path.join(format!(".{}-{}", folder.file, std::process::id()));
    std::fs::write(&staged, content)
        .and_then(|()| std::fs::rename(&staged, path.join(folder.file)))
        .with_context(named)?;
    path.to_str()
        .map(str::to_owned)
        .with_context(named)
        .context("expected a path of UTF-8")
        .map_err(Failure::from)
}

fn create_private_folder(path: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Makes a failure with exit code 127 for a missing program, 126 for a program that cannot be
/// started.
fn not_started(error: std::io::Error, program: &str) -> Failure {
    let code = if error.kind() == std::io::ErrorKind::NotFound { 127 } else { 126 };
    let why = if code == 127 { "there is no such program".to_owned() } else { reason(&error) };
    Failure::NotStarted { code, error: anyhow::anyhow!("`{}`: {why}", harmless(program)) }
}

#[cfg(unix)]
fn become_program(mut command: Command, program: &str) -> Result<(), Failure> {
    use std::os::unix::process::CommandExt as _;
    Err(not_started(command.exec(), program))
}

/// Runs the program and passes its status on, on a system where a process cannot become another.
#[cfg(not(unix))]
fn become_program(mut command: Command, program: &str) -> Result<(), Failure> {
    let status = command.status().map_err(|error| not_started(error, program))?;
    std::process::exit(status.code().unwrap_or(1))
}
