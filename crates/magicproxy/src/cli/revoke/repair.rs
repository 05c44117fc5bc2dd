//! `revoke --repair`: removes the entries that refuse nothing. Older versions wrote entries for
//! every text they were given.

use magicproxy_core::{UnixTime, UnverifiedToken};
use serde_json::{Value, json};

use super::storage::RevocationStorage;
use super::{Form, times};
use crate::cli::inspect::Claims;
use crate::cli::secret;
use crate::ground::output;
use crate::runtime::revocations::{FOR_GOOD, Revocation, RevokedThing};
use magicproxy_config::ground::text::harmless;

/// A meaningless entry, and the entry that was meant, if known.
struct Repair<'k> {
    entry: &'k Revocation,
    /// The entry that was meant, with the end of the token given for it.
    meant: Option<(RevokedThing, Option<UnixTime>)>,
}

/// Replaces each entry that is a whole token by the token's chain, and removes the other
/// meaningless entries.
pub(super) fn run(kept: &RevocationStorage, form: Form) -> anyhow::Result<()> {
    let known = kept.read()?;
    let idle = known.iter().filter(|entry| entry.revoked.means_nothing());
    let repairs: Vec<Repair<'_>> =
        idle.map(|entry| Repair { entry, meant: meant(&entry.revoked) }).collect();
    let added: Vec<Revocation> = repairs.iter().filter_map(|repair| repair.added(&known)).collect();
    // Additions first: between the two steps no token is accepted that is not accepted after them.
    if !added.is_empty() {
        kept.add(&added)?;
    }
    if !repairs.is_empty() {
        kept.remove(
            &repairs.iter().map(|repair| repair.entry.revoked.clone()).collect::<Vec<_>>(),
        )?;
    }
    if form == Form::Json {
        return output::print_json(&repairs.iter().map(Repair::to_json).collect());
    }
    let lines: Vec<String> = repairs.iter().map(Repair::describe).collect();
    output::print(&if lines.is_empty() {
        "each entry means something".to_owned()
    } else {
        lines.join("\n")
    })
}

/// Returns the chain of a token that somebody gave as an id, and the token's end.
fn meant(revoked: &RevokedThing) -> Option<(RevokedThing, Option<UnixTime>)> {
    let RevokedThing::Id(text) = revoked else { return None };
    let token = secret::without_armour(text).ok()?;
    let chain = UnverifiedToken::parse(&token).ok()?.chain()?;
    Some((RevokedThing::Chain(chain.id()), Claims::of(&token).ok().and_then(|claims| claims.end())))
}

impl Repair<'_> {
    /// Makes the replacing entry, in force until the token ends.
    fn added(&self, known: &[Revocation]) -> Option<Revocation> {
        let (revoked, end) = self.meant.clone()?;
        let mut about = self.entry.about.clone();
        about.expires_at = about.expires_at.max(end.map_or(0, times::after)).min(FOR_GOOD);
        Some(Revocation { revoked, about }.no_shorter_than(known))
    }

    fn describe(&self) -> String {
        let name = harmless(&self.entry.revoked.shown());
        match &self.meant {
            Some((meant, _)) => format!("revoked {}, which `{name}` was to do", meant.name()),
            None => format!("took away `{name}`, which refused nothing"),
        }
    }

    fn to_json(&self) -> Value {
        json!({ "removed": self.entry.revoked.shown(), "revoked": self.meant.as_ref().map(|(meant, _)| meant.name()) })
    }
}
