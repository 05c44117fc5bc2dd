//! List items: requests whose body is a list of items to create and delete. `state.md` section 5.

mod listing;
mod only;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::effects::EffectInputFault;
use super::grants::Document;
use super::raw::OneOrMany;
use crate::json::{LenientNames, at_least_one, lenient, present, present_unique_map, unique_map};
use crate::request::RequestView;
use crate::state::Partition;
use crate::target::{EncodedSlash, RequestTarget, is_unreserved};
use crate::upstream_name::UpstreamName;

/// The most items of a request.
const MAX_ITEMS: usize = 100;
/// The most members in the key of a list item.
pub(super) const MAX_KEY: usize = 4;
/// The longest value of a key's member, in bytes.
const MAX_ITEM_VALUE_BYTES: usize = 255;

/// The `list_items` of a rule, as written and not yet checked. [`RuleEffects`](super::RuleEffects)
/// holds the checked form, [`ListItems`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListItemsObject {
    /// The member that holds the list.
    pub list: String,
    /// The members whose values identify a list item.
    #[serde(deserialize_with = "at_least_one")]
    pub key: Vec<String>,
    /// The members and values of a list item that creates or changes.
    #[serde(deserialize_with = "unique_map")]
    pub creates: BTreeMap<String, String>,
    /// The members and values of a list item that deletes.
    #[serde(
        default,
        deserialize_with = "present_unique_map",
        skip_serializing_if = "Option::is_none"
    )]
    pub deletes: Option<BTreeMap<String, String>>,
    /// The member whose empty list turns a creation into a deletion.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub deletes_if_empty: Option<String>,
    /// Patterns that members must match: the old spelling of conditions, in tokens only.
    #[serde(
        default,
        deserialize_with = "present_unique_map",
        skip_serializing_if = "Option::is_none"
    )]
    pub only: Option<BTreeMap<String, OneOrMany>>,
    /// The query with which the upstream lists a single item.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub lookup: Option<String>,
}

impl ListItemsObject {
    /// The names of the members of a list item that the rule reads; a name may come more than once.
    fn members(&self) -> impl Iterator<Item = &str> {
        let Self { list: _, key, creates, deletes, deletes_if_empty, only, lookup: _ } = self;
        let told_by_value = creates.keys().chain(deletes.iter().flat_map(BTreeMap::keys));
        key.iter()
            .chain(told_by_value)
            .chain(deletes_if_empty)
            .chain(only.iter().flat_map(BTreeMap::keys))
            .map(String::as_str)
    }
}

/// The checked `list_items` of a rule: which items of the list in a request's body may be created
/// and deleted. `state.md` section 5.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListItems(ListItemsObject);

/// A list item of a request: its key and the action. Other members of the item are checked against
/// the rule, and not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListItem {
    /// The action on the item: creation or deletion.
    pub action: ItemAction,
    /// The identity of the item: the values of its key, in lower case.
    key: Vec<String>,
}

/// The action of a request on a list item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemAction {
    /// Creation or change.
    Create,
    /// Deletion.
    Delete,
}

/// The reasons why a rule does not allow a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListItemsDenial {
    /// A body that is not JSON of the right form, or in which two readers could see two different
    /// values.
    Unreadable,
    /// A list item that the rule does not allow.
    NotAllowed,
}

impl ListItem {
    /// The name under which the item is kept in its partition.
    #[must_use]
    pub fn name(&self) -> Vec<u8> {
        // No value holds a byte 0.
        self.key.join("\0").into_bytes()
    }
}

impl ListItems {
    pub(super) fn parse(object: &ListItemsObject) -> Result<Self, ListItemsFault> {
        if !object.members().all(is_member_name) || !is_member_name(&object.list) {
            return Err(ListItemsFault::Name);
        }
        let distinct: BTreeSet<&String> = object.key.iter().collect();
        if !(1..=MAX_KEY).contains(&object.key.len()) || distinct.len() < object.key.len() {
            return Err(ListItemsFault::Key);
        }
        let members: BTreeSet<&str> = object.members().collect();
        let mut names = HashSet::new();
        for name in members {
            if !names.insert(lenient(Cow::Borrowed(name))) {
                return Err(ListItemsFault::Spellings);
            }
        }
        if let Some(deletes) = &object.deletes
            && !are_told_apart(&object.creates, deletes)
        {
            return Err(ListItemsFault::Alike);
        }
        let list_items = Self(object.clone());
        if !list_items.looks_up_by_a_query() {
            return Err(ListItemsFault::Lookup);
        }
        Ok(list_items)
    }

    /// True if the lookup of any item is a query, or if there is no lookup.
    fn looks_up_by_a_query(&self) -> bool {
        let key = vec!["x".to_owned(); self.0.key.len()];
        let Some(query) = self.lookup(&ListItem { action: ItemAction::Create, key }) else {
            return true;
        };
        if !query.starts_with('?') || query.contains(['{', '}']) {
            return false;
        }
        let target = format!("/{query}");
        RequestTarget::parse(target.as_bytes(), EncodedSlash::Refuse).is_ok()
    }

    /// Returns the partition for the list items of a path at an upstream, the same for all
    /// spellings of a path that an API may take for equal. `None` if an API could read the path as
    /// another path: PowerDNS takes `=2E` for a dot.
    #[must_use]
    pub fn partition(&self, upstream: &UpstreamName, path: &str) -> Option<Partition> {
        if !has_one_spelling(path) {
            return None;
        }
        let segments: Vec<String> =
            path.strip_suffix('/').unwrap_or(path).split('/').map(folded).collect();
        let path = segments.join("/");
        Some(Partition::of(&[
            b"elements",
            upstream.as_str().as_bytes(),
            self.0.list.as_bytes(),
            path.as_bytes(),
        ]))
    }

    /// Returns the items of a request, once the request's body was read.
    pub(super) fn of_request(
        &self,
        request: &RequestView<'_>,
    ) -> Result<Vec<ListItem>, EffectInputFault> {
        let body = request.body()?;
        if !has_one_spelling(request.target().path()) {
            return Err(EffectInputFault::NotAllowed);
        }
        Ok(self.read(body)?)
    }

    /// Returns the items of a request's body, all of them allowed by the rule: `state.md` sections
    /// 5.1 and 5.2.
    ///
    /// # Errors
    /// [`ListItemsDenial`]: the body is unreadable, or an item is not allowed.
    pub fn read(&self, body: &[u8]) -> Result<Vec<ListItem>, ListItemsDenial> {
        let document = Document::parse(body).ok_or(ListItemsDenial::Unreadable)?;
        let Value::Object(members) = &document.0 else { return Err(ListItemsDenial::Unreadable) };
        let Some(Value::Array(list)) = members.get(&self.0.list) else {
            return Err(ListItemsDenial::Unreadable);
        };
        if members.len() != 1 || !(1..=MAX_ITEMS).contains(&list.len()) {
            return Err(ListItemsDenial::Unreadable);
        }
        let mut list_items: Vec<ListItem> = Vec::with_capacity(list.len());
        for value in list {
            let members = value.as_object().ok_or(ListItemsDenial::NotAllowed)?;
            // The upstream may read names without regard to case, and take the item for another
            // item.
            let names = LenientNames::of(members).ok_or(ListItemsDenial::Unreadable)?;
            if self.0.members().any(|name| names.misspell(name)) {
                return Err(ListItemsDenial::NotAllowed);
            }
            let item = self.item(members).ok_or(ListItemsDenial::NotAllowed)?;
            if list_items.iter().any(|other| other.key == item.key) {
                return Err(ListItemsDenial::NotAllowed);
            }
            list_items.push(item);
        }
        Ok(list_items)
    }

    /// Returns the query that asks the upstream for this list item alone, with its `?`.
    #[must_use]
    pub fn lookup(&self, item: &ListItem) -> Option<String> {
        let mut query = self.0.lookup.clone()?;
        for (name, value) in self.0.key.iter().zip(&item.key) {
            query = query.replace(&format!("{{{name}}}"), value);
        }
        Some(query)
    }

    /// True if the upstream's list holds any of these items: `state.md` section 5.5. `None` if the
    /// listing does not tell. Reads the listing without keeping more in memory than the key of a
    /// single item.
    #[must_use]
    pub fn hold_any(&self, listing: &[u8], list_items: &[ListItem]) -> Option<bool> {
        listing::find_any(&self.0, listing, list_items)
    }

    fn item(&self, members: &Map<String, Value>) -> Option<ListItem> {
        let mut key = Vec::with_capacity(self.0.key.len());
        for name in &self.0.key {
            let value = text(members, name)?;
            if !is_plain(value) {
                return None;
            }
            key.push(folded(value));
        }
        for (name, patterns) in self.0.only.iter().flatten() {
            let value = text(members, name)?;
            if !patterns.words().any(|pattern| fits(pattern, value)) {
                return None;
            }
        }
        Some(ListItem { action: self.action(members)?, key })
    }

    /// Returns the action that the members of an item ask for; `None` if neither is meant.
    fn action(&self, members: &Map<String, Value>) -> Option<ItemAction> {
        if let Some(deletes) = &self.0.deletes
            && hold(members, deletes)
        {
            return Some(ItemAction::Delete);
        }
        if !hold(members, &self.0.creates) {
            return None;
        }
        if let Some(name) = &self.0.deletes_if_empty
            && members.get(name).and_then(Value::as_array).is_some_and(Vec::is_empty)
        {
            return Some(ItemAction::Delete);
        }
        Some(ItemAction::Create)
    }
}

fn is_member_name(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic())
}

/// True if creations and deletions differ in the value of at least one common member.
fn are_told_apart(creates: &BTreeMap<String, String>, deletes: &BTreeMap<String, String>) -> bool {
    for (name, value) in creates {
        if let Some(other) = deletes.get(name)
            && other != value
        {
            return true;
        }
    }
    false
}

fn text<'v>(members: &'v Map<String, Value>, name: &str) -> Option<&'v str> {
    members.get(name)?.as_str()
}

/// True if the members hold all of these values.
fn hold(members: &Map<String, Value>, values: &BTreeMap<String, String>) -> bool {
    values.iter().all(|(name, value)| text(members, name) == Some(value))
}

/// True if no API could read the path as another path.
fn has_one_spelling(path: &str) -> bool {
    path.bytes().all(|byte| byte == b'/' || is_unreserved(byte))
}

/// True if no API could take the value for another value: no escapes, no blanks, no letters beyond
/// ASCII.
fn is_plain(value: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._*-".contains(&byte);
    (1..=MAX_ITEM_VALUE_BYTES).contains(&value.len()) && value.bytes().all(legal)
}

/// Returns the value in lower case and without a dot at the end: names in the DNS are equal apart
/// from both.
fn folded(value: &str) -> String {
    value.strip_suffix('.').unwrap_or(value).to_ascii_lowercase()
}

/// True if the value fits the pattern, in which `*` stands for any characters. Case and a dot at
/// the end are ignored.
fn fits(pattern: &str, value: &str) -> bool {
    let (pattern, value) = (folded(pattern), folded(value));
    let mut pieces = pattern.split('*');
    let Some(mut rest) = pieces.next().and_then(|first| value.strip_prefix(first)) else {
        return false;
    };
    let mut pieces: Vec<&str> = pieces.collect();
    let Some(last) = pieces.pop() else { return rest.is_empty() };
    for piece in pieces {
        match rest.split_once(piece) {
            Some((_, behind)) => rest = behind,
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// The faults of `list_items` as written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ListItemsFault {
    /// A malformed name of a member.
    #[error("`list_items`: the name of a member is 1 to 64 visible characters of ASCII")]
    Name,
    /// A key without members, with too many, or with a repeated member.
    #[error("`list_items`: `key` must hold 1 to {MAX_KEY} different members")]
    Key,
    /// Two names that some server takes for the same name.
    #[error(
        "`list_items`: two members have names that differ only in case or in `_`: no list item may have both"
    )]
    Spellings,
    /// A list item that could both create and delete.
    #[error(
        "`list_items`: `creates` and `deletes` must differ in the value of a member that both name"
    )]
    Alike,
    /// A lookup that is no query.
    #[error(
        "`list_items`: `lookup` must be a query such as `?name={{name}}`, with members of `key` in braces"
    )]
    Lookup,
}
