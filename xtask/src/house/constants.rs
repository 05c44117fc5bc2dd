//! The check of bounds: a name of a bound has one value throughout the workspace.

use std::collections::BTreeMap;

use crate::source::{Crate, Module, Token};

/// The first and last parts of the names of bounds.
const BEGINNING: &str = "MAX_";
const ENDS: [&str; 4] = ["_BYTES", "_SECONDS", "_MILLIS", "_WINDOW"];

/// Returns a line for each name of a bound with two values.
pub(super) fn faults(crates: &[Crate]) -> Vec<String> {
    let mut places: BTreeMap<String, BTreeMap<String, Vec<String>>> = BTreeMap::new();
    for module in crates.iter().flat_map(|found| &found.modules) {
        for (name, value) in bounds(module) {
            places
                .entry(name)
                .or_default()
                .entry(value)
                .or_default()
                .push(module.file.display().to_string());
        }
    }
    let several = places.into_iter().filter(|(_, values)| values.len() > 1);
    several
        .map(|(name, values)| format!("`{name}` has {} values: {}", values.len(), told(&values)))
        .collect()
}

fn told(values: &BTreeMap<String, Vec<String>>) -> String {
    let each = values.iter().map(|(value, files)| format!("`{value}` in {}", files.join(" and ")));
    each.collect::<Vec<_>>().join(", ")
}

/// Returns the names and values of a module's bounds, of any type.
fn bounds(module: &Module) -> Vec<(String, String)> {
    let tokens = module.tokens();
    let declared = tokens.windows(3).enumerate().filter(|(_, three)| {
        matches!(three, [keyword, name, colon] if keyword.text == "const" && is_of_bound(name.text) && colon.text == ":")
    });
    declared
        .filter_map(|(at, three)| Some((three.get(1)?.text.to_owned(), value(tokens.get(at..)?))))
        .collect()
}

fn is_of_bound(name: &str) -> bool {
    name.starts_with(BEGINNING) || ENDS.iter().any(|end| name.ends_with(end))
}

/// Returns the text between `=` and `;`.
fn value(declaration: &[Token<'_>]) -> String {
    let behind = declaration.iter().skip_while(|token| token.text != "=").skip(1);
    behind
        .take_while(|token| token.text != ";")
        .map(|token| token.text)
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::faults;
    use crate::source::{Crate, Module};

    #[track_caller]
    fn check(texts: &[&str], expected: &[&str]) {
        let modules = texts.iter().enumerate().map(|(number, text)| Module {
            path: vec![format!("m{number}")],
            file: PathBuf::from(format!("m{number}.rs")),
            text: (*text).to_owned(),
        });
        let found = faults(&[Crate { name: "house".to_owned(), modules: modules.collect() }]);
        assert_eq!(found, expected);
    }

    #[test]
    fn one_name_has_one_value() {
        check(&["const MAX_A: usize = 8;", "const MAX_B: usize = 9;"], &[]);
        check(&["const MAX_A: usize = 8;", "pub const MAX_A: u32 = 8;"], &[]);
        check(
            &["const MAX_A: usize = 8 * 1024;", "pub(crate) const MAX_A: u32 = 9;"],
            &["`MAX_A` has 2 values: `8 * 1024` in m0.rs, `9` in m1.rs"],
        );
        check(
            &["fn f() { const A_BYTES: usize = 1; }", "const A_BYTES: usize = 2;"],
            &["`A_BYTES` has 2 values: `1` in m0.rs, `2` in m1.rs"],
        );
    }

    #[test]
    fn other_names_and_tests_are_their_module_s_own() {
        check(&["const MOST: usize = 8;", "const MOST: usize = 9;"], &[]);
        check(
            &["const MAX_A: usize = 8;", "#[cfg(test)] mod tests { const MAX_A: usize = 9; }"],
            &[],
        );
    }
}
