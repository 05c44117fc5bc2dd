//! Reading of secrets: from a file, from standard input, from a named environment variable. Never
//! from an argument, with one exception: commands that look at a token, or narrow it, take the
//! token there as well, because the token is its holder's own.

use std::io::Read;
use std::path::Path;

use anyhow::{Context as _, bail};
use magicproxy_core::{UnverifiedToken, is_armoured, unarmoured, written_secret};
use zeroize::Zeroizing;

use magicproxy_config::ground::environment::Environment;
use magicproxy_config::ground::text::harmless;

/// The most bytes of a secret, more than any credential or token has.
const MAX_SECRET_BYTES: u64 = 64 * 1024;

/// Reads the secret in a file, or on standard input for `-`.
pub(super) fn from_file(path: &Path) -> anyhow::Result<Zeroizing<String>> {
    let named = || {
        if path == Path::new("-") {
            "standard input".to_owned()
        } else {
            format!("`{}`", path.display())
        }
    };
    written(&document(path)?).with_context(named)
}

/// Reads all of a file, or of standard input for `-`, without a byte order mark.
pub(super) fn document(path: &Path) -> anyhow::Result<Zeroizing<String>> {
    if path == Path::new("-") {
        return read(std::io::stdin().lock()).context("standard input");
    }
    whole_file(path)
}

/// Reads all of a file, without a byte order mark.
pub(super) fn whole_file(path: &Path) -> anyhow::Result<Zeroizing<String>> {
    let named = || format!("`{}`", path.display());
    read(std::fs::File::open(path).with_context(named)?).with_context(named)
}

/// Reads the secret in a variable.
pub(super) fn from_variable(
    name: &str,
    environment: &Environment,
) -> anyhow::Result<Zeroizing<String>> {
    written(variable(name, environment)?)
        .with_context(|| format!("the environment variable `{name}`"))
}

/// Reads all of a variable.
pub(super) fn variable<'e>(name: &str, environment: &'e Environment) -> anyhow::Result<&'e str> {
    environment.var(name).with_context(|| {
        match std::env::var_os(name).is_some_and(|value| !value.is_empty()) {
            true => format!("the environment variable `{name}` is no text in UTF-8"),
            false => format!("the environment variable `{name}` is not set, or empty"),
        }
    })
}

/// Returns the secret in a written text (`token-v1.md` section 5.1).
pub(super) fn written(text: &str) -> anyhow::Result<Zeroizing<String>> {
    Ok(Zeroizing::new(written_secret(text)?.to_owned()))
}

/// Reads a token argument: `@FILE`, `-` for standard input, `env:NAME`, or the token itself;
/// without its armour.
pub(super) fn from_argument(
    argument: &str,
    environment: &Environment,
) -> anyhow::Result<Zeroizing<String>> {
    if let Some(token) = from_reference(argument, environment) {
        return token.and_then(|token| without_armour(&token)).context("token");
    }
    // A text that is no token is not shown, because it could be a credential; the name of a file is
    // shown.
    if UnverifiedToken::parse(argument).is_err() && Path::new(argument).is_file() {
        bail!("token: `{0}` is a file: `@{0}` reads it", harmless(argument));
    }
    // A shell may have read the token from a file of Windows.
    written(argument).and_then(|token| without_armour(&token)).context("token")
}

/// Returns a token without its armour, if it has one (`token-v1.md` section 1.1).
pub(super) fn without_armour(token: &str) -> anyhow::Result<Zeroizing<String>> {
    if !is_armoured(token) {
        return Ok(Zeroizing::new(token.to_owned()));
    }
    unarmoured(token)
        .context("this is not a magic token: behind `mt1_` are letters, digits and dots, and behind each `z` one of 0, 1, 2")
}

/// Reads the text behind `@FILE`, `-` or `env:NAME`; `None` for any other argument.
pub(super) fn from_reference(
    text: &str,
    environment: &Environment,
) -> Option<anyhow::Result<Zeroizing<String>>> {
    match (text.strip_prefix('@'), text.strip_prefix("env:")) {
        (Some(path), _) => Some(from_file(Path::new(path))),
        (None, Some(name)) => Some(from_variable(name, environment)),
        (None, None) if text == "-" => Some(from_file(Path::new("-"))),
        (None, None) => None,
    }
}

fn read(source: impl Read) -> anyhow::Result<Zeroizing<String>> {
    // With room from the start: growing would leave half-filled copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(MAX_SECRET_BYTES)? + 1));
    source.take(MAX_SECRET_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_SECRET_BYTES {
        bail!("longer than {MAX_SECRET_BYTES} bytes");
    }
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        bail!("this is UTF-16, as `>` of Windows PowerShell writes it: save it as UTF-8");
    }
    let text = std::str::from_utf8(&bytes).ok().context("this is no text in UTF-8")?;
    Ok(Zeroizing::new(text.trim_start_matches('\u{feff}').to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_windows_writes_is_read_or_told() {
        let read = |bytes: &[u8]| {
            read(bytes).map(|text| text.to_string()).map_err(|error| error.to_string())
        };
        assert_eq!(read(b"\xef\xbb\xbf{\"a\":1}\r\n").as_deref(), Ok("{\"a\":1}\r\n"));
        for bytes in [&b"\xff\xfem\0"[..], b"\xfe\xff\0m"] {
            assert!(read(bytes).unwrap_err().contains("UTF-16"));
        }
        assert!(read(b"marked\xff").unwrap_err().contains("UTF-8"));
        assert!(read(&vec![b'a'; 70_000]).unwrap_err().contains("longer than"));
    }
}
