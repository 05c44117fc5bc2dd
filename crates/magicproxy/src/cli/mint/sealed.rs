//! `mint --to`: makes a version 2 token with a proxy's public key. The credential leaves this
//! process in no other form.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use magicproxy_core::token::MAX_SEALED_LIFETIME_SECONDS;
use magicproxy_core::{
    AcceptedTokens, Caveat, Credential, CredentialField, CredentialPlace, Kem, MintRequest,
    MinterSigningKey, PatternMode, Rule, RuleSource, ScopeName, SealedTokenPlan, SealedTokenSpec,
    SealingPublicKey, TypedCredential, UnixTime, UpstreamName,
};
use magicproxy_proxy::clock;
use magicproxy_proxy::settings::MintSettings;
use zeroize::Zeroizing;

use super::{MintDraft, warn};
use crate::cli::asking::AskingArgs;
use crate::cli::pinned::{PinnedProxy, Refresh};
use crate::cli::{narrow, pinned, secret, upstream_name};
use crate::ground::failure::Failure;
use crate::ground::output::{note, remark};
use magicproxy_config::ground::environment::Environment;
use magicproxy_config::ground::text::harmless;

/// The flags of sealed tokens only.
#[derive(Debug, Args)]
pub(crate) struct SealedArgs {
    /// How the seal is made: `x25519`, or `x-wing` for credentials that must outlive today's
    /// cryptography
    #[arg(long, value_name = "KEM", requires = "to", value_parser = kem)]
    kem: Option<Kem>,
    /// Where the credential goes: `bearer`, `basic` (it is `user:password`) or `header:NAME`;
    /// `json` reads the form of the specification [default: where the proxy's operator says]
    #[arg(long, value_name = "PLACE", requires = "to")]
    credential_as: Option<String>,
    /// JWK file of the minter's signing key, which makes known who mints
    #[arg(long, value_name = "FILE", requires = "to")]
    minter_key: Option<PathBuf>,
    /// Pin the keys that the proxy has now, even where the pinned key did not sign for them
    #[arg(long, requires = "to")]
    refresh: bool,
}

/// The target of the sealing, and the flags for its proxy.
pub(super) struct SealingTarget<'a> {
    /// A file, or the URL of a proxy.
    pub(super) to: &'a str,
    pub(super) args: &'a SealedArgs,
    pub(super) asking: &'a AskingArgs,
}

impl SealingTarget<'_> {
    /// True for a proxy that can be asked; false for a file.
    fn asks_proxy(&self) -> bool {
        self.to.starts_with("http://") || self.to.starts_with("https://")
    }

    /// Finds the key, the proxy's name of the upstream, and the tokens accepted by the proxy.
    fn recipient(
        &self,
        aud: Option<&str>,
        environment: &Environment,
    ) -> Result<Recipient, Failure> {
        let kem = self.args.kem;
        if !self.asks_proxy() {
            return Ok(Recipient::of(
                pinned::of_file(self.to, kem)?,
                upstream_name::unchecked(aud)?,
            ));
        }
        let peer = self.asking.peer(self.to)?;
        let refresh = if self.args.refresh { Refresh::Replace } else { Refresh::Follow };
        let found = PinnedProxy { peer: &peer, refresh }.key(kem, environment)?;
        let Some(fault) = &found.unreachable else {
            return Ok(Recipient::of(found, upstream_name::at_proxy(&peer, aud)?));
        };
        note(&format!("warning: {fault}; sealing to the pinned key {}", found.key.id()));
        Ok(Recipient::of(found, upstream_name::unchecked(aud)?))
    }
}

/// The recipient of a sealed token.
struct Recipient {
    key: SealingPublicKey,
    upstream: UpstreamName,
    /// The tokens accepted by some upstream, and by this upstream, as far as the proxy tells.
    accepts: Vec<AcceptedTokens>,
    /// True if the upstream tells that it lists no minters, and so knows no signature.
    is_for_anyone: bool,
}

impl Recipient {
    fn of(found: pinned::FoundKey, named: upstream_name::NamedUpstream) -> Self {
        let is_for_anyone = named.accepts.as_ref().is_some_and(|accepts| accepts.minters.is_none());
        let accepts = found.accepts.into_iter().chain(named.accepts).collect();
        Self { key: found.key, upstream: named.name, accepts, is_for_anyone }
    }

    /// Returns the lifetime, in seconds, of a token whose mint request has none.
    fn default_lifetime(&self) -> u64 {
        let usual = MintSettings::default().default_lifetime.as_secs();
        self.accepts.iter().map(|accepts| accepts.max_lifetime).fold(usual, u64::min)
    }

    /// Refuses to mint a token that the proxy would refuse.
    fn ensure_accepted(
        &self,
        minter: Option<&MinterSigningKey>,
        lifetime: u64,
    ) -> Result<(), Failure> {
        let mint_request = SealedTokenPlan {
            kem: self.key.kem(),
            minter: minter.map(|key| key.id().as_str()),
            lifetime,
        };
        for accepts in &self.accepts {
            accepts.ensure(&mint_request).map_err(|refused| {
                Failure::usage(format!("nothing was minted for `{}`: {refused}", self.upstream))
            })?;
        }
        if self.is_for_anyone && minter.is_some() {
            let message = "no minters are listed there, and what one of them signed is refused: leave `--minter-key` out";
            return Err(Failure::usage(format!(
                "nothing was minted for `{}`: {message}",
                self.upstream
            )));
        }
        if self.accepts.is_empty() && lifetime > MAX_SEALED_LIFETIME_SECONDS {
            note(
                "warning: most proxies refuse sealed tokens that live longer than 366 days (`tokens.max_lifetime`)",
            );
        }
        Ok(())
    }
}

pub(super) fn mint(
    sealing: &SealingTarget<'_>,
    draft: MintDraft,
    environment: &Environment,
) -> Result<Zeroizing<String>, Failure> {
    let args = sealing.args;
    let now = clock::now();
    let MintRequest {
        token, allowed, scopes, expires_in, aud, explain, limit, sub: subject, ..
    } = draft.mint_request;
    let mut faults = draft.faults;
    let source = source(allowed, scopes).map_err(|found| faults.extend(found)).ok();
    let credential =
        credential(token, args.credential_as.as_deref()).map_err(|fault| faults.push(fault)).ok();
    match aud.as_deref() {
        Some(aud) if UpstreamName::parse(aud).is_none() => faults.push(upstream_name::no_name(aud)),
        None if !sealing.asks_proxy() => faults.push(upstream_name::NEEDED.to_owned()),
        _ => {}
    }
    let (Some(source), Some(credential), true) = (source, credential, faults.is_empty()) else {
        return Err(Failure::Usage(faults));
    };
    let minter = args.minter_key.as_ref().map(|path| {
        let text = secret::whole_file(path)?;
        MinterSigningKey::from_json(&text).with_context(|| format!("`{}`", path.display()))
    });
    let minter = minter.transpose().context("--minter-key")?;
    let recipient = sealing.recipient(aud.as_deref(), environment)?;
    let key = &recipient.key;
    remark(&format!("using the key {} ({}) of {}", key.id(), key.kem(), harmless(sealing.to)));
    if let Some(path) = &args.minter_key {
        remark(&format!("using the minter key of {}", harmless(&path.to_string_lossy())));
    }
    let lifetime = expires_in.unwrap_or_else(|| recipient.default_lifetime());
    recipient.ensure_accepted(minter.as_ref(), lifetime)?;
    if minter.is_none() && (limit.is_some() || keeps_rows(&source)) {
        note(narrow::NEEDS_MINTER);
    }
    warn(credential.weakness());
    let minted = key.mint(&SealedTokenSpec {
        credential,
        source,
        upstream: recipient.upstream.clone(),
        issued_at: now,
        expires_at: UnixTime(now.0.saturating_add(lifetime)),
        not_before: None,
        subject,
        explain,
        minter: minter.as_ref(),
    });
    let token = minted.context("nothing was minted")?.token;
    let Some(limit) = limit else { return Ok(token) };
    // The limit becomes the first caveat, as in a token of version 1.
    Ok(Caveat { limit: Some(limit), ..Caveat::default() }
        .append_to(&token)
        .context("nothing was minted")?)
}

/// True if a store would keep something for one of the rules.
fn keeps_rows(source: &RuleSource) -> bool {
    match source {
        RuleSource::Rules(rules) => {
            rules.iter().filter_map(Rule::state).any(|state| state.keeps_rows())
        }
        RuleSource::Scopes(_) | RuleSource::GuardedScopes(_) => false,
    }
}

fn source(
    allowed: Option<Vec<magicproxy_core::RawRule>>,
    scopes: Option<Vec<String>>,
) -> Result<RuleSource, Vec<String>> {
    match (allowed, scopes) {
        (Some(rules), None) => {
            let rules = Rule::parse_new_list(&rules, PatternMode::Whole);
            rules
                .inspect(|rules| narrow::warn_of_vain(rules))
                .map(RuleSource::Rules)
                .map_err(|faults| faults.iter().map(|fault| format!("--allow: {fault}")).collect())
        }
        (None, Some(names)) => {
            let parse = |name: &String| {
                ScopeName::parse(name)
                    .ok_or_else(|| vec![format!("--scope `{}`: this is no name", harmless(name))])
            };
            names.iter().map(parse).collect::<Result<_, _>>().map(RuleSource::Scopes)
        }
        _ => Err(vec!["exactly one of --allow (rules) and --scope (names) is needed".to_owned()]),
    }
}

fn credential(text: Zeroizing<String>, place: Option<&str>) -> Result<TypedCredential, String> {
    let say = |error: &dyn std::fmt::Display| format!("credential: {error}");
    let place = match place {
        None => {
            return Credential::parse_new(&text)
                .map(TypedCredential::Configured)
                .map_err(|error| say(&error));
        }
        Some("json") => {
            return TypedCredential::from_new_json(text.trim().as_bytes())
                .map_err(|error| say(&error));
        }
        Some("bearer") => CredentialPlace::Bearer,
        Some("basic") if text.contains(':') => CredentialPlace::Basic,
        Some("basic") => return Err("credential: expected `user:password`".to_owned()),
        Some(other) => match other.strip_prefix("header:").and_then(CredentialPlace::header) {
            Some(place) => place,
            None => {
                return Err(format!(
                    "--credential-as `{}`: expected bearer, basic, header:NAME or json",
                    harmless(other)
                ));
            }
        },
    };
    let credential = Credential::parse_new(&text).map_err(|error| say(&error))?;
    Ok(TypedCredential::Fields(vec![CredentialField { place, credential }]))
}

fn kem(name: &str) -> Result<Kem, String> {
    Kem::parse(name).ok_or_else(|| "expected `x25519` or `x-wing`".to_owned())
}
