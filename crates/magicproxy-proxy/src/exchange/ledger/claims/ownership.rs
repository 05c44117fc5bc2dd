//! Ownership values: the value under the name of an owned list item holds the owner, the path, and
//! the owner's requests that rely on the item and may still be on their way. `state.md` section
//! 5.7.
//!
//! A request that takes a list item away must know of no other request that relies on the item: the
//! other request could reach the upstream after somebody else has created the item anew.

use super::TouchedItems;

/// Random bytes that tell a request, or a trace, from all others.
pub(super) type Nonce = [u8; 16];

/// Draws a nonce; `None` if the system gives no random numbers.
pub(super) fn nonce() -> Option<Nonce> {
    let mut nonce = [0; 16];
    aws_lc_rs::rand::fill(&mut nonce).ok().map(|()| nonce)
}

/// The requests that rely on an ownership and whose end is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reliance {
    Nobody,
    One(Nonce),
    /// Two requests relied on the item at the same time, so nobody can know any more when the last
    /// of them has ended.
    Several,
    /// Like `Several`, and at least one of the requests has created the item.
    SeveralMade,
}

impl Reliance {
    /// Returns the reliance once `request` relies on the item, too.
    pub(super) fn with(self, request: Nonce) -> Self {
        match self {
            Self::Nobody => Self::One(request),
            Self::One(_) | Self::Several => Self::Several,
            Self::SeveralMade => Self::SeveralMade,
        }
    }
}

impl TouchedItems {
    /// Returns the beginning of all values of an owner, however the path was spelt.
    pub(super) fn of_owner(&self) -> Vec<u8> {
        [&b"owned "[..], self.owner.as_bytes()].concat()
    }

    /// Returns the value under the name of an item owned by this path. A path begins with a slash.
    pub(super) fn ownership(&self, reliance: Reliance) -> Vec<u8> {
        let (mark, nonce) = match reliance {
            Reliance::Nobody => (&b""[..], &[][..]),
            Reliance::One(ref request) => (&b"~"[..], &request[..]),
            Reliance::Several => (&b"*"[..], &[][..]),
            Reliance::SeveralMade => (&b"+"[..], &[][..]),
        };
        [&self.of_owner(), mark, nonce, self.path.as_bytes()].concat()
    }

    /// Reads a value. `None` for a value of another owner or another path, and for a trace.
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

    /// Makes the value left by a claim that comes to nothing: new each time, and counted among the
    /// owner's rows.
    pub(super) fn trace(&self) -> Option<Vec<u8>> {
        let nonce = nonce()?;
        Some([&self.of_owner(), &b"!"[..], &nonce[..]].concat())
    }
}

/// True if a value is a trace, of any owner.
pub(super) fn is_trace(value: &[u8]) -> bool {
    value
        .strip_prefix(b"owned ")
        .and_then(|rest| rest.get(32..))
        .is_some_and(|rest| rest.starts_with(b"!"))
}
