//! Functions of a module, with their length, return type and visibility.

use super::{Module, Token, closing};

/// A function with a body.
#[derive(Debug)]
pub(crate) struct Function<'t> {
    pub(crate) name: &'t str,
    /// The type of the surrounding `impl`, if the function is in an `impl`.
    pub(crate) owner: Option<&'t str>,
    /// The path of the module, from the crate's root, within which the function may be called;
    /// `None` if other crates may call the function.
    pub(crate) reach: Option<Vec<&'t str>>,
    /// The words and signs of the return type.
    pub(crate) returned: Vec<&'t str>,
    pub(crate) line: usize,
    /// The number of lines from `fn` to the last brace, both included.
    pub(crate) lines: usize,
}

/// The kind of item that a brace opens.
#[derive(Debug, Clone, Copy)]
enum Block<'t> {
    /// `impl Type`, or `impl Trait for Type`. Functions of a trait are as visible as the trait.
    Impl {
        owner: &'t str,
        is_of_trait: bool,
    },
    Module(&'t str),
    Other,
}

impl Module {
    /// Returns every function of the module outside of tests.
    pub(crate) fn functions(&self) -> Vec<Function<'_>> {
        let tokens = self.tokens();
        let (mut blocks, mut next, mut found): (Vec<Block<'_>>, _, _) =
            (Vec::new(), Block::Other, Vec::new());
        for (at, token) in tokens.iter().enumerate() {
            let (before, rest) = tokens.split_at(at);
            match (token.text, rest.get(1)) {
                ("impl", _) if begins_item(before) => next = block_of_impl(rest),
                ("mod", Some(name)) => next = Block::Module(name.text),
                ("fn", Some(name)) if name.is_word() => {
                    let here: Vec<&str> = self
                        .path
                        .iter()
                        .map(String::as_str)
                        .chain(blocks.iter().filter_map(inner))
                        .collect();
                    found.extend(function(before, rest, blocks.last().copied(), &here));
                }
                (";", _) => next = Block::Other,
                ("{", _) => blocks.push(std::mem::replace(&mut next, Block::Other)),
                ("}", _) => drop(blocks.pop()),
                _ => {}
            }
        }
        found
    }
}

fn inner<'t>(block: &Block<'t>) -> Option<&'t str> {
    match block {
        Block::Module(name) => Some(name),
        Block::Impl { .. } | Block::Other => None,
    }
}

fn begins_item(before: &[Token<'_>]) -> bool {
    before.last().is_none_or(|last| ["{", "}", ";", "]", "unsafe"].contains(&last.text))
}

/// Reads the header of an `impl`; `rest` begins with the token `impl`.
fn block_of_impl<'t>(rest: &[Token<'t>]) -> Block<'t> {
    let header: Vec<&str> = rest
        .iter()
        .map(|token| token.text)
        .take_while(|text| *text != "{" && *text != "where")
        .collect();
    let (mut depth, mut owner, mut is_of_trait) = (0_usize, "", false);
    for (text, next) in header.iter().skip(1).zip(header.iter().skip(2).chain(["{"].iter())) {
        match *text {
            "<" => depth += 1,
            ">" => depth = depth.saturating_sub(1),
            "for" if depth == 0 && *next != "<" => is_of_trait = true,
            word if depth == 0 && word.starts_with(|first: char| first.is_alphabetic()) => {
                owner = word
            }
            _ => {}
        }
    }
    Block::Impl { owner, is_of_trait }
}

/// Reads a function from the tokens `before` the keyword `fn`, and `rest`, which begins with `fn`.
/// Returns `None` for a function without a body.
fn function<'t>(
    before: &[Token<'t>],
    rest: &[Token<'t>],
    block: Option<Block<'t>>,
    here: &[&'t str],
) -> Option<Function<'t>> {
    let [keyword, name, ..] = rest else { return None };
    let from = |at: usize| rest.get(at..).unwrap_or_default();
    let arguments = opening(rest, "(")?;
    let behind = arguments + closing(from(arguments)) + 1;
    let body = behind + end_of_header(from(behind))?;
    let header = rest.get(behind..body).unwrap_or_default();
    let returned = header.iter().map(|token| token.text).take_while(|text| *text != "where");
    if rest.get(body)?.text == ";" {
        return None;
    }
    let end = from(body).get(closing(from(body)))?;
    let (owner, is_of_trait) = match block {
        Some(Block::Impl { owner, is_of_trait }) => (Some(owner), is_of_trait),
        Some(Block::Module(_) | Block::Other) | None => (None, false),
    };
    Some(Function {
        name: name.text,
        owner,
        reach: if is_of_trait { None } else { reach(visibility(before), here) },
        returned: returned.collect(),
        line: keyword.line,
        lines: end.line - keyword.line + 1,
    })
}

/// Returns the index of the brace or semicolon that ends a function's header, outside of `[…]` and
/// `(…)`.
fn end_of_header(tokens: &[Token<'_>]) -> Option<usize> {
    let mut depth = 0_usize;
    tokens.iter().position(|token| {
        match token.text {
            "[" | "(" => depth += 1,
            "]" | ")" => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && ["{", ";"].contains(&token.text)
    })
}

/// Returns the index of the first `bracket` outside of `<…>`.
fn opening(tokens: &[Token<'_>], bracket: &str) -> Option<usize> {
    let mut depth = 0_usize;
    tokens.iter().position(|token| {
        match token.text {
            "<" => depth += 1,
            ">" => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && token.text == bracket
    })
}

/// Returns the words of `pub`, `pub(…)` or nothing, at the end of the tokens; `const`, `async` and
/// similar keywords may stand between the visibility and `fn`.
fn visibility<'t>(before: &[Token<'t>]) -> Vec<&'t str> {
    let mut words: Vec<&str> = before.iter().rev().map(|token| token.text).take(16).collect();
    while words.first().is_some_and(|word| {
        ["const", "async", "unsafe", "extern"].contains(word) || word.starts_with('"')
    }) {
        words.remove(0);
    }
    let end = words.iter().position(|word| *word == "pub");
    let mut found: Vec<&str> = end.and_then(|end| words.get(..=end)).unwrap_or_default().to_vec();
    found.reverse();
    let is_whole = found.len() == 1
        || (found.get(1) == Some(&"(")
            && found.iter().position(|word| *word == ")") == Some(found.len() - 1));
    if is_whole { found } else { Vec::new() }
}

/// Returns the path of the module within which an item with the visibility may be used; `None` if
/// other crates may use the item.
pub(crate) fn reach<'t>(visibility: Vec<&'t str>, here: &[&'t str]) -> Option<Vec<&'t str>> {
    let mut reach = here.to_vec();
    let words = match visibility.as_slice() {
        [] => return Some(reach),
        ["pub"] => return None,
        ["pub", "(", words @ .., ")"] => words,
        _ => return None,
    };
    for word in words {
        match *word {
            "crate" => reach.clear(),
            "super" => drop(reach.pop()),
            "in" | "self" | "::" => {}
            name => reach.push(name),
        }
    }
    Some(reach)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use crate::source::Module;

    /// `name reach returned lines` of each function of the module `a::b`.
    fn check(text: &str, expected: &[&str]) {
        let module = Module {
            path: vec!["a".to_owned(), "b".to_owned()],
            file: PathBuf::new(),
            text: text.to_owned(),
        };
        let functions = module.functions();
        let shown = functions.iter().map(|function| {
            let reach = function
                .reach
                .as_ref()
                .map_or("all".to_owned(), |reach| format!("/{}", reach.join("/")));
            let owner = function.owner.map_or_else(String::new, |owner| format!("{owner}."));
            format!(
                "{owner}{} {reach} {} {}",
                function.name,
                function.returned.concat(),
                function.lines
            )
        });
        assert_eq!(shown.collect::<Vec<_>>(), expected, "{text}");
    }

    #[test]
    fn who_may_call_a_function_is_told_from_the_root() {
        check("fn f() {}", &["f /a/b  1"]);
        check(
            "pub fn f() {} pub(crate) async fn g() {} pub(super) const fn h() {}",
            &["f all  1", "g /  1", "h /a  1"],
        );
        check(
            "pub(in crate::a) fn f() {} pub(self) fn g() {} struct S; fn h() {}",
            &["f /a  1", "g /a/b  1", "h /a/b  1"],
        );
        check("mod c { pub(super) fn f() {} fn g() {} }", &["f /a/b  1", "g /a/b/c  1"]);
        check("pub(crate) struct S { x: X } fn f() {}", &["f /a/b  1"]);
    }

    #[test]
    fn what_a_function_returns_and_whose_it_is_is_told() {
        check(
            "impl<T: Fn() -> X> S<T> { pub(crate) fn f<F: Fn(A) -> B>(self, g: impl Fn() -> C) -> Option<D> where F: E {} }",
            &["S.f / ->Option<D> 1"],
        );
        check(
            "impl<'a> From<A<B>> for c::D<'a> { fn from(a: A<B>) -> Self {} }",
            &["D.from all ->Self 1"],
        );
        check(
            "impl S { fn f() -> [u8; 2] {} } fn g() -> impl Iterator<Item = A> {}",
            &["S.f /a/b ->[u8;2] 1", "g /a/b ->implIterator<Item=A> 1"],
        );
    }

    #[test]
    fn lines_are_counted_with_both_braces() {
        check(
            "#[must_use]\nfn f(\n  a: A,\n) -> B {\n  fn g() {\n  }\n}\ntrait T { fn h(); }",
            &["f /a/b ->B 6", "g /a/b  2"],
        );
    }
}
