//! The density of code: method calls for each line, and closures for each thousand lines. A line is
//! counted if a word or a sign stands in the line; tests and comments are left out.

use std::fmt;
use std::ops::AddAssign;

use crate::source::{Crate, Token};

/// The words and signs behind which a `|` begins a closure: elsewhere the sign is an operator, or
/// parts two patterns.
const BEFORE_A_CLOSURE: [&str; 12] =
    ["(", ",", "=", "{", "[", ";", "=>", "move", "return", "async", "else", "?"];

/// The counts of a crate, or the sum of several crates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Density {
    lines: usize,
    calls: usize,
    closures: usize,
}

impl AddAssign for Density {
    fn add_assign(&mut self, other: Self) {
        self.lines += other.lines;
        self.calls += other.calls;
        self.closures += other.closures;
    }
}

impl fmt::Display for Density {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let for_each_thousand = |count: usize| {
            let tenths = (count * 10_000).checked_div(self.lines).unwrap_or(0);
            format!("{}.{}", tenths / 10, tenths % 10)
        };
        write!(
            formatter,
            "{:>6} lines, method calls in 1,000 lines {:>5}, closures in 1,000 lines {:>5}",
            self.lines,
            for_each_thousand(self.calls),
            for_each_thousand(self.closures)
        )
    }
}

/// Counts a crate.
pub(super) fn density(found: &Crate) -> Density {
    let mut sum = Density::default();
    for module in &found.modules {
        sum += of_tokens(&module.tokens());
    }
    sum
}

fn of_tokens(tokens: &[Token<'_>]) -> Density {
    let mut found = Density::default();
    let mut last_line = 0;
    for (at, token) in tokens.iter().enumerate() {
        if token.line != last_line {
            found.lines += 1;
            last_line = token.line;
        }
        let (before, rest) = tokens.split_at(at);
        found.calls += usize::from(begins_call(before, rest));
        found.closures += usize::from(begins_closure(before, token));
    }
    found
}

/// True at the `.` of `.name(…)` and of `.name::<…>(…)`.
fn begins_call(before: &[Token<'_>], rest: &[Token<'_>]) -> bool {
    let [dot, name, behind, ..] = rest else { return false };
    let is_range = before.last().is_some_and(|last| last.text == ".");
    dot.text == "." && !is_range && name.is_word() && ["(", "::"].contains(&behind.text)
}

fn begins_closure(before: &[Token<'_>], token: &Token<'_>) -> bool {
    let Some(last) = before.last() else { return false };
    token.text == "|" && BEFORE_A_CLOSURE.contains(&last.text)
}

#[cfg(test)]
mod tests {
    use super::{Density, density};
    use crate::source::{Crate, Module};

    #[track_caller]
    fn check(text: &str, lines: usize, calls: usize, closures: usize) {
        let file = std::path::PathBuf::from("a.rs");
        let module = Module { path: vec!["a".to_owned()], file, text: text.to_owned() };
        let found = density(&Crate { name: "house".to_owned(), modules: vec![module] });
        assert_eq!(found, Density { lines, calls, closures }, "{text}");
    }

    #[test]
    fn calls_and_closures_are_counted() {
        check("fn f() {\n    // a.b()\n\n    a.b(1).c::<u8>().d\n}\n", 3, 2, 0);
        check("a.iter().map(|one| one.b())", 1, 3, 1);
        check("let f = || a | b; let g = move |x| x;", 1, 0, 2);
        check("match a { A | B => 1..c(), C => |x| x }", 1, 0, 1);
        check("a || b.c() || !d", 1, 1, 0);
        check("#[cfg(test)]\nmod tests { fn f() { a.b(|x| x) } }", 0, 0, 0);
    }

    #[test]
    fn figures_are_for_a_thousand_lines() {
        let density = Density { lines: 400, calls: 100, closures: 3 };
        assert!(
            density
                .to_string()
                .ends_with("method calls in 1,000 lines 250.0, closures in 1,000 lines   7.5")
        );
    }
}
