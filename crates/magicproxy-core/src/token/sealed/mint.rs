//! Minting a version 2 token with the proxy's public key, on any machine. `token-v2.md` sections 2
//! to 5.

use zeroize::Zeroizing;

use super::chain::Tag;
use super::{MAX_SEALED_TOKEN_BYTES, NarrowError, PREFIX, SealedClaims, SealedToken, part};
use crate::credential::TypedCredential;
use crate::key::{KeyError, MinterSigningKey, SealingKey, SealingPublicKey};
use crate::policy::{Policy, Work};
use crate::rule::RawRule;
use crate::time::UnixTime;
use crate::token::caveat::MAX_CAVEATS;
use crate::token::label::Label;
use crate::token::mint::random_id;
use crate::token::origin::Origin;
use crate::token::{MintError, MintedToken, ReissueError, RuleSource};
use crate::upstream_name::UpstreamName;

/// Bytes of the root key of a token's chain.
pub(super) const ROOT_KEY_BYTES: usize = 32;

/// Everything from which a version 2 token is minted. No operator's limits are checked here, since
/// minting needs only the public key; the proxy checks them in verification.
#[derive(Debug)]
pub struct SealedTokenSpec<'a> {
    /// The upstream's secret.
    pub credential: TypedCredential,
    /// The rules of the token. The minter cannot check that scopes exist; the proxy does.
    pub source: RuleSource,
    /// The upstream of the credential.
    pub upstream: UpstreamName,
    /// The time of minting.
    pub issued_at: UnixTime,
    /// The end of the token.
    pub expires_at: UnixTime,
    /// The start of the token's life, if later than now.
    pub not_before: Option<UnixTime>,
    /// The label of the person or program that gets the token.
    pub subject: Option<Label>,
    /// True if a refusal may tell the client the rule that would be needed.
    pub explain: bool,
    /// The key of the minter, where the operator lists minters.
    pub minter: Option<&'a MinterSigningKey>,
}

impl SealingPublicKey {
    /// Mints a token for the proxy that has the private half of this key.
    ///
    /// # Errors
    /// [`MintError`]. A token that every proxy would refuse is not minted.
    pub fn mint(&self, request: &SealedTokenSpec<'_>) -> Result<MintedToken, MintError> {
        let (allowed, scopes) = match &request.source {
            RuleSource::Rules(rules) => {
                Policy::check_brought(rules, &Work::unlimited())?;
                (Some(rules.iter().map(|rule| rule.raw().clone()).collect()), None)
            }
            RuleSource::Scopes(names) | RuleSource::GuardedScopes(names) => {
                (None, Some(names.iter().map(|name| name.as_str().to_owned()).collect()))
            }
        };
        let id = random_id()?;
        let claims = SealedClaims {
            kid: self.id().to_string(),
            kem: self.kem(),
            jti: id.clone(),
            iat: request.issued_at,
            exp: request.expires_at,
            nbf: request.not_before,
            aud: request.upstream.clone(),
            sub: request.subject.clone(),
            allowed,
            scopes,
            explain: request.explain,
            minter: request.minter.map(|key| key.id().to_string()),
        };
        let root_key = new_root_key()?;
        let credential = request.credential.to_json();
        let token =
            self.assemble(&claims, root_key.as_ref(), credential.as_bytes(), request.minter)?;
        let token = with_tag(&token, &Tag::first(root_key.as_ref(), &token));
        if token.len() > MAX_SEALED_TOKEN_BYTES {
            return Err(MintError::SealedTooLong(token.len()));
        }
        Ok(MintedToken { token, id })
    }

    /// Builds the token up to its caveats and its tag.
    fn assemble(
        &self,
        claims: &SealedClaims,
        root_key: &[u8],
        credential: &[u8],
        minter: Option<&MinterSigningKey>,
    ) -> Result<Zeroizing<String>, KeyError> {
        let claims = serde_json::to_string(claims).map_err(|_| KeyError::Operation)?;
        let mut token = Zeroizing::new(format!("{PREFIX}{}", part::of_json(&claims)));
        let mut plaintext = Zeroizing::new(Vec::with_capacity(ROOT_KEY_BYTES + credential.len()));
        plaintext.extend_from_slice(root_key);
        plaintext.extend_from_slice(credential);
        let sealed = self.seal(token.as_bytes(), &plaintext)?;
        append(&mut token, &part::of_bytes(&sealed));
        if let Some(minter) = minter {
            let signature = minter.sign(token.as_bytes());
            append(&mut token, &part::of_bytes(&signature));
        }
        Ok(token)
    }
}

impl SealedToken<'_> {
    /// Makes the same token for another key, under a new root key.
    pub(in crate::token) fn reseal(
        &self,
        from: &SealingKey,
        to: &SealingPublicKey,
        origin: Origin,
    ) -> Result<Zeroizing<String>, ReissueError> {
        let claims =
            SealedClaims { kid: to.id().to_string(), kem: to.kem(), ..self.claims.clone() };
        self.remade(&claims, (from, to), origin)
    }

    /// Makes a token of the same key for these rules, under a new root key.
    pub(in crate::token) fn receipt(
        &self,
        key: &SealingKey,
        rules: Vec<RawRule>,
        origin: Origin,
    ) -> Result<Zeroizing<String>, ReissueError> {
        let claims = SealedClaims { allowed: Some(rules), scopes: None, ..self.claims.clone() };
        self.remade(&claims, (key, key.public()), origin)
    }

    /// Makes a token with the same credential and caveats, and a further caveat that names this
    /// token: revoking this token ends the new token, too.
    fn remade(
        &self,
        claims: &SealedClaims,
        (from, to): (&SealingKey, &SealingPublicKey),
        origin: Origin,
    ) -> Result<Zeroizing<String>, ReissueError> {
        let plaintext =
            from.open(self.bound.as_bytes(), &self.sealed).ok_or(KeyError::Operation)?;
        let (_, credential) =
            plaintext.split_at_checked(ROOT_KEY_BYTES).ok_or(KeyError::Operation)?;
        let root_key = new_root_key()?;
        let mut token = to.assemble(claims, root_key.as_ref(), credential, None)?;
        let mut tag = Tag::first(root_key.as_ref(), &token);
        let origin = self.origin_caveat(origin)?;
        for caveat in self.caveats.iter().copied().chain([origin.as_str()]) {
            tag = tag.next(caveat);
            append(&mut token, caveat);
        }
        let token = with_tag(&token, &tag);
        if token.len() > MAX_SEALED_TOKEN_BYTES {
            return Err(MintError::SealedTooLong(token.len()).into());
        }
        Ok(token)
    }

    /// Returns a caveat that names this token, as a part.
    fn origin_caveat(&self, origin: Origin) -> Result<String, ReissueError> {
        if self.caveats.len() >= MAX_CAVEATS {
            return Err(NarrowError::TooMany.into());
        }
        Ok(part::of_json(&origin.into_caveat().to_json()))
    }
}

fn new_root_key() -> Result<Zeroizing<[u8; ROOT_KEY_BYTES]>, KeyError> {
    let mut root_key = Zeroizing::new([0; ROOT_KEY_BYTES]);
    aws_lc_rs::rand::fill(root_key.as_mut()).map_err(|_| KeyError::Operation)?;
    Ok(root_key)
}

fn with_tag(token: &str, tag: &Tag) -> Zeroizing<String> {
    let tag = tag.to_text();
    let mut whole = Zeroizing::new(String::with_capacity(token.len() + 1 + tag.len()));
    whole.push_str(token);
    append(&mut whole, &tag);
    whole
}

fn append(token: &mut String, part: &str) {
    token.push('.');
    token.push_str(part);
}
