//! Rewriting of JSON strings that are URLs of the upstream, in members that clients follow:
//! `docs/spec/rewriting.md` section 4.
//!
//! No parser: names, strings and brackets are told apart, and nothing else. Text that cannot be
//! judged yet is held back.

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

/// Rewriter of JSON while the JSON streams. However the text is divided, the output is the same.
/// Not a parser: invalid JSON passes, too. Holds back less than 8 KiB.
#[derive(Debug)]
pub struct JsonRewriter {
    links: Arc<LinkMap>,
    /// Path and query of the client's request, where they matter.
    asked: Option<PathAndQuery>,
    position: Position,
    checks: MemberChecks,
    reading: Reading,
    /// True if the next byte of the string is escaped.
    escaped: bool,
    /// INVARIANT: empty unless a candidate is being read; then the candidate from the quotation
    /// mark on, shorter than `MAX_CANDIDATE_BYTES`.
    held: BytesMut,
}

/// State of the reader: the place of the next byte.
#[derive(Debug, Clone, Copy)]
enum Reading {
    /// Outside of strings.
    Structure,
    Name,
    /// In a string that stays.
    Text,
    /// In a string that is held back, with the progress of the decision.
    Candidate(Progress),
}

/// Piece of input with the output. Nothing is copied before the first change.
struct RewrittenOutput<'p> {
    piece: &'p [u8],
    /// Number of bytes of the piece that are in `out`, or were replaced there.
    written: usize,
    out: Vec<u8>,
}

impl JsonRewriter {
    /// Makes a rewriter by these links.
    #[must_use]
    pub fn new(links: Arc<LinkMap>) -> Self {
        Self {
            links,
            asked: None,
            position: Position::default(),
            checks: MemberChecks::default(),
            reading: Reading::Structure,
            escaped: false,
            held: BytesMut::new(),
        }
    }

    /// Sets the request's path and query, because some members are followed to other pages of the
    /// same path only.
    #[must_use]
    pub fn asked(mut self, path: Option<PathAndQuery>) -> Self {
        self.asked = path.filter(|_| self.links.members().has_pages());
        self
    }

    /// Takes a piece and returns the decided text, which may be empty.
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

    /// Returns the number of bytes held back.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// Returns the text held back, at the end of the body: a string without an end, which stays.
    #[must_use]
    pub fn finish(&mut self) -> Bytes {
        std::mem::take(&mut self.held).freeze()
    }

    /// Goes on with the candidate that is held back. Returns `false` if all of the piece is held
    /// back, too.
    fn resume(&mut self, progress: Progress, piece: &mut Bytes, out: &mut Vec<u8>) -> bool {
        let mut held = std::mem::take(&mut self.held);
        let before = held.len();
        let taken = piece.len().min(MAX_CANDIDATE_BYTES - before);
        held.extend_from_slice(piece.get(..taken).unwrap_or_default());
        let verdict = self.judge().judge(&held, progress);
        if let UrlVerdict::Unfinished(progress) = verdict {
            self.reading = Reading::Candidate(progress);
            self.held = held;
            return false;
        }
        if let UrlVerdict::Leads(matched, end) = verdict {
            out.push(b'"');
            out.extend_from_slice(self.links.replacement(matched));
            out.extend_from_slice(held.get(1 + matched.length..end).unwrap_or_default());
            piece.advance(end - before);
            self.reading = Reading::Structure;
            return true;
        }
        // The text held back before has no end of the string, or the string would have been judged
        // then.
        let decided = held.get(..before).unwrap_or(&held);
        out.extend_from_slice(decided);
        self.reading = Reading::Text;
        let _ = self.string_end(decided, 1);
        true
    }

    /// Reads a piece, and returns the number of decided bytes; the rest is held back.
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

    /// Returns the offset of the next string; takes the brackets and commas before the string.
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

    /// Takes a string's quotation mark, or all of a string that is judged at once; returns the
    /// offset behind. `None` if the string is held back.
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

    /// Returns the offset behind the quotation mark that ends the string; `text` is the string's
    /// inside.
    fn string_end(&mut self, text: &[u8], mut at: usize) -> Option<usize> {
        if self.escaped {
            // A piece may be empty: the escape remains for the next piece.
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
        let Self { links, position, checks, asked, .. } = self;
        UrlRules { links, position, checks, asked: asked.as_ref() }
    }
}

impl RewrittenOutput<'_> {
    /// Replaces `length` bytes of the piece from `at` on.
    fn replace(&mut self, at: usize, length: usize, by: &[u8]) {
        if self.out.is_empty() {
            self.out.reserve(self.piece.len() + self.piece.len() / 4);
        }
        self.out.extend_from_slice(self.piece.get(self.written..at).unwrap_or_default());
        self.out.extend_from_slice(by);
        self.written = at + length;
    }

    /// Returns the text to send, up to `decided`; empty where nothing changed.
    fn finish(mut self, decided: usize) -> Vec<u8> {
        if !self.out.is_empty() {
            self.out.extend_from_slice(self.piece.get(self.written..decided).unwrap_or_default());
        }
        self.out
    }
}
