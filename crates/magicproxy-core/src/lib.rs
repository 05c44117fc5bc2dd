//! The brain of Magic API Proxy: tokens, keys, credentials, rules and request targets.
//!
//! Pure values in, pure values out: this crate does no I/O, reads no clock and knows no runtime. Everything that a
//! stranger must be able to check is written in `docs/spec/`; the modules name the section that they implement.
//!
//! The way of a request through the types, each step consuming the proof that the step before it made:
//!
//! ```text
//! RequestTarget::parse → KeyRing::verify → VerifiedToken::judge → Judgement → Permit → KeyRing::open → Credential
//! ```

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

pub use credential::{
    Credential, CredentialField, CredentialPlace, MIN_MASKED_BYTES, ParseCredentialError, SecretFault, TypedCredential, Weakness,
    written_secret,
};
pub use decision::{
    Access, Basis, BindError, Count, Denial, GrantQuestion, Judgement, OwnerPlace, Permit, PluginQuestion, Prospect, Question,
};
pub use key::{
    Accepts, CredentialBinding, KEY_SET_LIFETIME_SECONDS, Kem, KeyError, KeyId, KeyRing, KeySetError, KeySetKey, KeySetPin,
    KeySetSigner, KeyStanding, MinterAlgorithm, MinterKey, MinterSigningKey, NotAccepted, OwnerSecret, PrivateKey, PublicKey,
    PublicKeySet, SealedOrder, SealingKey, SealingPublicKey, SignedKeySet,
};
pub use method::{Method, ParseMethodError};
pub use pattern::PatternMode;
pub use policy::{DecisionSteps, NoRuleCache, Policy, PolicyError, RuleCache, RuleCompiler};
pub use rule::{ParseRuleError, RawRule, Rule, RuleFault};
pub use scope::{Scope, ScopeName, Scopes};
pub use seal::OpenError;
pub use target::{
    AmbiguousParameter, EncodedSlash, ParseTargetError, Part, PathReading, PathSettings, RequestTarget, RequestView,
};
pub use time::UnixTime;
pub use token::{
    Acceptance, AuthenticToken, Caveat, Chain, ChainId, ClaimsFault, Grant, KnownNames, Label, LongToken, MintError, MintLimits,
    MintOrder, MintRequest, Minted, NarrowError, Network, NotCompiled, OlderChain, OrderFault, Origin, ParseCaveatError,
    Provenance, ReissueError, SealRequest, SealedClaims, SealedToken, Sender, SignedToken, TokenNames, UnnamedTokens,
    UnverifiedNames, UnverifiedToken, VerifiedToken, VerifyContext, VerifyError, armoured, is_armoured, unarmoured,
};
pub use token_version::TokenVersion;
pub use upstream_name::UpstreamName;
