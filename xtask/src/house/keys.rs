//! The spread of each key of an upstream over files.
//!
//! A key is a field of `RawUpstream`. A file names the key if the word stands in the source, as a
//! name or within a literal. Only keys of several words are counted: `name` and `hosts` have other
//! meanings elsewhere, `drop_query_parameters` has not. A file that uses the key's value under
//! another name is not counted, because a reader of text cannot tell.

use anyhow::{Context, Result};

use crate::source::{Crate, Token, closing};

/// The struct whose fields are the keys.
const SECTION: &str = "RawUpstream";

/// Returns a line of figures: the median and the greatest number of files, and the number of every
/// key.
pub(super) fn measured(crates: &[Crate]) -> Result<String> {
    let modules = || crates.iter().flat_map(|found| &found.modules);
    let keys = modules().find_map(|module| keys(&module.tokens()));
    let keys = keys.with_context(|| format!("no source has `{SECTION} {{ … }}`"))?;
    let texts: Vec<Vec<&str>> =
        modules().map(|module| module.tokens().iter().map(|token| token.text).collect()).collect();
    let names = |key: &str| {
        texts.iter().filter(|texts| texts.iter().any(|text| has_word(text, key))).count()
    };
    let mut counted: Vec<(usize, &str)> =
        keys.iter().map(|key| (names(key), key.as_str())).collect();
    counted.sort_unstable_by(|one, other| other.cmp(one));
    let (most, median) = (counted.first(), counted.get(counted.len() / 2));
    let (most, median) =
        most.zip(median).context("no key of an upstream has more than one word")?;
    let several: Vec<String> =
        counted.iter().map(|(files, key)| format!("{key} {files}")).collect();
    Ok(format!(
        "  median {}, most {}, of {} keys: {}",
        median.0,
        most.0,
        counted.len(),
        several.join(", ")
    ))
}

/// Returns the names of the struct's fields that have several words.
fn keys(tokens: &[Token<'_>]) -> Option<Vec<String>> {
    let is_definition = |three: &[Token<'_>]| matches!(three, [before, name, brace] if ["{", "struct"].contains(&before.text) && name.text == SECTION && brace.text == "{");
    let at = tokens.windows(3).position(is_definition)? + 2;
    let fields = tokens.get(at..).map(|rest| rest.get(..closing(rest)).unwrap_or_default())?;
    let named = fields.windows(3).filter(
        |three| matches!(three, [before, _, colon] if colon.text == ":" && before.text != ":"),
    );
    let names = named
        .filter_map(|three| three.get(1))
        .map(|name| name.text)
        .filter(|name| name.contains('_'));
    Some(names.map(str::to_owned).collect())
}

fn has_word(text: &str, word: &str) -> bool {
    text.split(|letter: char| !letter.is_alphanumeric() && letter != '_').any(|part| part == word)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::measured;
    use crate::source::{Crate, Module};

    #[test]
    fn a_file_names_a_key_as_a_name_or_in_a_literal() {
        let texts = [
            "section! { RawUpstream { /// x\n name: String, /// y\n api_root: a::B<C>, long_key: D, } }",
            "fn f() { upstream.api_root }",
            "const A: &str = \"api_root\"; // long_key",
            "#[cfg(test)] mod tests { long_key } fn api_root_2() {}",
            "const A: &str = \"upstreams.api_root is missing\";",
        ];
        let module =
            |text: &str| Module { path: Vec::new(), file: PathBuf::new(), text: text.to_owned() };
        let found = Crate { name: String::new(), modules: texts.map(module).into() };
        assert_eq!(
            measured(&[found]).unwrap(),
            "  median 1, most 4, of 2 keys: api_root 4, long_key 1"
        );
    }
}
