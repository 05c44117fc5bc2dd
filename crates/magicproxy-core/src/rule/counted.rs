//! The text by which the count of a rule is found: `state.md` section 6.2. Members keep the names
//! of the time when counts were first kept, so that a count goes on under the present names.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::Serialize;

use super::list_items::ListItemsObject;
use super::raw::{OneOrMany, RuleObject};
use crate::condition::ConditionMembers;
use crate::limit::Limit;

/// A rule, with the first names of its members.
#[derive(Serialize)]
pub(super) struct CountedRule<'r> {
    method: &'r OneOrMany,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    route: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    grants: Option<&'r [String]>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    receipt: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<Limit>,
    #[serde(rename = "elements", skip_serializing_if = "Option::is_none")]
    list_items: Option<CountedItems<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<&'r str>,
    #[serde(flatten)]
    conditions: &'r ConditionMembers,
}

/// The `list_items` of a rule, with the first names of its members.
#[derive(Serialize)]
struct CountedItems<'r> {
    list: &'r str,
    key: &'r [String],
    creates: &'r BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deletes: Option<&'r BTreeMap<String, String>>,
    #[serde(rename = "empty", skip_serializing_if = "Option::is_none")]
    deletes_if_empty: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    only: Option<&'r BTreeMap<String, OneOrMany>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lookup: Option<&'r str>,
}

impl<'r> CountedRule<'r> {
    pub(super) fn of(rule: &'r RuleObject) -> Self {
        let RuleObject { method, path, route, conditions, state } = rule;
        Self {
            method,
            path: path.as_deref(),
            route: route.as_deref(),
            grants: state.grants.as_deref(),
            receipt: state.receipt,
            limit: state.limit,
            list_items: state.list_items.as_ref().map(CountedItems::of),
            owner: state.owner.as_deref(),
            conditions,
        }
    }
}

impl<'r> CountedItems<'r> {
    fn of(items: &'r ListItemsObject) -> Self {
        let ListItemsObject { list, key, creates, deletes, deletes_if_empty, only, lookup } = items;
        Self {
            list,
            key,
            creates,
            deletes: deletes.as_ref(),
            deletes_if_empty: deletes_if_empty.as_deref(),
            only: only.as_ref(),
            lookup: lookup.as_deref(),
        }
    }
}
