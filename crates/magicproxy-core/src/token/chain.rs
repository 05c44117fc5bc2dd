//! Chain ids: names for a token's chain of caveats, by which it is revoked without its parent and its siblings.
//!
//! Made of readable parts of the token only: no id helps to forge. `state-store.md` section 7.

use std::fmt;

use super::caveat::Caveat;
use crate::encoding::{from_hex, hex};
use crate::state::Partition;

/// Bytes of an id.
const CHAIN_ID_BYTES: usize = 16;

/// The id of a chain: a digest of a token's beginning and of its first caveats. It is no secret.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChainId([u8; CHAIN_ID_BYTES]);

impl ChainId {
    /// Reads 32 lower-case hexadecimal digits.
    #[must_use]
    pub fn parse(digits: &str) -> Option<Self> {
        from_hex(digits).map(Self)
    }

    /// The id of a token without caveats, from the parts that tell it from all others.
    fn of(parts: &[&[u8]]) -> Self {
        let digest = Partition::of(parts);
        Self(std::array::from_fn(|at| digest.as_bytes().get(at).copied().unwrap_or_default()))
    }

    /// The id of this chain with one more caveat.
    fn with(self, caveat: &str) -> Self {
        Self::of(&[b"chain", b"caveat", &self.0, caveat.as_bytes()])
    }
}

impl fmt::Display for ChainId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // In one step: it stands in each line of the access log.
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

/// The ids of one token: of its own chain, and of those from which the proxy made it anew. Each of them, revoked, ends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Its root, then one for each caveat, then those of older roots.
    ids: Box<[ChainId]>,
    /// Where its own id stands in `ids`: how many caveats it bears.
    caveats: usize,
    /// The tokens from which caveats say that the proxy made it.
    older: Box<[OlderChain]>,
}

/// The ids of a token from which the proxy made another one, as a caveat of that says. Whoever held it may have written the caveat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OlderChain {
    /// That of its family.
    pub root: ChainId,
    /// Its own.
    pub id: ChainId,
}

impl Chain {
    /// The chain of a version 1 token, from its sealed credential and its caveats.
    pub(super) fn of_signed(ciphertext: &str, caveats: &[Caveat]) -> Self {
        let texts: Vec<String> = caveats.iter().map(Caveat::to_json).collect();
        let links: Vec<Link<'_>> =
            texts.iter().zip(caveats).map(|(text, caveat)| Link::new(text, Some(caveat))).collect();
        Self::of(ChainId::of(&[b"chain", b"v1", ciphertext.as_bytes()]), &links)
    }

    /// The chain of a version 2 token, from the text up to its seal and the parts that are its caveats.
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
            // The caveats before it are those that the older token bore.
            let id = descend(from, links.get(..at).unwrap_or_default(), &mut ids);
            older.push(OlderChain { root: from, id });
        }
        Self { ids: ids.into(), caveats: links.len(), older: older.into() }
    }

    /// The id of exactly this chain of caveats.
    #[must_use]
    pub fn id(&self) -> ChainId {
        self.ids.get(self.caveats).copied().unwrap_or_else(|| self.root())
    }

    /// The id of the token from which all of its family were narrowed.
    #[must_use]
    pub fn root(&self) -> ChainId {
        self.ids.first().copied().unwrap_or(ChainId([0; CHAIN_ID_BYTES]))
    }

    /// The tokens from which caveats say that the proxy made it, in the order of the caveats.
    #[must_use]
    pub fn older(&self) -> &[OlderChain] {
        &self.older
    }

    /// Memory that it takes, in bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        size_of_val(&*self.ids) + size_of_val(&*self.older)
    }

    /// All ids whose revocation ends the token.
    #[must_use]
    pub fn ids(&self) -> &[ChainId] {
        &self.ids
    }
}

/// One caveat, as the id of a chain has it.
struct Link<'t> {
    text: &'t str,
    /// The older root that it names.
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

/// Adds the root, and its id with each further caveat; gives the last one.
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
