//! Named mutants: mutants that no test can tell from the code, or that no test needs to tell from
//! the code. `xtask/mutants.toml` names each with the reason, in a section for the file.

use std::path::Path;

use anyhow::{Context, Result};

use super::draw::Mutant;
use crate::lists;

const FILE: &str = "xtask/mutants.toml";

#[derive(Debug, PartialEq, Eq)]
pub(super) struct NamedMutant(Vec<(String, String)>);

impl NamedMutant {
    /// Reads the names. A name without a mutant is a fault: the code has changed, and the reason
    /// may no longer hold.
    pub(super) fn read(root: &Path, all: &[Mutant]) -> Result<NamedMutant> {
        let text = std::fs::read_to_string(root.join(FILE))
            .with_context(|| format!("cannot read `{FILE}`"))?;
        NamedMutant::parse(&text, all).context(FILE)
    }

    fn parse(text: &str, all: &[Mutant]) -> Result<NamedMutant> {
        let mut named = NamedMutant(Vec::new());
        for section in lists::read(text)? {
            let file = section.name.trim_matches('"');
            for (deed, _reason) in section.lines {
                let is_there =
                    all.iter().any(|mutant| mutant.file == file && mutant.deed() == deed);
                anyhow::ensure!(
                    is_there,
                    "`{file}` has no mutant `{deed}` any more: take its line out"
                );
                named.0.push((file.to_owned(), deed.to_owned()));
            }
        }
        Ok(named)
    }

    pub(super) fn has(&self, mutant: &Mutant) -> bool {
        self.0.iter().any(|(file, deed)| *file == mutant.file && deed == mutant.deed())
    }
}

#[cfg(test)]
mod tests {
    use super::super::draw::{Mutant, Place};
    use super::NamedMutant;

    fn mutant(file: &str, line: usize, deed: &str) -> Mutant {
        let span = [Place { line, column: 1 }; 2];
        let name = format!("{file}:{line}:1: {deed}");
        Mutant { name, part: "core", file: file.to_owned(), replacement: String::new(), span }
    }

    #[test]
    fn a_mutant_is_named_by_what_it_does_and_not_by_its_line() {
        let all = [
            mutant("a.rs", 1, "replace * with + in f"),
            mutant("b.rs", 2, "replace g -> bool with true"),
        ];
        let text = "[\"a.rs\"]\n\"replace * with + in f\" = \"only faster\"\n";
        let named = NamedMutant::parse(text, &all).unwrap();
        assert!(named.has(&all[0]) && named.has(&mutant("a.rs", 99, "replace * with + in f")));
        assert!(!named.has(&all[1]) && !named.has(&mutant("b.rs", 1, "replace * with + in f")));
        let gone = NamedMutant::parse(text, &all[1..]).unwrap_err().to_string();
        assert!(gone.contains("any more"), "{gone}");
        assert!(
            NamedMutant::parse("[\"a.rs\"]\n\"replace * with + in f\" = \"\"\n", &all).is_err(),
            "a reason is needed"
        );
    }
}
