//! Arguments of `revoke`, read into entries. An argument that could be a secret is neither kept nor
//! repeated.

use std::path::Path;

use anyhow::Context as _;
use magicproxy_core::state::Partition;
use magicproxy_core::{ChainId, UnixTime, UnverifiedToken};
use magicproxy_proxy::clock;
use zeroize::Zeroizing;

use super::{RevokeArgs, times};
use crate::cli::inspect::Claims;
use crate::cli::secret;
use crate::ground::failure::Failure;
use crate::runtime::revocations::RevokedThing;
use magicproxy_config::ground::environment::Environment;
use magicproxy_config::ground::text::{harmless, masked};

const KINDS: &str = "expected `chain:HEX`, `owner:HEX`, `jti:v1:KID:ID`, `jti:v2:KID:MINTER:ID`, `kid:KID` or `before:TIME`, as \
                     `magicproxy inspect`, the log and `keys list` show them; the token in a file is `--token @FILE`";
const JTI: &str = "expected `jti:v1:KID:ID` or `jti:v2:KID:MINTER:ID`: KID and MINTER the ids of keys, 43 characters of `A-Z a-z 0-9 - _` \
                   (MINTER `none` where nobody signed), ID 1 to 128 of these characters";
const IS_TOKEN: &str = "this is a magic token, which others see among the arguments: give it as `--token @FILE`, or `--token -`";

/// An entry, and the token that the entry was made from, if any.
#[derive(Debug)]
pub(super) struct NamedEntry {
    pub(super) revoked: RevokedThing,
    pub(super) token: Option<GivenToken>,
}

/// A token from a file or from standard input.
pub(super) struct GivenToken {
    /// The argument: `@FILE`, or `-`.
    pub(super) argument: String,
    pub(super) text: Zeroizing<String>,
    /// The end of the token, or of its family, by the claims.
    pub(super) end: Option<UnixTime>,
    /// The end of a sealed token's family. Absent for a version 1 token: a copy can claim another
    /// end than the genuine token.
    pub(super) bound_end: Option<UnixTime>,
}

impl std::fmt::Debug for GivenToken {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("GivenToken")
            .field("argument", &self.argument)
            .finish_non_exhaustive()
    }
}

/// Reads all entries named by the arguments, each once; or returns all faults of the arguments.
pub(super) fn all(
    args: &RevokeArgs,
    environment: &Environment,
) -> Result<Vec<NamedEntry>, Failure> {
    let mut faults = Vec::new();
    let mut all = Vec::new();
    let of_kinds = [("chain", &args.chains), ("owner", &args.owners), ("kid", &args.key_ids)];
    let flags =
        of_kinds.into_iter().flat_map(|(kind, ids)| ids.iter().map(move |id| of_kind(kind, id)));
    let before = args.before.iter().map(|moment| of_kind("before", moment));
    for read in args.ids.iter().map(|id| typed(id)).chain(flags).chain(before) {
        match read.and_then(|revoked| meant(revoked, args)) {
            Ok(revoked) => all.push(NamedEntry { revoked, token: None }),
            Err(fault) => faults.push(fault),
        }
    }
    // Before the checks of flags: nobody knows the entry that a faulty argument meant.
    if !faults.is_empty() {
        return Err(Failure::Usage(faults));
    }
    if args.whole_family
        && args.tokens.is_empty()
        && !all.iter().any(|named| is_family(&named.revoked))
    {
        faults.push("--whole-family: there is no --owner, `jti:…` or --token beside it".to_owned());
    }
    if args.ambiguous_id && !all.iter().any(|named| is_ambiguous(&named.revoked)) {
        faults.push(
            "--ambiguous-id: there is no `jti:ID` or `jti:v2:KID:none:ID` beside it".to_owned(),
        );
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

/// Reads an id with its kind.
fn typed(argument: &str) -> Result<RevokedThing, String> {
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
    if Partition::parse(argument).is_some() {
        return Err(format!("`{argument}`: expected the kind before it: `owner:{argument}`"));
    }
    read.unwrap_or_else(|| Err(format!("`{}`: {KINDS}", masked(argument))))
}

/// Reads an id of a kind.
fn of_kind(kind: &str, value: &str) -> Result<RevokedThing, String> {
    let fault = |expected: &str| format!("`{}:{}`: {expected}", masked(kind), masked(value));
    if is_token(value) {
        return Err(IS_TOKEN.to_owned());
    }
    let expected = match kind {
        "before" => {
            return times::moment(value, clock::now())
                .map(RevokedThing::Before)
                .map_err(|expected| fault(&expected));
        }
        "chain" => {
            "expected 32 hexadecimal digits, as `magicproxy inspect` and the log show a token's chain"
        }
        "jti" if value.contains(':') => JTI,
        "jti" => "expected 1 to 128 characters of `A-Z a-z 0-9 - _`",
        "owner" => {
            "expected 64 hexadecimal digits, as `magicproxy inspect` and the log show a token's owner"
        }
        "kid" => {
            "expected the id of a key, 43 characters of `A-Z a-z 0-9 - _`, as `magicproxy keys list` shows it"
        }
        _ => return Err(fault(KINDS)),
    };
    RevokedThing::parse(&format!("{kind}:{value}"))
        .filter(|revoked| !revoked.means_nothing())
        .ok_or_else(|| fault(expected))
}

/// The beginnings of tokens: of version 1 without armour and with armour, of version 2 today and
/// before the first release.
const BEGINNINGS: [&str; 4] = ["eyJ", "mt1_", "mt2_", "mt2."];

/// True for the form of a token, or the beginning of the form: such a text is never an id.
fn is_token(text: &str) -> bool {
    let parts = text.split('.').count();
    parts > 2 && BEGINNINGS.iter().any(|beginning| text.starts_with(beginning))
        || UnverifiedToken::parse(text).is_ok()
}

/// True if a word of the text is a token.
pub(super) fn holds_token(text: &str) -> bool {
    let part_of_token = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    text.split(|c| !part_of_token(c)).any(is_token)
}

fn is_family(revoked: &RevokedThing) -> bool {
    matches!(revoked, RevokedThing::Id(_) | RevokedThing::Minted(_) | RevokedThing::Owner(_))
}

/// True if tokens of other people may have the same name.
fn is_ambiguous(revoked: &RevokedThing) -> bool {
    match revoked {
        RevokedThing::Id(_) => true,
        RevokedThing::Minted(minted) => !minted.is_proven(),
        RevokedThing::Chain(_)
        | RevokedThing::Owner(_)
        | RevokedThing::Key(_)
        | RevokedThing::Before(_) => false,
    }
}

/// Refuses entries probably not meant: a whole family, other people's tokens, and tokens yet to be
/// made need a flag, or are refused.
fn meant(revoked: RevokedThing, args: &RevokeArgs) -> Result<RevokedThing, String> {
    if args.undo {
        return Ok(revoked);
    }
    if let RevokedThing::Before(moment) = revoked {
        return times::ensure_past(moment, clock::now()).map(|()| revoked);
    }
    if is_ambiguous(&revoked) {
        return if args.ambiguous_id { Ok(revoked) } else { Err(ambiguous(&revoked)) };
    }
    if !is_family(&revoked) || args.whole_family {
        return Ok(revoked);
    }
    Err(format!(
        "`{}`: the token that was minted and all that were narrowed from it share this id, parent and siblings too: say \
         `--whole-family` to end them all; one of them is `chain:HEX` (`magicproxy inspect` and the log show it) or `--token @FILE`",
        revoked.shown()
    ))
}

fn ambiguous(revoked: &RevokedThing) -> String {
    let why = match revoked {
        RevokedThing::Id(_) => {
            "another minter, another key and the other version may have given this id to a token of other people; with who gave it, it is \
             `jti:v1:KID:ID` or `jti:v2:KID:MINTER:ID`"
        }
        _ => {
            "nobody signed it, and whoever has the public key may have written this id into a token of his own"
        }
    };
    format!(
        "`{}`: {why}: take `--chain HEX` or `--owner HEX`, which `magicproxy inspect` shows, and the log in the same line, or `--token \
         @FILE`; or say `--ambiguous-id` to end all tokens that are called so",
        revoked.shown()
    )
}

/// Reads a token into an entry for its chain, or for its family. The token need not be genuine.
fn of_token(
    argument: &str,
    args: &RevokeArgs,
    environment: &Environment,
) -> Result<NamedEntry, Failure> {
    let Some(text) = secret::from_reference(argument, environment) else {
        let file = Path::new(argument).exists().then(|| format!("`@{}`", harmless(argument)));
        return Err(Failure::usage(format!(
            "--token: expected {}, `-` or `env:NAME`: others see arguments",
            file.as_deref().unwrap_or("`@FILE`")
        )));
    };
    let text = text.and_then(|text| secret::without_armour(&text)).context("--token")?;
    let expected = || format!("--token {}: expected a magic token", harmless(argument));
    let parsed = UnverifiedToken::parse(&text).with_context(expected)?;
    let chain = parsed.chain().with_context(expected)?;
    // Never the older chains named by the token: whoever narrowed the token may have written any
    // chain there.
    let id = if args.whole_family { chain.root() } else { chain.id() };
    let bound_end = match &parsed {
        UnverifiedToken::V1(_) => None,
        UnverifiedToken::V2(token) => Some(token.claims().exp),
    };
    drop(parsed);
    let claims = Claims::of(&text).ok();
    // The token's parents live on until the end in the claims.
    let end = claims
        .and_then(|claims| if args.whole_family { claims.minted_until() } else { claims.end() });
    Ok(NamedEntry {
        revoked: RevokedThing::Chain(id),
        token: Some(GivenToken { argument: harmless(argument), text, end, bound_end }),
    })
}
