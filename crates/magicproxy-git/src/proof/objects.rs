//! Objects of a pack, one after another: commits are made whole and named, others are passed over.

use std::collections::HashMap;

use flate2::{Decompress, FlushDecompress, Status};

use crate::digest;
use crate::object_id::{ObjectFormat, ObjectId};

use super::entry::{Entry, EntryKind, PACK_HEAD, entry, pack_head};
use super::{Budget, ProofBounds, commit, delta};

/// The longest commit that is read, and the longest delta. Longer ones are passed over.
const LONGEST_COMMIT: usize = 256 * 1024;
/// How much is inflated at a time.
const SLICE: usize = 16 * 1024;

/// A pack, or a commit in it, that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PackFault;

/// A commit that was read, by the name that its bytes have.
#[derive(Debug)]
pub(super) struct ReadCommit {
    pub(super) id: ObjectId,
    pub(super) parents: Vec<ObjectId>,
}

/// The reader of a pack's head.
#[derive(Debug)]
pub(super) struct Objects {
    format: ObjectFormat,
    /// The room that is left below each bound.
    left: ProofBounds,
    stage: Stage,
    /// The bytes of a head that is not whole, and where it began.
    head: Vec<u8>,
    begun: u64,
    /// The place in the pack of the next byte.
    position: u64,
    /// Objects of the pack that were not begun.
    announced: u32,
    inflater: Decompress,
    /// Where the inflater writes, of [`SLICE`] bytes.
    slice: Box<[u8]>,
    /// True if the inflater may have more to give without being given more.
    holds_output: bool,
    bases: Bases,
}

#[derive(Debug)]
enum Stage {
    PackHead,
    EntryHead,
    Content(Content),
    Ended,
}

/// An object whose content is inflated.
#[derive(Debug)]
struct Content {
    size: u64,
    length: u64,
    use_of: ContentUse,
    text: Vec<u8>,
}

/// What the content of an object is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ContentUse {
    /// Nothing but to find the end of it.
    Skip,
    /// The text of a commit.
    Commit,
    /// A delta on the commit with this number.
    Delta(usize),
}

impl Objects {
    /// Returns a reader at the beginning of a pack.
    pub(super) fn new(format: ObjectFormat, bounds: ProofBounds) -> Self {
        Self {
            format,
            left: bounds,
            stage: Stage::PackHead,
            head: Vec::new(),
            begun: 0,
            position: 0,
            announced: 0,
            inflater: Decompress::new(true),
            slice: vec![0; SLICE].into(),
            holds_output: false,
            bases: Bases::default(),
        }
    }

    /// True if nothing more will be read: the pack has ended, or a bound was met.
    pub(super) fn has_ended(&self) -> bool {
        matches!(self.stage, Stage::Ended)
    }

    /// True if there is something to be done without more bytes.
    pub(super) fn holds_output(&self) -> bool {
        self.holds_output
    }

    /// Takes one step. Returns the number of bytes that were read, and a commit that became whole.
    pub(super) fn advance(
        &mut self,
        bytes: &[u8],
        budget: &mut Budget,
    ) -> Result<(usize, Option<ReadCommit>), PackFault> {
        let bytes = bytes.get(..self.left.bytes.min(SLICE)).unwrap_or(bytes);
        if bytes.is_empty() && !self.holds_output {
            self.stage = Stage::Ended;
        }
        match &self.stage {
            Stage::Ended => Ok((0, None)),
            Stage::PackHead | Stage::EntryHead => Ok((self.read_head(bytes, budget)?, None)),
            Stage::Content(_) => self.read_content(bytes, budget),
        }
    }

    /// Returns the bytes of memory that are held, about.
    pub(super) fn held(&self) -> usize {
        // The window of an inflater, and its tables.
        let inflater = 48 * 1024;
        let text = match &self.stage {
            Stage::Content(content) => content.text.capacity(),
            _ => 0,
        };
        inflater + SLICE + text + self.bases.held()
    }

    fn count(&mut self, read: usize, budget: &mut Budget) {
        self.left.bytes -= read;
        self.position += read as u64;
        budget.take(read);
    }

    /// Reads bytes of a head until it is whole.
    fn read_head(&mut self, bytes: &[u8], budget: &mut Budget) -> Result<usize, PackFault> {
        for (place, byte) in bytes.iter().enumerate() {
            if self.head.is_empty() {
                self.begun = self.position;
            }
            self.head.push(*byte);
            self.count(1, budget);
            if self.is_head_whole()? {
                self.head.clear();
                return Ok(place + 1);
            }
        }
        Ok(bytes.len())
    }

    /// Goes on to the next stage if the head is whole.
    fn is_head_whole(&mut self) -> Result<bool, PackFault> {
        if let Stage::PackHead = self.stage {
            if self.head.len() < PACK_HEAD {
                return Ok(false);
            }
            self.announced = pack_head(&self.head)?;
            self.await_object();
            return Ok(true);
        }
        let Some(entry) = entry(self.format, &self.head)? else { return Ok(false) };
        self.inflater.reset(true);
        self.stage = Stage::Content(Content {
            size: entry.size,
            length: 0,
            use_of: self.use_of(&entry),
            text: Vec::new(),
        });
        Ok(true)
    }

    fn await_object(&mut self) {
        self.stage = match (self.announced.checked_sub(1), self.left.objects.checked_sub(1)) {
            (Some(announced), Some(objects)) => {
                self.announced = announced;
                self.left.objects = objects;
                Stage::EntryHead
            }
            _ => Stage::Ended,
        };
    }

    fn use_of(&self, entry: &Entry) -> ContentUse {
        if entry.size > LONGEST_COMMIT as u64 {
            return ContentUse::Skip;
        }
        let base = match entry.kind {
            EntryKind::Commit => return ContentUse::Commit,
            EntryKind::Other => None,
            EntryKind::OffsetDelta(distance) => self.bases.before(self.begun, distance),
            EntryKind::IdDelta(id) => self.bases.named(&id),
        };
        base.map_or(ContentUse::Skip, ContentUse::Delta)
    }

    fn read_content(
        &mut self,
        bytes: &[u8],
        budget: &mut Budget,
    ) -> Result<(usize, Option<ReadCommit>), PackFault> {
        let Stage::Content(content) = &mut self.stage else { return Ok((0, None)) };
        let (read, made) = (self.inflater.total_in(), self.inflater.total_out());
        let status = self.inflater.decompress(bytes, &mut self.slice, FlushDecompress::None);
        let status = status.map_err(|_| PackFault)?;
        let read = (self.inflater.total_in() - read) as usize;
        let made = (self.inflater.total_out() - made) as usize;
        content.length += made as u64;
        if content.length > content.size || (read, made) == (0, 0) && !bytes.is_empty() {
            return Err(PackFault);
        }
        if content.use_of != ContentUse::Skip {
            content.text.extend_from_slice(self.slice.get(..made).unwrap_or_default());
        }
        self.holds_output = made == SLICE && status != Status::StreamEnd;
        self.count(read, budget);
        let commit = match status {
            _ if !self.has_room_for(made, budget) => None,
            Status::StreamEnd => self.end_content(budget)?,
            Status::Ok | Status::BufError => None,
        };
        Ok((read, commit))
    }

    /// Takes bytes that were inflated, or made from a delta, from their bound, beyond which nothing
    /// is read.
    fn has_room_for(&mut self, made: usize, budget: &mut Budget) -> bool {
        budget.take(made);
        let left = self.left.inflated.checked_sub(made);
        match left {
            Some(left) => self.left.inflated = left,
            None => self.end(),
        }
        left.is_some()
    }

    fn end(&mut self) {
        self.stage = Stage::Ended;
        self.holds_output = false;
    }

    fn end_content(&mut self, budget: &mut Budget) -> Result<Option<ReadCommit>, PackFault> {
        let stage = std::mem::replace(&mut self.stage, Stage::Ended);
        let Stage::Content(content) = stage else { return Ok(None) };
        if content.length != content.size {
            return Err(PackFault);
        }
        self.await_object();
        let text = match content.use_of {
            ContentUse::Skip => return Ok(None),
            ContentUse::Commit => content.text,
            ContentUse::Delta(base) => {
                let base = self.bases.text(base);
                let text = delta::apply(base, &content.text, LONGEST_COMMIT).ok_or(PackFault)?;
                if !self.has_room_for(text.len(), budget) {
                    return Ok(None);
                }
                text
            }
        };
        self.commit(text, budget)
    }

    /// Names a commit by its digest, and keeps it as a base.
    fn commit(
        &mut self,
        text: Vec<u8>,
        budget: &mut Budget,
    ) -> Result<Option<ReadCommit>, PackFault> {
        budget.take(text.len());
        let id = digest::object_id(self.format, "commit", &text).ok_or(PackFault)?;
        let parents = commit::parents(self.format, &text).ok_or(PackFault)?;
        let rooms = (
            self.left.commits.checked_sub(1),
            self.left.parents.checked_sub(parents.len()),
            self.left.kept.checked_sub(text.len()),
        );
        let (Some(commits), Some(edges), Some(kept)) = rooms else {
            self.end();
            return Ok(None);
        };
        self.left = ProofBounds { commits, parents: edges, kept, ..self.left };
        self.bases.keep(self.begun, id, text);
        Ok(Some(ReadCommit { id, parents }))
    }
}

/// Commits as bases of later ones.
#[derive(Debug, Default)]
struct Bases {
    /// Where each began in the pack, in ascending order, and its text.
    commits: Vec<(u64, Box<[u8]>)>,
    numbers: HashMap<ObjectId, usize>,
}

impl Bases {
    fn keep(&mut self, begun: u64, id: ObjectId, text: Vec<u8>) {
        self.numbers.insert(id, self.commits.len());
        self.commits.push((begun, text.into()));
    }

    /// Returns the number of the commit that began so many bytes before `begun`.
    fn before(&self, begun: u64, distance: u64) -> Option<usize> {
        let begun = begun.checked_sub(distance)?;
        self.commits.binary_search_by_key(&begun, |(begun, _)| *begun).ok()
    }

    fn named(&self, id: &ObjectId) -> Option<usize> {
        self.numbers.get(id).copied()
    }

    fn text(&self, number: usize) -> &[u8] {
        self.commits.get(number).map_or(&[], |(_, text)| text)
    }

    fn held(&self) -> usize {
        let texts: usize = self.commits.iter().map(|(_, text)| text.len()).sum();
        let entry = size_of::<(ObjectId, usize)>() + 1;
        texts
            + self.commits.capacity() * size_of::<(u64, Box<[u8]>)>()
            + self.numbers.capacity() * entry * 8 / 7
    }
}
