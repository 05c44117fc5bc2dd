//! The header and the claims of a version 1 token, read strictly. `token-v1.md` sections 1, 2 and 4.

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

/// The JOSE header. Every other member is refused by its presence.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    pub(super) typ: String,
    pub(super) alg: String,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(super) kid: Option<String>,
}

/// The claims as they stand in the token.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Claims {
    pub(super) iat: u64,
    pub(super) exp: u64,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(super) nbf: Option<u64>,
    // INVARIANT: exactly one of `token` and `sealed` is there: `from_json` refuses other claims, and minting writes one.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(super) token: Option<String>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(super) sealed: Option<String>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(super) allowed: Option<Vec<RawRule>>,
    // The Python program writes null where it has none, and expects the member.
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
    /// The token's `jti`, or a digest where it has none: what logs call it. The digest is of what narrowing leaves as it is, so
    /// that all copies of one token have one name.
    pub(super) fn id(&self) -> String {
        self.jti.clone().unwrap_or_else(|| digest_of(self.ciphertext()))
    }

    /// The chain. Whoever holds another key can copy a `jti`, so its root is the sealed credential's.
    pub(super) fn chain(&self) -> Chain {
        Chain::of_signed(self.ciphertext(), self.caveats.as_deref().unwrap_or_default())
    }

    /// Whom what the token makes belongs to. `state.md` section 1.
    pub(super) fn owner(&self) -> Partition {
        signed_owner(self.ciphertext())
    }

    /// Reads claims.
    ///
    /// # Errors
    /// [`ClaimsFault`].
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

    /// Checks how each rule is written (`state.md` section 2.4), and each caveat, of which there are one to sixteen.
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

    /// Checks what the types of the other members do not.
    fn check_members(&self) -> Result<(), ClaimsFault> {
        if self.token.is_some() == self.sealed.is_some() {
            return Err(ClaimsFault::Credential);
        }
        if self.jti.as_deref().is_some_and(|id| !is_token_id(id)) {
            return Err(ClaimsFault::TokenId);
        }
        if self.aud.as_deref().is_some_and(|name| UpstreamName::parse(name).is_none()) {
            return Err(ClaimsFault::Upstream);
        }
        if self.allowed.is_some() != self.scopes.as_ref().is_none_or(Vec::is_empty) {
            return Err(ClaimsFault::Grant);
        }
        if self.scopes.as_ref().is_some_and(|names| names.len() > MAX_RULES) {
            return Err(ClaimsFault::TooManyScopes);
        }
        if self.allowed.iter().flatten().any(RawRule::is_the_operators) {
            return Err(ClaimsFault::OperatorsMember);
        }
        Ok(())
    }

    /// The sealed credential, from either member.
    pub(super) fn ciphertext(&self) -> &str {
        self.token.as_deref().or(self.sealed.as_deref()).unwrap_or_default()
    }

    /// The claims with another ciphertext, in the same member.
    pub(super) fn with_ciphertext(mut self, ciphertext: String) -> Self {
        let member = if self.sealed.is_some() { &mut self.sealed } else { &mut self.token };
        *member = Some(ciphertext);
        self
    }

    /// The claims with the ciphertext in `sealed`, where the Python program does not look for it.
    pub(super) fn hidden_from_python(mut self) -> Self {
        self.sealed = self.sealed.or(self.token.take());
        self
    }

    /// Restrictions that the Python program would pass over. `token-v1.md` section 5.2.
    fn restrict_unseen(&self) -> bool {
        let reads_otherwise = |rule: &RawRule| match rule {
            RawRule::Text(text) => names_class(text),
            RawRule::Object(_) | RawRule::Plugin(_) => true,
        };
        self.caveats.is_some()
            || self.nbf.is_some()
            || self.allowed.iter().flatten().any(reads_otherwise)
    }

    /// The claims as they are signed: whatever made them, the Python program opens no token whose restrictions it does not know.
    pub(super) fn into_signed(self) -> Self {
        if self.restrict_unseen() { self.hidden_from_python() } else { self }
    }
}

/// Is there a named class in it? `[[:alpha:]]` is another one in Python: that of `[:alph`, with `]` behind it.
fn names_class(rule: &str) -> bool {
    let is_class = |name: &str| {
        name.trim_start_matches('^').trim_start_matches(char::is_alphabetic).starts_with(":]")
    };
    rule.split("[:").skip(1).any(is_class)
}

/// Is the rule a text of one method and a pattern, or an object that says what such a text cannot?
fn is_written_as_claimed(rule: &RawRule) -> bool {
    match rule {
        RawRule::Text(_) => rule.to_object_form().is_none(),
        RawRule::Object(_) => !rule.is_plain() && rule.to_object_form().is_none(),
        RawRule::Plugin(_) => false,
    }
}

/// Caveats, for each of which no list stands.
fn caveats<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<Caveat>>, D::Error> {
    #[derive(Deserialize)]
    struct Object(#[serde(deserialize_with = "json::inner_object")] Caveat);
    let caveats: Vec<Object> = Vec::deserialize(deserializer)?;
    Ok(Some(caveats.into_iter().map(|Object(caveat)| caveat).collect()))
}

/// A token whose form was checked and nothing else: nothing in it may be believed.
#[derive(Debug)]
pub enum UnverifiedToken<'t> {
    /// Version 1.
    V1(SignedToken<'t>),
    /// Version 2.
    V2(Box<SealedToken<'t>>),
}

impl<'t> UnverifiedToken<'t> {
    /// Checks the form of either version.
    ///
    /// # Errors
    /// [`VerifyError::Malformed`], [`VerifyError::TooLong`], [`VerifyError::Header`], [`VerifyError::Claims`].
    pub fn parse(text: &'t str) -> Result<Self, VerifyError> {
        if text.starts_with(VERSION) {
            return SealedToken::parse(text).map(|token| Self::V2(Box::new(token)));
        }
        SignedToken::parse(text).map(Self::V1)
    }

    /// The key that the token says it was signed by or sealed to.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        match self {
            Self::V1(token) => token.kid(),
            Self::V2(token) => Some(&token.claims().kid),
        }
    }

    /// Whom what it makes would belong to, were it genuine. `state.md` section 1.
    #[must_use]
    pub fn owner(&self) -> Option<Partition> {
        match self {
            Self::V1(token) => Some(token.claims().ok()?.owner()),
            Self::V2(token) => Some(token.owner()),
        }
    }

    /// What logs would call it, were it genuine: its `jti`, or a digest of one without.
    #[must_use]
    pub fn id(&self) -> Option<String> {
        match self {
            Self::V1(token) => token.claims().ok().map(|claims| claims.id()),
            Self::V2(token) => Some(token.claims().jti.clone()),
        }
    }

    /// What its chain of caveats would be called, were it genuine: no more than a holder could compute. `state-store.md` section 7.
    #[must_use]
    pub fn chain(&self) -> Option<Chain> {
        match self {
            Self::V1(token) => token.claims().ok().map(|claims| claims.chain()),
            Self::V2(token) => Some(token.chain()),
        }
    }

    /// The upstream that it says it is for; nothing inside where it names none, nothing at all where it cannot be read.
    #[must_use]
    pub fn audience(&self) -> Option<Option<String>> {
        match self {
            Self::V1(token) => Some(token.claims().ok()?.aud),
            Self::V2(token) => Some(Some(token.claims().aud.as_str().to_owned())),
        }
    }

    /// The claims as JSON, for one who wants to look at a token without believing it; without the sealed credential.
    #[must_use]
    pub fn claims_for_display(&self) -> Option<serde_json::Value> {
        match self {
            Self::V1(token) => token.claims_for_display(),
            Self::V2(token) => serde_json::to_value(token.claims()).ok(),
        }
    }
}

/// A version 1 token whose form was checked and nothing else.
pub struct SignedToken<'t> {
    pub(super) header: Header,
    pub(super) signed: &'t str,
    payload: &'t str,
    pub(super) signature: Vec<u8>,
}

impl<'t> SignedToken<'t> {
    /// Checks the form: three parts of strict base64url, a header that names our algorithm and no surprises.
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

    /// The key that the token says it was signed by.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.header.kid.as_deref()
    }

    /// The claims as JSON text, for one who wants to look at a token without believing it; without the sealed credential.
    #[must_use]
    pub fn claims_for_display(&self) -> Option<serde_json::Value> {
        let UniqueValue(mut claims) =
            serde_json::from_slice(&from_base64url(self.payload)?).ok()?;
        let members = claims.as_object_mut()?;
        members.remove("token");
        members.remove("sealed");
        Some(claims)
    }

    /// The claims of a token that the proxy makes of this one: the same, with the id written down.
    pub(super) fn claims_to_keep(&self) -> Result<Claims, VerifyError> {
        let mut claims = self.claims()?;
        claims.jti = Some(claims.id());
        Ok(claims)
    }

    /// The claims. Call this only after the signature was verified.
    pub(super) fn claims(&self) -> Result<Claims, VerifyError> {
        let payload = from_base64url(self.payload).ok_or(VerifyError::Malformed)?;
        Ok(Claims::from_json(&payload)?)
    }
}

/// What to call a token that has no `jti`, by its sealed credential.
fn digest_of(text: &str) -> String {
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    base64url(digest.as_ref().get(..16).unwrap_or_default())
}

/// Of a version 1 token: by its sealed credential, in whichever member, which is fresh in each minted token. `state.md` section 1.
pub(super) fn signed_owner(sealed: &str) -> Partition {
    Partition::of(&[b"token", b"v1", sealed.as_bytes()])
}

/// The whole token is its holder's secret.
impl std::fmt::Debug for SignedToken<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("SignedToken").field("header", &self.header).finish_non_exhaustive()
    }
}
