//! JSON strings that are URLs of the upstream, in members that clients follow: `docs/spec/rewriting.md` section 4.
//!
//! No parser: names, strings and brackets are told apart, and nothing else. What cannot be judged yet is held back.

mod candidate;
mod member_checks;
mod scan;

use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use http::uri::PathAndQuery;

use self::candidate::{MAX_CANDIDATE_BYTES, Progress, UrlRules, UrlVerdict};
use self::member_checks::MemberChecks;
use super::LinkMap;
use crate::members::{Kind, Position};

/// Rewrites JSON while it streams. However the text is divided, the output is the same.
#[derive(Debug)]
pub struct JsonRewriter {
    links: Arc<LinkMap>,
    /// What the client asked for, where that matters.
    asked: Option<PathAndQuery>,
    position: Position,
    standings: MemberChecks,
    reading: Reading,
    /// Is the next byte of the string escaped?
    escaped: bool,
    /// INVARIANT: empty unless a candidate is being read; then that from its quotation mark on, shorter than
    /// `MAX_CANDIDATE_BYTES`.
    held: BytesMut,
}

/// What the next byte belongs to.
#[derive(Debug, Clone, Copy)]
enum Reading {
    /// No string.
    Structure,
    Name,
    /// A string that stays.
    Text,
    /// A string that is held back, and how far the decision on it has come.
    Candidate(Progress),
}

/// A piece, and what becomes of it. Nothing is copied before something changes.
struct RewrittenOutput<'p> {
    piece: &'p [u8],
    /// How much of the piece is in `out`, or was replaced there.
    written: usize,
    out: Vec<u8>,
}

impl JsonRewriter {
    /// Rewrites by these links.
    #[must_use]
    pub fn new(links: Arc<LinkMap>) -> Self {
        Self {
            links,
            asked: None,
            position: Position::default(),
            standings: MemberChecks::default(),
            reading: Reading::Structure,
            escaped: false,
            held: BytesMut::new(),
        }
    }

    /// For the response to a request for this: some members are followed to its other pages only.
    #[must_use]
    pub fn asked(mut self, path: Option<PathAndQuery>) -> Self {
        self.asked = path.filter(|_| self.links.members().has_pages());
        self
    }

    /// Takes a piece and gives what is decided; it may be empty.
    #[must_use]
    pub fn push(&mut self, mut piece: Bytes) -> Bytes {
        let mut out = Vec::new();
        if let Reading::Candidate(progress) = self.reading
            && !self.resume(progress, &mut piece, &mut out)
        {
            return Bytes::new();
        }
        let mut copying = RewrittenOutput { piece: &piece, written: 0, out };
        let decided = self.read(&mut copying);
        let out = copying.finish(decided);
        if out.is_empty() { piece.split_to(decided) } else { out.into() }
    }

    /// How many bytes are held back.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// What was held back, at the end of the body: a string without an end, which stays.
    #[must_use]
    pub fn finish(&mut self) -> Bytes {
        std::mem::take(&mut self.held).freeze()
    }

    /// Goes on with the candidate that is held back. `false`: all of the piece is held back, too.
    fn resume(&mut self, progress: Progress, piece: &mut Bytes, out: &mut Vec<u8>) -> bool {
        let mut held = std::mem::take(&mut self.held);
        let before = held.len();
        let taken = piece.len().min(MAX_CANDIDATE_BYTES - before);
        held.extend_from_slice(piece.get(..taken).unwrap_or_default());
        let judgement = self.judge().judge(&held, progress);
        if let UrlVerdict::Unfinished(progress) = judgement {
            self.reading = Reading::Candidate(progress);
            self.held = held;
            return false;
        }
        if let UrlVerdict::Leads(matched, end) = judgement {
            out.push(b'"');
            out.extend_from_slice(self.links.replacement(matched));
            out.extend_from_slice(held.get(1 + matched.length..end).unwrap_or_default());
            piece.advance(end - before);
            self.reading = Reading::Structure;
            return true;
        }
        // In what was held back before was no end of the string, or it would have been judged then.
        let decided = held.get(..before).unwrap_or(&held);
        out.extend_from_slice(decided);
        self.reading = Reading::Text;
        let _ = self.string_end(decided, 1);
        true
    }

    /// Reads a piece, and says how much of it is decided; the rest is held back.
    fn read(&mut self, copying: &mut RewrittenOutput<'_>) -> usize {
        let piece = copying.piece;
        let mut at = 0;
        loop {
            at = match self.reading {
                Reading::Structure => {
                    let Some(found) = self.next_string(piece.get(at..).unwrap_or_default()) else {
                        return piece.len();
                    };
                    let Some(end) = self.take_string(copying, at + found) else {
                        return at + found;
                    };
                    end
                }
                Reading::Name | Reading::Text | Reading::Candidate(_) => {
                    let Some(end) = self.string_end(piece, at) else { return piece.len() };
                    self.reading = Reading::Structure;
                    end
                }
            };
        }
    }

    /// Where the next string begins; the brackets and commas before it are taken.
    fn next_string(&mut self, text: &[u8]) -> Option<usize> {
        let position = &mut self.position;
        scan::structure(text, |byte| match byte {
            b',' => position.separate(),
            b'{' => position.open(Kind::Object),
            b'[' => position.open(Kind::List),
            b'}' | b']' => position.close(),
            _ => {}
        })
    }

    /// Takes a string's quotation mark, or all of a string that is judged at once; says what comes behind. `None`: it is held back.
    fn take_string(&mut self, copying: &mut RewrittenOutput<'_>, at: usize) -> Option<usize> {
        if self.position.begin_name() {
            self.reading = Reading::Name;
            return Some(at + 1);
        }
        let rest = copying.piece.get(at..).unwrap_or_default();
        match self.judge().judge(rest, Progress::Opened) {
            UrlVerdict::Stays => self.reading = Reading::Text,
            UrlVerdict::Leads(matched, end) => {
                copying.replace(at + 1, matched.length, self.links.replacement(matched));
                return Some(at + end);
            }
            UrlVerdict::Unfinished(progress) => {
                self.held.extend_from_slice(rest);
                self.reading = Reading::Candidate(progress);
                return None;
            }
        }
        Some(at + 1)
    }

    /// Where the string ends of which this is the inside, behind its quotation mark.
    fn string_end(&mut self, text: &[u8], mut at: usize) -> Option<usize> {
        if self.escaped {
            // A piece may be empty: the escape is there for the next one.
            if at >= text.len() {
                return None;
            }
            self.escaped = false;
            at += 1;
        }
        let is_name = matches!(self.reading, Reading::Name);
        loop {
            let rest = text.get(at..).unwrap_or_default();
            let found = if is_name { self.name_end(rest) } else { scan::text_end(rest) }?;
            if rest.get(found) == Some(&b'"') {
                return Some(at + found + 1);
            }
            at += found + 2;
            if at > text.len() {
                self.escaped = true;
                return None;
            }
        }
    }

    /// Takes more of a name, up to a quotation mark or a backslash.
    fn name_end(&mut self, text: &[u8]) -> Option<usize> {
        let mut from = 0;
        loop {
            let rest = text.get(from..).unwrap_or_default();
            let found = scan::name_end(rest);
            self.position.extend_name(rest.get(..found.unwrap_or(rest.len())).unwrap_or_default());
            let found = found?;
            if rest.get(found) == Some(&b'"') {
                return Some(from + found);
            }
            self.position.spoil_name();
            if rest.get(found) == Some(&b'\\') {
                return Some(from + found);
            }
            from += found + 1;
        }
    }

    fn judge(&mut self) -> UrlRules<'_> {
        let Self { links, position, standings, asked, .. } = self;
        UrlRules { links, position, standings, asked: asked.as_ref() }
    }
}

impl RewrittenOutput<'_> {
    /// Replaces so many bytes from there on.
    fn replace(&mut self, at: usize, length: usize, by: &[u8]) {
        if self.out.is_empty() {
            self.out.reserve(self.piece.len() + self.piece.len() / 4);
        }
        self.out.extend_from_slice(self.piece.get(self.written..at).unwrap_or_default());
        self.out.extend_from_slice(by);
        self.written = at + length;
    }

    /// What is sent, up to there; nothing where nothing changed.
    fn finish(mut self, decided: usize) -> Vec<u8> {
        if !self.out.is_empty() {
            self.out.extend_from_slice(self.piece.get(self.written..decided).unwrap_or_default());
        }
        self.out
    }
}
