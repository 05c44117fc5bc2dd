//! Arguments of `revoke`, read into entries. An argument that could be a secret is neither kept nor repeated.

use std::path::Path;

use anyhow::Context as _;
use magicproxy_core::{ChainId, UnverifiedToken};
use zeroize::Zeroizing;

use super::{RevokeArgs, parse_time};
use crate::cli::secret;
use crate::config::Environment;
use crate::failure::Failure;
use crate::output::{harmless, masked};
use crate::revocations::Revoked;

const KINDS: &str = "expected `chain:HEX`, `jti:ID`, `owner:HEX`, `kid:KID` or `before:TIME`, as `magicproxy inspect`, the log and \
                     `keys list` show them; the token in a file is `--token @FILE`";
const IS_TOKEN: &str = "this is a magic token, which others see among the arguments: give it as `--token @FILE`, or `--token -`";

/// One entry, and the token that it was made from.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) revoked: Revoked,
    pub(super) token: Option<GivenToken>,
}

/// A token from a file or from standard input.
pub(super) struct GivenToken {
    /// `@FILE`, or `-`.
    pub(super) argument: String,
    pub(super) text: Zeroizing<String>,
}

impl std::fmt::Debug for GivenToken {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("GivenToken").field("argument", &self.argument).finish_non_exhaustive()
    }
}

/// All entries that the arguments name, none of them twice; or everything that is wrong with the arguments.
pub(super) fn all(args: &RevokeArgs, environment: &Environment) -> Result<Vec<Named>, Failure> {
    let mut faults = Vec::new();
    let mut all = Vec::new();
    let keys = args.key_ids.iter().map(|id| of_kind("kid", id));
    for read in args.ids.iter().map(|id| typed(id)).chain(keys) {
        match read.and_then(|revoked| meant(revoked, args)) {
            Ok(revoked) => all.push(Named { revoked, token: None }),
            Err(fault) => faults.push(fault),
        }
    }
    all.extend(args.before.map(|time| Named { revoked: Revoked::Before(time), token: None }));
    if args.whole_family && args.tokens.is_empty() && !all.iter().any(|named| is_family(&named.revoked)) {
        faults.push("--whole-family: there is no `jti:ID`, `owner:HEX` or --token beside it".to_owned());
    }
    if !faults.is_empty() {
        return Err(Failure::Usage(faults));
    }
    for argument in &args.tokens {
        all.push(of_token(argument, args, environment)?);
    }
    all.sort_by(|one, other| one.revoked.cmp(&other.revoked));
    all.dedup_by(|one, other| one.revoked == other.revoked);
    Ok(all)
}

/// An id with its kind.
fn typed(argument: &str) -> Result<Revoked, String> {
    if is_token(argument) {
        return Err(IS_TOKEN.to_owned());
    }
    let read = argument.split_once(':').map(|(kind, value)| of_kind(kind, value));
    if let Some(Ok(revoked)) = read {
        return Ok(revoked);
    }
    let path = argument.strip_prefix('@').unwrap_or(argument);
    if !path.is_empty() && Path::new(path).exists() {
        return Err(format!(
            "`{}`: this is a file; the token in it is given as `--token @{}`",
            harmless(argument),
            harmless(path)
        ));
    }
    if ChainId::parse(argument).is_some() {
        return Err(format!("`{argument}`: expected the kind before it: `chain:{argument}`"));
    }
    read.unwrap_or_else(|| Err(format!("`{}`: {KINDS}", masked(argument))))
}

/// An id of this kind.
fn of_kind(kind: &str, value: &str) -> Result<Revoked, String> {
    let fault = |expected: &str| format!("`{}:{}`: {expected}", masked(kind), masked(value));
    if is_token(value) {
        return Err(IS_TOKEN.to_owned());
    }
    let expected = match kind {
        "before" => return parse_time(value).map(Revoked::Before).map_err(|expected| fault(&expected)),
        "chain" => "expected 32 hexadecimal digits, as `magicproxy inspect` and the log show a token's chain",
        "jti" => "expected 1 to 128 characters of `A-Z a-z 0-9 - _`",
        "owner" => "expected 64 hexadecimal digits",
        "kid" => "expected the id of a key, 43 characters of `A-Z a-z 0-9 - _`, as `magicproxy keys list` shows it",
        _ => return Err(fault(KINDS)),
    };
    Revoked::parse(&format!("{kind}:{value}")).filter(|revoked| !revoked.means_nothing()).ok_or_else(|| fault(expected))
}

/// Has the form of a token, or the beginning of one: never an id.
fn is_token(text: &str) -> bool {
    let parts = text.split('.').count();
    parts > 2 && ["eyJ", "mt1_", "mt2_", "mt2."].iter().any(|beginning| text.starts_with(beginning))
        || UnverifiedToken::parse(text).is_ok()
}

/// Is one of its words a token?
pub(super) fn holds_token(text: &str) -> bool {
    let part_of_token = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    text.split(|c| !part_of_token(c)).any(is_token)
}

fn is_family(revoked: &Revoked) -> bool {
    matches!(revoked, Revoked::Id(_) | Revoked::Owner(_))
}

/// Nobody ends more than one chain by mistake.
fn meant(revoked: Revoked, args: &RevokeArgs) -> Result<Revoked, String> {
    if !is_family(&revoked) || args.whole_family || args.undo {
        return Ok(revoked);
    }
    Err(format!(
        "`{}`: the token that was minted and all that were narrowed from it share this id, parent and siblings too: say \
         `--whole-family` to end them all; one of them is `chain:HEX` (`magicproxy inspect` and the log show it) or `--token @FILE`",
        revoked.shown()
    ))
}

/// The chain of a token, or its family's beginning. Whether the token is genuine is no matter.
fn of_token(argument: &str, args: &RevokeArgs, environment: &Environment) -> Result<Named, Failure> {
    let Some(text) = secret::from_reference(argument, environment) else {
        let file = Path::new(argument).exists().then(|| format!("`@{}`", harmless(argument)));
        return Err(Failure::usage(format!(
            "--token: expected {}, `-` or `env:NAME`: others see arguments",
            file.as_deref().unwrap_or("`@FILE`")
        )));
    };
    let text = text.context("--token")?;
    let chain = UnverifiedToken::parse(&text).ok().and_then(|token| token.chain());
    let chain = chain.with_context(|| format!("--token {}: expected a magic token", harmless(argument)))?;
    // Not the older chains that it names: whoever narrowed it may have written any there.
    let id = if args.whole_family { chain.root() } else { chain.id() };
    Ok(Named { revoked: Revoked::Chain(id), token: Some(GivenToken { argument: harmless(argument), text }) })
}
