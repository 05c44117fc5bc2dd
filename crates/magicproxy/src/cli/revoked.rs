//! Revocations, as commands that work with the keys at hand look at them: no token is made, and no
//! key is given out, that a running proxy would refuse.

use anyhow::anyhow;
use magicproxy_core::{KeyId, KeyRing, UnixTime, UnverifiedNames, UnverifiedToken};
use magicproxy_proxy::clock;
use magicproxy_proxy::services::{MintSuspension, RevocationList};

use crate::ground::output::remark;
use crate::runtime::revocations::{RevocationFile, in_force};
use magicproxy_config::config::state::RevocationSettings;
use magicproxy_config::ground::text::harmless;

/// Reads the revocations in force from their file. A store that proxies share is not asked.
pub(super) fn in_force_here(settings: &RevocationSettings) -> anyhow::Result<RevocationList> {
    let Some(file) = settings.file.clone() else {
        remark(
            "not checked: revocations, which are in the state store, where running proxies read them",
        );
        return Ok(RevocationList::default());
    };
    Ok(in_force(&RevocationFile(file).read()?, clock::now()))
}

/// Refuses to mint with a key whose new tokens would be revoked.
pub(super) fn ensure_mintable(
    list: &RevocationList,
    key: &KeyId,
    now: UnixTime,
) -> anyhow::Result<()> {
    list.ensure_mintable(key, now).map_err(|MintSuspension { after }| match after {
        Some(after) => anyhow!(
            "nothing was minted: all tokens that are minted in the next {} s are revoked (`magicproxy revoke --list`)",
            after.as_secs()
        ),
        None => anyhow!("nothing was minted: {}", revoked(key)),
    })
}

/// Refuses to give out the public half of a revoked key.
pub(super) fn ensure_key_lives(list: &RevocationList, key: &KeyId) -> anyhow::Result<()> {
    if list.keys.contains(key.as_str()) {
        return Err(anyhow!("nothing is exported: {}", revoked(key)));
    }
    Ok(())
}

/// Refuses to make a token of a revoked token.
pub(super) fn ensure_token_lives(
    list: &RevocationList,
    token: &UnverifiedToken<'_>,
    ring: &KeyRing,
) -> anyhow::Result<()> {
    let names = UnverifiedNames::of(token, Some(ring));
    if names.is_none_or(|names| list.refuses(&names.names())) {
        return Err(anyhow!(
            "token: it has been revoked (`magicproxy inspect` says by which entry)"
        ));
    }
    Ok(())
}

/// Refuses to hand out a token that was made for a revoked key.
pub(super) fn ensure_made_live(list: &RevocationList, made: &str) -> anyhow::Result<()> {
    list.ensure_made_live(made).map_err(|MintSuspension { .. }| {
        let made = UnverifiedToken::parse(made).ok();
        let kid = made.as_ref().and_then(UnverifiedToken::kid).unwrap_or_default();
        anyhow!("nothing was sealed anew: {}", revoked(harmless(kid)))
    })
}

fn revoked(key: impl std::fmt::Display) -> String {
    format!(
        "the active key `{key}` is revoked, and all of its tokens are refused: `magicproxy keys rotate` makes another"
    )
}
