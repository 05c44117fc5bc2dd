//! Path patterns, compiled to DFAs: anchored, case-sensitive, with ASCII classes, and a table
//! look-up for each byte of a path. The simplest patterns, which are most, are matched without a
//! DFA, all patterns of a list in a single tree (`template`, `tree`).
//!
//! Never match with a pattern that is neither simple nor determinised, and never determinise a
//! pattern whose work was not taken from a budget: both rules together bound the time that a minter
//! can cost the proxy. Specification: `rules.md` section 2.

mod effort;
pub(crate) use effort::Budget;
pub use effort::Work;
mod foreign;
mod shortest;
mod syntax;
mod template;
#[cfg(test)]
mod tests;
mod text;
mod tree;

use std::collections::HashSet;
use std::sync::Arc;

use regex_automata::dfa::Automaton as _;
use regex_automata::dfa::{StartKind, dense};
use regex_automata::nfa::thompson::{self, WhichCaptures};
use regex_automata::util::primitives::StateID;
use regex_automata::util::start;
use regex_automata::{Anchored, MatchKind};
use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, Hir, HirKind, Look};

use crate::target::is_unreserved;

pub(crate) use shortest::{Characters, Least, Machine, MachinePlace, SearchSteps, shortest};
pub(crate) use template::Template;
pub(crate) use text::TextAutomaton;
pub(crate) use tree::Tree;

const MAX_PATTERN_BYTES: usize = 4 * 1024;
const MAX_NFA_BYTES: usize = 64 * 1024;
const MAX_DFA_BYTES: usize = 128 * 1024;
/// The work for every rule, however simple, in steps.
const STEPS_OF_A_RULE: usize = 30;
/// The least memory of a state of an NFA.
const BYTES_OF_A_STATE: usize = 24;
/// The largest automaton of a single pattern that is kept: a thousand of this size are no burden.
const MAX_KEPT_AUTOMATON_BYTES: usize = 16 * 1024;
/// The largest automaton of a single rule, in bytes; every rule that passed `Rule::parse` fits.
pub(crate) const OWN_AUTOMATON_BYTES: usize = 128 * 1024;
/// The memory that determinising may use while at work.
const MAX_DETERMINISE_BYTES: usize = 1024 * 1024;
/// The most pairs of states in a comparison of two automata.
const MAX_PAIRS: usize = 20_000;
const MAX_NESTING: u32 = 50;
/// The most steps of determinising a pattern: a few milliseconds.
pub(crate) const MAX_PATTERN_STEPS: usize = 200_000;

/// The ways to match patterns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PatternMode {
    /// A match of the whole path, case-sensitive.
    #[default]
    Whole,
    /// A match from the start of the path, not to its end, and case-blind, as in the Python
    /// program.
    DangerPrefix,
}

/// A parsed and checked pattern that can be matched in bounded time: `rules.md` section 2. Made by
/// [`Pattern::parse`] only. A pattern is not matched itself; automata and trees are made of
/// patterns.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    anchored: Hir,
    bounded: BoundProof,
    mode: PatternMode,
    /// The number of states of the pattern's NFA; 0 if no NFA was made.
    states: usize,
}

/// The proof that a pattern is bounded.
#[derive(Clone, Debug)]
enum BoundProof {
    /// A simple pattern, which needs no automaton.
    Template(Arc<Template>),
    /// A pattern with an automaton, kept if small: a list of a single pattern needs nothing else.
    Table(Option<Arc<dense::DFA<Vec<u32>>>>),
}

/// The reasons why a pattern is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PatternError {
    #[error("the pattern is empty")]
    Empty,
    #[error("the pattern is longer than {MAX_PATTERN_BYTES} bytes")]
    TooLong,
    #[error("the text is longer than {} bytes", text::MAX_TEXT_PATTERN_BYTES)]
    TooLongText,
    #[error("in a glob `\\` stands before `*` or `\\` only")]
    GlobEscape,
    #[error(
        "a glob holds visible ASCII and blanks only; another text is written as it is, without `glob`"
    )]
    GlobCharacter,
    #[error("{0}")]
    Syntax(String),
    #[error("`{found}` is not for rules: {instead}")]
    Foreign { found: String, instead: &'static str },
    #[error("path must start with `/`")]
    Start,
    #[error("`{literal}` never occurs in a request path: {help}")]
    Literal { literal: String, help: &'static str },
    #[error(
        "the pattern is too complex: nested or counted repetitions multiply; write it more simply"
    )]
    TooComplex,
}

impl Pattern {
    /// Parses a pattern and proves that the pattern can be matched in bounded time: `rules.md`
    /// sections 2 and 4. Takes the work from `budget`, which bounds the time that a minter's
    /// patterns cost.
    pub(crate) fn parse(
        text: &str,
        mode: PatternMode,
        budget: &mut Budget,
    ) -> Result<Self, PatternError> {
        if text.is_empty() {
            return Err(PatternError::Empty);
        }
        if text.len() > MAX_PATTERN_BYTES {
            return Err(PatternError::TooLong);
        }
        // Reading a text is work, too, though not counted against the cost of a list.
        budget.work().take(text.len() + STEPS_OF_A_RULE).ok_or(PatternError::TooComplex)?;
        foreign::refuse(text, mode)?;
        // Parsed alone and anchored as a tree: no pattern can close the group that anchors the
        // pattern.
        let hir = parser(mode)
            .parse(text)
            .map_err(|error| PatternError::Syntax(syntax::describe(&error)))?;
        if mode == PatternMode::Whole {
            check_literals(&hir, FollowingText::Nothing)?;
        }
        if let Some(template) =
            Some(mode).filter(|mode| *mode == PatternMode::Whole).and_then(|_| Template::of(&hir))
        {
            budget.take(text.len()).ok_or(PatternError::TooComplex)?;
            budget.work().take(template.pieces()).ok_or(PatternError::TooComplex)?;
            return Ok(Self {
                anchored: anchor(hir, mode),
                bounded: BoundProof::Template(Arc::new(template)),
                mode,
                states: 0,
            });
        }
        let anchored = anchor(hir, mode);
        let mut own = budget.part(MAX_PATTERN_STEPS);
        let bounds = Bounds { nfa_bytes: MAX_NFA_BYTES, dfa_bytes: MAX_DFA_BYTES };
        let built = determinise(std::slice::from_ref(&anchored), mode, bounds, &mut own);
        budget.give_back(own);
        let (dfa, states) = built.ok_or(PatternError::TooComplex)?;
        if !can_start_with_slash(&dfa) {
            return Err(PatternError::Start);
        }
        let small = (dfa.memory_usage() <= MAX_KEPT_AUTOMATON_BYTES).then(|| Arc::new(dfa));
        Ok(Self { anchored, bounded: BoundProof::Table(small), mode, states })
    }

    /// The pattern's template, if the pattern is simple.
    pub(crate) fn template(&self) -> Option<&Template> {
        match &self.bounded {
            BoundProof::Template(template) => Some(template),
            BoundProof::Table(_) => None,
        }
    }
}

/// A compiled automaton of a single pattern or of several: a table that is read once for each byte
/// of a path.
#[derive(Debug)]
pub(crate) struct Automaton(Arc<dense::DFA<Vec<u32>>>);

impl Automaton {
    /// Compiles patterns into a DFA of at most `max_bytes`. Returns `None` if the patterns do not
    /// fit or the budget does not suffice.
    pub(crate) fn compile(
        patterns: &[&Pattern],
        max_bytes: usize,
        budget: &mut Budget,
    ) -> Option<Self> {
        if let [Pattern { bounded: BoundProof::Table(Some(alone)), .. }] = patterns {
            let automaton = Self(Arc::clone(alone));
            return (automaton.memory_bytes() <= max_bytes).then_some(automaton);
        }
        // The cost of an NFA is counted only after the NFA is built; for several patterns, that may
        // be late.
        budget.work().ensure(
            patterns.iter().map(|pattern| pattern.states * effort::STEPS_OF_A_STATE).sum(),
        )?;
        let hirs: Vec<Hir> = patterns.iter().map(|pattern| pattern.anchored.clone()).collect();
        let mode = patterns
            .iter()
            .map(|pattern| pattern.mode)
            .find(|mode| *mode != PatternMode::Whole)
            .unwrap_or_default();
        let bounds = Bounds {
            nfa_bytes: MAX_NFA_BYTES.saturating_mul(patterns.len()),
            dfa_bytes: max_bytes,
        };
        let (dfa, _) = determinise(&hirs, mode, bounds, budget)?;
        Some(Self(Arc::new(dfa)))
    }

    /// Returns the indices of the patterns that match `path`, in ascending order; of patterns in
    /// [`PatternMode::DangerPrefix`], a single index. Reads the path once and allocates nothing.
    pub(crate) fn matches(&self, path: &str) -> impl Iterator<Item = usize> {
        let ends = self.end_of(path);
        let patterns = ends.map_or(0, |state| self.0.match_len(state));
        ends.into_iter().flat_map(move |state| {
            (0..patterns).map(move |index| self.0.match_pattern(state, index).as_usize())
        })
    }

    /// Returns the state in which the first match of `path` ends.
    fn end_of(&self, path: &str) -> Option<StateID> {
        let dfa = &*self.0;
        // An error would mean a byte that the automaton was built to quit on. No such byte exists;
        // if one did: no match.
        let mut state = dfa.start_state(&start::Config::new().anchored(Anchored::Yes)).ok()?;
        for byte in path.bytes() {
            state = dfa.next_state(state, byte);
            if dfa.is_special_state(state) {
                return Some(state).filter(|state| dfa.is_match_state(*state));
            }
        }
        Some(dfa.next_eoi_state(state)).filter(|state| dfa.is_match_state(*state))
    }

    /// True if both automata match some path whole. `None` if the two together have too many states
    /// to compare.
    pub(crate) fn intersects(&self, other: &Self) -> Option<bool> {
        let (Self(this), Self(other)) = (self, other);
        let start = start::Config::new().anchored(Anchored::Yes);
        let first = (this.start_state(&start).ok()?, other.start_state(&start).ok()?);
        let bytes: Vec<u8> = (0..=u8::MAX).filter(|byte| is_path_byte(*byte)).collect();
        let (mut seen, mut pending) = (HashSet::from([first]), vec![first]);
        while let Some((one, two)) = pending.pop() {
            let ends = (this.next_eoi_state(one), other.next_eoi_state(two));
            if this.is_match_state(ends.0) && other.is_match_state(ends.1) {
                return Some(true);
            }
            for byte in &bytes {
                let next = (this.next_state(one, *byte), other.next_state(two, *byte));
                let dead = this.is_dead_state(next.0) || other.is_dead_state(next.1);
                if !dead && seen.insert(next) {
                    pending.push(next);
                }
            }
            if seen.len() > MAX_PAIRS {
                return None;
            }
        }
        Some(false)
    }

    /// True if this automaton matches whole each path that `other` matches whole. `None` if the two
    /// together have too many states to compare.
    pub(crate) fn includes(&self, other: &Self) -> Option<bool> {
        let (Self(this), Self(other)) = (self, other);
        let start = start::Config::new().anchored(Anchored::Yes);
        let first = (this.start_state(&start).ok()?, other.start_state(&start).ok()?);
        let bytes: Vec<u8> = (0..=u8::MAX).filter(|byte| is_path_byte(*byte)).collect();
        let (mut seen, mut pending) = (HashSet::from([first]), vec![first]);
        while let Some((one, two)) = pending.pop() {
            let ends = (this.next_eoi_state(one), other.next_eoi_state(two));
            if other.is_match_state(ends.1) && !this.is_match_state(ends.0) {
                return Some(false);
            }
            for byte in &bytes {
                let next = (this.next_state(one, *byte), other.next_state(two, *byte));
                if !other.is_dead_state(next.1) && seen.insert(next) {
                    pending.push(next);
                }
            }
            if seen.len() > MAX_PAIRS {
                return None;
            }
        }
        Some(true)
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.0.memory_usage()
    }
}

fn parser(mode: PatternMode) -> regex_syntax::Parser {
    ParserBuilder::new()
        .unicode(false)
        .utf8(false)
        .nest_limit(MAX_NESTING)
        .case_insensitive(mode == PatternMode::DangerPrefix)
        .build()
}

fn anchor(hir: Hir, mode: PatternMode) -> Hir {
    match mode {
        PatternMode::Whole => Hir::concat(vec![Hir::look(Look::Start), hir, Hir::look(Look::End)]),
        PatternMode::DangerPrefix => Hir::concat(vec![Hir::look(Look::Start), hir]),
    }
}

/// The size limits of automata, in bytes.
#[derive(Clone, Copy)]
struct Bounds {
    nfa_bytes: usize,
    dfa_bytes: usize,
}

/// Builds a DFA, and returns the DFA and the number of its NFA's states.
fn determinise(
    hirs: &[Hir],
    mode: PatternMode,
    bounds: Bounds,
    budget: &mut Budget,
) -> Option<(dense::DFA<Vec<u32>>, usize)> {
    let Bounds { nfa_bytes, dfa_bytes } = bounds;
    let nfa = thompson::Compiler::new()
        .configure(
            thompson::Config::new()
                .utf8(false)
                .nfa_size_limit(Some(nfa_bytes))
                .which_captures(WhichCaptures::None),
        )
        .build_many_from_hir(hirs);
    let Ok(nfa) = nfa else {
        budget.work().take(steps_of_too_large(nfa_bytes))?;
        return None;
    };
    effort::take(&nfa, dfa_bytes, budget)?;
    let config = dense::Config::new()
        .start_kind(StartKind::Anchored)
        .match_kind(match_kind(mode))
        .accelerate(false)
        .dfa_size_limit(Some(dfa_bytes))
        .determinize_size_limit(Some(MAX_DETERMINISE_BYTES.max(4 * dfa_bytes)));
    dense::Builder::new()
        .configure(config)
        .build_from_nfa(&nfa)
        .ok()
        .map(|dfa| (dfa, nfa.states().len()))
}

/// The steps of an NFA that is too large for its limit: the NFA was built nearly up to `nfa_bytes`.
fn steps_of_too_large(nfa_bytes: usize) -> usize {
    nfa_bytes / BYTES_OF_A_STATE * effort::STEPS_OF_A_STATE
}

/// Returns the kind of match for a mode. Patterns that reach the end of a path all end in the same
/// place, where every match can be reported. A pattern that ends earlier hides later matches.
fn match_kind(mode: PatternMode) -> MatchKind {
    match mode {
        PatternMode::Whole => MatchKind::All,
        PatternMode::DangerPrefix => MatchKind::LeftmostFirst,
    }
}

fn can_start_with_slash(dfa: &dense::DFA<Vec<u32>>) -> bool {
    let start = dfa.start_state(&start::Config::new().anchored(Anchored::Yes));
    start.is_ok_and(|state| !dfa.is_dead_state(dfa.next_state(state, b'/')))
}

/// The text behind a part of a pattern, if any: a `%` at the very end of a pattern has no digits.
#[derive(Clone, Copy)]
enum FollowingText {
    Nothing,
    Something,
}

/// Refuses literals that no canonical path can hold: rule 5.
fn check_literals(hir: &Hir, follows: FollowingText) -> Result<(), PatternError> {
    match hir.kind() {
        HirKind::Literal(literal) => check_literal(&literal.0, follows),
        HirKind::Class(class) => check_class(class),
        HirKind::Repetition(repetition) => {
            check_literals(&repetition.sub, FollowingText::Something)
        }
        HirKind::Capture(capture) => check_literals(&capture.sub, follows),
        HirKind::Alternation(parts) => {
            parts.iter().try_for_each(|part| check_literals(part, follows))
        }
        HirKind::Concat(parts) => {
            let Some((last, before)) = parts.split_last() else { return Ok(()) };
            before.iter().try_for_each(|part| check_literals(part, FollowingText::Something))?;
            check_literals(last, follows)
        }
        HirKind::Empty | HirKind::Look(_) => Ok(()),
    }
}

/// Refuses a class that admits no byte of a path: as dead as a literal.
fn check_class(class: &Class) -> Result<(), PatternError> {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    match class {
        Class::Bytes(class) => {
            for range in class.ranges() {
                ranges.push((range.start().into(), range.end().into()));
            }
        }
        Class::Unicode(class) => {
            for range in class.ranges() {
                ranges.push((range.start().into(), range.end().into()));
            }
        }
    }
    if ranges.into_iter().any(holds_path_byte) {
        Ok(())
    } else {
        Err(literal_error("[…]", "the class holds no character of a path"))
    }
}

fn holds_path_byte((low, high): (u32, u32)) -> bool {
    (low..=high.min(0x7f)).any(|byte| u8::try_from(byte).is_ok_and(is_path_byte))
}

fn check_literal(literal: &[u8], follows: FollowingText) -> Result<(), PatternError> {
    if let Some(byte) = literal.iter().find(|byte| !is_path_byte(**byte)) {
        return Err(bad_byte(*byte));
    }
    let text = String::from_utf8_lossy(literal);
    for impossible in ["//", "/./", "/../"] {
        if text.contains(impossible) {
            return Err(literal_error(impossible, "empty and dot segments are refused"));
        }
    }
    let mut rest = literal;
    while let Some(at) = rest.iter().position(|byte| *byte == b'%') {
        rest = rest.get(at + 1..).unwrap_or_default();
        check_triplet(rest, follows)?;
    }
    Ok(())
}

/// Checks the digits behind a `%` in a literal; a literal may end inside the triplet, where a class
/// goes on.
fn check_triplet(after: &[u8], follows: FollowingText) -> Result<(), PatternError> {
    let digits = after.get(..2).unwrap_or(after);
    let cut_short = digits.len() < 2 && matches!(follows, FollowingText::Nothing);
    if cut_short
        || !digits.iter().all(|digit| digit.is_ascii_digit() || (b'A'..=b'F').contains(digit))
    {
        return Err(literal_error(
            "%",
            "write percent-encoding as `%` and two upper-case hex digits, and a `%` itself as `%25`",
        ));
    }
    if digits.len() < 2 {
        return Ok(());
    }
    let decoded = std::str::from_utf8(digits).map(|digits| u8::from_str_radix(digits, 16));
    match decoded.ok().and_then(Result::ok) {
        Some(byte) if is_unreserved(byte) => Err(literal_error(
            &format!("%{byte:02X}"),
            "the character arrives decoded; write it as it is",
        )),
        Some(byte @ (0..=0x1f | 0x7f | b'\\')) => {
            Err(literal_error(&format!("%{byte:02X}"), "such a path is refused"))
        }
        _ => Ok(()),
    }
}

fn is_path_byte(byte: u8) -> bool {
    is_unreserved(byte) || b"!$&'()*+,;=:@/%".contains(&byte)
}

fn bad_byte(byte: u8) -> PatternError {
    let help = match byte {
        b'?' | b'#' => "rules see the path only, without query or fragment",
        b'\\' => "such a path is refused",
        0x80.. => "write non-ASCII characters percent-encoded, as in `caf%C3%A9`",
        _ => "write it percent-encoded, for instance `%20` for a blank",
    };
    let literal = if byte.is_ascii() {
        char::from(byte).escape_default().to_string()
    } else {
        format!("\\x{byte:02X}")
    };
    PatternError::Literal { literal, help }
}

fn literal_error(literal: &str, help: &'static str) -> PatternError {
    PatternError::Literal { literal: literal.to_owned(), help }
}
