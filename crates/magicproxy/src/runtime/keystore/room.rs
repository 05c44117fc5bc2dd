//! Room in the ring: a writer refuses what no reader would accept, before it writes anything.

use magicproxy_core::{Kem, MAX_KEYS};

use super::Keys;

/// What a rotation does to the keys that sign the key set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeySetRotation {
    /// A successor is made.
    Rotate,
    /// One is made where there is none.
    Keep,
}

impl Keys {
    /// Refuses a rotation whose ring would be too large.
    ///
    /// # Errors
    /// The kind of keys without room, and the remedy.
    pub(crate) fn ensure_room_to_rotate(&self, key_set: KeySetRotation) -> anyhow::Result<()> {
        let signs = self.ring.key_set().iter().any(|key| key.lifetime().retired.is_none());
        let new = usize::from(key_set == KeySetRotation::Rotate || !signs);
        ensure_room("signing keys", self.held.len(), 1)?;
        ensure_room("sealing keys", self.ring.sealing().len(), Kem::ALL.len())?;
        ensure_room("keys that sign the key set", self.ring.key_set().len(), new)
    }
}

/// Refuses new keys beside those of the same kind, if they would be too many for a ring.
///
/// # Errors
/// The remedy.
pub(super) fn ensure_room(kind: &str, held: usize, new: usize) -> anyhow::Result<()> {
    anyhow::ensure!(
        new == 0 || held + new <= MAX_KEYS,
        "there are {held} {kind}, {MAX_KEYS} are the most, and {new} would be added: move the files of the oldest away (`magicproxy keys list` names them), whose tokens then end"
    );
    Ok(())
}
