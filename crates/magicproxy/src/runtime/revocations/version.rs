//! The version of a list in a store: the number of its changes, and a random mark for each of the
//! latest ones. `docs/spec/state-store.md` section 6.1.

use anyhow::Context as _;

/// The most marks of a version.
const MOST_MARKS: usize = 64;
/// The random bytes of a mark.
const MARK_BYTES: usize = 8;

/// A version as it is written: `NUMBER.MARK.MARK…`, the newest mark first. Builds before the marks
/// wrote the number alone.
#[derive(Default)]
struct WrittenVersion<'v> {
    number: Option<u64>,
    /// The marks, the newest first, unchecked: they are compared only.
    marks: Vec<&'v str>,
}

impl<'v> WrittenVersion<'v> {
    /// Reads a version. What has another form has neither number nor marks.
    fn read(version: &'v [u8]) -> Self {
        let Ok(text) = std::str::from_utf8(version) else { return Self::default() };
        let mut parts = text.split('.');
        let Some(Ok(number)) = parts.next().map(str::parse) else { return Self::default() };
        Self { number: Some(number), marks: parts.filter(|mark| !mark.is_empty()).collect() }
    }
}

/// Returns the version after one more change of the list of the version `before`, unlike every
/// other version that there is.
///
/// # Errors
/// The system gives no random numbers.
pub(super) fn version_after(before: Option<&[u8]>) -> anyhow::Result<Vec<u8>> {
    let before = before.map(WrittenVersion::read).unwrap_or_default();
    let mut mark = [0; MARK_BYTES];
    aws_lc_rs::rand::fill(&mut mark).ok().context("the system gives no random numbers")?;
    let number = before.number.unwrap_or(0).saturating_add(1);
    let mut written = format!("{number}.{:016x}", u64::from_be_bytes(mark));
    for older in before.marks.iter().take(MOST_MARKS - 1) {
        written.push('.');
        written.push_str(older);
    }
    Ok(written.into_bytes())
}

/// Tells whether a list of the version `new` came of the list of the version `old` by changes: one
/// of its older marks is the newest one of `old`. A version without marks is compared by its
/// number. Doubt is no.
pub(super) fn came_by_changes(old: &[u8], new: &[u8]) -> bool {
    let (old, new) = (WrittenVersion::read(old), WrittenVersion::read(new));
    match (old.marks.first(), old.number, new.number) {
        (Some(mark), ..) => new.marks.iter().skip(1).any(|older| older == mark),
        (None, Some(old), Some(new)) => new > old,
        (None, ..) => false,
    }
}

#[cfg(test)]
mod tests;
