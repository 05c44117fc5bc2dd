//! Packets (`PKT` lines): four lowercase hexadecimal digits with the length of the whole, and data.

/// The longest packet that git writes or reads, with its four digits.
pub(crate) const LONGEST_PACKET: usize = 65_520;
/// The packet without data that ends a list.
pub(crate) const FLUSH: &[u8] = b"0000";
/// The digits before the data.
const DIGITS: usize = 4;

/// A beginning of bytes, read as a packet.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Packet<'a> {
    /// The packet is not whole. With its length, as soon as that is known.
    Part(Option<usize>),
    /// The end of a list.
    Flush,
    /// Data, one byte at least.
    Data(&'a [u8]),
}

/// Bytes that begin no packet that has a meaning in a push.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PacketFault;

/// Reads the packet at the beginning of `bytes`, and returns what follows it.
///
/// Delimiters (`0001`, `0002`), empty packets and lengths in uppercase digits have no meaning in a
/// push, and are refused as what is no length at all.
pub(crate) fn next(bytes: &[u8]) -> Result<(Packet<'_>, &[u8]), PacketFault> {
    let known = bytes.get(..DIGITS).unwrap_or(bytes);
    if !known.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')) {
        return Err(PacketFault);
    }
    if known.len() < DIGITS {
        return Ok((Packet::Part(None), bytes));
    }
    let digits = std::str::from_utf8(known).map_err(|_| PacketFault)?;
    match usize::from_str_radix(digits, 16).map_err(|_| PacketFault)? {
        0 => Ok((Packet::Flush, bytes.get(DIGITS..).unwrap_or_default())),
        length if length <= DIGITS || length > LONGEST_PACKET => Err(PacketFault),
        length => Ok(match bytes.split_at_checked(length) {
            Some((packet, rest)) => (Packet::Data(packet.get(DIGITS..).unwrap_or_default()), rest),
            None => (Packet::Part(Some(length)), bytes),
        }),
    }
}

/// Appends a packet with this data, which the caller holds below the longest.
pub(crate) fn write(out: &mut Vec<u8>, data: &[&[u8]]) {
    let length: usize = data.iter().map(|part| part.len()).sum();
    out.extend_from_slice(format!("{:04x}", length + DIGITS).as_bytes());
    data.iter().for_each(|part| out.extend_from_slice(part));
}

#[cfg(test)]
mod tests {
    use super::{LONGEST_PACKET, Packet, PacketFault, next, write};

    #[test]
    fn packets_are_read_one_by_one() {
        assert_eq!(next(b"0000PACK"), Ok((Packet::Flush, &b"PACK"[..])));
        assert_eq!(next(b"0006abcd"), Ok((Packet::Data(b"ab"), &b"cd"[..])));
        assert_eq!(next(b"0006a"), Ok((Packet::Part(Some(6)), &b"0006a"[..])));
        assert_eq!(next(b"000"), Ok((Packet::Part(None), &b"000"[..])));
        assert_eq!(next(b""), Ok((Packet::Part(None), &b""[..])));
    }

    #[test]
    fn what_has_no_meaning_in_a_push_is_no_packet() {
        for bytes in
            ["0001", "0002", "0003", "0004", "000A", "P", "fff1", "ffff", "+006ab", "00 6ab"]
        {
            assert_eq!(next(bytes.as_bytes()), Err(PacketFault), "{bytes}");
        }
        assert_eq!(next(b"fff0"), Ok((Packet::Part(Some(LONGEST_PACKET)), &b"fff0"[..])));
    }

    #[test]
    fn what_is_written_is_read() {
        let mut out = Vec::new();
        write(&mut out, &[b"unpack ", b"ok\n"]);
        assert_eq!(out, b"000eunpack ok\n");
        assert_eq!(next(&out), Ok((Packet::Data(b"unpack ok\n"), &b""[..])));
    }
}
