//! `revoke --repair`: entries that older versions wrote for whatever they were given, and that refuse nothing.

use magicproxy_core::UnverifiedToken;
use serde_json::{Value, json};

use super::Form;
use super::kept::Kept;
use crate::cli::secret;
use crate::output::{self, harmless};
use crate::revocations::{Revocation, Revoked};

/// An entry that means nothing, and the one that was meant, where that can be told.
struct Repair<'k> {
    entry: &'k Revocation,
    meant: Option<Revoked>,
}

/// Replaces each entry that is a whole token by that token's chain, and takes the other meaningless ones away.
pub(super) fn run(kept: &Kept, form: Form) -> anyhow::Result<()> {
    let known = kept.read()?;
    let idle = known.iter().filter(|entry| entry.revoked.means_nothing());
    let repairs: Vec<Repair<'_>> = idle.map(|entry| Repair { entry, meant: meant(&entry.revoked) }).collect();
    let added =
        |repair: &Repair<'_>| repair.meant.clone().map(|revoked| Revocation { revoked, about: repair.entry.about.clone() });
    let added: Vec<Revocation> = repairs.iter().filter_map(added).collect();
    // First what refuses more: between the two steps nothing is accepted that is not accepted after them.
    if !added.is_empty() {
        kept.add(&added)?;
    }
    if !repairs.is_empty() {
        kept.remove(&repairs.iter().map(|repair| repair.entry.revoked.clone()).collect::<Vec<_>>())?;
    }
    if form == Form::Json {
        return output::print_json(&repairs.iter().map(Repair::to_json).collect());
    }
    let lines: Vec<String> = repairs.iter().map(Repair::describe).collect();
    output::print(&if lines.is_empty() { "each entry means something".to_owned() } else { lines.join("\n") })
}

/// The chain of the token that somebody gave as an id.
fn meant(revoked: &Revoked) -> Option<Revoked> {
    let Revoked::Id(text) = revoked else { return None };
    let token = secret::without_armour(text).ok()?;
    UnverifiedToken::parse(&token).ok()?.chain().map(|chain| Revoked::Chain(chain.id()))
}

impl Repair<'_> {
    fn describe(&self) -> String {
        let name = harmless(&self.entry.revoked.shown());
        match &self.meant {
            Some(meant) => format!("revoked {}, which `{name}` was to do", meant.name()),
            None => format!("took away `{name}`, which refused nothing"),
        }
    }

    fn to_json(&self) -> Value {
        json!({ "removed": self.entry.revoked.shown(), "revoked": self.meant.as_ref().map(Revoked::name) })
    }
}
