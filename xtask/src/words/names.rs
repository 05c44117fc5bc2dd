//! The checks of type names. The last word of a name must be a noun from the list or from the
//! glossary: a bare participle (`Held`, `Sent`) is no noun. No word of a name is one that the
//! glossary has replaced.

use std::collections::BTreeSet;

use crate::source::Crate;

/// Returns a line for each type with a replaced word in its name.
pub(super) fn replaced(crates: &[Crate], words: &BTreeSet<String>) -> Vec<String> {
    let mut found = BTreeSet::new();
    for one in crates {
        for module in &one.modules {
            for name in declared(&module.tokens()) {
                let Some(word) = words_of(name).into_iter().find(|word| words.contains(word))
                else {
                    continue;
                };
                let file = module.file.display();
                found.insert(format!("{file}: `{name}`: `{word}` is no word of the glossary"));
            }
        }
    }
    found.into_iter().collect()
}

/// Returns the names behind `struct`, `enum`, `trait` and `type`.
fn declared<'t>(tokens: &[crate::source::Token<'t>]) -> Vec<&'t str> {
    let mut names = Vec::new();
    for pair in tokens.windows(2) {
        if let [keyword, name] = pair
            && is_keyword(keyword.text)
            && name.text.starts_with(char::is_uppercase)
        {
            names.push(name.text);
        }
    }
    names
}

/// Returns the words of a name in lower case: `mint` and `request` of `MintRequest`.
fn words_of(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for character in name.chars() {
        match words.last_mut() {
            Some(word) if !character.is_uppercase() => word.push(character),
            Some(_) | None => words.push(character.to_lowercase().collect()),
        }
    }
    words
}

/// Returns the types that are visible outside of their file and whose last word is not in the
/// nouns, each with the crate.
pub(super) fn private(crates: &[Crate], nouns: &BTreeSet<String>) -> Vec<String> {
    let mut found = BTreeSet::new();
    for one in crates {
        for name in one
            .modules
            .iter()
            .flat_map(|module| types(&module.tokens()).map(str::to_owned).collect::<Vec<_>>())
        {
            if !is_known(&last_word(&name), nouns) {
                found.insert(format!("{}::{name}", one.name));
            }
        }
    }
    found.into_iter().collect()
}

/// Returns the names behind `pub …` and `struct`, `enum`, `trait` or `type`.
fn types<'t>(tokens: &[crate::source::Token<'t>]) -> impl Iterator<Item = &'t str> {
    let declared = tokens.windows(3).filter_map(|three| match three {
        [before, keyword, name]
            if is_public(before.text) && is_keyword(keyword.text) && name.is_word() =>
        {
            Some(name.text)
        }
        _ => None,
    });
    declared.filter(|name| name.starts_with(char::is_uppercase)).collect::<Vec<_>>().into_iter()
}

/// True at the end of `pub` or of `pub(…)`.
fn is_public(word: &str) -> bool {
    word == "pub" || word == ")"
}

fn is_keyword(word: &str) -> bool {
    ["struct", "enum", "trait", "type"].contains(&word)
}

/// Returns the last word in lower case, such as `response` of `PendingResponse`.
fn last_word(name: &str) -> String {
    let at = name.rfind(char::is_uppercase).unwrap_or(0);
    name.get(at..)
        .unwrap_or(name)
        .trim_end_matches(|digit: char| digit.is_ascii_digit())
        .to_lowercase()
}

/// True for a known noun, and for the plural of a known noun.
fn is_known(word: &str, nouns: &BTreeSet<String>) -> bool {
    let singular = || word.strip_suffix("ies").map(|stem| format!("{stem}y"));
    let forms = [
        word.strip_suffix('s').map(str::to_owned),
        word.strip_suffix("es").map(str::to_owned),
        singular(),
    ];
    nouns.contains(word) || forms.into_iter().flatten().any(|form| nouns.contains(&form))
}

#[cfg(test)]
mod tests {
    use super::{private, replaced};
    use crate::words::crate_of;

    #[test]
    fn a_name_ends_in_a_noun() {
        let text = "pub struct Held; pub(crate) enum PendingResponse {} struct Sent; pub trait Policies {} pub struct Ed25519Keys;";
        let nouns = ["response", "policy", "key", "ed"].map(str::to_owned).into();
        assert_eq!(private(&[crate_of(text)], &nouns), ["house::Held"]);
    }
    #[test]
    fn a_replaced_word_is_in_no_name() {
        let text = "struct NeedleCase; enum Case { Needle } pub type Answers<T> = T; trait Answer {} fn needle() {}";
        let words = ["needle", "answer"].map(str::to_owned).into();
        let expected = [
            "a.rs: `Answer`: `answer` is no word of the glossary",
            "a.rs: `NeedleCase`: `needle` is no word of the glossary",
        ];
        assert_eq!(replaced(&[crate_of(text)], &words), expected);
    }
}
