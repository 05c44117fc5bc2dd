//! A reader of Rust's words and signs. The reader knows comments, literals and lifetimes, so that
//! paths and braces in text are not mistaken for code. The reader does not check that the text is
//! Rust; the compiler does.

/// A word, a sign or a literal, and the number of the line, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token<'t> {
    pub(crate) text: &'t str,
    pub(crate) line: usize,
}

impl Token<'_> {
    /// True if the token is a name or a keyword.
    pub(crate) fn is_word(&self) -> bool {
        self.text.starts_with(is_start_of_word) && !self.text.ends_with(['"', '\'', '#'])
    }
}

/// Returns the tokens of a text, without comments.
pub(crate) fn tokens(text: &str) -> Vec<Token<'_>> {
    let (mut rest, mut line, mut found) = (text, 1, Vec::new());
    while let Some(first) = rest.chars().next() {
        let (token, behind) = rest.split_at(length(rest, first));
        if !first.is_whitespace() && !is_comment(token) {
            found.push(Token { text: token, line });
        }
        line += token.matches('\n').count();
        rest = behind;
    }
    found
}

/// Returns the length in bytes of the token, comment or white space at the beginning of the text;
/// at least one character.
fn length(rest: &str, first: char) -> usize {
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return length_of_comment(rest);
    }
    if let Some(length) = length_of_string(rest) {
        return length;
    }
    if first == '\'' {
        return length_of_quoted(rest);
    }
    if first.is_alphanumeric() || first == '_' {
        return length_of_word(rest);
    }
    if ["::", "->", "=>"].iter().any(|sign| rest.starts_with(sign)) { 2 } else { first.len_utf8() }
}

fn length_of_word(rest: &str) -> usize {
    rest.find(|other: char| !other.is_alphanumeric() && other != '_').unwrap_or(rest.len())
}

fn is_start_of_word(first: char) -> bool {
    first.is_alphabetic() || first == '_'
}

fn is_comment(token: &str) -> bool {
    token.starts_with("//") || token.starts_with("/*")
}

/// Returns the length of a block comment. Block comments nest in Rust.
fn length_of_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(here) = rest.get(at..).filter(|here| !here.is_empty()) {
        match here {
            _ if here.starts_with("/*") => (depth, at) = (depth + 1, at + 2),
            _ if here.starts_with("*/") => (depth, at) = (depth - 1, at + 2),
            _ => at += here.chars().next().map_or(1, char::len_utf8),
        }
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

/// Returns the length of a literal `"…"`, `b"…"`, `c"…"`, `r#"…"#` or a mixture, such as `br"…"`.
fn length_of_string(rest: &str) -> Option<usize> {
    let prefix = rest.find(|letter| !matches!(letter, 'b' | 'c' | 'r'))?;
    let (letters, behind) = rest.split_at(prefix);
    if !["", "b", "c", "r", "br", "cr"].contains(&letters) {
        return None;
    }
    if !letters.ends_with('r') {
        return behind.starts_with('"').then(|| prefix + length_until(behind, '"'));
    }
    let hashes = behind.find(|sign| sign != '#')?;
    let body = behind.get(hashes..)?.strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    Some(prefix + hashes + 1 + body.find(&end).map_or(body.len(), |at| at + end.len()))
}

/// Returns the length of a character literal or a lifetime.
fn length_of_quoted(rest: &str) -> usize {
    let mut behind = rest.chars().skip(1);
    match (behind.next(), behind.next()) {
        (Some('\\'), _) | (_, Some('\'')) => length_until(rest, '\''),
        _ => 1 + length_of_word(rest.get(1..).unwrap_or_default()),
    }
}

/// Returns the length of a literal between two of the given sign. A `\` takes the meaning away from
/// the next character.
fn length_until(rest: &str, sign: char) -> usize {
    let mut escaped = false;
    for (at, character) in rest.char_indices().skip(1) {
        if character == sign && !escaped {
            return at + 1;
        }
        escaped = character == '\\' && !escaped;
    }
    rest.len()
}

/// Removes items for tests only: items behind `#[cfg(test)]` and `#[cfg(all(test, …))]`.
pub(crate) fn without_tests(tokens: Vec<Token<'_>>) -> Vec<Token<'_>> {
    let (mut rest, mut kept) = (tokens.as_slice(), Vec::new());
    while let [token, behind @ ..] = rest {
        if is_for_tests(rest) {
            rest = rest.get(length_of_item(rest)..).unwrap_or_default();
        } else {
            kept.push(*token);
            rest = behind;
        }
    }
    kept
}

fn is_for_tests(tokens: &[Token<'_>]) -> bool {
    let begins = |words: &[&str]| {
        tokens.iter().map(|token| token.text).take(words.len()).eq(words.iter().copied())
    };
    begins(&["#", "[", "cfg", "(", "test", ")"])
        || begins(&["#", "[", "cfg", "(", "all", "(", "test", ","])
}

/// Returns the number of tokens of the item at the beginning, attributes included. An item ends
/// with the first braces outside of other brackets, or with a semicolon; a field or a variant ends
/// with a comma, or before the bracket that closes the list.
fn length_of_item(tokens: &[Token<'_>]) -> usize {
    let (mut at, mut is_list) = (0, false);
    while let Some(token) = tokens.get(at) {
        match token.text {
            "(" | "[" => at += closing(tokens.get(at..).unwrap_or_default()),
            // `use a::{b, c};` continues until the semicolon.
            "{" if is_list => at += closing(tokens.get(at..).unwrap_or_default()),
            "{" => return at + closing(tokens.get(at..).unwrap_or_default()) + 1,
            ";" | "," => return at + 1,
            "}" | ")" | "]" => return at,
            _ => {}
        }
        is_list = token.text == "::" || token.text == "=";
        at += 1;
    }
    tokens.len()
}

/// Returns the index of the bracket that closes the bracket at index 0; the last index if no
/// bracket closes.
pub(crate) fn closing(tokens: &[Token<'_>]) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate() {
        match token.text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    tokens.len().saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::{tokens, without_tests};

    fn check(text: &str, expected: &str) {
        assert_eq!(
            tokens(text).iter().map(|token| token.text).collect::<Vec<_>>().join(" "),
            expected,
            "{text}"
        );
    }

    #[test]
    fn words_signs_and_literals_are_told_apart() {
        check("a::b->c=>d<'e, 'f>", "a :: b -> c => d < 'e , 'f >");
        check("'{' '\\'' b'}' x", "'{' '\\'' b '}' x");
        check(r#"f("{ \" //", c)"#, r#"f ( "{ \" //" , c )"#);
        check(
            "r\"a\\\" r#\"b \" }\"# br##\"c\"# \"## rest",
            "r\"a\\\" r#\"b \" }\"# br##\"c\"# \"## rest",
        );
        check("1_000.5 x'y", "1_000 . 5 x 'y");
    }

    #[test]
    fn comments_are_no_tokens() {
        check("a // crate::b\nc /* d /* e */ f */ g //! h", "a c g");
        check("/// [`crate::x`]\nfn y() {}", "fn y ( ) { }");
    }

    #[test]
    fn lines_are_counted_through_everything() {
        let found = tokens("a\n/* \n */ \"\n\" b // c\nd");
        assert_eq!(found.iter().map(|token| token.line).collect::<Vec<_>>(), [1, 3, 4, 5]);
    }

    #[test]
    fn items_of_tests_are_left_out() {
        for (text, expected) in [
            ("a; #[cfg(test)] mod tests; b", "a ; b"),
            ("#[cfg(test)] #[derive(A)] pub(crate) struct T { a: B } c", "c"),
            ("#[cfg(all(test, unix))] fn f(x: [u8; 3]) -> T { { x } } c", "c"),
            ("#[cfg(test)] use a::{b, c::{d}}; e", "e"),
            ("#[cfg(test)] const A: &[B] = &[B { c: 1 }]; e", "e"),
            ("struct S { a: A, #[cfg(test)] b: B } c", "struct S { a : A , } c"),
            ("#[cfg(unix)] fn f() {}", "# [ cfg ( unix ) ] fn f ( ) { }"),
            ("#[cfg(not(test))] fn f() {}", "# [ cfg ( not ( test ) ) ] fn f ( ) { }"),
        ] {
            let kept = without_tests(tokens(text));
            assert_eq!(
                kept.iter().map(|token| token.text).collect::<Vec<_>>().join(" "),
                expected,
                "{text}"
            );
        }
    }
}
