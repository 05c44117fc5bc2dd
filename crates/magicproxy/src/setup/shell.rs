//! Lines for a shell: statements, quoted so that the shell takes every value literally.

use super::Setup;
use super::value::{Piece, Value};

/// The variable that stands for the token where no file is named.
pub(crate) const TOKEN_VARIABLE: &str = "MAGIC_TOKEN";

/// A POSIX command that passes on only the characters of tokens (`token-v1.md` section 1,
/// `token-v2.md` section 1).
pub(crate) const ONLY_TOKEN: &str = "tr -dc A-Za-z0-9._-";

/// A POSIX command that puts the armour on a token of version 1, and leaves any other token as it
/// is (`token-v1.md` section 1.1). The command has no `!`: an interactive bash of macOS would
/// replace a `!` with an older command even between these quotes.
const ARMOUR: &str = "sed -e '/^eyJ/{s/z/z0/g;s/-/z1/g;s/_/z2/g;s/^/mt1_/;}'";

/// The armour in operators of PowerShell: each operator looks back at the beginning of the token.
const POWERSHELL_ARMOUR: &str = "-creplace '(?<=^eyJ.*)z', 'z0' -creplace '(?<=^eyJ.*)-', 'z1' -creplace '(?<=^eyJ.*)_', 'z2' \
                                 -creplace '^(?=eyJ)', 'mt1_'";

/// The shells for which lines can be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Shell {
    /// POSIX: sh, bash, zsh, dash
    #[default]
    Sh,
    /// fish
    Fish,
    /// PowerShell
    Powershell,
}

/// A writer of a setup as lines for a shell. The lines read the token from the file or from
/// `$MAGIC_TOKEN`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Writer<'a> {
    pub(crate) shell: Shell,
    pub(crate) token_file: Option<&'a str>,
}

impl Writer<'_> {
    /// Writes statements first, then comments. Comments hold no line end, and of the values only
    /// URLs.
    pub(crate) fn lines(self, setup: &Setup) -> Vec<String> {
        let mut lines = Vec::new();
        lines.extend(self.remove(&setup.removed));
        lines.extend(setup.variables.iter().map(|(name, value)| self.set(name, value)));
        lines.extend(self.add_to_git(&setup.git_settings));
        lines.extend(setup.files.iter().map(|(name, content)| self.write(name, content)));
        lines.extend(setup.commands.iter().map(|words| self.command(words)));
        let comment = |text: &String| format!("# {text}");
        lines.push(comment(&format!(
            "{}: `{}` at {}",
            setup.client.name, setup.upstream, setup.api
        )));
        lines.extend(setup.usage.iter().map(|line| format!("#   {line}")));
        if let (false, Some(program)) = (setup.arguments.is_empty(), setup.client.programs.first())
        {
            let words = setup.arguments.iter().map(|word| self.quoted(word)).collect::<Vec<_>>();
            lines.push(format!("#   {program} {} …", words.join(" ")));
        }
        lines.extend(setup.notes.iter().map(comment));
        lines.extend(setup.recipe().map(|command| comment(&format!("recipe: {command}"))));
        lines
    }

    /// Writes a command in the language of the shell.
    pub(crate) fn command(self, words: &[Value]) -> String {
        words.iter().map(|word| self.value(word)).collect::<Vec<_>>().join(" ")
    }

    fn remove(self, names: &[&str]) -> Option<String> {
        if names.is_empty() {
            return None;
        }
        Some(match self.shell {
            Shell::Sh => format!("unset {}", names.join(" ")),
            Shell::Fish => format!("set -e {}", names.join(" ")),
            Shell::Powershell => {
                let paths: Vec<String> = names.iter().map(|name| format!("Env:{name}")).collect();
                format!("Remove-Item -ErrorAction Ignore {}", paths.join(", "))
            }
        })
    }

    fn set(self, name: &str, value: &Value) -> String {
        let value = self.value(value);
        match self.shell {
            Shell::Sh => format!("export {name}={value}"),
            Shell::Fish => format!("set -gx {name} {value}"),
            Shell::Powershell => format!("$env:{name} = {value}"),
        }
    }

    /// Adds settings of git to the settings in the shell's environment, numbered after them when
    /// the lines are read (git-config(1), `GIT_CONFIG_COUNT`). A count that is no number, or that
    /// shells read as octal, counts as none: git refuses such a count.
    fn add_to_git(self, settings: &[(Value, Value)]) -> Vec<String> {
        // Empty settings are left out in PowerShell, where no variable can be empty: git minds a
        // missing number more than a missing empty setting.
        let is_kept = |value: &Value| self.shell != Shell::Powershell || !value.pieces().is_empty();
        let kept: Vec<_> = settings.iter().filter(|(_, value)| is_kept(value)).collect();
        if kept.is_empty() {
            return Vec::new();
        }
        let begin = match self.shell {
            Shell::Sh => {
                r#"case ${GIT_CONFIG_COUNT:-0} in *[!0-9]*|0?*) GIT_CONFIG_COUNT=0 ;; esac"#
            }
            Shell::Fish => {
                r#"string match -qr '^(0|[1-9][0-9]*)$' -- "$GIT_CONFIG_COUNT"; or set -gx GIT_CONFIG_COUNT 0"#
            }
            Shell::Powershell => {
                "if ($env:GIT_CONFIG_COUNT -notmatch '^(0|[1-9][0-9]*)$') { $env:GIT_CONFIG_COUNT = '0' }"
            }
        };
        let mut lines = vec![begin.to_owned()];
        for (at, (key, value)) in kept.iter().enumerate() {
            lines.push(self.set_git_variable("KEY", at, key));
            lines.push(self.set_git_variable("VALUE", at, value));
        }
        let count = kept.len();
        lines.push(match self.shell {
            Shell::Sh => format!("export GIT_CONFIG_COUNT=$((${{GIT_CONFIG_COUNT:-0}} + {count}))"),
            Shell::Fish => format!("set -gx GIT_CONFIG_COUNT (math $GIT_CONFIG_COUNT + {count})"),
            Shell::Powershell => {
                format!("$env:GIT_CONFIG_COUNT = [string]([int]$env:GIT_CONFIG_COUNT + {count})")
            }
        });
        lines
    }

    /// Sets one of the variables of a git setting, `at` places behind the present settings.
    fn set_git_variable(self, kind: &str, at: usize, value: &Value) -> String {
        let value = self.value(value);
        match self.shell {
            Shell::Sh => format!(
                r#"export "GIT_CONFIG_{kind}_$((${{GIT_CONFIG_COUNT:-0}} + {at}))"={value}"#
            ),
            Shell::Fish => {
                format!("set -gx GIT_CONFIG_{kind}_(math $GIT_CONFIG_COUNT + {at}) {value}")
            }
            Shell::Powershell => {
                format!(
                    r#"Set-Item -LiteralPath "Env:GIT_CONFIG_{kind}_$([int]$env:GIT_CONFIG_COUNT + {at})" -Value ({value})"#
                )
            }
        }
    }

    /// Writes a file for its owner only, by a shell builtin, so that the token is in no process's
    /// arguments.
    fn write(self, name: &str, content: &Value) -> String {
        let (path, content) = (self.quoted(name), self.value(content));
        match self.shell {
            Shell::Sh => format!("(umask 077 && rm -f {path} && printf '%s' {content} >{path})"),
            Shell::Fish => {
                format!("install -m 600 /dev/null {path}; and printf '%s' {content} >{path}")
            }
            Shell::Powershell => {
                format!("Set-Content -NoNewline -LiteralPath {path} -Value ({content})")
            }
        }
    }

    /// Writes an expression for the value.
    fn value(self, value: &Value) -> String {
        let pieces = value.pieces().iter().map(|piece| match piece {
            Piece::Text(text) => self.quoted(text),
            Piece::Token => self.token(),
            Piece::ArmouredToken => self.armoured_token(),
        });
        let glue = if self.shell == Shell::Powershell { " + " } else { "" };
        let expression = pieces.collect::<Vec<_>>().join(glue);
        if expression.is_empty() { "''".to_owned() } else { expression }
    }

    /// Writes an expression that reads the token without its surroundings: line ends of Windows, a
    /// byte order mark.
    fn token(self) -> String {
        let path = self.token_file.map(|path| self.quoted(path));
        match (self.shell, path) {
            (Shell::Sh, Some(path)) => format!(r#""$(LC_ALL=C {ONLY_TOKEN} <{path})""#),
            (Shell::Fish, Some(path)) => format!("(env LC_ALL=C {ONLY_TOKEN} <{path})"),
            (Shell::Powershell, Some(path)) => {
                format!("(Get-Content -Raw -LiteralPath {path}).Trim()")
            }
            (Shell::Sh | Shell::Fish, None) => format!(r#""${TOKEN_VARIABLE}""#),
            (Shell::Powershell, None) => format!("$env:{TOKEN_VARIABLE}"),
        }
    }

    /// Writes an expression that reads the token, and puts the armour on a token of version 1 when
    /// the line is read.
    fn armoured_token(self) -> String {
        let path = self.token_file.map(|path| self.quoted(path));
        match (self.shell, path) {
            (Shell::Sh, Some(path)) => {
                format!(r#""$(LC_ALL=C {ONLY_TOKEN} <{path} | LC_ALL=C {ARMOUR})""#)
            }
            (Shell::Fish, Some(path)) => {
                format!("(env LC_ALL=C {ONLY_TOKEN} <{path} | env LC_ALL=C {ARMOUR})")
            }
            // By a builtin, so that the token is in no process's arguments.
            (Shell::Sh, None) => {
                format!(r#""$(printf '%s\n' "${TOKEN_VARIABLE}" | LC_ALL=C {ARMOUR})""#)
            }
            (Shell::Fish, None) => {
                format!(r#"(printf '%s\n' "${TOKEN_VARIABLE}" | env LC_ALL=C {ARMOUR})"#)
            }
            (Shell::Powershell, _) => format!("({} {POWERSHELL_ARMOUR})", self.token()),
        }
    }

    fn quoted(self, text: &str) -> String {
        match self.shell {
            Shell::Sh => posix_quoted(text),
            Shell::Fish if is_plain(text) => text.to_owned(),
            Shell::Fish => format!("'{}'", text.replace('\\', r"\\").replace('\'', r"\'")),
            Shell::Powershell => powershell_quoted(text),
        }
    }
}

/// Quotes one word of POSIX sh (2.2.2, single quotes).
pub(crate) fn posix_quoted(text: &str) -> String {
    if is_plain(text) { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// Quotes a word of `PowerShell`, where four further characters count as a single quote; each is
/// doubled to mean itself.
fn powershell_quoted(text: &str) -> String {
    let quote = |c: char| matches!(c, '\'' | '\u{2018}'..='\u{201b}');
    let doubled: String =
        text.chars().flat_map(|c| std::iter::repeat_n(c, if quote(c) { 2 } else { 1 })).collect();
    format!("'{doubled}'")
}

/// True if the text means itself in every place of sh and fish, and is neither empty nor an option.
fn is_plain(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./:@%+,".contains(&byte);
    !text.is_empty() && !text.starts_with('-') && text.bytes().all(plain)
}
