//! Constructs of other regular expression engines, Python's `re` before all, that rules lack:
//! refused by name, with the form to use instead.
//!
//! Some constructs our engine refuses anyway, in words that help nobody. The rest would be read in
//! another way than by Python: sets inside of classes (`[^a&&b]`), and a repetition of a repetition
//! (`a++`). A rule that was written for the Python program must not come to mean more here, so
//! neither is guessed at. Specification: `rules.md` section 2.

use super::{PatternError, PatternMode};

const LIST: &str =
    "list what is allowed instead, such as `(one|two|three)`, in as many rules as it takes";
const PART: &str = "write what must stand there as a part of the pattern, such as `/acme-[^/]+`";
const SPELL: &str = "write out what it repeats, or a rule for each text that it may be";
const ONCE: &str = "a rule tries all ways at once: write the group as `(?:…)`";
const ALTERNATIVES: &str = "write both alternatives, with `|`";
const LEAVE_OUT: &str = "leave it out";
const WHOLE: &str = "leave it out: a rule spans the whole path";
const DOLLAR: &str = "write `$`";
const ASCII: &str = "leave it out: `\\d` and its like are ASCII";
const ITSELF: &str = "write the character itself";
const SINGLE: &str = "write one repetition, such as `+` or `{2,3}`; a rule tries all ways at once";
const FROM_ZERO: &str = "write `{0,` and the number";
const CLASS: &str =
    "in a class, write `[`, and the second of two `&`, `-` or `~`, with `\\` before it";

/// Refuses the first foreign construct in a pattern.
pub(super) fn refuse(pattern: &str, mode: PatternMode) -> Result<(), PatternError> {
    let mut reader = Reader { rest: pattern, repeated: false };
    while !reader.rest.is_empty() {
        reader.step(mode)?;
    }
    Ok(())
}

struct Reader<'p> {
    rest: &'p str,
    /// True if a repetition stands right before `rest`.
    repeated: bool,
}

impl Reader<'_> {
    /// Reads a character, an escape, a repetition, a class, or the beginning of a group.
    fn step(&mut self, mode: PatternMode) -> Result<(), PatternError> {
        let after_repetition = std::mem::take(&mut self.repeated);
        match self.rest.chars().next() {
            Some('\\') => self.escape(mode),
            Some('(') => self.group(),
            Some('[') => self.class(),
            Some('*' | '+' | '?' | '{') => self.repetition(after_repetition),
            Some(character) => self.skip(character.len_utf8()),
            None => Ok(()),
        }
    }

    fn skip(&mut self, bytes: usize) -> Result<(), PatternError> {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
        Ok(())
    }

    fn escape(&mut self, mode: PatternMode) -> Result<(), PatternError> {
        let instead = match self.rest.as_bytes().get(1) {
            Some(b'Z') if mode == PatternMode::Whole => Some(WHOLE),
            Some(b'Z') => Some(DOLLAR),
            Some(b'1'..=b'9') => Some(SPELL),
            Some(b'0' | b'N') => Some(ITSELF),
            _ => None,
        };
        match instead {
            Some(instead) => Err(self.not_for_rules(2, instead)),
            None => {
                let escaped = self.rest.chars().nth(1).map_or(0, char::len_utf8);
                self.skip(1 + escaped)
            }
        }
    }

    fn group(&mut self) -> Result<(), PatternError> {
        const NOT_FOR_RULES: [(&str, &str); 9] = [
            ("(?=", PART),
            ("(?!", LIST),
            ("(?<=", PART),
            ("(?<!", LIST),
            ("(?>", ONCE),
            ("(?(", ALTERNATIVES),
            ("(?#", LEAVE_OUT),
            ("(?P=", SPELL),
            ("(?P>", SPELL),
        ];
        if let Some((begin, instead)) =
            NOT_FOR_RULES.iter().find(|(begin, _)| self.rest.starts_with(begin))
        {
            return Err(self.not_for_rules(begin.len(), instead));
        }
        let Some(after) = self.rest.strip_prefix("(?") else { return self.skip(1) };
        let flags =
            after.bytes().take_while(|byte| byte.is_ascii_alphabetic() || *byte == b'-').count();
        let ends = matches!(after.as_bytes().get(flags), Some(b')' | b':'));
        if ends && after.bytes().take(flags).any(|flag| b"aLu".contains(&flag)) {
            return Err(self.not_for_rules(2 + flags + 1, ASCII));
        }
        // Past the `?`, which is no repetition.
        self.skip(2)
    }

    /// Reads a class up to its end: a `]` right at the beginning is a character of the class.
    fn class(&mut self) -> Result<(), PatternError> {
        self.skip(1)?;
        self.skip(usize::from(self.rest.starts_with('^')))?;
        self.skip(usize::from(self.rest.starts_with(']')))?;
        loop {
            if self.rest.starts_with("[:") && self.rest.contains(":]") {
                let end = self.rest.find(":]").unwrap_or_default();
                self.skip(end + 2)?;
                continue;
            }
            if let Some(set) =
                ["&&", "--", "~~", "["].iter().find(|set| self.rest.starts_with(**set))
            {
                return Err(self.not_for_rules(set.len(), CLASS));
            }
            match self.rest.chars().next() {
                None => return Ok(()),
                Some(']') => return self.skip(1),
                Some('\\') => self.skip(1 + self.rest.chars().nth(1).map_or(0, char::len_utf8))?,
                Some(character) => self.skip(character.len_utf8())?,
            }
        }
    }

    /// Reads `*`, `+`, `?` or `{…}`, each with the `?` of a lazy repetition behind.
    fn repetition(&mut self, after_repetition: bool) -> Result<(), PatternError> {
        let counted = self.rest.starts_with('{');
        let length =
            if counted { self.rest.find('}').map_or(self.rest.len(), |end| end + 1) } else { 1 };
        if after_repetition {
            return Err(self.not_for_rules(length, SINGLE));
        }
        if self.rest.starts_with("{,") {
            return Err(self.not_for_rules(2, FROM_ZERO));
        }
        self.skip(length)?;
        self.skip(usize::from(self.rest.starts_with('?')))?;
        self.repeated = true;
        Ok(())
    }

    fn not_for_rules(&self, bytes: usize, instead: &'static str) -> PatternError {
        let found: String = self.rest.get(..bytes).unwrap_or(self.rest).chars().take(16).collect();
        PatternError::Foreign { found, instead }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::{Budget, MAX_PATTERN_STEPS, Pattern};

    fn parse(text: &str, mode: PatternMode) -> Result<(), PatternError> {
        Pattern::parse(text, mode, &mut Budget::new(MAX_PATTERN_STEPS)).map(drop)
    }

    /// Every construct of Python's `re` that is read here in another way or not at all, each with
    /// its remedy.
    #[test]
    fn what_only_other_engines_have_is_refused_with_the_form_to_use() {
        for (text, found, instead) in [
            ("/(?=a)b", "(?=", PART),
            ("/repos/(?!secret)[^/]+", "(?!", LIST),
            ("/(?<=a)b", "(?<=", PART),
            ("/(?<!a)b", "(?<!", LIST),
            ("/(?>a+)b", "(?>", ONCE),
            ("/(a)?(?(1)b|c)", "(?(", ALTERNATIVES),
            ("/(?#a remark)b", "(?#", LEAVE_OUT),
            ("/(?P<x>a)(?P=x)", "(?P=", SPELL),
            ("/(a)\\1", "\\1", SPELL),
            ("/a\\Z", "\\Z", WHOLE),
            ("/\\057", "\\0", ITSELF),
            ("/\\N{SOLIDUS}", "\\N", ITSELF),
            ("/(?a)\\d", "(?a)", ASCII),
            ("/(?ia:\\d)", "(?ia:", ASCII),
            ("/(?u)a", "(?u)", ASCII),
            ("/a++b", "+", SINGLE),
            ("/a*+b", "+", SINGLE),
            ("/a?+b", "+", SINGLE),
            ("/a{2}+b", "+", SINGLE),
            ("/a+?+b", "+", SINGLE),
            ("/a**", "*", SINGLE),
            ("/a{2}{3}", "{3}", SINGLE),
            ("/(a)+?*", "*", SINGLE),
            ("/a{,3}", "{,", FROM_ZERO),
            ("/[^a&&b]", "&&", CLASS),
            ("/[a-z--b]", "--", CLASS),
            ("/[a~~b]", "~~", CLASS),
            ("/[a[b]]", "[", CLASS),
            ("/[^[a]", "[", CLASS),
        ] {
            let error = parse(text, PatternMode::Whole).unwrap_err();
            assert_eq!(error, PatternError::Foreign { found: found.to_owned(), instead }, "{text}");
        }
        let error = parse("/a\\Z", PatternMode::DangerPrefix).unwrap_err();
        assert_eq!(error.to_string(), "`\\Z` is not for rules: write `$`");
    }

    #[test]
    fn what_both_read_alike_is_taken() {
        for text in [
            "/a+?b",
            "/a*?b",
            "/a??b",
            "/a{2}?b",
            "/a{2,}b",
            "/a{2,3}?",
            "(?i)/a",
            "(?i:/a)",
            "/(?s-m:a)",
            "/(?P<n>a)+",
            "/(?<n>a)",
            "/(?:a)+b?",
            "/[]a]",
            "/[^]a]",
            "/[a-]",
            "/[-a]",
            "/[a&b]",
            "/[a~b]",
            "/[[:alpha:]]",
            "/[\\[&]",
            "/[a&\\&b]",
            "/\\+\\+",
            "/a\\++",
            "/[+*]+",
            "/[a]+[b]+",
            "/\\A?a",
            "/a\\z",
            "/a$",
            "^/a",
            "/\\x41+",
            "/(a+)+",
            "/(?:a+)*",
        ] {
            let parsed = refuse(text, PatternMode::Whole);
            assert_eq!(parsed, Ok(()), "{text}");
        }
    }

    #[test]
    fn the_end_of_the_text_is_no_trouble() {
        for text in
            ["\\", "(", "(?", "(?i", "[", "[^", "[\\", "[[:a", "{", "a{", "(?P", "é\\é[é\\é]é+é"]
        {
            let _ = refuse(text, PatternMode::Whole);
        }
    }
}
