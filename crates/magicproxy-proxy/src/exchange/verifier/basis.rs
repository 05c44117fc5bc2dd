//! The settings on which verified tokens depend, apart from all others: verified tokens are kept
//! over a change of the configuration exactly as long as these settings stay equal.

use std::sync::Arc;

use magicproxy_core::{
    Acceptance, PatternMode, Scopes, UnixTime, UnnamedTokens, UpstreamName, VerifyContext,
};

use crate::admission::MinterTrust;
use crate::credential::carriers::Carriers;
use crate::settings::{CredentialCarrier, HttpMint, UpstreamSettings};

/// Everything of the configuration that a cached token holds a consequence of.
///
/// INVARIANT: a verifier holds its basis and no other settings, so that a cached token cannot depend
/// on a setting that is not compared here. What else a decision asks (the ceiling, the readings of
/// paths, plugins, the rules of a scope's upstream) comes with each request from the gate, which is
/// made anew with every configuration.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TokenBasis {
    /// The name and the alias, by which a token is at home at the upstream: the payer of a
    /// verification depends on them.
    name: UpstreamName,
    alias: Option<UpstreamName>,
    unnamed: UnnamedTokens,
    /// Decides whether strangers can mint tokens of the proxy's own key, and so who pays.
    http_mint: HttpMint,
    /// The scopes whose compiled rules a verified token holds.
    scopes: Arc<Scopes>,
    patterns: PatternMode,
    /// Versions, minters, denied keys, `require_sub` and the longest life: checked at verification
    /// alone.
    acceptance: Acceptance,
    /// The place of the credential, which is kept as it is sent.
    credential: CredentialCarrier,
    /// The carriers of all upstreams: a minter may choose a place for the credential among them, and
    /// not where tokens of another upstream stand.
    carriers: Carriers,
}

impl TokenBasis {
    /// Collects the basis out of the upstream's settings; `carriers` are the upstream's.
    pub(crate) fn of(upstream: &UpstreamSettings, carriers: &Carriers) -> Self {
        Self {
            name: upstream.name.clone(),
            alias: upstream.alias.clone(),
            unnamed: upstream.unnamed,
            http_mint: upstream.http_mint,
            scopes: Arc::clone(&upstream.scopes),
            patterns: upstream.patterns,
            acceptance: upstream.acceptance.clone(),
            credential: upstream.credential.clone(),
            carriers: carriers.clone(),
        }
    }

    /// Returns the trust in the minter of a token that names the upstream `named` and is of this
    /// provenance. A token for another upstream is treated as a stranger's: where that upstream
    /// mints over HTTP, strangers have tokens of version 1 of the same key.
    pub(super) fn trust_in(
        &self,
        named: Option<&UpstreamName>,
        provenance: magicproxy_core::Provenance,
    ) -> MinterTrust {
        let is_home = named.map_or(self.unnamed == UnnamedTokens::Accept, |named| {
            *named == self.name || self.alias.as_ref() == Some(named)
        });
        if is_home { MinterTrust::of(provenance, self.http_mint) } else { MinterTrust::Stranger }
    }

    pub(super) fn name(&self) -> &UpstreamName {
        &self.name
    }

    pub(super) fn context(&self, now: UnixTime) -> VerifyContext<'_> {
        VerifyContext {
            now,
            scopes: &self.scopes,
            patterns: self.patterns,
            acceptance: &self.acceptance,
        }
    }

    pub(super) fn credential(&self) -> &CredentialCarrier {
        &self.credential
    }

    pub(super) fn carriers(&self) -> &Carriers {
        &self.carriers
    }
}
