//! The parser's refusals of a pattern, in words for the person who wrote the pattern.

use regex_syntax::ast::ErrorKind as Ast;
use regex_syntax::hir::ErrorKind as Hir;

/// Describes the fault of a pattern that does not parse, and its place: counted in characters,
/// from 1.
pub(super) fn describe(error: &regex_syntax::Error) -> String {
    match error {
        regex_syntax::Error::Parse(error) => {
            place(of_text(error.kind()), error.span().start.column)
        }
        regex_syntax::Error::Translate(error) => {
            place(of_meaning(error.kind()), error.span().start.column)
        }
        _ => UNKNOWN.to_owned(),
    }
}

const UNKNOWN: &str = "this is no pattern that is understood here";
const ESCAPE: &str =
    "`\\` is followed by something that has no meaning: `\\.`, `\\d`, `\\w` and `\\x2D` have one";
const FLAGS: &str = "unknown flags behind `(?`: write `(?:…)` for a group";
const CLASS: &str = "this class of characters is not known here: write `[…]`";

fn place(text: &str, column: usize) -> String {
    format!("{text} (character {column} of the pattern)")
}

fn of_text(kind: &Ast) -> &'static str {
    match kind {
        Ast::GroupUnclosed => "unclosed group: a `(` has no `)` (a literal one is `\\(`)",
        Ast::GroupUnopened => "unopened group: a `)` has no `(` (a literal one is `\\)`)",
        Ast::ClassUnclosed => "unclosed class: a `[` has no `]`",
        Ast::ClassRangeInvalid => "a range ends before it begins: write `[a-z]`",
        Ast::ClassRangeLiteral | Ast::ClassEscapeInvalid => {
            "a range in `[…]` begins and ends with a character: write `[a-z]`"
        }
        Ast::RepetitionMissing => {
            "`*`, `+`, `?` and `{` repeat what stands before them, and nothing does: any text is `.*`"
        }
        Ast::RepetitionCountInvalid => "a repetition ends below its beginning: write `{2,5}`",
        Ast::RepetitionCountDecimalEmpty
        | Ast::RepetitionCountUnclosed
        | Ast::DecimalEmpty
        | Ast::DecimalInvalid => "`{` begins a number of repetitions, such as `{2}` or `{1,10}`",
        Ast::UnsupportedLookAround => {
            "a pattern cannot look ahead or behind: a list of rules says what is allowed, one by one"
        }
        Ast::UnsupportedBackreference => "a pattern cannot refer to its own groups",
        Ast::EscapeUnexpectedEof => "`\\` at the end of the pattern escapes nothing",
        Ast::EscapeUnrecognized
        | Ast::EscapeHexEmpty
        | Ast::EscapeHexInvalid
        | Ast::EscapeHexInvalidDigit => ESCAPE,
        Ast::SpecialWordBoundaryUnclosed
        | Ast::SpecialWordBoundaryUnrecognized
        | Ast::SpecialWordOrRepetitionUnexpectedEof => ESCAPE,
        Ast::FlagDanglingNegation
        | Ast::FlagDuplicate { .. }
        | Ast::FlagRepeatedNegation { .. }
        | Ast::FlagUnexpectedEof
        | Ast::FlagUnrecognized => FLAGS,
        Ast::GroupNameDuplicate { .. } => "two groups have one name",
        Ast::GroupNameEmpty | Ast::GroupNameInvalid | Ast::GroupNameUnexpectedEof => {
            "the name of a group is not right: write `(?:…)`, a name changes nothing"
        }
        Ast::CaptureLimitExceeded | Ast::NestLimitExceeded(_) => {
            "too many groups, or groups too deep in each other"
        }
        Ast::UnicodeClassInvalid => CLASS,
        _ => UNKNOWN,
    }
}

fn of_meaning(kind: &Hir) -> &'static str {
    match kind {
        Hir::UnicodeNotAllowed | Hir::InvalidUtf8 => {
            "a class holds ASCII characters only: write others percent-encoded, as in `caf%C3%A9`"
        }
        Hir::UnicodePropertyNotFound
        | Hir::UnicodePropertyValueNotFound
        | Hir::UnicodePerlClassNotFound
        | Hir::UnicodeCaseUnavailable => CLASS,
        _ => UNKNOWN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every way to write a pattern wrong is reported in our words, in a single line, with the
    /// place.
    #[test]
    fn no_message_is_the_parsers() {
        let foreign = [
            "decimal",
            "regex",
            "Unicode",
            "look-around",
            "backreference",
            "capture",
            "expression",
            "quantifier",
            "\n",
        ];
        for text in [
            "/(",
            "/)",
            "/[a",
            "/[z-a]",
            r"/[\d-z]",
            "*",
            "/a|*",
            "/a{2,1}",
            "/a{",
            "/a{}",
            "/a{x}",
            "/a{99999999999}",
            "/a{1,",
            "/(?=a)",
            "/(?!a)",
            "/(?<=a)b",
            r"/(a)\1",
            r"/\",
            r"/\q",
            r"/\x",
            r"/\xZZ",
            r"/\x{}",
            r"/\x{110000000}",
            r"/\b{",
            r"/\b{start",
            r"/\b{zz}",
            "/(?-)",
            "/(?ii)",
            "/(?--i)",
            "/(?",
            "/(?z)",
            "/(?P<a>)(?P<a>)",
            "/(?P<>)",
            "/(?P<1>)",
            "/(?P<a",
            "/é(",
            "/[é]",
            r"/\pL",
            r"/\p{Nope}",
            r"/\p{",
        ] {
            let parser = || regex_syntax::ParserBuilder::new().unicode(false).utf8(false).build();
            let Err(error) = parser().parse(text) else { panic!("`{text}` is a pattern") };
            let told = describe(&error);
            assert!(
                told.ends_with(" of the pattern)") && !told.starts_with([' ', '(']),
                "{text}: {told}"
            );
            assert!(!told.starts_with(UNKNOWN), "{text}: {told}");
            assert!(foreign.iter().all(|word| !told.contains(word)), "{text}: {told}");
        }
    }
}
