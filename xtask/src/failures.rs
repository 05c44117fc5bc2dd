//! Failed cases by name, printed at the end of the output, for readers of the last lines.

/// The greatest number of listed failures per stage; the log has all.
const MOST: usize = 20;

/// Returns the failed cases of a log by libtest and our own runners, at most [`MOST`].
pub(crate) fn named_in(log: &str) -> Vec<String> {
    log.lines().filter_map(failure).take(MOST).collect()
}

fn failure(line: &str) -> Option<String> {
    // The lines of our runners are `FAIL the case: file:line: reason`, those of libtest
    // `test name ... FAILED`.
    let of_libtest = || line.strip_prefix("test ")?.strip_suffix(" ... FAILED");
    line.strip_prefix("FAIL ").or_else(of_libtest).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::named_in;

    #[test]
    fn cases_of_both_kinds_are_found() {
        let log = "ok   one\nFAIL two: two.py:3: AssertionError: no\ntest a::b ... ok\ntest a::c ... FAILED\n0 passed, 1 failed";
        assert_eq!(named_in(log), ["two: two.py:3: AssertionError: no", "a::c"]);
    }
}
