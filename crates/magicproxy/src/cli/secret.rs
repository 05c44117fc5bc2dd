//! Reading secrets: from a file, from standard input, from a named environment variable. Never from an argument, except
//! that commands which look at a token, or narrow it, take it there as well: it is its holder's own.

use std::io::Read;
use std::path::Path;

use anyhow::{Context as _, bail};
use magicproxy_core::UnverifiedToken;
use zeroize::Zeroizing;

use crate::config::Environment;
use crate::output::harmless;

/// Longer than any credential and any token.
const MAX_BYTES: u64 = 64 * 1024;

/// The text of a file, or of standard input for `-`, without the line end that editors and `echo` leave.
pub(super) fn from_file(path: &Path) -> anyhow::Result<Zeroizing<String>> {
    if path == Path::new("-") {
        return Ok(trimmed(&read(std::io::stdin().lock()).context("standard input")?));
    }
    Ok(trimmed(&whole_file(path)?))
}

/// All of a file, as it is.
pub(super) fn whole_file(path: &Path) -> anyhow::Result<Zeroizing<String>> {
    let named = || format!("`{}`", path.display());
    read(std::fs::File::open(path).with_context(named)?).with_context(named)
}

/// The value of a variable.
pub(super) fn from_variable(name: &str, environment: &Environment) -> anyhow::Result<Zeroizing<String>> {
    let value = environment.var(name).with_context(|| format!("the environment variable `{name}` is not set, or empty"))?;
    Ok(trimmed(value))
}

/// A token as an argument gives it: `@FILE`, `-` for standard input, `env:NAME`, or itself.
pub(super) fn from_argument(argument: &str, environment: &Environment) -> anyhow::Result<Zeroizing<String>> {
    if let Some(token) = from_reference(argument, environment) {
        return token.context("token");
    }
    // What is no token is not shown, for it could be a credential; a file's name is shown.
    if UnverifiedToken::parse(argument).is_err() && Path::new(argument).is_file() {
        bail!("token: `{0}` is a file: `@{0}` reads it", harmless(argument));
    }
    Ok(Zeroizing::new(argument.to_owned()))
}

/// What `@FILE`, `-` or `env:NAME` refers to; nothing, where the text is none of them.
pub(super) fn from_reference(text: &str, environment: &Environment) -> Option<anyhow::Result<Zeroizing<String>>> {
    match (text.strip_prefix('@'), text.strip_prefix("env:")) {
        (Some(path), _) => Some(from_file(Path::new(path))),
        (None, Some(name)) => Some(from_variable(name, environment)),
        (None, None) if text == "-" => Some(from_file(Path::new("-"))),
        (None, None) => None,
    }
}

fn read(source: impl Read) -> anyhow::Result<Zeroizing<String>> {
    // With room from the start, so that no half-filled copy is left behind by growing.
    let mut text = Zeroizing::new(String::with_capacity(usize::try_from(MAX_BYTES)? + 1));
    source.take(MAX_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_BYTES {
        bail!("longer than {MAX_BYTES} bytes");
    }
    Ok(text)
}

fn trimmed(text: &str) -> Zeroizing<String> {
    Zeroizing::new(trim(text).to_owned())
}

fn trim(text: &str) -> &str {
    text.trim_end_matches(['\n', '\r'])
}
