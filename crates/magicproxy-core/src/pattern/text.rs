//! Automata for texts other than paths: globs and patterns of conditions. `conditions.md`
//! section 2.

use std::sync::Arc;

use regex_automata::Anchored;
use regex_automata::dfa::{Automaton as _, dense};
use regex_automata::util::start;
use regex_syntax::hir::{Class, ClassBytes, ClassBytesRange, Hir, Repetition};

use super::{
    Bounds, Budget, MAX_DFA_BYTES, MAX_NFA_BYTES, MAX_PATTERN_STEPS, PatternError, PatternMode,
    STEPS_OF_A_RULE, anchor, determinise, foreign, parser, syntax,
};

/// The most bytes of a glob or a pattern of a condition.
pub(crate) const MAX_TEXT_PATTERN_BYTES: usize = 1_024;

/// An automaton that matches a whole text by any of several globs or patterns.
#[derive(Clone, Debug)]
pub(crate) struct TextAutomaton {
    dfa: Arc<dense::DFA<Vec<u32>>>,
    /// The globs or patterns as written, for messages.
    written: Arc<[Box<str>]>,
}

impl TextAutomaton {
    /// Compiles globs: `*` is any run of visible ASCII and blanks, `\` takes the meaning of `*` and
    /// `\` away.
    pub(crate) fn of_globs<'g>(
        globs: impl IntoIterator<Item = &'g str>,
        budget: &mut Budget,
    ) -> Result<Self, PatternError> {
        let (mut hirs, mut written) = (Vec::new(), Vec::new());
        for glob in globs {
            measure(glob, budget)?;
            hirs.push(anchor(glob_tree(glob)?, PatternMode::Whole));
            written.push(glob.into());
        }
        Self::compile(&hirs, written, budget)
    }

    /// Compiles patterns in the syntax of rules, anchored at both ends.
    pub(crate) fn of_patterns<'p>(
        patterns: impl IntoIterator<Item = &'p str>,
        budget: &mut Budget,
    ) -> Result<Self, PatternError> {
        let (mut hirs, mut written) = (Vec::new(), Vec::new());
        for pattern in patterns {
            measure(pattern, budget)?;
            foreign::refuse(pattern, PatternMode::Whole)?;
            let hir = parser(PatternMode::Whole)
                .parse(pattern)
                .map_err(|error| PatternError::Syntax(syntax::describe(&error)))?;
            hirs.push(anchor(hir, PatternMode::Whole));
            written.push(pattern.into());
        }
        Self::compile(&hirs, written, budget)
    }

    fn compile(
        hirs: &[Hir],
        written: Vec<Box<str>>,
        budget: &mut Budget,
    ) -> Result<Self, PatternError> {
        let mut own = budget.part(MAX_PATTERN_STEPS);
        let bounds = Bounds { nfa_bytes: MAX_NFA_BYTES, dfa_bytes: MAX_DFA_BYTES };
        let built = determinise(hirs, PatternMode::Whole, bounds, &mut own);
        budget.give_back(own);
        let (dfa, _) = built.ok_or(PatternError::TooComplex)?;
        Ok(Self { dfa: Arc::new(dfa), written: written.into() })
    }

    /// Compiles texts, one of which is the whole text.
    pub(crate) fn of_literals<'t>(
        texts: impl IntoIterator<Item = &'t str>,
        budget: &mut Budget,
    ) -> Result<Self, PatternError> {
        let literal = |text: &str| anchor(Hir::literal(text.as_bytes()), PatternMode::Whole);
        let hirs: Vec<Hir> = texts.into_iter().map(literal).collect();
        Self::compile(&hirs, Vec::new(), budget)
    }

    /// Returns the table of the automaton.
    pub(super) fn table(&self) -> Arc<dense::DFA<Vec<u32>>> {
        Arc::clone(&self.dfa)
    }

    /// Returns the globs or patterns as written.
    pub(crate) fn written(&self) -> &[Box<str>] {
        &self.written
    }

    /// True if the whole text is matched. Takes one table look-up for each byte.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let dfa = &*self.dfa;
        let start = start::Config::new().anchored(Anchored::Yes);
        let Ok(mut state) = dfa.start_state(&start) else { return false };
        for byte in text.bytes() {
            state = dfa.next_state(state, byte);
            if dfa.is_dead_state(state) || dfa.is_quit_state(state) {
                return false;
            }
        }
        dfa.is_match_state(dfa.next_eoi_state(state))
    }

    /// Returns the memory of the tables, of the structure that holds them, and of the texts, in
    /// bytes.
    pub(crate) fn memory_bytes(&self) -> usize {
        let texts: usize = self.written.iter().map(|text| size_of_val(text) + text.len()).sum();
        self.dfa.memory_usage() + size_of::<dense::DFA<Vec<u32>>>() + texts
    }
}

/// Checks the length of a text, and takes the work of reading it.
fn measure(text: &str, budget: &mut Budget) -> Result<(), PatternError> {
    if text.is_empty() {
        return Err(PatternError::Empty);
    }
    if text.len() > MAX_TEXT_PATTERN_BYTES {
        return Err(PatternError::TooLongText);
    }
    budget.work().take(text.len() + STEPS_OF_A_RULE).ok_or(PatternError::TooComplex)
}

/// Returns the tree of a glob.
fn glob_tree(glob: &str) -> Result<Hir, PatternError> {
    let mut parts = Vec::new();
    let mut characters = glob.chars();
    while let Some(character) = characters.next() {
        match character {
            '*' => parts.push(any_run()),
            '\\' => match characters.next() {
                Some(literal @ ('*' | '\\')) => parts.push(literal_tree(literal)),
                _ => return Err(PatternError::GlobEscape),
            },
            ' '..='~' => parts.push(literal_tree(character)),
            _ => return Err(PatternError::GlobCharacter),
        }
    }
    Ok(Hir::concat(parts))
}

fn literal_tree(character: char) -> Hir {
    let mut bytes = [0; 4];
    Hir::literal(character.encode_utf8(&mut bytes).as_bytes())
}

/// Returns the tree of any run of visible ASCII and blanks.
fn any_run() -> Hir {
    let visible = ClassBytes::new([ClassBytesRange::new(b' ', b'~')]);
    let sub = Box::new(Hir::class(Class::Bytes(visible)));
    Hir::repetition(Repetition { min: 0, max: None, greedy: true, sub })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::MAX_LIST_STEPS;

    fn budget() -> Budget {
        Budget::new(MAX_LIST_STEPS)
    }

    #[test]
    fn a_glob_matches_a_whole_text() {
        for (glob, text, matches) in [
            ("agent/*", "agent/x", true),
            ("agent/*", "agent/", true),
            ("agent/*", "agent/a/b c", true),
            ("agent/*", "Agent/x", false),
            ("agent/*", "xagent/x", false),
            ("agent/*", "agent/é", false),
            ("agent/*", "agent/\n", false),
            ("*.k8s.example.org", "a.k8s.example.org", true),
            ("*.k8s.example.org", "ak8s.example.org", false),
            ("a*b*c", "a--b--c", true),
            ("a*b*c", "a--c--b", false),
            (r"a\*b", "a*b", true),
            (r"a\*b", "axb", false),
            (r"a\\b", r"a\b", true),
            ("a.b", "axb", false),
            ("a[b]?", "a[b]?", true),
        ] {
            let automaton = TextAutomaton::of_globs([glob], &mut budget()).unwrap();
            assert_eq!(automaton.matches(text), matches, "{glob} {text}");
        }
        let several = TextAutomaton::of_globs(["a/*", "b/*"], &mut budget()).unwrap();
        assert!(several.matches("b/x") && several.matches("a/") && !several.matches("c/"));
        for (glob, error) in [
            ("", PatternError::Empty),
            ("a\\", PatternError::GlobEscape),
            ("a\\b", PatternError::GlobEscape),
            ("é", PatternError::GlobCharacter),
            ("a\n", PatternError::GlobCharacter),
        ] {
            assert_eq!(
                TextAutomaton::of_globs([glob], &mut budget()).unwrap_err(),
                error,
                "{glob}"
            );
        }
        assert!(TextAutomaton::of_globs([&*"a".repeat(1_024)], &mut budget()).is_ok());
        assert_eq!(
            TextAutomaton::of_globs([&*"a".repeat(1_025)], &mut budget()).unwrap_err(),
            PatternError::TooLongText
        );
    }

    #[test]
    fn a_pattern_matches_a_whole_text() {
        for (pattern, text, matches) in [
            ("v[0-9]+", "v12", true),
            ("v[0-9]+", "v12\n", false),
            ("v[0-9]+", "xv1", false),
            ("a|b", "b", true),
            ("a|b", "ab", false),
            ("^a$", "a", true),
            ("", "", true),
            ("(?i)main", "MAIN", true),
            ("[a-z0-9._-]+@acme\\.example", "a@acme.example", true),
            ("[a-z0-9._-]+@acme\\.example", "a@evil.example,b@acme.example", false),
            ("a b", "a b", true),
        ] {
            if pattern.is_empty() {
                continue;
            }
            let automaton = TextAutomaton::of_patterns([pattern], &mut budget()).unwrap();
            assert_eq!(automaton.matches(text), matches, "{pattern} {text}");
        }
        for pattern in ["", "(?=a)b", r"a\1", "a++", "(", &"(a|b|c){1,900}".repeat(3)] {
            assert!(TextAutomaton::of_patterns([pattern], &mut budget()).is_err(), "{pattern}");
        }
    }
}
