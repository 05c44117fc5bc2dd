//! One key for the whole process, and tokens minted with it, with whatever times a test wants.

use std::sync::{Arc, LazyLock};

use magicproxy_core::{
    Credential, Kem, KeyRing, OwnerSecret, PatternMode, PrivateKey, RawRule, Rule, RuleSource,
    ScopeName, SealedTokenSpec, SealingKey, SealingPublicKey, TokenSpec, TypedCredential, UnixTime,
    UpstreamName,
};
use magicproxy_proxy::services::SharedKeys;
use zeroize::Zeroizing;

use super::{proxy::NAME, watch};

/// The marked credential: it may show in the upstream's `Authorization` and nowhere else.
pub(crate) const CREDENTIAL: &str = "ghp_MARKEDsecretQ7zX0wV5uT3sR1pN9mL8kJ6h";

static KEYS: LazyLock<Arc<SharedKeys>> = LazyLock::new(|| {
    let sealing = Kem::ALL.map(|kem| SealingKey::generate(kem, UnixTime(now())).unwrap());
    let ring = KeyRing::new(PrivateKey::generate(2048).unwrap(), Vec::new()).unwrap();
    let owner_secret = OwnerSecret::generate(UnixTime(now())).unwrap();
    Arc::new(SharedKeys::new(
        ring.with_sealing(sealing.into()).unwrap().with_owner_secret(Some(owner_secret)),
    ))
});

pub(crate) fn keys() -> Arc<SharedKeys> {
    Arc::clone(&KEYS)
}

pub(crate) fn now() -> u64 {
    magicproxy_proxy::clock::now().0
}

/// A token to be minted.
pub(crate) struct Token(TokenSpec);

impl Token {
    pub(crate) fn allowing(rules: &[&str]) -> Self {
        Self::of_source(RuleSource::Rules(parse(rules)))
    }

    /// Rules in whatever form, as JSON.
    pub(crate) fn ruled(rules: &serde_json::Value) -> Self {
        let raw: Vec<RawRule> = serde_json::from_value(rules.clone()).unwrap();
        Self::of_source(RuleSource::Rules(Rule::parse_list(&raw, PatternMode::Whole).unwrap()))
    }

    pub(crate) fn limited(mut self, limit: &str) -> Self {
        self.0.limit = Some(limit.parse().unwrap());
        self
    }

    pub(crate) fn scoped(names: &[&str]) -> Self {
        Self::of_source(RuleSource::Scopes(
            names.iter().map(|name| ScopeName::parse(name).unwrap()).collect(),
        ))
    }

    /// Everything: for tests of what happens behind the gate.
    pub(crate) fn any() -> Zeroizing<String> {
        Self::allowing(&["* /.*"]).mint()
    }

    /// The same, for the upstream of that name.
    pub(crate) fn any_for(name: Option<&str>) -> Zeroizing<String> {
        Self::allowing(&["* /.*"]).for_upstream(name).mint()
    }

    fn of_source(source: RuleSource) -> Self {
        Self(TokenSpec {
            credential: Credential::parse(Zeroizing::new(CREDENTIAL.to_owned())).unwrap(),
            source,
            upstream: UpstreamName::parse(NAME),
            unnamed: magicproxy_core::UnnamedTokens::Accept,
            issued_at: UnixTime(now()),
            expires_at: UnixTime(now() + 3600),
            not_before: None,
            subject: None,
            explain: false,
            limit: None,
        })
    }

    pub(crate) fn explaining(mut self) -> Self {
        self.0.explain = true;
        self
    }

    pub(crate) fn for_upstream(mut self, name: Option<&str>) -> Self {
        self.0.upstream = name.map(|name| UpstreamName::parse(name).unwrap());
        self
    }

    pub(crate) fn with(mut self, credential: &str) -> Self {
        self.0.credential = Credential::parse(Zeroizing::new(credential.to_owned())).unwrap();
        self
    }

    pub(crate) fn living(mut self, issued_at: u64, expires_at: u64) -> Self {
        (self.0.issued_at, self.0.expires_at) = (UnixTime(issued_at), UnixTime(expires_at));
        self
    }

    pub(crate) fn not_before(mut self, start: u64) -> Self {
        self.0.not_before = Some(UnixTime(start));
        self
    }

    pub(crate) fn mint(self) -> Zeroizing<String> {
        let minted = KEYS.current().mint(&self.0).unwrap();
        watch::guard(&minted.token);
        minted.token
    }
}

pub(crate) fn parse(rules: &[&str]) -> Vec<Rule> {
    let read = |rule: &&str| {
        if rule.starts_with('{') {
            RawRule::from_json(rule).unwrap()
        } else {
            RawRule::Text((*rule).to_owned())
        }
    };
    let raw: Vec<RawRule> = rules.iter().map(read).collect();
    Rule::parse_list(&raw, PatternMode::Whole).unwrap()
}

/// A token of version 2 for an hour, sealed to this key.
pub(crate) fn seal_to(
    key: &SealingPublicKey,
    credential: TypedCredential,
    source: RuleSource,
) -> String {
    let minted = key.mint(&SealedTokenSpec {
        credential,
        source,
        upstream: UpstreamName::parse(NAME).unwrap(),
        issued_at: UnixTime(now()),
        expires_at: UnixTime(now() + 3600),
        not_before: None,
        subject: None,
        explain: false,
        minter: None,
    });
    let token = minted.unwrap().token;
    watch::guard(&token);
    token.to_string()
}
