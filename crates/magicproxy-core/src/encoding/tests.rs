//! Base32: RFC 4648's vectors, and one spelling for each value.

use proptest::prelude::*;

use super::*;

const SYMBOLS: &[u8] = b"abcdefghijklmnopqrstuvwxyz234567";

/// RFC 4648 section 10, in lower case and without padding.
#[test]
fn base32_is_the_standards() {
    for (bytes, text) in [
        ("", ""),
        ("f", "my"),
        ("fo", "mzxq"),
        ("foo", "mzxw6"),
        ("foob", "mzxw6yq"),
        ("fooba", "mzxw6ytb"),
        ("foobar", "mzxw6ytboi"),
    ] {
        assert_eq!(base32(bytes.as_bytes()), text);
        assert_eq!(from_base32(text).as_deref(), Some(bytes.as_bytes()));
    }
}

#[test]
fn base32_of_another_spelling_is_refused() {
    for text in [
        "MY", "mY", "my======", "m", "mzx", "mzxw6y", "mz", "m1", "m0", "m8", "m9", "m-", "m_",
        "m=", " my", "my\n", "mé", "m\0",
    ] {
        assert_eq!(from_base32(text), None, "{text:?}");
    }
}

/// Of 1 to 3 symbols all texts: each that is read is what is written of the bytes, so none has a second spelling.
#[test]
fn no_value_has_two_spellings_in_base32() {
    let mut texts: Vec<Vec<u8>> = vec![Vec::new()];
    for _ in 0..3 {
        texts = texts
            .iter()
            .flat_map(|text| {
                SYMBOLS.iter().map(move |symbol| [text.as_slice(), &[*symbol]].concat())
            })
            .collect();
        let read = texts.iter().filter_map(|text| {
            let text = std::str::from_utf8(text).unwrap();
            from_base32(text).inspect(|bytes| assert_eq!(base32(bytes), text))
        });
        // No byte has 1 or 3 symbols; one byte has 2, of whose 10 bits 2 are zero.
        assert_eq!(read.count(), if texts.len() == 32 * 32 { 256 } else { 0 });
    }
}

proptest! {
    #[test]
    fn base32_reads_what_it_writes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let text = base32(&bytes);
        prop_assert_eq!(text.len(), (bytes.len() * 8).div_ceil(5));
        prop_assert!(text.bytes().all(|byte| SYMBOLS.contains(&byte)));
        prop_assert_eq!(from_base32(&text), Some(bytes));
    }

    #[test]
    fn what_base32_reads_it_writes_the_same(text in "[a-z2-7]{0,24}[a-zA-Z0-9=]{0,2}") {
        if let Some(bytes) = from_base32(&text) {
            prop_assert_eq!(base32(&bytes), text);
        }
    }
}
