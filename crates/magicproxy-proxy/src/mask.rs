//! What is looked for: the forms in which an upstream may repeat a credential.

use std::ops::Range;
use std::sync::Arc;

use http::HeaderName;
use magicproxy_core::MIN_MASKED_BYTES;
use memchr::memmem::Finder;
use zeroize::Zeroizing;

/// At most so many bytes of a secret's beginning, and a quarter of it, are passed on before it is known how they go on.
const MAX_SHOWN_BYTES: usize = 4;

/// Of a secret's end, at most so many bytes, and half of it, are masked behind its beginning whatever they are.
const MAX_UNTESTED_BYTES: usize = 32;
/// As long, at least, is the beginning that counts for all: text has a shorter one by accident.
const MIN_BEGINNING_BYTES: usize = 12;

/// A credential as it is and as it was sent, where that differs (`Basic`, the query), and both with `/` as `\/`.
///
/// INVARIANT: at least one secret, each of at least [`MIN_MASKED_BYTES`].
#[derive(Clone)]
pub(crate) struct SecretMask(Arc<[MaskedSpelling]>);

impl SecretMask {
    /// `None` where every secret is too short to be told from innocent text.
    pub(crate) fn new<'s>(secrets: impl IntoIterator<Item = &'s [u8]>) -> Option<Self> {
        let mut kept: Vec<MaskedSpelling> = Vec::new();
        let mut keep = |secret: &[u8]| {
            if secret.len() >= MIN_MASKED_BYTES
                && kept.iter().all(|known| known.bytes.as_slice() != secret)
            {
                kept.push(MaskedSpelling::new(secret));
            }
        };
        for secret in secrets {
            keep(secret);
            if secret.contains(&b'/') {
                keep(&with_escaped_slashes(secret));
            }
        }
        (!kept.is_empty()).then(|| Self(kept.into()))
    }

    pub(crate) fn secrets(&self) -> &[MaskedSpelling] {
        &self.0
    }

    /// The length of the longest secret.
    pub(crate) fn longest(&self) -> usize {
        self.0.iter().map(|secret| secret.bytes.len()).max().unwrap_or(0)
    }

    pub(crate) fn is_in(&self, bytes: &[u8]) -> bool {
        self.0.iter().any(|secret| secret.find(bytes, 0).is_some())
    }

    /// Does a field's name hold a secret? Names have no case, so the case of the secret is not looked at either.
    pub(crate) fn is_in_name(&self, name: &HeaderName) -> bool {
        self.0.iter().any(|secret| secret.is_in_name(name.as_str().as_bytes()))
    }

    /// How many bytes at the end of `bytes` are a beginning of a secret, without being so much of it as counts for all.
    pub(crate) fn partial_end(&self, bytes: &[u8]) -> usize {
        self.0.iter().map(|secret| secret.partial_end(bytes)).max().unwrap_or(0)
    }

    /// Does `bytes` end in more of a secret's beginning than may be shown?
    pub(crate) fn ends_in_much(&self, bytes: &[u8]) -> bool {
        self.0.iter().any(|secret| secret.partial_end(bytes) > secret.max_shown())
    }

    /// The bytes with every occurrence masked; `None` when there is none.
    pub(crate) fn masked(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let mut found = Vec::new();
        for secret in self.0.iter() {
            secret.find_all(bytes, 0, &mut found);
        }
        if found.is_empty() {
            return None;
        }
        let mut masked = bytes.to_vec();
        found.into_iter().for_each(|range| fill(&mut masked, range));
        Some(masked)
    }
}

impl std::fmt::Debug for SecretMask {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("SecretMask(***)")
    }
}

/// As PHP, for one, writes it in JSON.
fn with_escaped_slashes(secret: &[u8]) -> Zeroizing<Vec<u8>> {
    // With room from the start: growing would leave copies behind.
    let mut escaped = Zeroizing::new(Vec::with_capacity(2 * secret.len()));
    for byte in secret {
        escaped.extend((*byte == b'/').then_some(b'\\'));
        escaped.push(*byte);
    }
    escaped
}

/// One form of a credential.
///
/// Its beginning counts for all of it: as many bytes are masked as it has, and its end is never compared. Whoever can have an upstream
/// repeat text of his own choice sees from what is held back how much of it is right, and would learn the credential byte by byte.
pub(crate) struct MaskedSpelling {
    bytes: Zeroizing<Vec<u8>>,
    /// Of its beginning.
    finder: Finder<'static>,
}

impl MaskedSpelling {
    fn new(bytes: &[u8]) -> Self {
        let finder = Finder::new(beginning(bytes)).into_owned();
        Self { bytes: Zeroizing::new(bytes.to_vec()), finder }
    }

    /// Where it stands in `bytes`, from `start` on; its end may lie behind that of `bytes`.
    fn find(&self, bytes: &[u8], start: usize) -> Option<Range<usize>> {
        let at = start + self.finder.find(bytes.get(start..)?)?;
        Some(at..at + self.bytes.len())
    }

    /// Most names are shorter than a secret.
    fn is_in_name(&self, name: &[u8]) -> bool {
        name.len() >= self.bytes.len()
            && name.windows(self.bytes.len()).any(|part| part.eq_ignore_ascii_case(&self.bytes))
    }

    /// Notes where it stands, from `start` on, overlapping occurrences too: one may be planted before another, whose end would
    /// show. Gives where the search would go on.
    pub(crate) fn find_all(
        &self,
        bytes: &[u8],
        start: usize,
        found: &mut Vec<Range<usize>>,
    ) -> usize {
        let mut next = start;
        while let Some(range) = self.find(bytes, next) {
            next = range.start + 1;
            match found.last_mut().filter(|last| (last.start..=last.end).contains(&range.start)) {
                Some(last) => last.end = last.end.max(range.end),
                None => found.push(range),
            }
        }
        next
    }

    /// How many bytes of its beginning may be passed on before it is known how they go on.
    pub(crate) fn max_shown(&self) -> usize {
        MAX_SHOWN_BYTES.min(self.bytes.len() / 4)
    }

    /// How many bytes at the end of `bytes` are a beginning of it, without being so much of it as counts for all.
    pub(crate) fn partial_end(&self, bytes: &[u8]) -> usize {
        let beginning = beginning(&self.bytes);
        let start = bytes.len().saturating_sub(beginning.len() - 1);
        let (Some(first), Some(tail)) = (beginning.first(), bytes.get(start..)) else { return 0 };
        let mut ends = memchr::memchr_iter(*first, tail).filter_map(|at| tail.get(at..));
        ends.find(|end| beginning.starts_with(end)).map_or(0, <[u8]>::len)
    }
}

/// What of a secret is looked for.
fn beginning(secret: &[u8]) -> &[u8] {
    let untested = MAX_UNTESTED_BYTES
        .min(secret.len() / 2)
        .min(secret.len().saturating_sub(MIN_BEGINNING_BYTES));
    secret.get(..secret.len() - untested).unwrap_or(secret)
}

/// Masks a range, as far as it lies in `bytes`.
pub(crate) fn fill(bytes: &mut [u8], range: Range<usize>) {
    let end = range.end.min(bytes.len());
    if let Some(found) = bytes.get_mut(range.start..end) {
        found.fill(b'*');
    }
}
