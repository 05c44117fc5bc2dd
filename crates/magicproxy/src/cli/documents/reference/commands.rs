//! The reference of the command line, command by command, from clap's definitions.

use std::fmt::Write as _;

use clap::{Arg, ArgAction, Command};

use super::{cell, sentence, wrapped};
use crate::cli::examples;

const HEAD: &str = "\
# Commands: every command with its flags

Made of the program's own definitions; a test compares them. The flag `--help` behind a command
prints the same. [A guide](../guide/configuration.md) has the configuration that commands read.

Every command takes two flags:

| flag | meaning |
|---|---|
";

const EXIT_CODES: &str = "
## Exit codes

| exit code | meaning | commands |
|---|---|---|
| 0 | done; the request would be allowed | every one |
| 1 | failure; the token is not accepted; something is not reached | every one; `inspect`; `config check --connect` |
| 2 | usage; not decided without a body | every one; `explain` |
| 3 | the request would be denied | `explain`, `plugin run` |
| 78 | the configuration or a key is not usable | every one |
| 126 | the program cannot be started | `run` |
| 127 | there is no such program | `run` |

`run` otherwise ends with the exit code of its program. [errors.md](errors.md#exit-codes) has the
same list.
";

/// The flags of every command.
const COMMON: [&str; 2] = ["help", "quiet"];

/// Makes the whole page.
pub(super) fn page() -> String {
    let mut root = examples::command();
    root.build();
    let mut text = HEAD.to_owned();
    for name in COMMON {
        let arg = root.get_arguments().find(|arg| arg.get_id() == name).unwrap();
        // Writing to a string does not fail.
        let _ = writeln!(text, "| {} | {} |", flag(arg), cell(&sentence(&help(arg))));
    }
    text.push_str("\n`magicproxy --version` prints the version.\n\n## All commands\n\n| command | purpose |\n|---|---|\n");
    let mut leaves = Vec::new();
    collect(&root, &mut leaves);
    leaves.sort_by_key(|command| command.get_bin_name());
    for command in &leaves {
        let name = command.get_bin_name().unwrap_or_default();
        let _ = writeln!(
            text,
            "| [`{name}`](#{}) | {} |",
            name.replace(' ', "-"),
            cell(&sentence(&about(command)))
        );
    }
    leaves.iter().for_each(|command| describe(command, &mut text));
    text + EXIT_CODES
}

/// Collects the commands that do something, without mere groups of commands.
fn collect<'c>(command: &'c Command, found: &mut Vec<&'c Command>) {
    let shown = |command: &&Command| !command.is_hide_set() && command.get_name() != "help";
    if command.get_subcommands().all(|below| !shown(&below)) {
        found.push(command);
    }
    command.get_subcommands().filter(shown).for_each(|command| collect(command, found));
}

fn about(command: &Command) -> String {
    command.get_about().map(ToString::to_string).unwrap_or_default()
}

fn describe(command: &Command, text: &mut String) {
    let name = command.get_bin_name().unwrap_or_default();
    let usage = command.clone().render_usage().to_string().replace("Usage: ", "").trim().to_owned();
    let _ = write!(
        text,
        "\n## `{name}`\n\n{}\n\n```text\n{usage}\n```\n",
        wrapped(&sentence(&about(command)), "")
    );
    let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let examples: Vec<&str> =
        after.lines().skip_while(|line| *line != "Examples:").skip(1).map(str::trim).collect();
    let _ = write!(text, "\n```sh no-run\n{}\n```\n", examples.join("\n"));
    let own = |arg: &&Arg| {
        !COMMON.contains(&arg.get_id().as_str()) && arg.get_id() != "version" && !arg.is_hide_set()
    };
    let (words, flags): (Vec<&Arg>, Vec<&Arg>) =
        command.get_arguments().filter(own).partition(|arg| arg.is_positional());
    for (kind, args) in [("argument", words), ("flag", flags)] {
        if !args.is_empty() {
            let _ = write!(text, "\n| {kind} | default | meaning |\n|---|---|---|\n");
        }
        for arg in args {
            let _ = writeln!(text, "| {} | {} | {} |", flag(arg), default(arg), meaning(arg));
        }
    }
}

fn flag(arg: &Arg) -> String {
    let names = arg
        .get_value_names()
        .unwrap_or_default()
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(" ");
    let names = names.replace('|', "\\|");
    if arg.is_positional() {
        return format!("`{names}`");
    }
    let value = if is_switch(arg) { String::new() } else { format!(" {names}") };
    let long = arg.get_long().map(|long| format!("`--{long}{value}`"));
    let short = arg.get_short().map(|short| format!("`-{short}`"));
    long.into_iter().chain(short).collect::<Vec<_>>().join(", ")
}

fn is_switch(arg: &Arg) -> bool {
    !matches!(arg.get_action(), ArgAction::Set | ArgAction::Append)
}

fn default(arg: &Arg) -> String {
    if arg.is_required_set() {
        return "required".to_owned();
    }
    let values = arg
        .get_default_values()
        .iter()
        .map(|value| value.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ");
    if values.is_empty() || is_switch(arg) { String::new() } else { format!("`{values}`") }
}

fn help(arg: &Arg) -> String {
    arg.get_long_help().or(arg.get_help()).map(ToString::to_string).unwrap_or_default()
}

fn meaning(arg: &Arg) -> String {
    let mut meaning = sentence(&help(arg));
    let values = arg.get_possible_values();
    let shown: Vec<String> = values
        .iter()
        .filter(|value| !value.is_hide_set())
        .map(|value| format!("`{}`", value.get_name()))
        .collect();
    if !shown.is_empty() && !is_switch(arg) {
        let _ = write!(meaning, " One of {}.", shown.join(", "));
    }
    if matches!(arg.get_action(), ArgAction::Append) && !meaning.contains("repeat") {
        meaning.push_str(" May be repeated.");
    }
    cell(&meaning)
}
