//! Where in a JSON document a text is: the names that lead there. `docs/spec/rewriting.md` section 4.
//!
//! No parser: what is no JSON has a position too. Bounded, whatever the document: 64 levels of names of 64 bytes each.

/// Deeper than that nothing has a position.
const MAX_LEVELS: usize = 64;
/// A longer name is that of no member that anybody names.
const MAX_NAME_BYTES: usize = 64;
/// Stands for a name that is too long, or written with an escape. No JSON has this byte.
const UNREADABLE: u8 = 0xFF;

/// Where a reader of JSON is.
#[derive(Debug, Default)]
pub(super) struct Position {
    /// Of the objects and lists that are open, the innermost last: a bit that is set is a list's.
    kinds: u64,
    /// How many are open.
    levels: usize,
    /// How many are open besides, deeper than any that counts.
    deeper: u64,
    /// For each object that is open, where in `names` the name of its member begins.
    objects: Vec<usize>,
    /// The name of one member for each object that is open, from the outermost on.
    names: Vec<u8>,
    /// Is the next string the name of a member?
    expects_name: bool,
}

/// What is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Object,
    List,
}

impl Position {
    pub(super) fn open(&mut self, kind: Kind) {
        self.expects_name = kind == Kind::Object;
        if self.levels == MAX_LEVELS {
            self.deeper += 1;
            return;
        }
        self.levels += 1;
        self.kinds = (self.kinds << 1) | u64::from(kind == Kind::List);
        if kind == Kind::Object {
            self.objects.push(self.names.len());
        }
    }

    pub(super) fn close(&mut self) {
        self.expects_name = false;
        if self.deeper > 0 {
            self.deeper -= 1;
        } else if self.levels > 0 {
            self.levels -= 1;
            if self.kinds & 1 == 0
                && let Some(name) = self.objects.pop()
            {
                self.names.truncate(name);
            }
            self.kinds >>= 1;
        }
    }

    /// A comma: in an object, a name follows.
    pub(super) fn separate(&mut self) {
        self.expects_name = self.deeper == 0 && self.levels > 0 && self.kinds & 1 == 0;
    }

    /// Is a string that begins here the name of a member? Then that name begins.
    pub(super) fn begin_name(&mut self) -> bool {
        let begins = std::mem::take(&mut self.expects_name);
        if begins && let Some(name) = self.innermost() {
            self.names.truncate(name);
        }
        begins
    }

    /// More of the name, as it is written.
    pub(super) fn extend_name(&mut self, more: &[u8]) {
        let Some(name) = self.innermost().filter(|name| self.names.get(*name) != Some(&UNREADABLE)) else { return };
        if self.names.len() - name + more.len() > MAX_NAME_BYTES || memchr::memchr2(b'\\', UNREADABLE, more).is_some() {
            self.names.truncate(name);
            self.names.push(UNREADABLE);
        } else {
            self.names.extend_from_slice(more);
        }
    }

    /// How many objects are open; `None` where more is open than counts.
    pub(super) fn depth(&self) -> Option<usize> {
        (self.deeper == 0).then_some(self.objects.len())
    }

    /// The name of the innermost object's member.
    pub(super) fn last_name(&self) -> Option<&[u8]> {
        self.names.get(self.innermost()?..)
    }

    /// The name of the member in the object at this level.
    pub(super) fn name(&self, level: usize) -> &[u8] {
        let Some(from) = self.objects.get(level) else { return &[] };
        let to = self.objects.get(level + 1).copied().unwrap_or(self.names.len());
        self.names.get(*from..to).unwrap_or_default()
    }

    /// Where the name of the innermost object's member begins.
    fn innermost(&self) -> Option<usize> {
        self.objects.last().copied().filter(|_| self.deeper == 0)
    }
}
