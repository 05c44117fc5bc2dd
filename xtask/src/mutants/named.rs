//! Named mutants: mutants that no test can tell from the code, or that no test needs to tell from
//! the code. `xtask/mutants.toml` names each with the reason, in a section for the file. If several
//! mutants of a file do the same, a line of the list names the mutant by number.

use std::path::Path;

use anyhow::{Context, Result, bail};

use super::draw::Mutant;
use crate::lists;

const FILE: &str = "xtask/mutants.toml";

#[derive(Debug, PartialEq, Eq)]
pub(super) struct NamedMutant(Vec<Line>);

/// A line of the list, which names one mutant.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    file: String,
    deed: String,
    /// The mutant's full name with the place, if other mutants of the file do the same.
    name: Option<String>,
}

impl NamedMutant {
    /// Reads the names. A name without a mutant is a fault: the code has changed, and the reason
    /// may no longer hold. A name of several mutants is a fault, too: a reason that holds for one
    /// mutant need not hold for another.
    pub(super) fn read(root: &Path, all: &[Mutant]) -> Result<NamedMutant> {
        let text = std::fs::read_to_string(root.join(FILE))
            .with_context(|| format!("cannot read `{FILE}`"))?;
        NamedMutant::parse(&text, all).context(FILE)
    }

    fn parse(text: &str, all: &[Mutant]) -> Result<NamedMutant> {
        let mut named = NamedMutant(Vec::new());
        for section in lists::read(text)? {
            let file = section.name.trim_matches('"');
            for (written, _reason) in section.lines {
                named.0.push(Line::read(file, written, all)?);
            }
        }
        Ok(named)
    }

    pub(super) fn has(&self, mutant: &Mutant) -> bool {
        let is_named = |line: &Line| line.name.as_ref().is_none_or(|name| *name == mutant.name);
        self.0
            .iter()
            .any(|line| line.file == mutant.file && line.deed == mutant.deed() && is_named(line))
    }
}

impl Line {
    fn read(file: &str, written: &str, all: &[Mutant]) -> Result<Line> {
        let (deed, which) =
            which_of(written).map_or((written, None), |(deed, which)| (deed, Some(which)));
        let same: Vec<&Mutant> =
            all.iter().filter(|mutant| mutant.file == file && mutant.deed() == deed).collect();
        let name = match (which, same.len()) {
            (None, 1) => None,
            (None, many @ 2..) => {
                bail!("`{file}` has {many} mutants `{deed}`: say which, as `{deed} (1 of {many})`")
            }
            (Some((number, count)), many @ 2..)
                if many == count && (1..=count).contains(&number) =>
            {
                same.get(number - 1).map(|mutant| mutant.name.clone())
            }
            _ => bail!("`{file}` has no mutant `{written}` any more: take its line out"),
        };
        Ok(Line { file: file.to_owned(), deed: deed.to_owned(), name })
    }
}

/// Splits a line that ends with `(1 of 2)` into the deed, the number and the count.
fn which_of(written: &str) -> Option<(&str, (usize, usize))> {
    let (deed, which) = written.strip_suffix(')')?.rsplit_once(" (")?;
    let (number, count) = which.split_once(" of ")?;
    Some((deed, (number.parse().ok()?, count.parse().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::super::draw::{Mutant, SourcePosition};
    use super::NamedMutant;

    fn mutant(file: &str, line: usize, deed: &str) -> Mutant {
        let span = [SourcePosition { line, column: 1 }; 2];
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

    /// What holds for one of two need not hold for the other.
    #[test]
    fn of_two_that_do_the_same_one_is_named() {
        let all = [1, 5].map(|line| mutant("a.rs", line, "replace * with + in f"));
        let named = |which: &str| {
            NamedMutant::parse(
                &format!("[\"a.rs\"]\n\"replace * with + in f{which}\" = \"only faster\"\n"),
                &all,
            )
        };
        let second = named(" (2 of 2)").unwrap();
        assert!(!second.has(&all[0]) && second.has(&all[1]));
        assert!(named(" (1 of 2)").unwrap().has(&all[0]));
        assert!(named("").unwrap_err().to_string().contains("say which"));
        for wrong in [" (0 of 2)", " (3 of 2)", " (1 of 3)", " (1 of 1)", " (one of 2)"] {
            assert!(named(wrong).is_err(), "{wrong}");
        }
    }
}
