//! `reseal`: a token of a retired key becomes one of the active key, and nobody sees its credential.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{ArgGroup, Args};
use hyper::body::Bytes;
use magicproxy_core::{RuleCompiler, UnverifiedToken};
use magicproxy_proxy::clock;

use super::asking::AskingArgs;
use super::inspect::Claims;
use super::{SettingsArgs, narrow, secret};
use crate::config::{Config, Environment};
use crate::failure::Failure;
use crate::output::{self, remark};

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("source").required(true))]
pub(crate) struct ResealArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// The token; `-` reads standard input, `@FILE` a file
    #[arg(group = "source")]
    token: Option<String>,
    /// File that holds the token; `-` is standard input
    #[arg(long, value_name = "FILE", group = "source")]
    token_file: Option<PathBuf>,
    /// Environment variable that holds the token
    #[arg(long, value_name = "NAME", group = "source")]
    token_env: Option<String>,
    /// Have a running proxy do it instead of the private keys at hand
    #[arg(long, value_name = "URL", group = "asked")]
    proxy: Option<String>,
    #[command(flatten)]
    asking: AskingArgs,
}

/// Reseals, and prints the token.
pub(crate) fn run(args: ResealArgs, environment: &Environment) -> Result<(), Failure> {
    let token = match (&args.token, &args.token_file, &args.token_env) {
        (Some(argument), _, _) => secret::from_argument(argument)?,
        (None, Some(path), _) => secret::from_file(path)?,
        (None, None, name) => secret::from_variable(name.as_deref().unwrap_or_default(), environment)?,
    };
    let resealed = match &args.proxy {
        Some(url) => {
            let peer = args.asking.peer_for_secrets(url)?;
            narrow::ask(&peer, "/__magictoken/reseal", &token, Bytes::new())?
        }
        None => {
            let config = Config::load(args.settings.into_flags(), environment)?;
            let keys = config.keys.open()?;
            config.unchecked().iter().for_each(|line| remark(line));
            let claims = UnverifiedToken::parse(&token).context("token")?.claims_for_display().unwrap_or_default();
            let upstream = config.upstream_named(claims.get("aud").and_then(|aud| aud.as_str())).map_err(Failure::usage)?;
            keys.ring
                .reseal(&token, &Config::verify_context(upstream, clock::now()), &RuleCompiler::default())
                .context("token")?
        }
    };
    output::print(&resealed)?;
    remark(&Claims::of(&resealed)?.summary(clock::now()));
    Ok(())
}
