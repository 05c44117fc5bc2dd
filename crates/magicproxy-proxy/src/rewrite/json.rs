//! JSON strings that are URLs of the upstream: `docs/spec/rewriting.md` section 4.
//!
//! No parser: a search for `"http`, and a judgement on what follows. What cannot be judged yet is held back.

use std::sync::{Arc, LazyLock};

use bytes::{Buf, Bytes, BytesMut};
use memchr::memmem::Finder;

use super::LinkMap;
use super::link::{Matched, Prefix};

/// What can only open a string.
const OPENER: &[u8] = b"\"http";
static FINDER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(OPENER));

/// A value that is not decided within so many bytes stays as it is.
const MAX_CANDIDATE_BYTES: usize = 8192;

/// Rewrites JSON while it streams. However the text is divided, the output is the same.
#[derive(Debug)]
pub struct JsonRewriter {
    links: Arc<LinkMap>,
    /// INVARIANT: empty, or a candidate from its quotation mark on, shorter than `MAX_CANDIDATE_BYTES`.
    held: BytesMut,
    /// How far the judgement on `held` has come.
    progress: Progress,
    /// The byte before `held`, or before the next piece.
    previous: u8,
}

/// How far the judgement on a candidate has come, so that nothing is looked at twice.
#[derive(Debug, Clone, Copy)]
enum Progress {
    Opened,
    /// It matches a link; the value's end is looked for from here on.
    Inside(Matched, usize),
    /// It is a whole value; what follows it is looked for from here on.
    Behind(Matched, usize),
}

enum Judgement {
    /// It stays. The search goes on here.
    Stays(usize),
    /// It is rewritten. The search goes on here.
    Leads(Matched, usize),
    Unfinished(Progress),
}

impl JsonRewriter {
    /// Rewrites by these links.
    #[must_use]
    pub fn new(links: Arc<LinkMap>) -> Self {
        Self { links, held: BytesMut::new(), progress: Progress::Opened, previous: 0 }
    }

    /// Takes a piece and gives what is decided; it may be empty.
    #[must_use]
    pub fn push(&mut self, mut piece: Bytes) -> Bytes {
        let mut out = Vec::new();
        if !self.held.is_empty() && !self.resume(&mut piece, &mut out) {
            return Bytes::new();
        }
        let decided = self.search(&piece, &mut out);
        if out.is_empty() {
            return piece.split_to(decided);
        }
        out.into()
    }

    /// How many bytes are held back.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// What was held back, at the end of the body.
    #[must_use]
    pub fn finish(&mut self) -> Bytes {
        if self.held.is_empty() {
            return Bytes::new();
        }
        let held = self.held.split();
        match self.progress {
            Progress::Behind(matched, _) => {
                let mut out = Vec::new();
                self.write(matched, &held, &mut out);
                out.into()
            }
            _ => held.freeze(),
        }
    }

    /// Goes on with the candidate that is held back. `false`: all of the piece is held back, too.
    fn resume(&mut self, piece: &mut Bytes, out: &mut Vec<u8>) -> bool {
        let before = self.held.len();
        let taken = piece.len().min(MAX_CANDIDATE_BYTES - before);
        self.held.extend_from_slice(piece.get(..taken).unwrap_or_default());
        let judgement = judge(&self.links, &self.held, self.progress);
        let (matched, end) = match judgement {
            Judgement::Unfinished(progress) => {
                self.progress = progress;
                return false;
            }
            Judgement::Stays(end) => (None, end),
            Judgement::Leads(matched, end) => (Some(matched), end),
        };
        // What was held back before held no second quotation mark that could open anything.
        let end = end.max(before);
        let held = std::mem::take(&mut self.held);
        let decided = held.get(..end).unwrap_or(&held);
        match matched {
            Some(matched) => self.write(matched, decided, out),
            None => out.extend_from_slice(decided),
        }
        self.previous = decided.last().copied().unwrap_or_default();
        piece.advance(end - before);
        true
    }

    /// Searches a piece, and says how much of it is decided; the rest is held back. Without a change and with nothing in `out`,
    /// nothing is written.
    fn search(&mut self, piece: &[u8], out: &mut Vec<u8>) -> usize {
        let mut written = 0;
        let mut from = 0;
        let decided = loop {
            let Some(at) = self.next_opener(piece, from) else { break piece.len() };
            let candidate = piece.get(at..).unwrap_or_default();
            match judge(&self.links, candidate, Progress::Opened) {
                Judgement::Stays(end) => from = at + end,
                Judgement::Leads(matched, end) => {
                    if out.is_empty() {
                        out.reserve(piece.len() + piece.len() / 4);
                    }
                    out.extend_from_slice(piece.get(written..=at).unwrap_or_default());
                    out.extend_from_slice(self.links.replacement(matched));
                    from = at + end;
                    written = at + 1 + matched.length;
                }
                Judgement::Unfinished(progress) => {
                    self.progress = progress;
                    self.held.extend_from_slice(candidate);
                    break at;
                }
            }
        };
        if let Some(last) = decided.checked_sub(1).and_then(|last| piece.get(last)) {
            self.previous = *last;
        }
        if !out.is_empty() {
            out.extend_from_slice(piece.get(written..decided).unwrap_or_default());
        }
        decided
    }

    /// The next opener, or what may be the beginning of one at the end of the piece.
    fn next_opener(&self, piece: &[u8], mut from: usize) -> Option<usize> {
        while let Some(found) = piece.get(from..).and_then(|rest| FINDER.find(rest)) {
            let at = from + found;
            if !self.is_escaped(piece, at) {
                return Some(at);
            }
            from = at + OPENER.len();
        }
        let tail = piece.len().saturating_sub(OPENER.len() - 1).max(from);
        let mark = tail + piece.get(tail..)?.iter().rposition(|byte| *byte == b'"')?;
        (OPENER.starts_with(piece.get(mark..)?) && !self.is_escaped(piece, mark)).then_some(mark)
    }

    fn is_escaped(&self, piece: &[u8], at: usize) -> bool {
        at.checked_sub(1).map_or(Some(&self.previous), |before| piece.get(before)) == Some(&b'\\')
    }

    /// Writes a candidate, up to where it is decided, with its beginning replaced.
    fn write(&self, matched: Matched, candidate: &[u8], out: &mut Vec<u8>) {
        out.push(b'"');
        out.extend_from_slice(self.links.replacement(matched));
        out.extend_from_slice(candidate.get(1 + matched.length..).unwrap_or_default());
    }
}

/// Judges a candidate, given from its quotation mark on.
fn judge(links: &LinkMap, candidate: &[u8], progress: Progress) -> Judgement {
    let window = candidate.get(..MAX_CANDIDATE_BYTES).unwrap_or(candidate);
    match judge_window(links, window, progress) {
        Judgement::Unfinished(_) if window.len() == MAX_CANDIDATE_BYTES => Judgement::Stays(MAX_CANDIDATE_BYTES),
        judgement => judgement,
    }
}

fn judge_window(links: &LinkMap, window: &[u8], mut progress: Progress) -> Judgement {
    loop {
        progress = match progress {
            Progress::Opened => match judge_beginning(links, window) {
                Ok(matched) => Progress::Inside(matched, 1 + matched.length),
                Err(judgement) => return judgement,
            },
            Progress::Inside(matched, from) => match find_end(window, from) {
                Ok(end) => Progress::Behind(matched, end + 1),
                Err(Found::Nothing(from)) => return Judgement::Unfinished(Progress::Inside(matched, from)),
                Err(Found::NoUrl(at)) => return Judgement::Stays(at),
            },
            Progress::Behind(matched, from) => {
                let rest = window.get(from..).unwrap_or_default();
                let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
                return match rest.iter().position(|byte| !blank(byte)) {
                    None => Judgement::Unfinished(Progress::Behind(matched, window.len())),
                    Some(at) if rest.get(at) == Some(&b':') => Judgement::Stays(from + at),
                    Some(at) => Judgement::Leads(matched, from + at),
                };
            }
        };
    }
}

/// Which link a candidate begins with.
fn judge_beginning(links: &LinkMap, window: &[u8]) -> Result<Matched, Judgement> {
    if !window.starts_with(OPENER) {
        let unfinished = OPENER.starts_with(window);
        return Err(if unfinished { Judgement::Unfinished(Progress::Opened) } else { Judgement::Stays(1) });
    }
    match links.prefix(window.get(1..).unwrap_or_default()) {
        Prefix::Matched(matched) => Ok(matched),
        Prefix::Mismatched => Err(Judgement::Stays(OPENER.len())),
        Prefix::Incomplete => Err(Judgement::Unfinished(Progress::Opened)),
    }
}

/// What is found instead of the end of a URL.
enum Found {
    /// Nothing: from here on it is to be looked for again when there is more.
    Nothing(usize),
    /// Something that no URL holds. The search for openers goes on here.
    NoUrl(usize),
}

/// Where the quotation mark is that closes the URL.
fn find_end(window: &[u8], mut from: usize) -> Result<usize, Found> {
    loop {
        let plain = |byte: &u8| CLASSES.get(usize::from(*byte)) == Some(&Class::Url);
        let rest = window.get(from..).unwrap_or_default();
        let Some(length) = rest.iter().position(|byte| !plain(byte)) else { return Err(Found::Nothing(window.len())) };
        let at = from + length;
        match rest.get(length..).unwrap_or_default() {
            [b'"', ..] => return Ok(at),
            [b'\\', b'/', ..] => from = at + 2,
            [b'\\'] => return Err(Found::Nothing(at)),
            [b'\\', b'u', digits @ ..] => match escaped_character(digits) {
                Some(Some(true)) => from = at + 6,
                Some(Some(false)) => return Err(Found::NoUrl(at + 6)),
                Some(None) => return Err(Found::NoUrl(at + 2)),
                None => return Err(Found::Nothing(at)),
            },
            // At the escaped character, not behind it: what comes next must see the backslash, or that there is none.
            _ => return Err(Found::NoUrl(at + 1)),
        }
    }
}

/// Does a URL hold the character that four hex digits stand for? `None`: there are not enough; `Some(None)`: they are none.
fn escaped_character(digits: &[u8]) -> Option<Option<bool>> {
    let known = digits.get(..4).unwrap_or(digits);
    if !known.iter().all(u8::is_ascii_hexdigit) {
        return Some(None);
    }
    let digits = std::str::from_utf8(known).ok().filter(|digits| digits.len() == 4)?;
    let character = u16::from_str_radix(digits, 16).ok()?;
    let in_url = |byte: u8| CLASSES.get(usize::from(byte)) == Some(&Class::Url);
    Some(Some(u8::try_from(character).map_or(true, in_url)))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Url,
    Other,
}

/// Which bytes stand for themselves in a URL, by their value.
static CLASSES: [Class; 256] = classes();

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const fn classes() -> [Class; 256] {
    let mut classes = [Class::Url; 256];
    let mut byte = 0;
    while byte <= 0x20 {
        classes[byte] = Class::Other;
        byte += 1;
    }
    classes[0x7F] = Class::Other;
    classes[b'"' as usize] = Class::Other;
    classes[b'\\' as usize] = Class::Other;
    classes[b'<' as usize] = Class::Other;
    classes[b'>' as usize] = Class::Other;
    classes[b'`' as usize] = Class::Other;
    classes
}
