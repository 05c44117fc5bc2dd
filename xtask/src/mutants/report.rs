//! The report on the mutants: counts for each part, and the names of the mutants that no test
//! noticed.

use std::fmt;

use super::draw::{Mutant, PARTS};

/// The percentage of mutants that must be caught or named.
const NEEDED: usize = 95;

/// The result of a mutant's trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TrialResult {
    /// The mutant does not compile.
    Unviable,
    /// A test fails.
    Caught,
    /// The mutant was not tried, because the list of named mutants gives a reason why no test need
    /// notice it.
    Named,
    /// All tests pass.
    Survived,
}

impl fmt::Display for TrialResult {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            TrialResult::Unviable => "unviable",
            TrialResult::Caught => "caught",
            TrialResult::Named => "named",
            TrialResult::Survived => "SURVIVED",
        })
    }
}

/// A mutant, with the result of the trial.
#[derive(Debug)]
pub(super) struct TriedMutant<'m> {
    pub(super) mutant: &'m Mutant,
    pub(super) fate: TrialResult,
}

#[derive(Debug)]
pub(super) struct Report<'m>(&'m [TriedMutant<'m>]);

impl<'m> Report<'m> {
    pub(super) fn of(tried: &'m [TriedMutant<'m>]) -> Report<'m> {
        Report(tried)
    }

    /// True if, in every part, enough of the compiling mutants were caught or named. A good part
    /// does not make up for a bad part.
    pub(super) fn is_good(&self) -> bool {
        PARTS.iter().all(|part| {
            let noticed =
                self.count(part, TrialResult::Caught) + self.count(part, TrialResult::Named);
            noticed * 100 >= (noticed + self.count(part, TrialResult::Survived)) * NEEDED
        })
    }

    fn count(&self, part: &str, fate: TrialResult) -> usize {
        self.0.iter().filter(|tried| tried.mutant.part == part && tried.fate == fate).count()
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            formatter,
            "{:<9} {:>8} {:>8} {:>8} {:>8}",
            "part", "unviable", "caught", "named", "survived"
        )?;
        for part in PARTS {
            let counts = [
                TrialResult::Unviable,
                TrialResult::Caught,
                TrialResult::Named,
                TrialResult::Survived,
            ]
            .map(|fate| self.count(part, fate));
            if counts != [0; 4] {
                let [unviable, caught, named, survived] = counts;
                writeln!(
                    formatter,
                    "{part:<9} {unviable:>8} {caught:>8} {named:>8} {survived:>8}"
                )?;
            }
        }
        for survivor in self.0.iter().filter(|tried| tried.fate == TrialResult::Survived) {
            writeln!(formatter, "{}", survivor.mutant.name)?;
        }
        write!(formatter, "{NEEDED} of 100 that compile must be caught or named, in each part: ")?;
        formatter.write_str(if self.is_good() { "they are" } else { "they are not" })
    }
}

#[cfg(test)]
mod tests {
    use super::super::draw::{Mutant, SourcePosition};
    use super::{Report, TrialResult, TriedMutant};

    fn mutant(part: &'static str) -> Mutant {
        let (name, file, replacement) =
            (format!("{part}.rs:7:9: replace"), String::new(), String::new());
        Mutant { name, part, file, replacement, span: [SourcePosition { line: 7, column: 9 }; 2] }
    }

    #[test]
    fn enough_of_each_part_must_be_noticed() {
        let (core, gate) = (mutant("core"), mutant("gate"));
        let tried = |mutant: &'static str, fate, count: usize| {
            let mutant = if mutant == "core" { &core } else { &gate };
            (0..count).map(move |_| TriedMutant { mutant, fate })
        };
        let judged = |survivors: usize| {
            let all: Vec<_> = tried("core", TrialResult::Caught, 90)
                .chain(tried("core", TrialResult::Named, 5))
                .chain(tried("core", TrialResult::Unviable, 50))
                .chain(tried("core", TrialResult::Survived, survivors))
                .chain(tried("gate", TrialResult::Caught, 900))
                .collect();
            (
                Report::of(&all).is_good(),
                Report::of(&all).to_string().matches("core.rs:7:9: replace").count(),
            )
        };
        assert_eq!((judged(5), judged(6)), ((true, 5), (false, 6)));
    }
}
