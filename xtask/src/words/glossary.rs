//! A reader of the glossary. An entry is a line that begins with `**WORD**`; the names in backticks
//! before the colon are names of code.

use std::collections::BTreeSet;

use crate::source::Crate;

/// Returns the words of the entries, each word alone and in lower case.
pub(super) fn words(glossary: &str) -> BTreeSet<String> {
    let heads = entries(glossary).filter_map(|entry| entry.strip_prefix("**")?.split("**").next());
    heads
        .flat_map(|head| head.split(|sign: char| !sign.is_alphanumeric()))
        .map(str::to_lowercase)
        .collect()
}

/// Returns the names in the glossary that no source has.
pub(super) fn unused(glossary: &str, crates: &[Crate]) -> Vec<String> {
    let modules = crates.iter().flat_map(|found| &found.modules);
    let known: BTreeSet<&str> =
        modules.flat_map(|module| module.tokens()).map(|token| unquoted(token.text)).collect();
    let names = entries(glossary).flat_map(names);
    names
        .filter(|name| !name.split("::").all(|part| known.contains(part)))
        .map(str::to_owned)
        .collect()
}

fn entries(glossary: &str) -> impl Iterator<Item = &str> {
    glossary
        .lines()
        .map(|line| line.trim_start_matches(['-', ' ']))
        .filter(|line| line.starts_with("**"))
}

/// Returns the names of code in an entry's head.
fn names(entry: &str) -> impl Iterator<Item = &str> {
    let head = entry.split_once(": ").map_or(entry, |(head, _)| head);
    head.split('`').skip(1).step_by(2)
}

/// Removes the quotes of a literal, because keys and codes are literals in the sources.
fn unquoted(text: &str) -> &str {
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::{unused, words};
    use crate::words::crate_of;

    const GLOSSARY: &str = "# Words\n\n**gate** (`Gate`, `gate::Gate`): decides; not `Nothing`.\n\n- **secret mask** (`Mask`, `missing_token`): `x`.\n";

    #[test]
    fn names_of_the_glossary_are_looked_for_in_code() {
        let crates =
            [crate_of("mod gate { struct Gate; } const CODE: &str = \"missing_token\"; // Mask\n")];
        assert_eq!(unused(GLOSSARY, &crates), ["Mask"]);
    }

    #[test]
    fn words_are_those_of_the_entries() {
        assert_eq!(words(GLOSSARY).into_iter().collect::<Vec<_>>(), ["gate", "mask", "secret"]);
    }
}
