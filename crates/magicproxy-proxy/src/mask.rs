//! Spellings in which an upstream may repeat a credential, to be masked in responses.

use std::ops::Range;
use std::sync::Arc;

use http::HeaderName;
use magicproxy_core::MIN_MASKED_BYTES;
use memchr::memmem::Finder;
use zeroize::Zeroizing;

/// The most bytes of a secret's beginning that are passed on before the following bytes are known;
/// a quarter of the secret is the other bound.
const MAX_SHOWN_BYTES: usize = 4;

/// The most bytes of a secret's end that are masked behind the beginning without being compared;
/// half of the secret is the other bound.
const MAX_UNTESTED_BYTES: usize = 32;
/// Shortest beginning that counts for the whole secret: a shorter beginning occurs in text by
/// accident.
const MIN_BEGINNING_BYTES: usize = 12;

/// Mask of a credential: the credential itself, and the credential as sent, where the two differ
/// (`Basic`, the query), both also with `/` as `\/`.
///
/// INVARIANT: at least one secret, each of at least [`MIN_MASKED_BYTES`].
#[derive(Clone)]
pub(crate) struct SecretMask(Arc<[MaskedSpelling]>);

impl SecretMask {
    /// Makes a mask; `None` where every secret is too short to be told from innocent text.
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

    /// Returns all spellings to be masked.
    pub(crate) fn secrets(&self) -> &[MaskedSpelling] {
        &self.0
    }

    /// Returns the length of the longest secret, in bytes.
    pub(crate) fn longest(&self) -> usize {
        self.0.iter().map(|secret| secret.bytes.len()).max().unwrap_or(0)
    }

    /// True if any spelling occurs in `bytes`.
    pub(crate) fn is_in(&self, bytes: &[u8]) -> bool {
        self.0.iter().any(|secret| secret.find(bytes, 0).is_some())
    }

    /// True if a field's name holds a secret. Names have no case, so the case of the secret is
    /// ignored.
    pub(crate) fn is_in_name(&self, name: &HeaderName) -> bool {
        self.0.iter().any(|secret| secret.is_in_name(name.as_str().as_bytes()))
    }

    /// Returns the number of bytes at the end of `bytes` that begin a secret, but are less than the
    /// beginning that counts for the whole secret.
    pub(crate) fn partial_end(&self, bytes: &[u8]) -> usize {
        self.0.iter().map(|secret| secret.partial_end(bytes)).max().unwrap_or(0)
    }

    /// True if `bytes` ends in more of a secret's beginning than may be shown.
    pub(crate) fn ends_in_much(&self, bytes: &[u8]) -> bool {
        self.0.iter().any(|secret| secret.partial_end(bytes) > secret.max_shown())
    }

    /// Returns the bytes with every occurrence masked; `None` if no secret occurs.
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

/// Escapes each `/` of a secret, as PHP, for one, does in JSON.
fn with_escaped_slashes(secret: &[u8]) -> Zeroizing<Vec<u8>> {
    // Room is reserved from the start: growing would leave copies behind.
    let mut escaped = Zeroizing::new(Vec::with_capacity(2 * secret.len()));
    for byte in secret {
        escaped.extend((*byte == b'/').then_some(b'\\'));
        escaped.push(*byte);
    }
    escaped
}

/// One spelling of a credential.
///
/// The beginning counts for the whole secret: as many bytes are masked as the secret has, and the
/// secret's end is never compared. An attacker who can make an upstream repeat chosen text would
/// see, from the bytes held back, how much of a guess is right, and would learn the credential byte
/// by byte.
pub(crate) struct MaskedSpelling {
    bytes: Zeroizing<Vec<u8>>,
    /// Finder of the secret's beginning.
    finder: Finder<'static>,
}

impl MaskedSpelling {
    fn new(bytes: &[u8]) -> Self {
        let finder = Finder::new(beginning(bytes)).into_owned();
        Self { bytes: Zeroizing::new(bytes.to_vec()), finder }
    }

    /// Finds the secret in `bytes`, from `start` on; the end of the range may lie beyond the end of
    /// `bytes`.
    fn find(&self, bytes: &[u8], start: usize) -> Option<Range<usize>> {
        let at = start + self.finder.find(bytes.get(start..)?)?;
        Some(at..at + self.bytes.len())
    }

    /// True if a field's name holds the secret. Most names are shorter than a secret.
    fn is_in_name(&self, name: &[u8]) -> bool {
        name.len() >= self.bytes.len()
            && name.windows(self.bytes.len()).any(|part| part.eq_ignore_ascii_case(&self.bytes))
    }

    /// Notes all occurrences from `start` on, overlapping occurrences too: an attacker may plant
    /// one occurrence before another, whose end would show. Returns the offset at which the search
    /// would go on.
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

    /// Returns the number of bytes of the secret's beginning that may be passed on before the
    /// following bytes are known.
    pub(crate) fn max_shown(&self) -> usize {
        MAX_SHOWN_BYTES.min(self.bytes.len() / 4)
    }

    /// Returns the number of bytes at the end of `bytes` that begin the secret, but are less than
    /// the beginning that counts for the whole secret.
    pub(crate) fn partial_end(&self, bytes: &[u8]) -> usize {
        let beginning = beginning(&self.bytes);
        let start = bytes.len().saturating_sub(beginning.len() - 1);
        let (Some(first), Some(tail)) = (beginning.first(), bytes.get(start..)) else { return 0 };
        let mut ends = memchr::memchr_iter(*first, tail).filter_map(|at| tail.get(at..));
        ends.find(|end| beginning.starts_with(end)).map_or(0, <[u8]>::len)
    }
}

/// Returns the part of a secret that is searched for.
fn beginning(secret: &[u8]) -> &[u8] {
    let untested = MAX_UNTESTED_BYTES
        .min(secret.len() / 2)
        .min(secret.len().saturating_sub(MIN_BEGINNING_BYTES));
    secret.get(..secret.len() - untested).unwrap_or(secret)
}

/// Masks a range, as far as the range lies in `bytes`.
pub(crate) fn fill(bytes: &mut [u8], range: Range<usize>) {
    let end = range.end.min(bytes.len());
    if let Some(found) = bytes.get_mut(range.start..end) {
        found.fill(b'*');
    }
}
