//! `reseal`: turns a token of a retired key into a token of the active key, and nobody sees its
//! credential.

use anyhow::Context as _;
use clap::Args;
use hyper::body::Bytes;
use magicproxy_core::{RuleCompiler, UnverifiedToken};
use magicproxy_proxy::clock;
use zeroize::Zeroizing;

use super::remade::NewTokenArgs;
use super::token_argument::GivenToken;
use super::token_output::TokenCommand;
use super::{SettingsArgs, narrow, revoked};
use crate::ground::failure::Failure;
use crate::ground::output::remark;
use crate::runtime::keystore::Keystore;
use crate::runtime::settings;
use magicproxy_config::config::Config;
use magicproxy_config::ground::environment::Environment;

#[derive(Debug, Args)]
#[command(mut_arg("proxy", |proxy| proxy.help("Have a running proxy reseal, in place of the private keys at hand")))]
pub(crate) struct ResealArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    #[command(flatten)]
    given: GivenToken,
    #[command(flatten)]
    remade: NewTokenArgs,
}

/// Reseals, and prints the token.
pub(crate) fn run(args: ResealArgs, environment: &Environment) -> Result<(), Failure> {
    args.remade.check()?;
    let token = args.given.read(environment)?;
    let resealed = match args.remade.peer()? {
        Some(peer) => narrow::ask(&peer, "/__magictoken/reseal", &token, Bytes::new())?,
        None => here(&token, &settings::load(args.settings.into_flags(), environment)?)?,
    };
    args.remade.give(&resealed, TokenCommand::Reseal, clock::now())
}

/// Reseals with the keys at hand. A token of a revoked key is refused, and so is an active key that
/// is revoked.
fn here(token: &str, config: &Config) -> Result<Zeroizing<String>, Failure> {
    let keys = Keystore::of(&config.keys).open()?;
    config.unchecked().iter().for_each(|line| remark(line));
    let parsed = UnverifiedToken::parse(token).context("token")?;
    let claims = parsed.claims_for_display().unwrap_or_default();
    let upstream = config
        .upstream_named(claims.get("aud").and_then(|aud| aud.as_str()))
        .map_err(Failure::usage)?;
    let context = Config::verify_context(upstream, clock::now());
    let resealed = keys.ring.reseal(token, &context, &RuleCompiler::default()).context("token")?;
    let list = revoked::in_force_here(&config.revocations)?;
    revoked::ensure_token_lives(&list, &parsed, &keys.ring)?;
    revoked::ensure_made_live(&list, &resealed)?;
    Ok(resealed)
}
