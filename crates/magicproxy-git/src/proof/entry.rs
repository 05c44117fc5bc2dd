//! Heads: of a pack, and of each object in it.

use crate::object_id::{ObjectFormat, ObjectId};

use super::objects::PackFault;

/// The length of the head of a pack.
pub(super) const PACK_HEAD: usize = 12;
/// The most bytes of a number: seven bits each, 64 in all.
const LONGEST_NUMBER: usize = 9;

/// The head of an object in a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) kind: EntryKind,
    /// The length of what is inflated.
    pub(super) size: u64,
}

/// What an object in a pack is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EntryKind {
    Commit,
    /// A tree, a file or a tag.
    Other,
    /// A delta on the object that many bytes before this one.
    OffsetDelta(u64),
    /// A delta on the object with this id, here or at the server.
    IdDelta(ObjectId),
}

/// Reads the head of a pack, and returns the number of objects. Version 3 is never written.
pub(super) fn pack_head(head: &[u8]) -> Result<u32, PackFault> {
    let number = head.strip_prefix(b"PACK\0\0\0\x02").ok_or(PackFault)?;
    number.try_into().map(u32::from_be_bytes).map_err(|_| PackFault)
}

/// Reads the head of an object, of which the last byte may be the last that is there: `None` if it
/// goes on.
pub(super) fn entry(format: ObjectFormat, head: &[u8]) -> Result<Option<Entry>, PackFault> {
    let Some(length) = number_length(head)? else { return Ok(None) };
    let (number, rest) = head.split_at_checked(length).ok_or(PackFault)?;
    let (kind, size) = kind_and_size(number);
    let kind = match kind {
        1 => EntryKind::Commit,
        2..=4 => EntryKind::Other,
        6 => match number_length(rest)? {
            None => return Ok(None),
            Some(length) => EntryKind::OffsetDelta(offset(rest.get(..length).unwrap_or_default())),
        },
        7 if rest.len() < format.id_bytes() => return Ok(None),
        7 => EntryKind::IdDelta(ObjectId::from_bytes(format, rest).ok_or(PackFault)?),
        _ => return Err(PackFault),
    };
    Ok(Some(Entry { kind, size }))
}

/// Returns how many bytes a number has: `None` if it goes on.
fn number_length(bytes: &[u8]) -> Result<Option<usize>, PackFault> {
    match bytes.iter().position(|byte| byte & 0x80 == 0) {
        Some(last) if last < LONGEST_NUMBER => Ok(Some(last + 1)),
        None if bytes.len() < LONGEST_NUMBER => Ok(None),
        _ => Err(PackFault),
    }
}

/// Reads three bits of a kind, and a size: four bits of the first byte, then seven of each.
fn kind_and_size(number: &[u8]) -> (u8, u64) {
    let first = number.first().copied().unwrap_or_default();
    let others = number.iter().skip(1).rev();
    let high = others.fold(0, |size, byte| size << 7 | u64::from(byte & 0x7f));
    (first >> 4 & 7, high << 4 | u64::from(first & 0x0f))
}

/// Reads the distance of a base: seven bits a byte, the highest first, one added before each.
fn offset(number: &[u8]) -> u64 {
    let mut bytes = number.iter().map(|byte| u64::from(byte & 0x7f));
    let first = bytes.next().unwrap_or_default();
    bytes.fold(first, |offset, bits| (offset + 1) << 7 | bits)
}

#[cfg(test)]
mod tests {
    use super::{Entry, EntryKind, entry, pack_head};
    use crate::object_id::{ObjectFormat, ObjectId};
    use crate::proof::objects::PackFault;

    #[track_caller]
    fn check(head: &[u8], kind: EntryKind, size: u64) {
        assert_eq!(entry(ObjectFormat::Sha1, head), Ok(Some(Entry { kind, size })));
        for short in 0..head.len() {
            assert_eq!(entry(ObjectFormat::Sha1, &head[..short]), Ok(None), "{short}");
        }
    }

    #[test]
    fn heads_of_objects_are_read_byte_by_byte() {
        check(&[0x1f], EntryKind::Commit, 15);
        check(&[0x95, 0x0f], EntryKind::Commit, 245);
        check(&[0x30], EntryKind::Other, 0);
        check(&[0xaf, 0xff, 0x01], EntryKind::Other, 0xfff);
        check(&[0x65, 0x7f], EntryKind::OffsetDelta(127), 5);
        check(&[0x65, 0x80, 0x00], EntryKind::OffsetDelta(128), 5);
        check(&[0x65, 0x86, 0x1a], EntryKind::OffsetDelta(922), 5);
        let id = ObjectId::from_bytes(ObjectFormat::Sha1, &[7; 20]).unwrap();
        check(&[&[0xf1, 0x01][..], &[7; 20]].concat(), EntryKind::IdDelta(id), 17);
    }

    #[test]
    fn heads_that_mean_nothing_are_faults() {
        for first in [0x00, 0x50, 0x0f] {
            assert_eq!(entry(ObjectFormat::Sha1, &[first]), Err(PackFault));
        }
        assert_eq!(entry(ObjectFormat::Sha1, &[0xff; 9]), Err(PackFault));
        assert_eq!(entry(ObjectFormat::Sha1, &[&[0x65][..], &[0xff; 9]].concat()), Err(PackFault));
        assert_eq!(pack_head(b"PACK\0\0\0\x02\0\0\x01\x02"), Ok(258));
        for head in
            [&b"PACK\0\0\0\x03\0\0\0\x01"[..], b"pack\0\0\0\x02\0\0\0\x01", b"PACK\0\0\0\x02"]
        {
            assert_eq!(pack_head(head), Err(PackFault));
        }
    }
}
