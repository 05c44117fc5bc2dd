//! Deltas: an object written as copies from another one and new bytes.

/// Makes the object that a delta describes; `None` if the delta is not right for its base, or the
/// object is longer than `longest`.
pub(super) fn apply(base: &[u8], delta: &[u8], longest: usize) -> Option<Vec<u8>> {
    let (base_length, delta) = length(delta)?;
    let (result_length, mut delta) = length(delta)?;
    if base_length != base.len() || result_length > longest {
        return None;
    }
    let mut result = Vec::with_capacity(result_length);
    while let Some((&code, rest)) = delta.split_first() {
        let (part, rest) = match code {
            0 => return None,
            1..=0x7f => rest.split_at_checked(usize::from(code))?,
            _ => {
                let (range, rest) = copy(code, rest)?;
                (base.get(range)?, rest)
            }
        };
        if result.len() + part.len() > result_length {
            return None;
        }
        result.extend_from_slice(part);
        delta = rest;
    }
    (result.len() == result_length).then_some(result)
}

/// Reads a length: seven bits a byte, the lowest first.
fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0;
    for (place, byte) in bytes.iter().enumerate().take(4) {
        value |= usize::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(place + 1..)?));
        }
    }
    None
}

/// Reads the range of a copy: four bits of the code say which bytes of the offset are written, three
/// which of the length.
fn copy(code: u8, mut bytes: &[u8]) -> Option<(std::ops::Range<usize>, &[u8])> {
    let mut number = |bits: std::ops::Range<u32>| {
        let first = bits.start;
        let mut value = 0;
        for bit in bits {
            if code >> bit & 1 == 1 {
                let (byte, rest) = bytes.split_first()?;
                value |= usize::from(*byte) << (8 * (bit - first));
                bytes = rest;
            }
        }
        Some(value)
    };
    let (offset, length) = (number(0..4)?, number(4..7)?);
    let length = if length == 0 { 0x1_0000 } else { length };
    Some((offset..offset + length, bytes))
}

#[cfg(test)]
mod tests {
    use super::apply;

    const BASE: &[u8] = b"0123456789";

    #[test]
    fn copies_and_new_bytes_make_the_object() {
        let delta = [10, 7, 0x91, 2, 3, 2, b'a', b'b', 0x90, 2];
        assert_eq!(apply(BASE, &delta, 7).unwrap(), b"234ab01");
        assert_eq!(apply(BASE, &delta, 6), None);
        assert_eq!(apply(BASE, &[10, 0], 0).unwrap(), b"");
        // No length is 65,536.
        let base = vec![7; 0x1_0001];
        let delta = [0x81, 0x80, 4, 0x80, 0x80, 4, 0x81, 1];
        assert_eq!(apply(&base, &delta, 1 << 20).unwrap().len(), 0x1_0000);
    }

    #[test]
    fn a_delta_that_is_not_right_makes_nothing() {
        let deltas: [&[u8]; 10] = [
            &[],
            &[10],
            &[9, 1, 1, b'a'],
            &[10, 2, 1, b'a'],
            &[10, 1, 2, b'a', b'b'],
            &[10, 1, 2, b'a'],
            &[10, 1, 0],
            &[10, 3, 0x91, 8, 3],
            &[10, 3, 0x91, 8],
            &[0x8a, 0x80, 0x80, 0x80, 0, 1, 1, b'a'],
        ];
        for delta in deltas {
            assert_eq!(apply(BASE, delta, 100), None, "{delta:?}");
        }
    }
}
