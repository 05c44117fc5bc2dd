//! Search for the few meaningful bytes of JSON, eight bytes at a time: the gaps between such bytes
//! are often too short for the vectors of `memchr` to pay.

/// Number of words that are searched before `memchr` takes over.
const WORDS: usize = 4;

const QUOTE: u64 = every(b'"');
const BACKSLASH: u64 = every(b'\\');
const COMMA: u64 = every(b',');
/// Bits that turn a bracket of any kind into [`BRACKET`], and hardly any other byte outside of
/// strings.
const BRACKET_BITS: u64 = every(0x26);
const BRACKET: u64 = every(0x7F);

/// Hands over each comma and bracket up to the first quotation mark, and returns the offset of the
/// mark. Other bytes may be handed over, too.
#[inline]
pub(super) fn structure(text: &[u8], mut take: impl FnMut(u8)) -> Option<usize> {
    let (words, rest) = text.as_chunks::<8>();
    for (number, word) in words.iter().enumerate() {
        let loaded = u64::from_le_bytes(*word);
        let mut marked = exact_zeros(loaded ^ QUOTE)
            | exact_zeros(loaded ^ COMMA)
            | exact_zeros((loaded | BRACKET_BITS) ^ BRACKET);
        while marked != 0 {
            let at = first(marked);
            match word.get(at) {
                Some(b'"') => return Some(number * 8 + at),
                byte => byte.copied().map_or((), &mut take),
            }
            marked &= marked - 1;
        }
    }
    let end = rest.iter().position(|byte| *byte == b'"');
    rest.get(..end.unwrap_or(rest.len())).unwrap_or_default().iter().copied().for_each(take);
    Some(words.len() * 8 + end?)
}

/// Finds the first quotation mark, backslash or byte 0xFF.
pub(super) fn name_end(text: &[u8]) -> Option<usize> {
    find(text, |word| zeros(word ^ QUOTE) | zeros(word ^ BACKSLASH) | zeros(!word))
}

/// Finds the first quotation mark or backslash.
pub(super) fn text_end(text: &[u8]) -> Option<usize> {
    let (near, far) = text.split_at_checked(WORDS * 8).unwrap_or((text, &[]));
    let found = find(near, |word| zeros(word ^ QUOTE) | zeros(word ^ BACKSLASH));
    found.or_else(|| Some(near.len() + memchr::memchr2(b'"', b'\\', far)?))
}

/// Finds the first marked byte, given a function that marks bytes of a word as [`zeros`] does.
#[inline]
fn find(text: &[u8], marks: impl Fn(u64) -> u64) -> Option<usize> {
    let (words, rest) = text.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        let marked = marks(u64::from_le_bytes(*word));
        if marked != 0 {
            return Some(at * 8 + first(marked));
        }
    }
    let is_marked = |byte: &u8| marks(every(*byte)) != 0;
    Some(words.len() * 8 + rest.iter().position(is_marked)?)
}

/// Marks zero bytes by the highest bit. Bytes behind the first zero may be marked wrongly, and no
/// byte before the first zero.
const fn zeros(word: u64) -> u64 {
    word.wrapping_sub(every(0x01)) & !word & every(0x80)
}

/// Marks exactly the zero bytes, by the highest bit.
const fn exact_zeros(word: u64) -> u64 {
    const LOW: u64 = every(0x7F);
    !((word & LOW).wrapping_add(LOW) | word | LOW)
}

/// Returns the index of the first marked byte.
const fn first(marked: u64) -> usize {
    (marked.trailing_zeros() / 8) as usize
}

const fn every(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::{name_end, structure, text_end};

    /// Bytes that are looked for, their neighbours, and any.
    fn texts() -> impl Strategy<Value = Vec<u8>> {
        let near = select(b"\"\\,[]{}\xFF\xFE!#[Z^|~_Yy\x7F\x00\x80 a1".to_vec());
        vec(prop_oneof![1 => near, 1 => any::<u8>(), 6 => Just(b'a')], 0..90)
    }

    proptest! {
        #[test]
        fn the_first_is_found_wherever_it_is(text in texts()) {
            let position = |bytes: &[u8]| text.iter().position(|byte| bytes.contains(byte));
            prop_assert_eq!(name_end(&text), position(b"\"\\\xFF"));
            prop_assert_eq!(text_end(&text), position(b"\"\\"));
            let mut taken = Vec::new();
            prop_assert_eq!(structure(&text, |byte| taken.push(byte)), position(b"\""));
            taken.retain(|byte| b",[]{}".contains(byte));
            let before = text.iter().take_while(|byte| **byte != b'"').copied();
            prop_assert_eq!(taken, before.filter(|byte| b",[]{}".contains(byte)).collect::<Vec<_>>());
        }
    }
}
