//! Candidate strings for rewriting: URLs of the upstream and nothing else, where clients follow
//! them.

use http::uri::PathAndQuery;

use super::super::LinkMap;
use super::super::link::{LinkMatch, Prefix};
use super::member_checks::MemberChecks;
use crate::members::Position;
use crate::members::{MemberCheck, MemberUrl};

/// Beginning of every candidate.
const OPENER: &[u8] = b"\"http";

/// Longest candidate, in bytes: a string that does not end within this length stays.
pub(super) const MAX_CANDIDATE_BYTES: usize = 8192;

/// Progress of the decision on a candidate, so that nothing is read twice.
#[derive(Debug, Clone, Copy)]
pub(super) enum Progress {
    Opened,
    /// The candidate matches a link, and the member may be followed; the search for the end goes on
    /// at this offset.
    Inside(LinkMatch, MemberCheck, usize),
}

pub(super) enum UrlVerdict {
    Stays,
    /// The candidate is rewritten, and ends at this offset.
    Leads(LinkMatch, usize),
    Unfinished(Progress),
}

/// Inputs of a decision.
pub(super) struct UrlRules<'a> {
    pub(super) links: &'a LinkMap,
    pub(super) position: &'a Position,
    pub(super) checks: &'a mut MemberChecks,
    pub(super) asked: Option<&'a PathAndQuery>,
}

impl UrlRules<'_> {
    /// Judges a candidate, given from the quotation mark on.
    pub(super) fn judge(mut self, candidate: &[u8], progress: Progress) -> UrlVerdict {
        let window = candidate.get(..MAX_CANDIDATE_BYTES).unwrap_or(candidate);
        match self.judge_window(window, progress) {
            UrlVerdict::Unfinished(_) if window.len() == MAX_CANDIDATE_BYTES => UrlVerdict::Stays,
            verdict => verdict,
        }
    }

    fn judge_window(&mut self, window: &[u8], progress: Progress) -> UrlVerdict {
        let (matched, check, from) = match progress {
            Progress::Inside(matched, check, from) => (matched, check, from),
            Progress::Opened => match self.judge_beginning(window) {
                Ok((matched, check)) => (matched, check, 1 + matched.length),
                Err(verdict) => return verdict,
            },
        };
        let rest = |end| window.get(1 + matched.length..end).unwrap_or_default();
        match find_end(window, from) {
            Ok(end) if check == MemberCheck::Followed || self.leads(matched, rest(end)) => {
                UrlVerdict::Leads(matched, end + 1)
            }
            Ok(_) | Err(EndSearchFailure::NoUrl) => UrlVerdict::Stays,
            Err(EndSearchFailure::Nothing(from)) => {
                UrlVerdict::Unfinished(Progress::Inside(matched, check, from))
            }
        }
    }

    /// Finds the link that a candidate begins with, if the member may be followed.
    fn judge_beginning(&mut self, window: &[u8]) -> Result<(LinkMatch, MemberCheck), UrlVerdict> {
        if !window.starts_with(OPENER) {
            let unfinished = OPENER.starts_with(window);
            return Err(if unfinished {
                UrlVerdict::Unfinished(Progress::Opened)
            } else {
                UrlVerdict::Stays
            });
        }
        match self.links.prefix(window.get(1..).unwrap_or_default()) {
            Prefix::Matched(matched) => match self.checks.check(self.links, self.position) {
                MemberCheck::Stays => Err(UrlVerdict::Stays),
                check => Ok((matched, check)),
            },
            Prefix::Mismatched => Err(UrlVerdict::Stays),
            Prefix::Incomplete => Err(UrlVerdict::Unfinished(Progress::Opened)),
        }
    }

    /// True if a URL leads to a place to which the member is followed, given the text behind the
    /// link.
    fn leads(&self, matched: LinkMatch, rest: &[u8]) -> bool {
        let to_asked =
            self.asked.is_some_and(|asked| self.links.leads_to(matched, rest, asked.path()));
        self.links.members().follow(self.position, &MemberUrl { rest, to_asked })
    }
}

/// Result of a search that did not find the end of a URL.
enum EndSearchFailure {
    /// No end: the search goes on at this offset when there is more text.
    Nothing(usize),
    /// A character that no URL holds.
    NoUrl,
}

/// Finds the quotation mark that closes the URL.
fn find_end(window: &[u8], mut from: usize) -> Result<usize, EndSearchFailure> {
    loop {
        let plain = |byte: &u8| CLASSES.get(usize::from(*byte)) == Some(&Class::Url);
        let rest = window.get(from..).unwrap_or_default();
        let Some(length) = rest.iter().position(|byte| !plain(byte)) else {
            return Err(EndSearchFailure::Nothing(window.len()));
        };
        let at = from + length;
        match rest.get(length..).unwrap_or_default() {
            [b'"', ..] => return Ok(at),
            [b'\\', b'/', ..] => from = at + 2,
            [b'\\'] => return Err(EndSearchFailure::Nothing(at)),
            [b'\\', b'u', digits @ ..] => match escaped_character(digits) {
                Some(true) => from = at + 6,
                Some(false) => return Err(EndSearchFailure::NoUrl),
                None => return Err(EndSearchFailure::Nothing(at)),
            },
            _ => return Err(EndSearchFailure::NoUrl),
        }
    }
}

/// True if a URL may hold the character of these four hex digits. `None` if there are too few
/// digits yet.
fn escaped_character(digits: &[u8]) -> Option<bool> {
    let known = digits.get(..4).unwrap_or(digits);
    if !known.iter().all(u8::is_ascii_hexdigit) {
        return Some(false);
    }
    let digits = std::str::from_utf8(known).ok().filter(|digits| digits.len() == 4)?;
    let character = u16::from_str_radix(digits, 16).ok()?;
    let in_url = |byte: u8| CLASSES.get(usize::from(byte)) == Some(&Class::Url);
    Some(u8::try_from(character).map_or(true, in_url))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Url,
    Other,
}

/// Classes of bytes by value: bytes that stand for themselves in a URL, and others.
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
