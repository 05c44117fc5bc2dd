//! The settings for rewriting the responses of an API.

use std::sync::Arc;

use magicproxy_proxy::rewrite::Members;
use magicproxy_proxy::settings::Links;

use super::Table;
use crate::config::check::{Checker, list, value};
use crate::config::setting::GivenValue;

impl Checker<'_> {
    /// Checks the members to rewrite; each fault points at its member.
    pub(super) fn links(&mut self, table: &Table<'_>) -> Option<Links> {
        let key = table.key("rewrite_members");
        let given = list(&table.raw.rewrite_members);
        let faults = self.faults.len();
        for GivenValue { value, origin } in given {
            if let Err(error) = Members::parse([value.as_str()]) {
                self.fault(format!("{key} `{value}`: {error}"), origin);
            }
        }
        let members = Members::parse(given.iter().map(|given| given.value.as_str()))
            .ok()
            .filter(|_| self.faults.len() == faults)?;
        Some(if value(&table.raw.rewrite_links, true) {
            Links::Rewrite(Arc::new(members))
        } else {
            Links::Keep
        })
    }
}
