//! Rules as written, not yet checked. `rules.md` section 1.

use std::fmt;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::condition::{ConditionMembers, GitMembers, present_value};
use crate::json::form::{FormFaults, ValueFault};
use crate::json::{one_or_more, present, present_object};
use crate::limit::Limit;
use crate::plugin::PluginName;
use crate::rule::list_items::ListItemsObject;

/// A rule as written and not yet checked: nothing is known of its methods and its pattern.
/// [`Rule::parse`](super::Rule::parse) makes a [`Rule`](super::Rule) of a raw rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum RawRule {
    /// The string form: `METHOD PATTERN`.
    Text(String),
    /// The object form: `{ "method": …, "path": … }` or `{ "method": …, "route": … }`, perhaps with
    /// members for effects.
    Object(Box<RuleObject>),
    /// A rule for git: `{ "git": …, "repository": … }`.
    Git(Box<GitRuleObject>),
    /// A plugin in a rule's place: `{ "plugin": … }`. No rule, and in scopes only.
    Plugin(PluginObject),
}

/// The object form of a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleObject {
    /// A method, a list of methods, or `*`.
    pub method: OneOrMany,
    /// A pattern.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// A route template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// The members for conditions.
    #[serde(flatten)]
    pub conditions: ConditionMembers,
    /// The members for effects, which use state.
    #[serde(flatten)]
    pub state: EffectMembers,
}

impl RuleObject {
    /// Makes a rule for requests of these methods, with a pattern, and without conditions and
    /// effects.
    #[must_use]
    pub fn plain(method: OneOrMany, path: String) -> Self {
        Self {
            method,
            path: Some(path),
            route: None,
            conditions: ConditionMembers::default(),
            state: EffectMembers::default(),
        }
    }
}

/// The members of a rule for its effects: limits, grants, receipts, list items and owners.
/// `state.md` section 2.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EffectMembers {
    /// The grants that a success gives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grants: Option<Vec<String>>,
    /// True if the grants are given as a token, the receipt.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub receipt: bool,
    /// The limit on requests of this rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
    /// The list items that a request's body creates and deletes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub list_items: Option<ListItemsObject>,
    /// The name of the owner of the state, instead of the token's owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

/// The object form of a rule for git.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct GitRuleObject {
    /// The members for the repository and for what may be done with it.
    #[serde(flatten)]
    pub members: GitMembers,
    /// The limit on pushes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
    /// The name of the owner of the count, instead of the token's owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

/// A plugin, named in a rule's place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PluginObject {
    /// The plugin's name.
    pub plugin: PluginName,
}

/// The fault of a token's rule for which [`RawRule::is_the_operators`] holds.
pub(crate) const OPERATORS_MEMBER: &str =
    "allowed: `owner` and `plugin` stand in scopes of the configuration only";

impl RawRule {
    /// Reads a rule from JSON: an object, or a text.
    ///
    /// # Errors
    /// [`FormFaults`]: every fault, with the name of its member.
    pub fn from_json(json: &str) -> Result<Self, FormFaults> {
        serde_json::from_str(json).map_err(|error| super::RULE.faults(json.as_bytes(), &error))
    }

    /// True if the rule has a member that only a scope of the configuration may have.
    pub(crate) fn is_the_operators(&self) -> bool {
        match self {
            Self::Text(_) => false,
            Self::Object(object) => object.state.owner.is_some(),
            Self::Git(object) => object.owner.is_some(),
            Self::Plugin(_) => true,
        }
    }

    /// True if the rule has no conditions and no effects, and names no plugin.
    pub(crate) fn is_plain(&self) -> bool {
        match self {
            Self::Object(object) => object.conditions.is_empty() && self.is_stateless(),
            Self::Git(_) => false,
            Self::Text(_) | Self::Plugin(_) => self.is_stateless(),
        }
    }

    /// True if the rule has no effects and names no plugin, as every rule of a caveat.
    pub(crate) fn is_stateless(&self) -> bool {
        match self {
            Self::Text(_) => true,
            Self::Object(object) => object.state == EffectMembers::default(),
            Self::Git(object) => object.limit.is_none() && object.owner.is_none(),
            Self::Plugin(_) => false,
        }
    }
}

/// The members of an object, rule or plugin.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Members {
    #[serde(default, deserialize_with = "present")]
    method: Option<OneOrMany>,
    #[serde(default, deserialize_with = "present")]
    path: Option<String>,
    #[serde(default, deserialize_with = "present")]
    route: Option<String>,
    #[serde(default, deserialize_with = "present_value")]
    captures: Option<Value>,
    #[serde(default, deserialize_with = "present_value")]
    query: Option<Value>,
    #[serde(default, deserialize_with = "present_value")]
    headers: Option<Value>,
    #[serde(default, deserialize_with = "present_value")]
    json: Option<Value>,
    #[serde(default, deserialize_with = "present_value")]
    json_each: Option<Value>,
    #[serde(default, deserialize_with = "present_value")]
    form: Option<Value>,
    #[serde(default, deserialize_with = "present_value")]
    body: Option<Value>,
    #[serde(default, deserialize_with = "present_value")]
    content_type: Option<Value>,
    #[serde(default, deserialize_with = "one_or_more")]
    grants: Option<Vec<String>>,
    #[serde(default, deserialize_with = "present")]
    receipt: Option<bool>,
    #[serde(default, deserialize_with = "present")]
    limit: Option<Limit>,
    #[serde(default, deserialize_with = "present_object")]
    list_items: Option<ListItemsObject>,
    #[serde(default, deserialize_with = "present")]
    owner: Option<String>,
    #[serde(default, deserialize_with = "present")]
    git: Option<String>,
    #[serde(default, deserialize_with = "present")]
    repository: Option<String>,
    #[serde(default, deserialize_with = "present_value")]
    refs: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    create: Option<bool>,
    #[serde(default, deserialize_with = "present")]
    delete: Option<bool>,
    #[serde(default, deserialize_with = "present")]
    force: Option<bool>,
    #[serde(default, deserialize_with = "present_value")]
    options: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    max_commands: Option<u64>,
    #[serde(default, deserialize_with = "one_or_more")]
    operations: Option<Vec<String>>,
    #[serde(default, deserialize_with = "present")]
    locks: Option<bool>,
    #[serde(default, deserialize_with = "present")]
    plugin: Option<String>,
}

impl Members {
    fn rule<E: serde::de::Error>(mut self) -> Result<RawRule, E> {
        let git = self.take_git();
        if git != GitMembers::default() || self.git.is_some() {
            return self.git_rule(git);
        }
        if self.receipt == Some(false) {
            return Err(E::custom(ValueFault::Receipt));
        }
        let conditions = ConditionMembers {
            captures: self.captures,
            query: self.query,
            headers: self.headers,
            json: self.json,
            json_each: self.json_each,
            form: self.form,
            body: self.body,
            content_type: self.content_type,
        };
        if let Some(fault) = conditions.fault_of_kinds() {
            return Err(E::custom(fault));
        }
        let state = EffectMembers {
            grants: self.grants,
            receipt: self.receipt.is_some(),
            limit: self.limit,
            list_items: self.list_items,
            owner: self.owner,
        };
        if let Some(name) = self.plugin {
            let alone = self.method.is_none() && self.path.is_none() && self.route.is_none();
            if !(alone && conditions.is_empty() && state == EffectMembers::default()) {
                return Err(E::custom(ValueFault::PluginMembers));
            }
            let plugin =
                PluginName::parse(&name).ok_or_else(|| E::custom(ValueFault::PluginName))?;
            return Ok(RawRule::Plugin(PluginObject { plugin }));
        }
        let method = self.method.ok_or_else(|| E::missing_field("method"))?;
        Ok(RawRule::Object(Box::new(RuleObject {
            method,
            path: self.path,
            route: self.route,
            conditions,
            state,
        })))
    }
}

impl Members {
    /// Takes the members of a rule for git; the names of its kind and of its repository are empty.
    fn take_git(&mut self) -> GitMembers {
        GitMembers {
            git: String::new(),
            repository: String::new(),
            refs: self.refs.take(),
            create: self.create.take(),
            delete: self.delete.take(),
            force: self.force.take(),
            options: self.options.take(),
            max_commands: self.max_commands.take(),
            operations: self.operations.take(),
            locks: self.locks.take(),
        }
    }

    fn git_rule<E: serde::de::Error>(self, members: GitMembers) -> Result<RawRule, E> {
        let Self { method, path, route, captures, query, headers, json, json_each, form, .. } =
            self;
        let Self { body, content_type, grants, receipt, limit, list_items, owner, plugin, .. } =
            self;
        let values = [captures, query, headers, json, json_each, form, body, content_type];
        let is_alone = method.is_none()
            && [path, route, plugin].iter().all(Option::is_none)
            && values.iter().all(Option::is_none)
            && grants.is_none()
            && receipt.is_none()
            && list_items.is_none();
        let (Some(git), true) = (self.git, is_alone) else {
            return Err(E::custom(ValueFault::GitMembers));
        };
        let repository = self.repository.ok_or_else(|| E::missing_field("repository"))?;
        let members = GitMembers { git, repository, ..members };
        Ok(RawRule::Git(Box::new(GitRuleObject { members, limit, owner })))
    }
}

/// A word or a list of words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum OneOrMany {
    /// A single word: `"GET"`.
    One(String),
    /// A list of words: `["GET", "PUT"]`.
    Many(Vec<String>),
}

impl OneOrMany {
    /// The words in their order.
    pub(super) fn words(&self) -> impl Iterator<Item = &str> {
        let words = match self {
            Self::One(word) => std::slice::from_ref(word),
            Self::Many(words) => words,
        };
        words.iter().map(String::as_str)
    }
}

/// Not `untagged`, whose errors speak of our types.
impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Form;
        impl<'de> Visitor<'de> for Form {
            type Value = OneOrMany;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a text or a list of texts")
            }
            fn visit_str<E>(self, text: &str) -> Result<OneOrMany, E> {
                Ok(OneOrMany::One(text.to_owned()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<OneOrMany, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(list)).map(OneOrMany::Many)
            }
        }
        deserializer.deserialize_any(Form)
    }
}

/// Not `untagged`, so that an object keeps the strictness of `Members` and its error messages.
impl<'de> Deserialize<'de> for RawRule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Form;
        impl<'de> Visitor<'de> for Form {
            type Value = RawRule;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(
                    "a rule: `METHOD /pattern`, or an object with `method` and `path` or `route`",
                )
            }
            fn visit_str<E>(self, text: &str) -> Result<RawRule, E> {
                Ok(RawRule::Text(text.to_owned()))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawRule, A::Error> {
                Members::deserialize(MapAccessDeserializer::new(map))?.rule()
            }
        }
        deserializer.deserialize_any(Form)
    }
}

impl fmt::Display for RawRule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => formatter.write_str(text),
            Self::Object(object) => {
                let target = object.route.as_deref().or(object.path.as_deref()).unwrap_or_default();
                let methods = object.method.words().collect::<Vec<_>>().join("|");
                write!(formatter, "{methods} {target}{}{}", object.conditions, object.state)
            }
            Self::Git(object) => {
                let state = EffectMembers {
                    limit: object.limit,
                    owner: object.owner.clone(),
                    ..EffectMembers::default()
                };
                write!(formatter, "{}{state}", object.members)
            }
            Self::Plugin(object) => write!(formatter, "plugin {}", object.plugin),
        }
    }
}

/// Prints the effects worth a look in a list of rules.
impl fmt::Display for EffectMembers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(limit) = &self.limit {
            write!(formatter, " limit {limit}")?;
        }
        if let Some(grants) = &self.grants {
            write!(
                formatter,
                " {} {}",
                if self.receipt { "receipt for" } else { "grants" },
                grants.join(", ")
            )?;
        }
        if let Some(list_items) = &self.list_items {
            write!(formatter, " owning its {}", list_items.list)?;
        }
        match &self.owner {
            Some(owner) => write!(formatter, " as {owner}"),
            None => Ok(()),
        }
    }
}
