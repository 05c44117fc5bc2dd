//! Chain ids: names of a token's chain of caveats. Revoking a chain ends the token and all tokens
//! narrowed from it, but not its parent or its siblings.
//!
//! Ids are computed from readable parts of the token only, so that no id helps to forge a token.
//! `state-store.md` section 7.

use std::fmt;

use super::caveat::Caveat;
use crate::encoding::{from_hex, hex};
use crate::state::Partition;

/// Bytes of an id.
const CHAIN_ID_BYTES: usize = 16;

/// The id of a chain: a digest of the token as minted and of its first caveats. The id is no
/// secret.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChainId([u8; CHAIN_ID_BYTES]);

impl ChainId {
    /// Reads 32 lower-case hexadecimal digits.
    #[must_use]
    pub fn parse(digits: &str) -> Option<Self> {
        from_hex(digits).map(Self)
    }

    /// Computes the id of a token without caveats, from parts that no other token shares.
    fn of(parts: &[&[u8]]) -> Self {
        let digest = Partition::of(parts);
        Self(std::array::from_fn(|at| digest.as_bytes().get(at).copied().unwrap_or_default()))
    }

    /// Computes the id of this chain with one more caveat.
    fn with(self, caveat: &str) -> Self {
        Self::of(&[b"chain", b"caveat", &self.0, caveat.as_bytes()])
    }
}

impl fmt::Display for ChainId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Written in one step, because each line of the access log contains a chain id.
        let mut digits = [0; 2 * CHAIN_ID_BYTES];
        hex(&self.0, &mut digits);
        formatter.write_str(std::str::from_utf8(&digits).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for ChainId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ChainId({self})")
    }
}

/// The ids of one token: of its own chain, and of the chains of older tokens from which the proxy
/// made the token. Revoking any of the ids ends the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// The root, then an id for each caveat, then the ids of older chains in the same order.
    ids: Box<[ChainId]>,
    /// The index of the token's own id in `ids`, equal to the number of its caveats.
    caveats: usize,
    /// The older tokens from which the proxy made the token, according to its caveats.
    older: Box<[OlderChain]>,
}

/// The ids of a token from which the proxy made another token, as a caveat of the newer token names
/// them. The caveat is no proof: any holder may have written the caveat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OlderChain {
    /// The id of the older token's root.
    pub root: ChainId,
    /// The id of the older token.
    pub id: ChainId,
}

impl Chain {
    /// Computes the chain of a version 1 token, from its sealed credential and its caveats.
    pub(super) fn of_signed(ciphertext: &str, caveats: &[Caveat]) -> Self {
        let texts: Vec<String> = caveats.iter().map(Caveat::to_json).collect();
        let links: Vec<Link<'_>> =
            texts.iter().zip(caveats).map(|(text, caveat)| Link::new(text, Some(caveat))).collect();
        Self::of(ChainId::of(&[b"chain", b"v1", ciphertext.as_bytes()]), &links)
    }

    /// Computes the chain of a version 2 token, from the text up to and including its seal, and the
    /// parts of its caveats.
    pub(super) fn of_sealed(minted: &str, parts: &[&str], caveats: &[Caveat]) -> Self {
        let links: Vec<Link<'_>> =
            parts.iter().enumerate().map(|(at, text)| Link::new(text, caveats.get(at))).collect();
        Self::of(ChainId::of(&[b"chain", b"v2", minted.as_bytes()]), &links)
    }

    fn of(root: ChainId, links: &[Link<'_>]) -> Self {
        let mut ids = Vec::with_capacity(links.len() + 1);
        descend(root, links, &mut ids);
        let mut older = Vec::new();
        for (at, from) in links.iter().enumerate().filter_map(|(at, link)| Some((at, link.from?))) {
            // The caveats in front of the `from` caveat are those of the older token.
            let id = descend(from, links.get(..at).unwrap_or_default(), &mut ids);
            older.push(OlderChain { root: from, id });
        }
        Self { ids: ids.into(), caveats: links.len(), older: older.into() }
    }

    /// Returns the id of exactly this chain of caveats.
    #[must_use]
    pub fn id(&self) -> ChainId {
        self.ids.get(self.caveats).copied().unwrap_or_else(|| self.root())
    }

    /// Returns the id of the token from which the whole family was narrowed.
    #[must_use]
    pub fn root(&self) -> ChainId {
        self.ids.first().copied().unwrap_or(ChainId([0; CHAIN_ID_BYTES]))
    }

    /// Returns the older tokens from which the proxy made the token according to its caveats, in
    /// the order of the caveats.
    #[must_use]
    pub fn older(&self) -> &[OlderChain] {
        &self.older
    }

    /// Returns the bytes of memory behind the chain's fields.
    pub(super) fn memory_bytes(&self) -> usize {
        size_of_val(&*self.ids) + size_of_val(&*self.older)
    }

    /// Returns all ids whose revocation ends the token.
    #[must_use]
    pub fn ids(&self) -> &[ChainId] {
        &self.ids
    }
}

/// A caveat as an input of chain ids.
struct Link<'t> {
    text: &'t str,
    /// The root of the older chain that the caveat names.
    from: Option<ChainId>,
}

impl<'t> Link<'t> {
    fn new(text: &'t str, caveat: Option<&Caveat>) -> Self {
        Self {
            text,
            from: caveat.and_then(|caveat| caveat.from.as_ref()).map(|origin| origin.chain),
        }
    }
}

/// Adds the root, then the id after each further caveat, and returns the last id.
fn descend(root: ChainId, links: &[Link<'_>], ids: &mut Vec<ChainId>) -> ChainId {
    ids.push(root);
    let mut last = root;
    for link in links {
        last = last.with(link.text);
        ids.push(last);
    }
    last
}

#[cfg(test)]
pub(in crate::token) mod tests;
