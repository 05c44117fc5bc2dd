//! The header and the claims of a version 1 token, read strictly. `token-v1.md` sections 1, 2 and
//! 4.

use aws_lc_rs::digest;
use serde::{Deserialize, Deserializer, Serialize};

use super::caveat::{Caveat, MAX_CAVEATS};
use super::chain::Chain;
use super::claims_fault::{ClaimsFault, Times};
use super::label::{Label, present_subject};
use super::mint_request::CLAIMS;
use super::sealed::{SealedToken, VERSION};
use super::verify::VerifyError;
use crate::encoding::{base64url, from_base64url};
use crate::json::{self, UniqueValue, present};
use crate::rule::{MAX_RULES, RawRule};
use crate::state::Partition;
use crate::time::UnixTime;
use crate::token::{MAX_TOKEN_BYTES, is_token_id};
use crate::upstream_name::UpstreamName;

/// The JOSE header. A token with any other header member is refused.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    pub(super) typ: String,
    pub(super) alg: String,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(super) kid: Option<String>,
}

/// The claims of a version 1 token as written, not yet checked against the proxy's configuration.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Claims {
    pub(super) iat: u64,
    pub(super) exp: u64,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(super) nbf: Option<u64>,
    // INVARIANT: exactly one of `token` and `sealed` is present: `from_json` refuses other claims,
    // and minting writes one.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(super) token: Option<String>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(super) sealed: Option<String>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(super) allowed: Option<Vec<RawRule>>,
    // The Python program needs the member, and writes null for a token without scopes.
    #[serde(default)]
    pub(super) scopes: Option<Vec<String>>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(super) jti: Option<String>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(super) aud: Option<String>,
    #[serde(
        default,
        deserialize_with = "present_subject",
        skip_serializing_if = "Option::is_none"
    )]
    pub(super) sub: Option<Label>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) explain: bool,
    #[serde(default, deserialize_with = "caveats", skip_serializing_if = "Option::is_none")]
    pub(super) caveats: Option<Vec<Caveat>>,
}

impl Claims {
    /// Returns the token's name in logs: its `jti`, or a digest where the token has no `jti`. The
    /// digest covers only text that narrowing does not change, so that all copies of one token have
    /// the same name.
    pub(super) fn id(&self) -> String {
        self.jti.clone().unwrap_or_else(|| digest_of(self.ciphertext()))
    }

    /// Returns the chain. Its root is computed from the sealed credential, because a holder of
    /// another key of the ring can copy a `jti`.
    pub(super) fn chain(&self) -> Chain {
        Chain::of_signed(self.ciphertext(), self.caveats.as_deref().unwrap_or_default())
    }

    /// Returns the owner of everything that the token's requests create. `state.md` section 1.
    pub(super) fn owner(&self) -> Partition {
        signed_owner(self.ciphertext())
    }

    /// Reads and checks claims.
    ///
    /// # Errors
    /// [`ClaimsFault`], the first fault found.
    pub(super) fn from_json(json: &[u8]) -> Result<Self, ClaimsFault> {
        let claims: Self = CLAIMS.read(json)?;
        claims
            .check_lists()
            .map_err(|fault| CLAIMS.faults_of_read(json).map_or(fault, ClaimsFault::Form))?;
        claims.check_members()?;
        Times {
            iat: UnixTime(claims.iat),
            exp: UnixTime(claims.exp),
            nbf: claims.nbf.map(UnixTime),
        }
        .check()?;
        Ok(claims)
    }

    /// Checks the spelling of each rule (`state.md` section 2.4), and each caveat; a list of
    /// caveats has one to sixteen.
    fn check_lists(&self) -> Result<(), ClaimsFault> {
        if !self.allowed.iter().flatten().all(is_written_as_claimed) {
            return Err(ClaimsFault::PlainRule);
        }
        self.caveats
            .iter()
            .flatten()
            .try_for_each(|caveat| caveat.check().map_err(ClaimsFault::Caveat))?;
        let counted =
            self.caveats.as_ref().is_none_or(|caveats| (1..=MAX_CAVEATS).contains(&caveats.len()));
        if counted { Ok(()) } else { Err(ClaimsFault::CaveatCount) }
    }

    /// Checks the other members beyond their types.
    fn check_members(&self) -> Result<(), ClaimsFault> {
        if self.token.is_some() == self.sealed.is_some() {
            return Err(ClaimsFault::Credential);
        }
        if let Some(id) = &self.jti
            && !is_token_id(id)
        {
            return Err(ClaimsFault::TokenId);
        }
        if let Some(name) = &self.aud
            && UpstreamName::parse(name).is_none()
        {
            return Err(ClaimsFault::Upstream);
        }
        if self.allowed.is_some() != self.scopes.as_ref().is_none_or(Vec::is_empty) {
            return Err(ClaimsFault::RuleSource);
        }
        if let Some(names) = &self.scopes
            && names.len() > MAX_RULES
        {
            return Err(ClaimsFault::TooManyScopes);
        }
        if self.allowed.iter().flatten().any(RawRule::is_the_operators) {
            return Err(ClaimsFault::OperatorsMember);
        }
        Ok(())
    }

    /// Returns the sealed credential, from either member.
    pub(super) fn ciphertext(&self) -> &str {
        self.token.as_deref().or(self.sealed.as_deref()).unwrap_or_default()
    }

    /// Returns the claims with another ciphertext in the same member.
    pub(super) fn with_ciphertext(mut self, ciphertext: String) -> Self {
        let member = if self.sealed.is_some() { &mut self.sealed } else { &mut self.token };
        *member = Some(ciphertext);
        self
    }

    /// Returns the claims with the ciphertext in `sealed`, a member that the Python program does
    /// not read.
    pub(super) fn hidden_from_python(mut self) -> Self {
        self.sealed = self.sealed.or(self.token.take());
        self
    }

    /// True if the claims have restrictions that the Python program would ignore. `token-v1.md`
    /// section 5.2.
    fn restrict_unseen(&self) -> bool {
        let reads_otherwise = |rule: &RawRule| match rule {
            RawRule::Text(text) => names_class(text),
            RawRule::Object(_) | RawRule::Git(_) | RawRule::Plugin(_) => true,
        };
        self.caveats.is_some()
            || self.nbf.is_some()
            || self.allowed.iter().flatten().any(reads_otherwise)
    }

    /// Returns the claims in the form to sign. Claims with a restriction that the Python program
    /// does not know hide the credential from that program.
    pub(super) fn into_signed(self) -> Self {
        if self.restrict_unseen() { self.hidden_from_python() } else { self }
    }
}

/// True if the text contains a named class. Python reads `[[:alpha:]]` as another class: the set
/// `[:alph` with `]` behind it.
fn names_class(rule: &str) -> bool {
    let is_class = |name: &str| {
        name.trim_start_matches('^').trim_start_matches(char::is_alphabetic).starts_with(":]")
    };
    rule.split("[:").skip(1).any(is_class)
}

/// True if the rule is a text of one method and a pattern, or an object with members that no text
/// can express.
fn is_written_as_claimed(rule: &RawRule) -> bool {
    match rule {
        RawRule::Text(_) => rule.to_object_form().is_none(),
        RawRule::Object(_) => !rule.is_plain() && rule.to_object_form().is_none(),
        RawRule::Git(_) => true,
        RawRule::Plugin(_) => false,
    }
}

/// Reads a list of caveats, each written as a JSON object; `serde` alone would also accept a list
/// of member values.
fn caveats<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<Caveat>>, D::Error> {
    #[derive(Deserialize)]
    struct Object(#[serde(deserialize_with = "json::inner_object")] Caveat);
    let caveats: Vec<Object> = Vec::deserialize(deserializer)?;
    Ok(Some(caveats.into_iter().map(|Object(caveat)| caveat).collect()))
}

/// A token whose form alone was checked: nothing in it may be believed. The type serves to inspect
/// a token; only [`KeyRing::verify`](crate::KeyRing::verify) decides on acceptance.
#[derive(Debug)]
pub enum UnverifiedToken<'t> {
    /// A token of version 1.
    V1(SignedToken<'t>),
    /// A token of version 2.
    V2(Box<SealedToken<'t>>),
}

impl<'t> UnverifiedToken<'t> {
    /// Checks the form of a token of either version.
    ///
    /// # Errors
    /// [`VerifyError::Malformed`], [`VerifyError::TooLong`], [`VerifyError::Header`],
    /// [`VerifyError::Claims`].
    pub fn parse(text: &'t str) -> Result<Self, VerifyError> {
        if text.starts_with(VERSION) {
            return SealedToken::parse(text).map(|token| Self::V2(Box::new(token)));
        }
        SignedToken::parse(text).map(Self::V1)
    }

    /// Returns the id of the key that the token claims as its signing or sealing key.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        match self {
            Self::V1(token) => token.kid(),
            Self::V2(token) => Some(&token.claims().kid),
        }
    }

    /// Returns the owner that the token would have, were it genuine. `state.md` section 1.
    #[must_use]
    pub fn owner(&self) -> Option<Partition> {
        match self {
            Self::V1(token) => Some(token.claims().ok()?.owner()),
            Self::V2(token) => Some(token.owner()),
        }
    }

    /// Returns the name that logs would use, were the token genuine: its `jti`, or a digest without
    /// one.
    #[must_use]
    pub fn id(&self) -> Option<String> {
        match self {
            Self::V1(token) => token.claims().ok().map(|claims| claims.id()),
            Self::V2(token) => Some(token.claims().jti.clone()),
        }
    }

    /// Returns the chain that the token would have, were it genuine; any holder could compute the
    /// same. `state-store.md` section 7.
    #[must_use]
    pub fn chain(&self) -> Option<Chain> {
        match self {
            Self::V1(token) => token.claims().ok().map(|claims| claims.chain()),
            Self::V2(token) => Some(token.chain()),
        }
    }

    /// Returns the upstream that the token names: the inner `None` without a name, the outer `None`
    /// if the claims cannot be read.
    #[must_use]
    pub fn audience(&self) -> Option<Option<String>> {
        match self {
            Self::V1(token) => Some(token.claims().ok()?.aud),
            Self::V2(token) => Some(Some(token.claims().aud.as_str().to_owned())),
        }
    }

    /// Returns the claims as JSON without the sealed credential, for a person who inspects a token
    /// without believing it.
    #[must_use]
    pub fn claims_for_display(&self) -> Option<serde_json::Value> {
        match self {
            Self::V1(token) => token.claims_for_display(),
            Self::V2(token) => serde_json::to_value(token.claims()).ok(),
        }
    }
}

/// A version 1 token whose form alone was checked.
pub struct SignedToken<'t> {
    pub(super) header: Header,
    pub(super) signed: &'t str,
    payload: &'t str,
    pub(super) signature: Vec<u8>,
}

impl<'t> SignedToken<'t> {
    /// Checks the form: three parts of strict base64url, and a header with the expected algorithm
    /// and no unknown member.
    ///
    /// # Errors
    /// [`VerifyError::Malformed`], [`VerifyError::TooLong`], [`VerifyError::Header`].
    pub fn parse(text: &'t str) -> Result<Self, VerifyError> {
        if text.len() > MAX_TOKEN_BYTES {
            return Err(VerifyError::TooLong);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(VerifyError::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(VerifyError::Malformed)?;
        if payload.contains('.') {
            return Err(VerifyError::Malformed);
        }
        let signature = from_base64url(signature).ok_or(VerifyError::Malformed)?;
        let header = from_base64url(header).ok_or(VerifyError::Malformed)?;
        let header: Header = json::object(&header).map_err(|_| VerifyError::Header)?;
        if header.alg != "RS256" || header.typ != "JWT" {
            return Err(VerifyError::Header);
        }
        Ok(Self { header, signed, payload, signature })
    }

    /// Returns the id of the key by which the token claims to be signed.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.header.kid.as_deref()
    }

    /// Returns the claims as JSON without the sealed credential, for a person who inspects a token
    /// without believing it.
    #[must_use]
    pub fn claims_for_display(&self) -> Option<serde_json::Value> {
        let UniqueValue(mut claims) =
            serde_json::from_slice(&from_base64url(self.payload)?).ok()?;
        let members = claims.as_object_mut()?;
        members.remove("token");
        members.remove("sealed");
        Some(claims)
    }

    /// Returns the claims for a new token made from this token: unchanged, with the id as an
    /// explicit `jti`.
    pub(super) fn claims_to_keep(&self) -> Result<Claims, VerifyError> {
        let mut claims = self.claims()?;
        claims.jti = Some(claims.id());
        Ok(claims)
    }

    /// Returns the claims. Call this only after the signature was verified.
    pub(super) fn claims(&self) -> Result<Claims, VerifyError> {
        let payload = from_base64url(self.payload).ok_or(VerifyError::Malformed)?;
        Ok(Claims::from_json(&payload)?)
    }
}

/// Names a token without `jti` by a digest of its sealed credential.
fn digest_of(text: &str) -> String {
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    base64url(digest.as_ref().get(..16).unwrap_or_default())
}

/// Returns the owner of a version 1 token, from its sealed credential in either member. The sealed
/// credential is fresh in each minted token. `state.md` section 1.
pub(super) fn signed_owner(sealed: &str) -> Partition {
    Partition::of(&[b"token", b"v1", sealed.as_bytes()])
}

/// Shows the header only: the whole token is a secret of its holder.
impl std::fmt::Debug for SignedToken<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("SignedToken").field("header", &self.header).finish_non_exhaustive()
    }
}
