//! The output of a new token: printed, or written to a file that only its owner reads; as it is, or
//! as JSON.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use magicproxy_core::{LongToken, UnixTime, UnverifiedToken, VerifyError};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::inspect::Claims;
use super::secret;
use crate::ground::failure::Failure;
use crate::ground::output;
use crate::ground::output::{note, remark};
use crate::runtime::keystore::write;
use magicproxy_config::ground::text::{harmless, reason};

/// The command that made a new token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenCommand {
    Mint,
    Narrow,
    Reseal,
}

impl TokenCommand {
    /// Returns the word for the deed.
    pub(super) fn verb(self) -> &'static str {
        match self {
            Self::Mint => "minted",
            Self::Narrow => "narrowed",
            Self::Reseal => "sealed anew",
        }
    }
}

/// The flags for the place and the form of a new token.
#[derive(Debug, Args)]
pub(super) struct TokenOutputArgs {
    /// Write the token to a file that only you may read, instead of printing it; a magic token that
    /// is there is replaced, and no other file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print JSON: the token, its id, expiry, upstream and rules
    #[arg(long)]
    json: bool,
}

impl TokenOutputArgs {
    /// Checks, before anything is made, that the file can be written.
    pub(super) fn check(&self) -> Result<(), Failure> {
        Ok(self.out.as_deref().map_or(Ok(()), |path| ensure_replaceable(path).context("--out"))?)
    }

    /// Hands the token over, and describes it in one line, with the time left from `now` on.
    pub(super) fn give(&self, token: &str, by: TokenCommand, now: UnixTime) -> Result<(), Failure> {
        let claims = Claims::of(token)?;
        if let Some(path) = &self.out {
            write_token(path, token).context("--out")?;
        }
        if self.json {
            let mut members = claims.to_made_json();
            match &self.out {
                Some(path) => members.insert("file".to_owned(), json!(path.display().to_string())),
                None => members.insert("token".to_owned(), json!(token)),
            };
            output::print_json(&Value::Object(members))?;
        } else if self.out.is_none() {
            output::print(token)?;
        }
        let place = self
            .out
            .as_ref()
            .map(|path| format!(", in {}", harmless(&path.to_string_lossy())))
            .unwrap_or_default();
        remark(&format!("{}{place}", claims.summary(by, now)));
        if let Some(long) = LongToken::of(token.len()) {
            note(&format!("warning: the token has {} bytes: {long}", token.len()));
        }
        Ok(())
    }
}

/// Writes a token in one step: a reader of the file finds the old token or the new token, whole.
fn write_token(path: &Path, token: &str) -> anyhow::Result<()> {
    ensure_replaceable(path)?;
    let line = Zeroizing::new(format!("{token}\n"));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let staged = path.with_file_name(format!(".{name}.{}.new", std::process::id()));
    write::own(&staged, &line)?;
    let renamed = std::fs::rename(&staged, path).with_context(|| format!("`{}`", path.display()));
    if renamed.is_err() {
        let _ = std::fs::remove_file(&staged);
    }
    renamed
}

/// Refuses to replace anything but a magic token. No link is followed.
fn ensure_replaceable(path: &Path) -> anyhow::Result<()> {
    let shown = harmless(&path.to_string_lossy());
    if path == Path::new("-") {
        bail!(
            "`-`: expected the name of a file; without --out the token is printed (a file of this name is `./-`)"
        );
    }
    let metadata = match std::fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return ensure_folder(path),
        Err(error) => bail!("`{shown}`: {}", reason(&error)),
    };
    if !metadata.is_file() {
        bail!("`{shown}` is there and is no file: it is not replaced");
    }
    let held = secret::from_file(path).and_then(|text| secret::without_armour(&text)).ok();
    // Also a token from before the first release, because people are told to mint anew.
    let held = held
        .filter(|text| matches!(UnverifiedToken::parse(text), Ok(_) | Err(VerifyError::OldForm)));
    if held.is_none() && metadata.len() > 0 {
        bail!("`{shown}` is there and holds no magic token: it is not replaced");
    }
    Ok(())
}

/// Checks the folder of a missing file. A fault names the given path, and not the staged file's.
fn ensure_folder(path: &Path) -> anyhow::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        let [file, folder] = [path, folder].map(|path| harmless(&path.to_string_lossy()));
        bail!("`{file}`: there is no folder `{folder}`");
    }
    Ok(())
}
