//! Rules that ask for state: what they demand, and what their success gives. `state.md` section 2.

use std::fmt;

use super::counted::CountedRule;
use super::grants::{Document, Facts, GrantFault, GrantTemplate, NewGrant, NoGrant};
use super::list_items::{ListItem, ListItems, ListItemsDenial, ListItemsFault};
use super::raw::RuleObject;
use crate::key::CredentialBinding;
use crate::limit::Limit;
use crate::pattern::PatternMode;
use crate::state::Partition;
use crate::target::{Part, RequestView};
use crate::upstream_name::UpstreamName;

/// The most grants of one rule.
pub const MAX_RULE_GRANTS: usize = 8;

/// What a stateful rule demands and gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleEffects {
    /// Tells its count from those of other rules.
    counter: Partition,
    owner: Option<OwnerName>,
    grants: Vec<GrantTemplate>,
    receipt: bool,
    limit: Option<Limit>,
    list_items: Option<ListItems>,
}

/// What a stateful rule finds in a request besides its method and path.
#[derive(Debug, PartialEq, Eq)]
pub enum EffectInput {
    /// It looks for nothing there.
    Nothing,
    /// Values of which grants are made, or that they are not there: every server reads the body in one way.
    Values,
    /// List items, all of which it allows.
    Items(Vec<ListItem>),
}

/// Why it is not known what a rule finds, or why there is nothing that it allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EffectInputFault {
    /// This part must be read first.
    Needs(Part),
    /// The body is not the JSON that is wanted, or two readers could see two different things in it.
    Unreadable,
    /// The rule does not allow what the request asks for.
    NotAllowed,
}

impl From<Part> for EffectInputFault {
    fn from(part: Part) -> Self {
        Self::Needs(part)
    }
}

impl From<ListItemsDenial> for EffectInputFault {
    fn from(denial: ListItemsDenial) -> Self {
        match denial {
            ListItemsDenial::Unreadable => Self::Unreadable,
            ListItemsDenial::NotAllowed => Self::NotAllowed,
        }
    }
}

/// The name of an owner, as the operator gives it: 1 to 64 characters of `A-Z a-z 0-9 . _ -`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnerName(String);

impl OwnerName {
    fn parse(text: &str) -> Option<Self> {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        ((1..=64).contains(&text.len()) && text.bytes().all(legal)).then(|| Self(text.to_owned()))
    }

    /// The owner of this name at an upstream, with this credential: whoever has another one is another owner.
    #[must_use]
    pub fn owner(&self, upstream: &UpstreamName, binding: &CredentialBinding) -> Partition {
        Partition::of(&[
            b"named",
            upstream.as_str().as_bytes(),
            self.0.as_bytes(),
            binding.as_bytes(),
        ])
    }

    /// The owner of this name at an upstream as it was before owners were bound to credentials: it owns nothing any more.
    #[must_use]
    pub fn unbound_owner(&self, upstream: &UpstreamName) -> Partition {
        Partition::of(&[b"named", upstream.as_str().as_bytes(), self.0.as_bytes()])
    }
}

impl fmt::Display for OwnerName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl RuleEffects {
    /// What the object says of state; `None` where it says nothing.
    pub(super) fn parse(
        object: &RuleObject,
        mode: PatternMode,
    ) -> Result<Option<Self>, EffectFault> {
        let state = &object.state;
        if *state == super::raw::EffectMembers::default() {
            return Ok(None);
        }
        if mode == PatternMode::DangerPrefix {
            return Err(EffectFault::PrefixMatching);
        }
        let texts = state.grants.as_deref().unwrap_or_default();
        if state.grants.is_some() && !(1..=MAX_RULE_GRANTS).contains(&texts.len()) {
            return Err(EffectFault::GrantCount);
        }
        if state.receipt && state.grants.is_none() {
            return Err(EffectFault::ReceiptOfNothing);
        }
        if state.list_items.is_some() && state.grants.is_some() {
            return Err(EffectFault::ItemsAndGrants);
        }
        let owner = state
            .owner
            .as_deref()
            .map(|name| OwnerName::parse(name).ok_or(EffectFault::Owner))
            .transpose()?;
        Ok(Some(Self {
            counter: Partition::of(&[
                b"rule",
                &serde_json::to_vec(&CountedRule::of(object)).unwrap_or_default(),
            ]),
            owner,
            grants: texts
                .iter()
                .map(|text| GrantTemplate::parse(text, object.route.as_deref()))
                .collect::<Result<_, GrantFault>>()?,
            receipt: state.receipt,
            limit: state.limit,
            list_items: state.list_items.as_ref().map(ListItems::parse).transpose()?,
        }))
    }

    /// The name of its count.
    #[must_use]
    pub fn counter(&self) -> Vec<u8> {
        self.counter.as_bytes().to_vec()
    }

    /// Whose state it is, where that is not the token's.
    #[must_use]
    pub fn owner(&self) -> Option<&OwnerName> {
        self.owner.as_ref()
    }

    /// How many such requests there may be.
    #[must_use]
    pub fn limit(&self) -> Option<Limit> {
        self.limit
    }

    /// What of the request's body is created and deleted.
    #[must_use]
    pub fn list_items(&self) -> Option<&ListItems> {
        self.list_items.as_ref()
    }

    /// Does a store keep something for its requests: counts, grants or list items? Receipts are kept by nobody.
    #[must_use]
    pub fn keeps_rows(&self) -> bool {
        self.limit.is_some() || self.list_items.is_some() || self.records()
    }

    /// Does its success give something that is stored?
    #[must_use]
    pub fn records(&self) -> bool {
        !self.grants.is_empty() && !self.receipt
    }

    /// Does its success give a token?
    #[must_use]
    pub fn gives_receipt(&self) -> bool {
        self.receipt
    }

    /// What it finds in a request that it matches, whose method and path it allows. `state.md` sections 3.4, 5.1 and 5.2.
    ///
    /// # Errors
    /// [`EffectInputFault`].
    pub fn find(&self, request: &RequestView<'_>) -> Result<EffectInput, EffectInputFault> {
        if let Some(list_items) = &self.list_items {
            return Ok(EffectInput::Items(list_items.of_request(request)?));
        }
        if !self.reads_request() {
            return Ok(EffectInput::Nothing);
        }
        let document = Document::parse(request.body()?).ok_or(EffectInputFault::Unreadable)?;
        if self.understands(&document) {
            Ok(EffectInput::Values)
        } else {
            Err(EffectInputFault::Unreadable)
        }
    }

    /// Must the request's body be read for what it gives?
    #[must_use]
    pub fn reads_request(&self) -> bool {
        self.grants.iter().any(GrantTemplate::reads_request)
    }

    /// Is the request's body, in which it looks for values, read in one way by every server?
    #[must_use]
    pub fn understands(&self, request: &Document) -> bool {
        self.grants.iter().all(|grant| grant.understands(request))
    }

    /// Must the response's body be read for what it gives?
    #[must_use]
    pub fn reads_response(&self) -> bool {
        self.grants.iter().any(GrantTemplate::reads_response)
    }

    /// What its success gives: for each path, which methods.
    ///
    /// # Errors
    /// [`NoGrant`], of the first value that is not there or not fit.
    pub fn granted(&self, facts: &Facts<'_>) -> Result<Vec<NewGrant>, NoGrant> {
        let mut granted: Vec<NewGrant> = Vec::with_capacity(self.grants.len());
        for template in &self.grants {
            let new = template.fill(facts)?;
            match granted.iter_mut().find(|grant| grant.path() == new.path()) {
                Some(known) => known.add(&new),
                None => granted.push(new),
            }
        }
        Ok(granted)
    }
}

/// What is wrong with what a rule says of state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum EffectFault {
    #[error("an upstream with `danger_prefix_matching` takes no stateful rules")]
    PrefixMatching,
    #[error("`grants` must hold 1 to {MAX_RULE_GRANTS} grants")]
    GrantCount,
    #[error("`receipt` needs `grants`: it says what the receipt is for")]
    ReceiptOfNothing,
    #[error("`list_items` and `grants` do not go together")]
    ItemsAndGrants,
    #[error("`owner` must be 1 to 64 characters of `A-Z a-z 0-9 . _ -`")]
    Owner,
    #[error(transparent)]
    Grant(#[from] GrantFault),
    #[error(transparent)]
    Items(#[from] ListItemsFault),
}
