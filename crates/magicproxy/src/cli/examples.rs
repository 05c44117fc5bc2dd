//! Examples for `--help` and the manual, of each command without examples of its own.
//!
//! A test holds that every command has examples and that each of them parses.

use clap::CommandFactory as _;

use super::Cli;

/// A command by the names that lead to it, and its examples, one to a line.
type Examples = (&'static [&'static str], &'static [&'static str]);

const EXAMPLES: [Examples; 25] = [
    (
        &["serve"],
        &[
            "magicproxy serve",
            "magicproxy serve --listen 127.0.0.1:5001 --api-root https://api.digitalocean.com",
            "magicproxy serve --config /etc/magicproxy/config.toml --log-format json",
        ],
    ),
    (
        &["reload"],
        &[
            "magicproxy reload --config /etc/magicproxy/config.toml",
            "magicproxy reload --json",
            "magicproxy reload --pid 4711",
        ],
    ),
    (
        &["health"],
        &["magicproxy health --ready", "magicproxy health --admin unix:/run/magicproxy/admin.sock"],
    ),
    (&["demo"], &["magicproxy demo", "magicproxy demo --once"]),
    (
        &["mint"],
        &[
            "magicproxy mint --allow 'GET /user' --expires-in 1h --credential-env GITHUB_TOKEN",
            "magicproxy mint --scope triage --credential-file github.key --proxy http://127.0.0.1:5000",
            "magicproxy mint --to https://proxy.example --aud github --allow 'GET /repos/acme/.*' --credential-env GITHUB_TOKEN",
            "magicproxy mint --allow 'POST /v1/messages' --limit requests=100/1h --credential-env ANTHROPIC_API_KEY",
        ],
    ),
    (
        &["narrow"],
        &[
            "magicproxy narrow @job.token --allow 'GET /repos/acme/site/.*' --expires-in 15m --sub agent-7",
            "magicproxy narrow @job.token --limit total=3 --proxy https://proxy.example",
        ],
    ),
    (
        &["reseal"],
        &[
            "magicproxy reseal @job.token",
            "magicproxy reseal @job.token --proxy https://proxy.example",
        ],
    ),
    (
        &["inspect"],
        &["magicproxy inspect @job.token", "magicproxy inspect --json --token-env MAGIC_TOKEN"],
    ),
    (
        &["explain"],
        &[
            "magicproxy explain @job.token DELETE /user/keys/7",
            "magicproxy explain @job.token GET https://api.github.com/user --proxy https://proxy.example",
            "magicproxy explain @job.token POST /repos/acme/site/pulls --body pr.json --header 'Content-Type: application/json'",
        ],
    ),
    (
        &["keys", "generate"],
        &["magicproxy keys generate", "magicproxy keys generate --keys /var/lib/magicproxy/keys"],
    ),
    (&["keys", "list"], &["magicproxy keys list", "magicproxy keys list --json"]),
    (&["keys", "rotate"], &["magicproxy keys rotate --retire-after 30d"]),
    (
        &["keys", "export-public"],
        &["magicproxy keys export-public", "magicproxy keys export-public --jwks > proxy.jwks"],
    ),
    (&["keys", "minter"], &["magicproxy keys minter --out minter.key.jwk > minter.jwk"]),
    (&["backup"], &["magicproxy backup --to state.backup"]),
    (
        &["restore"],
        &["magicproxy restore state.backup", "magicproxy restore state.backup --accept-older"],
    ),
    (&["plugin", "check"], &["magicproxy plugin check my_plugin.wasm"]),
    (
        &["plugin", "run"],
        &[
            "magicproxy plugin run my_plugin.wasm --request request.json --response response.json --state state.json",
        ],
    ),
    (&["plugin", "list"], &["magicproxy plugin list"]),
    (
        &["plugin", "import"],
        &[
            "magicproxy plugin import do_lets_encrypt.py",
            "magicproxy plugin import do_lets_encrypt.py --out my_plugin",
        ],
    ),
    (
        &["config", "check"],
        &[
            "magicproxy config check",
            "magicproxy config check --config /etc/magicproxy/config.toml",
        ],
    ),
    (&["config", "show"], &["magicproxy config show", "magicproxy config show --json"]),
    (&["config", "schema"], &["magicproxy config schema > magicproxy.schema.json"]),
    (
        &["completions"],
        &[
            "magicproxy completions bash > /etc/bash_completion.d/magicproxy",
            "magicproxy completions fish | source",
        ],
    ),
    (&["man"], &["magicproxy man | man -l -", "magicproxy man /usr/local/share/man/man1"]),
];

/// Returns the command line with the examples of each command.
pub(crate) fn command() -> clap::Command {
    let command = EXAMPLES
        .iter()
        .fold(Cli::command(), |command, (path, lines)| with_examples(command, path, lines));
    with_examples(command, &["version"], &["magicproxy version", "magicproxy version --json"])
}

fn with_examples(command: clap::Command, path: &[&'static str], lines: &[&str]) -> clap::Command {
    match path {
        [] if command.get_after_help().is_none() => {
            command.after_help(format!("Examples:\n  {}", lines.join("\n  ")))
        }
        [] => command,
        [first, rest @ ..] => {
            command.mut_subcommand(first, |command| with_examples(command, rest, lines))
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Returns the words of the first `magicproxy` command in a shell line, up to the command's
    /// end; `None` without a command, or with placeholders (`…`).
    pub(crate) fn words(line: &str) -> Option<Vec<String>> {
        let start = line.find("magicproxy ").filter(|start| begins_a_command(&line[..*start]))?;
        let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
        for character in line[start..].chars() {
            match (quote, character) {
                (Some(open), _) if character == open => quote = None,
                (Some(_), _) => word.get_or_insert_default().push(character),
                (None, '\'' | '"') => {
                    quote = Some(character);
                    word.get_or_insert_default();
                }
                (None, '|' | '>' | '<' | ')' | '#' | ';' | '&') => break,
                (None, ' ') => words.extend(word.take()),
                (None, _) => word.get_or_insert_default().push(character),
            }
        }
        words.extend(word);
        (!line.contains('…')).then_some(words)
    }

    /// True if a command can begin behind this part of a shell line.
    fn begins_a_command(before: &str) -> bool {
        let before = before.trim_end();
        before.is_empty() || before.ends_with(['(', '|', '&', ';', '"', '$'])
    }

    /// Returns the fault of a command line refused by clap.
    pub(crate) fn refusal(words: &[String]) -> Option<String> {
        use clap::error::ErrorKind::{DisplayHelp, DisplayVersion};
        let error = command().try_get_matches_from(words).err()?;
        (!matches!(error.kind(), DisplayHelp | DisplayVersion)).then(|| error.to_string())
    }

    fn leaves(command: &clap::Command, found: &mut Vec<clap::Command>) {
        if command.get_subcommands().next().is_none() {
            found.push(command.clone());
        }
        command.get_subcommands().for_each(|command| leaves(command, found));
    }

    #[test]
    fn every_command_has_examples_that_parse() {
        let mut commands = Vec::new();
        leaves(&command(), &mut commands);
        assert!(commands.len() > 20, "{}", commands.len());
        for command in commands {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let examples: Vec<&str> = help
                .lines()
                .skip_while(|line| *line != "Examples:")
                .skip(1)
                .map(str::trim)
                .collect();
            assert!(!examples.is_empty(), "`{}` has no examples: {help:?}", command.get_name());
            for example in examples {
                let words = words(example).unwrap_or_else(|| panic!("no command in `{example}`"));
                assert!(words.iter().any(|word| word == command.get_name()), "{example}");
                assert_eq!(refusal(&words), None, "{example}");
            }
        }
    }
}
