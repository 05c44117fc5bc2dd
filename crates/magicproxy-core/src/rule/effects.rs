//! The effects of rules that use state: their demands on a request, and the results of a success.
//! `state.md` section 2.

use std::fmt;

use super::counted::CountedRule;
use super::grants::{Document, Facts, GrantFault, GrantTemplate, NewGrant, NoGrant};
use super::list_items::{ListItem, ListItems, ListItemsDenial, ListItemsFault};
use super::raw::{GitRuleObject, RuleObject};
use crate::key::CredentialBinding;
use crate::limit::Limit;
use crate::pattern::PatternMode;
use crate::request::{Part, RequestView};
use crate::state::Partition;
use crate::upstream_name::UpstreamName;

/// The most grants of a rule.
pub const MAX_RULE_GRANTS: usize = 8;

/// The effects of a rule besides allowing: counts, grants, a receipt or list items. Made from a
/// rule's object form, and never part of a caveat or a ceiling: `state.md` section 2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleEffects {
    /// The name of the rule's count, different from the names of other rules' counts.
    counter: Partition,
    owner: Option<OwnerName>,
    grants: Vec<GrantTemplate>,
    receipt: bool,
    limit: Option<Limit>,
    list_items: Option<ListItems>,
}

/// The input that the effects of a rule find in a request besides method and path.
#[derive(Debug, PartialEq, Eq)]
pub enum EffectInput {
    /// No input: the rule reads nothing but method and path.
    Nothing,
    /// A body with or without values for grants: every server reads the body in the same way.
    Values,
    /// List items, all of them allowed by the rule.
    Items(Vec<ListItem>),
}

/// The reasons why a rule's input is unknown or refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EffectInputFault {
    /// A part of the request that must be read first.
    Needs(Part),
    /// A body that is not JSON of the right form, or in which two readers could see two different
    /// values.
    Unreadable,
    /// A request that asks for more than the rule allows.
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

/// The name of an owner, as given by the operator in a scope: 1 to 64 characters of
/// `A-Z a-z 0-9 . _ -`. A name is no secret, so [`owner`](Self::owner) binds the name to a
/// credential: `state.md` section 1.1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnerName(String);

impl OwnerName {
    fn parse(text: &str) -> Option<Self> {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        ((1..=64).contains(&text.len()) && text.bytes().all(legal)).then(|| Self(text.to_owned()))
    }

    /// Returns the owner of this name at an upstream, bound to a credential: the same name with
    /// another credential is another owner.
    #[must_use]
    pub fn owner(&self, upstream: &UpstreamName, binding: &CredentialBinding) -> Partition {
        Partition::of(&[
            b"named",
            upstream.as_str().as_bytes(),
            self.0.as_bytes(),
            binding.as_bytes(),
        ])
    }

    /// Returns the owner of this name at an upstream as of the time before owners were bound to
    /// credentials: this owner owns nothing any more.
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
    /// Reads the effects of a rule's object form; `None` if the object has none.
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

    /// Reads the effects of a rule for git; `None` if it has none.
    pub(super) fn parse_git(object: &GitRuleObject) -> Result<Option<Self>, EffectFault> {
        if object.limit.is_none() && object.owner.is_none() {
            return Ok(None);
        }
        if object.members.git != "push" {
            return Err(EffectFault::GitPush);
        }
        let owner = object.owner.as_deref();
        let owner =
            owner.map(|name| OwnerName::parse(name).ok_or(EffectFault::Owner)).transpose()?;
        let counter = Partition::of(&[b"rule", &serde_json::to_vec(object).unwrap_or_default()]);
        let limit = object.limit;
        let (grants, receipt, list_items) = (Vec::new(), false, None);
        Ok(Some(Self { counter, owner, grants, receipt, limit, list_items }))
    }

    /// The name of the rule's count.
    #[must_use]
    pub fn counter(&self) -> Vec<u8> {
        self.counter.as_bytes().to_vec()
    }

    /// The owner of the rule's state, if other than the token's owner.
    #[must_use]
    pub fn owner(&self) -> Option<&OwnerName> {
        self.owner.as_ref()
    }

    /// The limit on requests of this rule.
    #[must_use]
    pub fn limit(&self) -> Option<Limit> {
        self.limit
    }

    /// The list items that the rule lets a request create and delete.
    #[must_use]
    pub fn list_items(&self) -> Option<&ListItems> {
        self.list_items.as_ref()
    }

    /// True if a store keeps rows for the rule's requests: counts, grants or list items. Receipts
    /// are kept nowhere.
    #[must_use]
    pub fn keeps_rows(&self) -> bool {
        self.limit.is_some() || self.list_items.is_some() || self.records()
    }

    /// True if a success gives grants to store.
    #[must_use]
    pub fn records(&self) -> bool {
        !self.grants.is_empty() && !self.receipt
    }

    /// True if a success gives a receipt, which is a token.
    #[must_use]
    pub fn gives_receipt(&self) -> bool {
        self.receipt
    }

    /// Finds the rule's input in a request whose method and path the rule allows. `state.md`
    /// sections 3.4, 5.1 and 5.2.
    ///
    /// # Errors
    /// [`EffectInputFault`]: the request's body must be read first, is unreadable, or asks for more
    /// than the rule allows.
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

    /// True if the grants of the rule need values out of the request's body.
    #[must_use]
    pub fn reads_request(&self) -> bool {
        self.grants.iter().any(GrantTemplate::reads_request)
    }

    /// True if every server reads the sought values of the request's body in the same way.
    #[must_use]
    pub fn understands(&self, request: &Document) -> bool {
        self.grants.iter().all(|grant| grant.understands(request))
    }

    /// True if the grants of the rule need values out of the response's body.
    #[must_use]
    pub fn reads_response(&self) -> bool {
        self.grants.iter().any(GrantTemplate::reads_response)
    }

    /// Returns the grants of a success: for each path, its methods. `state.md` section 3.
    ///
    /// # Errors
    /// [`NoGrant`], for the first value that is absent or unfit.
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

/// The faults of a rule's effects as written.
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
    #[error("`limit` is for `push`: it counts pushes")]
    GitPush,
    #[error("`owner` must be 1 to 64 characters of `A-Z a-z 0-9 . _ -`")]
    Owner,
    #[error(transparent)]
    Grant(#[from] GrantFault),
    #[error(transparent)]
    Items(#[from] ListItemsFault),
}
