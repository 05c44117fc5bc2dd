//! The section `[mint]`: lifetimes of minted tokens, and the policy. The clients that may mint are
//! decided for each upstream: [`tokens`](super::tokens).

use magicproxy_proxy::settings::{Announcement, MintSettings};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::{Checker, said};
use super::duration::DurationText;
use super::setting::{choices, section};
use crate::ground::fault::Origin;

section! {
    /// The clients that may mint, and the lifetimes of their tokens.
    RawMint {
        /// The clients that may mint over HTTP.
        policy: MintPolicy = MintPolicy::Open,
        /// The lifetime of a token if the mint request names none.
        default_lifetime: DurationText = DurationText::of(MintSettings::default().default_lifetime),
        /// The longest lifetime that a mint request may name.
        max_lifetime: DurationText = DurationText::of(MintSettings::default().max_lifetime),
        /// The upstreams that clients without a token are told about.
        announce: AnnounceChoice = AnnounceChoice::default(),
    }
}

/// The clients that may mint over HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MintPolicy {
    /// Any client that brings a credential.
    Open,
    /// Nobody. `magicproxy mint` still works beside the keys.
    Closed,
}

/// The upstreams that clients without a token are told about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AnnounceChoice {
    /// The API at the root of the proxy, and nothing else.
    #[default]
    Root,
    /// All upstreams with their names, mounts and API roots, and the names of scopes.
    All,
}

choices!(MintPolicy, AnnounceChoice);

impl Checker<'_> {
    /// Checks the settings of minting.
    pub(super) fn minting(&mut self, raw: &RawMint) -> MintSettings {
        let defaults = MintSettings::default();
        let minting = MintSettings {
            default_lifetime: self
                .whole_seconds("mint.default_lifetime", &raw.default_lifetime)
                .unwrap_or(defaults.default_lifetime),
            max_lifetime: self
                .whole_seconds("mint.max_lifetime", &raw.max_lifetime)
                .unwrap_or(defaults.max_lifetime),
            announce: match said(&raw.announce) {
                AnnounceChoice::Root => Announcement::Root,
                AnnounceChoice::All => Announcement::All,
            },
        };
        let said = raw.default_lifetime.given().filter(|given| given.origin != Origin::Default);
        if let Some(given) = said.filter(|_| minting.default_lifetime > minting.max_lifetime) {
            self.fault(
                format!("mint.default_lifetime `{}`: longer than mint.max_lifetime", given.value.0),
                &given.origin,
            );
        }
        minting
    }
}
