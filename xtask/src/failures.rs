//! Failed cases by name, for the end of the output: whoever sees only the last lines sees what to look for.

/// Failures that are listed for one stage; the log has the others.
const MOST: usize = 20;

/// The cases that a log says failed, as libtest and our own runners write them.
pub(crate) fn named_in(log: &str) -> Vec<String> {
    log.lines().filter_map(failure).take(MOST).collect()
}

fn failure(line: &str) -> Option<String> {
    // `FAIL the case: file:line: reason` of our runners, `test name ... FAILED` of libtest.
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
