//! Magic tokens: minting, narrowing and verifying them, and deciding on requests by them.
//!
//! This crate is the brain of Magic API Proxy: a function of bytes, keys and the time to values.
//! The crate does no I/O, reads no clock and no environment, and depends on no runtime and no HTTP
//! library.
//!
//! # From a credential to a permitted request
//!
//! A minter seals a credential to the public key of a proxy. Any holder of a token makes a weaker
//! token of it, without a key. The proxy verifies the token, decides on one request, and opens the
//! credential for that request alone.
//!
//! ```
//! use std::sync::Arc;
//!
//! use magicproxy_core::{
//!     Acceptance, AccessRequest, Caveat, Credential, DecisionSteps, Denial, RuleSource, Decision, Kem,
//!     KeyRing, PathSettings, PatternMode, PrivateKey, RawRule, RequestTarget, Rule, Scopes,
//!     RequestParts, SealedTokenSpec, SealingKey, UnixTime, UnnamedTokens, UpstreamName, VerifyContext,
//! };
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // The caller of this library says the time, always.
//! let now = UnixTime(1_790_000_000);
//! let github = UpstreamName::parse("github").ok_or("no name of an upstream")?;
//!
//! // The proxy's keys: one signs tokens of version 1, one opens what was sealed to its other half.
//! let sealing = SealingKey::generate(Kem::X25519, now)?;
//! let ring = KeyRing::new(PrivateKey::generate(2048)?, vec![])?.with_sealing(vec![sealing])?;
//! let public_key = ring.published(now).next().ok_or("no key to seal to")?;
//!
//! // Mint: the public key is enough. Rules are read before anything is sealed.
//! let written = [RawRule::Text("GET /repos/acme/.*".to_owned())];
//! let rules = Rule::parse_list(&written, PatternMode::Whole)
//!     .map_err(|faults| format!("{faults:?}"))?;
//! let minted = public_key.mint(&SealedTokenSpec {
//!     credential: Credential::parse("ghp_0123456789abcdef".to_owned().into())?.into(),
//!     source: RuleSource::Rules(rules),
//!     upstream: github.clone(),
//!     issued_at: now,
//!     expires_at: UnixTime(now.0 + 3_600),
//!     not_before: None,
//!     subject: None,
//!     explain: false,
//!     minter: None,
//! })?;
//!
//! // Narrow: the token is enough. A caveat can be added, and never taken away.
//! let caveat = br#"{"allowed":["GET /repos/acme/site/.*"],"sub":"agent-7"}"#;
//! let narrowed = Caveat::from_json(caveat)?.append_to(&minted.token)?;
//!
//! // Verify: keys, times, what the operator accepts, and every rule.
//! let scopes = Scopes::default();
//! let acceptance = Acceptance::default();
//! let context = VerifyContext {
//!     now,
//!     scopes: &scopes,
//!     patterns: PatternMode::Whole,
//!     acceptance: &acceptance,
//! };
//! let token = Arc::new(ring.verify(&narrowed, &context)?);
//! // The log shows this: the first holder has no label, the second one has.
//! assert_eq!(token.label(), Some("->agent-7"));
//!
//! // Authorise: one method and one canonical target, which is also what will be sent.
//! let target = RequestTarget::parse(b"/repos/acme/site/pulls?page=2", PathSettings::default())?;
//! let access = AccessRequest {
//!     method: "GET",
//!     target: &target,
//!     upstream: &github,
//!     alias: None,
//!     unnamed: UnnamedTokens::Refuse,
//!     ceiling: None,
//!     sender: None,
//!     now,
//!     parts: RequestParts::default(),
//!     steps: &DecisionSteps::new(),
//! };
//! let permit = token.authorize(&access)?;
//! assert_eq!(&**permit.rule(), "GET /repos/acme/.*");
//!
//! // Only a permit opens the credential.
//! let credential = ring.open(&permit)?;
//! # drop(credential);
//!
//! // What the caveat leaves out is denied, though the token as it was minted allows it.
//! let other = RequestTarget::parse(b"/repos/acme/billing", PathSettings::default())?;
//! let decision = token.decide(&AccessRequest { target: &other, steps: &DecisionSteps::new(), ..access });
//! assert!(matches!(decision, Decision::Denied(Denial::BeyondCaveat)));
//! # Ok(())
//! # }
//! ```
//!
//! Each step takes the proof that the step before made. No other code makes a [`VerifiedToken`] or
//! a [`Permit`], and leaving a step out does not compile.
//!
//! # Where to look
//!
//! | need | where |
//! |---|---|
//! | keys that sign, seal and open | [`KeyRing`], [`PrivateKey`], [`SealingKey`], [`OwnerSecret`] |
//! | a token of version 1, for the Python program, too | [`KeyRing::mint`], [`TokenSpec`], [`MintRequest`] |
//! | a token of version 2 | [`SealingPublicKey`], [`SealedTokenSpec`], [`Caveat`] |
//! | the content of a token, unverified and without a key | [`UnverifiedToken`], [`SealedToken`] |
//! | rules | [`Rule`], [`Policy`], [`Scopes`] |
//! | a decision, and the questions before it | [`AccessRequest`], [`Decision`], [`Question`] |
//! | limits and ownership, and their store | [`limit`], [`state`] |
//! | the question to a plugin | [`plugin`] |
//!
//! Formats are specified in `docs/spec/`, with vectors in `testdata/vectors/`. Each module names
//! the section of the specification that the module implements.
//!
//! # Stability
//!
//! Tokens, rules, key sets and the codes of refusals are stable: a later version reads everything
//! that an earlier version wrote, and `CHANGELOG.md` lists each change. The Rust API is not stable:
//! before 1.0 any version may change it. Error enums are `#[non_exhaustive]`, except where the
//! comment of an enum gives the reason against.

mod condition;
pub mod credential;
mod decision;
mod duration;
mod encoding;
pub mod json;
pub mod key;
pub mod limit;
pub mod method;
mod pattern;
pub mod plugin;
pub mod policy;
mod request;
pub mod rule;
pub mod scope;
mod seal;
#[cfg(test)]
mod standard;
pub mod state;
pub mod target;
mod time;
pub mod token;
mod token_version;
mod upstream_name;

pub use condition::{
    BodyJudge, BodyTests, ContentView, FieldValue, Finding, FoundValue, HeaderView, JudgedBody,
    Outcome, PlusReading, Push, PushView, PushWordsFault, Reason, RequestParts,
};
pub use credential::{
    Credential, CredentialField, CredentialPlace, MIN_MASKED_BYTES, ParseCredentialError,
    SecretFault, TypedCredential, Weakness, written_secret,
};
pub use decision::{
    AccessRequest, Basis, BindError, BodyQuestion, Count, Decision, Denial, DeniedRequest,
    DescribedBody, Foreseen, GrantQuestion, OwnerContext, Permit, PluginQuestion, PushPart,
    PushQuestion, Question, RulesDecision,
};
pub use key::{
    AcceptError, AcceptedTokens, CredentialBinding, KEY_SET_LIFETIME_SECONDS, Kem, KeyError, KeyId,
    KeyLifetime, KeyRing, KeySetError, KeySetKey, KeySetPin, KeySetSigner, MAX_KEYS,
    MinterAlgorithm, MinterKey, MinterSigningKey, OwnerSecret, PrivateKey, PublicKey, PublicKeySet,
    SealedTokenPlan, SealingKey, SealingPublicKey, SignedKeySet,
};
pub use method::{Method, ParseMethodError};
pub use pattern::PatternMode;
pub use policy::{
    DecisionSteps, NoRuleCache, Policy, PolicyError, RuleCache, RuleCompiler, RuleOrigin, UnmetRule,
};
pub use request::{Part, RequestView};
pub use rule::{ParseRuleError, RawRule, Rule, RuleFault};
pub use scope::{Scope, ScopeName, Scopes};
pub use seal::OpenError;
pub use target::{
    AmbiguousParameter, EncodedSlash, ParseTargetError, PathReading, PathSettings, RequestTarget,
};
pub use time::UnixTime;
pub use token::{
    Acceptance, AuthenticToken, Caveat, Chain, ChainId, ClaimsFault, CompileError, KnownNames,
    Label, LongToken, MintError, MintLimits, MintRequest, MintRequestFault, MintedToken,
    NarrowError, Network, OlderChain, Origin, ParseCaveatError, Provenance, ReissueError,
    RuleSource, SealedClaims, SealedToken, SealedTokenSpec, Sender, SignedToken, TokenNames,
    TokenSpec, UnnamedTokens, UnverifiedNames, UnverifiedToken, VerifiedToken, VerifyContext,
    VerifyError, armoured, is_armoured, unarmoured,
};
pub use token_version::TokenVersion;
pub use upstream_name::UpstreamName;
