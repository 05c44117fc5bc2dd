//! Narrowing a version 2 token, which needs no key, only the token. `token-v2.md` section 5.

use zeroize::Zeroizing;

use super::{MAX_SEALED_TOKEN_BYTES, SealedToken, part};
use crate::pattern::PatternMode;
use crate::policy::{RuleCompiler, TokenRuleError};
use crate::rule::{Rule, RuleFault};
use crate::token::VerifyError;
use crate::token::caveat::{Caveat, MAX_CAVEATS, ParseCaveatError};

/// The reason for which a token was not narrowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NarrowError {
    /// Not a token of version 2.
    #[error(transparent)]
    Token(#[from] VerifyError),
    /// A token with as many caveats as it may have.
    #[error("the token bears {MAX_CAVEATS} caveats already, which is the most")]
    TooMany,
    /// A narrowed token longer than the proxy accepts.
    #[error("the token would be {0} bytes long; at most {MAX_SEALED_TOKEN_BYTES} are accepted")]
    TooLong(usize),
    /// A caveat that every proxy would refuse.
    #[error("the caveat is not accepted: {0}")]
    Caveat(#[from] ParseCaveatError),
    /// Faults of the caveat's rules.
    #[error("allowed: {}", listed(.0))]
    Rules(Vec<RuleFault>),
}

impl Caveat {
    /// Appends this caveat to a version 2 token.
    ///
    /// # Errors
    /// [`NarrowError`]. A token that a proxy would refuse for its form is not made.
    pub fn append_to(&self, token: &str) -> Result<Zeroizing<String>, NarrowError> {
        self.append_within(token, &RuleCompiler::default())
    }

    /// Checks that a proxy would accept the caveat's rules if the token had no others, and that no
    /// rule means something else than its author typed.
    pub(in crate::token) fn check_rules(
        &self,
        compiler: &RuleCompiler<'_>,
    ) -> Result<(), NarrowError> {
        let rules = self.allowed.as_deref().unwrap_or_default();
        let misread = Rule::misread(rules, PatternMode::Whole);
        if !misread.is_empty() {
            return Err(NarrowError::Rules(misread));
        }
        let empty = Rule::empty_in(rules, compiler.work());
        if !empty.is_empty() {
            return Err(NarrowError::Rules(empty));
        }
        match self.allowed.as_deref().map(|rules| compiler.token().list(rules, PatternMode::Whole))
        {
            Some(Err(TokenRuleError::Rules(faults))) => Err(NarrowError::Rules(faults)),
            Some(Err(error)) => Err(VerifyError::from(error).into()),
            Some(Ok(_)) | None => Ok(()),
        }
    }

    /// Appends this caveat, with its rules compiled by `compiler`.
    pub(in crate::token) fn append_within(
        &self,
        token: &str,
        compiler: &RuleCompiler<'_>,
    ) -> Result<Zeroizing<String>, NarrowError> {
        self.check()?;
        self.check_rules(compiler)?;
        let parsed = SealedToken::parse(token)?;
        if parsed.caveats.len() >= MAX_CAVEATS {
            return Err(NarrowError::TooMany);
        }
        let part = part::of_json(&self.to_json());
        let tag = parsed.tag.next(&part).to_text();
        let (kept, _) = token.rsplit_once('.').ok_or(VerifyError::Malformed)?;
        let length = kept.len() + part.len() + tag.len() + 2;
        if length > MAX_SEALED_TOKEN_BYTES {
            return Err(NarrowError::TooLong(length));
        }
        let mut narrowed = Zeroizing::new(String::with_capacity(length));
        [kept, ".", &part, ".", tag.as_str()].into_iter().for_each(|text| narrowed.push_str(text));
        Ok(narrowed)
    }
}

fn listed(faults: &[RuleFault]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
