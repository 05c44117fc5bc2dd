//! What stands under the name of a list item that is somebody's: its owner, the path, and which of the owner's requests rely on
//! that and may still be on their way. `state.md` section 5.7.
//!
//! Whoever takes a list item away must know of no other request that relies on it: that one could reach the upstream after
//! somebody else has made the list item anew.

use super::TouchedItems;

/// What tells a request from all others, and a trace from all others.
pub(super) type Nonce = [u8; 16];

/// A new one; none where the system gives nothing random.
pub(super) fn nonce() -> Option<Nonce> {
    let mut nonce = [0; 16];
    aws_lc_rs::rand::fill(&mut nonce).ok().map(|()| nonce)
}

/// The requests that rely on an ownership, and whose end is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reliance {
    Nobody,
    One(Nonce),
    /// There were two at a time, so it is not known any more when the last of them has ended.
    Several,
    /// The same, and one of them has made the element since.
    SeveralMade,
}

impl Reliance {
    /// The same, once this request relies on it, too.
    pub(super) fn with(self, request: Nonce) -> Self {
        match self {
            Self::Nobody => Self::One(request),
            Self::One(_) | Self::Several => Self::Several,
            Self::SeveralMade => Self::SeveralMade,
        }
    }
}

impl TouchedItems {
    /// What the values of an owner begin with, however the path was spelt.
    pub(super) fn of_owner(&self) -> Vec<u8> {
        [&b"owned "[..], self.owner.as_bytes()].concat()
    }

    /// What stands under the name of a list item that is its owner's by this path. A path begins with a slash.
    pub(super) fn ownership(&self, reliance: Reliance) -> Vec<u8> {
        let (mark, nonce) = match reliance {
            Reliance::Nobody => (&b""[..], &[][..]),
            Reliance::One(ref request) => (&b"~"[..], &request[..]),
            Reliance::Several => (&b"*"[..], &[][..]),
            Reliance::SeveralMade => (&b"+"[..], &[][..]),
        };
        [&self.of_owner(), mark, nonce, self.path.as_bytes()].concat()
    }

    /// Reads the same; none for what is another's, by another path, or a trace.
    pub(super) fn reliance(&self, value: &[u8]) -> Option<Reliance> {
        let rest = value.strip_prefix(&*self.of_owner())?;
        let path = self.path.as_bytes();
        match rest.split_first()? {
            (b'*', rest) => (rest == path).then_some(Reliance::Several),
            (b'+', rest) => (rest == path).then_some(Reliance::SeveralMade),
            (b'~', rest) => {
                let (request, rest) = rest.split_first_chunk()?;
                (rest == path).then_some(Reliance::One(*request))
            }
            _ => (rest == path).then_some(Reliance::Nobody),
        }
    }

    /// What a claim that comes to nothing leaves: something new each time, which counts as its owner's among the rows.
    pub(super) fn trace(&self) -> Option<Vec<u8>> {
        let nonce = nonce()?;
        Some([&self.of_owner(), &b"!"[..], &nonce[..]].concat())
    }
}

/// Is this a trace, whoever left it?
pub(super) fn is_trace(value: &[u8]) -> bool {
    value
        .strip_prefix(b"owned ")
        .and_then(|rest| rest.get(32..))
        .is_some_and(|rest| rest.starts_with(b"!"))
}
