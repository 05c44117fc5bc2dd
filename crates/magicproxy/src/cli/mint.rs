//! `mint`: makes a magic token, offline with the private key or with the public key at hand, or at
//! a running proxy.
//!
//! Standard output gets the token and nothing else, so that `export GH_TOKEN=$(magicproxy mint …)`
//! works.

mod sealed;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::{ArgGroup, Args};
use http::Request;
use http_body_util::Full;
use hyper::body::Bytes;
use magicproxy_core::limit::Limit;
use magicproxy_core::{
    Credential, KeyId, KnownNames, Label, MintLimits, MintRequest, PatternMode, RawRule, Rule,
    TokenVersion, Weakness, written_secret,
};
use magicproxy_proxy::clock;
use magicproxy_proxy::header::RequestFields;
use magicproxy_proxy::settings::UpstreamSettings;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::asking::AskingArgs;
use super::inspect::Claims;
use super::token_output::{TokenCommand, TokenOutputArgs};
use super::{SettingsArgs, narrow, revoked, secret, typed_rule};
use crate::client::Peer;
use crate::ground::failure::Failure;
use crate::ground::output::{note, remark};
use crate::runtime::keystore::Keystore;
use crate::runtime::{settings, wire};
use magicproxy_config::config::{Config, parse_duration, unseen_headers};
use magicproxy_config::ground::environment::Environment;
use magicproxy_config::ground::text::harmless;

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("credential").required(true))]
pub(crate) struct MintArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Allow requests by a rule: `GET|POST /pattern`, `GET route:/repos/{owner}/{repo}` or a JSON
    /// object; words behind a rule are conditions, as `POST /pulls json.base=main json.title`;
    /// repeatable
    #[arg(long, value_name = "RULE")]
    allow: Vec<String>,
    /// Allow what a scope of the proxy's configuration allows; repeatable
    #[arg(long, value_name = "NAME")]
    scope: Vec<String>,
    /// How long the token lives: `24h`, `90m`, or a number of seconds
    #[arg(long, value_name = "DURATION")]
    expires_in: Option<String>,
    /// Name of the upstream that the credential is for; with --to URL, the proxy is asked whether
    /// it has the upstream
    #[arg(long, value_name = "NAME")]
    aud: Option<String>,
    /// Let refusals say which rule would be needed, or which condition is not true
    #[arg(long)]
    explain: bool,
    /// File that holds the credential; `-` is standard input
    #[arg(long, value_name = "FILE", group = "credential")]
    credential_file: Option<PathBuf>,
    /// Environment variable that holds the credential
    #[arg(long, value_name = "NAME", group = "credential")]
    credential_env: Option<String>,
    /// Mint at a running proxy instead of with the private key
    #[arg(long, value_name = "URL", group = "asked")]
    proxy: Option<String>,
    /// Seal to a proxy's public key instead: a JWK file, or the URL of the proxy, whose key set is
    /// pinned
    #[arg(long, value_name = "FILE|URL", conflicts_with = "proxy", group = "asked")]
    to: Option<String>,
    /// Limit on the requests with the token: `requests=100/1h`, `total=3` or `concurrent=2`; such a
    /// token needs a proxy with a store
    #[arg(long, value_name = "LIMIT")]
    limit: Option<Limit>,
    /// Whom the token is for, as the proxy's log shows it
    #[arg(long, value_name = "LABEL")]
    sub: Option<String>,
    #[command(flatten)]
    sealed: sealed::SealedArgs,
    #[command(flatten)]
    asking: AskingArgs,
    #[command(flatten)]
    made: TokenOutputArgs,
}

/// Mints, and prints the token.
pub(crate) fn run(args: MintArgs, environment: &Environment) -> Result<(), Failure> {
    args.made.check()?;
    let MintDraft { mint_request, faults } = mint_request(&args, environment)?;
    let made = args.made;
    let token = match (&args.proxy, &args.to) {
        (_, Some(to)) => {
            let sealing = sealed::SealingTarget { to, args: &args.sealed, asking: &args.asking };
            sealed::mint(&sealing, MintDraft { mint_request, faults }, environment)?
        }
        _ if !faults.is_empty() => return Err(Failure::Usage(faults)),
        (Some(url), None) => at_proxy(&args.asking.peer_for_secrets(url)?, &mint_request)?,
        (None, None) => {
            offline(mint_request, settings::load(args.settings.into_flags(), environment)?)?
        }
    };
    made.give(&token, TokenCommand::Mint, Claims::of(&token)?.issued_at())
}

/// A mint request, and its faults so far.
struct MintDraft {
    mint_request: MintRequest,
    faults: Vec<String>,
}

/// Reads all of the credential's source. Faults in the text are reported with the other faults of
/// the mint request.
fn credential(args: &MintArgs, environment: &Environment) -> anyhow::Result<Zeroizing<String>> {
    match (&args.credential_file, &args.credential_env) {
        (Some(path), _) => secret::document(path),
        (None, name) => Ok(Zeroizing::new(
            secret::variable(name.as_deref().unwrap_or_default(), environment)?.to_owned(),
        )),
    }
}

fn mint_request(args: &MintArgs, environment: &Environment) -> Result<MintDraft, Failure> {
    let credential = credential(args, environment).context("credential")?;
    let mut faults = Vec::new();
    let mut rules = Vec::with_capacity(args.allow.len());
    for text in &args.allow {
        match typed_rule::read(text) {
            Ok(rule) => rules.push(rule),
            Err(fault) => faults.push(fault),
        }
    }
    let expires_in = args.expires_in.as_deref().map(parse_duration).transpose();
    let expires_in = expires_in.map_err(|expected| {
        faults.push(format!(
            "--expires-in `{}`: {expected}",
            args.expires_in.as_deref().unwrap_or_default()
        ));
    });
    let sub = args.sub.as_deref().map(|text| {
        Label::parse_subject(text).ok_or_else(|| {
            faults.push(format!("--sub `{}`: {}, other than `-`", harmless(text), narrow::LABEL))
        })
    });
    let sub = sub.transpose().ok().flatten();
    let mint_request = MintRequest {
        sub,
        limit: args.limit,
        token: credential,
        allowed: (!rules.is_empty()).then_some(rules),
        scope: None,
        scopes: (!args.scope.is_empty()).then(|| args.scope.clone()),
        expires_in: expires_in.ok().flatten().map(|duration| duration.as_secs()),
        aud: args.aud.clone(),
        explain: args.explain,
    };
    Ok(MintDraft { mint_request, faults })
}

fn offline(mint_request: MintRequest, config: Config) -> Result<Zeroizing<String>, Failure> {
    let keys = Keystore::of(&config.keys).open()?;
    let upstream = config.upstream_named(mint_request.aud.as_deref()).map_err(Failure::usage)?;
    warn_of_vain(mint_request.allowed.as_deref(), upstream.patterns);
    warn_of_headers(mint_request.allowed.as_deref(), upstream, &config);
    config.unchecked().iter().for_each(|line| remark(line));
    ensure_accepted(upstream)?;
    ensure_key_lives(keys.ring.active().public().id(), upstream, &config)?;
    let accepted =
        upstream.acceptance.max_lifetime.map_or(config.minting.max_lifetime, Duration::from_secs);
    let limits = MintLimits {
        work: magicproxy_core::policy::Work::unlimited(),
        upstream: &upstream.name,
        unnamed: upstream.unnamed,
        alias: upstream.alias.as_ref(),
        // The configuration is at hand.
        names: KnownNames::Listed,
        scopes: &upstream.scopes,
        patterns: upstream.patterns,
        default_lifetime: config.minting.default_lifetime,
        // A token that the proxy would not accept is not minted.
        max_lifetime: config.minting.max_lifetime.min(accepted),
        require_sub: upstream.acceptance.require_sub,
    };
    let request = mint_request.check(&limits, clock::now());
    let request = request
        .map_err(|faults| Failure::Usage(faults.iter().map(ToString::to_string).collect()))?;
    upstream
        .credential
        .check(&request.credential)
        .map_err(|error| Failure::usage(format!("token: {error}")))?;
    warn(upstream.credential.weakness_of(&request.credential));
    let minted = keys.ring.mint(&request).context("nothing was minted")?;
    Ok(minted.token)
}

/// Refuses to mint a token that the proxy would refuse.
fn ensure_accepted(upstream: &UpstreamSettings) -> Result<(), Failure> {
    if upstream.acceptance.versions.contains(&TokenVersion::V1) {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "nothing was minted: the upstream `{}` accepts no tokens of version 1, which the private key makes: seal one (`--to`), or \
         write `accept = [\"v1\", \"v2\"]`",
        upstream.name
    )))
}

/// Refuses to mint with a key whose tokens are denied or revoked.
fn ensure_key_lives(
    key: &KeyId,
    upstream: &UpstreamSettings,
    config: &Config,
) -> Result<(), Failure> {
    if upstream.acceptance.denies_key(key) {
        return Err(Failure::usage(format!(
            "nothing was minted: the upstream `{}` denies the tokens of the active key `{key}` (`deny_kid`): `magicproxy keys rotate` makes another",
            upstream.name
        )));
    }
    Ok(revoked::ensure_mintable(&revoked::in_force_here(&config.revocations)?, key, clock::now())?)
}

/// Warns of rules that another rule of their list makes vain. Faults are left to whoever mints.
fn warn_of_vain(rules: Option<&[RawRule]>, patterns: PatternMode) {
    if let Ok(rules) = Rule::parse_list(rules.unwrap_or_default(), patterns) {
        narrow::warn_of_vain(&rules);
    }
}

/// Warns of rules that test header fields which the API never gets.
fn warn_of_headers(rules: Option<&[RawRule]>, upstream: &UpstreamSettings, config: &Config) {
    let rules = Rule::parse_list(rules.unwrap_or_default(), upstream.patterns).unwrap_or_default();
    let fields = RequestFields::of(upstream, &config.upstreams);
    for unseen in unseen_headers(&rules, &[fields]) {
        note(&format!("warning: {unseen}"));
    }
}

/// Warns of a credential hard to find in responses, and so hard to mask.
fn warn(weakness: Option<Weakness>) {
    if let Some(weakness) = weakness {
        note(&format!("warning: {weakness}"));
    }
}

fn at_proxy(peer: &Peer, mint_request: &MintRequest) -> Result<Zeroizing<String>, Failure> {
    // An older proxy would take the credential unchanged.
    written_secret(&mint_request.token)
        .map_err(|fault| Failure::usage(format!("credential: {fault}")))?;
    warn_of_vain(mint_request.allowed.as_deref(), PatternMode::Whole);
    warn(
        Credential::parse_new(&mint_request.token)
            .ok()
            .and_then(|credential| credential.weakness()),
    );
    let body = Zeroizing::new(to_json(mint_request)?);
    let request = Request::post("/")
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from_owner(body)));
    let response =
        wire::runtime()?.block_on(peer.send("/__magictoken", request.context("request")?))?;
    Ok(Zeroizing::new(response.content("application/jwt")?.trim().to_owned()))
}

/// Writes the mint request as the proxy reads it. An absent member is left out, never null.
fn to_json(mint_request: &MintRequest) -> Result<Vec<u8>, Failure> {
    let mut members = json!({});
    if let Some(members) = members.as_object_mut() {
        let mut put = |name: &str, value: Option<Value>| {
            value.map(|value| members.insert(name.to_owned(), value))
        };
        put("allowed", mint_request.allowed.as_ref().map(|rules| json!(rules)));
        put("scopes", mint_request.scopes.as_ref().map(|names| json!(names)));
        put("expires_in", mint_request.expires_in.map(Value::from));
        put("aud", mint_request.aud.as_ref().map(|name| json!(name)));
        put("sub", mint_request.sub.as_ref().map(|label| json!(label)));
        put("limit", mint_request.limit.map(|limit| json!(limit)));
        put("explain", mint_request.explain.then_some(Value::Bool(true)));
    }
    let rest = members.to_string();
    // The credential is written straight into the body, which is wiped, with room for every escape
    // so that growing leaves no copy behind; never into a JSON tree, which is not wiped.
    let mut body = Vec::with_capacity(6 * mint_request.token.len() + rest.len() + 16);
    body.extend_from_slice(b"{\"token\":");
    serde_json::to_writer(
        &mut body,
        written_secret(&mint_request.token).unwrap_or(&mint_request.token),
    )
    .context("the mint request cannot be written")?;
    let further = rest.get(1..).unwrap_or("}");
    body.extend_from_slice(if further == "}" { b"" } else { b"," });
    body.extend_from_slice(further.as_bytes());
    Ok(body)
}
