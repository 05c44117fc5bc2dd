//! Position of a text in a JSON document: the names that lead to the text. `docs/spec/rewriting.md`
//! section 4.
//!
//! No parser: text that is no JSON has a position too. Bounded, whatever the document: 64 levels of
//! names of 64 bytes each.

/// Deepest level: nothing deeper has a position.
const MAX_LEVELS: usize = 64;
/// Longest name in bytes: a longer name is expected in no pattern.
const MAX_MEMBER_BYTES: usize = 64;
/// Placeholder for a name that is too long, or written with an escape. No JSON has this byte.
const UNREADABLE: u8 = 0xFF;

/// Position of a reader of JSON.
#[derive(Debug, Default)]
pub(crate) struct Position {
    /// Kinds of the open objects and lists, the innermost last: a set bit is a list.
    kinds: u64,
    /// Number of open objects and lists.
    levels: usize,
    /// Number of further open objects and lists, deeper than [`MAX_LEVELS`].
    deeper: u64,
    /// Offsets in `names` at which the name of each open object's member begins.
    objects: LevelOffsets,
    /// Names: for each open object, from the outermost on, a quotation mark, which no name has, and
    /// the name of one member.
    names: Names,
    /// True if the innermost level is an object, and not deeper than [`MAX_LEVELS`].
    in_object: bool,
    /// True if the next string is the name of a member.
    expects_name: bool,
}

/// Kind of a level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Object,
    List,
}

impl Position {
    /// Enters an object or a list.
    pub(crate) fn open(&mut self, kind: Kind) {
        self.expects_name = kind == Kind::Object;
        self.in_object = self.expects_name;
        if self.levels == MAX_LEVELS {
            self.deeper += 1;
            self.in_object = false;
            return;
        }
        self.levels += 1;
        self.kinds = (self.kinds << 1) | u64::from(kind == Kind::List);
        if kind == Kind::Object {
            self.names.extend(b"\"");
            self.objects.push(self.names.len());
        }
    }

    /// Leaves the innermost object or list. A closing bracket too many changes nothing.
    pub(crate) fn close(&mut self) {
        self.expects_name = false;
        if self.deeper > 0 {
            self.deeper -= 1;
        } else if self.levels > 0 {
            self.levels -= 1;
            if self.kinds & 1 == 0
                && let Some(name) = self.objects.pop()
            {
                self.names.truncate(name.saturating_sub(1));
            }
            self.kinds >>= 1;
        }
        self.in_object = self.deeper == 0 && self.levels > 0 && self.kinds & 1 == 0;
    }

    /// Reads a comma: in an object, a name follows.
    pub(crate) fn separate(&mut self) {
        self.expects_name = self.in_object;
    }

    /// Begins a name, and returns true, if a string that begins here is the name of a member.
    pub(crate) fn begin_name(&mut self) -> bool {
        let begins = std::mem::take(&mut self.expects_name);
        if begins && let Some(name) = self.innermost() {
            self.names.truncate(name);
        }
        begins
    }

    /// Extends the name with bytes as written, without a backslash and without the byte 0xFF.
    pub(crate) fn extend_name(&mut self, more: &[u8]) {
        let Some(name) =
            self.innermost().filter(|name| self.names.bytes().get(*name) != Some(&UNREADABLE))
        else {
            return;
        };
        if self.names.len() - name + more.len() > MAX_MEMBER_BYTES {
            self.spoil_name();
        } else {
            self.names.extend(more);
        }
    }

    /// Marks the name as unreadable: the name has a backslash or the byte 0xFF, or is too long.
    pub(crate) fn spoil_name(&mut self) {
        if let Some(name) = self.innermost() {
            self.names.truncate(name);
            self.names.extend(&[UNREADABLE]);
        }
    }

    /// Returns the names that lead here, each behind a quotation mark; `None` beyond
    /// [`MAX_LEVELS`].
    pub(crate) fn path(&self) -> Option<&[u8]> {
        (self.deeper == 0).then_some(self.names.bytes())
    }

    /// Returns the number of open objects; `None` beyond [`MAX_LEVELS`].
    pub(crate) fn depth(&self) -> Option<usize> {
        (self.deeper == 0).then_some(self.objects.len())
    }

    /// Returns the name of the innermost object's member.
    pub(crate) fn last_name(&self) -> Option<&[u8]> {
        self.names.bytes().get(self.innermost()?..)
    }

    /// Returns the name of the member in the object at this level.
    pub(crate) fn name(&self, level: usize) -> &[u8] {
        let Some(from) = self.objects.get(level) else { return &[] };
        let to =
            self.objects.get(level + 1).map_or(self.names.len(), |next| next.saturating_sub(1));
        self.names.bytes().get(from..to).unwrap_or_default()
    }

    /// Returns the offset at which the name of the innermost object's member begins.
    fn innermost(&self) -> Option<usize> {
        self.objects.last().filter(|_| self.deeper == 0)
    }
}

/// Offsets, at most as many as there are levels. No heap memory: most documents are small.
#[derive(Debug)]
struct LevelOffsets {
    places: [u16; MAX_LEVELS],
    length: usize,
}

impl Default for LevelOffsets {
    fn default() -> Self {
        Self { places: [0; MAX_LEVELS], length: 0 }
    }
}

impl LevelOffsets {
    fn len(&self) -> usize {
        self.length
    }

    fn get(&self, level: usize) -> Option<usize> {
        self.places.get(..self.length)?.get(level).copied().map(usize::from)
    }

    fn last(&self) -> Option<usize> {
        self.get(self.length.checked_sub(1)?)
    }

    /// Adds an offset. Both the names and the levels are bounded.
    fn push(&mut self, offset: usize) {
        if let (Some(place), Ok(offset)) = (self.places.get_mut(self.length), u16::try_from(offset))
        {
            *place = offset;
            self.length += 1;
        }
    }

    fn pop(&mut self) -> Option<usize> {
        let last = self.last()?;
        self.length -= 1;
        Some(last)
    }
}

/// Bytes of names that need no heap memory.
const NEAR_BYTES: usize = 96;

/// Bytes that are almost always few.
#[derive(Debug)]
struct Names {
    near: [u8; NEAR_BYTES],
    near_length: usize,
    /// All bytes, where there are more than `near` holds; empty otherwise.
    far: Vec<u8>,
}

impl Default for Names {
    fn default() -> Self {
        Self { near: [0; NEAR_BYTES], near_length: 0, far: Vec::new() }
    }
}

impl Names {
    fn bytes(&self) -> &[u8] {
        if self.far.is_empty() {
            self.near.get(..self.near_length).unwrap_or_default()
        } else {
            &self.far
        }
    }

    fn len(&self) -> usize {
        self.bytes().len()
    }

    fn extend(&mut self, more: &[u8]) {
        if self.far.is_empty() {
            let end = self.near_length + more.len();
            if let Some(room) = self.near.get_mut(self.near_length..end) {
                room.copy_from_slice(more);
                self.near_length = end;
                return;
            }
            self.far.extend_from_slice(self.near.get(..self.near_length).unwrap_or_default());
        }
        self.far.extend_from_slice(more);
    }

    fn truncate(&mut self, length: usize) {
        if length < NEAR_BYTES && !self.far.is_empty() {
            self.near
                .iter_mut()
                .zip(self.far.drain(..))
                .take(length)
                .for_each(|(near, byte)| *near = byte);
            self.far.clear();
            self.near_length = length;
        }
        self.far.truncate(length);
        self.near_length = self.near_length.min(length);
    }
}
