//! The token argument: the same spellings in every command.
//!
//! `@FILE`, `-` for standard input, `env:NAME`; in arguments that may hold a token, also the token
//! itself.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use zeroize::Zeroizing;

use super::secret;
use crate::ground::failure::Failure;
use magicproxy_config::ground::environment::Environment;

/// The flags of commands for one token.
#[derive(Debug, Args)]
#[group(id = "source", required = true, multiple = false)]
pub(super) struct GivenToken {
    /// The token: `@FILE`, `-` for standard input, `env:NAME`, or itself
    token: Option<String>,
    /// File that holds the token; `-` is standard input
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Environment variable that holds the token
    #[arg(long, value_name = "NAME")]
    token_env: Option<String>,
}

impl GivenToken {
    /// Reads the token, without its armour.
    pub(super) fn read(&self, environment: &Environment) -> Result<Zeroizing<String>, Failure> {
        let text = match (&self.token, &self.token_file, &self.token_env) {
            (Some(argument), _, _) => return Ok(secret::from_argument(argument, environment)?),
            (None, Some(path), _) => secret::from_file(path),
            (None, None, name) => {
                secret::from_variable(name.as_deref().unwrap_or_default(), environment)
            }
        };
        Ok(text.and_then(|text| secret::without_armour(&text)).context("token")?)
    }
}
