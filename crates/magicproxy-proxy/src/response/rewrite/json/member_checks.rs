//! Cache of members' checks: the documents of an API have the same few names again and again.

use super::super::LinkMap;
use crate::members::MemberCheck;
use crate::members::Position;

/// Number of paths that are remembered at a time.
const SLOTS: usize = 128;
/// Longest path that is remembered, in bytes.
const MAX_MEMBER_PATH_BYTES: usize = 62;

/// Checks of the members of one document, by path. Bounded, whatever the document.
#[derive(Debug, Default)]
pub(super) struct MemberChecks {
    /// [`SLOTS`] slots, or none before the first check.
    slots: Vec<Slot>,
}

/// Slot of one remembered path with the member's check.
#[derive(Debug, Clone)]
struct Slot {
    path: [u8; MAX_MEMBER_PATH_BYTES],
    /// Length of the path; 0 where nothing is remembered: each path has at least one byte.
    length: u8,
    check: MemberCheck,
}

impl MemberChecks {
    /// Returns the check of the member at a position.
    pub(super) fn check(&mut self, links: &LinkMap, position: &Position) -> MemberCheck {
        let find = || links.members().check(position);
        let Some(path) =
            position.path().filter(|path| (1..=MAX_MEMBER_PATH_BYTES).contains(&path.len()))
        else {
            return find();
        };
        if self.slots.is_empty() {
            self.slots =
                vec![
                    Slot { path: [0; MAX_MEMBER_PATH_BYTES], length: 0, check: MemberCheck::Stays };
                    SLOTS
                ];
        }
        let Some(slot) = self.slots.get_mut(slot_of(path)) else { return find() };
        if slot.path() != path {
            slot.remember(path, find());
        }
        slot.check
    }
}

impl Slot {
    fn path(&self) -> &[u8] {
        self.path.get(..usize::from(self.length)).unwrap_or_default()
    }

    fn remember(&mut self, path: &[u8], check: MemberCheck) {
        self.length = 0;
        if let (Some(place), Ok(length)) =
            (self.path.get_mut(..path.len()), u8::try_from(path.len()))
        {
            place.copy_from_slice(path);
            self.length = length;
        }
        self.check = check;
    }
}

/// Returns the slot of a path. Paths of one slot displace each other, which costs only time.
fn slot_of(path: &[u8]) -> usize {
    const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;
    let (words, rest) = path.as_chunks::<8>();
    let mut last = [0; 8];
    for (to, from) in last.iter_mut().zip(rest) {
        *to = *from;
    }
    let mix = |hash: u64, word: &[u8; 8]| {
        (hash.rotate_left(5) ^ u64::from_le_bytes(*word)).wrapping_mul(FACTOR)
    };
    let hash = words.iter().chain([&last]).fold(path.len() as u64, mix);
    (hash >> (u64::BITS - SLOTS.ilog2())) as usize
}
