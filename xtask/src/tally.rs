//! Counts of passed and failed cases, read from the last lines of libtest, the attack runner and
//! the script stages.

use crate::log::FinishedStage;

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

impl Tally {
    pub(crate) fn one(ok: bool) -> Tally {
        if ok { Tally { passed: 1, failed: 0 } } else { Tally { passed: 0, failed: 1 } }
    }

    pub(crate) fn plus(self, other: Tally) -> Tally {
        Tally { passed: self.passed + other.passed, failed: self.failed + other.failed }
    }

    /// Adds one failure for a command that failed without naming a failed case, such as a compile
    /// error or a crash.
    fn at_least(self, ok: bool) -> Tally {
        if ok || self.failed > 0 { self } else { self.plus(Tally::one(false)) }
    }
}

/// Returns the sum of libtest's `test result:` lines.
pub(crate) fn of_libtest(finished: &FinishedStage) -> Tally {
    let lines = finished.text.lines().filter_map(|line| line.trim().strip_prefix("test result: "));
    // The form of a line: `ok. 3 passed; 0 failed; …`
    let counts =
        lines.filter_map(|line| line.split_once(". ")).map(|(_, counts)| counts_in(counts, ';'));
    counts.fold(Tally::default(), Tally::plus).at_least(finished.ok)
}

/// Reads the last line of one of our runners: `N passed, N failed`.
pub(crate) fn of_script(finished: &FinishedStage) -> Tally {
    let last = finished.text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let tally = counts_in(last, ',');
    if tally == Tally::default() && finished.ok {
        // A script without a case has tested nothing.
        return Tally::one(false);
    }
    tally.at_least(finished.ok)
}

fn counts_in(line: &str, separator: char) -> Tally {
    let mut tally = Tally::default();
    for part in line.split(separator) {
        match part.trim().split_once(' ') {
            Some((count, "passed")) => tally.passed = count.parse().unwrap_or(0),
            Some((count, "failed")) => tally.failed = count.parse().unwrap_or(0),
            _ => {}
        }
    }
    tally
}

#[cfg(test)]
mod tests {
    use super::{Tally, of_libtest, of_script};
    use crate::log::FinishedStage;

    fn finished(ok: bool, text: &str) -> FinishedStage {
        FinishedStage { ok, text: text.to_owned() }
    }

    #[test]
    fn libtest_lines_are_added_up() {
        let text = "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\
                    noise\ntest result: FAILED. 2 passed; 4 failed; 0 ignored; 0 measured";
        assert_eq!(of_libtest(&finished(false, text)), Tally { passed: 5, failed: 4 });
    }

    #[test]
    fn a_compile_error_is_one_failure() {
        assert_eq!(of_libtest(&finished(false, "error: no")), Tally { passed: 0, failed: 1 });
    }

    #[test]
    fn only_the_last_line_of_a_script_counts() {
        assert_eq!(
            of_script(&finished(true, "9 passed, 9 failed\n12 passed, 0 failed\n")),
            Tally { passed: 12, failed: 0 }
        );
        assert_eq!(
            of_script(&finished(true, "3 passed, 0 failed, 2 skipped\n")),
            Tally { passed: 3, failed: 0 }
        );
        assert_eq!(
            of_script(&finished(false, "3 passed, 0 failed")),
            Tally { passed: 3, failed: 1 }
        );
    }

    #[test]
    fn a_silent_script_has_tested_nothing() {
        assert_eq!(of_script(&finished(true, "done\n")), Tally { passed: 0, failed: 1 });
    }
}
