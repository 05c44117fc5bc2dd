//! Members of JSON documents whose URLs clients follow: `docs/spec/rewriting.md` section 8.
//!
//! Patterns are parsed once per upstream, and consulted only for strings that begin with an origin
//! of the upstream, so that a long list costs nothing where there is no URL.

mod position;

pub(crate) use position::{Kind, Position};

/// Most levels of a pattern.
const MAX_STEPS: usize = 16;
/// Most levels that are `**`: each such level multiplies the steps of a comparison by the depth of
/// the document.
const MAX_ANY: usize = 2;

/// Members that the clients of an API follow, and exceptions that stay unchanged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Members {
    followed: Patterns,
    kept: Patterns,
    has_pages: bool,
}

/// Patterns, found by the name at their end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Patterns {
    /// Patterns that end in a name without a star, ordered by the name.
    named: Vec<(Box<[u8]>, Pattern)>,
    /// Names, in order, of patterns such as `**.config.**` without a condition: everything inside a
    /// member of the name.
    within: Vec<Box<[u8]>>,
    others: Vec<Pattern>,
}

/// Fault of a text that names no members.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MemberError {
    /// A name is missing: the text is empty, or two dots follow each other.
    #[error("expected names with dots between, such as `next`, `*_url` or `_links.*.href`")]
    NoName,
    /// A backslash before something else than a dot, a star, a blank, `!` or a backslash.
    #[error("expected `.`, `*`, `!`, a blank or `\\` behind each `\\`")]
    Escape,
    /// Neither a path nor `?` follows the blank.
    #[error("expected a path such as `/api/`, or `?`, behind the blank")]
    Condition,
    /// A condition behind a member that stays in any case.
    #[error(
        "expected nothing behind the member: one that begins with `!` stays wherever its URL leads"
    )]
    KeptIf,
    /// Too many names, or too many `**`.
    #[error("expected at most {MAX_STEPS} names, and at most {MAX_ANY} `**` among them")]
    TooLong,
}

/// Result of checking a member before the member's URL was read to the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MemberCheck {
    Stays,
    /// The URL is rewritten if it leads to the place that a pattern requires.
    Conditional,
    Followed,
}

/// URL of the upstream, as the conditions of patterns see the URL.
pub(crate) struct MemberUrl<'u> {
    /// Text behind the link's `from`, as written in the document.
    pub(crate) rest: &'u [u8],
    /// True if the URL's path is the path of the client's request.
    pub(crate) to_asked: bool,
}

/// Pattern of a member: the names from the top of a document, and perhaps a condition on the URL.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern {
    /// Steps from the top of the document on.
    steps: Vec<Step>,
    condition: Option<Condition>,
}

/// Step of a pattern: one level of names, or any number of levels.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// `**`: any number of names.
    Any,
    /// A name: the pieces between the name's stars, one piece more than there are stars.
    Name(Vec<Box<[u8]>>),
}

/// Condition on the URL of a member that is followed.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Condition {
    /// The text behind the API root begins with this path.
    Below(Box<[u8]>),
    /// The URL is the URL of the request, with another query.
    Page,
}

impl Members {
    /// Parses texts that name members: `[!]NAME.NAME[ /PREFIX| ?]`.
    ///
    /// # Errors
    /// Returns the fault of the first text that names no members.
    pub fn parse<'t>(texts: impl IntoIterator<Item = &'t str>) -> Result<Self, MemberError> {
        let mut members = Self::default();
        for text in texts {
            match text.strip_prefix('!') {
                Some(text) => {
                    members.kept.insert(Pattern::parse(text).and_then(Pattern::without_condition)?)
                }
                None => members.followed.insert(Pattern::parse(text)?),
            }
        }
        let patterns = members
            .followed
            .named
            .iter()
            .map(|(_, pattern)| pattern)
            .chain(&members.followed.others);
        members.has_pages =
            patterns.into_iter().any(|pattern| pattern.condition == Some(Condition::Page));
        Ok(members)
    }

    /// True if no member is followed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.followed == Patterns::default()
    }

    /// True if the choice of followed members depends on the request's URL.
    pub(crate) fn has_pages(&self) -> bool {
        self.has_pages
    }

    /// Checks the member at a position by the position alone.
    pub(crate) fn check(&self, position: &Position) -> MemberCheck {
        let mut check = if self.followed.holds_within(position) {
            MemberCheck::Followed
        } else {
            MemberCheck::Stays
        };
        for pattern in self.followed.matching(position) {
            if pattern.condition.is_none() {
                check = MemberCheck::Followed;
            }
            if check == MemberCheck::Followed {
                break;
            }
            check = MemberCheck::Conditional;
        }
        let kept = |kept: &Patterns| {
            kept.matching(position).next().is_some() || kept.holds_within(position)
        };
        if check != MemberCheck::Stays && kept(&self.kept) { MemberCheck::Stays } else { check }
    }

    /// True if a member whose check is conditional is followed, given the member's URL.
    pub(crate) fn follow(&self, position: &Position, leading: &MemberUrl<'_>) -> bool {
        self.followed.matching(position).any(|pattern| match &pattern.condition {
            None => true,
            Some(Condition::Below(prefix)) => behind_beginning(leading.rest, prefix).is_some(),
            Some(Condition::Page) => leading.to_asked && has_query(leading.rest),
        })
    }
}

impl Patterns {
    fn insert(&mut self, pattern: Pattern) {
        match pattern.steps.last() {
            Some(Step::Name(pieces)) if pieces.len() == 1 => {
                let name: Box<[u8]> = pieces.concat().into();
                let at = self.named.partition_point(|(named, _)| *named <= name);
                self.named.insert(at, (name, pattern));
            }
            _ => match pattern.within() {
                Some(name) => {
                    self.within.insert(self.within.partition_point(|within| *within <= name), name)
                }
                None => self.others.push(pattern),
            },
        }
    }

    /// True if a member of one of these names contains the value, or is the value's own member.
    fn holds_within(&self, position: &Position) -> bool {
        if self.within.is_empty() {
            return false;
        }
        for level in 0..position.depth().unwrap_or_default() {
            let name = position.name(level);
            if self.within.binary_search_by(|within| (**within).cmp(name)).is_ok() {
                return true;
            }
        }
        false
    }

    /// Finds the patterns that match the position of a value.
    fn matching<'p>(&'p self, position: &'p Position) -> impl Iterator<Item = &'p Pattern> {
        let last = position.last_name().unwrap_or_default();
        let from = self.named.partition_point(|(named, _)| **named < *last);
        let named = self
            .named
            .get(from..)
            .unwrap_or_default()
            .iter()
            .take_while(move |(named, _)| **named == *last);
        let perhaps = named.map(|(_, pattern)| pattern).chain(&self.others);
        perhaps.filter(|pattern| {
            position.depth().is_some_and(|depth| matches(&pattern.steps, position, depth))
        })
    }
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, MemberError> {
        let mut steps = vec![Step::Name(vec![Box::default()])];
        let mut characters = text.char_indices();
        let mut condition = None;
        while let Some((at, character)) = characters.next() {
            match character {
                '.' => steps.push(Step::Name(vec![Box::default()])),
                '*' => star(&mut steps),
                ' ' => {
                    condition = Some(Condition::parse(text.get(at + 1..).unwrap_or_default())?);
                    break;
                }
                '\\' => {
                    let escaped = characters.next().map(|(_, escaped)| escaped);
                    literal(
                        &mut steps,
                        escaped
                            .filter(|escaped| ".*\\ !".contains(*escaped))
                            .ok_or(MemberError::Escape)?,
                    );
                }
                character => literal(&mut steps, character),
            }
        }
        let steps: Vec<Step> = steps.into_iter().map(Step::checked).collect::<Result<_, _>>()?;
        let any = steps.iter().filter(|step| **step == Step::Any).count();
        if steps.len() > MAX_STEPS || any > MAX_ANY {
            return Err(MemberError::TooLong);
        }
        Ok(Self { steps, condition })
    }

    /// Returns NAME, of a pattern `**.NAME.**`.
    fn within(&self) -> Option<Box<[u8]>> {
        match (self.steps.as_slice(), &self.condition) {
            ([Step::Any, Step::Name(pieces), Step::Any], None) if pieces.len() == 1 => {
                Some(pieces.concat().into())
            }
            _ => None,
        }
    }

    fn without_condition(self) -> Result<Self, MemberError> {
        if self.condition.is_some() { Err(MemberError::KeptIf) } else { Ok(self) }
    }
}

/// Divides the name that is being read at a star.
fn star(steps: &mut [Step]) {
    if let Some(Step::Name(pieces)) = steps.last_mut() {
        pieces.push(Box::default());
    }
}

fn literal(steps: &mut [Step], character: char) {
    if let Some(piece) = steps.last_mut().and_then(|step| match step {
        Step::Name(pieces) => pieces.last_mut(),
        Step::Any => None,
    }) {
        let mut bytes = std::mem::take(piece).into_vec();
        bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        *piece = bytes.into();
    }
}

impl Step {
    fn checked(self) -> Result<Self, MemberError> {
        match &self {
            Self::Name(pieces)
                if pieces.len() == 3 && pieces.iter().all(|piece| piece.is_empty()) =>
            {
                Ok(Self::Any)
            }
            Self::Name(pieces)
                if pieces.len() == 1 && pieces.iter().all(|piece| piece.is_empty()) =>
            {
                Err(MemberError::NoName)
            }
            _ => Ok(self),
        }
    }
}

impl Condition {
    fn parse(text: &str) -> Result<Self, MemberError> {
        match text {
            "?" => Ok(Self::Page),
            path if path.starts_with('/')
                && path
                    .bytes()
                    .all(|byte| byte.is_ascii_graphic() && !b"\"\\<>`?#".contains(&byte)) =>
            {
                Ok(Self::Below(path.as_bytes().into()))
            }
            _ => Err(MemberError::Condition),
        }
    }
}

/// Compares from the last name on: almost all members differ there.
fn matches(steps: &[Step], position: &Position, depth: usize) -> bool {
    let Some((last, before)) = steps.split_last() else { return depth == 0 };
    match last {
        Step::Any if before.is_empty() => true,
        Step::Any => (0..=depth).rev().any(|depth| matches(before, position, depth)),
        Step::Name(pieces) => depth.checked_sub(1).is_some_and(|above| {
            is_named(position.name(above), pieces) && matches(before, position, above)
        }),
    }
}

/// True if a name consists of these pieces, with anything between the pieces.
fn is_named(name: &[u8], pieces: &[Box<[u8]>]) -> bool {
    let [first, between @ .., last] = pieces else {
        return pieces.iter().all(|piece| **piece == *name);
    };
    let Some(rest) = name.strip_prefix(&**first) else { return false };
    let Some(mut rest) = rest.strip_suffix(&**last) else { return false };
    for piece in between {
        let Some(further) = behind(rest, piece) else { return false };
        rest = further;
    }
    true
}

/// Returns the text behind the first occurrence of a piece.
fn behind<'n>(name: &'n [u8], piece: &[u8]) -> Option<&'n [u8]> {
    if piece.is_empty() {
        return Some(name);
    }
    let at = name.windows(piece.len()).position(|window| window == piece)?;
    name.get(at + piece.len()..)
}

fn has_query(rest: &[u8]) -> bool {
    rest.iter().find(|byte| b"?#".contains(byte)) == Some(&b'?')
}

/// Returns the text behind this beginning, in JSON, in which each `/` may be written as `\/`.
pub(crate) fn behind_beginning<'t>(mut text: &'t [u8], beginning: &[u8]) -> Option<&'t [u8]> {
    for byte in beginning {
        if *byte == b'/' {
            text = text.strip_prefix(b"\\").unwrap_or(text);
        }
        text = text.strip_prefix(std::slice::from_ref(byte))?;
    }
    Some(text)
}
